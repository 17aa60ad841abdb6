// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The covariances of an M-step: those of a structure, at or above the floor, for which Σₖ [nₖ log det Σₖ + tr Σₖ⁻¹ Wₖ]
// is least. Structures that need no iteration are here, the others in Maximization+Iterative.swift.

/// The covariances that scatters ask for under a structure.
struct CovarianceMaximization {
  let structure: CovarianceStructure
  let componentCount: Int
  let featureCount: Int
  /// nₖ, and their sum.
  let counts: [Double]
  let total: Double
  /// Wₖ in the structure's form, one after the other.
  let scatters: [Double]
  let floor: CovarianceFloor
  private let threadCount: Int

  /// The distinct covariances, as ``Covariances`` stores them. Where a component has none, they are zero, NaN or not
  /// positive definite.
  var elements: [Double] = []
  /// The components whose covariance is held at the floor.
  var floored: [Int] = []

  /// Maximises; `previous` says where an iteration begins.
  init(
    _ statistics: SufficientStatistics, structure: CovarianceStructure, floor: CovarianceFloor,
    threadCount: Int, previous: GaussianMixture?
  ) {
    let K = statistics.componentCount
    let d = statistics.featureCount
    let scatters =
      structure.form == .full
      ? ThreadTeam.fill(
        K, of: statistics.elementsPerSecond,
        threadCount: ThreadTeam.worthwhile(threadCount, matrixCount: K, order: d)
      ) { statistics.writeScatter($0, to: $1) }
      : (0..<K).flatMap { statistics.scatter($0, as: structure.form) }
    self.init(
      counts: (0..<K).map(statistics.zeroth), scatters: scatters, featureCount: d,
      structure: structure, floor: floor, threadCount: threadCount, previous: previous)
  }

  /// Maximises for counts and scatters, the latter in the structure's form.
  init(
    counts: [Double], scatters: [Double], featureCount d: Int, structure: CovarianceStructure,
    floor: CovarianceFloor, threadCount: Int, previous: GaussianMixture?
  ) {
    self.structure = structure
    self.floor = floor
    self.threadCount = threadCount
    self.counts = counts
    self.scatters = scatters
    componentCount = counts.count
    featureCount = d
    total = counts.reduce(0, +)
    let previous = previous.flatMap { $0.featureCount == d ? $0 : nil }
    switch structure {
    case .eii, .eei, .eee: maximizePooled()
    case .vii, .vvi, .vvv: maximizeApart()
    case .vei: keep(sharedShape(of: scatters, bounds: floor.bounds, from: previous))
    case .evi: keep(sharedVolume(of: scatters, bounds: floor.bounds))
    case .vee: maximizeMultiples(from: previous)
    case .evv: maximizeSharedVolume()
    case .eev, .vev: maximizeTurned(from: previous)
    case .eve, .vve: maximizeCommonAxes(from: previous)
    }
  }

  /// The number of stored elements of one matrix.
  var size: Int { structure.form.elementCount(featureCount: featureCount) }

  /// The scatter of component `k`.
  func scatter(_ k: Int) -> ArraySlice<Double> { scatters[k * size..<(k + 1) * size] }

  mutating func keep(_ result: (elements: [Double], floored: [Int])) {
    (elements, floored) = result
  }

  // MARK: One covariance, or K that have nothing in common

  private mutating func maximizePooled() {
    var pooled = Array(scatter(0))
    for k in 1..<max(componentCount, 1) {
      for (index, element) in scatter(k).enumerated() { pooled[index] += element }
    }
    // A scalar form sums the squares of d features.
    let perCount = structure.form == .scalar ? Double(featureCount) : 1
    elements = pooled.map { $0 / (perCount * total) }
    if floor.raise(&elements, form: structure.form) { floored = Array(0..<componentCount) }
  }

  private mutating func maximizeApart() {
    let perCount = structure.form == .scalar ? Double(featureCount) : 1
    let (K, size, form, counts, floor) = (componentCount, size, structure.form, counts, floor)
    let threads = ThreadTeam.worthwhile(
      threadCount, matrixCount: K, order: form == .full ? featureCount : 1)
    var raised = Array(repeating: false, count: K)
    elements = raised.withUnsafeMutableBufferPointer { raised in
      // Each is touched by the one thread that has the component.
      nonisolated(unsafe) let raised = raised
      return scatters.withUnsafeBufferPointer { scatters in
        ThreadTeam.fill(K, of: size, threadCount: threads) { k, covariance in
          let scatter = scatters.baseAddress! + k * size
          let divisor = perCount * counts[k]
          for index in 0..<size { covariance[index] = scatter[index] / divisor }
          raised[k] = floor.raise(covariance, form: form)
        }
      }
    }
    floored = (0..<componentCount).filter { raised[$0] }
  }

  // MARK: Equal determinants

