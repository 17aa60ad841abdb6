// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Components merged into groups, two at a time, so that each merge lowers the entropy of the groups most.
///
/// A group that is bent or has long tails takes several Gaussians, which then share its rows. With the responsibilities
/// rᵢₖ of K components, a group's are the sums over its components, and the entropy of a grouping is −Σᵢ Σ_g rᵢ_g ln rᵢ_g.
/// From K groups of one component each, the two are merged whose union lowers it most, until one group is left. The density
/// stays as it is. Baudry, Raftery, Celeux, Lo & Gottardo (2010),
/// [doi:10.1198/jcgs.2010.08111](https://doi.org/10.1198/jcgs.2010.08111).
public struct EntropyMerging: Sendable, Codable, Equatable {
  /// One merge.
  public struct Step: Sendable, Codable, Equatable {
    /// The components of the group that stays, ascending; its first component is the least of both.
    public let kept: [Int]
    /// The components of the group that is merged into it, ascending.
    public let merged: [Int]
    /// The entropy afterwards, in nats.
    public let entropy: Double
  }

  /// The number of components, K.
  public let componentCount: Int
  /// The entropy of K groups: that of the responsibilities.
  public let initialEntropy: Double
  /// The K − 1 merges, in order.
  public let steps: [Step]

  /// The entropy of `groupCount` groups, 1 to K.
  public func entropy(groupCount: Int) -> Double {
    precondition(groupCount >= 1 && groupCount <= componentCount)
    return groupCount == componentCount
      ? initialEntropy : steps[componentCount - groupCount - 1].entropy
  }

  /// The group of each component, 0 ..< `groupCount`, numbered by their least components.
  public func groups(_ groupCount: Int) -> [Int] {
    precondition(groupCount >= 1 && groupCount <= componentCount)
    var least = Array(0..<componentCount)
    for step in steps.prefix(componentCount - groupCount) {
      for k in step.merged { least[k] = step.kept[0] }
    }
    let numbers = Array(Set(least)).sorted()
    return least.map { numbers.firstIndex(of: $0)! }
  }

  /// The number of groups at which the entropy, as a function of their number, bends most: the c for which two straight
  /// lines, through the points from 1 to c and from c to K, leave the least squares. Beyond it, further groups overlap with
  /// those that are there. Nil with fewer than three components.
  public var elbow: Int? {
    guard componentCount >= 3 else { return nil }
    let values = (1...componentCount).map { entropy(groupCount: $0) }
    /// What a straight line through the values of so many groups leaves.
    func residual(_ range: ClosedRange<Int>) -> Double {
      let n = Double(range.count)
      let meanX = range.reduce(0) { $0 + Double($1) } / n
      let meanY = range.reduce(0) { $0 + values[$1 - 1] } / n
      var (xx, xy, yy) = (0.0, 0.0, 0.0)
      for c in range {
        let (x, y) = (Double(c) - meanX, values[c - 1] - meanY)
        xx += x * x
        xy += x * y
        yy += y * y
      }
      return max(yy - xy * xy / xx, 0)
    }
    return (2..<componentCount).min {
      residual(1...$0) + residual($0...componentCount)
        < residual(1...$1) + residual($1...componentCount)
    }
  }

  /// The responsibilities of groups: sums of those of their components.
  ///
  /// - Parameters:
  ///   - responsibilities: n × K.
  ///   - groupCount: The number of groups, 1 to K.
  /// - Returns: n × `groupCount`.
  public func combined(_ responsibilities: Matrix, groupCount: Int) -> Matrix {
    precondition(responsibilities.columnCount == componentCount)
    let groups = groups(groupCount)
    var result = Matrix(
      repeating: 0, rowCount: responsibilities.rowCount, columnCount: groupCount)
    for i in 0..<responsibilities.rowCount {
      for k in 0..<componentCount { result[i, groups[k]] += responsibilities[i, k] }
    }
    return result
  }
}

extension GaussianMixture {
  /// Merges components into groups by the entropy of observations; see ``EntropyMerging``.
  ///
  /// - Parameters:
  ///   - observations: n × d, where d is ``featureCount``.
  ///   - threadCount: How many threads to use; nil means one for each processor. It changes no result.
  /// - Returns: All merges, from K groups to one.
  /// - Throws: ``MixtureError/Code/featureCountMismatch`` if the data do not have d columns;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first row that holds NaN or infinity.
  /// - Complexity: K − 1 passes over the rows, one for each merge, of the cost of responsibilities and K logarithms for each
  ///   row, and K² in the first. Memory O(threads · K²), never n · K.
  ///
  /// **Numerics.** What a merge lowers is a sum over rows of terms that are not negative, so no digits are lost where groups
  /// stand apart.
  public func entropyMerging(
    _ observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> EntropyMerging {
    let K = componentCount
    var groups = (0..<K).map { [$0] }
    /// What the union of two groups, by their first components, lowers.
    var gains: [Pair: Double] = [:]
    var entropy = try score(observations, threadCount: threadCount).entropy
    let initial = entropy
    var steps: [EntropyMerging.Step] = []
    var new: Int?
    while groups.count > 1 {
      var pairs: [(Int, Int)] = []
      for a in groups.indices {
        for b in a + 1..<max(groups.count, a + 1) where new == nil || a == new || b == new {
          pairs.append((a, b))
        }
      }
      let values = try unionGains(
        of: groups, pairs, observations, threadCount: threadCount)
      for ((a, b), value) in zip(pairs, values) {
        gains[Pair(a: groups[a][0], b: groups[b][0])] = value
      }
      var best: (a: Int, b: Int, gain: Double)?
      for a in groups.indices {
        for b in a + 1..<max(groups.count, a + 1) {
          let gain = gains[Pair(a: groups[a][0], b: groups[b][0])] ?? 0
          if gain > best?.gain ?? -.infinity { best = (a, b, gain) }
        }
      }
      guard let best else { break }
      // The entropy of one group is zero.
      entropy = groups.count == 2 ? 0 : max(entropy - best.gain, 0)
      steps.append(
        EntropyMerging.Step(kept: groups[best.a], merged: groups[best.b], entropy: entropy))
      groups[best.a] = (groups[best.a] + groups[best.b]).sorted()
      groups.remove(at: best.b)
      new = best.a
    }
    return EntropyMerging(componentCount: K, initialEntropy: initial, steps: steps)
  }

  private struct Pair: Hashable {
    let a: Int
    let b: Int
  }

  /// For some pairs of groups, Σᵢ [(x + y) ln (x + y) − x ln x − y ln y] of their responsibilities x and y.
  private func unionGains(
    of groups: [[Int]], _ pairs: [(Int, Int)], _ observations: some ObservationSource,
    threadCount: Int?
  ) throws(MixtureError) -> [Double] {
    guard observations.observationCount > 0 else {
      return Array(repeating: 0, count: pairs.count)
    }
    return try summed(pairs.count, over: observations, threadCount: threadCount) {
      workspace, row, sums in
      let shares = groups.map { group in group.reduce(0) { $0 + workspace.joint(row, $1) } }
      for (index, (a, b)) in pairs.enumerated() {
        let (x, y) = (shares[a], shares[b])
        guard x > 0, y > 0 else { continue }
        // x ln (1 + y / x) + y ln (1 + x / y), each term positive.
        let total = Kernels.log(x + y)
        sums[index] += x * (total - Kernels.log(x)) + y * (total - Kernels.log(y))
      }
    }
  }
}
