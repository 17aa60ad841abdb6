// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The loadings and uniquenesses that scatters ask for: those for which
/// F = Σₖ nₖ [log det Σₖ + tr Σₖ⁻¹ Sₖ] is least, with Σₖ = Λₖ Λₖᵀ + Ψₖ, Sₖ = Wₖ / nₖ, and every uniqueness at or above its
/// bound.
///
/// It is found by EM with the factors as missing data. With βₖ = Λₖᵀ Σₖ⁻¹ = Vₖ Λₖᵀ Ψₖ⁻¹, Vₖ = (I + Λₖᵀ Ψₖ⁻¹ Λₖ)⁻¹, all that the
/// factors are expected to be is in Bₖ = Sₖ βₖᵀ (d × q) and Θₖ = Vₖ + βₖ Bₖ (q × q). The loadings that follow are Bₖ Θₖ⁻¹; where
/// components share them, the same of sums that are weighted by nₖ and, feature by feature, by 1 / ψₖⱼ. The uniquenesses are
/// the diagonals of Sₖ − 2 Λₖ Bₖᵀ + Λₖ Θₖ Λₖᵀ, or means of them, or their bounds.
///
/// Two things make it fast. The factors are given a covariance R, which is estimated too and then absorbed into the
/// loadings: R = Θₖ, or the mean of these if the loadings are shared (parameter expansion, Liu, Rubin & Wu 1998,
/// [doi:10.1093/biomet/85.4.755](https://doi.org/10.1093/biomet/85.4.755)); without it, loadings hardly move where a
/// uniqueness is near zero. And two steps are extrapolated to a third, which is kept if F is no larger there (Varadhan &
/// Roland 2008, [doi:10.1111/j.1467-9469.2007.00585.x](https://doi.org/10.1111/j.1467-9469.2007.00585.x)). Towards a bound
/// even that is slow, as F is flat there in the logarithm of the uniqueness; so uniquenesses that end near theirs are tried
/// at it.
struct FactorMaximization {
  /// The decomposition found.
  private(set) var factors: FactorDecomposition
  /// The components with a uniqueness at its bound.
  private(set) var floored: [Int] = []

  /// Maximises.
  ///
  /// - Parameters:
  ///   - scatters: Wₖ, packed lower triangles one after the other.
  ///   - floor: The bounds on the uniquenesses; isotropic ones have the mean of these.
  ///   - previous: Where to begin, if it is admissible; F ends no larger than there.
  init(
    counts: [Double], scatters: [Double], featureCount d: Int, structure: FactorStructure,
    floor: CovarianceFloor, previous: FactorDecomposition?
  ) {
    var search = FactorSearch(
      counts: counts, scatters: scatters, featureCount: d, structure: structure, floor: floor)
    let previous = previous.flatMap {
      $0.componentCount == counts.count && $0.featureCount == d && $0.isAdmissible(structure)
        ? $0 : nil
    }
    if let previous, previous.factorCount == structure.factorCount, previous.isEveryFactorUsed {
      let begun = search.point(previous)
      let before = search.objective(at: begun)
      search.minimize(from: begun)
      // What is no gain is no change, so that a fit that has arrived stands still.
      if search.objective > before - FactorSearch.leastGain * search.total {
        factors = previous
        floored = search.floored
        return
      }
    } else {
      search.minimize(from: search.principalPoint())
      if let previous {
        // Fewer factors, from which no step of EM makes more.
        let least = search.objective
        let begun = search.point
        search.minimize(from: search.point(previous))
        if search.objective > least { search.minimize(from: begun) }
      }
    }
    factors = search.decomposition
    floored = search.floored
  }
}

extension FactorDecomposition {
  /// Whether every component has loadings on every factor; EM leaves zeros as they are.
  fileprivate var isEveryFactorUsed: Bool {
    (0..<componentCount * factorCount).allSatisfy { index in
      elements[index * featureCount..<(index + 1) * featureCount].contains { $0 != 0 }
    }
  }
}

/// EM over factors, in units of the features' spreads, which are powers of two so that no digit is lost to them.
private struct FactorSearch {
  /// Loadings and the logarithms of uniquenesses.
  struct Point {
    /// Λ, by sets, factors and features.
    var loadings: [Double]
    /// log ψ, by sets and features.
    var logUniquenesses: [Double]
  }

