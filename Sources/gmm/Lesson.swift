// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import MixtureLesson
import MixturePlots
import Mixtures

extension ExampleMixture: ExpressibleByArgument {
  /// The example with the given letter, in either case.
  public init?(argument: String) {
    self.init(rawValue: argument.uppercased())
  }
}

/// `gmm lesson`
struct Lesson: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The lesson on Gaussian mixtures and EM, start to end, as a page that plays.",
    discussion: """
      Draws points from a known mixture, fits one to them by EM with every step kept, prints the true and the fitted \
      parameters side by side, and writes the page. A and C, the mixtures of the lesson's first half, also show k-means.
      """)

  @Argument(help: "Which example mixture: A, C or D.")
  var example: ExampleMixture = .d

  @Option(name: .customShort("n"), help: ArgumentHelp("How many points to draw.", valueName: "N"))
  var count = 1000

  @Option(
    name: .customShort("k"),
    help: ArgumentHelp(
      "How many components to fit. (default: as many as the example has)", valueName: "K"))
  var componentCount: Int?

  @Option(help: ArgumentHelp("Limit of EM steps.", valueName: "N"))
  var iterations = 25

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Where to write the page.", valueName: "FILE.html"))
  var output = "lesson.html"

  @OptionGroup var common: CommonOptions

  func run() throws {
    let story = try LessonStory(
      example: example, count: count, componentCount: componentCount ?? example.componentCount,
      iterations: iterations, seed: common.seed, threads: common.threads)
    let page = try story.page(command: commandLine())
    try AtomicFile.write(page.html(), to: output)
    switch common.format {
    case .text:
      let written =
        output == "-" ? "" : "\nWrote \(output): open it in a browser to watch every step.\n"
      if output != "-" { try Terminal.print(story.text + written) }
    case .json:
      if output != "-" { try Terminal.print(story.json()) }
    }
  }
}
