// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Mixtures

/// A place in a JSON file, and typed access to what is there; errors name the file and the place.
struct JSONReader {
  let value: JSONValue
  /// The file as messages name it.
  let file: String
  /// The place, such as `covariances[1][0]`; empty for the whole.
  var place = ""

  /// The error that this place "is …".
  func fault(_ reason: String) -> MixtureError {
    MixtureError(.malformedFile, "\(file): \(place.isEmpty ? "the whole" : place) \(reason).")
  }

  private func wrongKind(_ expected: String) -> MixtureError {
    fault("is \(value.kind); expected \(expected)")
  }

  /// The member with the given key.
  func member(_ key: String) throws(MixtureError) -> JSONReader {
    guard let member = try optionalMember(key) else {
      throw MixtureError(
        .malformedFile,
        "\(file): the key \"\(key)\" is missing\(place.isEmpty ? "" : " in \(place)"). "
          + "Add it, or write the model again.")
    }
    return member
  }

  /// The member with the given key; nil if there is none.
  func optionalMember(_ key: String) throws(MixtureError) -> JSONReader? {
    guard case .object = value else { throw wrongKind("an object") }
    return value[key].map {
      JSONReader(value: $0, file: file, place: place.isEmpty ? key : "\(place).\(key)")
    }
  }

  /// The elements of an array.
  func elements() throws(MixtureError) -> [JSONReader] {
    guard case .array(let values) = value else { throw wrongKind("an array") }
    return values.enumerated().map {
      JSONReader(value: $1, file: file, place: "\(place)[\($0)]")
    }
  }

  func text() throws(MixtureError) -> String {
    guard case .text(let text) = value else { throw wrongKind("text") }
    return text
  }

  func truth() throws(MixtureError) -> Bool {
    guard case .truth(let truth) = value else { throw wrongKind("true or false") }
    return truth
  }

  /// A finite number.
  func number() throws(MixtureError) -> Double {
    guard case .number(let spelling) = value else { throw wrongKind("a number") }
    guard let number = DecimalNumber.value(spelling), number.isFinite else {
      throw fault("is \(spelling.prefix(40)), too large for a double (limit 1.8e308)")
    }
    return number
  }

  /// A finite number, or what stands for null.
  func number(orNull substitute: Double) throws(MixtureError) -> Double {
    value == .null ? substitute : try number()
  }

  /// A whole number.
  func whole<Number: FixedWidthInteger>() throws(MixtureError) -> Number {
    guard case .number(let spelling) = value else { throw wrongKind("a whole number") }
    // Other programs may write 12 as 12.0 or 1.2e1.
    if let number = Number(spelling) { return number }
    guard let number = Number(exactly: try number()) else {
      throw fault("is \(spelling.prefix(40)); expected a whole number up to \(Number.max)")
    }
    return number
  }

  /// A whole number that is not negative.
  func count() throws(MixtureError) -> Int {
    let number: Int = try whole()
    guard number >= 0 else { throw fault("is \(number); it must not be negative") }
    return number
  }

  /// One of the spellings of a closed set.
  func choice<Choice: RawRepresentable<String>>() throws(MixtureError) -> Choice {
    let spelling = try text()
    guard let choice = Choice(rawValue: spelling) else {
      throw fault("is \"\(spelling.prefix(40))\", which this version does not know")
    }
    return choice
  }

  /// An array of finite numbers.
  func numbers() throws(MixtureError) -> [Double] {
    var numbers: [Double] = []
    for element in try elements() { numbers.append(try element.number()) }
    return numbers
  }

  /// An array of rows of equal length.
  func matrix() throws(MixtureError) -> Matrix {
    var rows: [[Double]] = []
    for row in try elements() {
      rows.append(try row.numbers())
      guard rows[rows.count - 1].count == rows[0].count else {
        throw row.fault(
          "has \(rows[rows.count - 1].count) numbers, but the row before it has \(rows[0].count)")
      }
    }
    return try Matrix(rows: rows)
  }
}
