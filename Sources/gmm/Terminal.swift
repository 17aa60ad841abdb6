// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import MixtureIO
import Mixtures

/// Standard error, and how numbers and tables look on a terminal.
enum Terminal {
  /// Writes to standard error; nothing can be done if that fails.
  static func write(_ text: String) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes { Foundation.write(2, $0.baseAddress, $0.count) }
      guard written > 0 else { return }
      rest = rest.dropFirst(written)
    }
  }

  /// Writes to standard output.
  static func print(_ text: String) throws(MixtureError) {
    let output = try TextOutput(path: "-")
    try output.write(text)
    try output.close()
  }

  /// A number with about `digits` significant digits, without needless zeros.
  static func number(_ value: Double, digits: Int = 6) -> String {
    guard value.isFinite else { return "\(value)" }
    return String(format: "%.\(digits)g", value)
  }

  /// A number with a fixed number of decimals.
  static func fixed(_ value: Double, _ decimals: Int) -> String {
    String(format: "%.\(decimals)f", value)
  }

  /// A count with its noun: "1 row", "2 rows".
  static func count(_ count: Int, _ noun: String) -> String {
    "\(count) \(noun)\(count == 1 ? "" : "s")"
  }

  /// Lines of cells with columns aligned: the first to the left, the others to the right.
  static func aligned(_ lines: [[String]], indent: String = "  ") -> String {
    let columnCount = lines.map(\.count).max() ?? 0
    let widths = (0..<columnCount).map { column in
      lines.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return lines.map { line in
      let cells = line.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + padding : padding + cell
      }
      var text = indent + cells.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      return text + "\n"
    }.joined()
  }
}

/// The last part of a path.
func fileName(_ path: String) -> String {
  path == "-" ? "standard input" : path.split(separator: "/").last.map(String.init) ?? path
}

/// The command as it was typed, with quotes where a shell would need them.
func commandLine() -> String {
  let words = ["gmm"] + CommandLine.arguments.dropFirst()
  return words.map { word in
    let isPlain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./=,+:@%".contains($0) }
    return isPlain && !word.isEmpty ? word : "'\(word.replacing("'", with: "'\\''"))'"
  }.joined(separator: " ")
}

/// A line on standard error that says how far a fit has come, if that is a terminal.
final class ProgressLine {
  /// Whether there is a terminal to show it on.
  let isShown: Bool
  private var lastShown = ContinuousClock.now
  private var width = 0

  init(quiet: Bool) {
    isShown = !quiet && isatty(FileHandle.standardError.fileDescriptor) == 1
  }

  deinit { clear() }

  /// Replaces the line, at most ten times a second; what does not fit on a line of the terminal is cut.
  func show(_ text: @autoclosure () -> String) {
    guard isShown, ContinuousClock.now - lastShown > .milliseconds(100) else { return }
    lastShown = .now
    let line = String(text().prefix(Self.columnCount - 1))
    Terminal.write("\r\(line)\(String(repeating: " ", count: max(0, width - line.count)))")
    width = line.count
  }

  /// How many characters a line of the terminal holds. A longer text would wrap, and returns could not take it away.
  private static var columnCount: Int {
    var size = winsize()
    let isKnown = ioctl(FileHandle.standardError.fileDescriptor, UInt(TIOCGWINSZ), &size) == 0
    return isKnown && size.ws_col > 1 ? Int(size.ws_col) : 80
  }

  /// Takes the line away.
  func clear() {
    guard width > 0 else { return }
    Terminal.write("\r\(String(repeating: " ", count: width))\r")
    width = 0
  }
}
