// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import Mixtures

/// `gmm denoise`
struct Denoise: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what the true values of noisy or projected rows are, by a model.",
    discussion: """
      Prints for every row the mean of its true values, given what was measured and how precisely, and the standard \
      deviation of each, in columns named sd_ and the feature. With --projections they are those of the features that \
      rows are projections of.
      """)

  @Argument(help: "The model file that gmm fit -o wrote.")
  var model: String

  @OptionGroup var input: DataArguments

  @OptionGroup var gaps: GapOptions

  @Option(
    help: ArgumentHelp(
      "Write the covariances of the true values too, n × d × d.", valueName: "FILE.npy"))
  var covariances: String?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Write to FILE, .csv or .npy.", valueName: "FILE"))
  var output = "-"

  @OptionGroup var common: CommonOptions

  func validate() throws {
    if gaps.noise.noise == nil, gaps.projections.projections == nil {
      throw ValidationError(
        "--noise is missing: name the columns or the file that tell how precise the rows are, or with --projections the "
          + "file that tells what they hold.")
    }
    if let covariances, !covariances.lowercased().hasSuffix(".npy") {
      throw ValidationError("--covariances writes a NumPy array; give a name that ends in .npy.")
    }
    if covariances == output {
      throw ValidationError("two outputs have the same name; each needs one of its own.")
    }
  }

  func run() throws {
    let document = try ModelDocument(path: model)
    let mixture = document.mixture
    let d = mixture.featureCount
    let table = try input.read(
      for: document, common, carried: Carried(gaps),
      resultColumns: 2 * (d + d * d))
    let n = table.source.observationCount
    let names = document.featureNames
    let rows = try RowOutput(
      path: output, columns: (names + names.map { "sd_\($0)" }).map { TableWriter.Column($0) },
      rowCount: n, format: common.format)
    let matrices = try covariances.map { (path) throws(MixtureError) in
      try TableWriter(matricesOf: d, to: path, rowCount: n)
    }
    try table.forEachPart(resultColumns: 2 * (d + d * d)) { (part) throws(MixtureError) in
      let moments = try mixture.posteriorMoments(of: part, threadCount: common.threads)
      for i in 0..<moments.means.rowCount {
        let deviations = (0..<d).map {
          max(moments.covariances[i, $0 * d + $0], 0).squareRoot()
        }
        try rows.append(moments.means.row(i) + deviations)
      }
      try matrices?.append(moments.covariances.elements)
    }
    try matrices?.close()
    try rows.close()
  }
}
