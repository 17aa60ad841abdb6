// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// What rows carry beside their features: options, and what they amount to.

import ArgumentParser
import MixtureIO
import Mixtures

/// Gaps, limits and noise.
struct GapOptions: ParsableArguments {
  @Flag(
    help:
      "Cells that are empty, NA, N/A, NaN or NULL are missing values; without it they are an error."
  )
  var missing = false

  @OptionGroup var limits: LimitOptions

  @OptionGroup var noise: NoiseOptions

  @OptionGroup var projections: ProjectionOptions

  func validate() throws {
    try projections.requireNoLimits(limits)
  }
}

/// What rows measure in place of their features.
struct ProjectionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Rows hold linear combinations of the features: an array of n × d × d, for each row the matrix R of them in the \
      first m rows and NaN in the others (all NaN, or the identity: the row holds its features), or of d × d for all \
      rows. The row's first m cells hold the m numbers, with noise, if any, in the same cells; its other cells are empty.
      """, valueName: "FILE.npy"))
  var projections: String?

  /// Refuses what is said of features, where rows hold others.
  func requireNoLimits(_ limits: LimitOptions) throws {
    guard projections != nil else { return }
    let others = [
      ("--limits", limits.limits), ("--lower", limits.lower != nil),
      ("--upper", limits.upper != nil), ("--window", limits.window != nil),
    ]
    if let other = others.first(where: \.1) {
      throw ValidationError(
        "--projections and \(other.0) exclude each other: limits and windows are those of features."
      )
    }
  }
}

/// Cells of which limits are known, and the window outside of which nothing was observed.
struct LimitOptions: ParsableArguments {
  @Flag(
    help: """
      Cells such as <2.5 (or <=2.5), >40 (or >=40) and 1.5..2.5 are limits of a value that is not known (a censored one); \
      without it they are an error.
      """)
  var limits = false

  @Option(
    help: ArgumentHelp(
      """
      Columns with the lower limit of each feature's cells without a value, in the order of the features, or a file of \
      them; empty, NaN or -inf where there is none. A cell with a value is exact, and its limits must hold it; one \
      without value and limits is missing.
      """, valueName: "a,b|FILE"))
  var lower: String?

  @Option(
    help: ArgumentHelp("The same of upper limits.", valueName: "a,b|FILE"))
  var upper: String?

  @Option(
    help: ArgumentHelp(
      """
      Rows were observed only with features in these ranges: name or number of a column, =, the lowest and the highest \
      value, either of which may be left out, as in 'mag=:21.5,colour=0:2'. The model is the density of all there is, \
      seen or not, and does not keep the window: give it again to score the density of what is seen.
      """, valueName: "a=LOW:HIGH,..."))
  var window: String?

  func validate() throws {
    if limits, lower != nil || upper != nil {
      throw ValidationError(
        "--limits and \(lower == nil ? "--upper" : "--lower") exclude each other: limits stand in the cells, or beside them."
      )
    }
    if let window { _ = try WindowRanges(window) }
  }
}

/// A window as it is written: some features, and the range of each.
struct WindowRanges {
  private var ranges: [(feature: String, lower: Double, upper: Double)] = []

  /// The ranges of `a=LOW:HIGH,b=LOW:HIGH`.
  init(_ text: String) throws {
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      // The last sign: names may hold others.
      guard let sign = part.lastIndex(of: "="), sign > part.startIndex else {
        throw ValidationError(
          "--window: \"\(part)\" names no range; write a feature, = and LOW:HIGH, as in mag=:21.5.")
      }
      let name = String(part[..<sign])
      let ends = part[part.index(after: sign)...]
        .split(separator: ":", omittingEmptySubsequences: false)
      func end(_ text: Substring, else open: Double) -> Double? {
        text.isEmpty ? open : Double(text).flatMap { $0.isNaN ? nil : $0 }
      }
      guard ends.count == 2, let lower = end(ends[0], else: -.infinity),
        let upper = end(ends[1], else: .infinity)
      else {
        throw ValidationError(
          "--window: \"\(part)\" is no range; write LOW:HIGH, two numbers of which one may be left out."
        )
      }
      guard lower < upper else {
        throw ValidationError(
          "--window: \"\(part)\" holds nothing; its lower end must be below the upper.")
      }
      guard !ranges.contains(where: { $0.feature == name }) else {
        throw ValidationError("--window names \(name) twice; give each feature one range.")
      }
      ranges.append((name, lower, upper))
    }
  }

  /// The window of a table's features.
  func window(of table: Table) throws(MixtureError) -> ObservationWindow {
    let d = table.featureNames.count
    var window = ObservationWindow(
      lower: Array(repeating: -.infinity, count: d), upper: Array(repeating: .infinity, count: d))
    var found: Set<Int> = []
    for range in ranges {
      let named = table.featureNames.firstIndex(of: range.feature)
      let numbered = Int(range.feature).flatMap { table.columns.firstIndex(of: $0 - 1) }
      guard let feature = named ?? numbered else {
        throw MixtureError(
          .invalidSetting,
          "--window names \(range.feature), which is none of the features (\(FitReport.list(table.featureNames))); "
            + "give a feature's name, or its column's number.")
      }
      guard found.insert(feature).inserted else {
        throw MixtureError(
          .invalidSetting,
          "--window names \(table.featureNames[feature]) twice, by name and by number; give each feature one range."
        )
      }
      window.lower[feature] = range.lower
      window.upper[feature] = range.upper
    }
    return window
  }
}

/// Noise of the measurement.
struct NoiseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Columns with the standard deviation of each feature's noise, in the order of the features; or a file of them, or an \
      .npy of n × d × d noise covariances.
      """, valueName: "a,b|FILE"))
  var noise: String?
}

