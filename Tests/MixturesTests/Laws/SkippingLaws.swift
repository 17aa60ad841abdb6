// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

/// Components far apart, as those of maps and catalogues are, with some rows far from all of them.
struct ScatteredProblem: CustomTestStringConvertible, Sendable {
  let n: Int
  let d: Int
  let K: Int
  let structure: CovarianceStructure
  /// The standard deviation of the means, in those of the components.
  let spread: Double
  var testDescription: String { "n=\(n) d=\(d) K=\(K) \(structure.rawValue) spread=\(spread)" }

  static let all: [ScatteredProblem] = {
    var cases: [ScatteredProblem] = []
    for (d, K, spread) in [
      (1, 30, 300.0), (2, 60, 60), (2, 12, 40), (3, 25, 30), (4, 40, 60), (5, 9, 30), (8, 20, 40),
      (9, 12, 40), (12, 20, 40), (20, 6, 60),
    ] {
      for structure in [CovarianceStructure.vvv, .eee, .vvi, .eii] {
        cases.append(
          ScatteredProblem(n: 6000 + 7 * d, d: d, K: K, structure: structure, spread: spread))
      }
    }
    return cases
  }()

  /// The observations, and a model to start from that is some way off.
  func make() throws -> (observations: Observations, start: GaussianMixture) {
    var random = RandomStream(seed: UInt64(n + 100 * d + K))
    let means = (0..<K).map { _ in (0..<d).map { _ in spread * random.normal() } }
    var matrices: [Matrix] = []
    for _ in 0..<K {
      var rows = (0..<d).map { i in (0..<d).map { $0 == i ? 0.5 + 2 * random.uniform() : 0.0 } }
      if structure.form == .full {
        for i in 1..<max(d, 1) {
          rows[i][i - 1] = 0.2
          rows[i - 1][i] = 0.2
        }
      }
      if structure.form == .scalar { rows = (0..<d).map { i in (0..<d).map { $0 == i ? 1.5 : 0 } } }
      matrices.append(try Matrix(rows: rows))
    }
    if structure.isShared { matrices = matrices.map { _ in matrices[0] } }
    let covariances = try Covariances(structure: structure, matrices: matrices)
    let truth = try GaussianMixture(
      weights: (0..<K).map { _ in 1 / Double(K) }, means: Matrix(rows: means),
      covariances: covariances)
    var rows = truth.sample(n, seed: 5).observations.elements
    for outlier in 0..<9 {
      for j in 0..<d { rows[(outlier * 613 % n) * d + j] = 20 * spread * random.normal() }
    }
    let start = try GaussianMixture(
      weights: truth.weights,
      means: Matrix(rows: means.map { $0.map { $0 + 0.4 * random.normal() } }),
      covariances: covariances)
    return (try Observations(Matrix(rowCount: n, columnCount: d, elements: rows)), start)
  }
}

