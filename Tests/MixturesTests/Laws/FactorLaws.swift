// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

@Suite("Laws of mixtures of factor analysers") struct FactorLaws {
  static let tight = StoppingRule(tolerance: 1e-12, iterationLimit: 5000)

  /// Rows drawn from a mixture of factor analysers.
  struct Drawn {
    let model: GaussianMixture
    let observations: Observations
    let labels: [Int]

    init(
      n: Int, d: Int, K: Int, q: Int, variant: FactorVariant = .uuu, separation: Double = 2,
      seed: UInt64 = 1
    ) throws {
      var random = RandomStream(seed: seed, stream: 5)
      func loadings() -> Matrix {
        Matrix(
          unchecked: (0..<d * q).map { _ in random.normal() }, rowCount: d, columnCount: q)
      }
      func uniquenesses() -> [Double] {
        variant.isIsotropic
          ? Array(repeating: 0.3 + random.uniform(), count: d)
          : (0..<d).map { _ in 0.2 + random.uniform() }
      }
      let (common, shared) = (loadings(), uniquenesses())
      let factors = try FactorDecomposition(
        loadings: (0..<K).map { _ in variant.sharesLoadings ? common : loadings() },
        uniquenesses: Matrix(
          rows: (0..<K).map { _ in variant.sharesUniquenesses ? shared : uniquenesses() }))
      model = try GaussianMixture(
        weights: (0..<K).map { _ in 1 / Double(K) },
        means: Matrix(
          unchecked: (0..<K * d).map { _ in separation * random.normal() }, rowCount: K,
          columnCount: d),
        covariances: Covariances(
          factors, isShared: variant.sharesLoadings && variant.sharesUniquenesses))
      let drawn = model.sample(n, seed: seed &+ 100)
      observations = try Observations(drawn.observations)
      labels = drawn.labels
    }
  }

  // MARK: Ends of the scale

  /// Iris from its species: by factors, and by a structure.
  private func iris(
    _ variant: FactorVariant, factorCount: Int, _ structure: CovarianceStructure
  ) throws -> (factors: FactorAnalysersFit, whole: MixtureFit) {
    let observations = try Observations(rows: ReferenceTables.iris)
    return (
      try FactorAnalysers(
        componentCount: 3, factorCount: factorCount, variant: variant,
        initialization: .labels(ReferenceTables.irisLabels), stoppingRule: Self.tight
      ).fit(observations),
      try ExpectationMaximization(
        componentCount: 3, covariance: structure,
        initialization: .labels(ReferenceTables.irisLabels), stoppingRule: Self.tight
      ).fit(observations)
    )
  }

  @Test(
    "without factors the covariances are diagonal",
    arguments: [
      (FactorVariant.uuu, CovarianceStructure.vvi), (.cuu, .vvi), (.ccu, .eei), (.ucu, .eei),
      (.uuc, .vii), (.ccc, .eii),
    ])
  func noFactors(variant: FactorVariant, structure: CovarianceStructure) throws {
    let (factors, diagonal) = try iris(variant, factorCount: 0, structure)
    #expect(abs(factors.logLikelihood - diagonal.logLikelihood) < 1e-8)
    #expect(factors.parameterCount == diagonal.parameterCount)
    #expect(factors.loadings.allSatisfy { $0.columnCount == 0 })
  }

  @Test("with one factor less than features every covariance is within reach")
  func allFactors() throws {
    for (variant, structure) in [
      (FactorVariant.uuu, CovarianceStructure.vvv), (.uuc, .vvv), (.ccu, .eee),
    ] {
      let (factors, full) = try iris(variant, factorCount: 3, structure)
      #expect(abs(factors.logLikelihood - full.logLikelihood) < 1e-6, "\(variant)")
      #expect(factors.parameterCount == full.parameterCount)
    }
  }

  // MARK: Other programs

