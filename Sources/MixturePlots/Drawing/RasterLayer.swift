// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import CZlib
import Foundation

/// Half-transparent dots painted one over the other into pixels, for more points than vector graphics can hold.
struct RasterLayer {
  let width: Int
  let height: Int
  /// Red, green, blue, each times alpha, and alpha.
  private var pixels: [SIMD4<Float>]

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    pixels = Array(repeating: .zero, count: width * height)
  }

  /// Paints a dot over what is there. Coordinates are in pixels from the top left.
  mutating func paint(x: Double, y: Double, radius: Double, colour: Colour, alpha: Double) {
    guard x.isFinite, y.isFinite, x > -radius - 1, y > -radius - 1, x < Double(width) + radius + 1,
      y < Double(height) + radius + 1
    else { return }
    let source = SIMD4(Float(colour.red), Float(colour.green), Float(colour.blue), 1)
    let left = max(0, Int((x - radius - 0.5).rounded(.down)))
    let right = min(width - 1, Int((x + radius + 0.5).rounded(.up)))
    let top = max(0, Int((y - radius - 0.5).rounded(.down)))
    let bottom = min(height - 1, Int((y + radius + 0.5).rounded(.up)))
    guard left <= right, top <= bottom else { return }
    for row in top...bottom {
      for column in left...right {
        let dx = Double(column) + 0.5 - x
        let dy = Double(row) + 0.5 - y
        let distance = (dx * dx + dy * dy).squareRoot()
        let coverage = min(max(radius + 0.5 - distance, 0), 1)
        guard coverage > 0 else { continue }
        let a = Float(coverage * alpha)
        let index = row * width + column
        pixels[index] = source * a + pixels[index] * (1 - a)
      }
    }
  }

  /// Paints a line over what is there, as dots that lie side by side.
  mutating func paintLine(
    from start: (x: Double, y: Double), to end: (x: Double, y: Double), width lineWidth: Double,
    colour: Colour, alpha: Double
  ) {
    let (dx, dy) = (end.x - start.x, end.y - start.y)
    let length = (dx * dx + dy * dy).squareRoot()
    guard length.isFinite else { return }
    // A bar across the whole picture is no longer than that.
    let count = min(max(1, Int((length / max(lineWidth, 1)).rounded())), width + height)
    for step in 0...count {
      let t = Double(step) / Double(count)
      paint(
        x: start.x + t * dx, y: start.y + t * dy, radius: lineWidth / 2, colour: colour,
        alpha: alpha)
    }
  }

  /// The layer as a PNG file with an alpha channel.
  func png() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(pixels.count * 4)
    for pixel in pixels {
      let alpha = pixel.w
      let straight = alpha > 0 ? pixel / alpha : .zero
      for channel in 0..<3 {
        bytes.append(UInt8(min(max(straight[channel] * 255, 0), 255).rounded()))
      }
      bytes.append(UInt8(min(max(alpha * 255, 0), 255).rounded()))
    }
    return PNGFile.encode(rgba: bytes, width: width, height: height)
  }
}

/// The PNG format, as far as one picture of eight-bit RGBA needs it.
enum PNGFile {
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  static func encode(rgba: [UInt8], width: Int, height: Int) -> [UInt8] {
    let stride = width * 4
    var lines: [UInt8] = []
    lines.reserveCapacity((stride + 1) * height)
    for row in 0..<height {
      lines.append(0)
      lines += rgba[row * stride..<(row + 1) * stride]
    }
    let header = bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, 6, 0, 0, 0]
    return signature + chunk("IHDR", header) + chunk("IDAT", compressed(lines)) + chunk("IEND", [])
  }

  private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + content
    let checksum = body.withUnsafeBufferPointer {
      crc32(crc32(0, nil, 0), $0.baseAddress, uInt($0.count))
    }
    return bigEndian(UInt32(content.count)) + body + bigEndian(UInt32(truncatingIfNeeded: checksum))
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
  }

  private static func compressed(_ bytes: [UInt8]) -> [UInt8] {
    var length = compressBound(uLong(bytes.count))
    var result = [UInt8](repeating: 0, count: Int(length))
    // Cannot fail: the only causes are too little room and an unknown level.
    _ = compress2(&result, &length, bytes, uLong(bytes.count), 6)
    return Array(result.prefix(Int(length)))
  }
}
