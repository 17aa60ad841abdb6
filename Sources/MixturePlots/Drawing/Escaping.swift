// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Names and titles come from files. Whatever they hold, they stay text.

extension String {
  /// The text as it stands in HTML or XML, in an element or a quoted attribute. Characters that XML forbids are replaced.
  var markupEscaped: String {
    var text = ""
    text.reserveCapacity(utf8.count)
    for scalar in unicodeScalars {
      switch scalar {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "'": text += "&#39;"
      case "\t", "\n", "\r": text.unicodeScalars.append(scalar)
      case "\u{0}"..<"\u{20}", "\u{FFFE}", "\u{FFFF}": text += "\u{FFFD}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// The text as a JSON string that is also safe inside a script element.
  var scriptJSON: String {
    var text = "\""
    for scalar in unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\u{0}"..<"\u{20}", "<", ">", "&", "\u{2028}", "\u{2029}":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}

/// JSON written by hand, so that its order, and so the page, is the same every time.
enum JSONText {
  static func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
  static func array(_ items: some Sequence<String>) -> String {
    "[" + items.joined(separator: ",") + "]"
  }
  static func array(_ values: some Sequence<Double>) -> String { array(values.map(number)) }
  static func object(_ members: [(String, String)]) -> String {
    "{" + members.map { "\($0.0.scriptJSON):\($0.1)" }.joined(separator: ",") + "}"
  }
}
