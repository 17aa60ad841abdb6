// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Where a fit starts.
public enum Initialization: Sendable, Equatable, Codable {
  /// An M-step from the partition that k-means finds, seeded by k-means++ in units of each feature's standard
  /// deviation. Of large tables a random part is searched: at least 16,384 rows and 256 for each component.
  case kMeans
  /// Means at randomly chosen rows, equal weights, and the covariance of all rows for every component.
  case randomRows
  /// An M-step from responsibilities drawn at random for every row.
  case randomResponsibilities
  /// An M-step from the given component, 0 ..< K, of every row.
  case labels([Int])
  /// The given model; the first step is an E-step.
  case model(GaussianMixture)

  /// Whether the start depends on the seed, so that restarts differ.
  var isRandom: Bool {
    switch self {
    case .kMeans, .randomRows, .randomResponsibilities: return true
    case .labels, .model: return false
    }
  }
}

/// What a start yields: statistics for a first M-step, or a model.
enum Start {
  case statistics(SufficientStatistics)
  case model(GaussianMixture)
}

extension ExpectationMaximization {
  /// The start of restart number `restart`; a function of the data, the settings, the seed and that number alone.
  func start(
    on source: some ObservationSource, scale: DataScale, componentCount K: Int, restart: Int,
    threadCount: Int
  ) throws(MixtureError) -> Start {
    let form = covariance.form
    switch initialization {
    case .kMeans:
      var random = RandomStream(seed: seed, stream: UInt64(restart))
      let limit = max(16_384, 256 * K)
      let part = try source.drawRows(limit, random: &random)
      let centroids = KMeans(part, count: K, variances: scale.variances, random: &random).centroids
      let factors = scale.variances.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
      let zeros = Array(repeating: 0.0, count: K)
      return .statistics(
        try source.statistics(about: centroids, form: form, threadCount: threadCount) {
          workspace, _, _ in
          workspace.computeLogJoint(
            form: .diagonal, means: centroids.elements, factors: factors, factorStride: 0,
            constants: zeros)
          workspace.findLabels(K)
          workspace.setHardResponsibilities(K, workspace.label)
        })
    case .randomRows:
      var random = RandomStream(seed: seed, stream: UInt64(restart))
      return .model(try randomRows(source, scale: scale, count: K, random: &random))
    case .randomResponsibilities:
      let origins = Matrix(
        unchecked: (0..<K).flatMap { _ in scale.means }, rowCount: K,
        columnCount: source.featureCount)
      return .statistics(
        try source.statistics(about: origins, form: form, threadCount: threadCount) {
          workspace, rows, _ in
          var values = Array(repeating: 0.0, count: rows.count * K)
          for (i, row) in rows.enumerated() {
            // Row i has a stream of its own, so its draw does not depend on who makes it.
            var random = RandomStream(
              seed: seed, stream: UInt64(restart) << 48 | UInt64(row) | 1 << 47)
            var sum = 0.0
            for k in 0..<K {
              values[i * K + k] = random.uniform()
              sum += values[i * K + k]
            }
            for k in 0..<K { values[i * K + k] /= sum }
          }
          workspace.setResponsibilities(K) { row, k in values[row * K + k] }
        })
    case .labels(let labels):
      let means = try partition(
        source, labels, about: Array(repeating: scale.means, count: K), form: .scalar, threadCount)
      let centers = (0..<K).map { means.zeroth($0) > 0 ? means.mean($0) : scale.means }
      return .statistics(
        try partition(source, labels, about: centers, form: form, threadCount))
    case .model(let model):
      return .model(model)
    }
  }

  private func partition(
    _ source: some ObservationSource, _ labels: [Int], about origins: [[Double]],
    form: CovarianceStructure.Form, _ threadCount: Int
  ) throws(MixtureError) -> SufficientStatistics {
    let origins = try Matrix(rows: origins)
    return try source.statistics(about: origins, form: form, threadCount: threadCount) {
      workspace, rows, _ in
      workspace.setHardResponsibilities(origins.rowCount) { labels[rows.lowerBound + $0] }
    }
  }

  private func randomRows(
    _ source: some ObservationSource, scale: DataScale, count K: Int, random: inout RandomStream
  ) throws(MixtureError) -> GaussianMixture {
    var chosen: [[Double]] = []
    var attempts = 0
    while chosen.count < K {
      let row = try source.row(random.index(below: source.observationCount))
      attempts += 1
      // Different rows, unless they are so rare that looking for them would not end.
      if !chosen.contains(row) || attempts > 100 * K { chosen.append(row) }
    }
    let whole = try GaussianMixture(
      maximizing: scale.moments, structure: covariance,
      minimumVariances: scale.variances.map { $0 * covarianceFloor })
    let covariances = whole.covariances
    return try GaussianMixture(
      weights: Array(repeating: 1 / Double(K), count: K), means: Matrix(rows: chosen),
      covariances: Covariances(
        structure: covariance, componentCount: K, featureCount: source.featureCount,
        elements: Array(
          repeatElement(covariances.elements, count: covariance.isShared ? 1 : K).joined())))
  }
}

extension ObservationSource {
  /// At most `limit` rows in memory: all of them, or one drawn from each of `limit` equal stretches of the table.
  func drawRows(_ limit: Int, random: inout RandomStream) throws(MixtureError) -> Observations {
    let n = observationCount
    let count = Swift.min(limit, n)
    var elements: [Double] = []
    elements.reserveCapacity(count * featureCount)
    for i in 0..<count {
      // Stretch i starts at ⌊i n / count⌋; the product of two counts of rows fits.
      let (first, next) = (i * n / count, (i + 1) * n / count)
      let row = count == n ? i : first + random.index(below: next - first)
      elements += try self.row(row)
    }
    return try Observations(
      Matrix(unchecked: elements, rowCount: count, columnCount: featureCount))
  }
}
