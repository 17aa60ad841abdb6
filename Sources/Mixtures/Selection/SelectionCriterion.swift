// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What a search ranks its candidates by; smaller is better for each.
///
/// The first four are functions of one fit, see ``InformationCriterion``. The others need more:
///
/// - ``normalizedEntropy``: E(K) / (ℓ(K) − ℓ(1)), the entropy of the responsibilities relative to what K components gain
///   over one of the same structure. It asks whether there are groups that stand apart. Celeux & Soromenho (1996),
///   [doi:10.1007/BF01246098](https://doi.org/10.1007/BF01246098). For one component it is 1 by definition, so that one
///   is chosen if no larger number does better (Biernacki, Celeux & Govaert 1999,
///   [doi:10.1016/S0167-8655(98)00144-5](https://doi.org/10.1016/S0167-8655(98)00144-5)). It is infinite where K
///   components gain nothing.
/// - ``crossValidation``: −2 times the log-likelihood of rows that were held out, summed over the folds; see
///   ``CrossValidation``. It is on the scale of AIC. Smyth (2000),
///   [doi:10.1023/A:1008940618127](https://doi.org/10.1023/A:1008940618127).
/// - ``likelihoodRatioTest``: the smallest K that a bootstrapped likelihood-ratio test does not reject against the next;
///   see ``LikelihoodRatioTest``. It compares numbers of components of one structure.
public enum SelectionCriterion: String, Sendable, Codable, CaseIterable {
  /// Bayesian information criterion.
  case bic
  /// Akaike's information criterion.
  case aic
  /// Akaike's information criterion, corrected for few observations.
  case aicc
  /// Integrated completed likelihood.
  case icl
  /// Normalized entropy criterion.
  case normalizedEntropy = "nec"
  /// Log-likelihood of held-out rows.
  case crossValidation = "cv"
  /// Bootstrapped likelihood-ratio tests, one number of components after the other.
  case likelihoodRatioTest = "blrt"

  /// The same criterion of one fit, if it is one.
  public var information: InformationCriterion? { InformationCriterion(rawValue: rawValue) }

  /// The normalized entropy criterion of a fit with K components, whose rows one component of the same structure gives
  /// the log-likelihood `singleLogLikelihood`.
  public static func normalizedEntropy(
    componentCount: Int, logLikelihood: Double, entropy: Double, singleLogLikelihood: Double
  ) -> Double {
    guard componentCount > 1 else { return 1 }
    let gain = logLikelihood - singleLogLikelihood
    return gain > 0 ? entropy / gain : .infinity
  }
}
