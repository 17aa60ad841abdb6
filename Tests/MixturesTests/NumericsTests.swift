// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

@Suite("Linear algebra") struct LinearAlgebraTests {
  /// A random symmetric positive definite matrix, packed, with a condition number of about 10^(2·spread).
  func randomMatrix(order d: Int, spread: Double, seed: UInt64) -> [Double] {
    var random = RandomStream(seed: seed)
    let a = (0..<d * d).map { _ in random.normal() }
    return (0..<d).flatMap { i in
      (0...i).map { j in
        let sum = (0..<d).reduce(0) { $0 + a[i * d + $1] * a[j * d + $1] }
        let scale = { (index: Int) in Kernels.exp(spread * Double(index) / Double(d)) }
        return (sum + (i == j ? 0.1 : 0)) * scale(i) * scale(j)
      }
    }
  }

  @Test(
    "the Cholesky factor multiplies back to the matrix, and its determinant is the eigenvalues' product",
    arguments: [1, 2, 3, 7, 16, 33])
  func cholesky(d: Int) throws {
    let matrix = randomMatrix(order: d, spread: 5, seed: UInt64(d))
    let cholesky = try #require(Cholesky(packed: matrix, order: d))
    let element = { (i: Int, j: Int) -> Double in
      let value = cholesky.factor[i * (i + 1) / 2 + j]
      return i == j ? 1 / value : value
    }
    for i in 0..<d {
      for j in 0...i {
        let product = (0...j).reduce(0) { $0 + element(i, $1) * element(j, $1) }
        let size = (matrix[i * (i + 3) / 2] * matrix[j * (j + 3) / 2]).squareRoot()
        #expect(abs(product - matrix[i * (i + 1) / 2 + j]) <= Double(d + 2) * .ulpOfOne * size)
      }
    }
    let eigenvalues = SymmetricEigen(packed: matrix, order: d).values
    #expect(eigenvalues.allSatisfy { $0 > 0 })
    let logDeterminant = eigenvalues.reduce(0) { $0 + Kernels.log($1) }
    #expect(abs(cholesky.logDeterminant - logDeterminant) < 1e-10 * Double(d))
    let x = (0..<d).map { Double($0) - 1.5 }
    for (a, b) in zip(cholesky.solveLower(cholesky.multiply(x)), x) { #expect(abs(a - b) < 1e-9) }
    // Errors of a solve are those of the matrix times its condition number, here the square of the factor's.
    let condition = eigenvalues.max()! / eigenvalues.min()!
    let full = { (a: [Double], i: Int, j: Int) in a[max(i, j) * (max(i, j) + 1) / 2 + min(i, j)] }
    let b = (0..<d).map { i in (0..<d).reduce(0) { $0 + full(matrix, i, $1) * x[$1] } }
    let inverse = cholesky.inverse
    let solution = cholesky.solve(b)
    for i in 0..<d {
      let product = (0..<d).reduce(0) { $0 + full(inverse, i, $1) * b[$1] }
      #expect(abs(solution[i] - x[i]) < Double((d + 4) * (d + 4)) * .ulpOfOne * condition)
      #expect(abs(product - x[i]) < Double((d + 4) * (d + 4) * d) * .ulpOfOne * condition)
    }
  }

  @Test("matrices that are not positive definite have no Cholesky factor")
  func indefinite() {
    #expect(Cholesky(packed: [1, 2, 1], order: 2) == nil)
    #expect(Cholesky(packed: [0], order: 1) == nil)
    #expect(Cholesky(packed: [1, 1, 1], order: 2) == nil)
    #expect(Cholesky(packed: [1, .nan, 1], order: 2) == nil)
    #expect(Cholesky(packed: [1, 1 - 1e-13, 1], order: 2) != nil)
    #expect(Cholesky(packed: [1, 1 - 1e-13, 1], order: 2, tolerance: 1e-12) == nil)
  }

  @Test("eigenvectors are orthonormal and diagonalise the matrix", arguments: [1, 2, 5, 12])
  func eigen(d: Int) {
    let matrix = randomMatrix(order: d, spread: 1, seed: UInt64(50 + d))
    let eigen = SymmetricEigen(packed: matrix, order: d)
    let scale = eigen.values.max()!
    for i in 0..<d {
      for j in 0...i {
        let rebuilt = (0..<d).reduce(0) {
          $0 + eigen.values[$1] * eigen.vectors[i * d + $1] * eigen.vectors[j * d + $1]
        }
        #expect(abs(rebuilt - matrix[i * (i + 1) / 2 + j]) < 1e-13 * scale)
        let product = (0..<d).reduce(0) {
          $0 + eigen.vectors[$1 * d + i] * eigen.vectors[$1 * d + j]
        }
        #expect(abs(product - (i == j ? 1 : 0)) < 1e-13)
      }
    }
    let descending = eigen.descending
    #expect(descending.values == eigen.values.sorted(by: >))
    let rebuilt = SymmetricEigen.compose(descending.values, descending.vectors, order: d)
    for (a, b) in zip(rebuilt, matrix) { #expect(abs(a - b) < 1e-13 * scale) }
  }
}

@Suite("k-means") struct KMeansTests {
  @Test("well-separated groups are found, and every centroid is the mean of its rows")
  func findsGroups() throws {
    let corners = [[0.0, 0], [0, 50], [70, 0], [70, 50], [35, 25]]
    var random = RandomStream(seed: 1)
    let rows = (0..<500).map { row in corners[row % 5].map { $0 + random.normal() } }
    let data = try Observations(rows: rows)
    let scale = try DataScale(data, form: .diagonal, threadCount: 2)
    for seed in UInt64(0)...9 {
      var stream = RandomStream(seed: seed)
      let part = try DrawnPart(data, limit: 500, scale: scale, random: &stream)
      let centroids = part.original(
        try KMeans(part.standardized, count: 5, threadCount: 2, random: &stream).centroids)
      for (index, corner) in corners.enumerated() {
        let members = rows.enumerated().filter { $0.offset % 5 == index }.map(\.element)
        let mean = (0..<2).map { j in members.reduce(0) { $0 + $1[j] } / 100 }
        let nearest = (0..<5).map { k in
          abs(centroids[k, 0] - mean[0]) + abs(centroids[k, 1] - mean[1])
        }.min()!
        #expect(nearest < 1e-10, "corner \(corner), seed \(seed)")
      }
    }
  }

  @Test("features without variance and equal rows do no harm")
  func degenerate() throws {
    var random = RandomStream(seed: 3)
    let data = try Observations(rows: (0..<20).map { [Double($0 % 2), 5] })
    let scale = try DataScale(data, form: .diagonal, threadCount: 2)
    let part = try DrawnPart(data, limit: 20, scale: scale, random: &random)
    let centroids = part.original(
      try KMeans(part.standardized, count: 4, threadCount: 2, random: &random).centroids)
    #expect(Set((0..<4).map { centroids[$0, 0] }).isSubset(of: [0, 1]))
    for element in centroids.elements { #expect(element.isFinite) }
  }

  @Test("the part of a long table has one row from each equal stretch")
  func drawnPart() throws {
    let data = try Observations(rows: (0..<1003).map { [Double($0)] })
    var random = RandomStream(seed: 3)
    let scale = try DataScale(data, form: .diagonal, threadCount: 2)
    let part = try DrawnPart(data, limit: 10, scale: scale, random: &random)
    for i in 0..<10 {
      let value = part.rows.matrix[i, 0]
      #expect(value >= Double(i * 1003 / 10) && value < Double((i + 1) * 1003 / 10))
    }
    #expect(try DrawnPart(data, limit: 5000, scale: scale, random: &random).rows == data)
  }
}

@Suite("Data scale") struct DataScaleTests {
  @Test("means and variances keep their digits at an offset of 1e8")
  func offset() throws {
    var random = RandomStream(seed: 8)
    let rows = (0..<3000).map { _ in [(random.normal() * 1024).rounded() / 1024, 1] }
    let near = try DataScale(Observations(rows: rows), form: .full, threadCount: 2)
    let far = try DataScale(
      Observations(rows: shifted(rows, by: 1e8)), form: .full, threadCount: 2)
    #expect(relativeDifference(near.variances[0], far.variances[0]) < 1e-13)
    #expect(abs(far.means[0] - 1e8 - near.means[0]) < 3e-8)
    #expect(far.variances[1] == 0)
  }

  @Test("different rows are counted up to the limit; −0 is 0")
  func distinctRows() throws {
    let data = try Observations(rows: (0..<1000).map { [Double($0 % 7), $0 % 2 == 0 ? 0 : -0.0] })
    #expect(try data.distinctRowCount(upTo: 100) == 7)
    #expect(try data.distinctRowCount(upTo: 3) == 3)
  }
}
