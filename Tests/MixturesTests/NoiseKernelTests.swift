// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

/// Rows with noise, and components for them.
struct NoisyCase: CustomTestStringConvertible, Sendable {
  let n: Int
  let d: Int
  let K: Int
  var isFull = false
  var hasHoles = false
  var isShared = false
  var testDescription: String {
    "n=\(n) d=\(d) K=\(K)\(isFull ? " full" : "")\(hasHoles ? " holes" : "")\(isShared ? " shared" : "")"
  }

  static let all: [NoisyCase] = {
    var cases: [NoisyCase] = []
    for d in [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 21] {
      for (n, K) in [(1, 1), (17, 3)] {
        for kind in 0..<4 {
          cases.append(
            NoisyCase(
              n: n, d: d, K: K, isFull: kind & 1 != 0, hasHoles: kind & 2 != 0, isShared: d % 3 == 0
            ))
        }
      }
    }
    return cases
  }()
}

/// The arrays of a case, as the kernels take them, and as rows.
final class NoisyProblem {
  let test: NoisyCase
  let groups: Int
  var rows: [[Double]]
  /// Full d × d matrices.
  var noise: [[Double]]
  var observed: [[Bool]]
  var means: [Double]
  var covariances: [Double]
  let constants: [Double]
  var responsibilities: [[Double]]

  var size: Int { test.d * (test.d + 1) / 2 }

  init(_ test: NoisyCase) {
    self.test = test
    let (n, d, K) = (test.n, test.d, test.K)
    groups = (n + 7) / 8
    var random = RandomStream(seed: UInt64(n * 1000 + d * 10 + K), stream: 5)
    func definite() -> [Double] {
      let a = (0..<d * d).map { _ in random.normal() / Double(d).squareRoot() }
      return (0..<d * d).map { at in
        (0..<d).reduce(at % (d + 1) == 0 ? 0.5 : 0) { $0 + a[at / d * d + $1] * a[at % d * d + $1] }
      }
    }
    rows = (0..<n).map { _ in (0..<d).map { _ in 2 * random.normal() } }
    noise = (0..<n).map { _ in
      let full = definite()
      return (0..<d * d).map { test.isFull || $0 % (d + 1) == 0 ? full[$0] : 0 }
    }
    observed = (0..<n).map { _ in
      (0..<d).map { _ in !test.hasHoles || random.uniform() < 0.7 }
    }
    means = (0..<K * d).map { _ in random.normal() }
    covariances = (0..<(test.isShared ? 1 : K)).flatMap { _ in
      let full = definite()
      return (0..<d).flatMap { i in (0...i).map { full[i * d + $0] } }
    }
    constants = (0..<K).map { _ in -random.uniform() }
    responsibilities = (0..<K).map { _ in
      (0..<n).map { _ in random.uniform() < 0.3 ? 0 : random.uniform() }
    }
  }

  /// Calls the kernels on groups that are cut into blocks of so many. Returns joints, K × n, and sums by component.
  func run(_ kernels: Kernels, groupsPerBlock: Int = .max) -> (joint: [[Double]], sums: [Double]) {
    let (n, d, K) = (test.n, test.d, test.K)
    let sumCount = Kernels.noiseSumCount(featureCount: d)
    var joint = Array(repeating: [Double](), count: K)
    let lanes: UnsafeMutablePointer<Double> = Kernels.allocate(8 * K * sumCount)
    lanes.initialize(repeating: 0, count: 8 * K * sumCount)
    let scratch: UnsafeMutablePointer<Double> = Kernels.allocate(
      Kernels.noiseScratchSize(featureCount: d))
    defer {
      lanes.deallocate()
      scratch.deallocate()
    }
    let noiseSize = test.isFull ? size : d
    for start in stride(from: 0, to: groups, by: min(groupsPerBlock, groups)) {
      let count = min(groupsPerBlock, groups - start)
      func fill(_ width: Int, _ value: (_ row: Int, _ j: Int) -> Double)
        -> UnsafeMutablePointer<Double>
      {
        let stride = Kernels.tileStride(width)
        let result: UnsafeMutablePointer<Double> = Kernels.allocate(count * stride)
        result.initialize(repeating: 0, count: count * stride)
        for row in 0..<8 * count {
          for j in 0..<width {
            result[row / 8 * stride + 8 * j + row % 8] = value(min(8 * start + row, n - 1), j)
          }
        }
        return result
      }
      let tile = fill(d) { self.rows[$0][$1] }
      let noise = fill(noiseSize) { row, element in
        if !self.test.isFull { return self.noise[row][element * (d + 1)] }
        var i = 0
        while (i + 1) * (i + 2) / 2 <= element { i += 1 }
        return self.noise[row][i * d + element - i * (i + 1) / 2]
      }
      let observed = fill(d) { self.observed[$0][$1] ? 1 : 0 }
      let jointStride = Kernels.jointStride(count)
      let out: UnsafeMutablePointer<Double> = Kernels.allocate(K * jointStride)
      out.initialize(repeating: 0, count: K * jointStride)
      means.withUnsafeBufferPointer { means in
        covariances.withUnsafeBufferPointer { covariances in
          let block = NoisyBlock(
            groups: count, featureCount: d, componentCount: K, isFull: test.isFull, tile: tile,
            noise: noise, observed: test.hasHoles ? UnsafePointer(observed) : nil,
            means: means.baseAddress!, covariances: covariances.baseAddress!,
            covarianceStride: test.isShared ? 0 : size)
          kernels.logJoint(block, constants: constants, joint: out, scratch: scratch)
          for k in 0..<K {
            for row in 0..<8 * count {
              let at = 8 * start + row
              if at < n { joint[k].append(out[k * jointStride + row]) }
              out[k * jointStride + row] = at < n ? responsibilities[k][at] : 0
            }
          }
          kernels.accumulate(block, responsibilities: out, lanes: lanes, scratch: scratch)
        }
      }
      for pointer in [tile, noise, observed, out] { pointer.deallocate() }
    }
    var sums = Array(repeating: 0.0, count: K * sumCount)
    kernels.foldLanes(lanes, count: K * sumCount, into: &sums)
    return (joint, sums)
  }

