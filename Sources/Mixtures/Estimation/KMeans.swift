// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// k-means on rows in memory, as a start for EM: centroids seeded by greedy k-means++ and moved by Lloyd's iterations.
///
/// Rows are measured in units of each feature's standard deviation, so that the start, like the fit, does not depend on
/// the units of the data. Arthur & Vassilvitskii (2007), "k-means++: the advantages of careful seeding", SODA 1027–1035.
///
/// Most rows are far from changing their centroid, and Lloyd's iterations pass them over: each row keeps an upper bound of
/// the distance to its centroid and a lower bound of those to all others, which move by as much as the centroids do
/// (Hamerly 2010, [doi:10.1137/1.9781611972801.12](https://doi.org/10.1137/1.9781611972801.12)). The bounds are widened by
/// more than rounding can be, so that passing rows over changes no bit.
struct KMeans {
  private let rows: Observations
  private let grid: ShardGrid
  private let threadCount: Int
  private let iterationLimit: Int
  private let skips: Bool
  /// The current centroids, K × d.
  private(set) var centroids: Matrix
  /// How many distances Lloyd's iterations computed.
  private(set) var distanceCount = 0
  /// How many iterations were made.
  private(set) var iterationCount = 0

  /// Seeds and moves `K` centroids.
  ///
  /// - Parameters:
  ///   - rows: m rows in memory, in the units that distances are measured in.
  ///   - settings: How many rows are drawn for each centroid, and how often centroids move.
  ///   - skips: Whether rows that cannot change their centroid are passed over; it changes no result.
  /// - Complexity: O(m·K·d·(log K + iterations)); memory O(m·log K + shards·K·d).
  init(
    _ rows: Observations, count K: Int, settings: KMeansSettings = KMeansSettings(),
    skips: Bool = true, threadCount: Int, random: inout RandomStream
  ) throws(MixtureError) {
    self.rows = rows
    self.skips = skips
    iterationLimit = settings.iterationLimit
    grid = ShardGrid(rowCount: rows.observationCount, featureCount: rows.featureCount)
    self.threadCount = ThreadTeam.worthwhile(
      threadCount, rowCount: rows.observationCount, componentCount: K,
      elementsPerMoment: rows.featureCount)
    centroids = Matrix(repeating: 0, rowCount: 0, columnCount: rows.featureCount)
    try seed(
      K, candidateCount: settings.candidateCount ?? 2 + Int(Kernels.log(Double(K))), random: &random
    )
    try move()
  }

  // MARK: Seeding

  /// Greedy k-means++: of a few rows drawn by their squared distance to the centroids so far, the one that leaves the
  /// least of it becomes the next.
  private mutating func seed(
    _ K: Int, candidateCount: Int, random: inout RandomStream
  ) throws(MixtureError) {
    let n = rows.observationCount
    var chosen = [random.index(below: n)]
    // The squared distance of each row to its nearest centroid, and what it would be with each of the candidates.
    let remaining = Remaining(
      rowCount: n, shardCount: grid.shardCount, candidateCount: max(candidateCount, 1))
    try measure([chosen[0]], remaining)
    remaining.choose(0)
    while chosen.count < K {
      // Fewer different rows than centroids: the rest repeat one, and the M-step will find them empty.
      guard remaining.total > 0 else {
        chosen.append(chosen[0])
        continue
      }
      let candidates = (0..<candidateCount).map { _ in remaining.draw(grid, random: &random) }
      try measure(candidates, remaining)
      let potentials = candidates.indices.map(remaining.potential)
      let best = potentials.indices.min { potentials[$0] < potentials[$1] }!
      remaining.choose(best)
      chosen.append(candidates[best])
    }
    centroids = Matrix(
      unchecked: chosen.flatMap { rows.matrix.row($0) }, rowCount: K,
      columnCount: rows.featureCount)
  }

  /// Finds what each row's squared distance would be if some rows became centroids.
  private func measure(
    _ candidates: [Int], _ remaining: Remaining
  ) throws(MixtureError) {
    let points = candidates.flatMap { rows.matrix.row($0) }
    let zeros = Array(repeating: 0.0, count: candidates.count)
    try eachShard(componentCount: candidates.count) { (workspace, shard) throws(MixtureError) in
      var potentials = Array(repeating: 0.0, count: candidates.count)
      for block in grid.blocks(ofShard: shard) {
        try rows.load(block, into: workspace)
        workspace.computeLogJoint(
          form: .scalar, means: points, factors: [1], factorStride: 0, constants: zeros)
        remaining.update(block, &potentials) { row, candidate in
          -2 * workspace.joint(row, candidate)
        }
      }
      remaining.note(potentials, shard)
    }
  }

