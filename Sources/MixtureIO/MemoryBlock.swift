// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Memory outside the Swift heap, given back when the last reference goes: a mapped file, pages that exist once they
/// are written, or memory from the C allocator.
///
/// Blocks are written only before they are shared.
final class MemoryBlock: @unchecked Sendable {
  /// The first byte.
  private(set) var base: UnsafeMutableRawPointer
  /// The number of usable bytes; at least ``DecimalNumber/padding`` readable zero bytes follow those of a file.
  private(set) var count: Int
  private var mappedLength: Int?

  /// Room for `capacity` bytes that takes memory only as it is written; nil if the system has no such room.
  init?(reserving capacity: Int) {
    guard let length = Self.wholePages(capacity),
      let base = Self.reserve(length)
    else { return nil }
    self.base = base
    count = capacity
    mappedLength = length
  }

  /// The content of an open regular file of `count` > 0 bytes; nil if it cannot be mapped.
  init?(mapping descriptor: Int32, count: Int) {
    // The file lies over the front of a larger anonymous mapping, so that the bytes behind it can be read.
    guard let length = Self.wholePages(count), let base = Self.reserve(length) else { return nil }
    guard
      mmap(base, count, PROT_READ, MAP_PRIVATE | MAP_FIXED, descriptor, 0) != MAP_FAILED
    else {
      munmap(base, length)
      return nil
    }
    self.base = base
    self.count = count
    mappedLength = length
  }

  /// Memory for `capacity` bytes from the C allocator; nil if there is none.
  init?(allocating capacity: Int) {
    guard let base = malloc(max(capacity, 1)) else { return nil }
    self.base = base
    count = capacity
  }

  /// Growing memory of `count` = 0 bytes; nil if there is none.
  init?(growingFrom capacity: Int) {
    guard let base = malloc(capacity + DecimalNumber.padding) else { return nil }
    self.base = base
    count = 0
  }

  /// Makes room for `capacity` bytes in growing memory; false if there is none.
  func grow(to capacity: Int) -> Bool {
    guard mappedLength == nil, let base = realloc(base, capacity + DecimalNumber.padding) else {
      return false
    }
    self.base = base
    return true
  }

  /// Fixes the number of bytes in growing memory, and gives back what is not needed.
  func finish(count: Int) {
    _ = grow(to: count)
    self.count = count
    memset(base + count, 0, DecimalNumber.padding)
  }

  /// Keeps the first `count` bytes of reserved memory and gives back the pages behind them.
  func trim(to count: Int) {
    guard let length = mappedLength, let kept = Self.wholePages(count), kept < length else {
      return
    }
    munmap(base + kept, length - kept)
    mappedLength = kept
    self.count = count
  }

  deinit {
    if let mappedLength {
      munmap(base, mappedLength)
    } else {
      free(base)
    }
  }

  /// Whole pages for `count` bytes and one more page; nil if that is no number.
  private static func wholePages(_ count: Int) -> Int? {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let (sum, overflow) = count.addingReportingOverflow(2 * page - 1)
    return overflow || count < 0 ? nil : sum / page * page
  }

  private static func reserve(_ length: Int) -> UnsafeMutableRawPointer? {
    #if canImport(Darwin)
      let flags = MAP_PRIVATE | MAP_ANON | MAP_NORESERVE
    #else
      let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    #endif
    let base = mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0)
    return base == MAP_FAILED ? nil : base
  }
}
