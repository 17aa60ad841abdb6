// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Fits a distribution over Gaussian mixtures by variational Bayes.
///
/// ```swift
/// let fit = try VariationalBayes(componentCount: 10).fit(observations)
/// print(fit.evidenceLowerBound, try fit.pruned().componentCount)
/// ```
///
/// The number of components is an upper limit: those that the data do not need are left with no rows. One iteration
/// computes responsibilities, by expectations of logarithms in place of the logarithms of parameters, and from the same
/// ``SufficientStatistics`` that EM uses the posterior with the largest bound. Bishop (2006), Pattern Recognition and Machine
/// Learning, section 10.2; for the process, Blei & Jordan (2006),
/// [doi:10.1214/06-BA104](https://doi.org/10.1214/06-BA104).
///
/// The result depends on the data, these settings and the seed only: the number of threads changes no bit of it.
public struct VariationalBayes: Sendable, Codable, Equatable {
  /// The covariance structures with conjugate priors, which alone can be fitted.
  public static let structures: [CovarianceStructure] = [.eii, .vii, .eei, .vvi, .eee, .vvv]

  /// The largest number of components, K.
  public var componentCount: Int
  /// The structure of the covariances, one of ``structures``.
  public var covariance: CovarianceStructure
  /// The prior of the weights.
  public var weightPrior: WeightPrior
  /// The prior of the means.
  public var meanPrior: MeanPrior
  /// The prior of the precisions.
  public var precisionPrior: PrecisionPrior
  /// Where to start.
  public var initialization: Initialization
  /// How the k-means is made that a start may be sought by.
  public var kMeans = KMeansSettings()
  /// How many times to start; the end with the largest bound is kept. Starts that make no random choice are made once.
  public var restartCount: Int
  /// When to stop iterating; gains are those of the bound, per observation.
  public var stoppingRule: StoppingRule
  /// The seed of all random choices.
  public var seed: UInt64
  /// How many threads to use; nil means one for each processor. It changes no result.
  public var threadCount: Int?

  /// Settings for a fit. All but the number of components have defaults.
  public init(
    componentCount: Int, covariance: CovarianceStructure = .full,
    weightPrior: WeightPrior = .dirichlet(), meanPrior: MeanPrior = MeanPrior(),
    precisionPrior: PrecisionPrior = PrecisionPrior(),
    initialization: Initialization = .shortRuns, restartCount: Int = 1,
    stoppingRule: StoppingRule = StoppingRule(), seed: UInt64 = 0, threadCount: Int? = nil
  ) {
    self.componentCount = componentCount
    self.covariance = covariance
    self.weightPrior = weightPrior
    self.meanPrior = meanPrior
    self.precisionPrior = precisionPrior
    self.initialization = initialization
    self.restartCount = restartCount
    self.stoppingRule = stoppingRule
    self.seed = seed
    self.threadCount = threadCount
  }

  /// Fits a posterior to observations.
  ///
  /// The number of components of a random start is at most that of different rows. Not converging within the limit is a
  /// result.
  ///
  /// Rows may have gaps, noise, projections and limits: the posterior is then also over what they do not tell of their
  /// features, independent of the parameters given the components that rows belong to.
  ///
  /// - Parameters:
  ///   - source: n rows of d features.
  ///   - observer: Called after every bound, on the calling thread and restart after restart; it may end the fit. Without an
  ///     observer, restarts on tables so small that an iteration cannot use all threads are made side by side.
  /// - Returns: The best of the restarts.
  /// - Throws: ``MixtureError/Code/invalidSetting``, ``MixtureError/Code/shapeMismatch``,
  ///   ``MixtureError/Code/invalidModel`` or ``MixtureError/Code/notPositiveDefinite`` for settings and priors out of
  ///   range; ``MixtureError/Code/invalidAnnotation`` for rows with known components, a window or a selection function;
  ///   ``MixtureError/Code/emptyObservations``, ``MixtureError/Code/nonFiniteObservation`` or
  ///   ``MixtureError/Code/degenerateObservations`` for data without an answer; and
  ///   ``MixtureError/Code/featureCountMismatch`` if a starting model has another number of features.
  /// - Complexity: For each iteration O(n·K·d²) with full covariances, O(n·K·d) otherwise, and O(K·d³). Memory
  ///   O(threads · K·d²) beside the data; never n · K.
  ///
  /// **Numerics.** The bound never falls by more than rounding. With the default priors, adding a constant to a feature
  /// changes nothing beyond rounding, and scaling it lowers the bound by the case weight times the logarithm of the scale
  /// (spherical structures: scaling all features alike). A responsibility below e⁻⁴⁰ is zero.
  public func fit(
    _ source: some ObservationSource,
    observer: ((VariationalReport) -> ObserverDecision)? = nil
  ) throws(MixtureError) -> VariationalFit {
    let starts = ExpectationMaximization(
      componentCount: componentCount, covariance: covariance, initialization: initialization,
      restartCount: restartCount, stoppingRule: stoppingRule, seed: seed,
      threadCount: threadCount, kMeans: kMeans)
    try starts.requireValidSettings()
    try requireValidSettings()
    try source.requireRowsAndColumns()
    try source.requireVariationalRows()
    let threadCount = threadCount ?? Kernels.processorCount
    let scale = try DataScale(source, form: covariance.form, threadCount: threadCount)
    try scale.requireSpread(for: covariance, of: source)
    try starts.requireFittingStart(for: source)
    var K = componentCount
    if initialization.isRandom { K = min(K, try source.distinctRowCount(upTo: K)) }
    let prior = try prior(scale, componentCount: K)

    let ends = try starts.runs(
      starts.usedRestartCount, on: source, threadCount: threadCount,
      isObserved: observer != nil,
      add: { (ends: inout VariationalEnds, later) in ends.add(later) },
      isLast: { $0.best.stoppingReason == .observer }
    ) { (restart, threadCount) throws(MixtureError) in
      let start = try starts.start(
        on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount)
      return VariationalEnds(
        try VariationalRun(
          on: source, from: start, prior: prior, settings: self, restart: restart,
          threadCount: threadCount, observer: observer))
    }
    let best = ends.best
    return VariationalFit(
      posterior: best.posterior, evidenceLowerBound: best.bound,
      observationCount: source.observationCount, criterionCount: try source.criterionCount(),
      caseWeight: best.caseWeight, trace: best.trace,
      stoppingReason: best.stoppingReason, seed: seed, restart: best.restart,
      restartBounds: ends.bounds)
  }