  /// What a step gives: F at the point it began from, and where it leads.
  struct Step {
    let objective: Double
    /// What rounding may change the objective by: a uniqueness is known to the digits of the variance that it is a part of.
    let rounding: Double
    let next: Point
  }

  /// A gain of F that is small, per unit of weight or as a part of all gains so far; and after how many of them one after
  /// the other EM ends.
  static let tolerance = 1e-12
  static let smallShare = 1e-4
  static let smallGainCount = 3
  /// A gain of a whole M-step that is none.
  static let leastGain = 1e-11
  /// The largest number of extrapolations.
  static let limit = 100
  /// How many uniquenesses are tried at their bounds, and the extrapolations that each trial has.
  static let trialsPerSet = 3
  static let trialLimit = 10

  let structure: FactorStructure
  let d: Int
  let q: Int
  let counts: [Double]
  let total: Double
  let units: [Double]
  /// The bounds on uniquenesses.
  let bounds: [Double]
  /// Sₖ, all of it, one after the other.
  let scatters: [Double]
  private(set) var point = Point(loadings: [], logUniquenesses: [])
  private(set) var objective = Double.infinity
  private var rounding = 0.0

  var K: Int { counts.count }
  var loadingSetCount: Int { structure.variant.sharesLoadings ? 1 : K }
  var uniquenessSetCount: Int { structure.variant.sharesUniquenesses ? 1 : K }
  func loadingSet(_ k: Int) -> Int { structure.variant.sharesLoadings ? 0 : k }
  func uniquenessSet(_ k: Int) -> Int { structure.variant.sharesUniquenesses ? 0 : k }

  init(
    counts: [Double], scatters packed: [Double], featureCount d: Int, structure: FactorStructure,
    floor: CovarianceFloor
  ) {
    self.structure = structure
    self.d = d
    q = structure.factorCount
    self.counts = counts
    let total = counts.reduce(0, +)
    self.total = total
    let size = d * (d + 1) / 2
    var variances = (0..<d).map { j in
      counts.indices.reduce(0) { $0 + packed[$1 * size + j * (j + 3) / 2] } / total
    }
    var bounds = floor.minimumVariances
    if structure.variant.isIsotropic {
      variances = Array(repeating: variances.reduce(0, +) / Double(d), count: d)
      bounds = Array(repeating: floor.meanVariance, count: d)
    }
    let units = zip(variances, bounds).map { variance, bound in
      Double(sign: .plus, exponent: max(variance, bound).squareRoot().exponent, significand: 1)
    }
    self.units = units
    self.bounds = zip(bounds, units).map { $0 / ($1 * $1) }
    var all = Array(repeating: 0.0, count: counts.count * d * d)
    for (k, count) in counts.enumerated() {
      var index = k * size
      for i in 0..<d {
        for j in 0...i {
          let element = packed[index] / count / units[i] / units[j]
          all[(k * d + i) * d + j] = element
          all[(k * d + j) * d + i] = element
          index += 1
        }
      }
    }
    scatters = all
  }

  func variance(_ k: Int, _ j: Int) -> Double { scatters[(k * d + j) * d + j] }

  // MARK: Where it begins and ends

  /// A decomposition that is admissible; factors that it lacks have zeros.
  func point(_ decomposition: FactorDecomposition) -> Point {
    var point = Point(
      loadings: Array(repeating: 0, count: loadingSetCount * q * d), logUniquenesses: [])
    let own = decomposition.factorCount
    for set in 0..<loadingSetCount {
      for f in 0..<own {
        for j in 0..<d {
          point.loadings[(set * q + f) * d + j] =
            decomposition.elements[(set * own + f) * d + j] / units[j]
        }
      }
    }
    for set in 0..<uniquenessSetCount {
      for j in 0..<d {
        let value = decomposition.uniquenesses[set, j] / (units[j] * units[j])
        point.logUniquenesses.append(Kernels.log(max(value, bounds[j])))
      }
    }
    return point
  }

