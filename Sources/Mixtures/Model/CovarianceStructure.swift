// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What the components' covariances have in common: volume, shape and orientation.
///
/// Each covariance is written as Σₖ = λₖ Dₖ Aₖ Dₖᵀ, with the volume λₖ = det(Σₖ)^(1/d), the shape Aₖ, a diagonal matrix
/// with determinant 1, and the orientation Dₖ, an orthogonal matrix. A name has one letter for each of the three, in this
/// order: E if it is equal in all components, V if it varies, I if it is the identity. These are the fourteen structures
/// of Celeux & Govaert (1995), [doi:10.1016/0031-3203(94)00125-6](https://doi.org/10.1016/0031-3203(94)00125-6), after
/// Banfield & Raftery (1993), [doi:10.2307/2532201](https://doi.org/10.2307/2532201).
///
/// With one feature there is neither shape nor orientation, and only the first letter counts. With one component E and V
/// are the same.
public enum CovarianceStructure: String, CaseIterable, Sendable, Codable, Hashable {
  /// One variance for all components and features: Σₖ = λ I.
  case eii = "EII"
  /// One variance for each component: Σₖ = λₖ I.
  case vii = "VII"
  /// One diagonal matrix shared by all components: Σₖ = λ A.
  case eei = "EEI"
  /// Diagonal matrices that are multiples of each other: Σₖ = λₖ A.
  case vei = "VEI"
  /// Diagonal matrices with equal determinants: Σₖ = λ Aₖ.
  case evi = "EVI"
  /// A diagonal matrix for each component: Σₖ = λₖ Aₖ.
  case vvi = "VVI"
  /// One positive definite matrix shared by all components: Σₖ = λ D A Dᵀ.
  case eee = "EEE"
  /// Matrices that are multiples of each other: Σₖ = λₖ D A Dᵀ.
  case vee = "VEE"
  /// Matrices with common axes and equal determinants: Σₖ = λ D Aₖ Dᵀ.
  case eve = "EVE"
  /// Matrices with common axes: Σₖ = λₖ D Aₖ Dᵀ.
  case vve = "VVE"
  /// Matrices with equal eigenvalues: Σₖ = λ Dₖ A Dₖᵀ.
  case eev = "EEV"
  /// Matrices whose eigenvalues are multiples of each other: Σₖ = λₖ Dₖ A Dₖᵀ.
  case vev = "VEV"
  /// Matrices with equal determinants: Σₖ = λ Dₖ Aₖ Dₖᵀ.
  case evv = "EVV"
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
  ///
  /// `E` and `V`, mclust's names for the structures of one feature, are ``eii`` and ``vii``.
  public init?(name: String) {
    switch name.lowercased() {
    case "full": self = .full
    case "tied": self = .tied
    case "diagonal", "diag": self = .diagonal
    case "spherical": self = .spherical
    case "e": self = .eii
    case "v": self = .vii
    case let letters: self.init(rawValue: letters.uppercased())
    }
  }

  /// The structures that differ from each other with the given number of features: all of them, or ``eii`` and ``vii``
  /// if there is only one.
  public static func distinct(featureCount: Int) -> [CovarianceStructure] {
    featureCount > 1 ? allCases : [.eii, .vii]
  }
}

// MARK: - Volume, shape and orientation

extension CovarianceStructure {
  /// How volumes, shapes or orientations of the components relate to each other.
  public enum Relation: Int, Sendable, Comparable {
    /// Each is the identity: spheres have no shape, axis-parallel ellipsoids no orientation.
    case identity
    /// Equal in all components.
    case equal
    /// Free in each component.
    case variable

    /// From the most restricted to the least.
    public static func < (a: Relation, b: Relation) -> Bool { a.rawValue < b.rawValue }
  }

  /// How the volumes λₖ relate, ``Relation/equal`` or ``Relation/variable``.
  public var volume: Relation {
    switch self {
    case .eii, .eei, .evi, .eee, .eve, .eev, .evv: return .equal
    case .vii, .vei, .vvi, .vee, .vve, .vev, .vvv: return .variable
    }
  }

  /// How the shapes Aₖ relate.
  public var shape: Relation {
    switch self {
    case .eii, .vii: return .identity
    case .eei, .vei, .eee, .vee, .eev, .vev: return .equal
    case .evi, .vvi, .eve, .vve, .evv, .vvv: return .variable
    }
  }

  /// How the orientations Dₖ relate.
  public var orientation: Relation {
    switch self {
    case .eii, .vii, .eei, .vei, .evi, .vvi: return .identity
    case .eee, .vee, .eve, .vve: return .equal
    case .eev, .vev, .evv, .vvv: return .variable
    }
  }

  /// Whether every set of covariances that the other structure allows is allowed by this one too.
  public func contains(_ other: CovarianceStructure) -> Bool {
    other.volume <= volume && other.shape <= shape && other.orientation <= orientation
  }

  /// The structure of the marginal and conditional mixtures: without one of the features, determinants, eigenvalues or
  /// axes that were equal need not be equal any more.
  var marginalStructure: CovarianceStructure {
    switch self {
    case .eii, .vii, .eei, .vei, .vvi, .eee, .vee, .vvv: return self
    case .evi: return .vvi
    case .eve, .vve, .eev, .vev, .evv: return .vvv
    }
  }

  /// The number of free parameters of a mixture: means, covariances and, unless they are fixed to be equal, the
  /// K − 1 free weights.
  ///
  /// Covariances have 1 or K volumes, as many shapes of d − 1 numbers, and as many orientations of d (d − 1) / 2.
  public func parameterCount(
    featureCount d: Int, componentCount K: Int, equalWeights: Bool = false
  ) -> Int {
    func count(_ relation: Relation, _ each: Int) -> Int {
      switch relation {
      case .identity: return 0
      case .equal: return each
      case .variable: return K * each
      }
    }
    return K * d + count(volume, 1) + count(shape, d - 1) + count(orientation, d * (d - 1) / 2)
      + (equalWeights ? 0 : K - 1)
  }
}

// MARK: - Storage

extension CovarianceStructure {
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
    if orientation != .identity { return .full }
    return shape == .identity ? .scalar : .diagonal
  }

  /// Whether all components share one covariance.
  public var isShared: Bool { volume == .equal && shape != .variable && orientation != .variable }
}
