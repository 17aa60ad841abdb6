// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureIO
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
    text += ".\n\(criteriaLine(summary))\n\(countsLine(summary))\n"
    return text + ModelDescription(model: fit.model, features: features).componentTable
  }

  /// The table of all models that were tried.
  static func table(_ ranking: ModelSelection.Ranking) -> String {
    var lines = [
      ["", "components", "covariance", "log-likelihood", "parameters", "BIC", "AIC", "ICL", ""]
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
      lines.append([
        mark, "\(candidate.componentCount)", name, Terminal.fixed(fit.logLikelihood, 3),
        "\(fit.parameterCount)", Terminal.fixed(fit.bic, 2), Terminal.fixed(fit.aic, 2),
        Terminal.fixed(fit.icl, 2), remarks.joined(separator: ", "),
      ])
    }
    return Terminal.aligned(lines, indent: "")
      + "* the least \(ranking.criterion.rawValue.uppercased()), which is kept\n"
  }
}
