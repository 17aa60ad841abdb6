// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The rows of another source, and what they carry beside their features.
///
/// The rows stay where they are, in memory, in a mapped file or in one that is streamed; the annotations are in memory.
public struct AnnotatedSource<Base: ObservationSource>: ObservationSource {
  /// The source that the rows belong to.
  public let base: Base
  /// What they carry; nil if nothing.
  public let annotations: RowAnnotations?

  /// The rows of a source with annotations, which replace any that the source has.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` or ``MixtureError/Code/invalidAnnotation`` naming the row whose
  ///   annotation cannot be.
  public init(_ base: Base, annotations: RowAnnotations) throws(MixtureError) {
    try annotations.requireValid(
      rowCount: base.observationCount, featureCount: base.featureCount)
    self.base = base
    self.annotations = annotations.isEmpty ? nil : annotations
  }

  /// The number of rows, n.
  public var observationCount: Int { base.observationCount }

  /// The number of columns, d.
  public var featureCount: Int { base.featureCount }

  /// The names of the columns, if they have any.
  public var featureNames: [String]? { base.featureNames }

  /// The number of the first row in the table.
  public var firstRowNumber: Int { base.firstRowNumber }

  /// Calls `body` with the rows in `range`.
  public func withRows(
    _ range: Range<Int>, _ body: (StridedRows) -> Void
  ) throws(MixtureError) {
    try base.withRows(range, body)
  }
}
