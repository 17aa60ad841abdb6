// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

/// What an observer or a progress closure was told.
private final class Heard: @unchecked Sendable {
  private let lock = NSLock()
  private var updates: [SearchProgress] = []
  func add(_ update: SearchProgress) { lock.withLock { updates.append(update) } }
  var all: [SearchProgress] { lock.withLock { updates } }
}

/// Requires that two searches have the same bits, but for seconds.
private func expectSame(_ a: ModelSelection.Ranking, _ b: ModelSelection.Ranking) {
  #expect(a.bestIndex == b.bestIndex && a.candidates.count == b.candidates.count)
  #expect(a.tests == b.tests)
  for (x, y) in zip(a.candidates, b.candidates) {
    #expect(x.componentCount == y.componentCount && x.covariance == y.covariance)
    #expect(x.origin == y.origin && x.beginning == y.beginning)
    #expect(x.crossValidation == y.crossValidation)
    #expect(x.fit?.model == y.fit?.model && x.fit?.logLikelihood == y.fit?.logLikelihood)
    #expect(x.fit?.trace.map(\.logLikelihood) == y.fit?.trace.map(\.logLikelihood))
  }
}

@Suite("Criteria") struct CriterionTests {
  @Test("AICc is AIC and what few rows cost, and infinite where p + 1 rows are not exceeded")
  func corrected() {
    func value(_ criterion: InformationCriterion, _ n: Double) -> Double {
      criterion.value(logLikelihood: -100, parameterCount: 5, observationCount: n, entropy: 0)
    }
    #expect(value(.aic, 20) == 210)
    #expect(value(.aicc, 20) == 210 + 2 * 5 * 6 / 14.0)
    #expect(value(.aicc, 6) == .infinity)
    #expect(value(.aicc, 7) == 270)
  }

  @Test("NEC is the entropy over the gain, 1 for one component, and infinite without a gain")
  func normalizedEntropy() {
    func value(_ K: Int, _ logLikelihood: Double) -> Double {
      SelectionCriterion.normalizedEntropy(
        componentCount: K, logLikelihood: logLikelihood, entropy: 3, singleLogLikelihood: -100)
    }
    #expect(value(2, -94) == 0.5)
    #expect(value(1, -94) == 1)
    #expect(value(2, -100) == .infinity)
  }

  @Test(
    "every criterion but AIC finds three components that stand far apart",
    arguments: [
      SelectionCriterion.bic, .aicc, .icl, .normalizedEntropy, .likelihoodRatioTest,
    ])
  func findsThree(criterion: SelectionCriterion) throws {
    let problem = try RandomProblem(
      n: 150, d: 2, K: 3, structure: .spherical, separation: 12, seed: 4)
    let ranking = try ModelSelection(
      componentCounts: [1, 2, 3, 4], covariances: [.spherical], criterion: criterion,
      replicateCount: 19
    ).run(problem.observations)
    #expect(ranking.best.model.componentCount == 3)
  }

  @Test("one Gaussian is one component by NEC, and two are not needed by a likelihood-ratio test")
  func findsOne() throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 1, seed: 8)
    for criterion in [SelectionCriterion.normalizedEntropy, .likelihoodRatioTest, .crossValidation]
    {
      let ranking = try ModelSelection(
        componentCounts: [1, 2], criterion: criterion, foldCount: 5, replicateCount: 19
      ).run(problem.observations)
      #expect(ranking.best.model.componentCount == 1, "\(criterion)")
    }
  }

  @Test("NEC compares with one component of the same form, whether or not that is a candidate")
  func singles() throws {
    let data = try Observations(rows: ReferenceTables.faithful)
    let with = try ModelSelection(
      componentCounts: [1, 2], covariances: [.vvv, .vei, .vii], criterion: .normalizedEntropy
    ).run(data)
    let without = try ModelSelection(
      componentCounts: [2], covariances: [.vvv, .vei, .vii], criterion: .normalizedEntropy,
      learnsFromNeighbours: true
    ).run(data)
    for (index, candidate) in without.candidates.enumerated() {
      let single = try #require(with.candidates[2 * index].fit)
      let fit = try #require(candidate.fit)
      #expect(
        relativeDifference(
          without.value(of: .normalizedEntropy, at: index)!,
          fit.entropy / (fit.logLikelihood - single.logLikelihood)) < 1e-12)
      #expect(with.value(of: .normalizedEntropy, at: 2 * index) == 1)
    }
    #expect(with.best.model.componentCount == 2)
  }
}