  /// R 4.2.2, `factanal`: the floor is its `lower`, the uniquenesses are those of the correlations.
  static let references:
    [(name: String, rows: [[Double]], q: Int, logLikelihood: Double, uniquenesses: [Double])] = [
      (
        "attitude", ReferenceTables.attitude, 1, -762.386369002,
        [
          0.27328234, 0.18596103, 0.64870012, 0.46608238, 0.41478368, 0.93943835, 0.85723294,
        ]
      ),
      (
        "attitude", ReferenceTables.attitude, 2, -751.021055214,
        [
          0.20972771, 0.13233552, 0.64101521, 0.39638343, 0.31773962, 0.89685631, 0.03661595,
        ]
      ),
      (
        "attitude", ReferenceTables.attitude, 3, -748.967215348,
        [
          0.22744990, 0.08017035, 0.63937203, 0.00500000, 0.23877534, 0.77112385, 0.29937982,
        ]
      ),
      (
        "swiss", ReferenceTables.swiss, 1, -1038.263969929,
        [0.51166457, 0.48240478, 0.10837811, 0.43296178, 0.68375245, 0.97788038]
      ),
      (
        "swiss", ReferenceTables.swiss, 2, -1026.353945321,
        [0.00500000, 0.18376464, 0.26221190, 0.33934637, 0.72022253, 0.75379962]
      ),
      (
        "iris", ReferenceTables.iris, 1, -423.790604628,
        [0.24022841, 0.82186416, 0.00500000, 0.06933338]
      ),
    ]

