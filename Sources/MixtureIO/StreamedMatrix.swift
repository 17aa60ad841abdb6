// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures
internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A table of numbers in a file, whose rows are read when they are asked for, so that it may be larger than memory.
///
/// Rows are read in parts of at most 4,096 rows and about a megabyte into buffers of which there are two for each thread.
/// A part is kept while blocks of it are asked for one after the other, as the engine does. Rows asked for one by one are
/// read one by one.
///
/// - Complexity: Memory O(threads × part), whatever the length of the table.
public struct StreamedMatrix: ObservationSource {
  /// How the numbers lie in a file.
  struct Layout: Sendable {
    /// Where the first number lies.
    let byteOffset: Int
    let element: StridedRows.Element
    let rowCount: Int
    /// The number of columns in the file.
    let columnCount: Int
    /// Whether columns are whole, not rows.
    let isFortranOrder: Bool

    var elementSize: Int { element == .float64 ? 8 : 4 }
  }

  /// The number of rows, n.
  public var observationCount: Int { layout.rowCount }
  /// The number of columns, d.
  public var featureCount: Int { columns.count }

  private let file: OpenFile
  private let layout: Layout
  private let columns: [Int]
  private let buffers: RowBuffers
  /// Tells the parts of this table from those of others in the same buffers.
  private let identity: Int
  /// How many rows a part has; a power of two.
  private let rowsPerPart: Int
  private let partOffsets: [Int]

  /// The columns of an open file, counted from 0.
  init(_ file: OpenFile, layout: Layout, columns: [Int], buffers: RowBuffers) {
    self.file = file
    self.layout = layout
    self.columns = columns
    self.buffers = buffers
    identity = Self.nextIdentity.add(1, ordering: .relaxed).newValue
    rowsPerPart = Self.rowsPerPart(layout, featureCount: columns.count)
    partOffsets = Self.offsets(layout, columns, rowCount: rowsPerPart)
  }

  private static let nextIdentity = Atomic(0)

  /// The table with only the given columns, counted from 0, in that order; nothing is read.
  ///
  /// - Throws: ``MixtureError/Code/invalidSetting`` for a column that is not there.
  public func selecting(columns selected: [Int]) throws(MixtureError) -> StreamedMatrix {
    for column in selected where !columns.indices.contains(column) {
      throw MixtureError(
        .invalidSetting,
        "there is no column \(column); the table has \(columns.count), counted from 0.")
    }
    return StreamedMatrix(
      file, layout: layout, columns: selected.map { columns[$0] }, buffers: buffers)
  }

  /// Calls `body` once with the rows in `range`, read into memory that is used again afterwards.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if the file cannot be read, or has become shorter.
  public func withRows(
    _ range: Range<Int>, _ body: (StridedRows) -> Void
  ) throws(MixtureError) {
    precondition(range.lowerBound >= 0 && range.upperBound <= observationCount)
    let part = range.lowerBound / rowsPerPart
    let first = part * rowsPerPart
    guard range.upperBound <= first + rowsPerPart else { return try withOwnRows(range, body) }
    let key = RowBuffers.Key(table: identity, part: part)
    // Few rows are worth a part only if it is there already.
    guard let buffer = buffers.take(key, onlyIfThere: range.count < max(1, rowsPerPart / 16)) else {
      return try withOwnRows(range, body)
    }
    defer { buffers.giveBack(buffer) }
    if buffer.key != key {
      buffer.key = nil
      let rows = first..<min(first + rowsPerPart, observationCount)
      try buffer.reserve(partBytes, name: file.name)
      try read(rows, into: buffer.base, rowCount: rowsPerPart)
      buffer.key = key
    }
    let rowStride = layout.isFortranOrder ? 1 : layout.columnCount
    partOffsets.withUnsafeBufferPointer { offsets in
      body(
        StridedRows(
          base: buffer.base + (range.lowerBound - first) * rowStride * layout.elementSize,
          element: layout.element, count: range.count, rowStride: rowStride,
          columnOffsets: offsets))
    }
  }

  /// The same with memory for these rows alone.
  private func withOwnRows(
    _ range: Range<Int>, _ body: (StridedRows) -> Void
  ) throws(MixtureError) {
    let buffer = RowBuffers.Buffer()
    try buffer.reserve(
      max(range.count, 1) * Self.bytesPerRow(layout, columns.count), name: file.name)
    try read(range, into: buffer.base, rowCount: range.count)
    Self.offsets(layout, columns, rowCount: range.count).withUnsafeBufferPointer { offsets in
      body(
        StridedRows(
          base: buffer.base, element: layout.element, count: range.count,
          rowStride: layout.isFortranOrder ? 1 : layout.columnCount, columnOffsets: offsets))
    }
  }

