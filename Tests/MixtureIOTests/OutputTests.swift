// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import MixtureIO
import Mixtures
import Testing

@Suite("Output") struct OutputTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test("a file keeps its old content until the new one is complete")
  func replacement() throws {
    let path = try folder.file("model.json", "old")
    let output = try TextOutput(path: path)
    try output.write(String(repeating: "new", count: 50_000))
    #expect(try folder.text("model.json") == "old")
    #expect(folder.names.count == 2)
    try output.close()
    #expect(try folder.text("model.json") == String(repeating: "new", count: 50_000))
    #expect(folder.names == ["model.json"])
  }

  @Test("output that is dropped or fails leaves what was there, and nothing else")
  func abandoned() throws {
    let path = try folder.file("model.json", "old")
    let fault = MixtureError(.invalidModel, "as planned")
    let thrown = failure {
      try AtomicFile.write(to: path) { (output) throws(MixtureError) in
        try output.write("new")
        throw fault
      }
    }
    #expect(thrown == fault)
    #expect(try folder.text("model.json") == "old")
    #expect(folder.names == ["model.json"])
  }

  @Test("a file keeps its permissions, and a new one gets the usual ones")
  func permissions() throws {
    func mode(_ path: String) throws -> Int? {
      try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }
    let path = try folder.file("a", "old")
    try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
    try AtomicFile.write("new", to: path)
    #expect(try mode(path) == 0o640)
    let usual = try folder.file("usual", "")
    try AtomicFile.write("new", to: folder.path + "/b")
    #expect(try mode(folder.path + "/b") == mode(usual))
  }

  @Test("a symbolic link stays one, whether its file exists or not")
  func links() throws {
    let manager = FileManager.default
    _ = try folder.file("real", "old")
    try manager.createSymbolicLink(atPath: folder.path + "/link", withDestinationPath: "real")
    try manager.createSymbolicLink(atPath: folder.path + "/ahead", withDestinationPath: "later")
    try AtomicFile.write("one", to: folder.path + "/link")
    try AtomicFile.write("two", to: folder.path + "/ahead")
    #expect(try folder.text("real") == "one")
    #expect(try folder.text("later") == "two")
    #expect(try manager.destinationOfSymbolicLink(atPath: folder.path + "/link") == "real")
    #expect(folder.names == ["ahead", "later", "link", "real"])
  }

  @Test("a full device is an error with a remedy") func fullDevice() throws {
    guard FileManager.default.fileExists(atPath: "/dev/full") else { return }
    let error = failure { try AtomicFile.write("x", to: "/dev/full") }
    #expect(error?.code == .unwritableFile)
    #expect(
      error?.message
        == "/dev/full cannot be written: No space left on device. Free some space, or write elsewhere."
    )
  }

  @Test("devices are written directly") func devices() throws {
    try AtomicFile.write("x", to: "/dev/null")
    let type = try FileManager.default.attributesOfItem(atPath: "/dev/null")[.type]
    #expect(type as? FileAttributeType == .typeCharacterSpecial)
  }

  @Test("a folder that is not there, or a folder itself, is one clear error")
  func folders() {
    let missing = failure(in: folder) { try AtomicFile.write("x", to: folder.path + "/no/a.json") }
    #expect(
      missing?.message
        == "no/a.json cannot be written: its folder does not exist. Create the folder first.")
    let itself = failure { try AtomicFile.write("x", to: folder.path) }
    #expect(itself?.message == "\(folder.path) is a folder; give the name of a file in it.")
    #expect(failure { try AtomicFile.write("x", to: "") }?.message.contains("is empty") == true)
    #expect(failure { try AtomicFile.write("x", to: folder.path + "/a/") }?.code == .unwritableFile)
  }

  @Test("a pipe that nobody reads any more is told apart from other failures")
  func closedPipe() throws {
    signal(SIGPIPE, SIG_IGN)
    let path = folder.path + "/pipe"
    #expect(mkfifo(path, 0o600) == 0)
    let reader = open(path, O_RDONLY | O_NONBLOCK)
    let output = try TextOutput(path: path)
    close(reader)
    let error = failure {
      try output.write("x")
      try output.flush()
    }
    #expect(error?.code == .closedOutput)
    #expect(folder.names == ["pipe"])
  }

  @Test("writing after the end is an error and no trap") func afterEnd() throws {
    let output = try TextOutput(path: folder.path + "/a")
    try output.close()
    try output.close()
    #expect(
      failure {
        try output.write("x")
        try output.flush()
      }?.code == .unwritableFile)
  }

  // MARK: Tables

  @Test(
    "a table is written as CSV with the shortest numbers that read back, and names quoted where needed"
  )
  func delimitedTable() throws {
    let path = folder.path + "/out.csv"
    let columns = [
      TableWriter.Column("component", isWhole: true), TableWriter.Column("a,\"b\""),
      TableWriter.Column("#c"),
    ]
    let matrix = try Matrix(rows: [[0, 0.1, -0.0], [12, .leastNonzeroMagnitude, 1e300]])
    try writeTable(matrix, columns: columns, to: path)
    #expect(
      try folder.text("out.csv")
        == "component,\"a,\"\"b\"\"\",\"#c\"\n0,0.1,-0.0\n12,5e-324,1e+300\n")
    let table = try readTable(paths: [path])
    #expect(table.featureNames == ["component", "a,\"b\"", "#c"])
    #expect(try table.matrix().elements.map(\.bitPattern) == matrix.elements.map(\.bitPattern))
  }

  @Test("a table with the name of a NumPy array is one, of integers if all columns are whole")
  func arrayTable() throws {
    let path = folder.path + "/out.npy"
    let numbers = try Matrix(rows: [[1, 2.5], [3, 4]])
    try writeTable(numbers, columns: [.init("a"), .init("b", isWhole: true)], to: path)
    #expect(try readTable(paths: [path]).matrix() == numbers)
    let labels = try Matrix(rows: [[1], [-2]])
    try writeTable(labels, columns: [.init("component", isWhole: true)], to: path)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(
      String(decoding: bytes[10..<128], as: UTF8.self).contains(
        "'<i8', 'fortran_order': False, 'shape': (2,)"))
    #expect(
      [UInt8](bytes[128...]) == [1, 0, 0, 0, 0, 0, 0, 0, 0xFE] + [UInt8](repeating: 0xFF, count: 7))
  }

  @Test("rows arrive in pieces of any size, and their number must be what was said")
  func pieces() throws {
    let path = folder.path + "/out.csv"
    let writer = try TableWriter(path: path, columns: [.init("a"), .init("b")], rowCount: 2)
    try writer.append([1])
    try writer.append([2, 3])
    #expect(failure { try writer.close() }?.code == .shapeMismatch)
    try writer.append([4])
    try writer.close()
    #expect(try folder.text("out.csv") == "a,b\n1.0,2.0\n3.0,4.0\n")
    let few = failure { try writeTable(Matrix(rows: [[1]]), columns: [], to: path) }
    #expect(few?.code == .shapeMismatch)
  }
}
