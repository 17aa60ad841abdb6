// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures
import Testing

/// Two features of two components, far from the origin.
private let twoComponents: [[Double]] = drawTwoComponents()

private func drawTwoComponents() -> [[Double]] {
  var state: UInt64 = 17
  func uniform() -> Double {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(state >> 40) * 0x1p-24
  }
  func normal() -> Double { (0..<12).reduce(-6.0) { sum, _ in sum + uniform() } }
  var rows: [[Double]] = []
  for i in 0..<160 {
    let side = Double(i % 2)
    rows.append([1000 + 6 * side + normal(), 3 * side + normal() - 400])
  }
  return rows
}

private func csv(_ header: String, _ rows: [[String]]) -> String {
  ([header] + rows.map { $0.joined(separator: ",") }).joined(separator: "\n") + "\n"
}

@Suite("Projections, at the command line")
struct ProjectionsCommandTests: CommandSuite {
  let command: Command
  let rows = twoComponents

  init() throws { command = try Command() }

  /// What a row knows: both cells, the first or the second.
  private func known(_ i: Int) -> [Int] { i % 5 == 1 ? [0] : i % 5 == 3 ? [1] : [0, 1] }

  /// The table with gaps, and the same rows packed, with projections that are unit vectors.
  private func writeUnitVectors() throws {
    let cells = rows.enumerated().map { i, row in
      (0..<2).map { known(i).contains($0) ? "\(row[$0])" : "" } + ["0.25", "0.5"]
    }
    try command.write("gaps.csv", csv("a,b,ea,eb", cells))
    // The noise of a number stands in the cell that it has.
    let packed = rows.enumerated().map { i, row in
      let numbers = known(i).map { "\(row[$0])" }
      let deviations = known(i).map { ["0.25", "0.5"][$0] }
      return numbers + Array(repeating: "", count: 2 - numbers.count) + deviations
        + Array(repeating: "", count: 2 - deviations.count)
    }
    try command.write("packed.csv", csv("a,b,ea,eb", packed))
    let matrices = rows.indices.flatMap { i -> [Double] in
      switch known(i) {
      case [0]: return [1, 0, .nan, .nan]
      case [1]: return [0, 1, .nan, .nan]
      default: return i % 2 == 0 ? [1, 0, 0, 1] : [.nan, .nan, .nan, .nan]
      }
    }
    try command.write("r.npy", array(matrices, shape: "160, 2, 2"))
  }

