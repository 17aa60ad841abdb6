// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Fits a Gaussian mixture by maximum likelihood, or by maximum a posteriori, with the EM algorithm.
///
/// ```swift
/// let fit = try ExpectationMaximization(componentCount: 2, covariance: .full).fit(observations)
/// print(fit.model.weights, fit.logLikelihood, fit.bic)
/// ```
///
/// One iteration is one E-step and one M-step. The loop asks whether to stop between the two, so the log-likelihood that
/// a fit reports is that of the model it returns. Dempster, Laird & Rubin (1977),
/// [doi:10.1111/j.2517-6161.1977.tb01600.x](https://doi.org/10.1111/j.2517-6161.1977.tb01600.x).
///
/// The result depends on the data, these settings and the seed only: the number of threads changes no bit of it.
public struct ExpectationMaximization: Sendable, Codable, Equatable {
  /// The number of components, K.
  public var componentCount: Int
  /// The structure of the covariances.
  public var covariance: CovarianceStructure
  /// Whether all weights are fixed at 1 / K.
  public var equalWeights: Bool
  /// Where to start.
  public var initialization: Initialization
  /// How the k-means is made that a start may be sought by.
  public var kMeans: KMeansSettings
  /// How many times to start; the end with the largest objective (without a prior: log-likelihood) is kept. Starts that make no random choice are
  /// made once.
  public var restartCount: Int
  /// When to stop iterating.
  public var stoppingRule: StoppingRule
  /// The covariance floor as a fraction of each feature's variance: Σₖ − floor · diag(variances) stays positive
  /// semidefinite. EII and VII, which know one unit only, keep λ at or above floor times the mean variance; EVE, VVE, EEV
  /// and VEV keep every eigenvalue at or above floor times the least variance. Zero means none.
  public var covarianceFloor: Double
  /// A prior of the parameters. With one, the fit maximises the log-likelihood plus the logarithm of the prior's density.
  public var prior: MixturePrior
  /// Parameters that stay as they are.
  public var fixed: FixedParameters
  /// What to do with a component that collapses.
  public var rescuePolicy: RescuePolicy
  /// Whether the E-step leaves out rows and components that can have nothing to do with each other, before it computes
  /// anything for them. It changes no bit of any result.
  public var skipping: Bool
  /// Whether there is a uniform background beside the components, for rows that belong to none.
  public var background: BackgroundRule
  /// The arithmetic of the E-steps of plain rows; rows that carry more than their features, and a background, have double
  /// precision. With ``Precision/single`` a gain of less than 2⁻²⁴ nats per observation counts as none,
  /// and the log-likelihood and entropy of the result are those of its model in double precision.
  public var precision: Precision
  /// What the E-steps hand to the M-steps: responsibilities, or something else. Only EM's own iterations are accelerated,
  /// leave out work and may be in single precision.
  public var algorithm: Algorithm
  /// Whether iterations go further than EM's.
  public var acceleration: Acceleration
  /// How many moves out of a local maximum are tried at a time, each of which merges two components and splits a third; 0
  /// means none.
  ///
  /// Moves begin where a restart has converged. The likeliest to help, by a few iterations on a part of the table, are
  /// followed to their ends one after the other; the first that ends higher by more than the stopping rule leaves is kept,
  /// and others are sought from there. A fit with fixed parameters, rows of known components or fewer than three components
  /// has no moves. They are neither observed nor kept in checkpoints. Ueda, Nakano, Ghahramani & Hinton (2000),
  /// [doi:10.1162/089976600300015088](https://doi.org/10.1162/089976600300015088).
  public var splitMerge: Int
  /// Whether restarts that lag behind are given up early: of all restarts the better half goes on from a first rung, half of
  /// those from a rung twice as high, until one is left. That one has the bits that it would have without the others.
  ///
  /// A restart that is given up counts with the log-likelihood that it had. Jamieson & Talwalkar (2016), "Non-stochastic best
  /// arm identification and hyperparameter optimization", AISTATS 240–248.
  public var halving: Bool
  /// The seed of all random choices.
  public var seed: UInt64
  /// How many threads to use; nil means one for each processor. It changes no result.
  public var threadCount: Int?
  /// The factors that covariances are made of, set by ``FactorAnalysers``; nil if they are matrices of ``covariance``.
  var factors: FactorStructure?

  /// Settings for a fit. All but the number of components have defaults.
  public init(
    componentCount: Int, covariance: CovarianceStructure = .full, equalWeights: Bool = false,
    initialization: Initialization = .shortRuns, restartCount: Int = 1,
    stoppingRule: StoppingRule = StoppingRule(), covarianceFloor: Double = 1e-6,
    prior: MixturePrior = .none, fixed: FixedParameters = .none,
    rescuePolicy: RescuePolicy = .reseed, background: BackgroundRule = .none,
    algorithm: Algorithm = .em, acceleration: Acceleration = .quasiNewton,
    splitMerge: Int = 0, halving: Bool = false,
    skipping: Bool = true, precision: Precision = .double, seed: UInt64 = 0,
    threadCount: Int? = nil, kMeans: KMeansSettings = KMeansSettings()
  ) {
    self.componentCount = componentCount
    self.covariance = covariance
    self.equalWeights = equalWeights
    self.initialization = initialization
    self.kMeans = kMeans
    self.restartCount = restartCount
    self.stoppingRule = stoppingRule
    self.covarianceFloor = covarianceFloor
    self.prior = prior
    self.fixed = fixed
    self.rescuePolicy = rescuePolicy
    self.background = background
    self.splitMerge = splitMerge
    self.halving = halving
    self.skipping = skipping
    self.precision = precision
    self.algorithm = algorithm
    self.acceleration = acceleration
    self.seed = seed
    self.threadCount = threadCount
  }

