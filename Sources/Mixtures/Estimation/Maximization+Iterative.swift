// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The covariances of the structures that have no closed form. All iterations descend, and those of VEI, VEE and VEV
// descend to the one minimum there is: in the logarithms of volumes and variances (for VEE, along the geodesics of
// positive definite matrices) the problem is convex. Those of EVE and VVE have several minima, by their axes.

extension CovarianceMaximization {
  // MARK: Shared shape

  /// VEI for spreads sₖⱼ along d axes: the variances λₖ aⱼ for which Σₖⱼ (nₖ log λₖaⱼ + sₖⱼ / λₖaⱼ) is least.
  ///
  /// Volumes and shape in turn, each the best for the other: aⱼ = Σₖ sₖⱼ / λₖ / n and λₖ = Σⱼ sₖⱼ / aⱼ / (d nₖ). (In terms of
  /// sₖⱼ / λₖaⱼ this is the scaling of a table to given margins, which converges at a linear rate.)
  ///
  /// If a variance is below its bound, take units in which bounds are 1. Then min λ · min a ≥ 1, and as λ may be
  /// multiplied by what a is divided by, this is the same as λₖ ≥ 1 and aⱼ ≥ 1: bounds on volumes and shape apart, under
  /// which taking turns still converges to the minimum.
  func sharedShape(
    of spreads: [Double], bounds: [Double]?, from previous: GaussianMixture?
  ) -> (elements: [Double], floored: [Int]) {
    let (K, d) = (componentCount, featureCount)
    var volumes = startingVolumes(previous)
    var shape = Array(repeating: 0.0, count: d)
    if volumes.isEmpty {
      volumes = (0..<K).map { k in
        spreads[k * d..<(k + 1) * d].reduce(0, +) / (Double(d) * counts[k])
      }
    }
    for _ in 0..<Self.turnLimit {
      updateShape(&shape, spreads, volumes, least: 0)
      if updateVolumes(&volumes, spreads, shape, least: 0) < Self.stillness { break }
    }
    let variances = (0..<K * d).map { volumes[$0 / d] * shape[$0 % d] }
    guard let bounds, !(0..<K * d).allSatisfy({ variances[$0] >= bounds[$0 % d] }) else {
      return (variances, [])
    }

    let scaled = (0..<K * d).map { spreads[$0] / bounds[$0 % d] }
    volumes = startingVolumes(previous)
    if volumes.isEmpty {
      volumes = (0..<K).map { k in
        max(scaled[k * d..<(k + 1) * d].reduce(0, +) / (Double(d) * counts[k]), 1)
      }
    }
    let smallest = volumes.min()!
    for k in 0..<K { volumes[k] /= smallest }
    for _ in 0..<Self.turnLimit {
      updateShape(&shape, scaled, volumes, least: 1)
      let change = updateVolumes(&volumes, scaled, shape, least: 1)
      balance(&volumes, &shape, shape.min()!)
      if change < Self.stillness { break }
    }
    return (
      (0..<K * d).map { volumes[$0 / d] * shape[$0 % d] * bounds[$0 % d] },
      (0..<K).filter { volumes[$0] * shape.min()! <= 1 + 1e-9 }
    )
  }

  private func updateShape(
    _ shape: inout [Double], _ spreads: [Double], _ volumes: [Double], least: Double
  ) {
    let d = featureCount
    for j in 0..<d {
      var sum = 0.0
      for k in 0..<componentCount where volumes[k] > 0 { sum += spreads[k * d + j] / volumes[k] }
      shape[j] = max(sum / total, least)
    }
  }

  /// Returns the largest relative change.
  private func updateVolumes(
    _ volumes: inout [Double], _ spreads: [Double], _ shape: [Double], least: Double
  ) -> Double {
    let d = featureCount
    var change = 0.0
    for k in 0..<componentCount {
      var sum = 0.0
      for j in 0..<d where shape[j] > 0 { sum += spreads[k * d + j] / shape[j] }
      let volume = max(sum / (Double(d) * counts[k]), least)
      if volume > 0 { change = max(change, abs(volume - volumes[k]) / volume) }
      volumes[k] = volume
    }
    return change
  }

  /// Multiplies volumes and divides shape by what makes both equally far from their bounds.
  private func balance(_ volumes: inout [Double], _ shape: inout [Double], _ smallest: Double) {
    let factor = (smallest / volumes.min()!).squareRoot()
    for k in volumes.indices { volumes[k] *= factor }
    for j in shape.indices { shape[j] /= factor }
  }

