// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

@Suite("Vector mathematics") struct VectorMathTests {
  /// The argument where a function is farthest off, in units of the last place of the expected value.
  func worst(
    _ arguments: some Sequence<Double>, _ got: (Double) -> Double, _ expected: (Double) -> Double
  ) -> (argument: Double, ulps: Double) {
    var worst = (argument: 0.0, ulps: 0.0)
    for x in arguments {
      let reference = expected(x)
      let ulps = abs(got(x) - reference) / reference.ulp
      if !(ulps <= worst.ulps) { worst = (x, ulps) }
    }
    return worst
  }

  @Test("exp is within 1 ulp over its whole range, also where results are subnormal")
  func exponential() {
    var random = RandomStream(seed: 3)
    let arguments = (0..<200_000).map { _ in -744 + 1453 * random.uniform() }
    #expect(worst(arguments, Kernels.exp, Foundation.exp).ulps <= 1)
    let small = stride(from: -41.0, through: 0, by: 1.0 / 512)
    #expect(worst(small, Kernels.exp, Foundation.exp).ulps <= 1)
  }

  @Test("exponentials of responsibilities are within 1 ulp, and responsibilities within 3")
  func responsibilities() {
    let groups = 32
    let rows = groups * Kernels.lanes
    let stride = Kernels.jointStride(groups)
    let joint: UnsafeMutablePointer<Double> = Kernels.allocate(2 * stride)
    let others: UnsafeMutablePointer<Double> = Kernels.allocate(3 * rows)
    defer {
      joint.deallocate()
      others.deallocate()
    }
    var random = RandomStream(seed: 6)
    for kernels in Kernels.all {
      // Beside exp(x) < 2⁻⁵⁴ the sum is 1, and the responsibility the exponential.
      for (range, limit) in [(-40.0 ... -37.5, kernels.isFused ? 1.0 : 2), (-37.5...0, 3)] {
        for _ in 0..<20 {
          for row in 0..<rows {
            joint[row] = 0
            joint[stride + row] =
              range.lowerBound + (range.upperBound - range.lowerBound) * random.uniform()
            others[row] = 1
          }
          let arguments = (0..<rows).map { joint[stride + $0] }
          kernels.normalize(
            groups: groups, 2, caseWeight: others, joint: joint, logDensity: others + rows,
            rowEntropy: others + 2 * rows, label: nil)
          let results = Dictionary(
            zip(arguments, (0..<rows).map { joint[stride + $0] }), uniquingKeysWith: { a, _ in a })
          let worst = worst(arguments, { results[$0]! }) {
            Foundation.exp($0) / (1 + Foundation.exp($0))
          }
          #expect(worst.ulps <= limit, "\(kernels.name): \(worst)")
        }
      }
    }
  }

  @Test("exp of special values")
  func exponentialOfSpecialValues() {
    #expect(Kernels.exp(0) == 1)
    #expect(Kernels.exp(-0.0) == 1)
    #expect(Kernels.exp(-.infinity) == 0)
    #expect(Kernels.exp(.infinity) == .infinity)
    #expect(Kernels.exp(710) == .infinity)
    #expect(Kernels.exp(709.78).isFinite)
    #expect(Kernels.exp(-746) == 0)
    #expect(Kernels.exp(-745) > 0)
    #expect(Kernels.exp(.nan).isNaN)
  }

  @Test("log is within 1 ulp over its whole range, also of subnormal numbers")
  func logarithm() {
    var random = RandomStream(seed: 4)
    let arguments = (0..<200_000).map { _ in
      Double(bitPattern: random.next() & 0x7fff_ffff_ffff_ffff)
    }.filter(\.isFinite)
    #expect(worst(arguments, Kernels.log, Foundation.log).ulps <= 1)
    let aroundOne = stride(from: 0.5, through: 2, by: 1.0 / 4096).filter { $0 != 1 }
    #expect(worst(aroundOne, Kernels.log, Foundation.log).ulps <= 1)
  }

  @Test("log of special values")
  func logarithmOfSpecialValues() {
    #expect(Kernels.log(1) == 0)
    #expect(Kernels.log(0) == -.infinity)
    #expect(Kernels.log(-1).isNaN)
    #expect(Kernels.log(.infinity) == .infinity)
    #expect(Kernels.log(.nan).isNaN)
    #expect(Kernels.log(.leastNonzeroMagnitude) == Foundation.log(.leastNonzeroMagnitude))
  }
}

/// A block of every awkward size, under every way to store covariances: each form, shared or not.
struct KernelCase: CustomTestStringConvertible, Sendable {
  let n: Int
  let d: Int
  let K: Int
  let structure: CovarianceStructure
  var testDescription: String { "n=\(n) d=\(d) K=\(K) \(structure.rawValue)" }

  static let all: [KernelCase] = {
    var cases: [KernelCase] = []
    for structure in [CovarianceStructure.eii, .vii, .eei, .vvi, .eee, .vvv] {
      for d in [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 20, 33] {
        for (n, K) in [(1, 1), (7, 3), (8, 2), (9, 5), (65, 4), (300, 3)] {
          cases.append(KernelCase(n: n, d: d, K: K, structure: structure))
        }
      }
    }
    return cases
  }()
}

