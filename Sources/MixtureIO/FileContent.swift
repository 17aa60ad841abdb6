// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Mixtures

/// All bytes of a file or of standard input, inflated if they are gzip. For small files; tables are read in parts.
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
    let input = try InputFile(path: path)
    name = input.name
    if let size = input.plainSize, size > 0,
      let mapped = MemoryBlock(mapping: input.file.descriptor, count: size)
    {
      memory = mapped
      return
    }
    var capacity = 1 << 16
    guard let memory = MemoryBlock(growingFrom: capacity) else { throw InputFile.outOfMemory(name) }
    var count = 0
    while true {
      if count == capacity {
        capacity *= 2
        guard memory.grow(to: capacity) else { throw InputFile.outOfMemory(name) }
      }
      let got = try input.read(into: memory.base + count, capacity - count)
      guard got > 0 else { break }
      count += got
    }
    memory.finish(count: count)
    self.memory = memory
  }
}