@Suite("Cross-validation") struct CrossValidationTests {
  @Test(
    "folds hold every row once, in parts whose sizes differ by one at most",
    arguments: [
      (10, 3), (12, 4), (7, 7), (5, 2), (11, 10),
    ])
  func folds(n: Int, V: Int) throws {
    let table = try Observations(rows: (0..<n).map { [Double($0), Double(-$0)] })
    let folds = Folds(rowCount: n, count: V, seed: 3)
    func rows(_ fold: Int, _ isHeldOut: Bool, step: Int) throws -> [Double] {
      let part = FoldRows(table, folds: folds, fold: fold, isHeldOut: isHeldOut)
      var values: [Double] = []
      for start in stride(from: 0, to: part.observationCount, by: step) {
        try part.withRows(start..<min(start + step, part.observationCount)) { block in
          for i in 0..<block.count {
            #expect(block[i, 1] == -block[i, 0])
            values.append(block[i, 0])
          }
        }
      }
      return values
    }
    var heldOut: [Double] = []
    for fold in 0..<V {
      let own = try rows(fold, true, step: 2)
      #expect(own.count == n / V || own.count == n / V + 1)
      #expect(try (own + rows(fold, false, step: 3)).sorted() == (0..<n).map { Double($0) })
      #expect(try rows(fold, false, step: 1) == rows(fold, false, step: n))
      heldOut += own
    }
    #expect(heldOut.sorted() == (0..<n).map { Double($0) })
  }

  @Test("another seed cuts other folds") func seeds() {
    let orders = (0..<4).map { seed in
      (0..<20).map { Folds(rowCount: 200, count: 10, seed: seed).order(ofGroup: $0) }
    }
    #expect(orders[0] != orders[1] && orders[1] != orders[2])
  }

  @Test("with one component the score is that of the other rows' mean and covariance")
  func oneComponent() throws {
    let rows = Array(ReferenceTables.faithful.prefix(30))
    let ranking = try ModelSelection(
      componentCounts: [1], criterion: .crossValidation,
      estimation: ExpectationMaximization(componentCount: 1, seed: 5), foldCount: 6
    ).run(Observations(rows: rows))
    let folds = Folds(rowCount: 30, count: 6, seed: 5)
    var densities: [Double] = []
    for fold in 0..<6 {
      let isOut = (0..<30).map { folds.order(ofGroup: $0 / 6)[$0 % 6] == fold }
      let fitted = rows.indices.filter { !isOut[$0] }.map { rows[$0] }
      let n = Double(fitted.count)
      let mean = (0..<2).map { j in fitted.reduce(0) { $0 + $1[j] } / n }
      func moment(_ i: Int, _ j: Int) -> Double {
        fitted.reduce(0) { $0 + ($1[i] - mean[i]) * ($1[j] - mean[j]) } / n
      }
      let (a, b, c) = (moment(0, 0), moment(0, 1), moment(1, 1))
      let determinant = a * c - b * b
      for row in rows.indices where isOut[row] {
        let (x, y) = (rows[row][0] - mean[0], rows[row][1] - mean[1])
        let distance = (c * x * x - 2 * b * x * y + a * y * y) / determinant
        densities.append(-0.5 * (distance + log(determinant)) - log(2 * Double.pi))
      }
    }
    let validation = try #require(ranking.candidates[0].crossValidation)
    let total = densities.reduce(0, +)
    let mean = total / 30
    let deviation = (densities.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 29 / 30).squareRoot()
    // Some hundred roundings of numbers of order ten.
    #expect(relativeDifference(validation.logLikelihood, total) < 1e-11)
    #expect(relativeDifference(validation.standardError, deviation) < 1e-9)
    #expect(ranking.value(of: .crossValidation, at: 0) == -2 * validation.logLikelihood)
  }

