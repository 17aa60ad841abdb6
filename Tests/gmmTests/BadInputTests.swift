// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("Bad input at the command line: status 2, one message, no output")
struct CommandBadInputTests {
  let command: Command
  let good = "a,b\n" + (0..<30).map { "\($0 % 7),\($0 * $0 % 11)\n" }.joined()

  init() throws {
    command = try Command()
    try command.write("good.csv", good)
    try command.write(
      "good3.csv", "a,b,c\n" + (0..<30).map { "\($0 % 7),\($0 * $0 % 11),\($0 % 4)\n" }.joined())
  }

  /// Requires status 2, nothing on standard output, no file left behind, and one message that holds the words.
  func expectFailure(
    _ arguments: [String], input: String? = nil, _ words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try command.files()
    let result = try command.run(arguments, input: input)
    #expect(result.status == 2, "\(result.errors)", sourceLocation: sourceLocation)
    #expect(result.output.isEmpty, sourceLocation: sourceLocation)
    #expect(try command.files() == before, sourceLocation: sourceLocation)
    let lines = result.errors.split(separator: "\n")
    #expect(lines.count == 1, "\(result.errors)", sourceLocation: sourceLocation)
    #expect(result.errors.hasPrefix("gmm: "), sourceLocation: sourceLocation)
    for word in words {
      #expect(
        result.errors.contains(word), "\(result.errors) lacks \(word)",
        sourceLocation: sourceLocation)
    }
  }

  func fit(_ file: String, _ more: String...) -> [String] {
    [
      "fit", file, "-k", "2", "-o", "m.json", "--report", "r.html", "--plot", "p.svg", "--trace",
      "t.csv",
    ] + more
  }

  @Test("files that are no table")
  func files() throws {
    try expectFailure(fit("missing.csv"), "missing.csv")
    try expectFailure(fit("."), "folder")
    for (name, text, word) in [
      ("empty.csv", "", "empty"), ("header.csv", "a,b\n", "header.csv"),
      ("comments.csv", "# nothing\n\n", "comments.csv"),
    ] {
      try command.write(name, text)
      try expectFailure(fit(name), name, word)
    }
  }

  @Test("cells that are no numbers, by line and column")
  func cells() throws {
    for (cell, word) in [
      ("n/a", "n/a"), ("", "line 15"), ("NaN", "NaN"), ("inf", "inf"), ("1e999", "1e999"),
      ("1.2.3", "1.2.3"),
    ] {
      var lines = good.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      lines[14] = "3,\(cell)"
      try command.write("bad.csv", lines.joined(separator: "\n"))
      try expectFailure(fit("bad.csv"), "bad.csv", "line 15", "b", word)
    }
    var lines = good.split(separator: "\n").map(String.init)
    lines[9] = "1,2,3"
    try command.write("ragged.csv", lines.joined(separator: "\n"))
    try expectFailure(fit("ragged.csv"), "ragged.csv", "line 10", "3", "2")
    try expectFailure(fit("good.csv", "--columns", "a,z"), "\"z\"", "a, b")
  }

  @Test("requests without an answer")
  func requests() throws {
    try expectFailure(["fit", "good.csv", "-k", "0"], "components is 0")
    try expectFailure(["lesson", "-n", "1"], "1 point", "at least 10")
    try expectFailure(fit("good.csv", "--restarts", "0"), "restarts is 0")
    try expectFailure(fit("good.csv", "--floor", "2"), "floor is 2")
    try command.write("one.csv", "1,2\n")
    try expectFailure(fit("one.csv"), "one row")
    try command.write("equal.csv", String(repeating: "1,2\n", count: 9))
    try expectFailure(fit("equal.csv"), "all 9 rows are equal")
    try command.write("constant.csv", "a,b\n" + (0..<30).map { "\($0),7\n" }.joined())
    try expectFailure(fit("constant.csv"), "column b", "same value")
    try command.write(
      "collinear.csv",
      "a,b\n" + (0..<30).map { "\($0 * $0 % 11),\(2 * ($0 * $0 % 11) + 1)\n" }.joined())
    try expectFailure(fit("collinear.csv"), "column a", "column b", "collinear")
  }

  @Test("more components than different rows: fits those, and says so")
  func fewRows() throws {
    try command.write("few.csv", String(repeating: "1,2\n3,5\n2,9\n", count: 5))
    let result = try command.run("fit", "few.csv", "-k", "7", "--format", "json")
    #expect(result.status == 0)
    #expect(result.errors.contains("7 components were asked for, but only 3 rows are different"))
  }

  /// The bytes of a version 1 .npy file with the given header and data.
  func array(_ header: String, _ data: [UInt8]) -> [UInt8] {
    let padded =
      header + String(repeating: " ", count: (64 - (11 + header.utf8.count) % 64) % 64) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [
      1, 0, UInt8(padded.utf8.count & 255), UInt8(padded.utf8.count >> 8),
    ]
      + Array(padded.utf8) + data
  }

  @Test("damaged and foreign NumPy arrays")
  func arrays() throws {
    func header(_ type: String, _ shape: String) -> String {
      "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }"
    }
    let zeros = [UInt8](repeating: 0, count: 64)
    for (name, bytes, words) in [
      ("short.npy", array(header("<f8", "(10, 2)"), zeros), ["short.npy"]),
      ("huge.npy", array(header("<f8", "(4611686018427387904, 8)"), zeros), ["huge.npy"]),
      ("dtype.npy", array(header("<i8", "(4, 2)"), zeros), ["dtype.npy", "<i8"]),
      ("axes.npy", array(header("<f8", "(2, 2, 2)"), zeros), ["axes.npy", "3"]),
      ("none.npy", array(header("<f8", "(4, 0)"), []), ["none.npy"]),
      ("garbage.npy", Array("not an array".utf8), ["garbage.npy"]),
    ] {
      try command.write(name, bytes)
      try expectFailure(fit(name), words[0], words.last!)
    }
  }

  @Test("models that are none")
  func models() throws {
    #expect(try command.run("fit", "good.csv", "-k", "2", "-o", "m.json").status == 0)
    let text = try command.read("m.json")
    func expectBad(_ name: String, _ text: String, _ words: String...) throws {
      try command.write(name, text)
      try expectFailure(["score", name, "good.csv"], name, words[0])
      try expectFailure(["predict", name, "good.csv", "-o", "out.csv"], name, words.last!)
    }
    try expectBad("cut.json", String(text.prefix(200)), "cut.json")
    try expectBad("version.json", text.replacing("\"version\": 1", with: "\"version\": 99"), "99")
    try expectBad("format.json", text.replacing("swift-mixtures/model", with: "other"), "other")
    try expectBad("empty.json", "", "empty.json")
    let template = """
      {"format": "swift-mixtures/model", "version": 1, "structure": "VVV", "features": ["a", "b"],
       "weights": WEIGHTS, "means": [[0, 0], [1, 1]], "covariances": [[[1, 0], [0, 1]], COVARIANCE]}
      """
    let filled = template.replacing("WEIGHTS", with: "[0.5, 0.5]").replacing(
      "COVARIANCE", with: "[[1, 0], [0, 1]]")
    try command.write("ok.json", filled)
    #expect(try command.run("score", "ok.json", "good.csv").status == 0)
    try expectBad(
      "heavy.json",
      template.replacing("WEIGHTS", with: "[1, 1]").replacing(
        "COVARIANCE", with: "[[1, 0], [0, 1]]"),
      "sum to 2")
    try expectBad(
      "indefinite.json",
      template.replacing("WEIGHTS", with: "[0.5, 0.5]").replacing(
        "COVARIANCE", with: "[[1, 2], [2, 1]]"),
      "component 1", "not positive definite")
    try expectFailure(["score", "ok.json", "good3.csv", "--columns", "a,b,c"], "3 features", "2")
    try expectFailure(["score", "absent.json", "good.csv"], "absent.json")
  }

  @Test("outputs that cannot be written")
  func outputs() throws {
    for flag in ["-o", "--report", "--plot", "--trace"] {
      try expectFailure(["fit", "good.csv", "-k", "2", flag, "/dev/full"], "/dev/full", "space")
      try expectFailure(
        ["fit", "good.csv", "-k", "2", flag, "no/such/folder/x"], "no/such/folder/x")
    }
    _ = try command.run("fit", "good.csv", "-k", "2", "-o", "m.json")
    try expectFailure(["sample", "m.json", "-n", "100000", "-o", "/dev/full"], "/dev/full")
    try expectFailure(["lesson", "-n", "50", "-o", "/dev/full"], "/dev/full")
  }

  @Test("a reader that has seen enough is success")
  func closedPipe() throws {
    _ = try command.run("fit", "good.csv", "-k", "2", "-o", "m.json")
    let shell = Process()
    shell.executableURL = URL(filePath: "/bin/bash")
    shell.currentDirectoryURL = command.folder
    shell.arguments = [
      "-c",
      "set -o pipefail; '\(Command.executable.path)' sample m.json -n 200000 2>err.txt | head -n 2 >/dev/null; echo ${PIPESTATUS[0]} >status.txt",
    ]
    try shell.run()
    shell.waitUntilExit()
    #expect(try command.read("status.txt") == "0\n")
    #expect(try command.read("err.txt").isEmpty)
  }

  @Test("standard error that cannot be written is no crash")
  func fullStandardError() throws {
    let shell = Process()
    shell.executableURL = URL(filePath: "/bin/bash")
    shell.currentDirectoryURL = command.folder
    shell.arguments = [
      "-c",
      "'\(Command.executable.path)' fit missing.csv -k 2 2>/dev/full; echo $? >a.txt; '\(Command.executable.path)' fit missing.csv -k 2 2>&-; echo $? >b.txt",
    ]
    try shell.run()
    shell.waitUntilExit()
    #expect(try command.read("a.txt") == "2\n")
    #expect(try command.read("b.txt") == "2\n")
  }

  @Test("a table that has some of a model's columns, but not all, is an error")
  func someColumns() throws {
    _ = try command.run("fit", "good.csv", "-k", "2", "-o", "m.json")
    try command.write("renamed.csv", good.replacing("a,b\n", with: "b,c\n"))
    try expectFailure(["score", "m.json", "renamed.csv"], "renamed.csv lacks a")
  }

  @Test("unknown flags and values are usage errors, status 64")
  func usage() throws {
    for arguments in [
      ["fit"], ["fit", "good.csv", "--bogus"], ["fit", "good.csv", "-k", "two"],
      ["fit", "good.csv", "--covariance", "round"], ["fit", "good.csv", "--start", "labels="],
      ["fit", "good.csv", "-k", "5...2"], ["fit", "good.csv", "-k=-9223372036854775808...1"],
      ["fit", "good.csv", "-k", "1... 3"], ["fit", "good.csv", "-o", "x", "--plot", "x"],
      ["nonsense"], ["score", "m.json"],
      ["fit", "good.csv", "--threads", "0"],
    ] {
      let result = try command.run(arguments)
      #expect(result.status == 64, "\(arguments)")
      #expect(result.output.isEmpty && !result.errors.isEmpty)
    }
    #expect(try command.run("--help").status == 0)
    #expect(try command.run("--version").output.contains("."))
  }
}
