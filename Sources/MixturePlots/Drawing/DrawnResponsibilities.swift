// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures

extension DrawnRows {
  /// The responsibilities of a model's components for the drawn rows, one row each.
  ///
  /// A row with missing values (NaN) is judged by the features that it has, and by the limits of the others if there are
  /// any; one without any by the weights. With a background what they leave to one is the background's.
  func responsibilities(under model: GaussianMixture) throws(MixtureError) -> Matrix {
    let table = try Matrix(rowCount: count, columnCount: featureCount, elements: values)
    func matrix(_ elements: [Double]) throws(MixtureError) -> Matrix {
      try Matrix(rowCount: count, columnCount: featureCount, elements: elements)
    }
    var annotations = RowAnnotations(allowsMissing: true)
    annotations.limits = try limits.map { (limits) throws(MixtureError) in
      CensoringLimits(lower: try matrix(limits.lower), upper: try matrix(limits.upper))
    }
    return try model.responsibilities(for: Observations(table, annotations: annotations))
  }
}

extension GaussianMixture {
  /// Responsibilities with what they leave to the background behind them, if there is one.
  func withBackground(_ responsibilities: [Double]) -> [Double] {
    background == nil
      ? responsibilities : responsibilities + [max(0, 1 - responsibilities.reduce(0, +))]
  }

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
