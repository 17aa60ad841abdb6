// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// The lecture's example mixtures, all in two dimensions.
///
/// | name | weights | means | covariances |
/// |---|---|---|---|
/// | A | ½, ¼, ¼ | (3.5, 2.5), (7.5, 3.5), (4.5, 6.5) | spheres, variances 1², 0.7², 0.7² |
/// | C | 0.9, 0.1 | (3.5, 4), (6.5, 4) | spheres, variances 0.8², 0.5² |
/// | D | 0.8, 0.2 | (3, 4), (6.5, 4) | unit variances, covariance −0.5 and 0.5 |
///
/// A and C are for k-means; C, with nine tenths of its mass in one component, makes it fail. D is for EM.
public enum ExampleMixture: String, CaseIterable, Sendable {
  /// Three spheres, which k-means finds.
  case a = "A"
  /// One large and one small sphere, which k-means cuts in the wrong place.
  case c = "C"
  /// Two ellipses that lean against each other, the data of the EM exercise.
  case d = "D"

  /// The mixing proportions.
  public var weights: [Double] {
    switch self {
    case .a: return [0.5, 0.25, 0.25]
    case .c: return [0.9, 0.1]
    case .d: return [0.8, 0.2]
    }
  }

  /// The component means, K × 2.
  public var means: [[Double]] {
    switch self {
    case .a: return [[3.5, 2.5], [7.5, 3.5], [4.5, 6.5]]
    case .c: return [[3.5, 4], [6.5, 4]]
    case .d: return [[3, 4], [6.5, 4]]
    }
  }

  /// The component covariances, K × 2 × 2.
  public var covariances: [[[Double]]] {
    func sphere(_ deviation: Double) -> [[Double]] {
      [[deviation * deviation, 0], [0, deviation * deviation]]
    }
    switch self {
    case .a: return [sphere(1), sphere(0.7), sphere(0.7)]
    case .c: return [sphere(0.8), sphere(0.5)]
    case .d: return [[[1, -0.5], [-0.5, 1]], [[1, 0.5], [0.5, 1]]]
    }
  }

  /// What the covariances have in common: spheres in A and C, nothing in D.
  public var structure: CovarianceStructure {
    self == .d ? .full : .spherical
  }

  /// The part of the plane that the lecture's figures show, x first.
  public var axes: Box {
    self == .a ? Box(0...10, 0...8.5) : Box(0...10, 0...8)
  }

  /// The number of components, K.
  public var componentCount: Int { weights.count }

  /// The mixture as plain arrays.
  public var parameters: TextbookMixture {
    TextbookMixture(weights: weights, means: means, covariances: covariances)
  }

  /// The mixture in the engine's form.
  public var mixture: GaussianMixture {
    do {
      return try parameters.gaussianMixture(structure: structure)
    } catch {
      // The numbers above are a mixture, which a test confirms for every case.
      fatalError("example mixture \(rawValue): \(error)")
    }
  }

  /// Draws observations, one nₖ × 2 matrix for each true component; see ``TextbookMixture/draw(count:seed:within:)``.
  ///
  /// - Throws: `MixtureError.Code.invalidSetting` for a negative count or a box that holds practically none of a
  ///   component; `MixtureError.Code.featureCountMismatch` if the box does not have two intervals.
  public func draw(
    count: Int, seed: UInt64, within box: Box? = nil
  ) throws(MixtureError) -> [Matrix] {
    try parameters.draw(count: count, seed: seed, within: box)
  }
}
