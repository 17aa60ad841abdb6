// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The logarithm of the gamma function and its derivatives at positive arguments, without libm.
///
/// Arguments below ten are raised by the recurrence Γ(x + 1) = x Γ(x); from ten on, Stirling's series and its derivatives
/// are used with as many terms as leave less than rounding. (Abramowitz & Stegun 1964, 6.1.40, 6.3.18 and 6.4.12.)
///
/// **Numerics.** For 10⁻³⁰⁰ ≤ x ≤ 10³⁰⁰ errors are below 24 units of rounding of max(1, |value|) for log Γ, which below ten is a
/// difference of numbers up to 15; below 8 of max(1, |value|) for ψ, and below 8 of the value for ψ′. The same bits come out
/// on every processor with a fused multiply-add.
enum GammaFunctions {
  /// Where the series begin.
  private static let seriesStart = 10.0

  /// Σₖ cₖ xᵏ.
  private static func horner(_ coefficients: [Double], _ x: Double) -> Double {
    var sum = 0.0
    for c in coefficients.reversed() { sum = sum * x + c }
    return sum
  }

  /// log Γ(x), x > 0.
  static func logGamma(_ x: Double) -> Double {
    // Exact zeros, which statistics of nothing depend on.
    if x == 1 || x == 2 { return 0 }
    var y = x
    var product = 1.0
    while y < seriesStart {
      product *= y
      y += 1
    }
    let r = 1 / y
    let r2 = r * r
    // B₂ₖ / (2k (2k − 1)), k = 1 … 8.
    let coefficients: [Double] = [
      1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360_360, 1.0 / 156,
      -3617.0 / 122_400,
    ]
    let tail = r * horner(coefficients, r2)
    let logY = Kernels.log(y)
    let series = (y - 0.5) * (logY - 1) + (0.5 * logTwoPi - 0.5) + tail
    return y == x ? series : series - Kernels.log(product)
  }

  /// ψ(x) = d log Γ(x) / dx, x > 0.
  static func digamma(_ x: Double) -> Double {
    var y = x
    var sum = 0.0
    while y < seriesStart {
      sum += 1 / y
      y += 1
    }
    let r = 1 / y
    let r2 = r * r
    // B₂ₖ / 2k, k = 1 … 8.
    let coefficients: [Double] = [
      1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32_760, 1.0 / 12,
      -3617.0 / 8160,
    ]
    let tail = r2 * horner(coefficients, r2)
    return Kernels.log(y) - 0.5 * r - tail - sum
  }

  /// ψ′(x) = d² log Γ(x) / dx², x > 0; infinite where 1 / x² overflows.
  static func trigamma(_ x: Double) -> Double {
    var y = x
    var sum = 0.0
    while y < seriesStart {
      sum += 1 / y / y
      y += 1
    }
    let r = 1 / y
    let r2 = r * r
    // B₂ₖ, k = 1 … 8.
    let coefficients: [Double] = [
      1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730, 7.0 / 6, -3617.0 / 510,
    ]
    let tail = r * r2 * horner(coefficients, r2)
    return sum + (r + 0.5 * r2 + tail)
  }

  /// The logarithm of the gamma function of d dimensions without its power of π: Σᵢ log Γ(x − i / 2), i = 0 ..< d.
  static func logGamma(_ x: Double, dimensions d: Int) -> Double {
    (0..<d).reduce(0) { $0 + logGamma(x - 0.5 * Double($1)) }
  }

  /// Σᵢ ψ(x − i / 2), i = 0 ..< d.
  static func digamma(_ x: Double, dimensions d: Int) -> Double {
    (0..<d).reduce(0) { $0 + digamma(x - 0.5 * Double($1)) }
  }
}
