// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Threads that live as long as the process and share out work.
///
/// A thread that sleeps takes some 60 µs to begin, longer than many an iteration. So threads that have finished watch for
/// more work for a moment, and only then sleep; and so does the thread that waits for them.
///
/// One caller at a time has the team. Another one that comes meanwhile, from another thread or from inside the work, does
/// its work alone: it is right all the same, and the cores are busy.
final class ThreadTeam: @unchecked Sendable {
  /// The team of this process. Its threads are made when they are first needed.
  private static let shared = ThreadTeam()

  private let isTaken = Atomic(false)
  /// The threads beside the caller's; only who has the team touches the list, or the work.
  private var members: [Member] = []
  fileprivate var work: (Int) -> Void = { _ in }
  fileprivate let unfinished = Atomic(0)
  fileprivate let caller = Sleeper()

  /// How many times a waiting thread looks before it sleeps; some 20 to 50 µs.
  fileprivate static let patience = 2000

  /// Calls `body(worker)` for each worker 0 ..< count, all at the same time; worker 0 on the calling thread. Returns when
  /// all have returned. While the team is taken, or if no more threads can be had, fewer workers are called: whoever
  /// shares out work must let any of them do all of it.
  static func run(_ count: Int, _ body: (Int) -> Void) {
    guard count > 1, shared.isTaken.exchange(true, ordering: .acquiring) == false else {
      return body(0)
    }
    defer { shared.isTaken.store(false, ordering: .releasing) }
    withoutActuallyEscaping(body) { shared.share($0, count) }
  }

  private func share(_ body: @escaping (Int) -> Void, _ count: Int) {
    while members.count < count - 1, let member = Member(number: members.count + 1, of: self) {
      members.append(member)
    }
    let helping = members.prefix(count - 1)
    work = body
    unfinished.store(helping.count, ordering: .relaxed)
    for member in helping { member.begin() }
    body(0)
    caller.wait { self.unfinished.load(ordering: .acquiring) == 0 }
    work = { _ in }
  }
}

/// One thread of a team.
private final class Member: @unchecked Sendable {
  private let number: Int
  private unowned let team: ThreadTeam
  /// How often it was told to begin.
  private let calls = Atomic(0)
  private let sleeper = Sleeper()

  /// Starts the thread; nil if the system has none to give.
  init?(number: Int, of team: ThreadTeam) {
    self.number = number
    self.team = team
    let argument = Unmanaged.passRetained(self)
    #if canImport(Darwin)
      var thread: pthread_t?
      let status = pthread_create(&thread, nil, { Member.live($0) }, argument.toOpaque())
      if status == 0, let thread { pthread_detach(thread) }
    #else
      var thread = pthread_t()
      let status = pthread_create(&thread, nil, { Member.live($0!) }, argument.toOpaque())
      if status == 0 { pthread_detach(thread) }
    #endif
    guard status == 0 else {
      argument.release()
      return nil
    }
  }

  func begin() {
    calls.add(1, ordering: .releasing)
    sleeper.wake()
  }

  private static func live(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let member = Unmanaged<Member>.fromOpaque(argument).takeRetainedValue()
    let team = member.team
    var answered = 0
    while true {
      member.sleeper.wait { member.calls.load(ordering: .acquiring) != answered }
      answered += 1
      team.work(member.number)
      if team.unfinished.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 {
        team.caller.wake()
      }
    }
  }
}

/// A thread that waits: for a moment awake, then asleep.
private final class Sleeper: @unchecked Sendable {
  private let isAsleep = Atomic(false)
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  /// Returns when `holds` does. Who makes it hold must call ``wake()`` afterwards.
  func wait(_ holds: () -> Bool) {
    for _ in 0..<ThreadTeam.patience {
      if holds() { return }
      Kernels.pause()
    }
    pthread_mutex_lock(mutex)
    isAsleep.store(true, ordering: .sequentiallyConsistent)
    // The fences on both sides order "asleep, then look" against "make it hold, then look who sleeps".
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    while !holds() { pthread_cond_wait(condition, mutex) }
    isAsleep.store(false, ordering: .relaxed)
    pthread_mutex_unlock(mutex)
  }

  func wake() {
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    guard isAsleep.load(ordering: .sequentiallyConsistent) else { return }
    pthread_mutex_lock(mutex)
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }
}

// MARK: - Pieces

