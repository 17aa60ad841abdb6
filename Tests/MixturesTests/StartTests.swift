// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

/// k-means in plain loops from the same seeds: the rows that every centroid owns at the end.
private func isSettled(_ centroids: Matrix, _ rows: Observations) -> Bool {
  let (n, d, K) = (rows.observationCount, rows.featureCount, centroids.rowCount)
  var sums = Array(repeating: Array(repeating: 0.0, count: d), count: K)
  var counts = Array(repeating: 0.0, count: K)
  for i in 0..<n {
    let distances = (0..<K).map { k in
      (0..<d).reduce(0) {
        $0 + (rows.matrix[i, $1] - centroids[k, $1]) * (rows.matrix[i, $1] - centroids[k, $1])
      }
    }
    let nearest = distances.indices.min { distances[$0] < distances[$1] }!
    counts[nearest] += 1
    for j in 0..<d { sums[nearest][j] += rows.matrix[i, j] }
  }
  return (0..<K).allSatisfy { k in
    counts[k] > 0 && (0..<d).allSatisfy { abs(sums[k][$0] / counts[k] - centroids[k, $0]) < 1e-12 }
  }
}

@Suite("k-means on bounds") struct KMeansBoundTests {
  private func centroids(
    _ rows: Observations, _ K: Int, seed: UInt64, skips: Bool, threads: Int = 1,
    iterations: Int = 100
  ) throws -> KMeans {
    var random = RandomStream(seed: seed)
    return try KMeans(
      rows, count: K, settings: KMeansSettings(iterationLimit: iterations), skips: skips,
      threadCount: threads, random: &random)
  }

  @Test("rows that are passed over change no bit")
  func skipping() throws {
    for (n, d, K, separation) in [
      (700, 1, 3, 2.0), (900, 2, 7, 1.0), (900, 2, 7, 20.0), (1500, 3, 20, 3.0), (600, 9, 5, 1.0),
      (500, 40, 8, 0.5), (257, 2, 200, 1.0),
    ] {
      for seed in UInt64(1)...3 {
        let rows = try RandomProblem(n: n, d: d, K: K, separation: separation, seed: seed)
          .observations
        let plain = try centroids(rows, K, seed: seed, skips: false)
        let bounded = try centroids(rows, K, seed: seed, skips: true)
        #expect(bounded.centroids == plain.centroids, "n=\(n) d=\(d) K=\(K) seed \(seed)")
        #expect(bounded.iterationCount == plain.iterationCount)
        #expect(plain.distanceCount == n * K * plain.iterationCount)
        #expect(bounded.distanceCount <= plain.distanceCount)
      }
    }
  }

  @Test("rows at equal distance of two centroids stay with the first, passed over or not")
  func ties() throws {
    // Whole numbers: distances are exact, and many are equal.
    for seed in UInt64(1)...20 {
      var random = RandomStream(seed: seed, stream: 5)
      let rows = try Observations(
        rows: (0..<300).map { _ in (0..<2).map { _ in Double(random.index(below: 7)) } })
      let plain = try centroids(rows, 6, seed: seed, skips: false)
      #expect(try centroids(rows, 6, seed: seed, skips: true).centroids == plain.centroids)
    }
  }

  @Test("four of five distances are passed over where components lie apart")
  func savings() throws {
    let rows = try RandomProblem(n: 4000, d: 4, K: 30, separation: 10).observations
    // Seeded with one candidate, some components have two centroids and others none, so that it takes iterations.
    var random = RandomStream(seed: 2)
    let bounded = try KMeans(
      rows, count: 30, settings: KMeansSettings(iterationLimit: 100, candidateCount: 1),
      threadCount: 1, random: &random)
    let plain = 4000 * 30 * bounded.iterationCount
    #expect(bounded.iterationCount >= 10)
    #expect(bounded.distanceCount < plain / 5)
  }

  @Test("threads change no bit")
  func threads() throws {
    let rows = try RandomProblem(n: 20_000, d: 3, K: 9, separation: 1).observations
    let one = try centroids(rows, 9, seed: 4, skips: true, iterations: 12)
    for threads in [2, 3, 16] {
      let other = try centroids(rows, 9, seed: 4, skips: true, threads: threads, iterations: 12)
      #expect(other.centroids == one.centroids)
      #expect(other.distanceCount == one.distanceCount)
    }
  }

  @Test("at the end every centroid is the mean of the rows that it is nearest to")
  func settles() throws {
    for seed in UInt64(1)...5 {
      let rows = try RandomProblem(n: 400, d: 3, K: 6, separation: 1, seed: seed).observations
      let end = try centroids(rows, 6, seed: seed, skips: true, iterations: 1000)
      #expect(end.iterationCount < 1000)
      #expect(isSettled(end.centroids, rows))
    }
  }