  /// Decodes settings; those that were written before ``precision`` are in double precision, those before ``algorithm``
  /// are of EM.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      componentCount: try container.decode(Int.self, forKey: .componentCount),
      covariance: try container.decode(CovarianceStructure.self, forKey: .covariance),
      equalWeights: try container.decode(Bool.self, forKey: .equalWeights),
      initialization: try container.decode(Initialization.self, forKey: .initialization),
      restartCount: try container.decode(Int.self, forKey: .restartCount),
      stoppingRule: try container.decode(StoppingRule.self, forKey: .stoppingRule),
      covarianceFloor: try container.decode(Double.self, forKey: .covarianceFloor),
      prior: try container.decodeIfPresent(MixturePrior.self, forKey: .prior) ?? .none,
      fixed: try container.decodeIfPresent(FixedParameters.self, forKey: .fixed) ?? .none,
      rescuePolicy: try container.decode(RescuePolicy.self, forKey: .rescuePolicy),
      background: try container.decodeIfPresent(BackgroundRule.self, forKey: .background) ?? .none,
      algorithm: try container.decodeIfPresent(Algorithm.self, forKey: .algorithm) ?? .em,
      acceleration: try container.decode(Acceleration.self, forKey: .acceleration),
      splitMerge: try container.decodeIfPresent(Int.self, forKey: .splitMerge) ?? 0,
      halving: try container.decodeIfPresent(Bool.self, forKey: .halving) ?? false,
      skipping: try container.decode(Bool.self, forKey: .skipping),
      precision: try container.decodeIfPresent(Precision.self, forKey: .precision) ?? .double,
      seed: try container.decode(UInt64.self, forKey: .seed),
      threadCount: try container.decodeIfPresent(Int.self, forKey: .threadCount),
      kMeans: try container.decodeIfPresent(KMeansSettings.self, forKey: .kMeans)
        ?? KMeansSettings())
    factors = try container.decodeIfPresent(FactorStructure.self, forKey: .factors)
  }

  /// Fits a mixture to observations.
  ///
  /// Components that collapse are rescued, which the result records; not converging within the limit is a result too.
  ///
  /// - Parameters:
  ///   - source: n rows of d features.
  ///   - checkpoints: How to keep the state of the fit, and the state to go on from. After the fit was resumed the
  ///     result has the same bits as if it had never been ended; only seconds differ.
  ///   - observer: Called after every E-step, on the calling thread and restart after restart; it may end the fit. A
  ///     resumed fit calls it for the iterations that it makes. Without an observer and without checkpoints, restarts on
  ///     tables so small that an iteration cannot use all threads are made side by side.
  /// - Returns: The best of the restarts.
  /// - Throws: ``MixtureError/Code/invalidSetting`` for settings out of range;
  ///   ``MixtureError/Code/emptyObservations``, ``MixtureError/Code/nonFiniteObservation`` or
  ///   ``MixtureError/Code/degenerateObservations`` for data without an answer: constant or collinear columns, or a
  ///   single row; ``MixtureError/Code/featureCountMismatch`` if a starting model has another number of features;
  ///   ``MixtureError/Code/checkpointMismatch`` if the state to go on from is of other data or settings; and what
  ///   the plan throws.
  /// - Complexity: For each iteration O(n·K·d²) with full covariances, O(n·K·d) otherwise. Memory
  ///   O(threads · K·d²) beside the data, and a part of the rows where the start is sought; never n or n · K.
  ///
  /// **Numerics.** The log-likelihood (with a prior: the objective) never falls by more than rounding from one iteration to
  /// the next, except where `rescued` records that a component with a singular covariance was replaced. Adding a constant
  /// to a feature changes nothing beyond rounding, and scaling it changes the log-likelihood by n times the logarithm of the
  /// scale.
  public func fit(
    _ source: some ObservationSource,
    checkpoints: CheckpointPlan<FitCheckpoint>? = nil,
    observer: ((IterationReport) -> ObserverDecision)? = nil
  ) throws(MixtureError) -> MixtureFit {
    try requireValidSettings()
    try source.requireRowsAndColumns()
    let threadCount = threadCount ?? Kernels.processorCount
    var scale = try DataScale(source, form: covariance.form, threadCount: threadCount)
    scale.background = try background.first(for: source, scale: scale)
    try prior.requireValid(for: covariance, featureCount: source.featureCount)
    let terms = priorTerms(scale)
    // A prior that is positive definite says what rows in a plane do not, but not in which unit a constant is measured.
    let isSpread = terms?.isDefinite ?? false
    // Nor do uniquenesses, which have bounds.
    try scale.requireSpread(
      for: (isSpread || factors != nil) && covariance.form == .full ? .vvi : covariance, of: source)
    try requireFittingStart(for: source)
    let held = try requireFixable(featureCount: source.featureCount)

    var K = componentCount
    var reduction: RescueEvent?
    if initialization.isRandom {
      let distinct = try source.distinctRowCount(upTo: K)
      if distinct < K {
        reduction = RescueEvent(
          action: .reduced, component: distinct, iteration: 0,
          detail: "\(K) components were asked for, but only \(distinct) rows are different")
        K = distinct
      }
    }

    let first = { (restart: Int, threadCount: Int) throws(MixtureError) -> EMRun in
      var run = EMRun(self, scale: scale, restart: restart, threadCount: threadCount)
      run.hold(held)
      var start = try start(
        on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount)
      if let held, case .model(let model) = start, fixed.values != nil {
        start = .model(try held.fixing(model))
      }
      try run.begin(on: source, from: start)
      return run
    }
    let ends: RestartEnds
    if halving, usedRestartCount > 1 {
      if checkpoints != nil {
        throw MixtureError(
          .invalidSetting,
          "restarts by halving are all under way at once, of which a checkpoint keeps one only. Use "
            + "one without the other.")
      }
      ends = try halvedRestarts(
        on: source, threadCount: threadCount, observer: observer, first: first)
    } else if let checkpoints {
      ends = try restarts(
        on: source, scale: scale, threadCount: threadCount, plan: checkpoints, observer: observer
      ) { (restart) throws(MixtureError) in try first(restart, threadCount) }
    } else {
      ends = try runs(
        usedRestartCount, on: source, threadCount: threadCount,
        isObserved: observer != nil, add: { (ends: inout RestartEnds, later) in ends.add(later) },
        isLast: { $0.best.stoppingReason == .observer }
      ) { (restart, threadCount) throws(MixtureError) -> RestartEnds in
        var run = try first(restart, threadCount)
        try run.iterate(on: source, observer: observer)
        return RestartEnds(run)
      }
    }
    return ends.best.result(
      observationCount: source.observationCount, criterionCount: try source.criterionCount(),
      ends: ends.logLikelihoods, reduction: reduction)
  }

  /// The prior as the M-step wants it; nil if there is none.
  func priorTerms(_ scale: DataScale) -> PriorTerms? {
    prior.conjugatePrior(scale, covariance, componentCount: componentCount).map {
      PriorTerms($0, structure: covariance)
    }
  }

  private func requireFixable(featureCount: Int) throws(MixtureError) -> HeldParameters? {
    var start: GaussianMixture?
    switch initialization {
    case .model(let model): start = model
    case .labels: break
    case .shortRuns, .kMeans, .hierarchical, .randomRows, .randomResponsibilities:
      guard fixed.isEmpty else {
        throw MixtureError(
          .invalidSetting,
          "parameters are fixed, but the start does not say which component is which. Start from a "
            + "model or from labels.")
      }
    }
    return try fixed.held(
      covariance, componentCount: componentCount, featureCount: featureCount,
      equalWeights: equalWeights, values: start)
  }

  func requireValidSettings() throws(MixtureError) {
    func require(_ holds: Bool, _ message: String) throws(MixtureError) {
      if !holds { throw MixtureError(.invalidSetting, message) }
    }
    try require(
      componentCount >= 1,
      "the number of components is \(componentCount); it must be at least 1.")
    try require(
      restartCount >= 1 && restartCount <= 65_536,
      "the number of restarts is \(restartCount); it must be at least 1 and at most 65536.")
    try require(
      stoppingRule.tolerance >= 0 && stoppingRule.tolerance.isFinite,
      "the tolerance is \(stoppingRule.tolerance); it must be 0 or a positive number.")
    try require(
      stoppingRule.iterationLimit >= 0,
      "the iteration limit is \(stoppingRule.iterationLimit); it must not be negative.")
    try require(
      covarianceFloor >= 0 && covarianceFloor < 1,
      "the covariance floor is \(covarianceFloor); it must be at least 0 and less than 1, "
        + "a fraction of the data's variance.")
    try require(
      splitMerge >= 0 && splitMerge <= 10_000,
      "the number of moves to try is \(splitMerge); it must be at least 0 and at most 10000.")
    try algorithm.requireValid(precision: precision)
    try kMeans.requireValid(componentCount: componentCount)
    try require(
      threadCount ?? 1 >= 1,
      "the number of threads is \(threadCount ?? 1); it must be at least 1.")
  }

  func requireFittingStart(for source: some ObservationSource) throws(MixtureError) {
    if background == .none, let known = source.annotations?.knownComponents,
      let row = (0..<known.count).first(where: { known[$0] == [KnownComponents.background] })
    {
      throw MixtureError(
        .invalidAnnotation,
        "row \(source.firstRowNumber + row) (counted from 0) is known to belong to the background, but the fit has none."
      )
    }
    if let known = source.annotations?.knownComponents,
      let row = (0..<known.count).first(where: { (known[$0]?.max() ?? 0) >= componentCount })
    {
      throw MixtureError(
        .invalidAnnotation,
        "row \(source.firstRowNumber + row) (counted from 0) is known to belong to component "
          + "\(known[row]!.max()!); \(componentCount) components are numbered 0 to \(componentCount - 1)."
      )
    }
    switch initialization {
    case .shortRuns, .kMeans, .hierarchical, .randomRows, .randomResponsibilities: break
    case .labels(let labels):
      guard labels.count == source.observationCount else {
        throw MixtureError(
          .shapeMismatch,
          "there are \(labels.count) labels for \(source.observationCount) rows.")
      }
      if let row = labels.firstIndex(where: { $0 < 0 || $0 >= componentCount }) {
        throw MixtureError(
          .invalidSetting,
          "the label of row \(row) (counted from 0) is \(labels[row]); labels of "
            + "\(componentCount) components are 0 to \(componentCount - 1).")
      }
    case .model(let model):
      guard model.featureCount == source.featureCount else {
        throw .featureCountMismatch(
          model: model.featureCount, observations: source.featureCount)
      }
      guard model.componentCount == componentCount else {
        throw MixtureError(
          .invalidSetting,
          "the starting model has \(model.componentCount) components, but "
            + "\(componentCount) were asked for.")
      }
    }
  }
}

