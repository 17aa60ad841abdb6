// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import MixtureIO
import Mixtures

/// Says on standard error what a long search will take, and how far it has come.
///
/// Nothing is assumed about the machine: the first iterations are timed. How many will be needed is not known before, so a
/// forecast gives the time of one and that of the limit; the time left follows from how fast the gains shrink.
final class FitProgress {
  /// When to speak.
  enum Mode {
    /// Never.
    case silent
    /// On a line that is replaced, if standard error is a terminal; and a forecast, if the search will be long.
    case terminal
    /// In lines that stay, on whatever standard error is; and a forecast in any case.
    case lines
  }

  private let mode: Mode
  private let line: ProgressLine
  private let search: ModelSelection
  private let fitCount: Int
  /// The table and the memory, in words.
  private let problem: String

  private var pace = Pace()
  private var hasForecast = false
  private var lastLine = ContinuousClock.now

  init(mode: Mode, search: ModelSelection, restarts: Int, problem: String) {
    self.mode = mode
    self.search = search
    self.problem = problem
    line = ProgressLine(quiet: mode != .terminal)
    fitCount = search.componentCounts.count * search.covariances.count * max(restarts, 1)
  }

  /// Whether anything will be said, so that iterations must be observed.
  var isHeard: Bool {
    switch mode {
    case .silent: return false
    case .terminal: return line.isShown
    case .lines: return true
    }
  }

  /// Takes note of an iteration, or of a fit that was finished.
  func observe(_ update: SearchProgress) {
    guard isHeard else { return }
    if let report = update.iteration {
      pace.observe(
        report, candidate: Self.number(update), rule: search.estimation.stoppingRule)
      if update.stage == .candidates { forecast(report, update) }
    } else {
      guard fitCount > 1 || update.stage != .candidates else { return }
    }
    switch mode {
    case .silent: break
    case .terminal: line.show(text(update))
    case .lines:
      guard ContinuousClock.now - lastLine > .seconds(10) else { return }
      lastLine = .now
      Terminal.write("gmm: \(text(update))\n")
    }
  }

  /// Takes the line away.
  func clear() { line.clear() }

  /// Once two iterations were timed (or one, if that took long): what all will take.
  private func forecast(_ report: IterationReport, _ update: SearchProgress) {
    guard !hasForecast, let seconds = pace.secondsPerIteration,
      report.iteration >= 2 || seconds > 5
    else { return }
    hasForecast = true
    let rule = search.estimation.stoppingRule
    let limit = Double(rule.iterationLimit)
    let isLong = seconds * (rule.tolerance == 0 ? limit : min(limit, 100)) * Double(fitCount) > 20
    switch mode {
    case .silent: return
    case .terminal: guard isLong else { return }
    case .lines: break
    }
    line.clear()
    Terminal.write(
      "gmm: "
        + Self.forecast(
          problem: problem, structure: model(update), secondsPerIteration: seconds,
          rule: rule, fitCount: fitCount) + "\n")
  }

  /// The forecast in words.
  static func forecast(
    problem: String, structure: String, secondsPerIteration: Double, rule: StoppingRule,
    fitCount: Int
  ) -> String {
    let whole = secondsPerIteration * Double(rule.iterationLimit)
    let iterations = Terminal.count(rule.iterationLimit, "iteration")
    var text =
      "\(problem); \(structure): one iteration takes \(duration(secondsPerIteration)). "
      + (rule.tolerance == 0
        ? "\(iterations) will take \(duration(whole))"
        : "How many are needed shows on the way; the limit of \(iterations) is \(duration(whole))")
    if fitCount > 1 {
      text += " for this fit, one of \(fitCount); time grows with the number of components"
    }
    return text + "."
  }

  /// A number for the fit under way that no other fit nearby has.
  private static func number(_ update: SearchProgress) -> Int {
    let structures = CovarianceStructure.allCases
    return update.componentCount * structures.count
      + (structures.firstIndex(of: update.covariance) ?? 0)
  }

  private func model(_ update: SearchProgress) -> String {
    "K = \(update.componentCount) \(update.covariance.rawValue)"
  }

