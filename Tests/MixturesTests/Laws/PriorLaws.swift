// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

/// A prior with every part: a full scale, a mean off the data, a count for the means and a concentration.
private func fullPrior(d: Int, seed: UInt64) -> ConjugatePrior {
  var random = RandomStream(seed: seed, stream: 9)
  let a = (0..<d * d).map { _ in random.normal() }
  var scale = Matrix(repeating: 0, rowCount: d, columnCount: d)
  for i in 0..<d {
    for j in 0...i {
      scale[i, j] = (0..<d).reduce(i == j ? 1 : 0) { $0 + a[i * d + $1] * a[j * d + $1] }
      scale[j, i] = scale[i, j]
    }
  }
  return ConjugatePrior(
    weightConcentration: 1.5, mean: (0..<d).map { _ in random.normal() }, meanCount: 2.5,
    degreesOfFreedom: Double(d) + 3.5, scale: scale)
}

/// Σₖ [Nₖ log wₖ − ½ (Nₖ log det Σₖ + tr Σₖ⁻¹ (Wₖ + Nₖ (x̄ₖ − μₖ)(x̄ₖ − μₖ)ᵀ))] plus the prior's logarithm, in plain loops.
private func penalised(
  _ statistics: SufficientStatistics, _ prior: ConjugatePrior?, _ weights: [Double],
  _ means: [[Double]], _ parameters: StructureParameters
) -> Double {
  let (K, d) = (parameters.componentCount, parameters.featureCount)
  let structure = parameters.structure
  var (counts, scatters, sum) = ([Double](), [[Double]](), 0.0)
  for k in 0..<K {
    var count = statistics.zeroth(k)
    var scatter = statistics.scatter(k, as: .full)
    let mean = statistics.mean(k)
    sum += count * Kernels.log(weights[k])
    for i in 0..<d {
      for j in 0...i {
        let index = i * (i + 1) / 2 + j
        scatter[index] += count * (mean[i] - means[k][i]) * (mean[j] - means[k][j])
      }
    }
    if let prior {
      sum += (prior.weightConcentration - 1) * Kernels.log(weights[k])
      let share = structure.isShared ? 1 / Double(K) : 1
      let nu = prior.degreesOfFreedom
      let trace = (0..<d).reduce(0) { $0 + prior.scale[$1, $1] }
      for i in 0..<d {
        for j in 0...i {
          let index = i * (i + 1) / 2 + j
          let (x, y) = (means[k][i] - prior.mean[i], means[k][j] - prior.mean[j])
          scatter[index] += prior.meanCount * x * y
          switch structure.form {
          case .full: scatter[index] += share * prior.scale[i, j]
          case .diagonal: if i == j { scatter[index] += share * prior.scale[i, i] }
          case .scalar: if i == j { scatter[index] += share * trace / Double(d * d) }
          }
        }
      }
      switch structure.form {
      case .full: count += 1 + share * (nu + Double(d) + 1)
      case .diagonal: count += 1 + share * (nu + 2)
      case .scalar: count += 1 + share * (nu + 2) / Double(d)
      }
    }
    counts.append(count)
    scatters.append(scatter)
  }
  return sum - 0.5 * parameters.cost(counts, scatters)
}

