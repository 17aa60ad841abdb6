// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

/// Values with 20 digits; References/README.md says how they are made.
struct TruncatedReferences: Decodable {
  struct Box: Decodable {
    let loadings: [Double]
    let variances: [Double]
    let lower: [Double]
    let upper: [Double]
    let logProbability: Double
    let mean: [Double]
    let covariance: [Double]

    enum CodingKeys: CodingKey { case loadings, variances, lower, upper, result }
    init(from decoder: any Decoder) throws {
      let values = try decoder.container(keyedBy: CodingKeys.self)
      loadings = try values.decode([Double].self, forKey: .loadings)
      variances = try values.decode([Double].self, forKey: .variances)
      lower = try values.decode([String].self, forKey: .lower).map { Double($0)! }
      upper = try values.decode([String].self, forKey: .upper).map { Double($0)! }
      var result = try values.nestedUnkeyedContainer(forKey: .result)
      logProbability = Double(try result.decode(String.self))!
      mean = try result.decode([String].self).map { Double($0)! }
      covariance = try result.decode([String].self).map { Double($0)! }
    }

    /// Packed: the products of the loadings, and the variances on the diagonal.
    var matrix: [Double] {
      loadings.indices.flatMap { i in
        (0...i).map { loadings[i] * loadings[$0] + (i == $0 ? variances[i] : 0) }
      }
    }
  }
  /// A number, or a text that spells one.
  struct Number: Decodable {
    let value: Double
    init(from decoder: any Decoder) throws {
      let single = try decoder.singleValueContainer()
      if let text = try? single.decode(String.self) {
        value = Double(text)!
      } else {
        value = try single.decode(Double.self)
      }
    }
  }
  let logCumulative: [[Number]]
  let intervals: [[Number]]
  let boxes: [Box]

  static let all: TruncatedReferences = {
    let url = Bundle.module.url(
      forResource: "truncated-normal", withExtension: "json", subdirectory: "References")!
    return try! JSONDecoder().decode(TruncatedReferences.self, from: Data(contentsOf: url))
  }()
}

@Suite("Normal distributions on intervals") struct IntervalMomentsTests {
  @Test("log of the distribution function, from the farthest tail to where it is hardly below 0")
  func logCumulative() {
    for row in TruncatedReferences.all.logCumulative {
      let (x, expected) = (row[0].value, row[1].value)
      // A few roundings of the result; where it is small, of the probability of the other side.
      #expect(
        abs(StandardNormal.logCumulative(x) - expected) <= 8 * 0x1p-53 * abs(expected), "x = \(x)")
    }
    #expect(StandardNormal.logCumulative(.infinity) == 0)
    #expect(StandardNormal.logCumulative(-.infinity) == -.infinity)
  }

  @Test("probability, mean and variance of intervals of every width and distance")
  func intervals() {
    for row in TruncatedReferences.all.intervals.map({ $0.map(\.value) }) {
      let (lower, upper) = (row[2], row[3])
      let got = IntervalMoments(mean: row[0], variance: row[1], lower: lower, upper: upper)
      let name = "\(lower) … \(upper)"
      #expect(
        abs(got.logProbability - row[4]) <= 1e-14 + 4 * 0x1p-53 * abs(row[4]), "\(name)")
      // From the nearer end, or the mean of the whole, whichever is nearer; and what the numbers themselves can tell.
      let distance = min(abs(row[5] - lower), abs(upper - row[5]), abs(row[5] - row[0]))
      let scale = max(distance, row[0] > lower && row[0] < upper ? row[1].squareRoot() : 0)
      let spacing = max(abs(row[5]), abs(row[0])).ulp
      #expect(abs(got.mean - row[5]) <= 1e-14 * min(scale, upper - lower) + 2 * spacing, "\(name)")
      #expect(abs(got.variance - row[6]) <= 1e-14 * row[6], "\(name)")
      #expect(got.mean >= lower && got.mean <= upper)
    }
  }

  @Test("the whole line gives what it was given, and an empty interval its end")
  func specialIntervals() {
    let whole = IntervalMoments(mean: 0.1, variance: 0.3, lower: -.infinity, upper: .infinity)
    #expect(whole.logProbability == 0 && whole.mean == 0.1 && whole.variance == 0.3)
    let point = IntervalMoments(mean: 1, variance: 2, lower: 3, upper: 3)
    #expect(point.logProbability == -.infinity && point.mean == 3 && point.variance == 0)
    let far = IntervalMoments(mean: 0, variance: 1e-300, lower: 1e200, upper: .infinity)
    #expect(far.logProbability == -.infinity && far.mean == 1e200 && far.variance == 0)
  }

  @Test("a mirrored interval has the mirrored moments, to the bit")
  func mirrored() {
    for (a, b) in [(-1.0, 3.0), (0.5, 0.625), (-2, 2), (4, 9), (-0.25, 0.5), (7, .infinity)] {
      let one = IntervalMoments(mean: 0, variance: 1, lower: a, upper: b)
      let other = IntervalMoments(mean: 0, variance: 1, lower: -b, upper: -a)
      #expect(one.logProbability == other.logProbability && one.variance == other.variance)
      #expect(one.mean == -other.mean)
    }
  }

  @Test("quantiles of an interval give back the part of it that they have below them")
  func quantiles() {
    for (a, b) in [
      (-1.0, 3.0), (2.0, 2.5), (-9.0, -8.0), (33.0, 40.0), (60.0, 60.001), (-0.25, 0.5),
      (1, 1.00005),
      (-Double.infinity, -35.0), (-3, .infinity), (29, 29.5),
    ] {
      let interval = StandardInterval(lower: a, upper: b, width: b - a)
      for v in [1e-6, 0.1, 0.5, 0.75, 0.999] {
        let y = interval.quantile(v)
        #expect(y >= a && y <= b)
        let part = StandardInterval(lower: a, upper: y, width: y - a)
        // The width y − a has lost the digits of a.
        let lost = max(abs(a.isFinite ? a : y), 1).ulp / min(b - a, 1)
        #expect(
          abs(Kernels.exp(part.logProbability - interval.logProbability) - v)
            <= 2e-9 + 100 * lost, "\(a) … \(b), \(v)")
      }
    }
  }
}

