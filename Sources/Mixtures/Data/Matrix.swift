// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A dense matrix of doubles, stored by rows.
public struct Matrix: Sendable, Equatable {
  /// The number of rows.
  public let rowCount: Int
  /// The number of columns.
  public let columnCount: Int
  /// The elements, row after row: element (i, j) is at i · columnCount + j.
  public internal(set) var elements: [Double]

  /// A matrix from its elements, row after row.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` unless there are rowCount · columnCount elements.
  public init(rowCount: Int, columnCount: Int, elements: [Double]) throws(MixtureError) {
    let (count, overflow) = rowCount.multipliedReportingOverflow(by: columnCount)
    guard rowCount >= 0, columnCount >= 0, !overflow, elements.count == count else {
      throw MixtureError(
        .shapeMismatch,
        "\(elements.count) elements do not fill \(rowCount) rows of \(columnCount) columns.")
    }
    self.init(unchecked: elements, rowCount: rowCount, columnCount: columnCount)
  }

  /// A matrix from its rows.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` naming the first row whose length differs.
  public init(rows: [[Double]]) throws(MixtureError) {
    let columnCount = rows.first?.count ?? 0
    for (index, row) in rows.enumerated() where row.count != columnCount {
      throw MixtureError(
        .shapeMismatch,
        "row \(index) has \(row.count) elements, but row 0 has \(columnCount); all rows must agree."
      )
    }
    self.init(
      unchecked: Array(rows.joined()), rowCount: rows.count, columnCount: columnCount)
  }

  /// A matrix with every element equal to `value`.
  public init(repeating value: Double, rowCount: Int, columnCount: Int) {
    self.init(
      unchecked: Array(repeating: value, count: rowCount * columnCount),
      rowCount: rowCount, columnCount: columnCount)
  }

  init(unchecked elements: [Double], rowCount: Int, columnCount: Int) {
    self.rowCount = rowCount
    self.columnCount = columnCount
    self.elements = elements
  }

  /// The element in the given row and column.
  public subscript(row: Int, column: Int) -> Double {
    get { elements[row * columnCount + column] }
    set { elements[row * columnCount + column] = newValue }
  }

  /// A copy of one row.
  public func row(_ index: Int) -> [Double] {
    Array(elements[index * columnCount..<(index + 1) * columnCount])
  }
}

extension Matrix: Codable {
  /// A matrix from an array of its rows.
  public init(from decoder: any Decoder) throws {
    try self.init(rows: [[Double]](from: decoder))
  }

  /// The matrix as an array of its rows.
  public func encode(to encoder: any Encoder) throws {
    try (0..<rowCount).map(row).encode(to: encoder)
  }
}
