// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Lloyd's k-means in plain loops, to be read: label each observation with its nearest centroid, move each centroid
/// to the mean of its observations, repeat until no label changes.
///
/// Each half lowers the within sum of squares Σᵢ |xᵢ − c(labelᵢ)|² or leaves it, so it ends, though not always at the
/// lowest there is (Lloyd 1982, [doi:10.1109/TIT.1982.1056489](https://doi.org/10.1109/TIT.1982.1056489)).
/// A centroid without observations stays where it is, and the step says so.
public struct TextbookKMeans: Sendable {
  /// The largest number of steps.
  public var iterationLimit: Int

  /// The algorithm with its one setting.
  public init(iterationLimit: Int = 100) {
    self.iterationLimit = iterationLimit
  }

  /// One step.
  public struct Step: Sendable, Equatable {
    /// The number of the step, from 0.
    public let number: Int
    /// The nearest old centroid of each observation; of two equally near, the first.
    public let labels: [Int]
    /// The centroids before the step, K × d.
    public let oldCentroids: [[Double]]
    /// The centroids after it, K × d.
    public let newCentroids: [[Double]]
    /// Σᵢ |xᵢ − c(labelᵢ)|², about the new centroids.
    public let withinSumOfSquares: Double
    /// The centroids that no observation is nearest to, and that stayed where they were.
    public let emptyCentroids: [Int]
  }

  /// What k-means found.
  public struct Fit: Sendable {
    /// The last centroids, K × d.
    public let centroids: [[Double]]
    /// The label of each observation.
    public let labels: [Int]
    /// Σᵢ |xᵢ − c(labelᵢ)|² of these centroids and labels.
    public let withinSumOfSquares: Double
    /// Every step, in order; the last one changed no label if the iteration converged.
    public let steps: [Step]
    /// Why the iteration stopped: `.converged` or `.iterationLimit`.
    public let stoppingReason: StoppingReason
  }

  /// K different rows, drawn at random, to start from.
  ///
  /// - Throws: what is wrong with the observations; `MixtureError.Code.invalidSetting` unless 1 ≤ K ≤ n.
  public func start(
    for X: [[Double]], centroidCount K: Int, seed: UInt64
  ) throws(MixtureError) -> [[Double]] {
    _ = try checkedFeatureCount(of: X)
    guard K >= 1, K <= X.count else {
      throw MixtureError(
        .invalidSetting,
        "\(K) centroids cannot be drawn from \(X.count) observations; "
          + "ask for 1 to \(X.count).")
    }
    var random = RandomStream(seed: seed, stream: LessonStream.centroidStart)
    var rows = Array(X.indices)
    for k in 0..<K { rows.swapAt(k, k + random.index(below: rows.count - k)) }
    return rows.prefix(K).map { X[$0] }
  }

  /// Runs from K rows drawn at random.
  ///
  /// - Throws: what ``start(for:centroidCount:seed:)`` and ``fit(_:from:diagnostics:)`` throw.
  /// - Complexity: O(n·K·d) for each step.
  public func fit(
    _ X: [[Double]], centroidCount: Int, seed: UInt64, diagnostics: (Step) -> Void = { _ in }
  ) throws(MixtureError) -> Fit {
    try fit(
      X, from: start(for: X, centroidCount: centroidCount, seed: seed), diagnostics: diagnostics)
  }

  /// Runs from given centroids.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - start: K centroids of d features.
  ///   - diagnostics: called with each step.
  /// - Throws: what is wrong with the observations; `MixtureError.Code.shapeMismatch` or
  ///   `MixtureError.Code.invalidSetting` if the centroids are not K ≥ 1 finite points of d features, or the
  ///   iteration limit is below 1.
  /// - Complexity: O(n·K·d) for each step.
  public func fit(
    _ X: [[Double]], from start: [[Double]], diagnostics: (Step) -> Void = { _ in }
  ) throws(MixtureError) -> Fit {
    try check(start, featureCount: checkedFeatureCount(of: X))
    var centroids = start
    var steps: [Step] = []
    var reason = StoppingReason.iterationLimit
    while steps.count < iterationLimit {
      let step = step(number: steps.count, X, from: centroids)
      diagnostics(step)
      let isSettled = step.labels == steps.last?.labels
      steps.append(step)
      centroids = step.newCentroids
      if isSettled {
        reason = .converged
        break
      }
    }
    let last = steps[steps.count - 1]
    return Fit(
      centroids: centroids, labels: last.labels, withinSumOfSquares: last.withinSumOfSquares,
      steps: steps, stoppingReason: reason)
  }

  private func step(number: Int, _ X: [[Double]], from old: [[Double]]) -> Step {
    let K = old.count
    let d = old[0].count

    // Label each observation with its nearest centroid.
    var labels = [Int](repeating: 0, count: X.count)
    for i in 0..<X.count {
      for k in 0..<K
      where squaredDistance(X[i], old[k]) < squaredDistance(X[i], old[labels[i]]) {
        labels[i] = k
      }
    }

    // Move each centroid to the mean of its observations.
    var new = zeros(K, d)
    var counts = [Int](repeating: 0, count: K)
    for i in 0..<X.count {
      counts[labels[i]] += 1
      for j in 0..<d { new[labels[i]][j] += X[i][j] }
    }
    for k in 0..<K {
      new[k] = counts[k] == 0 ? old[k] : new[k].map { $0 / Double(counts[k]) }
    }

    var withinSumOfSquares = 0.0
    for i in 0..<X.count { withinSumOfSquares += squaredDistance(X[i], new[labels[i]]) }
    return Step(
      number: number, labels: labels, oldCentroids: old, newCentroids: new,
      withinSumOfSquares: withinSumOfSquares, emptyCentroids: (0..<K).filter { counts[$0] == 0 })
  }

  private func check(_ start: [[Double]], featureCount d: Int) throws(MixtureError) {
    guard !start.isEmpty else {
      throw MixtureError(.shapeMismatch, "there are no centroids; at least one is needed.")
    }
    for (k, centroid) in start.enumerated() {
      guard centroid.count == d else {
        throw MixtureError(
          .shapeMismatch,
          "centroid \(k) has \(centroid.count) features; the observations have \(d).")
      }
      guard centroid.allSatisfy(\.isFinite) else {
        throw MixtureError(.invalidSetting, "centroid \(k) is \(centroid); it must be finite.")
      }
    }
    guard iterationLimit >= 1 else {
      throw MixtureError(
        .invalidSetting, "the iteration limit is \(iterationLimit); it must be 1 or more.")
    }
  }
}

private func squaredDistance(_ a: [Double], _ b: [Double]) -> Double {
  var sum = 0.0
  for j in 0..<a.count { sum += (a[j] - b[j]) * (a[j] - b[j]) }
  return sum
}