/// A normal distribution and a box.
struct BoxProblem {
  var mean: [Double]
  var covariance: [Double]
  var lower: [Double]
  var upper: [Double]

  func box(pointCount: Int) -> BoxMoments? {
    BoxMoments.box(
      mean: mean, covariance: covariance, lower: lower, upper: upper, pointCount: pointCount)
  }

  func reordered(_ order: [Int]) -> BoxProblem {
    var result = self
    for (i, p) in order.enumerated() {
      result.mean[i] = mean[p]
      result.lower[i] = lower[p]
      result.upper[i] = upper[p]
      for (j, q) in order.enumerated() {
        result.covariance[BoxMoments.packed(i, j)] = covariance[BoxMoments.packed(p, q)]
      }
    }
    return result
  }

  func moved(by offset: Double, scaledBy scales: [Double]) -> BoxProblem {
    var result = self
    for (i, scale) in scales.enumerated() {
      result.mean[i] = (mean[i] + offset) * scale
      result.lower[i] = (lower[i] + offset) * scale
      result.upper[i] = (upper[i] + offset) * scale
      for j in 0...i { result.covariance[BoxMoments.packed(i, j)] *= scale * scales[j] }
    }
    return result
  }
}

@Suite("Normal distributions on boxes") struct BoxMomentsTests {
  static let mean = [0.5, -1.0, 2.0]
  static let covariance = [1.0, 0.5, 2.0, -0.25, 0.75, 1.5]
  static let lower = [-0.5, -.infinity, 1.0]
  static let upper = [2.0, 0.5, .infinity]

  static func close(_ a: BoxMoments, _ b: BoxMoments, _ tolerance: Double) -> Bool {
    abs(a.logProbability - b.logProbability) <= tolerance
      && zip(a.mean, b.mean).allSatisfy { abs($0 - $1) <= tolerance }
      && zip(a.covariance, b.covariance).allSatisfy { abs($0 - $1) <= tolerance }
  }

