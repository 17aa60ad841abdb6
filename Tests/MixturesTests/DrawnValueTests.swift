// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Mixtures
import Testing

@Suite("Values that are drawn for missing cells")
struct DrawnValueTests {
  @Test("the rows of a slice are drawn as in the whole table, so a table in parts repeats nothing")
  func slices() throws {
    let model = try GaussianMixture(
      weights: [0.5, 0.5], means: Matrix(rows: [[0, 0], [4, 4]]),
      covariances: Covariances(
        structure: .full,
        matrices: Array(repeating: Matrix(rows: [[1, 0.5], [0.5, 1]]), count: 2)))
    let rows = (0..<20).map { $0 % 2 == 0 ? [.nan, 1.5] : [Double($0), .nan] }
    let table = try Observations(
      Matrix(rows: rows), annotations: RowAnnotations(allowsMissing: true))
    let whole = try model.drawnValues(of: table, seed: 5)
    let parts = try [0..<8, 8..<20].flatMap {
      try model.drawnValues(of: RowSlice(table, rows: $0), seed: 5).elements
    }
    #expect(parts == whole.elements)
    #expect(Set(parts).count > 30)
    // Rows of which limits are known too.
    let limits = CensoringLimits(
      lower: Matrix(repeating: 1, rowCount: 20, columnCount: 2),
      upper: Matrix(repeating: 3, rowCount: 20, columnCount: 2))
    let limited = try Observations(
      Matrix(rows: rows), annotations: RowAnnotations(limits: limits))
    let all = try model.drawnValues(of: limited, seed: 5)
    #expect(
      try [0..<8, 8..<20].flatMap {
        try model.drawnValues(of: RowSlice(limited, rows: $0), seed: 5).elements
      } == all.elements)
  }
}
