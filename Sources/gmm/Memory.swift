// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// How much memory the command may take, and how much it takes beside its table.

import ArgumentParser
import Foundation
import MixtureIO
import Mixtures

/// A number of bytes: `1500000`, `512M`, `2G`, `1.5GiB`, `2GB`.
///
/// K, M, G and T count in steps of 1024, as do KiB and so on; KB, MB, GB and TB in steps of 1000.
struct ByteCount: ExpressibleByArgument {
  let bytes: Int

  init?(argument: String) {
    let number = argument.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = argument.dropFirst(number.count).lowercased()
    guard let value = Double(number), let scale = Self.scale(unit) else { return nil }
    let bytes = (value * scale).rounded()
    guard bytes >= 1, bytes < 0x1p62 else { return nil }
    self.bytes = Int(bytes)
  }

  private static func scale(_ unit: String) -> Double? {
    if unit.isEmpty || unit == "b" { return 1 }
    guard let prefix = unit.first, let power = Array("kmgt").firstIndex(of: prefix) else {
      return nil
    }
    switch unit.dropFirst() {
    case "", "i", "ib": return pow(1024, Double(power + 1))
    case "b": return pow(1000, Double(power + 1))
    default: return nil
    }
  }
}

/// The memory of the command beside its table: an estimate that is not exceeded.
struct WorkingMemory: Sendable {
  var componentCount = 1
  var form = CovarianceStructure.Form.full
  var threadCount: Int
  /// How many numbers of results are held for each row, and for how many rows at a time.
  var results = (rows: 0, columns: 0)
  /// Whether rows are drawn for k-means.
  var drawsRows = false
  /// How many models are kept to be shown.
  var keptModels = 0
  /// How many pictures and pages are made.
  var pictureCount = 0
  /// How many records of iterations are kept.
  var recordCount = 0
  /// How many bytes of what rows carry lie in memory beside the table.
  var carriedBytes = 0
  /// Whether rows may differ in what of them is known.
  var hasGaps = false
  /// How many projections rows hold, each of which has factors of its own.
  var projectionCount = 0
  /// What is asked of k-means.
  var kMeans = KMeansSettings()

  /// The estimate for a table of so many features, in bytes.
  func bytes(featureCount: Int) -> Int {
    let (K, d, threads) = (Double(componentCount), Double(featureCount), Double(threadCount))
    let elements: Double =
      switch form {
      case .full: d * (d + 1) / 2
      case .diagonal: d
      case .scalar: 1
      }
    let rows: Double = d <= 32 ? 256 : d <= 128 ? 128 : 64
    // A worker's block, its responsibilities, and the kernels' scratch.
    let workspaces = threads * (rows * (3 * (d + 8) + K + 6) + 48 * d)
    // Of the tree over shards about one sum for each level is waiting, and each thread makes one.
    let statistics = (threads + 24) * K * (1 + d + elements)
    let models = (12 + Double(keptModels)) * K * (1 + d + 2 * elements)
    let drawnRows = max(16_384, 256 * K, Double(kMeans.rowLimit ?? 0))
    let drawn = drawsRows ? drawnRows * (4 * d + 20 + Double(kMeans.candidateCount ?? 0)) : 0
    let kept = 3 * Double(results.rows) * Double(results.columns) + Double(recordCount) * (K + 16)
    // Factors of the measurements that many rows share, and the part of the table that starts are sought on.
    let gaps =
      hasGaps ? (65_536 + 128 * d * d + threads * 8 * d * d) * (K + 1) * 3 + 3 * drawn : 0
    let projected = Double(projectionCount) * (K * (3 * d * d + 4 * d + 24) + 2 * d * d + 32)
    let numbers = workspaces + statistics + models + drawn + kept + gaps + projected
    let mebibyte = 1_048_576.0
    // The program itself, each thread's share of the allocator, and the text of pages with up to 20,000 drawn rows.
    let rest = (28 + threads + 48 * Double(pictureCount)) * mebibyte
    return Int(min(8 * numbers + rest + Double(carriedBytes), 0x1p61))
  }

  /// The limit that this sets for a table.
  ///
  /// - Parameter limit: The limit for the whole command; nil prefers to hold no more than 256 MiB of the table.
  func limit(_ limit: ByteCount?) -> MemoryLimit {
    let folder = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
    guard let limit else {
      return .preferring(tableBytes: 1 << 28, threadCount: threadCount, temporaryFolder: folder)
    }
    return MemoryLimit(
      bytes: limit.bytes, threadCount: threadCount, temporaryFolder: folder,
      reservedBytes: { bytes(featureCount: $0) })
  }
}