  /// The volumes of the previous model; empty if it has another structure or number of components.
  private func startingVolumes(_ previous: GaussianMixture?) -> [Double] {
    guard let previous, previous.structure == structure,
      previous.componentCount == componentCount
    else { return [] }
    return (0..<componentCount).map {
      Kernels.exp(previous.logDeterminant($0) / Double(featureCount))
    }
  }

  /// How often to take turns at most, and the relative change below which to stop.
  static let turnLimit = 2000
  static let stillness = 1e-14

  // MARK: Multiples of one matrix

  /// VEE: Σₖ = λₖ C with C = Σₖ Wₖ / λₖ / n and λₖ = tr(C⁻¹ Wₖ) / (d nₖ) in turn; at the floor, as for VEI, λₖ ≥ 1 and
  /// C ⪰ I in units of it.
  mutating func maximizeMultiples(from previous: GaussianMixture?) {
    let (K, d) = (componentCount, featureCount)
    let start = startingVolumes(previous)
    var (volumes, matrix, isRegular) = freeMultiples(from: start)
    elements = volumes.flatMap { volume in matrix.map { $0 * volume } }
    let k = volumes.indices.min { volumes[$0] < volumes[$1] }!
    guard floor.isActive, !(isRegular && floor.holds(elements[k * size..<(k + 1) * size])) else {
      return
    }

    let scaled = (0..<K).flatMap { floor.scaled(scatter($0)) }
    volumes =
      start.isEmpty
      ? (0..<K).map {
        max(trace(scaled[$0 * size..<($0 + 1) * size]) / (Double(d) * counts[$0]), 1)
      } : start
    let smallest = volumes.min()!
    for k in 0..<K { volumes[k] /= smallest }
    var least = 1.0
    for _ in 0..<Self.turnLimit {
      let eigen = SymmetricEigen(packed: pooled(scaled, over: volumes), order: d)
      let values = eigen.values.map { max($0, 1) }
      matrix = SymmetricEigen.compose(values, eigen.vectors, order: d)
      let change = updateVolumes(
        &volumes, scaled,
        inverse: SymmetricEigen.compose(values.map { 1 / $0 }, eigen.vectors, order: d), least: 1)
      least = values.min()!
      let factor = volumes.min()!
      balance(&volumes, &matrix, least)
      least *= factor / volumes.min()!
      if change < Self.stillness { break }
    }
    elements = volumes.flatMap { volume in floor.unscaled(matrix.map { $0 * volume }) }
    floored = volumes.indices.filter { volumes[$0] * least <= 1 + 1e-9 }
  }

  /// λₖ and C without a floor, and whether C is positive definite.
  private func freeMultiples(
    from start: [Double]
  ) -> (volumes: [Double], matrix: [Double], isRegular: Bool) {
    var volumes = start
    if start.isEmpty {
      volumes = (0..<componentCount).map {
        trace(scatter($0)) / (Double(featureCount) * counts[$0])
      }
    }
    var matrix: [Double] = []
    for _ in 0..<Self.turnLimit {
      matrix = pooled(scatters, over: volumes)
      guard let cholesky = Cholesky(packed: matrix, order: featureCount) else {
        return (volumes, matrix, false)
      }
      if updateVolumes(&volumes, scatters, inverse: cholesky.inverse, least: 0) < Self.stillness {
        break
      }
    }
    return (volumes, matrix, true)
  }

  private func trace(_ packed: ArraySlice<Double>) -> Double {
    (0..<featureCount).reduce(0) { $0 + packed[packed.startIndex + $1 * ($1 + 3) / 2] }
  }

  /// Σₖ Wₖ / λₖ / n.
  private func pooled(_ scatters: [Double], over volumes: [Double]) -> [Double] {
    var sum = Array(repeating: 0.0, count: size)
    for k in 0..<componentCount where volumes[k] > 0 {
      let scale = 1 / (volumes[k] * total)
      for index in 0..<size { sum[index] += scatters[k * size + index] * scale }
    }
    return sum
  }

