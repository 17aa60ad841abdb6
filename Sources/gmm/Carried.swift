// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// What rows carry beside their features: options, and what they amount to.

import ArgumentParser
import MixtureIO
import Mixtures

/// Gaps and noise.
struct GapOptions: ParsableArguments {
  @Flag(
    help:
      "Cells that are empty, NA, N/A, NaN or NULL are missing values; without it they are an error."
  )
  var missing = false

  @OptionGroup var noise: NoiseOptions
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
  private let meaning: CaseWeights.Meaning
  private var weightColumn: String?
  private var noiseColumns: [String] = []
  private let labelColumn: String?
  private var weightFile: (path: String, values: [Double])?
  private var noiseFile: (path: String, noise: MeasurementNoise)?

  /// Reads the files that the options name; columns are read with the table.
  init(
    missing: Bool, noise: NoiseOptions? = nil, weights: WeightOptions? = nil,
    labels: String? = nil
  ) throws(MixtureError) {
    allowsMissing = missing
    meaning = weights?.weightsAre ?? .frequency
    labelColumn = labels
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
        noiseColumns = name.split(separator: ",").map(String.init)
        guard !noiseColumns.isEmpty else {
          throw MixtureError(
            .invalidSetting, "--noise names no column; name one for each feature, or a file.")
        }
      }
    }
  }

  /// Whether an argument is the name of a file and not of a column.
  private static func isFile(_ name: String) -> Bool {
    !name.contains(",")
      && [".npy", ".csv", ".tsv", ".txt", ".gz"].contains { name.lowercased().hasSuffix($0) }
  }

  /// Whether rows carry nothing.
  var isEmpty: Bool {
    !allowsMissing && weightColumn == nil && noiseColumns.isEmpty && labelColumn == nil
      && weightFile == nil && noiseFile == nil
  }

  /// Whether rows may differ in what of them is known.
  var hasGaps: Bool { allowsMissing || !noiseColumns.isEmpty || noiseFile != nil }

  /// How many bytes the files take in memory.
  var fileBytes: Int {
    var numbers = weightFile?.values.count ?? 0
    switch noiseFile?.noise {
    case .standardDeviations(let matrix), .covariances(let matrix):
      numbers += matrix.elements.count
    case .shared, nil: break
    }
    return 8 * numbers
  }

  /// Has the reader read the columns.
  func apply(to options: inout TableOptions) {
    options.allowsMissing = allowsMissing
    options.weightColumn = weightColumn
    options.knownLabelColumn = labelColumn
    options.noiseColumns = noiseColumns
  }

  /// The table with what its rows carry.
  func annotate(_ table: Table) throws(MixtureError) -> Table {
    guard !isEmpty else { return table }
    let n = table.source.observationCount
    let d = table.source.featureCount
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
      guard deviations.columnCount == d else {
        throw MixtureError(
          .shapeMismatch,
          "--noise names \(Terminal.count(deviations.columnCount, "column")), but there "
            + "\(d == 1 ? "is" : "are") \(Terminal.count(d, "feature")) (\(FitReport.list(table.featureNames))); "
            + "name one for each, in this order, or choose the features with --columns.")
      }
      annotations.noise = .standardDeviations(deviations)
    }
    if let noiseFile {
      switch noiseFile.noise {
      case .standardDeviations(let matrix):
        try requireRows(matrix.rowCount, n, noiseFile.path, "row\(matrix.rowCount == 1 ? "" : "s")")
        try requireColumns(matrix.columnCount, d, noiseFile.path, table.featureNames)
      case .covariances(let matrix):
        try requireRows(
          matrix.rowCount, n, noiseFile.path, "covariance\(matrix.rowCount == 1 ? "" : "s")")
        let order = Int(Double(matrix.columnCount).squareRoot().rounded())
        try requireColumns(order, d, noiseFile.path, table.featureNames)
      case .shared: break
      }
      annotations.noise = noiseFile.noise
    }
    if let known = table.knownLabels { annotations.knownComponents = known.components }
    do {
      return try table.with(annotations)
    } catch {
      // All else was looked at where it was read.
      throw noiseFile.map { MixtureError(error.code, "\($0.path): \(error.message)") } ?? error
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
    _ count: Int, _ d: Int, _ path: String, _ names: [String]
  ) throws(MixtureError) {
    guard count != d else { return }
    throw MixtureError(
      .shapeMismatch,
      "\(path) has noise of \(Terminal.count(count, "feature")), but the table has \(d) "
        + "(\(FitReport.list(names))); choose the features with --columns.")
  }
}

/// What a table's rows carry, counted.
struct CarriedFacts {
  /// The number of rows, and of cells that are missing, and of rows that have such.
  let rowCount: Int
  private(set) var missingCells = 0
  private(set) var gappedRows = 0
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
    guard annotations?.allowsMissing ?? false || deviations != nil else {
      caseWeight = weights?.reduce(0, +) ?? Double(n)
      weightlessRows = weights?.count { $0 == 0 } ?? 0
      return
    }
    var (cells, gapped, empty, weightless, sum) = (0, 0, 0, 0, 0.0)
    for start in stride(from: 0, to: n, by: 4096) {
      try source.withRows(start..<min(start + 4096, n)) { rows in
        for i in 0..<rows.count {
          let row = start + i
          let missing = (0..<d).count {
            rows[i, $0].isNaN || deviations?[row, $0] == .infinity
          }
          cells += missing
          gapped += missing > 0 ? 1 : 0
          let weight = weights?[row] ?? 1
          if weight == 0 {
            weightless += 1
          } else if missing == d {
            empty += 1
          } else {
            sum += weight
          }
        }
      }
    }
    (missingCells, gappedRows, emptyRows) = (cells, gapped, empty)
    (weightlessRows, caseWeight) = (weightless, sum)
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
    return sentences
  }
}
