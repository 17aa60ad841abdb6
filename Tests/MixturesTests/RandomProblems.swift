// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

@testable import Mixtures

/// Reproducible random models and data for tests.
struct RandomProblem: CustomStringConvertible, Sendable {
  let model: GaussianMixture
  let observations: Observations
  let labels: [Int]
  let description: String

  /// A mixture of the given shape and `n` rows drawn from it. Means are about `separation` standard deviations apart.
  init(
    n: Int, d: Int, K: Int, structure: CovarianceStructure = .full, separation: Double = 3,
    seed: UInt64 = 1
  ) throws {
    model = try Self.mixture(d: d, K: K, structure: structure, separation: separation, seed: seed)
    let drawn = model.sample(n, seed: seed &+ 1000)
    observations = try Observations(drawn.observations)
    labels = drawn.labels
    description = "n=\(n) d=\(d) K=\(K) \(structure.rawValue)"
  }

  static func mixture(
    d: Int, K: Int, structure: CovarianceStructure = .full, separation: Double = 3, seed: UInt64
  ) throws -> GaussianMixture {
    var random = RandomStream(seed: seed, stream: 77)
    let rawWeights = (0..<K).map { _ in 0.2 + random.uniform() }
    let total = rawWeights.reduce(0, +)
    let means = try Matrix(
      rowCount: K, columnCount: d,
      elements: (0..<K * d).map { _ in separation * random.normal() })
    func matrix() -> Matrix {
      // A Aᵀ + I / 2 with A random: well-conditioned and correlated.
      let a = (0..<d * d).map { _ in random.normal() / Double(d).squareRoot() }
      var result = Matrix(repeating: 0, rowCount: d, columnCount: d)
      for i in 0..<d {
        for j in 0...i {
          let sum = (0..<d).reduce(i == j ? 0.5 : 0) { $0 + a[i * d + $1] * a[j * d + $1] }
          switch structure.form {
          case .full:
            result[i, j] = sum
            result[j, i] = sum
          case .diagonal: if i == j { result[i, i] = sum }
          case .scalar: if i == j { result[i, i] = i == 0 ? sum : result[0, 0] }
          }
        }
      }
      return result
    }
    let shared = matrix()
    return try GaussianMixture(
      weights: rawWeights.map { $0 / total }, means: means,
      covariances: Covariances(
        structure: structure,
        matrices: (0..<K).map { _ in
          structure.isShared ? shared : matrix().brought(to: structure, like: shared)
        }))
  }
}

extension Matrix {
  /// This covariance with the volume, shape or orientation of another, where a structure has equal ones.
  func brought(to structure: CovarianceStructure, like other: Matrix) -> Matrix {
    let sharesNothing =
      structure.volume != .equal && structure.shape != .equal && structure.orientation != .equal
    if sharesNothing { return self }
    if structure.isShared { return other }
    let d = rowCount
    let parts = [self, other].map { matrix -> (axes: [Double], values: [Double]) in
      if structure.form == .diagonal {
        return (
          (0..<d * d).map { $0 % (d + 1) == 0 ? 1 : 0 }, (0..<d).map { matrix[$0, $0] }
        )
      }
      let eigen = SymmetricEigen(
        packed: (0..<d).flatMap { i in (0...i).map { matrix[i, $0] } }, order: d
      ).descending
      return (eigen.vectors, eigen.values)
    }
    let logVolumes = parts.map { $0.values.reduce(0) { $0 + Kernels.log($1) } / Double(d) }
    let volume = Kernels.exp(logVolumes[structure.volume == .equal ? 1 : 0])
    let shape = structure.shape == .equal ? 1 : 0
    let scale = volume / Kernels.exp(logVolumes[shape])
    let packed = SymmetricEigen.compose(
      parts[shape].values.map { $0 * scale }, parts[structure.orientation == .equal ? 1 : 0].axes,
      order: d)
    var result = Matrix(repeating: 0, rowCount: d, columnCount: d)
    for i in 0..<d {
      for j in 0...i {
        result[i, j] = packed[i * (i + 1) / 2 + j]
        result[j, i] = result[i, j]
      }
    }
    return result
  }
}

/// A list of rows handed out as a source with any storage: double or single precision, by rows or by columns.
struct StridedTable: ObservationSource {
  let observationCount: Int
  let featureCount: Int
  let isFloat: Bool
  let byColumns: Bool
  private let doubles: [Double]
  private let floats: [Float]
  private let offsets: [Int]

  init(_ matrix: Matrix, isFloat: Bool, byColumns: Bool) {
    let (n, d) = (matrix.rowCount, matrix.columnCount)
    observationCount = n
    featureCount = d
    self.isFloat = isFloat
    self.byColumns = byColumns
    let ordered =
      byColumns
      ? (0..<d).flatMap { j in (0..<n).map { matrix[$0, j] } } : matrix.elements
    doubles = isFloat ? [] : ordered
    floats = isFloat ? ordered.map { Float($0) } : []
    offsets = (0..<d).map { byColumns ? $0 * n : $0 }
  }

  func withRows(_ range: Range<Int>, _ body: (StridedRows) -> Void) {
    let stride = byColumns ? 1 : featureCount
    offsets.withUnsafeBufferPointer { offsets in
      func call(_ base: UnsafeRawPointer, _ size: Int, _ element: StridedRows.Element) {
        body(
          StridedRows(
            base: base + range.lowerBound * stride * size, element: element, count: range.count,
            rowStride: stride, columnOffsets: offsets))
      }
      if isFloat {
        floats.withUnsafeBytes { call($0.baseAddress!, 4, .float32) }
      } else {
        doubles.withUnsafeBytes { call($0.baseAddress!, 8, .float64) }
      }
    }
  }
}
