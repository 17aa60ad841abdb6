// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Expectation-maximization for Gaussian mixtures in plain loops, to be read.
///
/// Each step has two halves. The E-step asks, given the parameters, how probable it is that observation i came from
/// component k; that is z[i][k]. The M-step asks, given z, which parameters fit best:
///
/// - Nₖ = Σᵢ z[i][k]
/// - wₖ = Nₖ / Σₗ Nₗ
/// - μₖ = Σᵢ z[i][k] xᵢ / Nₖ
/// - Σₖ = Σᵢ z[i][k] (xᵢ − μₖ)(xᵢ − μₖ)ᵀ / Nₖ, about the *new* means
///
/// No step can lower the log-likelihood (Dempster, Laird & Rubin 1977,
/// [doi:10.1111/j.2517-6161.1977.tb01600.x](https://doi.org/10.1111/j.2517-6161.1977.tb01600.x)).
///
/// ```swift
/// let X = try Matrix(stacking: ExampleMixture.d.draw(count: 1000, seed: 1)).plainRows
/// let fit = try TextbookEM().fit(X, componentCount: 2, seed: 1) { step in
///   print(step.number, step.newMeans)
/// }
/// ```
///
/// It shares no arithmetic with `ExpectationMaximization`, which is held against it.
public struct TextbookEM: Sendable {
  /// An M-step: from the n × d observations, the n × K responsibilities and the old parameters to new ones.
  ///
  /// If observations have case weights, each row of the responsibilities arrives multiplied by its weight; Nₖ and
  /// all else then follow from the formulas as they stand.
  public typealias MaximizationStep = (
    _ X: [[Double]], _ z: [[Double]], _ old: TextbookMixture
  ) -> TextbookMixture

  /// The structures that have a closed M-step made of pooling and restricting: EII, VII, EEI, VVI, EEE and VVV.
  public static let structures: [CovarianceStructure] = [.eii, .vii, .eei, .vvi, .eee, .vvv]

  /// What the covariances have in common: one of ``structures``.
  public var structure: CovarianceStructure
  /// Stop when a step gains less log-likelihood than this per observation. Zero: never, so that the number of steps
  /// is exactly the limit.
  public var tolerance: Double
  /// The largest number of steps.
  public var iterationLimit: Int

  /// The algorithm with its settings; the lesson's own are 25 steps, always.
  public init(
    structure: CovarianceStructure = .full, tolerance: Double = 0, iterationLimit: Int = 25
  ) {
    self.structure = structure
    self.tolerance = tolerance
    self.iterationLimit = iterationLimit
  }

  // MARK: The start

  /// The lesson's random start: equal weights, means drawn about the column means with the column standard
  /// deviations, covariances diag(variance of each column).
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - K: the number of components.
  ///   - seed: decides the means.
  /// - Throws: what is wrong with the observations; `MixtureError.Code.degenerateObservations` naming a feature
  ///   that never varies, unless the covariances are spheres.
  /// - Complexity: O((n + K)·d).
  public func start(
    for X: [[Double]], componentCount K: Int, seed: UInt64
  ) throws(MixtureError) -> TextbookMixture {
    _ = try checkedFeatureCount(of: X)
    try checkComponentCount(K)
    try checkSettings()
    let variances = columnVariances(X)
    if let j = variances.firstIndex(of: 0), structure.form != .scalar || variances.max() == 0 {
      throw MixtureError(
        .degenerateObservations,
        "feature \(j) has the same value in all \(X.count) rows, so no covariance exists. "
          + "Leave it out.")
    }
    return restricted(
      randomStart(
        centre: columnMeans(X), deviations: variances.map { $0.squareRoot() },
        covariance: diagonal(variances),
        componentCount: K, seed: seed))
  }

  // MARK: The steps

  /// Fits K components from the lesson's random start.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - componentCount: K.
  ///   - seed: decides the start; see ``start(for:componentCount:seed:)``.
  ///   - diagnostics: called at each step with all there is to know about it.
  ///   - maximization: an M-step to run in place of ``maximization(_:_:_:)``.
  /// - Throws: what ``start(for:componentCount:seed:)`` and
  ///   ``fit(_:from:caseWeights:diagnostics:maximization:)`` throw.
  /// - Complexity: O(n·K·d²) for each step.
  public func fit(
    _ X: [[Double]], componentCount: Int, seed: UInt64,
    diagnostics: (TextbookStep) -> Void = { _ in }, maximization: MaximizationStep? = nil
  ) throws(MixtureError) -> TextbookFit {
    try fit(
      X, from: start(for: X, componentCount: componentCount, seed: seed),
      diagnostics: diagnostics, maximization: maximization)
  }

