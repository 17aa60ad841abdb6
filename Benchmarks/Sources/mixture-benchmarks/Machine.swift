// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import CMachine
import Dispatch

/// What the processor reaches in loops that do nothing else.
struct Machine {
  /// Flops in a second, with so many threads.
  let peak: [Int: Double]
  /// Bytes read in a second, with so many threads.
  let bandwidth: [Int: Double]

  /// Measures; the best of several short trials, for what disturbs only slows down.
  init(threadCounts: [Int]) {
    let count = 1 << 25  // 256 MiB, beyond all caches
    let numbers = [Double](repeating: 1, count: count)
    var peak: [Int: Double] = [:]
    var bandwidth: [Int: Double] = [:]
    for threads in threadCounts {
      peak[threads] = Self.best(of: 10, threads: threads) { _ in
        machine_multiply_add(2_000_000)
      }
      bandwidth[threads] = numbers.withUnsafeBufferPointer { buffer in
        nonisolated(unsafe) let buffer = buffer
        return Self.best(of: 5, threads: threads) { thread in
          let first = count * thread / threads
          let end = count * (thread + 1) / threads
          let sum = machine_read(buffer.baseAddress! + first, end - first)
          precondition(sum == Double(end - first))
          return 8 * Double(end - first)
        }
      }
    }
    self.peak = peak
    self.bandwidth = bandwidth
  }

  /// The most work in a second; `work` returns how much it was.
  private static func best(
    of trials: Int, threads: Int, _ work: @Sendable (Int) -> Double
  ) -> Double {
    (0..<trials).map { _ in
      let amounts = Amounts(count: threads)
      let began = ContinuousClock.now
      if threads == 1 {
        amounts[0] = work(0)
      } else {
        DispatchQueue.concurrentPerform(iterations: threads) { amounts[$0] = work($0) }
      }
      return amounts.sum / (ContinuousClock.now - began).seconds
    }.max()!
  }
}

/// One number for each thread, which only that thread writes.
private final class Amounts: @unchecked Sendable {
  private let numbers: UnsafeMutableBufferPointer<Double>

  init(count: Int) {
    numbers = .allocate(capacity: count)
    numbers.initialize(repeating: 0)
  }
  deinit { numbers.deallocate() }

  var sum: Double { numbers.reduce(0, +) }
  subscript(index: Int) -> Double {
    get { numbers[index] }
    set { numbers[index] = newValue }
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
