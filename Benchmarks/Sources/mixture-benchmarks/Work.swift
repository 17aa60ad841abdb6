// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures

/// Observations and a start, both functions of these numbers alone.
struct Work: Sendable {
  let name: String
  let n: Int
  let d: Int
  let componentCount: Int
  var covariance = CovarianceStructure.full
  /// The standard deviation of the means; nil: far apart.
  var spread: Double?

  static let all = [
    Work(name: "tiny", n: 1_000, d: 2, componentCount: 2, spread: 1),
    Work(name: "d2", n: 1_000_000, d: 2, componentCount: 8, spread: 3),
    Work(name: "d8", n: 1_000_000, d: 8, componentCount: 16, spread: 1),
    Work(name: "d32", n: 200_000, d: 32, componentCount: 32, spread: 0.5),
    Work(name: "d64", n: 100_000, d: 64, componentCount: 64, spread: 0.4),
    Work(name: "d256", n: 20_000, d: 256, componentCount: 16, spread: 0.25),
    Work(
      name: "diagonal", n: 200_000, d: 64, componentCount: 128, covariance: .diagonal, spread: 0.4),
    Work(name: "separated", n: 1_000_000, d: 4, componentCount: 100),
  ]

  /// The flops that an iteration needs, without exponentials.
  var usefulFlops: Double {
    let perPair = covariance == .full ? 2 * d * (d + 1) + 6 * d : 7 * d
    return Double(n) * Double(componentCount) * Double(perPair)
  }

  /// The observations, and where to start.
  func make() throws -> (observations: Observations, start: GaussianMixture) {
    var random = RandomStream(seed: 1)
    let means = spread.map { scatteredMeans($0, &random) } ?? distantMeans(&random)
    var covariances: [Matrix] = []
    for _ in 0..<componentCount { covariances.append(try drawCovariance(&random)) }
    let weights = [Double](repeating: 1 / Double(componentCount), count: componentCount)
    let truth = try GaussianMixture(
      weights: weights, means: Matrix(rows: means),
      covariances: Covariances(structure: covariance, matrices: covariances))
    let shift = spread == nil ? 0.3 : 0.5 * min(1, 4 / Double(d).squareRoot())
    let start = try GaussianMixture(
      weights: weights,
      means: Matrix(rows: means.map { mean in mean.map { $0 + shift * random.normal() } }),
      covariances: truth.covariances)
    return (try Observations(truth.sample(n, seed: 2).observations), start)
  }

  private func scatteredMeans(_ spread: Double, _ random: inout RandomStream) -> [[Double]] {
    (0..<componentCount).map { _ in (0..<d).map { _ in spread * random.normal() } }
  }

  /// Means in a cube of side 120, no two closer than 20.
  private func distantMeans(_ random: inout RandomStream) -> [[Double]] {
    var means: [[Double]] = []
    while means.count < componentCount {
      let mean = (0..<d).map { _ in 120 * random.uniform() - 60 }
      let isFar = means.allSatisfy {
        zip($0, mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } > 400
      }
      if isFar { means.append(mean) }
    }
    return means
  }

  /// Variances between 0.15 and 1.85, on axes that are turned if the structure allows it.
  private func drawCovariance(_ random: inout RandomStream) throws -> Matrix {
    let variances = (0..<d).map { _ in 1 + 1.7 * (random.uniform() - 0.5) }
    var rows = (0..<d).map { i in (0..<d).map { $0 == i ? variances[i] : 0.0 } }
    if covariance == .full {
      // H diag(v) H with the reflection H = I - 2 u uᵀ.
      var u = (0..<d).map { _ in random.normal() }
      let norm = u.reduce(0) { $0 + $1 * $1 }.squareRoot()
      u = u.map { $0 / norm }
      let uvu = zip(u, variances).reduce(0) { $0 + $1.0 * $1.0 * $1.1 }
      for i in 0..<d {
        for j in 0..<d {
          rows[i][j] += u[i] * u[j] * (4 * uvu - 2 * (variances[i] + variances[j]))
        }
      }
    }
    return try Matrix(rows: rows)
  }
}
