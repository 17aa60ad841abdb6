// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A fitted mixture and how it came about.
public struct MixtureFit: Sendable, Codable {
  /// The fitted mixture.
  public let model: GaussianMixture
  /// The total log-likelihood of `model`: Σᵢ log p(xᵢ).
  public let logLikelihood: Double
  /// The entropy of the responsibilities under `model`: −Σᵢₖ rᵢₖ log rᵢₖ.
  public let entropy: Double
  /// The number of observations, n.
  public let observationCount: Int
  /// The number of observations that criteria count: Σᵢ wᵢ for case weights that are frequencies, else the rows with a
  /// weight and a cell that is known; n of plain rows.
  public let criterionCount: Double
  /// Σᵢ wᵢ, over the rows with a cell that is known; n of plain rows.
  public let caseWeight: Double
  /// The number of free parameters of `model`.
  public let parameterCount: Int
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

  /// How many iterations led to `model`.
  public var iterationCount: Int { trace.last?.iteration ?? 0 }
  /// Whether the stopping rule was met.
  public var isConverged: Bool { stoppingReason == .converged }
  /// The log-likelihood per observation, by case weight.
  public var meanLogLikelihood: Double { logLikelihood / caseWeight }

  /// The value of a criterion; smaller is better.
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
