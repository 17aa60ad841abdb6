// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import Mixtures

/// `gmm sample`
struct Sample: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw rows from a model.",
    discussion: "The same seed gives the same rows; a longer draw begins with the shorter one.")

  @Argument(help: "The model file that gmm fit -o wrote.")
  var model: String

  @Option(name: .customShort("n"), help: ArgumentHelp("How many rows.", valueName: "N"))
  var count: Int

  @Flag(help: "Add the component that each row was drawn from.")
  var labels = false

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Write to FILE, .csv or .npy.", valueName: "FILE"))
  var output = "-"

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if count < 0 { throw ValidationError("-n is \(count); it must not be negative.") }
  }

  func run() throws {
    let document = try ModelDocument(path: model)
    let mixture = document.mixture
    let rows = try RowOutput(
      path: output,
      columns: document.featureNames.map { TableWriter.Column($0) }
        + (labels ? [TableWriter.Column("component", isWhole: true)] : []), rowCount: count,
      format: common.format)
    let step = rowsPerPart(columnCount: mixture.featureCount)
    for start in stride(from: 0, to: count, by: step) {
      let part = mixture.sample(start..<min(start + step, count), seed: common.seed)
      for (i, label) in part.labels.enumerated() {
        try rows.append(part.observations.row(i) + (labels ? [Double(label)] : []))
      }
    }
    try rows.close()
  }
}