@Suite("Laws of priors and fixed parameters") struct PriorLaws {
  @Test(
    "the M-step with a prior is stationary in every free parameter, and no move raises the objective",
    arguments: CovarianceStructure.allCases)
  func stationary(structure: CovarianceStructure) throws {
    for (K, d) in [(1, 3), (2, 2), (3, 3), (4, 2)] {
      let statistics = randomStatistics(K: K, d: d, seed: UInt64(K + 10 * d))
      let prior = fullPrior(d: d, seed: UInt64(K))
      let model = try GaussianMixture(
        maximizing: statistics, structure: structure, prior: prior)
      let weights = model.weights
      let means = (0..<K).map { model.means.row($0) }
      let parameters = StructureParameters(model)
      func value(_ w: [Double], _ m: [[Double]], _ p: StructureParameters) -> Double {
        penalised(statistics, prior, w, m, p)
      }
      let best = value(weights, means, parameters)
      let h = 1e-4
      // A central difference is off by h² times a third derivative, some hundreds of rows; values by rounding / h.
      func check(_ up: Double, _ down: Double, _ what: String) {
        #expect(abs(up - down) / (2 * h) < 1e-4, "\(what), K = \(K), d = \(d)")
        #expect(up <= best + 1e-8 && down <= best + 1e-8, "\(what), K = \(K), d = \(d)")
      }
      for index in 0..<parameters.freeCount {
        var (up, down) = (parameters, parameters)
        up.move(index, by: h)
        down.move(index, by: -h)
        check(value(weights, means, up), value(weights, means, down), "parameter \(index)")
      }
      for k in 0..<K {
        for j in 0..<d {
          var (up, down) = (means, means)
          up[k][j] += h
          down[k][j] -= h
          check(value(weights, up, parameters), value(weights, down, parameters), "mean \(k) \(j)")
        }
        if k > 0 {
          var (up, down) = (weights, weights)
          let step = h * weights[k]
          up[k] += step
          up[0] -= step
          down[k] -= step
          down[0] += step
          check(value(up, means, parameters), value(down, means, parameters), "weight \(k)")
        }
      }
    }
  }

  @Test(
    "the logarithm of the prior is what the M-step counts with",
    arguments: CovarianceStructure.allCases)
  func logDensity(structure: CovarianceStructure) throws {
    let (K, d) = (3, 3)
    let prior = fullPrior(d: d, seed: 4)
    let nothing = SufficientStatistics(
      origins: Matrix(repeating: 0, rowCount: K, columnCount: d), form: .full)
    // Statistics of almost nothing: what is left of the objective is the prior.
    var statistics = nothing
    for k in 0..<K { statistics.values[statistics.zerothStart + k] = 1e-300 }
    for seed in UInt64(1)...3 {
      let model = try RandomProblem.mixture(d: d, K: K, structure: structure, seed: seed)
      let expected = penalised(
        statistics, prior, model.weights, (0..<K).map { model.means.row($0) },
        StructureParameters(model))
      #expect(relativeDifference(prior.logDensity(of: model), expected) < 1e-11)
    }
  }