/// How much rows count.
struct WeightOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Column of case weights, or a file with one for each row.", valueName: "COLUMN|FILE"))
  var weights: String?

  @Option(
    help: """
      What weights mean: frequency (a row of weight w is w rows) or reliability (one row, trusted more or less). \
      (default: frequency)
      """)
  var weightsAre: CaseWeights.Meaning?

  func validate() throws {
    if weightsAre != nil, weights == nil {
      throw ValidationError("--weights-are goes with --weights.")
    }
  }
}

extension CaseWeights.Meaning: ExpressibleByArgument {}

/// Over what a uniform background extends: `box`, or a volume.
enum BackgroundOption: ExpressibleByArgument {
  case box
  case volume(Double)

  init?(argument: String) {
    if argument == "box" {
      self = .box
    } else if let volume = Double(argument) {
      self = .volume(volume)
    } else {
      return nil
    }
  }

  var rule: BackgroundRule {
    switch self {
    case .box: return .boundingBox
    case .volume(let volume): return .volume(volume)
    }
  }
}

/// What rows carry beside their features, as far as it is known before the table is read.
struct Carried {
  private let allowsMissing: Bool
  private let readsLimits: Bool
  private let meaning: CaseWeights.Meaning
  private let labelColumn: String?
  private let backgroundLabel: String?
  private let window: WindowRanges?
  private var weightColumn: String?
  private var noiseColumns: [String] = []
  private var lowerColumns: [String] = []
  private var upperColumns: [String] = []
  private var weightFile: (path: String, values: [Double])?
  private var noiseFile: (path: String, noise: MeasurementNoise)?
  private var projectionFile: (path: String, array: ProjectionArray)?
  private var lowerFile: (path: String, values: Matrix)?
  private var upperFile: (path: String, values: Matrix)?

  /// Reads the files that the options name; columns are read with the table.
  init(
    _ gaps: GapOptions, weights: WeightOptions? = nil, labels: String? = nil,
    backgroundLabel: String? = nil
  ) throws {
    try self.init(
      missing: gaps.missing, limits: gaps.limits, noise: gaps.noise,
      projections: gaps.projections, weights: weights, labels: labels,
      backgroundLabel: backgroundLabel)
  }

  init(
    missing: Bool, limits: LimitOptions, noise: NoiseOptions? = nil,
    projections: ProjectionOptions, weights: WeightOptions? = nil, labels: String? = nil,
    backgroundLabel: String? = nil
  ) throws {
    allowsMissing = missing
    readsLimits = limits.limits
    meaning = weights?.weightsAre ?? .frequency
    labelColumn = labels
    self.backgroundLabel = backgroundLabel
    window = try limits.window.map { try WindowRanges($0) }
    if let name = weights?.weights {
      if Self.isFile(name) {
        weightFile = (name, try readWeights(path: name))
      } else {
        weightColumn = name
      }
    }
    if let name = noise?.noise {
      if Self.isFile(name) {
        noiseFile = (name, try readNoise(path: name))
      } else {
        noiseColumns = try Self.columns(name, "--noise")
      }
    }
    if let name = projections.projections {
      projectionFile = (name, try ProjectionArray(path: name))
    }
    if let name = limits.lower {
      if Self.isFile(name) {
        lowerFile = (name, try readLimits(path: name))
      } else {
        lowerColumns = try Self.columns(name, "--lower")
      }
    }
    if let name = limits.upper {
      if Self.isFile(name) {
        upperFile = (name, try readLimits(path: name))
      } else {
        upperColumns = try Self.columns(name, "--upper")
      }
    }
  }