  @Test("one component is the factor analysis of R's factanal", arguments: 0..<references.count)
  func oneComponent(index: Int) throws {
    let reference = Self.references[index]
    let observations = try Observations(rows: reference.rows)
    let fit = try FactorAnalysers(
      componentCount: 1, factorCount: reference.q, stoppingRule: Self.tight,
      uniquenessFloor: 0.005
    ).fit(observations)
    // The log-likelihood is flat at its maximum: factanal's ends are good to about half their digits.
    #expect(abs(fit.logLikelihood - reference.logLikelihood) < 1e-6)
    #expect(fit.logLikelihood > reference.logLikelihood - 1e-8)
    for j in 0..<reference.uniquenesses.count {
      let share = fit.uniquenesses[0, j] / fit.model.covariances[0][j, j]
      #expect(abs(share - reference.uniquenesses[j]) < 1e-4, "\(reference.name) \(j)")
    }
    // Heywood cases are on record.
    #expect(
      fit.rescued.contains { $0.action == .floored && $0.detail.contains("uniqueness") }
        == reference.uniquenesses.contains(0.005))
  }

  @Test("numbers of parameters are those of McNicholas & Murphy")
  func parameterCounts() {
    // d = 27 features, K = 3 components, q = 4 factors: loadings of 27 · 4 − 6 = 102.
    let counts: [FactorVariant: Int] = [
      .ccc: 102 + 1, .ccu: 102 + 27, .cuc: 102 + 3, .cuu: 102 + 81, .ucc: 306 + 1,
      .ucu: 306 + 27, .uuc: 306 + 3, .uuu: 306 + 81,
    ]
    for variant in FactorVariant.allCases {
      let structure = FactorStructure(factorCount: 4, variant: variant)
      #expect(
        structure.parameterCount(featureCount: 27, componentCount: 3)
          == counts[variant]! + 3 * 27 + 2)
      #expect(
        structure.parameterCount(featureCount: 27, componentCount: 3, equalWeights: true)
          == counts[variant]! + 3 * 27)
      #expect(FactorVariant.uuu.contains(variant) && variant.contains(.ccc))
      #expect(FactorVariant(name: variant.rawValue.lowercased()) == variant)
    }
  }

  @Test("the end is that of a textbook's alternating loop", arguments: FactorVariant.allCases)
  func textbook(variant: FactorVariant) throws {
    let drawn = try Drawn(n: 100, d: 6, K: 2, q: 1, variant: variant, seed: 7)
    let fit = try FactorAnalysers(
      componentCount: 2, factorCount: 1, variant: variant,
      initialization: .labels(drawn.labels), stoppingRule: Self.tight
    ).fit(drawn.observations)
    // A uniqueness near zero would stop the textbook's loop.
    #expect(fit.rescued.isEmpty)
    var textbook = TextbookFactorAnalysers(drawn.observations.matrix, fit, variant)
    #expect(abs(textbook.logLikelihood - fit.logLikelihood) < 1e-9)
    // It stays where the fit ends, and comes back from a little way off.
    for _ in 0..<5 { textbook.cycle() }
    #expect(abs(textbook.logLikelihood - fit.logLikelihood) < 1e-6)
    textbook.disturb()
    #expect(textbook.logLikelihood < fit.logLikelihood - 1e-2)
    for _ in 0..<80 { textbook.cycle() }
    #expect(abs(textbook.logLikelihood - fit.logLikelihood) < 1e-4)
  }

  // MARK: Invariances

  @Test("the log-likelihood never falls", arguments: FactorVariant.allCases)
  func monotone(variant: FactorVariant) throws {
    let drawn = try Drawn(n: 100, d: 5, K: 3, q: 2, variant: .uuu, separation: 1, seed: 2)
    for (start, acceleration) in [
      (Initialization.randomRows, Acceleration.quasiNewton), (.randomResponsibilities, .none),
    ] {
      let fit = try FactorAnalysers(
        componentCount: 3, factorCount: 2, variant: variant, initialization: start,
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 12), acceleration: acceleration
      ).fit(drawn.observations)
      let values = fit.trace.map(\.logLikelihood)
      #expect(values.count == 13)
      for (before, after) in zip(values, values.dropFirst()) {
        #expect(after >= before - 1e-12 * abs(before), "\(variant) \(start) \(acceleration)")
      }
    }
  }

  @Test("adding a constant and scaling features change nothing but units")
  func equivariance() throws {
    let drawn = try Drawn(n: 120, d: 5, K: 2, q: 2, seed: 3)
    let rows = (0..<120).map { drawn.observations.matrix.row($0) }
    let settings = FactorAnalysers(
      componentCount: 2, factorCount: 2, initialization: .labels(drawn.labels),
      stoppingRule: Self.tight)
    let fit = try settings.fit(drawn.observations)
    // 1e8 leaves eight of sixteen digits of the rows, and so of their log-likelihood.
    let far = try settings.fit(Observations(rows: shifted(rows, by: 1e8)))
    #expect(abs(far.logLikelihood - fit.logLikelihood) < 1e-4)
    let units = [1e-4, 3, 1e5, 0.5, 7e9]
    let scaled = try settings.fit(
      Observations(rows: rows.map { zip($0, units).map { $0 * $1 } }))
    let change = 120 * units.reduce(0) { $0 + Kernels.log($1) }
    #expect(abs(scaled.logLikelihood + change - fit.logLikelihood) < 1e-6)
    for k in 0..<2 {
      for j in 0..<5 {
        let share = scaled.uniquenesses[k, j] / (units[j] * units[j])
        #expect(relativeDifference(share, fit.uniquenesses[k, j]) < 1e-4)
      }
    }
  }

  @Test("bits do not depend on threads, nor on an end in between")
  func bits() throws {
    let drawn = try Drawn(n: 3000, d: 5, K: 2, q: 1, separation: 1, seed: 6)
    var settings = FactorAnalysers(
      componentCount: 2, factorCount: 1,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 6), threadCount: 1)
    let fit = try settings.fit(drawn.observations)
    settings.threadCount = 3
    let other = try settings.fit(drawn.observations)
    #expect(fit.model == other.model && fit.logLikelihood == other.logLikelihood)
    let scores = try fit.scores(for: drawn.observations, threadCount: 1)
    #expect(try other.scores(for: drawn.observations, threadCount: 3) == scores)
    let keeper = Keeper()
    _ = try settings.fit(
      drawn.observations, checkpoints: CheckpointPlan(interval: .zero, save: keeper.save))
    let resumed = try settings.fit(
      drawn.observations,
      checkpoints: CheckpointPlan(resumed: try CheckpointTests.throughJSON(keeper.state!)) { _ in })
    #expect(resumed.model == fit.model && resumed.logLikelihood == fit.logLikelihood)
  }

  private final class Keeper {
    var state: FitCheckpoint?

    func save(_ state: FitCheckpoint) throws(MixtureError) {
      if state.iteration == 3 { self.state = state }
    }
  }

  // MARK: What rows carry

  @Test("a case weight of 2 is two rows, and rows without gaps may pass where gaps may be")
  func weights() throws {
    let drawn = try Drawn(n: 80, d: 4, K: 2, q: 1, seed: 8)
    let rows = (0..<80).map { drawn.observations.matrix.row($0) }
    let start = Initialization.model(drawn.model)
    let settings = FactorAnalysers(
      componentCount: 2, factorCount: 1, initialization: start, stoppingRule: Self.tight)
    let twice = try settings.fit(Observations(rows: rows + rows))
    let weighted = try settings.fit(
      Observations(
        drawn.observations.matrix,
        annotations: RowAnnotations(
          caseWeights: CaseWeights(Array(repeating: 2, count: 80), meaning: .frequency),
          allowsMissing: true)))
    #expect(abs(twice.logLikelihood - weighted.logLikelihood) < 1e-6)
    #expect(abs(twice.bic - weighted.bic) < 1e-5)
  }

  @Test("gaps and noise enter as for other covariances, and the log-likelihood never falls")
  func gapsAndNoise() throws {
    let drawn = try Drawn(n: 200, d: 5, K: 2, q: 1, seed: 9)
    var matrix = drawn.observations.matrix
    for i in 0..<200 where i % 3 == 0 { matrix[i, i % 5] = .nan }
    let noise = Matrix(repeating: 0.3, rowCount: 200, columnCount: 5)
    for annotations in [
      RowAnnotations(allowsMissing: true),
      RowAnnotations(allowsMissing: true, noise: .standardDeviations(noise)),
    ] {
      let observations = try Observations(matrix, annotations: annotations)
      let fit = try FactorAnalysers(
        componentCount: 2, factorCount: 1, initialization: .model(drawn.model)
      ).fit(observations)
      let values = fit.trace.map(\.logLikelihood)
      for (before, after) in zip(values, values.dropFirst()) {
        #expect(after >= before - 1e-12 * abs(before))
      }
      let score = try fit.model.logLikelihood(of: observations)
      #expect(abs(score - fit.logLikelihood) < 1e-9 * abs(score))
    }
  }

  @Test("there may be fewer rows than features, and collinear columns")
  func fewRows() throws {
    let drawn = try Drawn(n: 15, d: 20, K: 1, q: 1, seed: 11)
    let fit = try FactorAnalysers(componentCount: 1, factorCount: 1).fit(drawn.observations)
    #expect(fit.logLikelihood.isFinite && fit.parameterCount == 20 + 20 + 20)
    let rows = (0..<40).map { i in [Double(i % 7), Double(i % 5), Double(i % 7)] }
    let collinear = try FactorAnalysers(componentCount: 1, factorCount: 1)
      .fit(Observations(rows: rows))
    #expect(collinear.rescued.contains { $0.action == .floored })
    #expect(collinear.logLikelihood.isFinite)
  }

  // MARK: Recovery and choice

  @Test("what rows were drawn from is found again, and BIC finds how many factors there are")
  func recovery() throws {
    let drawn = try Drawn(n: 1500, d: 6, K: 2, q: 2, separation: 3, seed: 12)
    let ranking = try FactorAnalysers(componentCount: 1, factorCount: 0)
      .search(drawn.observations, componentCounts: [1, 2], factorCounts: [1, 2, 3])
    #expect(ranking.candidates.count == 6)
    let best = ranking.best
    #expect(best.factorCount == 2 && best.model.componentCount == 2)
    // Of 750 rows for each component a covariance is known to √(2 / 750) of its variances, about 5 %.
    let order = best.means[0, 0] - drawn.model.means[0, 0]
    let isSame = abs(order) < abs(best.means[1, 0] - drawn.model.means[0, 0])
    for k in 0..<2 {
      let (own, true_) = (
        best.model.covariances[isSame ? k : 1 - k], drawn.model.covariances[k]
      )
      for i in 0..<6 {
        for j in 0..<6 {
          let scale = (true_[i, i] * true_[j, j]).squareRoot()
          #expect(abs(own[i, j] - true_[i, j]) < 0.25 * scale)
        }
      }
    }
    // Factors that are nested are never likelier.
    for a in ranking.candidates {
      for b in ranking.candidates
      where a.componentCount == b.componentCount && a.factorCount < b.factorCount {
        #expect(a.fit!.logLikelihood <= b.fit!.logLikelihood)
      }
    }
  }

  @Test("variants that are nested are never likelier after a search")
  func nested() throws {
    let drawn = try Drawn(n: 60, d: 4, K: 2, q: 1, variant: .cuu, separation: 1, seed: 13)
    let ranking = try FactorAnalysers(
      componentCount: 2, factorCount: 1, stoppingRule: StoppingRule(iterationLimit: 40)
    ).search(
      drawn.observations, componentCounts: [2], factorCounts: [0, 1],
      variants: FactorVariant.allCases)
    for a in ranking.candidates {
      for b in ranking.candidates
      where a.factorCount <= b.factorCount && b.variant.contains(a.variant) {
        guard let x = a.fit, let y = b.fit, x.model.componentCount == 2 else { continue }
        #expect(x.logLikelihood <= y.logLikelihood + 1e-10 * abs(y.logLikelihood))
      }
    }
  }

  @Test("scores are the regression of the factors on what is known")
  func scores() throws {
    let drawn = try Drawn(n: 40, d: 5, K: 2, q: 2, seed: 14)
    let model = drawn.model
    let scores = try model.factorScores(for: drawn.observations)
    func expected(_ row: [Double], _ k: Int) -> [Double] {
      let known = row.indices.filter { !row[$0].isNaN }
      let covariance = known.enumerated().flatMap { i, a in
        known[0...i].map { model.covariances[k][a, $0] }
      }
      let solved = Cholesky(packed: covariance, order: known.count)!
        .solve(known.map { row[$0] - model.means[k, $0] })
      let loadings = model.covariances.factors!.loadings(k)
      return (0..<2).map { f in
        zip(known, solved).reduce(0) { $0 + loadings[$1.0, f] * $1.1 }
      }
    }
    var gappy = drawn.observations.matrix
    for i in 0..<40 where i % 2 == 0 { gappy[i, i % 5] = .nan }
    for i in 0..<5 where i != 2 { gappy[0, i] = .nan }
    let partial = try model.factorScores(
      for: Observations(gappy, annotations: RowAnnotations(allowsMissing: true)))
    for k in 0..<2 {
      for i in 0..<40 {
        for (f, value) in expected(drawn.observations.matrix.row(i), k).enumerated() {
          #expect(abs(scores[k][i, f] - value) < 1e-10)
        }
        for (f, value) in expected(gappy.row(i), k).enumerated() {
          #expect(abs(partial[k][i, f] - value) < 1e-10)
        }
      }
    }
  }

  // MARK: Values

  @Test("settings and models read back as they were")
  func codable() throws {
    let drawn = try Drawn(n: 60, d: 4, K: 2, q: 1, seed: 15)
    for q in [0, 1] {
      let settings = FactorAnalysers(
        componentCount: 2, factorCount: q, variant: .ucu,
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 3))
      #expect(try CheckpointTests.throughJSON(settings) == settings)
      let fit = try settings.fit(drawn.observations)
      #expect(try CheckpointTests.throughJSON(fit.model) == fit.model)
      #expect(fit.model.covariances.factors?.factorCount == q)
      #expect(try CheckpointTests.throughJSON(settings.estimation) == settings.estimation)
    }
    let whole = drawn.model.covariances
    let factors = try #require(whole.factors)
    #expect(try Covariances(structure: .vvv, matrices: whole.matrices).decomposed(factors) == whole)
    #expect(throws: MixtureError.self) {
      try Covariances(structure: .vvv, matrices: whole.matrices.reversed()).decomposed(factors)
    }
  }

  @Test("requests without an answer are errors that say why")
  func errors() throws {
    let drawn = try Drawn(n: 30, d: 3, K: 1, q: 1, seed: 16)
    func message(_ settings: FactorAnalysers) -> String? {
      do throws(MixtureError) {
        _ = try settings.fit(drawn.observations)
        return nil
      } catch {
        #expect(error.code == .invalidSetting)
        return error.message
      }
    }
    #expect(
      message(FactorAnalysers(componentCount: 1, factorCount: 3))?
        .contains("less than the number of features, 3") == true)
    #expect(message(FactorAnalysers(componentCount: 1, factorCount: -1)) != nil)
    #expect(
      message(FactorAnalysers(componentCount: 1, factorCount: 1, uniquenessFloor: 0))?
        .contains("above 0") == true)
    let full = try ExpectationMaximization(componentCount: 1).fit(drawn.observations)
    #expect(throws: MixtureError.self) { try full.model.factorScores(for: drawn.observations) }
    #expect(throws: MixtureError.self) {
      try FactorAnalysers(componentCount: 1, factorCount: 1)
        .search(drawn.observations, componentCounts: [1], factorCounts: [])
    }
    #expect(throws: MixtureError.self) {
      try FactorDecomposition(
        loadings: [Matrix(rows: [[1], [2]])], uniquenesses: Matrix(rows: [[1, 0]]))
    }
  }
}

