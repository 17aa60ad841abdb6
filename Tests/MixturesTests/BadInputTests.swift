// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

@Suite("Bad input: one clear error") struct BadInputTests {
  /// Requires an error of the given code whose message holds all the given words.
  func expect(
    _ code: MixtureError.Code, _ words: String...,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Void
  ) {
    do {
      try body()
      Issue.record("no error was thrown", sourceLocation: sourceLocation)
    } catch let error as MixtureError {
      #expect(error.code == code, sourceLocation: sourceLocation)
      for word in words {
        #expect(
          error.message.contains(word), "\(error.message) lacks \(word)",
          sourceLocation: sourceLocation)
      }
    } catch {
      Issue.record("\(error) is no MixtureError", sourceLocation: sourceLocation)
    }
  }

  func fit(
    _ rows: [[Double]], K: Int = 2, _ structure: CovarianceStructure = .full,
    names: [String]? = nil
  ) throws {
    _ = try ExpectationMaximization(componentCount: K, covariance: structure)
      .fit(Observations(Matrix(rows: rows), featureNames: names))
  }

  let good = (0..<20).map { [Double($0 % 7), Double($0 * $0 % 11)] }

  @Test("no rows, no columns, ragged rows")
  func shapes() {
    expect(.emptyObservations, "0 rows") { try fit([]) }
    expect(.emptyObservations, "0 columns") { try fit([[], []]) }
    expect(.shapeMismatch, "row 1", "2 elements") { try fit([[1], [1, 2]]) }
    expect(.shapeMismatch, "6 elements", "4 rows") {
      _ = try Matrix(rowCount: 4, columnCount: 2, elements: [1, 2, 3, 4, 5, 6])
    }
    expect(.shapeMismatch, "names") { try fit(good, names: ["x"]) }
  }

  @Test("NaN and infinity, named by row and column")
  func nonFinite() {
    for value in [Double.nan, .infinity, -.infinity] {
      var rows = good
      rows[13][1] = value
      expect(.nonFiniteObservation, "row 13", "column mass", "\(value)") {
        try fit(rows, names: ["size", "mass"])
      }
    }
    var matrix = Matrix(repeating: 0, rowCount: 1000, columnCount: 2)
    for row in 0..<1000 { matrix[row, 0] = Double(row % 17); matrix[row, 1] = Double(row % 5) }
    matrix[777, 1] = .nan
    let table = StridedTable(matrix, isFloat: false, byColumns: true)
    expect(.nonFiniteObservation, "row 777", "feature 1") {
      _ = try ExpectationMaximization(componentCount: 2).fit(table)
    }
    expect(.nonFiniteObservation, "row 777") {
      let model = try RandomProblem.mixture(d: 2, K: 1, seed: 1)
      _ = try model.labels(for: RowSlice(table, rows: 700..<800))
    }
  }

  @Test("numbers that overflow when squared")
  func overflow() {
    expect(.degenerateObservations, "column mass", "overflows") {
      try fit((0..<20).map { [Double($0 % 7), Double($0) * 1e300] }, names: ["size", "mass"])
    }
  }

  @Test("numbers that underflow when squared")
  func underflow() throws {
    for scale in [1e-150, 1e-170, 1e-300] {
      expect(.degenerateObservations, "column mass", "too little") {
        try fit(good.map { [$0[0], $0[1] * scale] }, names: ["size", "mass"])
      }
    }
    try fit(good.map { [$0[0] * 1e140, $0[1] * 1e-140] })
  }

  @Test("settings out of range")
  func settings() throws {
    let data = try Observations(rows: good)
    func fit(_ change: (inout ExpectationMaximization) -> Void) throws {
      var settings = ExpectationMaximization(componentCount: 2)
      change(&settings)
      _ = try settings.fit(data)
    }
    expect(.invalidSetting, "components is 0") { try fit { $0.componentCount = 0 } }
    expect(.invalidSetting, "restarts is 0") { try fit { $0.restartCount = 0 } }
    expect(.invalidSetting, "tolerance is -1") { try fit { $0.stoppingRule.tolerance = -1 } }
    expect(.invalidSetting, "tolerance is nan") { try fit { $0.stoppingRule.tolerance = .nan } }
    expect(.invalidSetting, "limit is -1") { try fit { $0.stoppingRule.iterationLimit = -1 } }
    expect(.invalidSetting, "floor is 1.0") { try fit { $0.covarianceFloor = 1 } }
    expect(.invalidSetting, "threads is 0") { try fit { $0.threadCount = 0 } }
    expect(.invalidSetting, "k-means is -1", "at most 1000") {
      try fit { $0.kMeans.iterationLimit = -1 }
    }
    expect(.invalidSetting, "k-means is 1001") { try fit { $0.kMeans.iterationLimit = 1001 } }
    expect(.invalidSetting, "draws 0 rows") { try fit { $0.kMeans.candidateCount = 0 } }
    expect(.invalidSetting, "draws 101 rows") { try fit { $0.kMeans.candidateCount = 101 } }
    expect(.invalidSetting, "limited to 1 rows", "2 components") {
      try fit { $0.kMeans.rowLimit = 1 }
    }
    expect(.invalidSetting, "limited to") { try fit { $0.kMeans.rowLimit = .max } }
    expect(.shapeMismatch, "1 labels for 20 rows") { try fit { $0.initialization = .labels([0]) } }
    expect(.invalidSetting, "row 4", "is 2") {
      try fit { $0.initialization = .labels((0..<20).map { $0 == 4 ? 2 : 0 }) }
    }
    let model = try RandomProblem.mixture(d: 3, K: 2, seed: 1)
    expect(.featureCountMismatch, "2 features", "for 3") {
      try fit { $0.initialization = .model(model) }
    }
    expect(.invalidSetting, "3 components") {
      let model = try RandomProblem.mixture(d: 2, K: 3, seed: 1)
      try fit { $0.initialization = .model(model) }
    }
    expect(.invalidSetting, "at least one") {
      _ = try ModelSelection(componentCounts: []).run(data)
    }
  }

  @Test("data without an answer: what is wrong and what helps")
  func degenerate() throws {
    for structure in CovarianceStructure.allCases {
      expect(.degenerateObservations, "one row") { try fit([[1, 2]], K: 1, structure) }
      expect(.degenerateObservations, "all 9 rows are equal") {
        try fit(Array(repeating: [1, 2], count: 9), structure)
      }
    }
    let constant = good.map { [$0[0], 100_000_000.1, $0[1]] }
    for structure in CovarianceStructure.allCases where structure.form != .scalar {
      expect(.degenerateObservations, "column b", "same value in all 20 rows", "Leave") {
        try fit(constant, structure, names: ["a", "b", "c"])
      }
    }
    try fit(constant, .spherical)
    try fit(constant, .eii)
    let collinear = good.map { [$0[0], $0[1], 3 * $0[0] + 1e8] }
    for structure in CovarianceStructure.allCases where structure.form == .full {
      expect(.degenerateObservations, "column a", "column c", "collinear", "diagonal") {
        try fit(collinear, structure, names: ["a", "b", "c"])
      }
    }
    for structure in CovarianceStructure.allCases where structure.form != .full {
      try fit(collinear, structure)
    }
    expect(.degenerateObservations, "column c", "linear combination") {
      try fit(good.map { [$0[0], $0[1], $0[0] - 2 * $0[1]] }, names: ["a", "b", "c"])
    }
    expect(.degenerateObservations, "3 rows", "3 features") {
      try fit([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    }
  }

  @Test("parameters that are no mixture")
  func models() throws {
    let means = try Matrix(rows: [[0, 0], [1, 1]])
    let unit = try Covariances(
      structure: .spherical, componentCount: 2, featureCount: 2, elements: [1, 1])
    func build(_ weights: [Double], _ means: Matrix, _ covariances: Covariances) throws {
      _ = try GaussianMixture(weights: weights, means: means, covariances: covariances)
    }
    expect(.invalidModel, "sum to 2") { try build([1, 1], means, unit) }
    expect(.invalidModel, "weight 1 is -0.5") { try build([1.5, -0.5], means, unit) }
    expect(.invalidModel, "weight 0 is nan") { try build([.nan, 0.5], means, unit) }
    expect(.shapeMismatch, "3 weights") { try build([0.2, 0.3, 0.5], means, unit) }
    expect(.shapeMismatch, "1 features", "2") {
      try build([0.5, 0.5], Matrix(rows: [[0], [1]]), unit)
    }
    expect(.invalidModel, "mean 1", "inf") {
      try build([0.5, 0.5], Matrix(rows: [[0, 0], [.infinity, 1]]), unit)
    }
    for elements in [[1.0, 0], [1, -1]] {
      expect(.notPositiveDefinite, "component 1") {
        try build(
          [0.5, 0.5], means,
          Covariances(structure: .spherical, componentCount: 2, featureCount: 2, elements: elements)
        )
      }
    }
    expect(.notPositiveDefinite, "component 0") {
      try build(
        [0.5, 0.5], means,
        Covariances(
          structure: .full,
          matrices: [Matrix(rows: [[1, 2], [2, 1]]), Matrix(rows: [[1, 0], [0, 1]])]))
    }
    expect(.invalidModel, "not symmetric") {
      _ = try Covariances(structure: .full, matrices: [Matrix(rows: [[1, 0.5], [0.4, 1]])])
    }
    expect(.invalidModel, "not diagonal") {
      _ = try Covariances(structure: .diagonal, matrices: [Matrix(rows: [[1, 0.5], [0.5, 1]])])
    }
    expect(.invalidModel, "multiple of the identity") {
      _ = try Covariances(structure: .spherical, matrices: [Matrix(rows: [[1, 0], [0, 2]])])
    }
    expect(.invalidModel, "shares one") {
      _ = try Covariances(
        structure: .tied, matrices: [Matrix(rows: [[1]]), Matrix(rows: [[2]])])
    }
    expect(.shapeMismatch, "2 × 1") {
      _ = try Covariances(structure: .full, matrices: [Matrix(rows: [[1], [2]])])
    }
    expect(.shapeMismatch, "6 elements", "5") {
      _ = try Covariances(
        structure: .full, componentCount: 2, featureCount: 2, elements: [1, 2, 3, 4, 5])
    }
    expect(.invalidModel, "nan") {
      _ = try Covariances(
        structure: .diagonal, componentCount: 1, featureCount: 2, elements: [1, .nan])
    }
    // Printed with six digits, weights need not sum to 1 exactly.
    let printed = try GaussianMixture(
      weights: [0.333333, 0.666666], means: means, covariances: unit)
    #expect(abs(printed.weights.reduce(0, +) - 1) < 1e-15)
  }

  @Test("queries that do not fit the model")
  func queries() throws {
    let model = try RandomProblem.mixture(d: 3, K: 2, seed: 1)
    let flat = try Observations(rows: good)
    expect(.featureCountMismatch, "2 features", "for 3") { _ = try model.labels(for: flat) }
    expect(.featureCountMismatch) { _ = try model.responsibilities(for: flat) }
    expect(.featureCountMismatch) { _ = try model.logLikelihood(of: flat) }
    expect(.nonFiniteObservation, "nan") { _ = try model.logDensity(at: [1, .nan, 2]) }
    expect(.invalidSetting, "features [3]") { _ = try model.marginal(over: [3]) }
    expect(.invalidSetting) { _ = try model.marginal(over: []) }
    expect(.invalidSetting) { _ = try model.marginal(over: [1, 1]) }
    expect(.invalidSetting) { _ = try model.conditional(given: [:]) }
    expect(.invalidSetting) { _ = try model.conditional(given: [0: 1, 1: 1, 2: 1]) }
    expect(.invalidSetting, "feature 1", "inf") { _ = try model.conditional(given: [1: .infinity]) }
  }
}

@Suite("Model selection") struct ModelSelectionTests {
  @Test("the number of components that made the data has the best BIC")
  func findsTheNumber() throws {
    let problem = try RandomProblem(n: 1500, d: 2, K: 3, separation: 8, seed: 3)
    let ranking = try ModelSelection(
      componentCounts: Array(1...5), covariances: [.full, .tied],
      estimation: ExpectationMaximization(componentCount: 1, restartCount: 5)
    ).run(problem.observations)
    #expect(ranking.candidates.count == 10)
    #expect(ranking.best.model.componentCount == 3)
    #expect(ranking.best.model.structure == .full)
    #expect(ranking.candidates[ranking.bestIndex].fit?.bic == ranking.best.bic)
    #expect(ranking.candidates.allSatisfy { ($0.fit?.bic ?? .infinity) >= ranking.best.bic })
  }

  @Test("structures that the data do not determine are listed with the reason")
  func partial() throws {
    let rows = (0..<60).map { [Double($0 % 7), Double($0 * $0 % 11), 5] }
    let ranking = try ModelSelection(
      componentCounts: [1, 2], covariances: [.full, .spherical]
    ).run(Observations(rows: rows))
    #expect(ranking.candidates[0].fit == nil)
    #expect(ranking.best.model.structure == .spherical)
    #expect(throws: MixtureError.self) {
      try ModelSelection(componentCounts: [1, 2], covariances: [.full])
        .run(Observations(rows: rows))
    }
  }
}
