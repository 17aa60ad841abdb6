// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures
import Testing

/// Values of R 4.2.2 with mclust 6.0.0, emControl(tol = c(1e-13, 1e-13)), from an M-step on the stated partition;
/// see References/README.md.
struct ReferenceRow: CustomTestStringConvertible, Sendable {
  let structure: CovarianceStructure
  let iris: Double
  let irisAfterOneStep: Double
  let faithful: Double
  let irisParameters: Int
  let faithfulParameters: Int
  var testDescription: String { structure.rawValue }

  /// Whether a log-likelihood is the reference to a tolerance. For EVE and VVE, whose M-steps may end at other axes, it
  /// may also be higher.
  func agrees(_ logLikelihood: Double, with reference: Double, _ tolerance: Double) -> Bool {
    if structure == .eve || structure == .vve { return logLikelihood > reference - tolerance }
    return abs(logLikelihood - reference) < tolerance
  }

  static let all = [
    ReferenceRow(
      structure: .eii, iris: -401.802176, irisAfterOneStep: -414.697951, faithful: -1709.681373,
      irisParameters: 15, faithfulParameters: 6),
    ReferenceRow(
      structure: .vii, iris: -384.314095, irisAfterOneStep: -392.498414, faithful: -1709.529282,
      irisParameters: 17, faithfulParameters: 7),
    ReferenceRow(
      structure: .eei, iris: -361.425522, irisAfterOneStep: -364.517364, faithful: -1157.680012,
      irisParameters: 18, faithfulParameters: 7),
    ReferenceRow(
      structure: .vei, iris: -339.468727, irisAfterOneStep: -340.836053, faithful: -1152.880196,
      irisParameters: 20, faithfulParameters: 8),
    ReferenceRow(
      structure: .evi, iris: -340.085581, irisAfterOneStep: -342.973698, faithful: -1153.885568,
      irisParameters: 24, faithfulParameters: 8),
    ReferenceRow(
      structure: .vvi, iris: -306.860461, irisAfterOneStep: -309.362758, faithful: -1147.806353,
      irisParameters: 26, faithfulParameters: 9),
    ReferenceRow(
      structure: .eee, iris: -256.354043, irisAfterOneStep: -256.646184, faithful: -1140.186759,
      irisParameters: 24, faithfulParameters: 8),
    ReferenceRow(
      structure: .vee, iris: -237.560163, irisAfterOneStep: -238.394672, faithful: -1136.259854,
      irisParameters: 26, faithfulParameters: 9),
    ReferenceRow(
      structure: .eve, iris: -234.140235, irisAfterOneStep: -235.552147, faithful: -1136.910261,
      irisParameters: 30, faithfulParameters: 9),
    ReferenceRow(
      structure: .vve, iris: -215.240870, irisAfterOneStep: -215.343107, faithful: -1132.187446,
      irisParameters: 32, faithfulParameters: 10),
    ReferenceRow(
      structure: .eev, iris: -214.850379, irisAfterOneStep: -215.143263, faithful: -1139.331599,
      irisParameters: 36, faithfulParameters: 9),
    ReferenceRow(
      structure: .vev, iris: -186.073283, irisAfterOneStep: -187.709744, faithful: -1134.679204,
      irisParameters: 38, faithfulParameters: 10),
    ReferenceRow(
      structure: .evv, iris: -205.535881, irisAfterOneStep: -209.454798, faithful: -1135.769904,
      irisParameters: 42, faithfulParameters: 10),
    ReferenceRow(
      structure: .vvv, iris: -180.185477, irisAfterOneStep: -182.920849, faithful: -1130.263960,
      irisParameters: 44, faithfulParameters: 11),
  ]
}

@Suite("Values of mclust") struct ReferenceValueTests {
  static let offsets = [0.0, 1e4, 1e6, 1e8]

