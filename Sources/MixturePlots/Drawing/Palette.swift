// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A colour in sRGB, each channel from 0 to 1.
struct Colour: Sendable, Equatable {
  var red: Double
  var green: Double
  var blue: Double

  init(_ red: Double, _ green: Double, _ blue: Double) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  /// The colour written 0xRRGGBB.
  init(hex: UInt32) {
    self.init(
      Double(hex >> 16 & 0xFF) / 255, Double(hex >> 8 & 0xFF) / 255, Double(hex & 0xFF) / 255)
  }

  /// This colour moved towards another by a fraction from 0 to 1.
  func mixed(with other: Colour, _ fraction: Double) -> Colour {
    Colour(
      red + (other.red - red) * fraction, green + (other.green - green) * fraction,
      blue + (other.blue - blue) * fraction)
  }

  /// `#rrggbb`.
  var hexText: String {
    let digits = Array("0123456789abcdef")
    return [red, green, blue].reduce(into: "#") { text, channel in
      let byte = Int((min(max(channel, 0), 1) * 255).rounded())
      text.append(digits[byte >> 4])
      text.append(digits[byte & 15])
    }
  }
}

/// The components' colours: eight hues that people with any common colour vision can tell apart (after Okabe & Ito
/// 2008, with the yellow darkened so that it shows on white), then the same hues darker, lighter and so on. From the
/// ninth component on a dash pattern tells rounds apart as well, and every component carries its number.
enum Palette {
  static let hues: [UInt32] = [
    0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7, 0xB39200, 0x56B4E9, 0x7F3C8D, 0x6B6B6B,
  ]
  static let huesOnDark: [UInt32] = [
    0x3D9BE0, 0xF27A2A, 0x22BE93, 0xE39AC4, 0xE3C63A, 0x8CCFF7, 0xB985CC, 0xB0B0B0,
  ]

  /// The colour of component `k` on a light or a dark ground.
  static func colour(_ k: Int, onDark: Bool = false) -> Colour {
    let table = onDark ? huesOnDark : hues
    let base = Colour(hex: table[k % table.count])
    let round = k / table.count % 4
    let ground = Colour(hex: onDark ? 0x000000 : 0xFFFFFF)
    let ink = Colour(hex: onDark ? 0xFFFFFF : 0x000000)
    switch round {
    case 1: return base.mixed(with: ink, 0.4)
    case 2: return base.mixed(with: ground, 0.35)
    case 3: return base.mixed(with: ink, 0.65)
    default: return base
    }
  }

  /// The colour of a background.
  static let background = Colour(hex: 0x808080)

  /// The dash pattern of the outline of component `k`; empty for a solid line.
  static func dash(_ k: Int) -> [Double] {
    [[], [9, 4], [3, 3], [10, 3, 2, 3], [16, 4]][k / hues.count % 5]
  }

  /// The mixture of the components' colours in the proportions of the responsibilities.
  static func blend(_ responsibilities: some Sequence<Double>, colours: [Colour]) -> Colour {
    var sum = Colour(0, 0, 0)
    var total = 0.0
    for (r, colour) in zip(responsibilities, colours) {
      sum.red += r * colour.red
      sum.green += r * colour.green
      sum.blue += r * colour.blue
      total += r
    }
    guard total > 0 else { return Colour(0.5, 0.5, 0.5) }
    return Colour(sum.red / total, sum.green / total, sum.blue / total)
  }
}
