// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// A box: an interval for each feature.
public struct Box: Sendable, Equatable {
  /// The interval of each feature, bounds included.
  public var ranges: [ClosedRange<Double>]

  /// A box from its intervals, one for each feature.
  public init(_ ranges: ClosedRange<Double>...) {
    self.ranges = ranges
  }

  /// A box from its intervals, one for each feature.
  public init(ranges: [ClosedRange<Double>]) {
    self.ranges = ranges
  }

  /// Whether each feature of the point lies in its interval.
  public func contains(_ point: [Double]) -> Bool {
    point.count == ranges.count && zip(ranges, point).allSatisfy { $0.contains($1) }
  }
}

/// Which stream of a seed each random choice of the lesson reads: data and a start drawn with the same seed have
/// nothing in common, with each other or with the engine's restarts.
enum LessonStream {
  static let drawing: UInt64 = 0x4C45_5353_0000_0000
  static let mixtureStart: UInt64 = 0x4C45_5353_0001_0000
  static let centroidStart: UInt64 = 0x4C45_5353_0002_0000
  /// The first of many: one stream for each draw of the parameters.
  static let parameterDraws: UInt64 = 0x4C45_5354_0000_0000
}

extension TextbookMixture {
  /// Draws observations, kept apart by the component that they come from.
  ///
  /// How many come from each component is one multinomial draw. A point of component k is μₖ + L g, where L is the
  /// Cholesky factor of Σₖ and g holds d standard normal numbers: its covariance is L Lᵀ = Σₖ.
  ///
  /// - Parameters:
  ///   - count: how many to draw in all.
  ///   - seed: decides all that is random.
  ///   - box: if given, a point outside it is rejected and drawn again, so each component is cut off at the box
  ///     while the counts stay as they fell.
  /// - Returns: K matrices of nₖ × d; `Matrix(stacking:)` joins them.
  /// - Throws: what is wrong with the parameters; `MixtureError.Code.invalidSetting` for a negative count, or if
  ///   20,000 attempts in a row fall outside the box; `MixtureError.Code.featureCountMismatch` if the box does
  ///   not have d intervals.
  /// - Complexity: O(count · (K + d²)), divided by the share of each component that lies in the box.
  public func draw(
    count: Int, seed: UInt64, within box: Box? = nil
  ) throws(MixtureError) -> [Matrix] {
    let factors = try checkedFactors(featureCount: featureCount)
    return try draw(count: count, seed: seed, within: box, shapedBy: factors)
  }

  /// The body of ``draw(count:seed:within:)`` for any K × d × d matrices that shape standard normal numbers.
  func draw(
    count: Int, seed: UInt64, within box: Box?, shapedBy shapes: [[[Double]]]
  ) throws(MixtureError) -> [Matrix] {
    guard count >= 0 else {
      throw MixtureError(.invalidSetting, "\(count) points cannot be drawn; ask for 0 or more.")
    }
    if let box, box.ranges.count != featureCount {
      throw MixtureError(
        .featureCountMismatch,
        "the box has \(box.ranges.count) intervals; the mixture has \(featureCount) features.")
    }
    var random = RandomStream(seed: seed, stream: LessonStream.drawing)
    var counts = [Int](repeating: 0, count: componentCount)
    for _ in 0..<count { counts[random.component(weights: weights)] += 1 }

    var drawn: [Matrix] = []
    for k in 0..<componentCount {
      var elements: [Double] = []
      for _ in 0..<counts[k] {
        var attemptCount = 1
        var point = random.point(mean: means[k], shape: shapes[k])
        while let box, !box.contains(point) {
          guard attemptCount < 20_000 else {
            throw MixtureError(
              .invalidSetting,
              "\(attemptCount) points of component \(k) in a row fell outside the box, which holds "
                + "practically none of its mass. Draw within a wider box.")
          }
          attemptCount += 1
          point = random.point(mean: means[k], shape: shapes[k])
        }
        elements += point
      }
      drawn.append(
        try Matrix(rowCount: counts[k], columnCount: featureCount, elements: elements))
    }
    return drawn
  }
}

extension RandomStream {
  /// A component, k with probability wₖ.
  mutating func component(weights: [Double]) -> Int {
    var rest = uniform()
    for k in 0..<weights.count {
      rest -= weights[k]
      if rest < 0 { return k }
    }
    // Only rounding leads here: the weights summed to a little less than the number drawn.
    return weights.lastIndex { $0 > 0 } ?? 0
  }

  /// A point μ + M g, where g holds standard normal numbers.
  mutating func point(mean: [Double], shape M: [[Double]]) -> [Double] {
    let g = mean.map { _ in normal() }
    var x = mean
    for i in 0..<x.count {
      for j in 0..<x.count { x[i] += M[i][j] * g[j] }
    }
    return x
  }
}
