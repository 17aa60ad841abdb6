// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The E-step and the moments of a block of rows, each with the few components that may be responsible for it.
///
/// Rows are gathered by the component that they were nearest to in the last iteration. Those within the radius of
/// ``CandidateComponents`` are evaluated under the candidates of that component only, all others under every component.
/// Then each component's moments are taken over the rows that it is responsible for. In every sum the rows that are left
/// come in the order, and in the lane, that they have when nothing is left out, so the sums are the same bits.
///
/// One worker's memory; not for use by two threads at once.
final class SparseBlock {
  /// The label of a row of which nothing is known yet.
  static let unknown = UInt16.max

  /// How many rows make a block. Blocks of uncorrelated features are those of the kernels, which add up their lanes at the
  /// end of each.
  static func rowCount(grid: ShardGrid, form: CovarianceStructure.Form, featureCount: Int) -> Int {
    guard form == .full else { return grid.rowsPerBlock }
    let fitting = (1 << 16) / featureCount / grid.rowsPerBlock * grid.rowsPerBlock
    return min(max(fitting, grid.rowsPerBlock), grid.rowsPerShard)
  }

  private let workspace: Workspace
  private let kernels: Kernels
  private let form: CovarianceStructure.Form
  private let d: Int
  private let K: Int
  private let rowsPerBlock: Int
  private let capacity: Int
  private let groupCapacity: Int
  /// Whether each row keeps its lane, or only its place in the order of rows.
  private let keepsLanes: Bool

  // By component: how many rows, by lane; the first of its groups; and where its responsibilities begin.
  private let counts: UnsafeMutablePointer<Int32>
  private let firstGroup: UnsafeMutablePointer<Int>
  private let firstResponsibility: UnsafeMutablePointer<Int>
  private let lastRow: UnsafeMutablePointer<Int32>
  // By gathered row: which row it is, and 1, or 0 for what only fills a group and for rows that are put off.
  private let index: UnsafeMutablePointer<Int32>
  private let weight: UnsafeMutablePointer<Double>
  private let tile: UnsafeMutablePointer<Double>
  private var responsibilities: UnsafeMutablePointer<Double>
  private var responsibilityCapacity: Int
  private let gatheredDensity: UnsafeMutablePointer<Double>
  private let gatheredEntropy: UnsafeMutablePointer<Double>
  private let gatheredLabel: UnsafeMutablePointer<Int32>
  // By row.
  private let density: UnsafeMutablePointer<Double>
  private let entropy: UnsafeMutablePointer<Double>
  private let ones: UnsafeMutablePointer<Double>
  private let scattered: UnsafeMutablePointer<Double>
  // The rows that are put off, and what becomes of them under every component.
  private let rest: UnsafeMutablePointer<Int32>
  private var restCount = 0
  private let restCapacity: Int
  private let restTile: UnsafeMutablePointer<Double>
  private let restJoint: UnsafeMutablePointer<Double>
  // One component's rows from several lists.
  private let mergedIndex: UnsafeMutablePointer<Int32>
  private let mergedWeight: UnsafeMutablePointer<Double>
  private let mergedTile: UnsafeMutablePointer<Double>
  private let scratch: UnsafeMutablePointer<Double>

  init(
    workspace: Workspace, grid: ShardGrid, form: CovarianceStructure.Form, componentCount K: Int
  ) {
    let d = workspace.featureCount
    self.workspace = workspace
    self.kernels = workspace.kernels
    self.form = form
    self.d = d
    self.K = K
    rowsPerBlock = grid.rowsPerBlock
    capacity = Self.rowCount(grid: grid, form: form, featureCount: d)
    keepsLanes = form == .full && d <= Kernels.laneFeatures
    let groups = capacity / Kernels.lanes
    groupCapacity = 2 * groups + K
    restCapacity = max(capacity / 8, Kernels.lanes)
    let gathered = groupCapacity * Kernels.lanes
    counts = Kernels.allocate(K * Kernels.lanes)
    firstGroup = Kernels.allocate(K + 1)
    firstResponsibility = Kernels.allocate(K + 1)
    lastRow = Kernels.allocate(K)
    index = Kernels.allocate(gathered)
    weight = Kernels.allocate(gathered)
    tile = Kernels.allocate(groupCapacity * Kernels.tileStride(d))
    responsibilityCapacity = 4 * gathered
    responsibilities = Kernels.allocate(responsibilityCapacity)
    gatheredDensity = Kernels.allocate(gathered)
    gatheredEntropy = Kernels.allocate(gathered)
    gatheredLabel = Kernels.allocate(gathered)
    density = Kernels.allocate(capacity)
    entropy = Kernels.allocate(capacity)
    ones = Kernels.allocate(capacity)
    scattered = Kernels.allocate(capacity)
    scattered.initialize(repeating: 0, count: capacity)
    let restGroups = (restCapacity + Kernels.lanes - 1) / Kernels.lanes
    rest = Kernels.allocate(restGroups * Kernels.lanes)
    restTile = Kernels.allocate(restGroups * Kernels.tileStride(d))
    restJoint = Kernels.allocate(K * Kernels.jointStride(restGroups))
    mergedIndex = Kernels.allocate(capacity)
    mergedWeight = Kernels.allocate(capacity)
    mergedTile = Kernels.allocate(groups * Kernels.tileStride(d))
    scratch = Kernels.allocate(Kernels.scratchSize(groups: 0, featureCount: d))
  }

