// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import Mixtures

/// How many rows of results are held at a time, whatever the length of the table: about a million numbers.
func rowsPerPart(columnCount: Int) -> Int {
  min(max((1 << 20) / max(columnCount, 1) / 4096, 1), 16) * 4096
}

extension Table {
  /// Calls `body` with part after part of the table, for results of so many columns.
  func forEachPart(
    resultColumns: Int, _ body: (any ObservationSource) throws(MixtureError) -> Void
  ) throws(MixtureError) {
    let rows = rowsPerPart(columnCount: resultColumns)
    func slices<Source: ObservationSource>(_ source: Source) throws(MixtureError) {
      var start = 0
      while start < source.observationCount {
        let end = min(start + rows, source.observationCount)
        try body(RowSlice(source, rows: start..<end))
        start = end
      }
    }
    try slices(source)
  }
}

/// `gmm predict`
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say which component each row belongs to.",
    discussion: """
      Prints a table with one line for each row: the component's number, counted from 0; -1 where the model's background is \
      likelier than every component. With --responsibilities a background has the last column. A --window matters to rows with missing cells, \
      which lie in it.
      """)

  @Argument(help: "The model file that gmm fit -o wrote.")
  var model: String

  @OptionGroup var input: DataArguments

  @OptionGroup var gaps: GapOptions

  @Flag(help: "Every component's probability instead of the most probable component.")
  var responsibilities = false

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Write to FILE, .csv or .npy.", valueName: "FILE"))
  var output = "-"

  @OptionGroup var common: CommonOptions

  func run() throws {
    let document = try ModelDocument(path: model)
    let mixture = document.mixture
    let hasBackground = mixture.background != nil
    let width = responsibilities ? mixture.componentCount + (hasBackground ? 1 : 0) : 1
    let table = try input.read(
      for: document, common, carried: Carried(gaps),
      resultColumns: width)
    /// A row's responsibilities, and what they leave to the background.
    func shares(_ row: [Double]) -> [Double] {
      hasBackground ? row + [max(0, 1 - row.reduce(0, +))] : row
    }
    if common.format == .json, output == "-" {
      let all = try JSONArrayOutput(key: responsibilities ? "responsibilities" : "labels")
      try table.forEachPart(resultColumns: width) { (part) throws(MixtureError) in
        if responsibilities {
          let matrix = try mixture.responsibilities(for: part, threadCount: common.threads)
          for row in 0..<matrix.rowCount { try all.append(row: shares(matrix.row(row))) }
        } else {
          for label in try mixture.labels(for: part, threadCount: common.threads) {
            try all.append(label)
          }
        }
      }
      try all.close()
      return
    }
    let columns =
      responsibilities
      ? (0..<mixture.componentCount).map { TableWriter.Column("component_\($0)") }
        + (hasBackground ? [TableWriter.Column("background")] : [])
      : [TableWriter.Column("component", isWhole: true)]
    let writer = try TableWriter(
      path: output, columns: columns, rowCount: table.source.observationCount)
    try table.forEachPart(resultColumns: width) { (part) throws(MixtureError) in
      if responsibilities {
        let matrix = try mixture.responsibilities(for: part, threadCount: common.threads)
        for row in 0..<matrix.rowCount { try writer.append(shares(matrix.row(row))) }
      } else {
        try writer.append(
          mixture.labels(for: part, threadCount: common.threads).map { Double($0) })
      }
    }
    try writer.close()
  }
}
