// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import MixtureIO
import Mixtures
import Testing

/// A folder that goes when it is no longer referred to.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "mixture-io-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// Writes a file and returns its path.
  func file(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let file = "\(path)/\(name)"
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }

  /// Writes a text file and returns its path.
  func file(_ name: String, _ text: String) throws -> String {
    try file(name, text.utf8)
  }

  /// The names of all files in it, hidden ones too.
  var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  func text(_ name: String) throws -> String {
    try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
  }
}

/// The error that `body` throws, with the folder's path taken out of its message.
func failure<T>(
  in folder: TemporaryFolder? = nil, _ body: () throws -> T
) -> MixtureError? {
  do {
    _ = try body()
    return nil
  } catch let error as MixtureError {
    guard let folder else { return error }
    return MixtureError(
      error.code, error.message.replacingOccurrences(of: folder.path + "/", with: ""))
  } catch {
    Issue.record("\(error) is no MixtureError")
    return nil
  }
}

/// The rows of a table.
func rows(_ table: Table) throws -> [[Double]] {
  let matrix = try table.matrix()
  return (0..<matrix.rowCount).map(matrix.row)
}
