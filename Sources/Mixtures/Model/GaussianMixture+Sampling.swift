// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension GaussianMixture {
  /// Draws observations from the mixture, with the component that each came from.
  ///
  /// Observation i is μₖ + L z with k drawn by the weights, z standard normal and L the Cholesky factor of Σₖ. It is a
  /// function of the model, the seed and i alone: a longer draw begins with a shorter one, and any part can be had on its
  /// own.
  ///
  /// - Parameters:
  ///   - rows: Which observations to draw, from 0 on; `0..<n` for the first n.
  ///   - seed: The seed.
  /// - Returns: One row for each, and its component's number.
  /// - Complexity: O(n·d²) for full covariances, O(n·d) otherwise.
  public func sample(
    _ rows: Range<Int>, seed: UInt64 = 0
  ) -> (observations: Matrix, labels: [Int]) {
    precondition(rows.lowerBound >= 0, "observations are counted from 0")
    let d = featureCount
    var cumulative: [Double] = []
    for weight in weights { cumulative.append((cumulative.last ?? 0) + weight) }
    let lastPossible = weights.lastIndex { $0 > 0 } ?? 0
    var elements = [Double]()
    var labels = [Int]()
    elements.reserveCapacity(rows.count * d)
    labels.reserveCapacity(rows.count)
    for row in rows {
      var random = RandomStream(seed: seed, stream: UInt64(row))
      let u = random.uniform()
      let k = min(cumulative.firstIndex { u < $0 } ?? lastPossible, lastPossible)
      let z = (0..<d).map { _ in random.normal() }
      let start = k * factorStride
      for i in 0..<d {
        var value = means[k, i]
        switch structure.form {
        case .full:
          let line = start + i * (i + 1) / 2
          for j in 0..<i { value += factors[line + j] * z[j] }
          value += z[i] / factors[line + i]
        case .diagonal: value += z[i] / factors[start + i]
        case .scalar: value += z[i] / factors[start]
        }
        elements.append(value)
      }
      labels.append(k)
    }
    return (Matrix(unchecked: elements, rowCount: rows.count, columnCount: d), labels)
  }

  /// Draws the first `count` observations; see ``sample(_:seed:)-(Range<Int>,_)``.
  public func sample(
    _ count: Int, seed: UInt64 = 0
  ) -> (observations: Matrix, labels: [Int]) {
    sample(0..<max(count, 0), seed: seed)
  }
}
