// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixturePlots
import Mixtures

/// Keeps the models that EM went through on the way to the fit that a search keeps: all of the first iterations, and ever
/// fewer of the later ones. Two ways are held at a time, that of the best fit so far and that of the present one, so memory
/// stays bounded however long a fit runs and however many there are.
final class FrameRecorder {
  private struct Run {
    let candidate: Int
    let restart: Int
    var stride = 1
    var frames: [MixtureReport.Frame] = []
    var last: MixtureReport.Frame?
    /// The objective, and the criterion, of the last model.
    var end = (objective: -Double.infinity, criterion: Double.infinity)

    mutating func add(_ frame: MixtureReport.Frame) {
      last = frame
      guard frame.iteration < keptWhole || frame.iteration % stride == 0 else { return }
      frames.append(frame)
      guard frames.count > limit else { return }
      stride *= 2
      frames.removeAll { $0.iteration >= keptWhole && $0.iteration % stride != 0 }
    }
  }

  private let criterion: InformationCriterion
  private let equalWeights: Bool
  private let fixed: FixedParameters
  private var current: Run?
  private var best: Run?
  /// The first iterations are the most telling; they are all kept.
  private static let keptWhole = 30
  private static let limit = 120
  /// How many models are held at most.
  static let modelLimit = 2 * (limit + 2)

  /// A recorder for a search that this criterion decides.
  init(criterion: InformationCriterion, equalWeights: Bool, fixed: FixedParameters) {
    self.fixed = fixed
    self.criterion = criterion
    self.equalWeights = equalWeights
  }

  func record(_ report: IterationReport, candidate: Int) {
    if current.map({ $0.candidate != candidate || $0.restart != report.restart }) ?? true {
      finish()
      current = Run(candidate: candidate, restart: report.restart)
    }
    let statistics = report.statistics
    current?.add(MixtureReport.Frame(report))
    let model = report.model
    current?.end = (
      report.objective,
      criterion.value(
        logLikelihood: report.logLikelihood,
        parameterCount: fixed.parameterCount(
          structure: model.structure, featureCount: model.featureCount,
          componentCount: model.componentCount, equalWeights: equalWeights),
        observationCount: statistics.caseWeight, entropy: statistics.entropy)
    )
  }

  /// The frames that led to a fit; the last is the fit's own model.
  func frames(candidate: Int, of fit: MixtureFit) -> [MixtureReport.Frame] {
    finish()
    guard let run = best, run.candidate == candidate, run.restart == fit.restart else { return [] }
    return run.frames
      + (run.last.map { $0.iteration == run.frames.last?.iteration ? [] : [$0] } ?? [])
  }

  /// Keeps the present run if it is better than the best: among restarts by the objective, as a fit chooses, and among
  /// candidates by the criterion, as a search does.
  private func finish() {
    defer { current = nil }
    guard let run = current else { return }
    let isBetter = best.map {
      $0.candidate == run.candidate
        ? run.end.objective > $0.end.objective : run.end.criterion < $0.end.criterion
    }
    if isBetter ?? true { best = run }
  }
}
