// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What to do with a component that collapses: that loses all its weight, or whose covariance becomes singular
/// although a floor of zero lets it.
public enum RescuePolicy: String, Sendable, Codable, CaseIterable {
  /// Move it to the observation that the others explain worst; if that does not help, drop it.
  case reseed
  /// Add what it holds to the component nearest to it.
  case merge
  /// Drop it.
  case drop
}

/// What was done to keep a fit alive.
public struct RescueEvent: Sendable, Codable, Equatable {
  /// What was done to a component.
  public enum Action: String, Sendable, Codable {
    /// Its covariance was raised to the floor.
    case floored
    /// It was moved to the observation that was explained worst.
    case reseeded
    /// It was added to another component.
    case merged
    /// It was removed.
    case dropped
    /// There were fewer distinct observations than components asked for, so fewer were begun with.
    case reduced
    /// Its covariance, or all of it, was kept as it was: see ``OnlineMixture``.
    case kept
  }

  /// What was done.
  public let action: Action
  /// The component, numbered from 0 as at that iteration; for `reduced` the number of components left.
  public let component: Int
  /// The iteration whose M-step met the collapse; 0 is the start. Of an ``OnlineMixture`` the batch, from 1.
  public let iteration: Int
  /// In words: what was met, and the limit that it crossed.
  public let detail: String
}
