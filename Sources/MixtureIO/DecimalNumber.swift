// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Decimal text to double, correctly rounded. Almost every number of a data file has at most 19 significant
// digits and a small power of ten, and then a few integer instructions give the exact answer:
//
// - at most 2⁵³ and |exponent| ≤ 22: one product or quotient of exact doubles (Clinger 1990);
// - |exponent| ≤ 27: 5ⁿ fits 64 bits, so the quotient or product with it is had exactly in 128 bits, and
//   the bits below the 53rd together with the remainder say how to round.
//
// Everything else goes to the standard library, which is exact too but several times slower.

/// Decimal numbers in text: an optional sign, digits with an optional point among them, and an optional power of ten.
enum DecimalNumber {
  /// How many bytes after the text a scan may look at; they must be readable, and the first must be zero.
  static let padding = 16

  /// Scans the longest number that begins at `start`.
  ///
  /// - Parameter value: Receives the nearest double, ties to even; infinity if the number is too large for one.
  ///   Numbers too small become zero. Unchanged if there is no number.
  /// - Returns: The address behind the number; `start` if there is none.
  @inline(__always)
  static func scan(_ start: UnsafePointer<UInt8>, value: inout Double) -> UnsafePointer<UInt8> {
    var p = start
    let isNegative = p.pointee == UInt8(ascii: "-")
    let sign: UInt64 = isNegative ? 1 << 63 : 0
    p += isNegative || p.pointee == UInt8(ascii: "+") ? 1 : 0
    let digits = p
    var significand: UInt64 = 0
    takeDigits(&p, into: &significand)
    var digitCount = p - digits
    var exponent = 0
    if p.pointee == UInt8(ascii: ".") {
      p += 1
      let fraction = p
      takeDigits(&p, into: &significand)
      exponent = fraction - p
      digitCount += p - fraction
    }
    guard digitCount > 0 else { return start }
    if p.pointee | 0x20 == UInt8(ascii: "e") {
      var q = p + 1
      let isBelowOne = q.pointee == UInt8(ascii: "-")
      if isBelowOne || q.pointee == UInt8(ascii: "+") { q += 1 }
      if q.pointee &- 48 < 10 {
        var power = 0
        while q.pointee &- 48 < 10 {
          if power < 1_000_000 { power = power * 10 + Int(q.pointee &- 48) }
          q += 1
        }
        exponent += isBelowOne ? -power : power
        p = q
      }
    }
    if digitCount > 19, significantDigitCount(digits) > 19 {
      value = slowValue(start, p)
      return p
    }
    if significand <= 1 << 53, exponent >= -22, exponent <= 22 {
      var magnitude = Double(Int64(bitPattern: significand))
      if exponent < 0 {
        magnitude /= powersOfTen[-exponent]
      } else {
        magnitude *= powersOfTen[exponent]
      }
      value = Double(bitPattern: magnitude.bitPattern | sign)
    } else if significand == 0 {
      value = Double(bitPattern: sign)
    } else if exponent >= -27, exponent <= 27 {
      let magnitude = product(significand, powerOfTen: exponent)
      value = Double(bitPattern: magnitude.bitPattern | sign)
    } else {
      value = slowValue(start, p)
    }
    return p
  }

