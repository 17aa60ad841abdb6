// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import MixtureIO

@Suite("Decimal numbers") struct DecimalNumberTests {
  @Test(
    "a number becomes the nearest double, ties to even",
    arguments: [
      "0", "-0", "+1", "1.", "-.5", ".5e1", "1E-5", "1e+5", "9007199254740993",
      "9007199254740992.5",
      "9007199254740993.0000000000000000001", "18446744073709551615", "18446744073709551616",
      "1234567890123456789012345678901234567890", "0.00000000000000000000000000000012345",
      "4.9406564584124654e-324", "2.4703282292062327e-324", "2.4703282292062328e-324",
      "2.2250738585072014e-308", "2.2250738585072011e-308", "1.7976931348623157e308", "1e400",
      "1e-999",
      "0e999999999999999999999", "0000000000000000000000000000001.5", "1e-27",
      "123456789012345678e-27",
      "9999999999999999999e27", "1e23", "8.5e22", "6.02214076e23", "1.6e-35",
      "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880",
    ])
  func nearestDouble(text: String) throws {
    let value = try #require(DecimalNumber.value(text))
    #expect(value.bitPattern == Double(text)?.bitPattern)
  }

  @Test(
    "what is no number is not taken for one",
    arguments: [
      "", "-", "+", ".", "-.", "e5", "1e", "1e+", "--1", "1..2", "1.2.3", "0x10", "inf", "nan",
      "1_000",
      " 1", "1 ", "1,5", "½", "１",
    ])
  func notANumber(text: String) {
    #expect(DecimalNumber.value(text) == nil)
  }

  @Test("20 000 numbers of every shape agree with the standard library to the bit")
  func randomNumbers() {
    var bits = SplitMix(state: 7)
    var differing: [String] = []
    func check(_ text: String) {
      if DecimalNumber.value(text)?.bitPattern != Double(text)?.bitPattern {
        differing.append(text)
      }
    }
    for round in 0..<4000 {
      let any = Double(bitPattern: bits.next())
      if any.isFinite { check(any.description) }
      let digits = String(bits.next() >> (bits.next() % 64))
      check("\(digits)e\(Int(bits.next() % 91) - 45)")
      let point = digits.index(
        digits.startIndex, offsetBy: Int(bits.next() % UInt64(digits.count)))
      check(digits[..<point] + "." + digits[point...])
      check("-0." + String(repeating: "0", count: round % 30) + digits)
      // Exactly between two doubles, and a digit above.
      let half = ((1 << 53) + bits.next() >> 11) << 1 + 1
      check(String(half))
      check("\(half).0000000001")
    }
    #expect(differing == [])
  }
}

/// Random bits that are the same in every run.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
