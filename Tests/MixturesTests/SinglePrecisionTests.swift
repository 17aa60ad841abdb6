// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

/// Rows about a few centers, with an offset and a scale.
private func table(
  _ n: Int, _ d: Int, offset: Double = 0, scale: Double = 1
) throws -> Observations {
  var random = RandomStream(seed: 5, stream: UInt64(d))
  var rows: [[Double]] = []
  for i in 0..<n {
    rows.append(
      (0..<d).map { j in
        offset + scale * (4 * Double((i % 3) * (j % 2 + 1) % 4) + random.normal())
      })
  }
  return try Observations(rows: rows)
}

@Suite struct SinglePrecisionTests {
  @Test(arguments: [CovarianceStructure.full, .diagonal, .spherical])
  func `a fit in single precision reports its model's log-likelihood in double precision`(
    structure: CovarianceStructure
  ) throws {
    for d in [1, 3, 12] {
      let rows = try table(900, d, offset: 1e6, scale: 1e-3)
      var settings = ExpectationMaximization(
        componentCount: 3, covariance: structure, precision: .single, seed: 3)
      let fit = try settings.fit(rows)
      #expect(fit.logLikelihood == (try fit.model.logLikelihood(of: rows)))
      #expect(fit.trace.last?.logLikelihood == fit.logLikelihood)
      #expect(fit.isConverged)
      settings.precision = .double
      let double = try settings.fit(rows)
      // Both end where less than the tolerance is left, in nats per observation.
      #expect(abs(fit.logLikelihood - double.logLikelihood) < 900 * 1e-6 * 2)
    }
  }

  @Test(arguments: [CovarianceStructure.full, .diagonal])
  func `second moments are within the bound of 256 additions`(
    structure: CovarianceStructure
  ) throws {
    // A sum of floats has 256 terms at most; the rows, their differences and products are rounded too.
    let bound = 264 * 0x1p-24
    for d in [1, 5, 8, 9, 20, 64] {
      for (offset, scale) in [(0.0, 1.0), (1e8, 1), (0, 1e-6), (1e8, 1e6)] {
        let rows = try table(600, d, offset: offset, scale: scale)
        let form = structure.form
        let data = try DataScale(rows, form: .full, threadCount: 1)
        let model = try GaussianMixture(
          maximizing: data.moments, structure: .full,
          minimumVariances: data.variances.map { $0 / 10 })
        let exact = try rows.statistics(about: model.means, form: form, threadCount: 1) {
          workspace, _, _ in workspace.setHardResponsibilities(1) { _ in 0 }
        }
        let single = try rows.singleExpectation(
          under: model, form: form, frame: SingleFrame(data, form: form), threadCount: 1)
        #expect(single.zeroth(0) == 600)
        let rebased = Array(single.rebased(to: model.means).second(0))
        let wanted = Array(exact.second(0))
        var index = 0
        for i in 0..<d {
          for j in (form == .full ? 0 : i)...i {
            let sizes = [i, j].map { wanted[form == .full ? $0 * ($0 + 3) / 2 : $0] }
            #expect(
              abs(rebased[index] - wanted[index]) <= bound * (sizes[0] * sizes[1]).squareRoot())
            index += 1
          }
        }
      }
    }
  }

  @Test func `single precision gives the same bits on any number of threads`() throws {
    let rows = try table(1500, 5)
    var settings = ExpectationMaximization(
      componentCount: 3, precision: .single, seed: 1, threadCount: 1)
    let one = try settings.fit(rows)
    settings.threadCount = 3
    #expect(try settings.fit(rows).model == one.model)
  }

  @Test(arguments: [Acceleration.none, .quasiNewton])
  func `a tolerance below what single precision resolves ends before the limit`(
    acceleration: Acceleration
  ) throws {
    let fit = try ExpectationMaximization(
      componentCount: 3, stoppingRule: StoppingRule(tolerance: 1e-15, iterationLimit: 1000),
      acceleration: acceleration, precision: .single, seed: 1
    ).fit(try table(900, 4))
    #expect(fit.isConverged)
    #expect(fit.iterationCount < 1000)
  }

  @Test(arguments: Kernels.all.map(\.name))
  func `exp and log in single precision are within an ulp`(name: String) {
    let kernels = Kernels.all.first { $0.name == name }!
    for i in 0...4000 {
      let x = -40 + Float(i) * 0.01
      let exact = Kernels.exp(Double(x))
      let ulp = Double(Float(exact).ulp)
      #expect(abs(Double(kernels.singleExp(x)) - exact) <= ulp)
      let y = 1 + Float(i * i) * 0.001
      let log = Kernels.log(Double(y))
      #expect(abs(Double(kernels.singleLog(y)) - log) <= Double(Float(log).ulp))
    }
  }
}
