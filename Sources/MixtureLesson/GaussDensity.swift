// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The density of one Gaussian, from nothing but the four operations, square root, exp and log. The engine's
// kernels compute the same by another road; nothing is shared, so that agreement means something.

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The lower triangular L with L Lᵀ = Σ, d × d; nil unless Σ is positive definite.
///
/// - Complexity: O(d³).
///
/// **Numerics.** A pivot below 10⁻¹³ of its diagonal element is rounding, not information, and counts as zero.
func choleskyFactor(of covariance: [[Double]]) -> [[Double]]? {
  let d = covariance.count
  var L = zeros(d, d)
  for i in 0..<d {
    for j in 0...i {
      var rest = covariance[i][j]
      for m in 0..<j { rest -= L[i][m] * L[j][m] }
      if i > j {
        L[i][j] = rest / L[j][j]
      } else {
        guard rest.isFinite, rest > 1e-13 * covariance[i][i] else { return nil }
        L[i][i] = rest.squareRoot()
      }
    }
  }
  return L
}

/// log N(x; μ, L Lᵀ) = −½ (d log 2π + 2 Σⱼ log Lⱼⱼ + |y|²), where y solves L y = x − μ.
///
/// - Parameters:
///   - x: d features.
///   - mean: d features.
///   - factor: the Cholesky factor of the covariance, d × d.
/// - Complexity: O(d²).
func logGaussDensity(_ x: [Double], mean: [Double], factor L: [[Double]]) -> Double {
  let d = x.count
  var y = [Double](repeating: 0, count: d)
  var squaredDistance = 0.0
  var logDeterminant = 0.0
  for i in 0..<d {
    var rest = x[i] - mean[i]
    for j in 0..<i { rest -= L[i][j] * y[j] }
    y[i] = rest / L[i][i]
    squaredDistance += y[i] * y[i]
    logDeterminant += 2 * log(L[i][i])
  }
  return -0.5 * (Double(d) * log(2 * Double.pi) + logDeterminant + squaredDistance)
}

/// log Σₖ exp(aₖ).
///
/// **Numerics.** The largest term is taken out first, so that terms like exp(−2000) neither vanish nor overflow;
/// −∞ if every term is.
func logSumExp(_ terms: [Double]) -> Double {
  var largest = -Double.infinity
  for term in terms where term > largest { largest = term }
  guard largest.isFinite else { return largest }
  var sum = 0.0
  for term in terms { sum += exp(term - largest) }
  return largest + log(sum)
}

/// A matrix of zeros.
func zeros(_ rowCount: Int, _ columnCount: Int) -> [[Double]] {
  [[Double]](repeating: [Double](repeating: 0, count: columnCount), count: rowCount)
}
