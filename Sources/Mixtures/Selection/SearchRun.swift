// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// One search under way.
///
/// A search is a sequence of fits, each a function of those before it. So the fits that are finished and the state of the
/// one under way are all that is needed to go on: whoever resumes takes the same decisions again and is handed the fits
/// that are there.
final class SearchRun<Source: ObservationSource> {
  private typealias Candidate = ModelSelection.Candidate
  private typealias Outcome = Result<MixtureFit, MixtureError>

  private let search: ModelSelection
  private let source: Source
  private let checkpoints: CheckpointPlan<SelectionCheckpoint>?
  private let progress: ((SearchProgress) -> Void)?
  private let observer: ((Int, IterationReport) -> ObserverDecision)?
  private let cells: [ModelSelection.Cell]
  private let threadCount: Int
  /// Whether fits are made side by side, on one thread each.
  private let isAbreast: Bool

  private var candidates: [Candidate] = []
  /// The fits that were made, in order, if checkpoints are kept.
  private var log: [Outcome] = []
  /// The fits that a state to go on from has and that were not asked for yet, the next one last.
  private var resumed: [Outcome] = []
  private var current: FitCheckpoint?
  private var clock: CheckpointClock
  private var isStopped = false

  init(
    _ search: ModelSelection, on source: Source,
    checkpoints: CheckpointPlan<SelectionCheckpoint>?, progress: ((SearchProgress) -> Void)?,
    observer: ((Int, IterationReport) -> ObserverDecision)?
  ) {
    self.search = search
    self.source = source
    self.checkpoints = checkpoints
    self.progress = progress
    self.observer = observer
    cells = search.cells
    threadCount = search.estimation.threadCount ?? Kernels.processorCount
    clock = CheckpointClock(interval: checkpoints?.interval ?? .zero)
    let largest = search.componentCounts.max() ?? 1
    let elements = search.covariances.map {
      $0.form.elementCount(featureCount: source.featureCount)
    }
    let worthwhile = ThreadTeam.worthwhile(
      threadCount, rowCount: source.observationCount, componentCount: max(largest, 1),
      elementsPerMoment: elements.max() ?? 1)
    isAbreast = observer == nil && checkpoints == nil && worthwhile < threadCount
  }

  /// Makes the search.
  func ranking() throws(MixtureError) -> ModelSelection.Ranking {
    if let kept = checkpoints?.resumed {
      try kept.require(search)
      resumed = kept.outcomes.map(\.result).reversed()
      current = kept.current
    }
    try fitFromStarts()
    if !isStopped, candidates.count == cells.count { try learnFromNeighbours() }
    if !isStopped, search.criterion == .crossValidation { try crossValidate() }
    var singles: [CovarianceStructure.Form: Double] = [:]
    if search.criterion == .normalizedEntropy { singles = try singleLogLikelihoods() }
    var tests: [LikelihoodRatioTest] = []
    if !isStopped, search.criterion == .likelihoodRatioTest { tests = try likelihoodRatioTests() }
    return try ModelSelection.Ranking(
      candidates, criterion: search.criterion, tests: tests, singleLogLikelihoods: singles,
      table: TableIdentity(source, scale: scale()))
  }

  private var measured: DataScale?

  /// The location and spread of the table, with full moments if any structure has them.
  private func scale() throws(MixtureError) -> DataScale {
    if let measured { return measured }
    let isFull = search.covariances.contains { $0.form == .full }
    var scale = try DataScale(source, form: isFull ? .full : .diagonal, threadCount: threadCount)
    scale.background = try search.estimation.background.first(for: source, scale: scale)
    measured = scale
    return scale
  }

  // MARK: Making fits

  /// A fit to make.
  private struct Job {
    let candidate: Int
    let settings: ExpectationMaximization
  }

