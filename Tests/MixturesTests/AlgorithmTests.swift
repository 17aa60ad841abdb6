// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

extension Algorithm {
  fileprivate static let withMoves: [Algorithm] = [.em, .classification]
}

@Suite("Algorithms") struct AlgorithmTests {
  static let all: [Algorithm] = [
    .classification, .stochastic(steps: 12), .annealed(from: 0.2, steps: 12),
  ]

  @Test("the default is EM")
  func defaultAlgorithm() {
    #expect(ExpectationMaximization(componentCount: 2).algorithm == .em)
  }

  @Test(
    "the classification likelihood never falls, and the fit ends",
    arguments: CovarianceStructure.allCases)
  func monotone(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(
      n: 600, d: 3, K: 3, structure: structure, separation: 1, seed: 5)
    let fit = try ExpectationMaximization(
      componentCount: 3, covariance: structure, initialization: .kMeans,
      algorithm: .classification, seed: 2
    ).fit(problem.observations)
    #expect(fit.isConverged)
    #expect(fit.trace.count > 2)
    for (a, b) in zip(fit.trace, fit.trace.dropFirst()) {
      #expect(b.objective >= a.objective - 1e-12 * abs(a.objective))
      #expect(b.classificationLogLikelihood! <= b.logLikelihood)
    }
    #expect(fit.objective == fit.classificationLogLikelihood)
    #expect(fit.objective == fit.trace.last!.objective)
    // The log-likelihood is that of the mixture.
    let own = try fit.model.logLikelihood(of: problem.observations)
    #expect(relativeDifference(own, fit.logLikelihood) < 1e-13)
    // Each row is of its likeliest component, and the parameters are those of the parts.
    let labels = try fit.model.labels(for: problem.observations)
    for k in 0..<3 {
      let share = Double(labels.count { $0 == k }) / 600
      #expect(abs(share - fit.model.weights[k]) < 1e-12)
    }
  }

  @Test("components that are far apart have the same estimates by classification EM as by EM")
  func separated() throws {
    let problem = try RandomProblem(n: 900, d: 2, K: 3, separation: 60, seed: 4)
    var settings = ExpectationMaximization(componentCount: 3, seed: 1)
    let em = try settings.fit(problem.observations)
    settings.algorithm = .classification
    let classification = try settings.fit(problem.observations)
    #expect(relativeDifference(em.logLikelihood, classification.logLikelihood) < 1e-12)
    for (a, b) in zip(em.model.means.elements, classification.model.means.elements) {
      #expect(relativeDifference(a, b) < 1e-10)
    }
  }

  /// Classification EM as it is written: densities from the inverse and determinant of 2 × 2 matrices, row by row.
  private func plain(
    _ rows: [[Double]], weights: [Double], means: [[Double]], covariances: [[Double]],
    iterations: Int
  ) -> (weights: [Double], means: [[Double]], covariances: [[Double]], likelihood: Double) {
    var (w, m, c) = (weights, means, covariances)
    var likelihood = 0.0
    for iteration in 0...iterations {
      likelihood = 0
      var parts = Array(repeating: [[Double]](), count: w.count)
      for row in rows {
        var best = (-Double.infinity, 0)
        for k in w.indices {
          let (a, b, d) = (c[k][0], c[k][1], c[k][2])
          let determinant = a * d - b * b
          let (x, y) = (row[0] - m[k][0], row[1] - m[k][1])
          let square = (d * x * x - 2 * b * x * y + a * y * y) / determinant
          let value =
            Kernels.log(w[k]) - Kernels.log(2 * .pi) - 0.5 * Kernels.log(determinant) - 0.5 * square
          if value > best.0 { best = (value, k) }
        }
        likelihood += best.0
        parts[best.1].append(row)
      }
      if iteration == iterations { break }
      for (k, part) in parts.enumerated() {
        let n = Double(part.count)
        w[k] = n / Double(rows.count)
        m[k] = (0..<2).map { j in part.reduce(0) { $0 + $1[j] } / n }
        func moment(_ i: Int, _ j: Int) -> Double {
          part.reduce(0) { $0 + ($1[i] - m[k][i]) * ($1[j] - m[k][j]) } / n
        }
        c[k] = [moment(0, 0), moment(0, 1), moment(1, 1)]
      }
    }
    return (w, m, c, likelihood)
  }

