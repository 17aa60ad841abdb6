// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How models of different size are compared; smaller is better for each.
///
/// With ℓ the total log-likelihood, p the number of free parameters and n the number of observations:
///
/// - ``bic``: −2 ℓ + p ln n. Schwarz (1978), [doi:10.1214/aos/1176344136](https://doi.org/10.1214/aos/1176344136).
///   mclust reports the negative of it.
/// - ``aic``: −2 ℓ + 2 p. Akaike (1974), [doi:10.1109/TAC.1974.1100705](https://doi.org/10.1109/TAC.1974.1100705).
/// - ``icl``: BIC + 2 E, where E = −Σᵢₖ rᵢₖ ln rᵢₖ is the entropy of the responsibilities: it prefers components that do not
///   overlap. Biernacki, Celeux & Govaert (2000), [doi:10.1109/34.865189](https://doi.org/10.1109/34.865189), with the
///   responsibilities themselves in place of hard labels (McLachlan & Peel 2000).
public enum InformationCriterion: String, Sendable, Codable, CaseIterable {
  /// Bayesian information criterion.
  case bic
  /// Akaike's information criterion.
  case aic
  /// Integrated completed likelihood.
  case icl

  /// The criterion's value.
  public func value(
    logLikelihood: Double, parameterCount: Int, observationCount: Double, entropy: Double
  ) -> Double {
    let deviance = -2 * logLikelihood
    let p = Double(parameterCount)
    switch self {
    case .bic: return deviance + p * Kernels.log(observationCount)
    case .aic: return deviance + 2 * p
    case .icl: return deviance + p * Kernels.log(observationCount) + 2 * entropy
    }
  }
}