  /// Principal components: of each scatter's correlations, or of the scatter itself where uniquenesses are isotropic.
  func principalPoint() -> Point {
    var point = Point(loadings: [], logUniquenesses: [])
    for set in 0..<loadingSetCount {
      let components = structure.variant.sharesLoadings ? Array(0..<K) : [set]
      let weight = components.reduce(0) { $0 + counts[$1] }
      var matrix = Array(repeating: 0.0, count: d * d)
      for k in components {
        for index in 0..<d * d { matrix[index] += counts[k] / weight * scatters[k * d * d + index] }
      }
      let spreads = (0..<d).map { j in
        structure.variant.isIsotropic ? 1 : max(matrix[j * d + j], bounds[j]).squareRoot()
      }
      for i in 0..<d { for j in 0..<d { matrix[i * d + j] /= spreads[i] * spreads[j] } }
      let components0 = PrincipalComponents(matrix, order: d, count: q)
      let trace = (0..<d).reduce(0) { $0 + matrix[$1 * d + $1] }
      let rest = max(trace - components0.values.reduce(0, +), 0) / Double(max(d - q, 1))
      for (f, value) in components0.values.enumerated() {
        // What is left of it beside the uniquenesses, and never nothing.
        let scale = max(value - rest, 1e-3 * max(value, trace / Double(d))).squareRoot()
        for j in 0..<d {
          point.loadings.append(scale * spreads[j] * components0.vectors[f * d + j])
        }
      }
    }
    var left = Array(repeating: 0.0, count: uniquenessSetCount * d)
    for k in 0..<K {
      let share = structure.variant.sharesUniquenesses ? counts[k] / total : 1
      for j in 0..<d {
        var communality = 0.0
        for f in 0..<q {
          let loading = point.loadings[(loadingSet(k) * q + f) * d + j]
          communality += loading * loading
        }
        let variance = variance(k, j)
        left[uniquenessSet(k) * d + j] +=
          share * max(variance - communality, 0.05 * variance)
      }
    }
    setUniquenesses(left, of: &point)
    return point
  }

  /// Sets uniquenesses from what they would be without bounds, and equal where they are to be isotropic.
  private func setUniquenesses(_ values: [Double], of point: inout Point) {
    point.logUniquenesses = Array(repeating: 0, count: values.count)
    for set in 0..<uniquenessSetCount {
      let own = values[set * d..<(set + 1) * d]
      let mean = own.reduce(0, +) / Double(d)
      for j in 0..<d {
        let value = structure.variant.isIsotropic ? mean : own[own.startIndex + j]
        point.logUniquenesses[set * d + j] =
          value > bounds[j] ? Kernels.log(value) : Kernels.log(bounds[j])
      }
    }
  }

  /// What was found, in the features' units.
  var decomposition: FactorDecomposition {
    var elements: [Double] = []
    var uniquenesses: [Double] = []
    for k in 0..<K {
      for f in 0..<q {
        for j in 0..<d {
          elements.append(point.loadings[(loadingSet(k) * q + f) * d + j] * units[j])
        }
      }
      for j in 0..<d {
        let value = max(Kernels.exp(point.logUniquenesses[uniquenessSet(k) * d + j]), bounds[j])
        uniquenesses.append(value * units[j] * units[j])
      }
    }
    return FactorDecomposition(
      elements: elements,
      uniquenesses: Matrix(unchecked: uniquenesses, rowCount: K, columnCount: d), factorCount: q)
  }

  /// The components with a uniqueness at its bound.
  var floored: [Int] {
    (0..<K).filter { k in
      (0..<d).contains {
        point.logUniquenesses[uniquenessSet(k) * d + $0] <= Kernels.log(bounds[$0])
      }
    }
  }

  // MARK: Iterating

  /// F at a point.
  func objective(at point: Point) -> Double { step(from: point).objective }

  /// Finds the least F from a point on; and tries whether uniquenesses near zero are better at their bounds.
  mutating func minimize(from start: Point) {
    iterate(from: start, limit: Self.limit)
    guard q > 0, !structure.variant.isIsotropic else { return }
    var tried: Set<Int> = []
    for _ in 0..<Self.trialsPerSet * uniquenessSetCount {
      let nearest = point.logUniquenesses.indices
        .filter { !tried.contains($0) && isNearBound($0) }
        .min { point.logUniquenesses[$0] < point.logUniquenesses[$1] }
      guard let nearest else { return }
      tried.insert(nearest)
      let before = (point: point, objective: objective, rounding: rounding)
      iterate(from: atBound(nearest), limit: Self.trialLimit)
      if objective < before.objective - before.rounding - rounding {
        iterate(from: point, limit: Self.limit)
      } else {
        (point, objective, rounding) = before
      }
    }
  }

