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
/// **Limits.** With ``TableOptions/readsLimits`` a cell may hold limits of its value in place of it: `<2.5`, `>40` or
/// `1.5..2.5`; a value of a density lies on a limit with probability zero, so that `<=2.5` says the same as `<2.5`.
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
  private var known: KnownLabels
  /// The cells that hold limits, by row, and the places of their features.
  private var limited: [LimitedCell] = []
  private var places = RowPlaces()
  /// Whether the table is one of limits, whose cells may be infinite or missing.
  private let holdsLimits: Bool
  /// How many rows were read.
  private var rowTotal = 0

  /// What the first file says about the columns of all.
  private struct Layout {
    let file: String
    let hasHeader: Bool
    let names: [String]
    /// For each column the place in a row, or one of the roles below. Weight and noise stand behind the features.
    var roles: [Int32]
    let features: [Int]
    /// The columns of weight, noise and limits, in the order of their places.
    let annotations: [Int]
    /// The places of the weight, noise and limits in a row.
    let weightPlace: Int?
    let noisePlaces: Range<Int>
    let lowerPlaces: Range<Int>
    let upperPlaces: Range<Int>
    let isExplicit: Bool
    let allowsGaps: Bool
    let readsLimits: Bool
    let holdsLimits: Bool
    /// The first cell of each column that was left out because of it, and its line.
    var leftOut: [Int: (text: String, line: Int)]

    /// How many numbers a row has.
    var width: Int { features.count + annotations.count }

    static let ignored: Int32 = -1
    static let leftOut: Int32 = -2
    static let label: Int32 = -3
    static let known: Int32 = -4
    static let labelAndKnown: Int32 = -5
    /// Columns whose cells so far are all missing have their place below this.
    static let open: Int32 = -16
    static func open(_ place: Int) -> Int32 { open - Int32(place) }
    static func place(ofOpen role: Int32) -> Int { Int(open - role) }
  }

  /// A reader of the columns that the options name. How the text is cut into windows changes no result.
  ///
  /// - Parameter holdsLimits: Whether the table is one of limits: all columns are taken, and their cells may be infinite, or
  ///   missing where there is no limit.
  init(
    options: TableOptions, memory: MemoryLimit?, holdsLimits: Bool = false,
    windowSize: Int = TextWindow.usualSize, longestRow: Int = TextWindow.longestRow
  ) {
    self.options = options
    self.memory = memory
    self.holdsLimits = holdsLimits
    known = KnownLabels(backgroundLabel: options.backgroundLabel)
    self.windowSize = windowSize
    self.longestRow = min(longestRow, memory?.longestRow ?? longestRow)
  }

  /// What was read so far.
  func table() throws(MixtureError) -> Table {
    guard let layout, var rows else {
      throw MixtureError(.emptyObservations, "there is no table; give at least one file.")
    }
    let (parts, storage) = try rows.finish()
    if let memory, options.hasAnnotations || options.hasLimits {
      // What rows carry stays in memory, wherever their features lie.
      _ = try memory.tableBytes(
        featureCount: layout.features.count,
        leastBytes: annotationBytes
          + GrowingTable.leastBytes(columnCount: layout.width, threadCount: memory.threadCount))
    }
    // A column that turned out to hold no number is none of the features.
    let kept = layout.features.indices.filter {
      layout.isExplicit || layout.roles[layout.features[$0]] >= 0
    }
    guard !kept.isEmpty else {
      throw MixtureError(
        .malformedFile, "\(layout.file): no column holds a number; a table needs at least one.")
    }
    let featureNames = kept.map { layout.names[layout.features[$0]] }
    var notices = notices
    let leftOut =
      Array(layout.leftOut.keys)
      + layout.features.indices.filter { !kept.contains($0) }.map { layout.features[$0] }
    let names = Set(leftOut).sorted().map { layout.names[$0] }
    if !names.isEmpty {
      let listed = names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", …" : "")
      notices.append(
        names.count == 1
          ? "\(layout.file): column \(listed) holds no number and is left out."
          : "\(layout.file): \(names.count) columns hold no number and are left out: \(listed).")
    }
    var chosen: [any ObservationSource] = []
    for part in parts {
      chosen.append(kept.count == layout.width ? part : try Self.selecting(kept, of: part))
    }
    var table = Table(
      source: try ConcatenatedRows(chosen, featureNames: featureNames), featureNames: featureNames,
      labels: options.labelColumn == nil ? nil : labels, notices: notices, storage: storage,
      columns: kept.map { layout.features[$0] }, places: places)
    if options.knownLabelColumn != nil { table.knownLabels = known }
    let carried = try ConcatenatedRows(parts)
    if let place = layout.weightPlace { table.weights = try carried.values(of: [place]) }
    func matrix(_ places: Range<Int>) throws(MixtureError) -> Matrix? {
      guard !places.isEmpty else { return nil }
      return try Matrix(
        rowCount: rowTotal, columnCount: places.count,
        elements: carried.values(of: Array(places)))
    }
    table.noise = try matrix(layout.noisePlaces)
    table.lowerLimits = try matrix(layout.lowerPlaces)
    table.upperLimits = try matrix(layout.upperPlaces)
    if !limited.isEmpty {
      func open(_ value: Double) -> Matrix {
        Matrix(repeating: value, rowCount: rowTotal, columnCount: kept.count)
      }
      var limits = CensoringLimits(lower: open(-.infinity), upper: open(.infinity))
      for cell in limited {
        let j = kept.firstIndex(of: cell.place)!
        limits.lower[cell.row, j] = cell.limits.lower
        limits.upper[cell.row, j] = cell.limits.upper
      }
      table.limits = limits
    }
    return table
  }

  /// How many bytes what rows carry takes.
  private var annotationBytes: Int {
    guard options.hasAnnotations || options.hasLimits else { return 0 }
    return rowTotal
      * options.annotationBytesPerRow(featureCount: layout?.features.count ?? 0)
      + places.byteCount + limited.count * 2 * MemoryLayout<LimitedCell>.stride
  }

  private static func selecting(
    _ columns: [Int], of part: any ObservationSource
  ) throws(MixtureError) -> any ObservationSource {
    if let part = part as? MappedMatrix { return try part.selecting(columns: columns) }
    if let part = part as? StreamedMatrix { return try part.selecting(columns: columns) }
    return part
  }

  /// Adds the rows of a file.
  mutating func read(_ input: InputFile) throws(MixtureError) {
    try Self.requireText(input)
    let window = try TextWindow(input, size: windowSize, limit: longestRow)
    let opening = try Opening(
      window, header: layout.flatMap { $0.hasHeader ? $0.names : nil },
      readsLimits: options.readsLimits)
    if let layout {
      try Self.requireSameColumns(opening, as: layout, file: input.name)
    } else {
      layout = try Self.layout(
        of: opening, options: options, holdsLimits: holdsLimits, file: input.name)
    }
    guard let layout else { return }
    if rows == nil {
      rows = try GrowingTable(
        columnCount: layout.width, name: input.name, memory: memory)
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
    of opening: Opening, options: TableOptions, holdsLimits: Bool, file: String
  ) throws(MixtureError) -> Layout {
    let selection = try ColumnSelection(options, names: opening.names, file: file)
    var roles = [Int32](repeating: Layout.ignored, count: opening.names.count)
    var features: [Int] = []
    var leftOut: [Int: (text: String, line: Int)] = [:]
    for column in selection.features {
      let cell = opening.firstRow[column]
      // As long as a column is not chosen by name, its first number decides that it is a feature.
      if !selection.isExplicit, !holdsLimits, options.allowsGaps, MissingMark.matches(cell.text) {
        roles[column] = Layout.open(features.count)
        features.append(column)
      } else if selection.isExplicit || holdsLimits || cell.isNumber {
        roles[column] = Int32(features.count)
        features.append(column)
      } else {
        roles[column] = Layout.leftOut
        leftOut[column] = (cell.text, opening.firstRowLine)
      }
    }
    if let label = selection.label { roles[label] = Layout.label }
    if let known = selection.known {
      roles[known] = known == selection.label ? Layout.labelAndKnown : Layout.known
    }
    let annotations =
      (selection.weight.map { [$0] } ?? []) + selection.noise + selection.lower + selection.upper
    for (index, column) in annotations.enumerated() {
      guard roles[column] == Layout.ignored else {
        throw MixtureError(
          .invalidSetting,
          "column \(opening.names[column]) of \(file) has two uses; weights, noise, limits and labels need a column "
            + "each."
        )
      }
      roles[column] = Int32(features.count + index)
    }
    guard !features.isEmpty else {
      let cell = opening.firstRow[selection.features[0]].text
      throw MixtureError(
        .malformedFile,
        "\(file), line \(opening.firstRowLine): none of the cells is a number; the first is "
          + "\(quoted(cell)). A table needs at least one column of numbers"
          + (isDecimalComma(cell) ? ", with points and not commas in them." : "."))
    }
    var end = features.count
    func places(_ count: Int) -> Range<Int> {
      end += count
      return end - count..<end
    }
    let weightPlace = places(selection.weight == nil ? 0 : 1).first
    let noisePlaces = places(selection.noise.count)
    let lowerPlaces = places(selection.lower.count)
    return Layout(
      file: file, hasHeader: opening.hasHeader, names: opening.names, roles: roles,
      features: features, annotations: annotations, weightPlace: weightPlace,
      noisePlaces: noisePlaces, lowerPlaces: lowerPlaces,
      upperPlaces: places(selection.upper.count),
      isExplicit: selection.isExplicit || holdsLimits, allowsGaps: options.allowsGaps,
      readsLimits: options.readsLimits, holdsLimits: holdsLimits, leftOut: leftOut)
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
    var layout = layout
    defer { self.layout = layout }
    var place = Place(scanner: CellScanner(window, delimiter: opening.delimiter))
    if opening.hasHeader, place.scanner.moveToRow() {
      while try !place.scanner.nextCell().endsLine {}
    }
    while true {
      do throws(MixtureError) {
        try readRows(of: window, opening: opening, layout: &layout, into: &table, &place)
        guard !window.isFinal else { break }
        try window.move(to: place.scanner.position, line: place.scanner.line)
        place.scanner.enter(window, line: place.scanner.line)
      } catch {
        guard place.scanner.isCut, !window.isFinal else { throw error }
        // The row goes on behind the window, so it is begun anew in a larger one.
        labels.removeLast(labels.count - place.rowLabels)
        if options.knownLabelColumn != nil { known.truncate(to: rowTotal) }
        while let last = limited.last, last.row == rowTotal { limited.removeLast() }
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
    of window: TextWindow, opening: Opening, layout: inout Layout, into table: inout GrowingTable,
    _ place: inout Place
  ) throws(MixtureError) {
    let featureCount = layout.width
    let isAnnotated = options.hasAnnotations || options.hasLimits || holdsLimits
    // Files of weights, and labels, are told of by their lines too.
    let isPlaced = featureCount == 1 || options.labelColumn != nil || options.placesRows
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
    var roles = layout.roles
    defer { layout.roles = roles }
    do {
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
          case Layout.known:
            try known.append(
              cell.text,
              at: Self.place(file: window.name, line: rowLine, column: column, layout: layout))
          case Layout.labelAndKnown:
            let text = cell.text
            labelBytes += text.utf8.count > 15 ? 56 + text.utf8.count : 24
            labels.append(text)
            try known.append(
              text, at: Self.place(file: window.name, line: rowLine, column: column, layout: layout)
            )
          case Layout.leftOut:
            if cell.number != nil || layout.readsLimits && CellLimits.matches(cell.text) {
              throw Self.mixed(layout, column: column)
            }
          case ...Layout.open:
            row[Layout.place(ofOpen: roles[column])] = .nan
            if MissingMark.matches(cell.text) { break }
            if let value = cell.number, value.isFinite {
              let place = Layout.place(ofOpen: roles[column])
              row[place] = value
              roles[column] = Int32(place)
            } else if layout.readsLimits, let limits = CellLimits(cell.text) {
              let place = Layout.place(ofOpen: roles[column])
              try limits.requireOrder(
                Self.place(file: window.name, line: rowLine, column: column, layout: layout))
              limited.append(LimitedCell(row: rowTotal, place: place, limits: limits))
              roles[column] = Int32(place)
            } else if cell.number == nil {
              roles[column] = Layout.leftOut
              layout.leftOut[column] = (cell.text, rowLine)
            } else {
              throw Self.notANumber(
                cell.text, file: window.name, line: rowLine, column: column, layout: layout)
            }
          default:
            if role >= layout.features.count || layout.holdsLimits {
              row[role] = try Self.annotation(
                cell, file: window.name, line: rowLine, column: column, layout: layout)
              break
            }
            if layout.allowsGaps, MissingMark.matches(cell.text) {
              row[role] = .nan
              break
            }
            if layout.readsLimits, let limits = CellLimits(cell.text) {
              try limits.requireOrder(
                Self.place(file: window.name, line: rowLine, column: column, layout: layout))
              limited.append(LimitedCell(row: rowTotal, place: role, limits: limits))
              row[role] = .nan
              break
            }
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
        if isAnnotated {
          try checkAnnotations(
            UnsafeMutableBufferPointer(start: row, count: featureCount), line: rowLine,
            file: window.name, layout: layout)
        }
        if isAnnotated || isPlaced { places.note(rowTotal, line: rowLine, file: window.name) }
        rowTotal += 1
        rowCount += 1
        if rowCount == capacity {
          try table.makeRoom(behind: rowCount, otherBytes: labelBytes + annotationBytes)
          elements = table.elements
          capacity = table.capacity
          rowCount = 0
        }
      }
    }
  }

  /// A cell of weight or noise: a number, infinity, or nothing where a feature may be missing.
  private static func annotation(
    _ cell: CellScanner.Cell, file: String, line: Int, column: Int, layout: Layout
  ) throws(MixtureError) -> Double {
    let text = cell.text
    if let value = cell.number, value.isFinite { return value }
    if text.isEmpty || MissingMark.matches(text) { return .nan }
    switch text.lowercased() {
    case "inf", "+inf", "infinity", "+infinity": return .infinity
    case "-inf", "-infinity": return -.infinity
    default:
      throw notANumber(text, file: file, line: line, column: column, layout: layout)
    }
  }

  /// Requires a weight and noise that can be. Noise of a missing cell may be missing too, and then tells nothing.
  private func checkAnnotations(
    _ row: UnsafeMutableBufferPointer<Double>, line: Int, file: String, layout: Layout
  ) throws(MixtureError) {
    func place(_ index: Int) -> String {
      let column = layout.annotations[index]
      return Self.place(file: file, line: line, column: column, layout: layout)
    }
    if let index = layout.weightPlace,
      let error = AnnotationCheck.weight(row[index], at: place(0))
    {
      throw error
    }
    for index in layout.noisePlaces {
      let feature = index - layout.noisePlaces.lowerBound
      if row[index].isNaN, feature < layout.features.count, row[feature].isNaN {
        row[index] = .infinity
      }
      if let error = AnnotationCheck.noise(
        row[index], at: place(index - layout.features.count))
      {
        throw error
      }
    }
  }

  /// Where a cell stands, in words.
  private static func place(file: String, line: Int, column: Int, layout: Layout) -> String {
    let name = layout.names[column]
    let hasName = layout.hasHeader && name != automaticName(column)
    return "\(file), line \(line), column \(column + 1)" + (hasName ? " (\(name))" : "")
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
    let place = Self.place(file: file, line: line, column: column, layout: layout)
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
    let otherwise =
      layout.isExplicit ? "remove the row" : "--exclude \(reference) to leave the column out"
    let remedy: String
    if !layout.allowsGaps, MissingMark.matches(text) {
      remedy = "Use --missing to allow gaps, or \(otherwise)."
    } else if !layout.readsLimits, CellLimits.matches(text) {
      remedy = "Use --limits to read it as limits of a value that is not known, or \(otherwise)."
    } else if isDecimalComma(text) {
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
