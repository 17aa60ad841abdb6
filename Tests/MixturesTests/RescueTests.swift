// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

/// Data that make likelihoods unbounded: text-embedding-like rows with many exact duplicates.
func duplicateRiddenRows(count n: Int, features d: Int, seed: UInt64) -> [[Double]] {
  var random = RandomStream(seed: seed)
  let topics = (0..<max(8, n / 400)).map { _ in (0..<d).map { _ in random.normal() } }
  // A tenth of the rows repeat some fixed texts, with very unequal counts.
  let texts = (0..<max(4, n / 2000)).map { _ in (0..<d).map { _ in random.normal() } }
  return (0..<n).map { row in
    if row % 10 == 0 {
      let u = random.uniform()
      return texts[Int(u * u * Double(texts.count))]
    }
    let topic = topics[random.index(below: topics.count)]
    let spread = 0.02 + 0.2 * random.uniform()
    return topic.map { $0 + spread * random.normal() }
  }
}

@Suite("Rescue of collapsing components") struct RescueTests {
  /// Fifty equal rows in a cloud of 150.
  let spiked: Observations

  init() throws {
    var random = RandomStream(seed: 2)
    let cloud = (0..<150).map { _ in [random.normal(), random.normal()] }
    spiked = try Observations(rows: cloud + Array(repeating: [0.5, 0.25], count: 50))
  }