  @Test("boxes of two and five features", arguments: 0..<6)
  func references(index: Int) throws {
    let box = TruncatedReferences.all.boxes[index]
    let d = box.mean.count
    let origin = [Double](repeating: 0, count: d)
    let pointCount = d == 2 ? 4096 : 8192
    let got = try #require(
      BoxMoments.box(
        mean: origin, covariance: box.matrix, lower: box.lower,
        upper: box.upper, pointCount: pointCount))
    // Seven degrees of freedom: Student's t exceeds 8 with probability 10⁻⁴.
    #expect(abs(got.logProbability - box.logProbability) <= 8 * got.probabilityError)
    for (i, (value, expected)) in zip(got.mean, box.mean).enumerated() {
      let deviation = box.matrix[i * (i + 3) / 2].squareRoot()
      #expect(abs(value - expected) <= 8 * got.momentError * deviation)
      for j in 0...i {
        let other = box.matrix[j * (j + 3) / 2].squareRoot()
        let at = i * (i + 1) / 2 + j
        #expect(
          abs(got.covariance[at] - box.covariance[at]) <= 16 * got.momentError * deviation * other)
      }
    }
    // A tenth of the errors of as many independent draws, of which those in the box are kept.
    let probability = Kernels.exp(box.logProbability)
    let kept = Double(pointCount) * probability
    #expect(got.probabilityError <= 0.1 * ((1 - probability) / kept).squareRoot())
    #expect(got.momentError <= 0.1 * (1 / kept).squareRoot())
  }

  @Test("the whole space gives mean and covariance as they are")
  func wholeSpace() throws {
    let infinite = [Double](repeating: .infinity, count: 3)
    let minus = [Double](repeating: -.infinity, count: 3)
    let got = try #require(
      BoxMoments.box(
        mean: Self.mean, covariance: Self.covariance, lower: minus, upper: infinite))
    #expect(got.logProbability == 0 && got.mean == Self.mean && got.covariance == Self.covariance)
    let outside = try #require(
      BoxMoments.complement(
        mean: Self.mean, covariance: Self.covariance, lower: minus, upper: infinite))
    #expect(outside.logProbability == -.infinity && outside.mean == Self.mean)
  }

  @Test("uncorrelated features are independent intervals, and others follow by regression")
  func exactCases() throws {
    let diagonal = try #require(
      BoxMoments.box(
        mean: Self.mean, covariance: [1, 0, 2, 0, 0, 1.5], lower: Self.lower, upper: Self.upper))
    var logProbability = 0.0
    for j in 0..<3 {
      let one = IntervalMoments(
        mean: Self.mean[j], variance: [1, 2, 1.5][j], lower: Self.lower[j], upper: Self.upper[j])
      logProbability += one.logProbability
      #expect(diagonal.mean[j] == one.mean && diagonal.covariance[j * (j + 3) / 2] == one.variance)
    }
    #expect(diagonal.logProbability == logProbability && diagonal.probabilityError == 0)

    let infinity = Double.infinity
    let one = try #require(
      BoxMoments.box(
        mean: Self.mean, covariance: Self.covariance, lower: [-infinity, 0, -infinity],
        upper: [infinity, 1, infinity]))
    let interval = IntervalMoments(mean: -1, variance: 2, lower: 0, upper: 1)
    #expect(one.momentError == 0 && one.mean[1] == interval.mean)
    for (j, slope) in [(0, 0.25), (2, 0.375)] {
      #expect(abs(one.mean[j] - (Self.mean[j] + slope * (interval.mean + 1))) <= 4 * 0x1p-52)
      let variance =
        Self.covariance[j * (j + 3) / 2] + slope * slope * (interval.variance - 2)
      #expect(abs(one.covariance[j * (j + 3) / 2] - variance) <= 4 * 0x1p-52)
      #expect(
        abs(one.covariance[BoxMoments.packed(1, j)] - slope * interval.variance) <= 4 * 0x1p-52)
    }
  }

  @Test("two halves of a box, and a box and its outside, add up")
  func halves() throws {
    func box(_ lower: [Double], _ upper: [Double]) throws -> BoxMoments {
      try #require(
        BoxMoments.box(
          mean: Self.mean, covariance: Self.covariance, lower: lower, upper: upper,
          pointCount: 16384))
    }
    let whole = try box(Self.lower, Self.upper)
    let halves = [
      try box(Self.lower, [0.75, 0.5, .infinity]), try box([0.75, -.infinity, 1], Self.upper),
    ]
    let parts = halves.map { Kernels.exp($0.logProbability) }
    let total = Kernels.exp(whole.logProbability)
    let error =
      8 * (whole.probabilityError + halves[0].probabilityError + halves[1].probabilityError)
    #expect(abs(parts[0] + parts[1] - total) <= error * total)
    for j in 0..<3 {
      let mean = (parts[0] * halves[0].mean[j] + parts[1] * halves[1].mean[j]) / total
      let momentError = whole.momentError + halves[0].momentError + halves[1].momentError
      #expect(abs(mean - whole.mean[j]) <= 8 * 2 * momentError + 4 * error)
    }

    let outside = try #require(
      BoxMoments.complement(
        mean: Self.mean, covariance: Self.covariance, lower: Self.lower, upper: Self.upper,
        pointCount: 16384))
    let rest = Kernels.exp(outside.logProbability)
    #expect(
      abs(total + rest - 1)
        <= 8 * (whole.probabilityError * total + outside.probabilityError * rest) + 0x1p-50)
    for j in 0..<3 {
      let mean = total * whole.mean[j] + rest * outside.mean[j]
      #expect(
        abs(mean - Self.mean[j]) <= 8 * 2 * (whole.momentError + outside.momentError) + 2 * error)
    }
  }

  @Test("what is outside of a box that holds nearly all keeps its digits")
  func nearlyAll() throws {
    // Symmetric: twice the tail beyond 9, at ± the mean of that tail.
    let outside = try #require(
      BoxMoments.complement(
        mean: [0, 0], covariance: [1, 0.5, 1], lower: [-9, -.infinity], upper: [9, .infinity]))
    let tail = IntervalMoments(mean: 0, variance: 1, lower: 9, upper: .infinity)
    let square = tail.variance + tail.mean * tail.mean
    #expect(abs(outside.logProbability - tail.logProbability - Kernels.log(2)) <= 1e-14)
    #expect(abs(outside.mean[0]) <= 1e-14 && abs(outside.covariance[0] / square - 1) <= 1e-14)
    #expect(abs(outside.covariance[1] / (0.5 * square) - 1) <= 1e-14)
    #expect(abs(outside.covariance[2] / (0.75 + 0.25 * square) - 1) <= 1e-14)
  }

  @Test(
    "the order of the features, the origin and powers of two as units change nothing but rounding")
  func equivariance() throws {
    let problem = BoxProblem(
      mean: Self.mean, covariance: Self.covariance, lower: Self.lower, upper: Self.upper)
    let plain = try #require(problem.box(pointCount: 1024))
    // The same lattice for the same rows, whatever their names: differences are rounding, m³ times over.
    let tolerance = 27 * 16 * 0x1p-52
    let order = [2, 0, 1]
    let permuted = try #require(problem.reordered(order).box(pointCount: 1024))
    var back = permuted
    for i in 0..<3 {
      back.mean[order[i]] = permuted.mean[i]
      for j in 0...i {
        let element = permuted.covariance[BoxMoments.packed(i, j)]
        back.covariance[BoxMoments.packed(order[i], order[j])] = element
      }
    }
    #expect(Self.close(back, plain, tolerance))

    let scales = [4.0, 0.125, 2.0]
    let moved = try #require(problem.moved(by: 8, scaledBy: scales).box(pointCount: 1024))
    var restored = moved
    for i in 0..<3 {
      restored.mean[i] = moved.mean[i] / scales[i] - 8
      for j in 0...i { restored.covariance[BoxMoments.packed(i, j)] /= scales[i] * scales[j] }
    }
    #expect(Self.close(restored, plain, tolerance))
  }

  @Test("a matrix that is not positive definite has no moments, and a far box is finite")
  func degenerate() throws {
    #expect(
      BoxMoments.box(mean: [0, 0], covariance: [1, 2, 1], lower: [0, 0], upper: [1, 1]) == nil)
    let far = try #require(
      BoxMoments.box(
        mean: [0, 0], covariance: [1, 0.5, 1], lower: [40, 50], upper: [41, .infinity],
        pointCount: 256))
    #expect(far.logProbability < -1000 && far.mean[0] >= 40 && far.mean[1] >= 50)
    #expect(far.covariance.allSatisfy { $0.isFinite } && far.covariance[0] > 0)
  }
}