  /// The number that the whole of `text` is; nil if it is none. Infinity if it is too large for a double.
  static func value(_ text: String) -> Double? {
    var text = text
    return text.withUTF8 { bytes -> Double? in
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: bytes.count + padding) { copy in
        copy.initialize(repeating: 0)
        for (index, byte) in bytes.enumerated() { copy[index] = byte }
        guard let start = copy.baseAddress.map({ UnsafePointer($0) }) else { return nil }
        var value = 0.0
        let end = scan(start, value: &value)
        return end > start && end == start + bytes.count ? value : nil
      }
    }
  }

  /// significand · 10ⁿ, rounded to nearest, ties to even. The significand is not zero and |n| ≤ 27.
  @inline(never)
  static func product(_ significand: UInt64, powerOfTen n: Int) -> Double {
    let shift = significand.leadingZeroBitCount
    if n < 0 {
      // (significand · 2ᵃ⁺⁶³) / (5⁻ⁿ · 2ᵇ), both shifted to use all 64 bits, so the quotient has 63 or 64.
      let power = powersOfFive[-n]
      let powerShift = power.leadingZeroBitCount
      let dividend = significand << UInt64(shift)
      let (quotient, remainder) = (power << UInt64(powerShift)).dividingFullWidth(
        (high: dividend >> 1, low: dividend << 63))
      return rounded(
        quotient, hasMore: remainder != 0, exponent: powerShift - shift + n - 63)
    }
    let (high, low) = significand.multipliedFullWidth(by: powersOfFive[n])
    guard high != 0 else { return rounded(low, hasMore: false, exponent: n) }
    let highShift = UInt64(high.leadingZeroBitCount)
    let top = highShift == 0 ? high : high << highShift | low >> (64 - highShift)
    return rounded(top, hasMore: low << highShift != 0, exponent: n + 64 - Int(highShift))
  }

  /// (bits + r) · 2ⁿ rounded to nearest, ties to even, where 0 ≤ r < 1 and r > 0 exactly if `hasMore`.
  ///
  /// At least 63 bits are used if `hasMore`, and the result must be a normal number.
  @inline(__always)
  private static func rounded(_ bits: UInt64, hasMore: Bool, exponent n: Int) -> Double {
    let shift = bits.leadingZeroBitCount
    let normal = bits << UInt64(shift)
    var kept = normal >> 11
    let dropped = normal & 0x7FF
    if dropped > 0x400 || (dropped == 0x400 && (hasMore || kept & 1 == 1)) { kept += 1 }
    // Addition, so that a carry out of the fraction raises the exponent.
    let biased = UInt64(n - shift + 63 + 1023)
    return Double(bitPattern: biased << 52 &+ (kept &- 1 << 52))
  }

  /// Appends the digits from `p` on to a number, modulo 2⁶⁴, and moves behind them.
  @inline(__always)
  private static func takeDigits(
    _ p: inout UnsafePointer<UInt8>, into significand: inout UInt64
  ) {
    // Eight bytes at once and no branch on how many of them are digits, which no processor could foresee.
    while true {
      let bytes = UnsafeRawPointer(p).loadUnaligned(as: UInt64.self).littleEndian
      let values = bytes &- 0x3030_3030_3030_3030
      // The lowest marked byte is the first that is no digit; a borrow reaches only bytes above it.
      let marks = (bytes &+ 0x4646_4646_4646_4646 | values) & 0x8080_8080_8080_8080
      if marks == 0 {
        significand = significand &* 100_000_000 &+ number(eightDigits: values)
        p += 8
        continue
      }
      let count = marks.trailingZeroBitCount >> 3
      let digits = (values &<< UInt64(56 - 8 * count)) &<< 8
      significand = significand &* wholePowersOfTen[count] &+ number(eightDigits: digits)
      p += count
      return
    }
  }

  /// The number that the values of eight digits make, the first in the lowest byte.
  @inline(__always)
  private static func number(eightDigits digits: UInt64) -> UInt64 {
    let pairs = digits &* 10 &+ digits >> 8
    let low = (pairs & 0x0000_00FF_0000_00FF) &* 0x000F_4240_0000_0064
    let high = (pairs >> 16 & 0x0000_00FF_0000_00FF) &* 0x0000_2710_0000_0001
    return (low &+ high) >> 32
  }

  /// The number of digits from the first that is not zero.
  @inline(never)
  private static func significantDigitCount(_ digits: UnsafePointer<UInt8>) -> Int {
    var p = digits
    while p.pointee == UInt8(ascii: "0") || p.pointee == UInt8(ascii: ".") { p += 1 }
    var count = 0
    while p.pointee &- 48 < 10 || p.pointee == UInt8(ascii: ".") {
      if p.pointee != UInt8(ascii: ".") { count += 1 }
      p += 1
    }
    return count
  }

  /// The standard library's value of a number whose form was checked.
  @inline(never)
  private static func slowValue(
    _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>
  ) -> Double {
    let text = String(
      decoding: UnsafeBufferPointer(start: start, count: end - start), as: UTF8.self)
    return Double(text) ?? .nan
  }

  private static let wholePowersOfTen: [UInt64] = [
    1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000,
  ]

  private static let powersOfTen: [Double] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
  ]

  private static let powersOfFive: [UInt64] = [
    1, 5, 25, 125, 625, 3_125, 15_625, 78_125, 390_625, 1_953_125, 9_765_625, 48_828_125,
    244_140_625, 1_220_703_125, 6_103_515_625, 30_517_578_125, 152_587_890_625, 762_939_453_125,
    3_814_697_265_625, 19_073_486_328_125, 95_367_431_640_625, 476_837_158_203_125,
    2_384_185_791_015_625, 11_920_928_955_078_125, 59_604_644_775_390_625, 298_023_223_876_953_125,
    1_490_116_119_384_765_625, 7_450_580_596_923_828_125,
  ]
}