extension ThreadTeam {
  /// How many of `threadCount` threads are worth sharing O(d³) arithmetic for each of `count` matrices with.
  static func worthwhile(_ threadCount: Int, matrixCount count: Int, order d: Int) -> Int {
    // About 0.005 ns for each of d³ steps, and what few features take.
    let nanoseconds = Double(count) * (100 + 0.005 * Double(d) * Double(d) * Double(d))
    return min(threadCount, count, max(1, Int(min(nanoseconds / 20_000, 1e9))))
  }

  /// Calls `body` once for each of 0 ..< count, in any order and on several threads. Returns when all have returned.
  static func forEach(_ count: Int, threadCount: Int, _ body: (Int) -> Void) {
    guard threadCount > 1, count > 1 else {
      for index in 0..<count { body(index) }
      return
    }
    let next = Atomic(0)
    run(min(threadCount, count)) { _ in
      while true {
        let index = next.add(1, ordering: .relaxed).oldValue
        guard index < count else { return }
        body(index)
      }
    }
  }

  /// `count` arrays of `size` numbers, one after the other, each filled by one call of `body` on its memory, which is not
  /// initialised.
  static func fill(
    _ count: Int, of size: Int, threadCount: Int,
    _ body: (Int, UnsafeMutableBufferPointer<Double>) -> Void
  ) -> [Double] {
    Array(unsafeUninitializedCapacity: count * size) { whole, initializedCount in
      initializedCount = count * size
      guard let start = whole.baseAddress else { return }
      forEach(count, threadCount: threadCount) { index in
        body(index, UnsafeMutableBufferPointer(start: start + index * size, count: size))
      }
    }
  }
}

// MARK: - Shards

/// A node of the tree over shards: number `index` of those that cover 2^level shards.
private struct Node: Hashable {
  var level: Int
  var index: Int
}

extension ThreadTeam {
  /// How many of `threadCount` threads are worth sharing the E-step and the moments of n rows with.
  ///
  /// To hand work to a thread that is awake and to wait for it takes about 1 µs, to wake it some 60. One row and component
  /// take about 1 ns and 0.05 ns for each element of the second moments on one core. The answer may differ from one machine
  /// to the next: it changes no bit of any result.
  static func worthwhile(
    _ threadCount: Int, rowCount: Int, componentCount: Int, elementsPerMoment: Int
  ) -> Int {
    let nanoseconds =
      Double(rowCount) * Double(componentCount) * (1 + 0.05 * Double(elementsPerMoment))
    return min(threadCount, max(1, Int(min(nanoseconds / 20_000, 1e9))))
  }

  /// Calls `work(worker, shard)` for every shard, each once, with at most `threadCount` workers at a time; a worker is
  /// never called by two threads at once. `makeWorker` is given the worker's number, below `threadCount`, on its own
  /// thread. After a call throws, no later shard is begun; the error of the first shard that failed is thrown.
  static func forEachShard<Worker>(
    of grid: ShardGrid, threadCount: Int, makeWorker: (Int) -> Worker,
    _ work: (Worker, Int) throws(MixtureError) -> Void
  ) throws(MixtureError) {
    let next = Atomic(0)
    let failure = Lock<(shard: Int, error: MixtureError)?>(nil)

    run(max(1, min(threadCount, grid.shardCount))) { number in
      var worker: Worker?
      while true {
        let shard = next.add(1, ordering: .relaxed).oldValue
        guard shard < grid.shardCount else { return }
        if worker == nil { worker = makeWorker(number) }
        do throws(MixtureError) {
          try work(worker!, shard)
        } catch {
          next.store(grid.shardCount, ordering: .relaxed)
          failure.withLock { if $0.map({ shard < $0.shard }) ?? true { $0 = (shard, error) } }
          return
        }
      }
    }
    if let (_, error) = failure.withLock({ $0 }) { throw error }
  }

  /// The sum of what each shard yields, added pairwise in a fixed tree: shards 2i and 2i + 1, then pairs of pairs.
  /// Sums are added as soon as both sides exist, so that about log₂(shards) + threads of them are alive at once.
  static func reduceShards<Worker, Sum>(
    of grid: ShardGrid, threadCount: Int, makeWorker: (Int) -> Worker,
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
          var other: Sum? = waiting.withLock { table in
            if let other = table.removeValue(forKey: sibling) { return other }
            table[node] = sum
            return nil
          }
          // Each sum has one owner, so that adding to it copies nothing.
          if other == nil { return }
          if sibling.index < node.index { swap(&sum, &other!) }
          add(&sum, other!)
        }
        node = Node(level: node.level + 1, index: node.index / 2)
        width = (width + 1) / 2
      }
      whole.withLock { $0 = sum }
    }
    return whole.withLock { $0 }!
  }
}