  /// EVI for spreads sₖⱼ along d axes: the variances σₖⱼ with equal ∏ⱼ σₖⱼ for which Σₖⱼ (nₖ log σₖⱼ + sₖⱼ / σₖⱼ) is least.
  ///
  /// With gₖ = (∏ⱼ sₖⱼ)^(1/d) they are λ sₖⱼ / gₖ, λ = Σₖ gₖ / n. If one of them is below its bound fⱼ, take units in which
  /// the bounds are 1. Given the volume eᵘ, each component's variances are max (1, sₖⱼ / νₖ) with νₖ such that their
  /// product is e^(d u), and the derivative of the whole in u is d (n − Σₖ νₖ(u)), an increasing function: u is its zero,
  /// or 0 if it is positive there.
  func sharedVolume(
    of spreads: [Double], bounds: [Double]?
  ) -> (elements: [Double], floored: [Int]) {
    let (K, d) = (componentCount, featureCount)
    let logs = (0..<K * d).map { Kernels.log(max(spreads[$0] / (bounds?[$0 % d] ?? 1), 0)) }
    let means = (0..<K).map { k in logs[k * d..<(k + 1) * d].reduce(0, +) / Double(d) }
    let volume = Kernels.log(means.reduce(0) { $0 + Kernels.exp($1) } / total)
    let free = (0..<K * d).map { volume + logs[$0] - means[$0 / d] }
    guard let bounds, !free.allSatisfy({ $0 >= 0 }) else {
      return ((0..<K * d).map { spreads[$0] * Kernels.exp(volume - means[$0 / d]) }, [])
    }

    let descending = (0..<K).map { k in logs[k * d..<(k + 1) * d].sorted(by: >) }
    /// log νₖ for a volume of eᵘ; −∞ for a component without spread.
    func logLevel(_ k: Int, _ u: Double) -> (value: Double, slope: Double) {
      var sum = 0.0
      for (m, log) in descending[k].enumerated() {
        guard log > -.infinity else {
          return m == 0
            ? (-.infinity, 0) : ((sum - Double(d) * u) / Double(m), -Double(d) / Double(m))
        }
        sum += log
        let level = (sum - Double(d) * u) / Double(m + 1)
        if m + 1 == d || level >= descending[k][m + 1] {
          return (level, -Double(d) / Double(m + 1))
        }
      }
      return (-.infinity, 0)
    }
    func excess(_ u: Double) -> (value: Double, slope: Double) {
      (0..<K).reduce(into: (-total, 0.0)) { sum, k in
        let level = logLevel(k, u)
        let count = Kernels.exp(level.value)
        sum.0 += count
        sum.1 += count * level.slope
      }
    }
    var u = 0.0
    var end = excess(0)
    if end.value > 0 {
      // Newton's method within a bracket, halved where a step would leave it.
      var (lower, upper) = (0.0, 1.0)
      while excess(upper).value > 0 { upper *= 2 }
      while true {
        var next = u - end.value / end.slope
        if !(next > lower && next < upper) { next = 0.5 * (lower + upper) }
        guard next > lower, next < upper, next != u else { break }
        let isStill = abs(next - u) <= 2 * next.ulp
        u = next
        if isStill { break }
        end = excess(u)
        if end.value > 0 { lower = u } else { upper = u }
      }
    }
    var elements: [Double] = []
    var floored: [Int] = []
    for k in 0..<K {
      let level = logLevel(k, u).value
      let raised = (0..<d).map { level > -.infinity ? max(logs[k * d + $0] - level, 0) : u }
      if raised.contains(0) { floored.append(k) }
      elements += (0..<d).map { Kernels.exp(raised[$0]) * bounds[$0] }
    }
    return (elements, floored)
  }

  /// EVV: Σₖ = λ Wₖ / gₖ with gₖ = det(Wₖ)^(1/d) and λ = Σₖ gₖ / n; at the floor, EVI along the axes of Wₖ in units of it.
  private mutating func maximizeSharedVolume() {
    let (K, d) = (componentCount, featureCount)
    let logs = (0..<K).map { k in
      (Cholesky(packed: scatter(k), order: d)?.logDeterminant ?? -.infinity) / Double(d)
    }
    let volume = Kernels.log(logs.reduce(0) { $0 + Kernels.exp($1) } / total)
    elements = (0..<K).flatMap { k in scatter(k).map { $0 * Kernels.exp(volume - logs[k]) } }
    guard floor.isActive,
      !(0..<K).allSatisfy({ floor.holds(elements[$0 * size..<($0 + 1) * size]) })
    else { return }
    let eigens = (0..<K).map { SymmetricEigen(packed: floor.scaled(scatter($0)), order: d) }
    let (variances, floored) = sharedVolume(
      of: eigens.flatMap { $0.values.map { max($0, 0) } },
      bounds: Array(repeating: 1, count: d))
    self.floored = floored
    elements = (0..<K).flatMap { k in
      floor.unscaled(
        SymmetricEigen.compose(variances[k * d..<(k + 1) * d], eigens[k].vectors, order: d))
    }
  }

  // MARK: Equal eigenvalues, or multiples of them

  /// EEV and VEV: Σₖ has the axes of Wₖ, whose eigenvalues in descending order are the spreads of EEI or VEI.
  private mutating func maximizeTurned(from previous: GaussianMixture?) {
    let (K, d) = (componentCount, featureCount)
    let eigens = (0..<K).map { SymmetricEigen(packed: Array(scatter($0)), order: d).descending }
    let spreads = eigens.flatMap { $0.values.map { max($0, 0) } }
    let bound = floor.isActive ? floor.leastVariance : 0
    let variances: [Double]
    if structure == .eev {
      var shared = (0..<d).map { j in
        (0..<K).reduce(0) { $0 + spreads[$1 * d + j] } / total
      }
      if shared.contains(where: { $0 < bound }) { floored = Array(0..<K) }
      shared = shared.map { max($0, bound) }
      variances = (0..<K).flatMap { _ in shared }
    } else {
      (variances, floored) = sharedShape(
        of: spreads, bounds: floor.isActive ? Array(repeating: bound, count: d) : nil,
        from: previous)
    }
    elements = (0..<K).flatMap { k in
      SymmetricEigen.compose(variances[k * d..<(k + 1) * d], eigens[k].vectors, order: d)
    }
  }
}
