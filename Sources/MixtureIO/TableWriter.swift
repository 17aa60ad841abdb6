// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Writes a table row by row: CSV with a header, or a NumPy array if the path ends in `.npy`. `-` is standard output.
///
/// The file appears whole in ``close()`` or not at all, as ``TextOutput`` says. In CSV each number is the shortest that
/// reads back as the same double, whole columns are written without a point, and names are quoted where they must be. A
/// NumPy array is int64 if all columns are whole, else float64, and has a single axis if there is one column.
public final class TableWriter {
  /// A column of the table.
  public struct Column: Sendable, Equatable {
    /// The name in the header.
    public let name: String
    /// Whether its numbers are whole, below 2⁵³, and to be written without a point.
    public let isWhole: Bool

    /// A column with a name.
    public init(_ name: String, isWhole: Bool = false) {
      self.name = name
      self.isWhole = isWhole
    }
  }

  private let output: TextOutput
  private let columns: [Column]
  private let isArray: Bool
  private let isWholeArray: Bool
  private let rowCount: Int
  private var column = 0
  private var rowsWritten = 0

  /// Begins a table.
  ///
  /// - Parameters:
  ///   - rowCount: How many rows will come; a NumPy array says so before the first of them.
  /// - Throws: ``MixtureError/Code/unwritableFile`` if the file cannot be created;
  ///   ``MixtureError/Code/invalidSetting`` if there are no columns.
  public init(path: String, columns: [Column], rowCount: Int) throws(MixtureError) {
    guard !columns.isEmpty, rowCount >= 0 else {
      throw MixtureError(
        .invalidSetting,
        "a table of \(rowCount) rows and \(columns.count) columns cannot be written; it needs a column."
      )
    }
    output = try TextOutput(path: path)
    self.columns = columns
    self.rowCount = rowCount
    isArray = path.lowercased().hasSuffix(".npy")
    isWholeArray = columns.allSatisfy(\.isWhole)
    if isArray {
      let shape = columns.count == 1 ? [rowCount] : [rowCount, columns.count]
      try output.write(
        bytes: NumPyArray.header(type: isWholeArray ? "<i8" : "<f8", shape: shape))
    } else {
      try output.write(columns.map { Self.cell($0.name) }.joined(separator: ",") + "\n")
    }
  }

  /// Begins a NumPy array of n × d × d: a d × d matrix, by rows, for each row.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if the file cannot be created;
  ///   ``MixtureError/Code/invalidSetting`` if the matrices have no rows.
  public init(matricesOf order: Int, to path: String, rowCount: Int) throws(MixtureError) {
    guard order > 0, rowCount >= 0 else {
      throw MixtureError(
        .invalidSetting, "\(rowCount) matrices of \(order) rows cannot be written; they need a row."
      )
    }
    output = try TextOutput(path: path)
    columns = Array(repeating: Column("element"), count: order * order)
    self.rowCount = rowCount
    isArray = true
    isWholeArray = false
    try output.write(bytes: NumPyArray.header(type: "<f8", shape: [rowCount, order, order]))
  }

  /// Adds numbers: the rest of a row, whole rows, or the start of one, in the order of the columns.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile``, or ``MixtureError/Code/closedOutput`` if nobody reads on.
  public func append(_ values: [Double]) throws(MixtureError) {
    try values.withUnsafeBufferPointer { (values) throws(MixtureError) in try append(values) }
  }

  /// Adds numbers from memory, as ``append(_:)-([Double])``.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile``, or ``MixtureError/Code/closedOutput`` if nobody reads on.
  public func append(_ values: UnsafeBufferPointer<Double>) throws(MixtureError) {
    for value in values {
      let isLast = column + 1 == columns.count
      if isArray {
        try output.write(
          littleEndian: isWholeArray
            ? UInt64(bitPattern: Int64(exactly: value.rounded()) ?? 0) : value.bitPattern)
      } else {
        if columns[column].isWhole, let whole = Int(exactly: value) {
          try output.write(whole.description)
        } else {
          try output.write(value.description)
        }
        try output.write(byte: isLast ? UInt8(ascii: "\n") : UInt8(ascii: ","))
      }
      column = isLast ? 0 : column + 1
      rowsWritten += isLast ? 1 : 0
    }
  }

  /// Ends the table and gives the file its name.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` or ``MixtureError/Code/closedOutput``;
  ///   ``MixtureError/Code/shapeMismatch`` if the number of rows is not what was said, and then there is no file.
  public func close() throws(MixtureError) {
    guard column == 0, rowsWritten == rowCount else {
      throw MixtureError(
        .shapeMismatch, "\(rowsWritten) whole rows were written; the table was to have \(rowCount)."
      )
    }
    try output.close()
  }

  /// A name as CSV writes it.
  private static func cell(_ name: String) -> String {
    let needsQuotes =
      name.isEmpty || name.first == "#" || name.first == " " || name.last == " "
      || name.unicodeScalars.contains { ",;\"\t\r\n".unicodeScalars.contains($0) }
    return needsQuotes ? "\"\(name.replacing("\"", with: "\"\""))\"" : name
  }
}

/// Writes a matrix as a table: CSV with a header, or a NumPy array if the path ends in `.npy`. `-` is standard output.
///
/// - Throws: ``MixtureError/Code/unwritableFile`` if it cannot be written;
///   ``MixtureError/Code/shapeMismatch`` if the columns are not as many as the matrix has.
public func writeTable(
  _ matrix: Matrix, columns: [TableWriter.Column], to path: String
) throws(MixtureError) {
  guard columns.count == matrix.columnCount else {
    throw MixtureError(
      .shapeMismatch, "\(columns.count) names do not fit \(matrix.columnCount) columns.")
  }
  let writer = try TableWriter(path: path, columns: columns, rowCount: matrix.rowCount)
  try writer.append(matrix.elements)
  try writer.close()
}
