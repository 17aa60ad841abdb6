// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// NumPy's `.npy` files: one array of numbers each, mapped, or read in parts.
///
/// Format versions 1.0, 2.0 and 3.0; little-endian float64 and float32; C and Fortran order. An array with two axes is a
/// table, one with a single axis is a table of one column.
public enum NumPyArray {
  /// The table in the file at `path`, mapped; `-` is standard input.
  ///
  /// Whether the numbers are finite is not looked at.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if the file cannot be read;
  ///   ``MixtureError/Code/malformedFile`` if it is no such array, or shorter than its header promises;
  ///   ``MixtureError/Code/emptyObservations`` if it has no rows or no columns.
  /// - Complexity: O(1) for a plain file; one that is compressed, or a pipe, is read into memory.
  public static func map(path: String) throws(MixtureError) -> MappedMatrix {
    try NumPyFile(InputFile(path: path)).mapped()
  }

  /// The table in the plain file at `path`, of which rows are read when they are asked for.
  ///
  /// - Parameter threadCount: How many threads will ask at once; memory grows with it, speed falls if more do.
  /// - Throws: As ``map(path:)``; also ``MixtureError/Code/unreadableFile`` for a pipe and for a compressed file, of which
  ///   parts cannot be read.
  /// - Complexity: O(1); memory O(threads) while rows are read.
  public static func stream(
    path: String, threadCount: Int
  ) throws(MixtureError) -> StreamedMatrix {
    let array = try NumPyFile(InputFile(path: path))
    guard array.isPlain else {
      throw MixtureError(
        .unreadableFile,
        "\(array.name) is compressed or a pipe, so parts of it cannot be read; save it as a plain file."
      )
    }
    return array.streamed(RowBuffers(threadCount: threadCount))
  }

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Writes a matrix as float64 in C order, whole or not at all.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if the file cannot be written.
  public static func write(_ matrix: Matrix, to path: String) throws(MixtureError) {
    try AtomicFile.write(to: path) { (output) throws(MixtureError) in
      try output.write(
        bytes: header(type: "<f8", shape: [matrix.rowCount, matrix.columnCount]))
      for value in matrix.elements { try output.write(littleEndian: value.bitPattern) }
    }
  }

  /// The bytes in front of the elements: magic, version 1.0, and the description padded to a multiple of 64.
  static func header(type: String, shape: [Int]) -> [UInt8] {
    var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(listed(shape))), }"
    let length = (10 + text.utf8.count + 1 + 63) / 64 * 64 - 10
    text += String(repeating: " ", count: length - 1 - text.utf8.count) + "\n"
    return magic + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(text.utf8)
  }

  /// A shape as Python writes it between parentheses.
  fileprivate static func listed(_ shape: [Int]) -> String {
    shape.count == 1 ? "\(shape[0])," : shape.map(String.init).joined(separator: ", ")
  }
}

/// An open file with a NumPy array, read up to its first element.
struct NumPyFile {
  /// Where the numbers lie in the file.
  let layout: StreamedMatrix.Layout
  /// The file as messages name it.
  let name: String
  /// Whether the file is a plain one, any part of which can be had.
  let isPlain: Bool
  /// The shape of the matrix that each row is, by rows; nil if rows are no matrices.
  let matrixShape: (rowCount: Int, columnCount: Int)?
  private let input: InputFile

  /// How many bytes the numbers take.
  var byteCount: Int { layout.rowCount * layout.columnCount * layout.elementSize }

  /// Reads what stands in front of the elements.
  ///
  /// - Parameter allowsMatrices: Whether an array of n × m × d is taken, as n rows of m · d numbers.
  /// - Throws: What ``NumPyArray/map(path:)`` says.
  init(_ input: InputFile, allowsMatrices: Bool = false) throws(MixtureError) {
    self.input = input
    name = input.name
    isPlain = input.plainSize != nil
    let header = try Header(input)
    var shape = header.shape
    if allowsMatrices, shape.count == 3, shape[1] < 1 << 31, shape[2] < 1 << 31 {
      matrixShape = (shape[1], shape[2])
      shape = [shape[0], shape[1] * shape[2]]
    } else {
      matrixShape = nil
    }
    guard shape.count == 1 || shape.count == 2 else {
      throw MixtureError(
        .malformedFile,
        "\(name) holds an array with \(shape.count) axes, shape (\(NumPyArray.listed(shape))); a table has 1 "
          + "or 2. Reshape it in Python with a.reshape(n, d).")
    }
    let rowCount = shape[0]
    let columnCount = shape.count == 2 ? shape[1] : 1
    guard rowCount > 0, columnCount > 0 else {
      throw MixtureError(
        .emptyObservations,
        "\(name) holds an array of shape (\(NumPyArray.listed(shape))); at least one row and one column are "
          + "needed.")
    }
    layout = StreamedMatrix.Layout(
      byteOffset: header.dataOffset, element: header.element, rowCount: rowCount,
      columnCount: columnCount, isFortranOrder: header.isFortranOrder)
    let (cells, overflow) = rowCount.multipliedReportingOverflow(by: columnCount)
    let (bytes, byteOverflow) = cells.multipliedReportingOverflow(by: layout.elementSize)
    guard !overflow, !byteOverflow else {
      throw Self.cutShort(
        name, shape, "more bytes than can be counted", holds: input.plainSize ?? 0)
    }
    if let size = input.plainSize, bytes > size - header.dataOffset {
      throw Self.cutShort(name, shape, "\(bytes) bytes", holds: size - header.dataOffset)
    }
  }

