// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif
public import Mixtures

extension TextbookEM {
  /// Parameters that the data would also allow: the faint ellipses of the lecture's last part.
  ///
  /// Each draw gives the observations random case weights, n times a point drawn uniformly from the simplex
  /// (a Dirichlet distribution with all parameters 1), and lets EM climb from the fit to the maximum of the
  /// weighted likelihood. That is the Bayesian bootstrap (Rubin 1981,
  /// [doi:10.1214/aos/1176345338](https://doi.org/10.1214/aos/1176345338)), for likelihoods the weighted-likelihood
  /// bootstrap (Newton & Raftery 1994,
  /// [doi:10.1111/j.2517-6161.1994.tb01956.x](https://doi.org/10.1111/j.2517-6161.1994.tb01956.x)). For many
  /// observations the draws are spread as the posterior is; for few they approximate it only, and no prior enters.
  /// Since each climb begins at the fit, component k is the same one in every draw.
  ///
  /// - Parameters:
  ///   - count: how many draws.
  ///   - seed: decides the weights; draw number r is the same whatever the count.
  ///   - fitted: the parameters fitted to X.
  ///   - X: n × d observations.
  ///   - tolerance: each climb ends when a step gains less than this per observation.
  ///   - iterationLimit: each climb ends after so many steps at the latest.
  /// - Returns: `count` mixtures of K components.
  /// - Throws: what ``fit(_:from:caseWeights:diagnostics:maximization:)`` throws, naming the draw;
  ///   `MixtureError.Code.invalidSetting` if the count is negative.
  /// - Complexity: O(n·K·d²) for each step of each draw.
  public func parameterDraws(
    count: Int, seed: UInt64, around fitted: TextbookMixture, for X: [[Double]],
    tolerance: Double = 1e-8, iterationLimit: Int = 1000
  ) throws(MixtureError) -> [TextbookMixture] {
    guard count >= 0 else {
      throw MixtureError(.invalidSetting, "\(count) draws cannot be made; ask for 0 or more.")
    }
    let climb = TextbookEM(
      structure: structure, tolerance: tolerance, iterationLimit: iterationLimit)
    var draws: [TextbookMixture] = []
    for r in 0..<count {
      var random = RandomStream(seed: seed, stream: LessonStream.parameterDraws + UInt64(r))
      do {
        let caseWeights = random.bootstrapWeights(count: X.count)
        draws.append(try climb.fit(X, from: fitted, caseWeights: caseWeights).parameters)
      } catch {
        throw MixtureError(error.code, "parameter draw \(r): \(error.message)")
      }
    }
    return draws
  }
}

extension RandomStream {
  /// n positive numbers that sum to n, uniform among all such: n exponential numbers, scaled.
  mutating func bootstrapWeights(count n: Int) -> [Double] {
    let exponentials = (0..<n).map { _ in -log(uniform()) }
    let total = exponentials.reduce(0, +)
    return exponentials.map { Double(n) * $0 / total }
  }
}