  /// Fits from a given start.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - start: K components in d dimensions.
  ///   - caseWeights: how much each observation counts, n numbers; each counts 1 if nil.
  ///   - diagnostics: called at each step with all there is to know about it.
  ///   - maximization: an M-step to run in place of ``maximization(_:_:_:)``.
  /// - Returns: the last parameters, their log-likelihood and how it rose.
  /// - Throws: what is wrong with the observations, the start or the settings;
  ///   `MixtureError.Code.degenerateObservations` naming the step and the component if one collapses;
  ///   `MixtureError.Code.shapeMismatch` or `MixtureError.Code.invalidModel` if the M-step gives no mixture.
  /// - Complexity: O(n·K·d²) for each step.
  public func fit(
    _ X: [[Double]], from start: TextbookMixture, caseWeights: [Double]? = nil,
    diagnostics: (TextbookStep) -> Void = { _ in }, maximization: MaximizationStep? = nil
  ) throws(MixtureError) -> TextbookFit {
    _ = try start.checkedFactors(featureCount: checkedFeatureCount(of: X))
    try checkSettings()
    let caseWeights = try checked(caseWeights, count: X.count)
    let totalWeight = caseWeights.reduce(0, +)
    let variances = columnVariances(X)

    var parameters = start
    var trace: [Double] = []
    while true {
      // The E-step, and with it the log-likelihood of the parameters we hold.
      let (z, logDensities) = try parameters.expectation(X)
      trace.append(zip(caseWeights, logDensities).reduce(0) { $0 + $1.0 * $1.1 })

      // Ask before the M-step: the likelihood just found belongs to these parameters, not to the next.
      if let reason = stoppingReason(trace: trace, totalWeight: totalWeight) {
        return TextbookFit(parameters: parameters, trace: trace, stoppingReason: reason)
      }

      // The M-step.
      let weighted = zip(caseWeights, z).map { weight, row in row.map { weight * $0 } }
      let new = (maximization ?? self.maximization)(X, weighted, parameters)
      let number = trace.count - 1
      try check(new, replacing: parameters, step: number, columnVariances: variances)

      diagnostics(
        TextbookStep(
          number: number, observations: X, responsibilities: z, logLikelihood: trace[number],
          old: parameters, new: new))
      parameters = new
    }
  }

  /// The M-step of ``structure``: the explicit loops, then what the structure demands of the covariances.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - z: n × K responsibilities, each row multiplied by its case weight if there are any.
  ///   - old: the parameters that gave z; only their number of components is used.
  /// - Returns: the parameters that maximise Σᵢₖ z[i][k] log(wₖ N(xᵢ; μₖ, Σₖ)). Those of a component with Nₖ = 0
  ///   are NaN.
  /// - Complexity: O(n·K·d²).
  public func maximization(
    _ X: [[Double]], _ z: [[Double]], _ old: TextbookMixture
  ) -> TextbookMixture {
    restricted(Self.fullMaximization(X, z, old))
  }

  /// The M-step for full covariances: the solution of the lesson's exercise.
  ///
  /// The parameters and the result are those of ``maximization(_:_:_:)``.
  public static func fullMaximization(
    _ X: [[Double]], _ z: [[Double]], _ old: TextbookMixture
  ) -> TextbookMixture {
    let n = X.count
    let K = old.componentCount
    let d = old.featureCount
    var new = TextbookMixture(
      weights: [Double](repeating: 0, count: K), means: zeros(K, d),
      covariances: [[[Double]]](repeating: zeros(d, d), count: K))

    // How many observations each component owns.
    var owned = [Double](repeating: 0, count: K)
    for k in 0..<K {
      for i in 0..<n { owned[k] += z[i][k] }
    }
    let total = owned.reduce(0, +)

    for k in 0..<K {
      new.weights[k] = owned[k] / total

      for j in 0..<d {
        for i in 0..<n { new.means[k][j] += z[i][k] * X[i][j] }
        new.means[k][j] /= owned[k]
      }

      let mean = new.means[k]
      for a in 0..<d {
        for b in 0..<d {
          for i in 0..<n {
            new.covariances[k][a][b] += z[i][k] * ((X[i][a] - mean[a]) * (X[i][b] - mean[b]))
          }
          new.covariances[k][a][b] /= owned[k]
        }
      }
    }
    return new
  }

