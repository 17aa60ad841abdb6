// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Where fits of rows that carry more than their features begin.

extension DataScale {
  /// Measures rows with missing cells, noise or projections: by the cells that are there, feature by feature. Correlations
  /// are left out.
  ///
  /// A row of a projection stands for the nearest x to the mean that is measured so. The mean is that of least squares,
  /// A μ = Σ w R⁺ y with A = Σ w R⁺R, and the variance of feature j the sum of squares over Aⱼⱼ; of rows that select features
  /// these are the mean and variance of the cells.
  static func measure(
    incomplete source: some ObservationSource, form: CovarianceStructure.Form
  ) throws(MixtureError) -> (moments: SufficientStatistics, means: [Double], variances: [Double]) {
    let d = source.featureCount
    let layout = try RowLayout(source, leavingOut: true)
    let weights = source.annotations?.caseWeights?.values
    let projections = source.annotations?.projections
    let matrices = projections?.matrices ?? []
    var inverses: [Matrix] = []
    for matrix in matrices { inverses.append(matrix.pseudoinverse()) }
    // Weight, Σ w (x − o) and Σ w (x − o)² of each feature, about an origin that moves to the mean for the second pass.
    var origin = Array(repeating: projections == nil ? Double.nan : 0, count: d)
    var sums = Array(repeating: (weight: 0.0, first: 0.0, second: 0.0), count: d)
    var rowWeight = 0.0
    var choiceWeights = Array(repeating: 0.0, count: matrices.count)
    var shifts = origin
    var means = origin
    for pass in 0..<2 {
      sums = Array(repeating: (0, 0, 0), count: d)
      rowWeight = 0
      choiceWeights = Array(repeating: 0, count: matrices.count)
      let step = ShardGrid.rowsPerBlock(featureCount: d)
      for start in stride(from: 0, to: source.observationCount, by: step) {
        let end = Swift.min(start + step, source.observationCount)
        try source.withRows(start..<end) { rows in
          for i in 0..<rows.count {
            let row = start + i
            guard layout.counts(row) else { continue }
            let w = weights?[row] ?? 1
            rowWeight += w
            func add(_ j: Int, _ x: Double) {
              if origin[j].isNaN { origin[j] = x }
              let difference = x - origin[j]
              sums[j].weight += w
              sums[j].first += w * difference
              sums[j].second += w * difference * difference
            }
            if let choice = projections?.indices[row] {
              let (R, inverse) = (matrices[choice], inverses[choice])
              choiceWeights[choice] += w
              let residuals = (0..<R.rowCount).map { k in
                let value = rows[i, k]
                return value.isNaN ? 0 : (0..<d).reduce(value) { $0 - R[k, $1] * origin[$1] }
              }
              for j in 0..<d {
                let difference = residuals.indices.reduce(0) {
                  $0 + inverse[j, $1] * residuals[$1]
                }
                sums[j].first += w * difference
                sums[j].second += w * difference * difference
              }
            } else {
              for j in 0..<d where !rows[i, j].isNaN { add(j, rows[i, j]) }
            }
          }
        }
      }
      if projections == nil {
        shifts = sums.map { $0.first / $0.weight }
      } else {
        var normal = Matrix(repeating: 0, rowCount: d, columnCount: d)
        for (choice, weight) in choiceWeights.enumerated() where weight > 0 {
          let (R, inverse) = (matrices[choice], inverses[choice])
          for i in 0..<d {
            for j in 0...i {
              normal[i, j] += weight * (0..<R.rowCount).reduce(0) { $0 + inverse[i, $1] * R[$1, j] }
            }
          }
        }
        for j in 0..<d {
          normal[j, j] += sums[j].weight
          sums[j].weight = normal[j, j]
        }
        shifts = leastSquares(normal, sums.map(\.first))
      }
      means = (0..<d).map { sums[$0].weight > 0 ? origin[$0] + shifts[$0] : 0 }
      if pass == 0 { origin = means }
    }
    if let j = sums.firstIndex(where: { !($0.weight > 0) }) {
      throw MixtureError(
        .degenerateObservations,
        "\(source.describeFeature(j)) has no value in any row that counts. Leave the column out.")
    }
    let variances = zip(sums, shifts).map { max($0.second / $0.weight - $1 * $1, 0) }
    let form: CovarianceStructure.Form = form == .full ? .full : .diagonal
    var moments = SufficientStatistics(
      origins: Matrix(unchecked: means, rowCount: 1, columnCount: d), form: form)
    moments.values[0] = rowWeight
    moments.values[moments.zerothStart] = rowWeight
    for j in 0..<d {
      moments.values[moments.secondStart + (form == .full ? j * (j + 3) / 2 : j)] =
        rowWeight * variances[j]
    }
    return (moments, means, variances)
  }

