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
    logDeterminant = (0..<d).reduce(0) { $0 - 2 * Kernels.log(l[$1 * ($1 + 3) / 2]) }
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
}
