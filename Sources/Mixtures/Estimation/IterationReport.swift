// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What an observer of a fit is given at each iteration, after the E-step.
public struct IterationReport: Sendable {
  /// Which restart this is, from 0.
  public let restart: Int
  /// How many iterations led to `model`; 0 is the start.
  public let iteration: Int
  /// The current model.
  public let model: GaussianMixture
  /// The E-step's result, from which the next model will follow.
  public let statistics: SufficientStatistics
  /// The logarithm of the prior's density at `model`, up to a constant; 0 without a prior.
  public let logPrior: Double
  /// What is left to gain, in nats per observation, as the ``StoppingRule`` estimates it; nil while there is no estimate.
  public let remainingGain: Double?
  /// Seconds since the restart began.
  public let seconds: Double

  /// With ``Algorithm/classification``, the classification log-likelihood of `model`; nil otherwise.
  public internal(set) var classificationLogLikelihood: Double? = nil

  /// The total log-likelihood of `model`.
  public var logLikelihood: Double { statistics.logLikelihood }
  /// What the fit maximises: the log-likelihood, with ``Algorithm/classification`` the classification log-likelihood, plus
  /// `logPrior`.
  public var objective: Double { (classificationLogLikelihood ?? logLikelihood) + logPrior }
}

/// What an observer answers.
public enum ObserverDecision: Sendable {
  /// Go on.
  case proceed
  /// End the fit with the current model; no further restart begins.
  case stop
}

/// One line of a fit's trace: what was known of the model after so many iterations.
public struct IterationRecord: Sendable, Codable, Equatable {
  /// How many iterations led to the model; 0 is the start.
  public let iteration: Int
  /// The total log-likelihood of the model.
  public let logLikelihood: Double
  /// The logarithm of the prior's density at the model, up to a constant; 0 without a prior.
  public let logPrior: Double
  /// The model's weights.
  public let weights: [Double]
  /// Seconds since the restart began.
  public let seconds: Double
  /// With ``Algorithm/classification``, the classification log-likelihood of the model; nil otherwise.
  public internal(set) var classificationLogLikelihood: Double? = nil

  /// What the fit maximises, and what therefore never falls: the log-likelihood, with ``Algorithm/classification`` the
  /// classification log-likelihood, plus `logPrior`.
  public var objective: Double { (classificationLogLikelihood ?? logLikelihood) + logPrior }
}

extension IterationRecord {
  private enum CodingKeys: String, CodingKey {
    case iteration, logLikelihood, logPrior, weights, seconds, classificationLogLikelihood
  }

  /// Decodes a record; without `logPrior`, as one of a fit without a prior.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      iteration: try container.decode(Int.self, forKey: .iteration),
      logLikelihood: try container.decode(Double.self, forKey: .logLikelihood),
      logPrior: try container.decodeIfPresent(Double.self, forKey: .logPrior) ?? 0,
      weights: try container.decode([Double].self, forKey: .weights),
      seconds: try container.decode(Double.self, forKey: .seconds),
      classificationLogLikelihood: try container.decodeIfPresent(
        Double.self, forKey: .classificationLogLikelihood))
  }
}
