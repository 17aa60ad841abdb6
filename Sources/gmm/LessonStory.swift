// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureIO
import MixtureLesson
import MixturePlots
import Mixtures

/// The lesson: points from a known mixture, EM step by step, and what came of it.
struct LessonStory {
  let example: ExampleMixture
  let observations: Observations
  let trueLabels: [Int]
  /// EM in plain loops, with all that its diagnostics were told.
  let steps: [TextbookStep]
  let textbook: TextbookFit
  /// The engine, from the same start.
  let fit: MixtureFit
  let frames: [MixtureReport.Frame]
  /// For each true component the fitted one that is nearest to it, if there is one left.
  let partners: [Int?]
  /// k-means, which the lesson's first half tells on mixtures A and C.
  let kMeans: TextbookKMeans.Fit?
  /// Mixtures that the data could as well have come from.
  let draws: [GaussianMixture]

  private static let features = ["x", "y"]
  private static let fewestPoints = 10

  init(
    example: ExampleMixture, count: Int, componentCount K: Int, iterations: Int, seed: UInt64,
    threads: Int?
  ) throws(MixtureError) {
    guard count >= Self.fewestPoints else {
      throw MixtureError(
        .invalidSetting,
        "-n asks for \(Terminal.count(count, "point")); the lesson needs at least \(Self.fewestPoints)."
      )
    }
    self.example = example
    let parts = try example.draw(count: count, seed: seed)
    let matrix = try Matrix(stacking: parts)
    observations = try Observations(matrix, featureNames: Self.features)
    trueLabels = parts.enumerated().flatMap { k, part in
      Array(repeating: k, count: part.rowCount)
    }
    let rows = matrix.plainRows
    let algorithm = TextbookEM(tolerance: 1e-6, iterationLimit: iterations)
    let start = try algorithm.start(for: rows, componentCount: K, seed: seed)
    var steps: [TextbookStep] = []
    textbook = try algorithm.fit(rows, from: start) { steps.append($0) }
    self.steps = steps

    var frames: [MixtureReport.Frame] = []
    fit = try ExpectationMaximization(
      componentCount: K, initialization: .model(start.gaussianMixture()),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: textbook.stepCount),
      acceleration: .none, seed: seed, threadCount: threads
    ).fit(observations) { report in
      frames.append(MixtureReport.Frame(report))
      return .proceed
    }
    self.frames = frames
    partners = Self.match(example.mixture, fit.model)

