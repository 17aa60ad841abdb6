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
///
/// A cell holds a label, or several with `|` between them, of which the row belongs to one: `setosa|virginica`. So no label
/// holds that sign.
public struct KnownLabels: Sendable, Equatable {
  /// The different labels, in order of first appearance: label k names component k.
  public private(set) var names: [String] = []
  /// The different sets of labels that rows belong to, in order of first appearance, with
  /// `KnownComponents.background` for the background.
  public private(set) var sets: [Set<Int>] = []
  /// For each row the number of its set; −1 where nothing is known.
  public private(set) var numbers: [Int32] = []
  /// What stands for the background; it is none of the names.
  public let backgroundLabel: String?
  private var labels: [String: Int] = [:]
  private var cells: [String: Int32] = [:]
  private var setNumbers: [Set<Int>: Int32] = [:]

  /// What separates the labels of a cell.
  public static let separator: Character = "|"

  /// No rows yet.
  init(backgroundLabel: String? = nil) { self.backgroundLabel = backgroundLabel }

  /// The labels that a row may belong to; nil if nothing is known of it.
  public subscript(row: Int) -> Set<Int>? {
    numbers[row] < 0 ? nil : sets[Int(numbers[row])]
  }

  /// What a label's number stands for, in words.
  public func name(_ label: Int) -> String {
    label == KnownComponents.background ? backgroundLabel ?? "" : names[label]
  }

  /// How many rows belong to each set.
  public var rowCounts: [Int] {
    var counts = Array(repeating: 0, count: sets.count)
    for number in numbers where number >= 0 { counts[Int(number)] += 1 }
    return counts
  }

  /// Whether a cell names the background.
  public var hasBackground: Bool { sets.contains { $0.contains(KnownComponents.background) } }

  /// Whether a cell says that nothing is known.
  static func isUnknown(_ text: String) -> Bool { text.isEmpty || MissingMark.matches(text) }

  /// Takes the cell of the next row.
  ///
  /// - Throws: ``MixtureError/Code/malformedFile`` for a cell of several labels of which one is empty or there twice.
  mutating func append(
    _ text: String, at place: @autoclosure () -> String
  ) throws(MixtureError) {
    if let number = cells[text] {
      numbers.append(number)
      return
    }
    guard !Self.isUnknown(text) || text == backgroundLabel else {
      numbers.append(-1)
      return
    }
    let parts = text.split(separator: Self.separator, omittingEmptySubsequences: false)
    var set: Set<Int> = []
    for part in parts {
      let bare = parts.count == 1 ? text : part.trimmed
      guard !Self.isUnknown(bare) || bare == backgroundLabel else {
        throw MixtureError(
          .malformedFile,
          "\(place()): \"\(text)\" has a label that is empty. Write labels of which one is right as a|b, and leave the cell "
            + "empty if nothing is known.")
      }
      guard set.insert(number(of: bare)).inserted else {
        throw MixtureError(
          .malformedFile,
          "\(place()): \"\(text)\" names \"\(bare)\" twice; name each label once.")
      }
    }
    let number = setNumbers[set] ?? Int32(sets.count)
    if setNumbers[set] == nil {
      setNumbers[set] = number
      sets.append(set)
    }
    cells[text] = number
    numbers.append(number)
  }

  private mutating func number(of label: String) -> Int {
    if label == backgroundLabel { return KnownComponents.background }
    if let number = labels[label] { return number }
    labels[label] = names.count
    names.append(label)
    return names.count - 1
  }

  /// Forgets all but the first rows.
  mutating func truncate(to count: Int) { numbers.removeLast(numbers.count - count) }

  /// What a fit is told.
  public var components: KnownComponents {
    KnownComponents(sets: numbers.map { $0 < 0 ? nil : sets[Int($0)] })
  }
}

extension Substring {
  /// Without spaces and tabs at either end.
  fileprivate var trimmed: String {
    var text = self
    while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
    while let last = text.last, last == " " || last == "\t" { text.removeLast() }
    return String(text)
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
