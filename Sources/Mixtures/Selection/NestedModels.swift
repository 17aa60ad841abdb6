// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Models as members of larger families: in a more general structure, and with more components.

extension CovarianceStructure {
  /// How many relations are less restricted than those of EII: a structure has a larger one than all that it contains.
  var generality: Int { volume.rawValue - 1 + shape.rawValue + orientation.rawValue }
}

extension GaussianMixture {
  /// The same density in a structure that contains this one's.
  func expressed(in target: CovarianceStructure) -> GaussianMixture? {
    guard target.contains(structure) else { return nil }
    if target == structure { return self }
    let d = featureCount
    let stored = target.isShared ? 1 : componentCount
    let elements = (0..<stored).flatMap { k in
      Self.widen(covariances.stored(k), from: structure.form, to: target.form, featureCount: d)
    }
    return try? GaussianMixture(
      weights: weights, means: means,
      covariances: Covariances(
        unchecked: elements, structure: target, componentCount: componentCount, featureCount: d)
    ).withBackground(background)
  }

  private static func widen(
    _ elements: ArraySlice<Double>, from form: CovarianceStructure.Form,
    to target: CovarianceStructure.Form, featureCount d: Int
  ) -> [Double] {
    let values = Array(elements)
    switch (form, target) {
    case (.full, .full), (.diagonal, .diagonal), (.scalar, .scalar): return values
    case (_, .full):
      var result = Array(repeating: 0.0, count: d * (d + 1) / 2)
      for i in 0..<d { result[i * (i + 3) / 2] = values[form == .scalar ? 0 : i] }
      return result
    default: return Array(repeating: values[0], count: d)
    }
  }

  /// The model with component `k` replaced by two of half its weight, one on either side of its mean by `step` standard
  /// deviations along its longest axis but `rank`, each with its covariance. With a step of zero the density is the same.
  func splitting(_ k: Int, along rank: Int = 0, by step: Double) -> GaussianMixture? {
    let d = featureCount
    var shift = Array(repeating: 0.0, count: d)
    switch structure.form {
    case .full:
      let eigen = SymmetricEigen(packed: Array(covariances.stored(k)), order: d).descending
      let length = step * max(eigen.values[rank], 0).squareRoot()
      for i in 0..<d { shift[i] = length * eigen.vectors[i * d + rank] }
    case .diagonal:
      let values = Array(covariances.stored(k))
      let axis = values.indices.sorted { (values[$1], $0) < (values[$0], $1) }[rank]
      shift[axis] = step * values[axis].squareRoot()
    case .scalar:
      shift[rank] = step * covariances.stored(k).first!.squareRoot()
    }
    return splitting(k, shift: shift)
  }

  /// The model with component `k` replaced by two of half its weight, one on either side of its mean.
  func splitting(_ k: Int, shift: [Double]) -> GaussianMixture? {
    let (K, d) = (componentCount, featureCount)
    var weights = weights
    weights[k] *= 0.5
    weights.append(weights[k])
    var means = means.elements
    for i in 0..<d {
      means.append(means[k * d + i] + shift[i])
      means[k * d + i] -= shift[i]
    }
    var elements = covariances.elements
    if !structure.isShared { elements += covariances.stored(k) }
    return try? GaussianMixture(
      weights: weights, means: Matrix(unchecked: means, rowCount: K + 1, columnCount: d),
      covariances: Covariances(
        unchecked: elements, structure: structure, componentCount: K + 1, featureCount: d)
    ).withBackground(background)
  }

  /// The same density with `count` components: the heaviest is halved again and again.
  func padded(to count: Int) -> GaussianMixture? {
    var model = self
    while model.componentCount < count {
      let k = model.weights.indices.max { model.weights[$0] < model.weights[$1] }!
      guard let next = model.splitting(k, by: 0) else { return nil }
      model = next
    }
    return model
  }
}
