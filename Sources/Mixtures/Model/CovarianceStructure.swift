// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What the components' covariances have in common, and what form each has.
///
/// A name has three letters for the volume, shape and orientation of the components' ellipsoids:
/// E if equal in all components, V if variable, I if absent (spheres have no shape, axis-parallel
/// ellipsoids no orientation). After Banfield & Raftery (1993) and Celeux & Govaert (1995),
/// [doi:10.1016/0031-3203(94)00125-6](https://doi.org/10.1016/0031-3203(94)00125-6).
public enum CovarianceStructure: String, CaseIterable, Sendable, Codable, Hashable {
  /// One variance for all components and features: Σₖ = λ I.
  case eii = "EII"
  /// One variance for each component: Σₖ = λₖ I.
  case vii = "VII"
  /// One diagonal matrix shared by all components.
  case eei = "EEI"
  /// A diagonal matrix for each component.
  case vvi = "VVI"
  /// One positive definite matrix shared by all components.
  case eee = "EEE"
  /// Any positive definite matrix for each component.
  case vvv = "VVV"

  /// Any covariance for each component, ``vvv``.
  public static let full = CovarianceStructure.vvv
  /// One covariance shared by all components, ``eee``.
  public static let tied = CovarianceStructure.eee
  /// Independent features within each component, ``vvi``.
  public static let diagonal = CovarianceStructure.vvi
  /// One variance for each component, ``vii``.
  public static let spherical = CovarianceStructure.vii

  /// The structure with the given name: three letters as in mclust, or `full`, `tied`, `diagonal`
  /// (also `diag`), `spherical` as in scikit-learn. Case does not matter.
  public init?(name: String) {
    switch name.lowercased() {
    case "full": self = .full
    case "tied": self = .tied
    case "diagonal", "diag": self = .diagonal
    case "spherical": self = .spherical
    case let letters: self.init(rawValue: letters.uppercased())
    }
  }

  /// What one covariance matrix looks like, and so which moments estimate it.
  public enum Form: Sendable {
    /// A symmetric matrix: d (d + 1) / 2 numbers.
    case full
    /// A diagonal: d numbers.
    case diagonal
    /// A multiple of the identity: one number.
    case scalar

    /// How many numbers determine one matrix of this form with `featureCount` features.
    public func elementCount(featureCount: Int) -> Int {
      switch self {
      case .full: return featureCount * (featureCount + 1) / 2
      case .diagonal: return featureCount
      case .scalar: return 1
      }
    }
  }

  /// The form of each component's covariance.
  public var form: Form {
    switch self {
    case .eii, .vii: return .scalar
    case .eei, .vvi: return .diagonal
    case .eee, .vvv: return .full
    }
  }

  /// Whether all components share one covariance.
  public var isShared: Bool {
    switch self {
    case .eii, .eei, .eee: return true
    case .vii, .vvi, .vvv: return false
    }
  }

  /// The number of free parameters of a mixture: means, covariances and, unless they are fixed to be equal, the
  /// K − 1 free weights.
  public func parameterCount(
    featureCount d: Int, componentCount K: Int, equalWeights: Bool = false
  ) -> Int {
    K * d + (isShared ? 1 : K) * form.elementCount(featureCount: d) + (equalWeights ? 0 : K - 1)
  }
}