  private func requireValidSettings() throws(MixtureError) {
    guard Self.structures.contains(covariance) else {
      throw MixtureError(
        .invalidSetting,
        "\(covariance.rawValue) covariances have no conjugate prior; variational Bayes takes EII, VII, EEI, VVI, "
          + "EEE and VVV.")
    }
    if case .model(let model) = initialization, model.background != nil {
      throw MixtureError(
        .invalidSetting,
        "the starting model has a uniform background, which variational Bayes has none of; start from its "
          + "components alone.")
    }
  }

  /// The prior, with what is left to the data filled in.
  private func prior(
    _ scale: DataScale, componentCount K: Int
  ) throws(MixtureError) -> VariationalPrior {
    let d = scale.means.count
    let structure: CovarianceStructure
    let fromData: [Double]
    switch covariance.form {
    case .full:
      structure = .eee
      let weight = scale.moments.zeroth(0)
      fromData = scale.moments.scatter(0, as: .full).map { $0 / weight }
    case .diagonal:
      structure = .eei
      fromData = scale.variances
    case .scalar:
      structure = .eii
      fromData = [scale.variances.reduce(0, +) / Double(d)]
    }
    var weights = weightPrior
    if case .dirichlet(nil) = weights { weights = .dirichlet(concentration: 1 / Double(K)) }
    if let scatter = precisionPrior.scatter, scatter.rowCount != d || scatter.columnCount != d {
      throw MixtureError(
        .shapeMismatch,
        "the prior scatter of the precisions is \(scatter.rowCount) × \(scatter.columnCount); for \(d) features "
          + "it must be \(d) × \(d).")
    }
    let scatter: Covariances
    if let given = precisionPrior.scatter {
      scatter = try Covariances(structure: structure, matrices: [given])
    } else {
      scatter = Covariances(
        unchecked: fromData, structure: structure, componentCount: 1, featureCount: d)
    }
    return try VariationalPrior(
      weights: weights, location: meanPrior.location ?? scale.means,
      strength: meanPrior.strength, scatter: scatter,
      degreesOfFreedom: precisionPrior.degreesOfFreedom
        ?? (covariance.form == .full ? Double(d) : 1))
  }
}

/// How some restarts ended, and the best of them.
private struct VariationalEnds {
  private(set) var best: VariationalRun
  private(set) var bounds: [Double]

  init(_ run: VariationalRun) {
    best = run
    bounds = [run.bound]
  }

  mutating func add(_ later: VariationalEnds) {
    bounds += later.bounds
    if later.best.bound > best.bound { best = later.best }
  }
}

/// One restart: the loop of E- and M-steps and what it remembers.
private struct VariationalRun {
  let restart: Int
  private(set) var posterior: VariationalPosterior
  private(set) var bound = 0.0
  private(set) var caseWeight = 0.0
  private(set) var trace: [VariationalRecord] = []
  private(set) var stoppingReason = StoppingReason.iterationLimit

  init(
    on source: some ObservationSource, from start: Start, prior: VariationalPrior,
    settings: VariationalBayes, restart: Int, threadCount: Int,
    observer: ((VariationalReport) -> ObserverDecision)?
  ) throws(MixtureError) {
    let began = ContinuousClock.now
    let structure = settings.covariance
    let rule = settings.stoppingRule
    self.restart = restart
    switch start {
    case .statistics(let statistics):
      posterior = try VariationalPosterior(statistics, prior: prior, structure: structure)
    case .model(let model):
      posterior = try VariationalPosterior(
        Expectation(
          source, form: structure.form.joined(with: model.structure.form), threadCount: threadCount,
          isSkipping: true
        ).statistics(under: model),
        prior: prior, structure: structure)
    }
    let expectation = Expectation(
      source, form: structure.form, threadCount: threadCount, isSkipping: true)
    var gains: [Double] = []
    var iteration = 0
    while true {
      let statistics = try expectation.statistics(
        under: posterior.expectationModel(for: source.annotations))
      let last = bound
      bound = statistics.logLikelihood - posterior.divergence
      caseWeight = statistics.caseWeight
      let (whole, part) = (ContinuousClock.now - began).components
      trace.append(
        VariationalRecord(
          iteration: iteration, evidenceLowerBound: bound,
          expectedWeights: posterior.expectedWeights,
          seconds: Double(whole) + Double(part) * 1e-18))
      if iteration > 0 { gains.append((bound - last) / caseWeight) }
      let decision = observer?(
        VariationalReport(
          restart: restart, iteration: iteration, posterior: posterior, evidenceLowerBound: bound,
          caseWeight: caseWeight, seconds: trace.last?.seconds ?? 0))
      if rule.isMet(gains: gains) {
        stoppingReason = .converged
        return
      }
      if decision == .stop {
        stoppingReason = .observer
        return
      }
      if iteration >= rule.iterationLimit { return }
      posterior = try VariationalPosterior(statistics, prior: prior, structure: structure)
      iteration += 1
    }
  }
}