extension MixtureError {
  static func featureCountMismatch(model: Int, observations: Int) -> MixtureError {
    MixtureError(
      .featureCountMismatch,
      "the observations have \(observations) features, but the model was made for \(model). "
        + "Choose the same columns in the same order.")
  }
}

/// One restart: the loop of E- and M-steps and what it remembers.
struct EMRun {
  let settings: ExpectationMaximization
  let scale: DataScale
  let floor: CovarianceFloor
  let prior: PriorTerms?
  let restart: Int
  var threadCount: Int
  let began = ContinuousClock.now
  /// Seconds that the restart took before it was resumed.
  let earlierSeconds: Double

  private(set) var state: RunState
  var model: GaussianMixture? { state.model }
  var logLikelihood: Double { state.logLikelihood }
  /// The log-likelihood (or classification log-likelihood) plus the logarithm of the prior's density, which is maximised.
  var objective: Double { state.objective }
  var stoppingReason: StoppingReason { state.stoppingReason }
  /// Whether it waits to go on.
  private(set) var isPaused = false
  /// Whether a covariance was held at the floor.
  var isFloored: Bool { !state.floored.isEmpty }

  init(
    _ settings: ExpectationMaximization, scale: DataScale, restart: Int, threadCount: Int,
    resuming state: RunState? = nil
  ) {
    self.settings = settings
    self.scale = scale
    self.restart = restart
    self.threadCount = threadCount
    floor = CovarianceFloor(minimumVariances: scale.variances.map { $0 * settings.covarianceFloor })
    prior = settings.priorTerms(scale)
    self.state = state ?? RunState(reseedsLeft: settings.componentCount)
    earlierSeconds = self.state.seconds
  }

