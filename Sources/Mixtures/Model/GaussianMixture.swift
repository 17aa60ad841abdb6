// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A mixture of K Gaussian densities in d dimensions: p(x) = Σₖ wₖ N(x; μₖ, Σₖ); before a uniform ``background``, if it has
/// one.
///
/// A mixture is immutable and always usable: its weights are non-negative and sum to 1, and every
/// covariance is positive definite, with its factor at hand. Only the initialisers can fail.
public struct GaussianMixture: Sendable {
  /// The mixing proportions, K numbers that sum to 1.
  public let weights: [Double]
  /// The component means, K × d.
  public let means: Matrix
  /// The component covariances.
  public let covariances: Covariances
  /// A uniform density for what belongs to no component; nil if there is none.
  public let background: UniformBackground?

  // What the kernels read: see `factor` in the C header.
  let factors: [Double]
  let factorStride: Int
  /// log wₖ − (d log 2π + log det Σₖ) / 2; with a background more by log(1 − share).
  let constants: [Double]

  /// The number of components, K.
  public var componentCount: Int { weights.count }
  /// The number of features, d.
  public var featureCount: Int { means.columnCount }
  /// The structure of the covariances.
  public var structure: CovarianceStructure { covariances.structure }

  /// A mixture from its parameters.
  ///
  /// Weights that sum to 1 within rounding are kept to the bit; those off by up to 10⁻⁵, as numbers
  /// printed with six digits are, are divided by their sum.
  ///
  /// - Parameters:
  ///   - weights: K mixing proportions.
  ///   - means: K × d.
  ///   - covariances: K covariances in d dimensions.
  /// - Throws: ``MixtureError/Code/shapeMismatch`` if the counts disagree;
  ///   ``MixtureError/Code/invalidModel`` for a weight or mean that is negative or not finite, or weights that do
  ///   not sum to 1; ``MixtureError/Code/notPositiveDefinite`` naming the first such covariance.
  /// - Complexity: O(K·d³).
  public init(
    weights: [Double], means: Matrix, covariances: Covariances
  ) throws(MixtureError) {
    try self.init(weights: weights, means: means, covariances: covariances, factored: nil)
  }

  /// A mixture whose covariances may be factored already.
  init(
    weights: [Double], means: Matrix, covariances: Covariances,
    factored: (factors: [Double], logDeterminants: [Double])?
  ) throws(MixtureError) {
    let K = weights.count
    let d = covariances.featureCount
    guard K > 0, means.rowCount == K, covariances.componentCount == K else {
      throw MixtureError(
        .shapeMismatch,
        "there are \(K) weights, \(means.rowCount) means and \(covariances.componentCount) "
          + "covariances; a mixture needs as many of each, and at least one.")
    }
    guard means.columnCount == d else {
      throw MixtureError(
        .shapeMismatch,
        "the means have \(means.columnCount) features, the covariances \(d).")
    }
    if let k = weights.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
      throw MixtureError(
        .invalidModel, "weight \(k) is \(weights[k]); weights must be finite and not negative.")
    }
    if let index = means.elements.firstIndex(where: { !$0.isFinite }) {
      throw MixtureError(
        .invalidModel,
        "mean \(index / d) holds \(means.elements[index]); every mean must be finite.")
    }
    let total = weights.reduce(0, +)
    guard abs(total - 1) <= 1e-5 else {
      throw MixtureError(
        .invalidModel, "the weights sum to \(total); they must sum to 1 (within 1e-5).")
    }
    let isRounding = abs(total - 1) <= 4 * Double(K) * .ulpOfOne

