// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The location and spread of a whole table: what starts and floors are measured by.
struct DataScale: Sendable {
  /// The moments of all rows as one component, about their mean.
  let moments: SufficientStatistics
  /// The mean of each feature.
  let means: [Double]
  /// The variance of each feature (divided by n).
  let variances: [Double]

  /// Measures a table, in two passes: the mean, then moments about it.
  ///
  /// - Throws: ``MixtureError/Code/nonFiniteObservation`` naming the first such value.
  init(
    _ source: some ObservationSource, form: CovarianceStructure.Form, threadCount: Int
  ) throws(MixtureError) {
    let d = source.featureCount
    // Moments about a row of the table: exact zeros for constant columns, whatever their offset.
    var origin = Matrix(repeating: 0, rowCount: 1, columnCount: d)
    try source.withRows(0..<1) { rows in
      for j in 0..<d { origin[0, j] = rows[0, j].isFinite ? rows[0, j] : 0 }
    }
    let form: CovarianceStructure.Form = form == .full ? .full : .diagonal
    func moments(
      about origin: Matrix, _ form: CovarianceStructure.Form
    ) throws(MixtureError) -> SufficientStatistics {
      try source.statistics(about: origin, form: form, threadCount: threadCount) {
        workspace, _, _ in
        workspace.setHardResponsibilities(1) { _ in 0 }
      }
    }
    let rough = try moments(about: origin, .diagonal)
    let mean = Matrix(unchecked: rough.mean(0), rowCount: 1, columnCount: d)
    self.moments = try moments(about: mean, form)
    means = self.moments.mean(0)
    let n = self.moments.zeroth(0)
    let roughSquares = Array(rough.second(0))
    variances = self.moments.scatter(0, as: .diagonal).enumerated().map {
      roughSquares[$0] == 0 ? 0 : max($1 / n, 0)
    }
    if let j = variances.firstIndex(where: { !$0.isFinite }) {
      throw MixtureError(
        .degenerateObservations,
        "\(source.describeFeature(j)) spreads too far for double precision: its variance overflows. "
          + "Rescale the column, for example by its largest absolute value.")
    }
    let roughSums = Array(rough.first(0))
    if let j = variances.indices.first(where: {
      variances[$0] < Self.smallestVariance && (variances[$0] > 0 || roughSums[$0] != 0)
    }) {
      throw MixtureError(
        .degenerateObservations,
        "\(source.describeFeature(j)) spreads too little for double precision: its variance is "
          + "\(variances[j]) (limit \(Self.smallestVariance)). Rescale the column.")
    }
  }

  /// Variances below this leave no room for a floor above the subnormal numbers.
  private static let smallestVariance = 1e-290

  /// Requires that the rows determine a covariance of the given structure.
  ///
  /// - Throws: ``MixtureError/Code/degenerateObservations`` saying why they do not and what helps.
  func requireSpread(
    for structure: CovarianceStructure, of source: some ObservationSource
  ) throws(MixtureError) {
    let d = source.featureCount
    let n = source.observationCount
    guard n > 1 else {
      throw MixtureError(
        .degenerateObservations,
        "the table has one row, which has no spread; a mixture needs at least two different rows.")
    }
    guard variances.contains(where: { $0 > 0 }) else {
      throw MixtureError(
        .degenerateObservations,
        "all \(n) rows are equal, so there is no spread to describe; a mixture needs at least two "
          + "different rows.")
    }
    if structure.form == .scalar { return }
    if let j = variances.firstIndex(of: 0) {
      throw MixtureError(
        .degenerateObservations,
        "\(source.describeFeature(j)) has the same value in all \(n) rows, so its variance is zero. "
          + "Leave the column out, or use a spherical covariance.")
    }
    guard structure.form == .full else { return }
    let spread = variances.map { ($0 * moments.zeroth(0)).squareRoot() }
    var correlation = moments.scatter(0, as: .full)
    for i in 0..<d {
      for j in 0...i {
        correlation[i * (i + 1) / 2 + j] =
          i == j ? 1 : correlation[i * (i + 1) / 2 + j] / (spread[i] * spread[j])
      }
    }
    // A column whose share unexplained by the others is below this is a combination of them, to rounding.
    let unexplained = 1e-12
    guard Cholesky(packed: correlation, order: d, tolerance: unexplained) == nil else { return }
    if n <= d {
      throw MixtureError(
        .degenerateObservations,
        "\(n) rows cannot determine a full covariance of \(d) features; more than \(d) rows are "
          + "needed. Use fewer columns, or a diagonal or spherical covariance.")
    }
    for i in 0..<d {
      for j in 0..<i where 1 - abs(correlation[i * (i + 1) / 2 + j]) < unexplained {
        throw MixtureError(
          .degenerateObservations,
          "\(source.describeFeature(j)) and \(source.describeFeature(i)) are collinear: each "
            + "determines the other, so a full covariance is singular. "
            + "Leave one of them out, or use a diagonal or spherical covariance.")
      }
    }
    let dependent = (1...d).first { order in
      Cholesky(
        packed: correlation.prefix(order * (order + 1) / 2), order: order, tolerance: unexplained)
        == nil
    }
    throw MixtureError(
      .degenerateObservations,
      "\(source.describeFeature((dependent ?? d) - 1)) is a linear combination of the columns before "
        + "it, so a full covariance is singular. Leave it out, or use a diagonal or spherical "
        + "covariance.")
  }
}

extension ObservationSource {
  /// The number of different rows, counted up to `limit` only.
  ///
  /// - Complexity: O(n·d) at worst; it stops as soon as the limit is reached.
  func distinctRowCount(upTo limit: Int) throws(MixtureError) -> Int {
    var seen = Set<[Double]>()
    let step = 256
    for start in stride(from: 0, to: observationCount, by: step) {
      try withRows(start..<Swift.min(start + step, observationCount)) { rows in
        for row in 0..<rows.count {
          // Adding zero makes −0 and 0 the same.
          seen.insert((0..<featureCount).map { rows[row, $0] + 0 })
          if seen.count >= limit { return }
        }
      }
      if seen.count >= limit { return limit }
    }
    return seen.count
  }

  /// One row.
  func row(_ index: Int) throws(MixtureError) -> [Double] {
    var values: [Double] = []
    try withRows(index..<index + 1) { rows in values = (0..<featureCount).map { rows[0, $0] } }
    return values
  }
}