  private var elapsedSeconds: Double {
    let (whole, part) = (ContinuousClock.now - began).components
    return earlierSeconds + Double(whole) + Double(part) * 1e-18
  }

  /// Sets which parameters stay as they are; before the first model.
  mutating func hold(_ parameters: HeldParameters?) {
    state.held = parameters
  }

  /// Makes the first model.
  mutating func begin(on source: some ObservationSource, from start: Start) throws(MixtureError) {
    switch start {
    case .model(let given):
      let model = try inFamily(given)
      state.next = scale.background == nil ? model : try withBackground(model, of: nil)
    case .statistics(let statistics):
      state.next = try maximize(statistics, on: source, iteration: 0)
      state.isMaximized = true
    }
  }

  /// A model to start from as the factors allow it: itself if they do, else the one whose density is nearest to it.
  private func inFamily(_ model: GaussianMixture) throws(MixtureError) -> GaussianMixture {
    guard let factors = settings.factors,
      !(model.structure == settings.covariance
        && model.covariances.factors?.isAdmissible(factors) ?? false)
    else { return model }
    let step = MaximizationStep(
      SufficientStatistics(like: model), structure: settings.covariance, equalWeights: false,
      floor: floor, factors: factors, previous: nil)
    // A component without weight says nothing; the first M-step will see to it.
    return step.collapses.isEmpty ? try step.model() : model
  }

  /// Iterates from where the state stands until a reason to stop, or before the given iteration is scored. Before each
  /// E-step `checkpoint` is shown the state.
  mutating func iterate(
    on source: some ObservationSource, pausingBefore rung: Int? = nil,
    checkpoint: ((RunState) throws(MixtureError) -> Void)? = nil,
    observer: ((IterationReport) -> ObserverDecision)?
  ) throws(MixtureError) {
    isPaused = false
    try iterateToTheEnd(
      on: source, pausingBefore: rung, checkpoint: checkpoint, observer: observer)
    if isPaused { return }
    try scoreInDoublePrecision(on: source)
    try moveComponents(on: source)
  }

  private mutating func scoreInDoublePrecision(
    on source: some ObservationSource
  ) throws(MixtureError) {
    guard settings.precision == .single, let model = state.model, let last = state.trace.last else {
      return
    }
    // What is reported, and compared with other fits, is in double precision.
    let score = try model.score(source, threadCount: threadCount)
    state.logLikelihood = score.logLikelihood
    state.entropy = score.entropy
    state.trace[state.trace.count - 1] = IterationRecord(
      iteration: last.iteration, logLikelihood: score.logLikelihood, logPrior: last.logPrior,
      weights: last.weights, seconds: elapsedSeconds)
  }