  /// The held-out scores of weighted rows: exactly five iterations of two components from one model.
  private func validation(
    _ rows: [[Double]], weights: [Double]?, meaning: CaseWeights.Meaning = .frequency
  ) throws -> CrossValidation {
    let start = try GaussianMixture(
      weights: [0.4, 0.6], means: Matrix(rows: [[2, 55], [4.3, 80]]),
      covariances: Covariances(
        structure: .vvv,
        matrices: [Matrix(rows: [[0.2, 0], [0, 40]]), Matrix(rows: [[0.2, 0], [0, 40]])]))
    let ranking = try ModelSelection(
      componentCounts: [2], criterion: .crossValidation,
      estimation: ExpectationMaximization(
        componentCount: 2, initialization: .model(start),
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 5), acceleration: .none, seed: 5),
      foldCount: 6
    ).run(
      Observations(
        Matrix(rows: rows),
        annotations: RowAnnotations(
          caseWeights: weights.map { CaseWeights($0, meaning: meaning) })))
    return try #require(ranking.candidates[0].crossValidation)
  }

  @Test("a row of weight two is scored as the row twice in its fold, and one of weight zero is not")
  func weightedRows() throws {
    let (n, V) = (60, 6)
    let rows = Array(ReferenceTables.faithful.prefix(n))
    let folds = Folds(rowCount: 2 * n, count: V, seed: 5)
    // Behind the rows their copies, each where it is in the fold of the row that it copies.
    var copies: [Int] = []
    for group in 0..<n / V {
      let own = folds.order(ofGroup: group)
      for fold in folds.order(ofGroup: n / V + group) {
        copies.append(group * V + own.firstIndex(of: fold)!)
      }
    }
    let isDoubled = rows.indices.map { $0 % 3 == 1 }
    let twice = try validation(
      rows + copies.map { rows[$0] },
      weights: Array(repeating: 1, count: n) + copies.map { isDoubled[$0] ? 1 : 0 })
    let weighted = try validation(rows, weights: isDoubled.map { $0 ? 2 : 1 })
    #expect(weighted.caseWeight == 80 && twice.caseWeight == 80)
    #expect(weighted.observationCount == 60 && twice.observationCount == 120)
    // The same sums in another order: some hundred terms, five times.
    #expect(relativeDifference(weighted.meanLogLikelihood, twice.meanLogLikelihood) < 1e-11)
    #expect(relativeDifference(weighted.standardError, twice.standardError) < 1e-9)
    // Rows of weight zero, even far away ones, are as if they were not there.
    let more = try validation(
      rows + (0..<n).map { [1e3 + Double($0), -7] },
      weights: Array(repeating: 1, count: n) + Array(repeating: 0, count: n))
    let alone = try validation(rows, weights: nil)
    #expect(more.caseWeight == 60)
    #expect(relativeDifference(more.meanLogLikelihood, alone.meanLogLikelihood) < 1e-11)
    #expect(relativeDifference(more.standardError, alone.standardError) < 1e-9)
  }

  @Test(
    "the unit of reliabilities changes neither the mean of held-out rows nor its standard error")
  func reliabilities() throws {
    let rows = Array(ReferenceTables.faithful.prefix(60))
    let weights = rows.indices.map { Double(1 + $0 % 3) }
    let one = try validation(rows, weights: weights, meaning: .reliability)
    let other = try validation(rows, weights: weights.map { 8 * $0 }, meaning: .reliability)
    // Powers of two are exact.
    #expect(one.meanLogLikelihood == other.meanLogLikelihood)
    #expect(one.standardError == other.standardError)
    // Of equal ones both are those of plain rows.
    let equal = try validation(
      rows, weights: rows.map { _ in 0.25 }, meaning: .reliability)
    let plain = try validation(rows, weights: nil)
    #expect(relativeDifference(equal.meanLogLikelihood, plain.meanLogLikelihood) < 1e-11)
    #expect(relativeDifference(equal.standardError, plain.standardError) < 1e-9)
  }

  @Test("numbers of folds out of range are errors") func range() throws {
    let data = try Observations(rows: ReferenceTables.faithful)
    for count in [1, 0, -3, 273] {
      #expect(throws: MixtureError.self) {
        try ModelSelection(
          componentCounts: [1], criterion: .crossValidation, foldCount: count
        ).run(data)
      }
    }
  }
}

@Suite("Candidates learn from each other") struct NeighbourTests {
  /// Requires that no candidate is less likely than one that is nested in it.
  private func expectNested(_ ranking: ModelSelection.Ranking, equalWeights: Bool = false) {
    expectNested(ranking.candidates, equalWeights: equalWeights)
  }

