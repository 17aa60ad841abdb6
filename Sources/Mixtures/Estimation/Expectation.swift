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
    if annotations != nil || model.background != nil {
      return try AnnotatedRows(self, usesWeights: true).statistics(
        under: model, form: model.structure.form, threadCount: threadCount)
    }
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

  /// Packs rows; throws naming the first value that is not finite.
  func load(_ rows: Range<Int>, into workspace: Workspace) throws(MixtureError) {
    try load(rows) { workspace.pack($0) }
  }

  /// The same with any way of packing, which tells whether all numbers are finite.
  func load(_ rows: Range<Int>, _ pack: (StridedRows) -> Bool) throws(MixtureError) {
    var failure: MixtureError?
    try withRows(rows) { block in
      guard !pack(block) else { return }
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

/// The E-step of one fit, iteration after iteration: what it knows of the rows from the last one lets it leave out work
/// that could only yield zeros, and its workers' memory stays.
///
/// Leaving out changes no bit of any result, so neither does what is remembered: every call returns the same as
/// `expectation(under:threadCount:)`.
final class Expectation<Source: ObservationSource> {
  private let source: Source
  private let form: CovarianceStructure.Form
  private let threadCount: Int
  private let grid: ShardGrid
  private let isSkipping: Bool
  private var workers: [Worker]
  /// Sums that were added to others: their memory serves the next ones.
  private let spent = Lock<[SufficientStatistics]>([])
  /// The component that each row was nearest to; empty until it pays to know.
  private var labels: UnsafeMutableBufferPointer<UInt16>
  private var labelledComponents = 0
  /// While components overlap too much for skipping, how many calls pass until it is looked at again, and how many passed
  /// the last time.
  private var patience = (left: 0, whole: 1)
  /// What rows carry beside their features; nil until it is needed.
  private var annotated: AnnotatedRows<Source>?

  /// The share of responsibilities that were zero in the last call, of those that were looked at.
  private var zeroShare = 0.0

  private final class Worker {
    let workspace: Workspace
    var sparse: SparseBlock?
    var sparseBlockCount = 0
    var screened: ScreenedBlock?
    var screenedBlockCount = 0
    var zeroCount = 0
    /// How many rows' responsibilities were looked at for zeros.
    var countedRows = 0
    init(_ workspace: Workspace) { self.workspace = workspace }
  }

  /// - Parameters:
  ///   - form: The moments that are wanted, at least those of the models' structures.
  ///   - isSkipping: Whether to look for work to leave out.
  init(
    _ source: Source, form: CovarianceStructure.Form, threadCount: Int, isSkipping: Bool
  ) {
    self.source = source
    self.form = form
    self.threadCount = threadCount
    self.isSkipping = isSkipping
    grid = ShardGrid(rowCount: source.observationCount, featureCount: source.featureCount)
    workers = []
    labels = UnsafeMutableBufferPointer(start: nil, count: 0)
  }

  deinit { labels.deallocate() }

  /// How many blocks were evaluated under some of the components only.
  var sparseBlockCount: Int { workers.reduce(0) { $0 + $1.sparseBlockCount } }

  /// How many blocks were screened in single precision.
  var screenedBlockCount: Int { workers.reduce(0) { $0 + $1.screenedBlockCount } }

  /// From so many features on, single precision saves more than it costs.
  private static var screenedFeatures: Int { 32 }
  /// The share of zeros from which on screening pays: it costs half a solve for every pair, and saves one for every zero.
  private static var screenedShare: Double { 0.7 }
  /// Zeros are looked for in one of so many shards, so that rows without any pay little for it.
  private static var countedShards: Int { 8 }

  /// The statistics of all rows under a model, about the model's means.
  ///
  /// - Parameters:
  ///   - assignment: What rows count for. Work is left out for responsibilities only.
  ///   - componentNumbers: What the rows' annotations call the model's components, if not 0 ..< K.
  /// - Throws: ``MixtureError/Code/nonFiniteObservation``, or what the source throws.
  func statistics(
    under model: GaussianMixture, by assignment: Assignment = .responsibilities,
    componentNumbers: [Int]? = nil
  ) throws(MixtureError) -> SufficientStatistics {
    let K = model.componentCount
    if source.annotations != nil || model.background != nil {
      if annotated == nil { annotated = try AnnotatedRows(source, usesWeights: true) }
      return try annotated!.statistics(
        under: model, form: form, threadCount: threadCount, by: assignment,
        componentNumbers: componentNumbers)
    }
    if assignment != .responsibilities {
      return try source.statistics(about: model.means, form: form, threadCount: threadCount) {
        workspace, rows, statistics in
        workspace.computeLogJoint(model)
        workspace.assign(K, by: assignment, number: { rows.lowerBound + $0 }, into: &statistics)
      }
    }
    let threads = ThreadTeam.worthwhile(
      threadCount, rowCount: source.observationCount, componentCount: K,
      elementsPerMoment: form.elementCount(featureCount: source.featureCount))
    let candidates = candidates(under: model, threadCount: threads)
    let d = source.featureCount
    let isWide =
      isSkipping && candidates == nil && d >= Self.screenedFeatures && form == .full
      && model.structure.form == .full && source.observationCount >= 8 * d
    let single =
      isWide && zeroShare >= Self.screenedShare
      ? SingleModel(model, kernels: .active, threadCount: threads) : nil
    let pool = Lock((idle: takeWorkers(K), busy: [Worker]()))
    let blockRows = SparseBlock.rowCount(
      grid: grid, form: form, featureCount: source.featureCount)
    // Each shard's labels are touched by the one thread that has the shard.
    nonisolated(unsafe) let labels = labels.baseAddress

    let statistics = try ThreadTeam.reduceShards(
      of: grid, threadCount: threads,
      makeWorker: { _ in
        let idle = pool.withLock { $0.idle.popLast() }
        let worker =
          idle
          ?? Worker(
            Workspace(
              rowsPerBlock: grid.rowsPerBlock, featureCount: source.featureCount, componentCount: K)
          )
        pool.withLock { $0.busy.append(worker) }
        return worker
      },
      add: { (sum: inout SufficientStatistics, other: SufficientStatistics) in
        sum += other
        spent.withLock { $0.append(other) }
      }
    ) { (worker: Worker, shard) throws(MixtureError) in
      var statistics = blank(about: model.means)
      let workspace = worker.workspace
      let shardRows = grid.rows(ofShard: shard)
      guard let candidates, let labels else {
        for part in parts(ofShard: shard, isScreening: single != nil, K) {
          if let single {
            let screened =
              worker.screened ?? ScreenedBlock(workspace: workspace, grid: grid, componentCount: K)
            worker.screened = screened
            var zeroCount: Int?
            try source.withRows(part) { rows in
              zeroCount = model.withPointers { screened.add(rows, $0, single, to: &statistics) }
            }
            if let zeroCount {
              worker.screenedBlockCount += (part.count + grid.rowsPerBlock - 1) / grid.rowsPerBlock
              worker.zeroCount += zeroCount
              worker.countedRows += part.count
              continue
            }
          }
          for start in stride(from: part.lowerBound, to: part.upperBound, by: grid.rowsPerBlock) {
            let rows = start..<min(start + grid.rowsPerBlock, part.upperBound)
            try source.load(rows, into: workspace)
            workspace.computeLogJoint(model)
            workspace.normalize(K, into: &statistics)
            if isWide, shard % Self.countedShards == 0 {
              worker.zeroCount += workspace.countZeros(K)
              worker.countedRows += rows.count
            }
            workspace.accumulate(into: &statistics)
          }
        }
        workspace.finish(&statistics)
        return statistics
      }
      let sparse =
        worker.sparse
        ?? SparseBlock(workspace: workspace, grid: grid, form: form, componentCount: K)
      worker.sparse = sparse
      for start in stride(from: shardRows.lowerBound, to: shardRows.upperBound, by: blockRows) {
        let part = start..<min(start + blockRows, shardRows.upperBound)
        var isDone = false
        try source.withRows(part) { rows in
          isDone = model.withPointers {
            sparse.add(rows, $0, candidates, labels: labels + start, to: &statistics)
          }
        }
        if isDone {
          worker.sparseBlockCount += 1
          continue
        }
        for first in stride(from: start, to: part.upperBound, by: grid.rowsPerBlock) {
          let rows = first..<min(first + grid.rowsPerBlock, part.upperBound)
          try source.load(rows, into: workspace)
          workspace.computeLogJoint(model)
          workspace.normalize(K, findingLabels: true, into: &statistics)
          for (i, row) in rows.enumerated() { labels[row] = UInt16(workspace.label(i)) }
          workspace.accumulate(into: &statistics)
        }
      }
      workspace.finish(&statistics)
      return statistics
    }
    // Not after an error, which leaves half a shard in a workspace.
    workers = pool.withLock { $0.idle + $0.busy }
    let countedRows = workers.reduce(0) { $0 + $1.countedRows }
    zeroShare =
      countedRows == 0
      ? 0 : Double(workers.reduce(0) { $0 + $1.zeroCount }) / (Double(countedRows) * Double(K))
    for worker in workers { (worker.zeroCount, worker.countedRows) = (0, 0) }
    return statistics
  }

  /// The statistics of no rows, in memory that is there already if there is any.
  private func blank(about origins: Matrix) -> SufficientStatistics {
    guard var statistics = spent.withLock({ $0.popLast() }),
      statistics.componentCount == origins.rowCount
    else { return SufficientStatistics(origins: origins, form: form) }
    statistics.clear(about: origins)
    return statistics
  }

  /// What a shard is processed in: whole, or in parts that are screened.
  private func parts(ofShard shard: Int, isScreening: Bool, _ K: Int) -> [Range<Int>] {
    let rows = grid.rows(ofShard: shard)
    let most =
      isScreening
      ? ScreenedBlock.rowCount(grid: grid, featureCount: source.featureCount, componentCount: K)
      : rows.count
    return stride(from: rows.lowerBound, to: rows.upperBound, by: most).map {
      $0..<min($0 + most, rows.upperBound)
    }
  }

  /// The workers of the last call, if they are fit for K components.
  private func takeWorkers(_ K: Int) -> [Worker] {
    let fitting = workers.filter { $0.workspace.componentCount == K }
    workers = []
    return fitting
  }

  /// Which components may be left out where; nil if that is not worth it.
  private func candidates(
    under model: GaussianMixture, threadCount: Int
  ) -> CandidateComponents? {
    guard isSkipping else { return nil }
    if patience.left > 0 {
      patience.left -= 1
      return nil
    }
    guard let candidates = CandidateComponents(model, threadCount: threadCount) else {
      patience.whole = min(2 * patience.whole, 64)
      patience.left = patience.whole
      return nil
    }
    patience.whole = 1
    if labels.isEmpty {
      labels = .allocate(capacity: source.observationCount)
      labelledComponents = 0
    }
    // Other components have other numbers.
    if labelledComponents != model.componentCount {
      labels.initialize(repeating: SparseBlock.unknown)
      labelledComponents = model.componentCount
    }
    return candidates
  }
}