  // MARK: Lloyd's iterations

  private mutating func move() throws(MixtureError) {
    let K = centroids.rowCount
    let d = rows.featureCount
    let n = rows.observationCount
    guard K > 1 else {
      centroids = Matrix(unchecked: mean(of: rows), rowCount: 1, columnCount: d)
      return
    }
    let partition = Partition(rowCount: n, shardCount: grid.shardCount, K: K, d: d)
    var drift = Drift(K: K)
    for iteration in 0..<iterationLimit {
      let changed = try assign(partition, drift, all: iteration == 0 || !skips)
      iterationCount = iteration + 1
      distanceCount += changed.distances
      if changed.rows == 0 { break }
      let previous = centroids
      let counts = partition.updateMeans(&centroids)
      let empty = counts.indices.filter { counts[$0] == 0 }
      if !empty.isEmpty { moveToFarthest(empty, partition) }
      drift = Drift(from: previous, to: centroids)
    }
  }

  /// Gives every row its nearest centroid, of equally near ones the first.
  private func assign(
    _ partition: Partition, _ drift: Drift, all: Bool
  ) throws(MixtureError) -> (rows: Int, distances: Int) {
    let K = centroids.rowCount
    let d = rows.featureCount
    let zeros = Array(repeating: 0.0, count: K)
    // Bounds that hold whatever the rounding.
    let (widened, narrowed) = (1 + Drift.rounding(d), 1 - Drift.rounding(d))
    let counts = Lock((rows: 0, distances: 0))
    try eachShard(componentCount: K) { (workspace, shard) throws(MixtureError) in
      var pending = PendingRows(capacity: grid.rowsPerBlock, featureCount: d)
      let inDoubt =
        all
        ? grid.rows(ofShard: shard).map { Int32($0) }
        : partition.rowsInDoubt(grid.rows(ofShard: shard), drift)
      var changedRows = 0
      for start in stride(from: 0, to: inDoubt.count, by: grid.rowsPerBlock) {
        let indices = inDoubt[start..<min(start + grid.rowsPerBlock, inDoubt.count)]
        pending.fill(indices, of: rows)
        pending.withRows { _ = workspace.pack($0) }
        workspace.computeLogJoint(
          form: .scalar, means: centroids.elements, factors: [1], factorStride: 0, constants: zeros)
        workspace.findLabels(K)
        for (position, index) in indices.enumerated() {
          let row = Int(index)
          let label = workspace.label(position)
          partition.upper[row] = (-2 * workspace.logDensity(position)).squareRoot() * widened
          if partition.label[row] != label {
            changedRows += 1
            partition.move(row, to: label, shard: shard, rows: rows)
          }
        }
        if skips { findLower(partition, indices, workspace, narrowed) }
      }
      counts.withLock {
        $0.rows += changedRows
        $0.distances += inDoubt.count * K
      }
    }
    return counts.withLock { $0 }
  }

  /// Sets each row's lower bound: the distance to the nearest of the centroids that it does not belong to.
  private func findLower(
    _ partition: Partition, _ indices: ArraySlice<Int32>, _ workspace: Workspace, _ narrowed: Double
  ) {
    let K = centroids.rowCount
    func square(_ position: Int, _ k: Int) -> Double {
      let joint = workspace.joint(position, k)
      return workspace.label(position) == k ? .infinity : -2 * joint
    }
    var position = 0
    let start = indices.startIndex
    func note(_ position: Int, _ second: Double) {
      partition.lower[Int(indices[start + position])] = second.squareRoot() * narrowed
    }
    // Four rows side by side, so that one comparison does not wait for the other.
    while position + 4 <= indices.count {
      var second = (Double.infinity, Double.infinity, Double.infinity, Double.infinity)
      for k in 0..<K {
        second.0 = min(square(position, k), second.0)
        second.1 = min(square(position + 1, k), second.1)
        second.2 = min(square(position + 2, k), second.2)
        second.3 = min(square(position + 3, k), second.3)
      }
      note(position, second.0)
      note(position + 1, second.1)
      note(position + 2, second.2)
      note(position + 3, second.3)
      position += 4
    }
    while position < indices.count {
      note(position, (0..<K).reduce(.infinity) { min(square(position, $1), $0) })
      position += 1
    }
  }

