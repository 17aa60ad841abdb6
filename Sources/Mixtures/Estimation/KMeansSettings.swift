// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How the k-means is made that a fit starts from, with ``Initialization/kMeans``, ``Initialization/shortRuns`` or
/// ``Initialization/hierarchical``.
///
/// ```swift
/// var settings = ExpectationMaximization(componentCount: 20, initialization: .kMeans)
/// settings.kMeans = KMeansSettings(iterationLimit: 50, candidateCount: 8, rowLimit: 100_000)
/// ```
///
/// Rows are measured in units of each feature's standard deviation. The sum of their squared distances to the nearest centroid
/// never rises by more than rounding from one of Lloyd's iterations to the next. A start needs few of them: EM moves centroids
/// on, and from where more lead it seldom ends higher.
public struct KMeansSettings: Sendable, Codable, Equatable {
  /// The largest number of Lloyd's iterations, from 0 to 1000; they end where no row changes its centroid.
  public var iterationLimit: Int
  /// Of how many rows, drawn by their squared distance to the centroids so far, greedy k-means++ makes the best a centroid,
  /// from 1 to 100: 1 is k-means++ of Arthur & Vassilvitskii (2007). nil means 2 + ⌊ln K⌋, and 1 for rows that carry more
  /// than their features.
  public var candidateCount: Int?
  /// The largest number of rows of the part of the table that the start is sought on, at least one for each component and at
  /// most 10⁹. nil means 2,048, or if that is more 128 for each component (2 d with full covariances of more than 64 features).
  ///
  /// Short runs are made on the same part. They are fewer, or none, where that would cost too much.
  public var rowLimit: Int?

  /// Settings of which all have defaults.
  public init(iterationLimit: Int = 5, candidateCount: Int? = nil, rowLimit: Int? = nil) {
    self.iterationLimit = iterationLimit
    self.candidateCount = candidateCount
    self.rowLimit = rowLimit
  }

  /// Decodes settings; those that are missing have their defaults.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      iterationLimit: try container.decodeIfPresent(Int.self, forKey: .iterationLimit) ?? 5,
      candidateCount: try container.decodeIfPresent(Int.self, forKey: .candidateCount),
      rowLimit: try container.decodeIfPresent(Int.self, forKey: .rowLimit))
  }

  /// Requires that the numbers have a meaning for K components.
  func requireValid(componentCount K: Int) throws(MixtureError) {
    func require(_ holds: Bool, _ message: String) throws(MixtureError) {
      if !holds { throw MixtureError(.invalidSetting, message) }
    }
    // The bounds by which rows are passed over hold for a thousand iterations.
    try require(
      iterationLimit >= 0 && iterationLimit <= 1000,
      "the iteration limit of k-means is \(iterationLimit); it must be at least 0 and at most 1000."
    )
    if let candidateCount {
      try require(
        candidateCount >= 1 && candidateCount <= 100,
        "k-means draws \(candidateCount) rows for each centroid; it must be at least 1 and at most 100."
      )
    }
    if let rowLimit {
      try require(
        rowLimit >= K && rowLimit <= 1_000_000_000,
        "k-means is limited to \(rowLimit) rows; it must have at least one for each of the \(K) components, and at "
          + "most 1000000000.")
    }
  }

  /// The largest number of rows of the part that a start is sought on.
  func rowLimit(
    componentCount K: Int, featureCount d: Int, form: CovarianceStructure.Form
  ) -> Int {
    rowLimit ?? DrawnPart.rowLimit(componentCount: K, featureCount: d, form: form)
  }
}
