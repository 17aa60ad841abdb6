// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures

extension GaussianMixture {
  /// The features whose means differ most between components, relative to the spread within; ascending.
  func mostTellingFeatures(count: Int) -> [Int] {
    let components = (0..<componentCount).map(covariance)
    let scores = (0..<featureCount).map { f -> (feature: Int, score: Double) in
      let pairs = weights.enumerated()
      let centre = pairs.reduce(0.0) { $0 + $1.element * means[$1.offset, f] }
      let within = pairs.reduce(0.0) { $0 + $1.element * components[$1.offset][f, f] }
      let between = pairs.reduce(0.0) { sum, item in
        let gap = means[item.offset, f] - centre
        return sum + item.element * gap * gap
      }
      return (f, within > 0 ? between / within : 0)
    }
    return scores.sorted { ($1.score, $0.feature) < ($0.score, $1.feature) }
      .prefix(count).map(\.feature).sorted()
  }
}
