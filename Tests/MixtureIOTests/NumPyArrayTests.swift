// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import MixtureIO
import Mixtures
import Testing

@Suite("NumPy arrays") struct NumPyArrayTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  /// A file as NumPy writes it, or not quite.
  func array(
    _ name: String = "a.npy", version: UInt8 = 1, type: String = "<f8", order: String = "False",
    shape: String, padding: Int = 0, data: [UInt8]
  ) throws -> String {
    try array(
      name, version: version,
      header: "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }"
        + String(repeating: " ", count: padding) + "\n", data: data)
  }

  func array(
    _ name: String = "a.npy", version: UInt8 = 1, header: String, data: [UInt8]
  ) throws -> String {
    let length = header.utf8.count
    let size =
      version == 1
      ? [UInt8(length & 255), UInt8(length >> 8)] : [UInt8(length & 255), UInt8(length >> 8), 0, 0]
    return try folder.file(
      name, [0x93] + Array("NUMPY".utf8) + [version, 0] + size + Array(header.utf8) + data)
  }

  func bytes(_ values: [Double]) -> [UInt8] {
    values.flatMap { value in
      (0..<8).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
    }
  }

  func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
    }
  }

  func message(_ path: String) -> String? {
    failure(in: folder) { try readTable(paths: [path]) }?.message
  }

  @Test("versions 1.0 to 3.0 are read, at any alignment of the data", arguments: [1, 2, 3], 0..<9)
  func versions(version: UInt8, padding: Int) throws {
    let path = try array(
      version: version, shape: "(3, 2)", padding: padding,
      data: bytes([1, 2, 3, 4, 5, -0.0] as [Double]))
    let table = try readTable(paths: [path])
    #expect(try rows(table) == [[1, 2], [3, 4], [5, 0]])
    #expect(try table.matrix()[2, 1].sign == .minus)
    #expect(table.featureNames == ["x1", "x2"])
  }

  @Test("Fortran order and single precision are read in place")
  func layouts() throws {
    let values = [1, 3, 5, 2, 4, 0.1] as [Double]
    let columns = try array("f.npy", order: "True", shape: "(3, 2)", data: bytes(values))
    #expect(try rows(readTable(paths: [columns])) == [[1, 2], [3, 4], [5, 0.1]])
    let single = try array(
      "s.npy", type: "<f4", order: "True", shape: "(3L, 2L)", data: bytes(values.map(Float.init)))
    #expect(try rows(readTable(paths: [single])) == [[1, 2], [3, 4], [5, Double(0.1 as Float)]])
    try readTable(paths: [single]).source.withRows(1..<3) {
      #expect($0.element == .float32)
      #expect($0[0, 1] == 4)
    }
  }

  @Test("an array with one axis is a table of one column")
  func oneAxis() throws {
    let path = try array(shape: "(3,)", data: bytes([7, 8, 9] as [Double]))
    #expect(try rows(readTable(paths: [path])) == [[7], [8], [9]])
  }

  @Test("columns are chosen by number, and a label column is text")
  func columns() throws {
    let path = try array(shape: "(2, 3)", data: bytes([1, 2, 3, 4, 5, 6.5] as [Double]))
    let table = try readTable(paths: [path], options: TableOptions(columns: ["3", "1"]))
    #expect(try rows(table) == [[3, 1], [6.5, 4]])
    #expect(table.featureNames == ["x3", "x1"])
    let labelled = try readTable(paths: [path], options: TableOptions(labelColumn: "3"))
    #expect(labelled.labels == ["3", "6.5"])
    #expect(labelled.featureNames == ["x1", "x2"])
    let unknown = failure(in: folder) {
      try readTable(paths: [path], options: TableOptions(excluded: ["4"]))
    }
    #expect(unknown?.message.contains("x1, x2, x3") == true)
  }

  @Test("several arrays are one table, of either precision")
  func severalArrays() throws {
    let a = try array("a.npy", shape: "(2, 1)", data: bytes([1, 2] as [Double]))
    let b = try array("b.npy", type: "<f4", shape: "(3, 1)", data: bytes([3, 4, 5] as [Float]))
    let wide = try array("wide.npy", shape: "(1, 2)", data: bytes([3, 4] as [Double]))
    let table = try readTable(paths: [a, b, a])
    #expect(try rows(table) == [[1], [2], [3], [4], [5], [1], [2]])
    try table.source.withRows(1..<6) { rows in
      #expect((0..<rows.count).map { rows[$0, 0] } == [2, 3, 4, 5, 1])
    }
    let disagreement = failure(in: folder) { try readTable(paths: [a, wide]) }
    #expect(disagreement?.message.hasPrefix("wide.npy has 2 columns, but") == true)
    let text = try folder.file("t.csv", "1\n2\n")
    #expect(failure { try readTable(paths: [a, text]) }?.message.contains("of one kind") == true)
    #expect(failure { try readTable(paths: [text, a]) }?.message.contains("of one kind") == true)
  }

  @Test(
    "other element types are named, with the remedy in Python",
    arguments: [">f8", "<i8", "|u1", "<f2", "<c16", "|O", "<U3"])
  func otherTypes(type: String) throws {
    let path = try array(type: type, shape: "(1, 1)", data: bytes([1] as [Double]))
    #expect(
      message(path)
        == "a.npy holds elements of type \(type); float64 (<f8) and float32 (<f4) are read. "
        + "Convert it in Python with numpy.save(file, a.astype(\"<f8\")).")
  }

  @Test("records, scalars and three axes are no tables")
  func otherShapes() throws {
    let records = try array(
      header: "{'descr': [('a', '<f8'), ('b', '<f8')], 'fortran_order': False, 'shape': (1,), }\n",
      data: bytes([1, 2] as [Double]))
    #expect(message(records)?.contains("records with several fields") == true)
    #expect(
      message(try array(shape: "()", data: bytes([1] as [Double])))?.contains("0 axes") == true)
    #expect(
      message(try array(shape: "(1, 2, 1)", data: bytes([1, 2] as [Double])))?.contains(
        "3 axes, shape (1, 2, 1)") == true)
    let empty = try array(shape: "(0, 2)", data: [])
    #expect(failure { try readTable(paths: [empty]) }?.code == .emptyObservations)
  }

  @Test("a file that is shorter than its shape says is named with both sizes")
  func truncated() throws {
    let path = try array(shape: "(3, 2)", data: bytes([1, 2, 3] as [Double]))
    #expect(
      message(path)
        == "a.npy is cut short: shape (3, 2) needs 48 bytes, the file holds 24. Save the array again."
    )
  }

  @Test(
    "shapes that no memory holds are refused without overflow",
    arguments: [
      "(4611686018427387904, 4)", "(1152921504606846976, 1)",
      "(9223372036854775807, 9223372036854775807)",
    ])
  func hugeShapes(shape: String) throws {
    #expect(
      message(try array(shape: shape, data: bytes([1] as [Double])))?.contains("is cut short")
        == true)
  }

  @Test(
    "a damaged header is one clear error",
    arguments: [
      "", "{", "{}", "garbage\n", "{'descr': '<f8'}\n",
      "{'descr': '<f8', 'fortran_order': 3, 'shape': (1,)}",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", "{'descr': '<f8", "[[[[",
      "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999, 1)}",
      String(repeating: "{'a': ", count: 3), "{'descr': '<f8', 'fortran_order': False, 'shape': (1",
    ])
  func damagedHeader(header: String) throws {
    let path = try array(header: header, data: bytes([1, 2] as [Double]))
    #expect(
      message(path) == "a.npy has a damaged NumPy header; write the file again with numpy.save.")
  }

  @Test("deeply nested headers do not exhaust the stack")
  func nestedHeader() throws {
    let header = String(repeating: "{'a':", count: 13_000)
    #expect(message(try array(header: header, data: []))?.contains("damaged NumPy header") == true)
  }

  @Test("every cut of a file is an error and never a trap")
  func everyCut() throws {
    let whole = try Data(
      contentsOf: URL(fileURLWithPath: try array(shape: "(1, 2)", data: bytes([1, 2] as [Double]))))
    for length in 6..<whole.count {
      let path = try folder.file("cut.npy", whole.prefix(length))
      #expect(failure { try readTable(paths: [path]) }?.code == .malformedFile)
    }
    let other = try folder.file("text.npy", "1,2\n")
    #expect(message(other) == "text.npy is not a NumPy array; write such a file with numpy.save.")
    let future = try array("v9.npy", version: 9, shape: "(1,)", data: bytes([1] as [Double]))
    #expect(message(future)?.contains("version 9.0") == true)
  }

  @Test("a matrix that is written reads back to the bit")
  func roundTrip() throws {
    let path = folder.path + "/out.npy"
    let matrix = try Matrix(rows: [[1, -0.0, .leastNonzeroMagnitude], [.pi, 1e300, -1.5]])
    try NumPyArray.write(matrix, to: path)
    let back = try readTable(paths: [path]).matrix()
    #expect(back.elements.map(\.bitPattern) == matrix.elements.map(\.bitPattern))
    #expect(back.rowCount == 2)
    // NumPy wants the data at a multiple of 64.
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)).count == 128 + 48)
    #expect(folder.names == ["out.npy"])
  }
}