  private static func columns(
    _ names: String, _ option: String
  ) throws(MixtureError) -> [String] {
    let columns = names.split(separator: ",").map(String.init)
    guard !columns.isEmpty else {
      throw MixtureError(
        .invalidSetting, "\(option) names no column; name one for each feature, or a file.")
    }
    return columns
  }

  /// Whether an argument is the name of a file and not of a column.
  private static func isFile(_ name: String) -> Bool {
    !name.contains(",")
      && [".npy", ".csv", ".tsv", ".txt", ".gz"].contains { name.lowercased().hasSuffix($0) }
  }

  /// Whether rows carry nothing.
  var isEmpty: Bool {
    !allowsMissing && weightColumn == nil && noiseColumns.isEmpty && labelColumn == nil
      && weightFile == nil && noiseFile == nil && projectionFile == nil && !hasLimits
      && window == nil
  }

  private var hasLimits: Bool {
    readsLimits || !lowerColumns.isEmpty || !upperColumns.isEmpty || lowerFile != nil
      || upperFile != nil
  }

  /// Whether rows may differ in what of them is known.
  var hasGaps: Bool {
    allowsMissing || !noiseColumns.isEmpty || noiseFile != nil || hasLimits
      || projectionFile != nil
  }

  /// How many different projections there are.
  var projectionCount: Int { projectionFile?.array.matrices.count ?? 0 }

  /// How many bytes the files take in memory.
  var fileBytes: Int {
    var numbers = weightFile?.values.count ?? 0
    switch noiseFile?.noise {
    case .standardDeviations(let matrix), .covariances(let matrix):
      numbers += matrix.elements.count
    case .shared, nil: break
    }
    for file in [lowerFile, upperFile] { numbers += file?.values.elements.count ?? 0 }
    return 8 * numbers + (projectionFile?.array.byteCount ?? 0)
  }

  /// Has the reader read the columns.
  func apply(to options: inout TableOptions) {
    options.allowsMissing = allowsMissing
    options.readsLimits = readsLimits
    options.hasOtherLimits = lowerFile != nil || upperFile != nil
    options.hasProjections = projectionFile != nil
    options.placesRows = window != nil
    options.weightColumn = weightColumn
    options.knownLabelColumn = labelColumn
    options.backgroundLabel = backgroundLabel
    options.noiseColumns = noiseColumns
    options.lowerColumns = lowerColumns
    options.upperColumns = upperColumns
  }

