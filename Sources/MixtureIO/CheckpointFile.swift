// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Mixtures

/// The state of a fit or of a search in a file, from which a later run goes on.
///
/// The file is replaced whole or not at all, so that a run that is killed leaves the state before or the new one. Its
/// first line is a JSON object with `format`, `version`, `kind` (`fit` or `search`) and a digest of all that follows,
/// which is JSON too. It is meant for the version of the program that wrote it, on the same kind of processor; a model
/// file is for all others.
///
/// **Numerics.** Every number reads back as the same double, to the bit.
public enum CheckpointFile {
  /// The value of the key `format`.
  public static let format = "swift-mixtures/checkpoint"
  /// The value of the key `version`, and the only one that can be read.
  public static let version = 1

  /// Writes the state of a search.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if it cannot be written; the file is then as it was before.
  public static func write(
    _ checkpoint: SelectionCheckpoint, to path: String
  ) throws(MixtureError) {
    try write(checkpoint, kind: "search", to: path)
  }

  /// Writes the state of a fit.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if it cannot be written; the file is then as it was before.
  public static func write(_ checkpoint: FitCheckpoint, to path: String) throws(MixtureError) {
    try write(checkpoint, kind: "fit", to: path)
  }

  /// The state of a search in the file at `path`; nil if there is no such file.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if it cannot be read; ``MixtureError/Code/malformedFile`` if it is no
  ///   checkpoint of a search, damaged, or of another version.
  public static func search(at path: String) throws(MixtureError) -> SelectionCheckpoint? {
    try read(kind: "search", from: path)
  }

  /// The state of a fit in the file at `path`; nil if there is no such file.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if it cannot be read; ``MixtureError/Code/malformedFile`` if it is no
  ///   checkpoint of a fit, damaged, or of another version.
  public static func fit(at path: String) throws(MixtureError) -> FitCheckpoint? {
    try read(kind: "fit", from: path)
  }

  /// Removes the file, if there is one: the run that it belonged to has ended.
  public static func remove(at path: String) {
    try? FileManager.default.removeItem(atPath: path)
  }

  private static func write(
    _ state: some Encodable, kind: String, to path: String
  ) throws(MixtureError) {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let body: Data
    do {
      body = try encoder.encode(state)
    } catch {
      throw MixtureError(.unwritableFile, "\(path): the state cannot be written as JSON: \(error).")
    }
    let bytes = [UInt8](body)
    let header =
      "{\"format\": \"\(format)\", \"version\": \(version), \"kind\": \"\(kind)\", "
      + "\"digest\": \"\(digest(bytes[...]))\"}\n"
    try AtomicFile.write(to: path) { (output) throws(MixtureError) in
      try output.write(header)
      try output.write(bytes: bytes)
      try output.write("\n")
    }
  }

  private static func read<State: Decodable>(
    kind: String, from path: String
  ) throws(MixtureError) -> State? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let content = try FileContent(path: path)
    let bytes = withExtendedLifetime(content.memory) { Array(content.bytes) }
    func malformed(_ reason: String) -> MixtureError {
      MixtureError(.malformedFile, "\(path) \(reason). Remove it to begin anew.")
    }
    guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")),
      let header = try? JSONValue(parsing: bytes[..<end]), header["format"] == .text(format)
    else { throw malformed("is no checkpoint") }
    guard header["version"] == .number(version) else {
      throw malformed("is a checkpoint of another version than \(version), which is read here")
    }
    guard header["kind"] == .text(kind) else {
      throw malformed("is a checkpoint, but not of a \(kind)")
    }
    let body = bytes[(end + 1)...].dropLast()
    guard header["digest"] == .text(digest(body)) else {
      throw malformed("is damaged: its content does not have the digest in its first line")
    }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    do {
      return try decoder.decode(State.self, from: Data(body))
    } catch {
      throw malformed("is a checkpoint of another build of this program")
    }
  }

  /// FNV-1a of 64 bits, in hexadecimal digits.
  private static func digest(_ bytes: ArraySlice<UInt8>) -> String {
    var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return String(digest, radix: 16)
  }
}