  /// What the log-likelihood of an observation must change by for that to be more than rounding in single precision.
  private static var singleResolution: Double { 0x1p-24 }

  /// What rounding alone may change a log-likelihood by.
  private func rounding(_ statistics: SufficientStatistics) -> Double {
    switch settings.precision {
    case .double: 0x1p-50 * abs(statistics.logLikelihood)
    case .single: Self.singleResolution * statistics.caseWeight
    }
  }

  private mutating func iterateToTheEnd(
    on source: some ObservationSource, pausingBefore rung: Int?,
    checkpoint: ((RunState) throws(MixtureError) -> Void)?,
    observer: ((IterationReport) -> ObserverDecision)?
  ) throws(MixtureError) {
    let frame = SingleFrame(scale, form: settings.covariance.form)
    // The target's moments, also while the start has a poorer structure.
    let expectation = Expectation(
      source, form: settings.covariance.form, threadCount: threadCount,
      isSkipping: settings.skipping)
    var current = state.next!
    var iteration = state.iteration
    var isMaximized = state.isMaximized
    while true {
      let isAtRung = rung.map { iteration >= $0 } ?? false
      if checkpoint != nil || isAtRung {
        state.next = current
        state.iteration = iteration
        state.isMaximized = isMaximized
        state.seconds = elapsedSeconds
        try checkpoint?(state)
      }
      if isAtRung {
        isPaused = true
        return
      }
      let assignment = settings.assignment(restart: restart, iteration: iteration)
      let statistics: SufficientStatistics
      if settings.precision == .single, assignment == .responsibilities, source.annotations == nil,
        current.background == nil
      {
        statistics = try source.singleExpectation(
          under: current, form: settings.covariance.form, frame: frame, threadCount: threadCount)
      } else {
        statistics = try expectation.statistics(
          under: current, by: assignment, componentNumbers: state.componentNumbers)
      }
      let logPrior = prior?.logDensity(of: current) ?? 0
      let objective = criterion(statistics) + logPrior
      if let fallback = state.fallback {
        state.fallback = nil
        if objective < state.objective {
          state.held?.keepFirst(fallback.model.componentCount)
          for index in fallback.events {
            state.rescued[index] = RescueEvent(
              action: .dropped, component: state.rescued[index].component, iteration: iteration,
              detail: state.rescued[index].detail + "; moving it did not help")
          }
          current = fallback.model
          state.componentNumbers = state.componentNumbers.map {
            Array($0.prefix(fallback.model.componentCount))
          }
          continue
        }
      }
      let allowance = settings.precision == .single ? rounding(statistics) : 0
      if let trial = state.trial, !(objective >= state.objective - allowance) {
        // The step is taken back: after this iteration the model is what it was, and EM's own step is next.
        state.trial = nil
        state.quasiNewton.takeBack()
        // What is left to gain is what was left before.
        let report = record(trial.statistics, iteration, state.outlooks.last)
        if let reason = reason(after: iteration, observer?(report)) {
          state.stoppingReason = reason
          return
        }
        current = trial.mapped
      } else {
        let isAccelerated = state.trial != nil
        if isAccelerated { state.quasiNewton.keep() }
        state.trial = nil
        let gain = note(
          current, statistics, logPrior, iteration, isAccelerated: isAccelerated)
        if case .drawn = assignment { keepLikeliest(isMaximized: isMaximized) }
        if state.held?.isEverything ?? false {
          // Nothing can change.
          let decision = observer?(record(statistics, iteration, nil))
          state.stoppingReason = decision == .stop ? .observer : .converged
          return
        }
        // The step is made before the question whether to stop, since it tells how much is left.
        let step = MaximizationStep(
          statistics, structure: settings.covariance, equalWeights: settings.equalWeights,
          floor: floor, factors: settings.factors, prior: prior, held: state.held,
          threadCount: threadCount, previous: current)
        let mapped =
          step.collapses.isEmpty ? try withBackground(step.model(), of: statistics) : nil
        let outlook =
          isMaximized && assignment == .responsibilities
          ? look(from: current, to: mapped, caseWeight: statistics.caseWeight) : nil
        let report = record(statistics, iteration, outlook)
        let decision = observer?(report)
        if isMet(gain: gain, outlook: outlook) {
          state.stoppingReason = .converged
          return
        }
        if let reason = reason(after: iteration, decision) {
          state.stoppingReason = reason
          if case .drawn = assignment { returnToLikeliest(iteration) }
          return
        }
        if case .drawn = assignment {
          iteration += 1
          isMaximized = isMaximized || mapped != nil
          // A draw that leaves a component without a covariance is made again, with other numbers.
          current = mapped ?? current
          let next = settings.assignment(restart: restart, iteration: iteration)
          if next == .responsibilities, let likeliest = state.likeliest {
            current = likeliest.model
            isMaximized = likeliest.isMaximized
            state.likeliest = nil
          }
          continue
        }
        if let mapped {
          note(floored: step.floored, iteration + 1)
          // Where a step gained nothing that single precision can tell, EM's own step decides whether this is the end.
          let isLost = settings.precision == .single && isAccelerated && gain == 0
          if outlook != nil, !isLost,
            let candidate = acceleratedModel(caseWeight: statistics.caseWeight)
          {
            state.trial = RunState.Trial(statistics: statistics, mapped: mapped)
            current = candidate
          } else {
            current = mapped
          }
        } else {
          current = try maximize(statistics, on: source, iteration: iteration + 1)
        }
      }
      iteration += 1
      isMaximized = true
    }
  }

