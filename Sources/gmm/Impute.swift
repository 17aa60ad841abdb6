// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import Mixtures

/// `gmm impute`
struct Impute: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fill missing cells by what a model expects.",
    discussion: """
      Prints the features of every row, with missing cells (empty, NA, N/A, NaN or NULL) filled by their mean given the \
      cells that are there, and those of which limits are known by their mean between those. Rows of --projections get the \
      features that they are projections of. With --draws M it prints M tables, one behind the other, in which they are \
      drawn, and a column imputation that counts them from 0: analyse each, and the spread of the results tells what the \
      gaps cost. Cells that are there stay as they are.
      """)

  @Argument(help: "The model file that gmm fit -o wrote.")
  var model: String

  @OptionGroup var input: DataArguments

  @OptionGroup var limits: LimitOptions

  @OptionGroup var projections: ProjectionOptions

  @Option(
    help: ArgumentHelp("Draw missing cells, M times, in place of their means.", valueName: "M"))
  var draws: Int?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Write to FILE, .csv or .npy.", valueName: "FILE"))
  var output = "-"

  @OptionGroup var common: CommonOptions

  func validate() throws {
    try projections.requireNoLimits(limits)
    if let draws, draws < 1 {
      throw ValidationError("--draws is \(draws); it must be at least 1.")
    }
  }

  func run() throws {
    let document = try ModelDocument(path: model)
    let mixture = document.mixture
    let d = mixture.featureCount
    let table = try input.read(
      for: document, common,
      carried: Carried(missing: true, limits: limits, projections: projections),
      resultColumns: d + 1)
    let columns =
      document.featureNames.map { TableWriter.Column($0) }
      + (draws == nil ? [] : [TableWriter.Column("imputation", isWhole: true)])
    let rows = try RowOutput(
      path: output, columns: columns, rowCount: table.source.observationCount * (draws ?? 1),
      format: common.format)
    for draw in 0..<(draws ?? 1) {
      try table.forEachPart(resultColumns: d + 1) { (part) throws(MixtureError) in
        let filled =
          draws == nil
          ? try mixture.expectedValues(of: part, threadCount: common.threads)
          : try mixture.drawnValues(
            of: part, seed: common.seed &+ UInt64(draw), threadCount: common.threads)
        for i in 0..<filled.rowCount {
          try rows.append(filled.row(i) + (draws == nil ? [] : [Double(draw)]))
        }
      }
    }
    try rows.close()
  }
}
