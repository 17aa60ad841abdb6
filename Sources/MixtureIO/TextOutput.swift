// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

extension MixtureError.Code {
  /// The program that read the output has ended. A command that meets it has done all that was wanted.
  public static let closedOutput = MixtureError.Code(rawValue: "closedOutput")
}

/// Buffered output to a file, which appears whole or not at all, or to standard output.
///
/// A regular file is written under a temporary name in its folder, and takes its own name in ``close()``; whatever was
/// there before stays until then, and stays for good if anything fails or the output is dropped unclosed. A symbolic link
/// keeps pointing where it does. What exists and is no regular file (a device, a pipe) is written directly.
///
/// Every write can fail with ``MixtureError/Code/unwritableFile``, or with ``MixtureError/Code/closedOutput`` if nobody
/// reads any more; for the latter the process must ignore SIGPIPE.
public final class TextOutput {
  private let name: String
  private var descriptor: Int32
  private let ownsDescriptor: Bool
  /// The temporary name and the final one, if there are two.
  private let replacement: (temporary: String, target: String)?
  private var buffer: [UInt8] = []
  private static let bufferLimit = 1 << 16

  /// Output to the file at `path`; `-` is standard output.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if it cannot be created.
  public init(path: String) throws(MixtureError) {
    buffer.reserveCapacity(Self.bufferLimit + 512)
    let target = Self.resolved(path)
    guard path != "-", !["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].contains(target) else {
      (name, descriptor, ownsDescriptor, replacement) = ("standard output", 1, false, nil)
      return
    }
    name = path
    ownsDescriptor = true
    var status = stat()
    if stat(target, &status) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { throw Self.unwritable(path, EISDIR) }
      guard status.st_mode & S_IFMT == S_IFREG, !Self.isDescriptor(target) else {
        replacement = nil
        descriptor = open(target, O_WRONLY | O_CLOEXEC)
        if descriptor < 0 { throw Self.unwritable(path, errno) }
        return
      }
      // Renaming over a file needs no right to write to it, but whoever protected it meant it.
      if access(target, W_OK) != 0 { throw Self.unwritable(path, errno) }
    } else {
      if path.isEmpty { throw Self.unwritable(path, ENOENT) }
      if path.hasSuffix("/") { throw Self.unwritable(path, EISDIR) }
      status.st_mode = 0
    }
    let folder = target.lastIndex(of: "/").map { String(target[...$0]) } ?? ""
    let tag = String(UInt64.random(in: .min ... .max), radix: 36)
    let temporary = "\(folder).\(tag).partial"
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    replacement = (temporary, target)
    if descriptor < 0 { throw Self.unwritable(path, errno) }
    if status.st_mode != 0 { fchmod(descriptor, status.st_mode & 0o777) }
  }

  /// Adds text.
  public func write(_ text: String) throws(MixtureError) {
    buffer.append(contentsOf: text.utf8)
    try flushIfFull()
  }

  /// Adds bytes.
  public func write(bytes: [UInt8]) throws(MixtureError) {
    buffer.append(contentsOf: bytes)
    try flushIfFull()
  }

  /// Adds one byte.
  func write(byte: UInt8) throws(MixtureError) {
    buffer.append(byte)
    try flushIfFull()
  }

  /// Adds eight bytes, the lowest first.
  func write(littleEndian word: UInt64) throws(MixtureError) {
    withUnsafeBytes(of: word.littleEndian) { buffer.append(contentsOf: $0) }
    try flushIfFull()
  }

  /// Passes on what is buffered, so that a reader sees it now.
  public func flush() throws(MixtureError) {
    defer { buffer.removeAll(keepingCapacity: true) }
    var failure: Int32 = 0
    buffer.withUnsafeBytes { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let slice = UnsafeRawBufferPointer(rebasing: rest)
        #if canImport(Darwin)
          let written = Darwin.write(descriptor, slice.baseAddress, slice.count)
        #elseif canImport(Musl)
          let written = Musl.write(descriptor, slice.baseAddress, slice.count)
        #else
          let written = Glibc.write(descriptor, slice.baseAddress, slice.count)
        #endif
        if written < 0, errno == EINTR { continue }
        guard written >= 0 else {
          failure = errno
          return
        }
        rest = rest.dropFirst(written)
      }
    }
    if failure != 0 { throw Self.unwritable(name, failure) }
  }

  /// Writes what is left and gives the file its name. Writing afterwards fails.
  public func close() throws(MixtureError) {
    guard descriptor >= 0 else { return }
    try flush()
    guard ownsDescriptor else { return }
    let outcome = closeDescriptor()
    if outcome != 0 { throw Self.unwritable(name, errno) }
    guard let replacement else { return }
    guard rename(replacement.temporary, replacement.target) == 0 else {
      let number = errno
      unlink(replacement.temporary)
      throw Self.unwritable(name, number)
    }
    isComplete = true
  }

  private var isComplete = false

  deinit {
    if ownsDescriptor, descriptor >= 0 { _ = closeDescriptor() }
    if let replacement, !isComplete { unlink(replacement.temporary) }
  }

  private func closeDescriptor() -> Int32 {
    defer { descriptor = -1 }
    #if canImport(Darwin)
      return Darwin.close(descriptor)
    #elseif canImport(Musl)
      return Musl.close(descriptor)
    #else
      return Glibc.close(descriptor)
    #endif
  }

  private func flushIfFull() throws(MixtureError) {
    if buffer.count >= Self.bufferLimit { try flush() }
  }

  /// The path with symbolic links followed, also if the last of them points to a file that does not exist yet.
  private static func resolved(_ path: String) -> String {
    var path = path
    for _ in 0..<40 {
      var link = [CChar](repeating: 0, count: Int(PATH_MAX))
      let length = readlink(path, &link, link.count - 1)
      guard length > 0, !isDescriptor(path) else { break }
      let pointee = String(decoding: link[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
      if pointee.hasPrefix("/") {
        path = pointee
      } else {
        path = (path.lastIndex(of: "/").map { String(path[...$0]) } ?? "") + pointee
      }
    }
    return path
  }

  /// Whether the path names an open file of a process: a link that need not lead to a name, and must not be replaced.
  private static func isDescriptor(_ path: String) -> Bool {
    path.hasPrefix("/proc/") || path.hasPrefix("/dev/fd/") || path.hasPrefix("/dev/std")
  }

  private static func unwritable(_ name: String, _ number: Int32) -> MixtureError {
    let reason: String
    switch number {
    case EPIPE:
      return MixtureError(.closedOutput, "\(name) is not read any more, so writing ended.")
    case ENOENT where name.isEmpty:
      reason = "the name of a file to write is empty; give a path."
    case ENOENT:
      reason = "\(name) cannot be written: its folder does not exist. Create the folder first."
    case EISDIR:
      reason = "\(name) is a folder; give the name of a file in it."
    case EACCES, EPERM, EROFS:
      reason =
        "\(name) may not be written: \(systemMessage(number)). Choose another folder, or change permissions."
    case ENOSPC, EDQUOT:
      reason =
        "\(name) cannot be written: \(systemMessage(number)). Free some space, or write elsewhere."
    default:
      reason = "\(name) cannot be written: \(systemMessage(number))."
    }
    return MixtureError(.unwritableFile, reason)
  }
}

/// Files that appear whole or not at all.
public enum AtomicFile {
  /// Writes the file at `path` (`-`: standard output) by what `body` writes, as ``TextOutput`` promises.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if it cannot be written, and what `body` throws; the file is then as
  ///   it was before.
  public static func write(
    to path: String, _ body: (TextOutput) throws(MixtureError) -> Void
  ) throws(MixtureError) {
    let output = try TextOutput(path: path)
    try body(output)
    try output.close()
  }

  /// Writes a text file.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if it cannot be written; the file is then as it was before.
  public static func write(_ text: String, to path: String) throws(MixtureError) {
    try write(to: path) { (output) throws(MixtureError) in try output.write(text) }
  }
}
