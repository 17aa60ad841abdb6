// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Where a fit starts.
public enum Initialization: Sendable, Equatable, Codable {
  /// The best of four short runs: each an M-step from the partition that k-means finds and a few iterations, on a random
  /// part of the table; the likeliest goes on with the whole table.
  ///
  /// The part has at least 2,048 rows and 128 for each component (2 d with full covariances of more than 64 features). The
  /// runs make 5 iterations, the better two of them 10 more. Where that would cost more than about three iterations on the
  /// whole table and more than about ten milliseconds of one processor, there are two runs of 5 iterations, and where those
  /// would too, the start is ``kMeans``. So it is where k-means finds the same partition every time. Biernacki, Celeux &
  /// Govaert (2003), [doi:10.1016/S0167-9473(02)00163-9](https://doi.org/10.1016/S0167-9473(02)00163-9).
  case shortRuns
  /// An M-step from the partition that k-means finds, in units of each feature's standard deviation: centroids seeded by
  /// greedy k-means++ and moved by at most five of Lloyd's iterations, on a random part of the table as large as for
  /// ``shortRuns``. ``ExpectationMaximization/kMeans`` has other numbers.
  case kMeans
  /// An M-step from groups of a random part of the table, as large as for ``shortRuns``: k-means makes many small groups of
  /// it, and those are merged two by two, always those whose union costs the classification likelihood least.
  ///
  /// The likelihood is that of EII, of VII, of one covariance for all groups where the structure shares it, or of one for
  /// each otherwise; covariances are diagonal where the structure's are. Rows of which some belong to known components are
  /// grouped by k-means alone. Banfield & Raftery (1993), [doi:10.2307/2532201](https://doi.org/10.2307/2532201); Fraley
  /// (1998), [doi:10.1137/S1064827596311451](https://doi.org/10.1137/S1064827596311451).
  case hierarchical
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
    case .shortRuns, .kMeans, .hierarchical, .randomRows, .randomResponsibilities: return true
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
    if source.annotations != nil {
      return try annotatedStart(
        on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount)
    }
    let form = covariance.form
    switch initialization {
    case .shortRuns:
      let plan = ShortRuns.plan(
        rowCount: source.observationCount, featureCount: source.featureCount, componentCount: K,
        form: form, kMeans: kMeans)
      if let plan {
        return try shortRuns(
          plan, on: source, scale: scale, componentCount: K, restart: restart,
          threadCount: threadCount)
      }
      return try kMeansStart(
        on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount)
    case .kMeans:
      return try kMeansStart(
        on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount)
    case .hierarchical:
      return try hierarchicalStart(
        on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount)
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

  private func kMeansStart(
    on source: some ObservationSource, scale: DataScale, componentCount K: Int, restart: Int,
    threadCount: Int
  ) throws(MixtureError) -> Start {
    let (_, centroids) = try drawnCentroids(
      on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount
    ) { _ in K }
    return .statistics(
      try source.partition(
        by: centroids, scale: scale, form: covariance.form, threadCount: threadCount))
  }

  /// A part of the table that is as large as a start of K components needs, and the centroids of k-means on it, as many as
  /// `count` says for its number of rows.
  func drawnCentroids(
    on source: some ObservationSource, scale: DataScale, componentCount K: Int, restart: Int,
    threadCount: Int, count: (_ rowCount: Int) -> Int
  ) throws(MixtureError) -> (rows: Observations, centroids: Matrix) {
    var random = RandomStream(seed: seed, stream: UInt64(restart))
    let limit = kMeans.rowLimit(
      componentCount: K, featureCount: source.featureCount, form: covariance.form)
    let part = try DrawnPart(source, limit: limit, scale: scale, random: &random)
    let centroids = try KMeans(
      part.standardized, count: count(part.rows.observationCount), settings: kMeans,
      threadCount: threadCount, random: &random
    ).centroids
    return (part.rows, part.original(centroids))
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
    return try model(at: chosen, scale: scale)
  }

  /// A model with its components at given points, each with the covariance of all rows.
  func model(at points: [[Double]], scale: DataScale) throws(MixtureError) -> GaussianMixture {
    let K = points.count
    let whole = try GaussianMixture(
      maximizing: scale.moments, structure: covariance,
      minimumVariances: scale.variances.map { $0 * covarianceFloor },
      prior: prior.conjugatePrior(scale, covariance, componentCount: componentCount))
    let covariances = whole.covariances
    return try GaussianMixture(
      weights: Array(repeating: 1 / Double(K), count: K), means: Matrix(rows: points),
      covariances: Covariances(
        structure: covariance, componentCount: K, featureCount: scale.means.count,
        elements: Array(
          repeatElement(covariances.elements, count: covariance.isShared ? 1 : K).joined())))
  }
}