  /// Whether a uniqueness is above its bound, but near zero beside all variances that it is a part of.
  private func isNearBound(_ index: Int) -> Bool {
    let j = index % d
    let components = structure.variant.sharesUniquenesses ? Array(0..<K) : [index / d]
    let least = components.map { variance($0, j) }.min()!
    let value = Kernels.exp(point.logUniquenesses[index])
    return value < 0.02 * least && point.logUniquenesses[index] > Kernels.log(bounds[j])
  }

  /// The point with a uniqueness at its bound, which loadings that are not shared make up for.
  private func atBound(_ index: Int) -> Point {
    var result = point
    let j = index % d
    result.logUniquenesses[index] = Kernels.log(bounds[j])
    guard !structure.variant.sharesLoadings else { return result }
    let components = structure.variant.sharesUniquenesses ? Array(0..<K) : [index / d]
    for k in components {
      let communality = (0..<q).reduce(0) { sum, f in
        let loading = result.loadings[(k * q + f) * d + j]
        return sum + loading * loading
      }
      guard communality > 0 else { continue }
      let factor = (max(variance(k, j) - bounds[j], 0) / communality).squareRoot()
      for f in 0..<q { result.loadings[(k * q + f) * d + j] *= factor }
    }
    return result
  }

  /// Goes on from a point until F hardly falls, in so many extrapolations at most.
  private mutating func iterate(from start: Point, limit: Int) {
    var current = start
    var step = step(from: current)
    let first = step.objective
    var smallGains = 0
    for _ in 0..<limit {
      let second = self.step(from: step.next)
      guard second.objective <= step.objective + step.rounding else { break }
      var next = second.next
      var following: Step?
      if let extrapolated = extrapolate(current, step.next, second.next) {
        let third = self.step(from: extrapolated)
        if third.objective <= second.objective + third.rounding {
          next = extrapolated
          following = third
        }
      }
      let after = following ?? self.step(from: next)
      guard after.objective <= step.objective + after.rounding else {
        current = step.next
        step = second
        break
      }
      let gain = step.objective - after.objective
      current = next
      step = after
      let small = max(Self.tolerance * total, Self.smallShare * (first - step.objective))
      smallGains = gain > small ? 0 : smallGains + 1
      if smallGains == Self.smallGainCount { break }
    }
    point = current
    objective = step.objective
    rounding = step.rounding
  }

  /// The point that three points with equal laws of approach lead to; nil if they say nothing.
  private func extrapolate(_ a: Point, _ b: Point, _ c: Point) -> Point? {
    var first = 0.0
    var second = 0.0
    func add(_ x: [Double], _ y: [Double], _ z: [Double]) {
      for index in x.indices {
        let r = y[index] - x[index]
        let v = z[index] - y[index] - r
        first += r * r
        second += v * v
      }
    }
    add(a.loadings, b.loadings, c.loadings)
    add(a.logUniquenesses, b.logUniquenesses, c.logUniquenesses)
    guard first > 0, second > 0 else { return nil }
    let length = (first / second).squareRoot()
    guard length > 1, length.isFinite else { return nil }
    func combine(_ x: [Double], _ y: [Double], _ z: [Double]) -> [Double] {
      x.indices.map { index in
        let r = y[index] - x[index]
        let v = z[index] - y[index] - r
        return x[index] + length * (2 * r + length * v)
      }
    }
    var result = Point(
      loadings: combine(a.loadings, b.loadings, c.loadings),
      logUniquenesses: combine(a.logUniquenesses, b.logUniquenesses, c.logUniquenesses))
    for index in result.logUniquenesses.indices {
      result.logUniquenesses[index] =
        max(result.logUniquenesses[index], Kernels.log(bounds[index % d]))
    }
    let isFinite =
      result.loadings.allSatisfy(\.isFinite)
      // Beyond this a uniqueness is far above any variance.
      && result.logUniquenesses.allSatisfy { $0 < 100 }
    return isFinite ? result : nil
  }

