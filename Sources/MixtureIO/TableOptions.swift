// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Which columns of a table are features.
///
/// A column is named by its name in the header, or by its number, counted from 1; a name that looks like a number is
/// taken as a name if the header has it.
public struct TableOptions: Sendable, Equatable {
  /// The columns to take, in this order; nil takes all that hold numbers, in the order of the table.
  public var columns: [String]?
  /// Names to take, in this order, if `columns` is nil and the table has all of them. If it has none they have no effect; if
  /// it has only some, that is an error. A model's features find their columns in this way, wherever they stand.
  public var preferredColumns: [String]?
  /// The columns to leave out.
  public var excluded: [String]
  /// A column whose cells are read as text and returned apart; it is no feature.
  public var labelColumn: String?
  /// Whether cells may be missing: in text those that are empty, or NA, N/A, NaN or NULL in any case; in arrays NaN.
  public var allowsMissing: Bool
  /// A column of case weights; it is no feature.
  public var weightColumn: String?
  /// A column that names the component that a row is known to belong to, or with `a|b` several of which it belongs to one;
  /// empty where nothing is known. It is no feature.
  public var knownLabelColumn: String?
  /// The columns with the standard deviation of each feature's noise, in the order of the features; they are no features.
  public var noiseColumns: [String]
  /// Whether cells of text may hold limits in place of a value: `<2.5` or `<=2.5`, `>40` or `>=40`, and `1.5..2.5`.
  public var readsLimits = false
  /// The columns with the lower limit of each feature's cells without a value, in the order of the features; they are no
  /// features.
  public var lowerColumns: [String] = []
  /// The columns with the upper limits.
  public var upperColumns: [String] = []
  /// Whether limits of cells without a value come from elsewhere, so that cells may be empty as if they were missing.
  public var hasOtherLimits = false
  /// Whether rows may hold projections of their features, which leave cells empty.
  public var hasProjections = false
  /// Whether rows are told of by their lines even if nothing that they carry is read with them.
  public var placesRows = false
  /// What stands in the column of known labels for the background, alone or as one of several.
  public var backgroundLabel: String?

  /// Options; the default takes all columns that hold numbers.
  public init(
    columns: [String]? = nil, excluded: [String] = [], labelColumn: String? = nil,
    allowsMissing: Bool = false, weightColumn: String? = nil, knownLabelColumn: String? = nil,
    noiseColumns: [String] = []
  ) {
    self.columns = columns
    self.excluded = excluded
    self.labelColumn = labelColumn
    self.allowsMissing = allowsMissing
    self.weightColumn = weightColumn
    self.knownLabelColumn = knownLabelColumn
    self.noiseColumns = noiseColumns
  }

  /// Whether columns, limits or gaps are asked for that rows carry beside their features.
  var hasAnnotations: Bool {
    allowsGaps || weightColumn != nil || knownLabelColumn != nil || !noiseColumns.isEmpty
  }

  /// Whether limits are asked for.
  var hasLimits: Bool {
    readsLimits || !lowerColumns.isEmpty || !upperColumns.isEmpty || hasOtherLimits
  }

  /// Whether cells may be without a value. Of which nothing is known of those is found when all is read.
  var allowsGaps: Bool {
    allowsMissing || !lowerColumns.isEmpty || !upperColumns.isEmpty || hasOtherLimits
      || hasProjections
  }

  /// How many bytes of memory what rows carry takes for each of them.
  func annotationBytesPerRow(featureCount d: Int) -> Int {
    8 * (noiseColumns.count + (weightColumn == nil ? 0 : 1)) + (knownLabelColumn == nil ? 0 : 32)
      + 8 * (lowerColumns.count + upperColumns.count) + (hasLimits ? 16 * d : 0)
      + (hasAnnotations || hasLimits ? 8 : 0)
  }
}

/// Where the numbers of a table lie while it is used.
public enum TableStorage: Sendable, Equatable {
  /// In memory.
  case memory(bytes: Int)
  /// In mapped files; their pages take memory as far as they are used.
  case mapped(bytes: Int)
  /// In the files that were given, of which parts are read when they are asked for.
  case streamed(bytes: Int)
  /// In a temporary file, of which parts are read when they are asked for.
  case temporaryFile(bytes: Int, folder: String)
}

/// A table as it was read: the rows, and what is known of the columns.
public struct Table: Sendable {
  /// The rows, n × d: in memory or in files, as ``storage`` says.
  public internal(set) var source: any ObservationSource
  /// The d names of the features: from the header, or x1, x2, … by the column's place in the file.
  public let featureNames: [String]
  /// The n cells of the label column, if one was asked for.
  public let labels: [String]?
  /// What the user should know, one sentence each: which columns were left out, for example.
  public let notices: [String]
  /// Where the numbers lie.
  public let storage: TableStorage
  /// The n case weights, if a column of them was asked for: finite and not negative.
  public internal(set) var weights: [Double]?
  /// The standard deviations of noise, n × d, if their columns were asked for: not negative; infinite where the cell is
  /// missing.
  public internal(set) var noise: Matrix?
  /// What is known of rows' components, if a column of labels was asked for.
  public internal(set) var knownLabels: KnownLabels?
  /// The limits that stand in cells, if any were asked for and found, n × d; −∞ and ∞ where there are none.
  public internal(set) var limits: CensoringLimits?
  /// The lower limits of the columns that were asked for, n × d; NaN where there is none.
  public internal(set) var lowerLimits: Matrix?
  /// The upper limits of the columns that were asked for, n × d; NaN where there is none.
  public internal(set) var upperLimits: Matrix?
  /// The column of each feature in the files, counted from 0.
  public let columns: [Int]
  /// Where rows stand in their files.
  var places: RowPlaces