  private func expectNested(_ candidates: [ModelSelection.Candidate], equalWeights: Bool) {
    for large in candidates {
      for small in candidates {
        let isNested =
          large.covariance.contains(small.covariance)
          && (large.componentCount == small.componentCount
            || (large.componentCount > small.componentCount && !equalWeights))
        guard isNested, let a = large.fit?.logLikelihood, let b = small.fit?.logLikelihood else {
          continue
        }
        // The search calls the tenth digit a difference, and the same density may be rounded otherwise.
        #expect(
          a >= b - 1.1e-10 * max(abs(b), 1),
          "\(large.covariance) \(large.componentCount) below \(small.covariance) \(small.componentCount)"
        )
      }
    }
  }

  @Test("no fit of iris is less likely than one nested in it: all structures, 1 to 5 components")
  func iris() throws {
    let ranking = try ModelSelection(
      componentCounts: Array(1...5), covariances: CovarianceStructure.allCases
    ).run(Observations(rows: ReferenceTables.iris))
    expectNested(ranking)
    #expect(ranking.best.model.structure == .vev && ranking.best.model.componentCount == 2)
    #expect(abs(ranking.best.bic - 561.728462) < 1e-3)
    #expect(ranking.candidates.contains { $0.origin != .start })
  }

  @Test("no fit of Old Faithful is less likely than one nested in it")
  func faithful() throws {
    let ranking = try ModelSelection(
      componentCounts: Array(1...5), covariances: CovarianceStructure.allCases
    ).run(Observations(rows: ReferenceTables.faithful))
    expectNested(ranking)
    #expect(ranking.best.model.structure == .eee && ranking.best.model.componentCount == 3)
    // mclust's is 2314.316296.
    #expect(ranking.best.bic < 2314.3164)
  }

  @Test(
    "nor of random tables, with free and equal weights, gaps in the range and few iterations",
    arguments: [(1, false), (2, true), (3, false), (4, true)])
  func random(seed: UInt64, equalWeights: Bool) throws {
    let problem = try RandomProblem(
      n: 120, d: Int(seed % 3) + 1, K: 3, structure: .diagonal, separation: 1.5, seed: seed)
    let ranking = try ModelSelection(
      componentCounts: [4, 1, 2],
      covariances: [.vvv, .eii, .vev, .vvi, .eee, .vve, .eei],
      estimation: ExpectationMaximization(
        componentCount: 1, equalWeights: equalWeights,
        stoppingRule: StoppingRule(tolerance: 1e-6, iterationLimit: seed == 3 ? 3 : 1000))
    ).run(problem.observations)
    expectNested(ranking, equalWeights: equalWeights)
  }

  @Test("nor before a background, whose density is the same for all") func background() throws {
    var random = RandomStream(seed: 5, stream: 0)
    let scattered = (0..<40).map { _ in [6 * random.uniform(), 40 + 60 * random.uniform()] }
    let source = try Observations(rows: ReferenceTables.faithful + scattered)
    var estimation = ExpectationMaximization(componentCount: 1)
    estimation.background = .boundingBox
    let ranking = try ModelSelection(
      componentCounts: [1, 2, 3, 4], covariances: CovarianceStructure.allCases,
      estimation: estimation
    ).run(source)
    expectNested(ranking)
    #expect(ranking.candidates.contains { $0.origin != .start })
    let widths = try #require(ranking.best.model.background).logWidths
    for candidate in ranking.candidates {
      let fit = try #require(candidate.fit)
      #expect(fit.model.background?.logWidths == widths)
      // The log-likelihood and the count are those of the model with its background.
      let score = try fit.model.logLikelihood(of: source)
      #expect(abs(score - fit.logLikelihood) <= 1e-9 * abs(score))
      #expect(fit.parameterCount == fit.model.parameterCount(equalWeights: false))
    }
  }

  @Test("nor with known components, of as many components, and these keep their numbers")
  func knownComponents() throws {
    let rows = ReferenceTables.iris
    let known = rows.indices.map { $0 % 5 == 0 ? $0 / 50 : nil }
    let source = try Observations(
      Matrix(rows: rows),
      annotations: RowAnnotations(knownComponents: KnownComponents(known)))
    let ranking = try ModelSelection(
      componentCounts: [3, 4, 5], covariances: CovarianceStructure.allCases
    ).run(source)
    for count in [3, 4, 5] {
      expectNested(
        ranking.candidates.filter { $0.componentCount == count }, equalWeights: false)
    }
    #expect(ranking.candidates.contains { $0.origin != .start })
    for candidate in ranking.candidates {
      let model = try #require(candidate.fit).model
      let labels = try model.labels(for: source)
      #expect(rows.indices.allSatisfy { known[$0] == nil || labels[$0] == known[$0] })
    }
  }

  @Test("one thread and three give the same bits, and so does an observer that only looks on")
  func threads() throws {
    let data = try Observations(rows: ReferenceTables.iris)
    func run(_ threads: Int, _ observer: ((Int, IterationReport) -> ObserverDecision)? = nil)
      throws -> ModelSelection.Ranking
    {
      try ModelSelection(
        componentCounts: [1, 2, 3], covariances: [.eei, .vev, .vvv], criterion: .crossValidation,
        estimation: ExpectationMaximization(componentCount: 1, threadCount: threads), foldCount: 4
      ).run(data, observer: observer)
    }
    let one = try run(1)
    expectSame(try run(3), one)
    expectSame(try run(2) { _, _ in .proceed }, one)
  }

  @Test("progress is told of every fit, also where they are made side by side")
  func progress() throws {
    let data = try Observations(rows: ReferenceTables.iris)
    let heard = Heard()
    _ = try ModelSelection(
      componentCounts: [1, 2, 3], covariances: [.eei, .vev],
      estimation: ExpectationMaximization(componentCount: 1, threadCount: 4)
    ).run(data, progress: heard.add)
    let finished = heard.all.filter { $0.iteration == nil && $0.stage == .candidates }
    #expect(finished.map(\.finishedCount) == Array(1...6))
    #expect(finished.allSatisfy { $0.count == 6 })
    // One of the fits of each round shows its iterations.
    let watched = heard.all.filter { $0.iteration != nil && $0.stage == .candidates }
    #expect(!watched.isEmpty)
    #expect(watched.allSatisfy { $0.componentCount == 1 && $0.covariance == .eei })
  }

  @Test("a given start is not left") func givenStart() throws {
    let data = try Observations(rows: ReferenceTables.iris)
    let ranking = try ModelSelection(
      componentCounts: [3], covariances: CovarianceStructure.allCases,
      estimation: ExpectationMaximization(
        componentCount: 3, initialization: .labels(ReferenceTables.irisLabels))
    ).run(data)
    #expect(ranking.candidates.allSatisfy { $0.origin == .start })
  }

  @Test("a candidate's settings make its fit again") func again() throws {
    let data = try Observations(rows: ReferenceTables.iris)
    let search = ModelSelection(
      componentCounts: [2, 3, 4], covariances: [.eei, .vvi, .vev, .vvv])
    let ranking = try search.run(data)
    var fromNeighbours = 0
    for candidate in ranking.candidates {
      let fit = try search.settings(of: candidate).fit(data)
      #expect(fit.model == candidate.fit?.model)
      if candidate.beginning != nil { fromNeighbours += 1 }
    }
    #expect(fromNeighbours > 0)
  }

  @Test(
    "a model in a more general structure, or with halved components, has the same density",
    arguments: CovarianceStructure.allCases)
  func sameDensity(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 50, d: 3, K: 2, structure: structure, seed: 6)
    let own = try problem.model.logDensities(of: problem.observations)
    for target in CovarianceStructure.allCases {
      guard let model = problem.model.expressed(in: target) else {
        #expect(!target.contains(structure))
        continue
      }
      #expect(target.contains(structure) && model.structure == target)
      let padded = try #require(model.padded(to: 5))
      #expect(padded.componentCount == 5)
      for model in [model, padded] {
        let densities = try model.logDensities(of: problem.observations)
        // Factors of diagonal matrices are square roots, inverted in another order.
        #expect(zip(densities, own).allSatisfy { relativeDifference($0, $1) < 1e-13 })
      }
    }
  }
}