    var factors = factored?.factors ?? []
    var logDeterminants = factored?.logDeterminants ?? []
    for k in (factored == nil ? 0 : covariances.storedCount)..<covariances.storedCount {
      guard
        let (factor, logDeterminant) = Self.factor(
          covariances.stored(k), form: covariances.structure.form, featureCount: d)
      else {
        throw MixtureError(
          .notPositiveDefinite,
          "the covariance of component \(k) is not positive definite"
            + (covariances.structure.isShared ? " (all components share it)." : "."))
      }
      factors += factor
      logDeterminants.append(logDeterminant)
    }
    self.weights = isRounding ? weights : weights.map { $0 / total }
    self.means = means
    self.covariances = covariances
    background = nil
    self.factors = factors
    self.factorStride = covariances.structure.isShared ? 0 : covariances.elementsPerMatrix
    let isShared = covariances.structure.isShared
    self.constants = self.weights.indices.map { [weights = self.weights] k in
      Kernels.log(weights[k])
        - 0.5 * (Double(d) * logTwoPi + logDeterminants[isShared ? 0 : k])
    }
  }

  /// Another mixture's components before a background.
  init(_ other: GaussianMixture, background: UniformBackground?) {
    weights = other.weights
    means = other.means
    covariances = other.covariances
    factors = other.factors
    factorStride = other.factorStride
    self.background = background
    if background == other.background {
      constants = other.constants
    } else {
      let rest = Kernels.log(1 - (background?.share ?? 0))
      constants = other.weights.indices.map {
        Kernels.log(other.weights[$0]) - 0.5
          * (Double(other.featureCount) * logTwoPi
            + other.logDeterminant($0)) + rest
      }
    }
  }

  /// Another mixture's components, without a background, with other constants in their log joint densities and weights that
  /// need not sum to 1: no mixture, but what an E-step takes for one.
  init(_ other: GaussianMixture, constants: [Double], weights: [Double]) {
    self.weights = weights
    means = other.means
    covariances = other.covariances
    factors = other.factors
    factorStride = other.factorStride
    background = nil
    self.constants = constants
  }

  /// The factor of one covariance, in the form the kernels want it, and its log determinant; nil unless it is
  /// positive definite.
  static func factor(
    _ elements: ArraySlice<Double>, form: CovarianceStructure.Form, featureCount d: Int
  ) -> (factor: [Double], logDeterminant: Double)? {
    switch form {
    case .full:
      guard let cholesky = Cholesky(packed: elements, order: d) else { return nil }
      return (cholesky.factor, cholesky.logDeterminant)
    case .diagonal, .scalar:
      guard elements.allSatisfy({ $0 >= .leastNormalMagnitude && $0.isFinite }) else { return nil }
      let sum = elements.reduce(0) { $0 + Kernels.log($1) }
      return (
        elements.map { 1 / $0.squareRoot() }, form == .scalar ? Double(d) * sum : sum
      )
    }
  }

  /// log det Σₖ, recovered from what the density needs.
  func logDeterminant(_ k: Int) -> Double {
    let factor = factors[(k * factorStride)...]
    switch structure.form {
    case .full:
      return (0..<featureCount).reduce(0) {
        $0 - 2 * Kernels.log(factor[factor.startIndex + $1 * ($1 + 3) / 2])
      }
    case .diagonal:
      return factor.prefix(featureCount).reduce(0) { $0 - 2 * Kernels.log($1) }
    case .scalar:
      return -2 * Double(featureCount) * Kernels.log(factor[factor.startIndex])
    }
  }

  /// The number of free parameters; the K − 1 weights are not counted if they were fixed to be equal. The share of a
  /// background counts.
  public func parameterCount(equalWeights: Bool = false) -> Int {
    structure.parameterCount(
      featureCount: featureCount, componentCount: componentCount, equalWeights: equalWeights)
      + (background == nil ? 0 : 1)
  }
}

/// log 2π.
let logTwoPi = 1.8378770664093454836

extension GaussianMixture: Equatable {
  /// Whether the parameters are equal; the rest follows from them.
  public static func == (a: GaussianMixture, b: GaussianMixture) -> Bool {
    a.weights == b.weights && a.means == b.means && a.covariances == b.covariances
      && a.background == b.background
  }
}

extension GaussianMixture: Codable {
  private enum CodingKeys: String, CodingKey {
    case structure, weights, means, covariances, background, loadings, uniquenesses
  }

  /// Decodes `structure`, `weights`, `means` and `covariances` (K matrices of d × d), and `background`, `loadings` and
  /// `uniquenesses` if they are there.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let means = try container.decode(Matrix.self, forKey: .means)
    var covariances = try Covariances(
      structure: container.decode(CovarianceStructure.self, forKey: .structure),
      matrices: container.decode([Matrix].self, forKey: .covariances))
    if let uniquenesses = try container.decodeIfPresent(Matrix.self, forKey: .uniquenesses) {
      let none = (0..<uniquenesses.rowCount).map { _ in
        Matrix(repeating: 0, rowCount: uniquenesses.columnCount, columnCount: 0)
      }
      covariances = try covariances.decomposed(
        FactorDecomposition(
          loadings: container.decodeIfPresent([Matrix].self, forKey: .loadings) ?? none,
          uniquenesses: uniquenesses))
    }
    let components = try GaussianMixture(
      weights: container.decode([Double].self, forKey: .weights), means: means,
      covariances: covariances)
    self = try components.withBackground(
      container.decodeIfPresent(UniformBackground.self, forKey: .background))
  }

  /// Encodes `structure`, `weights`, `means` and `covariances` (K matrices of d × d), `background` if there is one, and of
  /// covariances made of factors `loadings` (K matrices of d × q, if q > 0) and `uniquenesses` (K × d).
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(structure, forKey: .structure)
    try container.encode(weights, forKey: .weights)
    try container.encode(means, forKey: .means)
    try container.encode(covariances.matrices, forKey: .covariances)
    try container.encodeIfPresent(background, forKey: .background)
    if let factors = covariances.factors {
      if factors.factorCount > 0 { try container.encode(factors.loadings, forKey: .loadings) }
      try container.encode(factors.uniquenesses, forKey: .uniquenesses)
    }
  }
}