@Suite("Kernels") struct KernelTests {
  /// Statistics in plain loops, with nothing shared with the kernels but the model's parameters.
  static func plainStatistics(
    _ model: GaussianMixture, _ rows: Matrix
  ) -> (values: [Double], logDensities: [Double]) {
    let (K, d) = (model.componentCount, model.featureCount)
    let form = model.structure.form
    var result = SufficientStatistics(origins: model.means, form: form)
    var logDensities: [Double] = []
    for row in 0..<rows.rowCount {
      var joint: [Double] = []
      for k in 0..<K {
        let covariance = model.covariances[k]
        var lower = Matrix(repeating: 0, rowCount: d, columnCount: d)
        var y = (0..<d).map { rows[row, $0] - model.means[k, $0] }
        var logDeterminant = 0.0
        for i in 0..<d {
          for j in 0...i {
            let sum = (0..<j).reduce(covariance[i, j]) { $0 - lower[i, $1] * lower[j, $1] }
            lower[i, j] = i == j ? sum.squareRoot() : sum / lower[j, j]
          }
          for j in 0..<i { y[i] -= lower[i, j] * y[j] }
          y[i] /= lower[i, i]
          logDeterminant += 2 * Foundation.log(lower[i, i])
        }
        var exponent = logDeterminant + Double(d) * Foundation.log(2 * Double.pi)
        for value in y { exponent += value * value }
        joint.append(Foundation.log(model.weights[k]) - exponent / 2)
      }
      let largest = joint.max()!
      var sum = 0.0
      for value in joint { sum += Foundation.exp(value - largest) }
      let logDensity = largest + Foundation.log(sum)
      logDensities.append(logDensity)
      result.values[0] += 1
      result.values[1] += logDensity
      for k in 0..<K {
        let r = Foundation.exp(joint[k] - logDensity)
        if r > 0 { result.values[2] -= r * (joint[k] - logDensity) }
        result.values[3 + k] += r
        let x = (0..<d).map { rows[row, $0] - model.means[k, $0] }
        for i in 0..<d {
          result.values[3 + K + k * d + i] += r * x[i]
          let second = 3 + K + K * d
          switch form {
          case .full:
            let line = second + k * d * (d + 1) / 2 + i * (i + 1) / 2
            for j in 0...i { result.values[line + j] += r * x[i] * x[j] }
          case .diagonal: result.values[second + k * d + i] += r * x[i] * x[i]
          case .scalar: result.values[second + k] += r * x[i] * x[i]
          }
        }
      }
    }
    return (result.values, logDensities)
  }

  @Test(
    "every variant agrees with plain loops; those with fused multiply-add in every bit",
    arguments: KernelCase.all)
  func variants(_ test: KernelCase) throws {
    let problem = try RandomProblem(n: test.n, d: test.d, K: test.K, structure: test.structure)
    let (expected, _) = Self.plainStatistics(problem.model, problem.observations.matrix)
    var fused: SufficientStatistics?
    for kernels in Kernels.all {
      let statistics = try problem.observations.expectation(
        under: problem.model, threadCount: 1, kernels: kernels)
      // Sums of n terms of size up to about 100, each off by some tens of roundings of a d-fold sum.
      let tolerance = 1e-14 * Double(test.n * test.d) * 10
      let worst = statistics.values.indices.max { a, b in
        relativeDifference(statistics.values[a], expected[a])
          < relativeDifference(statistics.values[b], expected[b])
      }!
      #expect(
        relativeDifference(statistics.values[worst], expected[worst]) <= tolerance,
        "\(kernels.name), sum \(worst)")
      if kernels.isFused {
        if let fused { #expect(fused == statistics, "\(kernels.name)") } else { fused = statistics }
      }
    }
  }

  @Test("the way a table is stored changes no bit", arguments: [1, 3, 11])
  func storage(d: Int) throws {
    let problem = try RandomProblem(n: 1000, d: d, K: 3)
    var rounded = problem.observations.matrix
    for index in rounded.elements.indices {
      rounded.elements[index] = Double(Float(rounded.elements[index]))
    }
    let expected = try Observations(rounded).expectation(under: problem.model, threadCount: 1)
    for isFloat in [false, true] {
      for byColumns in [false, true] {
        let table = StridedTable(rounded, isFloat: isFloat, byColumns: byColumns)
        #expect(try table.expectation(under: problem.model, threadCount: 2) == expected)
      }
    }
  }