  /// One step of EM over the factors.
  ///
  /// - Complexity: O(K·d²·q).
  private func step(from point: Point) -> Step {
    let uniquenesses = zip(point.logUniquenesses.indices, point.logUniquenesses).map {
      max(Kernels.exp($1), bounds[$0 % d])
    }
    let logDeterminants = (0..<uniquenessSetCount).map { set in
      point.logUniquenesses[set * d..<(set + 1) * d].reduce(0, +)
    }
    var objective = 0.0
    var rounding = 0.0
    // Bₖ by factors, and Θₖ.
    var B = Array(repeating: 0.0, count: K * q * d)
    var theta = Array(repeating: 0.0, count: K * q * q)
    var beta = Array(repeating: 0.0, count: q * d)
    var expected = Array(repeating: 0.0, count: q * q)
    for k in 0..<K {
      let loadings = loadingSet(k) * q * d
      let own = uniquenessSet(k) * d
      var inner = Array(repeating: 0.0, count: q * (q + 1) / 2)
      for f in 0..<q {
        for g in 0...f {
          var sum = f == g ? 1.0 : 0
          for j in 0..<d {
            sum +=
              point.loadings[loadings + f * d + j] * point.loadings[loadings + g * d + j]
              / uniquenesses[own + j]
          }
          inner[f * (f + 1) / 2 + g] = sum
        }
      }
      guard let cholesky = Cholesky(packed: inner, order: q) else {
        return Step(objective: .infinity, rounding: 0, next: point)
      }
      let V = Self.square(cholesky.inverse, q)
      // By substitution: with V itself, digits would be lost where a uniqueness is near zero.
      for f in 0..<q {
        for j in 0..<d {
          beta[f * d + j] = point.loadings[loadings + f * d + j] / uniquenesses[own + j]
        }
      }
      cholesky.solve(columnsOf: &beta, from: 0, columnCount: d)
      multiply(beta, k, into: &B)
      var squares = 0.0
      for f in 0..<q {
        for g in 0..<q {
          var sum = 0.0
          for j in 0..<d { sum += beta[f * d + j] * B[(k * q + g) * d + j] }
          expected[f * q + g] = sum
        }
        squares += expected[f * q + f]
      }
      for f in 0..<q {
        for g in 0..<q {
          theta[(k * q + f) * q + g] =
            V[f * q + g] + 0.5 * (expected[f * q + g] + expected[g * q + f])
        }
      }
      // tr Σ⁻¹ S as what is left of the features and what the factors are: an error of β enters squared.
      var trace = squares
      var magnitude = 0.0
      for j in 0..<d {
        var left = variance(k, j)
        for f in 0..<q {
          var inner = -2 * B[(k * q + f) * d + j]
          for g in 0..<q {
            inner += expected[f * q + g] * point.loadings[loadings + g * d + j]
          }
          left += inner * point.loadings[loadings + f * d + j]
        }
        trace += left / uniquenesses[own + j]
        magnitude += variance(k, j) / uniquenesses[own + j]
      }
      rounding += counts[k] * magnitude
      objective +=
        counts[k] * (logDeterminants[uniquenessSet(k)] + cholesky.logDeterminant + trace)
    }
    guard objective.isFinite,
      let next = maximized(B: B, theta: theta, uniquenesses: uniquenesses)
    else { return Step(objective: .infinity, rounding: 0, next: point) }
    return Step(objective: objective, rounding: 0x1p-51 * rounding, next: next)
  }

  /// B = S βᵀ of component `k`, by factors.
  private func multiply(_ beta: [Double], _ k: Int, into B: inout [Double]) {
    let (d, q) = (d, q)
    scatters.withUnsafeBufferPointer { scatters in
      beta.withUnsafeBufferPointer { beta in
        B.withUnsafeMutableBufferPointer { B in
          for f in 0..<q {
            let target = B.baseAddress! + (k * q + f) * d
            for j in 0..<d {
              let factor = beta[f * d + j]
              let row = scatters.baseAddress! + (k * d + j) * d
              for i in 0..<d { target[i] += factor * row[i] }
            }
          }
        }
      }
    }
  }

  /// A packed symmetric matrix, all of it.
  private static func square(_ packed: [Double], _ order: Int) -> [Double] {
    var result = Array(repeating: 0.0, count: order * order)
    for i in 0..<order {
      for j in 0...i {
        result[i * order + j] = packed[i * (i + 1) / 2 + j]
        result[j * order + i] = packed[i * (i + 1) / 2 + j]
      }
    }
    return result
  }

  private static func packed(_ square: [Double], _ order: Int) -> [Double] {
    (0..<order).flatMap { i in (0...i).map { square[i * order + $0] } }
  }

