// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif
public import Mixtures

/// The parameters of a mixture of K Gaussians in d dimensions, as plain arrays: p(x) = Σₖ wₖ N(x; μₖ, Σₖ).
///
/// Anything may be written into it, as a learner's own M-step may; whatever computes with it checks it first.
public struct TextbookMixture: Sendable, Equatable, Codable {
  /// The mixing proportions: K numbers that sum to 1 (the lesson's `amps`).
  public var weights: [Double]
  /// The means: `means[k][j]`, K × d.
  public var means: [[Double]]
  /// The covariances: `covariances[k][i][j]`, K × d × d.
  public var covariances: [[[Double]]]

  /// Parameters as they are; nothing is checked yet.
  public init(weights: [Double], means: [[Double]], covariances: [[[Double]]]) {
    self.weights = weights
    self.means = means
    self.covariances = covariances
  }

  /// The parameters of an engine's mixture.
  public init(_ mixture: GaussianMixture) {
    self.init(
      weights: mixture.weights, means: mixture.means.plainRows,
      covariances: mixture.covariances.matrices.map(\.plainRows))
  }

  /// The number of components, K.
  public var componentCount: Int { weights.count }
  /// The number of features, d.
  public var featureCount: Int { means.first?.count ?? 0 }

  /// The same mixture in the engine's form.
  ///
  /// - Parameter structure: what the covariances have in common; the matrices must have that form exactly.
  /// - Throws: what the initialisers of `Matrix`, `Covariances` and `GaussianMixture` throw.
  public func gaussianMixture(
    structure: CovarianceStructure = .full
  ) throws(MixtureError) -> GaussianMixture {
    var matrices: [Matrix] = []
    for covariance in covariances { matrices.append(try Matrix(rows: covariance)) }
    return try GaussianMixture(
      weights: weights, means: Matrix(rows: means),
      covariances: Covariances(structure: structure, matrices: matrices))
  }

  // MARK: Density

  /// The E-step: what the mixture says about each observation.
  ///
  /// z[i][k] = wₖ N(xᵢ; μₖ, Σₖ) / p(xᵢ), "this point had to come from somewhere", computed as
  /// exp(log wₖ + log N(xᵢ; μₖ, Σₖ) − log p(xᵢ)), with log p(xᵢ) by log-sum-exp.
  ///
  /// - Parameter X: n × d observations.
  /// - Returns: the responsibilities z, n × K, each row summing to 1, and the n log densities log p(xᵢ).
  /// - Throws: what is wrong with the observations or with the parameters;
  ///   `MixtureError.Code.nonFiniteObservation` if a point is so far away that even its log density overflows.
  /// - Complexity: O(n·K·d²).
  ///
  /// **Numerics.** Exact ratios however far a point is from every mean. The lesson divides densities, which far
  /// away is 0/0; see ``LessonFaults/linearSpaceResponsibilities(_:_:)``.
  public func expectation(
    _ X: [[Double]]
  ) throws(MixtureError) -> (responsibilities: [[Double]], logDensities: [Double]) {
    let factors = try checkedFactors(featureCount: checkedFeatureCount(of: X))
    let K = componentCount
    var z = zeros(X.count, K)
    var logDensities = [Double](repeating: 0, count: X.count)
    for i in 0..<X.count {
      var logJoint = [Double](repeating: 0, count: K)
      for k in 0..<K {
        logJoint[k] = log(weights[k]) + logGaussDensity(X[i], mean: means[k], factor: factors[k])
      }
      logDensities[i] = logSumExp(logJoint)
      guard logDensities[i].isFinite else {
        throw MixtureError(
          .nonFiniteObservation,
          "the log density of row \(i) is \(logDensities[i]): the row lies too far from every mean "
            + "for double precision. Rescale the features.")
      }
      for k in 0..<K { z[i][k] = exp(logJoint[k] - logDensities[i]) }
    }
    return (z, logDensities)
  }

  /// The log-likelihood ℓ = Σᵢ log p(xᵢ).
  ///
  /// - Parameter X: n × d observations.
  /// - Throws: what ``expectation(_:)`` throws.
  /// - Complexity: O(n·K·d²).
  public func logLikelihood(of X: [[Double]]) throws(MixtureError) -> Double {
    try expectation(X).logDensities.reduce(0, +)
  }

  // MARK: Checks

  /// Checks that there are K weights, K means of d features and K covariances of d × d.
  ///
  /// - Throws: `MixtureError.Code.shapeMismatch` with the first shape that is wrong.
  func checkShape(componentCount K: Int, featureCount d: Int) throws(MixtureError) {
    func check(_ name: String, _ got: Int, _ expected: Int) throws(MixtureError) {
      guard got != expected else { return }
      throw MixtureError(
        .shapeMismatch, "\(name) has \(got) elements where \(expected) are needed.")
    }
    try check("weights", weights.count, K)
    try check("means", means.count, K)
    try check("covariances", covariances.count, K)
    for k in 0..<K {
      try check("means[\(k)]", means[k].count, d)
      try check("covariances[\(k)]", covariances[k].count, d)
      for i in 0..<d { try check("covariances[\(k)][\(i)]", covariances[k][i].count, d) }
    }
  }

  /// The Cholesky factor of each covariance, once everything else has been checked.
  ///
  /// - Throws: `MixtureError.Code.shapeMismatch`; `MixtureError.Code.invalidModel` if a weight is negative,
  ///   the weights do not sum to 1 within 10⁻⁶, or a mean is not finite;
  ///   `MixtureError.Code.notPositiveDefinite` naming the first such covariance.
  func checkedFactors(featureCount d: Int) throws(MixtureError) -> [[[Double]]] {
    try checkComponentCount(componentCount)
    try checkShape(componentCount: componentCount, featureCount: d)
    for (k, weight) in weights.enumerated() where !(weight >= 0) {
      throw MixtureError(.invalidModel, "weight \(k) is \(weight); it must not be negative.")
    }
    let total = weights.reduce(0, +)
    guard abs(total - 1) <= 1e-6 else {
      throw MixtureError(
        .invalidModel, "the weights sum to \(total); they must sum to 1 (within 1e-6).")
    }
    for (k, mean) in means.enumerated() where !mean.allSatisfy(\.isFinite) {
      throw MixtureError(.invalidModel, "mean \(k) is \(mean); it must be finite.")
    }
    var factors: [[[Double]]] = []
    for k in 0..<componentCount {
      guard let factor = choleskyFactor(of: covariances[k]) else {
        throw MixtureError(
          .notPositiveDefinite,
          "the covariance of component \(k), \(covariances[k]), is not positive definite.")
      }
      factors.append(factor)
    }
    return factors
  }
}