  static func fit(
    _ rows: [[Double]], _ labels: [Int], _ structure: CovarianceStructure, iterationLimit: Int
  ) throws -> MixtureFit {
    try ExpectationMaximization(
      componentCount: labels.max()! + 1, covariance: structure, initialization: .labels(labels),
      stoppingRule: StoppingRule(tolerance: 1e-12, iterationLimit: iterationLimit)
    ).fit(Observations(rows: rows))
  }

  @Test("iris from species converges to the reference", arguments: ReferenceRow.all, offsets)
  func irisConverged(row: ReferenceRow, offset: Double) throws {
    let fit = try Self.fit(
      shifted(ReferenceTables.iris, by: offset), ReferenceTables.irisLabels, row.structure,
      iterationLimit: 5000)
    #expect(row.agrees(fit.logLikelihood, with: row.iris, 1e-5))
    #expect(fit.parameterCount == row.irisParameters)
    #expect(fit.isConverged && fit.rescued.isEmpty)
  }

  @Test("iris after one M-step from species", arguments: ReferenceRow.all, offsets)
  func irisAfterOneStep(row: ReferenceRow, offset: Double) throws {
    let fit = try Self.fit(
      shifted(ReferenceTables.iris, by: offset), ReferenceTables.irisLabels, row.structure,
      iterationLimit: 0)
    // What one step of EVE and VVE maximises is not this log-likelihood, so better axes may lower it a little. At 1e8 the
    // table itself is rounded to 7e-9, and the smallest standard deviation within species is about 0.1: 150 · 7e-9 / 0.1.
    let tolerance =
      row.structure == .eve || row.structure == .vve ? 1e-4 : offset == 1e8 ? 1e-5 : 1e-6
    #expect(row.agrees(fit.logLikelihood, with: row.irisAfterOneStep, tolerance))
    #expect(fit.iterationCount == 0)
  }

  @Test(
    "faithful from eruptions > 3 converges to the reference", arguments: ReferenceRow.all, offsets)
  func faithfulConverged(row: ReferenceRow, offset: Double) throws {
    let fit = try Self.fit(
      shifted(ReferenceTables.faithful, by: offset), ReferenceTables.faithfulLabels, row.structure,
      iterationLimit: 5000)
    #expect(row.agrees(fit.logLikelihood, with: row.faithful, 1e-5))
    #expect(fit.parameterCount == row.faithfulParameters)
  }

  @Test(
    "a search of iris finds every structure at least as likely as mclust's, and chooses VEV with two"
  )
  func irisSearch() throws {
    // BIC of Mclust(iris[, 1:4], G = 2:3), larger is better, in the order of the structures.
    let known: [Int: [Double]] = [
      2: [
        -1123.4117, -1012.2352, -1042.9679, -956.2823, -1007.3082, -857.5515, -688.0972, -656.3270,
        -657.2263, -605.1841, -644.5997, -561.7285, -658.3306, -574.0178,
      ],
      3: [
        -878.7650, -853.8144, -813.0504, -779.1566, -797.8342, -744.6382, -632.9647, -605.3982,
        -666.5491, -636.4259, -644.7810, -562.5522, -656.0359, -580.8396,
      ],
    ]
    let ranking = try ModelSelection(
      componentCounts: [2, 3], covariances: CovarianceStructure.allCases,
      estimation: ExpectationMaximization(
        componentCount: 1, restartCount: 3, stoppingRule: StoppingRule(tolerance: 1e-9))
    ).run(Observations(rows: ReferenceTables.iris))
    for candidate in ranking.candidates {
      let index = try #require(CovarianceStructure.allCases.firstIndex(of: candidate.covariance))
      let fit = try #require(candidate.fit)
      // Twice 150 times the tolerance, and four printed digits.
      #expect(
        -fit.bic > known[candidate.componentCount]![index] - 1e-4,
        "\(candidate.covariance) \(candidate.componentCount)")
    }
    #expect(ranking.best.model.structure == .vev && ranking.best.model.componentCount == 2)
  }
}