  /// The loadings and uniquenesses that are likeliest for what the factors are expected to be.
  private func maximized(B: [Double], theta: [Double], uniquenesses: [Double]) -> Point? {
    var next = Point(
      loadings: Array(repeating: 0, count: loadingSetCount * q * d), logUniquenesses: [])
    // The covariance of the factors that goes with each set of loadings.
    var covariances = Array(repeating: 0.0, count: loadingSetCount * q * q)
    if structure.variant.sharesLoadings {
      for k in 0..<K {
        for index in 0..<q * q {
          covariances[index] += counts[k] / total * theta[k * q * q + index]
        }
      }
      let isWeighted = !structure.variant.sharesUniquenesses
      // One matrix for all features, unless each weighs the components in its own way.
      let groups =
        isWeighted && !structure.variant.isIsotropic ? (0..<d).map { $0..<$0 + 1 } : [0..<d]
      for features in groups {
        var sum = Array(repeating: 0.0, count: q * q)
        var weights = Array(repeating: 0.0, count: K)
        for k in 0..<K {
          weights[k] =
            counts[k] / (isWeighted ? uniquenesses[k * d + features.lowerBound] : 1)
        }
        let all = weights.reduce(0, +)
        for k in 0..<K {
          weights[k] /= all
          for index in 0..<q * q { sum[index] += weights[k] * theta[k * q * q + index] }
        }
        guard let cholesky = Cholesky(packed: Self.packed(sum, q), order: q) else { return nil }
        for j in features {
          let right = (0..<q).map { f in
            (0..<K).reduce(0) { $0 + weights[$1] * B[($1 * q + f) * d + j] }
          }
          for (f, loading) in cholesky.solve(right).enumerated() {
            next.loadings[f * d + j] = loading
          }
        }
      }
    } else {
      covariances = theta
      for k in 0..<K {
        let own = Array(theta[k * q * q..<(k + 1) * q * q])
        guard let cholesky = Cholesky(packed: Self.packed(own, q), order: q) else { return nil }
        for index in k * q * d..<(k + 1) * q * d { next.loadings[index] = B[index] }
        cholesky.solve(columnsOf: &next.loadings, from: k * q * d, columnCount: d)
      }
    }
    var left = Array(repeating: 0.0, count: uniquenessSetCount * d)
    for k in 0..<K {
      let share = structure.variant.sharesUniquenesses ? counts[k] / total : 1
      let start = loadingSet(k) * q
      for j in 0..<d {
        var value = variance(k, j)
        for f in 0..<q {
          var inner = -2 * B[(k * q + f) * d + j]
          for g in 0..<q {
            inner += theta[(k * q + f) * q + g] * next.loadings[(start + g) * d + j]
          }
          value += next.loadings[(start + f) * d + j] * inner
        }
        left[uniquenessSet(k) * d + j] += share * value
      }
    }
    setUniquenesses(left, of: &next)
    // The factors' covariance becomes the identity again.
    for set in 0..<loadingSetCount {
      let own = Array(covariances[set * q * q..<(set + 1) * q * q])
      guard let cholesky = Cholesky(packed: Self.packed(own, q), order: q) else { return nil }
      for f in 0..<q {
        let diagonal = 1 / cholesky.factor[f * (f + 3) / 2]
        for j in 0..<d {
          // Rows below are still as they were.
          var sum = diagonal * next.loadings[(set * q + f) * d + j]
          for g in f + 1..<max(q, f + 1) {
            sum +=
              cholesky.factor[g * (g + 1) / 2 + f] * next.loadings[(set * q + g) * d + j]
          }
          next.loadings[(set * q + f) * d + j] = sum
        }
      }
    }
    return next
  }
}

extension Cholesky {
  /// A⁻¹ times a matrix with one row for each row of A, which lies by rows from `start` on.
  fileprivate func solve(columnsOf matrix: inout [Double], from start: Int, columnCount: Int) {
    matrix.withUnsafeMutableBufferPointer { matrix in
      factor.withUnsafeBufferPointer { factor in
        func row(_ i: Int) -> UnsafeMutablePointer<Double> {
          matrix.baseAddress! + start + i * columnCount
        }
        for i in 0..<order {
          let target = row(i)
          for j in 0..<i {
            let (element, source) = (factor[i * (i + 1) / 2 + j], row(j))
            for c in 0..<columnCount { target[c] -= element * source[c] }
          }
          let inverse = factor[i * (i + 3) / 2]
          for c in 0..<columnCount { target[c] *= inverse }
        }
        for i in (0..<order).reversed() {
          let target = row(i)
          for j in i + 1..<max(order, i + 1) {
            let (element, source) = (factor[j * (j + 1) / 2 + i], row(j))
            for c in 0..<columnCount { target[c] -= element * source[c] }
          }
          let inverse = factor[i * (i + 3) / 2]
          for c in 0..<columnCount { target[c] *= inverse }
        }
      }
    }
  }
}

