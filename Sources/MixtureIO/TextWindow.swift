// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Mixtures

/// A stretch of whole lines that moves through a text, so that a text of any length is read in bounded memory.
///
/// The lines lie from `start` to `end`, with ``DecimalNumber/padding`` zero bytes behind them. A line end within a quoted
/// cell ends a line here too; whoever meets the end of the window within a quote asks for more.
final class TextWindow {
  /// The file as messages name it.
  let name: String
  /// The first byte of the first line.
  private(set) var start: UnsafePointer<UInt8>
  /// Behind the last line.
  private(set) var end: UnsafePointer<UInt8>
  /// Whether nothing comes behind the window.
  private(set) var isFinal = false

  private let input: InputFile
  private let limit: Int
  private var memory: MemoryBlock
  private var capacity: Int
  private var filled = 0
  /// The bytes behind `end` that zeros stand for.
  private var covered = [UInt8](repeating: 0, count: DecimalNumber.padding)

  /// The usual size of a window: small enough to stay in the processor's cache.
  static let usualSize = 1 << 19
  /// The longest row that is read, unless memory is limited further.
  static let longestRow = 1 << 28

  /// The first lines of `input`, without a byte order mark.
  ///
  /// - Parameters:
  ///   - size: How many bytes it holds at first.
  ///   - limit: How many bytes a row may have at most.
  /// - Throws: What reading throws.
  init(
    _ input: InputFile, size: Int, limit: Int
  ) throws(MixtureError) {
    self.input = input
    self.limit = limit
    name = input.name
    capacity = max(min(size, limit), 16)
    guard let memory = MemoryBlock(reserving: capacity + DecimalNumber.padding) else {
      throw InputFile.outOfMemory(name)
    }
    self.memory = memory
    start = UnsafePointer(memory.base.assumingMemoryBound(to: UInt8.self))
    end = start
    if try Array(input.peek(3)) == [0xEF, 0xBB, 0xBF] {
      _ = try input.read(into: memory.base, 3)
    }
    if try !fill(behind: 0) { try move(to: start, line: 1) }
  }

  /// Moves the window: its first line becomes that at `position`, and at least one line comes in behind its present end.
  ///
  /// - Parameters:
  ///   - line: The number of that line, for messages.
  ///   - isCut: Whether the row there does not end within the window.
  /// - Throws: What reading throws; ``MixtureError/Code/malformedFile`` if a row is too long.
  func move(
    to position: UnsafePointer<UInt8>, line: Int, isCut: Bool = false
  ) throws(MixtureError) {
    guard try takeIn(from: position, isCut: isCut) else {
      throw MixtureError(
        .malformedFile,
        "\(name), line \(line): the row is longer than \(limit) bytes, the limit. "
          + "Close the quote that it opens, if it does, or split the row.")
    }
  }

  /// Takes in more lines and keeps those that there are. Returns whether the limit of a row allows it.
  func extend() throws(MixtureError) -> Bool { try takeIn(from: start, isCut: true) }

  private func takeIn(
    from position: UnsafePointer<UInt8>, isCut: Bool
  ) throws(MixtureError) -> Bool {
    let base = memory.base
    covered.withUnsafeBytes {
      UnsafeMutableRawPointer(mutating: end).copyMemory(
        from: $0.baseAddress!, byteCount: DecimalNumber.padding)
    }
    let first = UnsafeRawPointer(position) - UnsafeRawPointer(base)
    let known = end - position
    filled -= first
    if isCut, 2 * filled > capacity {
      try grow(to: 2 * filled, from: first)
    } else if first > 0 {
      base.copyMemory(from: base + first, byteCount: filled)
    }
    return try fill(behind: known, toTheBrim: isCut)
  }

  /// Reads until a line ends behind the first `known` bytes, or the input does. Returns false if a row has no room.
  private func fill(behind known: Int, toTheBrim: Bool = false) throws(MixtureError) -> Bool {
    // What was searched once holds no line end; a return at its end may turn out to be one.
    var searched = known
    while true {
      if filled == capacity {
        guard capacity < limit else {
          show(known)
          return false
        }
        try grow(to: 2 * capacity, from: 0)
      }
      repeat {
        let got = try input.read(into: memory.base + filled, capacity - filled)
        isFinal = got == 0
        filled += got
      } while toTheBrim && !isFinal && filled < capacity
      if let lines = isFinal ? filled : lastLineEnd(behind: searched) {
        show(lines)
        return true
      }
      searched = max(known, filled - 1)
    }
  }

  /// Makes the first `count` bytes the window.
  private func show(_ count: Int) {
    start = UnsafePointer(memory.base.assumingMemoryBound(to: UInt8.self))
    end = start + count
    let padding = UnsafeMutablePointer(mutating: end)
    for index in 0..<DecimalNumber.padding {
      covered[index] = padding[index]
      padding[index] = 0
    }
  }

  /// The offset behind the last line end past the first `known` bytes; nil if there is none.
  private func lastLineEnd(behind known: Int) -> Int? {
    let bytes = memory.base.assumingMemoryBound(to: UInt8.self)
    var index = filled - 1
    while index >= known {
      if bytes[index] == UInt8(ascii: "\n") { return index + 1 }
      // A return that is the last byte may have its newline still to come.
      if bytes[index] == UInt8(ascii: "\r"), index + 1 < filled { return index + 1 }
      index -= 1
    }
    return nil
  }

  /// Moves the bytes from `first` on to larger memory.
  private func grow(to wanted: Int, from first: Int) throws(MixtureError) {
    let size = max(min(wanted, limit), capacity)
    guard let larger = MemoryBlock(reserving: size + DecimalNumber.padding) else {
      throw InputFile.outOfMemory(name)
    }
    larger.base.copyMemory(from: memory.base + first, byteCount: filled)
    memory = larger
    capacity = size
  }
}
