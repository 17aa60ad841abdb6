// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension ExpectationMaximization {
  /// The iterations that all restarts make before the first half of them is given up.
  private static var firstRung: Int { 8 }

  /// Makes restarts by successive halving: all go to a rung, the better half on to one twice as high, and so on until one
  /// is left, which goes to its end.
  ///
  /// A restart that waits at a rung keeps its whole state, so that it goes on to the bits that it would have had without
  /// waiting.
  ///
  /// - Parameter first: Makes a restart's first model.
  func halvedRestarts(
    on source: some ObservationSource, threadCount: Int,
    observer: ((IterationReport) -> ObserverDecision)?,
    first: (Int, Int) throws(MixtureError) -> EMRun
  ) throws(MixtureError) -> RestartEnds {
    // Stages before EM raise something else, so they are made before anything is compared.
    var rung =
      algorithm.stageLength(iterationLimit: stoppingRule.iterationLimit) + Self.firstRung
    var finished: [EMRun] = []
    func isStopped(_ runs: [EMRun]) -> Bool {
      runs.contains { $0.stoppingReason == .observer }
    }
    var waiting = try runs(
      usedRestartCount, on: source, threadCount: threadCount, isObserved: observer != nil,
      add: { $0 += $1 }, isLast: isStopped
    ) { (restart, threads) throws(MixtureError) -> [EMRun] in
      var run = try first(restart, threads)
      try run.iterate(on: source, pausingBefore: rung, observer: observer)
      return [run]
    }
    while !isStopped(waiting), waiting.contains(where: \.isPaused) {
      let kept = (waiting.count + 1) / 2
      let order = waiting.indices.sorted {
        let (a, b) = (waiting[$0].objective, waiting[$1].objective)
        return a == b ? $0 < $1 : a > b
      }
      finished += order.dropFirst(kept).map { waiting[$0] }
      let left = order.prefix(kept).sorted().map { waiting[$0] }
      rung *= 2
      let next: Int? = left.count == 1 ? nil : rung
      waiting = try runs(
        left.count, on: source, threadCount: threadCount, isObserved: observer != nil,
        add: { $0 += $1 }, isLast: isStopped
      ) { (number, threads) throws(MixtureError) -> [EMRun] in
        var run = left[number]
        if run.isPaused {
          run.threadCount = threads
          try run.iterate(on: source, pausingBefore: next, observer: observer)
        }
        return [run]
      }
      // Whom an observer's stop kept from going on stands where it stood.
      finished += left.dropFirst(waiting.count)
    }
    var all = (finished + waiting).sorted { $0.restart < $1.restart }.map { RestartEnds($0) }
    var ends = all.removeFirst()
    for end in all { ends.add(end) }
    return ends
  }
}