  @Test(
    "the objective never falls, whatever the prior", arguments: CovarianceStructure.allCases)
  func objectiveNeverFalls(structure: CovarianceStructure) throws {
    let priors: [MixturePrior] = [
      .mclust, .shrinkage(), .shrinkage(towards: .identity), .floor(1e-3),
      .conjugate(fullPrior(d: 3, seed: 7)),
    ]
    for K in 1...4 {
      let problem = try RandomProblem(n: 150, d: 3, K: 3, separation: 1, seed: UInt64(K))
      for prior in priors {
        for acceleration in Acceleration.allCases {
          let fit = try ExpectationMaximization(
            componentCount: K, covariance: structure, initialization: .kMeans,
            stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 25), prior: prior,
            acceleration: acceleration, threadCount: 1
          ).fit(problem.observations)
          #expect(fit.rescued.allSatisfy { $0.action == .floored })
          for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
            // A sum of 150 terms, and the prior's.
            #expect(
              after.objective >= before.objective - 1e-10,
              "K = \(K), \(prior), \(acceleration), iteration \(after.iteration)")
          }
          #expect(fit.logPrior == fit.prior?.logDensity(of: fit.model))
          #expect(fit.objective == fit.trace.last?.objective)
        }
      }
    }
  }

  @Test("acceleration ends where EM ends with a prior", arguments: CovarianceStructure.allCases)
  func acceleratedEnd(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 2, separation: 1.5, seed: 5)
    var ends: [Double] = []
    for acceleration in Acceleration.allCases {
      let fit = try ExpectationMaximization(
        componentCount: 2, covariance: structure, initialization: .labels(problem.labels),
        stoppingRule: StoppingRule(tolerance: 1e-9, iterationLimit: 5000), prior: .mclust,
        acceleration: acceleration, threadCount: 1
      ).fit(problem.observations)
      #expect(fit.isConverged)
      ends.append(fit.objective)
    }
    // Twice the tolerance for each of the rows, and some for what the estimate of the rest is off.
    #expect(abs(ends[0] - ends[1]) < 200 * 1e-8)
  }

  @Test(
    "units and offsets change nothing but units and offsets, with every preset",
    arguments: [CovarianceStructure.vii, .evi, .vvi, .eee, .vve, .vvv])
  func equivariance(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 120, d: 2, K: 2, seed: 3)
    // Numbers that stay exact when 10⁸ is added, and when they are multiplied by a power of two.
    let rows = (0..<120).map { i in
      problem.observations.matrix.row(i).map { ($0 * 65536).rounded() / 65536 }
    }
    for prior in [MixturePrior.mclust, .shrinkage(), .shrinkage(towards: .identity), .floor(0.01)] {
      var settings = fixedIterations(problem.labels, structure, count: 8, threads: 1)
      settings.prior = prior
      let plain = try settings.fit(Observations(rows: rows))
      let moved = try settings.fit(Observations(rows: shifted(rows, by: 1e8)))
      // The means have 8 digits less; the log-likelihood of 120 rows is stationary in them.
      #expect(abs(moved.logLikelihood - plain.logLikelihood) < 1e-6)
      #expect(abs(moved.logPrior - plain.logPrior) < 1e-6)
      let scaled = try settings.fit(Observations(rows: rows.map { $0.map { $0 * 1024 } }))
      let change = 120 * 2 * Kernels.log(1024)
      #expect(abs(scaled.logLikelihood + change - plain.logLikelihood) < 1e-8)
      // A unit of each feature: presets that know one unit only are left out.
      let knowsUnits =
        structure.form != .scalar && structure != .vve
        && (prior == .shrinkage() || prior == .floor(0.01)
          || (prior == .mclust && structure.form == .full))
      if knowsUnits {
        let stretched = try settings.fit(Observations(rows: rows.map { [$0[0] * 64, $0[1] / 16] }))
        let change = 120 * Kernels.log(4)
        #expect(abs(stretched.logLikelihood + change - plain.logLikelihood) < 1e-8)
      }
    }
  }

  @Test("no prior and nothing fixed are the settings that are not there, to the bit")
  func nothingIsNothing() throws {
    let problem = try RandomProblem(n: 300, d: 3, K: 3, seed: 2)
    for structure in CovarianceStructure.allCases {
      let settings = fixedIterations(problem.labels, structure, threads: 1)
      var same = settings
      same.prior = .none
      same.fixed = .none
      let (a, b) = (try settings.fit(problem.observations), try same.fit(problem.observations))
      #expect(a.model == b.model)
      #expect(a.logPrior == 0 && a.prior == nil && a.objective == a.logLikelihood)
      // The way through counts and scatters of its own gives the same M-step.
      let weak = ConjugatePrior(
        mean: [0, 0, 0], meanCount: 0,
        degreesOfFreedom: structure.form == .full ? -4 : -2,
        scale: Matrix(repeating: 0, rowCount: 3, columnCount: 3))
      same.prior = .conjugate(weak)
      let c = try same.fit(problem.observations)
      #expect(relativeDifference(c.logLikelihood, a.logLikelihood) < 1e-12)
      #expect(c.logPrior == 0)
    }
  }

  @Test("fewer rows than features are enough for a prior that is positive definite")
  func fewRows() throws {
    let problem = try RandomProblem(n: 9, d: 12, K: 1, seed: 8)
    for prior in [MixturePrior.mclust, .shrinkage(), .floor(0.01)] {
      let fit = try ExpectationMaximization(
        componentCount: 2, initialization: .kMeans, prior: prior, threadCount: 1
      ).fit(problem.observations)
      #expect(fit.logLikelihood.isFinite)
    }
    #expect(throws: MixtureError.self) {
      try ExpectationMaximization(componentCount: 2).fit(problem.observations)
    }
  }

  @Test(
    "the floor as a prior keeps every covariance above the floor",
    arguments: CovarianceStructure.allCases)
  func floorHolds(structure: CovarianceStructure) throws {
    // One component closes in on equal rows.
    let rows: [[Double]] = (0..<60).map { (i: Int) -> [Double] in
      if i < 20 { return [1, 2] }
      return [Double((i * 37) % 41), Double((i * 53) % 43)]
    }
    let labels: [Int] = (0..<60).map { (i: Int) -> Int in i < 20 ? 0 : 1 }
    let table = try Observations(rows: rows)
    let scale = try DataScale(table, form: .full, threadCount: 1)
    let fit = try ExpectationMaximization(
      componentCount: 2, covariance: structure,
      initialization: .labels(labels),
      covarianceFloor: 0, prior: .floor(0.01), threadCount: 1
    ).fit(table)
    #expect(fit.rescued.isEmpty)
    if [.vii, .vvi, .eee, .eei, .eii, .vvv].contains(structure) {
      for k in 0..<2 {
        let matrix = fit.model.covariances[k]
        let mean: Double = scale.variances.reduce(0, +) / 2
        let bounds: [Double] = structure.form == .scalar ? [mean, mean] : scale.variances
        let a: Double = matrix[0, 0] - 0.01 * bounds[0]
        let c: Double = matrix[1, 1] - 0.01 * bounds[1]
        let size: Double = bounds[0] + bounds[1]
        let determinant: Double = a * c - matrix[0, 1] * matrix[0, 1]
        #expect(a >= -1e-12 * size && c >= -1e-12 * size)
        #expect(determinant >= -1e-12 * size * size)
      }
    }
  }

  @Test("weights of components without rows are those of the Dirichlet density")
  func concentration() throws {
    let table = try Observations(rows: ReferenceTables.faithful)
    var prior = try #require(
      try MixturePrior.mclust.conjugatePrior(for: table, covariance: .vvv, componentCount: 6))
    prior.weightConcentration = 3
    let fit = try ExpectationMaximization(
      componentCount: 6, initialization: .kMeans, prior: .conjugate(prior), threadCount: 1
    ).fit(table)
    #expect(fit.model.weights.allSatisfy { $0 >= 2 / (272 + 12.0) - 1e-12 })
    #expect(fit.isConverged)
  }

  // MARK: Fixed parameters

  @Test(
    "what is fixed stays to the bit, the objective never falls, and both ways end alike",
    arguments: [CovarianceStructure.vii, .vvi, .vvv])
  func fixedStays(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(
      n: 300, d: 2, K: 3, structure: structure, separation: 2, seed: 6)
    let start = try RandomProblem.mixture(d: 2, K: 3, structure: structure, separation: 2, seed: 60)
    for prior in [MixturePrior.none, .mclust] {
      var ends: [Double] = []
      for acceleration in Acceleration.allCases {
        let fit = try ExpectationMaximization(
          componentCount: 3, covariance: structure, initialization: .model(start),
          stoppingRule: StoppingRule(tolerance: 1e-9, iterationLimit: 5000), prior: prior,
          fixed: FixedParameters(weights: [0], means: [1], covariances: [2]),
          acceleration: acceleration, threadCount: 1
        ).fit(problem.observations)
        #expect(fit.model.weights[0] == start.weights[0])
        #expect(fit.model.means.row(1) == start.means.row(1))
        #expect(fit.model.covariances[2] == start.covariances[2])
        #expect(abs(fit.model.weights.reduce(0, +) - 1) < 1e-15 * 8)
        for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
          #expect(after.objective >= before.objective - 1e-10)
        }
        #expect(fit.fixed == FixedParameters(weights: [0], means: [1], covariances: [2]))
        let each = structure.form.elementCount(featureCount: 2)
        #expect(fit.parameterCount == 1 + 2 * 2 + 2 * each)
        ends.append(fit.objective)
      }
      #expect(abs(ends[0] - ends[1]) < 300 * 1e-8)
    }
  }

  @Test(
    "with a fixed mean the scatter is about the mean that is kept",
    arguments: CovarianceStructure.allCases)
  func scatterAboutKeptMean(structure: CovarianceStructure) throws {
    let (K, d) = (3, 2)
    let statistics = randomStatistics(K: K, d: d, seed: 12)
    let kept = try RandomProblem.mixture(d: d, K: K, structure: structure, separation: 1, seed: 31)
    let prior = fullPrior(d: d, seed: 2)
    for prior in [nil, prior] {
      let model = try GaussianMixture(
        maximizing: statistics, structure: structure, prior: prior,
        fixed: FixedParameters(means: 0..<K, values: kept))
      #expect(model.means == kept.means)
      let parameters = StructureParameters(model)
      let means = (0..<K).map { kept.means.row($0) }
      let best = penalised(statistics, prior, model.weights, means, parameters)
      for index in 0..<parameters.freeCount {
        for step in [1e-3, -1e-3] {
          var moved = parameters
          moved.move(index, by: step)
          #expect(penalised(statistics, prior, model.weights, means, moved) <= best + 1e-8)
        }
      }
    }
  }

  @Test("everything fixed is scoring only", arguments: CovarianceStructure.allCases)
  func everythingFixed(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 2, structure: structure, seed: 9)
    let fit = try ExpectationMaximization(
      componentCount: 2, covariance: structure, initialization: .model(problem.model),
      fixed: .everything(componentCount: 2), threadCount: 1
    ).fit(problem.observations)
    #expect(fit.model == problem.model)
    #expect(fit.iterationCount == 0 && fit.isConverged && fit.parameterCount == 0)
    #expect(fit.bic == -2 * fit.logLikelihood)
    // From labels, with values of their own: the M-step of the partition returns the values.
    let given = try ExpectationMaximization(
      componentCount: 2, covariance: structure, initialization: .labels(problem.labels),
      fixed: .everything(componentCount: 2, values: problem.model), threadCount: 1
    ).fit(problem.observations)
    #expect(given.model == problem.model)
    #expect(given.logLikelihood == fit.logLikelihood)
  }

  @Test("a component with a fixed weight and no rows stays where it was")
  func fixedWeightWithoutRows() throws {
    let table = try Observations(rows: ReferenceTables.faithful)
    let start = try GaussianMixture(
      weights: [0.25, 0.25, 0.5],
      means: Matrix(rows: [[2, 54], [4.3, 80], [1e4, 1e5]]),
      covariances: Covariances(
        structure: .vvv,
        matrices: (0..<3).map { _ in try Matrix(rows: [[0.3, 0], [0, 40]]) }))
    let fit = try ExpectationMaximization(
      componentCount: 3, initialization: .model(start), fixed: FixedParameters(weights: [2]),
      threadCount: 1
    ).fit(table)
    #expect(fit.model.weights[2] == 0.5)
    #expect(fit.model.means.row(2) == [1e4, 1e5])
    #expect(fit.rescued.isEmpty && fit.isConverged)
    // With a free weight and a fixed mean it can only leave.
    let other = try ExpectationMaximization(
      componentCount: 3, initialization: .model(start), fixed: FixedParameters(means: [1, 2]),
      threadCount: 1
    ).fit(table)
    #expect(other.rescued.map(\.action) == [.dropped])
    #expect(other.model.means.row(1) == [4.3, 80])
    #expect(other.fixed == FixedParameters(means: [1]))
  }

  @Test("a fit with a prior and fixed parameters that was interrupted goes on to the same bits")
  func resumed() throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 3, separation: 1, seed: 14)
    let settings = ExpectationMaximization(
      componentCount: 3, initialization: .model(problem.model),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 15), prior: .mclust,
      fixed: FixedParameters(weights: [2], means: [0], covariances: [1]), threadCount: 1)
    let (fit, runs) = try CheckpointTests.interrupted(settings, problem.observations)
    let whole = try settings.fit(problem.observations)
    #expect(runs > 10)
    CheckpointTests.expectSame(fit, whole)
    #expect(fit.trace.map(\.objective) == whole.trace.map(\.objective))
  }

  @Test("what cannot be fixed, and priors out of range, are errors that say so")
  func errors() throws {
    let problem = try RandomProblem(n: 60, d: 2, K: 2, seed: 1)
    func code(_ change: (inout ExpectationMaximization) -> Void) -> MixtureError.Code? {
      var settings = ExpectationMaximization(
        componentCount: 2, initialization: .model(problem.model), threadCount: 1)
      change(&settings)
      do {
        _ = try settings.fit(problem.observations)
        return nil
      } catch { return error.code }
    }
    #expect(code { $0.fixed = FixedParameters(means: [2]) } == .invalidSetting)
    #expect(code { $0.fixed = FixedParameters(weights: [-1]) } == .invalidSetting)
    #expect(
      code {
        $0.covariance = .eee
        $0.fixed = FixedParameters(covariances: [0])
      } == .invalidSetting)
    #expect(
      code {
        $0.initialization = .kMeans
        $0.fixed = FixedParameters(means: [0], values: problem.model)
      } == .invalidSetting)
    #expect(
      code {
        $0.initialization = .labels(problem.labels)
        $0.fixed = FixedParameters(means: [0])
      } == .invalidSetting)
    #expect(
      code {
        $0.equalWeights = true
        $0.fixed = FixedParameters(weights: [0])
      } == .invalidSetting)
    #expect(code { $0.prior = .floor(0) } == .invalidSetting)
    var prior = fullPrior(d: 2, seed: 1)
    prior.weightConcentration = 0.5
    #expect(code { $0.prior = .conjugate(prior) } == .invalidSetting)
    prior = fullPrior(d: 2, seed: 1)
    prior.scale[0, 0] = -1
    #expect(code { $0.prior = .conjugate(prior) } == .invalidSetting)
    prior = fullPrior(d: 3, seed: 1)
    #expect(code { $0.prior = .conjugate(prior) } == .shapeMismatch)
    #expect(code { $0.fixed = FixedParameters(weights: [0], covariances: [1]) } == nil)
  }
}

