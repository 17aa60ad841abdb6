// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

/// Settings that run a fixed number of iterations from a partition, so that nothing but arithmetic can differ.
func fixedIterations(
  _ labels: [Int], _ structure: CovarianceStructure, count: Int = 10, threads: Int? = 2,
  acceleration: Acceleration = .quasiNewton
) -> ExpectationMaximization {
  ExpectationMaximization(
    componentCount: labels.max()! + 1, covariance: structure, initialization: .labels(labels),
    stoppingRule: StoppingRule(tolerance: 0, iterationLimit: count), acceleration: acceleration,
    threadCount: threads)
}

@Suite("Laws of fitting") struct FitLaws {
  @Test(
    "invariant 4: 1, 2, 3 and 16 threads give the same bits",
    arguments: CovarianceStructure.allCases)
  func threadsChangeNoBit(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 9000, d: 3, K: 4, structure: structure)
    for start in [
      Initialization.labels(problem.labels), .shortRuns, .kMeans, .randomRows,
      .randomResponsibilities,
    ] {
      var settings = fixedIterations(problem.labels, structure, count: 5, threads: 1)
      settings.initialization = start
      let one = try settings.fit(problem.observations)
      for threads in [2, 3, 16] {
        settings.threadCount = threads
        let other = try settings.fit(problem.observations)
        #expect(other.model == one.model)
        #expect(other.logLikelihood == one.logLikelihood)
        #expect(other.entropy == one.entropy)
      }
    }
  }

  @Test("invariant 6: the log-likelihood never falls", arguments: CovarianceStructure.allCases)
  func objectiveNeverFalls(structure: CovarianceStructure) throws {
    for seed in UInt64(1)...4 {
      let problem = try RandomProblem(n: 500, d: 3, K: 3, separation: 1, seed: seed)
      for start in [Initialization.shortRuns, .kMeans, .randomRows, .randomResponsibilities] {
        for equalWeights in [false, true] {
          let fit = try ExpectationMaximization(
            componentCount: 5, covariance: structure, equalWeights: equalWeights,
            initialization: start,
            stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 60), seed: seed
          ).fit(problem.observations)
          for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
            // A sum of 500 terms of size up to about 20.
            #expect(
              after.logLikelihood >= before.logLikelihood - 1e-11, "iteration \(after.iteration)")
          }
        }
      }
    }
  }

  @Test(
    "invariant 7: the log-likelihood of a fit is that of its model",
    arguments: CovarianceStructure.allCases)
  func logLikelihoodIsOfTheModel(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 3000, d: 4, K: 3, structure: structure)
    for limit in [0, 1, 7] {
      let fit = try fixedIterations(problem.labels, structure, count: limit)
        .fit(problem.observations)
      #expect(try fit.model.logLikelihood(of: problem.observations) == fit.logLikelihood)
      #expect(
        try fit.model.responsibilityEntropy(for: problem.observations) == fit.entropy)
      #expect(fit.iterationCount == limit)
      #expect(fit.trace.count == limit + 1)
      let sum = try fit.model.logDensities(of: problem.observations).reduce(0, +)
      #expect(relativeDifference(sum, fit.logLikelihood) < 1e-13)
    }
  }

  @Test("invariant 7: restart r depends on the seed and r only")
  func restartsAreIndependent() throws {
    let problem = try RandomProblem(n: 400, d: 2, K: 3, separation: 1)
    var settings = ExpectationMaximization(
      componentCount: 3, initialization: .randomRows, restartCount: 4,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 5), seed: 7)
    let four = try settings.fit(problem.observations).restartLogLikelihoods
    settings.restartCount = 2
    let two = try settings.fit(problem.observations).restartLogLikelihoods
    #expect(Array(four.prefix(2)) == two)
    #expect(Set(four).count == 4)
    settings.restartCount = 4
    let best = try settings.fit(problem.observations)
    #expect(best.logLikelihood == four.max())
    #expect(four[best.restart] == best.logLikelihood)
  }

  @Test(
    "invariant 9: adding 1e8 to every feature changes nothing beyond rounding",
    arguments: CovarianceStructure.allCases)
  func shifting(structure: CovarianceStructure) throws {
    // Data on a grid of 1/1024: adding 1e8 to them is exact, so only the arithmetic can differ.
    let problem = try RandomProblem(n: 500, d: 3, K: 3, separation: 2)
    let grid = (0..<500).map {
      problem.observations.matrix.row($0).map { ($0 * 1024).rounded() / 1024 }
    }
    let settings = fixedIterations(problem.labels, structure, count: 20)
    let plain = try settings.fit(Observations(rows: grid))
    let moved = try settings.fit(Observations(rows: shifted(grid, by: 1e8)))
    // A mean near 1e8 is rounded to 1.5e-8; log-likelihoods are stationary in the means, so that its effect is of second
    // order in the last model and of first order, n · 1e-8 at most, in a density.
    #expect(abs(moved.logLikelihood - plain.logLikelihood) < 1e-7)
    for (a, b) in zip(moved.model.weights, plain.model.weights) { #expect(abs(a - b) < 1e-7) }
    for (a, b) in zip(moved.model.means.elements, plain.model.means.elements) {
      #expect(abs(a - 1e8 - b) < 1e-6)
    }
    for (a, b) in zip(moved.model.covariances.elements, plain.model.covariances.elements) {
      #expect(relativeDifference(a, b) < 1e-6)
    }
  }

  @Test("invariant 9: scaling all features scales every structure")
  func scaling() throws {
    let problem = try RandomProblem(n: 700, d: 2, K: 3, separation: 2)
    for structure in CovarianceStructure.allCases {
      for start in [Initialization.shortRuns, .kMeans, .labels(problem.labels), .randomRows] {
        // Accelerated steps magnify the rounding in which the two differ; AccelerationTests has their laws.
        var settings = fixedIterations(
          problem.labels, structure, count: 15, acceleration: .none)
        settings.initialization = start
        let plain = try settings.fit(problem.observations)
        // One scale for all features, so that spheres stay spheres.
        let scale = 12_345.678
        let scaled = try settings.fit(
          Observations(
            rows: (0..<700).map { problem.observations.matrix.row($0).map { $0 * scale } }))
        for (a, b) in zip(scaled.model.weights, plain.model.weights) { #expect(abs(a - b) < 1e-12) }
        for (a, b) in zip(scaled.model.means.elements, plain.model.means.elements) {
          #expect(relativeDifference(a / scale, b) < 1e-12)
        }
        for (a, b) in zip(scaled.model.covariances.elements, plain.model.covariances.elements) {
          #expect(relativeDifference(a / scale / scale, b) < 1e-12)
        }
        let change = 700 * 2 * Kernels.log(scale)
        #expect(relativeDifference(scaled.logLikelihood, plain.logLikelihood - change) < 1e-13)
      }
    }
  }

  @Test("invariant 9: scaling features apart scales structures that do not compare features")
  func scalingFeatures() throws {
    let problem = try RandomProblem(n: 700, d: 3, K: 3, separation: 2)
    let scales = [1e-9, 3.7, 1e6]
    let scaledRows = (0..<700).map { row in
      (0..<3).map { problem.observations.matrix[row, $0] * scales[$0] }
    }
    for structure in [CovarianceStructure.eei, .vei, .evi, .vvi, .eee, .vee, .evv, .vvv] {
      for start in [Initialization.shortRuns, .kMeans, .labels(problem.labels)] {
        // Accelerated steps magnify the rounding in which the two differ; AccelerationTests has their laws.
        var settings = fixedIterations(
          problem.labels, structure, count: 15, acceleration: .none)
        settings.initialization = start
        let plain = try settings.fit(problem.observations)
        let scaled = try settings.fit(Observations(rows: scaledRows))
        let change = 700 * scales.reduce(0) { $0 + Kernels.log($1) }
        #expect(relativeDifference(scaled.logLikelihood, plain.logLikelihood - change) < 1e-10)
        for k in 0..<3 {
          for j in 0..<3 {
            #expect(
              relativeDifference(scaled.model.means[k, j] / scales[j], plain.model.means[k, j])
                < 1e-9)
          }
        }
      }
    }
  }

  @Test("invariant 9: permuting rows or features permutes the result")
  func permuting() throws {
    let problem = try RandomProblem(n: 600, d: 3, K: 3, separation: 2)
    let matrix = problem.observations.matrix
    let order = (0..<600).map { ($0 * 7 + 3) % 600 }
    #expect(Set(order).count == 600)
    for structure in CovarianceStructure.allCases {
      // The coordinates of accelerated steps depend on the order of the features; there only the ends agree.
      let plain = try fixedIterations(problem.labels, structure, acceleration: .none)
        .fit(problem.observations)
      let rows = try fixedIterations(
        order.map { problem.labels[$0] }, structure, acceleration: .none
      )
      .fit(Observations(rows: order.map { matrix.row($0) }))
      #expect(relativeDifference(rows.logLikelihood, plain.logLikelihood) < 1e-12)
      let features = try fixedIterations(problem.labels, structure, acceleration: .none)
        .fit(Observations(rows: (0..<600).map { [2, 0, 1].map { [row = $0] in matrix[row, $0] } }))
      #expect(relativeDifference(features.logLikelihood, plain.logLikelihood) < 1e-12)
      for k in 0..<3 {
        #expect(relativeDifference(features.model.means[k, 0], plain.model.means[k, 2]) < 1e-10)
        #expect(
          relativeDifference(
            features.model.covariances[k][0, 1], plain.model.covariances[k][2, 0]) < 1e-10)
      }
    }
  }

  @Test("every row twice gives the same model and twice the log-likelihood")
  func duplicatedRows() throws {
    let rows = ReferenceTables.iris
    let labels = ReferenceTables.irisLabels
    for structure in CovarianceStructure.allCases {
      let once = try fixedIterations(labels, structure).fit(Observations(rows: rows))
      let twice = try fixedIterations(labels.flatMap { [$0, $0] }, structure)
        .fit(Observations(rows: rows.flatMap { [$0, $0] }))
      #expect(relativeDifference(twice.logLikelihood, 2 * once.logLikelihood) < 1e-10)
    }
  }

  @Test("K = 1 has the closed form of a single Gaussian", arguments: CovarianceStructure.allCases)
  func oneComponent(structure: CovarianceStructure) throws {
    let rows = ReferenceTables.iris
    let (n, d) = (rows.count, rows[0].count)
    let fit = try ExpectationMaximization(componentCount: 1, covariance: structure)
      .fit(Observations(rows: rows))
    let mean = (0..<d).map { j in rows.reduce(0) { $0 + $1[j] } / Double(n) }
    var covariance = Matrix(repeating: 0, rowCount: d, columnCount: d)
    for row in rows {
      for i in 0..<d {
        for j in 0..<d {
          covariance[i, j] += (row[i] - mean[i]) * (row[j] - mean[j]) / Double(n)
        }
      }
    }
    let trace = (0..<d).reduce(0) { $0 + covariance[$1, $1] }
    for i in 0..<d {
      #expect(abs(fit.model.means[0, i] - mean[i]) < 1e-13)
      for j in 0..<d {
        let expected: Double
        switch structure.form {
        case .full: expected = covariance[i, j]
        case .diagonal: expected = i == j ? covariance[i, j] : 0
        case .scalar: expected = i == j ? trace / Double(d) : 0
        }
        #expect(abs(fit.model.covariances[0][i, j] - expected) < 1e-13)
      }
    }
    // ℓ = −n/2 (d log 2π + log det Σ + d), whatever the structure.
    let expected =
      -0.5 * Double(n)
      * (Double(d) * (logTwoPi + 1) + fit.model.logDeterminant(0))
    #expect(abs(fit.logLikelihood - expected) < 1e-10)
    #expect(fit.model.weights == [1])
    #expect(fit.isConverged)
  }

  @Test("mclust's BIC of iris with one component")
  func oneComponentReference() throws {
    for structure in CovarianceStructure.allCases {
      let expected =
        structure.form == .scalar
        ? -1804.0854 : structure.form == .diagonal ? -1522.1202 : -829.9782
      let fit = try ExpectationMaximization(componentCount: 1, covariance: structure)
        .fit(Observations(rows: ReferenceTables.iris))
      // mclust's is the negative of ours.
      #expect(abs(-fit.bic - expected) < 1e-4)
    }
  }

  @Test(
    "a structure that contains another, fitted from a model of it, is at least as likely",
    arguments: CovarianceStructure.allCases)
  func nestedStructures(structure: CovarianceStructure) throws {
    for (rows, labels) in [
      (ReferenceTables.iris, ReferenceTables.irisLabels),
      (ReferenceTables.faithful, ReferenceTables.faithfulLabels),
    ] {
      let data = try Observations(rows: rows)
      let fit = try ExpectationMaximization(
        componentCount: labels.max()! + 1, covariance: structure, initialization: .labels(labels)
      ).fit(data)
      for other in CovarianceStructure.allCases where other.contains(structure) {
        let more = try ExpectationMaximization(
          componentCount: labels.max()! + 1, covariance: other,
          initialization: .model(fit.model)
        ).fit(data)
        #expect(more.logLikelihood >= fit.logLikelihood - 1e-10, "\(other)")
      }
    }
  }

  @Test("entropy and criteria of iris agree with mclust")
  func criteria() throws {
    let fit = try ExpectationMaximization(
      componentCount: 3, initialization: .labels(ReferenceTables.irisLabels),
      stoppingRule: StoppingRule(tolerance: 1e-12, iterationLimit: 5000)
    ).fit(Observations(rows: ReferenceTables.iris))
    #expect(abs(fit.entropy - 4.87324391) < 1e-5)
    #expect(abs(fit.bic - (2 * 180.185477 + 44 * Kernels.log(150))) < 1e-4)
    #expect(abs(fit.aic - (2 * 180.185477 + 88)) < 1e-4)
    #expect(fit.icl == fit.bic + 2 * fit.entropy)
    let labels = try fit.model.labels(for: Observations(rows: ReferenceTables.iris))
    #expect((0..<3).map { k in labels.count { $0 == k } } == [50, 45, 55])
    for (got, expected) in zip(fit.model.weights, [1.0 / 3, 0.299193231, 0.367473436]) {
      #expect(abs(got - expected) < 1e-6)
    }
    for (k, expected) in [-13.148171, -11.617523, -8.750754].enumerated() {
      #expect(abs(fit.model.logDeterminant(k) - expected) < 1e-5)
    }
    let means = [
      [5.006, 3.428, 1.462, 0.246], [5.91496962, 2.77784365, 4.20155330, 1.29696688],
      [6.54454870, 2.94866116, 5.47955353, 1.98460501],
    ]
    for k in 0..<3 {
      for j in 0..<4 { #expect(abs(fit.model.means[k, j] - means[k][j]) < 1e-6) }
    }
  }

  @Test("the parameters of Old Faithful agree with mclust, one feature too")
  func faithfulParameters() throws {
    func fit(_ rows: [[Double]], _ labels: [Int]) throws -> MixtureFit {
      try ExpectationMaximization(
        componentCount: 2, initialization: .labels(labels),
        stoppingRule: StoppingRule(tolerance: 1e-13, iterationLimit: 5000)
      ).fit(Observations(rows: rows))
    }
    let rows = ReferenceTables.faithful
    let both = try fit(rows, ReferenceTables.faithfulLabels)
    #expect(abs(both.model.weights[0] - 0.355872865) < 1e-6)
    #expect(abs(both.model.means[0, 0] - 2.036388) < 1e-5)
    #expect(abs(both.model.means[1, 1] - 79.968115) < 1e-5)
    for (got, expected) in zip(
      both.model.covariances.elements,
      [
        0.0691676726, 0.435167778, 33.697283118, 0.169968415, 0.940609055, 36.046208339,
      ])
    {
      #expect(relativeDifference(got, expected) < 1e-6)
    }
    let waiting = try fit(rows.map { [$0[1]] }, rows.map { $0[1] > 70 ? 1 : 0 })
    #expect(abs(waiting.logLikelihood + 1034.001750) < 1e-5)
    #expect(abs(waiting.model.weights[0] - 0.360886) < 1e-5)
    #expect(abs(waiting.model.means[0, 0] - 54.614862) < 1e-4)
    #expect(abs(waiting.model.covariances[0][0, 0] - 34.471274) < 1e-3)
    let eruptions = try fit(rows.map { [$0[0]] }, ReferenceTables.faithfulLabels)
    #expect(abs(eruptions.logLikelihood + 276.360040) < 1e-5)
    #expect(abs(eruptions.model.weights[0] - 0.348404657) < 1e-6)
    #expect(abs(eruptions.model.covariances[1][0, 0] - 0.191024127) < 1e-6)
  }

  @Test("a fit from its own model stays there")
  func fixedPoint() throws {
    let problem = try RandomProblem(n: 500, d: 2, K: 2)
    var settings = ExpectationMaximization(
      componentCount: 2, stoppingRule: StoppingRule(tolerance: 1e-12, iterationLimit: 5000))
    let first = try settings.fit(problem.observations)
    settings.initialization = .model(first.model)
    settings.stoppingRule = StoppingRule()
    let second = try settings.fit(problem.observations)
    #expect(second.isConverged)
    #expect(abs(second.logLikelihood - first.logLikelihood) < 1e-9)
  }

  @Test("a start outside of what is asked for is left, and not taken for the end")
  func startOutside() throws {
    let rows = try Observations(rows: ReferenceTables.faithful)
    let full = try ExpectationMaximization(
      componentCount: 2, initialization: .labels(ReferenceTables.faithfulLabels)
    ).fit(rows)
    for (structure, expected) in [
      (CovarianceStructure.eii, -1709.681373), (.eee, -1140.186759), (.vvi, -1147.806353),
    ] {
      let fit = try ExpectationMaximization(
        componentCount: 2, covariance: structure, initialization: .model(full.model),
        stoppingRule: StoppingRule(tolerance: 1e-10)
      ).fit(rows)
      #expect(abs(fit.logLikelihood - expected) < 1e-5)
      #expect(fit.isConverged)
    }
    let equal = try ExpectationMaximization(
      componentCount: 2, equalWeights: true, initialization: .model(full.model)
    ).fit(rows)
    #expect(equal.iterationCount > 1 && equal.model.weights == [0.5, 0.5])
  }

  @Test("a fit in two parts is the fit in one, to the bit")
  func continuing() throws {
    let problem = try RandomProblem(n: 500, d: 2, K: 2, separation: 1)
    let whole = try fixedIterations(problem.labels, .full, count: 12, acceleration: .none).fit(
      problem.observations)
    let half = try fixedIterations(problem.labels, .full, count: 5, acceleration: .none).fit(
      problem.observations)
    var rest = fixedIterations(problem.labels, .full, count: 7, acceleration: .none)
    rest.initialization = .model(half.model)
    #expect(try rest.fit(problem.observations).model == whole.model)
  }
}
