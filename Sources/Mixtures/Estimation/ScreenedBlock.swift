// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A model in single precision, and how far squared distances under it may be off.
///
/// With u = 2⁻²⁴, the computed ŷ solves (L + ΔL) ŷ = b + e with |ΔL| ≤ γ |L|, γ a little above (d + 8) u, and
/// |eⱼ| ≤ 2 u (|xⱼ − cⱼ| + |μⱼ − cⱼ|) from rounding the rows and the mean less the center c. With aⱼ the length of column j
/// of L⁻¹, and since row j of L has the length of feature j's standard deviation sⱼ,
///
///     ‖ŷ − y‖ ≤ γ (Σⱼ aⱼ sⱼ) ‖ŷ‖ + Σⱼ aⱼ |eⱼ|.
///
/// Higham (2002), *Accuracy and Stability of Numerical Algorithms*, section 8.1,
/// [doi:10.1137/1.9780898718027](https://doi.org/10.1137/1.9780898718027).
struct SingleModel: Sendable {
  let center: [Double]
  let means: [Float]
  let factors: [Float]
  let factorStride: Int
  /// The first term for each component, relative to ‖ŷ‖.
  let relativeErrors: [Double]
  /// aⱼ for each component, K × d.
  let columnLengths: [Double]
  /// Σⱼ aⱼ |μⱼ − cⱼ| for each component.
  let meanTerms: [Double]

  static let roundoff = 0x1p-24

  /// - Complexity: O(K·d³): the columns of the inverses are d rows more.
  init(_ model: GaussianMixture, kernels: Kernels, threadCount: Int) {
    let (K, d) = (model.componentCount, model.featureCount)
    var center = [Double](repeating: 0, count: d)
    for k in 0..<K { for j in 0..<d { center[j] += model.weights[k] * model.means[k, j] } }
    self.center = center
    means = (0..<K * d).map { Float(model.means.elements[$0] - center[$0 % d]) }
    factors = model.factors.map { Float($0) }
    factorStride = model.factorStride
    let lengths = Self.columnLengths(model, kernels: kernels, threadCount: threadCount)
    columnLengths = lengths
    relativeErrors = (0..<K).map { k in
      let covariance = model.covariances.stored(k)
      var sum = 0.0
      for j in 0..<d {
        sum += lengths[k * d + j] * covariance[covariance.startIndex + j * (j + 3) / 2].squareRoot()
      }
      // The last term is the sum of squares' own.
      return (Double(d) + 8) * 1.01 * Self.roundoff * (sum + 1)
    }
    meanTerms = (0..<K).map { k in
      (0..<d).reduce(0) { $0 + lengths[k * d + $1] * abs(model.means[k, $1] - center[$1]) }
    }
  }

  /// ‖Lₖ⁻¹ eⱼ‖: the distances of the unit vectors from zero.
  private static func columnLengths(
    _ model: GaussianMixture, kernels: Kernels, threadCount: Int
  ) -> [Double] {
    let (K, d) = (model.componentCount, model.featureCount)
    let groups = (d + Kernels.lanes - 1) / Kernels.lanes
    let units: UnsafeMutablePointer<Double> = Kernels.allocate(groups * Kernels.tileStride(d))
    defer { units.deallocate() }
    Workspace.fill(units, count: d, featureCount: d) { $0 == $1 ? 1 : 0 }
    let zeros = Array(repeating: 0.0, count: max(K, d))
    return model.withPointers { model in
      zeros.withUnsafeBufferPointer { zeros in
        ThreadTeam.fill(
          K, of: d,
          threadCount: ThreadTeam.worthwhile(threadCount, matrixCount: K, order: d)
        ) { k, lengths in
          let joint: UnsafeMutablePointer<Double> = Kernels.allocate(Kernels.jointStride(groups))
          let scratch: UnsafeMutablePointer<Double> = Kernels.allocate(
            Kernels.scratchSize(groups: groups, featureCount: d))
          defer {
            joint.deallocate()
            scratch.deallocate()
          }
          kernels.logJoint(
            ModelPointers(
              form: .full, featureCount: d, componentCount: 1, means: zeros.baseAddress!,
              factors: model.factors + k * model.factorStride, factorStride: 0,
              constants: zeros.baseAddress!),
            0..<1, groups: groups, tile: units, joint: joint, scratch: scratch)
          for j in 0..<d { lengths[j] = (-2 * joint[j]).squareRoot() }
        }
      }
    }
  }
}

