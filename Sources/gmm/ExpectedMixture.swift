// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixturePlots
import Mixtures

/// The mixture that a posterior expects, on the way of a fit by variational Bayes.
struct ExpectedMixture {
  let iteration: Int
  let evidenceLowerBound: Double
  let model: GaussianMixture
  /// How many rows each component has.
  let counts: [Double]

  init(_ report: VariationalReport) {
    iteration = report.iteration
    evidenceLowerBound = report.evidenceLowerBound
    model = report.model
    counts = report.posterior.counts
  }

  /// The frames of a page, without components that have fewer rows than the limit at the time. A component has the same number,
  /// and so the same colour, in all of them: first those that the last one keeps, in their order, then those that are emptied,
  /// the last of them first.
  ///
  /// - Parameter model: What the last frame keeps.
  static func frames(
    _ all: [ExpectedMixture], rowLimit: Double, ending model: GaussianMixture
  ) throws(MixtureError) -> [MixtureReport.Frame] {
    guard let last = all.last else { return [] }
    let kept = last.counts.indices.filter { last.counts[$0] >= rowLimit }
    // In which frame a component is seen last.
    let end = last.counts.indices.map { k in
      all.lastIndex { $0.counts[k] >= rowLimit } ?? -1
    }
    let emptied = last.counts.indices.filter { last.counts[$0] < rowLimit }
      .sorted { (end[$1], $0) < (end[$0], $1) }
    var frames: [MixtureReport.Frame] = []
    for (index, mixture) in all.enumerated() {
      // What is to come back is shown meanwhile, so that numbers stay.
      let shown = kept + emptied.filter { end[$0] >= index }
      frames.append(
        MixtureReport.Frame(
          iteration: mixture.iteration, logLikelihood: .nan, objective: mixture.evidenceLowerBound,
          model: index == all.count - 1 ? model : try mixture.model.selecting(shown)))
    }
    return frames
  }
}

extension FrameRecorder<ExpectedMixture> {
  func observe(_ report: VariationalReport) -> ObserverDecision {
    record(
      ExpectedMixture(report), restart: report.restart, iteration: report.iteration,
      objective: report.evidenceLowerBound)
    return .proceed
  }
}

extension GaussianMixture {
  /// The mixture of some of the components, in the given order, with weights that sum to one.
  fileprivate func selecting(_ components: [Int]) throws(MixtureError) -> GaussianMixture {
    let total = components.reduce(0) { $0 + weights[$1] }
    return try GaussianMixture(
      weights: components.map { weights[$0] / total },
      means: Matrix(rows: components.map { means.row($0) }),
      covariances: Covariances(
        structure: structure,
        matrices: components.map { covariances[$0] }))
  }
}
