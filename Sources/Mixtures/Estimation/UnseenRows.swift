// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What a truncated table is short of: the rows that there are outside of its window, as a model expects them.
///
/// For every row that was observed with probability P there were (1 − P) / P others that were not. Their expected moments,
/// added to those of the rows, make the statistics of a table without a window, so that the M-step stays what it is. The
/// log-likelihood of each row is less by log P.
struct UnseenRows: Sendable {
  /// log P.
  let logProbability: Double
  /// For each component, for each row that is seen: the weight of unseen ones, and their moments about the mean.
  private let weights: [Double]
  private let deviations: [[Double]]
  /// Packed lower triangles.
  private let covariances: [[Double]]
  /// The weight of unseen ones of the background.
  private let unseenBackground: Double

  /// Those outside of a box, where rows are measured with the given noise covariance.
  init(
    _ model: GaussianMixture, window: ObservationWindow, noise: Measurement.Noise
  ) {
    let d = model.featureCount
    let measurement = Measurement(cells: Array(0..<d), projection: nil, noise: noise)
    let measured = MeasuredModel(model, measurement, target: .full)
    let shared = model.structure.isShared
    let parts = (0..<model.covariances.storedCount).map { measured.gainAndRemainder($0) }
    let marginals = (0..<model.covariances.storedCount).map { model.marginal($0, measurement) }
    let components = (0..<model.componentCount).map { k in
      let mean = model.means.row(k)
      let T = marginals[shared ? 0 : k]
      let inside = BoxMoments.box(
        mean: mean, covariance: T, lower: window.lower, upper: window.upper)!
      let outside = BoxMoments.complement(
        mean: mean, covariance: T, lower: window.lower, upper: window.upper)!
      let (gain, remainder) = parts[shared ? 0 : k]
      let difference = (0..<d).map { outside.mean[$0] - mean[$0] }
      func c(_ i: Int, _ j: Int) -> Double {
        outside.covariance[max(i, j) * (max(i, j) + 1) / 2 + min(i, j)]
      }
      var deviation = Array(repeating: 0.0, count: d)
      var covariance: [Double] = []
      for i in 0..<d {
        for j in 0..<d { deviation[i] += gain[i, j] * difference[j] }
        for j in 0...i {
          var value = remainder[i, j]
          for a in 0..<d { for b in 0..<d { value += gain[i, a] * c(a, b) * gain[j, b] } }
          covariance.append(value)
        }
      }
      return Component(
        inside: Kernels.exp(inside.logProbability), outside: Kernels.exp(outside.logProbability),
        deviation: deviation, covariance: covariance)
    }
    self.init(model, components, backgroundPart: model.background?.part(in: window) ?? 0)
  }

  /// Those that a selection function leaves out, at quasi-random points of each component.
  init(_ model: GaussianMixture, selection: SelectionFunction) {
    let d = model.featureCount
    let points = QuasiNormalPoints(count: selection.pointCount, dimension: d)
    let components = (0..<model.componentCount).map { k in
      let root = Cholesky(
        raising: model.marginal(model.structure.isShared ? 0 : k, .plain(featureCount: d)), order: d
      )
      var (inside, outside) = (0.0, 0.0)
      var first = Array(repeating: 0.0, count: d)
      var second = Array(repeating: 0.0, count: d * (d + 1) / 2)
      for number in 0..<points.count {
        let step = root.multiply(points[number])
        let s = selection.probability((0..<d).map { model.means[k, $0] + step[$0] })
        let seen = s.isNaN ? 0 : min(max(s, 0), 1)
        inside += seen
        outside += 1 - seen
        for i in 0..<d {
          first[i] += (1 - seen) * step[i]
          for j in 0...i { second[i * (i + 1) / 2 + j] += (1 - seen) * step[i] * step[j] }
        }
      }
      let scale = outside > 0 ? 1 / outside : 0
      let deviation = first.map { $0 * scale }
      for i in 0..<d {
        for j in 0...i {
          let index = i * (i + 1) / 2 + j
          second[index] = second[index] * scale - deviation[i] * deviation[j]
        }
      }
      return Component(
        inside: inside / Double(points.count), outside: outside / Double(points.count),
        deviation: deviation, covariance: second)
    }
    // The background is one of what is observed.
    self.init(model, components, backgroundPart: 1)
  }

  private struct Component {
    let inside: Double
    let outside: Double
    let deviation: [Double]
    let covariance: [Double]
  }

  private init(
    _ model: GaussianMixture, _ components: [Component], backgroundPart: Double
  ) {
    let share = model.background?.share ?? 0
    let seen = zip(model.weights, components).reduce(share * backgroundPart) {
      $0 + (1 - share) * $1.0 * $1.1.inside
    }
    // A model without anything to be seen explains no row; it is as bad as can be.
    let probability = max(seen, .leastNormalMagnitude)
    logProbability = Kernels.log(probability)
    weights = zip(model.weights, components).map { (1 - share) * $0 * $1.outside / probability }
    deviations = components.map(\.deviation)
    covariances = components.map(\.covariance)
    unseenBackground = share * (1 - backgroundPart) / probability
  }

  /// Adds those that belong to rows of the given case weight.
  func add(_ caseWeight: Double, to statistics: inout SufficientStatistics) {
    statistics.values[1] -= caseWeight * logProbability
    statistics.classificationLogLikelihood -= caseWeight * logProbability
    statistics.unseenWeight += caseWeight * unseenBackground
    for k in weights.indices where weights[k] > 0 {
      let n = caseWeight * weights[k]
      let (deviation, covariance) = (deviations[k], covariances[k])
      statistics.unseenWeight += n
      statistics.add(k, zeroth: n, first: { n * deviation[$0] }) { i, j in
        n * (covariance[i * (i + 1) / 2 + j] + deviation[i] * deviation[j])
      }
    }
  }
}

extension GaussianMixture {
  /// R Σ Rᵀ + S of a covariance that is stored, packed, for a measurement that selects features.
  func marginal(_ stored: Int, _ measurement: Measurement) -> [Double] {
    let covariance = covariances[stored]
    var result: [Double] = []
    for (a, i) in measurement.cells.enumerated() {
      for j in measurement.cells[...a] { result.append(covariance[i, j]) }
    }
    return measurement.noise.adding(to: result)
  }
}

/// Points of a standard normal density that fill it evenly: Richtmyer's lattice, by the normal quantile.
private struct QuasiNormalPoints {
  let count: Int
  private let steps: [Double]

  init(count: Int, dimension: Int) {
    self.count = count
    // The fractional parts of the roots of primes.
    var primes: [Int] = []
    var candidate = 2
    while primes.count < dimension {
      if primes.allSatisfy({ candidate % $0 != 0 }) { primes.append(candidate) }
      candidate += 1
    }
    steps = primes.map {
      let root = Double($0).squareRoot()
      return root - root.rounded(.down)
    }
  }

  subscript(number: Int) -> [Double] {
    steps.map { step in
      let value = (Double(number) + 0.5) * step
      let part = value - value.rounded(.down)
      // Ends are left out; a fold evens the lattice.
      let folded = abs(2 * part - 1)
      return normalQuantile(min(max(folded, 0x1p-53), 1 - 0x1p-53))
    }
  }
}
