// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A move that led a fit out of a local maximum: two components were merged and a third one was split.
public struct SplitMergeMove: Sendable, Codable, Equatable {
  /// The two components that were merged, numbered as before the move.
  public let merged: [Int]
  /// The component that was split, numbered as before the move.
  public let split: Int
  /// The iteration after which the move was made.
  public let iteration: Int
  /// How much the objective rose.
  public let gain: Double
}

extension EMRun {
  /// How many moves are accepted at most.
  private static var roundLimit: Int { 64 }
  /// The iterations on a part of the table by which splits and merges are compared.
  private static var partIterations: Int { 4 }
  /// How far apart the two halves of a component begin: this many of its standard deviations to either side.
  private static var splitStep: Double { 0.7 }

  private struct Candidate {
    let merged: (a: Int, b: Int)
    let split: Int
    let promise: Double
  }

  /// Tries to leave the maximum that was reached: merges two components and splits a third, and goes on from there. A move
  /// stays if its end is higher; then others are sought from there, until none of the candidates helps.
  mutating func moveComponents(on source: some ObservationSource) throws(MixtureError) {
    guard settings.splitMerge > 0, stoppingReason == .converged, state.held == nil,
      source.annotations?.knownComponents == nil, let K = model?.componentCount, K >= 3
    else { return }
    var random = RandomStream(seed: settings.seed, stream: UInt64(restart) << 48 | 1 << 45)
    let limit = DrawnPart.rowLimit(
      componentCount: K, featureCount: source.featureCount, form: settings.covariance.form)
    let part =
      source.annotations == nil
      ? try DrawnPart(source, limit: limit, scale: scale, random: &random).rows
      : try CompletedPart(source, limit: limit, scale: scale, settings: settings, random: &random)
        .rows
    for _ in 0..<Self.roundLimit {
      let statistics = try Expectation(
        source, form: settings.covariance.form, threadCount: threadCount,
        isSkipping: settings.skipping
      ).statistics(
        under: model!,
        by: settings.algorithm == .classification ? .likeliest : .responsibilities)
      var isMoved = false
      for candidate in candidates(statistics, on: part) {
        guard let run = try run(candidate, statistics, on: source) else { continue }
        let gain = run.objective - objective
        // The ends of two paths to one maximum differ by what the stopping rule leaves.
        let least = max(
          0x1p-50 * abs(objective), settings.stoppingRule.tolerance * statistics.caseWeight)
        guard gain > least else { continue }
        adopt(
          run,
          SplitMergeMove(
            merged: [candidate.merged.a, candidate.merged.b], split: candidate.split,
            iteration: state.trace.last?.iteration ?? 0, gain: gain))
        isMoved = true
        break
      }
      if !isMoved { return }
    }
  }

  /// The moves that promise most: what a few iterations on a part of the table gain by each split, less what they lose by
  /// each merge.
  private func candidates(
    _ statistics: SufficientStatistics, on part: Observations
  ) -> [Candidate] {
    let model = model!
    let K = model.componentCount
    guard let own = shortRun(model, on: part) else { return [] }
    let splits = (0..<K).map { k in
      model.splitting(k, by: Self.splitStep).flatMap { shortRun(evened($0), on: part) }
    }
    var merges: [(a: Int, b: Int, value: Double)] = []
    for (a, b) in closestPairs(statistics).prefix(3 * K) {
      guard let merged = merged(statistics, a, b), let value = shortRun(merged, on: part) else {
        continue
      }
      merges.append((a, b, value))
    }
    var result: [Candidate] = []
    for merge in merges {
      for k in 0..<K where k != merge.a && k != merge.b {
        guard let split = splits[k] else { continue }
        result.append(
          Candidate(
            merged: (merge.a, merge.b), split: k, promise: split + merge.value - 2 * own))
      }
    }
    let order = result.indices.sorted {
      result[$0].promise == result[$1].promise ? $0 < $1 : result[$0].promise > result[$1].promise
    }
    return order.prefix(settings.splitMerge).map { result[$0] }
  }