  deinit {
    for pointer in [
      weight, tile, responsibilities, gatheredDensity, gatheredEntropy, density, entropy, ones,
      scattered, restTile, restJoint, mergedWeight, mergedTile, scratch,
    ] { pointer.deallocate() }
    for pointer in [counts, lastRow, index, gatheredLabel, rest, mergedIndex] {
      pointer.deallocate()
    }
    firstGroup.deallocate()
    firstResponsibility.deallocate()
  }

  /// Adds the statistics of at most ``rowCount(grid:form:featureCount:)`` rows, and brings their labels up to date.
  ///
  /// - Returns: False, and nothing added, if the rows are better evaluated under every component: if the labels of some
  ///   are unknown, too many lie far from their components, or a number is not finite.
  func add(
    _ rows: StridedRows, _ model: ModelPointers, _ candidates: CandidateComponents,
    labels: UnsafeMutablePointer<UInt16>, to statistics: inout SufficientStatistics
  ) -> Bool {
    guard gather(rows, labels: labels, candidates),
      evaluate(model, candidates, labels: labels),
      evaluateRest(rows, model, labels: labels)
    else { return false }
    addTotals(rows.count, to: &statistics)
    if form == .full {
      for k in 0..<K { addMoments(k, rows, candidates, to: &statistics) }
    } else {
      addUncorrelatedMoments(rows, candidates, to: &statistics)
    }
    return true
  }

  // MARK: Gathering

  /// Puts rows of one label side by side.
  private func gather(
    _ rows: StridedRows, labels: UnsafeMutablePointer<UInt16>, _ candidates: CandidateComponents
  ) -> Bool {
    let n = rows.count
    let laneMask = keepsLanes ? Kernels.lanes - 1 : 0
    let rowBytes = rows.rowStride * (rows.element == .float64 ? 8 : 4)
    counts.update(repeating: 0, count: K * Kernels.lanes)
    for i in 0..<n {
      guard labels[i] != Self.unknown else { return false }
      // Rows are gathered in another order than they lie in; here they are fetched in theirs.
      Kernels.prefetch(rows.base + i * rowBytes, rowBytes)
      counts[Int(labels[i]) * Kernels.lanes + i & laneMask] += 1
      lastRow[Int(labels[i])] = Int32(i)
    }
    firstGroup[0] = 0
    firstResponsibility[0] = 0
    for j in 0..<K {
      let own = counts + j * Kernels.lanes
      var groups = 0
      if keepsLanes {
        for lane in 0..<Kernels.lanes { groups = max(groups, Int(own[lane])) }
      } else {
        groups = (Int(own[0]) + Kernels.lanes - 1) / Kernels.lanes
      }
      firstGroup[j + 1] = firstGroup[j] + groups
      let candidateCount = candidates.list(j).count
      firstResponsibility[j + 1] =
        firstResponsibility[j] + (groups > 0 ? candidateCount * Kernels.jointStride(groups) : 0)
      // From here on, where the next row of each lane goes.
      for lane in 0..<Kernels.lanes {
        own[lane] = Int32(firstGroup[j] * Kernels.lanes + (keepsLanes ? lane : 0))
      }
    }
    let groups = firstGroup[K]
    guard groups <= groupCapacity else { return false }
    if firstResponsibility[K] > responsibilityCapacity {
      responsibilities.deallocate()
      responsibilityCapacity = firstResponsibility[K] + firstResponsibility[K] / 4
      responsibilities = Kernels.allocate(responsibilityCapacity)
    }
    // What only fills a group is another copy of one of its rows.
    for j in 0..<K where firstGroup[j + 1] > firstGroup[j] {
      (index + firstGroup[j] * Kernels.lanes).update(
        repeating: lastRow[j], count: (firstGroup[j + 1] - firstGroup[j]) * Kernels.lanes)
    }
    weight.update(repeating: 0, count: groups * Kernels.lanes)
    let step = Int32(keepsLanes ? Kernels.lanes : 1)
    for i in 0..<n {
      let next = counts + (Int(labels[i]) * Kernels.lanes + i & laneMask)
      let place = Int(next.pointee)
      next.pointee += step
      index[place] = Int32(i)
      weight[place] = 1
    }
    return kernels.pack(
      rows, featureCount: d, index: index, count: groups * Kernels.lanes, into: tile)
  }

