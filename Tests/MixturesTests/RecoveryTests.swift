// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

/// Draws from a known mixture with what real tables have. Told of it, a fit finds the mixture within four standard errors,
/// which ten parts of the table give; not told, it does not.
@Suite(
  .enabled(
    if: ProcessInfo.processInfo.environment["MIXTURES_LONG_TESTS"] != nil
      && KernelVariants.active == KernelVariants.available.first))
struct RecoveryTests {
  enum Defect: String, CaseIterable, Sendable {
    case weights, gaps, noise, projections, background, window, censoring, all
  }

  private struct Table {
    var matrix: Matrix
    var annotations = RowAnnotations()
    var background = BackgroundRule.none
    /// What is left for one who does not know: complete rows without annotations.
    var naive: [[Double]] = []
  }

  private static let n = 100_000

  private static func truth() throws -> GaussianMixture {
    try GaussianMixture(
      weights: [0.35, 0.65], means: Matrix(rows: [[0, 1], [3, -1]]),
      covariances: Covariances(
        structure: .vvi,
        matrices: [Matrix(rows: [[1, 0], [0, 0.5]]), Matrix(rows: [[0.6, 0], [0, 1.2]])]))
  }

  private static func table(_ defect: Defect, seed: UInt64) throws -> Table {
    let model = try truth()
    var random = RandomStream(seed: seed, stream: 1)
    var table = Table(matrix: Matrix(repeating: 0, rowCount: 0, columnCount: 2))
    let has = { (other: Defect) in defect == other || defect == .all }
    let window = ObservationWindow(lower: [-1, -.infinity], upper: [4.2, 1.8])
    var rows: [[Double]] = []
    var weights: [Double] = []
    var deviations: [[Double]] = []
    var lower: [[Double]] = []
    var upper: [[Double]] = []
    var known: [Int?] = []
    var projections: [Int?] = []
    var number = 0
    let drawn = model.sample(4 * n, seed: seed)
    while rows.count < n {
      var x = drawn.observations.row(number)
      let isBackground = has(.background) && random.uniform() < 0.08
      var label: Int? = random.uniform() < 0.1 ? drawn.labels[number] : nil
      number += 1
      if isBackground {
        x = [-4 + 12 * random.uniform(), -6 + 12 * random.uniform()]
        label = label == nil ? nil : KnownComponents.background
      }
      // A row is taken with a probability that its weight puts right.
      let chance = 1 / (1 + Kernels.exp(-x[1]))
      if has(.weights), random.uniform() > 0.1 + 0.9 * chance { continue }
      let sigma =
        has(.noise) ? [0.2 + 1.2 * random.uniform(), 0.2 + 1.2 * random.uniform()] : [0, 0]
      // The background is one of measured values.
      var y =
        isBackground ? x : [x[0] + sigma[0] * random.normal(), x[1] + sigma[1] * random.normal()]
      if has(.window),
        zip(y, zip(window.lower, window.upper)).contains(where: { $0 < $1.0 || $0 > $1.1 })
      {
        continue
      }
      var limits = (lower: [-Double.infinity, -.infinity], upper: [Double.infinity, .infinity])
      var seen = y
      if has(.censoring), y[1] < -1.5 {
        limits.upper[1] = -1.5
        (y[1], seen[1]) = (.nan, -1.5)
      }
      // Whether the second cell is there depends on the first.
      if has(.gaps), random.uniform() < 1 / (1 + Kernels.exp(-2 * y[0] + 3)) {
        y[1] = .nan
        limits = ([-.infinity, -.infinity], [.infinity, .infinity])
        seen[1] = .nan
      }
      if defect == .projections, number % 2 == 0 {
        projections.append(0)
        y = [x[0] + x[1], .nan]
        seen = [x[0] + x[1], .nan]
      } else {
        projections.append(nil)
      }
      rows.append(y)
      if !seen.contains(where: \.isNaN) { table.naive.append(seen) }
      weights.append(1 / (0.1 + 0.9 * chance))
      deviations.append(sigma)
      lower.append(limits.lower)
      upper.append(limits.upper)
      known.append(label)
    }
    table.matrix = try Matrix(rows: rows)
    if has(.weights) { table.annotations.caseWeights = CaseWeights(weights) }
    if has(.gaps) { table.annotations.allowsMissing = true }
    if has(.noise) { table.annotations.noise = .standardDeviations(try Matrix(rows: deviations)) }
    if has(.background) { table.background = .box(lower: [-4, -6], upper: [8, 6]) }
    if has(.window) { table.annotations.window = window }
    if has(.censoring) {
      table.annotations.limits = CensoringLimits(
        lower: try Matrix(rows: lower), upper: try Matrix(rows: upper))
    }
    if defect == .all { table.annotations.knownComponents = KnownComponents(known) }
    if defect == .projections {
      table.annotations.projections = Projections(
        [try Matrix(rows: [[1, 1]])], indices: projections)
      // Who does not know takes the sum for the first feature, and for the second too.
      table.naive = rows.map { [$0[0], $0[1].isNaN ? $0[0] : $0[1]] }
    }
    return table
  }

  private static func parameters(_ model: GaussianMixture) -> [Double] {
    [model.weights[0]] + model.means.elements + model.covariances.elements
  }

  @Test(arguments: Defect.allCases)
  func `a known mixture is found again, and is not by a fit that is not told`(_ defect: Defect)
    throws
  {
    let model = try Self.truth()
    // A table with everything takes a probability for each row and component in every iteration.
    let table = try Self.table(defect, seed: 7)
    var settings = ExpectationMaximization(
      componentCount: 2, covariance: .vvi, initialization: .model(model),
      stoppingRule: StoppingRule(tolerance: 1e-7, iterationLimit: 300), background: table.background
    )
    func fit(_ rows: Range<Int>) throws -> [Double] {
      let observations = try Observations(
        table.matrix.rows(Array(rows)), annotations: table.annotations.selecting(Array(rows)))
      return Self.parameters(try settings.fit(observations).model)
    }
    let n = table.matrix.rowCount
    let whole = try fit(0..<n)
    let parts = try (0..<10).map { try fit($0 * n / 10..<($0 + 1) * n / 10) }
    let expected = Self.parameters(model)
    settings.background = .none
    let naive = Self.parameters(try settings.fit(Observations(rows: table.naive)).model)
    var isFarOff = false
    for index in expected.indices {
      let values = parts.map { $0[index] }
      let mean = values.reduce(0, +) / 10
      let spread = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 9).squareRoot()
      let error = spread / 10.0.squareRoot()
      #expect(
        abs(whole[index] - expected[index]) < 4 * error,
        "parameter \(index) is \(whole[index]), not \(expected[index]) ± \(error)")
      if abs(naive[index] - expected[index]) > 10 * error { isFarOff = true }
    }
    #expect(isFarOff, "whoever does not know finds \(naive)")
  }
}
