// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The lower triangular L with L Lᵀ = A, for a symmetric positive definite A.
///
/// Matrices are packed lower triangles by rows: element (i, j), j ≤ i, is at i (i + 1) / 2 + j.
struct Cholesky {
  /// The order of the matrix, d.
  let order: Int
  /// L, packed, with the *inverses* of its diagonal elements, as the kernels want it.
  let factor: [Double]
  /// log det A.
  let logDeterminant: Double

  /// Factors a packed symmetric matrix.
  ///
  /// Fails if a pivot is not above `tolerance` times its diagonal element, so with the default of zero if the matrix is
  /// not numerically positive definite.
  ///
  /// - Complexity: O(d³).
  init?(packed a: some Collection<Double>, order d: Int, tolerance: Double = 0) {
    var l = Array(a)
    precondition(l.count == d * (d + 1) / 2)
    guard Kernels.cholesky(&l, order: d, tolerance: tolerance) else { return nil }
    order = d
    factor = l
    logDeterminant = l.withUnsafeBufferPointer { Self.logDeterminant($0.baseAddress!, order: d) }
  }

  /// log det A, from the factor of A.
  static func logDeterminant(_ factor: UnsafePointer<Double>, order d: Int) -> Double {
    (0..<d).reduce(0) { $0 - 2 * Kernels.log(factor[$1 * ($1 + 3) / 2]) }
  }

  /// Factors a matrix that is positive definite but for rounding, with as little as that takes more on its diagonal.
  init(raising packed: [Double], order d: Int) {
    var packed = packed
    var more = Double.ulpOfOne
    while true {
      if let factored = Cholesky(packed: packed, order: d) {
        self = factored
        return
      }
      for i in 0..<d {
        let index = i * (i + 3) / 2
        packed[index] = max(packed[index], .leastNormalMagnitude) * (1 + more)
        // Nothing but a diagonal is left at last.
        if more > 1 { for j in 0..<i { packed[i * (i + 1) / 2 + j] = 0 } }
      }
      more *= 4
    }
  }

  /// L z, for one vector z.
  func multiply(_ z: [Double]) -> [Double] {
    (0..<order).map { i in
      let row = i * (i + 1) / 2
      var sum = z[i] / factor[row + i]
      for j in 0..<i { sum += factor[row + j] * z[j] }
      return sum
    }
  }

  /// L⁻¹ b, for one vector b.
  func solveLower(_ b: [Double]) -> [Double] {
    var y = b
    for i in 0..<order {
      let row = i * (i + 1) / 2
      for j in 0..<i { y[i] -= factor[row + j] * y[j] }
      y[i] *= factor[row + i]
    }
    return y
  }

  /// L⁻ᵀ b, for one vector b.
  func solveUpper(_ b: [Double]) -> [Double] {
    var x = b
    for i in (0..<order).reversed() {
      let row = i * (i + 1) / 2
      x[i] *= factor[row + i]
      for j in 0..<i { x[j] -= factor[row + j] * x[i] }
    }
    return x
  }

  /// A⁻¹ b, for one vector b.
  func solve(_ b: [Double]) -> [Double] { solveUpper(solveLower(b)) }

  /// A⁻¹, packed.
  ///
  /// - Complexity: O(d³).
  var inverse: [Double] {
    let d = order
    // L⁻¹ by columns, then L⁻ᵀ L⁻¹.
    var m = factor
    m.withUnsafeMutableBufferPointer { m in
      for i in 0..<d {
        let row = i * (i + 1) / 2
        for j in 0..<i {
          var sum = 0.0
          for k in j..<i { sum -= m[row + k] * m[k * (k + 1) / 2 + j] }
          m[row + j] = sum * m[row + i]
        }
      }
    }
    var result = Array(repeating: 0.0, count: m.count)
    result.withUnsafeMutableBufferPointer { result in
      m.withUnsafeBufferPointer { m in
        for k in 0..<d {
          let row = k * (k + 1) / 2
          for i in 0...k {
            let x = m[row + i]
            for j in 0...i { result[i * (i + 1) / 2 + j] += x * m[row + j] }
          }
        }
      }
    }
    return result
  }
}