  /// The outcomes of some fits, in order; fewer if the observer ends the search.
  private func fits(_ jobs: [Job], stage: SearchProgress.Stage) throws(MixtureError) -> [Outcome] {
    let finished = Lock(0)
    let count = stage == .candidates ? jobs.count : nil
    func report(_ job: Job, _ iteration: IterationReport?) {
      guard let progress else { return }
      finished.withLock { finished in
        if iteration == nil { finished += 1 }
        progress(
          SearchProgress(
            stage: stage, finishedCount: finished, count: count,
            componentCount: job.settings.componentCount, covariance: job.settings.covariance,
            iteration: iteration))
      }
    }
    if isAbreast {
      let source = source
      return try abreast(jobs.count) { (number, threads) throws(MixtureError) in
        var settings = jobs[number].settings
        settings.threadCount = threads
        // One of them shows how long an iteration takes.
        let isWatched = progress != nil && number == 0
        let watch = { (iteration: IterationReport) -> ObserverDecision in
          report(jobs[number], iteration)
          return .proceed
        }
        let outcome = try Self.outcome { () throws(MixtureError) in
          try settings.fit(source, observer: isWatched ? watch : nil)
        }
        report(jobs[number], nil)
        return outcome
      }
    }
    var outcomes: [Outcome] = []
    for job in jobs {
      if isStopped { break }
      let outcome = try fit(job, report: report)
      outcomes.append(outcome)
      report(job, nil)
      if case .success(let fit) = outcome, fit.stoppingReason == .observer { isStopped = true }
    }
    return outcomes
  }

  /// One fit, or the one that a state to go on from has.
  private func fit(
    _ job: Job, report: (Job, IterationReport?) -> Void
  ) throws(MixtureError) -> Outcome {
    if let done = resumed.popLast() {
      log.append(done)
      return done
    }
    // The clock of the search decides, so that a search of many short fits is kept too.
    let plan = checkpoints.map { plan in
      CheckpointPlan<FitCheckpoint>(resumed: current, interval: .zero) {
        (current) throws(MixtureError) in
        guard self.clock.isDue() else { return }
        try plan.save(SelectionCheckpoint(self.search, outcomes: self.log, current: current))
      }
    }
    current = nil
    let outcome = try withoutActuallyEscaping(report) { report throws(MixtureError) -> Outcome in
      let isWatched = observer != nil || (progress != nil && !isAbreast)
      let watch = { (iteration: IterationReport) -> ObserverDecision in
        report(job, iteration)
        return self.observer?(job.candidate, iteration) ?? .proceed
      }
      return try Self.outcome { () throws(MixtureError) in
        try job.settings.fit(source, checkpoints: plan, observer: isWatched ? watch : nil)
      }
    }
    if checkpoints != nil { log.append(outcome) }
    return outcome
  }

  /// Errors of settings, and of data that no cell of the grid can do anything with, end the search.
  private static func outcome(
    _ fit: () throws(MixtureError) -> MixtureFit
  ) throws(MixtureError) -> Outcome {
    do throws(MixtureError) {
      return .success(try fit())
    } catch {
      if error.code != .degenerateObservations { throw error }
      return .failure(error)
    }
  }

  /// Some independent pieces of work, side by side on one thread each if fits are, else one after the other on all.
  private func abreast<Value>(
    _ count: Int, _ work: (_ number: Int, _ threadCount: Int) throws(MixtureError) -> Value
  ) throws(MixtureError) -> [Value] {
    guard count > 0 else { return [] }
    guard isAbreast else {
      var values: [Value] = []
      for number in 0..<count { values.append(try work(number, threadCount)) }
      return values
    }
    return try ThreadTeam.reduceShards(
      of: ShardGrid(itemCount: count), threadCount: min(count, threadCount),
      makeWorker: { _ in }, add: { $0 += $1 }
    ) { (_, number) throws(MixtureError) in [try work(number, 1)] }
  }

  // MARK: Candidates

  private func fitFromStarts() throws(MixtureError) {
    let outcomes = try fits(
      cells.indices.map { Job(candidate: $0, settings: search.settings(of: cells[$0])) },
      stage: .candidates)
    candidates = zip(cells, outcomes).map { cell, outcome in
      Candidate(
        componentCount: cell.componentCount, covariance: cell.covariance, outcome: outcome)
    }
  }

  // MARK: Neighbours

  /// How often candidates are gone through at most.
  private static var sweepLimit: Int { 2 }

