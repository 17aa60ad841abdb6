// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import MixturePlots
import Mixtures

/// `gmm report`
struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a page that shows a model over a table.")

  @Argument(help: "The model file that gmm fit -o wrote.")
  var model: String

  @OptionGroup var input: DataArguments

  @OptionGroup var gaps: GapOptions

  @OptionGroup var weights: WeightOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("Write to FILE.", valueName: "FILE.html"))
  var output = "-"

  @OptionGroup var common: CommonOptions

  func run() throws {
    let document = try ModelDocument(path: model)
    let table = try input.read(
      for: document, common,
      carried: Carried(gaps, weights: weights),
      pictureCount: 1)
    let known = document.fit.map(FitReport.facts)
    var page = MixtureReport(
      title: "Gaussian mixture of \(FitReport.list(input.data.map(fileName)))",
      features: document.featureNames, observations: table.source, model: document.mixture,
      fit: known?.facts)
    if let known { page.objective = known.objective }
    page.command = commandLine()
    page.subtitle = FitReport.subtitle(try CarriedFacts(table.source))
    try AtomicFile.write(page.html(), to: output)
  }
}