  /// The table in the mapped file, or in memory if the file is no plain one.
  func mapped() throws(MixtureError) -> MappedMatrix {
    // The kernels want aligned elements; no NumPy writes others, but the format allows them.
    if let size = input.plainSize, layout.byteOffset % layout.elementSize == 0,
      let memory = MemoryBlock(mapping: input.file.descriptor, count: size)
    {
      return matrix(memory, byteOffset: layout.byteOffset)
    }
    guard let memory = MemoryBlock(reserving: byteCount) else {
      throw InputFile.outOfMemory(name)
    }
    try requireAll(input.readAll(into: memory.base, byteCount))
    return matrix(memory, byteOffset: 0)
  }

  /// The numbers of the file, row after row.
  func inMemory() throws(MixtureError) -> Matrix {
    let whole = try mapped()
    return try Matrix(
      rowCount: whole.observationCount, columnCount: whole.featureCount,
      elements: whole.values(of: Array(0..<whole.featureCount)))
  }

  /// The table in the plain file, read when rows are asked for.
  func streamed(_ buffers: RowBuffers) -> StreamedMatrix {
    streamed(input.file, byteOffset: layout.byteOffset, buffers)
  }

  /// The table in a temporary file that the elements are copied to.
  func spilled(to folder: String, _ buffers: RowBuffers) throws(MixtureError) -> StreamedMatrix {
    let file = try TemporaryFile(folder: folder)
    let size = 1 << 20
    guard let memory = MemoryBlock(reserving: size) else { throw InputFile.outOfMemory(name) }
    var done = 0
    while done < byteCount {
      let got = try input.read(into: memory.base, min(size, byteCount - done))
      guard got > 0 else { break }
      try file.write(memory.base, got)
      done += got
    }
    try requireAll(done)
    return streamed(file.file, byteOffset: 0, buffers)
  }

  private func streamed(
    _ file: OpenFile, byteOffset: Int, _ buffers: RowBuffers
  ) -> StreamedMatrix {
    StreamedMatrix(
      file,
      layout: StreamedMatrix.Layout(
        byteOffset: byteOffset, element: layout.element, rowCount: layout.rowCount,
        columnCount: layout.columnCount, isFortranOrder: layout.isFortranOrder),
      columns: Array(0..<layout.columnCount), buffers: buffers)
  }

  private func matrix(_ memory: MemoryBlock, byteOffset: Int) -> MappedMatrix {
    let (rows, columns) = (layout.rowCount, layout.columnCount)
    return MappedMatrix(
      memory: memory, byteOffset: byteOffset, element: layout.element, rowCount: rows,
      rowStride: layout.isFortranOrder ? 1 : columns,
      columnOffsets: (0..<columns).map { layout.isFortranOrder ? $0 * rows : $0 })
  }

  private func requireAll(_ got: Int) throws(MixtureError) {
    guard got < byteCount else { return }
    throw Self.cutShort(
      name, [layout.rowCount, layout.columnCount], "\(byteCount) bytes", holds: got)
  }

  private static func cutShort(
    _ name: String, _ shape: [Int], _ needed: String, holds: Int
  ) -> MixtureError {
    MixtureError(
      .malformedFile,
      "\(name) is cut short: shape (\(NumPyArray.listed(shape))) needs \(needed), the file holds \(holds). "
        + "Save the array again.")
  }

  /// What stands in front of the elements.
  private struct Header {
    let element: StridedRows.Element
    let isFortranOrder: Bool
    let shape: [Int]
    let dataOffset: Int