/// The loop of McNicholas & Murphy as it is written: weights and means in one cycle, loadings and uniquenesses in the
/// other, each after an E-step of its own, in plain loops and by inverses.
private struct TextbookFactorAnalysers {
  let rows: Matrix
  let variant: FactorVariant
  var weights: [Double]
  var means: [[Double]]
  /// Λₖ, one factor: d numbers.
  var loadings: [[Double]]
  var uniquenesses: [[Double]]

  init(_ rows: Matrix, _ fit: FactorAnalysersFit, _ variant: FactorVariant) {
    self.rows = rows
    self.variant = variant
    let K = fit.weights.count
    weights = fit.weights
    means = (0..<K).map { fit.means.row($0) }
    loadings = fit.loadings.map(\.elements)
    uniquenesses = (0..<K).map { fit.uniquenesses.row($0) }
  }

  mutating func disturb() {
    for k in weights.indices {
      for j in loadings[k].indices {
        loadings[k][j] *= 0.9
        uniquenesses[k][j] *= 1.1
        means[k][j] += 0.03
      }
    }
  }

  /// Σ⁻¹ y and yᵀ Σ⁻¹ y, by Sherman & Morrison.
  private func solve(_ k: Int, _ y: [Double]) -> [Double] {
    let (a, p) = (loadings[k], uniquenesses[k])
    var denominator = 1.0
    var product = 0.0
    for j in y.indices {
      denominator += a[j] * a[j] / p[j]
      product += a[j] * y[j] / p[j]
    }
    return y.indices.map { (y[$0] - a[$0] * product / denominator) / p[$0] }
  }