  /// The table with what its rows carry.
  func annotate(_ table: Table) throws(MixtureError) -> Table {
    guard !isEmpty else { return table }
    let n = table.source.observationCount
    var annotations = RowAnnotations(allowsMissing: allowsMissing)
    if let values = weightFile?.values ?? table.weights {
      let name = weightFile?.path ?? "column \(weightColumn ?? "")"
      if let path = weightFile?.path {
        try requireRows(values.count, n, path, "case weight\(values.count == 1 ? "" : "s")")
      }
      guard values.contains(where: { $0 > 0 }) else {
        throw MixtureError(
          .invalidAnnotation,
          "\(name): all \(n) case weights are zero, so no row counts; at least one must be positive."
        )
      }
      annotations.caseWeights = CaseWeights(values, meaning: meaning)
    }
    if let deviations = table.noise {
      try requireColumn(deviations.columnCount, "--noise", of: table)
      annotations.noise = .standardDeviations(deviations)
    }
    if let noiseFile {
      switch noiseFile.noise {
      case .standardDeviations(let matrix):
        try requireRows(matrix.rowCount, n, noiseFile.path, "row\(matrix.rowCount == 1 ? "" : "s")")
        try requireColumns(matrix.columnCount, "noise", noiseFile.path, of: table)
      case .covariances(let matrix):
        try requireRows(
          matrix.rowCount, n, noiseFile.path, "covariance\(matrix.rowCount == 1 ? "" : "s")")
        let order = Int(Double(matrix.columnCount).squareRoot().rounded())
        try requireColumns(order, "noise", noiseFile.path, of: table)
      case .shared: break
      }
      annotations.noise = noiseFile.noise
    }
    if let (path, array) = projectionFile {
      if let count = array.rowCount {
        try requireRows(count, n, path, "projection\(count == 1 ? "" : "s")")
      }
      try requireColumns(array.featureCount, "projections", path, of: table)
      annotations.projections = array.projections(ofRows: n)
      try table.requireCells(of: annotations.projections, allowsMissing: allowsMissing)
    }
    if let known = table.knownLabels { annotations.knownComponents = known.components }
    annotations.window = try window.map { (window) throws(MixtureError) in
      try window.window(of: table)
    }
    if hasLimits || window != nil {
      annotations.limits = try table.censoringLimits(
        lower: limits(table.lowerLimits, lowerColumns, lowerFile, "--lower", of: table),
        upper: limits(table.upperLimits, upperColumns, upperFile, "--upper", of: table),
        window: annotations.window, allowsMissing: allowsMissing)
    }
    do {
      return try table.with(annotations)
    } catch {
      // All else was looked at where it was read.
      let path = error.message.contains("projection") ? projectionFile?.path : noiseFile?.path
      throw path.map { MixtureError(error.code, "\($0): \(error.message)") } ?? error
    }
  }

  private func requireRows(
    _ count: Int, _ n: Int, _ path: String, _ what: String
  ) throws(MixtureError) {
    guard count != n else { return }
    throw MixtureError(
      .shapeMismatch,
      "\(path) has \(count) \(what), but the table has \(Terminal.count(n, "row")); there must be one for each."
    )
  }

  private func requireColumns(
    _ count: Int, _ what: String, _ path: String, of table: Table
  ) throws(MixtureError) {
    let names = table.featureNames
    guard count != names.count else { return }
    throw MixtureError(
      .shapeMismatch,
      "\(path) has \(what) of \(Terminal.count(count, "feature")), but the table has \(names.count) "
        + "(\(FitReport.list(names))); choose the features with --columns.")
  }

  /// Requires as many columns of an option as there are features.
  private func requireColumn(
    _ count: Int, _ option: String, of table: Table
  ) throws(MixtureError) {
    let names = table.featureNames
    guard count != names.count else { return }
    throw MixtureError(
      .shapeMismatch,
      "\(option) names \(Terminal.count(count, "column")), but there \(names.count == 1 ? "is" : "are") "
        + "\(Terminal.count(names.count, "feature")) (\(FitReport.list(names))); "
        + "name one for each, in this order, or choose the features with --columns.")
  }

  /// The limits of columns or of a file.
  private func limits(
    _ matrix: Matrix?, _ columns: [String], _ file: (path: String, values: Matrix)?,
    _ option: String, of table: Table
  ) throws(MixtureError) -> NamedLimits? {
    if let matrix {
      try requireColumn(matrix.columnCount, option, of: table)
      return NamedLimits(matrix) { "column \(columns[$0])" }
    }
    guard let (path, values) = file else { return nil }
    try requireRows(
      values.rowCount, table.source.observationCount, path,
      "row\(values.rowCount == 1 ? "" : "s")")
    try requireColumns(values.columnCount, "limits", path, of: table)
    return NamedLimits(values) { _ in path }
  }
}

/// What a table's rows carry, counted.
struct CarriedFacts {
  /// The number of rows, and of cells that are missing, and of rows that have such.
  let rowCount: Int
  private(set) var missingCells = 0
  private(set) var gappedRows = 0
  /// The number of cells of which limits are known, and of rows that have such.
  private(set) var limitedCells = 0
  private(set) var limitedRows = 0
  /// The number of rows that hold projections of their features.
  private(set) var projectedRows = 0
  /// Rows of which nothing is known, and those that have no weight.
  private(set) var emptyRows = 0
  private(set) var weightlessRows = 0
  /// The sum of the weights of rows that count.
  private(set) var caseWeight = 0.0
  private let annotations: RowAnnotations?

