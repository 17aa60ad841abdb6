// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// When to stop iterating: when little is left to gain, or after so many iterations.
///
/// What is left is judged by the gain gₜ = (ℓₜ − ℓₜ₋₁) / W per observation (W is the total case weight) and by Aitken's
/// estimate of all gains to come: EM converges linearly, so with a = gₜ / gₜ₋₁ < 1 they sum to gₜ a / (1 − a). The rule is
/// met when both gₜ and that estimate are below the tolerance. A small gain alone is not enough: on a plateau gains are
/// small but grow, and near a slow end they are small but many. After Böhning et al. (1994),
/// [doi:10.1007/BF01720593](https://doi.org/10.1007/BF01720593).
///
/// Accelerated gains follow no such law, so there the rule asks what EM itself would still have to do. With f the step
/// that EM takes from the current model and G the information of the complete data, EM's next gain is between half of
/// fᵀ G f and all of it, and the gains of all its steps sum to fᵀ G f / 2 λ at most, where λ is the least curvature
/// relative to G. The last forty iterations show curvatures; the least positive one stands for λ, and the last ten must
/// be positive, as they are not on a plateau. The rule is met when the last gain, fᵀ G f and the estimate of what is left
/// are all below the tolerance, in two iterations one after the other, or below a tenth of it in one.
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

  /// Whether the outlooks so far, oldest first, and the last gain, all in nats per observation, show that little is left.
  func isMet(gain: Double, outlooks: [Outlook]) -> Bool {
    func isMet(_ outlook: Outlook, _ tolerance: Double) -> Bool {
      outlook.nextGain < tolerance && outlook.remainingGain < tolerance
    }
    guard tolerance > 0, gain < tolerance, let last = outlooks.last else { return false }
    if isMet(last, tolerance / 10) { return true }
    return outlooks.count >= 2 && outlooks.suffix(2).allSatisfy { isMet($0, tolerance) }
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