  /// Moves centroids without rows, each to the row farthest from all centroids by then.
  private mutating func moveToFarthest(_ empty: [Int], _ partition: Partition) {
    func squaredDistance(_ row: Int, _ k: Int) -> Double {
      (0..<rows.featureCount).reduce(0) {
        let difference = rows.matrix[row, $1] - centroids[k, $1]
        return $0 + difference * difference
      }
    }
    var distances = (0..<rows.observationCount).map {
      squaredDistance($0, Int(partition.label[$0]))
    }
    for k in empty {
      let farthest = distances.indices.max { distances[$0] < distances[$1] }!
      for j in 0..<rows.featureCount { centroids[k, j] = rows.matrix[farthest, j] }
      for row in distances.indices {
        distances[row] = min(distances[row], squaredDistance(row, k))
      }
    }
  }

  private func mean(of rows: Observations) -> [Double] {
    let n = Double(rows.observationCount)
    return (0..<rows.featureCount).map { j in
      (0..<rows.observationCount).reduce(0) { $0 + rows.matrix[$1, j] } / n
    }
  }

  private func eachShard(
    componentCount: Int, _ body: (Workspace, Int) throws(MixtureError) -> Void
  ) throws(MixtureError) {
    try ThreadTeam.forEachShard(
      of: grid, threadCount: threadCount,
      makeWorker: { _ in
        Workspace(
          rowsPerBlock: grid.rowsPerBlock, featureCount: rows.featureCount,
          componentCount: componentCount)
      }, body)
  }
}

/// The squared distance of every row to the nearest of some centroids, and what it would be with each of a few more.
///
/// Threads write to different rows and shards.
private final class Remaining: @unchecked Sendable {
  private let rowCount: Int
  private let shardCount: Int
  private let candidateCount: Int
  private var current: UnsafeMutablePointer<Double>
  private var proposed: [UnsafeMutablePointer<Double>]
  /// The sum over each shard's rows, for each candidate.
  private let potentials: UnsafeMutablePointer<Double>
  /// The sums over each shard's rows without any candidate.
  private var shardTotals: [Double]
  private(set) var total: Double

  init(rowCount: Int, shardCount: Int, candidateCount: Int) {
    self.rowCount = rowCount
    self.shardCount = shardCount
    self.candidateCount = candidateCount
    current = .allocate(capacity: rowCount)
    current.initialize(repeating: .infinity, count: rowCount)
    proposed = (0..<candidateCount).map { _ in .allocate(capacity: rowCount) }
    potentials = .allocate(capacity: shardCount * candidateCount)
    potentials.initialize(repeating: 0, count: shardCount * candidateCount)
    shardTotals = Array(repeating: 0, count: shardCount)
    total = .infinity
  }

  deinit {
    current.deallocate()
    for pointer in proposed { pointer.deallocate() }
    potentials.deallocate()
  }

  /// Takes a block's squared distances to the candidates, and adds up what would remain.
  func update(
    _ block: Range<Int>, _ sums: inout [Double], _ squaredDistance: (Int, Int) -> Double
  ) {
    for candidate in sums.indices {
      let out = proposed[candidate]
      // Four sums, so that one addition does not wait for the other.
      var part = (0.0, 0.0, 0.0, 0.0)
      var row = block.lowerBound
      @inline(__always) func value(_ row: Int) -> Double {
        let value = min(current[row], squaredDistance(row - block.lowerBound, candidate))
        out[row] = value
        return value
      }
      while row + 4 <= block.upperBound {
        part.0 += value(row)
        part.1 += value(row + 1)
        part.2 += value(row + 2)
        part.3 += value(row + 3)
        row += 4
      }
      while row < block.upperBound {
        part.0 += value(row)
        row += 1
      }
      sums[candidate] += (part.0 + part.1) + (part.2 + part.3)
    }
  }

  func note(_ sums: [Double], _ shard: Int) {
    for candidate in sums.indices {
      potentials[shard * candidateCount + candidate] = sums[candidate]
    }
  }

