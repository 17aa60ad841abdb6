// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// The number of features, d, of observations that every algorithm of the lesson can work on.
///
/// - Throws: `MixtureError.Code.emptyObservations`, `MixtureError.Code.shapeMismatch` or
///   `MixtureError.Code.nonFiniteObservation`, naming the first row at fault.
func checkedFeatureCount(of X: [[Double]]) throws(MixtureError) -> Int {
  guard let d = X.first?.count, d > 0 else {
    throw MixtureError(
      .emptyObservations, "there are no observations; at least one row of one feature is needed.")
  }
  for (i, row) in X.enumerated() {
    guard row.count == d else {
      throw MixtureError(
        .shapeMismatch, "row \(i) has \(row.count) features, but row 0 has \(d); all must agree.")
    }
    for (j, value) in row.enumerated() where !value.isFinite {
      throw MixtureError(
        .nonFiniteObservation, "row \(i) holds \(value) in column \(j); every value must be finite."
      )
    }
  }
  return d
}

/// Checks a number of components.
///
/// - Throws: `MixtureError.Code.invalidSetting` unless it is at least 1.
func checkComponentCount(_ K: Int) throws(MixtureError) {
  guard K >= 1 else {
    throw MixtureError(.invalidSetting, "the number of components is \(K); it must be at least 1.")
  }
}

/// The mean of each column.
///
/// **Numerics.** Taken from the first row onwards, so that the mean of equal numbers is that number.
func columnMeans(_ X: [[Double]]) -> [Double] {
  var means = X[0]
  for x in X {
    for j in means.indices { means[j] += (x[j] - X[0][j]) / Double(X.count) }
  }
  return means
}

/// The maximum-likelihood variance of each column: the mean square about the column's mean.
func columnVariances(_ X: [[Double]]) -> [Double] {
  let means = columnMeans(X)
  var variances = [Double](repeating: 0, count: means.count)
  for x in X {
    for j in means.indices {
      variances[j] += (x[j] - means[j]) * (x[j] - means[j]) / Double(X.count)
    }
  }
  return variances
}

extension Matrix {
  /// The rows as plain arrays, the form in which the lesson's loops take observations.
  public var plainRows: [[Double]] { (0..<rowCount).map(row) }

  /// The given matrices one below the other, as `numpy.vstack` puts them.
  ///
  /// - Throws: `MixtureError.Code.shapeMismatch` unless all have as many columns as the first.
  public init(stacking parts: [Matrix]) throws(MixtureError) {
    let columnCount = parts.first?.columnCount ?? 0
    for (index, part) in parts.enumerated() where part.columnCount != columnCount {
      throw MixtureError(
        .shapeMismatch,
        "matrix \(index) has \(part.columnCount) columns, but matrix 0 has \(columnCount).")
    }
    try self.init(
      rowCount: parts.reduce(0) { $0 + $1.rowCount }, columnCount: columnCount,
      elements: parts.flatMap(\.elements))
  }
}
