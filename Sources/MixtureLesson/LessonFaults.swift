// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif
public import Mixtures

/// The seven faults of the code that the lesson grew from, each as a function of its own, so that its effect can be
/// shown beside what is right.
///
/// | the lesson's code | here | what is right |
/// |---|---|---|
/// | the start's means lie about one number | ``startAboutOneNumber(for:componentCount:seed:)`` | ``TextbookEM/start(for:componentCount:seed:)`` |
/// | its covariances hold standard deviations | ``startWithDeviations(for:componentCount:seed:)`` | the same |
/// | covariances about the old means | ``maximizationAboutOldMeans(_:_:_:)`` | ``TextbookEM/fullMaximization(_:_:_:)`` |
/// | densities, not their logarithms | ``linearSpaceResponsibilities(_:_:)`` | ``TextbookMixture/expectation(_:)`` |
/// | always 25 steps | ``alwaysTwentyFiveSteps(_:from:)`` | ``TextbookEM/tolerance`` |
/// | nothing stops a collapse | ``collapsingLogLikelihoods(of:onto:variances:)`` | ``TextbookEM/fit(_:from:caseWeights:diagnostics:maximization:)`` throws |
/// | draws with covariance Σ² | ``drawWithSingularValues(from:count:seed:)`` | ``TextbookMixture/draw(count:seed:within:)`` |
///
/// Do not compute anything with these.
public enum LessonFaults {
  // MARK: The start

  /// The start with `loc=np.mean(X)`: the means are drawn about the mean of *all numbers* in X.
  ///
  /// With columns in different units, such as minutes near 70 and minutes near 3, every mean starts far from the data
  /// in every column.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - K: the number of components.
  ///   - seed: decides the means; the same normal numbers as in ``TextbookEM/start(for:componentCount:seed:)``.
  /// - Throws: what is wrong with the observations or K.
  public static func startAboutOneNumber(
    for X: [[Double]], componentCount K: Int, seed: UInt64
  ) throws(MixtureError) -> TextbookMixture {
    let d = try checkedFeatureCount(of: X)
    try checkComponentCount(K)
    let variances = columnVariances(X)
    let meanOfAll = columnMeans(X).reduce(0, +) / Double(d)
    return randomStart(
      centre: [Double](repeating: meanOfAll, count: d),
      deviations: variances.map { $0.squareRoot() }, covariance: diagonal(variances),
      componentCount: K, seed: seed)
  }

  /// The start with `np.diag(std)`: the covariances hold standard deviations where variances belong.
  ///
  /// A column in seconds and the same column in minutes then start with different ellipses: too narrow where the
  /// deviation is above 1, too wide where it is below.
  ///
  /// The parameters and errors are those of ``startAboutOneNumber(for:componentCount:seed:)``.
  public static func startWithDeviations(
    for X: [[Double]], componentCount K: Int, seed: UInt64
  ) throws(MixtureError) -> TextbookMixture {
    _ = try checkedFeatureCount(of: X)
    try checkComponentCount(K)
    let deviations = columnVariances(X).map { $0.squareRoot() }
    return randomStart(
      centre: columnMeans(X), deviations: deviations, covariance: diagonal(deviations),
      componentCount: K, seed: seed)
  }

  // MARK: The steps

  /// The M-step with covariances about the *old* means.
  ///
  /// Each covariance comes out too large by δ δᵀ, where δ is how far the mean has just moved: the step is no maximum,
  /// and nothing promises that the log-likelihood rises. Where the means stand still the fault cannot be seen, so a fit
  /// that settles has settled at a right place, by a longer way.
  ///
  /// The parameters and the result are those of ``TextbookEM/maximization(_:_:_:)``.
  public static func maximizationAboutOldMeans(
    _ X: [[Double]], _ z: [[Double]], _ old: TextbookMixture
  ) -> TextbookMixture {
    var new = TextbookEM.fullMaximization(X, z, old)
    for k in 0..<old.componentCount {
      let mean = old.means[k]
      var owned = 0.0
      for i in 0..<X.count { owned += z[i][k] }
      for a in 0..<mean.count {
        for b in 0..<mean.count {
          var sum = 0.0
          for i in 0..<X.count { sum += z[i][k] * ((X[i][a] - mean[a]) * (X[i][b] - mean[b])) }
          new.covariances[k][a][b] = sum / owned
        }
      }
    }
    return new
  }

