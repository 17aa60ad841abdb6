// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// All that an M-step needs to know of the data: sums over the rows, for each component.
///
/// With responsibilities rᵢₖ (times case weights) and an origin oₖ for each component,
///
///     zeroth  Nₖ = Σᵢ rᵢₖ
///     first   Fₖ = Σᵢ rᵢₖ (xᵢ − oₖ)
///     second  Sₖ = Σᵢ rᵢₖ (xᵢ − oₖ)(xᵢ − oₖ)ᵀ   (all of it, its diagonal, or its trace, by `form`)
///
/// and the total case weight, log-likelihood and entropy of the rows. For equal origins they form a commutative monoid
/// under `+=`: the statistics of two sets of rows add up to those of their union, whichever way a table is cut. Origins
/// are the current means, so that second moments are centred and lose no digits to large offsets.
public struct SufficientStatistics: Sendable, Equatable {
  /// Which second moments are kept.
  public let form: CovarianceStructure.Form
  /// What the moments are about, K × d.
  public private(set) var origins: Matrix
  /// All sums: case weight, log-likelihood, entropy; then K zeroth, K × d first, and K second moments.
  public internal(set) var values: [Double]
  /// Of a truncated table: the expected weight of rows that were not observed, which is in the moments, but not in
  /// ``caseWeight``.
  public internal(set) var unseenWeight = 0.0
  /// Of an E-step of ``Algorithm/classification``: Σᵢ maxₖ log wₖ N(xᵢ; μₖ, Σₖ), weighted; otherwise 0.
  public internal(set) var classificationLogLikelihood = 0.0

  /// The number of components, K.
  public var componentCount: Int { origins.rowCount }
  /// The number of features, d.
  public var featureCount: Int { origins.columnCount }

  /// The statistics of no rows.
  public init(origins: Matrix, form: CovarianceStructure.Form) {
    self.origins = origins
    self.form = form
    let each = 1 + origins.columnCount + form.elementCount(featureCount: origins.columnCount)
    values = Array(repeating: 0, count: 3 + origins.rowCount * each)
  }

  /// Makes these the statistics of no rows about other origins, as many.
  mutating func clear(about origins: Matrix) {
    precondition(origins.rowCount == componentCount && origins.columnCount == featureCount)
    self.origins = origins
    unseenWeight = 0
    classificationLogLikelihood = 0
    values.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
  }

  /// The total case weight; the number of rows if all weigh 1.
  public var caseWeight: Double { values[0] }
  /// Σᵢ log p(xᵢ), weighted.
  public var logLikelihood: Double { values[1] }
  /// −Σᵢₖ rᵢₖ log rᵢₖ, weighted.
  public var entropy: Double { values[2] }

  var zerothStart: Int { 3 }
  var firstStart: Int { zerothStart + componentCount }
  var secondStart: Int { firstStart + componentCount * featureCount }
  var elementsPerSecond: Int { form.elementCount(featureCount: featureCount) }

  /// Nₖ.
  public func zeroth(_ k: Int) -> Double { values[zerothStart + k] }

  /// Fₖ, d numbers.
  public func first(_ k: Int) -> ArraySlice<Double> {
    let start = firstStart + k * featureCount
    return values[start..<start + featureCount]
  }

  /// Sₖ in its form: the lower triangle by rows, the diagonal, or the trace.
  public func second(_ k: Int) -> ArraySlice<Double> {
    let start = secondStart + k * elementsPerSecond
    return values[start..<start + elementsPerSecond]
  }
}

// MARK: - Arithmetic

extension SufficientStatistics {
  /// Adds moments of component `k` about its origin, element by element; `second` is asked for row i, column j ≤ i.
  @inline(__always)
  mutating func add(
    _ k: Int, zeroth: Double, first: (Int) -> Double, second: (Int, Int) -> Double
  ) {
    let d = featureCount
    values[zerothStart + k] += zeroth
    for j in 0..<d { values[firstStart + k * d + j] += first(j) }
    var index = secondStart + k * elementsPerSecond
    for i in 0..<d {
      switch form {
      case .full:
        for j in 0...i {
          values[index] += second(i, j)
          index += 1
        }
      case .diagonal:
        values[index] += second(i, i)
        index += 1
      case .scalar: values[index] += second(i, i)
      }
    }
  }

  /// Adds all but the moments of the statistics of other rows.
  mutating func addTotals(of other: SufficientStatistics) {
    for index in 0..<zerothStart { values[index] += other.values[index] }
    unseenWeight += other.unseenWeight
    classificationLogLikelihood += other.classificationLogLikelihood
  }

