// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How n rows are cut into shards and shards into blocks, and in which order their sums are added.
///
/// Everything here is a function of n and d alone, never of the number of threads, so that results have the same bits
/// however the work is shared out.
struct ShardGrid: Sendable {
  let rowCount: Int
  let rowsPerShard: Int
  let rowsPerBlock: Int

  /// The largest number of rows in one kernel call.
  static func rowsPerBlock(featureCount: Int) -> Int {
    featureCount <= 32 ? 256 : featureCount <= 128 ? 128 : 96
  }

  init(rowCount: Int, featureCount: Int) {
    self.rowCount = rowCount
    // Enough shards to share out, none so small that adding its sums, some d² of them for each component, costs more than
    // making them.
    let even = (rowCount + 63) / 64
    rowsPerShard = min((max(even, 4 * featureCount, 1) + 255) / 256 * 256, 4096)
    rowsPerBlock = Self.rowsPerBlock(featureCount: featureCount)
  }

  var shardCount: Int { (rowCount + rowsPerShard - 1) / rowsPerShard }

  /// The rows of one shard.
  func rows(ofShard shard: Int) -> Range<Int> {
    shard * rowsPerShard..<min((shard + 1) * rowsPerShard, rowCount)
  }

  /// The blocks that one shard is processed in.
  func blocks(ofShard shard: Int) -> some Sequence<Range<Int>> {
    let rows = rows(ofShard: shard)
    return stride(from: rows.lowerBound, to: rows.upperBound, by: rowsPerBlock).lazy.map {
      $0..<min($0 + rowsPerBlock, rows.upperBound)
    }
  }
}
