// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import Mixtures

/// `gmm inspect`
struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a model is, in words or as JSON.")

  @Argument(help: "The model file that gmm fit -o wrote.")
  var model: String

  @OptionGroup var common: CommonOptions

  func run() throws {
    let document = try ModelDocument(path: model)
    switch common.format {
    case .json: try Terminal.print(document.json)
    case .text:
      let mixture = document.mixture
      var text =
        "A Gaussian mixture of \(Terminal.count(mixture.featureCount, "feature")) "
        + "(\(FitReport.list(document.featureNames))): "
        + "\(ModelDescription.headline(mixture.componentCount, mixture.structure)).\n"
      if let fit = document.fit {
        text += FitReport.criteriaLine(fit) + "\n"
        text +=
          "Fitted to \(Terminal.count(fit.observationCount, "observation")) in "
          + "\(Terminal.count(fit.iterationCount, "iteration")), seed \(fit.seed): "
          + "\(FitReport.words(for: fit.stoppingReason)).\n"
        text += FitReport.countsLine(fit)
        for line in ModelDescription.rescueLines(fit.rescued) { text += "Rescued: \(line)\n" }
      }
      text +=
        "\n" + ModelDescription(model: mixture, features: document.featureNames).componentTable
      if let uncertainty = document.uncertainty {
        text +=
          "\n"
          + UncertaintyReport.table(
            uncertainty, model: mixture, features: document.featureNames)
        for line in UncertaintyReport.remarks(uncertainty) { text += "Note: \(line)\n" }
      }
      try Terminal.print(text)
    }
  }
}
