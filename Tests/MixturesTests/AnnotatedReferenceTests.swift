// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures
import Testing

/// Values of a plain float64 EM that was written independently; see References/README.md.
@Suite struct AnnotatedReferenceTests {
  private static func start(_ K: Int = 2) throws -> GaussianMixture {
    // Class weights 0.36 and 0.64, class means and maximum-likelihood covariances of eruptions > 3.
    let rows = ReferenceTables.faithful
    let fit = try ExpectationMaximization(
      componentCount: 2, initialization: .labels(ReferenceTables.faithfulLabels),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 0), covarianceFloor: 0
    ).fit(Observations(rows: rows))
    return try GaussianMixture(
      weights: [0.36, 0.64], means: fit.model.means, covariances: fit.model.covariances)
  }

  private static func settings(_ model: GaussianMixture) -> ExpectationMaximization {
    ExpectationMaximization(
      componentCount: model.componentCount, initialization: .model(model),
      stoppingRule: StoppingRule(tolerance: 1e-14, iterationLimit: 20_000), covarianceFloor: 0)
  }

  private static func matrix(_ rows: [[Double]]) throws -> Matrix { try Matrix(rows: rows) }

  @Test(arguments: [0.0, 1e8])
  func `missing values of faithful`(offset: Double) throws {
    var rows = ReferenceTables.faithful
    for i in rows.indices {
      if i % 5 == 0 { rows[i][1] = .nan } else if i % 7 == 3 { rows[i][0] = .nan }
    }
    let start = try Self.start()
    let moved = try GaussianMixture(
      weights: start.weights,
      means: Matrix(rows: shifted((0..<2).map { start.means.row($0) }, by: offset)),
      covariances: start.covariances)
    let fit = try Self.settings(moved).fit(
      Observations(
        Matrix(rows: shifted(rows, by: offset)),
        annotations: RowAnnotations(allowsMissing: true)))
    // What an offset of 1e8 leaves of the data's digits is 1e-8.
    #expect(abs(fit.logLikelihood - -946.567182) < (offset == 0 ? 1e-5 : 1e-4))
    guard offset == 0 else { return }
    let expected: [(Double, Double)] = [
      (fit.model.weights[0], 0.349798), (fit.model.weights[1], 0.650202),
      (fit.model.means[0, 0], 2.029992296), (fit.model.means[0, 1], 54.616923545),
      (fit.model.means[1, 0], 4.267594744), (fit.model.means[1, 1], 80.117730855),
      (fit.model.covariances[0][0, 0], 0.063077063), (fit.model.covariances[0][0, 1], 0.342791244),
      (fit.model.covariances[0][1, 1], 30.892964844), (fit.model.covariances[1][0, 0], 0.192701598),
      (fit.model.covariances[1][0, 1], 1.457287659), (fit.model.covariances[1][1, 1], 40.843328398),
    ]
    for (value, reference) in expected { #expect(abs(value - reference) < 1e-4) }
  }

  @Test(arguments: [false, true])
  func `noise of each row of faithful`(asMatrices: Bool) throws {
    let rows = ReferenceTables.faithful
    let variances = rows.indices.map { [0.01 * Double(1 + $0 % 5), Double(1 + $0 % 3)] }
    let noise: MeasurementNoise =
      asMatrices
      ? .covariances(try Self.matrix(variances.map { [$0[0], 0, 0, $0[1]] }))
      : .standardDeviations(try Self.matrix(variances.map { $0.map { $0.squareRoot() } }))
    let fit = try Self.settings(Self.start()).fit(
      Observations(Self.matrix(rows), annotations: RowAnnotations(noise: noise)))
    #expect(abs(fit.logLikelihood - -1132.891559) < 1e-5)
    let expected: [(Double, Double)] = [
      (fit.model.weights[0], 0.3564688), (fit.model.weights[1], 0.6435312),
      (fit.model.means[0, 0], 2.046972469), (fit.model.means[0, 1], 54.482949535),
      (fit.model.means[1, 0], 4.293504870), (fit.model.means[1, 1], 79.989896982),
      (fit.model.covariances[0][0, 0], 0.048433749), (fit.model.covariances[0][0, 1], 0.474800118),
      (fit.model.covariances[0][1, 1], 31.953840997), (fit.model.covariances[1][0, 0], 0.142300674),
      (fit.model.covariances[1][0, 1], 0.884902015), (fit.model.covariances[1][1, 1], 33.712511074),
    ]
    for (value, reference) in expected { #expect(abs(value - reference) < 1e-4) }
  }

  @Test func `constant noise climbs the ridge beyond what 5000 steps of EM reach`() throws {
    let noise = MeasurementNoise.shared(try Matrix(rows: [[0.1, 0.02], [0.02, 4]]))
    let observations = try Observations(
      Self.matrix(ReferenceTables.faithful), annotations: RowAnnotations(noise: noise))
    var settings = Self.settings(try Self.start())
    settings.stoppingRule = StoppingRule(tolerance: 0, iterationLimit: 2000)
    let fit = try settings.fit(observations)
    #expect(fit.logLikelihood >= -1134.4027)
    settings.acceleration = .none
    let plain = try settings.fit(observations)
    #expect(plain.logLikelihood < fit.logLikelihood)
  }

  @Test func `the background of faithful`() throws {
    var settings = ExpectationMaximization(
      componentCount: 2, initialization: .labels(ReferenceTables.faithfulLabels),
      stoppingRule: StoppingRule(tolerance: 1e-13, iterationLimit: 5000), covarianceFloor: 0)
    settings.background = .volume(1 / 0.00758329485)
    let fit = try settings.fit(Observations(rows: ReferenceTables.faithful))
    #expect(abs(fit.logLikelihood - -1125.751232) < 1e-5)
    let share = try #require(fit.model.background).share
    #expect(abs(share - 0.091705877) < 1e-6)
    #expect(abs(fit.model.weights[0] * (1 - share) - 0.317919823) < 1e-6)
    #expect(abs(fit.model.weights[1] * (1 - share) - 0.590374301) < 1e-6)
    #expect(fit.parameterCount == 12)
  }

  @Test func `weights of iris are duplicated rows`() throws {
    let rows = ReferenceTables.iris
    let weights = rows.indices.map { Double(1 + $0 % 2) }
    let settings = ExpectationMaximization(
      componentCount: 3, initialization: .labels(ReferenceTables.irisLabels),
      stoppingRule: StoppingRule(tolerance: 1e-14, iterationLimit: 5000), covarianceFloor: 0)
    let weighted = try settings.fit(
      Observations(
        Self.matrix(rows), annotations: RowAnnotations(caseWeights: CaseWeights(weights))))
    #expect(abs(weighted.logLikelihood - -261.356571) < 1e-5)
    let twice = rows.indices.flatMap { Array(repeating: $0, count: Int(weights[$0])) }
    var repeated = settings
    repeated.initialization = .labels(twice.map { ReferenceTables.irisLabels[$0] })
    let duplicated = try repeated.fit(Observations(rows: twice.map { rows[$0] }))
    #expect(relativeDifference(weighted.logLikelihood, duplicated.logLikelihood) < 1e-11)
    #expect(relativeDifference(weighted.bic, duplicated.bic) < 1e-11)
    #expect(weighted.criterionCount == Double(twice.count))
    #expect(weighted.observationCount == 150)
  }
}
