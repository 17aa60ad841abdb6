// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Tables in text: CSV, TSV and the like.
///
/// **Form.** Cells are separated by commas, tabs, semicolons or runs of white space; which of them is seen from the first
/// lines, quotes respected: the delimiter that gives all of them the same number of cells, at least two, and among such
/// the one that makes most cells numbers. Quotes are as in RFC 4180. Lines may end in LF, CR LF or CR, and the last needs
/// no end. Blank lines and lines that begin with `#` are passed over, a UTF-8 byte order mark too. gzip is inflated.
///
/// **Header.** The first line is a header if one of its cells is a name (no number and no mark for a missing value such as
/// NA) and a number stands below it within the first lines, provided that all cells of the first line that are numbers
/// are counting numbers such as 2019; if there are any, a notice tells. A first line of names only, with no number at all
/// below it, is a header too. Without a header the columns are called x1, x2, …; so is a column with an empty name.
///
/// **Columns.** Those named in ``TableOptions/columns`` must hold numbers only. Otherwise a column that holds no number
/// at all is left out, with a notice, and one that mixes numbers and text is an error that names line and column. Empty,
/// NaN and infinite cells are no numbers.
///
/// **Numerics.** Each number becomes the nearest double, ties to even, for any number of digits. Too large for a double
/// is an error, too small is zero.
public enum DelimitedText {
  /// Reads files as one table, the rows of each behind those of the one before; `-` is standard input.
  ///
  /// All must have as many columns as the first, and the same header; a file without one, as `split` makes, may follow
  /// one that has it.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` for a file that cannot be read;
  ///   ``MixtureError/Code/malformedFile`` naming file, line and column for content that is no such table;
  ///   ``MixtureError/Code/emptyObservations`` for a file without rows;
  ///   ``MixtureError/Code/invalidSetting`` for a column that is asked for and not there.
  ///   ``MixtureError/Code/unwritableFile`` if the table needs a temporary file that cannot be written.
  /// - Complexity: O(bytes). The text is read in parts of some hundred kilobytes (a row must fit into one, and may have up
  ///   to 256 MiB); the table takes 8 bytes a cell, in memory or, if `memory` has no room for it, in a temporary file.
  public static func read(
    paths: [String], options: TableOptions = TableOptions(), memory: MemoryLimit? = nil
  ) throws(MixtureError) -> Table {
    try requireInputs(paths)
    var reader = DelimitedTextReader(options: options, memory: memory)
    for path in paths { try reader.read(InputFile(path: path)) }
    return try reader.table()
  }
}

/// Requires at least one path, and standard input once at most.
func requireInputs(_ paths: [String]) throws(MixtureError) {
  guard !paths.isEmpty else {
    throw MixtureError(.invalidSetting, "no file to read is given; name at least one.")
  }
  guard paths.count(where: { $0 == "-" }) <= 1 else {
    throw MixtureError(
      .invalidSetting, "standard input (-) is given twice, but can be read only once.")
  }
}

/// Reads one file after another into a growing table.
struct DelimitedTextReader {
  private let options: TableOptions
  private let memory: MemoryLimit?
  private let windowSize: Int
  private let longestRow: Int
  private var layout: Layout?
  private var rows: GrowingTable?
  private var labels: [String] = []
  /// How many bytes the labels take.
  private var labelBytes = 0
  private var notices: [String] = []

  /// What the first file says about the columns of all.
  private struct Layout {
    let file: String
    let hasHeader: Bool
    let names: [String]
    /// For each column the place among the features, or one of the roles below.
    let roles: [Int32]
    let features: [Int]
    let isExplicit: Bool
    /// The first cell of each column that was left out because of it, and its line.
    let leftOut: [Int: (text: String, line: Int)]

    static let ignored: Int32 = -1
    static let leftOut: Int32 = -2
    static let label: Int32 = -3
  }

  /// A reader of the columns that the options name. How the text is cut into windows changes no result.
  init(
    options: TableOptions, memory: MemoryLimit?, windowSize: Int = TextWindow.usualSize,
    longestRow: Int = TextWindow.longestRow
  ) {
    self.options = options
    self.memory = memory
    self.windowSize = windowSize
    self.longestRow = min(longestRow, memory?.longestRow ?? longestRow)
  }

