// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures

/// The densities that pictures need: of the few rows that are drawn, in plain loops.
///
/// A row with missing values (NaN) is judged by the features that it has.
struct PictureDensity {
  let weights: [Double]
  private let means: [[Double]]
  private let covariances: [ComponentCovariance]
  private let isDiagonal: Bool
  private let full: [Factor]
  private var partial: [[Int]: [Factor]] = [:]

  private struct Factor {
    /// The lower triangle by rows of the Cholesky factor, or only its diagonal if all else is zero; a pivot is never below a floor, so that rounding cannot stop a
    /// picture.
    var lower: [Double] = []
    /// log w − log det L − d/2 log 2π.
    var constant = 0.0
  }

  init(_ model: GaussianMixture) {
    weights = model.weights
    means = (0..<model.componentCount).map(model.means.row)
    covariances = (0..<model.componentCount).map(model.covariance)
    isDiagonal = model.structure.form != .full
    let all = Array(0..<model.featureCount)
    full = zip(model.weights, covariances).map { [isDiagonal] in
      Self.factor($1, features: all, weight: $0, isDiagonal: isDiagonal)
    }
  }

  private static func factor(
    _ matrix: ComponentCovariance, features: [Int], weight: Double, isDiagonal: Bool
  ) -> Factor {
    let d = features.count
    if isDiagonal {
      let deviations = features.map { max(matrix[$0, $0], 1e-300).squareRoot() }
      let constant = deviations.reduce(log(weight) - 0.5 * Double(d) * log(2 * .pi)) {
        $0 - log($1)
      }
      return Factor(lower: deviations, constant: constant)
    }
    var result = Factor(lower: Array(repeating: 0, count: d * (d + 1) / 2), constant: log(weight))
    result.lower.withUnsafeMutableBufferPointer { lower in
      for i in 0..<d {
        let rowStart = i * (i + 1) / 2
        for j in 0...i {
          let otherStart = j * (j + 1) / 2
          var sum = matrix[features[i], features[j]]
          guard let base = lower.baseAddress else { continue }
          sum -= Self.dot(base + rowStart, base + otherStart, count: j)
          if j < i {
            lower[rowStart + j] = sum / lower[otherStart + j]
          } else {
            let floor = max(matrix[features[i], features[i]] * 1e-15, 1e-300)
            lower[rowStart + i] = max(sum, floor).squareRoot()
            result.constant -= log(lower[rowStart + i])
          }
        }
      }
    }
    result.constant -= 0.5 * Double(d) * log(2 * .pi)
    return result
  }

  /// A sum of products, four at a time.
  private static func dot(
    _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, count: Int
  ) -> Double {
    var sums = SIMD4<Double>.zero
    var i = 0
    while i + 4 <= count {
      sums += SIMD4(a[i], a[i + 1], a[i + 2], a[i + 3]) * SIMD4(b[i], b[i + 1], b[i + 2], b[i + 3])
      i += 4
    }
    var sum = sums.sum()
    while i < count {
      sum += a[i] * b[i]
      i += 1
    }
    return sum
  }

  /// How many products one row takes.
  static func cost(featureCount d: Int, componentCount K: Int, structure: CovarianceStructure)
    -> Int
  {
    K * (structure.form == .full ? d * (d + 3) / 2 : d)
  }

  /// log wₖ N(x; μₖ, Σₖ) for every component.
  mutating func logJoint(_ row: some RandomAccessCollection<Double>) -> [Double] {
    let values = Array(row)
    let observed = values.indices.filter { !values[$0].isNaN }
    let factors: [Factor]
    if observed.count == values.count {
      factors = full
    } else if let known = partial[observed] {
      factors = known
    } else {
      factors = zip(weights, covariances).map { [isDiagonal] in
        Self.factor($1, features: observed, weight: $0, isDiagonal: isDiagonal)
      }
      partial[observed] = factors
    }
    var scratch = Array(repeating: 0.0, count: observed.count)
    return factors.indices.map { k in
      var sum = 0.0
      let mean = means[k]
      factors[k].lower.withUnsafeBufferPointer { lower in
        scratch.withUnsafeMutableBufferPointer { scratch in
          if isDiagonal {
            for i in 0..<scratch.count {
              let value = (values[observed[i]] - mean[observed[i]]) / lower[i]
              sum += value * value
            }
            return
          }
          guard let rows = lower.baseAddress, let solved = scratch.baseAddress else { return }
          var start = 0
          for i in 0..<scratch.count {
            let gap = values[observed[i]] - mean[observed[i]]
            let value = (gap - Self.dot(rows + start, solved, count: i)) / lower[start + i]
            scratch[i] = value
            sum += value * value
            start += i + 1
          }
        }
      }
      return factors[k].constant - 0.5 * sum
    }
  }

  /// The responsibilities of every component for a row. They sum to 1.
  mutating func responsibilities(_ row: some RandomAccessCollection<Double>) -> [Double] {
    let joint = logJoint(row)
    let largest = joint.max() ?? 0
    guard largest.isFinite else { return weights }
    let terms = joint.map { exp($0 - largest) }
    let total = terms.reduce(0, +)
    return terms.map { $0 / total }
  }
}

extension GaussianMixture {
  /// The ellipse of component `k` in the plane of two features.
  func ellipse(_ k: Int, _ x: Int, _ y: Int) -> Ellipse {
    let covariance = covariance(of: k)
    return Ellipse(
      x: means[k, x], y: means[k, y], xx: covariance[x, x], xy: covariance[x, y],
      yy: covariance[y, y])
  }
}

/// The density of a normal distribution.
func normalDensity(_ x: Double, mean: Double, variance: Double) -> Double {
  let z = x - mean
  return exp(-0.5 * z * z / variance) / (2 * Double.pi * variance).squareRoot()
}