  /// The sum of squared distances with a candidate.
  func potential(_ candidate: Int) -> Double {
    (0..<shardCount).reduce(0) { $0 + potentials[$1 * candidateCount + candidate] }
  }

  /// Makes a candidate a centroid.
  func choose(_ candidate: Int) {
    swap(&current, &proposed[candidate])
    for shard in 0..<shardCount {
      shardTotals[shard] = potentials[shard * candidateCount + candidate]
    }
    total = shardTotals.reduce(0, +)
  }

  /// A row drawn with probability proportional to its squared distance.
  func draw(_ grid: ShardGrid, random: inout RandomStream) -> Int {
    var left = random.uniform() * total
    var shard = 0
    while shard < shardCount - 1, left >= shardTotals[shard] {
      left -= shardTotals[shard]
      shard += 1
    }
    // Rounding may lead past the end of a shard, and to one without any distance left.
    while shard > 0, shardTotals[shard] == 0 { shard -= 1 }
    while shard < shardCount - 1, shardTotals[shard] == 0 { shard += 1 }
    var last = grid.rows(ofShard: shard).lowerBound
    for row in grid.rows(ofShard: shard) where current[row] > 0 {
      last = row
      if left < current[row] { break }
      left -= current[row]
    }
    return last
  }
}

/// Which centroid each row belongs to, how far it is from changing that, and the sums of the rows of each centroid.
///
/// Threads write to different rows and shards.
private final class Partition: @unchecked Sendable {
  private let shardCount: Int
  private let K: Int
  private let d: Int
  let label: UnsafeMutablePointer<Int32>
  /// At least the distance to the row's centroid.
  let upper: UnsafeMutablePointer<Double>
  /// At most the distance to any other.
  let lower: UnsafeMutablePointer<Double>
  /// For each shard and centroid: the number of rows, then their sum.
  private let sums: UnsafeMutablePointer<Double>

  init(rowCount: Int, shardCount: Int, K: Int, d: Int) {
    self.shardCount = shardCount
    self.K = K
    self.d = d
    label = .allocate(capacity: rowCount)
    label.initialize(repeating: -1, count: rowCount)
    upper = .allocate(capacity: rowCount)
    upper.initialize(repeating: 0, count: rowCount)
    lower = .allocate(capacity: rowCount)
    lower.initialize(repeating: 0, count: rowCount)
    sums = .allocate(capacity: shardCount * K * (d + 1))
    sums.initialize(repeating: 0, count: shardCount * K * (d + 1))
  }

  deinit {
    label.deallocate()
    upper.deallocate()
    lower.deallocate()
    sums.deallocate()
  }

  /// Moves the bounds of some rows by what the centroids moved. Returns the rows whose centroid may not be the nearest any
  /// more, or not the only one.
  func rowsInDoubt(_ range: Range<Int>, _ drift: Drift) -> [Int32] {
    let (label, upper, lower) = (label, upper, lower)
    let (farthest, largest, second) = (drift.farthest, drift.largest, drift.second)
    let margin = drift.margin
    return drift.distances.withUnsafeBufferPointer { distances in
      drift.halfGaps.withUnsafeBufferPointer { halfGaps in
        [Int32](unsafeUninitializedCapacity: range.count) { buffer, count in
          for row in range {
            let k = Int(label[row])
            let above = upper[row] + distances[k]
            let below = lower[row] - (k == farthest ? second : largest)
            upper[row] = above
            lower[row] = below
            buffer.initializeElement(at: count, to: Int32(truncatingIfNeeded: row))
            count += above * margin + Drift.smallest < max(below, halfGaps[k]) ? 0 : 1
          }
        }
      }
    }
  }

  /// Gives a row to another centroid.
  func move(_ row: Int, to k: Int, shard: Int, rows: Observations) {
    rows.matrix.elements.withUnsafeBufferPointer { elements in
      let x = elements.baseAddress! + row * d
      if label[row] >= 0 {
        let out = sums + (shard * K + Int(label[row])) * (d + 1)
        out[0] -= 1
        for j in 0..<d { out[1 + j] -= x[j] }
      }
      let into = sums + (shard * K + k) * (d + 1)
      into[0] += 1
      for j in 0..<d { into[1 + j] += x[j] }
    }
    label[row] = Int32(k)
  }

