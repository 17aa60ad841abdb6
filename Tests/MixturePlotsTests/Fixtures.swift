// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures

/// K unit components spread along the diagonal, in d features, all of them displaced by `offset`.
func mixture(
  componentCount K: Int, featureCount d: Int, offset: Double = 0
) throws -> GaussianMixture {
  try GaussianMixture(
    weights: Array(repeating: 1 / Double(K), count: K),
    means: Matrix(rows: (0..<K).map { k in Array(repeating: offset + 4 * Double(k), count: d) }),
    covariances: Covariances(
      structure: .vii, componentCount: K, featureCount: d, elements: Array(repeating: 1, count: K)))
}

/// n rows drawn from such a mixture.
func rows(_ n: Int, componentCount K: Int, featureCount d: Int) throws -> Observations {
  var stream = RandomStream(seed: 1)
  return try Observations(
    rows: (0..<n).map { i in (0..<d).map { _ in 4 * Double(i % K) + stream.normal() } })
}

/// Rows that may hold anything, as a source of a caller's own may.
struct AnyRows: ObservationSource {
  let rows: [[Double]]
  var observationCount: Int { rows.count }
  var featureCount: Int { rows.first?.count ?? 0 }

  func withRows(_ range: Range<Int>, _ body: (StridedRows) -> Void) throws(MixtureError) {
    let elements = rows[range].flatMap { $0 }
    let offsets = Array(0..<featureCount)
    elements.withUnsafeBytes { bytes in
      offsets.withUnsafeBufferPointer { offsets in
        guard let base = bytes.baseAddress else { return }
        body(
          StridedRows(
            base: base, element: .float64, count: range.count, rowStride: featureCount,
            columnOffsets: offsets))
      }
    }
  }
}

/// A source that has many rows and makes them when asked.
struct ManyRows: ObservationSource {
  let observationCount: Int
  let featureCount = 1

  func withRows(_ range: Range<Int>, _ body: (StridedRows) -> Void) throws(MixtureError) {
    try AnyRows(rows: range.map { [Double($0)] }).withRows(0..<range.count, body)
  }
}
