// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The time of EM iterations, and how it compares with what the processor can do at most. See README.md.

import CMachine
import Foundation
import Mixtures

var threadCounts = [1, 2]
var goal = 2.0
var chosen = Work.all

func fail(_ text: String) -> Never {
  let names = Work.all.map(\.name).joined(separator: ",")
  FileHandle.standardError.write(
    Data(
      """
      mixture-benchmarks: \(text)
      Usage: mixture-benchmarks [--works \(names)] [--threads 1,2] [--seconds S]

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

/// The median time of an iteration, from about `goal` seconds of iterations.
func measure(
  _ work: Work, _ observations: Observations, _ start: GaussianMixture, threads: Int,
  goal: Double
) throws -> Double {
  func iterationTimes(_ count: Int) throws -> [Double] {
    let settings = ExpectationMaximization(
      componentCount: work.componentCount, covariance: work.covariance,
      initialization: .model(start),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: count), acceleration: .none,
      threadCount: threads)
    let fit = try settings.fit(observations)
    precondition(fit.logLikelihood.isFinite, "the log-likelihood is not finite")
    precondition(fit.rescued.isEmpty, "a component collapsed")
    let seconds = fit.trace.map(\.seconds)
    return zip(seconds.dropFirst(), seconds).map { $0 - $1 }
  }
  let first = try iterationTimes(2).min()!
  let times = try iterationTimes(min(max(Int(goal / first), 4), 5_000)).sorted()
  return times[times.count / 2]
}

func show(_ line: String) {
  print(line)
  fflush(nil)
}

func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

let machine = Machine(threadCounts: threadCounts)
show("vectors: \(String(cString: machine_vectors()))")
for threads in threadCounts {
  show(
    "\(threads) thread\(threads == 1 ? "" : "s"): multiply-adds \(fixed(machine.peak[threads]! / 1e9, 1)) GFLOP/s, "
      + "reading \(fixed(machine.bandwidth[threads]! / 1e9, 1)) GB/s")
}
show("")
show(
  "| work | n | d | K | threads | ms per iteration | ns per row and component | GFLOP/s | % of peak |"
)
show("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
for work in chosen {
  let (observations, start) = try work.make()
  for threads in threadCounts {
    let seconds = try measure(work, observations, start, threads: threads, goal: goal)
    let rate = work.usefulFlops / seconds
    let cells = [
      work.name, "\(work.n)", "\(work.d)", "\(work.componentCount)", "\(threads)",
      fixed(seconds * 1e3, seconds < 1e-3 ? 4 : 1),
      fixed(seconds * 1e9 / Double(work.n * work.componentCount), 2), fixed(rate / 1e9, 1),
      fixed(100 * rate / machine.peak[threads]!, 0),
    ]
    show("| " + cells.joined(separator: " | ") + " |")
  }
}
