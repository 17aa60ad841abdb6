// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How models of different size are compared by what one fit knows of itself; smaller is better for each.
///
/// With ℓ the total log-likelihood, p the number of free parameters and n the number of observations:
///
/// - ``bic``: −2 ℓ + p ln n. Schwarz (1978), [doi:10.1214/aos/1176344136](https://doi.org/10.1214/aos/1176344136).
///   mclust reports the negative of it.
/// - ``aic``: −2 ℓ + 2 p. Akaike (1974), [doi:10.1109/TAC.1974.1100705](https://doi.org/10.1109/TAC.1974.1100705).
/// - ``aicc``: AIC + 2 p (p + 1) / (n − p − 1), AIC for few rows; infinite where n ≤ p + 1. Hurvich & Tsai (1989),
///   [doi:10.1093/biomet/76.2.297](https://doi.org/10.1093/biomet/76.2.297).
/// - ``icl``: BIC + 2 E, where E = −Σᵢₖ rᵢₖ ln rᵢₖ is the entropy of the responsibilities: it prefers components that do not
///   overlap. Biernacki, Celeux & Govaert (2000), [doi:10.1109/34.865189](https://doi.org/10.1109/34.865189), with the
///   responsibilities themselves in place of hard labels (McLachlan & Peel 2000).
///
/// Criteria that need more than one fit are among those of ``SelectionCriterion``.
public enum InformationCriterion: String, Sendable, Codable, CaseIterable {
  /// Bayesian information criterion.
  case bic
  /// Akaike's information criterion.
  case aic
  /// Akaike's information criterion, corrected for few observations.
  case aicc
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
    case .aicc:
      let left = observationCount - p - 1
      return left > 0 ? deviance + 2 * p + 2 * p * (p + 1) / left : .infinity
    case .icl: return deviance + p * Kernels.log(observationCount) + 2 * entropy
    }
  }
}
