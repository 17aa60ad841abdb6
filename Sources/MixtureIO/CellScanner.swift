// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Mixtures

/// What separates the cells of a line.
enum Delimiter: CaseIterable {
  case tab, semicolon, comma
  /// Runs of spaces and tabs.
  case whitespace

  /// The byte, or a space for runs of white space.
  var byte: UInt8 {
    switch self {
    case .tab: return UInt8(ascii: "\t")
    case .semicolon: return UInt8(ascii: ";")
    case .comma: return UInt8(ascii: ",")
    case .whitespace: return UInt8(ascii: " ")
    }
  }
}

/// Walks through delimited text cell by cell, by the rules of RFC 4180 and what is common besides.
///
/// It takes lines that end in LF, CR LF or CR; passes over blank lines and those that begin with `#`; takes off white
/// space around a cell; and reads cells in double quotes, in which delimiters and line ends are text and a quote is
/// written twice.
struct CellScanner {
  /// One cell.
  struct Cell {
    /// The first byte of the content, without quotes and white space around it.
    let start: UnsafePointer<UInt8>
    /// Behind the last byte of the content.
    let end: UnsafePointer<UInt8>
    /// Whether quotes in the content are doubled.
    let hasDoubledQuotes: Bool
    /// Whether it is the last of its line.
    let endsLine: Bool

    /// The content.
    var text: String {
      let bytes = UnsafeBufferPointer(start: start, count: end - start)
      guard hasDoubledQuotes else { return String(decoding: bytes, as: UTF8.self) }
      var kept: [UInt8] = []
      var index = 0
      while index < bytes.count {
        kept.append(bytes[index])
        index += bytes[index] == UInt8(ascii: "\"") ? 2 : 1
      }
      return String(decoding: kept, as: UTF8.self)
    }

    /// The content as a number: nil if it is none, infinity if it is too large.
    var number: Double? {
      var value = 0.0
      let scanned = DecimalNumber.scan(start, value: &value)
      return scanned == end && scanned != start ? value : nil
    }
  }

  /// Where the next cell or line begins.
  var position: UnsafePointer<UInt8>
  /// The number of the line at `position`, from 1.
  var line = 1
  /// Whether a quote was open at the end of the window.
  private(set) var isCut = false
  private var end: UnsafePointer<UInt8>
  private let delimiter: Delimiter
  private let name: String

  /// A scanner at the start of a window.
  init(_ window: TextWindow, delimiter: Delimiter) {
    position = window.start
    end = window.end
    self.delimiter = delimiter
    name = window.name
  }

  /// Goes to the start of a window that has moved.
  mutating func enter(_ window: TextWindow, line: Int) {
    position = window.start
    end = window.end
    isCut = false
    self.line = line
  }

  /// Passes over blank lines and comments.
  ///
  /// - Returns: Whether there is a line behind them, at whose first cell the scanner then is.
  @inline(__always)
  mutating func moveToRow() -> Bool {
    while true {
      var p = position
      while isBlank(p.pointee) { p += 1 }
      switch p.pointee {
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        position = p
        passLineEnd()
      case UInt8(ascii: "#"):
        while p.pointee != UInt8(ascii: "\n"), p.pointee != UInt8(ascii: "\r"), p < end { p += 1 }
        position = p
        passLineEnd()
      case 0 where p >= end:
        position = end
        return false
      default:
        return true
      }
    }
  }

  /// The next cell of the line, and moves behind it and its delimiter or line end.
  ///
  /// - Throws: ``MixtureError/Code/malformedFile`` for a quote that is not closed, or text behind one.
  @inline(never)
  mutating func nextCell() throws(MixtureError) -> Cell {
    var p = position
    while isBlank(p.pointee) { p += 1 }
    let start: UnsafePointer<UInt8>
    let contentEnd: UnsafePointer<UInt8>
    var hasDoubledQuotes = false
    if p.pointee == UInt8(ascii: "\"") {
      let openingLine = line
      p += 1
      start = p
      while true {
        if p.pointee == UInt8(ascii: "\"") {
          guard p[1] == UInt8(ascii: "\"") else { break }
          hasDoubledQuotes = true
          p += 2
          continue
        }
        if p >= end {
          isCut = true
          throw MixtureError(
            .malformedFile,
            "\(name), line \(openingLine): a quote is opened and never closed. "
              + "Close it, or write \"\" for a quote within a quoted cell.")
        }
        if p.pointee == UInt8(ascii: "\n") { line += 1 }
        p += 1
      }
      contentEnd = p
      p += 1
      let behind = p
      while isBlank(p.pointee) { p += 1 }
      let isSeparated = delimiter == .whitespace ? p > behind : p.pointee == delimiter.byte
      guard isSeparated || isLineEnd(p) else {
        throw MixtureError(
          .malformedFile,
          "\(name), line \(line): there is text behind a closing quote. "
            + "Put the whole cell in quotes, with \"\" for a quote within it.")
      }
    } else {
      start = p
      let byte = delimiter.byte
      if delimiter == .whitespace {
        while !isBlank(p.pointee), !isLineEnd(p) { p += 1 }
        contentEnd = p
        while isBlank(p.pointee) { p += 1 }
      } else {
        while p.pointee != byte, !isLineEnd(p) { p += 1 }
        var last = p
        while last > start, isBlank(last[-1]) { last -= 1 }
        contentEnd = last
      }
    }
    position = p
    let endsLine = isLineEnd(p)
    if endsLine {
      passLineEnd()
    } else if delimiter != .whitespace {
      position += 1
    }
    return Cell(
      start: start, end: contentEnd, hasDoubledQuotes: hasDoubledQuotes, endsLine: endsLine)
  }

  /// Whether the byte is white space that does not delimit by itself.
  @inline(__always)
  func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (byte == UInt8(ascii: "\t") && delimiter != .tab)
  }

  @inline(__always)
  func isLineEnd(_ p: UnsafePointer<UInt8>) -> Bool {
    p.pointee == UInt8(ascii: "\n") || p.pointee == UInt8(ascii: "\r")
      || (p.pointee == 0 && p >= end)
  }

  /// Moves behind a line end, if one is there.
  @inline(__always)
  mutating func passLineEnd() {
    guard position < end else { return }
    let isReturn = position.pointee == UInt8(ascii: "\r")
    position += isReturn && position[1] == UInt8(ascii: "\n") ? 2 : 1
    line += 1
  }
}