  // MARK: E-step

  private func evaluate(
    _ model: ModelPointers, _ candidates: CandidateComponents,
    labels: UnsafeMutablePointer<UInt16>
  ) -> Bool {
    restCount = 0
    entropy.update(repeating: 0, count: capacity)
    for j in 0..<K where firstGroup[j + 1] > firstGroup[j] {
      let first = firstGroup[j]
      let groups = firstGroup[j + 1] - first
      let places = first * Kernels.lanes..<(first + groups) * Kernels.lanes
      let list = candidates.list(j)
      let joint = responsibilities + firstResponsibility[j]
      let stride = Kernels.jointStride(groups)
      var own = joint
      for (position, k) in list.enumerated() {
        if Int(k) == j { own = joint + position * stride }
        kernels.logJoint(
          model, Int(k)..<Int(k) + 1, groups: groups, tile: tile + first * Kernels.tileStride(d),
          joint: joint + position * stride, scratch: scratch)
      }
      let least = candidates.leastJoints[j]
      for group in 0..<groups {
        let values = own + group * Kernels.lanes
        let place = places.lowerBound + group * Kernels.lanes
        var smallest = values[0]
        for lane in 1..<Kernels.lanes { smallest = min(smallest, values[lane]) }
        // The density of a row whose only candidate this is.
        for lane in 0..<Kernels.lanes { density[Int(index[place + lane])] = values[lane] }
        guard smallest < least else { continue }
        for lane in 0..<Kernels.lanes where values[lane] < least && weight[place + lane] != 0 {
          weight[place + lane] = 0
          guard restCount < restCapacity else { return false }
          rest[restCount] = index[place + lane]
          restCount += 1
        }
      }
      if list.count == 1 { continue }
      kernels.normalize(
        groups: groups, list.count, caseWeight: weight + places.lowerBound, joint: joint,
        logDensity: gatheredDensity, rowEntropy: gatheredEntropy, label: gatheredLabel)
      for place in places where weight[place] != 0 {
        let row = Int(index[place])
        let offset = place - places.lowerBound
        density[row] = gatheredDensity[offset]
        entropy[row] = gatheredEntropy[offset]
        labels[row] = UInt16(list[Int(gatheredLabel[offset])])
      }
    }
    return true
  }

  /// The rows that were put off, under every component.
  private func evaluateRest(
    _ rows: StridedRows, _ model: ModelPointers, labels: UnsafeMutablePointer<UInt16>
  ) -> Bool {
    guard restCount > 0 else { return true }
    let groups = restGroups
    for place in restCount..<groups * Kernels.lanes { rest[place] = rest[0] }
    guard
      kernels.pack(
        rows, featureCount: d, index: rest, count: groups * Kernels.lanes, into: restTile)
    else { return false }
    kernels.logJoint(
      model, 0..<K, groups: groups, tile: restTile, joint: restJoint, scratch: scratch)
    for place in 0..<groups * Kernels.lanes { ones[place] = place < restCount ? 1 : 0 }
    kernels.normalize(
      groups: groups, K, caseWeight: ones, joint: restJoint, logDensity: gatheredDensity,
      rowEntropy: gatheredEntropy, label: gatheredLabel)
    for place in 0..<restCount {
      let row = Int(rest[place])
      density[row] = gatheredDensity[place]
      entropy[row] = gatheredEntropy[place]
      labels[row] = UInt16(gatheredLabel[place])
    }
    return true
  }

  private var restGroups: Int { (restCount + Kernels.lanes - 1) / Kernels.lanes }

  /// Case weight, log-likelihood and entropy, block by block as without leaving anything out.
  private func addTotals(_ n: Int, to statistics: inout SufficientStatistics) {
    let padded = (n + Kernels.lanes - 1) / Kernels.lanes * Kernels.lanes
    for row in 0..<padded { ones[row] = row < n ? 1 : 0 }
    for row in n..<padded {
      density[row] = 0
      entropy[row] = 0
    }
    for start in stride(from: 0, to: n, by: rowsPerBlock) {
      kernels.addTotals(
        groups: (min(rowsPerBlock, n - start) + Kernels.lanes - 1) / Kernels.lanes,
        caseWeight: ones + start, logDensity: density + start, rowEntropy: entropy + start,
        to: &statistics)
    }
  }

  // MARK: Moments

