// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import MixturePlots
import Mixtures

/// The prior of the weights, as written on the command line: `dirichlet` or `process`, each with `=CONCENTRATION` or without.
struct BayesOption: ExpressibleByArgument {
  let prior: WeightPrior

  init?(argument: String) {
    let parts = argument.split(
      separator: "=", maxSplits: 1, omittingEmptySubsequences: false
    ).map(String.init)
    var concentration: Double?
    if parts.count == 2 {
      guard let value = Double(parts[1]) else { return nil }
      concentration = value
    }
    switch parts[0] {
    case "dirichlet": prior = .dirichlet(concentration: concentration)
    case "process": prior = .dirichletProcess(concentration: concentration ?? 1)
    default: return nil
    }
  }
}

/// `gmm fit --bayes`
extension Fit {
  /// The number of components without -k: as an upper limit it may be more than is needed.
  static let bayesianComponentLimit = 10

  /// What of the command does not go with --bayes, and why.
  func validateBayesian() throws {
    guard bayes != nil else { return }
    let groups: [(why: String, options: [(name: String, isGiven: Bool)])] = [
      (
        "the components may be left without rows or change places, and there is no background",
        [("--labels", labels != nil), ("--background", background != nil)]
      ),
      (
        "all parameters have priors of its own, which also keep covariances from collapsing",
        [
          ("--prior", prior.prior != .none), ("--floor", floor != Self.defaultFloor),
          ("--rescue", rescue != .reseed), ("--fix", !fix.isEmpty),
          ("--equal-weights", equalWeights),
        ]
      ),
      (
        "it has no priors of factors",
        [("--factors", factors != nil)]
      ),
      (
        "it has one kind of iterations, in double precision",
        [
          ("--hard", hard), ("--algorithm", algorithm.map { $0.algorithm != .em } ?? false),
          ("--precision single", precision != .double), ("--split-merge", splitMerge != 0),
          ("--halving", halving),
        ]
      ),
      (
        "the evidence lower bound ranks a range",
        [
          ("--criterion", criterion != .bic), ("--criterion-plot", criterionPlot != nil),
          ("--search", search != nil), ("--merge-search", !mergeSearch.isEmpty),
        ]
      ),
      (
        "only fits by maximum likelihood have that",
        [
          ("--uncertainty", uncertainty != nil), ("--checkpoint", checkpoint != nil),
          ("--progress", progress),
        ]
      ),
    ]
    for group in groups {
      if let option = group.options.first(where: \.isGiven) {
        throw ValidationError("--bayes and \(option.name) exclude each other: \(group.why).")
      }
    }
    if let covariance, !covariance.isAll,
      let other = covariance.structures(featureCount: 2).first(where: {
        !VariationalBayes.structures.contains($0)
      })
    {
      throw ValidationError(
        "--bayes and --covariance \(other.rawValue) exclude each other: conjugate priors are there for "
          + "\(VariationalBayes.structures.map(\.rawValue).joined(separator: ", ")).")
    }
  }

  /// One posterior, and the mixture that is left of it.
  struct BayesianCandidate {
    let limit: Int
    let settings: VariationalBayes
    let fit: VariationalFit
    /// What a component has at least.
    let rowLimit: Double
    let summary: FitSummary
    let mixture: GaussianMixture
  }

  /// Fits posteriors, and writes the plug-in mixture of the one with the largest bound, without empty components.
  func run(_ prior: WeightPrior, _ problem: Problem) throws {
    var candidates: [BayesianCandidate] = []
    let recorder = FrameRecorder<ExpectedMixture>()
    let counts =
      components == nil && start?.fixesCount != true
      ? [Self.bayesianComponentLimit] : problem.componentCounts
    let structures =
      covariance?.isAll ?? false
      ? problem.structures.filter(VariationalBayes.structures.contains) : problem.structures
    // A single fit is recorded on its way; of several the best is made again.
    let isSingle = structures.count * counts.count == 1
    for structure in structures {
      for count in counts {
        candidates.append(
          try candidate(
            prior, problem, structure, count, recorder: report != nil && isSingle ? recorder : nil))
      }
    }
    let best = candidates.indices.max {
      candidates[$0].fit.evidenceLowerBound < candidates[$1].fit.evidenceLowerBound
    }!
    let chosen = candidates[best]
    if report != nil, !isSingle {
      _ = try chosen.settings.fit(problem.source, observer: recorder.observe)
    }
    noticeUnlessConverged(chosen.fit.isConverged, iterationCount: chosen.fit.iterationCount)
    let document = try ModelDocument(
      mixture: chosen.mixture, featureNames: problem.featureNames, fit: chosen.summary)
    if let modelFile { try document.write(to: modelFile) }
    if let trace { try writeTrace(chosen.fit, to: trace) }
    try writePictures(of: document.mixture, problem)
    if let report {
      try write(page(problem, candidates, best, document, recorder), of: problem, to: report)
    }
    try printResult(problem, candidates, best, document)
    if requireConvergence, !chosen.fit.isConverged { throw GMM.NotConverged() }
  }

