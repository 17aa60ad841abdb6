// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How short runs are made: several starts on a part of the table, a few iterations each, and the best goes on.
///
/// Biernacki, Celeux & Govaert (2003), "Choosing starting values for the EM algorithm for getting the highest likelihood in
/// multivariate Gaussian mixture models", [doi:10.1016/S0167-9473(02)00163-9](https://doi.org/10.1016/S0167-9473(02)00163-9).
struct ShortRuns: Equatable {
  /// How many runs begin.
  var candidateCount: Int
  /// The iterations in each stage; after each but the last, the better half of the runs goes on.
  var stages: [Int]
  /// The largest number of rows.
  var rowLimit: Int

  /// What is done for n rows, or nil if any short run would cost too much: more than about three iterations on all rows,
  /// and more than about ten milliseconds of one processor.
  static func plan(
    rowCount n: Int, featureCount d: Int, componentCount K: Int, form: CovarianceStructure.Form,
    kMeans: KMeansSettings = KMeansSettings()
  ) -> ShortRuns? {
    guard K > 1 else { return nil }
    let limit = kMeans.rowLimit(componentCount: K, featureCount: d, form: form)
    // One core takes about 1 ns for a row and component and 0.05 ns more for each element of the second moments, and half
    // a nanosecond for each of the d³ steps that make a covariance into factors.
    let perRow = 1 + 0.05 * Double(form.elementCount(featureCount: d))
    let perStep = form == .full ? 0.5 * Double(d) * Double(d) * Double(d) : 0
    func nanoseconds(_ rows: Int) -> Double { Double(K) * (Double(rows) * perRow + perStep) }
    return [
      ShortRuns(candidateCount: 4, stages: [5, 10], rowLimit: limit),
      ShortRuns(candidateCount: 2, stages: [5], rowLimit: limit),
    ].first {
      let cost = Double($0.passCount) * nanoseconds(min(n, limit))
      return cost <= 3 * nanoseconds(n) || cost <= 10e6
    }
  }

  /// How many times an E-step passes over the part.
  var passCount: Int {
    var left = candidateCount
    var count = 0
    for stage in stages {
      count += left * (stage + 1)
      left = (left + 1) / 2
    }
    return count
  }
}

extension ExpectationMaximization {
  /// The model of the likeliest short run. If k-means finds one partition only, or if no run keeps all components, the
  /// partition of all rows by the centroids instead: there is nothing to choose from.
  func shortRuns(
    _ plan: ShortRuns, on source: some ObservationSource, scale: DataScale, componentCount K: Int,
    restart: Int, threadCount: Int
  ) throws(MixtureError) -> Start {
    var random = RandomStream(seed: seed, stream: UInt64(restart))
    let part = try DrawnPart(source, limit: plan.rowLimit, scale: scale, random: &random)
    return try shortRuns(
      plan, on: part.rows, scale: scale, componentCount: K, restart: restart,
      threadCount: threadCount
    ) { (candidate, threads) throws(MixtureError) in
      // The part has the restart's stream; the streams of random responsibilities begin at 2⁴⁷.
      var random = RandomStream(
        seed: seed, stream: UInt64(candidate + 1) << 16 | UInt64(restart))
      let centroids = try part.original(
        KMeans(
          part.standardized, count: K, settings: kMeans, threadCount: threads, random: &random
        ).centroids)
      let statistics = try part.rows.partition(
        by: centroids, scale: scale, form: covariance.form, threadCount: threads)
      return PartitionCandidate(centroids: centroids, statistics: statistics)
    } fallback: { (candidate) throws(MixtureError) in
      try source.partition(
        by: candidate.centroids, scale: scale, form: covariance.form, threadCount: threadCount)
    }
  }

