// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation

/// One axis: the values it spans, and where its ticks stand.
struct AxisScale: Sendable, Equatable {
  let lower: Double
  let upper: Double

  /// An axis over exactly these limits; a range that is empty or not finite is widened to one that can be drawn.
  init(lower: Double, upper: Double) {
    guard lower.isFinite, upper.isFinite else {
      self.lower = 0
      self.upper = 1
      return
    }
    // At least some hundred representable numbers must lie between the ends, or positions would jump.
    let smallest = max(256 * max(abs(lower), abs(upper)).ulp, 1e-300)
    if upper - lower >= smallest, (upper - lower).isFinite {
      self.lower = lower
      self.upper = upper
    } else if upper >= lower, !(upper - lower).isFinite {
      self.lower = lower / 4
      self.upper = upper / 4
    } else {
      let middle = min(lower, upper)
      let half = max(smallest, middle == 0 ? 0.5 : abs(middle) * 1e-3)
      self.lower = middle - half
      self.upper = middle + half
    }
  }

  /// An axis over all of the values, with a margin of 4 % on each side. Values that are not finite are left out.
  init(covering values: some Sequence<Double>, margin: Double = 0.04) {
    var low = Double.infinity
    var high = -Double.infinity
    for value in values where value.isFinite {
      low = min(low, value)
      high = max(high, value)
    }
    let span = high - low
    guard span > 0, span.isFinite else {
      self.init(lower: low, upper: high)
      return
    }
    self.init(lower: low - margin * span, upper: high + margin * span)
  }

  /// Where a value stands, as a fraction of the axis.
  func position(_ value: Double) -> Double { (value - lower) / (upper - lower) }

  /// A step of 1, 2 or 5 times a power of ten, so that there are at most about `count` ticks.
  static func step(span: Double, count: Int) -> Double {
    guard span > 0, span.isFinite else { return 1 }
    let raw = span / Double(max(count, 1))
    let power = pow(10, floor(log10(raw)))
    guard power > 0, power.isFinite else { return raw }
    let factor = raw / power
    return (factor <= 1.0000001 ? 1 : factor <= 2.0000001 ? 2 : factor <= 5.0000001 ? 5 : 10)
      * power
  }

  /// The round values within the axis, about `count` of them, in ascending order.
  func ticks(count: Int = 6) -> [Double] {
    let step = Self.step(span: upper - lower, count: count)
    let first = (lower / step).rounded(.up)
    let last = (upper / step).rounded(.down)
    guard first.isFinite, last.isFinite, last >= first, last - first < 1000 else { return [] }
    // Multiples of the step, not sums of it: sums drift off the round values.
    return (0...Int(last - first)).map { (first + Double($0)) * step + 0 }
  }

  /// The text beside each tick: as many decimals as the step has, powers of ten for very large or small ones.
  func labels(of ticks: [Double]) -> [String] {
    guard let largest = ticks.map(abs).max(), largest > 0 else { return ticks.map { _ in "0" } }
    let step = ticks.count > 1 ? ticks[1] - ticks[0] : largest
    let decimals = max(0, -Int(floor(log10(step) + 1e-9)))
    let digits = max(
      0, min(16, Int(floor(log10(largest) + 1e-9)) - Int(floor(log10(step) + 1e-9))))
    if largest >= 1e12 || (largest >= 1e6 && digits < 4) || largest < 1e-3 {
      return ticks.map { $0 == 0 ? "0" : NumberText.scientific($0, digits: digits) }
    }
    return ticks.map { NumberText.fixed($0, decimals: decimals) }
  }
}

/// Numbers as people read them: a true minus sign, thin groups of three.
enum NumberText {
  /// With a fixed number of decimals.
  static func fixed(_ value: Double, decimals: Int) -> String {
    let text = String(format: "%.\(max(0, min(decimals, 17)))f", value)
    let isZero = text.allSatisfy { "-0.".contains($0) }
    return text.hasPrefix("-") ? (isZero ? "" : "−") + text.dropFirst() : text
  }

  /// As 1.5e8.
  static func scientific(_ value: Double, digits: Int) -> String {
    let parts = String(format: "%.\(digits)e", value).split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1]) else { return "\(value)" }
    return "\(parts[0])e\(exponent)".replacingOccurrences(of: "-", with: "−")
  }

  /// With about `digits` significant digits, without trailing zeros.
  static func short(_ value: Double, digits: Int = 4) -> String {
    guard value.isFinite else { return value.isNaN ? "–" : value > 0 ? "∞" : "−∞" }
    guard value != 0 else { return "0" }
    let text = String(format: "%.\(digits)g", value)
    guard let exponentMark = text.firstIndex(of: "e") else {
      return text.replacingOccurrences(of: "-", with: "−")
    }
    let exponent = Int(text[text.index(after: exponentMark)...]) ?? 0
    return (text[..<exponentMark] + "e\(exponent)").replacingOccurrences(of: "-", with: "−")
  }

  /// With as many decimals as it takes to see a hundredth of the spread.
  static func resolved(_ value: Double, spread: Double) -> String {
    guard value.isFinite, spread > 0, spread.isFinite else { return short(value) }
    let decimals = 2 - Int(floor(log10(spread)))
    guard decimals <= 8, abs(value) < 1e12, spread < 1e7 else { return short(value, digits: 6) }
    return fixed(value, decimals: max(0, decimals))
  }

  /// A whole number in groups of three: 3,141,592.
  static func count(_ value: Int) -> String {
    let digits = Array(String(value.magnitude))
    var text = value < 0 ? "−" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return text
  }

  /// A large real number with decimals, in groups of three: −1,234.56.
  static func grouped(_ value: Double, decimals: Int = 2) -> String {
    guard value.isFinite else { return short(value) }
    guard abs(value) < 1e15 else { return short(value, digits: 8) }
    let text = fixed(abs(value), decimals: decimals)
    let parts = text.split(separator: ".")
    let whole = count(Int(parts[0]) ?? 0) + (parts.count > 1 ? "." + parts[1] : "")
    return value < 0 && text.contains(where: { "123456789".contains($0) }) ? "−" + whole : whole
  }
}