  /// Where a row, counted from 0, stands: `flows.csv, line 12` in text, `flows.npy, row 10 (counted from 0)` in an array.
  public func place(ofRow row: Int) -> String { places.text(row) }

  /// Where a row's cell of a feature, both counted from 0, stands: `flows.csv, line 12, column 3 (bytes)`.
  public func place(ofRow row: Int, feature: Int) -> String {
    let (name, column) = (featureNames[feature], columns[feature])
    return "\(places.text(row)), column \(column + 1)"
      + (name == automaticName(column) ? "" : " (\(name))")
  }

  /// The same table with what its rows carry.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` or ``MixtureError/Code/invalidAnnotation`` if that cannot be.
  public func with(_ annotations: RowAnnotations) throws(MixtureError) -> Table {
    func annotated(
      _ source: some ObservationSource
    ) throws(MixtureError) -> any ObservationSource {
      try AnnotatedSource(source, annotations: annotations)
    }
    var table = self
    table.source = try annotated(source)
    return table
  }

  /// A copy of all rows in memory.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if the rows cannot be had.
  public func matrix() throws(MixtureError) -> Matrix {
    let n = source.observationCount
    let d = source.featureCount
    var elements: [Double] = []
    elements.reserveCapacity(n * d)
    for start in stride(from: 0, to: n, by: 4096) {
      try source.withRows(start..<min(start + 4096, n)) { rows in
        for i in 0..<rows.count { for j in 0..<d { elements.append(rows[i, j]) } }
      }
    }
    return try Matrix(rowCount: n, columnCount: d, elements: elements)
  }
}

/// Which of a table's columns are features, found from ``TableOptions``.
struct ColumnSelection: Equatable {
  /// The columns to take, counted from 0, in the order of the features.
  var features: [Int]
  /// Whether the user named them one by one.
  let isExplicit: Bool
  /// The column to be read as text.
  let label: Int?
  /// The column of known labels.
  let known: Int?
  /// The column of case weights.
  let weight: Int?
  /// The columns of noise.
  let noise: [Int]
  /// The columns of lower and upper limits.
  let lower: [Int]
  let upper: [Int]

  /// Finds the columns that the options name.
  ///
  /// - Parameters:
  ///   - names: The names of all columns.
  ///   - file: The file as messages name it.
  /// - Throws: ``MixtureError/Code/invalidSetting`` for a column that is not there, or taken twice, or if none is left.
  init(
    _ options: TableOptions, names: [String], file: String
  ) throws(MixtureError) {
    func find(_ text: String) throws(MixtureError) -> Int {
      let matching = names.indices.filter { names[$0] == text }
      if matching.count > 1 {
        let numbers = matching.map { String($0 + 1) }.joined(separator: ", ")
        throw MixtureError(
          .invalidSetting,
          "\(file) has \(matching.count) columns named \(text) (\(numbers)); give the number instead."
        )
      }
      if let index = matching.first { return index }
      if let number = Int(text), names.indices.contains(number - 1) { return number - 1 }
      let listed = names.prefix(40).joined(separator: ", ")
      let more = names.count > 40 ? " and \(names.count - 40) more" : ""
      throw MixtureError(
        .invalidSetting,
        "\(file) has no column \"\(text)\". Its \(names.count) columns are: \(listed)\(more); "
          + "give one of these names, or a number from 1 to \(names.count).")
    }
    label = try options.labelColumn.map { (text) throws(MixtureError) in try find(text) }
    var excluded: Set<Int> = []
    for text in options.excluded { excluded.insert(try find(text)) }
    known = try options.knownLabelColumn.map { (text) throws(MixtureError) in try find(text) }
    weight = try options.weightColumn.map { (text) throws(MixtureError) in try find(text) }
    func findAll(_ columns: [String], _ what: String) throws(MixtureError) -> [Int] {
      var found: [Int] = []
      for text in columns {
        let column = try find(text)
        guard !found.contains(column) else {
          throw MixtureError(
            .invalidSetting,
            "column \(names[column]) of \(file) is named twice as \(what); name one for each feature."
          )
        }
        found.append(column)
      }
      return found
    }
    noise = try findAll(options.noiseColumns, "noise")
    lower = try findAll(options.lowerColumns, "a lower limit")
    upper = try findAll(options.upperColumns, "an upper limit")
    excluded.formUnion([label, known, weight].compactMap { $0 } + noise + lower + upper)
    var chosen: [Int] = []
    var wanted = options.columns
    if let preferred = options.preferredColumns, wanted == nil {
      let missing = preferred.filter { name in names.count { $0 == name } != 1 }
      if missing.isEmpty {
        wanted = preferred
      } else if missing.count < preferred.count {
        // Some names fit: taking the others by their place would mix columns up without a word.
        throw MixtureError(
          .invalidSetting,
          "\(file) lacks \(missing.prefix(10).joined(separator: ", ")), which the model has, though it has "
            + "the model's other columns. Rename them, or give the columns in the model's order with "
            + "--columns.")
      }
    }
    isExplicit = wanted != nil
    for text in wanted ?? [] {
      let column = try find(text)
      if chosen.contains(column) {
        throw MixtureError(
          .invalidSetting, "column \(names[column]) of \(file) is chosen twice; name it once.")
      }
      chosen.append(column)
    }
    features = (isExplicit ? chosen : Array(names.indices)).filter { !excluded.contains($0) }
    guard !features.isEmpty else {
      throw MixtureError(
        .invalidSetting,
        "no column of \(file) is left as a feature. Choose at least one, or exclude fewer.")
    }
  }
}