  /// The same from partitions of rows in memory.
  ///
  /// - Parameters:
  ///   - partition: Makes candidate number c on so many threads.
  ///   - fallback: The statistics to start from where no short run keeps all components.
  func shortRuns(
    _ plan: ShortRuns, on rows: Observations, scale: DataScale, componentCount K: Int,
    restart: Int, threadCount: Int,
    partition: (Int, Int) throws(MixtureError) -> PartitionCandidate,
    fallback: (PartitionCandidate) throws(MixtureError) -> SufficientStatistics
  ) throws(MixtureError) -> Start {
    var settings = self
    settings.componentCount = K
    settings.algorithm = algorithm.withoutStages
    settings.splitMerge = 0

    func run(_ start: Start, iterations: Int, _ threads: Int) -> [EMRun] {
      var settings = settings
      settings.stoppingRule = StoppingRule(tolerance: 0, iterationLimit: iterations)
      var run = EMRun(settings, scale: scale, restart: restart, threadCount: threads)
      do throws(MixtureError) {
        try run.begin(on: rows, from: start)
        try run.iterate(on: rows, observer: nil)
      } catch {
        // A run that collapses stands with the last model that it had, if any.
      }
      return [run]
    }

    let candidates = try settings.runs(
      plan.candidateCount, on: rows, threadCount: threadCount, add: { $0 += $1 }
    ) { (candidate, threads) throws(MixtureError) -> [PartitionCandidate] in
      try [partition(candidate, threads)]
    }
    let different = PartitionCandidate.different(candidates)
    var models: [GaussianMixture] = []
    if different.count > 1 {
      var left = try settings.runs(
        different.count, on: rows, threadCount: threadCount, add: { $0 += $1 }
      ) { (number, threads) in
        run(.statistics(different[number].statistics), iterations: plan.stages[0], threads)
      }
      models = Self.bestFirst(left, K, rowCount: rows.observationCount)
      for iterations in plan.stages.dropFirst() where models.count > 1 {
        let kept = models.prefix((models.count + 1) / 2)
        left = try settings.runs(
          kept.count, on: rows, threadCount: threadCount, add: { $0 += $1 }
        ) { (number, threads) in run(.model(kept[number]), iterations: iterations, threads) }
        models = Self.bestFirst(left, K, rowCount: rows.observationCount)
      }
    }
    if let model = models.first { return .model(model) }
    return .statistics(try fallback(different[0]))
  }

  /// The models of those runs that kept all K components, best first: by their log-likelihood, but those with a covariance
  /// at the floor last. What a component gains by closing in on a few rows says nothing for a start. Log-likelihoods that
  /// differ by less than a ten-millionth of a nat per row are equal: runs that meet in one maximum with their components in
  /// another order are told apart by rounding only. Of equal ones the first is best.
  private static func bestFirst(_ runs: [EMRun], _ K: Int, rowCount: Int) -> [GaussianMixture] {
    let largest = runs.map(\.objective).max() ?? 0
    let behind = runs.map { ((largest - $0.objective) / (1e-7 * Double(rowCount))).rounded() }
    return runs.indices.sorted {
      let (a, b) = (runs[$0], runs[$1])
      if a.isFloored != b.isFloored { return b.isFloored }
      return behind[$0] == behind[$1] ? $0 < $1 : behind[$0] < behind[$1]
    }.compactMap { runs[$0].model }.filter { $0.componentCount == K }
  }
}

/// A partition that a short run may begin with.
struct PartitionCandidate {
  let centroids: Matrix
  let statistics: SufficientStatistics

  /// Those that are not the same as an earlier one with its parts in another order.
  static func different(_ candidates: [PartitionCandidate]) -> [PartitionCandidate] {
    var kept: [PartitionCandidate] = []
    for candidate in candidates where !kept.contains(where: { $0.equals(candidate) }) {
      kept.append(candidate)
    }
    return kept
  }

  /// Whether both have parts of the same numbers of rows about the same points; centroids of the same rows differ by
  /// rounding.
  private func equals(_ other: PartitionCandidate) -> Bool {
    var left = Array(0..<other.centroids.rowCount)
    for k in 0..<centroids.rowCount {
      let match = left.firstIndex { candidate in
        statistics.zeroth(k) == other.statistics.zeroth(candidate)
          && (0..<centroids.columnCount).allSatisfy {
            let (a, b) = (centroids[k, $0], other.centroids[candidate, $0])
            return abs(a - b) <= 1e-9 * max(abs(a), abs(b))
          }
      }
      guard let match else { return false }
      left.remove(at: match)
    }
    return true
  }
}