  /// All pairs of components, those first whose union adds least scatter in units of the features' variances.
  private func closestPairs(_ statistics: SufficientStatistics) -> [(Int, Int)] {
    let K = statistics.componentCount
    let means = (0..<K).map { statistics.mean($0) }
    var pairs: [(a: Int, b: Int, cost: Double)] = []
    for a in 0..<K {
      for b in a + 1..<max(K, a + 1) {
        var distance = 0.0
        for j in means[a].indices where scale.variances[j] > 0 {
          let difference = means[a][j] - means[b][j]
          distance += difference * difference / scale.variances[j]
        }
        let (n, m) = (statistics.zeroth(a), statistics.zeroth(b))
        let cost = n * m / (n + m) * distance
        pairs.append((a, b, cost.isNaN ? .infinity : cost))
      }
    }
    return pairs.indices.sorted { (pairs[$0].cost, $0) < (pairs[$1].cost, $1) }
      .map { (pairs[$0].a, pairs[$0].b) }
  }

  /// The model with the statistics of two components added up; nil if that has no covariance.
  private func merged(_ statistics: SufficientStatistics, _ a: Int, _ b: Int) -> GaussianMixture? {
    let step = MaximizationStep(
      statistics.merging(b, into: a), structure: settings.covariance,
      equalWeights: settings.equalWeights, floor: floor, prior: prior, held: nil, previous: nil)
    guard step.collapses.isEmpty, let result = try? step.model() else { return nil }
    return evened(result)
  }

  /// The model with the background of the fit and, if they are to be equal, equal weights.
  private func evened(_ model: GaussianMixture) -> GaussianMixture {
    let K = model.componentCount
    var result = model
    if settings.equalWeights,
      let even = try? GaussianMixture(
        weights: Array(repeating: 1 / Double(K), count: K), means: model.means,
        covariances: model.covariances)
    {
      result = even
    }
    return (try? result.withBackground(self.model?.background)) ?? result
  }

  private func settings(from model: GaussianMixture) -> ExpectationMaximization {
    var settings = settings
    settings.componentCount = model.componentCount
    settings.initialization = .model(model)
    settings.algorithm = settings.algorithm.withoutStages
    settings.splitMerge = 0
    settings.rescuePolicy = .drop
    return settings
  }

  /// What a few iterations on a part of the table lead to; nil if a component is lost.
  private func shortRun(_ model: GaussianMixture, on part: Observations) -> Double? {
    var settings = settings(from: model)
    settings.stoppingRule = StoppingRule(tolerance: 0, iterationLimit: Self.partIterations)
    settings.precision = .double
    var run = EMRun(settings, scale: scale, restart: restart, threadCount: threadCount)
    do throws(MixtureError) {
      try run.begin(on: part, from: .model(model))
      try run.iterate(on: part, observer: nil)
    } catch {
      return nil
    }
    return run.model?.componentCount == model.componentCount ? run.objective : nil
  }

  /// The end of a move; nil if a component is lost or comes to lie at the floor on the way.
  private func run(
    _ candidate: Candidate, _ statistics: SufficientStatistics, on source: some ObservationSource
  ) throws(MixtureError) -> EMRun? {
    let (a, b) = candidate.merged
    let k = candidate.split > b ? candidate.split - 1 : candidate.split
    guard let merged = merged(statistics, a, b),
      let start = merged.splitting(k, by: Self.splitStep).map(evened)
    else { return nil }
    var run = EMRun(
      settings(from: start), scale: scale, restart: restart, threadCount: threadCount)
    do throws(MixtureError) {
      try run.begin(on: source, from: .model(start))
      try run.iterate(on: source, observer: nil)
    } catch {
      guard error.code == .degenerateObservations else { throw error }
      return nil
    }
    guard run.model?.componentCount == model?.componentCount, run.isFloored ? isFloored : true
    else { return nil }
    return run
  }
}
