// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixturePlots
import Mixtures

/// Keeps the models that EM went through, for the best restart of each candidate: all of the first, and ever fewer of the
/// later ones, so that memory stays bounded however long a fit runs.
final class FrameRecorder {
  private struct Run {
    var restart = 0
    var stride = 1
    var frames: [MixtureReport.Frame] = []
    var last: MixtureReport.Frame?

    mutating func add(_ frame: MixtureReport.Frame) {
      last = frame
      guard frame.iteration < keptWhole || frame.iteration % stride == 0 else { return }
      frames.append(frame)
      guard frames.count > limit else { return }
      stride *= 2
      frames.removeAll { $0.iteration >= keptWhole && $0.iteration % stride != 0 }
    }
  }

  private var current: [Int: Run] = [:]
  private var best: [Int: Run] = [:]
  /// The first iterations are the most telling; they are all kept.
  private static let keptWhole = 30
  private static let limit = 120

  func record(_ report: IterationReport, candidate: Int) {
    let frame = MixtureReport.Frame(report)
    if current[candidate]?.restart != report.restart {
      finish(candidate)
      current[candidate] = Run(restart: report.restart)
    }
    current[candidate]!.add(frame)
  }

  /// The frames that led to a fit; the last is the fit's own model.
  func frames(candidate: Int, of fit: MixtureFit) -> [MixtureReport.Frame] {
    finish(candidate)
    guard let run = best[candidate], run.restart == fit.restart else { return [] }
    return run.frames
      + (run.last.map { $0.iteration == run.frames.last?.iteration ? [] : [$0] } ?? [])
  }

  private func finish(_ candidate: Int) {
    guard let run = current.removeValue(forKey: candidate), let end = run.last else { return }
    if best[candidate]?.last.map({ $0.logLikelihood < end.logLikelihood }) ?? true {
      best[candidate] = run
    }
  }
}
