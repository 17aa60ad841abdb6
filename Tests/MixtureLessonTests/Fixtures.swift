// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureLesson
import Mixtures

/// Sixteen observations of two features in very different units: a short eruption follows a short pause.
let eruptions: [[Double]] = [
  [1.8, 54], [2.0, 51], [1.9, 49], [2.2, 58], [1.7, 52], [2.1, 47], [3.6, 79], [4.3, 85],
  [4.5, 78], [4.0, 74], [4.7, 88], [3.9, 81], [4.4, 76], [3.3, 74], [4.6, 90], [2.9, 66],
]

/// 160 observations of example mixture D.
func observationsOfD(count: Int = 160, seed: UInt64 = 3) throws -> [[Double]] {
  try Matrix(stacking: ExampleMixture.d.draw(count: count, seed: seed)).plainRows
}

/// The mean and the maximum-likelihood covariance of some rows, by the definitions.
func moments(of X: [[Double]]) -> (mean: [Double], covariance: [[Double]]) {
  let n = Double(X.count)
  let mean = X[0].indices.map { j in X.map { $0[j] }.reduce(0, +) / n }
  let covariance = X[0].indices.map { i in
    X[0].indices.map { j in X.map { ($0[i] - mean[i]) * ($0[j] - mean[j]) }.reduce(0, +) / n }
  }
  return (mean, covariance)
}

/// Whether two numbers agree to a relative tolerance.
func close(_ a: Double, _ b: Double, _ tolerance: Double = 1e-12) -> Bool {
  abs(a - b) <= tolerance * max(abs(a), abs(b))
}

/// Whether two matrices agree in every element, relative to the largest.
func close(_ a: [[Double]], _ b: [[Double]], _ tolerance: Double = 1e-12) -> Bool {
  let scale = b.joined().map { abs($0) }.max() ?? 0
  return a.count == b.count
    && zip(a.joined(), b.joined()).allSatisfy { abs($0 - $1) <= tolerance * scale }
}

/// The code of the error that the body throws; nil if it throws none.
func code(_ body: () throws(MixtureError) -> Void) -> MixtureError.Code? {
  do {
    try body()
    return nil
  } catch {
    return error.code
  }
}
