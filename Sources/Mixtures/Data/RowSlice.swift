// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Some consecutive rows of another source, so that long tables can be worked through in parts.
public struct RowSlice<Base: ObservationSource>: ObservationSource {
  /// The source that the rows belong to.
  public let base: Base
  /// Which of its rows these are.
  public let range: Range<Int>
  /// What the rows carry beside their features; nil if nothing.
  public let annotations: RowAnnotations?

  /// The given rows of a source.
  public init(_ base: Base, rows range: Range<Int>) {
    precondition(range.lowerBound >= 0 && range.upperBound <= base.observationCount)
    self.base = base
    self.range = range
    annotations = base.annotations?.selecting(range)
  }

  /// The number of rows in the slice.
  public var observationCount: Int { range.count }

  /// The number of columns.
  public var featureCount: Int { base.featureCount }

  /// The names of the columns, if they have any.
  public var featureNames: [String]? { base.featureNames }

  /// The number of the slice's first row in the table.
  public var firstRowNumber: Int { base.firstRowNumber + range.lowerBound }

  /// Calls `body` with rows of the slice, counted from its first.
  public func withRows(
    _ rows: Range<Int>, _ body: (StridedRows) -> Void
  ) throws(MixtureError) {
    try base.withRows(
      range.lowerBound + rows.lowerBound..<range.lowerBound + rows.upperBound, body)
  }
}
