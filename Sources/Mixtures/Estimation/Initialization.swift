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

/// How short runs are made: several starts on a part of the table, a few iterations each, and the best goes on.
struct ShortRuns {
  var candidateCount = 8
  var iterationCount = 5
  var rowLimit = 8192
  var rowsPerComponent = 128
  /// The first candidate's rows for each centroid, and the others'.
  var greedy = [0, 1]
  var lloyd = [50, 3]
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
      let part = try DrawnPart(source, limit: max(16_384, 256 * K), scale: scale, random: &random)
      let centroids = try KMeans(
        part.standardized, count: K, threadCount: threadCount, random: &random
      ).centroids
      return .statistics(
        try source.partition(
          by: part.original(centroids), scale: scale, form: form, threadCount: threadCount))
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

  /// The best of a few candidates after some iterations on a part of the table, or nil if none has a model.
  func shortRun(
    on source: some ObservationSource, scale: DataScale, componentCount K: Int, restart: Int,
    threadCount: Int, _ plan: ShortRuns
  ) throws(MixtureError) -> GaussianMixture? {
    var random = RandomStream(seed: seed, stream: UInt64(restart))
    let part = try DrawnPart(
      source, limit: max(plan.rowLimit, plan.rowsPerComponent * K), scale: scale, random: &random)
    var settings = self
    settings.componentCount = K
    settings.stoppingRule = StoppingRule(tolerance: 0, iterationLimit: plan.iterationCount)
    var best: EMRun?
    for candidate in 0..<plan.candidateCount {
      var random = RandomStream(
        seed: seed, stream: UInt64(candidate + 1) << 16 | UInt64(restart))
      let which = candidate == 0 ? 0 : 1
      let centroids = try KMeans(
        part.standardized, count: K,
        candidateCount: plan.greedy[which] == 0 ? nil : plan.greedy[which],
        limits: KMeans.Limits(iterations: plan.lloyd[which]), threadCount: threadCount,
        random: &random
      ).centroids
      let statistics = try part.rows.partition(
        by: part.original(centroids), scale: scale, form: covariance.form, threadCount: threadCount)
      var run = EMRun(settings, scale: scale, restart: restart, threadCount: threadCount)
      try run.iterate(on: part.rows, from: .statistics(statistics), observer: nil)
      if best.map({ run.logLikelihood > $0.logLikelihood }) ?? true { best = run }
    }
    return best?.model
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

/// The part of a table that starts are sought on, in memory.
struct DrawnPart: Sendable {
  /// The rows, as in the table.
  let rows: Observations
  /// The same rows in units of each feature's standard deviation, about the mean of the whole table; zeros where a
  /// feature never varies.
  let standardized: Observations
  private let means: [Double]
  private let deviations: [Double]

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
