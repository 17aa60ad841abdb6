// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// When to stop iterating: when little is left to gain, or after so many iterations.
///
/// What is left is judged by the gain gₜ = (ℓₜ − ℓₜ₋₁) / W per observation (W is the total case weight) and by Aitken's
/// estimate of all gains to come: EM converges linearly, so with a = gₜ / gₜ₋₁ < 1 they sum to gₜ a / (1 − a). The rule is
/// met when both gₜ and that estimate are below the tolerance. A small gain alone is not enough: on a plateau gains are
/// small but grow, and near a slow end they are small but many. After Böhning et al. (1994),
/// [doi:10.1007/BF01720593](https://doi.org/10.1007/BF01720593).
public struct StoppingRule: Sendable, Codable, Equatable {
  /// In nats per observation. Zero means: exactly `iterationLimit` iterations.
  public var tolerance: Double
  /// The largest number of iterations; with zero the start is only scored.
  public var iterationLimit: Int

  /// A rule from its two limits.
  public init(tolerance: Double = 1e-6, iterationLimit: Int = 1000) {
    self.tolerance = tolerance
    self.iterationLimit = iterationLimit
  }

  /// The gains still to come per observation, by Aitken's estimate from the last two; nil if they do not shrink.
  static func remainingGain(last: Double, previous: Double) -> Double? {
    guard previous > 0, last < previous else { return nil }
    guard last > 0 else { return 0 }
    let ratio = last / previous
    return last * ratio / (1 - ratio)
  }

  /// Whether the gains so far, in nats per observation and oldest first, show that little is left.
  func isMet(gains: [Double]) -> Bool {
    guard tolerance > 0, let last = gains.last else { return false }
    if last <= 0 { return true }
    guard last < tolerance, gains.count >= 2 else { return false }
    let remaining = Self.remainingGain(last: last, previous: gains[gains.count - 2])
    return remaining.map { $0 < tolerance } ?? false
  }
}

/// Why a fit stopped.
public enum StoppingReason: String, Sendable, Codable {
  /// Little was left to gain, by the ``StoppingRule``.
  case converged
  /// The iteration limit was reached first.
  case iterationLimit
  /// The observer asked to stop.
  case observer
}
