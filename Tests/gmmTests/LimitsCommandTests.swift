// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("Limits, windows and known background, at the command line")
struct LimitsCommandTests: CommandSuite {
  let command: Command
  /// Two features of two components.
  let rows: [[Double]]

  init() throws {
    command = try Command()
    var state: UInt64 = 11
    func uniform() -> Double {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) * 0x1p-24
    }
    func normal() -> Double { (0..<12).reduce(-6.0) { sum, _ in sum + uniform() } }
    rows = (0..<160).map { i in
      [Double(6 * (i % 2)) + normal(), Double(3 * (i % 2)) + normal()]
    }
  }

  /// The cells of a table whose a is censored below −0.5 and above 7, and whose b is in bins of one half about zero.
  private var cells: [[String]] {
    rows.map { row in
      let (a, b) = (row[0], row[1])
      let bin = (2 * b).rounded(.down) / 2
      return [
        a < -0.5 ? "<-0.5" : a > 7 ? ">= 7" : "\(a)", abs(b) < 1 ? "\(bin)..\(bin + 0.5)" : "\(b)",
      ]
    }
  }

  private func csv(_ header: String, _ rows: [[String]]) -> String {
    ([header] + rows.map { $0.joined(separator: ",") }).joined(separator: "\n") + "\n"
  }

  /// The lower and upper limits of a cell, empty where there is none, and its value, empty if it is not known.
  private func parts(_ cell: String) -> (value: String, lower: String, upper: String) {
    if cell.hasPrefix("<") { return ("", "", String(cell.dropFirst())) }
    if cell.hasPrefix(">") { return ("", String(cell.dropFirst(3)), "") }
    if let range = cell.firstRange(of: "..") {
      return ("", String(cell[..<range.lowerBound]), String(cell[range.upperBound...]))
    }
    return (cell, "", "")
  }

  @Test(
    "limits in cells, in columns, in files of text and of arrays are the same model, to the byte")
  func ways() throws {
    try command.write("cells.csv", csv("a,b", cells))
    let split = cells.map { $0.map(parts) }
    try command.write(
      "columns.csv",
      csv(
        "a,b,la,lb,ua,ub",
        split.map { row in
          row.map(\.value) + row.map(\.lower) + row.map { $0.upper.isEmpty ? "NA" : $0.upper }
        }))
    try command.write("plain.csv", csv("a,b", split.map { $0.map(\.value) }))
    try command.write(
      "lower.csv", csv("a,b", split.map { $0.map { $0.lower.isEmpty ? "-inf" : $0.lower } }))
    func numbers(_ texts: [String]) -> [Double] { texts.map { Double($0) ?? .nan } }
    try command.write(
      "upper.npy", array(numbers(split.flatMap { $0.map(\.upper) }), shape: "160, 2"))
    try command.write(
      "all.npy",
      array(
        numbers(split.flatMap { $0.map(\.value) + $0.map(\.lower) + $0.map(\.upper) }),
        shape: "160, 6"))
    let fit = ["-k", "2", "--start", "kmeans", "--format", "json", "--quiet"]
    let expected = try output(["fit", "cells.csv", "--limits"] + fit)
    #expect(
      try output(
        ["fit", "columns.csv", "--columns", "a,b", "--lower", "la,lb", "--upper", "ua,ub"] + fit)
        == expected)
    #expect(
      try output(["fit", "plain.csv", "--lower", "lower.csv", "--upper", "upper.npy"] + fit)
        == expected)
    let arrays = try output(
      ["fit", "all.npy", "--columns", "1,2", "--lower", "3,4", "--upper", "5,6"] + fit)
    #expect(
      arrays.replacing("\"x1\"", with: "\"a\"").replacing("\"x2\"", with: "\"b\"") == expected)
    // A limit of memory, which has the table read in parts, changes nothing.
    #expect(
      try output(["fit", "cells.csv", "--limits", "--memory", "200M"] + fit) == expected)
    let text = try output("fit", "cells.csv", "--limits", "-k", "1")
    let counts = split.map { $0.count { $0.value.isEmpty } }
    #expect(
      text.contains(
        "Of \(counts.reduce(0, +)) cells of \(counts.count { $0 > 0 }) rows only limits are known.")
    )
  }

  @Test("the first row may hold limits: they make a column of numbers, and no header")
  func opening() throws {
    try command.write("first.csv", "<1,2\n3,4\n5,1\n2,>6\n4,3\n")
    let text = try output("fit", "first.csv", "--limits", "-k", "1")
    #expect(text.hasPrefix("5 observations of 2 features: x1, x2\n"))
    try command.write("late.csv", "a,b\n1,\n3,<4\n5,1\n2,6\n4,3\n")
    #expect(
      try output("fit", "late.csv", "--limits", "--missing", "-k", "1").contains(
        "5 observations of 2 features: a, b\n1 cell of 1 row is missing.\n"
          + "Of 1 cell of 1 row only limits are known.\n"))
  }

  @Test("a censored cell is imputed between its limits: its mean, and every draw")
  func impute() throws {
    try command.write("cells.csv", csv("a,b", cells))
    _ = try output("fit", "cells.csv", "--limits", "-k", "2", "-o", "m.json")
    let labels = try output("predict", "m.json", "cells.csv", "--limits").split(separator: "\n")
    #expect(labels.count == 161)
    for draws in [[], ["--draws", "3"]] {
      let filled = try output(["impute", "m.json", "cells.csv", "--limits"] + draws)
        .split(separator: "\n").dropFirst().map { $0.split(separator: ",").map { Double($0)! } }
      #expect(filled.count == 160 * (draws.isEmpty ? 1 : 3))
      for (index, row) in filled.enumerated() {
        for (j, cell) in cells[index % 160].enumerated() {
          let (value, lower, upper) = parts(cell)
          if let value = Double(value) { #expect(row[j] == value) }
          if let lower = Double(lower) { #expect(row[j] >= lower) }
          if let upper = Double(upper) { #expect(row[j] <= upper) }
        }
      }
    }
    // One Gaussian of known mean and variance: below its mean it is expected √(2/π) deviations lower.
    try command.write("one.csv", "a\n" + rows.map { "\($0[0])\n" }.joined())
    _ = try output("fit", "one.csv", "-k", "1", "-o", "one.json")
    let model = try object(command.read("one.json"))
    let mean = try #require((model["means"] as? [[Double]])?[0][0])
    let variance = try #require((model["covariances"] as? [[[Double]]])?[0][0][0])
    try command.write("half.csv", "a\n<\(mean)\n")
    let half = try output("impute", "one.json", "half.csv", "--limits").split(separator: "\n")
    let expected = mean - (2 / Double.pi * variance).squareRoot()
    #expect(abs(Double(half[1])! - expected) < 1e-13 * variance.squareRoot())
    // Its probability is one half.
    let score = try output("score", "one.json", "half.csv", "--limits")
    #expect(abs(Double(score.dropLast())! + log(2)) < 1e-14)
  }

  @Test("limits that cannot be, each one error with line and column")
  func badLimits() throws {
    try command.write("cells.csv", csv("a,b", [["1", "2"]] + cells))
    let first = try #require(cells.firstIndex { $0[0].hasPrefix("<") || $0[1].contains("..") })
    try expectFailure(["fit", "cells.csv", "-k", "1"], "line \(first + 3)", "Use --limits")
    func bad(_ cell: String, _ words: String...) throws {
      var rows = cells
      rows[6][1] = cell
      try command.write("bad.csv", csv("a,b", rows))
      let result = try command.run(["fit", "bad.csv", "--limits", "-k", "1"])
      #expect(result.status == 2 && result.output.isEmpty)
      #expect(result.errors.split(separator: "\n").count == 1)
      for word in ["bad.csv, line 8, column 2 (b)"] + words {
        #expect(result.errors.contains(word), "\(cell): \(result.errors)")
      }
    }
    try bad("3..1", "3.0 is not below the upper, 1.0", "lower one first")
    try bad("2..2", "2.0", "Write the value alone")
    for cell in ["<", "<x", "<<2", "1..", "..2", "1...2", "<inf", "NaN..2", "1..2..3", "<1e999"] {
      try bad(cell, "is not a number")
    }
    try bad("", "Use --missing")
    try command.write("rest.csv", csv("a,b", rows.map { $0.map { "\($0)" } }))
    func columns(_ change: (inout [[String]]) -> Void) throws {
      var rows = cells.map { row in row.map { parts($0) } }
        .map { $0.map(\.value) + $0.map(\.lower) + $0.map(\.upper) }
      change(&rows)
      try command.write("c.csv", csv("a,b,la,lb,ua,ub", rows))
    }
    let fit = ["fit", "c.csv", "--columns", "a,b", "-k", "1", "--lower", "la,lb", "--upper"]
    func set(_ values: [String]) throws { try columns { $0[4] = values } }
    try set(["", "1", "3", "", "2", ""])
    try expectFailure(
      fit + ["ua,ub"], "c.csv, line 6, column 1 (a)", "3.0 (column la)", "2.0 (column ua)")
    try set(["", "1", "3", "", "3", ""])
    try expectFailure(fit + ["ua,ub"], "line 6, column 1 (a)", "Write the value into the cell")
    try set(["5", "1", "6", "", "", ""])
    try expectFailure(fit + ["ua,ub"], "line 6, column 1 (a)", "5.0 is below its lower limit 6.0")
    try set(["5", "1", "", "", "4.5", ""])
    try expectFailure(fit + ["ua,ub"], "line 6, column 1 (a)", "5.0 is above its upper limit 4.5")
    try set(["", "1", "", "", "", ""])
    try expectFailure(
      fit + ["ua,ub"], "line 6, column 1 (a)", "neither a value nor a limit", "--missing")
    #expect(try command.run(fit + ["ua,ub", "--missing"]).status == 0)
    try set(["5", "1", "5", "", "5", "x"])
    try expectFailure(fit + ["ua,ub"], "c.csv, line 6, column 6 (ub)", "\"x\" is not a number")
    // A value with limits that hold it is exact.
    try set(["5", "1", "5", "-1", "5", ""])
    #expect(try command.run(fit + ["ua,ub"]).status == 0)
    try expectFailure(fit + ["ua"], "--upper names 1 column", "2 features (a, b)")
    try expectFailure(fit + ["ua,ua"], "ua", "twice")
    try expectFailure(fit + ["la,ub"], "la", "two uses")
    try expectFailure(fit + [","], "--upper names no column")
    try command.write("few.csv", "u,v\n1,2\n3,4\n")
    try expectFailure(fit + ["few.csv"], "few.csv has 2 rows", "160 rows")
    try command.write("wide.npy", array(Array(repeating: 9, count: 480), shape: "160, 3"))
    try expectFailure(fit + ["wide.npy"], "wide.npy has limits of 3 features", "2 (a, b)")
    try command.write("t.npy", array([1, 2, 3, 4, 2, 5, 7, 1], shape: "4, 2"))
    try expectFailure(["fit", "t.npy", "--limits", "-k", "1"], "t.npy", "--lower and --upper")
    #expect(
      try command.run("fit", "cells.csv", "--limits", "--upper", "ua", "-k", "1").status == 64)
    try expectFailure(
      ["fit", "cells.csv", "--limits", "-k", "1", "--uncertainty", "sandwich"], "censored",
      "bootstrap")
  }

  @Test("the density of rows that a window shows is the model's over the window's probability")
  func window() throws {
    // One feature that is seen above its mean only, and one without a window.
    let seen = rows.filter { $0[0] > 3 }
    try command.write("seen.csv", csv("a,b", seen.map { $0.map { "\($0)" } }))
    let fitted = try output(
      "fit", "seen.csv", "-k", "1", "--window", "a=3:", "-o", "m.json", "--quiet")
    #expect(fitted.contains("Rows were observed in a window only"))
    let model = try object(command.read("m.json"))
    let mean = try #require((model["means"] as? [[Double]])?[0][0])
    let variance = try #require((model["covariances"] as? [[[Double]]])?[0][0][0])
    let plain = try output("score", "m.json", "seen.csv", "--per-row").split(separator: "\n")
    let part = try output(
      "score", "m.json", "seen.csv", "--per-row", "--window", "1=3:"
    ).split(separator: "\n")
    let probability = 0.5 * erfc((3 - mean) / (2 * variance).squareRoot())
    for (all, some) in zip(plain, part).dropFirst() {
      let (all, some) = (Double(all)!, Double(some)!)
      // Of an error function and a difference of logarithms.
      #expect(abs(some - (all - log(probability))) < 1e-12 * (1 + abs(all)))
    }
    // The fit has maximised the density of what is seen.
    let likelihood = try #require((model["fit"] as? [String: Any])?["logLikelihood"] as? Double)
    let mean2 = Double(
      try output("score", "m.json", "seen.csv", "--window", "a=3:", "--quiet").dropLast())!
    #expect(abs(mean2 * Double(seen.count) - likelihood) < 1e-9 * abs(likelihood))
    // The window is none of the model's.
    #expect(!(try command.read("m.json")).contains("window"))
  }

  @Test("windows that cannot be, and rows outside of one: line and column, one message each")
  func badWindows() throws {
    try command.write("t.csv", csv("a,b", rows.map { $0.map { "\($0)" } }))
    let fit = ["fit", "t.csv", "-k", "1", "--window"]
    for text in ["", "a", "a=", "a=3", "=1:2", "a=1:2:3", "a=x:1", "a=2:1", "a=1:1", "a=1:2,a=3:4"]
    {
      let result = try command.run(fit + [text])
      #expect(result.status == 64 && result.errors.contains("--window"), "\(text): \(result)")
    }
    try expectFailure(fit + ["c=1:2"], "--window names c", "(a, b)")
    try expectFailure(fit + ["3=1:2"], "--window names 3", "(a, b)")
    try expectFailure(fit + ["a=-9:99,1=:50"], "a twice", "by name and by number")
    let outside = try #require(rows.firstIndex { $0[0] > 6 })
    try expectFailure(
      fit + ["a=:6"], "t.csv, line \(outside + 2), column 1 (a)", "outside of the window",
      "-inf to 6.0")
    var flat = rows.flatMap { $0 }
    try command.write("t.npy", array(flat, shape: "160, 2"))
    try expectFailure(
      ["fit", "t.npy", "-k", "1", "--window", "1=:6"],
      "t.npy, row \(outside) (counted from 0), column 1: the value")
    flat[0] = .nan
    try command.write("gap.npy", array(flat, shape: "160, 2"))
    try expectFailure(
      ["fit", "gap.npy", "-k", "1", "--window", "1=:99"],
      "gap.npy, row 0 (counted from 0), column 1", "Use --missing")
    var cells = rows.map { $0.map { "\($0)" } }
    cells[2][0] = ">20"
    try command.write("l.csv", csv("a,b", cells))
    try expectFailure(
      ["fit", "l.csv", "-k", "1", "--limits", "--window", "a=-20:20"],
      "l.csv, line 4, column 1 (a)",
      "leave nothing inside of the window")
  }

  @Test("rows of the background's label belong to it, and the other labels keep their order")
  func background() throws {
    var cells = rows.enumerated().map { i, row in
      row.map { "\($0)" } + [i % 8 == 1 ? "far" : i % 8 == 4 ? "near" : ""]
    }
    for i in 0..<20 { cells.append(["\(60 - 7 * i)", "\(20 * (i % 5) - 40)", "junk"]) }
    cells.insert(["-55", "33", "junk"], at: 0)
    try command.write("t.csv", csv("a,b,kind", cells))
    let fit = ["fit", "t.csv", "--columns", "a,b"]
    let known = ["--labels", "kind", "--background", "box", "--background-label", "junk"]
    let text = try output(fit + ["-k", "2", "-o", "m.json"] + known)
    #expect(
      text.contains(
        "0 is \"far\" (20 rows), 1 is \"near\" (20 rows), the background is \"junk\" (21 rows)."))
    let labels = try output("predict", "m.json", "t.csv").split(separator: "\n").dropFirst()
    #expect(labels.first == "-1" && labels.suffix(20).allSatisfy { $0 == "-1" })
    let means = try #require(object(command.read("m.json"))["means"] as? [[Double]])
    #expect(means[0][0] > 4 && means[1][0] < 2)

    for (arguments, word) in [
      (["--background-label", "junk", "--background", "box"], "--labels"),
      (["--background-label", "junk", "--labels", "kind"], "needs --background"),
    ] {
      let result = try command.run(fit + ["-k", "2"] + arguments)
      #expect(result.status == 64 && result.errors.contains(word), "\(result.errors)")
    }
    try expectFailure(
      fit + ["-k", "2", "--labels", "kind", "--background", "box", "--background-label", "trash"],
      "no row has \"trash\" in column kind", "junk, far, near")
    try expectFailure(
      fit + ["--start", "labels=kind"] + known, "t.csv, line 2", "known to be background")
    // Beyond all that is known the box has no room for it.
    cells[0][0] = "<-80"
    for i in cells.indices.dropFirst() where cells[i][2] == "junk" { cells[i][0] = "<70" }
    try command.write("open.csv", csv("a,b,kind", cells))
    try expectFailure(
      ["fit", "open.csv", "--columns", "a,b", "--limits", "-k", "2"] + known, "background",
      "larger volume")
  }
}
