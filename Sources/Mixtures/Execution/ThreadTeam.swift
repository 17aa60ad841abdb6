// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization

/// A node of the tree over shards: number `index` of those that cover 2^level shards.
private struct Node: Hashable {
  var level: Int
  var index: Int
}

/// Lets several threads call what the compiler cannot see is safe to call from them: the two closures of
/// ``ThreadTeam``, whose contract says that they are.
private struct Shared<Value>: @unchecked Sendable {
  let value: Value
}

/// The threads that share out shards, and the tree that adds up what the shards yield.
enum ThreadTeam {
  /// Calls `work(worker, shard)` for every shard, each once, with at most `threadCount` workers at a time; a worker is
  /// never called by two threads at once. After a call throws, no later shard is begun; the error of the first shard
  /// that failed is thrown.
  static func forEachShard<Worker>(
    of grid: ShardGrid, threadCount: Int, makeWorker: () -> Worker,
    _ work: (Worker, Int) throws(MixtureError) -> Void
  ) throws(MixtureError) {
    let workerCount = max(1, min(threadCount, grid.shardCount))
    let next = Atomic(0)
    let failure = Lock<(shard: Int, error: MixtureError)?>(nil)

    func drain() {
      let worker = makeWorker()
      while true {
        let shard = next.add(1, ordering: .relaxed).oldValue
        guard shard < grid.shardCount else { return }
        do throws(MixtureError) {
          try work(worker, shard)
        } catch {
          next.store(grid.shardCount, ordering: .relaxed)
          failure.withLock { if $0.map({ shard < $0.shard }) ?? true { $0 = (shard, error) } }
          return
        }
      }
    }

    if workerCount == 1 {
      drain()
    } else {
      withoutActuallyEscaping(drain) { drain in
        let shared = Shared(value: drain)
        DispatchQueue.concurrentPerform(iterations: workerCount) { _ in shared.value() }
      }
    }
    if let (_, error) = failure.withLock({ $0 }) { throw error }
  }

  /// The sum of what each shard yields, added pairwise in a fixed tree: shards 2i and 2i + 1, then pairs of pairs.
  /// Sums are added as soon as both sides exist, so that about log₂(shards) + threads of them are alive at once.
  static func reduceShards<Worker, Sum>(
    of grid: ShardGrid, threadCount: Int, makeWorker: () -> Worker,
    add: (inout Sum, Sum) -> Void,
    _ work: (Worker, Int) throws(MixtureError) -> Sum
  ) throws(MixtureError) -> Sum {
    let waiting = Lock<[Node: Sum]>([:])
    let whole = Lock<Sum?>(nil)

    try forEachShard(of: grid, threadCount: threadCount, makeWorker: makeWorker) {
      (worker, shard) throws(MixtureError) in
      var sum = try work(worker, shard)
      var node = Node(level: 0, index: shard)
      // The number of nodes on this node's level; the last may stand for a single child.
      var width = grid.shardCount
      while width > 1 {
        let sibling = Node(level: node.level, index: node.index ^ 1)
        if sibling.index < width {
          let other: Sum? = waiting.withLock { table in
            if let other = table.removeValue(forKey: sibling) { return other }
            table[node] = sum
            return nil
          }
          guard var left = other else { return }
          var right = sum
          if sibling.index > node.index { swap(&left, &right) }
          add(&left, right)
          sum = left
        }
        node = Node(level: node.level + 1, index: node.index / 2)
        width = (width + 1) / 2
      }
      whole.withLock { $0 = sum }
    }
    return whole.withLock { $0 }!
  }
}