  private func candidate(
    _ prior: WeightPrior, _ problem: Problem, _ structure: CovarianceStructure, _ count: Int,
    recorder: FrameRecorder<ExpectedMixture>?
  ) throws(MixtureError) -> BayesianCandidate {
    let settings = problem.settings
    var bayes = VariationalBayes(
      componentCount: count, covariance: structure, weightPrior: prior,
      initialization: settings.initialization, restartCount: settings.restartCount,
      stoppingRule: settings.stoppingRule, seed: settings.seed, threadCount: settings.threadCount)
    bayes.kMeans = settings.kMeans
    let fit = try bayes.fit(problem.source, observer: recorder.map { $0.observe })
    // Reliabilities need not be about one, and of very few rows no component may have one.
    let oneRow = min(1, fit.caseWeight / fit.criterionCount)
    let rowLimit = min(oneRow, fit.posterior.counts.max() ?? 0)
    let mixture = try fit.pruned(below: rowLimit)
    return BayesianCandidate(
      limit: count, settings: bayes, fit: fit, rowLimit: rowLimit,
      summary: try FitSummary(fit, mixture: mixture, of: problem.source), mixture: mixture)
  }

  private func writeTrace(_ fit: VariationalFit, to path: String) throws(MixtureError) {
    try AtomicFile.write(to: path) { (output) throws(MixtureError) in
      let weights = fit.expectedWeights.indices.map { ",weight_\($0)" }.joined()
      try output.write("iteration,evidence_lower_bound,seconds\(weights)\n")
      for record in fit.trace {
        let cells = record.expectedWeights.map { ",\($0)" }.joined()
        try output.write(
          "\(record.iteration),\(record.evidenceLowerBound),\(record.seconds)\(cells)\n")
      }
    }
  }

  /// All candidates, with their bounds.
  private func table(_ candidates: [BayesianCandidate], _ best: Int) -> String {
    var lines = [["", "limit", "components", "covariance", "evidence lower bound", ""]]
    for (index, candidate) in candidates.enumerated() {
      lines.append([
        index == best ? "*" : "", "\(candidate.limit)", "\(candidate.mixture.componentCount)",
        candidate.mixture.structure.rawValue,
        Terminal.fixed(candidate.fit.evidenceLowerBound, 3),
        candidate.fit.isConverged ? "" : "not converged",
      ])
    }
    return Terminal.aligned(lines, indent: "")
      + "* the largest evidence lower bound, which is kept\n"
  }

  /// The page that plays the expected mixtures of the iterations.
  private func page(
    _ problem: Problem, _ candidates: [BayesianCandidate], _ best: Int, _ document: ModelDocument,
    _ recorder: FrameRecorder<ExpectedMixture>
  ) throws(MixtureError) -> MixtureReport {
    let chosen = candidates[best]
    let known = FitReport.facts(chosen.summary)
    var page = MixtureReport(
      title: "Variational Gaussian mixture of \(FitReport.list(input.data.map(fileName)))",
      features: document.featureNames, observations: problem.source, model: document.mixture,
      fit: known.facts)
    page.fit?.restartCount = chosen.fit.restartBounds.count
    page.objective = known.objective
    page.variationalTrace = chosen.fit.trace
    page.frames = try ExpectedMixture.frames(
      recorder.frames(ofRestart: chosen.fit.restart), rowLimit: chosen.rowLimit,
      ending: document.mixture)
    page.progressNote =
      "Each iteration shows the mixture that its posterior expects, of at most \(chosen.limit) components, without those "
      + "that are left with less than one row. The evidence lower bound never falls."
    if candidates.count > 1 {
      page.commentary = [
        MixtureReport.Section(
          heading: "The choice among \(candidates.count) candidates",
          blocks: [.preformatted(table(candidates, best))])
      ]
    }
    return page
  }

  private func printResult(
    _ problem: Problem, _ candidates: [BayesianCandidate], _ best: Int, _ document: ModelDocument
  ) throws(MixtureError) {
    // A file asked for on standard output is all that stands there.
    if results.contains("-") { return }
    if common.format == .json {
      return try Terminal.print(
        candidates.count > 1
          ? document.json(
            with: candidates.map {
              VariationalCandidate(
                $0.fit, limit: $0.limit, componentCount: $0.mixture.componentCount)
            }, chosen: best) : document.json)
    }
    let chosen = candidates[best]
    var text = try Self.heading(problem)
    if candidates.count > 1 { text += table(candidates, best) + "\n" }
    text +=
      "\(ModelDescription.headline(document.mixture.componentCount, document.mixture.structure)) "
      + "of at most \(chosen.limit): \(FitReport.words(for: chosen.fit.stoppingReason)) after "
      + Terminal.count(chosen.fit.iterationCount, "iteration")
    let restarts = chosen.fit.restartBounds.count
    if restarts > 1 { text += ", best of \(restarts) restarts" }
    text +=
      ".\nEvidence lower bound \(Terminal.fixed(chosen.fit.evidenceLowerBound, 4)); larger is better.\n"
      + "\(FitReport.criteriaLine(chosen.summary))\n\(FitReport.countsLine(chosen.summary))\n"
      + ModelDescription(model: document.mixture, features: problem.featureNames).componentTable
    try Terminal.print(text + writtenSentence)
  }
}

extension StartOption {
  /// Whether the start says how many components there are.
  fileprivate var fixesCount: Bool {
    switch self {
    case .labels, .model: return true
    case .shortRuns, .kMeans, .hierarchical, .rows, .random: return false
    }
  }
}