  /// Goes over to the end of a move.
  mutating func adopt(_ run: EMRun, _ move: SplitMergeMove) {
    let end = run.state
    let before = state.trace.last?.iteration ?? 0
    state.model = end.model
    state.logLikelihood = end.logLikelihood
    state.logPrior = end.logPrior
    state.classificationLogLikelihood = end.classificationLogLikelihood
    state.entropy = end.entropy
    state.floored = end.floored
    state.rescued += end.rescued
    state.stoppingReason = end.stoppingReason
    state.moves = (state.moves ?? []) + [move]
    state.trace.append(
      IterationRecord(
        iteration: before + (end.trace.last?.iteration ?? 0), logLikelihood: end.logLikelihood,
        logPrior: end.logPrior, weights: end.model!.weights, seconds: elapsedSeconds,
        classificationLogLikelihood: end.classificationLogLikelihood))
  }

  /// What is maximised, without the prior.
  private func criterion(_ statistics: SufficientStatistics) -> Double {
    settings.algorithm == .classification
      ? statistics.classificationLogLikelihood : statistics.logLikelihood
  }

  /// Keeps the model that was just scored if it is better than those before.
  private mutating func keepLikeliest(isMaximized: Bool) {
    if let likeliest = state.likeliest, likeliest.objective >= state.objective { return }
    state.likeliest = RunState.Likeliest(
      model: state.model!, logLikelihood: state.logLikelihood, logPrior: state.logPrior,
      entropy: state.entropy, isMaximized: isMaximized)
  }

  /// Ends with the best model so far, where the one that was just scored is another one.
  private mutating func returnToLikeliest(_ iteration: Int) {
    guard let likeliest = state.likeliest, likeliest.model != state.model else { return }
    state.model = likeliest.model
    state.logLikelihood = likeliest.logLikelihood
    state.logPrior = likeliest.logPrior
    state.entropy = likeliest.entropy
    state.trace.append(
      IterationRecord(
        iteration: iteration + 1, logLikelihood: likeliest.logLikelihood,
        logPrior: likeliest.logPrior, weights: likeliest.model.weights, seconds: elapsedSeconds))
  }

  /// What the curvature so far says of the iterations to come; nil without acceleration.
  private mutating func look(
    from current: GaussianMixture, to mapped: GaussianMixture?, caseWeight: Double
  ) -> Outlook? {
    guard settings.acceleration == .quasiNewton else { return nil }
    let added = prior.map {
      PriorInformation($0, componentCount: current.componentCount, caseWeight: caseWeight)
    }
    guard let mapped,
      let outlook = state.quasiNewton.consider(current, mapped: mapped, added: added)
    else {
      state.quasiNewton.reset()
      state.outlooks = []
      return nil
    }
    if state.outlooks.count == 2 { state.outlooks.removeFirst() }
    state.outlooks.append(outlook)
    return outlook
  }

  /// The model that a step from the curvature leads to; nil if there is none, or if a component collapsed on the way.
  private func acceleratedModel(caseWeight: Double) -> GaussianMixture? {
    guard let parameters = state.quasiNewton.parameters() else { return nil }
    let step = MaximizationStep(
      SufficientStatistics(
        parameters: parameters, structure: settings.covariance,
        featureCount: scale.variances.count, caseWeight: caseWeight),
      structure: settings.covariance, equalWeights: settings.equalWeights, floor: floor,
      factors: settings.factors, held: state.held, threadCount: threadCount, previous: model)
    guard step.collapses.isEmpty, let model = try? step.model() else { return nil }
    guard let background = self.model?.background, let share = parameters.share else {
      return model
    }
    return try? model.withBackground(background.with(share: share))
  }

  /// The model before a background, if there is one: with the share that the statistics leave it, or where there is nothing
  /// to learn it from, that of the first model.
  private func withBackground(
    _ model: GaussianMixture, of statistics: SufficientStatistics?
  ) throws(MixtureError) -> GaussianMixture {
    guard let first = scale.background else { return model }
    var share = model.background?.share ?? first.share
    if let statistics, let last = self.model?.background {
      let own = (0..<statistics.componentCount).reduce(0) { $0 + statistics.zeroth($1) }
      // Rounding of the sums is no share.
      let left = 1 - own / (statistics.caseWeight + statistics.unseenWeight)
      share = last.share > 0 && left > 1e-14 ? left : 0
    }
    return try model.withBackground(first.with(share: share))
  }

