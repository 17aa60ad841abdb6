// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Mixtures

/// What the first lines of a delimited text tell: the delimiter, whether there is a header, and the columns' names.
struct Opening {
  /// One cell of a line that was looked at.
  struct Cell {
    let text: String
    let isNumber: Bool

    /// Whether it could be the name of a column: no number, and no mark for a missing one.
    var isName: Bool { !isNumber && !Self.missingMarks.contains(text.lowercased()) }

    /// Whether it could be a name although it is a number, such as a year.
    var isCount: Bool { isNumber && !text.isEmpty && text.utf8.allSatisfy { $0 &- 48 < 10 } }

    private static let missingMarks: Set<String> = [
      "", "na", "n/a", "#n/a", "nan", "null", "nil", "none", "-", "--", "?", ".", "inf", "+inf",
      "-inf",
      "infinity", "+infinity", "-infinity", "+nan", "-nan",
    ]
  }

  /// What separates the cells.
  let delimiter: Delimiter
  /// Whether the first line names the columns.
  let hasHeader: Bool
  /// The name of each column, from the header or its place.
  let names: [String]
  /// The number of the first line that is no comment.
  let firstLine: Int
  /// The first row of data, with as many cells as there are names.
  let firstRow: [Cell]
  /// The number of its line.
  let firstRowLine: Int
  /// What the user should know about how the header was found.
  let notice: String?

  /// Some rows from the top, cut into cells by one delimiter.
  private struct Probe {
    let delimiter: Delimiter
    var rows: [(line: Int, cells: [Cell])] = []
    var fault: MixtureError?
    /// Whether it came to the end of the window before it had seen enough.
    var isCut = false

    init(_ window: TextWindow, delimiter: Delimiter, readsLimits: Bool) {
      self.delimiter = delimiter
      var scanner = CellScanner(window, delimiter: delimiter)
      var cellCount = 0
      do throws(MixtureError) {
        while rows.count < 2 || (rows.count < 24 && cellCount < 20_000) {
          guard scanner.moveToRow() else {
            isCut = true
            break
          }
          let line = scanner.line
          var cells: [Cell] = []
          var endsLine = false
          while !endsLine {
            let cell = try scanner.nextCell()
            let text = cell.text
            cells.append(
              Cell(
                text: text,
                isNumber: cell.number != nil || readsLimits && CellLimits.matches(text)))
            endsLine = cell.endsLine
          }
          cellCount += cells.count
          rows.append((line, cells))
        }
      } catch {
        fault = error
        isCut = scanner.isCut
      }
    }

    /// Better is greater: rows that agree, then cells that are numbers; nil if nothing is separated at all.
    var merit: (Int, Int)? {
      guard fault == nil, let first = rows.first, rows.contains(where: { $0.cells.count > 1 })
      else {
        return nil
      }
      let agrees = rows.allSatisfy { $0.cells.count == first.cells.count }
      return (agrees ? 1 : 0, numberCount)
    }

    var numberCount: Int { rows.reduce(0) { $0 + $1.cells.count(where: \.isNumber) } }
  }

  /// Looks at the first lines of a text; the window grows until it holds enough of them.
  ///
  /// - Parameters:
  ///   - header: The header of a file before this one, if there was one.
  ///   - readsLimits: Whether cells that hold limits count as numbers.
  /// - Throws: ``MixtureError/Code/emptyObservations`` if there is no row of data;
  ///   ``MixtureError/Code/malformedFile`` if the quotes do not close, or the first row does not fit the header.
  init(
    _ window: TextWindow, header: [String]?, readsLimits: Bool = false
  ) throws(MixtureError) {
    let delimiters = [Delimiter.comma, .semicolon, .tab, .whitespace]
    var probes = delimiters.map { Probe(window, delimiter: $0, readsLimits: readsLimits) }
    while !window.isFinal, probes.contains(where: \.isCut), try window.extend() {
      probes = delimiters.map { Probe(window, delimiter: $0, readsLimits: readsLimits) }
    }
    var best = probes[0]
    var bestMerit = best.merit
    for probe in probes.dropFirst() {
      let delimiter = probe.delimiter
      guard let merit = probe.merit else { continue }
      // A name of two words above a single column does not make it two.
      if delimiter == .whitespace, bestMerit == nil, merit <= (0, best.numberCount) { continue }
      // Of equals a tab says more than a semicolon, that more than a comma, and white space least.
      if bestMerit.map({ delimiter == .whitespace ? $0 < merit : $0 <= merit }) ?? true {
        best = probe
        bestMerit = merit
      }
    }
    if let fault = best.fault { throw fault }
    // Throws, because the window could not be extended.
    if best.rows.isEmpty, !window.isFinal {
      try window.move(to: window.start, line: 1, isCut: true)
    }
    guard let first = best.rows.first else {
      throw MixtureError(
        .emptyObservations, "\(window.name) holds no rows; a table needs at least one.")
    }
    let below = best.rows.dropFirst()
    let columnNames = first.cells.enumerated().map {
      $1.text.isEmpty ? automaticName($0) : $1.text
    }
    delimiter = best.delimiter
    firstLine = first.line

    let repeatsHeader = header.map { $0 == columnNames } ?? false
    var isUnsure = false
    if repeatsHeader {
      hasHeader = true
    } else {
      let rowsBelow = below.map(\.cells)
      let standsAboveNumber = first.cells.indices.contains { column in
        first.cells[column].isName
          && rowsBelow.contains { column < $0.count && $0[column].isNumber }
      }
      let isAllNames = first.cells.allSatisfy(\.isName)
      let hasNumber = first.cells.contains(where: \.isNumber)
      let numbersCouldBeNames = first.cells.allSatisfy { !$0.isNumber || $0.isCount }
      let hasNumberBelow = rowsBelow.contains { $0.contains(where: \.isNumber) }
      hasHeader = (standsAboveNumber && numbersCouldBeNames) || (isAllNames && !hasNumberBelow)
      isUnsure = hasHeader && hasNumber
    }
    notice =
      isUnsure
      ? "\(window.name): line \(first.line) is taken as the header, "
        + "because not all of its cells are numbers." : nil
    names =
      hasHeader ? columnNames : first.cells.indices.map(automaticName)
    guard let data = hasHeader ? below.first : first else {
      throw MixtureError(
        .emptyObservations,
        "\(window.name) has a header (\(columnNames.prefix(5).joined(separator: ", "))"
          + "\(columnNames.count > 5 ? ", …" : "")) but no rows below it.")
    }
    guard data.cells.count == names.count else {
      throw MixtureError(
        .malformedFile,
        "\(window.name), line \(data.line): got \(data.cells.count) cells, expected \(names.count) "
          + "as in line \(first.line). Correct the line, or put cells that hold the delimiter in quotes."
      )
    }
    firstRow = data.cells
    firstRowLine = data.line
  }
}
