// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The location and spread of a whole table: what starts and floors are measured by.
struct DataScale: Sendable {
  /// The moments of all rows as one component, about their mean.
  let moments: SufficientStatistics
  /// The mean of each feature.
  let means: [Double]
  /// The variance of each feature (divided by n).
  let variances: [Double]
  /// The background that a fit begins with; nil if there is none.
  var background: UniformBackground?

  /// Measures a table in one pass, about the mean of some of its rows; in a second about its own mean only if the two
  /// lie farther apart than the standard deviation of a feature.
  ///
  /// - Throws: ``MixtureError/Code/nonFiniteObservation`` naming the first such value.
  ///
  /// **Numerics.** Moving moments by less than a standard deviation costs less than one bit of the variances.
  init(
    _ source: some ObservationSource, form: CovarianceStructure.Form, threadCount: Int
  ) throws(MixtureError) {
    if let annotations = source.annotations, !annotations.isComplete {
      let measured = try Self.measure(incomplete: source, form: form)
      self.moments = measured.moments
      means = measured.means
      variances = measured.variances
      try requireRepresentable(source, isConstant: variances.map { $0 == 0 })
      return
    }
    let form: CovarianceStructure.Form = form == .full ? .full : .diagonal
    let weights = source.annotations?.caseWeights?.values
    func moments(about origin: [Double]) throws(MixtureError) -> SufficientStatistics {
      let origins = Matrix(unchecked: origin, rowCount: 1, columnCount: origin.count)
      return try source.statistics(about: origins, form: form, threadCount: threadCount) {
        workspace, rows, _ in
        if let weights {
          workspace.setResponsibilities(1) { row, _ in weights[rows.lowerBound + row] }
        } else {
          workspace.setHardResponsibilities(1) { _ in 0 }
        }
      }
    }
    let rough = try RoughLocation(source)
    var measured = try moments(about: rough.origin)
    // Features that never vary: their sums about their only value are exact zeros, whatever their offset.
    let squares = measured.squares(0)
    let isConstant = zip(zip(measured.first(0), squares), rough.varies).map {
      $0 == (0, 0) && !$1
    }
    let count = measured.zeroth(0)
    let isFar = zip(measured.first(0), squares).contains { sum, square in
      sum * sum / count > 0.5 * square
    }
    if isFar { measured = try moments(about: measured.mean(0)) }
    self.moments = measured
    means = measured.mean(0)
    variances = zip(measured.scatter(0, as: .diagonal), isConstant).map {
      $1 ? 0 : max($0 / count, 0)
    }
    try requireRepresentable(source, isConstant: isConstant)
  }

  /// Requires variances that double precision can hold.
  func requireRepresentable(
    _ source: some ObservationSource, isConstant: [Bool]
  ) throws(MixtureError) {
    if let j = variances.firstIndex(where: { !$0.isFinite }) {
      throw MixtureError(
        .degenerateObservations,
        "\(source.describeFeature(j)) spreads too far for double precision: its variance overflows. "
          + "Rescale the column, for example by its largest absolute value.")
    }
    if let j = variances.indices.first(where: {
      variances[$0] < Self.smallestVariance && !isConstant[$0]
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
    // Of rows with gaps or noise it is not known before the fit.
    if let annotations = source.annotations, !annotations.isComplete { return }
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

/// Where some rows lie: an origin for the moments of all of them.
private struct RoughLocation {
  /// How many rows are looked at.
  private static let rowCount = 256

  /// The mean of the rows; of features that are the same in all of them exactly that value.
  let origin: [Double]
  /// Whether the rows differ in each feature.
  let varies: [Bool]

  init(_ source: some ObservationSource) throws(MixtureError) {
    let d = source.featureCount
    let n = source.observationCount
    let count = min(n, Self.rowCount)
    var first: [Double] = []
    var sums = Array(repeating: 0.0, count: d)
    var varies = Array(repeating: false, count: d)
    for i in 0..<count {
      // From all over the table, which may be sorted.
      let row = try source.row(i * (n / count))
      if i == 0 { first = row }
      for j in 0..<d {
        sums[j] += row[j] - first[j]
        if row[j] != first[j] { varies[j] = true }
      }
    }
    origin = (0..<d).map { j in
      let mean = first[j] + sums[j] / Double(count)
      // Where there is no such mean, the pass over all rows will say why.
      return mean.isFinite ? mean : first[j].isFinite ? first[j] : 0
    }
    self.varies = varies
  }
}

extension SufficientStatistics {
  /// The second moments of each feature with itself; not of a trace.
  fileprivate func squares(_ k: Int) -> [Double] {
    let second = second(k)
    return (0..<featureCount).map {
      second[second.startIndex + (form == .full ? $0 * ($0 + 3) / 2 : $0)]
    }
  }
}

extension ObservationSource {
  /// The number of different rows, counted up to `limit` only.
  ///
  /// - Complexity: O(n·d) at worst; it stops as soon as the limit is reached. Memory O(limit·d).
  func distinctRowCount(upTo limit: Int) throws(MixtureError) -> Int {
    var seen = DistinctRows(featureCount: featureCount, limit: Swift.min(limit, observationCount))
    let step = ShardGrid.rowsPerBlock(featureCount: featureCount)
    for start in stride(from: 0, to: observationCount, by: step) {
      try withRows(start..<Swift.min(start + step, observationCount)) { rows in
        for row in 0..<rows.count where seen.count < limit { seen.insert(rows, row) }
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

/// Different rows: a table of them by open addressing.
private struct DistinctRows {
  private let featureCount: Int
  private var elements: [Double] = []
  /// The number of the row in each place; −1 where there is none. Their count is a power of two.
  private var places: [Int]
  private var row: [Double]
  private(set) var count = 0

  /// Room for `limit` rows, less than half of the places.
  init(featureCount: Int, limit: Int) {
    self.featureCount = featureCount
    var size = 16
    while size < 2 * limit { size *= 2 }
    places = Array(repeating: -1, count: size)
    row = Array(repeating: 0, count: featureCount)
  }

  /// Adds a row unless an equal one is there.
  mutating func insert(_ rows: StridedRows, _ index: Int) {
    var hash: UInt64 = 0
    for j in 0..<featureCount {
      // Adding zero makes −0 and 0 the same.
      row[j] = rows[index, j] + 0
      hash = (hash ^ row[j].bitPattern) &* 0x9E37_79B9_7F4A_7C15
      hash ^= hash >> 29
    }
    var place = Int(truncatingIfNeeded: (hash &* 0xBF58_476D_1CE4_E5B9) >> 32) & (places.count - 1)
    while places[place] >= 0 {
      let start = places[place] * featureCount
      if (0..<featureCount).allSatisfy({ elements[start + $0] == row[$0] }) { return }
      place = (place + 1) & (places.count - 1)
    }
    places[place] = count
    count += 1
    elements += row
  }
}