  /// The x with A x = b, of a positive semidefinite A in the lower triangle of a matrix; where that leaves x open, a short
  /// one.
  private static func leastSquares(_ A: Matrix, _ b: [Double]) -> [Double] {
    let d = b.count
    func packed(_ ridge: Double) -> [Double] {
      (0..<d).flatMap { i in (0...i).map { A[i, $0] * (i == $0 ? 1 + ridge : 1) } }
    }
    let cholesky =
      Cholesky(packed: packed(0), order: d, tolerance: 1e-6)
      ?? Cholesky(raising: packed(1e-6), order: d)
    return cholesky.solve(b)
  }
}

extension Matrix {
  /// The factor of R Rᵀ; nil if rows of R are linearly dependent.
  func outerProduct() -> Cholesky? {
    var square: [Double] = []
    for i in 0..<rowCount {
      for j in 0...i {
        square.append((0..<columnCount).reduce(0) { $0 + self[i, $1] * self[j, $1] })
      }
    }
    return Cholesky(packed: square, order: rowCount, tolerance: 1e-12)
  }

  /// R⁺ = Rᵀ (R Rᵀ)⁻¹, for a matrix of full row rank, d × m.
  func pseudoinverse() -> Matrix {
    let (m, d) = (rowCount, columnCount)
    guard let product = outerProduct() else {
      preconditionFailure("the rows of projections are independent where they are taken in")
    }
    var result = Matrix(repeating: 0, rowCount: d, columnCount: m)
    for j in 0..<d {
      let solution = product.solve((0..<m).map { self[$0, j] })
      for i in 0..<m { result[j, i] = solution[i] }
    }
    return result
  }
}

/// The part of a table that starts are sought on, for rows that carry more than their features: with gaps filled and noise
/// taken out as far as one Gaussian for all rows tells.
struct CompletedPart: Sendable {
  /// The rows, as in the table, with what they carry.
  let rows: Observations
  /// The expected values of the same rows, in units of each feature's standard deviation about the mean.
  private let standardized: Matrix
  private let weights: [Double]
  /// The component that a row is known to belong to.
  private let pinned: [Int?]
  private let means: [Double]
  private let deviations: [Double]
  private let kMeans: KMeansSettings

  /// At most `limit` rows: all that count, or one drawn from each of `limit` equal stretches of the table.
  init(
    _ source: some ObservationSource, limit: Int, scale: DataScale,
    settings: ExpectationMaximization,
    random: inout RandomStream
  ) throws(MixtureError) {
    let n = source.observationCount
    let d = source.featureCount
    let layout = try RowLayout(source, leavingOut: true)
    var chosen: [Int] = []
    if layout.countedRows <= limit {
      chosen = (0..<n).filter(layout.counts)
    } else {
      for i in 0..<limit {
        let (first, next) = (i * n / limit, (i + 1) * n / limit)
        let row = first + random.index(below: next - first)
        if let row = (row..<next).first(where: layout.counts)
          ?? (first..<row).first(where: layout.counts)
        {
          chosen.append(row)
        }
      }
    }
    var elements: [Double] = []
    elements.reserveCapacity(chosen.count * d)
    for row in chosen { elements += try source.row(row) }
    let matrix = Matrix(unchecked: elements, rowCount: chosen.count, columnCount: d)
    let annotations = source.annotations?.selecting(chosen)
    rows = try Observations(matrix, annotations: annotations)
    weights = annotations?.caseWeights?.values ?? Array(repeating: 1, count: chosen.count)
    pinned = chosen.indices.map { i in
      guard let set = annotations?.knownComponents?[i], set.count == 1,
        set != [KnownComponents.background]
      else { return nil }
      return set.first
    }
    means = scale.means
    deviations = scale.variances.map { $0.squareRoot() }
    kMeans = settings.kMeans
    var completed = matrix
    if let annotations, !annotations.isComplete {
      completed = try Self.one(scale, settings, rows).expectedValues(of: rows)
    }
    for i in 0..<completed.rowCount {
      for j in 0..<d {
        completed[i, j] = deviations[j] > 0 ? (completed[i, j] - means[j]) / deviations[j] : 0
      }
    }
    standardized = completed
  }

  /// One Gaussian for all rows, after a few iterations.
  private static func one(
    _ scale: DataScale, _ settings: ExpectationMaximization, _ rows: Observations
  ) throws(MixtureError) -> GaussianMixture {
    let structure: CovarianceStructure = settings.covariance.form == .full ? .vvv : .vvi
    let floor = scale.variances.map { max($0 * 1e-6, .leastNormalMagnitude) }
    var model = try GaussianMixture(
      maximizing: scale.moments, structure: structure, minimumVariances: floor)
    let annotated = try AnnotatedRows(rows.withoutKnownComponents(), usesWeights: true)
    for _ in 0..<10 {
      let statistics = try annotated.statistics(under: model, form: structure.form, threadCount: 1)
      model = try GaussianMixture(
        maximizing: statistics, structure: structure, minimumVariances: floor)
    }
    return model
  }

