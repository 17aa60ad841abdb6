// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures

/// The rows of a table that a picture shows: all of them, or some taken evenly from first to last. Rows that hold projections
/// have no place among the features; they are left out, or, if there are no others, drawn nowhere.
struct DrawnRows {
  /// The number of rows of the table.
  let observationCount: Int
  /// The number of features, d.
  let featureCount: Int
  /// Which rows are drawn, ascending.
  let indices: [Int]
  /// Their values, row after row. NaN stands for a missing value, or one of which limits are known.
  let values: [Double]
  /// Their case weights; nil if all count once.
  let weights: [Double]?
  /// The limits of the cells without a value, row after row; nil if there are none.
  let limits: (lower: [Double], upper: [Double])?
  /// The mean of the weights that are positive.
  private let meanWeight: Double

  /// The number of rows drawn.
  var count: Int { indices.count }

  init(_ source: any ObservationSource, limit: Int) throws(MixtureError) {
    let n = source.observationCount
    let d = source.featureCount
    guard n > 0, d > 0 else {
      throw MixtureError(
        .emptyObservations,
        "the table has \(n) rows and \(d) columns; a picture needs at least one of each.")
    }
    let projections = source.annotations?.projections?.indices
    let places = projections.map { choices in (0..<n).filter { choices[$0] == nil } }
    let choice = places.flatMap { $0.isEmpty ? nil : $0 }
    let total = choice?.count ?? n
    let m = min(total, max(1, limit))
    // Row ⌊i n / m⌋, split so that the product cannot overflow.
    let indices = (0..<m).map {
      let number = $0 * (total / m) + $0 * (total % m) / m
      return choice?[number] ?? number
    }
    var values: [Double] = []
    values.reserveCapacity(m * d)
    let block = 4096
    var next = 0
    while next < m {
      // Blocks with no row wanted are never asked for.
      let start = indices[next]
      let end = min(n, start + block)
      var stop = next
      while stop < m, indices[stop] < end { stop += 1 }
      let wanted = indices[next..<stop]
      let last = wanted[wanted.endIndex - 1]
      try source.withRows(start..<last + 1) { rows in
        for index in wanted {
          for column in 0..<d {
            let value = rows[index - start, column]
            values.append(value.isFinite && projections?[index] == nil ? value : .nan)
          }
        }
      }
      next = stop
    }
    observationCount = n
    featureCount = d
    self.indices = indices
    self.values = values
    let annotations = source.annotations
    weights = annotations?.caseWeights.map { weights in indices.map { weights.values[$0] } }
    let positive = (weights ?? [1]).filter { $0 > 0 }
    meanWeight = positive.reduce(0, +) / Double(max(positive.count, 1))
    limits = annotations?.limits.map { limits in
      (
        indices.flatMap { limits.lower.row($0) }, indices.flatMap { limits.upper.row($0) }
      )
    }
  }

  /// The weight of the i-th drawn row over the mean of those that have one.
  func relativeWeight(_ i: Int) -> Double { weights.map { $0[i] / meanWeight } ?? 1 }

  /// The radius of the i-th drawn row's dot in units of the usual one: its area goes with the row's weight, but stays
  /// within a sixth and nine times the usual one. A row without weight has none.
  func radius(_ i: Int) -> Double {
    guard let weights else { return 1 }
    guard weights[i] > 0 else { return 0 }
    return min(max((weights[i] / meanWeight).squareRoot(), 0.4), 3)
  }

  /// Between which values a cell lies: both are its value if that is known; nil if nothing is known of it.
  func span(_ i: Int, _ feature: Int) -> CellSpan? {
    let index = i * featureCount + feature
    if !values[index].isNaN { return CellSpan(lower: values[index], upper: values[index]) }
    guard let limits, limits.lower[index] > -.infinity || limits.upper[index] < .infinity else {
      return nil
    }
    return CellSpan(lower: limits.lower[index], upper: limits.upper[index])
  }

  /// The values of one feature and the limits of cells without one.
  func extent(_ feature: Int) -> [Double] {
    guard limits != nil else { return Array(column(feature)) }
    return (0..<count).flatMap { i in span(i, feature).map { [$0.lower, $0.upper] } ?? [] }
  }

  /// The values of the i-th drawn row.
  func row(_ i: Int) -> ArraySlice<Double> { values[i * featureCount..<(i + 1) * featureCount] }

  /// The values of one feature.
  func column(_ feature: Int) -> some Sequence<Double> {
    stride(from: feature, to: values.count, by: featureCount).lazy.map { values[$0] }
  }
}

/// The values between which a cell lies; one of them is infinite if it is known from one side only.
struct CellSpan: Equatable {
  let lower: Double
  let upper: Double

  var isExact: Bool { lower == upper }
  /// Where it is drawn: the value, the limit, or the middle of two limits.
  var place: Double {
    lower == -.infinity ? upper : upper == .infinity ? lower : lower + 0.5 * (upper - lower)
  }
}

/// Requires the table and the model to have the same features.
func requireSameFeatures(
  _ source: any ObservationSource, _ model: GaussianMixture
) throws(MixtureError) {
  guard source.featureCount == model.featureCount else {
    throw MixtureError(
      .featureCountMismatch,
      "the observations have \(source.featureCount) features; the model has \(model.featureCount). "
        + "Choose the columns that the model was fitted on.")
  }
}

/// The names of d features: those given, then `feature 3` and so on where names are missing or empty.
func featureNames(_ names: [String], count: Int) -> [String] {
  (0..<count).map { $0 < names.count && !names[$0].isEmpty ? names[$0] : "feature \($0)" }
}
