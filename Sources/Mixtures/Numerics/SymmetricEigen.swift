// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The eigenvalues and eigenvectors of a symmetric matrix, A = V diag(λ) Vᵀ.
struct SymmetricEigen {
  /// The order of the matrix, d.
  let order: Int
  /// The eigenvalues, in no particular order.
  let values: [Double]
  /// The eigenvectors: element (i, j) at i · d + j belongs to coordinate i of vector j.
  let vectors: [Double]

  /// Decomposes a packed lower triangle by cyclic Jacobi rotations.
  ///
  /// - Complexity: O(d³) for each of about ten sweeps.
  ///
  /// **Numerics.** Small eigenvalues of a matrix scaled to a unit diagonal come out to high relative accuracy (Demmel &
  /// Veselić 1992, [doi:10.1137/0613074](https://doi.org/10.1137/0613074)).
  init(packed: [Double], order d: Int) {
    order = d
    var a = Array(repeating: 0.0, count: d * d)
    var v = a
    for i in 0..<d {
      v[i * d + i] = 1
      for j in 0...i {
        a[i * d + j] = packed[i * (i + 1) / 2 + j]
        a[j * d + i] = a[i * d + j]
      }
    }
    for _ in 0..<60 {
      var rotated = false
      for p in 0..<d {
        for q in p + 1..<max(p + 1, d) {
          let apq = a[p * d + q]
          let scale = (abs(a[p * d + p]) * abs(a[q * d + q])).squareRoot()
          guard abs(apq) > 0x1p-53 * scale, apq != 0 else { continue }
          rotated = true
          let theta = (a[q * d + q] - a[p * d + p]) / (2 * apq)
          let t = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
          let c = 1 / (t * t + 1).squareRoot()
          let s = t * c
          for i in 0..<d {
            let (x, y) = (a[i * d + p], a[i * d + q])
            a[i * d + p] = c * x - s * y
            a[i * d + q] = s * x + c * y
          }
          for i in 0..<d {
            let (x, y) = (a[p * d + i], a[q * d + i])
            a[p * d + i] = c * x - s * y
            a[q * d + i] = s * x + c * y
          }
          a[p * d + q] = 0
          a[q * d + p] = 0
          for i in 0..<d {
            let (x, y) = (v[i * d + p], v[i * d + q])
            v[i * d + p] = c * x - s * y
            v[i * d + q] = s * x + c * y
          }
        }
      }
      if !rotated { break }
    }
    values = (0..<d).map { a[$0 * d + $0] }
    vectors = v
  }
}

extension SymmetricEigen {
  private init(order d: Int, values: [Double], vectors: [Double]) {
    order = d
    self.values = values
    self.vectors = vectors
  }

  /// The same decomposition with the largest eigenvalue first.
  var descending: SymmetricEigen {
    let d = order
    let order = (0..<d).sorted { values[$0] == values[$1] ? $0 < $1 : values[$0] > values[$1] }
    var vectors = vectors
    for i in 0..<d {
      for (j, from) in order.enumerated() { vectors[i * d + j] = self.vectors[i * d + from] }
    }
    return SymmetricEigen(order: d, values: order.map { values[$0] }, vectors: vectors)
  }

  /// V diag(λ) Vᵀ as a packed lower triangle, for other eigenvalues λ or other vectors V.
  ///
  /// - Complexity: O(d³).
  static func compose(
    _ eigenvalues: some Collection<Double>, _ vectors: [Double], order d: Int
  ) -> [Double] {
    let eigenvalues = Array(eigenvalues)
    var result = Array(repeating: 0.0, count: d * (d + 1) / 2)
    var row = Array(repeating: 0.0, count: d)
    var index = 0
    vectors.withUnsafeBufferPointer { vectors in
      for i in 0..<d {
        for m in 0..<d { row[m] = eigenvalues[m] * vectors[i * d + m] }
        for j in 0...i {
          var sum = 0.0
          for m in 0..<d { sum += row[m] * vectors[j * d + m] }
          result[index] = sum
          index += 1
        }
      }
    }
    return result
  }
}