  private func text(_ update: SearchProgress) -> String {
    guard let report = update.iteration else {
      let count = update.count.map { " of \($0)" } ?? ""
      switch update.stage {
      case .candidates: return "\(update.finishedCount)\(count) candidates fitted"
      case .neighbours: return "candidates tried again from each other: \(model(update))"
      case .crossValidation: return "\(update.finishedCount)\(count) folds fitted"
      case .bootstrap:
        return
          "K = \(update.componentCount) tested: \(update.finishedCount)\(count) tables drawn and fitted"
      }
    }
    var text = model(update)
    let restarts = search.estimation.restartCount
    if restarts > 1, update.stage == .candidates {
      text += ", restart \(report.restart + 1) of \(restarts)"
    }
    let mean = report.objective / report.statistics.caseWeight
    // The time first: what does not fit on the line is cut.
    text +=
      ", iteration \(report.iteration)\(pace.leftText): \(Terminal.fixed(mean, 6)) per observation"
    if let left = report.remainingGain {
      text += ", about \(Terminal.number(left, digits: 2)) left to gain"
    }
    return text
  }

  /// A time in words, to two digits at most.
  static func duration(_ seconds: Double) -> String {
    switch seconds {
    case ..<0.001: return "less than a millisecond"
    case ..<1: return "\(Int((seconds * 1000).rounded(.up))) milliseconds"
    case ..<10: return "\(Terminal.number(seconds, digits: 2)) seconds"
    case ..<100: return "\(Int(seconds.rounded())) seconds"
    case ..<6000: return "\(Int((seconds / 60).rounded())) minutes"
    case ..<172_800: return "\(Int((seconds / 3600).rounded())) hours"
    default: return "\(Int(min(seconds / 86_400, 1e9).rounded())) days"
    }
  }
}

/// How long an iteration of a fit takes, and how many are left.
struct Pace {
  /// Seconds of one iteration, a mean over the last few; nil before the first has ended.
  private(set) var secondsPerIteration: Double?
  /// How many iterations are left until the stopping rule is met, if gains go on shrinking as they do; nil if they do not
  /// shrink.
  private(set) var iterationsLeft: Int?
  /// How many iterations the limit leaves.
  private(set) var limitLeft = 0

  private var previous: (candidate: Int, report: Previous)?

  private struct Previous {
    let restart: Int
    let seconds: Double
    let objective: Double
  }

  mutating func observe(_ report: IterationReport, candidate: Int, rule: StoppingRule) {
    observe(
      candidate: candidate, restart: report.restart, iteration: report.iteration,
      seconds: report.seconds, objective: report.objective,
      caseWeight: report.statistics.caseWeight, remainingGain: report.remainingGain, rule: rule)
  }

  mutating func observe(
    candidate: Int, restart: Int, iteration: Int, seconds: Double, objective: Double,
    caseWeight: Double, remainingGain: Double?, rule: StoppingRule
  ) {
    let last = previous?.report
    let isSameFit = previous?.candidate == candidate && last?.restart == restart
    previous = (
      candidate, Previous(restart: restart, seconds: seconds, objective: objective)
    )
    limitLeft = max(0, rule.iterationLimit - iteration)
    iterationsLeft = rule.tolerance == 0 ? limitLeft : nil
    guard isSameFit, let last else {
      secondsPerIteration = nil
      return
    }
    let taken = seconds - last.seconds
    secondsPerIteration = secondsPerIteration.map { $0 + 0.3 * (taken - $0) } ?? taken
    guard rule.tolerance > 0, let remainingGain else { return }
    let gain = (objective - last.objective) / caseWeight
    iterationsLeft = Self.iterationsLeft(
      gain: gain, remainingGain: remainingGain, tolerance: rule.tolerance
    ).map { min($0, limitLeft) }
  }

  /// How many iterations until gain and what is left to gain are below the tolerance, if gains form a geometric series:
  /// with the gain g and what is left r its ratio is r / (g + r).
  static func iterationsLeft(gain: Double, remainingGain: Double, tolerance: Double) -> Int? {
    let largest = max(gain, remainingGain)
    if largest < tolerance { return 0 }
    let ratio = remainingGain / (gain + remainingGain)
    guard ratio > 0, ratio < 1, largest.isFinite else { return nil }
    let count = (log(tolerance / largest) / log(ratio)).rounded(.up)
    return count < 1e9 ? Int(count) : nil
  }

  /// The time left of the present fit, in words that begin with a comma; empty if it is short or not known.
  var leftText: String {
    guard let seconds = secondsPerIteration else { return "" }
    let whole = seconds * Double(limitLeft)
    if let left = iterationsLeft.map({ seconds * Double($0) }) {
      return left < 1 ? "" : ", about \(FitProgress.duration(left)) left at this pace"
    }
    return whole < 1 ? "" : ", at most \(FitProgress.duration(whole)) left"
  }
}
