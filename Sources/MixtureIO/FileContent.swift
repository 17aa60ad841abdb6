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

/// All bytes of a file or of standard input, inflated if they are gzip.
///
/// A plain file is mapped, so it takes no memory of the process; anything else is read to its end.
struct FileContent: Sendable {
  /// The file as messages name it.
  let name: String
  /// The bytes; ``DecimalNumber/padding`` zero bytes follow them.
  let memory: MemoryBlock

  /// The address of the first byte.
  var start: UnsafePointer<UInt8> {
    UnsafePointer(memory.base.assumingMemoryBound(to: UInt8.self))
  }
  /// The number of bytes.
  var count: Int { memory.count }
  /// The bytes, valid as long as `memory` is.
  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

  /// The content of the file at `path`; `-` is standard input.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if there is no such file, or it cannot be read;
  ///   ``MixtureError/Code/malformedFile`` if it is gzip but damaged.
  init(path: String) throws(MixtureError) {
    let name = path == "-" ? "standard input" : path
    self.name = name
    let content = try Self.read(path: path, name: name)
    let isGzip =
      content.count >= 2 && Self.byte(content, 0) == 0x1F && Self.byte(content, 1) == 0x8B
    memory = isGzip ? try Self.inflated(content, name: name) : content
  }

  private static func byte(_ memory: MemoryBlock, _ index: Int) -> UInt8 {
    memory.base.load(fromByteOffset: index, as: UInt8.self)
  }

  private static func read(path: String, name: String) throws(MixtureError) -> MemoryBlock {
    guard !path.isEmpty else {
      throw MixtureError(.unreadableFile, "the name of a file to read is empty; give a path.")
    }
    guard path != "-" else { return try readToEnd(0, name: name) }
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable(name, errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unreadable(name, errno) }
    guard status.st_mode & S_IFMT != S_IFDIR else { throw unreadable(name, EISDIR) }
    if status.st_mode & S_IFMT == S_IFREG, status.st_size > 0,
      let mapped = MemoryBlock(mapping: descriptor, count: Int(status.st_size))
    {
      return mapped
    }
    return try readToEnd(descriptor, name: name)
  }

  private static func readToEnd(_ descriptor: Int32, name: String) throws(MixtureError)
    -> MemoryBlock
  {
    var capacity = 1 << 20
    guard let memory = MemoryBlock(growingFrom: capacity) else { throw outOfMemory(name) }
    var count = 0
    while true {
      if count == capacity {
        capacity *= 2
        guard memory.grow(to: capacity) else { throw outOfMemory(name) }
      }
      #if canImport(Darwin)
        let got = Darwin.read(descriptor, memory.base + count, capacity - count)
      #elseif canImport(Musl)
        let got = Musl.read(descriptor, memory.base + count, capacity - count)
      #else
        let got = Glibc.read(descriptor, memory.base + count, capacity - count)
      #endif
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw unreadable(name, errno) }
      guard got > 0 else { break }
      count += got
    }
    memory.finish(count: count)
    return memory
  }

  /// The members of a gzip file one after the other. What follows the last member is ignored, as gzip does.
  private static func inflated(_ source: MemoryBlock, name: String) throws(MixtureError)
    -> MemoryBlock
  {
    let cut = MixtureError(
      .malformedFile, "\(name) is gzip data that is cut short; compress or copy the file again.")
    source.adviseSequential()
    var capacity = max(1 << 16, source.count.multipliedReportingOverflow(by: 3).partialValue)
    guard let memory = MemoryBlock(growingFrom: capacity) else { throw outOfMemory(name) }
    var stream = z_stream()
    let size = Int32(MemoryLayout<z_stream>.size)
    guard inflateInit2_(&stream, 16 + MAX_WBITS, ZLIB_VERSION, size) == Z_OK else {
      throw outOfMemory(name)
    }
    defer { inflateEnd(&stream) }
    let limit = 1 << 30
    let input = source.base.assumingMemoryBound(to: UInt8.self)
    var taken = 0
    var count = 0
    while true {
      if count == capacity {
        capacity *= 2
        guard memory.grow(to: capacity) else { throw outOfMemory(name) }
      }
      let offered = min(limit, source.count - taken)
      let room = min(limit, capacity - count)
      stream.next_in = input + taken
      stream.avail_in = UInt32(offered)
      stream.next_out = memory.base.assumingMemoryBound(to: UInt8.self) + count
      stream.avail_out = UInt32(room)
      let outcome = inflate(&stream, Z_NO_FLUSH)
      taken += offered - Int(stream.avail_in)
      count += room - Int(stream.avail_out)
      switch outcome {
      case Z_OK:
        continue
      case Z_STREAM_END:
        let isMember =
          source.count - taken >= 2 && byte(source, taken) == 0x1F
          && byte(source, taken + 1) == 0x8B
        guard isMember else {
          memory.finish(count: count)
          return memory
        }
        inflateReset(&stream)
      case Z_BUF_ERROR:
        guard count == capacity || source.count - taken > 0 else { throw cut }
      case Z_MEM_ERROR:
        throw outOfMemory(name)
      default:
        throw MixtureError(
          .malformedFile,
          "\(name) is gzip data that is damaged near byte \(taken); compress or copy the file again."
        )
      }
    }
  }

  private static func outOfMemory(_ name: String) -> MixtureError {
    MixtureError(
      .unreadableFile,
      "\(name) does not fit into memory. Split it, or convert it to .npy, which is not read as a whole."
    )
  }

  private static func unreadable(_ name: String, _ number: Int32) -> MixtureError {
    let message: String
    switch number {
    case ENOENT: message = "there is no file \(name). Check the name and the current folder."
    case EISDIR: message = "\(name) is a folder; give the files in it."
    case EACCES, EPERM: message = "\(name) may not be read by this user; check its permissions."
    default: message = "\(name) cannot be read: \(systemMessage(number))."
    }
    return MixtureError(.unreadableFile, message)
  }
}

/// The system's words for an error number.
func systemMessage(_ number: Int32) -> String {
  String(cString: strerror(number))
}