@Suite("Exact skipping") struct SkippingLaws {
  @Test(
    "leaving out what is zero changes no bit of any iteration", arguments: ScatteredProblem.all)
  func bits(_ problem: ScatteredProblem) throws {
    let (observations, start) = try problem.make()
    let skipping = Expectation(
      observations, form: problem.structure.form, threadCount: 2, isSkipping: true)
    // Models that move a little from one call to the next, so that labels grow old.
    var random = RandomStream(seed: 8)
    for call in 0..<4 {
      let model = try GaussianMixture(
        weights: start.weights,
        means: Matrix(
          rowCount: problem.K, columnCount: problem.d,
          elements: start.means.elements.map { $0 + 0.5 * Double(call) * random.normal() }),
        covariances: start.covariances)
      #expect(
        try skipping.statistics(under: model)
          == observations.expectation(under: model, threadCount: 1))
    }
    #expect(skipping.sparseBlockCount > 0, "nothing was left out")
  }

  @Test(
    "screening many features in single precision changes no bit", arguments: [0, 1e6],
    [CovarianceStructure.vvv, .eee])
  func screening(offset: Double, structure: CovarianceStructure) throws {
    let problem = ScatteredProblem(n: 3000, d: 40, K: 7, structure: structure, spread: 2.2)
    let (near, start) = try problem.make()
    let observations = try Observations(
      Matrix(
        rowCount: problem.n, columnCount: problem.d,
        elements: near.matrix.elements.map { $0 + offset }))
    let skipping = Expectation(observations, form: .full, threadCount: 2, isSkipping: true)
    var random = RandomStream(seed: 8)
    for call in 0..<4 {
      let model = try GaussianMixture(
        weights: start.weights,
        means: Matrix(
          rowCount: problem.K, columnCount: problem.d,
          elements: start.means.elements.map {
            $0 + 0.1 * Double(call) * random.normal() + offset
          }),
        covariances: start.covariances)
      #expect(
        try skipping.statistics(under: model)
          == observations.expectation(under: model, threadCount: 1))
    }
    #expect(skipping.screenedBlockCount > 0, "nothing was screened")
    #expect(skipping.sparseBlockCount == 0)
  }

  @Test("screening a shard in parts changes no bit")
  func parts() throws {
    let (observations, model) = try ScatteredProblem(
      n: 300, d: 40, K: 5, structure: .vvv, spread: 2.2
    ).make()
    let grid = ShardGrid(rowCount: 300, featureCount: 40)
    let screened = ScreenedBlock(
      workspace: Workspace(
        rowsPerBlock: grid.rowsPerBlock, featureCount: 40, componentCount: 5),
      grid: grid, componentCount: 5)
    let single = SingleModel(model, kernels: .active, threadCount: 1)
    func screen(_ parts: [Range<Int>]) -> (statistics: SufficientStatistics, zeros: Int) {
      var statistics = SufficientStatistics(origins: model.means, form: .full)
      var zeros = 0
      for part in parts {
        observations.withRows(part) { rows in
          zeros +=
            model.withPointers { screened.add(rows, $0, single, to: &statistics) } ?? .min
        }
      }
      return (statistics, zeros)
    }
    let whole = screen([0..<256])
    let parts = screen([0..<128, 128..<256])
    #expect(whole == parts)
    #expect(whole.zeros > 0)
    #expect(whole.statistics.caseWeight == 256)
  }

  @Test("lengths of the columns of inverse factors, by which single precision is judged")
  func columnLengths() throws {
    let (_, model) = try ScatteredProblem(n: 500, d: 33, K: 3, structure: .vvv, spread: 1).make()
    let single = SingleModel(model, kernels: .active, threadCount: 2)
    for k in 0..<3 {
      let factor = try #require(Cholesky(packed: model.covariances.stored(k), order: 33))
      for j in 0..<33 {
        let column = factor.solveLower((0..<33).map { $0 == j ? 1 : 0 })
        let length = column.reduce(0) { $0 + $1 * $1 }.squareRoot()
        #expect(relativeDifference(single.columnLengths[k * 33 + j], length) < 1e-12)
      }
      #expect(single.relativeErrors[k] < 1e-3)
    }
  }

  @Test(
    "a fit is the same with skipping and without, also when components are dropped and reseeded")
  func wholeFits() throws {
    let (observations, start) = try ScatteredProblem(
      n: 5000, d: 2, K: 20, structure: .vvv, spread: 60
    ).make()
    for start in [Initialization.model(start), .randomRows, .kMeans] {
      var settings = ExpectationMaximization(
        componentCount: 20, initialization: start,
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 12))
      let skipped = try settings.fit(observations)
      settings.skipping = false
      let whole = try settings.fit(observations)
      #expect(skipped.model == whole.model)
      #expect(skipped.logLikelihood == whole.logLikelihood)
      #expect(skipped.entropy == whole.entropy)
      #expect(skipped.rescued == whole.rescued)
    }
  }

  @Test("components that overlap have no candidates to leave out")
  func overlapping() throws {
    let problem = try RandomProblem(n: 500, d: 3, K: 8)
    #expect(CandidateComponents(problem.model, threadCount: 1) == nil)
  }

  @Test("a component is left out only where its responsibility is zero")
  func bound() throws {
    for d in [1, 2, 5] {
      let (observations, model) = try ScatteredProblem(
        n: 4000, d: d, K: 15, structure: .vvv, spread: d == 1 ? 300 : 40
      ).make()
      let candidates = try #require(CandidateComponents(model, threadCount: 1))
      let distances = try model.mahalanobisDistances(for: observations)
      let responsibilities = try model.responsibilities(for: observations)
      let radius = Double(d).squareRoot() + 3
      var leftOut = 0
      for row in 0..<observations.observationCount {
        for j in 0..<15 where distances[row, j] <= radius {
          let list = Set(candidates.list(j).map { Int($0) })
          for k in 0..<15 where !list.contains(k) {
            leftOut += 1
            #expect(responsibilities[row, k] == 0)
          }
        }
      }
      #expect(leftOut > 4000)
    }
  }
}