  private func isMet(gain: Double?, outlook: Outlook?) -> Bool {
    if settings.algorithm == .classification {
      // Until nothing changes.
      return settings.stoppingRule.tolerance > 0 && state.gains.last.map { $0 <= 0 } ?? false
    }
    guard outlook != nil else { return settings.stoppingRule.isMet(gains: state.gains) }
    guard let gain else { return false }
    // EM's own step gained nothing.
    if settings.stoppingRule.tolerance > 0, let last = state.gains.last, last <= 0 { return true }
    return settings.stoppingRule.isMet(gain: gain, outlooks: state.outlooks)
  }

  private func reason(after iteration: Int, _ decision: ObserverDecision?) -> StoppingReason? {
    if decision == .stop { return .observer }
    return iteration >= settings.stoppingRule.iterationLimit ? .iterationLimit : nil
  }

  /// Takes note of a model that was just scored. Returns the gain per observation; nil if it has no meaning.
  private mutating func note(
    _ scored: GaussianMixture, _ statistics: SufficientStatistics, _ logPrior: Double,
    _ iteration: Int, isAccelerated: Bool
  ) -> Double? {
    // The first gain after a rescue compares different things; the history starts anew.
    let isRescue = state.rescued.contains { $0.iteration == iteration && $0.action != .floored }
    // So does the first gain from a given model, which may lie outside of what the M-step can reach.
    var isFirstFromModel = false
    if case .model = settings.initialization { isFirstFromModel = iteration <= 1 }
    var gain: Double?
    // Stages before EM raise something else, if anything.
    let stage = settings.algorithm.stageLength(iterationLimit: settings.stoppingRule.iterationLimit)
    if state.model != nil, !isRescue, !isFirstFromModel, iteration > stage || stage == 0 {
      let objective = criterion(statistics) + logPrior
      let difference = objective - state.objective
      // What rounding of the sum can make is no gain.
      let isRounding = abs(difference) <= max(rounding(statistics), 0x1p-50 * abs(objective))
      gain = isRounding ? 0 : difference / statistics.caseWeight
    }
    if let gain, !isAccelerated { state.gains.append(gain) } else { state.gains = [] }
    if isRescue {
      state.quasiNewton.reset()
      state.outlooks = []
    }
    state.model = scored
    state.logLikelihood = statistics.logLikelihood
    state.logPrior = logPrior
    if settings.algorithm == .classification {
      state.classificationLogLikelihood = statistics.classificationLogLikelihood
    }
    state.entropy = statistics.entropy
    state.caseWeight = statistics.caseWeight
    return gain
  }

  private mutating func record(
    _ statistics: SufficientStatistics, _ iteration: Int, _ outlook: Outlook?
  ) -> IterationReport {
    let seconds = elapsedSeconds
    let model = state.model!
    state.trace.append(
      IterationRecord(
        iteration: iteration, logLikelihood: state.logLikelihood, logPrior: state.logPrior,
        weights: model.weights, seconds: seconds,
        classificationLogLikelihood: state.classificationLogLikelihood))
    var remainingGain = outlook?.remainingGain
    if outlook == nil, state.gains.count >= 2 {
      remainingGain = StoppingRule.remainingGain(
        last: state.gains[state.gains.count - 1], previous: state.gains[state.gains.count - 2])
    }
    return IterationReport(
      restart: restart, iteration: iteration, model: model, statistics: statistics,
      logPrior: state.logPrior, remainingGain: remainingGain.flatMap { $0.isFinite ? $0 : nil },
      seconds: seconds, classificationLogLikelihood: state.classificationLogLikelihood)
  }

  /// The M-step, with components that collapse rescued.
  private mutating func maximize(
    _ statistics: SufficientStatistics, on source: some ObservationSource, iteration: Int
  ) throws(MixtureError) -> GaussianMixture {
    var statistics = statistics
    var reseeds: [Int] = []
    var onlyEmpty = true
    // The components' numbers before any of them left.
    var original = Array(0..<statistics.componentCount)
    while true {
      let step = MaximizationStep(
        statistics, structure: settings.covariance, equalWeights: settings.equalWeights,
        floor: floor, factors: settings.factors, prior: prior, held: state.held,
        threadCount: threadCount,
        previous: self.model)
      guard let collapse = step.collapses.first else {
        note(floored: step.floored, iteration)
        let model = try withBackground(step.model(), of: statistics)
        guard !reseeds.isEmpty else { return model }
        // Leaving out what owns nothing costs nothing, so that is what the moved components must beat.
        if onlyEmpty, state.model != nil {
          state.fallback = RunState.Fallback(model: model, events: reseeds)
        }
        let worst = try source.leastDense(reseeds.count, under: model, threadCount: threadCount)
        for index in reseeds.dropFirst(worst.count) {
          state.rescued[index] = RescueEvent(
            action: .dropped, component: state.rescued[index].component, iteration: iteration,
            detail: state.rescued[index].detail + "; there is no other row to move it to")
        }
        return try reseed(worst, in: model, on: source)
      }
      guard statistics.componentCount > 1 else {
        throw MixtureError(
          .degenerateObservations,
          "no component is left: \(collapse.detail). A larger covariance floor "
            + "(now \(settings.covarianceFloor)) may help.")
      }
      let action: RescueEvent.Action
      switch settings.rescuePolicy {
      case _ where state.held?.isAnythingFixed(collapse.component) ?? false:
        // It cannot be moved or added to another; with a free weight that has vanished it can go.
        guard state.held!.weight(collapse.component) == nil else {
          throw MixtureError(
            .degenerateObservations,
            "component \(collapse.component), whose weight is fixed, collapsed: \(collapse.detail). "
              + "A prior or a larger covariance floor (now \(settings.covarianceFloor)) may help.")
        }
        action = .dropped
        statistics = statistics.removing([collapse.component])
      case .merge where !collapse.isEmpty:
        action = .merged
        statistics = statistics.merging(
          collapse.component, into: nearest(to: collapse.component, in: statistics))
      case .reseed where state.reseedsLeft > 0:
        action = .reseeded
        state.reseedsLeft -= 1
        reseeds.append(state.rescued.count)
        statistics = statistics.removing([collapse.component])
      case .reseed, .merge, .drop:
        action = .dropped
        statistics = statistics.removing([collapse.component])
      }
      state.held?.remove(collapse.component)
      if let held = state.held, !held.hasFreeWeight {
        throw MixtureError(
          .degenerateObservations,
          "only components with fixed weights are left: \(collapse.detail). "
            + "Fix fewer weights, or start elsewhere.")
      }
      state.floored = []
      var numbers = state.componentNumbers ?? Array(0..<(statistics.componentCount + 1))
      numbers.remove(at: collapse.component)
      state.componentNumbers = numbers
      onlyEmpty = onlyEmpty && collapse.isEmpty
      state.rescued.append(
        RescueEvent(
          action: action, component: original.remove(at: collapse.component),
          iteration: iteration, detail: collapse.detail))
    }
  }

