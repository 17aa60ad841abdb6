// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import Mixtures

/// How `gmm fit --uncertainty` finds standard errors: information, sandwich, or bootstrap with a number of replicates.
enum UncertaintyOption: ExpressibleByArgument {
  case information
  case sandwich
  case bootstrap(Int)

  init?(argument: String) {
    switch argument {
    case "information": self = .information
    case "sandwich": self = .sandwich
    case "bootstrap": self = .bootstrap(999)
    default:
      guard argument.hasPrefix("bootstrap="), let count = Int(argument.dropFirst(10)), count >= 2
      else { return nil }
      self = .bootstrap(count)
    }
  }

  /// The uncertainty of a fit, with what there is to say about it.
  func uncertainty(
    of fit: MixtureFit, _ source: any ObservationSource, _ settings: ExpectationMaximization,
    _ common: CommonOptions
  ) throws(MixtureError) -> ParameterUncertainty {
    let method: UncertaintyMethod =
      switch self {
      case .information: .observedInformation
      case .sandwich: .sandwich
      case .bootstrap(let count):
        .bootstrap(
          Bootstrap(
            replicateCount: count, seed: settings.seed, stoppingRule: settings.stoppingRule,
            covarianceFloor: settings.covarianceFloor))
      }
    let result = try fit.uncertainty(for: source, by: method, settings: settings)
    for line in UncertaintyReport.remarks(try UncertaintySummary(result)) { common.notice(line) }
    return result
  }
}

/// Standard errors as people read them.
enum UncertaintyReport {
  /// What is to be known beside the numbers.
  static func remarks(_ summary: UncertaintySummary) -> [String] {
    var lines: [String] = []
    if summary.isSingular {
      lines.append(
        "the data do not determine all parameters: standard errors that are infinite say which.")
    }
    if !summary.flooredComponents.isEmpty {
      lines.append(
        "components \(summary.flooredComponents.map(String.init).joined(separator: ", ")) are at the covariance "
          + "floor; their standard errors are no measure of them.")
    }
    if summary.failedReplicateCount > 0 {
      lines.append(
        "\(summary.failedReplicateCount) of \(summary.failedReplicateCount + summary.replicateCount) replicates failed "
          + "and are left out.")
    }
    if summary.unconvergedReplicateCount > 0 {
      lines.append("\(summary.unconvergedReplicateCount) replicates did not converge.")
    }
    return lines
  }

  /// The table of standard errors under that of the components; standard deviations by the delta method.
  static func table(
    _ summary: UncertaintySummary, model: GaussianMixture, features: [String]
  ) -> String {
    let shown = Array(features.prefix(ModelDescription.shownFeatures))
    var lines = [["component", "weight"] + shown.map { "mean \($0)" } + shown.map { "sd \($0)" }]
    let errors = summary.standardErrors
    for k in 0..<min(model.componentCount, ModelDescription.shownComponents) {
      let covariance = model.covariances[k]
      lines.append(
        ["\(k)", Terminal.number(errors.weights[k], digits: 3)]
          + shown.indices.map { Terminal.number(errors.means[k, $0], digits: 3) }
          + shown.indices.map {
            Terminal.number(
              errors.covariances[k][$0, $0] / (2 * covariance[$0, $0].squareRoot()), digits: 3)
          })
    }
    let method =
      switch summary.method {
      case "observedInformation": "observed information"
      case "bootstrap": "bootstrap of \(summary.replicateCount) replicates"
      default: summary.method
      }
    return "Standard errors (\(method)):\n" + Terminal.aligned(lines)
  }
}