  func expectUsable(_ fit: MixtureFit, _ data: Observations) throws {
    #expect(fit.logLikelihood.isFinite)
    #expect(abs(fit.model.weights.reduce(0, +) - 1) < 1e-12)
    for density in try fit.model.logDensities(of: data) { #expect(density.isFinite) }
  }

  @Test(
    "a component on equal rows is held at the floor and recorded",
    arguments: CovarianceStructure.allCases)
  func floored(structure: CovarianceStructure) throws {
    let fit = try ExpectationMaximization(
      componentCount: 2, covariance: structure,
      initialization: .labels(Array(repeating: 0, count: 150) + Array(repeating: 1, count: 50))
    ).fit(spiked)
    try expectUsable(fit, spiked)
    // What all components have in common, the cloud keeps away from the floor.
    guard structure.volume == .variable else {
      #expect(fit.rescued.isEmpty)
      return
    }
    #expect(fit.rescued.map(\.action) == [.floored])
    #expect(fit.rescued.first?.component == 1)
    // The floor is 10⁻⁶ of each feature's variance over all rows; of their mean for VII, and of the least of them where
    // eigenvalues are bounded. The variance that is held there is the least in units of it.
    let variances = try DataScale(spiked, form: .diagonal, threadCount: 1).variances
    let matrix = fit.model.covariances[1]
    let least: Double
    switch structure {
    case .vii: least = matrix[0, 0] / (1e-6 * (variances[0] + variances[1]) / 2)
    case .vei, .vvi: least = min(matrix[0, 0] / variances[0], matrix[1, 1] / variances[1]) / 1e-6
    case .vee, .vvv:
      let scale = (variances[0] * variances[1]).squareRoot()
      least =
        smallestEigenvalue(
          matrix[0, 0] / variances[0], matrix[0, 1] / scale, matrix[1, 1] / variances[1]) / 1e-6
    default:
      least =
        smallestEigenvalue(matrix[0, 0], matrix[0, 1], matrix[1, 1])
        / (1e-6 * min(variances[0], variances[1]))
    }
    #expect(abs(least - 1) < 1e-6)
  }

  private func smallestEigenvalue(_ xx: Double, _ xy: Double, _ yy: Double) -> Double {
    let half = 0.5 * (xx - yy)
    return 0.5 * (xx + yy) - (half * half + xy * xy).squareRoot()
  }

  @Test(
    "the floor is a constraint: the log-likelihood rises while it binds",
    arguments: CovarianceStructure.allCases)
  func monotoneAtTheFloor(structure: CovarianceStructure) throws {
    var floored = 0
    for seed in UInt64(0)...5 {
      let fit = try ExpectationMaximization(
        componentCount: 4, covariance: structure, initialization: .kMeans,
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 60), covarianceFloor: 1e-3,
        seed: seed
      ).fit(spiked)
      floored += fit.rescued.count { $0.action == .floored }
      for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
        #expect(after.logLikelihood >= before.logLikelihood - 1e-10)
      }
    }
    // A volume in common keeps most structures away from it.
    #expect(floored > 0 || structure.volume == .equal)
  }

  @Test(
    "the log-likelihood rises while components collapse onto planes of a grid",
    arguments: CovarianceStructure.allCases)
  func monotoneOnPlanes(structure: CovarianceStructure) throws {
    var random = RandomStream(seed: 12)
    let data = try Observations(
      rows: (0..<400).map { _ in (0..<3).map { _ in Double(random.index(below: 4)) } })
    for seed in UInt64(0)..<3 {
      let fit = try ExpectationMaximization(
        componentCount: 8, covariance: structure,
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 40), seed: seed
      ).fit(data)
      try expectUsable(fit, data)
      for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
        // A variance at the floor, 10⁻⁶ of the data's, is known to 2⁻⁵² · 10⁶ of itself, and counts half for each row.
        #expect(
          after.logLikelihood >= before.logLikelihood - 400 * 0x1p-52 * 1e6 / 2,
          "seed \(seed) \(after.iteration)")
      }
    }
  }

  @Test(
    "without a floor a singular component is reseeded, merged or dropped",
    arguments: RescuePolicy.allCases)
  func singular(policy: RescuePolicy) throws {
    // A volume and a shape in common keep a component regular that has no spread of its own.
    for structure in CovarianceStructure.allCases
    where structure.volume == .variable || structure.shape == .variable {
      let fit = try ExpectationMaximization(
        componentCount: 3, covariance: structure,
        initialization: .labels((0..<150).map { $0 % 2 } + Array(repeating: 2, count: 50)),
        covarianceFloor: 0, rescuePolicy: policy
      ).fit(spiked)
      try expectUsable(fit, spiked)
      let action = try #require(fit.rescued.first?.action)
      // Without a floor the likelihood has no bound at the spike, so the next component may follow.
      switch policy {
      case .reseed: #expect(action == .reseeded)
      case .merge: #expect(action == .merged && fit.model.componentCount <= 2)
      case .drop: #expect(action == .dropped && fit.model.componentCount <= 2)
      }
    }
  }

  @Test("merging keeps the rows of the collapsed component")
  func mergingKeepsRows() throws {
    let fit = try ExpectationMaximization(
      componentCount: 2,
      initialization: .labels(Array(repeating: 0, count: 150) + Array(repeating: 1, count: 50)),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 0), covarianceFloor: 0,
      rescuePolicy: .merge
    ).fit(spiked)
    let all = try ExpectationMaximization(componentCount: 1).fit(spiked)
    #expect(abs(fit.logLikelihood - all.logLikelihood) < 1e-9)
  }

  @Test("a component without weight is moved to what is explained worst, and helps there")
  func emptyComponent() throws {
    var random = RandomStream(seed: 5)
    let rows = (0..<400).map { row in
      [random.normal() + (row % 4 == 0 ? 12 : 0), random.normal()]
    }
    // The third component starts so far away that no row belongs to it.
    let start = try GaussianMixture(
      weights: [0.5, 0.5, 0], means: Matrix(rows: [[0, 0], [1, 0], [1e6, 1e6]]),
      covariances: Covariances(
        structure: .vii, componentCount: 3, featureCount: 2, elements: [1, 1, 1]))
    let data = try Observations(rows: rows)
    let fit = try ExpectationMaximization(
      componentCount: 3, covariance: .spherical, initialization: .model(start)
    ).fit(data)
    try expectUsable(fit, data)
    #expect(fit.rescued.first?.action == .reseeded)
    #expect(fit.rescued.first?.component == 2)
    let two = try ExpectationMaximization(
      componentCount: 2, covariance: .spherical,
      initialization: .model(
        GaussianMixture(
          weights: [0.5, 0.5], means: Matrix(rows: [[0, 0], [1, 0]]),
          covariances: Covariances(
            structure: .vii, componentCount: 2, featureCount: 2, elements: [1, 1])))
    ).fit(data)
    #expect(fit.logLikelihood > two.logLikelihood)
    for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
      #expect(after.logLikelihood >= before.logLikelihood - 1e-9)
    }
  }

  @Test("components that are moved together go to different rows, and the record names each")
  func movedTogether() throws {
    var random = RandomStream(seed: 6)
    let rows =
      (0..<200).map { _ in [random.normal()] } + Array(repeating: [50.0], count: 20)
      + Array(repeating: [60.0], count: 20) + Array(repeating: [-40.0], count: 2)
    let data = try Observations(rows: rows)
    let start = try GaussianMixture(
      weights: [1, 0, 0, 0], means: Matrix(rows: [[0], [1e9], [2e9], [3e9]]),
      covariances: Covariances(
        structure: .vvv, componentCount: 4, featureCount: 1, elements: [400, 1, 1, 1]))
    let fit = try ExpectationMaximization(componentCount: 4, initialization: .model(start))
      .fit(data)
    try expectUsable(fit, data)
    let moved = fit.rescued.filter { $0.action == .reseeded }.map(\.component)
    #expect(Array(moved.prefix(3)) == [1, 2, 3])
    let means = Set((0..<fit.model.componentCount).map { fit.model.means[$0, 0] })
    #expect(means.count == fit.model.componentCount)
  }

  @Test(
    "components without weight that help nowhere are dropped, and the log-likelihood does not fall")
  func emptyComponentsThatDoNotHelp() throws {
    // Equal rows at three places, each explained to the floor: there is nothing for a fourth component to explain.
    let places = [[0.0, 0], [4, 0], [0, 4]]
    let data = try Observations(rows: (0..<300).map { places[$0 % 3] })
    let variances = try DataScale(data, form: .diagonal, threadCount: 1).variances
    let floor = 1e-6 * (variances[0] + variances[1]) / 2
    let start = try GaussianMixture(
      weights: [1.0 / 3, 1.0 / 3, 1.0 / 3, 0, 0],
      means: Matrix(rows: places + [[1e9, 0], [0, 1e9]]),
      covariances: Covariances(
        structure: .vii, componentCount: 5, featureCount: 2,
        elements: [floor, floor, floor, 1, 1]))
    let fit = try ExpectationMaximization(
      componentCount: 5, covariance: .spherical, initialization: .model(start)
    ).fit(data)
    try expectUsable(fit, data)
    let moved = fit.rescued.filter { $0.action != .floored }
    #expect(moved.map(\.action) == [.dropped, .dropped])
    #expect(fit.model.componentCount == 3)
    for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
      #expect(after.logLikelihood >= before.logLikelihood - 1e-9)
    }
  }

  @Test("more components than different rows: the different rows are fitted, and the fit says so")
  func moreComponentsThanRows() throws {
    let rows = [[0.0, 0], [1, 2], [3, 1], [4, 5]]
    let data = try Observations(rows: (0..<40).map { rows[$0 % 4] })
    for structure in CovarianceStructure.allCases {
      for start in [Initialization.shortRuns, .kMeans, .randomRows, .randomResponsibilities] {
        let fit = try ExpectationMaximization(
          componentCount: 9, covariance: structure, initialization: start
        ).fit(data)
        try expectUsable(fit, data)
        #expect(fit.rescued.first?.action == .reduced)
        #expect(fit.rescued.first?.component == 4)
        #expect(fit.model.componentCount <= 4)
      }
    }
  }

  @Test("duplicate-ridden rows and many components: fits, and reports what was rescued")
  func duplicates() throws {
    let data = try Observations(rows: duplicateRiddenRows(count: 2500, features: 10, seed: 3))
    let fit = try ExpectationMaximization(
      componentCount: 24, stoppingRule: StoppingRule(iterationLimit: 60)
    ).fit(data)
    try expectUsable(fit, data)
    #expect(fit.rescued.contains { $0.action == .floored })
  }

  @Test(
    "97,000 such rows and 96 components",
    .enabled(if: ProcessInfo.processInfo.environment["MIXTURES_LONG_TESTS"] != nil))
  func manyDuplicates() throws {
    let data = try Observations(rows: duplicateRiddenRows(count: 97_000, features: 10, seed: 3))
    let fit = try ExpectationMaximization(
      componentCount: 96, stoppingRule: StoppingRule(iterationLimit: 100)
    ).fit(data)
    try expectUsable(fit, data)
    #expect(fit.rescued.contains { $0.action == .floored })
    #expect(fit.model.componentCount > 80)
  }
}

