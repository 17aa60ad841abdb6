// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What the loadings Λₖ and the uniquenesses Ψₖ of components have in common.
///
/// A name has one letter for each of three questions, in this order: are the loadings constrained to be equal in all
/// components (C) or unconstrained (U); the same of the uniquenesses; and are the uniquenesses of all features equal within
/// a component (C) or not (U)? These are the eight models of McNicholas & Murphy (2008),
/// [doi:10.1007/s11222-008-9056-0](https://doi.org/10.1007/s11222-008-9056-0). Some have other names: ``uuu`` is the mixture
/// of factor analysers of McLachlan, Peel & Bean (2003),
/// [doi:10.1016/S0167-9473(02)00183-4](https://doi.org/10.1016/S0167-9473(02)00183-4); ``ucu`` that of Ghahramani & Hinton
/// (1996); ``uuc`` that of probabilistic principal component analysers of Tipping & Bishop (1999),
/// [doi:10.1162/089976699300016728](https://doi.org/10.1162/089976699300016728).
///
/// Where the uniquenesses are isotropic the fit depends on the features' units, as it does for spheres; else it does not.
public enum FactorVariant: String, CaseIterable, Sendable, Codable, Hashable {
  /// One covariance for all components, isotropic uniquenesses: Σₖ = Λ Λᵀ + ψ I.
  case ccc = "CCC"
  /// One covariance for all components: Σₖ = Λ Λᵀ + Ψ.
  case ccu = "CCU"
  /// Common loadings, isotropic uniquenesses: Σₖ = Λ Λᵀ + ψₖ I.
  case cuc = "CUC"
  /// Common loadings: Σₖ = Λ Λᵀ + Ψₖ.
  case cuu = "CUU"
  /// Common isotropic uniquenesses: Σₖ = Λₖ Λₖᵀ + ψ I.
  case ucc = "UCC"
  /// Common uniquenesses: Σₖ = Λₖ Λₖᵀ + Ψ.
  case ucu = "UCU"
  /// Isotropic uniquenesses: Σₖ = Λₖ Λₖᵀ + ψₖ I.
  case uuc = "UUC"
  /// Loadings and uniquenesses for each component: Σₖ = Λₖ Λₖᵀ + Ψₖ.
  case uuu = "UUU"

  /// The variant with the given name, in any case.
  public init?(name: String) {
    self.init(rawValue: name.uppercased())
  }

  /// Whether all components have the same loadings.
  public var sharesLoadings: Bool { rawValue.hasPrefix("C") }
  /// Whether all components have the same uniquenesses.
  public var sharesUniquenesses: Bool {
    self == .ccc || self == .ccu || self == .ucc || self == .ucu
  }
  /// Whether the uniquenesses of all features are equal.
  public var isIsotropic: Bool { rawValue.hasSuffix("C") }

  /// Whether every set of covariances that the other variant allows is allowed by this one too, with as many factors.
  public func contains(_ other: FactorVariant) -> Bool {
    (other.sharesLoadings || !sharesLoadings) && (other.sharesUniquenesses || !sharesUniquenesses)
      && (other.isIsotropic || !isIsotropic)
  }
}

/// How many factors covariances have, and what components have in common.
struct FactorStructure: Sendable, Codable, Equatable {
  let factorCount: Int
  let variant: FactorVariant

  /// The structure of the covariances as matrices: one, or K that have nothing in common but their form.
  var covariance: CovarianceStructure {
    variant.sharesLoadings && variant.sharesUniquenesses ? .eee : .vvv
  }

  /// The number of free parameters: K − 1 weights unless they are equal, K d means, and for each set of loadings
  /// d q − q (q − 1) / 2, as a rotation of the factors changes nothing; for each set of uniquenesses d, or 1. Never more
  /// than the covariances that are different have elements.
  func parameterCount(
    featureCount d: Int, componentCount K: Int, equalWeights: Bool = false
  ) -> Int {
    let q = factorCount
    let loadings = (variant.sharesLoadings ? 1 : K) * (d * q - q * (q - 1) / 2)
    let uniquenesses = (variant.sharesUniquenesses ? 1 : K) * (variant.isIsotropic ? 1 : d)
    let most = (covariance.isShared ? 1 : K) * d * (d + 1) / 2
    return (equalWeights ? 0 : K - 1) + K * d + min(loadings + uniquenesses, most)
  }
}
