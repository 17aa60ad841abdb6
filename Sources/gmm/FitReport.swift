// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureIO
import MixturePlots
import Mixtures

/// What `gmm fit` prints for people.
enum FitReport {
  /// Names in a sentence, cut if there are many.
  static func list(_ names: [String]) -> String {
    names.count <= 6
      ? names.joined(separator: ", ")
      : names.prefix(5).joined(separator: ", ") + " and \(names.count - 5) more"
  }

  /// Why a fit stopped.
  static func words(for reason: StoppingReason) -> String {
    switch reason {
    case .converged: return "converged"
    case .iterationLimit: return "stopped at the iteration limit"
    case .observer: return "stopped early"
    }
  }

  /// The log-likelihood and the criteria.
  static func criteriaLine(_ fit: FitSummary) -> String {
    "Log-likelihood \(Terminal.fixed(fit.logLikelihood, 4)) "
      + "(\(Terminal.fixed(fit.meanLogLikelihood, 6)) per observation) with "
      + "\(Terminal.count(fit.parameterCount, "parameter")): "
      + "BIC \(Terminal.fixed(fit.bic, 2)), AIC \(Terminal.fixed(fit.aic, 2)), "
      + "ICL \(Terminal.fixed(fit.icl, 2)); smaller is better."
  }

  /// How much the rows count, where that is not one each; ends with a line end.
  static func countsLine(_ fit: FitSummary) -> String {
    let n = Double(fit.observationCount)
    guard fit.caseWeight != n || fit.criterionCount != n else { return "" }
    return
      "The rows that count have a case weight of \(Terminal.number(fit.caseWeight, digits: 8)); criteria count "
      + "\(Terminal.number(fit.criterionCount, digits: 8)) observations.\n"
  }

  /// What rows carry, as the line under the heading of a page; nil if that is nothing.
  static func subtitle(_ facts: CarriedFacts) -> String? {
    facts.sentences.isEmpty ? nil : facts.sentences.joined(separator: " ")
  }

  /// What a page says of a fit that a model file tells of, and what that fit maximised as far as the file knows.
  static func facts(
    _ fit: FitSummary
  ) -> (facts: MixtureReport.FitFacts, objective: MixtureReport.Objective) {
    var facts = MixtureReport.FitFacts(
      logLikelihood: fit.logLikelihood, parameterCount: fit.parameterCount, bic: fit.bic,
      aic: fit.aic, icl: fit.icl, iterationCount: fit.iterationCount,
      stoppingReason: fit.stoppingReason, seed: fit.seed, restart: fit.restart,
      restartCount: max(1, fit.restartLogLikelihoods.count), rescued: fit.rescued)
    facts.caseWeight = fit.caseWeight
    if let bound = fit.evidenceLowerBound {
      facts.objective = bound
      return (facts, .evidenceLowerBound)
    }
    guard fit.prior != nil else { return (facts, .logLikelihood) }
    facts.objective = fit.logLikelihood + fit.logPrior
    return (facts, .logPosterior)
  }

  /// What a page says of the iterations of an algorithm that are not EM's.
  static func progressNote(
    _ algorithm: Algorithm, iterationLimit: Int
  ) -> String? {
    switch algorithm {
    case .em, .classification: return nil
    case .stochastic(let steps):
      return
        "The first \(Terminal.count(min(steps, iterationLimit), "iteration")) draw a component for each row, and the "
        + "log-likelihood may fall; the likeliest model of them goes on with EM."
    case .annealed(_, let steps):
      return
        "The first \(Terminal.count(min(steps, iterationLimit), "iteration")) are of deterministic annealing, which "
        + "flattens responsibilities, and the log-likelihood may fall; then EM goes on."
    }
  }

  /// The whole text for one fit.
  static func text(
    _ fit: MixtureFit, features: [String], equalWeights: Bool
  ) -> String {
    let summary = FitSummary(fit, equalWeights: equalWeights)
    var text =
      "\(ModelDescription.headline(fit.model.componentCount, fit.model.structure)): "
      + "\(words(for: fit.stoppingReason)) after \(Terminal.count(fit.iterationCount, "iteration"))"
    let restarts = fit.restartLogLikelihoods.count
    if restarts > 1 { text += ", best of \(restarts) restarts" }
    text += ".\n"
    let objective = MixtureReport.Objective(fit)
    if objective != .logLikelihood {
      let name = objective.name.prefix(1).uppercased() + objective.name.dropFirst()
      text += "\(name) \(Terminal.fixed(fit.objective, 4)), which the fit maximised.\n"
    }
    text += "\(criteriaLine(summary))\n"
    if fit.prior != nil {
      text +=
        "The prior's log density is \(Terminal.fixed(fit.logPrior, 4)); the criteria are those of the "
        + "log-likelihood.\n"
    }
    if fit.classificationLogLikelihood != nil {
      text +=
        "Each row counted for its likeliest component; the criteria are those of the mixture.\n"
    }
    if !fit.moves.isEmpty {
      text +=
        "\(Terminal.count(fit.moves.count, "move")) out of a local maximum gained "
        + "\(Terminal.fixed(fit.moves.reduce(0) { $0 + $1.gain }, 2)).\n"
    }
    text += "\(countsLine(summary))\n"
    return text + ModelDescription(model: fit.model, features: features).componentTable
  }

