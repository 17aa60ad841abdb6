// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Rows of a table: how many there are, and access to any range of them.
///
/// A source holds its rows in memory, in a mapped file, or reads them when asked. The engine asks for
/// blocks of some hundred rows, from several threads at once, and never holds more than a block each.
public protocol ObservationSource: Sendable {
  /// The number of rows, n.
  var observationCount: Int { get }

  /// The number of columns, d.
  var featureCount: Int { get }

  /// The names of the columns, if they have any; messages use them.
  var featureNames: [String]? { get }

  /// The number of the first row, which messages count from; 0 unless these are rows of a larger table.
  var firstRowNumber: Int { get }

  /// What the rows carry beside their features; nil if nothing.
  var annotations: RowAnnotations? { get }

  /// Calls `body` once with the rows in `range`; the memory is valid during the call only.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if the rows cannot be had.
  func withRows(_ range: Range<Int>, _ body: (StridedRows) -> Void) throws(MixtureError)
}

extension ObservationSource {
  /// No names.
  public var featureNames: [String]? { nil }

  /// Zero.
  public var firstRowNumber: Int { 0 }

  /// None.
  public var annotations: RowAnnotations? { nil }

  /// A feature as messages call it.
  func describeFeature(_ index: Int) -> String {
    featureNames.map { "column \($0[index])" } ?? "feature \(index) (counted from 0)"
  }
}

/// Borrowed rows: element (i, j) is at i · rowStride + columnOffsets[j] of the base address.
///
/// One form serves tables stored by rows or by columns, single or double precision, and any selection of
/// columns. All arithmetic is in double precision whatever the elements are.
public struct StridedRows {
  /// The type of the elements in memory.
  public enum Element: Sendable {
    /// IEEE double precision.
    case float64
    /// IEEE single precision.
    case float32
  }

  /// The address that offsets count from, aligned to the element.
  public let base: UnsafeRawPointer
  /// The type of the elements.
  public let element: Element
  /// The number of rows.
  public let count: Int
  /// The distance between rows, in elements.
  public let rowStride: Int
  /// The distance of each column from `base`, in elements; its count is the number of features.
  public let columnOffsets: UnsafeBufferPointer<Int>

  /// Rows described by their layout; no memory is copied.
  public init(
    base: UnsafeRawPointer, element: Element, count: Int, rowStride: Int,
    columnOffsets: UnsafeBufferPointer<Int>
  ) {
    self.base = base
    self.element = element
    self.count = count
    self.rowStride = rowStride
    self.columnOffsets = columnOffsets
  }

  /// The element in the given row and column, as a double.
  public subscript(row: Int, column: Int) -> Double {
    let offset = row * rowStride + columnOffsets[column]
    switch element {
    case .float64: return base.load(fromByteOffset: offset * 8, as: Double.self)
    case .float32: return Double(base.load(fromByteOffset: offset * 4, as: Float.self))
    }
  }
}
