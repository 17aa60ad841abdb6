// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Mixtures

/// Limits of a value as a cell spells them: `<2.5` or `<=2.5`, `>40` or `>=40`, `1.5..2.5`.
struct CellLimits: Equatable {
  var lower = -Double.infinity
  var upper = Double.infinity

  /// No limits.
  init() {}

  /// The limits that a cell spells; nil if it spells none.
  init?(_ text: String) {
    func number(_ text: some StringProtocol) -> Double? {
      let bare = text.drop { $0 == " " }
      guard bare.first != ".", let value = DecimalNumber.value(String(bare)), value.isFinite
      else { return nil }
      return value
    }
    if let sign = text.utf8.first, sign == UInt8(ascii: "<") || sign == UInt8(ascii: ">") {
      var rest = text.dropFirst()
      if rest.first == "=" { rest = rest.dropFirst() }
      guard let value = DecimalNumber.value(String(rest.drop { $0 == " " })), value.isFinite else {
        return nil
      }
      if sign == UInt8(ascii: "<") { upper = value } else { lower = value }
      return
    }
    // Three points would be a range of which it is not clear whose number the third belongs to.
    let bytes = Array(text.utf8)
    let point = UInt8(ascii: ".")
    guard
      let dots = bytes.indices.dropLast().first(where: {
        bytes[$0] == point && bytes[$0 + 1] == point
      }),
      let low = number(String(decoding: bytes[..<dots], as: UTF8.self).trimmed),
      let high = number(String(decoding: bytes[(dots + 2)...], as: UTF8.self))
    else { return nil }
    (lower, upper) = (low, high)
  }

  /// Whether a cell spells limits.
  static func matches(_ text: String) -> Bool { CellLimits(text) != nil }

  /// Requires a lower limit below the upper.
  func requireOrder(_ place: @autoclosure () -> String) throws(MixtureError) {
    guard lower < upper else {
      throw MixtureError(
        .invalidAnnotation,
        "\(place()): the lower limit \(lower) is not below the upper, \(upper)."
          + (lower == upper
            ? " Write the value alone if it is known." : " Write the lower one first."))
    }
  }
}

/// A cell that holds limits, by its row and the place of its feature.
struct LimitedCell {
  let row: Int
  let place: Int
  let limits: CellLimits
}

extension String {
  /// Without spaces at the end.
  fileprivate var trimmed: String {
    var text = Substring(self)
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
