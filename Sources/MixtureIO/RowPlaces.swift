// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Where the rows of a table stand in the files that it was read from.
struct RowPlaces: Sendable, Equatable {
  /// The rows from `row` on are those of a file, the first of them at `line`; nil for an array, whose rows have no lines.
  private struct Run: Sendable, Equatable {
    let row: Int
    let line: Int?
    let file: String
  }

  private var runs: [Run] = []

  /// Notes where a row of a text stands, if that does not follow from the row before.
  mutating func note(_ row: Int, line: Int, file: String) {
    if let last = runs.last, last.file == file, let first = last.line,
      first + row - last.row == line
    {
      return
    }
    runs.append(Run(row: row, line: line, file: file))
  }

  /// Notes where an array begins.
  mutating func noteArray(_ row: Int, file: String) {
    runs.append(Run(row: row, line: nil, file: file))
  }

  /// How many bytes this takes, about.
  var byteCount: Int { runs.count * 2 * MemoryLayout<Run>.stride }

  /// Where a row stands, in words.
  func text(_ row: Int) -> String {
    var low = 0
    var high = runs.count
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].row <= row { low = middle + 1 } else { high = middle }
    }
    guard low > 0 else { return "row \(row) (counted from 0)" }
    let run = runs[low - 1]
    return run.line.map { "\(run.file), line \($0 + row - run.row)" }
      ?? "\(run.file), row \(row - run.row) (counted from 0)"
  }
}

/// Which rows are known to belong to which component, as a column of labels says.
public struct KnownLabels: Sendable, Equatable {
  /// The different labels, in order of first appearance: label k names component k.
  public private(set) var names: [String] = []
  /// For each row the number of its label; −1 where nothing is known, −2 of the background.
  public private(set) var numbers: [Int32] = []
  /// The number of rows that are known to be background.
  public var backgroundCount: Int { numbers.count { $0 == Self.background } }
  /// What stands for the background; it is none of the names.
  public let backgroundLabel: String?
  private var known: [String: Int32] = [:]

  /// What stands for the background in place of a label's number.
  public static let background: Int32 = -2

  /// No rows yet.
  init(backgroundLabel: String? = nil) { self.backgroundLabel = backgroundLabel }

  /// The first row of each label.
  public private(set) var firstRows: [Int] = []

  /// Whether a cell says that nothing is known.
  static func isUnknown(_ text: String) -> Bool { text.isEmpty || MissingMark.matches(text) }

  mutating func append(_ text: String) {
    if let backgroundLabel, text == backgroundLabel {
      numbers.append(Self.background)
      return
    }
    guard !Self.isUnknown(text) else {
      numbers.append(-1)
      return
    }
    if known[text] == nil {
      known[text] = Int32(names.count)
      names.append(text)
      firstRows.append(numbers.count)
    }
    numbers.append(known[text]!)
  }

  /// Forgets all but the first rows.
  mutating func truncate(to count: Int) { numbers.removeLast(numbers.count - count) }

  /// What a fit is told.
  public var components: KnownComponents {
    KnownComponents(
      numbers.map {
        $0 == Self.background ? KnownComponents.background : $0 < 0 ? nil : Int($0)
      })
  }
}

/// What stands in a text for a value that is missing.
enum MissingMark {
  /// Whether a cell is empty, or NA, N/A, NaN or NULL in any case.
  static func matches(_ text: String) -> Bool {
    switch text.utf8.count {
    case 0: return true
    case 2...5:
      switch text.lowercased() {
      case "na", "n/a", "nan", "null", "-nan", "+nan", "#n/a", "<na>": return true
      default: return false
      }
    default: return false
    }
  }
}

/// What a row's weight and noise must be.
enum AnnotationCheck {
  /// The error for a case weight that cannot be.
  static func weight(_ value: Double, at place: String) -> MixtureError? {
    value >= 0 && value.isFinite
      ? nil
      : MixtureError(
        .invalidAnnotation,
        "\(place): the case weight is \(value); it must be finite and not negative.")
  }

  /// The error for a standard deviation that cannot be.
  static func noise(_ value: Double, at place: String) -> MixtureError? {
    value >= 0
      ? nil
      : MixtureError(
        .invalidAnnotation,
        value.isNaN
          ? "\(place): the standard deviation of noise is missing; only where the feature is missing too may it be."
          : "\(place): the standard deviation of noise is \(value); it must not be negative, and in the unit of the "
            + "feature.")
  }
}
