// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Covariances as sums of what few factors cause and what each feature has of its own: Σₖ = Λₖ Λₖᵀ + Ψₖ.
///
/// Given component k, an observation is x = μₖ + Λₖ u + e with q factors u ~ N(0, I) and independent e ~ N(0, Ψₖ). The
/// factors are determined up to a rotation only: Λₖ and Λₖ Q mean the same for any orthogonal Q.
public struct FactorDecomposition: Sendable, Equatable {
  /// The number of features, d.
  public let featureCount: Int
  /// The number of factors, q.
  public let factorCount: Int
  /// The uniquenesses, the diagonals of Ψₖ: K × d, all positive.
  public let uniquenesses: Matrix
  /// The loadings by factors, K · q · d: element (j, f) of Λₖ is at (k · q + f) · d + j.
  let elements: [Double]

  /// The number of components, K.
  public var componentCount: Int { uniquenesses.rowCount }

  /// A decomposition from its parts.
  ///
  /// - Parameters:
  ///   - loadings: K matrices Λₖ of d × q, q ≥ 0.
  ///   - uniquenesses: K × d, the diagonals of Ψₖ.
  /// - Throws: ``MixtureError/Code/shapeMismatch`` if the shapes disagree; ``MixtureError/Code/invalidModel`` for a number
  ///   that is not finite, or a uniqueness that is not positive.
  public init(loadings: [Matrix], uniquenesses: Matrix) throws(MixtureError) {
    let d = uniquenesses.columnCount
    let q = loadings.first?.columnCount ?? 0
    guard !loadings.isEmpty, d > 0, loadings.count == uniquenesses.rowCount else {
      throw MixtureError(
        .shapeMismatch,
        "there are \(loadings.count) matrices of loadings, and uniquenesses of \(uniquenesses.rowCount) components and "
          + "\(d) features; there must be as many of each, and at least one.")
    }
    for (k, matrix) in loadings.enumerated() {
      guard matrix.rowCount == d, matrix.columnCount == q else {
        throw MixtureError(
          .shapeMismatch,
          "the loadings of component \(k) are \(matrix.rowCount) × \(matrix.columnCount); expected \(d) × \(q)."
        )
      }
      if let value = matrix.elements.first(where: { !$0.isFinite }) {
        throw MixtureError(
          .invalidModel,
          "the loadings of component \(k) hold \(value); every loading must be finite.")
      }
    }
    if let index = uniquenesses.elements.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      throw MixtureError(
        .invalidModel,
        "a uniqueness of component \(index / d) is \(uniquenesses.elements[index]); it must be positive and finite."
      )
    }
    self.init(
      elements: loadings.flatMap { matrix in
        (0..<q).flatMap { f in (0..<d).map { matrix[$0, f] } }
      }, uniquenesses: uniquenesses, factorCount: q)
  }

  init(elements: [Double], uniquenesses: Matrix, factorCount: Int) {
    featureCount = uniquenesses.columnCount
    self.factorCount = factorCount
    self.uniquenesses = uniquenesses
    self.elements = elements
  }

  /// Λₖ, d × q.
  public func loadings(_ k: Int) -> Matrix {
    precondition(k >= 0 && k < componentCount, "component \(k) of \(componentCount)")
    let (d, q) = (featureCount, factorCount)
    var result = Matrix(repeating: 0, rowCount: d, columnCount: q)
    for f in 0..<q {
      for j in 0..<d { result[j, f] = elements[(k * q + f) * d + j] }
    }
    return result
  }

  /// Λ₀ … Λₖ₋₁, each d × q.
  public var loadings: [Matrix] { (0..<componentCount).map { loadings($0) } }

  /// Λₖ by factors, q × d.
  func factors(_ k: Int) -> ArraySlice<Double> {
    let size = factorCount * featureCount
    return elements[k * size..<(k + 1) * size]
  }

  /// Λₖ Λₖᵀ + Ψₖ, packed.
  func covariance(_ k: Int) -> [Double] {
    let d = featureCount
    var result = Array(repeating: 0.0, count: d * (d + 1) / 2)
    let start = k * factorCount * d
    for f in 0..<factorCount {
      let row = start + f * d
      var index = 0
      for i in 0..<d {
        let loading = elements[row + i]
        for j in 0...i {
          result[index] += loading * elements[row + j]
          index += 1
        }
      }
    }
    for i in 0..<d { result[i * (i + 3) / 2] += uniquenesses[k, i] }
    return result
  }

  /// The same and some more components, with the loadings of one of these and the weighted mean of the uniquenesses.
  func appending(_ count: Int, weights: [Double]) -> FactorDecomposition {
    let heaviest = weights.indices.max { weights[$0] < weights[$1] } ?? 0
    let isCommon = (1..<max(componentCount, 1)).allSatisfy {
      uniquenesses.row($0) == uniquenesses.row(0)
    }
    let mean =
      isCommon
      ? uniquenesses.row(0)
      : (0..<featureCount).map { j in
        weights.indices.reduce(0) { $0 + weights[$1] * uniquenesses[$1, j] }
      }
    return FactorDecomposition(
      elements: elements + repeatElement(Array(factors(heaviest)), count: count).joined(),
      uniquenesses: Matrix(
        unchecked: uniquenesses.elements + repeatElement(mean, count: count).joined(),
        rowCount: componentCount + count, columnCount: featureCount),
      factorCount: factorCount)
  }

  /// Whether a structure allows it, at least with factors whose loadings are zero.
  func isAdmissible(_ structure: FactorStructure) -> Bool {
    let variant = structure.variant
    let rest = 1..<max(componentCount, 1)
    return factorCount <= structure.factorCount
      && (!variant.sharesLoadings || rest.allSatisfy { factors($0).elementsEqual(factors(0)) })
      && (!variant.sharesUniquenesses
        || rest.allSatisfy { uniquenesses.row($0) == uniquenesses.row(0) })
      && (!variant.isIsotropic
        || (0..<componentCount).allSatisfy { k in
          uniquenesses.row(k).allSatisfy { $0 == uniquenesses[k, 0] }
        })
  }
}