  /// What was read so far.
  func table() throws(MixtureError) -> Table {
    guard let layout, var rows else {
      throw MixtureError(.emptyObservations, "there is no table; give at least one file.")
    }
    let (parts, storage) = try rows.finish()
    let featureNames = layout.features.map { layout.names[$0] }
    var notices = notices
    let names = layout.leftOut.keys.sorted().map { layout.names[$0] }
    if !names.isEmpty {
      let listed = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", …" : "")
      notices.append(
        names.count == 1
          ? "\(layout.file): column \(listed) holds no number and is left out."
          : "\(layout.file): \(names.count) columns hold no number and are left out: \(listed).")
    }
    return Table(
      source: try ConcatenatedRows(parts, featureNames: featureNames), featureNames: featureNames,
      labels: options.labelColumn == nil ? nil : labels, notices: notices, storage: storage)
  }

  /// Adds the rows of a file.
  mutating func read(_ input: InputFile) throws(MixtureError) {
    try Self.requireText(input)
    let window = try TextWindow(input, size: windowSize, limit: longestRow)
    let opening = try Opening(window, header: layout.flatMap { $0.hasHeader ? $0.names : nil })
    if let layout {
      try Self.requireSameColumns(opening, as: layout, file: input.name)
    } else {
      layout = try Self.layout(of: opening, options: options, file: input.name)
    }
    guard let layout else { return }
    if rows == nil {
      rows = try GrowingTable(
        columnCount: layout.features.count, name: input.name, memory: memory)
    }
    if let notice = opening.notice { notices.append(notice) }
    try readRows(window, opening: opening, layout: layout)
  }

  private static func requireText(_ content: InputFile) throws(MixtureError) {
    let bytes = try content.peek(4096)
    guard !bytes.isEmpty else {
      throw MixtureError(
        .emptyObservations, "\(content.name) is empty; a table needs at least one row.")
    }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw MixtureError(
        .malformedFile,
        "\(content.name) is UTF-16 text; save it as UTF-8, for example with iconv -f UTF-16 -t UTF-8."
      )
    }
    if bytes.starts(with: [0x50, 0x4B, 0x03, 0x04]) {
      throw MixtureError(
        .malformedFile,
        "\(content.name) is a zip archive (as .xlsx and .npz files are), not text. "
          + "Save the table as CSV or .npy.")
    }
    if bytes.contains(0) {
      throw MixtureError(
        .malformedFile, "\(content.name) is not text; save the table as CSV or .npy.")
    }
  }

  private static func layout(
    of opening: Opening, options: TableOptions, file: String
  ) throws(MixtureError) -> Layout {
    let selection = try ColumnSelection(options, names: opening.names, file: file)
    var roles = [Int32](repeating: Layout.ignored, count: opening.names.count)
    var features: [Int] = []
    var leftOut: [Int: (text: String, line: Int)] = [:]
    for column in selection.features {
      let cell = opening.firstRow[column]
      if selection.isExplicit || cell.isNumber {
        roles[column] = Int32(features.count)
        features.append(column)
      } else {
        roles[column] = Layout.leftOut
        leftOut[column] = (cell.text, opening.firstRowLine)
      }
    }
    if let label = selection.label { roles[label] = Layout.label }
    guard !features.isEmpty else {
      let cell = opening.firstRow[selection.features[0]].text
      throw MixtureError(
        .malformedFile,
        "\(file), line \(opening.firstRowLine): none of the cells is a number; the first is "
          + "\(quoted(cell)). A table needs at least one column of numbers"
          + (isDecimalComma(cell) ? ", with points and not commas in them." : "."))
    }
    return Layout(
      file: file, hasHeader: opening.hasHeader, names: opening.names, roles: roles,
      features: features, isExplicit: selection.isExplicit, leftOut: leftOut)
  }

  private static func requireSameColumns(
    _ opening: Opening, as layout: Layout, file: String
  ) throws(MixtureError) {
    guard opening.names.count == layout.names.count else {
      throw MixtureError(
        .malformedFile,
        "\(file) has \(opening.names.count) columns, but \(layout.file) has \(layout.names.count); "
          + "files read as one table need the same columns.")
    }
    guard opening.hasHeader else { return }
    guard layout.hasHeader else {
      throw MixtureError(
        .malformedFile,
        "\(file) has a header (\(opening.names.prefix(5).joined(separator: ", ")) …), but "
          + "\(layout.file) has none; files read as one table need the same columns.")
    }
    for (column, name) in opening.names.enumerated() where name != layout.names[column] {
      throw MixtureError(
        .malformedFile,
        "column \(column + 1) is named \(name) in \(file), but \(layout.names[column]) in "
          + "\(layout.file); files read as one table need the same columns.")
    }
  }

  /// Reads all rows below the opening, window after window.
  private mutating func readRows(
    _ window: TextWindow, opening: Opening, layout: Layout
  ) throws(MixtureError) {
    guard var table = rows else { return }
    rows = nil
    var place = Place(scanner: CellScanner(window, delimiter: opening.delimiter))
    if opening.hasHeader, place.scanner.moveToRow() {
      while try !place.scanner.nextCell().endsLine {}
    }
    while true {
      do throws(MixtureError) {
        try readRows(of: window, opening: opening, layout: layout, into: &table, &place)
        guard !window.isFinal else { break }
        try window.move(to: place.scanner.position, line: place.scanner.line)
        place.scanner.enter(window, line: place.scanner.line)
      } catch {
        guard place.scanner.isCut, !window.isFinal else { throw error }
        // The row goes on behind the window, so it is begun anew in a larger one.
        labels.removeLast(labels.count - place.rowLabels)
        try window.move(to: place.row, line: place.rowLine, isCut: true)
        place.scanner.enter(window, line: place.rowLine)
      }
    }
    rows = table
  }

  /// How far the reading has come.
  private struct Place {
    var scanner: CellScanner
    /// Where the row that is read begins, its line, and how many labels there were before it.
    var row: UnsafePointer<UInt8>
    var rowLine = 1
    var rowLabels = 0

    init(scanner: CellScanner) {
      self.scanner = scanner
      row = scanner.position
    }
  }

  /// Reads the rows of a window.
  private mutating func readRows(
    of window: TextWindow, opening: Opening, layout: Layout, into table: inout GrowingTable,
    _ place: inout Place
  ) throws(MixtureError) {
    let featureCount = layout.features.count
    let last = layout.names.count - 1
    let delimiter = opening.delimiter.byte
    let isWhitespace = opening.delimiter == .whitespace
    let newline = UInt8(ascii: "\n")
    let space = UInt8(ascii: " ")
    var elements = table.elements
    var capacity = table.capacity
    var rowCount = table.rowCount
    var scanner = place.scanner
    defer {
      table.rowCount = rowCount
      place.scanner = scanner
    }
    try layout.roles.withUnsafeBufferPointer { (roles) throws(MixtureError) in
      while scanner.moveToRow() {
        let rowLine = scanner.line
        place.row = scanner.position
        place.rowLine = rowLine
        place.rowLabels = labels.count
        let row = elements + rowCount * featureCount
        var column = 0
        var p = scanner.position
        rowCells: while true {
          let role = Int(roles[column])
          plainCell: if role >= 0 {
            while p.pointee == space { p += 1 }
            var value = 0.0
            var q = DecimalNumber.scan(p, value: &value)
            if q != p, value.magnitude <= .greatestFiniteMagnitude {
              if isWhitespace { while q.pointee == space || q.pointee == 9 { q += 1 } }
              // The plain cases; all others are left to the scanner, which begins the cell anew.
              if column < last {
                let isNext =
                  isWhitespace
                  ? q != p && q[-1] <= space && q.pointee > space : q.pointee == delimiter
                if isNext {
                  row[role] = value
                  p = isWhitespace ? q : q + 1
                  column += 1
                  continue rowCells
                }
              } else {
                if q.pointee == UInt8(ascii: "\r") { q += 1 }
                guard q.pointee == newline else { break plainCell }
                row[role] = value
                scanner.position = q + 1
                scanner.line += 1
                break rowCells
              }
            }
          }
          scanner.position = p
          let cell = try scanner.nextCell()
          p = scanner.position
          switch roles[column] {
          case Layout.ignored: break
          case Layout.label:
            let text = cell.text
            // Short texts lie in the array itself; whoever uses them puts a number beside each.
            labelBytes += text.utf8.count > 15 ? 56 + text.utf8.count : 24
            labels.append(text)
          case Layout.leftOut:
            if cell.number != nil { throw Self.mixed(layout, column: column) }
          default:
            guard let value = cell.number, value.isFinite else {
              throw Self.notANumber(
                cell.text, file: window.name, line: rowLine, column: column, layout: layout)
            }
            row[role] = value
          }
          if cell.endsLine || column == last {
            guard cell.endsLine, column == last else {
              var count = column + 1
              if !cell.endsLine {
                count += 1
                while try !scanner.nextCell().endsLine { count += 1 }
              }
              throw Self.ragged(count, file: window.name, line: rowLine, opening: opening)
            }
            break rowCells
          }
          column += 1
        }
        rowCount += 1
        if rowCount == capacity {
          try table.makeRoom(behind: rowCount, otherBytes: labelBytes)
          elements = table.elements
          capacity = table.capacity
          rowCount = 0
        }
      }
    }
  }

  private static func ragged(
    _ count: Int, file: String, line: Int, opening: Opening
  ) -> MixtureError {
    MixtureError(
      .malformedFile,
      "\(file), line \(line): got \(count) cells, expected \(opening.names.count) as in line "
        + "\(opening.firstLine). Correct the line, or put cells that hold the delimiter in quotes.")
  }

  private static func mixed(_ layout: Layout, column: Int) -> MixtureError {
    let cell = layout.leftOut[column] ?? ("", 0)
    return notANumber(
      cell.text, file: layout.file, line: cell.line, column: column, layout: layout)
  }

  private static func notANumber(
    _ text: String, file: String, line: Int, column: Int, layout: Layout
  ) -> MixtureError {
    let name = layout.names[column]
    let hasName = layout.hasHeader && name != automaticName(column)
    let place = "\(file), line \(line), column \(column + 1)" + (hasName ? " (\(name))" : "")
    let fault: String
    if text.isEmpty {
      fault = "the cell is empty; every cell must hold a number."
    } else if DecimalNumber.value(text) != nil {
      fault = "\(quoted(text)) is too large for a double (limit 1.8e308)."
    } else {
      fault = "\(quoted(text)) is not a number."
    }
    // A name that the shell or the list of columns would split is no use in advice.
    let isPlain =
      !name.isEmpty && name.allSatisfy { $0.isLetter || $0.isNumber || "_.-".contains($0) }
    let isUnique = layout.names.count(where: { $0 == name }) == 1
    let reference = hasName && isPlain && isUnique ? name : String(column + 1)
    let remedy: String
    if isDecimalComma(text) {
      remedy = "Write numbers with a decimal point."
    } else if layout.isExplicit {
      remedy = "Correct the cell, remove the row, or choose other columns."
    } else {
      remedy = "Use --exclude \(reference) to leave the column out, or remove the row."
    }
    return MixtureError(.malformedFile, "\(place): \(fault) \(remedy)")
  }

  private static func isDecimalComma(_ text: String) -> Bool {
    text.count(where: { $0 == "," }) == 1 && !text.contains(".")
      && DecimalNumber.value(text.replacing(",", with: ".")) != nil
  }

  /// The text in quotes, shortened, without bytes that would disturb a terminal.
  private static func quoted(_ text: String) -> String {
    let plain = String(
      String.UnicodeScalarView(
        text.unicodeScalars.prefix(40).map { $0.properties.generalCategory == .control ? " " : $0 })
    )
    return "\"\(plain)\(text.unicodeScalars.count > 40 ? "…" : "")\""
  }
}

/// The name of a column without one.
func automaticName(_ column: Int) -> String { "x\(column + 1)" }
