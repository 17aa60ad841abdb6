// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures

/// How the time of an iteration grows with one number, the others standing still.
enum Scaling: String, CaseIterable {
  case n, d
  case componentCount = "K"
  case threads

  private var works: [Work] {
    func work(n: Int = 200_000, d: Int = 8, componentCount: Int = 16) -> Work {
      Work(name: rawValue, n: n, d: d, componentCount: componentCount, spread: 4 / Double(4 + d))
    }
    return switch self {
    case .n: [10_000, 100_000, 1_000_000, 10_000_000].map { work(n: $0) }
    case .d: [1, 2, 4, 8, 16, 32, 64, 128].map { work(n: 50_000, d: $0) }
    case .componentCount: [1, 2, 4, 8, 16, 32, 64, 128].map { work(componentCount: $0) }
    case .threads: [1_000, 10_000, 100_000, 1_000_000].map { work(n: $0) }
    }
  }

  /// Prints a table.
  @MainActor func run(_ machine: Machine) throws {
    show("")
    switch self {
    case .n:
      showHeader(
        "n (d = 8, K = 16)", "threads", "ms per iteration", "ns per row", "against the first n")
    case .d:
      showHeader(
        "d (n = 50000, K = 16)", "threads", "ms per iteration", "ns per row and component",
        "GFLOP/s",
        "% of peak")
    case .componentCount:
      showHeader(
        "K (n = 200000, d = 8)", "threads", "ms per iteration", "ns per row and component",
        "GFLOP/s",
        "% of peak")
    case .threads:
      showHeader("n (d = 8, K = 16)", "threads", "ms per iteration", "times as fast as one thread")
    }
    var first: [Int: Double] = [:]
    for work in works {
      let timings = try measure(work, machine)
      for timing in timings {
        let (threads, milliseconds) = ("\(timing.threads)", timing.milliseconds)
        switch self {
        case .n:
          let base = first[timing.threads] ?? timing.perRow
          first[timing.threads] = base
          show([
            "\(work.n)", threads, milliseconds, fixed(timing.perRow, 2),
            fixed(timing.perRow / base, 3),
          ])
        case .d, .componentCount:
          show([
            "\(self == .d ? work.d : work.componentCount)", threads, milliseconds,
            fixed(timing.perRow / Double(work.componentCount), 2), fixed(timing.rate / 1e9, 1),
            timing.ofPeak,
          ])
        case .threads:
          let one = timings.first { $0.threads == 1 }
          show([
            "\(work.n)", threads, milliseconds,
            one.map { fixed($0.seconds / timing.seconds, 2) } ?? "–",
          ])
        }
      }
    }
  }
}
