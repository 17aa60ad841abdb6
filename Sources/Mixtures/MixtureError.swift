// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The one error of this package: a code for programs and a message for people.
///
/// A message says what is wrong, where, what was found, what the limit is and what to do about it.
public struct MixtureError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What kind of thing went wrong. More codes may be added; compare, do not switch exhaustively.
  public struct Code: RawRepresentable, Sendable, Hashable {
    /// The code's stable spelling.
    public let rawValue: String

    /// The code with the given spelling.
    public init(rawValue: String) {
      self.rawValue = rawValue
    }

    /// Array shapes that do not fit together.
    public static let shapeMismatch = Code(rawValue: "shapeMismatch")
    /// Observations whose number of features differs from the model's.
    public static let featureCountMismatch = Code(rawValue: "featureCountMismatch")
    /// NaN or infinity among the observations.
    public static let nonFiniteObservation = Code(rawValue: "nonFiniteObservation")
    /// No observations or no features at all.
    public static let emptyObservations = Code(rawValue: "emptyObservations")
    /// Observations that leave a covariance of the requested structure undefined.
    public static let degenerateObservations = Code(rawValue: "degenerateObservations")
    /// A setting outside its range.
    public static let invalidSetting = Code(rawValue: "invalidSetting")
    /// Weights, means or covariances that are no mixture.
    public static let invalidModel = Code(rawValue: "invalidModel")
    /// A covariance that is not positive definite.
    public static let notPositiveDefinite = Code(rawValue: "notPositiveDefinite")
    /// A file that cannot be read.
    public static let unreadableFile = Code(rawValue: "unreadableFile")
    /// A file that cannot be written.
    public static let unwritableFile = Code(rawValue: "unwritableFile")
    /// A file whose content is not what its kind demands.
    public static let malformedFile = Code(rawValue: "malformedFile")
  }

  /// What kind of thing went wrong.
  public let code: Code
  /// What, where, got, limit, remedy.
  public let message: String

  /// An error with a code and its message.
  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The message.
  public var description: String { message }
}
