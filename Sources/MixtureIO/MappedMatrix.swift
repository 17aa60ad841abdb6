// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// A table of numbers that lies in a mapped file, or in memory of its own, and is never copied as a whole.
public struct MappedMatrix: ObservationSource, @unchecked Sendable {
  /// The number of rows, n.
  public let observationCount: Int
  private let memory: MemoryBlock
  /// The address that offsets count from.
  let firstElement: UnsafeRawPointer
  private let element: StridedRows.Element
  private let rowStride: Int
  private let columnOffsets: [Int]

  /// The number of columns, d.
  public var featureCount: Int { columnOffsets.count }

  /// A table in memory that is not written any more.
  ///
  /// Element (i, j) is at byteOffset + (i · rowStride + columnOffsets[j]) · element size, aligned to the element.
  init(
    memory: MemoryBlock, byteOffset: Int, element: StridedRows.Element, rowCount: Int,
    rowStride: Int, columnOffsets: [Int]
  ) {
    self.memory = memory
    firstElement = UnsafeRawPointer(memory.base) + byteOffset
    self.element = element
    observationCount = rowCount
    self.rowStride = rowStride
    self.columnOffsets = columnOffsets
  }

  /// The table with only the given columns, counted from 0, in that order; nothing is copied.
  ///
  /// - Throws: ``MixtureError/Code/invalidSetting`` for a column that is not there.
  public func selecting(columns: [Int]) throws(MixtureError) -> MappedMatrix {
    for column in columns where !columnOffsets.indices.contains(column) {
      throw MixtureError(
        .invalidSetting,
        "there is no column \(column); the table has \(featureCount), counted from 0.")
    }
    return MappedMatrix(
      memory: memory, byteOffset: firstElement - UnsafeRawPointer(memory.base), element: element,
      rowCount: observationCount, rowStride: rowStride,
      columnOffsets: columns.map { columnOffsets[$0] })
  }

  /// Calls `body` with the rows in `range`, where they are.
  public func withRows(_ range: Range<Int>, _ body: (StridedRows) -> Void) {
    precondition(range.lowerBound >= 0 && range.upperBound <= observationCount)
    let size = element == .float64 ? 8 : 4
    withExtendedLifetime(memory) {
      columnOffsets.withUnsafeBufferPointer { offsets in
        body(
          StridedRows(
            base: firstElement + range.lowerBound * rowStride * size, element: element,
            count: range.count, rowStride: rowStride, columnOffsets: offsets))
      }
    }
  }
}

/// Several tables with the same columns as one, the rows of each behind those of the one before.
public struct ConcatenatedRows: ObservationSource {
  private let parts: [any ObservationSource]
  /// The row that each part begins with, and at the end the number of all rows.
  private let starts: [Int]
  /// The number of columns, d.
  public let featureCount: Int
  /// The names of the columns, if they have any.
  public let featureNames: [String]?

  /// The number of rows, n.
  public var observationCount: Int { starts[parts.count] }

  /// The tables as one, with a name for each column or none.
  ///
  /// - Throws: ``MixtureError/Code/emptyObservations`` if there is no table;
  ///   ``MixtureError/Code/shapeMismatch`` if two differ in their number of columns, or names do not fit it.
  public init(
    _ parts: [any ObservationSource], featureNames: [String]? = nil
  ) throws(MixtureError) {
    guard let first = parts.first else {
      throw MixtureError(
        .emptyObservations, "there are no tables to put together; give at least one.")
    }
    for (index, part) in parts.enumerated() where part.featureCount != first.featureCount {
      throw MixtureError(
        .shapeMismatch,
        "table \(index) has \(part.featureCount) columns, but table 0 has \(first.featureCount); "
          + "all must agree.")
    }
    if let featureNames, featureNames.count != first.featureCount {
      throw MixtureError(
        .shapeMismatch,
        "there are \(featureNames.count) feature names for \(first.featureCount) columns.")
    }
    self.parts = parts
    self.featureNames = featureNames
    featureCount = first.featureCount
    starts = parts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.observationCount) }
  }

  /// Calls `body` once with the rows in `range`: where they are if one table holds them all, else with a copy.
  ///
  /// - Throws: What the tables throw.
  public func withRows(_ range: Range<Int>, _ body: (StridedRows) -> Void) throws(MixtureError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= observationCount)
    // The last part that begins at or before the first row; empty parts before it share its start.
    var low = 0
    var high = parts.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if starts[middle] <= range.lowerBound { low = middle } else { high = middle - 1 }
    }
    if range.upperBound <= starts[low + 1] {
      let start = starts[low]
      return try parts[low].withRows(
        range.lowerBound - start..<range.upperBound - start, body)
    }
    var copy: [Double] = []
    copy.reserveCapacity(range.count * featureCount)
    var part = low
    while part < parts.count, starts[part] < range.upperBound {
      let rows = range.clamped(to: starts[part]..<starts[part + 1])
      try parts[part].withRows(rows.lowerBound - starts[part]..<rows.upperBound - starts[part]) {
        for i in 0..<$0.count { for j in 0..<featureCount { copy.append($0[i, j]) } }
      }
      part += 1
    }
    let offsets = Array(0..<featureCount)
    copy.withUnsafeBytes { bytes in
      offsets.withUnsafeBufferPointer { offsets in
        guard let base = bytes.baseAddress else { return }
        body(
          StridedRows(
            base: base, element: .float64, count: range.count, rowStride: featureCount,
            columnOffsets: offsets))
      }
    }
  }
}
