// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How far an ``OnlineMixture`` goes with each batch: γₜ, the share of batch t in the statistics once it is absorbed.
///
/// Batch s still has the share γₛ ∏ (1 − γᵤ) over s < u ≤ t after batch t, so that about 1 / γₜ batches are remembered.
public enum StepSize: Sendable, Codable, Equatable {
  /// γₜ = (t + offset)^−exponent, for a source that stays the same: the memory grows and the estimate converges.
  ///
  /// - exponent: More than 0.5 and at most 1, so that Σ γₜ is infinite and Σ γₜ² is not. With 1 and offset 0 all batches
  ///   count alike. That is only best if the first batches were assigned to components as well as the last; smaller
  ///   exponents forget sooner.
  /// - offset: Zero or more; about how many batches the start counts for, and exactly so many with exponent 1.
  case decaying(exponent: Double, offset: Double)
  /// γₜ = γ, more than 0 and at most 1, for a source that drifts: the last 1 / γ batches or so count, always.
  case constant(Double)

  /// γₜ of batch t, counted from 1.
  ///
  /// **Numerics.** With exponent 1 exactly the rounded quotient 1 / (t + offset).
  public func value(batch t: Int) -> Double {
    switch self {
    case .constant(let step): return step
    case .decaying(1, let offset): return 1 / (Double(t) + offset)
    case .decaying(let exponent, let offset):
      return Kernels.exp(-exponent * Kernels.log(Double(t) + offset))
    }
  }

  func require() throws(MixtureError) {
    switch self {
    case .constant(let step):
      guard step > 0, step <= 1 else {
        throw MixtureError(
          .invalidSetting,
          "the constant step is \(step); it must be more than 0 and at most 1, the share of the newest batch."
        )
      }
    case .decaying(let exponent, let offset):
      guard exponent > 0.5, exponent <= 1 else {
        throw MixtureError(
          .invalidSetting,
          "the exponent of the steps is \(exponent); it must be more than 0.5 and at most 1, "
            + "or the estimate does not converge. A constant step follows sources that drift.")
      }
      guard offset >= 0, offset.isFinite else {
        throw MixtureError(
          .invalidSetting,
          "the offset of the steps is \(offset); it must be 0 or a positive number of batches.")
      }
    }
  }
}
