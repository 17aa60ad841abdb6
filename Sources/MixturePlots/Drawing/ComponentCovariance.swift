// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures

/// One component's covariance, read where it is stored: pictures ask for a few elements of large matrices.
struct ComponentCovariance {
  private let elements: [Double]
  private let start: Int
  private let form: CovarianceStructure.Form

  init(_ covariances: Covariances, component k: Int) {
    elements = covariances.elements
    form = covariances.structure.form
    start =
      covariances.structure.isShared
      ? 0 : k * form.elementCount(featureCount: covariances.featureCount)
  }

  /// The covariance of features i and j.
  subscript(i: Int, j: Int) -> Double {
    switch form {
    case .full: return elements[start + max(i, j) * (max(i, j) + 1) / 2 + min(i, j)]
    case .diagonal: return i == j ? elements[start + i] : 0
    case .scalar: return i == j ? elements[start] : 0
    }
  }
}

extension GaussianMixture {
  /// The covariance of component `k`.
  func covariance(of k: Int) -> ComponentCovariance {
    ComponentCovariance(covariances, component: k)
  }
}