    kMeans = example == .d ? nil : try TextbookKMeans().fit(rows, centroidCount: K, seed: seed)
    // Each draw is a fit of its own; a few thousand points show the idea as well as a million. Points so few that a draw
    // collapses show nothing.
    draws =
      count > 5000 ? [] : (try? Self.draws(from: rows, around: textbook.parameters, seed)) ?? []
  }

  private static func draws(
    from rows: [[Double]], around parameters: TextbookMixture, _ seed: UInt64
  ) throws(MixtureError) -> [GaussianMixture] {
    let algorithm = TextbookEM(tolerance: 1e-7, iterationLimit: 500)
    let settled = try algorithm.fit(rows, from: parameters).parameters
    var result: [GaussianMixture] = []
    for draw in try algorithm.parameterDraws(
      count: 30, seed: seed, around: settled, for: rows, tolerance: 1e-6)
    {
      result.append(try draw.gaussianMixture())
    }
    return result
  }

  /// Pairs components by the distance of their means, nearest first.
  private static func match(_ truth: GaussianMixture, _ fitted: GaussianMixture) -> [Int?] {
    var pairs: [(distance: Double, k: Int, j: Int)] = []
    for k in 0..<truth.componentCount {
      for j in 0..<fitted.componentCount {
        let distance = zip(truth.means.row(k), fitted.means.row(j)).reduce(0) {
          $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
        }
        pairs.append((distance, k, j))
      }
    }
    var result = Array<Int?>(repeating: nil, count: truth.componentCount)
    var taken = Set<Int>()
    for pair in pairs.sorted(by: { $0.distance < $1.distance })
    where result[pair.k] == nil && !taken.contains(pair.j) {
      result[pair.k] = pair.j
      taken.insert(pair.j)
    }
    return result
  }

  // MARK: In words

  private var counts: [Int] {
    (0..<example.componentCount).map { k in trueLabels.count { $0 == k } }
  }

  /// The largest difference between the textbook's log-likelihoods and the engine's, relative to their size.
  private var largestDifference: Double {
    zip(textbook.trace, fit.trace).map { abs($0 - $1.logLikelihood) / abs($0) }.max() ?? 0
  }

  private var outcome: String {
    switch textbook.stoppingReason {
    case .converged: return "converged after \(Terminal.count(fit.iterationCount, "step"))"
    default: return "stopped after \(Terminal.count(fit.iterationCount, "step")), the limit"
    }
  }

  /// True and fitted parameters side by side.
  var comparison: String {
    let truth = example.mixture
    var lines = [["parameter", "true", "fitted"]]
    func add(_ name: String, _ expected: Double, _ got: Double?) {
      lines.append([name, Terminal.fixed(expected, 3), got.map { Terminal.fixed($0, 3) } ?? "-"])
    }
    for k in 0..<truth.componentCount {
      let j = partners[k]
      let title =
        "component \(k)" + (j.map { $0 == k ? "" : " (fitted as \($0))" } ?? " (not found)")
      lines.append([title])
      add("  weight", truth.weights[k], j.map { fit.model.weights[$0] })
      for (i, name) in Self.features.enumerated() {
        add("  mean \(name)", truth.means[k, i], j.map { fit.model.means[$0, i] })
      }
      for (row, column, name) in [(0, 0, "variance x"), (1, 1, "variance y"), (0, 1, "covariance")]
      {
        add(
          "  \(name)", truth.covariances[k][row, column],
          j.map { fit.model.covariances[$0][row, column] })
      }
    }
    let extra = (0..<fit.model.componentCount).filter { j in !partners.contains(j) }
    for j in extra {
      lines.append(["component \(j) of the fit has no true partner"])
    }
    return Terminal.aligned(lines)
  }

  /// What the command prints.
  var text: String {
    var text =
      "\(Terminal.count(observations.observationCount, "point")) from mixture \(example.rawValue): "
      + zip(0..., counts).map { "\($1) of component \($0)" }.joined(separator: ", ") + ".\n"
      + "EM with \(Terminal.count(fit.model.componentCount, "component")) from a random start "
      + "\(outcome): log-likelihood \(Terminal.fixed(fit.trace[0].logLikelihood, 2)) to "
      + "\(Terminal.fixed(fit.logLikelihood, 2)).\n\n"
    text += comparison
    if let kMeans {
      text +=
        "\nk-means ended after \(Terminal.count(kMeans.steps.count, "step")) at "
        + kMeans.centroids.map { point in
          "(" + point.map { Terminal.fixed($0, 2) }.joined(separator: ", ") + ")"
        }.joined(separator: ", ") + ".\n"
    }
    return text
  }

  /// The same as one JSON object.
  func json() throws(MixtureError) -> String {
    let truth = try ModelDocument(mixture: example.mixture, featureNames: Self.features).json
    let fitted = try ModelDocument(fit, featureNames: Self.features).json
    let partners = partners.map { $0.map(String.init) ?? "null" }.joined(separator: ", ")
    return
      "{\"example\": \"\(example.rawValue)\", \"counts\": \(counts), \"partners\": [\(partners)],\n"
      + "\"true\": \(truth),\n\"fitted\": \(fitted)}\n"
  }

  // MARK: As a page

  func page(command: String) throws(MixtureError) -> MixtureReport {
    var page = MixtureReport(
      title: "The lesson: Gaussian mixtures and EM", features: Self.features,
      observations: observations, fit: fit)
    page.subtitle =
      "\(observations.observationCount) points from example mixture \(example.rawValue), fitted step by step"
    page.command = command
    page.frames = frames
    page.trueModel = example.mixture
    page.trueLabels = trueLabels
    page.limits = example.axes.ranges
    page.introduction = [introduction]
    page.commentary = try commentary()
    return page
  }

  private var introduction: MixtureReport.Section {
    MixtureReport.Section(
      heading: "What you see",
      blocks: [
        .paragraph(
          """
          \(Terminal.count(observations.observationCount, "point")) were drawn from a mixture that is known: \
          \(zip(0..., counts).map { "\($1) from component \($0)" }.joined(separator: ", ")). \
          EM is then told the points only, not where each came from, and starts from random means. Press play, or step: \
          the colour of each point is the blend of the components' colours in the proportions in which they are \
          responsible for it, and each ellipse is one standard deviation of a component.
          """),
        .paragraph(
          """
          Each step does two things. The E-step asks of every point how probable it is that each component made it: \
          its responsibilities. The M-step gives each component the weight, mean and covariance of the points, counted by \
          those responsibilities. The log-likelihood rises at every step; here EM \(outcome).
          """),
      ])
  }

  private func commentary() throws(MixtureError) -> [MixtureReport.Section] {
    var sections = [
      MixtureReport.Section(
        heading: "True and fitted parameters", blocks: [.preformatted(comparison)])
    ]
    let options = MixturePicture.Options(features: Self.features, limits: example.axes.ranges)
    if let kMeans {
      var blocks: [MixtureReport.Section.Block] = [
        .paragraph(
          """
          k-means is EM's simpler relative: every point belongs wholly to the nearest centroid, and every centroid moves \
          to the mean of its points. It knows no weights and no widths, so the border between two centroids is always \
          halfway.\(example == .c
            ? " Nine tenths of these points belong to one wide component, and k-means cuts it in two." : "")
          """)
      ]
      let shown = Set([0, 1, kMeans.steps.count - 1])
      for step in kMeans.steps where shown.contains(step.number) {
        let svg = try MixturePicture.svg(
          of: observations, centroids: Matrix(rows: step.oldCentroids),
          updatedCentroids: Matrix(rows: step.newCentroids), options: options)
        blocks.append(
          .picture(
            svg: svg,
            caption: "k-means, step \(step.number): points in the colour of the nearest centroid, "
              + "borders dashed, each centroid joined to where it moves."))
      }
      sections.append(MixtureReport.Section(heading: "k-means", blocks: blocks))
    }
    if !draws.isEmpty {
      sections.append(
        MixtureReport.Section(
          heading: "How sure are the parameters?",
          blocks: [
            .paragraph(
              """
              \(draws.count) mixtures that these points could as well have come from: each is a fit to the same points \
              with random weights (the Bayesian bootstrap). Where the faint ellipses lie on each other, the data leave \
              little doubt.
              """),
            .picture(
              svg: try MixturePicture.svg(of: observations, draws: draws, options: options),
              caption: "One-standard-deviation ellipses of \(draws.count) posterior draws."),
          ]))
    }
    sections.append(
      MixtureReport.Section(
        heading: "Two programs, one answer",
        blocks: [
          .paragraph(
            """
            These steps were taken twice: by the textbook's plain loops, and by the engine that fits millions of rows. From \
            the same start their log-likelihoods differ by at most \(Terminal.number(largestDifference, digits: 2)) of \
            their size.
            """)
        ]))
    return sections
  }
}
