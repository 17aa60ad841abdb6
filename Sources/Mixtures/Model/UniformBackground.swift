// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A uniform density beside the Gaussian components, for rows that belong to none of them.
///
/// With the share s and the volume V the density of a mixture is p(x) = (1 − s) Σₖ wₖ N(x; μₖ, Σₖ) + s / V. The background
/// keeps outliers from dragging a component (Banfield & Raftery 1993, [doi:10.2307/2532201](https://doi.org/10.2307/2532201)).
/// It is a density of the values as they were measured. For rows it is the same everywhere, also outside of its box; where the
/// box lies is needed only for rows of which limits are known, and for tables with a window.
public struct UniformBackground: Sendable, Equatable, Codable {
  /// The share of all observations that belongs to it, 0 ≤ s < 1.
  public let share: Double
  /// The logarithm of how far it extends along each feature; their sum is log V. Where cells are missing, only the others
  /// count.
  public let logWidths: [Double]
  /// Where it begins along each feature; nil if it lies wherever rows do.
  public let lower: [Double]?

  /// The logarithm of its volume.
  public var logVolume: Double { logWidths.reduce(0, +) }

  /// A background from its share and how far it extends along each feature.
  ///
  /// - Throws: ``MixtureError/Code/invalidModel`` unless 0 ≤ share < 1 and all widths, and as many ends, are finite.
  public init(
    share: Double, logWidths: [Double], lower: [Double]? = nil
  ) throws(MixtureError) {
    guard share >= 0, share < 1 else {
      throw MixtureError(
        .invalidModel,
        "the share of the background is \(share); it must be at least 0 and less than 1.")
    }
    guard logWidths.allSatisfy(\.isFinite) else {
      throw MixtureError(
        .invalidModel,
        "the background's widths have the logarithms \(logWidths); they must be finite.")
    }
    guard lower.map({ $0.count == logWidths.count && $0.allSatisfy(\.isFinite) }) ?? true else {
      throw MixtureError(
        .invalidModel,
        "the background begins at \(lower ?? []); there must be \(logWidths.count) finite numbers.")
    }
    self.share = share
    self.logWidths = logWidths
    self.lower = lower
  }

  /// A background decoded from its share, its widths and, if it is there, where it begins.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      share: container.decode(Double.self, forKey: .share),
      logWidths: container.decode([Double].self, forKey: .logWidths),
      lower: container.decodeIfPresent([Double].self, forKey: .lower))
  }

  private enum CodingKeys: String, CodingKey {
    case share, logWidths, lower
  }

  /// The same background with another share.
  func with(share: Double) -> UniformBackground {
    UniformBackground(unchecked: share, logWidths, lower)
  }

  private init(unchecked share: Double, _ logWidths: [Double], _ lower: [Double]?) {
    self.share = share
    self.logWidths = logWidths
    self.lower = lower
  }

  /// The logarithm of the part of it that lies between limits along one feature.
  func logPart(_ limits: (lower: Double, upper: Double), feature j: Int) -> Double {
    guard let lower else { return 0 }
    let width = Kernels.exp(logWidths[j])
    let overlap = min(limits.upper, lower[j] + width) - max(limits.lower, lower[j])
    return overlap >= width ? 0 : overlap > 0 ? Kernels.log(overlap / width) : -1e300
  }

  /// Requires that rows which are known to be background may lie in it, as far as limits tell.
  fileprivate func requireKnownRows(
    of source: some ObservationSource
  ) throws(MixtureError) {
    guard let annotations = source.annotations, annotations.limits != nil,
      let known = annotations.knownComponents
    else { return }
    for row in 0..<known.count where known[row] == [KnownComponents.background] {
      var missing: [Int] = []
      try source.withRows(row..<row + 1) { rows in
        missing = logWidths.indices.filter { rows[0, $0].isNaN }
      }
      for j in missing {
        let limits = annotations.limits(row: row, feature: j)
        guard logPart(limits, feature: j) <= -1e300, let lower else { continue }
        throw MixtureError(
          .invalidAnnotation,
          "row \(source.firstRowNumber + row) (counted from 0) is known to belong to the background, which extends from "
            + "\(lower[j]) to \(lower[j] + Kernels.exp(logWidths[j])) along \(source.describeFeature(j)), but lies "
            + "between \(limits.lower) and \(limits.upper) there. Give the background a box or a larger volume that it can "
            + "lie in.")
      }
    }
  }

  /// The part of it that lies in a window.
  func part(in window: ObservationWindow) -> Double {
    Kernels.exp(
      logWidths.indices.reduce(0) {
        $0 + logPart((window.lower[$1], window.upper[$1]), feature: $1)
      })
  }

  /// The logarithm of s / V, over some features.
  func logJoint(over features: some Sequence<Int>) -> Double {
    let widths = features.reduce(0) { $0 + logWidths[$1] }
    return share > 0 ? Kernels.log(share) - widths : -1e300
  }
}

