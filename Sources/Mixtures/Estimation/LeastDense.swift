// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension ObservationSource {
  /// The rows with the least density under a model, least first and all different: components that began on equal rows
  /// would stay equal for ever.
  ///
  /// - Complexity: One pass over the rows; memory O((log shards + threads)·count·d), never n.
  func leastDense(
    _ count: Int, under model: GaussianMixture, threadCount: Int
  ) throws(MixtureError) -> [Int] {
    try AnnotatedRows(self, usesWeights: true).reducePieces(
      under: model, threadCount: threadCount, start: { LeastDenseRows(limit: count) },
      add: { $0.add($1) }
    ) { piece, columnCount, least in
      // Only plain rows can say where a component is to begin.
      guard piece.kind == 0 else { return }
      let workspace = piece.workspace
      workspace.normalize(columnCount)
      for (position, row) in piece.rows.enumerated()
      where least.wants(workspace.logDensity(position)) {
        least.add(
          LeastDenseRows.Row(
            index: piece.start + Int(row), logDensity: workspace.logDensity(position),
            values: (0..<featureCount).map { workspace.element(position, $0) }))
      }
    }.rows.map(\.index)
  }
}

/// The different rows of least density among those that were added, ordered by density and then by index. Rows are added
/// in the order of their indices.
///
/// Equal rows have equal densities. So a row of the whole table's selection is the first of its kind, in the table and in
/// its shard, and fewer than `limit` different rows come before it in either: what each shard keeps is enough.
private struct LeastDenseRows {
  struct Row {
    let index: Int
    let logDensity: Double
    let values: [Double]
  }

  let limit: Int
  private(set) var rows: [Row] = []

  init(limit: Int) { self.limit = limit }

  /// Whether a row of this density, later than all others, may belong here.
  func wants(_ logDensity: Double) -> Bool {
    rows.count < limit || logDensity < (rows.last?.logDensity ?? -.infinity)
  }

  mutating func add(_ row: Row) {
    guard wants(row.logDensity), !rows.contains(where: { $0.values == row.values }) else { return }
    // Behind those of equal density, whose indices are smaller.
    let place = rows.firstIndex { $0.logDensity > row.logDensity } ?? rows.count
    rows.insert(row, at: place)
    if rows.count > limit { rows.removeLast() }
  }

  mutating func add(_ later: LeastDenseRows) {
    for row in later.rows { add(row) }
  }
}