  /// Tries candidates again from each other's models, those before others that are nested in them. After each sweep
  /// every candidate is at least as likely as those.
  private func learnFromNeighbours() throws(MixtureError) {
    guard search.learnsFromNeighbours, search.estimation.algorithm != .classification,
      search.estimation.initialization.isRandom, cells.count > 1,
      candidates.contains(where: { $0.fit != nil }),
      // A prior makes of nested densities ends that are not nested.
      search.estimation.prior == .none
    else { return }
    let scale = try scale()
    var random = RandomStream(seed: search.estimation.seed, stream: 1 << 62)
    let largest = max(search.componentCounts.max() ?? 1, 1)
    let limit = DrawnPart.rowLimit(
      componentCount: largest, featureCount: source.featureCount,
      form: search.covariances.contains { $0.form == .full } ? .full : .diagonal)
    let part =
      source.annotations == nil
      ? try DrawnPart(source, limit: limit, scale: scale, random: &random).rows
      : try CompletedPart(
        source, limit: limit, scale: scale, settings: search.estimation, random: &random
      ).rows
    // The candidates of one wave depend on those of earlier ones only.
    let counts = Array(Set(search.componentCounts)).sorted()
    let waves = Dictionary(grouping: cells.indices) { index in
      (counts.firstIndex(of: cells[index].componentCount) ?? 0) + cells[index].covariance.generality
    }
    for sweep in 0..<Self.sweepLimit {
      var changed = false
      for wave in waves.keys.sorted() {
        if try improve(waves[wave] ?? [], part: part, scale: scale, sweep: sweep) { changed = true }
        if isStopped { return }
      }
      if !changed { break }
    }
  }

  /// Whether the candidate `a` is nested in `b`.
  private func isNested(_ a: Int, in b: Int) -> Bool {
    guard a != b, cells[b].covariance.contains(cells[a].covariance) else { return false }
    if cells[a].componentCount == cells[b].componentCount {
      return cells[a].covariance != cells[b].covariance
    }
    // Nor is a component that rows are known to belong to, with all of its weight, one of two halves.
    return cells[a].componentCount < cells[b].componentCount && !search.estimation.equalWeights
      && source.annotations?.knownComponents == nil
  }

  /// Tries some candidates again; returns whether any became likelier.
  private func improve(
    _ wave: [Int], part: Observations, scale: DataScale, sweep: Int
  ) throws(MixtureError) -> Bool {
    let beginnings = try abreast(wave.count) { (number, threads) in
      self.beginning(of: wave[number], part: part, scale: scale, threadCount: threads)
    }
    var jobs: [Job] = []
    var origins: [ModelSelection.Cell] = []
    for (index, beginning) in zip(wave, beginnings) {
      guard let beginning else { continue }
      jobs.append(job(of: index, from: beginning.model))
      origins.append(beginning.cell)
    }
    var changed = false
    for ((job, cell), outcome) in zip(
      zip(jobs, origins), try fits(jobs, stage: .neighbours))
    where keep(outcome, of: job, from: cell) {
      changed = true
    }
    // What is still less likely than a candidate that is nested in it goes on from there.
    var left = wave.compactMap { index in nestedBetter(than: index).map { (index, $0) } }
    jobs = []
    origins = []
    for (index, source) in left {
      guard let model = candidates[source].fit?.model,
        let beginning = nestedBeginning(model, for: cells[index])
      else { continue }
      jobs.append(job(of: index, from: beginning))
      origins.append(cells[source])
    }
    for ((job, cell), outcome) in zip(
      zip(jobs, origins), try fits(jobs, stage: .neighbours))
    where keep(outcome, of: job, from: cell, mustRise: true) {
      changed = true
    }
    if isStopped { return changed }
    left = wave.compactMap { index in nestedBetter(than: index).map { (index, $0) } }
    for (index, nested) in left where try adopt(nested, for: index) { changed = true }
    return changed
  }

  private func job(of index: Int, from model: GaussianMixture) -> Job {
    var settings = search.estimation
    settings.componentCount = model.componentCount
    settings.covariance = cells[index].covariance
    settings.initialization = .model(model)
    settings.algorithm = settings.algorithm.withoutStages
    settings.restartCount = 1
    return Job(candidate: index, settings: settings)
  }

