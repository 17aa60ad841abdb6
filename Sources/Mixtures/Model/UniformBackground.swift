// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A uniform density beside the Gaussian components, for rows that belong to none of them.
///
/// With the share s and the volume V the density of a mixture is p(x) = (1 − s) Σₖ wₖ N(x; μₖ, Σₖ) + s / V. The background
/// keeps outliers from dragging a component (Banfield & Raftery 1993, [doi:10.2307/2532201](https://doi.org/10.2307/2532201)).
/// It is the same everywhere, also outside of the box that the volume was taken from.
public struct UniformBackground: Sendable, Equatable, Codable {
  /// The share of all observations that belongs to it, 0 ≤ s < 1.
  public let share: Double
  /// The logarithm of how far it extends along each feature; their sum is log V. Where cells are missing, only the others
  /// count.
  public let logWidths: [Double]

  /// The logarithm of its volume.
  public var logVolume: Double { logWidths.reduce(0, +) }

  /// A background from its share and how far it extends along each feature.
  ///
  /// - Throws: ``MixtureError/Code/invalidModel`` unless 0 ≤ share < 1 and all widths are finite.
  public init(share: Double, logWidths: [Double]) throws(MixtureError) {
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
    self.share = share
    self.logWidths = logWidths
  }

  /// A background decoded from its share and widths.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      share: container.decode(Double.self, forKey: .share),
      logWidths: container.decode([Double].self, forKey: .logWidths))
  }

  private enum CodingKeys: String, CodingKey {
    case share, logWidths
  }

  /// The same background with another share.
  func with(share: Double) -> UniformBackground {
    UniformBackground(unchecked: share, logWidths)
  }

  private init(unchecked share: Double, _ logWidths: [Double]) {
    self.share = share
    self.logWidths = logWidths
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
  /// Over the box that the rows lie in.
  case boundingBox
  /// Over the given volume, in the units of the features; it extends along each feature in proportion to the box that the
  /// rows lie in.
  case volume(Double)

  /// The share that a background begins with.
  static let firstShare = 0.05

  /// The logarithms of how far it extends along each feature.
  func logWidths(
    for source: some ObservationSource, scale: DataScale
  ) throws(MixtureError) -> [Double] {
    let d = source.featureCount
    var least = Array(repeating: Double.infinity, count: d)
    var most = Array(repeating: -Double.infinity, count: d)
    let step = ShardGrid.rowsPerBlock(featureCount: d)
    let projections = source.annotations?.projections
    let weights = source.annotations?.caseWeights?.values
    for start in stride(from: 0, to: source.observationCount, by: step) {
      try source.withRows(start..<min(start + step, source.observationCount)) { rows in
        for i in 0..<rows.count
        where projections?.indices[start + i] == nil && weights?[start + i] != 0 {
          for j in 0..<d {
            let value = rows[i, j]
            if value < least[j] { least[j] = value }
            if value > most[j] { most[j] = value }
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
    return widths
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
