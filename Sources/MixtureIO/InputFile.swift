// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import CZlib
internal import Mixtures

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// A file that is open until the last reference goes.
final class OpenFile: Sendable {
  /// The file as messages name it.
  let name: String
  /// The system's number for it.
  let descriptor: Int32

  /// Takes over an open descriptor.
  init(_ descriptor: Int32, name: String) {
    self.descriptor = descriptor
    self.name = name
  }

  deinit {
    if descriptor != STDIN_FILENO { SystemCall.close(descriptor) }
  }
}

/// An open file, or standard input, that is read from front to back and inflated on the way if it is gzip.
final class InputFile {
  /// The open file.
  let file: OpenFile
  /// The number of bytes, if this is a regular file that is not compressed, so that any part of it can be had.
  private(set) var plainSize: Int?
  /// The file as messages name it.
  var name: String { file.name }

  private let raw: RawBytes
  private var inflation: Inflation?
  /// Bytes that were looked at and not yet read.
  private var ahead: [UInt8] = []
  private var aheadTaken = 0

  /// Opens the file at `path`; `-` is standard input.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if there is no such file, or it cannot be read.
  init(path: String) throws(MixtureError) {
    guard !path.isEmpty else {
      throw MixtureError(.unreadableFile, "the name of a file to read is empty; give a path.")
    }
    let descriptor = path == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.unreadable(path, errno) }
    file = OpenFile(descriptor, name: path == "-" ? "standard input" : path)
    raw = RawBytes(file)
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.unreadable(file.name, errno) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw Self.unreadable(file.name, EISDIR) }
    let isRegular = status.st_mode & S_IFMT == S_IFREG && path != "-"
    if isRegular { SystemCall.adviseSequential(descriptor) }
    let isGzip = try raw.isGzipNext()
    plainSize = isRegular && !isGzip ? Int(status.st_size) : nil
    if isGzip { inflation = try Inflation(raw) }
  }

  /// Reads at most `count` > 0 bytes; 0 only at the end.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if the file cannot be read;
  ///   ``MixtureError/Code/malformedFile`` if it is gzip but damaged.
  func read(into target: UnsafeMutableRawPointer, _ count: Int) throws(MixtureError) -> Int {
    let waiting = min(ahead.count - aheadTaken, count)
    if waiting > 0 {
      ahead.withUnsafeBytes {
        target.copyMemory(from: $0.baseAddress! + aheadTaken, byteCount: waiting)
      }
      aheadTaken += waiting
      return waiting
    }
    if let inflation { return try inflation.read(into: target, count) }
    return try raw.read(into: target, count)
  }

  /// Reads `count` bytes, fewer only if the input ends before.
  func readAll(into target: UnsafeMutableRawPointer, _ count: Int) throws(MixtureError) -> Int {
    var done = 0
    while done < count {
      let got = try read(into: target + done, min(count - done, 1 << 30))
      guard got > 0 else { break }
      done += got
    }
    return done
  }

  /// The next `count` bytes, fewer only if the input ends before; they stay to be read.
  func peek(_ count: Int) throws(MixtureError) -> ArraySlice<UInt8> {
    var bytes = Array(ahead[aheadTaken...])
    (ahead, aheadTaken) = ([], 0)
    let known = bytes.count
    if known < count {
      bytes += [UInt8](repeating: 0, count: count - known)
      var failure: MixtureError?
      var got = 0
      bytes.withUnsafeMutableBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        do throws(MixtureError) {
          got = try readAll(into: base + known, count - known)
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      bytes.removeLast(count - known - got)
    }
    ahead = bytes
    return bytes.prefix(count)
  }

  static func outOfMemory(_ name: String) -> MixtureError {
    MixtureError(
      .unreadableFile,
      "\(name) does not fit into memory. Read fewer columns, or give a memory limit (--memory), so that rows "
        + "are kept in a temporary file.")
  }

  static func unreadable(_ name: String, _ number: Int32) -> MixtureError {
    let message: String
    switch number {
    case ENOENT: message = "there is no file \(name). Check the name and the current folder."
    case EISDIR: message = "\(name) is a folder; give the files in it."
    case EACCES, EPERM: message = "\(name) may not be read by this user; check its permissions."
    case EMFILE, ENFILE:
      message =
        "\(name) cannot be read: \(systemMessage(number)). Put files together, or raise the limit with ulimit -n."
    default: message = "\(name) cannot be read: \(systemMessage(number))."
    }
    return MixtureError(.unreadableFile, message)
  }
}