  /// Adds one component's moments.
  private func addMoments(
    _ k: Int, _ rows: StridedRows, _ candidates: CandidateComponents,
    to statistics: inout SufficientStatistics
  ) {
    let homes = candidates.homes(k)
    let hasRest = restHas(k)
    if !hasRest, homes.count == 1, homes.first == Int32(k) {
      // Where it is the only one on its list, the weights are its responsibilities.
      let list = candidates.list(k)
      let groups = firstGroup[k + 1] - firstGroup[k]
      let position = list.firstIndex(of: Int32(k))!
      addMoments(
        k, groups: groups, tile: tile + firstGroup[k] * Kernels.tileStride(d),
        responsibilities: list.count == 1
          ? weight + firstGroup[k] * Kernels.lanes
          : responsibilities + firstResponsibility[k] + position * Kernels.jointStride(groups),
        to: &statistics)
      return
    }
    var (least, most) = (Int.max, -1)
    forEachResponsibility(of: k, candidates, hasRest: hasRest) { row, value in
      scattered[row] = value
      least = min(least, row)
      most = max(most, row)
    }
    guard most >= 0 else { return }
    let laneMask = keepsLanes ? Kernels.lanes - 1 : 0
    withUnsafeTemporaryAllocation(of: Int.self, capacity: Kernels.lanes) { next in
      for lane in 0..<Kernels.lanes { next[lane] = 0 }
      for row in least...most where scattered[row] != 0 { next[row & laneMask] += 1 }
      let deepest = next.max()!
      let groups = keepsLanes ? deepest : (deepest + Kernels.lanes - 1) / Kernels.lanes
      let places = groups * Kernels.lanes
      mergedIndex.update(repeating: Int32(least), count: places)
      mergedWeight.update(repeating: 0, count: places)
      for lane in 0..<Kernels.lanes { next[lane] = keepsLanes ? lane : 0 }
      let step = keepsLanes ? Kernels.lanes : 1
      for row in least...most where scattered[row] != 0 {
        let place = next[row & laneMask]
        next[row & laneMask] += step
        mergedIndex[place] = Int32(row)
        mergedWeight[place] = scattered[row]
        scattered[row] = 0
      }
      _ = kernels.pack(
        rows, featureCount: d, index: mergedIndex, count: places, into: mergedTile)
      addMoments(
        k, groups: groups, tile: mergedTile, responsibilities: mergedWeight, to: &statistics)
    }
  }

  /// Adds one component's moments over gathered rows, as many at a time as the workspace has room for.
  private func addMoments(
    _ k: Int, groups: Int, tile: UnsafePointer<Double>, responsibilities: UnsafePointer<Double>,
    to statistics: inout SufficientStatistics
  ) {
    let most = rowsPerBlock / Kernels.lanes
    for start in stride(from: 0, to: groups, by: most) {
      workspace.accumulate(
        k..<k + 1, groups: min(most, groups - start), tile: tile + start * Kernels.tileStride(d),
        responsibilities: responsibilities + start * Kernels.lanes, into: &statistics)
    }
  }

  /// Adds all moments of uncorrelated features, whose sums run over all rows of the block.
  private func addUncorrelatedMoments(
    _ rows: StridedRows, _ candidates: CandidateComponents,
    to statistics: inout SufficientStatistics
  ) {
    guard workspace.pack(rows) else { return }
    workspace.clearResponsibilities(K)
    for k in 0..<K {
      forEachResponsibility(of: k, candidates, hasRest: restHas(k)) { row, value in
        workspace.setResponsibility(row, k, value)
      }
    }
    workspace.accumulate(into: &statistics)
  }

  /// Whether any of the rows that were put off belongs to component k in part.
  private func restHas(_ k: Int) -> Bool {
    guard restCount > 0 else { return false }
    let joint = restJoint + k * Kernels.jointStride(restGroups)
    for place in 0..<restCount where joint[place] != 0 { return true }
    return false
  }

  /// Calls `body` with every row for which component k is responsible, and how much.
  @inline(__always)
  private func forEachResponsibility(
    of k: Int, _ candidates: CandidateComponents, hasRest: Bool, _ body: (Int, Double) -> Void
  ) {
    for home in candidates.homes(k) {
      let j = Int(home)
      let groups = firstGroup[j + 1] - firstGroup[j]
      guard groups > 0 else { continue }
      let list = candidates.list(j)
      let first = firstGroup[j] * Kernels.lanes
      let value =
        list.count == 1
        ? weight + first
        : responsibilities + firstResponsibility[j]
          + list.firstIndex(of: Int32(k))! * Kernels.jointStride(groups)
      for place in 0..<groups * Kernels.lanes where value[place] != 0 {
        body(Int(index[first + place]), value[place])
      }
    }
    guard hasRest else { return }
    let joint = restJoint + k * Kernels.jointStride(restGroups)
    for place in 0..<restCount where joint[place] != 0 { body(Int(rest[place]), joint[place]) }
  }
}
