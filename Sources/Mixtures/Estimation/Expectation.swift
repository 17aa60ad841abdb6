// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Passes over the rows of a source: shard by shard, block by block, on several threads.

extension ObservationSource {
  /// The E-step: the statistics of all rows under a model, about the model's means.
  ///
  /// - Throws: ``MixtureError/Code/nonFiniteObservation``, or what the source throws.
  /// - Complexity: O(n·K·d²) for full covariances, O(n·K·d) otherwise; memory O(threads · K·d²), never n · K.
  func expectation(
    under model: GaussianMixture, threadCount: Int, kernels: Kernels = .active
  ) throws(MixtureError) -> SufficientStatistics {
    let K = model.componentCount
    return try statistics(
      about: model.means, form: model.structure.form, threadCount: threadCount, kernels: kernels
    ) { workspace, _, statistics in
      workspace.computeLogJoint(model)
      workspace.normalize(K, into: &statistics)
    }
  }

  /// Statistics about the given origins, by responsibilities that `assign` leaves in the workspace for each block.
  func statistics(
    about origins: Matrix, form: CovarianceStructure.Form, threadCount: Int,
    kernels: Kernels = .active,
    _ assign: (Workspace, Range<Int>, inout SufficientStatistics) -> Void
  ) throws(MixtureError) -> SufficientStatistics {
    let grid = ShardGrid(rowCount: observationCount, featureCount: featureCount)
    return try ThreadTeam.reduceShards(
      of: grid,
      threadCount: ThreadTeam.worthwhile(
        threadCount, rowCount: observationCount, componentCount: origins.rowCount,
        elementsPerMoment: form.elementCount(featureCount: featureCount)),
      makeWorker: { _ in
        Workspace(
          rowsPerBlock: grid.rowsPerBlock, featureCount: featureCount,
          componentCount: origins.rowCount, kernels: kernels)
      },
      add: { $0 += $1 }
    ) { (workspace: Workspace, shard) throws(MixtureError) in
      var statistics = SufficientStatistics(origins: origins, form: form)
      for rows in grid.blocks(ofShard: shard) {
        try load(rows, into: workspace)
        assign(workspace, rows, &statistics)
        workspace.accumulate(into: &statistics)
      }
      workspace.finish(&statistics)
      return statistics
    }
  }

  /// Calls `body` once for each block of rows, on several threads, with the block packed.
  func forEachBlock(
    componentCount: Int, threadCount: Int?, _ body: (Workspace, Range<Int>) -> Void
  ) throws(MixtureError) {
    let grid = ShardGrid(rowCount: observationCount, featureCount: featureCount)
    try ThreadTeam.forEachShard(
      of: grid, threadCount: threadCount ?? Kernels.processorCount,
      makeWorker: { _ in
        Workspace(
          rowsPerBlock: grid.rowsPerBlock, featureCount: featureCount,
          componentCount: componentCount)
      }
    ) { (workspace: Workspace, shard) throws(MixtureError) in
      for rows in grid.blocks(ofShard: shard) {
        try load(rows, into: workspace)
        body(workspace, rows)
      }
    }
  }

  /// Packs rows; throws naming the first value that is not finite.
  func load(_ rows: Range<Int>, into workspace: Workspace) throws(MixtureError) {
    var failure: MixtureError?
    try withRows(rows) { block in
      guard !workspace.pack(block) else { return }
      for row in 0..<block.count {
        for column in 0..<featureCount where !block[row, column].isFinite {
          failure = .nonFinite(
            block[row, column], row: firstRowNumber + rows.lowerBound + row,
            feature: describeFeature(column))
          return
        }
      }
    }
    if let failure { throw failure }
  }
}
