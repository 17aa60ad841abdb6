// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The part of a table that starts are sought on, in memory.
struct DrawnPart: Sendable {
  /// The rows, as in the table.
  let rows: Observations
  /// The same rows in units of each feature's standard deviation, about the mean of the whole table; zeros where a
  /// feature never varies.
  let standardized: Observations
  private let means: [Double]
  private let deviations: [Double]

  /// How many rows place components as well as all would: enough for each component's mean and, if there is one, for its
  /// full covariance.
  static func rowLimit(
    componentCount K: Int, featureCount d: Int, form: CovarianceStructure.Form
  ) -> Int {
    max(2048, K * max(128, form == .full ? 2 * d : 0))
  }

  /// At most `limit` rows: all of them, or one drawn from each of `limit` equal stretches of the table.
  init(
    _ source: some ObservationSource, limit: Int, scale: DataScale, random: inout RandomStream
  ) throws(MixtureError) {
    let n = source.observationCount
    let d = source.featureCount
    let count = min(limit, n)
    means = scale.means
    deviations = scale.variances.map { $0.squareRoot() }
    let inverses = deviations.map { $0 > 0 ? 1 / $0 : 0 }
    var elements: [Double] = []
    elements.reserveCapacity(count * d)
    func append(_ rows: StridedRows) {
      for i in 0..<rows.count {
        for j in 0..<d { elements.append(rows[i, j]) }
      }
    }
    if count == n {
      let step = 4096
      for start in stride(from: 0, to: n, by: step) {
        try source.withRows(start..<min(start + step, n), append)
      }
    } else {
      for i in 0..<count {
        // Stretch i starts at ⌊i n / count⌋; the product of two counts of rows fits.
        let (first, next) = (i * n / count, (i + 1) * n / count)
        let row = first + random.index(below: next - first)
        try source.withRows(row..<row + 1, append)
      }
    }
    rows = try Observations(Matrix(unchecked: elements, rowCount: count, columnCount: d))
    for i in 0..<count {
      for j in 0..<d { elements[i * d + j] = (elements[i * d + j] - means[j]) * inverses[j] }
    }
    standardized = try Observations(Matrix(unchecked: elements, rowCount: count, columnCount: d))
  }

  /// Points in the units of the table.
  func original(_ points: Matrix) -> Matrix {
    var result = points
    for i in 0..<points.rowCount {
      for j in 0..<points.columnCount { result[i, j] = means[j] + points[i, j] * deviations[j] }
    }
    return result
  }
}

extension ObservationSource {
  /// The statistics of the partition that gives each row to the nearest of some points, in units of each feature's
  /// standard deviation.
  func partition(
    by points: Matrix, scale: DataScale, form: CovarianceStructure.Form, threadCount: Int
  ) throws(MixtureError) -> SufficientStatistics {
    let factors = scale.variances.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
    let zeros = Array(repeating: 0.0, count: points.rowCount)
    return try statistics(about: points, form: form, threadCount: threadCount) { workspace, _, _ in
      workspace.computeLogJoint(
        form: .diagonal, means: points.elements, factors: factors, factorStride: 0,
        constants: zeros)
      workspace.findLabels(points.rowCount)
      workspace.setHardResponsibilities(points.rowCount, workspace.label)
    }
  }
}