  /// Reads rows: as they lie in the file, or column after column with room for `rowCount` numbers each.
  private func read(
    _ rows: Range<Int>, into target: UnsafeMutableRawPointer, rowCount: Int
  ) throws(MixtureError) {
    let size = layout.elementSize
    guard layout.isFortranOrder else {
      let width = layout.columnCount * size
      return try read(
        at: layout.byteOffset + rows.lowerBound * width, target, rows.count * width)
    }
    for (index, column) in columns.enumerated() {
      try read(
        at: layout.byteOffset + (column * layout.rowCount + rows.lowerBound) * size,
        target + index * rowCount * size, rows.count * size)
    }
  }

  private func read(
    at offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int
  ) throws(MixtureError) {
    let got = SystemCall.read(file.descriptor, at: offset, target, count)
    guard got >= 0 else { throw InputFile.unreadable(file.name, errno) }
    guard got == count else {
      throw MixtureError(
        .unreadableFile,
        "\(file.name) became shorter while it was read: it ends at byte \(offset + got), but rows lie up to byte "
          + "\(offset + count). Leave the file as it is until the work is done.")
    }
  }

  private var partBytes: Int { rowsPerPart * Self.bytesPerRow(layout, columns.count) }

  /// How many bytes are read for a row.
  private static func bytesPerRow(_ layout: Layout, _ featureCount: Int) -> Int {
    (layout.isFortranOrder ? featureCount : layout.columnCount) * layout.elementSize
  }

  /// A power of two, so that the blocks that the engine asks for, 64 to 256 rows at multiples of their size, lie within
  /// a part each, and no more than its shards, so that threads do not read the same part.
  private static func rowsPerPart(_ layout: Layout, featureCount: Int) -> Int {
    let width = bytesPerRow(layout, featureCount)
    var rows = 4096
    let least = featureCount <= 32 ? 256 : featureCount <= 128 ? 128 : 64
    while rows > least, rows * width > 1 << 20 { rows /= 2 }
    return rows
  }

  private static func offsets(_ layout: Layout, _ columns: [Int], rowCount: Int) -> [Int] {
    layout.isFortranOrder ? columns.indices.map { $0 * rowCount } : columns
  }

  /// How many bytes of buffers threads that read such a table need.
  static func bufferBytes(_ layout: Layout, featureCount: Int, threadCount: Int) -> Int {
    let part = rowsPerPart(layout, featureCount: featureCount).multipliedReportingOverflow(
      by: bytesPerRow(layout, featureCount))
    let all = part.partialValue.multipliedReportingOverflow(
      by: RowBuffers.count(threadCount: threadCount))
    return part.overflow || all.overflow ? .max : all.partialValue
  }
}

/// Memory that parts of tables are read into, for several threads and any number of tables.
final class RowBuffers: Sendable {
  /// A part of a table.
  struct Key: Equatable {
    let table: Int
    let part: Int
  }

  /// Memory for one part; touched by one thread at a time.
  final class Buffer: @unchecked Sendable {
    /// What lies in it, if anything does.
    var key: Key?
    private var memory: MemoryBlock?

    var base: UnsafeMutableRawPointer { memory!.base }

    /// Makes room; what was in it may be lost.
    func reserve(_ count: Int, name: String) throws(MixtureError) {
      if let memory, memory.count >= count { return }
      memory = nil
      memory = count < 1 << 16 ? MemoryBlock(allocating: count) : MemoryBlock(reserving: count)
      guard memory != nil else { throw InputFile.outOfMemory(name) }
    }
  }

  private struct State {
    /// The buffers that nobody uses; that used last is the last.
    var free: [Buffer] = []
    var inUse = 0
  }

  private let limit: Int
  private let state = Mutex(State())

  /// Buffers for so many threads.
  init(threadCount: Int) {
    limit = Self.count(threadCount: threadCount)
  }

  /// Two for each thread: between two blocks of a part its buffer is free, and must not be the next to be taken.
  static func count(threadCount: Int) -> Int { 2 * max(1, threadCount) }

  /// A buffer for the calling thread alone: one that holds the part, else, unless only that is wanted, one to be filled.
  func take(_ key: Key, onlyIfThere: Bool) -> Buffer? {
    state.withLock { state in
      if let index = state.free.lastIndex(where: { $0.key == key }) {
        state.inUse += 1
        return state.free.remove(at: index)
      }
      if onlyIfThere { return nil }
      state.inUse += 1
      if state.free.isEmpty || state.free.count + state.inUse <= limit { return Buffer() }
      return state.free.removeFirst()
    }
  }

  /// Ends the use of a buffer.
  func giveBack(_ buffer: Buffer) {
    state.withLock { state in
      state.inUse -= 1
      if state.free.count + state.inUse < limit { state.free.append(buffer) }
    }
  }
}