  /// The numbers of a JSON text and what else it holds, in the order of the keys.
  private func parts(_ text: String) throws -> (numbers: [Double], words: [String]) {
    var numbers: [Double] = []
    var words: [String] = []
    func add(_ value: Any) {
      if let members = value as? [String: Any] {
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
          words.append(key)
          add(value)
        }
      } else if let elements = value as? [Any] {
        words.append("\(elements.count)")
        for element in elements { add(element) }
      } else if let number = value as? Double {
        numbers.append(number)
      } else {
        words.append("\(value)")
      }
    }
    add(try object(text))
    return (numbers, words)
  }

  @Test("projections that are unit vectors are missing cells: the same model, but for rounding")
  func unitVectors() throws {
    try writeUnitVectors()
    for noise in [[], ["--noise", "ea,eb"]] {
      let fit = ["--columns", "a,b", "-k", "2", "--format", "json", "--quiet"] + noise
      let missing = try parts(output(["fit", "gaps.csv", "--missing"] + fit))
      let projected = try parts(output(["fit", "packed.csv", "--projections", "r.npy"] + fit))
      #expect(missing.words == projected.words)
      // A row's rounding is that of numbers of size 1000, 2⁻⁵² · 1000 of a deviation; sums of 160 rows and their squares
      // enter some ten iterations, of which each undoes a part of the error of those before.
      for (a, b) in zip(missing.numbers, projected.numbers) {
        #expect(abs(a - b) <= 1e-9 * max(1, abs(b)), "\(a), \(b)")
      }
    }
  }

  @Test("predict, score, impute and denoise take projections: unit vectors say what gaps do")
  func queries() throws {
    try writeUnitVectors()
    _ = try output("fit", "gaps.csv", "--columns", "a,b", "-k", "2", "--missing", "-o", "m.json")
    func table(_ arguments: [String]) throws -> [[Double]] {
      try output(arguments).split(separator: "\n").filter { $0.first?.isLetter == false }
        .map { $0.split(separator: ",").map { Double($0)! } }
    }
    let projections = ["--projections", "r.npy"]
    for (name, options) in [
      ("predict", ["--responsibilities"]), ("score", ["--per-row"]), ("score", []),
      ("impute", []), ("impute", ["--draws", "2"]), ("denoise", ["--noise", "ea,eb"]),
    ] {
      let gaps = try table(
        [name, "m.json", "gaps.csv", "--columns", "a,b"] + options
          + (name == "impute" ? [] : ["--missing"]))
      let packed = try table(
        [name, "m.json", "packed.csv", "--columns", "a,b"] + options + projections)
      #expect(gaps.count == packed.count && !gaps.isEmpty)
      // Draws have the factor of a remainder, which loses half of its digits where it is singular.
      let tolerance = options.first == "--draws" ? 1e-6 : 1e-10
      for (a, b) in zip(gaps.joined(), packed.joined()) {
        #expect(abs(a - b) <= tolerance * max(1, abs(b)), "\(name) \(options): \(a), \(b)")
      }
    }
    // Alone, without noise, denoise says the features of rows that hold projections.
    let filled = try table(["impute", "m.json", "gaps.csv", "--columns", "a,b"])
    let denoised = try table(
      ["denoise", "m.json", "packed.csv", "--columns", "a,b", "--covariances", "c.npy"]
        + projections)
    #expect(command.exists("c.npy"))
    for (i, (a, b)) in zip(filled, denoised).enumerated() {
      for j in 0..<2 {
        #expect(abs(a[j] - b[j]) <= 1e-10 * abs(a[j]))
        // What was measured is known, to rounding of variances; what was not is in doubt.
        #expect(known(i).contains(j) ? b[2 + j] <= 1e-6 : b[2 + j] > 0.1)
      }
    }
    let text = try output(
      ["fit", "packed.csv", "--columns", "a,b", "-k", "1", "--plot", "p.svg", "--report", "r.html"]
        + projections)
    #expect(text.contains("64 rows hold projections of the features, 2 different ones.\n"))
    // Rows of projections have no place among the features.
    let whole = rows.enumerated().filter { known($0.offset).count == 2 }
      .map { $0.element.map { "\($0)" } }
    try command.write("whole.csv", csv("a,b", whole))
    _ = try output(
      ["fit", "packed.csv", "--columns", "a,b", "-k", "1", "-o", "one.json"] + projections)
    #expect(
      try output(["plot", "one.json", "packed.csv", "--columns", "a,b"] + projections)
        == (try output("plot", "one.json", "whole.csv")))
  }

  @Test("a matrix for all rows is n copies of it, in C and Fortran order, to the byte")
  func shared() throws {
    // y = (a + b, a − b / 2), of which |det R| = 3/2.
    let R: [Double] = [1, 1, 1, -0.5]
    let sums = rows.map { [$0[0] + $0[1], $0[0] - 0.5 * $0[1]] }
    try command.write("plain.csv", csv("a,b", rows.map { $0.map { "\($0)" } }))
    try command.write("sums.csv", csv("a,b", sums.map { $0.map { "\($0)" } }))
    try command.write("one.npy", array(R, shape: "2, 2"))
    try command.write("all.npy", array(rows.flatMap { _ in R }, shape: "160, 2, 2"))
    // In Fortran order (i, a, b) is at i + 160 (a + 2 b), so columns of R come one after the other.
    var fortran = array(
      [R[0], R[2], R[1], R[3]].flatMap { Array(repeating: $0, count: 160) }, shape: "160, 2, 2")
    let word = Array("False".utf8)
    let place = try #require(fortran.indices.first { fortran[$0...].starts(with: word) })
    fortran.replaceSubrange(place..<place + 5, with: Array("True ".utf8))
    try command.write("fortran.npy", fortran)
    let fit = [
      "-k", "2", "--start", "model=start.json", "--acceleration", "none", "--tolerance", "0",
      "--iterations", "20", "--format", "json", "--quiet",
    ]
    _ = try output(
      "fit", "plain.csv", "-k", "2", "--iterations", "1", "-o", "start.json", "--quiet")
    let one = try output(["fit", "sums.csv", "--projections", "one.npy"] + fit)
    for file in ["all.npy", "fortran.npy"] {
      #expect(try output(["fit", "sums.csv", "--projections", file] + fit) == one, "\(file)")
    }
    // A limit of memory, which has the table read in parts, changes nothing.
    #expect(
      try output(["fit", "sums.csv", "--projections", "all.npy", "--memory", "200M"] + fit) == one)
    // Of an invertible R the model is that of the features, and each row's density is divided by |det R|.
    let (plain, projected) = try (object(output(["fit", "plain.csv"] + fit)), object(one))
    func likelihood(_ model: [String: Any]) throws -> Double {
      try #require((model["fit"] as? [String: Any])?["logLikelihood"] as? Double)
    }
    #expect(abs(try likelihood(projected) - (likelihood(plain) - 160 * log(1.5))) < 1e-8)
    let means = try [plain, projected].map { try #require($0["means"] as? [[Double]]) }
    for (a, b) in zip(means[0].joined(), means[1].joined()) { #expect(abs(a - b) < 1e-9 * abs(a)) }
  }

  @Test("one row fewer than features: a file of n × m × d or m × d is taken too")
  func fewRows() throws {
    try command.write("sums.csv", csv("a,b", rows.map { ["\($0[0] + $0[1])", ""] }))
    try command.write("m.npy", array([1, 1], shape: "1, 2"))
    try command.write("n.npy", array(rows.flatMap { _ in [1, 1] as [Double] }, shape: "160, 1, 2"))
    try command.write("d.npy", array([1, 1, .nan, .nan], shape: "2, 2"))
    let fit = ["fit", "sums.csv", "--columns", "a,b", "-k", "1", "--format", "json", "--quiet"]
    let results = try ["m.npy", "n.npy", "d.npy"].map {
      try output(fit + ["--projections", $0])
    }
    #expect(results[0] == results[1] && results[1] == results[2])
  }

  @Test("projections and cells that cannot be: one message each, with file and row")
  func badInput() throws {
    try writeUnitVectors()
    let fit = ["fit", "packed.csv", "--columns", "a,b", "-k", "1", "--projections"]
    var matrices = rows.flatMap { _ in [.nan, .nan, .nan, .nan] as [Double] }
    func bad(_ matrix: [Double], _ words: String...) throws {
      matrices.replaceSubrange(4 * 6..<4 * 7, with: matrix)
      try command.write("bad.npy", array(matrices, shape: "160, 2, 2"))
      let result = try command.run(fit + ["bad.npy"])
      #expect(result.status == 2 && result.output.isEmpty, "\(result.errors)")
      #expect(result.errors.split(separator: "\n").count == 1)
      for word in ["bad.npy", "row 6 (counted from 0)"] + words {
        #expect(result.errors.contains(word), "\(result.errors) lacks \(word)")
      }
    }
    try bad([1, .nan, .nan, .nan], "row 0 of the projection", "NaN in part")
    try bad([.nan, .nan, 1, 2], "row 0 of the projection is NaN", "come last")
    try bad([1, .infinity, .nan, .nan], "inf", "finite")
    try command.write("t.csv", csv("a,b", rows.map { $0.map { "\($0)" } }))
    matrices.replaceSubrange(24..<28, with: [1, 2, 2, 4])
    try command.write("bad.npy", array(matrices, shape: "160, 2, 2"))
    try expectFailure(
      ["fit", "t.csv", "-k", "1", "--projections", "bad.npy"],
      "bad.npy: the projection of row 6 (counted from 0)", "linearly dependent")
    for (shape, count, words) in [
      ("159, 2, 2", 636, ["has 159 projections", "160 rows"]),
      ("160, 3, 3", 1440, ["projections of 3 features", "2 (a, b)", "--columns"]),
      ("160, 2, 1", 320, ["2 × 1", "(n, m, d)"]), ("160, 2", 320, ["a matrix of 160 × 2"]),
      ("160,", 160, ["a matrix of 160 × 1"]), ("2, 20, 2, 2", 160, ["4 axes"]),
    ] {
      try command.write("shape.npy", array(Array(repeating: .nan, count: count), shape: shape))
      let result = try command.run(fit + ["shape.npy"])
      #expect(result.status == 2 && result.errors.hasPrefix("gmm: shape.npy"), "\(result.errors)")
      for word in words { #expect(result.errors.contains(word), "\(result.errors) lacks \(word)") }
    }
    try command.write("text.csv", "1,0\n0,1\n")
    try expectFailure(fit + ["text.csv"], "text.csv is not a NumPy array")
    try expectFailure(fit + ["nowhere.npy"], "nowhere.npy")
    for options in [["--window", "a=0:"], ["--lower", "ea,eb"], ["--limits"]] {
      for first in [["fit"], ["impute", "m.json"]] {
        let result = try command.run(
          first + ["packed.csv", "--projections", "r.npy"] + options)
        #expect(result.status == 64 && result.errors.contains("exclude"), "\(result.errors)")
      }
    }
    #expect(try command.run("denoise", "m.json", "packed.csv").status == 64)
  }

  @Test("cells of projected rows: those that must be empty, and those that --missing lets be")
  func badCells() throws {
    try writeUnitVectors()
    let lines = try command.read("packed.csv").split(separator: "\n").map(String.init)
    func change(_ row: Int, _ cells: String) throws {
      var lines = lines
      lines[row + 1] = cells + ",0.25,"
      try command.write("cells.csv", lines.joined(separator: "\n") + "\n")
    }
    let fit = ["fit", "cells.csv", "--columns", "a,b", "-k", "1", "--projections", "r.npy"]
    // Row 10 has both features, row 11 a projection of one row.
    try change(10, "7,")
    try expectFailure(
      fit, "cells.csv, line 12, column 2 (b)", "the cell is empty", "no projection", "--missing")
    #expect(try output(fit + ["--missing"]).contains("1 cell of 1 row is missing."))
    try change(11, ",")
    try expectFailure(
      fit, "cells.csv, line 13, column 1 (a)", "the cell is empty", "has 1 row", "--missing")
    #expect(
      try output(fit + ["--missing"]).contains(
        "1 row without any known cell is passed over."))
    try change(11, "7,8")
    for gaps in [[], ["--missing"]] {
      try expectFailure(
        fit + gaps, "cells.csv, line 13, column 2 (b)", "got 8.0", "its first cell",
        "leave the others empty")
    }
    try change(11, ",7")
    try expectFailure(fit, "cells.csv, line 13, column 1 (a)", "the cell is empty")
    // An array has rows and no lines.
    var values = rows.flatMap { $0 }
    values[2] = .nan
    try command.write("t.npy", array(values, shape: "160, 2"))
    try command.write("one.npy", array([1, 1, 1, -1], shape: "2, 2"))
    try expectFailure(
      ["fit", "t.npy", "-k", "1", "--projections", "one.npy"],
      "t.npy, row 1 (counted from 0), column 1", "has 2 rows", "its first 2 cells")
  }
}

