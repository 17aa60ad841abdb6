// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Fits every combination of numbers of components and covariance structures, and ranks the fits by a criterion.
///
/// ```swift
/// let search = ModelSelection(componentCounts: Array(1...9), covariances: CovarianceStructure.allCases)
/// let ranking = try search.run(observations)
/// print(ranking.best.model.componentCount, ranking.best.model.structure)
/// ```
///
/// Each candidate is fitted from its own start. Then candidates learn from each other, see ``learnsFromNeighbours``.
///
/// The result depends on the data, these settings and the seed only: the number of threads changes no bit of it.
public struct ModelSelection: Sendable {
  /// The numbers of components to try.
  public var componentCounts: [Int]
  /// The covariance structures to try.
  public var covariances: [CovarianceStructure]
  /// What ranks the fits; smaller is better.
  public var criterion: SelectionCriterion
  /// All other settings; its number of components and structure are replaced.
  public var estimation: ExpectationMaximization
  /// Whether candidates are tried again from the models of others, after all were fitted from their own starts.
  ///
  /// A candidate is begun from models with as many components and another structure, from those with one component less,
  /// one of which is split, and from those with one more, two of which are merged. The likelier end is kept. Afterwards
  /// no candidate is less likely than one that is nested in it: one with no more components and a structure that
  /// ``CovarianceStructure/contains(_:)`` compares, of which it holds all mixtures. With equal weights, and where rows are
  /// known to belong to components, numbers of components are not nested.
  ///
  /// With a prior this has no effect: of two posterior modes the one that is nested may be likelier.
  /// Starts that make no random choice are the user's own, and are not left: with ``Initialization/labels(_:)`` and
  /// ``Initialization/model(_:)`` this has no effect.
  public var learnsFromNeighbours: Bool
  /// The number of folds of a cross-validation.
  public var foldCount: Int
  /// The number of tables that each likelihood-ratio test draws.
  public var replicateCount: Int
  /// The level of the likelihood-ratio tests: of p-values up to it, K is rejected in favour of the next number.
  public var significanceLevel: Double

  /// A search over a grid.
  public init(
    componentCounts: [Int], covariances: [CovarianceStructure] = [.full],
    criterion: SelectionCriterion = .bic,
    estimation: ExpectationMaximization = ExpectationMaximization(componentCount: 1),
    learnsFromNeighbours: Bool = true, foldCount: Int = 10, replicateCount: Int = 99,
    significanceLevel: Double = 0.05
  ) {
    self.componentCounts = componentCounts
    self.covariances = covariances
    self.criterion = criterion
    self.estimation = estimation
    self.learnsFromNeighbours = learnsFromNeighbours
    self.foldCount = foldCount
    self.replicateCount = replicateCount
    self.significanceLevel = significanceLevel
  }

  /// Fits the grid.
  ///
  /// Tables so small that one iteration cannot use all threads have several candidates side by side, on one thread each,
  /// unless there is an observer or a plan of checkpoints.
  ///
  /// - Parameters:
  ///   - source: n rows of d features.
  ///   - checkpoints: How to keep the state of the search, and the state to go on from. A search that was resumed gives
  ///     the same bits as one that was never ended; only seconds differ.
  ///   - progress: Called after every fit, and after every iteration where fits are made one after the other (of those
  ///     side by side the first shows its iterations); one call at a time, from any thread.
  ///   - observer: Called after every E-step of every fit, on the calling thread, with the index of the candidate; it may
  ///     end the search, which then ranks what there is. A resumed search calls it for the iterations that it makes.
  /// - Returns: All candidates and the best.
  /// - Throws: ``MixtureError/Code/invalidSetting`` if the grid is empty, a number of folds or replicates or a level is
  ///   out of range, or likelihood-ratio tests are to compare several structures; the first candidate's error if no
  ///   candidate has a fit; ``MixtureError/Code/checkpointMismatch`` if the state to go on from is of another search; and
  ///   what the plan throws.
  public func run(
    _ source: some ObservationSource,
    checkpoints: CheckpointPlan<SelectionCheckpoint>? = nil,
    progress: ((SearchProgress) -> Void)? = nil,
    observer: ((Int, IterationReport) -> ObserverDecision)? = nil
  ) throws(MixtureError) -> Ranking {
    try requireValidSettings(observationCount: source.observationCount)
    if criterion == .likelihoodRatioTest,
      !(source.annotations?.isComplete ?? true) || source.annotations?.knownComponents != nil
        || source.annotations?.isTruncated ?? false || estimation.background != .none
    {
      throw MixtureError(
        .invalidSetting,
        "likelihood-ratio tests draw tables of plain rows; these rows carry gaps, noise, known components, limits or "
          + "a background. Choose by another criterion.")
    }
    let run = SearchRun(
      self, on: source, checkpoints: checkpoints, progress: progress, observer: observer)
    return try run.ranking()
  }