    init(_ input: InputFile) throws(MixtureError) {
      let name = input.name
      let front = try Array(input.peek(12))
      guard front.starts(with: NumPyArray.magic) else {
        throw MixtureError(
          .malformedFile, "\(name) is not a NumPy array; write such a file with numpy.save.")
      }
      let broken = MixtureError(
        .malformedFile, "\(name) has a damaged NumPy header; write the file again with numpy.save.")
      guard front.count >= 12 else { throw broken }
      guard (1...3).contains(front[6]) else {
        throw MixtureError(
          .malformedFile,
          "\(name) has version \(front[6]).\(front[7]) of the NumPy format; versions 1.0 to 3.0 are read."
        )
      }
      let lengthSize = front[6] == 1 ? 2 : 4
      let length = (0..<lengthSize).reduce(0) { $0 | Int(front[8 + $1]) << (8 * $1) }
      let start = 8 + lengthSize
      // Real headers have some hundred bytes.
      guard length <= 1 << 24 else { throw broken }
      let count = start + length
      dataOffset = count
      var bytes = [UInt8](repeating: 0, count: count)
      var failure: MixtureError?
      let got = bytes.withUnsafeMutableBytes { bytes -> Int in
        do throws(MixtureError) {
          return try input.readAll(into: bytes.baseAddress!, count)
        } catch {
          failure = error
          return 0
        }
      }
      if let failure { throw failure }
      guard got == count else { throw broken }
      let dictionary = bytes.withUnsafeBufferPointer { bytes in
        var literal = PythonLiteral(bytes[start...])
        return literal.dictionary()
      }
      guard let entries = dictionary,
        let type = entries["descr"], let order = entries["fortran_order"],
        case .tuple(let shape)? = entries["shape"], case .truth(let isFortranOrder) = order
      else { throw broken }
      self.shape = shape
      self.isFortranOrder = isFortranOrder
      switch type {
      case .text("<f8"), .text("=f8"): element = .float64
      case .text("<f4"), .text("=f4"): element = .float32
      case .text(let type):
        throw MixtureError(
          .malformedFile,
          "\(name) holds elements of type \(type.prefix(20)); float64 (<f8) and float32 (<f4) are read. "
            + "Convert it in Python with numpy.save(file, a.astype(\"<f8\")).")
      default:
        throw MixtureError(
          .malformedFile,
          "\(name) holds records with several fields; plain float64 and float32 are read. "
            + "Convert it in Python with numpy.lib.recfunctions.structured_to_unstructured(a).")
      }
    }
  }
}

/// The few Python literals that a NumPy header is made of.
private struct PythonLiteral {
  enum Value: Equatable {
    case text(String)
    case truth(Bool)
    /// A tuple of counts.
    case tuple([Int])
    /// A list, whatever is in it.
    case list
  }

  private var rest: Slice<UnsafeBufferPointer<UInt8>>

  init(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) {
    rest = bytes
  }

  /// Reads a dictionary; nil if there is none.
  mutating func dictionary() -> [String: Value]? {
    guard take("{") else { return nil }
    var entries: [String: Value] = [:]
    while !take("}") {
      guard take("'") || take("\""),
        case .text(let key)? = text(until: rest.base[rest.startIndex - 1]), take(":"),
        let value = value(), entries.count < 16
      else { return nil }
      entries[key] = value
      guard take(",") else { return take("}") ? entries : nil }
    }
    return entries
  }

  /// Reads one value; nil if there is none. A dictionary within the dictionary is none, so nothing is nested.
  private mutating func value() -> Value? {
    if take("(") { return tuple() }
    if take("'") { return text(until: UInt8(ascii: "'")) }
    if take("\"") { return text(until: UInt8(ascii: "\"")) }
    if take("True") { return .truth(true) }
    if take("False") { return .truth(false) }
    if take("[") { return list() }
    return nil
  }

  private mutating func take(_ word: StaticString) -> Bool {
    rest = rest.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
    let bytes = UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
    guard rest.starts(with: bytes) else { return false }
    rest = rest.dropFirst(bytes.count)
    return true
  }

  private mutating func text(until quote: UInt8) -> Value? {
    guard let end = rest.firstIndex(of: quote) else { return nil }
    defer { rest = rest[rest.index(after: end)...] }
    return .text(String(decoding: rest[..<end], as: UTF8.self))
  }

  private mutating func tuple() -> Value? {
    var counts: [Int] = []
    while !take(")") {
      rest = rest.drop { $0 == UInt8(ascii: " ") }
      let digits = rest.prefix { $0 &- 48 < 10 }
      guard let count = Int(String(decoding: digits, as: UTF8.self)) else { return nil }
      rest = rest.dropFirst(digits.count)
      counts.append(count)
      // Python 2 wrote long integers with an L.
      _ = take("L")
      guard take(",") else { return take(")") ? .tuple(counts) : nil }
    }
    return .tuple(counts)
  }

  private mutating func list() -> Value? {
    var depth = 1
    while depth > 0, let byte = rest.popFirst() {
      if byte == UInt8(ascii: "[") { depth += 1 }
      if byte == UInt8(ascii: "]") { depth -= 1 }
    }
    return depth == 0 ? .list : nil
  }
}