/// The E-step and the moments of a part of a shard, rows of many features: distances in single precision first, at half the
/// cost, and in double precision only for those pairs of rows and components whose responsibility might not be zero.
///
/// Blocks are screened one by one. Then each component's rows from all of them are gathered, so that the kernels have full
/// tiles, and sums go to memory and back once for many rows. Gathered rows keep their order, in which sums of so many
/// features go row by row; so the sums are the same bits.
///
/// One worker's memory; not for use by two threads at once.
final class ScreenedBlock {
  /// How many rows make a part: whole blocks, or a whole shard.
  static func rowCount(grid: ShardGrid, featureCount d: Int, componentCount K: Int) -> Int {
    let fitting = min((1 << 18) / d, (1 << 20) / K)
    let blocks = max((fitting + grid.rowsPerBlock - 1) / grid.rowsPerBlock, 1)
    return min(blocks * grid.rowsPerBlock, grid.rowsPerShard)
  }

  private let workspace: Workspace
  private let d: Int
  private let K: Int
  private let rowsPerBlock: Int
  private let capacity: Int
  // Of a block.
  private let distances: UnsafeMutablePointer<Float>
  private let upper: UnsafeMutablePointer<Double>
  private let best: UnsafeMutablePointer<Double>
  private let reach: UnsafeMutablePointer<Double>
  // By component: how many rows might count, and which.
  private let counts: UnsafeMutablePointer<Int>
  private let survivors: UnsafeMutablePointer<Int32>
  // Of the part: joints, then responsibilities, and what normalising leaves of each row.
  private let joint: UnsafeMutablePointer<Double>
  private let caseWeight: UnsafeMutablePointer<Double>
  private let density: UnsafeMutablePointer<Double>
  private let entropy: UnsafeMutablePointer<Double>
  // Of some rows of one component.
  private let index: UnsafeMutablePointer<Int32>
  private let tile: UnsafeMutablePointer<Double>
  private let gathered: UnsafeMutablePointer<Double>
  private let scratch: UnsafeMutablePointer<Double>

  init(workspace: Workspace, grid: ShardGrid, componentCount K: Int) {
    let d = workspace.featureCount
    let groups = (grid.rowsPerBlock + Kernels.lanes - 1) / Kernels.lanes
    let rows = groups * Kernels.lanes
    self.workspace = workspace
    self.d = d
    self.K = K
    rowsPerBlock = grid.rowsPerBlock
    capacity = Self.rowCount(grid: grid, featureCount: d, componentCount: K)
    let partGroups = (capacity + Kernels.lanes - 1) / Kernels.lanes
    let partRows = partGroups * Kernels.lanes
    distances = Kernels.allocate(K * Kernels.screenStride(groups))
    upper = Kernels.allocate(K * rows)
    best = Kernels.allocate(rows)
    reach = Kernels.allocate(d)
    counts = Kernels.allocate(K)
    survivors = Kernels.allocate(K * capacity)
    joint = Kernels.allocate(K * Kernels.jointStride(partGroups))
    caseWeight = Kernels.allocate(partRows)
    density = Kernels.allocate(partRows)
    entropy = Kernels.allocate(partRows)
    index = Kernels.allocate(rows)
    tile = Kernels.allocate(groups * Kernels.tileStride(d))
    gathered = Kernels.allocate(Kernels.jointStride(groups))
    scratch = Kernels.allocate(
      max(
        Kernels.screenScratchSize(groups: groups, featureCount: d),
        Kernels.scratchSize(groups: 0, featureCount: d)))
  }

  deinit {
    distances.deallocate()
    counts.deallocate()
    survivors.deallocate()
    index.deallocate()
    for pointer in [
      upper, best, reach, joint, caseWeight, density, entropy, tile, gathered, scratch,
    ] { pointer.deallocate() }
  }

  /// Adds the statistics of at most ``rowCount(grid:featureCount:componentCount:)`` rows, the first of which begins a block.
  ///
  /// - Returns: How many responsibilities are zero; nil, and nothing added, if a number is not finite.
  func add(
    _ rows: StridedRows, _ model: ModelPointers, _ single: SingleModel,
    to statistics: inout SufficientStatistics
  ) -> Int? {
    let n = rows.count
    precondition(n <= capacity)
    let rowBytes = rows.rowStride * (rows.element == .float64 ? 8 : 4)
    counts.update(repeating: 0, count: K)
    for start in stride(from: 0, to: n, by: rowsPerBlock) {
      let block = StridedRows(
        base: rows.base + start * rowBytes, element: rows.element,
        count: min(rowsPerBlock, n - start), rowStride: rows.rowStride,
        columnOffsets: rows.columnOffsets)
      guard workspace.pack(block) else { return nil }
      workspace.screen(single, into: distances, scratch: scratch)
      workspace.findReach(of: single.center, into: reach)
      bound(block.count, model, single)
      for k in 0..<K {
        let list = survivors + k * capacity
        let highest = upper + k * block.count
        var count = counts[k]
        for row in 0..<block.count where !(highest[row] < best[row]) {
          list[count] = Int32(start + row)
          count += 1
        }
        counts[k] = count
      }
    }
    evaluate(rows, model)
    normalize(n, into: &statistics)
    return addMoments(rows, to: &statistics)
  }

