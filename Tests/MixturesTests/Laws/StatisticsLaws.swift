// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

@Suite("Laws of statistics") struct StatisticsLaws {
  let problem: RandomProblem
  let statistics: SufficientStatistics

  init() throws {
    problem = try RandomProblem(n: 2000, d: 3, K: 3)
    statistics = try problem.observations.expectation(under: problem.model, threadCount: 1)
  }

  func statistics(of rows: Range<Int>) throws -> SufficientStatistics {
    try RowSlice(problem.observations, rows: rows)
      .expectation(under: problem.model, threadCount: 1)
  }

  func expectClose(_ a: SufficientStatistics, _ b: SufficientStatistics, _ tolerance: Double) {
    let scale = b.values.map { abs($0) }.max() ?? 1
    for (x, y) in zip(a.values, b.values) { #expect(abs(x - y) <= tolerance * scale) }
  }

  @Test("invariant 3: the statistics of parts add up to those of the whole, however it is cut")
  func cuttingAnywhere() throws {
    for cuts in [[0, 1, 2000], [0, 256, 1024, 2000], [0, 777, 778, 1999, 2000]] {
      var sum = SufficientStatistics(origins: problem.model.means, form: .full)
      for (from, to) in zip(cuts, cuts.dropFirst()) { sum += try statistics(of: from..<to) }
      expectClose(sum, statistics, 1e-13)
      #expect(sum.caseWeight == 2000)
    }
  }

  @Test("invariant 3: adding is commutative to the bit, and no rows change nothing")
  func commutative() throws {
    let (a, b) = (try statistics(of: 0..<600), try statistics(of: 600..<2000))
    var ab = a
    ab += b
    var ba = b
    ba += a
    #expect(ab == ba)
    ab += SufficientStatistics(origins: problem.model.means, form: .full)
    #expect(ab == ba)
  }

  @Test("EM by hand, with statistics of parts added up, is the engine's EM")
  func byHand() throws {
    let parts = [0..<700, 700..<2000].map { RowSlice(problem.observations, rows: $0) }
    var model = problem.model
    for _ in 0..<3 {
      var sum = SufficientStatistics(origins: model.means, form: .full)
      for part in parts { sum += try model.statistics(of: part) }
      model = try GaussianMixture(maximizing: sum, structure: .full)
    }
    let fit = try ExpectationMaximization(
      componentCount: 3, initialization: .model(problem.model),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 3), acceleration: .none
    ).fit(problem.observations)
    for (a, b) in zip(model.means.elements, fit.model.means.elements) {
      #expect(abs(a - b) < 1e-12)
    }
    #expect(throws: MixtureError.self) {
      try model.statistics(of: Observations(rows: [[1, 2]]))
    }
  }

  @Test("moving the origins there and back, or adding about other origins, changes nothing")
  func rebasing() throws {
    let other = Matrix(
      unchecked: problem.model.means.elements.enumerated().map { $1 + Double($0 % 4) - 1.5 },
      rowCount: 3, columnCount: 3)
    let there = statistics.rebased(to: other)
    expectClose(there.rebased(to: problem.model.means), statistics, 1e-13)
    var sum = try statistics(of: 0..<900)
    sum += try statistics(of: 900..<2000).rebased(to: other)
    expectClose(sum, statistics, 1e-13)
    let from = try GaussianMixture(maximizing: statistics, structure: .full)
    let moved = try GaussianMixture(maximizing: there, structure: .full)
    for (a, b) in zip(from.covariances.elements, moved.covariances.elements) {
      #expect(relativeDifference(a, b) < 1e-13)
    }
  }

  @Test("scaling all case weights changes no estimate")
  func scaling() throws {
    let scaled = statistics.scaled(by: 4)
    #expect(scaled.caseWeight == 8000)
    #expect(
      try GaussianMixture(maximizing: scaled, structure: .full)
        == GaussianMixture(maximizing: statistics, structure: .full))
  }

  @Test("full second moments serve every structure as its own moments do")
  func poorerForms() throws {
    for structure in CovarianceStructure.allCases {
      let own = try problem.observations.statistics(
        about: problem.model.means, form: structure.form, threadCount: 1
      ) { workspace, _, statistics in
        workspace.computeLogJoint(problem.model)
        workspace.normalize(3, into: &statistics)
      }
      let fromOwn = try GaussianMixture(maximizing: own, structure: structure)
      let fromFull = try GaussianMixture(maximizing: statistics, structure: structure)
      for (a, b) in zip(fromOwn.covariances.elements, fromFull.covariances.elements) {
        #expect(relativeDifference(a, b) < 1e-12)
      }
    }
    let poor = SufficientStatistics(origins: problem.model.means, form: .diagonal)
    #expect(throws: MixtureError.self) {
      try GaussianMixture(maximizing: poor, structure: .full)
    }
  }
}