  /// A word of warning if the model that is kept leans on components that say little.
  static func spuriousLines(_ ranking: ModelSelection.Ranking) -> [String] {
    let spurious = ranking.best.spuriousComponents
    guard let first = spurious.first else { return [] }
    var text = "component \(first.component) may be spurious: \(first.detail)"
    if spurious.count > 1 {
      text += "; so may \(Terminal.count(spurious.count - 1, "more component"))"
    }
    guard ranking.candidates.count > 1 else {
      return [text + ". Fewer components, a simpler structure or a larger --floor may help."]
    }
    guard let index = ranking.bestWithoutSpurious, let fit = ranking.candidates[index].fit else {
      return [text + ". No candidate is without such components."]
    }
    let candidate = ranking.candidates[index]
    let criterion = ranking.criterion
    let value = ranking.value(of: criterion, at: index).map {
      " (\(criterion.rawValue.uppercased()) \(Terminal.fixed($0, criterion == .normalizedEntropy ? 4 : 2)))"
    }
    return [
      text + ". The best candidate without such components has \(fit.model.componentCount), "
        + "\(candidate.covariance.rawValue)\(value ?? "")."
    ]
  }

  /// The table of all models that were tried.
  static func table(_ ranking: ModelSelection.Ranking) -> String {
    // Beside the three that everyone knows, the one that ranks.
    let added: [SelectionCriterion]
    switch ranking.criterion {
    case .bic, .aic, .icl, .likelihoodRatioTest: added = []
    case .aicc, .normalizedEntropy, .crossValidation: added = [ranking.criterion]
    }
    let isValidated = ranking.criterion == .crossValidation
    var lines = [
      ["", "components", "covariance", "log-likelihood", "parameters", "BIC", "AIC", "ICL"]
        + (isValidated
          ? ["held out", "standard error"] : added.map { $0.rawValue.uppercased() }) + [""]
    ]
    for (index, candidate) in ranking.candidates.enumerated() {
      let mark = index == ranking.bestIndex ? "*" : ""
      let name = candidate.covariance.rawValue
      guard let fit = candidate.fit else {
        lines.append([mark, "\(candidate.componentCount)", name, "no fit"])
        continue
      }
      var remarks: [String] = []
      if !fit.isConverged { remarks.append("not converged") }
      if !fit.rescued.isEmpty { remarks.append("rescued") }
      if !fit.spuriousComponents.isEmpty { remarks.append("spurious") }
      var cells = [
        mark, "\(candidate.componentCount)", name, Terminal.fixed(fit.logLikelihood, 3),
        "\(fit.parameterCount)", Terminal.fixed(fit.bic, 2), Terminal.fixed(fit.aic, 2),
        Terminal.fixed(fit.icl, 2),
      ]
      if isValidated {
        let validation = candidate.crossValidation
        cells.append(validation.map { Terminal.fixed($0.meanLogLikelihood, 5) } ?? "no score")
        cells.append(validation.map { Terminal.fixed($0.standardError, 5) } ?? "")
      } else {
        for criterion in added {
          cells.append(
            ranking.value(of: criterion, at: index).map {
              Terminal.fixed($0, criterion == .normalizedEntropy ? 4 : 2)
            } ?? "")
        }
      }
      lines.append(cells + [remarks.joined(separator: ", ")])
    }
    return Terminal.aligned(lines, indent: "") + footnote(ranking)
  }

  /// What the star stands for.
  private static func footnote(_ ranking: ModelSelection.Ranking) -> String {
    switch ranking.criterion {
    case .bic, .aic, .aicc, .icl, .normalizedEntropy:
      return "* the least \(ranking.criterion.rawValue.uppercased()), which is kept\n"
    case .crossValidation:
      return "* the largest log-likelihood of held-out rows, per row, which is kept\n"
    case .likelihoodRatioTest:
      let lines = ranking.tests.map { test in
        "\(test.componentCounts[0]) against \(test.componentCounts[1]) components: "
          + "likelihood ratio \(Terminal.fixed(test.statistic, 3)), "
          + "p = \(Terminal.number(test.pValue, digits: 3)) "
          + "(\(Terminal.count(test.replicates.count, "table")) drawn"
          + (test.failureCount > 0 ? ", \(test.failureCount) more without a fit" : "")
          + "): \(test.componentCounts[0]) \(test.isRejected ? "rejected" : "kept")\n"
      }
      return "\n" + lines.joined()
        + "* the first that its test does not reject\(ranking.tests.last?.isRejected == true ? " (none; the last)" : "")\n"
    }
  }
}