  /// Counts, in one pass over the rows if cells may be missing.
  init(_ source: any ObservationSource) throws(MixtureError) {
    let n = source.observationCount
    let d = source.featureCount
    rowCount = n
    annotations = source.annotations
    let weights = annotations?.caseWeights?.values
    var deviations: Matrix?
    if case .standardDeviations(let matrix) = annotations?.noise { deviations = matrix }
    let (limits, window) = (annotations?.limits, annotations?.window)
    let projections = annotations?.projections
    projectedRows = projections?.indices.count { $0 != nil } ?? 0
    guard annotations?.allowsMissing ?? false || deviations != nil || limits != nil else {
      caseWeight = weights?.reduce(0, +) ?? Double(n)
      weightlessRows = weights?.count { $0 == 0 } ?? 0
      return
    }
    var (cells, gapped, empty, weightless, sum) = (0, 0, 0, 0, 0.0)
    var (limitedCells, limitedRows) = (0, 0)
    /// Whether a missing cell of the row is known to lie in a window.
    func hasWindow(_ rows: StridedRows, _ i: Int) -> Bool {
      guard let window else { return false }
      return (0..<d).contains {
        rows[i, $0].isNaN && (window.lower[$0] > -.infinity || window.upper[$0] < .infinity)
      }
    }
    for start in stride(from: 0, to: n, by: 4096) {
      try source.withRows(start..<min(start + 4096, n)) { rows in
        for i in 0..<rows.count {
          let row = start + i
          func isLimited(_ j: Int) -> Bool {
            limits.map { $0.lower[row, j] > -.infinity || $0.upper[row, j] < .infinity } ?? false
          }
          let limited = limits == nil ? 0 : (0..<d).count { rows[i, $0].isNaN && isLimited($0) }
          let length = projections?.indices[row].map { projections!.matrices[$0].rowCount } ?? d
          let missing = (0..<length).count {
            rows[i, $0].isNaN ? !isLimited($0) : deviations?[row, $0] == .infinity
          }
          limitedCells += limited
          limitedRows += limited > 0 ? 1 : 0
          cells += missing
          gapped += missing > 0 ? 1 : 0
          let weight = weights?[row] ?? 1
          if weight == 0 {
            weightless += 1
          } else if missing == length, !hasWindow(rows, i) {
            empty += 1
          } else {
            sum += weight
          }
        }
      }
    }
    (missingCells, gappedRows, emptyRows) = (cells, gapped, empty)
    (weightlessRows, caseWeight) = (weightless, sum)
    (self.limitedCells, self.limitedRows) = (limitedCells, limitedRows)
  }

  /// In words, a sentence each.
  var sentences: [String] {
    var sentences: [String] = []
    if annotations?.allowsMissing ?? false {
      sentences.append(
        missingCells == 0
          ? "No cell is missing."
          : "\(Terminal.count(missingCells, "cell")) of \(Terminal.count(gappedRows, "row")) "
            + "\(missingCells == 1 ? "is" : "are") missing.")
    }
    if limitedCells > 0 {
      sentences.append(
        "Of \(Terminal.count(limitedCells, "cell")) of \(Terminal.count(limitedRows, "row")) only limits are known."
      )
    }
    if projectedRows > 0, let count = annotations?.projections?.matrices.count {
      sentences.append(
        "\(Terminal.count(projectedRows, "row")) \(projectedRows == 1 ? "holds" : "hold") "
          + (count == 1
            ? "a projection of the features."
            : "projections of the features, \(count) different ones."))
    }
    if emptyRows > 0 {
      sentences.append(
        "\(Terminal.count(emptyRows, "row")) without any known cell \(emptyRows == 1 ? "is" : "are") passed over."
      )
    }
    if let weights = annotations?.caseWeights {
      sentences.append(
        "The case weights (\(weights.meaning == .frequency ? "frequencies" : "reliabilities")) sum to "
          + "\(Terminal.number(caseWeight, digits: 8))"
          + (weightlessRows > 0
            ? "; \(Terminal.count(weightlessRows, "row")) of weight 0 "
              + "\(weightlessRows == 1 ? "is" : "are") passed over." : "."))
    }
    switch annotations?.noise {
    case .standardDeviations: sentences.append("Rows carry standard deviations of noise.")
    case .covariances, .shared: sentences.append("Rows carry covariances of noise.")
    case nil: break
    }
    if annotations?.window != nil {
      sentences.append("Rows were observed in a window only; the model is that of all there is.")
    }
    return sentences
  }
}