@Suite("Labels of which one is right, at the command line")
struct LabelSetsCommandTests: CommandSuite {
  let command: Command
  let rows = twoComponents

  init() throws { command = try Command() }

  /// The table with a third column: what is known of row i, truly of component i % 2.
  private func write(_ name: String, _ label: (Int) -> String) throws {
    try command.write(
      name,
      csv("a,b,kind", rows.enumerated().map { i, row in row.map { "\($0)" } + [label(i)] }))
  }

  private let fit = ["--columns", "a,b", "--labels", "kind", "--format", "json", "--quiet"]

  @Test("sets of labels are the library's sets of components, to the bit")
  func sets() throws {
    let cells = ["red", "blue|red", "", "NA", "green | red", "blue", "red|blue|green", "green"]
    // Components in order of first appearance: red, blue, green.
    let sets: [Set<Int>?] = [[0], [0, 1], nil, nil, [0, 2], [1], [0, 1, 2], [2]]
    try write("t.csv") { cells[$0 % 8] }
    let model = try output(["fit", "t.csv", "-k", "4"] + fit)
    let observations = try Observations(
      Matrix(rows: rows), featureNames: ["a", "b"],
      annotations: RowAnnotations(
        knownComponents: KnownComponents(sets: rows.indices.map { sets[$0 % 8] })))
    let expected = try ExpectationMaximization(
      componentCount: 4,
      stoppingRule: StoppingRule(tolerance: 1e-6, iterationLimit: 1000),
      covarianceFloor: 1e-6
    ).fit(observations)
    // As text: not every reader of JSON gives the nearest number.
    func list(_ numbers: [Double]) -> String {
      "[\(numbers.map { "\($0)" }.joined(separator: ", "))]"
    }
    #expect(model.contains("\"weights\": \(list(expected.model.weights))"), "\(model)")
    for k in 0..<4 { #expect(model.contains(list(expected.model.means.row(k)))) }
    #expect(model.contains("\"logLikelihood\": \(expected.logLikelihood),"))
    let text = try output("fit", "t.csv", "-k", "4", "--columns", "a,b", "--labels", "kind")
    #expect(
      text.contains(
        "Components named by column kind: 0 is \"red\" (20 rows), 1 is \"blue\" (20 rows), "
          + "2 is \"green\" (20 rows); 60 rows belong to one of several."))
    // Names of sets count as names.
    try expectFailure(
      ["fit", "t.csv", "-k", "2"] + fit, "3 different labels (red, blue, green)", "at least 3")
  }