/// The largest eigenvalues of a positive semidefinite matrix and their eigenvectors, to a few digits.
///
/// The columns of a pivoted Cholesky factor are multiplied with the matrix and made orthonormal, thirty times; then the
/// eigenvalues within the space that they span are taken.
struct PrincipalComponents {
  let values: [Double]
  /// One vector after the other.
  let vectors: [Double]

  /// - Complexity: O(d²·q).
  init(_ matrix: [Double], order d: Int, count q: Int) {
    guard q > 0 else {
      values = []
      vectors = []
      return
    }
    var basis = Self.pivoted(matrix, d, q)
    var products = basis
    func multiply() {
      for f in 0..<q {
        for i in 0..<d { products[f * d + i] = 0 }
        for j in 0..<d {
          let factor = basis[f * d + j]
          for i in 0..<d { products[f * d + i] += factor * matrix[j * d + i] }
        }
      }
    }
    Self.orthonormalize(&basis, d, q)
    for _ in 0..<30 {
      multiply()
      basis = products
      Self.orthonormalize(&basis, d, q)
    }
    multiply()
    var inner: [Double] = []
    for f in 0..<q {
      for g in 0...f {
        inner.append((0..<d).reduce(0) { $0 + basis[f * d + $1] * products[g * d + $1] })
      }
    }
    let eigen = SymmetricEigen(packed: inner, order: q).descending
    values = eigen.values.map { max($0, 0) }
    var vectors = Array(repeating: 0.0, count: q * d)
    for f in 0..<q {
      for g in 0..<q {
        for i in 0..<d { vectors[f * d + i] += eigen.vectors[g * q + f] * basis[g * d + i] }
      }
    }
    self.vectors = vectors
  }

  /// The first columns of the Cholesky factor with the largest pivots; unit vectors where nothing is left.
  private static func pivoted(_ matrix: [Double], _ d: Int, _ q: Int) -> [Double] {
    var result = Array(repeating: 0.0, count: q * d)
    var diagonal = (0..<d).map { matrix[$0 * d + $0] }
    let least = 1e-12 * (diagonal.max() ?? 0)
    var isTaken = Array(repeating: false, count: d)
    for f in 0..<q {
      let pivot = (0..<d).filter { !isTaken[$0] }.max { diagonal[$0] < diagonal[$1] }!
      isTaken[pivot] = true
      guard diagonal[pivot] > least else {
        result[f * d + pivot] = 1
        continue
      }
      let root = diagonal[pivot].squareRoot()
      for i in 0..<d {
        var sum = matrix[i * d + pivot]
        for g in 0..<f { sum -= result[g * d + i] * result[g * d + pivot] }
        result[f * d + i] = sum / root
        diagonal[i] -= result[f * d + i] * result[f * d + i]
      }
    }
    return result
  }

  /// Gram and Schmidt, twice; a vector that vanishes becomes a unit vector that does not.
  private static func orthonormalize(_ basis: inout [Double], _ d: Int, _ q: Int) {
    for f in 0..<q {
      var axis = 0
      while true {
        let before = (0..<d).reduce(0) { $0 + basis[f * d + $1] * basis[f * d + $1] }
        for _ in 0..<2 {
          for g in 0..<f {
            let product = (0..<d).reduce(0) { $0 + basis[f * d + $1] * basis[g * d + $1] }
            for i in 0..<d { basis[f * d + i] -= product * basis[g * d + i] }
          }
        }
        let square = (0..<d).reduce(0) { $0 + basis[f * d + $1] * basis[f * d + $1] }
        if square > 1e-24 * before, square > 0 {
          let root = square.squareRoot()
          for i in 0..<d { basis[f * d + i] /= root }
          break
        }
        for i in 0..<d { basis[f * d + i] = i == axis ? 1 : 0 }
        axis += 1
      }
    }
  }
}
