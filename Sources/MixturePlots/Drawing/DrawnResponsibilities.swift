// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures

extension DrawnRows {
  /// The responsibilities of a model's components for the drawn rows, one row each.
  ///
  /// A row with missing values (NaN) is judged by the features that it has, one without any by the weights.
  func responsibilities(under model: GaussianMixture) throws(MixtureError) -> Matrix {
    let table = try Matrix(rowCount: count, columnCount: featureCount, elements: values)
    return try model.responsibilities(
      for: Observations(table, annotations: RowAnnotations(allowsMissing: true)))
  }
}

extension GaussianMixture {
  /// About how many products the responsibilities of one row take.
  var productsPerRow: Int {
    componentCount
      * (structure.form == .full ? featureCount * (featureCount + 3) / 2 : featureCount)
  }

  /// The ellipse of component `k` in the plane of two features.
  func ellipse(_ k: Int, _ x: Int, _ y: Int) -> Ellipse {
    let covariance = covariance(of: k)
    return Ellipse(
      x: means[k, x], y: means[k, y], xx: covariance[x, x], xy: covariance[x, y],
      yy: covariance[y, y])
  }
}

/// The density of a normal distribution.
func normalDensity(_ x: Double, mean: Double, variance: Double) -> Double {
  let z = x - mean
  return exp(-0.5 * z * z / variance) / (2 * Double.pi * variance).squareRoot()
}
