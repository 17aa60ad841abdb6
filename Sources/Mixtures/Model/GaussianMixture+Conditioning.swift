// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension GaussianMixture {
  /// The mean of the mixture, Σₖ wₖ μₖ; d numbers.
  public var mean: [Double] {
    (0..<featureCount).map { j in
      (0..<componentCount).reduce(0) { $0 + weights[$1] * means[$1, j] }
    }
  }

  /// The covariance of the mixture, Σₖ wₖ (Σₖ + (μₖ − μ)(μₖ − μ)ᵀ) with μ its mean; d × d.
  public var covariance: Matrix {
    let d = featureCount
    let center = mean
    var result = Matrix(repeating: 0, rowCount: d, columnCount: d)
    for k in 0..<componentCount {
      let within = covariances[k]
      for i in 0..<d {
        for j in 0..<d {
          let between = (means[k, i] - center[i]) * (means[k, j] - center[j])
          result[i, j] += weights[k] * (within[i, j] + between)
        }
      }
    }
    return result
  }

  /// The mixture of some of the features: the density with the others integrated out.
  ///
  /// - Parameter features: Which features to keep, in the order that the result shall have them.
  /// - Returns: A mixture with the same weights and structure; if features are left out, with ``CovarianceStructure/vvi``
  ///   for EVI and ``CovarianceStructure/vvv`` for EVE, VVE, EEV, VEV and EVV, whose equal determinants, eigenvalues or
  ///   axes are those of all features.
  /// - Throws: ``MixtureError/Code/invalidSetting`` if there is none, or one is out of range or named twice.
  public func marginal(over features: [Int]) throws(MixtureError) -> GaussianMixture {
    try requireFeatures(features, atMost: featureCount)
    let means = Matrix(
      unchecked: (0..<componentCount).flatMap { k in features.map { self.means[k, $0] } },
      rowCount: componentCount, columnCount: features.count)
    var elements: [Double] = []
    for k in 0..<covariances.storedCount {
      switch structure.form {
      case .full:
        let stored = Array(covariances.stored(k))
        for (position, i) in features.enumerated() {
          for j in features[...position] {
            elements.append(stored[max(i, j) * (max(i, j) + 1) / 2 + min(i, j)])
          }
        }
      case .diagonal:
        let stored = Array(covariances.stored(k))
        elements += features.map { stored[$0] }
      case .scalar: elements += covariances.stored(k)
      }
    }
    return try GaussianMixture(
      weights: weights, means: means,
      covariances: Covariances(
        unchecked: elements,
        structure: features.count == featureCount ? structure : structure.marginalStructure,
        componentCount: componentCount, featureCount: features.count))
  }

  /// The mixture of the other features, given the values of some.
  ///
  /// With g the given and r the remaining features, component k becomes
  ///
  ///     mean        μₖᵣ + Σₖᵣg Σₖgg⁻¹ (x_g − μₖg)
  ///     covariance  Σₖᵣᵣ − Σₖᵣg Σₖgg⁻¹ Σₖgᵣ
  ///     weight      ∝ wₖ N(x_g; μₖg, Σₖgg)
  ///
  /// Its ``mean`` is the regression of r on g, and its ``covariance`` the uncertainty of it.
  ///
  /// - Parameter values: The value of each given feature.
  /// - Returns: A mixture of the remaining features, in their order, of the same structure as the ``marginal(over:)``.
  /// - Throws: ``MixtureError/Code/invalidSetting`` if no feature is given or none remains, or one is out of range, or a
  ///   value is not finite.
  /// - Complexity: O(K·d³) for full covariances.
  ///
  /// **Numerics.** Weights by log-sum-exp, so that values far from every component still give exact ratios. Covariances
  /// as L Lᵀ with L the last rows of a Cholesky factor, so they stay positive definite.
  public func conditional(given values: [Int: Double]) throws(MixtureError) -> GaussianMixture {
    let given = values.keys.sorted()
    let remaining = (0..<featureCount).filter { values[$0] == nil }
    guard featureCount > 1 else {
      throw MixtureError(
        .invalidSetting, "the mixture has one feature; given it, nothing remains to describe.")
    }
    try requireFeatures(given, atMost: featureCount - 1)
    for feature in given where !(values[feature]!.isFinite) {
      throw MixtureError(
        .invalidSetting,
        "the value given for feature \(feature) is \(values[feature]!); it must be finite.")
    }
    let x = given.map { values[$0]! }
    let marginal = try marginal(over: given)
    let point = try Observations(rows: [x])
    let weights = try marginal.responsibilities(for: point, threadCount: 1).row(0)
    let total = weights.reduce(0, +)

    var means = Matrix(repeating: 0, rowCount: componentCount, columnCount: remaining.count)
    var elements: [Double] = []
    let ordered = try self.marginal(over: given + remaining)
    for k in 0..<componentCount {
      for (column, j) in remaining.enumerated() { means[k, column] = self.means[k, j] }
      guard structure.form == .full else { continue }
      let factor = ordered.factors[(k * ordered.factorStride)...]
      let L = { (i: Int, j: Int) -> Double in
        let value = factor[factor.startIndex + i * (i + 1) / 2 + j]
        return i == j ? 1 / value : value
      }
      // y = L_gg⁻¹ (x_g − μ_g)
      var y = (0..<given.count).map { x[$0] - self.means[k, given[$0]] }
      for i in 0..<given.count {
        for j in 0..<i { y[i] -= L(i, j) * y[j] }
        y[i] /= L(i, i)
      }
      for i in 0..<remaining.count {
        for j in 0..<given.count { means[k, i] += L(given.count + i, j) * y[j] }
      }
      guard k == 0 || !structure.isShared else { continue }
      for i in 0..<remaining.count {
        for j in 0...i {
          elements.append(
            (0...j).reduce(0) {
              $0 + L(given.count + i, given.count + $1) * L(given.count + j, given.count + $1)
            })
        }
      }
    }
    let covariances =
      structure.form == .full
      ? Covariances(
        unchecked: elements, structure: structure.marginalStructure,
        componentCount: componentCount, featureCount: remaining.count)
      : try self.marginal(over: remaining).covariances
    return try GaussianMixture(
      weights: weights.map { $0 / total }, means: means, covariances: covariances)
  }

  private func requireFeatures(_ features: [Int], atMost limit: Int) throws(MixtureError) {
    guard !features.isEmpty, features.count <= limit, Set(features).count == features.count,
      features.allSatisfy({ (0..<featureCount).contains($0) })
    else {
      throw MixtureError(
        .invalidSetting,
        "features \(features) were named; name 1 to \(limit) different ones of 0 to "
          + "\(featureCount - 1).")
    }
  }
}
