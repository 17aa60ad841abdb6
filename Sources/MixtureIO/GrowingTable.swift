// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Mixtures

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Rows of doubles that come one after the other, until it is known how many there are.
///
/// They lie in blocks of memory. If a limit does not allow another block, all go to a temporary file, and the rows to come
/// follow them through one small block.
struct GrowingTable {
  /// Where the next rows are to be written, ``capacity`` rows of them.
  private(set) var elements: UnsafeMutablePointer<Double>
  /// How many rows lie there already.
  var rowCount = 0
  /// The number of rows that ``elements`` has room for.
  private(set) var capacity: Int

  private let columnCount: Int
  /// The name of the first file, for messages.
  private let name: String
  /// How many bytes may be taken, if there is a limit.
  private let limit: (bytes: Int, memory: MemoryLimit)?
  private var block: MemoryBlock
  private var parts: [MappedMatrix] = []
  private var partBytes = 0
  private var spilled: TemporaryFile?
  private var spilledRows = 0

  /// How many bytes the first block has, and every one once rows go to a file.
  private let usualBlock: Int
  private static let leastBlock = 1 << 16
  private static let largestBlock = 1 << 28

  /// No rows yet.
  ///
  /// - Parameter memory: The limit, of which `columnCount` features and the reading of text leave something.
  init(
    columnCount: Int, name: String, memory: MemoryLimit?
  ) throws(MixtureError) {
    self.columnCount = columnCount
    self.name = name
    limit = try memory.map { (memory) throws(MixtureError) in
      (
        try memory.tableBytes(
          featureCount: columnCount,
          leastBytes: Self.leastBytes(columnCount: columnCount, threadCount: memory.threadCount))
          - TextWindow.usualSize, memory
      )
    }
    usualBlock = min(1 << 22, limit.map { $0.bytes / 4 } ?? .max)
    capacity = Self.rows(in: usualBlock, columnCount)
    block = try Self.makeBlock(capacity, columnCount, name)
    elements = block.base.assumingMemoryBound(to: Double.self)
  }

  /// What it takes to read text into a temporary file and rows back from there.
  static func leastBytes(columnCount: Int, threadCount: Int) -> Int {
    let layout = Self.layout(columnCount: columnCount, rowCount: 0)
    return TextWindow.usualSize
      + max(
        rows(in: leastBlock, columnCount) * columnCount * 8,
        StreamedMatrix.bufferBytes(layout, featureCount: columnCount, threadCount: threadCount))
  }

  /// Takes what lies in ``elements``, all `count` rows of it, and makes room for others.
  ///
  /// - Parameter otherBytes: What else has grown with the table.
  /// - Throws: ``MixtureError/Code/unwritableFile`` if a temporary file is needed and cannot be written.
  mutating func makeRoom(behind count: Int, otherBytes: Int) throws(MixtureError) {
    rowCount = count
    try takeRows()
    guard spilled == nil else { return }
    var bytes = min(max(usualBlock, partBytes), Self.largestBlock)
    if let limit {
      bytes = min(bytes, limit.bytes - partBytes - otherBytes)
      if bytes < Self.rows(in: usualBlock, columnCount) * columnCount * 8 {
        try spill(to: limit.memory.temporaryFolder)
        bytes = usualBlock
      }
    }
    capacity = Self.rows(in: bytes, columnCount)
    block = try Self.makeBlock(capacity, columnCount, name)
    elements = block.base.assumingMemoryBound(to: Double.self)
  }

  private mutating func takeRows() throws(MixtureError) {
    let bytes = rowCount * columnCount * 8
    if let spilled {
      try spilled.write(block.base, bytes)
      spilledRows += rowCount
    } else if rowCount > 0 {
      block.trim(to: bytes)
      partBytes += bytes
      parts.append(
        MappedMatrix(
          memory: block, byteOffset: 0, element: .float64, rowCount: rowCount,
          rowStride: columnCount, columnOffsets: Array(0..<columnCount)))
    }
    rowCount = 0
  }

  private mutating func spill(to folder: String) throws(MixtureError) {
    let file = try TemporaryFile(folder: folder)
    for part in parts {
      try file.write(part.firstElement, part.observationCount * columnCount * 8)
      spilledRows += part.observationCount
    }
    parts = []
    spilled = file
  }

  /// All rows; no others may follow.
  mutating func finish() throws(MixtureError) -> (
    parts: [any ObservationSource], storage: TableStorage
  ) {
    try takeRows()
    guard let spilled, let limit else { return (parts, .memory(bytes: partBytes)) }
    let layout = Self.layout(columnCount: columnCount, rowCount: spilledRows)
    let streamed = StreamedMatrix(
      spilled.file, layout: layout, columns: Array(0..<columnCount),
      buffers: RowBuffers(threadCount: limit.memory.threadCount))
    return (
      [streamed], .temporaryFile(bytes: spilledRows * columnCount * 8, folder: spilled.folder)
    )
  }

  private static func layout(columnCount: Int, rowCount: Int) -> StreamedMatrix.Layout {
    StreamedMatrix.Layout(
      byteOffset: 0, element: .float64, rowCount: rowCount, columnCount: columnCount,
      isFortranOrder: false)
  }

  /// How many rows a block of about so many bytes has: a multiple of what threads share out where that is possible, so
  /// that few of their blocks lie in two.
  private static func rows(in bytes: Int, _ columnCount: Int) -> Int {
    let rows = bytes / (columnCount * 8)
    for step in [4096, 256, 64] where rows >= step { return rows / step * step }
    return 64
  }

  private static func makeBlock(
    _ rowCount: Int, _ columnCount: Int, _ name: String
  ) throws(MixtureError) -> MemoryBlock {
    guard let block = MemoryBlock(reserving: rowCount * columnCount * 8) else {
      throw InputFile.outOfMemory(name)
    }
    return block
  }
}

/// A file without a name, which takes no space once nobody has it open.
final class TemporaryFile {
  let file: OpenFile
  let folder: String

  /// Makes a file in a folder.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if that is not possible.
  init(folder: String) throws(MixtureError) {
    let folder = folder.isEmpty ? "." : folder
    var template = Array("\(folder)/mixtures-XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else {
      throw MixtureError(
        .unwritableFile,
        "a temporary file for the table cannot be made in \(folder): \(systemMessage(errno)). "
          + "Name another folder in TMPDIR.")
    }
    unlink(template)
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    file = OpenFile(descriptor, name: "the temporary file in \(folder)")
    self.folder = folder
  }

  /// Adds bytes.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile``, most often because the disk is full.
  func write(_ source: UnsafeRawPointer, _ count: Int) throws(MixtureError) {
    guard SystemCall.write(file.descriptor, source, count) else {
      throw MixtureError(
        .unwritableFile,
        "the table does not fit into a temporary file in \(folder): \(systemMessage(errno)). "
          + "Free some space, or name another folder in TMPDIR.")
    }
  }
}