  /// Adds the statistics of other rows.
  ///
  /// If the other origins differ, they are first moved to the left side's, see ``rebased(to:)``.
  ///
  /// - Precondition: Equal form, number of components and number of features.
  /// - Complexity: O(K·d²) at most.
  public static func += (a: inout SufficientStatistics, b: SufficientStatistics) {
    precondition(
      a.form == b.form && a.componentCount == b.componentCount && a.featureCount == b.featureCount,
      "statistics of different shape cannot be added")
    let b = a.origins == b.origins ? b : b.rebased(to: a.origins)
    a.unseenWeight += b.unseenWeight
    a.classificationLogLikelihood += b.classificationLogLikelihood
    a.values.withUnsafeMutableBufferPointer { left in
      b.values.withUnsafeBufferPointer { right in
        for index in left.indices { left[index] += right[index] }
      }
    }
  }

  /// The statistics of the same rows with every case weight multiplied by `factor`.
  public func scaled(by factor: Double) -> SufficientStatistics {
    var result = self
    for index in result.values.indices { result.values[index] *= factor }
    result.unseenWeight *= factor
    result.classificationLogLikelihood *= factor
    return result
  }

  /// The same statistics about other origins: with δ = o − o′,
  /// F′ = F + N δ and S′ = S + δ Fᵀ + F δᵀ + N δ δᵀ.
  ///
  /// **Numerics.** Moving origins by many standard deviations costs digits of the second moments, as any such move must.
  public func rebased(to newOrigins: Matrix) -> SufficientStatistics {
    precondition(
      newOrigins.rowCount == componentCount && newOrigins.columnCount == featureCount,
      "origins must be K × d")
    var result = SufficientStatistics(origins: newOrigins, form: form)
    for index in 0..<firstStart { result.values[index] = values[index] }
    result.unseenWeight = unseenWeight
    result.classificationLogLikelihood = classificationLogLikelihood
    for k in 0..<componentCount {
      let n = zeroth(k)
      let f = Array(first(k))
      let delta = (0..<featureCount).map { origins[k, $0] - newOrigins[k, $0] }
      for i in 0..<featureCount {
        result.values[firstStart + k * featureCount + i] = f[i] + n * delta[i]
      }
      let start = secondStart + k * elementsPerSecond
      let change = { (i: Int, j: Int) in
        delta[i] * f[j] + f[i] * delta[j] + n * delta[i] * delta[j]
      }
      switch form {
      case .full:
        var index = start
        for i in 0..<featureCount {
          for j in 0...i {
            result.values[index] = values[index] + change(i, j)
            index += 1
          }
        }
      case .diagonal:
        for i in 0..<featureCount { result.values[start + i] = values[start + i] + change(i, i) }
      case .scalar:
        result.values[start] = (0..<featureCount).reduce(values[start]) { $0 + change($1, $1) }
      }
    }
    return result
  }

  /// The mean of component `k`, oₖ + Fₖ / Nₖ.
  func mean(_ k: Int) -> [Double] {
    let n = zeroth(k)
    return zip(0..<featureCount, first(k)).map { origins[k, $0] + $1 / n }
  }

  /// The scatter of component `k` about its own mean, Sₖ − Fₖ Fₖᵀ / Nₖ, in a form that the second moments hold.
  func scatter(_ k: Int, as wanted: CovarianceStructure.Form) -> [Double] {
    if wanted == .full {
      return ThreadTeam.fill(1, of: elementsPerSecond, threadCount: 1) {
        writeScatter(k, to: $1)
      }
    }
    let n = zeroth(k)
    let f = Array(first(k))
    let s = second(k)
    let start = s.startIndex
    let diagonal = { (i: Int) in
      switch form {
      case .full: return s[start + i * (i + 3) / 2] - f[i] * f[i] / n
      case .diagonal: return s[start + i] - f[i] * f[i] / n
      case .scalar: preconditionFailure("a trace holds no diagonal")
      }
    }
    if wanted == .diagonal { return (0..<featureCount).map(diagonal) }
    if form == .scalar { return [f.reduce(s[start]) { $0 - $1 * $1 / n }] }
    return [(0..<featureCount).map(diagonal).reduce(0, +)]
  }

  /// Writes the whole scatter of component `k`, d (d + 1) / 2 numbers.
  func writeScatter(_ k: Int, to result: UnsafeMutableBufferPointer<Double>) {
    precondition(form == .full, "the statistics do not hold full second moments")
    precondition(result.count == elementsPerSecond)
    let n = zeroth(k)
    values.withUnsafeBufferPointer { values in
      let f = values.baseAddress! + firstStart + k * featureCount
      var s = values.baseAddress! + secondStart + k * elementsPerSecond
      var out = result.baseAddress!
      for i in 0..<featureCount {
        for j in 0...i { out[j] = s[j] - f[i] * f[j] / n }
        s += i + 1
        out += i + 1
      }
    }
  }
}
