// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures

extension DrawnRows {
  /// The responsibilities of a model's components for the drawn rows, one row each.
  ///
  /// A row with missing values (NaN) is judged by the features that it has, one without any by the weights.
  func responsibilities(under model: GaussianMixture) throws(MixtureError) -> Matrix {
    let K = model.componentCount
    var patterns: [[Int]: [Int]] = [:]
    for i in 0..<count {
      let row = row(i)
      let observed = row.indices.filter { !row[$0].isNaN }.map { $0 - row.startIndex }
      patterns[observed, default: []].append(i)
    }
    var result = Matrix(repeating: 0, rowCount: count, columnCount: K)
    for (observed, members) in patterns {
      guard !observed.isEmpty else {
        for i in members { for k in 0..<K { result[i, k] = model.weights[k] } }
        continue
      }
      let isWhole = observed.count == featureCount
      let marginal = isWhole ? model : try model.marginal(over: observed)
      let part = try Matrix(
        rowCount: members.count, columnCount: observed.count,
        elements: members.flatMap { i in observed.map { values[i * featureCount + $0] } })
      let responsibilities = try marginal.responsibilities(for: Observations(part))
      for (place, i) in members.enumerated() {
        for k in 0..<K { result[i, k] = responsibilities[place, k] }
      }
    }
    return result
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