  /// The statistics of a partition of the rows, by weighted k-means in which rows of a known component stay with it, and its
  /// centroids. k-means++ seeds the components of which no row is known, greedily if more than one row is drawn for each.
  func partition(
    _ K: Int, form: CovarianceStructure.Form, random: inout RandomStream
  ) -> (centroids: Matrix, statistics: SufficientStatistics) {
    let m = standardized.rowCount
    let d = standardized.columnCount
    func squaredDistance(_ row: Int, _ point: [Double]) -> Double {
      var sum = 0.0
      for j in 0..<d {
        let difference = standardized[row, j] - point[j]
        sum += difference * difference
      }
      return sum
    }
    func draw(_ values: [Double]) -> Int {
      let total = values.reduce(0, +)
      guard total > 0, total.isFinite else { return random.index(below: m) }
      var left = random.uniform() * total
      var last = 0
      for row in 0..<m where values[row] > 0 {
        last = row
        if left < values[row] { break }
        left -= values[row]
      }
      return last
    }
    // Seeds: the mean of the rows that are known, or a row far from all other seeds.
    var points: [[Double]?] = (0..<K).map { k in
      let own = (0..<m).filter { pinned[$0] == k }
      let total = own.reduce(0) { $0 + weights[$1] }
      guard total > 0 else { return nil }
      return (0..<d).map { j in own.reduce(0) { $0 + weights[$1] * standardized[$1, j] } / total }
    }
    var nearest = (0..<m).map { row in
      points.compactMap { $0 }.map { squaredDistance(row, $0) }.min() ?? .infinity
    }
    for k in 0..<K where points[k] == nil {
      let potential =
        nearest.contains(.infinity) ? weights : zip(weights, nearest).map { $0 * $1 }
      // Of the rows drawn the first that leaves least.
      var best: (row: Int, nearest: [Double], left: Double)?
      for _ in 0..<(kMeans.candidateCount ?? 1) {
        let row = draw(potential)
        let point = standardized.row(row)
        let closer = (0..<m).map { min(nearest[$0], squaredDistance($0, point)) }
        let left = (0..<m).reduce(0) { $0 + weights[$1] * closer[$1] }
        if best.map({ left < $0.left }) ?? true { best = (row, closer, left) }
      }
      points[k] = standardized.row(best!.row)
      nearest = best!.nearest
    }
    var centroids = points.map { $0! }
    var labels = Array(repeating: 0, count: m)
    // The last assignment makes the partition.
    for _ in 0...kMeans.iterationLimit {
      var sums = Array(repeating: Array(repeating: 0.0, count: d), count: K)
      var totals = Array(repeating: 0.0, count: K)
      for row in 0..<m {
        if let known = pinned[row] {
          labels[row] = known
        } else {
          var best = 0
          var least = Double.infinity
          for k in 0..<K {
            let distance = squaredDistance(row, centroids[k])
            if distance < least { (best, least) = (k, distance) }
          }
          labels[row] = best
        }
        totals[labels[row]] += weights[row]
        for j in 0..<d { sums[labels[row]][j] += weights[row] * standardized[row, j] }
      }
      for k in 0..<K where totals[k] > 0 { centroids[k] = sums[k].map { $0 / totals[k] } }
    }
    let origins = Matrix(
      unchecked: centroids.flatMap { point in
        point.indices.map { means[$0] + point[$0] * deviations[$0] }
      }, rowCount: K, columnCount: d)
    var statistics = SufficientStatistics(origins: origins, form: form)
    for row in 0..<m { add(row, labels[row], weights[row], to: &statistics) }
    return (origins, statistics)
  }

  /// The statistics of random responsibilities.
  func randomResponsibilities(
    _ K: Int, form: CovarianceStructure.Form, random: inout RandomStream
  ) -> SufficientStatistics {
    let origins = Matrix(
      unchecked: (0..<K).flatMap { _ in means }, rowCount: K, columnCount: means.count)
    var statistics = SufficientStatistics(origins: origins, form: form)
    for row in 0..<standardized.rowCount {
      let draws = (0..<K).map { _ in random.uniform() }
      let total = draws.reduce(0, +)
      for k in 0..<K { add(row, k, weights[row] * draws[k] / total, to: &statistics) }
    }
    return statistics
  }

