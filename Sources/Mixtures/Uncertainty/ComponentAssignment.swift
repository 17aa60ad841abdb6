// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// For each row of a square matrix of costs the column assigned to it, so that the sum of the costs is least.
///
/// Shortest augmenting paths (Kuhn 1955, [doi:10.1002/nav.3800020109](https://doi.org/10.1002/nav.3800020109)).
///
/// - Complexity: O(n³).
func leastCostAssignment(_ cost: [[Double]]) -> [Int] {
  let n = cost.count
  // Prices of rows and columns; index 0 stands for none.
  var rowPrice = Array(repeating: 0.0, count: n + 1)
  var columnPrice = rowPrice
  var rowOfColumn = Array(repeating: 0, count: n + 1)
  for row in 1..<n + 1 {
    rowOfColumn[0] = row
    var column = 0
    var least = Array(repeating: Double.infinity, count: n + 1)
    var previous = Array(repeating: 0, count: n + 1)
    var isUsed = Array(repeating: false, count: n + 1)
    repeat {
      isUsed[column] = true
      let current = rowOfColumn[column]
      var step = Double.infinity
      var next = 0
      for j in 1...n where !isUsed[j] {
        let reduced = cost[current - 1][j - 1] - rowPrice[current] - columnPrice[j]
        if reduced < least[j] {
          least[j] = reduced
          previous[j] = column
        }
        if least[j] < step {
          step = least[j]
          next = j
        }
      }
      for j in 0...n {
        if isUsed[j] {
          rowPrice[rowOfColumn[j]] += step
          columnPrice[j] -= step
        } else {
          least[j] -= step
        }
      }
      column = next
    } while rowOfColumn[column] != 0
    repeat {
      rowOfColumn[column] = rowOfColumn[previous[column]]
      column = previous[column]
    } while column != 0
  }
  var result = Array(repeating: 0, count: n)
  for j in 1..<n + 1 { result[rowOfColumn[j] - 1] = j - 1 }
  return result
}

extension GaussianMixture {
  /// The same mixture with its components numbered like another's: the sum of the Bhattacharyya distances between
  /// components of the same number is least.
  func aligned(to other: GaussianMixture) throws(MixtureError) -> GaussianMixture {
    let K = componentCount
    guard K > 1 else { return self }
    // Costs must be finite and comparable; 10⁶ is as far apart as components can be.
    let cost = (0..<K).map { k in
      (0..<K).map { j in min(other.distance(k, to: self, j), 1e6) }
    }
    let order = leastCostAssignment(cost)
    guard order != Array(0..<K) else { return self }
    let d = featureCount
    return try GaussianMixture(
      weights: order.map { weights[$0] },
      means: Matrix(
        unchecked: order.flatMap { means.row($0) }, rowCount: K, columnCount: d),
      covariances: Covariances(
        unchecked: structure.isShared
          ? covariances.elements : order.flatMap { Array(covariances.stored($0)) },
        structure: structure, componentCount: K, featureCount: d)
    ).withBackground(background)
  }

  /// The Bhattacharyya distance between two components,
  /// ⅛ (μ₁ − μ₂)ᵀ S⁻¹ (μ₁ − μ₂) + ½ log (det S / √(det Σ₁ det Σ₂)) with S = (Σ₁ + Σ₂) / 2.
  private func distance(_ k: Int, to other: GaussianMixture, _ j: Int) -> Double {
    let d = featureCount
    let (a, b) = (covariances[k], other.covariances[j])
    let half = (0..<d).flatMap { i in (0...i).map { 0.5 * (a[i, $0] + b[i, $0]) } }
    let cholesky = Cholesky(raising: half, order: d)
    let z = cholesky.solveLower((0..<d).map { means[k, $0] - other.means[j, $0] })
    let result =
      0.125 * z.reduce(0) { $0 + $1 * $1 } + 0.5
      * (cholesky.logDeterminant - 0.5 * (logDeterminant(k) + other.logDeterminant(j)))
    return result.isFinite ? result : 1e6
  }
}
