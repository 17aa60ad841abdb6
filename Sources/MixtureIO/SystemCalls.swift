// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The system's calls for files, under one name on every platform, and begun anew when a signal interrupts them.

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

enum SystemCall {
  /// Reads at most `count` bytes from where the file stands; 0 at its end, −1 on failure.
  static func read(_ descriptor: Int32, _ target: UnsafeMutableRawPointer, _ count: Int) -> Int {
    while true {
      #if canImport(Glibc)
        let got = Glibc.read(descriptor, target, count)
      #elseif canImport(Musl)
        let got = Musl.read(descriptor, target, count)
      #else
        let got = Darwin.read(descriptor, target, count)
      #endif
      if got < 0, errno == EINTR { continue }
      return got
    }
  }

  /// Reads `count` bytes at `offset`, from any thread; fewer only at the end of the file, −1 on failure.
  static func read(
    _ descriptor: Int32, at offset: Int, _ target: UnsafeMutableRawPointer, _ count: Int
  ) -> Int {
    var done = 0
    while done < count {
      let got = pread(descriptor, target + done, count - done, off_t(offset + done))
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { return -1 }
      guard got > 0 else { break }
      done += got
    }
    return done
  }

  /// Writes `count` bytes where the file stands; whether all were.
  static func write(_ descriptor: Int32, _ source: UnsafeRawPointer, _ count: Int) -> Bool {
    var done = 0
    while done < count {
      #if canImport(Glibc)
        let written = Glibc.write(descriptor, source + done, count - done)
      #elseif canImport(Musl)
        let written = Musl.write(descriptor, source + done, count - done)
      #else
        let written = Darwin.write(descriptor, source + done, count - done)
      #endif
      if written < 0, errno == EINTR { continue }
      guard written >= 0 else { return false }
      done += written
    }
    return true
  }

  /// Gives a descriptor back.
  static func close(_ descriptor: Int32) {
    #if canImport(Glibc)
      _ = Glibc.close(descriptor)
    #elseif canImport(Musl)
      _ = Musl.close(descriptor)
    #else
      _ = Darwin.close(descriptor)
    #endif
  }

  /// Says that a file will be read from front to back.
  static func adviseSequential(_ descriptor: Int32) {
    #if !canImport(Darwin)
      posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL)
    #endif
  }
}

/// The system's words for an error number.
func systemMessage(_ number: Int32) -> String {
  String(cString: strerror(number))
}
