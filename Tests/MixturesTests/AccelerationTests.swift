// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

@Suite("Acceleration") struct AccelerationTests {
  /// A fit from the true labels of an overlapping mixture.
  static func settings(
    _ problem: RandomProblem, _ structure: CovarianceStructure, _ acceleration: Acceleration,
    tolerance: Double = 1e-8, limit: Int = 20_000
  ) -> ExpectationMaximization {
    ExpectationMaximization(
      componentCount: problem.labels.max()! + 1, covariance: structure,
      initialization: .labels(problem.labels),
      stoppingRule: StoppingRule(tolerance: tolerance, iterationLimit: limit),
      acceleration: acceleration)
  }

  @Test(
    "overlapping mixtures end where EM ends, in half of the iterations",
    arguments: CovarianceStructure.allCases)
  func sameEnd(structure: CovarianceStructure) throws {
    var ratio = 1.0
    for seed in UInt64(1)...3 {
      let problem = try RandomProblem(
        n: 1500, d: 2, K: 3, structure: structure, separation: 1.3, seed: seed)
      let plain = try Self.settings(problem, structure, .none).fit(problem.observations)
      let fast = try Self.settings(problem, structure, .quasiNewton).fit(problem.observations)
      #expect(plain.isConverged && fast.isConverged)
      // Both rules leave less than the tolerance to gain, to the accuracy of their estimates.
      #expect(abs(fast.logLikelihood - plain.logLikelihood) < 1500 * 1e-7, "seed \(seed)")
      ratio *= Double(plain.iterationCount) / Double(fast.iterationCount)
    }
    #expect(ratio > 8)
  }