  /// The same in plain loops, over the observed features alone, by the inverse of T from Gauss-Jordan elimination.
  func plain() -> (joint: [[Double]], sums: [Double], sizes: [Double]) {
    let (n, d, K) = (test.n, test.d, test.K)
    let sumCount = Kernels.noiseSumCount(featureCount: d)
    var joint = Array(repeating: [Double](), count: K)
    var sums = Array(repeating: 0.0, count: K * sumCount)
    var sizes = sums
    for k in 0..<K {
      for row in 0..<n {
        let present = (0..<d).filter { observed[row][$0] }
        let m = present.count
        var a = Array(repeating: 0.0, count: m * m)
        for (p, i) in present.enumerated() {
          for (q, j) in present.enumerated() {
            let (low, high) = (min(i, j), max(i, j))
            a[p * m + q] =
              covariances[(test.isShared ? 0 : k * size) + high * (high + 1) / 2 + low]
              + noise[row][i * d + j]
          }
        }
        let v = present.map { rows[row][$0] - means[k * d + $0] }
        var logDeterminant = 0.0
        for p in 0..<m {
          let pivot = a[p * m + p]
          logDeterminant += Foundation.log(pivot)
          a[p * m + p] = 1
          for q in 0..<m { a[p * m + q] /= pivot }
          for i in 0..<m where i != p {
            let factor = a[i * m + p]
            a[i * m + p] = 0
            for q in 0..<m { a[i * m + q] -= factor * a[p * m + q] }
          }
        }
        let t = (0..<m).map { p in (0..<m).reduce(0.0) { $0 + a[p * m + $1] * v[$1] } }
        let distance = zip(t, v).reduce(0.0) { $0 + $1.0 * $1.1 }
        joint[k].append(
          constants[k] - (distance + logDeterminant + Double(m) * Foundation.log(2 * .pi)) / 2)
        let r = responsibilities[k][row]
        func add(_ index: Int, _ value: Double, _ size: Double) {
          sums[k * sumCount + index] += r * value
          sizes[k * sumCount + index] += r * size
        }
        add(0, 1, 1)
        for (p, i) in present.enumerated() {
          add(1 + i, t[p], abs(t[p]))
          for (q, j) in present.enumerated() where j <= i {
            add(
              1 + d + i * (i + 1) / 2 + j, a[p * m + q] - t[p] * t[q],
              abs(a[p * m + q]) + abs(t[p] * t[q]))
          }
        }
      }
    }
    return (joint, sums, sizes)
  }
}

@Suite("Kernels for rows with noise") struct NoiseKernelTests {
  // Σ + S has eigenvalues of at least 1/2 (1 where both are full) and at most about 2 · (1/2 + 4): a condition number
  // below 20, so that solutions are off by 20 (d + 3) roundings of the largest at most, twice, as the plain ones are too.
  func tolerance(_ d: Int) -> Double { 2 * 20 * Double(d + 3) * 0x1p-53 * 4 }