  /// The best covariances of ``structure``, given the full ones: S = Σₖ wₖ Σₖ for all components if they share one,
  /// then its diagonal, or its mean variance tr(S)/d in every direction, if the form is that simple.
  private func restricted(_ mixture: TextbookMixture) -> TextbookMixture {
    var mixture = mixture
    let K = mixture.componentCount
    let d = mixture.featureCount
    if structure.isShared {
      var pooled = zeros(d, d)
      for k in 0..<K {
        for i in 0..<d {
          for j in 0..<d { pooled[i][j] += mixture.weights[k] * mixture.covariances[k][i][j] }
        }
      }
      mixture.covariances = [[[Double]]](repeating: pooled, count: K)
    }
    guard structure.form != .full else { return mixture }
    for k in 0..<K {
      var variances = (0..<d).map { mixture.covariances[k][$0][$0] }
      if structure.form == .scalar {
        let variance = variances.reduce(0, +) / Double(d)
        variances = [Double](repeating: variance, count: d)
      }
      mixture.covariances[k] = diagonal(variances)
    }
    return mixture
  }

  // MARK: Stopping and checks

  private func stoppingReason(trace: [Double], totalWeight: Double) -> StoppingReason? {
    if tolerance > 0, trace.count >= 2 {
      let gain = (trace[trace.count - 1] - trace[trace.count - 2]) / totalWeight
      if gain < tolerance { return .converged }
    }
    return trace.count > iterationLimit ? .iterationLimit : nil
  }

  private func checkSettings() throws(MixtureError) {
    guard Self.structures.contains(structure) else {
      throw MixtureError(
        .invalidSetting,
        "the textbook has no M-step for \(structure.rawValue); choose one of "
          + Self.structures.map(\.rawValue).joined(separator: ", ") + ".")
    }
    guard tolerance >= 0 else {
      throw MixtureError(.invalidSetting, "the tolerance is \(tolerance); it must be 0 or more.")
    }
    guard iterationLimit >= 0 else {
      throw MixtureError(
        .invalidSetting, "the iteration limit is \(iterationLimit); it must be 0 or more.")
    }
  }

  private func checked(
    _ caseWeights: [Double]?, count n: Int
  ) throws(MixtureError) -> [Double] {
    guard let caseWeights else { return [Double](repeating: 1, count: n) }
    guard caseWeights.count == n else {
      throw MixtureError(
        .shapeMismatch, "there are \(caseWeights.count) case weights for \(n) observations.")
    }
    for (i, weight) in caseWeights.enumerated() where !(weight >= 0 && weight.isFinite) {
      throw MixtureError(
        .invalidSetting, "case weight \(i) is \(weight); it must be finite and not negative.")
    }
    guard caseWeights.contains(where: { $0 > 0 }) else {
      throw MixtureError(.invalidSetting, "all case weights are 0; one at least must be positive.")
    }
    return caseWeights
  }

  /// Checks what an M-step gave, and says which component collapsed if one did: it owns nothing, or its covariance
  /// has shrunk to something flat or to a point, where the likelihood has no bound.
  ///
  /// **Numerics.** A variance is that of a point if it is below 10⁻²⁰ of its column's, or so small that rounding of
  /// the mean alone could give it.
  private func check(
    _ new: TextbookMixture, replacing old: TextbookMixture, step: Int, columnVariances: [Double]
  ) throws(MixtureError) {
    let K = old.componentCount
    let d = old.featureCount
    try new.checkShape(componentCount: K, featureCount: d)
    func isEmpty(_ k: Int) -> Bool {
      new.weights[k] == 0 || new.weights[k].isNaN || new.means[k].contains { $0.isNaN }
    }
    func isPoint(_ k: Int) -> Bool {
      (0..<d).contains { j in
        let rounding = 16 * Double.ulpOfOne * new.means[k][j]
        return new.covariances[k][j][j] <= max(1e-20 * columnVariances[j], rounding * rounding)
      }
    }
    func collapse(of k: Int, _ what: String) -> MixtureError {
      MixtureError(
        .degenerateObservations,
        "component \(k) collapsed at step \(step): \(what). "
          + "Fewer components, a simpler structure or another start may help.")
    }
    // The empty first: where components share a covariance, one that owns nothing spoils it for all.
    if let k = (0..<K).first(where: isEmpty) { throw collapse(of: k, "it owns no observation") }
    for k in 0..<K where isPoint(k) || choleskyFactor(of: new.covariances[k]) == nil {
      throw collapse(
        of: k, "its covariance is \(new.covariances[k]), which is not positive definite")
    }
    _ = try new.checkedFactors(featureCount: d)
  }
}

/// Equal weights, means drawn about a centre, one covariance for all.
func randomStart(
  centre: [Double], deviations: [Double], covariance: [[Double]], componentCount K: Int,
  seed: UInt64
) -> TextbookMixture {
  var random = RandomStream(seed: seed, stream: LessonStream.mixtureStart)
  var means: [[Double]] = []
  for _ in 0..<K {
    means.append(zip(centre, deviations).map { $0 + $1 * random.normal() })
  }
  return TextbookMixture(
    weights: [Double](repeating: 1 / Double(K), count: K), means: means,
    covariances: [[[Double]]](repeating: covariance, count: K))
}
