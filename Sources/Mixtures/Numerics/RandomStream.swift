// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A reproducible stream of random numbers, the same on every machine.
///
/// Philox4x32-10 (Salmon et al. 2011, [doi:10.1145/2063384.2063405](https://doi.org/10.1145/2063384.2063405)):
/// a function of (seed, stream, position), so that any row of any restart can be drawn on its own, whichever
/// thread needs it.
public struct RandomStream: RandomNumberGenerator, Sendable {
  private let key: (UInt32, UInt32)
  private let stream: UInt64
  private var position: UInt64
  private var spare: UInt64?

  /// Stream number `stream` of the given seed, from its start or from a later position.
  public init(seed: UInt64, stream: UInt64 = 0, position: UInt64 = 0) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    self.stream = stream
    self.position = position
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    if let value = spare {
      spare = nil
      return value
    }
    var c = (
      UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32),
      UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32)
    )
    var k = key
    for _ in 0..<10 {
      let a = UInt64(c.0) * 0xD251_1F53
      let b = UInt64(c.2) * 0xCD9E_8D57
      c = (
        UInt32(truncatingIfNeeded: b >> 32) ^ c.1 ^ k.0, UInt32(truncatingIfNeeded: b),
        UInt32(truncatingIfNeeded: a >> 32) ^ c.3 ^ k.1, UInt32(truncatingIfNeeded: a)
      )
      k = (k.0 &+ 0x9E37_79B9, k.1 &+ 0xBB67_AE85)
    }
    position &+= 1
    spare = UInt64(c.2) | UInt64(c.3) << 32
    return UInt64(c.0) | UInt64(c.1) << 32
  }

  /// A number uniform in the open interval (0, 1), one of 2⁵² equally spaced ones.
  public mutating func uniform() -> Double {
    (Double(next() >> 12) + 0.5) * 0x1p-52
  }

  /// A whole number uniform in 0 ..< bound.
  public mutating func index(below bound: Int) -> Int {
    // Rejection, so that no value is favoured.
    let bound64 = UInt64(bound)
    let limit = UInt64.max - (UInt64.max % bound64 + 1) % bound64
    while true {
      let value = next()
      if value <= limit { return Int(value % bound64) }
    }
  }

  /// A standard normal number.
  ///
  /// **Numerics.** One uniform through the inverse distribution function, algorithm AS 241 (Wichura 1988,
  /// [doi:10.2307/2347330](https://doi.org/10.2307/2347330)), relative error about 10⁻¹⁶.
  public mutating func normal() -> Double {
    normalQuantile(uniform())
  }
}

/// The value that a standard normal number falls below with probability `p`, 0 < p < 1.
func normalQuantile(_ p: Double) -> Double {
  func ratio(_ r: Double, _ numerator: [Double], _ denominator: [Double]) -> Double {
    numerator.reversed().reduce(0) { $0 * r + $1 }
      / denominator.reversed().reduce(0) { $0 * r + $1 }
  }
  let q = p - 0.5
  if abs(q) <= 0.425 {
    return q * ratio(0.180625 - q * q, Wichura.centralNumerator, Wichura.centralDenominator)
  }
  let r = (-Kernels.log(q < 0 ? p : 1 - p)).squareRoot()
  let tail =
    r <= 5
    ? ratio(r - 1.6, Wichura.middleNumerator, Wichura.middleDenominator)
    : ratio(r - 5, Wichura.farNumerator, Wichura.farDenominator)
  return q < 0 ? -tail : tail
}

/// The coefficients of AS 241's PPND16.
private enum Wichura {
  static let centralNumerator = [
    3.387_132_872_796_366_608_0, 1.331_416_678_917_843_774_5e+2, 1.971_590_950_306_551_442_7e+3,
    1.373_169_376_550_946_112_5e+4, 4.592_195_393_154_987_145_7e+4, 6.726_577_092_700_870_085_3e+4,
    3.343_057_558_358_812_810_5e+4, 2.509_080_928_730_122_672_7e+3,
  ]
  static let centralDenominator = [
    1.0, 4.231_333_070_160_091_125_2e+1, 6.871_870_074_920_579_082_9e+2,
    5.394_196_021_424_751_107_7e+3, 2.121_379_430_158_659_586_7e+4, 3.930_789_580_009_271_061_0e+4,
    2.872_908_573_572_194_267_4e+4, 5.226_495_278_852_854_561_0e+3,
  ]
  static let middleNumerator = [
    1.423_437_110_749_683_577_34, 4.630_337_846_156_545_295_90, 5.769_497_221_460_691_405_50,
    3.647_848_324_763_204_605_04, 1.270_458_252_452_368_382_58, 2.417_807_251_774_506_117_70e-1,
    2.272_384_498_926_918_458_33e-2, 7.745_450_142_783_414_076_40e-4,
  ]
  static let middleDenominator = [
    1.0, 2.053_191_626_637_758_821_87, 1.676_384_830_183_803_849_40,
    6.897_673_349_851_000_045_50e-1,
    1.481_039_764_274_800_745_90e-1, 1.519_866_656_361_645_719_66e-2,
    5.475_938_084_995_344_946_00e-4, 1.050_750_071_644_416_843_24e-9,
  ]
  static let farNumerator = [
    6.657_904_643_501_103_777_20, 5.463_784_911_164_114_369_90, 1.784_826_539_917_291_335_80,
    2.965_605_718_285_048_912_30e-1, 2.653_218_952_657_612_309_30e-2,
    1.242_660_947_388_078_438_60e-3, 2.711_555_568_743_487_578_15e-5,
    2.010_334_399_292_288_132_65e-7,
  ]
  static let farDenominator = [
    1.0, 5.998_322_065_558_879_376_90e-1, 1.369_298_809_227_358_053_10e-1,
    1.487_536_129_085_061_485_25e-2, 7.868_691_311_456_132_591_00e-4,
    1.846_318_317_510_054_681_80e-5, 1.421_511_758_316_445_888_70e-7,
    2.044_263_103_389_939_785_64e-15,
  ]
}
