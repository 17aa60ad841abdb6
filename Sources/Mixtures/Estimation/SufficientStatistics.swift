// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// All that an M-step needs to know of the data: sums over the rows, for each component.
///
/// With responsibilities rᵢₖ (times case weights) and an origin oₖ for each component,
///
///     zeroth  Nₖ = Σᵢ rᵢₖ
///     first   Fₖ = Σᵢ rᵢₖ (xᵢ − oₖ)
///     second  Sₖ = Σᵢ rᵢₖ (xᵢ − oₖ)(xᵢ − oₖ)ᵀ   (all of it, its diagonal, or its trace, by `form`)
///
/// and the total case weight, log-likelihood and entropy of the rows. For equal origins they form a commutative monoid
/// under `+=`: the statistics of two sets of rows add up to those of their union, whichever way a table is cut. Origins
/// are the current means, so that second moments are centred and lose no digits to large offsets.
public struct SufficientStatistics: Sendable, Equatable {
  /// Which second moments are kept.
  public let form: CovarianceStructure.Form
  /// What the moments are about, K × d.
  public let origins: Matrix
  /// All sums: case weight, log-likelihood, entropy; then K zeroth, K × d first, and K second moments.
  public internal(set) var values: [Double]

  /// The number of components, K.
  public var componentCount: Int { origins.rowCount }
  /// The number of features, d.
  public var featureCount: Int { origins.columnCount }

  /// The statistics of no rows.
  public init(origins: Matrix, form: CovarianceStructure.Form) {
    self.origins = origins
    self.form = form
    let each = 1 + origins.columnCount + form.elementCount(featureCount: origins.columnCount)
    values = Array(repeating: 0, count: 3 + origins.rowCount * each)
  }

  /// The total case weight; the number of rows if all weigh 1.
  public var caseWeight: Double { values[0] }
  /// Σᵢ log p(xᵢ), weighted.
  public var logLikelihood: Double { values[1] }
  /// −Σᵢₖ rᵢₖ log rᵢₖ, weighted.
  public var entropy: Double { values[2] }

  var zerothStart: Int { 3 }
  var firstStart: Int { zerothStart + componentCount }
  var secondStart: Int { firstStart + componentCount * featureCount }
  var elementsPerSecond: Int { form.elementCount(featureCount: featureCount) }

  /// Nₖ.
  public func zeroth(_ k: Int) -> Double { values[zerothStart + k] }

  /// Fₖ, d numbers.
  public func first(_ k: Int) -> ArraySlice<Double> {
    let start = firstStart + k * featureCount
    return values[start..<start + featureCount]
  }

  /// Sₖ in its form: the lower triangle by rows, the diagonal, or the trace.
  public func second(_ k: Int) -> ArraySlice<Double> {
    let start = secondStart + k * elementsPerSecond
    return values[start..<start + elementsPerSecond]
  }
}