extension Covariances {
  /// The covariances that factors and uniquenesses make, Λₖ Λₖᵀ + Ψₖ, which keep them as ``factors``.
  ///
  /// - Parameters:
  ///   - factors: The loadings and uniquenesses.
  ///   - isShared: Whether all components have the same; one matrix is then stored (``CovarianceStructure/eee``).
  /// - Throws: ``MixtureError/Code/invalidModel`` if all are to be the same and are not; and if a sum overflows.
  /// - Complexity: O(K·d²·q).
  public init(
    _ factors: FactorDecomposition, isShared: Bool = false
  ) throws(MixtureError) {
    if isShared,
      let k = (1..<factors.componentCount).first(where: {
        !factors.factors($0).elementsEqual(factors.factors(0))
          || factors.uniquenesses.row($0) != factors.uniquenesses.row(0)
      })
    {
      throw MixtureError(
        .invalidModel,
        "the loadings or uniquenesses of component \(k) differ from those of component 0, but all components are to "
          + "share one covariance.")
    }
    let covariances = Covariances(unchecked: factors, isShared: isShared)
    if let index = covariances.elements.firstIndex(where: { !$0.isFinite }) {
      throw MixtureError(
        .invalidModel,
        "the covariance of component \(index / covariances.elementsPerMatrix) overflows; its loadings are too large."
      )
    }
    self = covariances
  }

  init(unchecked factors: FactorDecomposition, isShared: Bool) {
    self.init(
      unchecked: isShared
        ? factors.covariance(0)
        : (0..<factors.componentCount).flatMap { factors.covariance($0) },
      structure: isShared ? .eee : .vvv, componentCount: factors.componentCount,
      featureCount: factors.featureCount, factors: factors)
  }
}

extension Covariances {
  /// These covariances, which a decomposition is said to make; then it is what they are made of.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` for other numbers of components or features;
  ///   ``MixtureError/Code/invalidModel`` unless it makes them, to a relative 10⁻⁵ of their standard deviations.
  public func decomposed(_ factors: FactorDecomposition) throws(MixtureError) -> Covariances {
    guard factors.componentCount == componentCount, factors.featureCount == featureCount,
      structure.form == .full
    else {
      throw MixtureError(
        .shapeMismatch,
        "there are factors of \(factors.componentCount) components and \(factors.featureCount) features for "
          + "\(structure.rawValue) covariances of \(componentCount) components and \(featureCount) features."
      )
    }
    let made = try Covariances(factors, isShared: structure.isShared)
    if made.elements == elements { return made.keeping(structure) }
    for k in 0..<storedCount {
      let (given, own) = (Array(stored(k)), Array(made.stored(k)))
      for i in 0..<featureCount {
        for j in 0...i {
          let product = own[i * (i + 3) / 2] * own[j * (j + 3) / 2]
          let index = i * (i + 1) / 2 + j
          guard abs(given[index] - own[index]) <= 1e-5 * product.squareRoot() else {
            throw MixtureError(
              .invalidModel,
              "element (\(i), \(j)) of covariance \(k) is \(given[index]), but its loadings and uniquenesses make "
                + "\(own[index]).")
          }
        }
      }
    }
    return made.keeping(structure)
  }

  private func keeping(_ structure: CovarianceStructure) -> Covariances {
    Covariances(
      unchecked: elements, structure: structure, componentCount: componentCount,
      featureCount: featureCount, factors: factors)
  }
}

extension SufficientStatistics {
  /// Statistics of rows spread as a mixture is, one row in all.
  init(like model: GaussianMixture) {
    self.init(origins: model.means, form: .full)
    values[0] = 1
    for k in 0..<componentCount {
      let weight = model.weights[k]
      values[zerothStart + k] = weight
      let covariance = model.covariances[k]
      var index = secondStart + k * elementsPerSecond
      for i in 0..<featureCount {
        for j in 0...i {
          values[index] = weight * covariance[i, j]
          index += 1
        }
      }
    }
  }
}
