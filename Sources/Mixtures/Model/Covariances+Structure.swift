// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Volumes, shapes and orientations of given covariances, for the structures whose storage does not say it all.

extension Covariances {
  /// The axes that all components share, d × d with one axis in each column.
  var commonAxes: [Double] { commonOrientation.axes }

  private var commonOrientation: CommonOrientation {
    let d = featureCount
    let matrices = (0..<storedCount).flatMap { k in
      let matrix = packed(k)
      let trace = (0..<d).reduce(0) { $0 + matrix[$1 * ($1 + 3) / 2] }
      return matrix.map { $0 / trace }
    }
    return CommonOrientation(of: matrices, order: d, count: storedCount)
  }

  /// The lower triangle of the matrix of component `k`, whatever the form.
  private func packed(_ k: Int) -> [Double] {
    let values = Array(stored(k))
    switch structure.form {
    case .full: return values
    case .diagonal, .scalar:
      var result = Array(repeating: 0.0, count: featureCount * (featureCount + 1) / 2)
      for i in 0..<featureCount { result[i * (i + 3) / 2] = values[values.count > 1 ? i : 0] }
      return result
    }
  }

  // MARK: Checking

  /// Requires that volumes, shapes and orientations are equal where the structure says so, as far as the storage does
  /// not make them so: to a relative 10⁻⁵, and the rounding of ill-conditioned matrices. Matrices that are not positive
  /// definite are left to others.
  ///
  /// - Throws: ``MixtureError/Code/invalidModel`` naming the first component that differs.
  func requireStructure() throws(MixtureError) {
    let d = featureCount
    guard !isDeterminedByStorage, componentCount > 1 else { return }
    let spectra = (0..<componentCount).map { k in
      structure.form == .diagonal
        ? Array(stored(k)) : SymmetricEigen(packed: packed(k), order: d).descending.values
    }
    guard spectra.allSatisfy({ $0.allSatisfy { $0 > 0 && $0.isFinite } }) else { return }
    let logVolumes = spectra.map { $0.reduce(0) { $0 + Kernels.log($1) } / Double(d) }
    let slacks = spectra.map { spectrum in
      1e-5
        + (structure.form == .diagonal
          ? 0 : 1e-13 * Double(d) * spectrum.max()! / spectrum.min()!)
    }
    func require(_ holds: Bool, _ k: Int, _ what: String) throws(MixtureError) {
      guard !holds else { return }
      throw MixtureError(
        .invalidModel,
        "covariance \(k) does not have the \(what) of covariance 0 (to a relative 1e-5), "
          + "as \(structure.rawValue) demands.")
    }
    for k in 1..<componentCount {
      let slack = slacks[0] + slacks[k]
      if structure.volume == .equal {
        try require(abs(logVolumes[k] - logVolumes[0]) <= slack, k, "volume")
      }
      guard structure.shape == .equal else { continue }
      let scale = Kernels.exp(logVolumes[0] - logVolumes[k])
      let hasShape = (0..<d).allSatisfy {
        abs(spectra[k][$0] * scale - spectra[0][$0]) <= 2 * slack * spectra[0][$0]
      }
      try require(hasShape, k, "shape")
      guard structure.orientation == .equal else { continue }
      let (first, other) = (packed(0), packed(k))
      let hasAxes = (0..<d).allSatisfy { i in
        (0...i).allSatisfy { j in
          let bound = (first[i * (i + 3) / 2] * first[j * (j + 3) / 2]).squareRoot()
          let index = i * (i + 1) / 2 + j
          return abs(other[index] * scale - first[index]) <= 2 * slack * bound
        }
      }
      try require(hasAxes, k, "orientation")
    }
    if structure.orientation == .equal, structure.shape == .variable {
      guard commonOrientation.largestCorrelation <= 2 * slacks.max()! else {
        throw MixtureError(
          .invalidModel,
          "the covariances do not have axes in common (to a relative 1e-5), as "
            + "\(structure.rawValue) demands.")
      }
    }
  }

  private var isDeterminedByStorage: Bool {
    switch structure {
    case .eii, .vii, .eei, .vvi, .eee, .vvv: return true
    case .vei, .evi, .vee, .eve, .vve, .eev, .vev, .evv: return false
    }
  }

  // MARK: More components

  /// The same covariances and some more, each the weighted mean of these, brought to the volume and shape that the
  /// structure demands.
  func appending(_ count: Int, weights: [Double]) -> Covariances {
    if let factors {
      return Covariances(
        unchecked: factors.appending(count, weights: weights), isShared: structure.isShared)
    }
    var all = elements
    if !structure.isShared {
      var mean = Array(repeating: 0.0, count: elementsPerMatrix)
      for k in 0..<componentCount {
        for (index, element) in stored(k).enumerated() { mean[index] += weights[k] * element }
      }
      let admissible = admissible(mean)
      for _ in 0..<count { all += admissible }
    }
    return Covariances(
      unchecked: all, structure: structure, componentCount: componentCount + count,
      featureCount: featureCount)
  }

  /// A matrix with the volume and shape of the first, where the structure has equal ones.
  private func admissible(_ mean: [Double]) -> [Double] {
    let d = featureCount
    func logVolume(_ matrix: [Double]) -> Double {
      (GaussianMixture.factor(matrix[...], form: structure.form, featureCount: d)?.logDeterminant
        ?? 0) / Double(d)
    }
    switch structure {
    case .eii, .vii, .eei, .vei, .vvi, .eee, .vee, .vve, .vvv: return mean
    case .evi, .eve, .evv:
      let scale = Kernels.exp(logVolume(Array(stored(0))) - logVolume(mean))
      return mean.map { $0 * scale }
    case .eev, .vev:
      let first = Array(stored(0))
      let values = SymmetricEigen(packed: first, order: d).descending.values
      let scale =
        structure == .vev ? Kernels.exp(logVolume(mean) - logVolume(first)) : 1
      return SymmetricEigen.compose(
        values.map { $0 * scale }, SymmetricEigen(packed: mean, order: d).descending.vectors,
        order: d)
    }
  }
}
