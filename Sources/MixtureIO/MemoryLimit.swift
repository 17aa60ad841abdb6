// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Mixtures

/// How much memory a program may take while it reads a table and works on it.
///
/// A table that fits lies in memory, or in the mapped file if it is a NumPy array. One that does not is read in parts
/// whenever its rows are asked for: a NumPy array from its own file, text from a temporary file that holds its numbers as
/// bytes, 8 for each. Either way the rows are the same to the bit, and so is all that is made of them.
public struct MemoryLimit: Sendable {
  /// The limit for the whole program, in bytes.
  public var bytes: Int
  /// How many threads will ask for rows; each needs memory to read them into.
  public var threadCount: Int
  /// Where a temporary file may be made. It has no name once it is open, and goes with the program however that ends.
  public var temporaryFolder: String
  /// How many bytes everything beside a table of so many features takes.
  public var reservedBytes: @Sendable (_ featureCount: Int) -> Int

  /// A limit from its parts.
  public init(
    bytes: Int, threadCount: Int, temporaryFolder: String,
    reservedBytes: @escaping @Sendable (_ featureCount: Int) -> Int
  ) {
    self.bytes = bytes
    self.threadCount = threadCount
    self.temporaryFolder = temporaryFolder
    self.reservedBytes = reservedBytes
  }

  /// Whether the limit is a wish that yields to what reading in parts needs.
  private var isPreference = false

  /// Prefers to hold no more than so much of a table in memory, and makes no promise.
  public static func preferring(
    tableBytes: Int, threadCount: Int, temporaryFolder: String
  ) -> MemoryLimit {
    var limit = MemoryLimit(
      bytes: tableBytes, threadCount: threadCount, temporaryFolder: temporaryFolder,
      reservedBytes: { _ in 0 })
    limit.isPreference = true
    return limit
  }

  /// How many bytes a row of text may have: an eighth of what is left, since it may lie in memory three times while it is
  /// read.
  var longestRow: Int {
    isPreference
      ? TextWindow.longestRow : max(2 * TextWindow.usualSize, (bytes - reservedBytes(1)) / 8)
  }

  /// How many bytes are left for a table.
  ///
  /// - Parameters:
  ///   - featureCount: The number of features, d.
  ///   - leastBytes: What is needed to read such a table in parts.
  /// - Throws: ``MixtureError/Code/invalidSetting`` if less than that is left.
  func tableBytes(featureCount: Int, leastBytes: Int) throws(MixtureError) -> Int {
    if isPreference { return max(bytes, leastBytes) }
    let reserved = reservedBytes(featureCount)
    let (least, overflow) = reserved.addingReportingOverflow(leastBytes)
    guard !overflow, bytes >= least else {
      throw MixtureError(
        .invalidSetting,
        "the memory limit of \(Self.text(bytes)) is too small: with \(featureCount) "
          + "feature\(featureCount == 1 ? "" : "s") and \(threadCount) thread\(threadCount == 1 ? "" : "s") the "
          + "work takes up to \(Self.text(reserved)), and reading rows \(Self.text(leastBytes)). "
          + "Allow at least \(Self.text(overflow ? .max : least)), or use fewer components, columns or threads."
      )
    }
    return bytes - reserved
  }

  /// A number of bytes in words, rounded up to a tenth of the unit.
  public static func text(_ bytes: Int) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"]
    guard bytes >= 1024 else { return "\(bytes) bytes" }
    var unit = 0
    var scale = 1024
    while unit < 4, bytes >> 10 >= scale {
      scale <<= 10
      unit += 1
    }
    // Tenths of the unit, rounded up: rest / scale has at most 50 bits below the point, so nothing overflows.
    let (whole, rest) = bytes.quotientAndRemainder(dividingBy: scale)
    let tenths = 10 * whole + (10 * rest + scale - 1) / scale
    return "\(tenths / 10)\(tenths % 10 == 0 ? "" : ".\(tenths % 10)") \(units[unit])"
  }
}