@Suite("Rankings") struct RankingTests {
  private func search(_ counts: [Int], _ structures: [CovarianceStructure]) throws
    -> ModelSelection.Ranking
  {
    try ModelSelection(
      componentCounts: counts, covariances: structures, learnsFromNeighbours: false
    ).run(Observations(rows: ReferenceTables.faithful))
  }

  @Test("two searches merged are ranked as one over both grids") func merging() throws {
    let whole = try search([1, 2, 3], [.vvv, .eee])
    let parts = try search([3, 1], [.vvv]).merged(with: search([2], [.vvv]))
      .merged(with: search([1, 2, 3], [.eee]))
    expectSame(parts, whole)
    // A candidate of both is there once.
    expectSame(try whole.merged(with: parts), whole)
  }

  @Test("of a candidate of both searches the likelier fit is kept") func likelier() throws {
    let data = try Observations(rows: ReferenceTables.faithful)
    var short = ModelSelection(componentCounts: [3], learnsFromNeighbours: false)
    short.estimation.stoppingRule = StoppingRule(tolerance: 0, iterationLimit: 1)
    let poor = try short.run(data)
    let good = try search([3], [.vvv])
    #expect(good.best.logLikelihood > poor.best.logLikelihood)
    #expect(try poor.merged(with: good).best.model == good.best.model)
    #expect(try good.merged(with: poor).best.model == good.best.model)
  }

