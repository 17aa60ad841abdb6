// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import MixturePlots
import Mixtures

/// One or more variants of mixtures of factor analysers, separated by commas, or `all`.
struct FactorVariantList: ExpressibleByArgument {
  let variants: [FactorVariant]

  init?(argument: String) {
    if argument.lowercased() == "all" {
      variants = FactorVariant.allCases
      return
    }
    let names = argument.split(separator: ",").map(String.init)
    variants = names.compactMap { FactorVariant(name: $0) }
    guard !variants.isEmpty, variants.count == names.count else { return nil }
  }
}

/// `gmm fit --factors`
extension Fit {
  func requireFittingFactorOptions() throws {
    guard factors != nil else {
      if factorVariants != nil {
        throw ValidationError("--factor-variants needs --factors, the number of factors.")
      }
      return
    }
    let excluded = [
      ("--covariance", covariance != nil), ("--prior", prior.prior != .none),
      ("--fix", !fix.isEmpty), ("--checkpoint", checkpoint != nil), ("--search", search != nil),
      ("--merge-search", !mergeSearch.isEmpty), ("--criterion-plot", criterionPlot != nil),
      ("--hard", hard), ("--algorithm", algorithm != nil), ("--split-merge", splitMerge != 0),
      ("--halving", halving), ("--uncertainty", uncertainty != nil), ("--progress", progress),
    ].filter { $0.1 }.map { $0.0 }
    if let first = excluded.first {
      throw ValidationError("\(first) and --factors exclude each other.")
    }
    guard criterion.information != nil else {
      throw ValidationError(
        "--factors are chosen by bic, aic, aicc or icl, and --criterion is \(criterion.rawValue).")
    }
  }

  /// Fits all combinations of numbers of components and factors, and writes the best as any other fit.
  func runFactors(_ factorCounts: [Int], _ problem: Problem) throws {
    let settings = problem.settings
    let criterion = criterion.information ?? .bic
    var analysers = FactorAnalysers(
      componentCount: 1, factorCount: 0, equalWeights: settings.equalWeights,
      initialization: settings.initialization, restartCount: settings.restartCount,
      stoppingRule: settings.stoppingRule, uniquenessFloor: settings.covarianceFloor,
      rescuePolicy: settings.rescuePolicy, background: settings.background,
      acceleration: settings.acceleration, skipping: settings.skipping,
      precision: settings.precision, seed: settings.seed, threadCount: settings.threadCount)
    analysers.kMeans = settings.kMeans
    // A single fit is recorded on its way; of several the best is made again.
    let isSingle =
      problem.componentCounts.count * factorCounts.count * (factorVariants?.variants.count ?? 1)
      == 1
    let recorder = FrameRecorder<MixtureReport.Frame>()
    let record = { (_: Int, iteration: IterationReport) -> ObserverDecision in
      recorder.record(iteration)
      return .proceed
    }
    let ranking = try analysers.search(
      problem.source, componentCounts: problem.componentCounts, factorCounts: factorCounts,
      variants: factorVariants?.variants, criterion: criterion,
      observer: report != nil && isSingle ? record : nil)
    if report != nil, !isSingle {
      _ = try ranking.candidates[ranking.bestIndex].settings.fit(problem.source) { record(0, $0) }
    }
    let best = ranking.best
    let fit = best.mixtureFit
    for line in ModelDescription.rescueLines(fit.rescued) { common.notice(line) }
    if common.format == .json, let text = problem.labelSentence { common.notice(text) }
    noticeUnlessConverged(fit.isConverged, iterationCount: fit.iterationCount)
    let document = try ModelDocument(
      fit, featureNames: problem.featureNames, equalWeights: equalWeights)
    if let modelFile { try document.write(to: modelFile) }
    if let trace { try writeTrace(fit, to: trace) }
    try writePictures(of: document.mixture, problem)
    if let report {
      var page = MixtureReport(
        title: "Mixture of factor analysers of \(FitReport.list(input.data.map(fileName)))",
        features: document.featureNames,
        observations: problem.source, fit: fit)
      page.frames = recorder.frames(of: fit)
      try write(page, of: problem, to: report)
    }
    try printFactors(problem, ranking, document)
    if requireConvergence, !fit.isConverged { throw GMM.NotConverged() }
  }

  private func printFactors(
    _ problem: Problem, _ ranking: FactorRanking, _ document: ModelDocument
  ) throws(MixtureError) {
    if results.contains("-") { return }
    guard common.format == .text else {
      try Terminal.print(document.json)
      return
    }
    var text = try Self.heading(problem)
    if ranking.candidates.count > 1 { text += Self.table(ranking) + "\n" }
    let best = ranking.best
    text +=
      "Covariances of \(Terminal.count(best.factorCount, "factor")), \(best.variant.rawValue).\n"
      + FitReport.text(
        best.mixtureFit, features: problem.featureNames, equalWeights: equalWeights)
    try Terminal.print(text + writtenSentence)
  }

  /// The table of all that were tried.
  private static func table(_ ranking: FactorRanking) -> String {
    var lines = [
      [
        "", "components", "factors", "variant", "log-likelihood", "parameters", "BIC", "AIC",
        "ICL", "",
      ]
    ]
    if ranking.criterion == .aicc { lines[0].insert("AICC", at: 9) }
    for (index, candidate) in ranking.candidates.enumerated() {
      let mark = index == ranking.bestIndex ? "*" : ""
      let start = [
        mark, "\(candidate.componentCount)", "\(candidate.factorCount)",
        candidate.variant.rawValue,
      ]
      guard let fit = candidate.fit else {
        lines.append(start + ["no fit"])
        continue
      }
      var remarks: [String] = []
      if !fit.isConverged { remarks.append("not converged") }
      if !fit.rescued.isEmpty { remarks.append("rescued") }
      var cells =
        start + [
          Terminal.fixed(fit.logLikelihood, 3), "\(fit.parameterCount)",
          Terminal.fixed(fit.bic, 2), Terminal.fixed(fit.aic, 2), Terminal.fixed(fit.icl, 2),
        ]
      if ranking.criterion == .aicc { cells.append(Terminal.fixed(fit.value(of: .aicc), 2)) }
      lines.append(cells + [remarks.joined(separator: ", ")])
    }
    return Terminal.aligned(lines, indent: "")
      + "* the least \(ranking.criterion.rawValue.uppercased()), which is kept\n"
  }
}