  /// The expected values of a row that is drawn by its weight.
  func drawRow(random: inout RandomStream) -> [Double] {
    let total = weights.reduce(0, +)
    var left = random.uniform() * total
    var chosen = 0
    for row in weights.indices {
      chosen = row
      if left < weights[row] { break }
      left -= weights[row]
    }
    return (0..<means.count).map { means[$0] + standardized[chosen, $0] * deviations[$0] }
  }

  private func add(
    _ row: Int, _ k: Int, _ weight: Double, to statistics: inout SufficientStatistics
  ) {
    let d = statistics.featureCount
    let difference = (0..<d).map {
      means[$0] - statistics.origins[k, $0] + standardized[row, $0] * deviations[$0]
    }
    statistics.values[0] += weight
    statistics.add(k, zeroth: weight, first: { weight * difference[$0] }) { i, j in
      weight * difference[i] * difference[j]
    }
  }
}

extension Observations {
  func withoutKnownComponents() throws(MixtureError) -> Observations {
    guard var annotations, annotations.knownComponents != nil else { return self }
    annotations.knownComponents = nil
    return try Observations(matrix, featureNames: featureNames, annotations: annotations)
  }
}

extension ExpectationMaximization {
  /// The start of a restart on rows that carry more than their features.
  func annotatedStart(
    on source: some ObservationSource, scale: DataScale, componentCount K: Int, restart: Int,
    threadCount: Int
  ) throws(MixtureError) -> Start {
    let form = covariance.form
    switch initialization {
    case .model(let model): return .model(model)
    case .labels(let labels):
      return .statistics(
        try labelled(source, labels, scale: scale, componentCount: K, threadCount: threadCount))
    case .shortRuns, .kMeans, .hierarchical, .randomRows, .randomResponsibilities: break
    }
    var random = RandomStream(seed: seed, stream: UInt64(restart))
    let part = try CompletedPart(
      source,
      limit: kMeans.rowLimit(
        componentCount: K, featureCount: source.featureCount, form: form), scale: scale,
      settings: self, random: &random)
    switch initialization {
    case .randomRows:
      return .model(
        try model(at: (0..<K).map { _ in part.drawRow(random: &random) }, scale: scale))
    case .randomResponsibilities:
      return .statistics(part.randomResponsibilities(K, form: form, random: &random))
    case .shortRuns:
      if let plan = ShortRuns.plan(
        rowCount: source.observationCount, featureCount: source.featureCount, componentCount: K,
        form: form, kMeans: kMeans)
      {
        return try shortRuns(
          plan, on: part.rows, scale: scale, componentCount: K, restart: restart,
          threadCount: threadCount
        ) { (candidate, _) in
          var random = RandomStream(
            seed: seed, stream: UInt64(candidate + 1) << 16 | UInt64(restart))
          let partition = part.partition(K, form: form, random: &random)
          return PartitionCandidate(
            centroids: partition.centroids, statistics: partition.statistics)
        } fallback: {
          $0.statistics
        }
      }
      return .statistics(part.partition(K, form: form, random: &random).statistics)
    case .hierarchical where source.annotations?.knownComponents == nil:
      let count = Self.groupCount(rowCount: part.rows.observationCount, componentCount: K)
      let groups = part.partition(count, form: form, random: &random).statistics
      return .statistics(
        groups.agglomerated(to: K, structure: covariance, variances: scale.variances)
          ?? part.partition(K, form: form, random: &random).statistics)
    case .kMeans, .hierarchical:
      return .statistics(part.partition(K, form: form, random: &random).statistics)
    case .labels, .model: preconditionFailure("handled above")
    }
  }

  /// The statistics of the partition that labels give: exact where all is known of the rows, else those that EM comes to
  /// while every row stays with its component.
  private func labelled(
    _ source: some ObservationSource, _ labels: [Int], scale: DataScale, componentCount K: Int,
    threadCount: Int
  ) throws(MixtureError) -> SufficientStatistics {
    var annotations = source.annotations ?? RowAnnotations()
    let isComplete = annotations.isComplete
    annotations.knownComponents = KnownComponents(labels)
    let rows = try AnnotatedRows(
      AnnotatedSource(source, annotations: annotations), usesWeights: true)
    let floor = scale.variances.map { $0 * covarianceFloor }
    var model = try model(at: Array(repeating: scale.means, count: K), scale: scale)
    var statistics = try rows.statistics(
      under: model, form: covariance.form, threadCount: threadCount)
    for _ in 0..<(isComplete ? 1 : 20) {
      do throws(MixtureError) {
        model = try GaussianMixture(
          maximizing: statistics, structure: covariance, equalWeights: equalWeights,
          minimumVariances: floor, previous: model)
      } catch {
        // A component without rows, or with too few: the first M-step of the fit will mend it.
        return statistics
      }
      statistics = try rows.statistics(
        under: model, form: covariance.form, threadCount: threadCount)
    }
    return statistics
  }
}