/// The bytes of an open file as they lie there.
private final class RawBytes {
  private let file: OpenFile
  /// The first bytes, which were looked at to see whether they are gzip.
  private var front: [UInt8] = []
  var name: String { file.name }

  init(_ file: OpenFile) {
    self.file = file
  }

  /// Whether the next two bytes are gzip's.
  func isGzipNext() throws(MixtureError) -> Bool {
    var bytes: [UInt8] = []
    var byte: UInt8 = 0
    while bytes.count < 2, try read(into: &byte, 1) == 1 { bytes.append(byte) }
    front = bytes
    return bytes == [0x1F, 0x8B]
  }

  func read(into target: UnsafeMutableRawPointer, _ count: Int) throws(MixtureError) -> Int {
    let waiting = min(front.count, count)
    if waiting > 0 {
      for (index, byte) in front.prefix(waiting).enumerated() {
        target.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
      }
      front.removeFirst(waiting)
      return waiting
    }
    let got = SystemCall.read(file.descriptor, target, count)
    guard got >= 0 else { throw InputFile.unreadable(name, errno) }
    return got
  }
}

/// Inflates the members of a gzip file one after the other. What follows the last member is ignored, as gzip does.
private final class Inflation {
  private let raw: RawBytes
  private var stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private let buffer = UnsafeMutablePointer<UInt8>.allocate(capacity: Inflation.bufferSize)
  /// How many compressed bytes were offered, those in the buffer among them.
  private var offered = 0
  private var isEnded = false
  private static let bufferSize = 1 << 18

  init(_ raw: RawBytes) throws(MixtureError) {
    self.raw = raw
    stream.initialize(to: z_stream())
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(stream, 16 + MAX_WBITS, ZLIB_VERSION, size) == Z_OK else {
      throw InputFile.outOfMemory(raw.name)
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
    buffer.deallocate()
  }

  func read(into target: UnsafeMutableRawPointer, _ count: Int) throws(MixtureError) -> Int {
    let room = min(count, 1 << 30)
    while !isEnded {
      if stream.pointee.avail_in == 0, try refill() == 0 {
        throw MixtureError(
          .malformedFile,
          "\(raw.name) is gzip data that is cut short; compress or copy the file again.")
      }
      stream.pointee.next_out = target.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(room)
      let outcome = inflate(stream, Z_NO_FLUSH)
      let produced = room - Int(stream.pointee.avail_out)
      switch outcome {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END:
        if try isMemberNext() { inflateReset(stream) } else { isEnded = true }
      case Z_MEM_ERROR: throw InputFile.outOfMemory(raw.name)
      default:
        throw MixtureError(
          .malformedFile,
          "\(raw.name) is gzip data that is damaged near byte \(offered - Int(stream.pointee.avail_in)); "
            + "compress or copy the file again.")
      }
      if produced > 0 { return produced }
    }
    return 0
  }

  /// Moves what is left to the front of the buffer and reads behind it. Returns the number of bytes read.
  private func refill() throws(MixtureError) -> Int {
    let left = Int(stream.pointee.avail_in)
    if left > 0 { memmove(buffer, stream.pointee.next_in, left) }
    let got = try raw.read(into: buffer + left, Self.bufferSize - left)
    stream.pointee.next_in = buffer
    stream.pointee.avail_in = UInt32(left + got)
    offered += got
    return got
  }

  private func isMemberNext() throws(MixtureError) -> Bool {
    while stream.pointee.avail_in < 2 { if try refill() == 0 { return false } }
    return stream.pointee.next_in[0] == 0x1F && stream.pointee.next_in[1] == 0x8B
  }
}