  private func joints(_ row: [Double]) -> [Double] {
    weights.indices.map { k in
      let y = zip(row, means[k]).map { $0 - $1 }
      let solved = solve(k, y)
      var logDeterminant = 0.0
      var extra = 1.0
      for j in y.indices {
        logDeterminant += Kernels.log(uniquenesses[k][j])
        extra += loadings[k][j] * loadings[k][j] / uniquenesses[k][j]
      }
      let distance = zip(y, solved).reduce(0) { $0 + $1.0 * $1.1 }
      return Kernels.log(weights[k])
        - 0.5 * (Double(y.count) * logTwoPi + logDeterminant + Kernels.log(extra) + distance)
    }
  }

  var logLikelihood: Double {
    (0..<rows.rowCount).reduce(0) { sum, i in
      let joint = joints(rows.row(i))
      let largest = joint.max()!
      return sum + largest + Kernels.log(joint.reduce(0) { $0 + Kernels.exp($1 - largest) })
    }
  }

  private var responsibilities: [[Double]] {
    (0..<rows.rowCount).map { i in
      let joint = joints(rows.row(i))
      let largest = joint.max()!
      let values = joint.map { Kernels.exp($0 - largest) }
      let total = values.reduce(0, +)
      return values.map { $0 / total }
    }
  }