  /// Where a candidate may begin again: at the best of its neighbours' models, if that promises more than it has.
  private func beginning(
    of index: Int, part: Observations, scale: DataScale, threadCount: Int
  ) -> Neighbours<Observations>.Beginning? {
    let cell = cells[index]
    guard let fit = candidates[index].fit, fit.model.componentCount == cell.componentCount,
      cell.componentCount > 1
    else { return nil }
    let counts = search.componentCounts
    let smaller = counts.filter { $0 < cell.componentCount }.max()
    let larger = counts.filter { $0 > cell.componentCount }.min()
    let models = candidates.indices.compactMap {
      other -> (cell: ModelSelection.Cell, model: GaussianMixture)? in
      let neighbour = cells[other]
      let isNear =
        neighbour.componentCount == cell.componentCount
        || (neighbour.covariance == cell.covariance
          && (neighbour.componentCount == smaller || neighbour.componentCount == larger))
      guard other != index, isNear, let model = candidates[other].fit?.model else { return nil }
      return (neighbour, model)
    }
    var settings = search.settings(of: cell)
    settings.threadCount = threadCount
    let neighbours = Neighbours(
      settings: settings, part: part, scale: scale, threadCount: threadCount, own: fit.model,
      models: models)
    guard let best = neighbours.best(),
      let own = try? fit.model.logLikelihood(of: part, threadCount: threadCount)
    else { return nil }
    // A short run is not at its end yet.
    let slack = 1e-3 * Double(part.observationCount)
    return best.logLikelihood > own - slack ? best.beginning : nil
  }

  /// Takes a fit in place of the one that a candidate has, if it is likelier. One whose likelihood says little does not
  /// replace one that is sound, unless it must.
  private func keep(
    _ outcome: Outcome, of job: Job, from cell: ModelSelection.Cell, mustRise: Bool = false
  ) -> Bool {
    let index = job.candidate
    guard case .success(let fit) = outcome else { return false }
    if let own = candidates[index].fit {
      // Fits that meet in one maximum are told apart by where they stopped only.
      let least = mustRise ? 0 : 1e-7 * Double(fit.observationCount)
      guard fit.logLikelihood - own.logLikelihood > least else { return false }
      if !mustRise, fit.isDubious, !own.isDubious { return false }
    }
    candidates[index].outcome = outcome
    candidates[index].origin = .neighbour(
      componentCount: cell.componentCount, covariance: cell.covariance)
    if case .model(let model) = job.settings.initialization { candidates[index].beginning = model }
    return true
  }

  /// The likeliest candidate that is nested in this one and likelier by more than rounding.
  private func nestedBetter(than index: Int) -> Int? {
    var best: (index: Int, logLikelihood: Double)?
    for other in cells.indices where isNested(other, in: index) {
      guard let fit = candidates[other].fit, fit.logLikelihood > best?.logLikelihood ?? -.infinity
      else { continue }
      best = (other, fit.logLikelihood)
    }
    guard let best else { return nil }
    let own = candidates[index].fit?.logLikelihood ?? -.infinity
    return best.logLikelihood - own > 1e-10 * max(abs(best.logLikelihood), 1) ? best.index : nil
  }

  /// A nested model in a cell's structure and with as many components: the heaviest are split, a little apart.
  private func nestedBeginning(
    _ model: GaussianMixture, for cell: ModelSelection.Cell
  ) -> GaussianMixture? {
    guard var result = model.expressed(in: cell.covariance) else { return nil }
    while result.componentCount < cell.componentCount {
      let k = result.weights.indices.max { result.weights[$0] < result.weights[$1] }!
      guard let next = result.splitting(k, by: 0.1) else { return nil }
      result = next
    }
    return result
  }

  /// Gives a candidate the very density of one that is nested in it. Candidates that the data do not determine stay
  /// without a fit.
  private func adopt(_ nested: Int, for index: Int) throws(MixtureError) -> Bool {
    guard let own = candidates[index].fit, let fit = candidates[nested].fit,
      let model = fit.model.expressed(in: cells[index].covariance)?
        .padded(to: cells[index].componentCount)
    else { return false }
    let score = try model.score(source, threadCount: threadCount)
    if own.logLikelihood >= score.logLikelihood { return false }
    candidates[index].outcome = .success(
      fit.carried(
        by: model, score: score, equalWeights: search.estimation.equalWeights))
    candidates[index].origin = .neighbour(
      componentCount: cells[nested].componentCount, covariance: cells[nested].covariance)
    candidates[index].beginning = model
    return true
  }

  // MARK: Criteria that need more fits

