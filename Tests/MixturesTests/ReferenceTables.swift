// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures

/// The tables in References, as the tests want them.
enum ReferenceTables {
  /// Old Faithful: eruptions, waiting; 272 rows.
  static let faithful = load("faithful").rows
  /// Old Faithful's partition by eruptions > 3.
  static let faithfulLabels = faithful.map { $0[0] > 3 ? 1 : 0 }
  /// Iris: four lengths; 150 rows.
  static let iris = load("iris").rows
  /// Iris species, numbered in order of first appearance.
  static let irisLabels: [Int] = {
    var seen: [String] = []
    return load("iris").lastColumn.map { species in
      if let index = seen.firstIndex(of: species) { return index }
      seen.append(species)
      return seen.count - 1
    }
  }()

  /// Attitude: seven percentages; 30 rows.
  static let attitude = load("attitude").rows
  /// Swiss: six percentages; 47 rows.
  static let swiss = load("swiss").rows

  private static func load(_ name: String) -> (rows: [[Double]], lastColumn: [String]) {
    let url = Bundle.module.url(
      forResource: name, withExtension: "csv", subdirectory: "References")!
    let lines = try! String(contentsOf: url, encoding: .utf8).split(whereSeparator: \.isNewline)
    let cells = lines.dropFirst().map { $0.split(separator: ",").map(String.init) }
    return (cells.map { $0.compactMap { Double($0) } }, cells.map { $0.last! })
  }
}

/// Rows with a constant added to every element.
func shifted(_ rows: [[Double]], by offset: Double) -> [[Double]] {
  rows.map { $0.map { $0 + offset } }
}

/// The difference of two numbers relative to the larger, or to 1 if both are smaller.
func relativeDifference(_ a: Double, _ b: Double) -> Double {
  abs(a - b) / max(abs(a), abs(b), 1)
}
