// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A table in memory: one row for each observation, one column for each feature; and what the rows carry beside them.
public struct Observations: ObservationSource, Equatable {
  /// The table, n × d.
  public let matrix: Matrix
  /// The names of the features, if they have any.
  public let featureNames: [String]?
  /// What the rows carry beside their features; nil if nothing.
  public let annotations: RowAnnotations?
  private let columnOffsets: [Int]

  /// The observations in the rows of a matrix, with a name for each column or none.
  ///
  /// - Parameters:
  ///   - matrix: The table, n × d.
  ///   - featureNames: d names; nil if there are none.
  ///   - annotations: What the rows carry beside their features. Cells may be NaN if it allows missing values.
  /// - Throws: ``MixtureError/Code/emptyObservations`` if the matrix has no rows or no columns;
  ///   ``MixtureError/Code/shapeMismatch`` if there are names, but not one for each column;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first row and column that hold NaN or infinity;
  ///   ``MixtureError/Code/shapeMismatch`` or ``MixtureError/Code/invalidAnnotation`` naming the row whose annotation
  ///   cannot be.
  /// - Complexity: O(n·d), and O(n·d³) for n noise covariances.
  public init(
    _ matrix: Matrix, featureNames: [String]? = nil, annotations: RowAnnotations? = nil
  ) throws(MixtureError) {
    self.matrix = matrix
    self.featureNames = featureNames
    self.annotations = annotations.flatMap { $0.isEmpty ? nil : $0 }
    self.columnOffsets = Array(0..<matrix.columnCount)
    try requireRowsAndColumns()
    if let featureNames, featureNames.count != matrix.columnCount {
      throw MixtureError(
        .shapeMismatch,
        "there are \(featureNames.count) feature names for \(matrix.columnCount) columns.")
    }
    if let annotations = self.annotations {
      try annotations.requireValid(
        rowCount: matrix.rowCount, featureCount: matrix.columnCount)
      // Which cells may be missing is known where they are read.
      if !annotations.isComplete { return }
    }
    // The sum is finite if all elements are, unless it overflows; only then look closer.
    if !matrix.elements.reduce(0, +).isFinite,
      let index = matrix.elements.firstIndex(where: { !$0.isFinite })
    {
      throw .nonFinite(
        matrix.elements[index], row: index / matrix.columnCount,
        feature: describeFeature(index % matrix.columnCount))
    }
  }

  /// The observations in the given rows.
  ///
  /// - Throws: As ``init(_:featureNames:annotations:)``, and ``MixtureError/Code/shapeMismatch`` if the rows differ in length.
  public init(rows: [[Double]]) throws(MixtureError) {
    try self.init(Matrix(rows: rows))
  }

  /// The number of rows, n.
  public var observationCount: Int { matrix.rowCount }

  /// The number of columns, d.
  public var featureCount: Int { matrix.columnCount }

  /// Calls `body` with the rows in `range`.
  public func withRows(_ range: Range<Int>, _ body: (StridedRows) -> Void) {
    precondition(range.lowerBound >= 0 && range.upperBound <= observationCount)
    matrix.elements.withUnsafeBufferPointer { elements in
      columnOffsets.withUnsafeBufferPointer { offsets in
        guard let base = elements.baseAddress else { return }
        body(
          StridedRows(
            base: UnsafeRawPointer(base + range.lowerBound * featureCount), element: .float64,
            count: range.count, rowStride: featureCount, columnOffsets: offsets))
      }
    }
  }
}

extension ObservationSource {
  /// Requires at least one row and one column.
  func requireRowsAndColumns() throws(MixtureError) {
    guard observationCount > 0, featureCount > 0 else {
      throw MixtureError(
        .emptyObservations,
        "the table has \(observationCount) rows and \(featureCount) columns; "
          + "at least one of each is needed.")
    }
  }
}

extension MixtureError {
  /// The error for a value that is no finite number. The row counts from zero.
  static func nonFinite(_ value: Double, row: Int, feature: String) -> MixtureError {
    MixtureError(
      .nonFiniteObservation,
      "row \(row) (counted from 0), \(feature): the value is \(value), but every value must be a finite "
        + "number. Remove or replace such rows.")
  }
}
