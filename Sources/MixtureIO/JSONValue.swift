// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// JSON as model files need it: keys in the order they were given, numbers exact to the bit, and errors that say where.
// Foundation has the second only.

/// A JSON value.
enum JSONValue: Equatable {
  case null
  case truth(Bool)
  /// A number as it is spelt; see ``number(_:)``.
  case number(String)
  case text(String)
  case array([JSONValue])
  case object([Member])

  /// A key and its value.
  struct Member: Equatable {
    let key: String
    let value: JSONValue
  }

  /// A number, or null if it is not finite: JSON has no spelling for those.
  static func number(_ value: Double) -> JSONValue {
    value.isFinite ? .number(value.description) : .null
  }

  /// A whole number.
  static func number(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }

  /// What the value is, in words.
  var kind: String {
    switch self {
    case .null: return "null"
    case .truth: return "true or false"
    case .number: return "a number"
    case .text: return "text"
    case .array: return "an array"
    case .object: return "an object"
    }
  }

  /// The value of a member of an object.
  subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.key == key }?.value
  }
}

// MARK: Writing

extension JSONValue {
  /// The value as text for people: members on lines of their own, arrays of numbers on one line.
  func formatted(indentation: String = "") -> String {
    let inner = indentation + "  "
    switch self {
    case .null: return "null"
    case .truth(let value): return value ? "true" : "false"
    case .number(let spelling): return spelling
    case .text(let text): return Self.quoted(text)
    case .array(let values):
      let isShort = values.allSatisfy {
        switch $0 {
        case .array, .object: return false
        default: return true
        }
      }
      if isShort {
        return "[\(values.map { $0.formatted() }.joined(separator: ", "))]"
      }
      let lines = values.map { inner + $0.formatted(indentation: inner) }
      return "[\n\(lines.joined(separator: ",\n"))\n\(indentation)]"
    case .object(let members):
      if members.isEmpty { return "{}" }
      let lines = members.map {
        "\(inner)\(Self.quoted($0.key)): \($0.value.formatted(indentation: inner))"
      }
      return "{\n\(lines.joined(separator: ",\n"))\n\(indentation)}"
    }
  }