  @Test("a centroid that lost all rows moves to the row farthest from the others")
  func emptyCentroids() throws {
    // Three different rows for four centroids: one must repeat another, owns nothing, and has nowhere else to go.
    let rows = try Observations(rows: (0..<60).map { [Double($0 % 3)] })
    for skips in [false, true] {
      let end = try centroids(rows, 4, seed: 1, skips: skips)
      #expect(Set(end.centroids.elements) == [0, 1, 2])
    }
  }
}

@Suite("Rows that are counted and chosen") struct RowSelectionTests {
  @Test("different rows are as many as a set of them holds")
  func distinct() throws {
    for seed in UInt64(1)...5 {
      var random = RandomStream(seed: seed)
      let rows = (0..<600).map { _ in (0..<3).map { _ in Double(random.index(below: 5)) - 2 } }
      let source = try Observations(rows: rows)
      let count = Set(rows).count
      for limit in [1, 2, count - 1, count, count + 1, 10_000] {
        #expect(try source.distinctRowCount(upTo: limit) == min(limit, count))
      }
    }
  }

  @Test("the least dense rows are those that sorting all of them finds, on any number of threads")
  func leastDense() throws {
    for seed in UInt64(1)...4 {
      let problem = try RandomProblem(n: 3000, d: 2, K: 3, separation: 1, seed: seed)
      // On a coarse grid many rows are equal, and the extreme ones come more than once.
      let rows = (0..<3000).map { problem.observations.matrix.row($0).map { ($0 * 2).rounded() } }
      let source = try Observations(rows: rows + rows.reversed())
      let densities = try problem.model.logDensities(of: source)
      let order = densities.indices.sorted {
        densities[$0] == densities[$1] ? $0 < $1 : densities[$0] < densities[$1]
      }
      var expected: [Int] = []
      for index in order
      where !expected.contains(where: { source.matrix.row($0) == source.matrix.row(index) }) {
        expected.append(index)
        if expected.count == 12 { break }
      }
      for (count, threads) in [(1, 1), (5, 2), (12, 3), (12, 16)] {
        #expect(
          try source.leastDense(count, under: problem.model, threadCount: threads)
            == Array(expected.prefix(count)))
      }
    }
  }

  @Test("fewer different rows than wanted are all of them")
  func fewRows() throws {
    let model = try RandomProblem(n: 10, d: 1, K: 2).model
    let source = try Observations(rows: [[0], [1], [0], [-0.0], [1]])
    #expect(try source.leastDense(9, under: model, threadCount: 2).sorted() == [0, 1])
  }
}

@Suite("Restarts") struct RestartTests {
  private let settings = ExpectationMaximization(
    componentCount: 4, initialization: .randomRows, restartCount: 7,
    stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 6), seed: 3)

  @Test("side by side or one after the other: the same bits")
  func sideBySide() throws {
    // So small that an iteration is worth one thread, and so large that it is worth two.
    for n in [300, 40_000] {
      let rows = try RandomProblem(n: n, d: 2, K: 4, separation: 1).observations
      var settings = settings
      settings.threadCount = 1
      let one = try settings.fit(rows)
      for threads in [2, 3, 16] {
        settings.threadCount = threads
        for observer in [nil, { (_: IterationReport) in ObserverDecision.proceed }] {
          let other = try settings.fit(rows, observer: observer)
          #expect(other.model == one.model)
          #expect(other.restart == one.restart)
          #expect(other.restartLogLikelihoods == one.restartLogLikelihoods)
          #expect(other.trace.map(\.logLikelihood) == one.trace.map(\.logLikelihood))
        }
      }
    }
  }

  @Test("of equal ends the first is kept")
  func equalEnds() throws {
    let rows = try Observations(rows: ReferenceTables.faithful)
    var settings = settings
    settings.componentCount = 1
    settings.threadCount = 3
    let fit = try settings.fit(rows)
    #expect(Set(fit.restartLogLikelihoods).count == 1)
    #expect(fit.restart == 0)
  }

  @Test("an observer sees restart after restart, and none begins after it said stop")
  func stopping() throws {
    let rows = try RandomProblem(n: 300, d: 2, K: 4, separation: 1).observations
    var settings = settings
    settings.threadCount = 4
    var seen: [Int] = []
    let fit = try settings.fit(rows) {
      seen.append($0.restart)
      return $0.restart == 2 && $0.iteration == 3 ? .stop : .proceed
    }
    #expect(seen == Array(repeating: 0, count: 7) + Array(repeating: 1, count: 7) + [2, 2, 2, 2])
    #expect(fit.restartLogLikelihoods.count == 3)
  }

  @Test("side by side, the error is that of the first restart that fails")
  func errors() throws {
    // Without a floor, components on equal rows collapse until none is left.
    let rows = try Observations(rows: [[0, 0], [0, 1], [1, 0], [1, 1], [2, 5]])
    var settings = settings
    settings.covarianceFloor = 0
    settings.rescuePolicy = .drop
    var messages = Set<String>()
    for threads in [1, 2, 8] {
      settings.threadCount = threads
      do {
        messages.insert("\(try settings.fit(rows).logLikelihood)")
      } catch {
        messages.insert(error.message)
      }
    }
    #expect(messages.count == 1)
  }
}