  @Test("a search of another table cannot be merged") func otherTable() throws {
    let other = try ModelSelection(componentCounts: [1])
      .run(Observations(rows: Array(ReferenceTables.faithful.dropLast())))
    #expect(throws: MixtureError.self) { try search([1], [.vvv]).merged(with: other) }
  }

  @Test("a ranking comes back from JSON with the same bits, errors among them") func coding() throws
  {
    // A constant column leaves full covariances undefined.
    let rows = ReferenceTables.faithful.map { $0 + [1] }
    let ranking = try ModelSelection(
      componentCounts: [1, 2], covariances: [.vvv, .vii], criterion: .normalizedEntropy
    ).run(Observations(rows: rows))
    let back = try CheckpointTests.throughJSON(ranking)
    expectSame(back, ranking)
    for index in ranking.candidates.indices {
      #expect(
        back.value(of: .normalizedEntropy, at: index)
          == ranking.value(of: .normalizedEntropy, at: index))
    }
    guard case .failure(let error) = back.candidates[0].outcome else {
      Issue.record("a fit of a constant column")
      return
    }
    #expect(error.code == .degenerateObservations && !error.message.isEmpty)
  }
}

@Suite("Likelihood-ratio tests") struct LikelihoodRatioTestTests {
  @Test("p counts the ratios that are as large, and the table itself") func pValue() throws {
    let data = try Observations(rows: ReferenceTables.faithful)
    let ranking = try ModelSelection(
      componentCounts: [1, 2, 3], covariances: [.eee], criterion: .likelihoodRatioTest,
      replicateCount: 19
    ).run(data)
    let first = try #require(ranking.tests.first)
    let fits = ranking.candidates.compactMap(\.fit)
    // Each fit is within 272 times the tolerance of its end.
    let ratio = 2 * (fits[1].logLikelihood - fits[0].logLikelihood)
    #expect(abs(first.statistic - ratio) < 2 * 2 * 272 * 1e-6)
    #expect(first.componentCounts == [1, 2])
    #expect(first.replicates.count + first.failureCount == 19)
    #expect(first.replicates.allSatisfy { $0 >= -1e-6 && $0 < first.statistic })
    #expect(first.pValue == 1 / Double(first.replicates.count + 1))
    #expect(ranking.tests.count == 2)
    for test in ranking.tests {
      let larger = test.replicates.count { $0 >= test.statistic }
      #expect(test.pValue == Double(larger + 1) / Double(test.replicates.count + 1))
    }
  }

  @Test("another number of threads draws the same tables") func threads() throws {
    let data = try Observations(rows: Array(ReferenceTables.faithful.prefix(100)))
    let tests = try [1, 3].map { threads in
      try ModelSelection(
        componentCounts: [1, 2], covariances: [.eee], criterion: .likelihoodRatioTest,
        estimation: ExpectationMaximization(componentCount: 1, threadCount: threads),
        replicateCount: 9
      ).run(data).tests
    }
    #expect(tests[0] == tests[1])
  }

  @Test("several structures, numbers that do not ascend, and levels out of range are errors")
  func settings() throws {
    let data = try Observations(rows: ReferenceTables.faithful)
    var search = ModelSelection(componentCounts: [1, 2], criterion: .likelihoodRatioTest)
    for change in [
      { (search: inout ModelSelection) in search.covariances = [.full, .tied] },
      { $0.componentCounts = [2, 1] }, { $0.replicateCount = 0 }, { $0.significanceLevel = 1 },
    ] {
      var other = search
      change(&other)
      #expect(throws: MixtureError.self) { try other.run(data) }
    }
    search.componentCounts = [2]
    search.replicateCount = 1
    #expect(try search.run(data).tests.isEmpty)
  }
}
