// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Fits every combination of numbers of components and covariance structures, and ranks the fits by a criterion.
public struct ModelSelection: Sendable {
  /// The numbers of components to try.
  public var componentCounts: [Int]
  /// The covariance structures to try.
  public var covariances: [CovarianceStructure]
  /// What ranks the fits; smaller is better.
  public var criterion: InformationCriterion
  /// All other settings; its number of components and structure are replaced.
  public var estimation: ExpectationMaximization

  /// A search over a grid.
  public init(
    componentCounts: [Int], covariances: [CovarianceStructure] = [.full],
    criterion: InformationCriterion = .bic,
    estimation: ExpectationMaximization = ExpectationMaximization(componentCount: 1)
  ) {
    self.componentCounts = componentCounts
    self.covariances = covariances
    self.criterion = criterion
    self.estimation = estimation
  }

  /// One cell of the grid.
  public struct Candidate: Sendable {
    /// The number of components asked for.
    public let componentCount: Int
    /// The covariance structure.
    public let covariance: CovarianceStructure
    /// The fit, or why the data allow none of this structure.
    public let outcome: Result<MixtureFit, MixtureError>

    /// The fit, if there is one.
    public var fit: MixtureFit? { try? outcome.get() }
  }

  /// The whole grid, and the best of it.
  public struct Ranking: Sendable {
    /// Every cell, by structure and then by number of components, in the order asked for.
    public let candidates: [Candidate]
    /// The criterion that ranked them.
    public let criterion: InformationCriterion
    /// The index of the best candidate; of equal ones the first.
    public let bestIndex: Int
    /// The best fit.
    public let best: MixtureFit
  }

  /// Fits the grid.
  ///
  /// - Parameters:
  ///   - source: n rows of d features.
  ///   - checkpoints: How to keep the state of the search, and the state to go on from. A search that was resumed gives
  ///     the same bits as one that was never ended; only seconds differ.
  ///   - observer: Called after every E-step of every fit, with the index of the candidate; it may end the search,
  ///     which then ranks what there is. A resumed search calls it for the iterations that it makes.
  /// - Returns: All candidates and the best.
  /// - Throws: ``MixtureError/Code/invalidSetting`` if the grid is empty; the first candidate's error if no candidate has
  ///   a fit; ``MixtureError/Code/checkpointMismatch`` if the state to go on from is of another search; and what the plan
  ///   throws.
  public func run(
    _ source: some ObservationSource,
    checkpoints: CheckpointPlan<SelectionCheckpoint>? = nil,
    observer: ((Int, IterationReport) -> ObserverDecision)? = nil
  ) throws(MixtureError) -> Ranking {
    guard !componentCounts.isEmpty, !covariances.isEmpty else {
      throw MixtureError(
        .invalidSetting,
        "there are \(componentCounts.count) numbers of components and \(covariances.count) "
          + "structures to try; at least one of each is needed.")
    }
    let cells = covariances.flatMap { covariance in
      componentCounts.map { (covariance: covariance, componentCount: $0) }
    }
    let resumed = checkpoints?.resumed
    try resumed?.require(self, cellCount: cells.count)
    var candidates: [Candidate] = []
    for (outcome, cell) in zip(resumed?.outcomes ?? [], cells) {
      candidates.append(
        Candidate(
          componentCount: cell.componentCount, covariance: cell.covariance,
          outcome: outcome.result))
    }
    var clock = CheckpointClock(interval: checkpoints?.interval ?? .zero)
    for (index, cell) in cells.enumerated().dropFirst(candidates.count) {
      var settings = estimation
      settings.componentCount = cell.componentCount
      settings.covariance = cell.covariance
      // The clock of the search decides, so that a search of many short fits is kept too.
      let plan = checkpoints.map { plan in
        CheckpointPlan<FitCheckpoint>(
          resumed: index == resumed?.outcomes.count ? resumed?.current : nil, interval: .zero
        ) { [candidates] (current) throws(MixtureError) in
          guard clock.isDue() else { return }
          try plan.save(
            SelectionCheckpoint(self, outcomes: candidates.map(\.outcome), current: current))
        }
      }
      let outcome: Result<MixtureFit, MixtureError>
      do throws(MixtureError) {
        outcome = .success(
          try settings.fit(
            source, checkpoints: plan, observer: observer.map { ask in { ask(index, $0) } }))
      } catch {
        // Settings and data that no cell of the grid can do anything with end the search.
        if error.code != .degenerateObservations { throw error }
        outcome = .failure(error)
      }
      candidates.append(
        Candidate(
          componentCount: cell.componentCount, covariance: cell.covariance, outcome: outcome))
      if case .success(let fit) = outcome, fit.stoppingReason == .observer { break }
    }
    var best: (index: Int, fit: MixtureFit)?
    for (index, candidate) in candidates.enumerated() {
      guard let fit = candidate.fit else { continue }
      if best.map({ fit.value(of: criterion) < $0.fit.value(of: criterion) }) ?? true {
        best = (index, fit)
      }
    }
    guard let best else {
      guard case .failure(let error) = candidates[0].outcome else { fatalError("unreachable") }
      throw error
    }
    return Ranking(
      candidates: candidates, criterion: criterion, bestIndex: best.index, best: best.fit)
  }
}
