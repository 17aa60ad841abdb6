// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures

/// The rows of a table that a picture shows: all of them, or some taken evenly from first to last.
struct DrawnRows {
  /// The number of rows of the table.
  let observationCount: Int
  /// The number of features, d.
  let featureCount: Int
  /// Which rows are drawn, ascending.
  let indices: [Int]
  /// Their values, row after row. NaN stands for a missing value.
  let values: [Double]

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
    let m = min(n, max(1, limit))
    // Row ⌊i n / m⌋, split so that the product cannot overflow.
    let indices = (0..<m).map { $0 * (n / m) + $0 * (n % m) / m }
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
            values.append(value.isFinite ? value : .nan)
          }
        }
      }
      next = stop
    }
    observationCount = n
    featureCount = d
    self.indices = indices
    self.values = values
  }

  /// The values of the i-th drawn row.
  func row(_ i: Int) -> ArraySlice<Double> { values[i * featureCount..<(i + 1) * featureCount] }

  /// The values of one feature.
  func column(_ feature: Int) -> some Sequence<Double> {
    stride(from: feature, to: values.count, by: featureCount).lazy.map { values[$0] }
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