  @Test("a row that may belong to all there is, is one of which nothing is known")
  func all() throws {
    func label(_ i: Int) -> String { i % 8 == 0 ? "red" : i % 8 == 5 ? "blue" : "" }
    try write("some.csv", label)
    try write("all.csv") { i in label(i).isEmpty && i % 3 == 0 ? "blue|red" : label(i) }
    let expected = try output(["fit", "some.csv", "-k", "2"] + fit)
    #expect(try output(["fit", "all.csv", "-k", "2"] + fit) == expected)
    // Where a third component is free, it excludes that one.
    #expect(
      try output(["fit", "all.csv", "-k", "3"] + fit)
        != (try output(["fit", "some.csv", "-k", "3"] + fit)))
    // The background is one of all.
    let background = ["--background", "box", "--background-label", "junk", "-k", "2"]
    try write("junk.csv") { i in i == 1 ? "junk" : label(i) }
    try write("most.csv") { i in
      i == 1 ? "junk" : label(i).isEmpty && i % 3 == 0 ? "junk|blue|red" : label(i)
    }
    #expect(
      try output(["fit", "most.csv"] + background + fit)
        == (try output(["fit", "junk.csv"] + background + fit)))
    try write("doubt.csv") { i in i % 20 == 1 ? "red|junk" : label(i) }
    let text = try output(
      ["fit", "doubt.csv", "--columns", "a,b", "--labels", "kind"] + background)
    #expect(
      text.contains("the background is \"junk\" (0 rows); 8 rows belong to one of several."))
  }

  @Test("cells of several labels that cannot be: line and column")
  func badCells() throws {
    for cell in ["red|", "|", "|red", "red||blue", "red|NA", "red | "] {
      try write("bad.csv") { $0 == 7 ? cell : $0 % 2 == 0 ? "red" : "" }
      try expectFailure(
        ["fit", "bad.csv", "-k", "2"] + fit, "bad.csv, line 9, column 3 (kind)", "empty", "a|b")
    }
    try write("bad.csv") { $0 == 7 ? "red|blue|red" : "" }
    try expectFailure(
      ["fit", "bad.csv", "-k", "2"] + fit, "bad.csv, line 9, column 3 (kind)", "\"red\" twice")
    let result = try command.run(
      ["fit", "bad.csv", "--background", "box", "--background-label", "a|b"] + fit)
    #expect(result.status == 64 && result.errors.contains("a|b"), "\(result.errors)")
    // A start must be one of the set.
    try command.write(
      "start.csv",
      csv(
        "a,b,kind,start",
        rows.enumerated().map { i, row in
          row.map { "\($0)" }
            + [i == 7 ? "red|blue" : ["red", "blue", "green"][i % 3]]
            + [i == 7 ? "green" : ["red", "blue", "green"][i % 3]]
        }))
    try expectFailure(
      ["fit", "start.csv", "--start", "labels=start"] + fit, "start.csv, line 9", "\"green\"",
      "\"red\" or \"blue\"")
  }
}