  @Test("a far row gets exact responsibilities instead of 0/0")
  func farRow() throws {
    let model = try GaussianMixture(
      weights: [0.5, 0.5], means: Matrix(rows: [[0.0], [2.0]]),
      covariances: Covariances(
        structure: .spherical, componentCount: 2, featureCount: 1, elements: [1, 1]))
    // log r₀/r₁ = ((x − 2)² − x²) / 2 = 2 − 2x, exactly 0 at x = 1 and −12 at x = 7.
    let responsibilities = try model.responsibilities(
      for: Observations(rows: [[1], [7], [1e6], [-1e200]]))
    #expect(responsibilities.row(0) == [0.5, 0.5])
    #expect(abs(responsibilities[1, 0] / responsibilities[1, 1] - Foundation.exp(-12)) < 1e-20)
    #expect(responsibilities.row(2) == [0, 1])
    let sum = responsibilities[3, 0] + responsibilities[3, 1]
    #expect(sum == 1)
    #expect(try model.logDensity(at: [1e6]) < -4.9e11)
  }

  @Test("a responsibility below exp(-40) is zero, and none above is")
  func smallestResponsibility() throws {
    let model = try GaussianMixture(
      weights: [0.5, 0.5], means: Matrix(rows: [[0.0], [1.0]]),
      covariances: Covariances(
        structure: .spherical, componentCount: 2, featureCount: 1, elements: [1, 1]))
    // log r₀/r₁ = 1/2 − x.
    let rows = stride(from: 30.0, through: 50, by: 0.25).map { [$0] }
    let responsibilities = try model.responsibilities(for: Observations(rows: rows))
    for (index, row) in rows.enumerated() where abs(row[0] - 40.5) > 1e-6 {
      #expect((responsibilities[index, 0] == 0) == (row[0] > 40.5), "x = \(row[0])")
    }
  }
}

@Suite("Random numbers") struct RandomStreamTests {
  @Test("Philox4x32-10 gives the known answers of its authors")
  func knownAnswers() {
    var zeros = RandomStream(seed: 0)
    #expect(zeros.next() == 0xe169_c58d_6627_e8d5)
    #expect(zeros.next() == 0x9b00_dbd8_bc57_ac4c)
    var ones = RandomStream(seed: .max, stream: .max, position: .max)
    #expect(ones.next() == 0x41c8_3b0e_408f_276d)
    #expect(ones.next() == 0x6d54_51fd_a20b_c7c6)
    var digits = RandomStream(
      seed: 0x299f_31d0_a409_3822, stream: 0x0370_7344_1319_8a2e, position: 0x85a3_08d3_243f_6a88)
    #expect(digits.next() == 0x94fd_cceb_d16c_fe09)
    #expect(digits.next() == 0x2412_6ea1_5001_e420)
  }

  @Test("the normal quantile is right to 4 ulp from the centre to the farthest tail")
  func quantile() {
    // Solutions of log Φ(x) = log p with 40 digits.
    let known: [(Double, Double)] = [
      (0.5, 0.0),
      (0.51, 0.025068908258711058033),
      (0.6, 0.25334710313579974132),
      (0.75, 0.6744897501960817432),
      (0.9, 1.2815515655446005935),
      (0.924, 1.43250272082581191),
      (0.926, 1.446632067158978807),
      (0.975, 1.9599639845400538556),
      (0.999, 3.0902323061678132778),
      (0.9999990463256836, 4.763001034267813957),
      (0.001, -3.0902323061678135354),
      (1e-06, -4.7534243088228989573),
      (1e-10, -6.3613409024040561991),
      (1.1102230246251565e-16, -8.2095361516013868556),
      (1e-17, -8.4937932241095980661),
      (1e-40, -13.310921371425170895),
      (1e-300, -37.047096299361199237),
    ]
    for (p, expected) in known {
      // 1 − p is exact, but p near 1 has few digits left of it: 2⁻⁵³ in p is 2⁻⁵³ / φ(x) in x.
      let conditioning =
        p > 0.5 ? 0x1p-53 / (exp(-expected * expected / 2) / (2 * Double.pi).squareRoot()) : 0
      #expect(abs(normalQuantile(p) - expected) <= 4 * expected.ulp + conditioning, "p = \(p)")
    }
  }

  @Test("normal numbers have the moments of a standard normal")
  func normalMoments() {
    var random = RandomStream(seed: 9)
    let n = 200_000
    let values = (0..<n).map { _ in random.normal() }
    let raw = (1...4).map { power -> Double in
      values.reduce(0.0) { $0 + pow($1, Double(power)) } / Double(n)
    }
    // Five standard errors: those of the moments are √(1, 2, 15, 96) / √n.
    for (value, (expected, variance)) in zip(raw, [(0.0, 1.0), (1, 2), (0, 15), (3, 96)]) {
      #expect(abs(value - expected) < 5 * (variance / Double(n)).squareRoot())
    }
  }

  @Test("indices below a bound are uniform")
  func indices() {
    var random = RandomStream(seed: 11)
    var counts = Array(repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[random.index(below: 7)] += 1 }
    // χ² with 6 degrees of freedom exceeds 35 with probability 5·10⁻⁶.
    #expect(counts.reduce(0) { $0 + Double(($1 - 10_000) * ($1 - 10_000)) / 10_000 } < 35)
  }
}