@Suite("mclust's prior") struct MclustPriorTests {
  /// mclust 6.0.0 with `priorControl()`: after one M-step from the partition, and at the end.
  static let values: [(structure: CovarianceStructure, iris: [Double], faithful: [Double])] = [
    (.vii, [-392.271473110, -384.478676216], [-1710.577306086, -1709.580829607]),
    (.vvi, [-314.642638029, -312.904087068], [-1226.853887971, -1229.215689930]),
    (.eee, [-257.345153538, -257.739376609], [-1140.308098732, -1140.260935482]),
    (.vvv, [-193.271135441, -192.695283865], [-1130.552260870, -1130.509263671]),
  ]

  private func ends(
    _ structure: CovarianceStructure, _ rows: [[Double]], _ labels: [Int]
  ) throws -> (first: Double, last: MixtureFit) {
    let fit = try ExpectationMaximization(
      componentCount: labels.max()! + 1, covariance: structure, initialization: .labels(labels),
      stoppingRule: StoppingRule(tolerance: 1e-13, iterationLimit: 3000), prior: .mclust,
      threadCount: 1
    ).fit(Observations(rows: rows))
    return (fit.trace[0].logLikelihood, fit)
  }

  @Test("VII, VVI, EEE and VVV have mclust's values after one M-step and at the end")
  func many() throws {
    for (structure, iris, faithful) in Self.values {
      let a = try ends(structure, ReferenceTables.iris, ReferenceTables.irisLabels)
      #expect(abs(a.first - iris[0]) < 1e-7, "\(structure)")
      #expect(abs(a.last.logLikelihood - iris[1]) < 1e-5, "\(structure)")
      let b = try ends(structure, ReferenceTables.faithful, ReferenceTables.faithfulLabels)
      #expect(abs(b.first - faithful[0]) < 1e-7, "\(structure)")
      #expect(abs(b.last.logLikelihood - faithful[1]) < 1e-5, "\(structure)")
    }
  }

  @Test("the weights of VVV for iris are mclust's")
  func weights() throws {
    let fit = try ends(.vvv, ReferenceTables.iris, ReferenceTables.irisLabels).last
    for (weight, known) in zip(fit.model.weights, [1.0 / 3, 0.313808798, 0.352857868]) {
      #expect(abs(weight - known) < 1e-6)
    }
  }

  @Test("one feature has mclust's values, with equal variances and with others")
  func oneFeature() throws {
    let known: [(CovarianceStructure, Int, Double, Double, Double)] = [
      (.eii, 0, 3, -287.362533745, -287.309151117), (.eii, 1, 70, -1036.517233418, -1034.033643888),
      (.vii, 0, 3, -277.340652106, -276.396313758), (.vii, 1, 70, -1036.711064273, -1034.093922454),
    ]
    for (structure, column, limit, first, last) in known {
      let rows = ReferenceTables.faithful.map { [$0[column]] }
      let end = try ends(structure, rows, rows.map { $0[0] > limit ? 1 : 0 })
      #expect(abs(end.first - first) < 1e-7, "\(structure), column \(column)")
      #expect(abs(end.last.logLikelihood - last) < 1e-5, "\(structure), column \(column)")
    }
  }
}
