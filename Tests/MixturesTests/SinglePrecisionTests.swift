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

/// The bound of ``Precision/single``, and mixtures to hold it against.
enum SinglePrecision {
  static let structures: [CovarianceStructure] = [.full, .tied, .diagonal, .spherical]

  /// What an E-step in single precision may be off by for one row: its log density, and each responsibility.
  ///
  /// - Parameter exact: The row's responsibilities.
  static func bound(
    _ row: [Double], _ model: GaussianMixture, origin: [Double], _ exact: [Double]
  ) -> (logDensity: Double, responsibilities: [Double]) {
    let u = 0x1p-24
    let (K, d) = (model.componentCount, model.featureCount)
    let largest = model.constants.max()!
    var joints: [Double] = []
    var errors: [Double] = []
    for k in 0..<K {
      let covariance = model.covariances[k]
      var packed: [Double] = []
      for i in 0..<d { for j in 0...i { packed.append(covariance[i, j]) } }
      let cholesky = Cholesky(packed: packed, order: d)!
      let inverse = cholesky.inverse
      let whitened = cholesky.solveLower((0..<d).map { row[$0] - model.means[k, $0] })
      let square = whitened.reduce(0) { $0 + $1 * $1 }
      let length = square.squareRoot()
      var condition = 0.0
      var z = 0.0
      for j in 0..<d {
        let a = inverse[j * (j + 3) / 2].squareRoot()
        condition += a * covariance[j, j].squareRoot()
        z += a * (abs(row[j] - origin[j]) + abs(model.means[k, j] - origin[j]))
      }
      let relative = Double(d + 8) * u * (condition + 1)
      let change = (relative * length + 2 * u * z) / (1 - relative)
      let below = largest - model.constants[k]
      joints.append(-below - square / 2)
      errors.append(change * (length + change / 2) + u * (square / 2 + 3 * below + Double(d)))
    }
    var powers = 0.0
    var densities = 0.0
    let top = joints.max()!
    for k in 0..<K {
      powers += exact[k] * Kernels.exp(errors[k])
      densities += Kernels.exp(joints[k] - top)
    }
    let all = Kernels.log(powers)
    let logDensity = top + Kernels.log(densities)
    let responsibilities = (0..<K).map { k -> Double in
      let exponent: Double = errors[k] + all + Double(K + 90) * u
      return exact[k] * (Kernels.exp(exponent) - 1) + Kernels.exp(-40)
    }
    return (all + u * (Double(2 * K + 44) + abs(logDensity)), responsibilities)
  }

  /// Three components that overlap: features of different units, equally correlated, nearly as one if ill-conditioned.
  static func mixture(
    _ structure: CovarianceStructure, _ d: Int, isIll: Bool, offset: Double
  ) throws -> GaussianMixture {
    let units = (0..<d).map { structure.form == .scalar ? 1.0 : [1, 1e-3, 1e3][$0 % 3] }
    let correlation = structure.form != .full ? 0 : isIll ? 1 - 1e-4 : 0.3
    return try GaussianMixture(
      weights: [0.5, 0.3, 0.2],
      means: Matrix(
        rows: (0..<3).map { k in (0..<d).map { offset + Double(k) * 1.4 * units[$0] } }),
      covariances: Covariances(
        structure: structure,
        matrices: (0..<3).map { k in
          var matrix = Matrix(repeating: 0, rowCount: d, columnCount: d)
          for i in 0..<d {
            // Uncorrelated features are ill-conditioned if one varies much less than the rest.
            let narrow = isIll && structure.form == .diagonal && i == 1 ? 1e-3 : 1
            for j in 0..<d {
              matrix[i, j] =
                (structure.isShared ? 1 : 1 + Double(k) / 2) * units[i] * units[j]
                * (i == j ? narrow : correlation)
            }
          }
          return matrix
        }))
  }
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

  @Test(arguments: SinglePrecision.structures)
  func `single precision gives the same bits on any number of threads, skipping or not`(
    structure: CovarianceStructure
  ) throws {
    // Several shards, components that overlap and one far away, for which skipping has work to leave out.
    let rows = try Observations(
      rows: (0..<9000).map { i in
        let far: Double = i % 3 == 2 ? 60 : 0
        var random = RandomStream(seed: 4, stream: UInt64(i))
        return (0..<3).map { _ in 1e6 + far + Double(i % 3) + random.normal() }
      })
    var settings = ExpectationMaximization(
      componentCount: 3, covariance: structure,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 8), skipping: false,
      precision: .single, seed: 1, threadCount: 1)
    let one = try settings.fit(rows)
    for threads in [1, 3, 16] {
      for skipping in [true, false] {
        settings.threadCount = threads
        settings.skipping = skipping
        CheckpointTests.expectSame(try settings.fit(rows), one)
      }
    }
  }

  @Test(arguments: SinglePrecision.structures, Acceleration.allCases)
  func
    `a fit in single precision that is ended before every E-step and resumed has the bits of one that was not`(
      structure: CovarianceStructure, acceleration: Acceleration
    ) throws
  {
    let problem = try RandomProblem(n: 300, d: 2, K: 3, structure: structure, separation: 1)
    // Restarts end at the limit, or where the loose tolerance is met.
    for tolerance in [0, 1e-4] {
      let settings = ExpectationMaximization(
        componentCount: 3, covariance: structure, initialization: .randomRows, restartCount: 2,
        stoppingRule: StoppingRule(tolerance: tolerance, iterationLimit: 12),
        acceleration: acceleration, precision: .single, seed: 3)
      let whole = try settings.fit(problem.observations)
      let (parts, runs) = try CheckpointTests.interrupted(settings, problem.observations)
      CheckpointTests.expectSame(parts, whole)
      #expect(runs > whole.iterationCount)
    }
  }

  @Test(arguments: SinglePrecision.structures)
  func `log densities and responsibilities of an E-step in single precision are within their bound`(
    structure: CovarianceStructure
  ) throws {
    for (d, isIll, offset) in [1, 3, 8, 9, 33].flatMap({ d in
      [false, true].flatMap { isIll in [0, 1e8].map { (d, isIll, $0) } }
    }) {
      let model = try SinglePrecision.mixture(structure, d, isIll: isIll, offset: offset)
      let rows = try Observations(model.sample(24, seed: 7).observations)
      let scale = try DataScale(rows, form: structure.form, threadCount: 1)
      let frame = SingleFrame(scale, form: structure.form)
      let densities = try model.logDensities(of: rows)
      let responsibilities = try model.responsibilities(for: rows)
      var total = 0.0
      for i in 0..<rows.observationCount {
        let bound = SinglePrecision.bound(
          rows.matrix.row(i), model, origin: frame.origin, responsibilities.row(i))
        total += bound.logDensity
        let single = try Observations(rows: [rows.matrix.row(i)]).singleExpectation(
          under: model, form: structure.form, frame: frame, threadCount: 1)
        let name = Comment(
          rawValue: "d=\(d) \(isIll ? "ill" : "well") conditioned, \(offset), row \(i)")
        #expect(abs(single.logLikelihood - densities[i]) <= bound.logDensity, name)
        for k in 0..<3 {
          #expect(
            abs(single.zeroth(k) - responsibilities[i, k]) <= bound.responsibilities[k], name)
        }
        // A bound that says nothing would hold too.
        #expect(bound.logDensity < (isIll ? 1 : 0.01), name)
      }
      let whole = try rows.singleExpectation(
        under: model, form: structure.form, frame: frame, threadCount: 1)
      #expect(abs(whole.logLikelihood - (try model.logLikelihood(of: rows))) <= total)
    }
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
