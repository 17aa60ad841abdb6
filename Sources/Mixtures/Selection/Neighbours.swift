// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Starts for one candidate of a search from the models of others, and the best of them.
///
/// Where Ueda, Nakano, Ghahramani & Hinton (2000), [doi:10.1162/089976600300015088](https://doi.org/10.1162/089976600300015088),
/// split and merge components of one model to leave a poor end, here the models with one component less and one more,
/// which a search has anyway, are split and merged.
struct Neighbours<Part: ObservationSource> {
  let settings: ExpectationMaximization
  /// The rows that starts are compared on.
  let part: Part
  let scale: DataScale
  let threadCount: Int
  /// The model that the candidate has: where an M-step that iterates begins.
  let own: GaussianMixture
  /// The neighbours that have a fit, with the fits' models.
  let models: [(cell: ModelSelection.Cell, model: GaussianMixture)]

  /// A model to begin from, and whose it was.
  struct Beginning {
    let model: GaussianMixture
    let cell: ModelSelection.Cell
  }

  private struct Trial {
    let cell: ModelSelection.Cell
    var run: EMRun
  }

  /// The iterations of each stage; after each, only so many go on.
  private static var stages: [(iterations: Int, kept: Int)] { [(2, 6), (6, 2), (12, 1)] }

  /// How many splits are tried at least, if there are as many axes, and how many merges at most.
  private static var leastSplits: Int { 6 }
  private static var mergeCount: Int { 4 }

  /// The model of the likeliest of some short runs from neighbours' models, with its log-likelihood on the part; nil if
  /// none keeps all components. Runs with a covariance at the floor come last.
  func best() -> (beginning: Beginning, logLikelihood: Double)? {
    var trials = starts()
    for (number, stage) in Self.stages.enumerated() {
      trials = trials.compactMap { trial in
        number == 0 ? trial : advance(trial, by: stage.iterations)
      }
      trials = Array(bestFirst(trials).prefix(stage.kept))
    }
    guard let first = trials.first, let model = first.run.model else { return nil }
    return (Beginning(model: model, cell: first.cell), first.run.logLikelihood)
  }

  /// All starts, after the first stage.
  private func starts() -> [Trial] {
    let iterations = Self.stages[0].iterations
    var result: [Trial] = []
    let K = settings.componentCount
    func add(_ start: Start?, _ cell: ModelSelection.Cell) {
      guard let start, let run = run(start, iterations: iterations) else { return }
      result.append(Trial(cell: cell, run: run))
    }
    for (cell, model) in models {
      switch model.componentCount {
      case K:
        if let same = model.expressed(in: settings.covariance) {
          add(.model(same), cell)
        } else {
          add((try? statistics(under: model)).flatMap(start), cell)
        }
      case K - 1 where cell.covariance == settings.covariance:
        // Of few components, more axes than the longest.
        let axes = min(model.featureCount, max(1, Self.leastSplits / model.componentCount))
        for k in 0..<model.componentCount {
          for axis in 0..<axes {
            add(model.splitting(k, along: axis, by: 0.7).map { .model($0) }, cell)
          }
        }
      // Components that rows are known to belong to must keep their numbers.
      case K + 1
      where cell.covariance == settings.covariance && part.annotations?.knownComponents == nil:
        guard let statistics = try? statistics(under: model) else { continue }
        for (a, b) in closestPairs(statistics, count: Self.mergeCount) {
          add(start(statistics.merging(b, into: a)), cell)
        }
      default: break
      }
    }
    return result
  }

  /// The start from statistics. Common axes are sought from those that the candidate has, not from several others.
  private func start(_ statistics: SufficientStatistics) -> Start? {
    let hasCommonAxes =
      settings.covariance.orientation == .equal && settings.covariance.shape == .variable
    guard hasCommonAxes else { return .statistics(statistics) }
    let model = try? GaussianMixture(
      maximizing: statistics, structure: settings.covariance, equalWeights: settings.equalWeights,
      minimumVariances: scale.variances.map { $0 * settings.covarianceFloor }, previous: own)
    return model.map { .model($0) }
  }

  private func statistics(
    under model: GaussianMixture
  ) throws(MixtureError) -> SufficientStatistics {
    try Expectation(
      part, form: settings.covariance.form, threadCount: threadCount,
      isSkipping: settings.skipping
    ).statistics(under: model)
  }

  /// The pairs of components whose union costs least: whose scatter grows least, in units of the features' variances.
  private func closestPairs(_ statistics: SufficientStatistics, count: Int) -> [(Int, Int)] {
    let K = statistics.componentCount
    var pairs: [(a: Int, b: Int, cost: Double)] = []
    for a in 0..<K {
      let (countA, meanA) = (statistics.zeroth(a), statistics.mean(a))
      for b in a + 1..<max(K, a + 1) {
        let (countB, meanB) = (statistics.zeroth(b), statistics.mean(b))
        var distance = 0.0
        for j in meanA.indices where scale.variances[j] > 0 {
          let difference = meanA[j] - meanB[j]
          distance += difference * difference / scale.variances[j]
        }
        let cost = countA * countB / (countA + countB) * distance
        pairs.append((a, b, cost.isNaN ? .infinity : cost))
      }
    }
    let order = pairs.indices.sorted { (pairs[$0].cost, $0) < (pairs[$1].cost, $1) }
    return order.prefix(count).map { (pairs[$0].a, pairs[$0].b) }
  }

  private func run(_ start: Start, iterations: Int) -> EMRun? {
    var settings = settings
    settings.algorithm = settings.algorithm.withoutStages
    settings.splitMerge = 0
    settings.stoppingRule = StoppingRule(tolerance: 0, iterationLimit: iterations)
    var run = EMRun(settings, scale: scale, restart: 0, threadCount: threadCount)
    do throws(MixtureError) {
      try run.begin(on: part, from: start)
      try run.iterate(on: part, observer: nil)
    } catch {
      // A run that collapses stands with the last model that it had, if any.
    }
    guard let model = run.model, model.componentCount == settings.componentCount else { return nil }
    return run
  }

  private func advance(_ trial: Trial, by iterations: Int) -> Trial? {
    guard let model = trial.run.model, let run = run(.model(model), iterations: iterations) else {
      return nil
    }
    return Trial(cell: trial.cell, run: run)
  }

  /// By log-likelihood, those with a covariance at the floor last. Of runs that meet in one maximum one is kept: their
  /// log-likelihoods differ by less than a ten-millionth of a nat per row.
  private func bestFirst(_ trials: [Trial]) -> [Trial] {
    let order = trials.indices.sorted {
      let (a, b) = (trials[$0].run, trials[$1].run)
      if a.isFloored != b.isFloored { return b.isFloored }
      return a.logLikelihood == b.logLikelihood ? $0 < $1 : a.logLikelihood > b.logLikelihood
    }
    var kept: [Trial] = []
    for index in order {
      let trial = trials[index]
      if let last = kept.last, last.run.isFloored == trial.run.isFloored,
        last.run.logLikelihood - trial.run.logLikelihood < 1e-7 * Double(part.observationCount)
      {
        continue
      }
      kept.append(trial)
    }
    return kept
  }
}