@Suite("The scale of tables that are hard to measure") struct HardScaleTests {
  @Test(
    "a variance keeps its digits where the first rows tell nothing of the rest",
    arguments: [0.0, 1e6])
  func unevenTables(offset: Double) throws {
    // Sorted, with a few rows far away: the mean of the rows looked at first lies elsewhere.
    var rows = (0..<5000).map { [offset + Double($0) / 1024, Double($0 % 2)] }
    for i in 0..<3 { rows[7 + 1000 * i] = [offset + 1e9, 0] }
    let scale = try DataScale(Observations(rows: rows), form: .full, threadCount: 2)
    let mean = rows.reduce(0) { $0 + ($1[0] - offset) } / 5000
    let variance = rows.reduce(0) { $0 + ($1[0] - offset - mean) * ($1[0] - offset - mean) } / 5000
    #expect(relativeDifference(scale.variances[0], variance) < 1e-13)
    #expect(relativeDifference(scale.means[0], mean + offset) < 1e-13)
    #expect(scale.variances[1] == 0.25 || relativeDifference(scale.variances[1], 0.25) < 1e-6)
  }

  @Test("a column that varies in a single row is not constant")
  func rareVariation() throws {
    for (place, count) in [(1, 4000), (3999, 4000), (2, 5)] {
      let rows = (0..<count).map { [Double($0 % 3), $0 == place ? 5.0 : 4.0] }
      let scale = try DataScale(Observations(rows: rows), form: .full, threadCount: 2)
      let share = 1 / Double(count)
      #expect(relativeDifference(scale.variances[1], share * (1 - share)) < 1e-12)
    }
    // Sums that cancel are no sign of a constant either.
    let rows = (0..<4000).map { [Double($0 % 3), $0 == 1 ? 5.0 : $0 == 2 ? 3.0 : 4.0] }
    #expect(
      try DataScale(Observations(rows: rows), form: .full, threadCount: 2).variances[1] == 2.0
        / 4000)
  }
}

@Suite("Short runs") struct ShortRunTests {
  @Test("the default start reaches the best known ends of iris and Old Faithful, from any seed")
  func knownEnds() throws {
    let iris = try Observations(rows: ReferenceTables.iris)
    let faithful = try Observations(rows: ReferenceTables.faithful)
    // Log-likelihoods of mclust from the species and from eruptions > 3; for two components of iris from its BIC.
    let cases: [(Observations, Int, CovarianceStructure, Double)] = [
      (iris, 3, .vvv, -180.185477), (iris, 3, .eee, -256.354043),
      (iris, 2, .vvv, (-574.0178 + 29 * Kernels.log(150)) / 2),
      (iris, 2, .vvi, (-857.5515 + 17 * Kernels.log(150)) / 2),
      (iris, 2, .vii, (-1012.2352 + 11 * Kernels.log(150)) / 2),
      (iris, 2, .eei, (-1042.9679 + 13 * Kernels.log(150)) / 2),
      (iris, 2, .eii, (-1123.4117 + 10 * Kernels.log(150)) / 2),
      (iris, 2, .eee, (-688.0972 + 19 * Kernels.log(150)) / 2),
      (iris, 3, .vvi, -306.860461), (iris, 3, .vii, -384.314095),
      (iris, 3, .eei, (-813.0504 + 18 * Kernels.log(150)) / 2),
      (iris, 3, .eii, -401.802176),
      (faithful, 2, .vvv, -1130.263960), (faithful, 2, .vvi, -1147.806353),
      (faithful, 2, .eee, -1140.186759), (faithful, 2, .eei, -1157.680012),
      (faithful, 2, .vii, -1709.529282), (faithful, 2, .eii, -1709.681373),
    ]
    for seed in UInt64(0)...4 {
      for (rows, K, structure, best) in cases {
        let fit = try ExpectationMaximization(
          componentCount: K, covariance: structure,
          stoppingRule: StoppingRule(tolerance: 1e-9, iterationLimit: 5000), seed: seed
        ).fit(rows)
        // The values have six to four decimals; higher is welcome.
        #expect(fit.logLikelihood > best - 1e-4, "\(structure) K=\(K) seed \(seed)")
      }
    }
  }

