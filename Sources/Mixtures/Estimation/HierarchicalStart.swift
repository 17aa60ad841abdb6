// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Model-based agglomeration: groups of rows are merged two by two, those first whose union costs the classification
/// likelihood least.
///
/// With nₖ rows, scatter Wₖ about their mean and variances in units of the features', what grows least is
///
/// | structure | sum over the groups |
/// |---|---|
/// | EII | tr Wₖ |
/// | VII | d nₖ log(tr Wₖ / d nₖ + δ) |
/// | EEI, EEE | n log det(Σ Wₖ / n + δ I), of the pooled scatter |
/// | all others | nₖ log det(Wₖ / nₖ + δ I) |
///
/// where structures with diagonal covariances have diagonal Wₖ. The groups to begin with have few rows or one, and
/// singular scatters; δ, their mean variance, is the resolution below which nothing is seen. Banfield & Raftery (1993),
/// [doi:10.2307/2532201](https://doi.org/10.2307/2532201); Fraley (1998),
/// [doi:10.1137/S1064827596311451](https://doi.org/10.1137/S1064827596311451).
struct Agglomeration {
  private struct Group {
    var count: Double
    var mean: [Double]
    /// The trace, the diagonal or the packed lower triangle.
    var scatter: [Double]
    /// The term of the group in the sum, where each has one of its own.
    var term = 0.0
  }

  private let form: CovarianceStructure.Form
  private let isPooled: Bool
  private let featureCount: Int
  private let resolution: Double
  private var groups: [Group]

  /// - Parameters:
  ///   - statistics: Of the groups to begin with; none is empty.
  ///   - variances: The features' variances.
  init(
    _ statistics: SufficientStatistics, structure: CovarianceStructure, variances: [Double]
  ) {
    let d = statistics.featureCount
    let form = statistics.form
    let inverses = variances.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
    self.form = form
    isPooled = structure.isShared
    featureCount = d
    // The trace of raw features has one unit.
    let unit = variances.reduce(0, +) / Double(d)
    groups = (0..<statistics.componentCount).map { k in
      var mean = statistics.mean(k)
      var scatter = statistics.scatter(k, as: form)
      switch form {
      case .scalar:
        scatter[0] = max(scatter[0] / unit, 0)
        for j in 0..<d { mean[j] /= unit.squareRoot() }
      case .diagonal:
        for j in 0..<d { scatter[j] = max(scatter[j] * inverses[j] * inverses[j], 0) }
      case .full:
        for i in 0..<d {
          for j in 0...i { scatter[i * (i + 1) / 2 + j] *= inverses[i] * inverses[j] }
        }
      }
      if form != .scalar { for j in 0..<d { mean[j] *= inverses[j] } }
      return Group(count: statistics.zeroth(k), mean: mean, scatter: scatter)
    }
    let total = groups.reduce(0) { $0 + $1.count }
    let trace = groups.reduce(0) { sum, group in
      switch form {
      case .scalar: sum + group.scatter[0]
      case .diagonal: sum + group.scatter.reduce(0, +)
      case .full: sum + (0..<d).reduce(0) { $0 + group.scatter[$1 * ($1 + 3) / 2] }
      }
    }
    resolution = max(trace / (total * Double(d)), 1e-6)
    if !isPooled { for k in groups.indices { groups[k].term = term(groups[k]) } }
  }

  /// Which group of the K that are left each of the first ones is in.
  ///
  /// - Complexity: For M groups O(M²·d³) with a full covariance for each, O(M³·d) with one for all, O(M²·d) otherwise;
  ///   memory O(M² + M·d²).
  mutating func merge(to K: Int) -> [Int] {
    let M = groups.count
    var owner = Array(0..<M)
    var alive = Array(repeating: true, count: M)
    var costs = Array(repeating: Double.infinity, count: M * M)
    if !(isPooled && form != .scalar) {
      for b in 0..<M { for a in 0..<b { costs[a * M + b] = cost(groups[a], groups[b]) } }
    }
    for _ in 0..<max(M - K, 0) {
      if isPooled, form != .scalar { fillPooledCosts(alive, &costs) }
      var best = (cost: Double.infinity, a: -1, b: -1)
      for a in 0..<M where alive[a] {
        for b in a + 1..<M where alive[b] && (costs[a * M + b] < best.cost || best.a < 0) {
          best = (costs[a * M + b], a, b)
        }
      }
      groups[best.a] = union(groups[best.a], groups[best.b])
      if !isPooled { groups[best.a].term = term(groups[best.a]) }
      alive[best.b] = false
      for index in 0..<M where owner[index] == best.b { owner[index] = best.a }
      guard !(isPooled && form != .scalar) else { continue }
      for other in 0..<M where alive[other] && other != best.a {
        costs[min(other, best.a) * M + max(other, best.a)] = cost(groups[best.a], groups[other])
      }
    }
    // Numbered by their first members.
    var numbers: [Int: Int] = [:]
    return owner.map { first in
      if let number = numbers[first] { return number }
      numbers[first] = numbers.count
      return numbers.count - 1
    }
  }

  private func union(_ a: Group, _ b: Group) -> Group {
    let count = a.count + b.count
    let factor = a.count * b.count / count
    var result = a
    result.count = count
    let difference = (0..<featureCount).map { b.mean[$0] - a.mean[$0] }
    for j in 0..<featureCount { result.mean[j] += b.count / count * difference[j] }
    for index in result.scatter.indices { result.scatter[index] += b.scatter[index] }
    switch form {
    case .scalar: result.scatter[0] += factor * difference.reduce(0) { $0 + $1 * $1 }
    case .diagonal:
      for j in 0..<featureCount { result.scatter[j] += factor * difference[j] * difference[j] }
    case .full:
      var index = 0
      for i in 0..<featureCount {
        for j in 0...i {
          result.scatter[index] += factor * difference[i] * difference[j]
          index += 1
        }
      }
    }
    return result
  }

