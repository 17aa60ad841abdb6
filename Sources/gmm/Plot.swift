// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import MixturePlots
import Mixtures

/// `gmm plot`
struct Plot: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draw a model over a table, as an SVG picture.")

  @Argument(help: "The model file that gmm fit -o wrote.")
  var model: String

  @OptionGroup var input: DataArguments

  @OptionGroup var gaps: GapOptions

  @OptionGroup var weights: WeightOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("Write to FILE.", valueName: "FILE.svg"))
  var output = "-"

  @OptionGroup var common: CommonOptions

  func run() throws {
    let document = try ModelDocument(path: model)
    let table = try input.read(
      for: document, common,
      carried: Carried(gaps, weights: weights),
      pictureCount: 1)
    let svg = try MixturePicture.svg(
      of: table.source, model: document.mixture,
      options: MixturePicture.Options(features: document.featureNames))
    try AtomicFile.write(svg, to: output)
  }
}
