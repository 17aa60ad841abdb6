// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixturePlots
import Mixtures

/// How much of a fit's way is kept.
enum FrameLimits {
  /// The first iterations are the most telling; they are all kept.
  static let keptWhole = 30
  static let frameLimit = 120
  /// How many models are held at most.
  static let modelLimit = 2 * (frameLimit + 2)
}

/// Keeps what a fit went through on its way: all of the first iterations, and ever fewer of the later ones. Two ways are held at
/// a time, that of the best restart so far and that of the present one, so memory stays bounded however long a fit runs and
/// however many restarts there are.
final class FrameRecorder<Frame> {
  private struct Run {
    let restart: Int
    var stride = 1
    var frames: [(iteration: Int, frame: Frame)] = []
    var last: (iteration: Int, frame: Frame)?
    /// The objective of the last model.
    var objective = -Double.infinity

    mutating func add(_ frame: Frame, _ iteration: Int) {
      last = (iteration, frame)
      guard iteration < FrameLimits.keptWhole || iteration % stride == 0 else { return }
      frames.append((iteration, frame))
      guard frames.count > FrameLimits.frameLimit else { return }
      stride *= 2
      frames.removeAll { $0.iteration >= FrameLimits.keptWhole && $0.iteration % stride != 0 }
    }
  }

  private var current: Run?
  private var best: Run?

  func record(_ frame: Frame, restart: Int, iteration: Int, objective: Double) {
    if current?.restart != restart {
      finish()
      current = Run(restart: restart)
    }
    current?.add(frame, iteration)
    current?.objective = objective
  }

  /// What led to the end of a restart, the last frame included; nothing if it is not the best.
  func frames(ofRestart restart: Int) -> [Frame] {
    finish()
    guard let run = best, run.restart == restart else { return [] }
    let last = run.last.map { $0.iteration == run.frames.last?.iteration ? [] : [$0.frame] } ?? []
    return run.frames.map(\.frame) + last
  }

  /// Keeps the present run if it is better than the best, as a fit chooses.
  private func finish() {
    defer { current = nil }
    guard let run = current else { return }
    if best.map({ run.objective > $0.objective }) ?? true { best = run }
  }
}

extension FrameRecorder<MixtureReport.Frame> {
  func record(_ report: IterationReport) {
    record(
      MixtureReport.Frame(report), restart: report.restart, iteration: report.iteration,
      objective: report.objective)
  }

  /// The frames that led to a fit; the last is the fit's own model.
  func frames(of fit: MixtureFit) -> [MixtureReport.Frame] { frames(ofRestart: fit.restart) }
}