  mutating func cycle() {
    let (n, d, K) = (rows.rowCount, rows.columnCount, weights.count)
    var r = responsibilities
    for k in 0..<K {
      let count = (0..<n).reduce(0) { $0 + r[$1][k] }
      weights[k] = count / Double(n)
      means[k] = (0..<d).map { j in
        (0..<n).reduce(0) { $0 + r[$1][k] * rows[$1, j] } / count
      }
    }
    r = responsibilities
    var counts = Array(repeating: 0.0, count: K)
    var S: [[[Double]]] = []
    for k in 0..<K {
      counts[k] = (0..<n).reduce(0) { $0 + r[$1][k] }
      var matrix = Array(repeating: Array(repeating: 0.0, count: d), count: d)
      for i in 0..<n {
        for a in 0..<d {
          for b in 0..<d {
            matrix[a][b] +=
              r[i][k] * (rows[i, a] - means[k][a]) * (rows[i, b] - means[k][b]) / counts[k]
          }
        }
      }
      S.append(matrix)
    }
    var B: [[Double]] = []
    var theta: [Double] = []
    for k in 0..<K {
      let beta = solve(k, loadings[k])
      var own: [Double] = []
      var spread = 1.0
      for a in 0..<d {
        var sum = 0.0
        for b in 0..<d { sum += S[k][a][b] * beta[b] }
        own.append(sum)
        spread += beta[a] * sum - beta[a] * loadings[k][a]
      }
      B.append(own)
      theta.append(spread)
    }
    for k in 0..<K where !variant.sharesLoadings {
      loadings[k] = B[k].map { $0 / theta[k] }
    }
    if variant.sharesLoadings {
      var common: [Double] = []
      for j in 0..<d {
        var (above, below) = (0.0, 0.0)
        for k in 0..<K {
          let weight = counts[k] / uniquenesses[k][j]
          above += weight * B[k][j]
          below += weight * theta[k]
        }
        common.append(above / below)
      }
      for k in 0..<K { loadings[k] = common }
    }
    for k in 0..<K {
      for j in 0..<d {
        let loading = loadings[k][j]
        uniquenesses[k][j] = S[k][j][j] - 2 * loading * B[k][j] + loading * loading * theta[k]
      }
    }
    if variant.sharesUniquenesses {
      let common = (0..<d).map { j in
        (0..<K).reduce(0) { $0 + counts[$1] * uniquenesses[$1][j] } / Double(n)
      }
      for k in 0..<K { uniquenesses[k] = common }
    }
    if variant.isIsotropic {
      for k in 0..<K {
        let mean = uniquenesses[k].reduce(0, +) / Double(d)
        uniquenesses[k] = Array(repeating: mean, count: d)
      }
    }
  }
}