/// Whether a fit has a background, and how far it extends.
public enum BackgroundRule: Sendable, Equatable, Codable {
  /// None.
  case none
  /// Over the box that the rows lie in, and the limits of those that have such.
  case boundingBox
  /// Over the given volume, in the units of the features; it extends along each feature in proportion to the box that the
  /// rows lie in.
  case volume(Double)
  /// Over the given box, d lower and d upper ends: over all that could have been observed.
  case box(lower: [Double], upper: [Double])

  /// The share that a background begins with.
  static let firstShare = 0.05

  /// The background that a fit begins with; nil if there is none.
  func first(
    for source: some ObservationSource, scale: DataScale
  ) throws(MixtureError) -> UniformBackground? {
    let d = source.featureCount
    switch self {
    case .none: return nil
    case .box(let lower, let upper):
      guard lower.count == d, upper.count == d,
        zip(lower, upper).allSatisfy({ $0 < $1 && ($1 - $0).isFinite })
      else {
        throw MixtureError(
          .invalidSetting,
          "the background's box is \(lower) to \(upper); it must have \(d) finite lower ends, each below its upper "
            + "end.")
      }
      let background = try UniformBackground(
        share: Self.firstShare, logWidths: zip(lower, upper).map { Kernels.log($1 - $0) },
        lower: lower)
      try background.requireKnownRows(of: source)
      return background
    case .boundingBox, .volume: break
    }
    var least = Array(repeating: Double.infinity, count: d)
    var most = Array(repeating: -Double.infinity, count: d)
    let step = ShardGrid.rowsPerBlock(featureCount: d)
    let projections = source.annotations?.projections
    let annotations = source.annotations
    let weights = annotations?.caseWeights?.values
    let limits = annotations?.limits
    for start in stride(from: 0, to: source.observationCount, by: step) {
      try source.withRows(start..<min(start + step, source.observationCount)) { rows in
        for i in 0..<rows.count
        where projections?.indices[start + i] == nil && weights?[start + i] != 0 {
          for j in 0..<d {
            let value = rows[i, j]
            if value < least[j] { least[j] = value }
            if value > most[j] { most[j] = value }
            if value.isNaN, let limits {
              for end in [limits.lower[start + i, j], limits.upper[start + i, j]]
              where end.isFinite {
                least[j] = min(least[j], end)
                most[j] = max(most[j], end)
              }
            }
          }
        }
      }
    }
    // Where no row tells, four standard deviations.
    var widths = (0..<d).map { j in
      most[j] > least[j] ? most[j] - least[j] : 4 * scale.variances[j].squareRoot()
    }
    if let j = widths.firstIndex(where: { !($0 > 0 && $0.isFinite) }) {
      throw MixtureError(
        .degenerateObservations,
        "\(source.describeFeature(j)) has no width that a background could extend over. Leave the column out, or "
          + "fit without a background.")
    }
    let centers = (0..<d).map {
      most[$0] > least[$0] ? least[$0] + 0.5 * (most[$0] - least[$0]) : scale.means[$0]
    }
    widths = widths.map(Kernels.log)
    if case .volume(let volume) = self {
      guard volume > 0, volume.isFinite else {
        throw MixtureError(
          .invalidSetting,
          "the volume of the background is \(volume); it must be positive and finite.")
      }
      let more = (Kernels.log(volume) - widths.reduce(0, +)) / Double(d)
      widths = widths.map { $0 + more }
    }
    let background = try UniformBackground(
      share: Self.firstShare, logWidths: widths,
      lower: zip(centers, widths).map { $0 - 0.5 * Kernels.exp($1) })
    try background.requireKnownRows(of: source)
    return background
  }
}

extension GaussianMixture {
  /// The same Gaussian components before another background, or none.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` unless the background has a width for each feature.
  public func withBackground(
    _ background: UniformBackground?
  ) throws(MixtureError) -> GaussianMixture {
    if let background, background.logWidths.count != featureCount {
      throw MixtureError(
        .shapeMismatch,
        "the background has \(background.logWidths.count) widths; the mixture has \(featureCount) features."
      )
    }
    return GaussianMixture(self, background: background)
  }
}