  private func term(_ group: Group) -> Double {
    let d = Double(featureCount)
    switch form {
    case .scalar:
      return d * group.count * Kernels.log(group.scatter[0] / (d * group.count) + resolution)
    case .diagonal, .full: return group.count * logDeterminant(group.scatter, group.count)
    }
  }

  private func logDeterminant(_ scatter: [Double], _ count: Double) -> Double {
    if form == .diagonal {
      return scatter.reduce(0) { $0 + Kernels.log($1 / count + resolution) }
    }
    return raised(scatter, count).logDeterminant
  }

  private func raised(_ scatter: [Double], _ count: Double) -> Cholesky {
    var matrix = scatter.map { $0 / count }
    for j in 0..<featureCount { matrix[j * (j + 3) / 2] += resolution }
    return Cholesky(raising: matrix, order: featureCount)
  }

  private func cost(_ a: Group, _ b: Group) -> Double {
    if isPooled {
      var sum = 0.0
      for j in 0..<featureCount {
        let difference = a.mean[j] - b.mean[j]
        sum += difference * difference
      }
      return a.count * b.count / (a.count + b.count) * sum
    }
    return term(union(a, b)) - a.term - b.term
  }

  /// log det(W + u uᵀ) − log det W grows with uᵀ W⁻¹ u.
  private func fillPooledCosts(_ alive: [Bool], _ costs: inout [Double]) {
    let M = groups.count
    var pooled = Array(repeating: 0.0, count: groups[0].scatter.count)
    var total = 0.0
    for k in 0..<M where alive[k] {
      total += groups[k].count
      for index in pooled.indices { pooled[index] += groups[k].scatter[index] }
    }
    let factor = form == .full ? raised(pooled, total) : nil
    let deviations =
      form == .full ? [] : pooled.map { ($0 / total + resolution).squareRoot() }
    let whitened = groups.indices.map { k -> [Double] in
      guard alive[k] else { return [] }
      return factor?.solveLower(groups[k].mean) ?? zip(groups[k].mean, deviations).map { $0 / $1 }
    }
    for b in 0..<M where alive[b] {
      for a in 0..<b where alive[a] {
        var sum = 0.0
        for j in 0..<featureCount {
          let difference = whitened[a][j] - whitened[b][j]
          sum += difference * difference
        }
        costs[a * M + b] =
          groups[a].count * groups[b].count / (groups[a].count + groups[b].count)
          * sum
      }
    }
  }
}

extension SufficientStatistics {
  /// The statistics of K groups that agglomeration makes of these; nil if fewer than K are not empty.
  func agglomerated(
    to K: Int, structure: CovarianceStructure, variances: [Double]
  ) -> SufficientStatistics? {
    let groups = removing(Set((0..<componentCount).filter { !(zeroth($0) > 0) }))
    guard groups.componentCount >= K else { return nil }
    var agglomeration = Agglomeration(groups, structure: structure, variances: variances)
    let owner = agglomeration.merge(to: K)
    // About the mean of the first member of each.
    let firsts = (0..<K).map { owner.firstIndex(of: $0)! }
    var moved = groups.origins
    for k in 0..<groups.componentCount {
      let mean = groups.mean(firsts[owner[k]])
      for j in 0..<featureCount { moved[k, j] = mean[j] }
    }
    let about = groups.rebased(to: moved)
    var result = SufficientStatistics(
      origins: Matrix(
        unchecked: firsts.flatMap { moved.row($0) }, rowCount: K, columnCount: featureCount),
      form: form)
    for index in 0..<zerothStart { result.values[index] = values[index] }
    result.unseenWeight = unseenWeight
    for (k, target) in owner.enumerated() {
      result.values[result.zerothStart + target] += about.zeroth(k)
      for (j, value) in about.first(k).enumerated() {
        result.values[result.firstStart + target * featureCount + j] += value
      }
      for (j, value) in about.second(k).enumerated() {
        result.values[result.secondStart + target * elementsPerSecond + j] += value
      }
    }
    return result
  }
}

extension ExpectationMaximization {
  /// How many groups of m rows agglomeration begins with: some four rows in each, at most 128 or twice as many as there are
  /// components.
  static func groupCount(rowCount m: Int, componentCount K: Int) -> Int {
    min(m, max(2 * K, min(128, m / 4)))
  }

  /// Statistics of a part of the table, grouped by k-means into many groups and by agglomeration into K.
  func hierarchicalStart(
    on source: some ObservationSource, scale: DataScale, componentCount K: Int, restart: Int,
    threadCount: Int
  ) throws(MixtureError) -> Start {
    let (rows, centroids) = try drawnCentroids(
      on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount
    ) { Self.groupCount(rowCount: $0, componentCount: K) }
    let groups = try rows.partition(
      by: centroids, scale: scale, form: covariance.form, threadCount: threadCount)
    if let statistics = groups.agglomerated(
      to: K, structure: covariance, variances: scale.variances)
    {
      return .statistics(statistics)
    }
    var settings = self
    settings.initialization = .kMeans
    return try settings.start(
      on: source, scale: scale, componentCount: K, restart: restart, threadCount: threadCount)
  }
}
