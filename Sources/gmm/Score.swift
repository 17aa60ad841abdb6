// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import Mixtures

/// `gmm score`
struct Score: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say how well a model explains a table.",
    discussion: """
      Prints the mean log-likelihood per row, in nats; larger is better. With --weights it is the mean by weight; rows of \
      which no cell is known do not count. With --window it is the density of rows that can be seen, p(x) / P(window), of a \
      model of all there is.
      """)

  @Argument(help: "The model file that gmm fit -o wrote.")
  var model: String

  @OptionGroup var input: DataArguments

  @OptionGroup var gaps: GapOptions

  @OptionGroup var weights: WeightOptions

  @Flag(help: "The log density of every row instead of their mean.")
  var perRow = false

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("With --per-row: write to FILE, .csv or .npy.", valueName: "FILE"))
  var output = "-"

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if output != "-", !perRow {
      throw ValidationError("--output goes with --per-row; the mean is one number.")
    }
  }

  func run() throws {
    let document = try ModelDocument(path: model)
    let table = try input.read(
      for: document, common,
      carried: Carried(gaps, weights: weights),
      resultColumns: perRow ? 1 : 0)
    let n = table.source.observationCount
    if !perRow {
      let score = try document.mixture.score(table.source, threadCount: common.threads)
      let facts = try CarriedFacts(table.source)
      for sentence in facts.sentences { common.notice(sentence) }
      guard facts.caseWeight > 0 else {
        throw MixtureError(
          .emptyObservations, "no row counts: of none is a cell known, so there is no mean.")
      }
      let mean = score.logLikelihood / facts.caseWeight
      switch common.format {
      case .text: try Terminal.print("\(mean)\n")
      case .json:
        try Terminal.print(
          """
          {"observations": \(n), "logLikelihood": \(score.logLikelihood), "meanLogLikelihood": \(mean), \
          "entropy": \(score.entropy), "caseWeight": \(facts.caseWeight)}

          """)
      }
      return
    }
    if common.format == .json, output == "-" {
      let all = try JSONArrayOutput(key: "logDensities")
      try table.forEachPart(resultColumns: 1) { (part) throws(MixtureError) in
        for value in try document.mixture.logDensities(of: part, threadCount: common.threads) {
          try all.append(value)
        }
      }
      try all.close()
      return
    }
    let writer = try TableWriter(
      path: output, columns: [TableWriter.Column("log_density")], rowCount: n)
    try table.forEachPart(resultColumns: 1) { (part) throws(MixtureError) in
      try writer.append(document.mixture.logDensities(of: part, threadCount: common.threads))
    }
    try writer.close()
  }
}
