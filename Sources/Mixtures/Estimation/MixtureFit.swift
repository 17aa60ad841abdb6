// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A fitted mixture and how it came about.
public struct MixtureFit: Sendable, Codable {
  /// The fitted mixture.
  public let model: GaussianMixture
  /// The total log-likelihood of `model`: Σᵢ log p(xᵢ).
  public let logLikelihood: Double
  /// The logarithm of the prior's density at `model`, up to a constant; 0 without a prior.
  public let logPrior: Double
  /// The prior that was used, with the numbers that a preset found in the table; nil if there was none.
  public let prior: ConjugatePrior?
  /// The entropy of the responsibilities under `model`: −Σᵢₖ rᵢₖ log rᵢₖ.
  public let entropy: Double
  /// The number of observations, n.
  public let observationCount: Int
  /// The number of observations that criteria count: Σᵢ wᵢ for case weights that are frequencies, else the rows with a
  /// weight and a cell that is known; n of plain rows.
  public let criterionCount: Double
  /// Σᵢ wᵢ, over the rows with a cell that is known; n of plain rows.
  public let caseWeight: Double
  /// The number of free parameters of `model`; fixed ones are not counted.
  public let parameterCount: Int
  /// Which parameters of `model` were fixed; without their values, which are the model's.
  public let fixed: FixedParameters
  /// One record for each model that was scored, from the start to `model`.
  public let trace: [IterationRecord]
  /// Why the iteration stopped.
  public let stoppingReason: StoppingReason
  /// What was done to keep components alive, in order.
  public let rescued: [RescueEvent]
  /// The seed of all random choices.
  public let seed: UInt64
  /// Which restart this was, from 0.
  public let restart: Int
  /// The log-likelihood that each restart ended with.
  public let restartLogLikelihoods: [Double]
  /// With ``Algorithm/classification``, what the fit maximised: Σᵢ maxₖ log wₖ N(xᵢ; μₖ, Σₖ), each term times the case
  /// weight; nil otherwise.
  public internal(set) var classificationLogLikelihood: Double? = nil
  var acceptedMoves: [SplitMergeMove]? = nil

  /// How many iterations led to `model`.
  public var iterationCount: Int { trace.last?.iteration ?? 0 }
  /// The moves that led out of local maxima, in order; see ``ExpectationMaximization/splitMerge``. Of the iterations that
  /// one took, `trace` has the last.
  public var moves: [SplitMergeMove] { acceptedMoves ?? [] }
  /// Whether the stopping rule was met.
  public var isConverged: Bool { stoppingReason == .converged }
  /// What the fit maximised: the log-likelihood, with ``Algorithm/classification`` the classification log-likelihood, plus
  /// `logPrior`.
  public var objective: Double { (classificationLogLikelihood ?? logLikelihood) + logPrior }
  /// The log-likelihood per observation, by case weight.
  public var meanLogLikelihood: Double { logLikelihood / caseWeight }

  /// The value of a criterion; smaller is better.
  ///
  /// With a prior, it is the criterion of the log-likelihood at the maximum a posteriori, as in mclust; the prior's
  /// density does not enter. Fraley & Raftery (2007),
  /// [doi:10.1007/s00357-007-0004-5](https://doi.org/10.1007/s00357-007-0004-5).
  public func value(of criterion: InformationCriterion) -> Double {
    criterion.value(
      logLikelihood: logLikelihood, parameterCount: parameterCount,
      observationCount: criterionCount, entropy: entropy)
  }
  /// The Bayesian information criterion, −2 ℓ + p ln n; smaller is better.
  public var bic: Double { value(of: .bic) }
  /// Akaike's information criterion, −2 ℓ + 2 p; smaller is better.
  public var aic: Double { value(of: .aic) }
  /// Akaike's information criterion corrected for few observations, AIC + 2 p (p + 1) / (n − p − 1); smaller is better.
  public var aicc: Double { value(of: .aicc) }
  /// The integrated completed likelihood, BIC + 2 × entropy; smaller is better.
  public var icl: Double { value(of: .icl) }
}
