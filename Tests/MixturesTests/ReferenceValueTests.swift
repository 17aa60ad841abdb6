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
      structure: .vvi, iris: -306.860461, irisAfterOneStep: -309.362758, faithful: -1147.806353,
      irisParameters: 26, faithfulParameters: 9),
    ReferenceRow(
      structure: .eee, iris: -256.354043, irisAfterOneStep: -256.646184, faithful: -1140.186759,
      irisParameters: 24, faithfulParameters: 8),
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
    #expect(abs(fit.logLikelihood - row.iris) < 1e-5)
    #expect(fit.parameterCount == row.irisParameters)
    #expect(fit.isConverged && fit.rescued.isEmpty)
  }

  @Test("iris after one M-step from species", arguments: ReferenceRow.all, offsets)
  func irisAfterOneStep(row: ReferenceRow, offset: Double) throws {
    let fit = try Self.fit(
      shifted(ReferenceTables.iris, by: offset), ReferenceTables.irisLabels, row.structure,
      iterationLimit: 0)
    #expect(abs(fit.logLikelihood - row.irisAfterOneStep) < 1e-6)
    #expect(fit.iterationCount == 0)
  }

  @Test(
    "faithful from eruptions > 3 converges to the reference", arguments: ReferenceRow.all, offsets)
  func faithfulConverged(row: ReferenceRow, offset: Double) throws {
    let fit = try Self.fit(
      shifted(ReferenceTables.faithful, by: offset), ReferenceTables.faithfulLabels, row.structure,
      iterationLimit: 5000)
    #expect(abs(fit.logLikelihood - row.faithful) < 1e-5)
    #expect(fit.parameterCount == row.faithfulParameters)
  }
}
