// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Fits a mixture of factor analysers by maximum likelihood: normal densities whose covariances are made of few factors.
///
/// ```swift
/// let fit = try FactorAnalysers(componentCount: 3, factorCount: 2).fit(observations)
/// print(fit.weights, fit.loadings[0], fit.uniquenesses, fit.bic)
/// ```
///
/// A full covariance of d features has d (d + 1) / 2 parameters, which few rows do not determine. Here
/// Σₖ = Λₖ Λₖᵀ + Ψₖ with loadings Λₖ, d × q, and uniquenesses Ψₖ, a diagonal: d q + d − q (q − 1) / 2 parameters, fewer with
/// those ``FactorVariant``s in which components share some. With q = 0 the covariances are diagonal, with q = d − 1 they can
/// be anything. Ghahramani & Hinton (1996), "The EM algorithm for mixtures of factor analyzers", technical report
/// CRG-TR-96-1, University of Toronto; McLachlan, Peel & Bean (2003),
/// [doi:10.1016/S0167-9473(02)00183-4](https://doi.org/10.1016/S0167-9473(02)00183-4); McNicholas & Murphy (2008),
/// [doi:10.1007/s11222-008-9056-0](https://doi.org/10.1007/s11222-008-9056-0).
///
/// The fit is that of ``ExpectationMaximization`` with another M-step, which is a function of the full second moments
/// alone. So everything that rows may carry, files larger than memory, restarts, rescue and checkpoints work as they do
/// there, and the result depends on the data, these settings and the seed only.
public struct FactorAnalysers: Sendable, Codable, Equatable {
  /// The number of components, K.
  public var componentCount: Int
  /// The number of factors, q: from 0 to d − 1.
  public var factorCount: Int
  /// What components have in common.
  public var variant: FactorVariant
  /// Whether all weights are fixed at 1 / K.
  public var equalWeights: Bool
  /// Where to start. A partition or a model gives a covariance for each component, and the factors begin at its principal
  /// components.
  public var initialization: Initialization
  /// How the k-means is made that a start may be sought by.
  public var kMeans = KMeansSettings()
  /// How many times to start; the likeliest end is kept.
  public var restartCount: Int
  /// When to stop iterating.
  public var stoppingRule: StoppingRule
  /// The least uniqueness as a fraction of the feature's variance in the table, above 0; isotropic uniquenesses are held to
  /// that fraction of the mean variance.
  public var uniquenessFloor: Double
  /// What to do with a component that collapses.
  public var rescuePolicy: RescuePolicy
  /// Whether there is a uniform background beside the components.
  public var background: BackgroundRule
  /// Whether iterations go further than EM's. Without, since EM's steps are long here: what makes EM slow for factors is
  /// dealt with inside the M-step.
  public var acceleration: Acceleration
  /// Whether the E-step leaves out what can only yield zeros; it changes no bit.
  public var skipping: Bool
  /// The arithmetic of the E-steps, as ``ExpectationMaximization/precision``.
  public var precision: Precision
  /// The seed of all random choices.
  public var seed: UInt64
  /// How many threads to use; nil means one for each processor. It changes no result.
  public var threadCount: Int?

  /// Settings for a fit. All but the numbers of components and factors have defaults.
  public init(
    componentCount: Int, factorCount: Int, variant: FactorVariant = .uuu,
    equalWeights: Bool = false, initialization: Initialization = .shortRuns,
    restartCount: Int = 1, stoppingRule: StoppingRule = StoppingRule(),
    uniquenessFloor: Double = 1e-6, rescuePolicy: RescuePolicy = .reseed,
    background: BackgroundRule = .none, acceleration: Acceleration = .none,
    skipping: Bool = true, precision: Precision = .double, seed: UInt64 = 0,
    threadCount: Int? = nil
  ) {
    self.componentCount = componentCount
    self.factorCount = factorCount
    self.variant = variant
    self.equalWeights = equalWeights
    self.initialization = initialization
    self.restartCount = restartCount
    self.stoppingRule = stoppingRule
    self.uniquenessFloor = uniquenessFloor
    self.rescuePolicy = rescuePolicy
    self.background = background
    self.acceleration = acceleration
    self.skipping = skipping
    self.precision = precision
    self.seed = seed
    self.threadCount = threadCount
  }

  /// Fits a mixture of factor analysers to observations.
  ///
  /// - Parameters:
  ///   - source: n rows of d features.
  ///   - checkpoints: How to keep the state of the fit, and the state to go on from; see ``ExpectationMaximization``.
  ///   - observer: Called after every E-step, on the calling thread and restart after restart; it may end the fit.
  /// - Returns: The best of the restarts.
  /// - Throws: ``MixtureError/Code/invalidSetting`` for settings out of range, among them as many factors as features; and
  ///   what ``ExpectationMaximization/fit(_:checkpoints:observer:)`` throws. Columns may be collinear, and there may be
  ///   fewer rows than features; constant columns have no answer.
  /// - Complexity: For each iteration O(n·K·d²), and O(K·d²·q) for each step of the factors within the M-step. Memory
  ///   O(threads · K·d²) beside the data.
  ///
  /// **Numerics.** The log-likelihood never falls by more than rounding from one iteration to the next, except where
  /// `rescued` records that a component was replaced. Adding a constant to a feature changes nothing beyond rounding; nor
  /// does scaling one, if uniquenesses are not isotropic. Uniquenesses that the data draw to zero (Heywood cases) end at the
  /// floor, which `rescued` records.
  public func fit(
    _ source: some ObservationSource,
    checkpoints: CheckpointPlan<FitCheckpoint>? = nil,
    observer: ((IterationReport) -> ObserverDecision)? = nil
  ) throws(MixtureError) -> FactorAnalysersFit {
    try source.requireRowsAndColumns()
    try requireValidSettings(featureCount: source.featureCount)
    return FactorAnalysersFit(
      try estimation.fit(source, checkpoints: checkpoints, observer: observer), structure: structure
    )
  }

  var structure: FactorStructure { FactorStructure(factorCount: factorCount, variant: variant) }

  /// The same as settings of the loop of E- and M-steps.
  var estimation: ExpectationMaximization {
    var settings = ExpectationMaximization(
      componentCount: componentCount, covariance: structure.covariance,
      equalWeights: equalWeights, initialization: initialization, restartCount: restartCount,
      stoppingRule: stoppingRule, covarianceFloor: uniquenessFloor, rescuePolicy: rescuePolicy,
      background: background, acceleration: acceleration, skipping: skipping,
      precision: precision, seed: seed, threadCount: threadCount, kMeans: kMeans)
    settings.factors = structure
    return settings
  }

  func requireValidSettings(featureCount d: Int) throws(MixtureError) {
    guard factorCount >= 0, factorCount < d else {
      throw MixtureError(
        .invalidSetting,
        "the number of factors is \(factorCount); it must be at least 0 and less than the number of features, \(d): "
          + "with \(d - 1) a covariance can be anything.")
    }
    guard uniquenessFloor > 0, uniquenessFloor < 1 else {
      throw MixtureError(
        .invalidSetting,
        "the floor of the uniquenesses is \(uniquenessFloor); it must be above 0 and less than 1, a fraction of the "
          + "data's variance.")
    }
  }
}
