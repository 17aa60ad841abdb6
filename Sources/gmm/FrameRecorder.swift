// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixturePlots
import Mixtures

/// Keeps the models that EM went through on the way to a fit: all of the first iterations, and ever fewer of the later ones.
/// Two ways are held at a time, that of the best restart so far and that of the present one, so memory stays bounded however
/// long a fit runs and however many restarts there are.
final class FrameRecorder {
  private struct Run {
    let restart: Int
    var stride = 1
    var frames: [MixtureReport.Frame] = []
    var last: MixtureReport.Frame?
    /// The objective of the last model.
    var objective = -Double.infinity

    mutating func add(_ frame: MixtureReport.Frame) {
      last = frame
      guard frame.iteration < keptWhole || frame.iteration % stride == 0 else { return }
      frames.append(frame)
      guard frames.count > limit else { return }
      stride *= 2
      frames.removeAll { $0.iteration >= keptWhole && $0.iteration % stride != 0 }
    }
  }

  private var current: Run?
  private var best: Run?
  /// The first iterations are the most telling; they are all kept.
  private static let keptWhole = 30
  private static let limit = 120
  /// How many models are held at most.
  static let modelLimit = 2 * (limit + 2)

  func record(_ report: IterationReport) {
    if current?.restart != report.restart {
      finish()
      current = Run(restart: report.restart)
    }
    current?.add(MixtureReport.Frame(report))
    current?.objective = report.objective
  }

  /// The frames that led to a fit; the last is the fit's own model.
  func frames(of fit: MixtureFit) -> [MixtureReport.Frame] {
    finish()
    guard let run = best, run.restart == fit.restart else { return [] }
    return run.frames
      + (run.last.map { $0.iteration == run.frames.last?.iteration ? [] : [$0] } ?? [])
  }

  /// Keeps the present run if it is better than the best, as a fit chooses.
  private func finish() {
    defer { current = nil }
    guard let run = current else { return }
    if best.map({ run.objective > $0.objective }) ?? true { best = run }
  }
}