  @Test("classification EM agrees with one written in plain loops")
  func plainLoops() throws {
    let problem = try RandomProblem(n: 400, d: 2, K: 3, separation: 1.5, seed: 8)
    let matrix = problem.observations.matrix
    let rows = (0..<400).map { matrix.row($0) }
    for iterations in [0, 1, 5] {
      let start = problem.model
      let expected = plain(
        rows, weights: start.weights, means: (0..<3).map { start.means.row($0) },
        covariances: (0..<3).map {
          let c = start.covariances[$0]
          return [c[0, 0], c[0, 1], c[1, 1]]
        }, iterations: iterations)
      let fit = try ExpectationMaximization(
        componentCount: 3, initialization: .model(start),
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: iterations),
        covarianceFloor: 0, algorithm: .classification
      ).fit(problem.observations)
      #expect(relativeDifference(fit.objective, expected.likelihood) < 1e-12)
      for k in 0..<3 {
        #expect(relativeDifference(fit.model.weights[k], expected.weights[k]) < 1e-14)
        for j in 0..<2 {
          #expect(relativeDifference(fit.model.means[k, j], expected.means[k][j]) < 1e-12)
        }
        let c = fit.model.covariances[k]
        for (a, b) in zip([c[0, 0], c[0, 1], c[1, 1]], expected.covariances[k]) {
          #expect(relativeDifference(a, b) < 1e-11)
        }
      }
    }
  }

  @Test("with equal weights and one variance classification EM is k-means")
  func kMeans() throws {
    let problem = try RandomProblem(
      n: 500, d: 3, K: 4, structure: .eii, separation: 1.2, seed: 3)
    let matrix = problem.observations.matrix
    let rows = (0..<500).map { matrix.row($0) }
    var centroids = (0..<4).map { rows[$0] }
    var labels: [Int] = []
    while true {
      let next = rows.map { row in
        centroids.indices.min { a, b in
          func distance(_ k: Int) -> Double {
            zip(row, centroids[k]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
          }
          return distance(a) < distance(b)
        }!
      }
      if next == labels { break }
      labels = next
      for k in 0..<4 {
        let part = rows.indices.filter { labels[$0] == k }
        centroids[k] = (0..<3).map { j in
          part.reduce(0) { $0 + rows[$1][j] } / Double(part.count)
        }
      }
    }
    let start = try GaussianMixture(
      weights: [0.25, 0.25, 0.25, 0.25], means: Matrix(rows: (0..<4).map { rows[$0] }),
      covariances: Covariances(
        structure: .eii,
        matrices: Array(
          repeating: Matrix(rows: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]), count: 4)))
    let fit = try ExpectationMaximization(
      componentCount: 4, covariance: .eii, equalWeights: true, initialization: .model(start),
      algorithm: .classification
    ).fit(problem.observations)
    #expect(try fit.model.labels(for: problem.observations) == labels)
  }

  @Test("the number of threads changes no bit", arguments: all)
  func threads(algorithm: Algorithm) throws {
    let problem = try RandomProblem(n: 20_000, d: 2, K: 3, separation: 1, seed: 6)
    var settings = ExpectationMaximization(
      componentCount: 3, restartCount: 2,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 16), algorithm: algorithm, seed: 9)
    settings.threadCount = 1
    let one = try settings.fit(problem.observations)
    settings.threadCount = 5
    CheckpointTests.expectSame(one, try settings.fit(problem.observations))
  }

  @Test("a fit that is ended before every E-step and resumed has the same bits", arguments: all)
  func checkpoints(algorithm: Algorithm) throws {
    let problem = try RandomProblem(n: 300, d: 2, K: 3, separation: 1)
    let settings = ExpectationMaximization(
      componentCount: 3, initialization: .randomRows, restartCount: 2,
      stoppingRule: StoppingRule(tolerance: 1e-5, iterationLimit: 40), algorithm: algorithm, seed: 3
    )
    let whole = try settings.fit(problem.observations)
    let (parts, runs) = try CheckpointTests.interrupted(settings, problem.observations)
    #expect(runs > 20)
    CheckpointTests.expectSame(whole, parts)
    #expect(whole.classificationLogLikelihood == parts.classificationLogLikelihood)
  }

  @Test("settings with an algorithm are the same after coding, and settings without one are of EM")
  func coding() throws {
    for algorithm in Self.all + [.em] {
      let settings = ExpectationMaximization(componentCount: 2, algorithm: algorithm)
      #expect(try CheckpointTests.throughJSON(settings) == settings)
    }
  }

  @Test(
    "every algorithm takes rows with weights, gaps, known components and a background",
    arguments: all)
  func annotated(algorithm: Algorithm) throws {
    let problem = try RandomProblem(n: 400, d: 3, K: 2, separation: 4, seed: 2)
    var matrix = problem.observations.matrix
    for i in stride(from: 0, to: 400, by: 7) { matrix[i, i % 3] = .nan }
    var known = Array(repeating: Int?.none, count: 400)
    for i in 0..<10 { known[i] = problem.labels[i] }
    let annotations = RowAnnotations(
      caseWeights: CaseWeights((0..<400).map { 0.5 + Double($0 % 3) }), allowsMissing: true,
      knownComponents: KnownComponents(known))
    let data = try Observations(matrix, annotations: annotations)
    let fit = try ExpectationMaximization(
      componentCount: 2, background: .boundingBox, algorithm: algorithm, seed: 1
    ).fit(data)
    #expect(fit.isConverged)
    let labels = try fit.model.labels(for: data)
    for i in 0..<10 { #expect(labels[i] == problem.labels[i]) }
    if algorithm == .classification {
      for (a, b) in zip(fit.trace, fit.trace.dropFirst()) {
        #expect(b.objective >= a.objective - 1e-12 * abs(a.objective))
      }
    }
  }

  @Test("the classification likelihood counts rows that lack the same cells")
  func gapsCount() throws {
    let problem = try RandomProblem(n: 300, d: 3, K: 2, separation: 3, seed: 4)
    var matrix = problem.observations.matrix
    // Enough of a kind to be evaluated together, and of another too few.
    for i in stride(from: 0, to: 300, by: 3) { matrix[i, 1] = .nan }
    for i in stride(from: 1, to: 20, by: 6) { matrix[i, 0] = .nan }
    let rows = try AnnotatedRows(
      Observations(matrix, annotations: RowAnnotations(allowsMissing: true)), usesWeights: true)
    let statistics = try rows.statistics(
      under: problem.model, form: .full, threadCount: 1, by: .likeliest)
    var expected = 0.0
    for i in 0..<300 {
      let cells = (0..<3).filter { !matrix[i, $0].isNaN }
      let marginal = try problem.model.marginal(over: cells)
      expected +=
        try (0..<2).map { k in
          try Kernels.log(marginal.weights[k])
            + GaussianMixture(
              weights: [1], means: Matrix(rows: [marginal.means.row(k)]),
              covariances: Covariances(structure: .vvv, matrices: [marginal.covariances[k]])
            ).logDensity(at: cells.map { matrix[i, $0] })
        }.max()!
    }
    #expect(relativeDifference(statistics.classificationLogLikelihood, expected) < 1e-12)
  }

  @Test("within a window the classification likelihood, less what was not seen, never falls")
  func window() throws {
    let problem = try RandomProblem(n: 800, d: 2, K: 2, separation: 2, seed: 9)
    let rows = (0..<800).map { problem.observations.matrix.row($0) }.filter { $0[0] > -1 }
    let data = try Observations(
      Matrix(rows: rows),
      annotations: RowAnnotations(
        window: ObservationWindow(lower: [-1, -.infinity], upper: [.infinity, .infinity])))
    let fit = try ExpectationMaximization(
      componentCount: 2, initialization: .model(problem.model),
      stoppingRule: StoppingRule(tolerance: 1e-6, iterationLimit: 30), algorithm: .classification
    ).fit(data)
    #expect(fit.trace.count > 3)
    for (a, b) in zip(fit.trace, fit.trace.dropFirst()).dropFirst() {
      #expect(b.objective >= a.objective - 1e-12 * abs(a.objective))
      #expect(b.classificationLogLikelihood! <= b.logLikelihood)
    }
  }

  @Test("a row of case weight 2 is two rows to classification EM")
  func caseWeights() throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 2, separation: 2, seed: 7)
    let rows = (0..<200).map { problem.observations.matrix.row($0) }
    let settings = ExpectationMaximization(
      componentCount: 2, initialization: .model(problem.model), algorithm: .classification)
    let doubled = try settings.fit(Observations(rows: rows + rows))
    let weighted = try settings.fit(
      Observations(
        Matrix(rows: rows),
        annotations: RowAnnotations(caseWeights: CaseWeights(Array(repeating: 2, count: 200)))))
    #expect(relativeDifference(doubled.objective, weighted.objective) < 1e-12)
    for (a, b) in zip(doubled.model.means.elements, weighted.model.means.elements) {
      #expect(relativeDifference(a, b) < 1e-12)
    }
  }

  @Test("stochastic EM ends with the likeliest model on its way, or better")
  func stochastic() throws {
    let problem = try RandomProblem(n: 500, d: 2, K: 3, separation: 1, seed: 11)
    let fit = try ExpectationMaximization(
      componentCount: 3, initialization: .randomRows, algorithm: .stochastic(steps: 30), seed: 4
    ).fit(problem.observations)
    let drawn = fit.trace.prefix(30)
    #expect(zip(drawn, drawn.dropFirst()).contains { $1.logLikelihood < $0.logLikelihood })
    #expect(fit.trace[30].logLikelihood == drawn.map(\.logLikelihood).max())
    for (a, b) in zip(fit.trace.dropFirst(30), fit.trace.dropFirst(31)) {
      #expect(b.logLikelihood >= a.logLikelihood - 1e-12 * abs(a.logLikelihood))
    }
    // Stopped on the way, it has the likeliest so far.
    let stopped = try ExpectationMaximization(
      componentCount: 3, initialization: .randomRows, algorithm: .stochastic(steps: 30), seed: 4
    ).fit(problem.observations) { $0.iteration == 20 ? .stop : .proceed }
    #expect(stopped.logLikelihood == drawn.prefix(21).map(\.logLikelihood).max())
    #expect(stopped.stoppingReason == .observer)
  }

  /// Three groups far apart, and a start with two components in one of them and one for the other two.
  private func trap() throws -> (data: Observations, start: GaussianMixture) {
    let truth = try GaussianMixture(
      weights: [0.35, 0.35, 0.3], means: Matrix(rows: [[0, 0], [0, 10], [14, 5]]),
      covariances: Covariances(
        structure: .eii, matrices: Array(repeating: Matrix(rows: [[1, 0], [0, 1]]), count: 3)))
    let start = try GaussianMixture(
      weights: [0.3, 0.3, 0.4], means: Matrix(rows: [[13, 5], [15, 5.2], [0, 5]]),
      covariances: Covariances(
        structure: .eii, matrices: Array(repeating: Matrix(rows: [[6, 0], [0, 6]]), count: 3)))
    return (try Observations(truth.sample(600, seed: 1).observations), start)
  }

  @Test(
    "from starts at random rows that lead EM into a poor maximum, annealing leads to a better one",
    arguments: [UInt64(4), 14, 33])
  func annealing(seed: UInt64) throws {
    let problem = try RandomProblem(
      n: 300, d: 2, K: 4, structure: .vii, separation: 3, seed: seed)
    var settings = ExpectationMaximization(
      componentCount: 4, covariance: .vii, initialization: .randomRows, seed: seed)
    let em = try settings.fit(problem.observations)
    settings.algorithm = .annealed(from: 0.5, steps: 40)
    let annealed = try settings.fit(problem.observations)
    #expect(annealed.isConverged)
    #expect(annealed.logLikelihood > em.logLikelihood + 40)
    for (a, b) in zip(annealed.trace.dropFirst(40), annealed.trace.dropFirst(41)) {
      #expect(b.logLikelihood >= a.logLikelihood - 1e-12 * abs(a.logLikelihood))
    }
  }

  @Test("a merge and a split leave a local maximum, and the trace never falls", arguments: [1, 4])
  func moves(threadCount: Int) throws {
    let (data, start) = try trap()
    var settings = ExpectationMaximization(
      componentCount: 3, covariance: .eii, initialization: .model(start), threadCount: 1)
    let em = try settings.fit(data)
    #expect(em.moves.isEmpty)
    settings.splitMerge = 3
    let one = try settings.fit(data)
    #expect(one.logLikelihood > em.logLikelihood + 100)
    #expect(one.moves.first?.merged == [0, 1])
    #expect(one.moves.first?.split == 2)
    #expect(
      relativeDifference(
        one.logLikelihood, one.moves.reduce(em.logLikelihood) { $0 + $1.gain }) < 1e-12)
    for (a, b) in zip(one.trace, one.trace.dropFirst()) {
      #expect(b.objective >= a.objective - 1e-12 * abs(a.objective))
      #expect(b.iteration > a.iteration)
    }
    #expect(one.trace.last!.logLikelihood == one.logLikelihood)
    settings.threadCount = threadCount
    let other = try settings.fit(data)
    CheckpointTests.expectSame(one, other)
    #expect(one.moves == other.moves)
  }

  @Test("at the best maximum no move is kept, and no bit changes", arguments: Algorithm.withMoves)
  func noMoves(algorithm: Algorithm) throws {
    let problem = try RandomProblem(n: 600, d: 2, K: 3, separation: 12, seed: 4)
    var settings = ExpectationMaximization(
      componentCount: 3, initialization: .model(problem.model), algorithm: algorithm)
    let without = try settings.fit(problem.observations)
    settings.splitMerge = 5
    let with = try settings.fit(problem.observations)
    #expect(with.moves.isEmpty)
    CheckpointTests.expectSame(without, with)
  }

  /// What an observer hears of the restarts.
  private final class Reports {
    var models: [Int: GaussianMixture] = [:]
    var count = 0
    func hear(_ report: IterationReport) -> ObserverDecision {
      models[report.restart] = report.model
      count += 1
      return .proceed
    }
  }

  @Test("halving gives up restarts, and the one that is left has the bits of a whole run")
  func halving() throws {
    let problem = try RandomProblem(n: 500, d: 2, K: 4, separation: 1, seed: 12)
    var settings = ExpectationMaximization(
      componentCount: 4, initialization: .randomRows, restartCount: 8, seed: 6, threadCount: 1)
    let reports = Reports()
    let whole = try settings.fit(problem.observations, observer: reports.hear)
    settings.halving = true
    let halfReports = Reports()
    let half = try settings.fit(problem.observations, observer: halfReports.hear)
    #expect(half.model == reports.models[half.restart])
    #expect(half.logLikelihood == whole.restartLogLikelihoods[half.restart])
    #expect(half.restartLogLikelihoods.count == 8)
    #expect(halfReports.count < reports.count * 2 / 3)
    for (a, b) in zip(half.restartLogLikelihoods, whole.restartLogLikelihoods) {
      #expect(a <= b + 1e-12 * abs(b))
    }
    // Side by side, without an observer.
    settings.threadCount = 4
    CheckpointTests.expectSame(half, try settings.fit(problem.observations))
    #expect(throws: MixtureError.self) {
      try settings.fit(problem.observations, checkpoints: CheckpointPlan { _ in })
    }
  }

  /// The adjusted Rand index of two partitions.
  private func agreement(_ a: [Int], _ b: [Int]) -> Double {
    func pairs(_ n: Int) -> Double { Double(n * (n - 1)) / 2 }
    func count(_ keys: [Int]) -> Double {
      Dictionary(keys.map { ($0, 1) }, uniquingKeysWith: +).values.reduce(0) { $0 + pairs($1) }
    }
    let both = count(zip(a, b).map { $0 * 1000 + $1 })
    let expected = count(a) * count(b) / pairs(a.count)
    return (both - expected) / ((count(a) + count(b)) / 2 - expected)
  }

  @Test(
    "agglomeration finds groups that are far apart, and the same with any number of threads",
    arguments: CovarianceStructure.allCases)
  func hierarchicalGroups(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(
      n: 900, d: 3, K: 4, structure: structure, separation: 40, seed: 3)
    var settings = ExpectationMaximization(
      componentCount: 4, covariance: structure, initialization: .hierarchical,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 1), threadCount: 1)
    let fit = try settings.fit(problem.observations)
    #expect(agreement(try fit.model.labels(for: problem.observations), problem.labels) == 1)
    settings.threadCount = 3
    CheckpointTests.expectSame(fit, try settings.fit(problem.observations))
  }

  @Test("on iris and Old Faithful the hierarchical start ends as high as short runs")
  func hierarchicalReferences() throws {
    for (rows, labels, K) in [
      (ReferenceTables.iris, ReferenceTables.irisLabels, 3),
      (ReferenceTables.faithful, ReferenceTables.faithfulLabels, 2),
    ] {
      let data = try Observations(rows: rows)
      var settings = ExpectationMaximization(componentCount: K, initialization: .hierarchical)
      let hierarchical = try settings.fit(data)
      settings.initialization = .shortRuns
      let short = try settings.fit(data)
      let tolerance = 1e-5 * Double(rows.count)
      #expect(hierarchical.logLikelihood >= short.logLikelihood - tolerance)
      #expect(
        agreement(try hierarchical.model.labels(for: data), labels)
          >= agreement(try short.model.labels(for: data), labels) - 0.02)
    }
  }

  @Test("rows with weights, gaps and known components have a hierarchical start too")
  func hierarchicalAnnotated() throws {
    let problem = try RandomProblem(n: 400, d: 3, K: 2, separation: 8, seed: 2)
    var matrix = problem.observations.matrix
    for i in stride(from: 0, to: 400, by: 7) { matrix[i, i % 3] = .nan }
    for isKnown in [false, true] {
      let annotations = RowAnnotations(
        caseWeights: CaseWeights((0..<400).map { 0.5 + Double($0 % 3) }), allowsMissing: true,
        knownComponents: isKnown
          ? KnownComponents(problem.labels.enumerated().map { $0.offset < 20 ? $0.element : nil })
          : nil)
      let data = try Observations(matrix, annotations: annotations)
      let fit = try ExpectationMaximization(componentCount: 2, initialization: .hierarchical)
        .fit(data)
      #expect(agreement(try fit.model.labels(for: data), problem.labels) > 0.95)
    }
  }

  @Test("a table with fewer different rows than groups or components is fitted all the same")
  func hierarchicalFewRows() throws {
    let data = try Observations(rows: (0..<40).map { [Double($0 % 3), Double($0 % 3 * $0 % 2)] })
    let fit = try ExpectationMaximization(
      componentCount: 6, covariance: .vvi, initialization: .hierarchical
    ).fit(data)
    #expect(fit.model.componentCount <= 6)
    #expect(fit.logLikelihood.isFinite)
  }

  @Test("numbers without a meaning are refused")
  func badSettings() throws {
    let data = try Observations(rows: [[0.0], [1], [2], [5]])
    for algorithm: Algorithm in [
      .stochastic(steps: 0), .annealed(from: 0, steps: 5), .annealed(from: 1, steps: 5),
      .annealed(from: .nan, steps: 5), .annealed(from: 0.5, steps: -1),
    ] {
      #expect(throws: MixtureError.self) {
        try ExpectationMaximization(componentCount: 1, algorithm: algorithm).fit(data)
      }
    }
    #expect(throws: MixtureError.self) {
      try ExpectationMaximization(componentCount: 1, splitMerge: -1).fit(data)
    }
    #expect(throws: MixtureError.self) {
      try ExpectationMaximization(
        componentCount: 1, algorithm: .classification, precision: .single
      ).fit(data)
    }
  }
}
