// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// NumPy's `.npy` files: one array of numbers each, mapped when read.
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
    try map(FileContent(path: path))
  }

  static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  static func map(_ content: FileContent) throws(MixtureError) -> MappedMatrix {
    let header = try Header(content)
    let name = content.name
    let shape = header.shape
    guard shape.count == 1 || shape.count == 2 else {
      throw MixtureError(
        .malformedFile,
        "\(name) holds an array with \(shape.count) axes, shape (\(listed(shape))); a table has 1 or 2. "
          + "Reshape it in Python with a.reshape(n, d).")
    }
    let rowCount = shape[0]
    let columnCount = shape.count == 2 ? shape[1] : 1
    guard rowCount > 0, columnCount > 0 else {
      throw MixtureError(
        .emptyObservations,
        "\(name) holds an array of shape (\(listed(shape))); at least one row and one column are needed."
      )
    }
    let size = header.element == .float64 ? 8 : 4
    let (cells, overflow) = rowCount.multipliedReportingOverflow(by: columnCount)
    let (bytes, byteOverflow) = cells.multipliedReportingOverflow(by: size)
    let available = content.count - header.dataOffset
    guard !overflow, !byteOverflow, bytes <= available else {
      throw MixtureError(
        .malformedFile,
        "\(name) is cut short: shape (\(listed(shape))) needs "
          + (overflow || byteOverflow ? "more bytes than can be counted" : "\(bytes) bytes")
          + ", the file holds \(available). Save the array again.")
    }
    var memory = content.memory
    var offset = header.dataOffset
    if offset % size != 0 {
      // No NumPy writes such a file, but the format allows it, and the kernels want aligned elements.
      guard let copy = MemoryBlock(reserving: bytes) else {
        throw MixtureError(
          .unreadableFile, "\(name) does not fit into memory; save it with numpy.save.")
      }
      copy.base.copyMemory(from: memory.base + offset, byteCount: bytes)
      (memory, offset) = (copy, 0)
    }
    return MappedMatrix(
      memory: memory, byteOffset: offset, element: header.element, rowCount: rowCount,
      rowStride: header.isFortranOrder ? 1 : columnCount,
      columnOffsets: (0..<columnCount).map { header.isFortranOrder ? $0 * rowCount : $0 })
  }

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
  private static func listed(_ shape: [Int]) -> String {
    shape.count == 1 ? "\(shape[0])," : shape.map(String.init).joined(separator: ", ")
  }

  /// What stands in front of the elements.
  private struct Header {
    let element: StridedRows.Element
    let isFortranOrder: Bool
    let shape: [Int]
    let dataOffset: Int

    init(_ content: FileContent) throws(MixtureError) {
      let name = content.name
      let bytes = content.bytes
      guard bytes.starts(with: magic) else {
        throw MixtureError(
          .malformedFile, "\(name) is not a NumPy array; write such a file with numpy.save.")
      }
      let broken = MixtureError(
        .malformedFile, "\(name) has a damaged NumPy header; write the file again with numpy.save.")
      guard bytes.count >= 12 else { throw broken }
      guard (1...3).contains(bytes[6]) else {
        throw MixtureError(
          .malformedFile,
          "\(name) has version \(bytes[6]).\(bytes[7]) of the NumPy format; versions 1.0 to 3.0 are read."
        )
      }
      let lengthSize = bytes[6] == 1 ? 2 : 4
      let length = (0..<lengthSize).reduce(0) { $0 | Int(bytes[8 + $1]) << (8 * $1) }
      let start = 8 + lengthSize
      guard length <= bytes.count - start else { throw broken }
      dataOffset = start + length
      var literal = PythonLiteral(bytes[start..<dataOffset])
      guard let entries = literal.dictionary(),
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
