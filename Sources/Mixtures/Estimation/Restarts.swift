// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How some restarts ended, and the best of them.
struct RestartEnds {
  /// The one with the largest objective; of equal ones the first.
  private(set) var best: EMRun
  /// The log-likelihood of each.
  private(set) var logLikelihoods: [Double]

  init(_ run: EMRun) {
    best = run
    logLikelihoods = [run.logLikelihood]
  }

  /// The ends of restarts that were made before a fit was resumed.
  init(best: EMRun, logLikelihoods: [Double]) {
    self.best = best
    self.logLikelihoods = logLikelihoods
  }

  /// Adds the ends of later restarts.
  mutating func add(_ later: RestartEnds) {
    logLikelihoods += later.logLikelihoods
    if later.best.objective > best.objective { best = later.best }
  }
}

extension ExpectationMaximization {
  /// Makes `count` independent runs and adds up how they ended, in order.
  ///
  /// Tables so small that one iteration cannot use all threads have several runs side by side, on one thread each; larger
  /// ones have one after the other, on all threads. A run is a function of its number alone, so that both give the same
  /// bits. An observer is to be called on the calling thread and in order, so that with one there is no side by side.
  ///
  /// - Parameters:
  ///   - isLast: Whether no run is to be made after this one; asked only if there is no side by side.
  ///   - run: Makes run number r on so many threads.
  func runs<Ends>(
    _ count: Int, on source: some ObservationSource, threadCount: Int, isObserved: Bool = false,
    add: (inout Ends, Ends) -> Void, isLast: (Ends) -> Bool = { _ in false },
    _ run: (_ number: Int, _ threadCount: Int) throws(MixtureError) -> Ends
  ) throws(MixtureError) -> Ends {
    let abreast = min(count, threadCount)
    let worthwhile = ThreadTeam.worthwhile(
      threadCount, rowCount: source.observationCount, componentCount: componentCount,
      elementsPerMoment: covariance.form.elementCount(featureCount: source.featureCount))
    if !isObserved, abreast > worthwhile {
      return try ThreadTeam.reduceShards(
        of: ShardGrid(itemCount: count), threadCount: abreast, makeWorker: { _ in }, add: add
      ) { (_, number) throws(MixtureError) in try run(number, 1) }
    }
    var ends = try run(0, threadCount)
    if isLast(ends) { return ends }
    for number in 1..<max(count, 1) {
      let end = try run(number, threadCount)
      add(&ends, end)
      if isLast(end) { break }
    }
    return ends
  }
}

extension ShardGrid {
  /// One shard for each of some pieces of work.
  init(itemCount: Int) {
    rowCount = itemCount
    rowsPerShard = 1
    rowsPerBlock = 1
  }
}