  /// λₖ = tr(C⁻¹ Wₖ) / (d nₖ). Returns the largest relative change.
  private func updateVolumes(
    _ volumes: inout [Double], _ scatters: [Double], inverse: [Double], least: Double
  ) -> Double {
    let d = featureCount
    var change = 0.0
    for k in 0..<componentCount {
      var sum = 0.0
      var index = 0
      for i in 0..<d {
        for _ in 0..<i {
          sum += 2 * inverse[index] * scatters[k * size + index]
          index += 1
        }
        sum += inverse[index] * scatters[k * size + index]
        index += 1
      }
      let volume = max(sum / (Double(d) * counts[k]), least)
      if volume > 0 { change = max(change, abs(volume - volumes[k]) / volume) }
      volumes[k] = volume
    }
    return change
  }

  // MARK: Common axes

  /// EVE and VVE: the axes by ``CommonOrientation``, and along them the variances of EVI or VVI.
  ///
  /// From a previous model of the same structure the axes are turned downhill, so that the M-step is no worse than that
  /// model. Without one, the best end of several starts is taken: the features' own axes, those of EEE and VEE, and those
  /// of each scatter. So it is no worse than what diagonal matrices, EEE and VEE reach.
  mutating func maximizeCommonAxes(from previous: GaussianMixture?) {
    let (K, d) = (componentCount, featureCount)
    let start = startingAxes(previous)
    var best: CommonOrientation
    if let start {
      best = orientation(start)
      best.descend(wide: false)
    } else {
      best = bestOrientation()
    }
    var variances = self.variances(along: best.spreads, bound: nil).elements
    if floor.isActive, !variances.allSatisfy({ $0 >= floor.leastVariance }) {
      if let start { best = orientation(start) }
      variances = holdAtFloor(&best)
    }
    elements = (0..<K).flatMap { k in
      SymmetricEigen.compose(variances[k * d..<(k + 1) * d], best.axes, order: d)
    }
  }

  /// Of many features, starts are compared after twenty sweeps, and only the best goes on.
  private func bestOrientation() -> CommonOrientation {
    let (K, d) = (componentCount, featureCount)
    let matrices =
      [pooled(scatters, over: counts.map { _ in 1 }), freeMultiples(from: []).matrix]
      + (0..<K).map { Array(scatter($0)) }
    let sweepLimit = d <= 10 ? 100 : 20
    var best = orientation((0..<d * d).map { $0 % (d + 1) == 0 ? 1 : 0 })
    best.descend(wide: true, sweepLimit: sweepLimit)
    for matrix in matrices {
      var other = orientation(SymmetricEigen(packed: matrix, order: d).descending.vectors)
      other.descend(wide: true, sweepLimit: sweepLimit)
      if other.value < best.value { best = other }
    }
    if d > 10 { best.descend(wide: false) }
    return best
  }

  private func orientation(_ axes: [Double]) -> CommonOrientation {
    CommonOrientation(
      scatters: scatters, order: featureCount, counts: counts,
      objective: structure == .eve ? .sumOfGeometricMeans : .sumOfLogarithms, axes: axes)
  }

  private func startingAxes(_ previous: GaussianMixture?) -> [Double]? {
    guard let previous, previous.structure == structure else { return nil }
    return previous.covariances.commonAxes
  }

  private func variances(
    along spreads: [Double], bound: Double?
  ) -> (elements: [Double], floored: [Int]) {
    let (K, d) = (componentCount, featureCount)
    if structure == .eve {
      return sharedVolume(of: spreads, bounds: bound.map { Array(repeating: $0, count: d) })
    }
    let variances = (0..<K * d).map { spreads[$0] / counts[$0 / d] }
    guard let bound else { return (variances, []) }
    return (
      variances.map { max($0, bound) },
      (0..<K).filter { k in variances[k * d..<(k + 1) * d].contains { $0 <= bound } }
    )
  }

  /// Variances and axes in turn, for variances that have a bound. The next M-step goes on where this one stops.
  private mutating func holdAtFloor(_ axes: inout CommonOrientation) -> [Double] {
    let bound = floor.leastVariance
    var result = variances(along: axes.spreads, bound: bound)
    var previous = Double.infinity
    for _ in 0..<100 {
      axes.turn(towards: result.elements)
      result = variances(along: axes.spreads, bound: bound)
      let value =
        axes.trace(over: result.elements)
        + result.elements.indices.reduce(0) {
          $0 + counts[$1 / featureCount] * Kernels.log(result.elements[$1])
        }
      if !(previous - value > 1e-13 * total) { break }
      previous = value
    }
    floored = result.floored
    return result.elements
  }
}