  private mutating func note(floored components: [Int], _ iteration: Int) {
    for k in components where state.floored.insert(k).inserted {
      state.rescued.append(
        RescueEvent(
          action: .floored, component: k, iteration: iteration,
          detail: "a \(settings.factors == nil ? "variance" : "uniqueness") fell below "
            + "\(settings.covarianceFloor) of the data's"))
    }
  }

  /// The component whose mean is nearest to that of `k`, in units of the features' standard deviations.
  private func nearest(to k: Int, in statistics: SufficientStatistics) -> Int {
    let mean = statistics.mean(k)
    func distance(_ other: Int) -> Double {
      let difference = zip(mean, statistics.mean(other)).map { $0 - $1 }
      return zip(difference, scale.variances).reduce(0) {
        $0 + ($1.1 > 0 ? $1.0 * $1.0 / $1.1 : 0)
      }
    }
    return (0..<statistics.componentCount).filter { $0 != k && statistics.zeroth($0) > 0 }
      .min { distance($0) < distance($1) }!
  }

  /// The model with more components, one at each of the given rows. Each weighs about as much as d + 1 rows and has the
  /// model's mean covariance, as far as the structure allows.
  private mutating func reseed(
    _ worst: [Int], in model: GaussianMixture, on source: some ObservationSource
  ) throws(MixtureError) -> GaussianMixture {
    let K = model.componentCount + worst.count
    let share = min(
      0.5 / Double(K), Double(source.featureCount + 1) / Double(source.observationCount))
    let rest = 1 - share * Double(worst.count)
    var weights = model.weights.map { $0 * rest } + worst.map { _ in share }
    state.held?.append(worst.count)
    if let held = state.held, held.hasFixedWeight { weights = held.weights(sharing: weights) }
    var means = model.means.elements
    for row in worst { means += try source.row(row) }
    // The annotations know nothing of them.
    state.componentNumbers? += worst.map { _ in .max }
    return try GaussianMixture(
      weights: settings.equalWeights
        ? Array(repeating: 1 / Double(K), count: K) : weights,
      means: Matrix(rowCount: K, columnCount: source.featureCount, elements: means),
      covariances: model.covariances.appending(worst.count, weights: model.weights)
    ).withBackground(model.background)
  }

  func result(
    observationCount: Int, criterionCount: Double, ends: [Double], reduction: RescueEvent?
  ) -> MixtureFit {
    let model = state.model!
    let fixed = state.held?.present ?? .none
    return MixtureFit(
      model: model, logLikelihood: state.logLikelihood, logPrior: state.logPrior,
      prior: settings.prior.conjugatePrior(
        scale, settings.covariance, componentCount: settings.componentCount),
      entropy: state.entropy,
      observationCount: observationCount, criterionCount: criterionCount,
      caseWeight: state.caseWeight,
      parameterCount: (settings.factors?.parameterCount(
        featureCount: model.featureCount, componentCount: model.componentCount,
        equalWeights: settings.equalWeights)
        ?? fixed.parameterCount(
          structure: settings.fixed.isEmpty ? model.structure : settings.covariance,
          featureCount: model.featureCount, componentCount: model.componentCount,
          equalWeights: settings.equalWeights)) + (model.background == nil ? 0 : 1),
      fixed: fixed,
      trace: state.trace, stoppingReason: isPaused ? .observer : state.stoppingReason,
      rescued: (reduction.map { [$0] } ?? []) + state.rescued, seed: settings.seed,
      restart: restart,
      restartLogLikelihoods: ends,
      classificationLogLikelihood: state.classificationLogLikelihood, acceptedMoves: state.moves)
  }
}