  /// The settings that make a candidate's fit again, to the bit.
  public func settings(of candidate: Candidate) -> ExpectationMaximization {
    var settings = settings(
      of: Cell(componentCount: candidate.componentCount, covariance: candidate.covariance))
    guard let beginning = candidate.beginning else { return settings }
    settings.componentCount = beginning.componentCount
    settings.initialization = .model(beginning)
    settings.algorithm = settings.algorithm.withoutStages
    settings.restartCount = 1
    if let fit = candidate.fit, fit.iterationCount == 0 { settings.stoppingRule.iterationLimit = 0 }
    return settings
  }

  /// One cell of the grid.
  struct Cell: Sendable, Equatable {
    let componentCount: Int
    let covariance: CovarianceStructure
  }

  /// The cells, by structure and then by number of components.
  var cells: [Cell] {
    covariances.flatMap { covariance in
      componentCounts.map { Cell(componentCount: $0, covariance: covariance) }
    }
  }

  /// The settings of the fit of a cell.
  func settings(of cell: Cell) -> ExpectationMaximization {
    var settings = estimation
    settings.componentCount = cell.componentCount
    settings.covariance = cell.covariance
    return settings
  }

  private func requireValidSettings(observationCount: Int) throws(MixtureError) {
    func require(_ holds: Bool, _ message: String) throws(MixtureError) {
      if !holds { throw MixtureError(.invalidSetting, message) }
    }
    try require(
      !componentCounts.isEmpty && !covariances.isEmpty,
      "there are \(componentCounts.count) numbers of components and \(covariances.count) "
        + "structures to try; at least one of each is needed.")
    switch criterion {
    case .bic, .aic, .aicc, .icl, .normalizedEntropy: break
    case .crossValidation:
      try require(
        foldCount >= 2 && foldCount <= max(observationCount, 2),
        "the number of folds is \(foldCount); it must be at least 2 and at most the number of rows, "
          + "\(observationCount).")
    case .likelihoodRatioTest:
      try require(
        covariances.count == 1,
        "likelihood-ratio tests compare numbers of components of one structure; "
          + "\(covariances.count) were given. Choose the structure by another criterion first.")
      try require(
        zip(componentCounts, componentCounts.dropFirst()).allSatisfy { $0 < $1 },
        "likelihood-ratio tests go from one number of components to the next; "
          + "\(componentCounts) does not ascend.")
      try require(
        replicateCount >= 1 && replicateCount <= 1_000_000,
        "the number of replicates is \(replicateCount); it must be at least 1 and at most 1000000.")
      try require(
        significanceLevel > 0 && significanceLevel < 1,
        "the significance level is \(significanceLevel); it must be above 0 and below 1.")
    }
  }
}

/// How far a search has come.
public struct SearchProgress: Sendable {
  /// What is being done.
  public enum Stage: String, Sendable {
    /// Candidates are fitted from their own starts.
    case candidates
    /// Candidates are tried again from each other's models.
    case neighbours
    /// Folds are fitted.
    case crossValidation
    /// Tables are drawn from fits, and fitted.
    case bootstrap
  }

  /// What is being done.
  public let stage: Stage
  /// How many fits of the stage are finished.
  public let finishedCount: Int
  /// How many there are to make in all, as far as that is known: candidates are tried again as often as it helps.
  public let count: Int?
  /// The number of components of the fit that was finished last, or is under way.
  public let componentCount: Int
  /// Its covariance structure.
  public let covariance: CovarianceStructure
  /// The iteration that was just made; nil when a fit was finished.
  public let iteration: IterationReport?
}