  /// The log joint densities of the pairs that are left; the others get something so low that it leads to zero.
  private func evaluate(_ rows: StridedRows, _ model: ModelPointers) {
    let groups = (rows.count + Kernels.lanes - 1) / Kernels.lanes
    for k in 0..<K {
      let column = joint + k * Kernels.jointStride(groups)
      column.update(
        repeating: -.greatestFiniteMagnitude / 4, count: groups * Kernels.lanes)
      let list = survivors + k * capacity
      for start in stride(from: 0, to: counts[k], by: rowsPerBlock) {
        let count = min(rowsPerBlock, counts[k] - start)
        _ = workspace.kernels.pack(
          rows, featureCount: d, index: list + start, count: count, into: tile)
        workspace.kernels.logJoint(
          model, k..<k + 1, groups: (count + Kernels.lanes - 1) / Kernels.lanes, tile: tile,
          joint: gathered, scratch: scratch)
        for place in 0..<count { column[Int(list[start + place])] = gathered[place] }
      }
    }
  }

  /// Responsibilities; and case weight, log-likelihood and entropy block by block.
  private func normalize(_ n: Int, into statistics: inout SufficientStatistics) {
    let kernels = workspace.kernels
    let groups = (n + Kernels.lanes - 1) / Kernels.lanes
    for row in 0..<groups * Kernels.lanes { caseWeight[row] = row < n ? 1 : 0 }
    kernels.normalize(
      groups: groups, K, caseWeight: caseWeight, joint: joint, logDensity: density,
      rowEntropy: entropy, label: nil)
    for start in stride(from: 0, to: n, by: rowsPerBlock) {
      kernels.addTotals(
        groups: (min(rowsPerBlock, n - start) + Kernels.lanes - 1) / Kernels.lanes,
        caseWeight: caseWeight + start, logDensity: density + start, rowEntropy: entropy + start,
        to: &statistics)
    }
  }

  /// Adds the moments. Returns how many responsibilities are zero.
  private func addMoments(
    _ rows: StridedRows, to statistics: inout SufficientStatistics
  ) -> Int {
    let groups = (rows.count + Kernels.lanes - 1) / Kernels.lanes
    var zeroCount = 0
    for k in 0..<K {
      let column = joint + k * Kernels.jointStride(groups)
      zeroCount += rows.count
      var count = 0
      for place in 0..<counts[k] {
        let row = survivors[k * capacity + place]
        guard column[Int(row)] != 0 else { continue }
        index[count] = row
        gathered[count] = column[Int(row)]
        count += 1
        if count == rowsPerBlock {
          addGathered(count, of: k, rows, to: &statistics)
          zeroCount -= count
          count = 0
        }
      }
      if count > 0 { addGathered(count, of: k, rows, to: &statistics) }
      zeroCount -= count
    }
    return zeroCount
  }

  private func addGathered(
    _ count: Int, of k: Int, _ rows: StridedRows, to statistics: inout SufficientStatistics
  ) {
    let groups = (count + Kernels.lanes - 1) / Kernels.lanes
    for place in count..<groups * Kernels.lanes { gathered[place] = 0 }
    _ = workspace.kernels.pack(rows, featureCount: d, index: index, count: count, into: tile)
    workspace.accumulate(
      k..<k + 1, groups: groups, tile: tile, responsibilities: gathered, into: &statistics)
  }

  /// For each row and component the most that the log joint density can be; for each row what it must be to count.
  private func bound(_ n: Int, _ model: ModelPointers, _ single: SingleModel) {
    for row in 0..<n { best[row] = -.infinity }
    let stride = Kernels.screenStride((n + Kernels.lanes - 1) / Kernels.lanes)
    for k in 0..<K {
      var error = single.meanTerms[k]
      for j in 0..<d { error += single.columnLengths[k * d + j] * reach[j] }
      error *= 2.02 * SingleModel.roundoff
      let relative = single.relativeErrors[k]
      let constant = model.constants[k]
      for row in 0..<n {
        let distance = Double(distances[k * stride + row]).squareRoot()
        let far = distance * (1 + relative) + error
        let near = distance * (1 - relative) - error
        // What is not a number may be near or far.
        best[row] = max(best[row], far.isFinite ? constant - 0.5 * far * far : -.infinity)
        upper[k * n + row] = near > 0 ? constant - 0.5 * near * near : constant
      }
    }
    // One more than the 40 nats at which responsibilities become zero leaves room for the roundings in double precision.
    for row in 0..<n { best[row] -= 41 }
  }
}