  @Test(
    "every variant agrees with plain loops; those with fused multiply-add in every bit",
    arguments: NoisyCase.all)
  func variants(_ test: NoisyCase) {
    let problem = NoisyProblem(test)
    let expected = problem.plain()
    let sumCount = Kernels.noiseSumCount(featureCount: test.d)
    var fused: (joint: [[Double]], sums: [Double])?
    for kernels in Kernels.all {
      let got = problem.run(kernels)
      for (a, b) in zip(got.joint.joined(), expected.joint.joined()) {
        #expect(relativeDifference(a, b) <= tolerance(test.d), "\(kernels.name)")
      }
      for k in 0..<test.K {
        let own = k * sumCount..<(k + 1) * sumCount
        // An element may be small by chance: what it is off by goes by the largest.
        let largest = expected.sizes[own].max()!
        for index in own {
          #expect(
            abs(got.sums[index] - expected.sums[index]) <= tolerance(test.d) * max(largest, 1),
            "\(kernels.name), sum \(index)")
        }
      }
      if kernels.isFused {
        if let fused {
          #expect(fused.joint == got.joint && fused.sums == got.sums, "\(kernels.name)")
        } else {
          fused = got
        }
      }
    }
  }

  @Test("cutting rows into blocks of other sizes changes no bit", arguments: [2, 6, 8, 9, 14])
  func blocks(d: Int) {
    for hasHoles in [false, true] {
      let problem = NoisyProblem(NoisyCase(n: 93, d: d, K: 3, isFull: d > 6, hasHoles: hasHoles))
      for kernels in Kernels.all {
        let whole = problem.run(kernels)
        for groupsPerBlock in [1, 2, 5] {
          let parts = problem.run(kernels, groupsPerBlock: groupsPerBlock)
          #expect(parts.joint == whole.joint && parts.sums == whole.sums)
        }
      }
    }
  }

  @Test("no noise gives the log densities of the mixture", arguments: [1, 2, 3, 5, 8, 12])
  func noNoise(d: Int) throws {
    let test = NoisyCase(n: 40, d: d, K: 3)
    let problem = NoisyProblem(test)
    problem.noise = problem.noise.map { $0.map { _ in 0 } }
    let weights = [0.2, 0.3, 0.5]
    let model = try GaussianMixture(
      weights: weights, means: Matrix(rowCount: 3, columnCount: d, elements: problem.means),
      covariances: Covariances(
        structure: .full,
        matrices: (0..<3).map { k in
          var result = Matrix(repeating: 0, rowCount: d, columnCount: d)
          for i in 0..<d {
            for j in 0...i {
              result[i, j] = problem.covariances[k * problem.size + i * (i + 1) / 2 + j]
              result[j, i] = result[i, j]
            }
          }
          return result
        }))
    let expected = try model.logDensities(of: Observations(rows: problem.rows))
    let joint = problem.run(.active).joint
    for row in 0..<test.n {
      let terms = (0..<3).map {
        joint[$0][row] - problem.constants[$0] + Foundation.log(weights[$0])
      }
      let largest = terms.max()!
      let density =
        largest + Foundation.log(terms.reduce(0.0) { $0 + Foundation.exp($1 - largest) })
      #expect(relativeDifference(density, expected[row]) <= 2 * tolerance(d))
    }
  }

  @Test("what a missing cell holds changes no bit, and a row of missing cells only its constant")
  func missingCells() {
    for d in [3, 8, 11] {
      let problem = NoisyProblem(NoisyCase(n: 20, d: d, K: 2, isFull: true, hasHoles: true))
      problem.observed[4] = Array(repeating: false, count: d)
      let before = problem.run(.active)
      for row in 0..<20 {
        for i in 0..<d where !problem.observed[row][i] {
          problem.rows[row][i] = row % 2 == 0 ? .nan : 1e300
          for j in 0..<d {
            problem.noise[row][i * d + j] = .infinity
            problem.noise[row][j * d + i] = .nan
          }
        }
      }
      let after = problem.run(.active)
      #expect(before.joint == after.joint && before.sums == after.sums)
      for k in 0..<2 { #expect(after.joint[k][4] == problem.constants[k]) }
    }
  }

  @Test("a row whose covariance is not positive definite is infinitely unlikely and leaves nothing")
  func indefiniteRow() {
    for d in [1, 2, 6, 8, 10] {
      for bad in [-1e3, .nan, .infinity] {
        let problem = NoisyProblem(NoisyCase(n: 24, d: d, K: 2))
        problem.responsibilities[0][9] = 0.5
        for k in 0..<2 { problem.responsibilities[k][3] = 0 }
        // A residual whose square overflows leaves nothing either where its responsibility is zero.
        problem.rows[3][0] = 1e200
        let before = problem.responsibilities
        let sound = problem.noise
        for kernels in Kernels.all where kernels.isFused {
          // Other kernels may have other bits.
          problem.noise = sound
          for k in 0..<2 { problem.responsibilities[k][9] = 0 }
          let without = problem.run(kernels)
          problem.responsibilities = before
          problem.noise[9][(d - 1) * (d + 1)] = bad
          let with = problem.run(kernels)
          #expect(with.joint[0][9] == -1e300 && with.joint[1][9] == -1e300)
          #expect(with.joint[0][3] == -0.5e300 && with.joint[1][3] == -0.5e300)
          #expect(with.sums == without.sums)
          #expect(with.sums.allSatisfy { $0.isFinite })
        }
      }
    }
  }
}