  private static func quoted(_ text: String) -> String {
    var quoted = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case "\r": quoted += "\\r"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

// MARK: Reading

/// Why text is not JSON, and where.
struct JSONFault: Error, Equatable {
  /// In words, such as "the text ends in the middle".
  let reason: String
  /// From 1.
  let line: Int
  /// In bytes from the start of the line, from 1.
  let column: Int
}

extension JSONValue {
  /// The value that the bytes spell.
  init(parsing bytes: some Collection<UInt8>) throws(JSONFault) {
    var parser = JSONParser(Array(bytes))
    self = try parser.document()
  }
}

private struct JSONParser {
  private let bytes: [UInt8]
  private var index = 0
  private static let depthLimit = 64

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
  }

  mutating func document() throws(JSONFault) -> JSONValue {
    let value = try value(depth: 0)
    skipSpace()
    if index < bytes.count { throw fault("there is text behind the end") }
    return value
  }

  private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private func fault(_ reason: String) -> JSONFault {
    let before = bytes[..<min(index, bytes.count)]
    let line = before.count(where: { $0 == UInt8(ascii: "\n") }) + 1
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    return JSONFault(
      reason: index >= bytes.count ? "the text ends in the middle" : reason, line: line,
      column: before.endIndex - lineStart + 1)
  }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
      index += 1
    }
  }

  /// Passes over white space and the given byte, if it is next.
  private mutating func take(_ byte: Unicode.Scalar) -> Bool {
    skipSpace()
    guard next == UInt8(ascii: byte) else { return false }
    index += 1
    return true
  }

  private mutating func value(depth: Int) throws(JSONFault) -> JSONValue {
    guard depth < Self.depthLimit else { throw fault("values are nested too deeply") }
    if take("{") { return try object(depth: depth) }
    if take("[") { return try array(depth: depth) }
    if take("\"") { return .text(try text()) }
    let start = index
    while let byte = next, byte > 0x20, !",]}:\"".utf8.contains(byte) { index += 1 }
    let word = String(decoding: bytes[start..<index], as: UTF8.self)
    switch word {
    case "null": return .null
    case "true": return .truth(true)
    case "false": return .truth(false)
    default:
      if Self.isNumber(bytes[start..<index]) { return .number(word) }
      // At the very end the word may be the start of one that is known.
      if index < bytes.count || word.isEmpty { index = start }
      throw fault("a value is expected")
    }
  }

  private mutating func object(depth: Int) throws(JSONFault) -> JSONValue {
    var members: [JSONValue.Member] = []
    if take("}") { return .object(members) }
    while true {
      guard take("\"") else { throw fault("a key in quotes is expected") }
      let key = try text()
      guard take(":") else { throw fault("a colon is expected") }
      members.append(JSONValue.Member(key: key, value: try value(depth: depth + 1)))
      if take("}") { return .object(members) }
      guard take(",") else { throw fault("a comma or a closing brace is expected") }
    }
  }

  private mutating func array(depth: Int) throws(JSONFault) -> JSONValue {
    var values: [JSONValue] = []
    if take("]") { return .array(values) }
    while true {
      values.append(try value(depth: depth + 1))
      if take("]") { return .array(values) }
      guard take(",") else { throw fault("a comma or a closing bracket is expected") }
    }
  }

  /// The text up to the closing quote.
  private mutating func text() throws(JSONFault) -> String {
    var content: [UInt8] = []
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        return String(decoding: content, as: UTF8.self)
      case UInt8(ascii: "\\"):
        index += 1
        content.append(contentsOf: String(try escaped()).utf8)
      case ..<0x20:
        throw fault("text in quotes holds a line end or another control character")
      default:
        content.append(byte)
        index += 1
      }
    }
    throw fault("a quote is not closed")
  }

  /// The character behind a backslash.
  private mutating func escaped() throws(JSONFault) -> Character {
    guard let byte = next else { throw fault("a quote is not closed") }
    index += 1
    switch byte {
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{c}"
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"):
      return Character(Unicode.Scalar(byte))
    case UInt8(ascii: "u"):
      var unit = try fourHexDigits()
      // Characters beyond the first 65536 are two units.
      if unit >> 10 == 0x36, next == UInt8(ascii: "\\"), index + 1 < bytes.count,
        bytes[index + 1] == UInt8(ascii: "u")
      {
        index += 2
        unit = 0x10000 + (unit & 0x3FF) << 10 + (try fourHexDigits() & 0x3FF)
      }
      return Character(Unicode.Scalar(unit) ?? "\u{FFFD}")
    default:
      index -= 1
      throw fault("there is no such escape as \\\(Character(Unicode.Scalar(byte)))")
    }
  }

  private mutating func fourHexDigits() throws(JSONFault) -> UInt32 {
    var unit: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw fault("four hexadecimal digits are expected")
      }
      unit = unit << 4 | UInt32(digit)
      index += 1
    }
    return unit
  }

  /// Whether the bytes are a number by the grammar of JSON.
  private static func isNumber(_ bytes: ArraySlice<UInt8>) -> Bool {
    var rest = bytes
    func isDigit(_ byte: UInt8) -> Bool { byte &- 48 < 10 }
    func takeDigits() -> Int {
      let digits = rest.prefix(while: isDigit)
      rest = rest.dropFirst(digits.count)
      return digits.count
    }
    if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    let startsWithZero = rest.first == UInt8(ascii: "0")
    let whole = takeDigits()
    guard whole > 0, !startsWithZero || whole == 1 else { return false }
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      guard takeDigits() > 0 else { return false }
    }
    if let byte = rest.first, byte | 0x20 == UInt8(ascii: "e") {
      rest = rest.dropFirst()
      if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
        rest = rest.dropFirst()
      }
      guard takeDigits() > 0 else { return false }
    }
    return rest.isEmpty
  }
}