  @Test("the trace never falls, and a step that is taken back leaves the model as it was")
  func neverFalls() throws {
    var repeated = 0
    for seed in UInt64(1)...6 {
      let problem = try RandomProblem(n: 600, d: 1, K: 3, separation: 0.7, seed: seed)
      var models: [GaussianMixture] = []
      let settings = ExpectationMaximization(
        componentCount: 5, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 150))
      let fit = try settings.fit(problem.observations) { report in
        #expect(report.iteration == models.count)
        models.append(report.model)
        return .proceed
      }
      #expect(fit.iterationCount == 150 && models.count == 151)
      for (t, (before, after)) in zip(fit.trace, fit.trace.dropFirst()).enumerated() {
        #expect(after.logLikelihood >= before.logLikelihood - 1e-11)
        if models[t] == models[t + 1] {
          #expect(after.logLikelihood == before.logLikelihood)
          repeated += 1
        }
      }
    }
    #expect(repeated > 0)
  }

  @Test(
    "adding 1e8 to every feature changes an accelerated fit by no more than rounding",
    arguments: CovarianceStructure.allCases)
  func shifting(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 500, d: 3, K: 3, separation: 1.5)
    let grid = (0..<500).map {
      problem.observations.matrix.row($0).map { ($0 * 1024).rounded() / 1024 }
    }
    let settings = Self.settings(problem, structure, .quasiNewton)
    let plain = try settings.fit(Observations(rows: grid))
    let moved = try settings.fit(Observations(rows: shifted(grid, by: 1e8)))
    #expect(plain.isConverged && moved.isConverged)
    // At the end the log-likelihood is stationary: means that are rounded to 1.5e-8 cost 500 · 1e-15 of it, and the
    // tolerance leaves 500 · 1e-8.
    #expect(abs(moved.logLikelihood - plain.logLikelihood) < 1e-5)
    #expect(abs(moved.iterationCount - plain.iterationCount) <= 3)
  }

  @Test("scaling features apart scales an accelerated fit")
  func scalingFeatures() throws {
    let problem = try RandomProblem(n: 700, d: 3, K: 3, separation: 1.5)
    let scales = [1e-9, 3.7, 1e6]
    let scaledRows = (0..<700).map { row in
      (0..<3).map { problem.observations.matrix[row, $0] * scales[$0] }
    }
    let change = 700 * scales.reduce(0) { $0 + Kernels.log($1) }
    for structure in [CovarianceStructure.eei, .vvi, .eee, .vvv] {
      let settings = Self.settings(problem, structure, .quasiNewton)
      let plain = try settings.fit(problem.observations)
      let scaled = try settings.fit(Observations(rows: scaledRows))
      #expect(abs(scaled.logLikelihood - (plain.logLikelihood - change)) < 700 * 1e-8)
      #expect(abs(scaled.iterationCount - plain.iterationCount) <= 3)
    }
  }

  @Test("the order of the features does not change where an accelerated fit ends")
  func permuting() throws {
    let problem = try RandomProblem(n: 600, d: 3, K: 3, separation: 2)
    let matrix = problem.observations.matrix
    let settings = Self.settings(problem, .full, .quasiNewton)
    let plain = try settings.fit(problem.observations)
    let permuted = try settings.fit(
      Observations(rows: (0..<600).map { row in [2, 0, 1].map { matrix[row, $0] } }))
    #expect(abs(plain.logLikelihood - permuted.logLikelihood) < 600 * 1e-8)
  }

  @Test("equal weights stay equal, and end where EM ends")
  func equalWeights() throws {
    let problem = try RandomProblem(n: 900, d: 2, K: 3, separation: 1)
    var settings = Self.settings(problem, .full, .quasiNewton)
    settings.equalWeights = true
    let fast = try settings.fit(problem.observations)
    settings.acceleration = .none
    let plain = try settings.fit(problem.observations)
    #expect(fast.model.weights == Array(repeating: 1.0 / 3, count: 3))
    #expect(abs(fast.logLikelihood - plain.logLikelihood) < 900 * 1e-7)
    #expect(fast.iterationCount < plain.iterationCount)
  }

  @Test("one component converges at once", arguments: CovarianceStructure.allCases)
  func oneComponent(structure: CovarianceStructure) throws {
    let data = try Observations(rows: ReferenceTables.iris)
    for acceleration in Acceleration.allCases {
      let fit = try ExpectationMaximization(
        componentCount: 1, covariance: structure, acceleration: acceleration
      ).fit(data)
      #expect(fit.isConverged && fit.iterationCount <= 2)
    }
  }

  @Test(
    "accelerated steps respect the covariance floor",
    arguments: [CovarianceStructure.vii, .vvi, .vvv, .eee])
  func floor(structure: CovarianceStructure) throws {
    var random = RandomStream(seed: 2)
    let cloud = (0..<150).map { _ in [random.normal(), random.normal()] }
    let data = try Observations(rows: cloud + Array(repeating: [0.5, 0.25], count: 50))
    let scale = try DataScale(data, form: .full, threadCount: 1)
    let settings = ExpectationMaximization(
      componentCount: 4, covariance: structure,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 60), covarianceFloor: 1e-3)
    let limit = CovarianceFloor(minimumVariances: scale.variances.map { $0 * 1e-3 * (1 - 1e-9) })
    _ = try settings.fit(data) { report in
      for k in 0..<report.model.componentCount {
        var elements = Array(report.model.covariances.stored(k))
        #expect(!limit.raise(&elements, form: structure.form))
      }
      return .proceed
    }
  }

  @Test("the reference values of mclust hold with and without", arguments: ReferenceRow.all)
  func referenceValues(row: ReferenceRow) throws {
    for acceleration in Acceleration.allCases {
      for offset in [0, 1e8] {
        let iris = try ExpectationMaximization(
          componentCount: 3, covariance: row.structure,
          initialization: .labels(ReferenceTables.irisLabels),
          stoppingRule: StoppingRule(tolerance: 1e-12, iterationLimit: 5000),
          acceleration: acceleration
        ).fit(Observations(rows: shifted(ReferenceTables.iris, by: offset)))
        #expect(row.agrees(iris.logLikelihood, with: row.iris, 1e-5))
        let faithful = try ExpectationMaximization(
          componentCount: 2, covariance: row.structure,
          initialization: .labels(ReferenceTables.faithfulLabels),
          stoppingRule: StoppingRule(tolerance: 1e-12, iterationLimit: 5000),
          acceleration: acceleration
        ).fit(Observations(rows: shifted(ReferenceTables.faithful, by: offset)))
        #expect(row.agrees(faithful.logLikelihood, with: row.faithful, 1e-5))
      }
    }
  }

  @Test("settings of a file keep the acceleration")
  func coding() throws {
    let settings = ExpectationMaximization(componentCount: 2, acceleration: .none)
    let data = try JSONEncoder().encode(settings)
    #expect(try JSONDecoder().decode(ExpectationMaximization.self, from: data) == settings)
  }

  // MARK: The parts

  @Test(
    "coordinates lead back to the model they are of", arguments: CovarianceStructure.allCases)
  func roundTrip(structure: CovarianceStructure) throws {
    for d in [1, 2, 5] {
      let model = try RandomProblem.mixture(d: d, K: 3, structure: structure, seed: 4)
      let other = try RandomProblem.mixture(d: d, K: 3, structure: structure, seed: 5)
      let chart = ParameterChart(reference: model)
      let parameters = try #require(chart.parameters(at: chart.coordinates(of: other)))
      let statistics = SufficientStatistics(
        parameters: parameters, structure: structure, featureCount: d, caseWeight: 1000)
      let back = try GaussianMixture(maximizing: statistics, structure: structure)
      for (a, b) in zip(back.weights, other.weights) { #expect(relativeDifference(a, b) < 1e-13) }
      for (a, b) in zip(back.means.elements, other.means.elements) {
        #expect(abs(a - b) < 1e-13 * (1 + abs(b)))
      }
      for (a, b) in zip(back.covariances.elements, other.covariances.elements) {
        #expect(abs(a - b) < 1e-12 * (1 + abs(b)))
      }
    }
  }

  @Test("the squared length of EM's step is its gain, between once and twice")
  func gainOfOneStep() throws {
    // Where admissible covariances make a curved set, the step's chord leaves out some of its length.
    for structure in [CovarianceStructure.eii, .vii, .eei, .vvi, .eee, .vvv] {
      let problem = try RandomProblem(n: 2000, d: 2, K: 3, structure: structure, separation: 1.5)
      let near = try Self.settings(problem, structure, .none, limit: 20).fit(problem.observations)
      let statistics = try problem.observations.expectation(under: near.model, threadCount: 1)
      let next = try GaussianMixture(
        maximizing: statistics, structure: structure, previous: near.model)
      var memory = QuasiNewton()
      let considered = memory.consider(near.model, mapped: next)
      let outlook = try #require(considered)
      let gain =
        (try next.logLikelihood(of: problem.observations) - near.logLikelihood) / 2000
      // Terms of third order are left out; the step is short.
      #expect(
        gain > 0 && outlook.nextGain > 0.99 * gain && outlook.nextGain < 2.02 * gain,
        "\(structure.rawValue): \(outlook.nextGain) for \(gain)")
    }
  }

  @Test(
    "an accelerated fit stops when little is left, judged twice or by a tenth, and never on a plateau"
  )
  func stopping() {
    let rule = StoppingRule(tolerance: 1e-6)
    let small = Outlook(nextGain: 5e-7, remainingGain: 9e-7)
    let tiny = Outlook(nextGain: 5e-8, remainingGain: 9e-8)
    let plateau = Outlook(nextGain: 1e-12, remainingGain: .infinity)
    #expect(!rule.isMet(gain: 1e-7, outlooks: [small]))
    #expect(rule.isMet(gain: 1e-7, outlooks: [small, small]))
    #expect(rule.isMet(gain: 1e-7, outlooks: [tiny]))
    #expect(!rule.isMet(gain: 1e-5, outlooks: [small, small]))
    #expect(!rule.isMet(gain: 0, outlooks: [plateau, plateau]))
    #expect(!StoppingRule(tolerance: 0).isMet(gain: 0, outlooks: [tiny, tiny]))
  }
}
