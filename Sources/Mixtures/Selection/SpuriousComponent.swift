// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A component that rests on few rows and is so narrow that its likelihood says little.
///
/// The likelihood of a mixture grows without end as a component closes in on a few rows that happen to lie near each other,
/// near a line or near a plane. Such ends are maxima too, but show nothing of the density that rows come from (Day 1969,
/// [doi:10.1093/biomet/56.3.463](https://doi.org/10.1093/biomet/56.3.463); McLachlan & Peel 2000,
/// [doi:10.1002/0471721182](https://doi.org/10.1002/0471721182), section 3.10).
///
/// A component of at least two is held for spurious if both hold:
///
/// - It has fewer than three rows for each row that its mean and covariance take to determine: w n < 3 m / d with its m
///   parameters beside the weight, so 3 + 3 (d + 1) / 2 rows of full covariances and 6 of diagonal ones.
/// - In units of the features' standard deviations its least variance is below 10⁻⁵, ten times the default floor, or what it gains over the other
///   components by its volume alone, w n (log det Σ̄ − log det Σₖ) / 2 with the others' mean log det Σ̄, is more than
///   BIC asks for its parameters, p ln n / 2.
public struct SpuriousComponent: Sendable, Equatable {
  /// The component, numbered from 0.
  public let component: Int
  /// The number of rows that it stands for, w n.
  public let rowCount: Double
  /// Its least variance in any direction, in units of the features' standard deviations.
  public let leastVariance: Double
  /// What it gains over the other components by its volume alone, in nats.
  public let gain: Double
  /// In words: what it rests on, and why that says little.
  public let detail: String

  private static let smallVariance = 1e-5

  /// The spurious components of a model that was fitted to so many rows.
  static func find(
    in model: GaussianMixture, observationCount n: Int, equalWeights: Bool
  ) -> [SpuriousComponent] {
    let (K, d) = (model.componentCount, model.featureCount)
    guard K > 1 else { return [] }
    let variances = model.featureVariances
    let logDeterminants = (0..<K).map { model.logDeterminant($0) }
    let structure = model.structure
    func parameters(_ K: Int) -> Int {
      structure.parameterCount(featureCount: d, componentCount: K, equalWeights: equalWeights)
    }
    let price = 0.5 * Double(parameters(K) - parameters(K - 1)) * Kernels.log(Double(n))
    let own = d + structure.form.elementCount(featureCount: d)
    let enough = 3 * Double(own) / Double(d)
    return (0..<K).compactMap { k in
      let weight = model.weights[k]
      let count = weight * Double(n)
      guard count < enough, weight < 1 else { return nil }
      let others = (0..<K).reduce(0) {
        $0 + ($1 == k ? 0 : model.weights[$1] * logDeterminants[$1])
      }
      let gain = 0.5 * count * (others / (1 - weight) - logDeterminants[k])
      let least = model.leastVariance(of: k, inUnitsOf: variances)
      guard least < smallVariance || gain > price else { return nil }
      let rows = "it stands for \(rounded(count, 10)) rows"
      let why =
        least < smallVariance
        ? "is flat: \(rounded(least.squareRoot(), 1e5)) standard deviations wide in its narrowest direction"
        : "gains \(rounded(gain, 10)) nats by its small volume alone, more than the "
          + "\(rounded(price, 10)) that BIC asks for its parameters"
      return SpuriousComponent(
        component: k, rowCount: count, leastVariance: least, gain: gain,
        detail: "\(rows) and \(why)")
    }
  }

  private static func rounded(_ value: Double, _ scale: Double) -> Double {
    (value * scale).rounded() / scale
  }
}

extension MixtureFit {
  /// The components that rest on few rows and are so narrow that their likelihood says little; see
  /// ``SpuriousComponent``.
  ///
  /// - Complexity: O(K·d³) for full covariances, O(K·d) otherwise.
  public var spuriousComponents: [SpuriousComponent] {
    let free = model.parameterCount()
    return SpuriousComponent.find(
      in: model, observationCount: observationCount, equalWeights: parameterCount < free)
  }

  /// Whether its likelihood says little: a covariance was held at the floor, or a component is spurious.
  var isDubious: Bool {
    rescued.contains { $0.action == .floored } || !spuriousComponents.isEmpty
  }
}

extension ModelSelection.Ranking {
  /// The best candidate without a spurious component, if the best one has any and there is one without.
  public var bestWithoutSpurious: Int? {
    guard !best.spuriousComponents.isEmpty else { return nil }
    return candidates.indices.filter {
      candidates[$0].fit.map { $0.spuriousComponents.isEmpty } ?? false
    }.reduce(nil as Int?) { least, index in
      least.map { isLess(index, $0) ? index : $0 } ?? index
    }
  }
}

extension GaussianMixture {
  /// The variance of each feature under the mixture.
  var featureVariances: [Double] {
    let d = featureCount
    return (0..<d).map { j in
      let mean = (0..<componentCount).reduce(0) { $0 + weights[$1] * means[$1, j] }
      return (0..<componentCount).reduce(0) { sum, k in
        let difference = means[k, j] - mean
        let stored = covariances.stored(k)
        let offset: Int
        switch structure.form {
        case .full: offset = j * (j + 3) / 2
        case .diagonal: offset = j
        case .scalar: offset = 0
        }
        return sum + weights[k] * (difference * difference + stored[stored.startIndex + offset])
      }
    }
  }

  /// The least variance of component `k` in any direction, after each feature was divided by its standard deviation.
  func leastVariance(of k: Int, inUnitsOf variances: [Double]) -> Double {
    let stored = Array(covariances.stored(k))
    switch structure.form {
    case .scalar: return variances.map { stored[0] / $0 }.min() ?? 0
    case .diagonal: return zip(stored, variances).map { $0 / $1 }.min() ?? 0
    case .full:
      let units = variances.map { 1 / $0.squareRoot() }
      var scaled = stored
      var index = 0
      for i in units.indices {
        for j in 0...i {
          scaled[index] *= units[i] * units[j]
          index += 1
        }
      }
      return max(SymmetricEigen(packed: scaled, order: featureCount).values.min() ?? 0, 0)
    }
  }
}
