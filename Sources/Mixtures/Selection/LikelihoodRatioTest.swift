// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A test of one number of components against a larger one: would data from the fit of the smaller gain as much?
///
/// The likelihood ratio of mixtures does not follow a χ² distribution, so its distribution is drawn: B tables of n rows
/// come from the smaller fit, and to each both numbers are fitted, as the table was. With B′ of them that have both fits,
/// p = (1 + the number whose ratio is as large) / (B′ + 1).
///
/// McLachlan (1987), [doi:10.2307/2347790](https://doi.org/10.2307/2347790).
public struct LikelihoodRatioTest: Sendable, Codable, Equatable {
  /// The number of components that is tested, and the larger one.
  public let componentCounts: [Int]
  /// 2 (ℓ₁ − ℓ₀), twice what the larger number gains, by a search over these two numbers alone, as each table that is drawn
  /// has one.
  public let statistic: Double
  /// The same of each table that was drawn and has both fits, in the order of the draws.
  public let replicates: [Double]
  /// How many tables that were drawn do not have both fits.
  public let failureCount: Int
  /// p-values up to this reject the smaller number.
  public let level: Double

  /// (1 + the number of replicates at least as large as the statistic) / (1 + their number).
  public var pValue: Double {
    Double(1 + replicates.count { $0 >= statistic }) / Double(1 + replicates.count)
  }
  /// Whether the smaller number of components is rejected.
  public var isRejected: Bool { pValue <= level }

  init(componentCounts: [Int], statistic: Double, ratios: [Double?], level: Double) {
    self.componentCounts = componentCounts
    self.statistic = statistic
    replicates = ratios.compactMap { $0 }
    failureCount = ratios.count { $0 == nil }
    self.level = level
  }

  /// The first candidate that was not rejected; the last if all were. Nil if there were no tests.
  static func choice(
    _ tests: [LikelihoodRatioTest], among candidates: [ModelSelection.Candidate]
  ) -> Int? {
    let rejected = tests.prefix { $0.isRejected }.count
    return candidates.indices.contains(rejected) && candidates[rejected].fit != nil ? rejected : nil
  }
}

extension ModelSelection {
  /// The likelihood ratio of a table drawn from the fit of the smaller number; nil if it does not have both fits.
  ///
  /// A function of the fits, the seed and the numbers of the test and the replicate alone.
  func replicateRatio(
    of null: MixtureFit, against alternative: MixtureFit, rowCount: Int, test: Int, replicate: Int,
    threadCount: Int
  ) -> Double? {
    var random = RandomStream(
      seed: estimation.seed, stream: 5 << 60 | UInt64(test) << 32 | UInt64(replicate))
    let drawn = null.model.sample(rowCount, seed: random.next())
    guard let table = try? Observations(drawn.observations) else { return nil }
    var search = self
    search.estimation.seed = random.next()
    return search.ratio(
      of: null.model.componentCount, against: alternative.model.componentCount, table,
      threadCount: threadCount)
  }

  /// Twice what one number of components gains over another one; nil if either has no fit.
  func ratio(
    of null: Int, against alternative: Int, _ source: some ObservationSource, threadCount: Int
  ) -> Double? {
    var search = self
    search.criterion = .bic
    search.componentCounts = [null, alternative]
    search.estimation.threadCount = threadCount
    if !estimation.initialization.isRandom { search.estimation.initialization = .shortRuns }
    guard let ranking = try? search.run(source), ranking.candidates.count == 2,
      let smaller = ranking.candidates[0].fit, let larger = ranking.candidates[1].fit
    else { return nil }
    return 2 * (larger.logLikelihood - smaller.logLikelihood)
  }
}