  /// Sets each centroid to the mean of its rows, if it has any. Returns how many it has.
  func updateMeans(_ centroids: inout Matrix) -> [Double] {
    var total = Array(repeating: 0.0, count: K * (d + 1))
    for shard in 0..<shardCount {
      let part = sums + shard * K * (d + 1)
      for index in total.indices { total[index] += part[index] }
    }
    for k in 0..<K where total[k * (d + 1)] > 0 {
      for j in 0..<d { centroids[k, j] = total[k * (d + 1) + 1 + j] / total[k * (d + 1)] }
    }
    return (0..<K).map { total[$0 * (d + 1)] }
  }
}

/// How far centroids moved and lie apart, with room for rounding.
private struct Drift {
  /// Below this, squares underflow and distances are not to be relied on.
  static let smallest = 1e-140

  /// At least how far each centroid moved.
  let distances: [Double]
  /// The centroid that moved farthest, how far it did, and how far the next did.
  let farthest: Int
  let largest: Double
  let second: Double
  /// At most half the distance of each centroid to the nearest other one.
  let halfGaps: [Double]
  /// What a distance is multiplied by to be safely larger than any other that rounds to the same.
  let margin: Double

  /// A relative error that neither a distance nor a bound reaches within a thousand iterations.
  ///
  /// The square of a computed distance has one of at most (d + 2) ε. A bound starts wider than the distance by the number
  /// here, and so does each move that it is changed by. Each change rounds by ε / 2 of the bound. Those errors are less
  /// than the number times the bound if it is still half of what it was at first, and less than the number times the
  /// moves if they took more than half of it.
  static func rounding(_ d: Int) -> Double { 256 * Double(d + 8) * .ulpOfOne }

  /// No move at all.
  init(K: Int) {
    distances = Array(repeating: 0, count: K)
    halfGaps = Array(repeating: 0, count: K)
    (farthest, largest, second, margin) = (0, 0, 0, 1)
  }

  init(from old: Matrix, to new: Matrix) {
    let K = new.rowCount
    let d = new.columnCount
    let relative = Self.rounding(d)
    func distance(_ a: Matrix, _ i: Int, _ b: Matrix, _ k: Int) -> Double {
      a.elements.withUnsafeBufferPointer { a in
        b.elements.withUnsafeBufferPointer { b in
          var sum = 0.0
          for j in 0..<d {
            let difference = a[i * d + j] - b[k * d + j]
            sum += difference * difference
          }
          return sum.squareRoot()
        }
      }
    }
    margin = 1 + relative
    let moved = (0..<K).map { distance(old, $0, new, $0) * (1 + relative) + Self.smallest }
    distances = moved
    let farthest = moved.indices.max { moved[$0] < moved[$1] }!
    self.farthest = farthest
    largest = moved[farthest]
    second = moved.indices.filter { $0 != farthest }.map { moved[$0] }.max() ?? 0
    var gaps = Array(repeating: Double.infinity, count: K)
    for i in 0..<K {
      for k in 0..<i {
        let gap = distance(new, i, new, k)
        gaps[i] = min(gaps[i], gap)
        gaps[k] = min(gaps[k], gap)
      }
    }
    halfGaps = gaps.map { 0.5 * $0 }
  }
}

/// Some rows side by side, as a kernel call wants them.
private struct PendingRows {
  private var elements: [Double]
  private var count = 0
  private let offsets: [Int]

  init(capacity: Int, featureCount: Int) {
    offsets = Array(0..<featureCount)
    elements = Array(repeating: 0, count: capacity * featureCount)
  }

  mutating func fill(_ indices: ArraySlice<Int32>, of rows: Observations) {
    let d = offsets.count
    count = indices.count
    rows.matrix.elements.withUnsafeBufferPointer { source in
      elements.withUnsafeMutableBufferPointer { target in
        for (position, row) in indices.enumerated() {
          let from = source.baseAddress! + Int(row) * d
          (target.baseAddress! + position * d).update(from: from, count: d)
        }
      }
    }
  }

  func withRows(_ body: (StridedRows) -> Void) {
    elements.withUnsafeBufferPointer { elements in
      offsets.withUnsafeBufferPointer { offsets in
        body(
          StridedRows(
            base: UnsafeRawPointer(elements.baseAddress!), element: .float64, count: count,
            rowStride: offsets.count, columnOffsets: offsets))
      }
    }
  }
}
