// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// k-means on rows in memory, as a start for EM: centroids seeded by greedy k-means++ and moved by Lloyd's iterations.
///
/// Distances are measured in units of each feature's standard deviation, so that the start, like the fit, does not depend
/// on the units of the data. Arthur & Vassilvitskii (2007), "k-means++: the advantages of careful seeding", SODA 1027–1035.
struct KMeans {
  private let rows: Observations
  private let inverseScales: [Double]
  private let blocks: [Range<Int>]
  private let workspace: Workspace
  /// The current centroids, K × d.
  private(set) var centroids: Matrix

  /// Seeds and moves `count` centroids.
  ///
  /// - Parameters:
  ///   - rows: m rows in memory.
  ///   - variances: The variance of each feature; features without any are ignored.
  /// - Complexity: O(m·K·d·(log K + iterations)).
  init(
    _ rows: Observations, count K: Int, variances: [Double], iterationLimit: Int = 50,
    random: inout RandomStream
  ) {
    let n = rows.observationCount
    let step = ShardGrid.rowsPerBlock(featureCount: rows.featureCount)
    let candidateCount = 2 + Int(Kernels.log(Double(K)))
    self.rows = rows
    inverseScales = variances.map { $0 > 0 ? 1 / $0.squareRoot() : 0 }
    blocks = stride(from: 0, to: n, by: step).map { $0..<min($0 + step, n) }
    workspace = Workspace(
      rowsPerBlock: step, featureCount: rows.featureCount,
      componentCount: max(K, candidateCount))
    centroids = Matrix(repeating: 0, rowCount: 0, columnCount: rows.featureCount)
    seed(K, candidateCount: candidateCount, random: &random)
    move(iterationLimit: iterationLimit)
  }

  /// Greedy k-means++: of a few rows drawn by their squared distance to the centroids so far, the one that leaves the
  /// least of it becomes the next.
  private mutating func seed(_ K: Int, candidateCount: Int, random: inout RandomStream) {
    let n = rows.observationCount
    var chosen = [random.index(below: n)]
    var nearest = squaredDistances(to: chosen)
    while chosen.count < K {
      let total = nearest.reduce(0, +)
      // Fewer different rows than centroids: the rest repeat one, and the M-step will find them empty.
      guard total > 0 else {
        chosen.append(chosen[0])
        continue
      }
      var candidates: [Int] = []
      for _ in 0..<candidateCount {
        var left = random.uniform() * total
        var index = 0
        while index < n - 1, left >= nearest[index] {
          left -= nearest[index]
          index += 1
        }
        candidates.append(index)
      }
      let distances = squaredDistances(to: candidates)
      var best = (potential: Double.infinity, candidate: 0)
      for c in candidates.indices {
        var potential = 0.0
        for i in 0..<n { potential += min(nearest[i], distances[c * n + i]) }
        if potential < best.potential { best = (potential, c) }
      }
      for i in 0..<n { nearest[i] = min(nearest[i], distances[best.candidate * n + i]) }
      chosen.append(candidates[best.candidate])
    }
    centroids = rowsAsMatrix(chosen)
  }

  /// Lloyd's iterations, until no row changes its centroid.
  private mutating func move(iterationLimit: Int) {
    let n = rows.observationCount
    let K = centroids.rowCount
    let d = rows.featureCount
    var labels = Array(repeating: -1, count: n)
    for _ in 0..<iterationLimit {
      var changed = false
      var sums = Array(repeating: 0.0, count: K * d)
      var counts = Array(repeating: 0.0, count: K)
      var farthest = (distance: -1.0, row: 0)
      forEachBlock(distancesTo: centroids) { block in
        workspace.findLabels(K)
        for i in 0..<block.count {
          let row = block.lowerBound + i
          let k = workspace.label(i)
          let distance = -2 * workspace.logDensity(i)
          if distance > farthest.distance { farthest = (distance, row) }
          if labels[row] != k {
            labels[row] = k
            changed = true
          }
          counts[k] += 1
          // About the centroid, so that the sums keep their digits whatever the offset of the data.
          for j in 0..<d { sums[k * d + j] += rows.matrix[row, j] - centroids[k, j] }
        }
      }
      if !changed { break }
      for k in 0..<K {
        for j in 0..<d {
          if counts[k] > 0 {
            centroids[k, j] += sums[k * d + j] / counts[k]
          } else {
            centroids[k, j] = rows.matrix[farthest.row, j]
          }
        }
      }
    }
  }

  private func rowsAsMatrix(_ indices: [Int]) -> Matrix {
    Matrix(
      unchecked: indices.flatMap { rows.matrix.row($0) }, rowCount: indices.count,
      columnCount: rows.featureCount)
  }

  /// The squared distance of every row to each of some rows; m numbers for each.
  private func squaredDistances(to indices: [Int]) -> [Double] {
    let n = rows.observationCount
    var result = Array(repeating: 0.0, count: indices.count * n)
    forEachBlock(distancesTo: rowsAsMatrix(indices)) { block in
      for c in indices.indices {
        for i in 0..<block.count {
          result[c * n + block.lowerBound + i] = -2 * workspace.joint(i, c)
        }
      }
    }
    return result
  }

  private func forEachBlock(distancesTo points: Matrix, _ body: (Range<Int>) -> Void) {
    let zeros = Array(repeating: 0.0, count: points.rowCount)
    for block in blocks {
      rows.withRows(block) { _ = workspace.pack($0) }
      workspace.computeLogJoint(
        form: .diagonal, means: points.elements, factors: inverseScales, factorStride: 0,
        constants: zeros)
      body(block)
    }
  }
}