@Suite("Stopping") struct StoppingTests {
  @Test("geometric gains stop when the sum of those to come is small, and not before")
  func geometricGains() {
    let rule = StoppingRule(tolerance: 1e-3)
    // Gains g aᵗ with a = 0.99: each is small long before their sum is.
    var gains: [Double] = []
    while !rule.isMet(gains: gains), gains.count < 10_000 {
      gains.append(1e-2 * pow(0.99, Double(gains.count)))
    }
    let left = gains.last! * 0.99 / 0.01
    #expect(left < 1e-3 && left > 0.9e-3)
  }

  @Test("small but growing gains, as on a plateau, do not stop")
  func plateau() {
    #expect(!StoppingRule(tolerance: 1e-6).isMet(gains: [1e-9, 2e-9]))
    #expect(StoppingRule(tolerance: 1e-6).isMet(gains: [2e-9, 1e-9]))
    #expect(StoppingRule(tolerance: 1e-6).isMet(gains: [1e-3, 0]))
    #expect(!StoppingRule(tolerance: 0).isMet(gains: [2e-9, 1e-9, 0]))
    #expect(!StoppingRule(tolerance: 1e-6).isMet(gains: []))
  }

  @Test("a slow mixture is followed to within the tolerance of its end")
  func slowMixture() throws {
    let problem = try RandomProblem(n: 2000, d: 2, K: 3, separation: 0.8)
    var settings = ExpectationMaximization(
      componentCount: 3, initialization: .labels(problem.labels),
      stoppingRule: StoppingRule(tolerance: 1e-6, iterationLimit: 10_000))
    let stopped = try settings.fit(problem.observations)
    settings.stoppingRule.tolerance = 1e-12
    settings.stoppingRule.iterationLimit = 100_000
    let end = try settings.fit(problem.observations)
    #expect(stopped.isConverged && end.isConverged)
    #expect((end.logLikelihood - stopped.logLikelihood) / 2000 < 1e-5)
  }

  @Test("an observer sees every model, and may stop the fit")
  func observer() throws {
    let problem = try RandomProblem(n: 300, d: 2, K: 2, separation: 1)
    var seen: [Double] = []
    let fit = try ExpectationMaximization(componentCount: 2, restartCount: 3)
      .fit(problem.observations) { report in
        #expect(report.iteration == seen.count)
        #expect(report.statistics.componentCount == 2)
        seen.append(report.logLikelihood)
        return report.iteration == 3 ? .stop : .proceed
      }
    #expect(fit.stoppingReason == .observer)
    #expect(fit.trace.map(\.logLikelihood) == seen)
    #expect(fit.iterationCount == 3)
    #expect(fit.restartLogLikelihoods.count == 1)
  }

  @Test("not converging is a result")
  func notConverging() throws {
    let problem = try RandomProblem(n: 300, d: 2, K: 2, separation: 1)
    let fit = try ExpectationMaximization(
      componentCount: 2, stoppingRule: StoppingRule(tolerance: 1e-9, iterationLimit: 2)
    ).fit(problem.observations)
    #expect(fit.stoppingReason == .iterationLimit && !fit.isConverged)
    #expect(fit.iterationCount == 2)
  }
}
