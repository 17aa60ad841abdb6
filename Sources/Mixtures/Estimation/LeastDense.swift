// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension ObservationSource {
  /// The rows with the least density under a model, least first and all different: components that began on equal rows
  /// would stay equal for ever.
  ///
  /// - Complexity: One pass over the rows; memory O((log shards + threads)·count·d), never n.
  func leastDense(
    _ count: Int, under model: GaussianMixture, threadCount: Int
  ) throws(MixtureError) -> [Int] {
    if model.isAnnotated(self) {
      return try leastDenseAnnotated(count, under: model, threadCount: threadCount)
    }
    let grid = ShardGrid(rowCount: observationCount, featureCount: featureCount)
    return try ThreadTeam.reduceShards(
      of: grid, threadCount: threadCount,
      makeWorker: { _ in
        Workspace(
          rowsPerBlock: grid.rowsPerBlock, featureCount: featureCount,
          componentCount: model.componentCount)
      },
      add: { $0.add($1) }
    ) { (workspace: Workspace, shard) throws(MixtureError) in
      var least = LeastDenseRows(limit: count)
      for rows in grid.blocks(ofShard: shard) {
        try load(rows, into: workspace)
        workspace.computeLogJoint(model)
        workspace.normalize(model.componentCount)
        for i in 0..<rows.count where least.wants(workspace.logDensity(i)) {
          least.add(
            LeastDenseRows.Row(
              index: rows.lowerBound + i, logDensity: workspace.logDensity(i),
              values: try row(rows.lowerBound + i)))
        }
      }
      return least
    }.rows.map(\.index)
  }

  /// The same of rows that carry more than their features. Only plain rows can say where a component is to begin.
  private func leastDenseAnnotated(
    _ count: Int, under model: GaussianMixture, threadCount: Int
  ) throws(MixtureError) -> [Int] {
    let columnCount = model.componentCount + (model.background == nil ? 0 : 1)
    // Rows come in any order from several threads, so their densities are kept for one look at the end.
    let densities = Lock([(row: Int, logDensity: Double)]())
    let rows = try AnnotatedRows(self, usesWeights: true)
    try rows.forEachPiece(under: model, threadCount: threadCount) { piece in
      guard piece.kind == 0 else { return }
      piece.workspace.normalize(columnCount)
      let part = piece.rows.enumerated().map { position, row in
        (row: piece.start + Int(row), logDensity: piece.workspace.logDensity(position))
      }
      densities.withLock { $0 += part }
    }
    var least = LeastDenseRows(limit: count)
    for entry in densities.withLock({ $0 }).sorted(by: { $0.row < $1.row })
    where least.wants(entry.logDensity) {
      least.add(
        LeastDenseRows.Row(
          index: entry.row, logDensity: entry.logDensity, values: try row(entry.row)))
    }
    return least.rows.map(\.index)
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