  /// The E-step with densities: z[i][k] = wₖ N(xᵢ; μₖ, Σₖ) / Σⱼ wⱼ N(xᵢ; μⱼ, Σⱼ), as it stands.
  ///
  /// A density about 39 standard deviations away is below the smallest positive number and becomes 0. A point so far
  /// from all components gets 0/0 = NaN, and one M-step later so does every parameter.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - mixture: K components in d dimensions.
  /// - Returns: n × K numbers, some of them NaN.
  /// - Throws: what is wrong with the observations or the parameters.
  /// - Complexity: O(n·K·d²).
  public static func linearSpaceResponsibilities(
    _ X: [[Double]], _ mixture: TextbookMixture
  ) throws(MixtureError) -> [[Double]] {
    let factors = try mixture.checkedFactors(featureCount: checkedFeatureCount(of: X))
    var z = zeros(X.count, mixture.componentCount)
    for i in 0..<X.count {
      var sum = 0.0
      for k in 0..<mixture.componentCount {
        z[i][k] =
          mixture.weights[k]
          * exp(logGaussDensity(X[i], mean: mixture.means[k], factor: factors[k]))
        sum += z[i][k]
      }
      for k in 0..<mixture.componentCount { z[i][k] /= sum }
    }
    return z
  }

  // MARK: The end

  /// Always 25 steps: far too many for components that lie apart, too few for components that overlap.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - start: K components in d dimensions.
  /// - Throws: what ``TextbookEM/fit(_:from:caseWeights:diagnostics:maximization:)`` throws.
  /// - Returns: a fit whose trace shows either a flat end or one that still rises.
  public static func alwaysTwentyFiveSteps(
    _ X: [[Double]], from start: TextbookMixture
  ) throws(MixtureError) -> TextbookFit {
    try TextbookEM(tolerance: 0, iterationLimit: 25).fit(X, from: start)
  }

  /// The log-likelihood as one component of two closes in on a single observation: it rises without bound, by
  /// (d/2) log 10 for each tenth of the variance, so a "better" fit is always at hand and means nothing.
  ///
  /// The other component is the Gaussian fitted to all the data; each has weight ½.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - row: the observation to close in on.
  ///   - variances: the variances of the closing component, the same in every feature.
  /// - Returns: a log-likelihood for each variance.
  /// - Throws: what is wrong with the observations; `MixtureError.Code.invalidSetting` if there is no such row;
  ///   `MixtureError.Code.notPositiveDefinite` for a variance that is not positive.
  public static func collapsingLogLikelihoods(
    of X: [[Double]], onto row: Int, variances: [Double]
  ) throws(MixtureError) -> [Double] {
    let d = try checkedFeatureCount(of: X)
    guard X.indices.contains(row) else {
      throw MixtureError(.invalidSetting, "there is no row \(row) among \(X.count).")
    }
    let one = TextbookMixture(weights: [1], means: zeros(1, d), covariances: [zeros(d, d)])
    let all = TextbookEM.fullMaximization(X, X.map { _ in [1] }, one)
    var logLikelihoods: [Double] = []
    for variance in variances {
      let mixture = TextbookMixture(
        weights: [0.5, 0.5], means: [all.means[0], X[row]],
        covariances: [
          all.covariances[0], diagonal([Double](repeating: variance, count: d)),
        ])
      logLikelihoods.append(try mixture.logLikelihood(of: X))
    }
    return logLikelihoods
  }

  // MARK: The draws

  /// Draws with singular values in place of their square roots.
  ///
  /// With Σ = U S Uᵀ, the lesson's points are μ + U S g, whose covariance is U S² Uᵀ = Σ². Here they are μ + Σ g, which
  /// has the same distribution since Σ Σᵀ = Σ². A variance of 0.7² comes out as 0.7⁴; only a variance of 1 without
  /// covariances stays as it is.
  ///
  /// - Parameters:
  ///   - mixture: K components in d dimensions.
  ///   - count: how many to draw in all.
  ///   - seed: the same counts and normal numbers as in ``TextbookMixture/draw(count:seed:within:)``.
  /// - Returns: K matrices of nₖ × d.
  /// - Throws: what is wrong with the parameters or the count.
  public static func drawWithSingularValues(
    from mixture: TextbookMixture, count: Int, seed: UInt64
  ) throws(MixtureError) -> [Matrix] {
    _ = try mixture.checkedFactors(featureCount: mixture.featureCount)
    return try mixture.draw(
      count: count, seed: seed, within: nil, shapedBy: mixture.covariances)
  }
}

/// The matrix with these numbers on its diagonal and zeros elsewhere.
func diagonal(_ values: [Double]) -> [[Double]] {
  var matrix = zeros(values.count, values.count)
  for j in 0..<values.count { matrix[j][j] = values[j] }
  return matrix
}