  @Test("threads change no bit of a start", arguments: [600, 30_000])
  func threads(n: Int) throws {
    let rows = try RandomProblem(n: n, d: 2, K: 4, separation: 1).observations
    var settings = ExpectationMaximization(
      componentCount: 4, restartCount: 2,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 1), seed: 9, threadCount: 1)
    let one = try settings.fit(rows)
    for threads in [2, 3, 16] {
      settings.threadCount = threads
      let other = try settings.fit(rows)
      #expect(other.model == one.model)
      #expect(other.restartLogLikelihoods == one.restartLogLikelihoods)
    }
  }

  @Test("restart r depends on the seed and r only")
  func restarts() throws {
    let rows = try RandomProblem(n: 500, d: 2, K: 6, separation: 0.7).observations
    var settings = ExpectationMaximization(
      componentCount: 6, restartCount: 3,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 2), seed: 5)
    let three = try settings.fit(rows).restartLogLikelihoods
    settings.restartCount = 1
    #expect(try settings.fit(rows).restartLogLikelihoods == [three[0]])
    #expect(Set(three).count == 3)
  }

  @Test("of the runs the likeliest goes on: the start is no worse than that of any single one")
  func likeliest() throws {
    let rows = try RandomProblem(n: 800, d: 2, K: 7, separation: 0.8, seed: 3).observations
    let scale = try DataScale(rows, form: .full, threadCount: 1)
    let settings = ExpectationMaximization(componentCount: 7, seed: 11)
    func logLikelihood(candidates: Int) throws -> Double {
      let plan = ShortRuns(candidateCount: candidates, stages: [8], rowLimit: 800)
      let start = try settings.shortRuns(
        plan, on: rows, scale: scale, componentCount: 7, restart: 0, threadCount: 1)
      guard case .model(let model) = start else { return -.infinity }
      return try model.logLikelihood(of: rows)
    }
    let two = try logLikelihood(candidates: 2)
    let six = try logLikelihood(candidates: 6)
    #expect(two.isFinite && six >= two)
  }

  @Test("a run that closes in on a few rows does not go on while another is sound")
  func soundRuns() throws {
    // Thirty rows on a grid, where a component easily finds a few on a line and gains without limit but for the floor.
    let rows = try Observations(rows: (0..<30).map { [Double($0 % 7), Double($0 * $0 % 11)] })
    var flooredByKMeans = 0
    for seed in UInt64(0)..<20 {
      var settings = ExpectationMaximization(componentCount: 2, seed: seed)
      let short = try settings.fit(rows)
      settings.initialization = .kMeans
      let single = try settings.fit(rows)
      if single.rescued.contains(where: { $0.action == .floored }) { flooredByKMeans += 1 }
      #expect(!short.rescued.contains { $0.action == .floored }, "seed \(seed)")
    }
    #expect(flooredByKMeans > 0)
  }

  @Test("where k-means finds one partition only, its partition of all rows is the start")
  func onePartition() throws {
    let rows = try RandomProblem(n: 5000, d: 2, K: 3, separation: 40, seed: 3).observations
    var settings = ExpectationMaximization(
      componentCount: 3, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 0))
    let short = try settings.fit(rows)
    settings.initialization = .kMeans
    let single = try settings.fit(rows)
    #expect(relativeDifference(short.logLikelihood, single.logLikelihood) < 1e-12)
  }

  @Test("the plan keeps to the cost of a few iterations, or to some milliseconds")
  func plans() {
    func plan(_ n: Int, _ d: Int, _ K: Int) -> ShortRuns? {
      ShortRuns.plan(rowCount: n, featureCount: d, componentCount: K, form: .full)
    }
    #expect(plan(1_000_000, 2, 8)?.candidateCount == 4)
    #expect(plan(1000, 2, 2)?.candidateCount == 4)
    #expect(plan(100_000, 64, 64)?.candidateCount == 2)
    #expect(plan(20_000, 256, 16) == nil)
    #expect(plan(1000, 2, 1) == nil)
    for n in [10, 1000, 30_000, 100_000, 1_000_000] {
      for d in [1, 4, 32, 200] {
        for K in [2, 20, 300] {
          guard let plan = plan(n, d, K) else { continue }
          let rows = Double(plan.passCount * min(n, plan.rowLimit))
          let elements = Double(d * (d + 1) / 2)
          #expect(rows <= 4 * Double(n) || rows * Double(K) * (1 + 0.05 * elements) <= 1e7)
        }
      }
    }
  }
}
