// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A table of finite numbers in memory: one row for each observation, one column for each feature.
public struct Observations: ObservationSource, Equatable {
  /// The table, n × d.
  public let matrix: Matrix
  private let columnOffsets: [Int]

  /// The observations in the rows of a matrix.
  ///
  /// - Throws: ``MixtureError/Code/emptyObservations`` if the matrix has no rows or no columns;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first row and column that hold NaN or infinity.
  /// - Complexity: O(n·d).
  public init(_ matrix: Matrix) throws(MixtureError) {
    self.matrix = matrix
    self.columnOffsets = Array(0..<matrix.columnCount)
    try requireRowsAndColumns()
    // The sum is finite if all elements are, unless it overflows; only then look closer.
    if !matrix.elements.reduce(0, +).isFinite,
      let index = matrix.elements.firstIndex(where: { !$0.isFinite })
    {
      throw .nonFinite(
        matrix.elements[index], row: index / matrix.columnCount, column: index % matrix.columnCount)
    }
  }

  /// The observations in the given rows.
  ///
  /// - Throws: As ``init(_:)``, and ``MixtureError/Code/shapeMismatch`` if the rows differ in length.
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
  /// The error for a value that is no finite number. Row and column count from zero.
  static func nonFinite(_ value: Double, row: Int, column: Int) -> MixtureError {
    MixtureError(
      .nonFiniteObservation,
      "observation \(row), feature \(column) (both counted from 0) is \(value); "
        + "every value must be a finite number. Remove or replace such rows.")
  }
}
