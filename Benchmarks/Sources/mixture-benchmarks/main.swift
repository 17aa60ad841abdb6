// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The time of EM iterations, and how it compares with what the processor can do at most. See README.md.

import CMachine
import Foundation
import Mixtures

var threadCounts = [1, 2]
var goal = 2.0
var isSkipping = false
var chosen: [Work]?
var scalings: [Scaling] = []

func fail(_ text: String) -> Never {
  let names = Work.all.map(\.name).joined(separator: ",")
  let scalings = Scaling.allCases.map(\.rawValue).joined(separator: ",")
  FileHandle.standardError.write(
    Data(
      """
      mixture-benchmarks: \(text)
      Usage: mixture-benchmarks [--works \(names)]
               [--scaling \(scalings)] [--threads 1,2] [--seconds S] [--skipping on|off]

      """.utf8))
  exit(64)
}

var arguments = CommandLine.arguments.dropFirst()
while let option = arguments.popFirst() {
  guard let value = arguments.popFirst() else { fail("\(option) needs a value.") }
  let parts = value.split(separator: ",").map(String.init)
  switch option {
  case "--works":
    if let unknown = parts.first(where: { part in !Work.all.contains { $0.name == part } }) {
      fail("there is no work \(unknown).")
    }
    chosen = Work.all.filter { parts.contains($0.name) }
  case "--scaling":
    scalings = parts.map { part in
      guard let scaling = Scaling(rawValue: part) else { fail("there is no scaling \(part).") }
      return scaling
    }
  case "--skipping":
    guard ["on", "off"].contains(value) else { fail("--skipping is on or off.") }
    isSkipping = value == "on"
  case "--threads":
    threadCounts = parts.map { part in
      guard let count = Int(part), count >= 1 else { fail("\(part) is no number of threads.") }
      return count
    }
  case "--seconds":
    guard let seconds = Double(value), seconds > 0 else { fail("\(value) is no time.") }
    goal = seconds
  default: fail("there is no option \(option).")
  }
}

/// The time of iterations, the median; of those that began with `goal` seconds, at least 4.
struct Timing {
  let work: Work
  let threads: Int
  let seconds: Double
  let machine: Machine

  var perRow: Double { seconds * 1e9 / Double(work.n) }
  var rate: Double { work.usefulFlops / seconds }
  /// The least that the E-step has to read: the observations, once.
  var bandwidth: Double { Double(8 * work.n * work.d) / seconds }

  var milliseconds: String { fixed(seconds * 1e3, seconds < 1e-2 ? 4 : 1) }
  var ofPeak: String { fixed(100 * rate / machine.peak[threads]!, 0) }
}

@MainActor func iterationTimes(
  _ work: Work, _ observations: Observations, _ start: GaussianMixture, threads: Int, count: Int
) throws -> [Double] {
  let settings = ExpectationMaximization(
    componentCount: work.componentCount, covariance: work.covariance,
    initialization: .model(start),
    stoppingRule: StoppingRule(tolerance: 0, iterationLimit: count), acceleration: .none,
    skipping: isSkipping, threadCount: threads)
  let fit = try settings.fit(observations)
  precondition(fit.logLikelihood.isFinite, "the log-likelihood is not finite")
  precondition(fit.rescued.isEmpty, "a component collapsed")
  let seconds = fit.trace.map(\.seconds)
  return zip(seconds.dropFirst(), seconds).map { $0 - $1 }
}

/// A work with each number of threads. They take turns, so that a disturbance meets all.
@MainActor func measure(_ work: Work, _ machine: Machine) throws -> [Timing] {
  let (observations, start) = try work.make()
  let turns = 3
  var counts: [Int: Int] = [:]
  var times: [Int: [Double]] = [:]
  for threads in threadCounts {
    let first = try iterationTimes(work, observations, start, threads: threads, count: 2).min()!
    counts[threads] = min(max(Int(goal / first) / turns, 2), 2_000)
  }
  for _ in 0..<turns {
    for threads in threadCounts {
      times[threads, default: []] += try iterationTimes(
        work, observations, start, threads: threads, count: counts[threads]!)
    }
  }
  return threadCounts.map { threads in
    let sorted = times[threads]!.sorted()
    return Timing(
      work: work, threads: threads, seconds: sorted[sorted.count / 2], machine: machine)
  }
}

func show(_ line: String) {
  print(line)
  fflush(nil)
}

func show(_ cells: [String]) { show("| " + cells.joined(separator: " | ") + " |") }

func showHeader(_ titles: String...) {
  show(titles)
  show("|---|" + String(repeating: "---:|", count: titles.count - 1))
}

func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

let machine = Machine(threadCounts: threadCounts)
show("vectors: \(String(cString: machine_vectors())); skipping \(isSkipping ? "on" : "off")")
for threads in threadCounts {
  show(
    "\(threads) thread\(threads == 1 ? "" : "s"): multiply-adds \(fixed(machine.peak[threads]! / 1e9, 1)) GFLOP/s, "
      + "reading \(fixed(machine.bandwidth[threads]! / 1e9, 1)) GB/s")
}
// A scaling that is asked for stands alone, unless works are asked for too.
let works = chosen ?? (scalings.isEmpty ? Work.all : [])
if !works.isEmpty {
  show("")
  showHeader(
    "work", "n", "d", "K", "threads", "ms per iteration", "ns per row and component", "GFLOP/s",
    "% of peak", "GB/s")
}
for work in works {
  for timing in try measure(work, machine) {
    show([
      work.name, "\(work.n)", "\(work.d)", "\(work.componentCount)", "\(timing.threads)",
      timing.milliseconds, fixed(timing.perRow / Double(work.componentCount), 2),
      fixed(timing.rate / 1e9, 1), timing.ofPeak, fixed(timing.bandwidth / 1e9, 2),
    ])
  }
}
for scaling in scalings { try scaling.run(machine) }
