// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("What rows carry, at the command line")
struct CarriedTests: CommandSuite {
  let command: Command
  let header = "a,b,w,ea,eb,kind"
  /// Two components, gaps in every seventh a and eleventh b, weights 1, 2, 3, and two labels.
  let lines: [String]

  init() throws {
    command = try Command()
    var state: UInt64 = 7
    func uniform() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) * 0x1p-24
    }
    func normal() -> Double { (0..<12).reduce(-6.0) { sum, _ in sum + uniform() } }
    lines = (0..<120).map { i in
      let (a, b) = (Double(6 * (i % 2)) + normal(), Double(3 * (i % 2)) + normal())
      let isGap = i % 7 == 3
      return "\(isGap ? "" : "\(a)"),\(i % 11 == 5 ? "NA" : "\(b)"),\(1 + i % 3),"
        + "\(isGap ? "" : "0.25"),0.125,\(i % 10 < 2 ? ["red", "blue"][i % 2] : "")"
    }
    try command.write("t.csv", table(lines))
  }

  func table(_ lines: [String]) -> String { ([header] + lines).joined(separator: "\n") + "\n" }

  @Test("all at once: the table says what rows carry, and the model has the background")
  func everything() throws {
    let text = try output(
      "fit", "t.csv", "-k", "2", "--missing", "--weights", "w", "--noise", "ea,eb", "--labels",
      "kind", "--background", "box", "-o", "m.json", "--plot", "p.svg", "--report", "r.html")
    #expect(text.contains("120 observations of 2 features: a, b\n"))
    #expect(text.contains("2 rows without any known cell are passed over."))
    #expect(text.contains("28 cells of 26 rows are missing."))
    #expect(text.contains("0 is \"red\" (12 rows), 1 is \"blue\" (12 rows)"))
    #expect(text.contains("sum to 235"))
    #expect(text.contains("uniform background"))
    let model = try command.read("m.json")
    #expect(model.contains("\"background\": {") && model.contains("\"criterionCount\": 235"))
    for file in ["p.svg", "r.html"] {
      #expect(!(try command.read(file).contains("nan,")))
    }
    #expect(!(try command.read("p.svg").lowercased().contains("\"nan\"")))
    #expect(try output("inspect", "m.json").contains("case weight of 235"))
    // What is read is what was written.
    #expect(try output("inspect", "m.json", "--format", "json") == model)
    let shares = try output("predict", "m.json", "t.csv", "--missing", "--responsibilities")
    #expect(shares.hasPrefix("component_0,component_1,background\n"))
    for line in shares.split(separator: "\n").dropFirst() {
      let sum = line.split(separator: ",").reduce(0) { $0 + Double($1)! }
      #expect(abs(sum - 1) <= 4 * .ulpOfOne)
    }
  }

  @Test("a weight of two is the row twice, and weight zero no row")
  func weights() throws {
    let whole = lines.filter { !$0.hasPrefix(",") && !$0.contains("NA") }
    let twice = whole.enumerated().flatMap { i, line in
      Array(repeating: line, count: i % 3)
    }
    try command.write("twice.csv", table(twice))
    try command.write(
      "w.csv", "v\n" + whole.indices.map { "\($0 % 3)\n" }.joined())
    try command.write("whole.csv", table(whole))
    _ = try output(
      "fit", "twice.csv", "--columns", "a,b", "-k", "1", "-o", "m1.json", "--quiet")
    _ = try output(
      "fit", "whole.csv", "--columns", "a,b", "-k", "1", "--weights", "w.csv", "-o", "m2.json",
      "--quiet")
    let scores = try ["m1.json", "m2.json"].map {
      Double(try output("score", $0, "twice.csv", "--quiet").dropLast())!
    }
    // One component has its maximum in closed form; sums differ by rounding only.
    #expect(abs(scores[0] - scores[1]) < 1e-12 * abs(scores[0]))
    let weighted = Double(
      try output("score", "m1.json", "whole.csv", "--weights", "w.csv", "--quiet").dropLast())!
    #expect(abs(scores[0] - weighted) < 1e-12 * abs(scores[0]))
  }

  @Test("the memory limit changes no bit of a fit of rows that carry something")
  func memory() throws {
    let long = (0..<400).flatMap { _ in lines }
    try command.write("long.csv", table(long))
    let fit = [
      "fit", "long.csv", "-k", "2", "--missing", "--weights", "w", "--labels", "kind", "--columns",
      "a,b", "--start", "kmeans", "--iterations", "2", "--tolerance", "0", "--threads", "1",
      "--quiet", "--format", "json",
    ]
    let result = try command.run(fit + ["--memory", "1K"])
    #expect(result.status == 2)
    let words = result.errors.split(separator: " ")
    let place = try #require(words.firstIndex(of: "least"), "\(result.errors)")
    let least = try #require(Double(words[place + 1]))
    // 48,000 rows carry 48 bytes each; what they take is asked for once they are counted.
    let short = try command.run(fit + ["--memory", "\(least)M"], temporaryFolder: "tmp")
    #expect(short.status == 2 && short.errors.contains("too small"), "\(short.errors)")
    let enough = try command.run(fit + ["--memory", "\(least + 3)M"], temporaryFolder: "tmp")
    #expect(enough.status == 0, "\(enough.errors)")
    #expect(enough.output == (try command.run(fit).output))
  }

  @Test("columns without any number are left out, and one whose numbers begin late is a feature")
  func openColumns() throws {
    let rows = (0..<40).map { "\($0 < 30 ? "NA" : "\($0 % 4)"),\($0 % 7),,\($0 == 0 ? "" : "x")" }
    try command.write("late.csv", "late,b,none,word\n" + rows.joined(separator: "\n") + "\n")
    let result = try command.run("fit", "late.csv", "-k", "1", "--missing")
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains("2 features: late, b"))
    #expect(result.errors.contains("none, word"))
    try command.write("mixed.csv", "a,b\n1,\n2,x\n3,4\n")
    try expectFailure(["fit", "mixed.csv", "-k", "1", "--missing"], "line 3", "\"x\"")
  }

  @Test("impute leaves what is there as it is; its draws differ, and repeat")
  func impute() throws {
    _ = try output("fit", "t.csv", "--columns", "a,b", "-k", "2", "--missing", "-o", "m.json")
    let filled = try output("impute", "m.json", "t.csv").split(separator: "\n").map(String.init)
    #expect(filled.count == 121 && filled[0] == "a,b")
    for (line, row) in zip(lines, filled.dropFirst()) {
      let cells = line.split(separator: ",", omittingEmptySubsequences: false)
      let values = row.split(separator: ",")
      for (cell, value) in zip(cells, values) {
        #expect(Double(value)!.isFinite)
        if let number = Double(cell) { #expect(number == Double(value)!) }
      }
    }
    let draws = try output("impute", "m.json", "t.csv", "--draws", "2", "--seed", "3")
    let rows = draws.split(separator: "\n").map(String.init)
    #expect(rows.count == 241 && rows[0] == "a,b,imputation")
    #expect(rows[1 + 3].dropLast(2) != rows[121 + 3].dropLast(2))
    #expect(rows[1].dropLast(2) == rows[121].dropLast(2))
    #expect(draws == (try output("impute", "m.json", "t.csv", "--draws", "2", "--seed", "3")))
  }

  @Test("denoise: no noise leaves rows as they are; an array of covariances says what columns say")
  func denoise() throws {
    let whole = lines.filter { !$0.hasPrefix(",") && !$0.contains("NA") }
    try command.write("whole.csv", table(whole))
    _ = try output("fit", "whole.csv", "--columns", "a,b", "-k", "2", "-o", "m.json")
    let n = whole.count
    try command.write("none.npy", array(Array(repeating: 0, count: 2 * n), shape: "\(n), 2"))
    let same = try output("denoise", "m.json", "whole.csv", "--noise", "none.npy")
    for (line, row) in zip(whole, same.split(separator: "\n").dropFirst()) {
      let (cells, values) = (line.split(separator: ","), row.split(separator: ","))
      #expect(Double(cells[0]) == Double(values[0]) && Double(cells[1]) == Double(values[1]))
      #expect(values[2] == "0.0" && values[3] == "0.0")
    }
    let matrices = (0..<n).flatMap { _ in [0.0625, 0, 0, 0.015625] as [Double] }
    try command.write("full.npy", array(matrices, shape: "\(n), 2, 2"))
    let byColumns = try output("denoise", "m.json", "whole.csv", "--noise", "ea,eb")
    #expect(byColumns == (try output("denoise", "m.json", "whole.csv", "--noise", "full.npy")))
    _ = try output(
      "denoise", "m.json", "whole.csv", "--noise", "ea,eb", "--covariances", "c.npy", "-o",
      "means.csv")
    let size = try Data(contentsOf: command.folder.appending(path: "c.npy")).count
    #expect(size == 128 + n * 4 * 8)
    #expect(try command.run("denoise", "m.json", "whole.csv").status == 64)
  }

  @Test("outliers are the background's: predict says -1")
  func background() throws {
    var rows = lines.filter { !$0.hasPrefix(",") && !$0.contains("NA") }
    for i in 0..<8 { rows.append("\(40 - 11 * i),\(30 * (i % 3) - 30),1,0,0,") }
    try command.write("out.csv", table(rows))
    _ = try output(
      "fit", "out.csv", "--columns", "a,b", "-k", "2", "--background", "box", "-o", "m.json")
    let labels = try output("predict", "m.json", "out.csv").split(separator: "\n")
    #expect(labels.suffix(8).count { $0 == "-1" } >= 6)
    #expect(labels.dropFirst().dropLast(8).count { $0 == "-1" } <= 3)
    try expectFailure(
      ["fit", "out.csv", "--columns", "a,b", "-k", "2", "--background=-3"], "volume", "-3")
    #expect(try command.run("fit", "out.csv", "--background", "sphere").status == 64)
  }

  @Test("weights, noise and labels that cannot be: one message with line and column")
  func badInput() throws {
    func bad(_ cell: Int, _ text: String) throws {
      var rows = lines
      var cells = rows[8].split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      cells[cell] = text
      rows[8] = cells.joined(separator: ",")
      try command.write("bad.csv", table(rows))
    }
    let fit = ["fit", "bad.csv", "--columns", "a,b", "-k", "2", "--missing"]
    for text in ["-1", "NaN", "inf", ""] {
      try bad(2, text)
      try expectFailure(fit + ["--weights", "w"], "bad.csv, line 10, column 3 (w)", "case weight")
    }
    try bad(2, "heavy")
    try expectFailure(fit + ["--weights", "w"], "bad.csv, line 10, column 3 (w)", "\"heavy\"")
    for text in ["-0.5", "NA", "-inf"] {
      try bad(3, text)
      try expectFailure(
        fit + ["--noise", "ea,eb"], "bad.csv, line 10, column 4 (ea)", "standard deviation")
    }
    try command.write(
      "zero.csv", "a,b,w\n" + (0..<30).map { "\($0 % 7),\($0 * $0 % 11),0\n" }.joined())
    try expectFailure(
      ["fit", "zero.csv", "--weights", "w", "-k", "1"], "column w", "all 30", "zero")
    let columns = ["fit", "t.csv", "--columns", "a,b", "--missing"]
    try expectFailure(columns + ["--noise", "ea", "-k", "2"], "1 column", "2 features", "a, b")
    try expectFailure(columns + ["--noise", "ea,ea", "-k", "2"], "ea", "twice")
    try expectFailure(columns + ["--weights", "w", "--labels", "w", "-k", "3"], "w", "two uses")
    try expectFailure(columns + ["--weights", "x", "-k", "2"], "no column \"x\"")
    try expectFailure(
      columns + ["--labels", "kind", "-k", "1"], "2 different labels (red, blue)", "at least 2")
    #expect(try command.run(["fit", "t.csv", "--weights-are", "reliability"]).status == 64)
    // Without --missing an error that says so.
    try expectFailure(
      ["fit", "t.csv", "--columns", "a,b", "-k", "2"], "t.csv, line 5, column 1 (a)", "--missing")
  }

  @Test("noise from a file: shape, sign and definiteness; NaN of an array without --missing")
  func badFiles() throws {
    let fit = ["fit", "t.csv", "--columns", "a,b", "--missing", "-k", "1", "--noise"]
    try command.write("few.npy", array(Array(repeating: 0, count: 6), shape: "3, 2"))
    try expectFailure(fit + ["few.npy"], "few.npy", "3 rows", "120 rows")
    try command.write("wide.npy", array(Array(repeating: 0, count: 360), shape: "120, 3"))
    try expectFailure(fit + ["wide.npy"], "wide.npy", "3 features", "2 (a, b)")
    try command.write("flat.npy", array(Array(repeating: 0, count: 720), shape: "120, 2, 3"))
    try expectFailure(fit + ["flat.npy"], "flat.npy", "(n, d, d)")
    var deviations = Array(repeating: 0.5, count: 240)
    deviations[9] = -1
    try command.write("minus.npy", array(deviations, shape: "120, 2"))
    try expectFailure(fit + ["minus.npy"], "minus.npy, row 4 (counted from 0), column 2")
    var matrices = (0..<120).flatMap { _ in [1, 0.5, 0.5, 1] as [Double] }
    matrices.replaceSubrange(28..<32, with: [1, 2, 2, 1])
    try command.write("indefinite.npy", array(matrices, shape: "120, 2, 2"))
    try expectFailure(
      fit + ["indefinite.npy"], "indefinite.npy", "row 7 (counted from 0)", "semidefinite")
    try command.write(
      "gap.npy", array([1, 2, 3, .nan, 2, 5, 7, 1, 4, 4, 0, 9], shape: "6, 2"))
    try expectFailure(
      ["fit", "gap.npy", "-k", "1"], "row 1 (counted from 0)", "x2", "use --missing")
    #expect(
      try output("fit", "gap.npy", "-k", "1", "--missing").contains("1 cell of 1 row is missing"))
    try command.write(
      "weights.npy", array([1, 2, 1, 3, -4, 1, 5, 1], shape: "4, 2"))
    try expectFailure(
      ["fit", "weights.npy", "-k", "1", "--weights", "1"],
      "weights.npy, row 2 (counted from 0), column 1", "-4")
  }

  @Test("a start that contradicts a known label names the line")
  func contradiction() throws {
    var rows = lines.filter { !$0.hasPrefix(",") && !$0.contains("NA") }.enumerated().map {
      $1 + ","
        + ($1.contains("red") ? "red" : $1.contains("blue") ? "blue" : ["red", "blue"][$0 % 2])
    }
    let place = try #require(rows.firstIndex { $0.hasSuffix(",blue,blue") })
    let fit = ["fit", "s.csv", "--columns", "a,b", "--labels", "kind", "--start", "labels=start"]
    try command.write("s.csv", header + ",start\n" + rows.joined(separator: "\n") + "\n")
    let result = try command.run(fit)
    #expect(result.status == 0, "\(result.errors)")
    rows[place] = rows[place].replacing(",blue,blue", with: ",blue,red")
    try command.write("s.csv", header + ",start\n" + rows.joined(separator: "\n") + "\n")
    try expectFailure(fit, "s.csv, line \(place + 2)", "\"red\"", "\"blue\"")
  }
}