  /// The log-likelihood of one component of each form that was tried.
  private func singleLogLikelihoods() throws(MixtureError)
    -> [CovarianceStructure.Form: Double]
  {
    var result: [CovarianceStructure.Form: Double] = [:]
    for cell in cells where result[cell.covariance.form] == nil {
      var settings = search.settings(of: cell)
      settings.componentCount = 1
      settings.initialization = .kMeans
      settings.restartCount = 1
      settings.threadCount = threadCount
      let outcome = try Self.outcome { () throws(MixtureError) in try settings.fit(source) }
      if case .success(let fit) = outcome { result[cell.covariance.form] = fit.logLikelihood }
    }
    return result
  }

  private func crossValidate() throws(MixtureError) {
    let search = search
    let source = source
    let candidates = candidates
    let folds = Folds(
      rowCount: source.observationCount, count: search.foldCount, seed: search.estimation.seed)
    let pairs = candidates.indices.filter { candidates[$0].fit != nil }.flatMap { index in
      (0..<folds.count).map { (candidate: index, fold: $0) }
    }
    let finished = Lock(0)
    let progress = progress
    let scores = try abreast(pairs.count) { (number, threads) throws(MixtureError) -> FoldScore? in
      let (index, fold) = pairs[number]
      let candidate = candidates[index]
      let score = try search.score(
        of: candidate, fold: fold, of: folds, source, threadCount: threads)
      finished.withLock { finished in
        finished += 1
        progress?(
          SearchProgress(
            stage: .crossValidation, finishedCount: finished, count: pairs.count,
            componentCount: candidate.componentCount, covariance: candidate.covariance,
            iteration: nil))
      }
      return score
    }
    for index in candidates.indices {
      let own = zip(pairs, scores).filter { $0.0.candidate == index }.map(\.1)
      self.candidates[index].crossValidation = CrossValidation(
        own, foldCount: folds.count, rowCount: source.observationCount,
        meaning: source.annotations?.caseWeights?.meaning)
    }
  }

  private func likelihoodRatioTests() throws(MixtureError) -> [LikelihoodRatioTest] {
    var tests: [LikelihoodRatioTest] = []
    for (number, (null, alternative)) in zip(candidates, candidates.dropFirst()).enumerated() {
      guard let null = null.fit, let alternative = alternative.fit,
        let statistic = search.ratio(
          of: null.model.componentCount, against: alternative.model.componentCount, source,
          threadCount: threadCount)
      else { break }
      let finished = Lock(0)
      let (search, progress) = (search, progress)
      let count = source.observationCount
      let ratios = try abreast(search.replicateCount) {
        (replicate, threads) throws(MixtureError) -> Double? in
        let ratio = search.replicateRatio(
          of: null, against: alternative, rowCount: count, test: number, replicate: replicate,
          threadCount: threads)
        finished.withLock { finished in
          finished += 1
          progress?(
            SearchProgress(
              stage: .bootstrap, finishedCount: finished, count: search.replicateCount,
              componentCount: null.model.componentCount, covariance: null.model.structure,
              iteration: nil))
        }
        return ratio
      }
      let test = LikelihoodRatioTest(
        componentCounts: [null.model.componentCount, alternative.model.componentCount],
        statistic: statistic, ratios: ratios, level: search.significanceLevel)
      tests.append(test)
      if !test.isRejected { break }
    }
    return tests
  }
}

extension MixtureFit {
  /// This fit's density as a model of a larger family.
  func carried(
    by model: GaussianMixture, score: (logLikelihood: Double, entropy: Double), equalWeights: Bool
  ) -> MixtureFit {
    MixtureFit(
      model: model, logLikelihood: score.logLikelihood, logPrior: 0, prior: nil,
      entropy: score.entropy, observationCount: observationCount, criterionCount: criterionCount,
      caseWeight: caseWeight,
      parameterCount: model.parameterCount(equalWeights: equalWeights), fixed: .none,
      trace: [
        IterationRecord(
          iteration: 0, logLikelihood: score.logLikelihood, logPrior: 0, weights: model.weights,
          seconds: 0)
      ], stoppingReason: stoppingReason, rescued: rescued, seed: seed, restart: restart,
      restartLogLikelihoods: [score.logLikelihood])
  }
}
