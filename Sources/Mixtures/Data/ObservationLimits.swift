// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Limits between which cells are known to lie whose values are not known: censored cells.
///
/// A cell that is NaN lies between its limits; a value below a detection limit has the limits −∞ and that limit. Limits of
/// −∞ and ∞ say nothing: the cell is a missing value. Cells with a value need none. Under measurement noise the limits are
/// those of the measured value.
public struct CensoringLimits: Sendable, Equatable {
  /// n × d; −∞ where there is none.
  public var lower: Matrix
  /// n × d; ∞ where there is none.
  public var upper: Matrix

  /// Limits for each cell.
  public init(lower: Matrix, upper: Matrix) {
    self.lower = lower
    self.upper = upper
  }
}

/// A box outside of which nothing was observed, so that the rows are a truncated part of what there is.
///
/// The density that is fitted is that of all there is, p; rows enter the likelihood with p(x) / P(box)
/// (Lee & Scott 2012, [doi:10.1016/j.csda.2012.03.003](https://doi.org/10.1016/j.csda.2012.03.003)). With measurement noise it
/// is the measured value that lies in the box; a missing value lies in it too.
public struct ObservationWindow: Sendable, Equatable, Codable {
  /// d numbers; −∞ where there is no limit.
  public var lower: [Double]
  /// d numbers; ∞ where there is no limit.
  public var upper: [Double]

  /// A box from its corners.
  public init(lower: [Double], upper: [Double]) {
    self.lower = lower
    self.upper = upper
  }

  /// Whether it limits anything.
  var isActive: Bool {
    lower.contains { $0 > -.infinity } || upper.contains { $0 < .infinity }
  }
}

/// The probability that a row is observed, where that depends on its features: a selection function.
///
/// Rows enter the likelihood with p(x) / P, where P = ∫ s(x) p(x) dx is the share of all there is that is observed
/// (Melchior & Goulding 2018, [doi:10.1016/j.ascom.2018.09.013](https://doi.org/10.1016/j.ascom.2018.09.013)). The factor s(x) of
/// each row does not depend on the mixture and is left out of the log-likelihood.
public final class SelectionFunction: Sendable, Equatable {
  /// The probability, 0 … 1, at d features; called from several threads.
  public let probability: @Sendable ([Double]) -> Double
  /// At how many points of each component it is asked in every iteration. The points are quasi-random and always the same
  /// ones of a standard normal density, so that results repeat to the bit.
  public let pointCount: Int

  /// A selection function.
  public init(
    pointCount: Int = 4096, probability: @escaping @Sendable ([Double]) -> Double
  ) {
    self.probability = probability
    self.pointCount = pointCount
  }

  /// Whether both are the same object.
  public static func == (a: SelectionFunction, b: SelectionFunction) -> Bool { a === b }
}

// MARK: - Checks

extension RowAnnotations {
  /// Requires limits that fit a table, and that can be. The rows themselves are looked at where they are read.
  func requireValidLimits(rowCount n: Int, featureCount d: Int) throws(MixtureError) {
    if let limits {
      guard limits.lower.rowCount == n, limits.lower.columnCount == d,
        limits.upper.rowCount == n, limits.upper.columnCount == d
      else {
        throw MixtureError(
          .shapeMismatch,
          "the limits are \(limits.lower.rowCount) × \(limits.lower.columnCount) and "
            + "\(limits.upper.rowCount) × \(limits.upper.columnCount); the table is \(n) × \(d).")
      }
      for index in limits.lower.elements.indices {
        let (lower, upper) = (limits.lower.elements[index], limits.upper.elements[index])
        guard lower < upper, lower < .infinity, upper > -.infinity else {
          throw MixtureError(
            .invalidAnnotation,
            "row \(index / d) (counted from 0), feature \(index % d): the limits are \(lower) and \(upper); the "
              + "lower must be below the upper. Give a value that is known as a value.")
        }
      }
    }
    if let window {
      guard window.lower.count == d, window.upper.count == d else {
        throw MixtureError(
          .shapeMismatch,
          "the window has \(window.lower.count) lower and \(window.upper.count) upper ends; there are \(d) "
            + "features.")
      }
      for j in 0..<d where !(window.lower[j] < window.upper[j]) {
        throw MixtureError(
          .invalidAnnotation,
          "the window of feature \(j) is \(window.lower[j]) to \(window.upper[j]); the lower end must be below the "
            + "upper.")
      }
    }
    if let selection, selection.pointCount < 1 {
      throw MixtureError(
        .invalidAnnotation,
        "the selection function is asked at \(selection.pointCount) points; 1 is the least.")
    }
    guard window == nil || selection == nil else {
      throw MixtureError(
        .invalidAnnotation,
        "there are a window and a selection function; let the selection function be 0 outside of the window."
      )
    }
    if projections != nil, window != nil || selection != nil || limits != nil {
      throw MixtureError(
        .invalidAnnotation,
        "projections cannot be combined with limits, a window or a selection function, which are of features."
      )
    }
    if noise != nil, selection != nil {
      throw MixtureError(
        .invalidAnnotation,
        "a selection function is one of the true features, and says nothing of rows that were measured with "
          + "noise. Use a window, which is one of the measured features.")
    }
  }

  /// The limits of a cell that has no value: its own, inside of the window.
  func limits(row: Int, feature j: Int) -> (lower: Double, upper: Double) {
    var (lower, upper) = (-Double.infinity, Double.infinity)
    if let limits { (lower, upper) = (limits.lower[row, j], limits.upper[row, j]) }
    if let window { (lower, upper) = (max(lower, window.lower[j]), min(upper, window.upper[j])) }
    return (lower, upper)
  }
}
