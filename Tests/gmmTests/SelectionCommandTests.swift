// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("gmm fit over a range") struct SelectionCommandTests {
  let command: Command

  init() throws {
    command = try Command()
    try command.write("groups.csv", twoGroups)
  }

  @Test(
    "every criterion prints its table and keeps two groups, which stand apart",
    arguments: [
      ("bic", "least BIC"), ("aicc", "least AICC"), ("icl", "least ICL"), ("nec", "least NEC"),
      ("blrt", "p = "),
    ])
  func criteria(name: String, words: String) throws {
    let result = try command.run(
      "fit", "groups.csv", "-k", "1...3", "--covariance", "tied", "--criterion", name,
      "--replicates",
      "19")
    #expect(result.status == 0, "\(result.errors)")
    #expect(result.output.contains(words))
    #expect(result.output.contains("2 components"))
  }

  @Test("cross-validation prints held-out log-likelihoods with their standard errors, also in JSON")
  func crossValidation() throws {
    let arguments = [
      "fit", "groups.csv", "-k", "1...2", "--criterion", "cv", "--folds", "5", "--quiet",
    ]
    let text = try command.run(arguments)
    #expect(text.output.contains("held out") && text.output.contains("standard error"))
    let model = try object(try command.run(arguments + ["--format", "json"]).output)
    let candidates = try #require(model["candidates"] as? [[String: Any]])
    #expect(candidates.count == 2)
    for candidate in candidates {
      let mean = try #require(candidate["heldOutLogLikelihood"] as? Double)
      let deviance = try #require(candidate["cv"] as? Double)
      #expect(abs(deviance + 160 * mean) < 1e-9 * abs(deviance))
      #expect((candidate["heldOutStandardError"] as? Double ?? 0) > 0)
    }
    #expect(candidates.filter { $0["chosen"] as? Bool == true }.count == 1)
    #expect(model["criterion"] as? String == "cv")
    #expect(model["format"] as? String == "swift-mixtures/model")
  }

  @Test("a search that is merged with an earlier one ranks the candidates of both")
  func merging() throws {
    var result = try command.run(
      "fit", "groups.csv", "-k", "1...2", "--neighbours", "off", "--search", "one.json")
    #expect(result.status == 0, "\(result.errors)")
    result = try command.run(
      "fit", "groups.csv", "-k", "3", "--neighbours", "off", "--merge-search", "one.json",
      "--format",
      "json")
    let merged = try object(result.output)
    let whole = try object(
      try command.run(
        "fit", "groups.csv", "-k", "1...3", "--neighbours", "off", "--format", "json"
      ).output)
    #expect(NSDictionary(dictionary: merged) == NSDictionary(dictionary: whole))
    // Another table, and a file that is no search.
    try command.write("other.csv", "a,b\n1,2\n3,4\n4,3\n9,8\n2,5\n")
    result = try command.run("fit", "other.csv", "-k", "1", "--merge-search", "one.json")
    #expect(result.status == 2 && result.errors.contains("80 × 2"))
    result = try command.run("fit", "groups.csv", "-k", "1", "--merge-search", "groups.csv")
    #expect(result.status == 2 && result.errors.contains("no search"))
  }

  @Test("pictures of criteria and overlap are SVG, and the report plays the fit that was kept")
  func pictures() throws {
    let result = try command.run(
      "fit", "groups.csv", "-k", "1...3", "--covariance", "full,tied", "--criterion-plot", "c.svg",
      "--overlap-plot", "o.svg", "--report", "r.html")
    #expect(result.status == 0, "\(result.errors)")
    #expect(try command.read("c.svg").contains("BIC (smaller is better)"))
    #expect(try command.read("o.svg").contains("labelled as component"))
    let page = try command.read("r.html")
    #expect(page.contains("How components overlap") && page.contains("6 candidates"))
  }

  @Test("settings of criteria out of range, and tests of several structures, say so")
  func badSettings() throws {
    for (arguments, words) in [
      (["--criterion", "cv", "--folds", "1"], "number of folds is 1"),
      (["--criterion", "blrt", "--covariance", "full,tied"], "one structure"),
      (["--criterion", "blrt", "--replicates", "0"], "number of replicates is 0"),
      (["--criterion", "blrt", "--level", "2"], "significance level is 2"),
    ] {
      let result = try command.run(["fit", "groups.csv", "-k", "1...2"] + arguments)
      #expect(result.status == 2 && result.errors.contains(words), "\(result.errors)")
    }
    #expect(try command.run("fit", "groups.csv", "--criterion", "dic").status == 64)
  }

  @Test(
    "a component on few rows that nearly coincide is called spurious, with the better candidate")
  func spurious() throws {
    var lines = twoGroups.split(separator: "\n").map { line in
      line.split(separator: ",").prefix(2).joined(separator: ",")
    }
    for i in 0..<5 { lines.append("\(40 + 0.02 * Double(i)),\(40 + 0.04 * Double(i * i % 3))") }
    try command.write("odd.csv", lines.joined(separator: "\n") + "\n")
    let single = try command.run("fit", "odd.csv", "-k", "3")
    #expect(
      single.errors.contains("may be spurious") && single.errors.contains("rows"), "\(single)")
    let range = try command.run("fit", "odd.csv", "-k", "1...3")
    #expect(range.errors.contains("The best candidate without such components has 2, VVV"))
  }
}
