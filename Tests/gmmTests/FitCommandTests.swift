// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Two groups of 40 rows and a third column of words.
let twoGroups: String = {
  var lines = ["size,mass,kind"]
  for i in 0..<80 {
    let group = i % 2
    let u = Double((i * 37) % 41) / 41 - 0.5
    let v = Double((i * 53) % 43) / 43 - 0.5
    lines.append(
      "\(10 * group + 0) ".dropLast() + ".\(abs(Int(u * 1000)) + 100),"
        + "\(Double(group) * 4 + v + 0.3 * u),\(group == 0 ? "small" : "large")")
  }
  return lines.joined(separator: "\n") + "\n"
}()

@Suite("gmm fit and what uses its models") struct FitCommandTests {
  let command: Command

  init() throws {
    command = try Command()
    try command.write("groups.csv", twoGroups)
  }

  /// The number behind a key, to the bit; Foundation's JSON parser may be off in the last digit.
  func number(_ key: String, in text: String) throws -> Double {
    let start = try #require(text.range(of: "\"\(key)\": ")?.upperBound)
    return try #require(Double(text[start...].prefix { !",\n}".contains($0) }))
  }

  @Test("fit --kmeans takes any of its settings, and the defaults written out change nothing")
  func kMeans() throws {
    let arguments = ["fit", "groups.csv", "-k", "3", "--start", "kmeans", "--format", "json"]
    let plain = try command.run(arguments)
    #expect(plain.status == 0)
    for settings in [
      "iterations=5", "candidates=3", "rows=2048", "rows=2048,iterations=5,candidates=3",
    ] {
      #expect(try command.run(arguments + ["--kmeans", settings]).output == plain.output)
    }
    for start in ["kmeans", "short-runs", "hierarchical"] {
      #expect(
        try command.run(
          "fit", "groups.csv", "-k", "2", "--start", start, "--kmeans", "iterations=50,candidates=8"
        ).status == 0)
    }
    for other in [["--bayes", "dirichlet"], ["--factors", "1"]] {
      #expect(
        try command.run(["fit", "groups.csv", "-k", "2", "--kmeans", "candidates=8"] + other).status
          == 0)
    }
    let few = try command.run("fit", "groups.csv", "-k", "3", "--kmeans", "rows=2")
    #expect(few.status == 2 && few.errors.contains("limited to 2 rows"))
  }

  @Test(
    "k-means settings that mean nothing are wrong usage",
    arguments: [
      "", "iterations", "iterations=", "iterations=x", "iterations=-1", "iterations=1001",
      "candidates=0", "rows=0", "steps=3", "iterations=5,", "iterations=5,iterations=6",
      "iterations=5=6", "rows=1e5",
    ])
  func kMeansUsage(_ settings: String) throws {
    let result = try command.run("fit", "groups.csv", "--kmeans", settings)
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.errors.contains("--kmeans"))
  }

  @Test(
    "k-means settings with a start that makes no k-means are wrong usage",
    arguments: ["rows", "random", "labels=kind", "model=m.json"])
  func kMeansExcludes(_ start: String) throws {
    let result = try command.run(
      "fit", "groups.csv", "--start", start, "--kmeans", "iterations=9")
    #expect(result.status == 64 && result.output.isEmpty)
    #expect(result.errors.contains("--kmeans and --start"))
  }

  @Test("fit --bayes keeps the components that have rows, and writes the evidence lower bound")
  func bayes() throws {
    for prior in ["dirichlet", "process=0.1"] {
      let fit = try command.run(["fit", "groups.csv", "--bayes", prior, "-o", "bayes.json"])
      #expect(fit.status == 0)
      #expect(fit.output.contains("2 components"))
      #expect(fit.output.contains("of at most 10: converged"))
      #expect(fit.output.contains("Evidence lower bound"))
      let text = try command.read("bayes.json")
      let summary = try #require(object(text)["fit"] as? [String: Any])
      let bound = try #require(summary["evidenceLowerBound"] as? Double)
      #expect(bound < (summary["logLikelihood"] as? Double ?? -.infinity))
      let score = try command.run(["score", "bayes.json", "groups.csv"])
      #expect(score.status == 0)
    }
    let range = try command.run([
      "fit", "groups.csv", "--bayes", "dirichlet", "-k", "1...3", "--covariance", "full,diagonal",
    ])
    #expect(range.status == 0)
    #expect(range.output.contains("the largest evidence lower bound, which is kept"))
    #expect(try command.run(["fit", "groups.csv", "--bayes", "flat"]).status == 64)
  }

  @Test(
    "fit --bayes prints the candidates of a range as JSON, the one with the largest bound chosen")
  func bayesCandidates() throws {
    let result = try command.run([
      "fit", "groups.csv", "--bayes", "process", "-k", "1...3", "--covariance", "all", "--format",
      "json",
    ])
    #expect(result.status == 0)
    let document = try object(result.output)
    #expect(document["criterion"] as? String == "evidenceLowerBound")
    let candidates = try #require(document["candidates"] as? [[String: Any]])
    #expect(candidates.count == 3 * 6)
    let chosen = candidates.filter { $0["chosen"] as? Bool == true }
    #expect(chosen.count == 1)
    let bounds = candidates.compactMap { $0["evidenceLowerBound"] as? Double }
    #expect(bounds.count == candidates.count)
    #expect(chosen.first?["evidenceLowerBound"] as? Double == bounds.max())
    #expect(
      (document["fit"] as? [String: Any])?["evidenceLowerBound"] as? Double == bounds.max())
  }

  @Test(
    "a row of weight two is two rows to fit --bayes, and reliabilities are taken too")
  func bayesWeights() throws {
    let lines = twoGroups.split(separator: "\n")
    func table(_ weight: (Int) -> String) -> String {
      (["\(lines[0]),w"] + lines.dropFirst().enumerated().map { "\($1),\(weight($0))" })
        .joined(separator: "\n") + "\n"
    }
    try command.write("weighted.csv", table { $0 % 5 == 0 ? "2" : "1" })
    let repeated = lines.dropFirst().enumerated().filter { $0.offset % 5 == 0 }.map(\.element)
    try command.write("repeated.csv", (lines + repeated).joined(separator: "\n") + "\n")
    let options = ["--columns", "size,mass", "--bayes", "dirichlet", "-k", "2", "--format", "json"]
    let weighted = try command.run(["fit", "weighted.csv", "--weights", "w"] + options)
    let plain = try command.run(["fit", "repeated.csv"] + options)
    #expect(weighted.status == 0 && plain.status == 0)
    let bound = try number("evidenceLowerBound", in: weighted.output)
    // Other starts converge to the same end, to what the tolerance of 1e-6 per row leaves.
    #expect(abs(bound - (try number("evidenceLowerBound", in: plain.output))) < 96 * 1e-6)
    #expect(try number("caseWeight", in: weighted.output) == 96)
    try command.write("trusted.csv", table { _ in "0.5" })
    let trusted = try command.run(
      ["fit", "trusted.csv", "--weights", "w", "--weights-are", "reliability"] + options)
    #expect(trusted.status == 0)
    #expect((try object(trusted.output)["weights"] as? [Double])?.count == 2)
    #expect(try number("caseWeight", in: trusted.output) == 40)
    #expect(try number("criterionCount", in: trusted.output) == 80)
  }

  @Test(
    "what does not go with fit --bayes is wrong usage, and the message names both options",
    arguments: [
      "--labels kind", "--background box", "--factors 1", "--prior mclust",
      "--floor 0.01", "--rescue drop", "--start model=m.json --fix means", "--equal-weights",
      "--hard", "--algorithm annealed", "--precision single", "--split-merge 3", "--halving",
      "--criterion icl", "--criterion-plot c.svg", "--search s.json", "--merge-search s.json",
      "--uncertainty sandwich", "--checkpoint state", "--progress",
      "--covariance VEV",
    ])
  func bayesExcludes(_ other: String) throws {
    let words = other.split(separator: " ").map(String.init)
    let result = try command.run(["fit", "groups.csv", "--bayes", "dirichlet"] + words)
    #expect(result.status == 64)
    #expect(result.output.isEmpty)
    let named = words.last { $0.hasPrefix("--") }!
    #expect(result.errors.contains("--bayes and \(named)"))
  }

  /// What the script of a page reads.
  private func pageData(_ name: String) throws -> [String: Any] {
    let html = try command.read(name)
    let start = try #require(html.range(of: "id=\"page-data\">"))
    let end = try #require(html.range(of: "</script>", range: start.upperBound..<html.endIndex))
    return try object(String(html[start.upperBound..<end.lowerBound]))
  }

  @Test(
    "the page of fit --bayes plays the expected mixtures of the kept fit, its curve the evidence lower bound",
    arguments: [
      ["-k", "6"], ["-k", "2...5"], ["-k", "4", "--restarts", "3", "--covariance", "tied"],
    ])
  func bayesReport(_ options: [String]) throws {
    let result = try command.run(
      [
        "fit", "groups.csv", "--bayes", "dirichlet", "--report", "r.html", "--trace", "t.csv", "-o",
        "m.json",
      ]
        + options)
    #expect(result.status == 0, "\(result.errors)")
    let page = try pageData("r.html")
    #expect(page["objective"] as? String == "evidence lower bound")
    let html = try command.read("r.html")
    #expect(html.contains("<figcaption>Evidence lower bound</figcaption>"))
    #expect(html.contains("at an evidence lower bound of"))
    let trace = try command.read("t.csv").split(separator: "\n").dropFirst().map {
      $0.split(separator: ",").compactMap { Double($0) }
    }
    let curve = try #require((page["trace"] as? [String: Any])?["values"] as? [Double])
    #expect(curve.count == trace.count)
    for (a, b) in zip(curve, trace) { #expect(abs(a - b[1]) < 1e-9 * abs(b[1])) }
    let frames = try #require(page["frames"] as? [[String: Any]])
    let model = try object(command.read("m.json"))
    #expect(frames.count > 1 && frames.first?["iteration"] as? Int == 0)
    #expect(frames.last?["iteration"] as? Int == trace.count - 1)
    #expect(frames.last?["K"] as? Int == (model["weights"] as? [Double])?.count)
    // Components are emptied and do not come back.
    let counts = frames.compactMap { $0["K"] as? Int }
    #expect(zip(counts, counts.dropFirst()).allSatisfy { $0 >= $1 })
    #expect(html.contains("The choice among") == options.contains("2...5"))
    // The same fit without a page.
    let plain = try command.run(
      ["fit", "groups.csv", "--bayes", "dirichlet", "-o", "n.json"] + options)
    #expect(plain.status == 0)
    #expect(try command.read("n.json") == command.read("m.json"))
  }

  @Test(
    "the text and the page name what was maximised, and the page's curve never falls",
    arguments: [
      ([], "log-likelihood"), (["--prior", "mclust"], "log-likelihood + log prior"),
      (["--hard"], "classification log-likelihood"),
      (["--hard", "--prior", "shrinkage"], "classification log-likelihood + log prior"),
    ])
  func objectives(_ options: [String], _ name: String) throws {
    let result = try command.run(
      [
        "fit", "groups.csv", "-k", "3", "--start", "rows", "--report", "r.html", "--trace", "t.csv",
        "-o", "m.json",
      ]
        + options)
    #expect(result.status == 0, "\(result.errors)")
    let page = try pageData("r.html")
    #expect(page["objective"] as? String == name)
    let curve = try #require((page["trace"] as? [String: Any])?["values"] as? [Double])
    // The trace has the objective in a column of its own where it is not the log-likelihood.
    let trace = try command.read("t.csv").split(separator: "\n").dropFirst().map {
      $0.split(separator: ",").compactMap { Double($0) }[options.isEmpty ? 1 : 2]
    }
    #expect(zip(curve, trace).allSatisfy { abs($0 - $1) < 1e-9 * abs($1) })
    #expect(zip(trace, trace.dropFirst()).allSatisfy { $1 >= $0 - 1e-12 * abs($0) })
    let frames = try #require(page["frames"] as? [[String: Any]])
    let last = try #require(frames.last?["objective"] as? Double)
    #expect(abs(last - trace.last!) < 1e-9 * abs(last))
    let (html, capital) = (
      try command.read("r.html"), name.prefix(1).uppercased() + name.dropFirst()
    )
    #expect(html.contains("<figcaption>\(capital)</figcaption>"))
    #expect(html.contains("at a \(name) of"))
    #expect(html.contains("<dt>log-likelihood</dt>"))
    #expect(html.contains("<dt>\(name)</dt>"))
    #expect(result.output.contains("\nLog-likelihood -"))
    #expect(result.output.contains(", which the fit maximised") == !options.isEmpty)
    if !options.isEmpty { #expect(result.output.contains("\n\(capital) -")) }
    // What a model file tells of.
    #expect(try command.run("report", "m.json", "groups.csv", "-o", "s.html").status == 0)
    let kept = options.first == "--hard" ? (options.count > 1 ? nil : "log-likelihood") : name
    if let kept { #expect(try pageData("s.html")["objective"] as? String == kept) }
  }

  @Test("the page says that the log-likelihood may fall while another algorithm goes before EM")
  func stages() throws {
    for (algorithm, words) in [
      ("annealed=0.5,7", "The first 7 iterations are of deterministic annealing"),
      ("stochastic=9", "The first 9 iterations draw a component for each row"),
    ] {
      #expect(
        try command.run(
          "fit", "groups.csv", "-k", "2", "--algorithm", algorithm, "--report", "r.html"
        ).status == 0)
      #expect(try command.read("r.html").contains(words))
      #expect(try pageData("r.html")["objective"] as? String == "log-likelihood")
    }
    _ = try command.run("fit", "groups.csv", "-k", "2", "--report", "r.html")
    #expect(try !command.read("r.html").contains("may fall"))
  }

  @Test("fit --bayes takes gaps and noise")
  func bayesGaps() throws {
    var lines = twoGroups.split(separator: "\n").map(String.init)
    lines[0] += ",e,f"
    for i in 1..<lines.count {
      if i % 7 == 0 { lines[i] = "NA" + lines[i].drop { $0 != "," } }
      lines[i] += ",0.05,0.1"
    }
    try command.write("gaps.csv", lines.joined(separator: "\n") + "\n")
    let result = try command.run([
      "fit", "gaps.csv", "--columns", "size,mass", "--missing", "--noise", "e,f", "--bayes",
      "process",
    ])
    #expect(result.status == 0)
    #expect(result.output.contains("11 cells of 11 rows are missing."))
    #expect(result.output.contains("2 components"))
  }

  @Test("fit --bayes takes every start, and no prior that cannot be")
  func bayesStarts() throws {
    _ = try command.run(["fit", "groups.csv", "-k", "2", "-o", "two.json"])
    for start in [
      "short-runs", "kmeans", "hierarchical", "rows", "random", "labels=kind", "model=two.json",
    ] {
      let fit = try command.run([
        "fit", "groups.csv", "--bayes", "dirichlet", "--start", start, "--overlap-plot", "o.svg",
      ])
      #expect(fit.status == 0)
      // Random responsibilities make all components alike, of which one is enough.
      #expect(fit.output.contains(start == "random" ? "1 component" : "2 components"), "\(start)")
    }
    #expect(try command.run(["fit", "groups.csv", "--bayes", "flat"]).status == 64)
    let negative = try command.run(["fit", "groups.csv", "--bayes", "process=-1"])
    #expect(negative.status == 2)
    #expect(negative.errors.contains("concentration"))
  }

  @Test("--factors fits mixtures of factor analysers, and the model file holds their loadings")
  func factors() throws {
    let rows = (0..<60).map { i in
      let u = Double((i * 37) % 41) / 41 - 0.5
      let noise = [17, 23, 29, 31].map { Double((i * $0) % 43) / 43 - 0.5 }
      return noise.enumerated().map { "\(2 * u * Double($0 + 1) + $1)" }.joined(separator: ",")
    }
    try command.write("factors.csv", "a,b,c,d\n" + rows.joined(separator: "\n") + "\n")
    let result = try command.run(
      "fit", "factors.csv", "-k", "1...2", "--factors", "0...2", "--factor-variants", "UUU,CCU",
      "-o", "model.json")
    #expect(result.status == 0)
    #expect(result.output.contains("* the least BIC, which is kept"))
    #expect(result.output.components(separatedBy: "CCU").count > 6)
    let one = try command.run("fit", "factors.csv", "-k", "1", "--factors", "1", "--format", "json")
    let document = try object(one.output)
    #expect((document["loadings"] as? [[[Double]]])?.first?.count == 4)
    #expect((document["uniquenesses"] as? [[Double]])?.first?.count == 4)
    #expect(try number("parameters", in: one.output) == 12)
    #expect(try command.run("score", "model.json", "factors.csv").status == 0)
    for (arguments, text) in [
      (["--factors", "4"], "less than the number of features, 4"),
      (
        ["--factors", "1", "--covariance", "full"], "--covariance and --factors exclude each other"
      ),
      (["--factors", "1", "--criterion", "cv"], "chosen by bic, aic, aicc or icl"),
      (["--factors", "1", "--hard"], "--hard and --factors exclude each other"),
      (
        ["--factors", "1", "--uncertainty", "information"],
        "--uncertainty and --factors exclude each other"
      ),
      (["--factor-variants", "UUU"], "needs --factors"),
    ] {
      let refused = try command.run(["fit", "factors.csv", "-k", "1"] + arguments)
      #expect(refused.status != 0 && refused.errors.contains(text), "\(arguments)")
    }
  }

  @Test(
    "fit prints results on standard output only, and leaves out a column without numbers with a notice"
  )
  func fit() throws {
    let result = try command.run("fit", "groups.csv", "-k", "2")
    #expect(result.status == 0)
    #expect(result.output.contains("80 observations of 2 features: size, mass"))
    #expect(result.output.contains("2 components, full covariance (VVV): converged"))
    #expect(result.errors.contains("kind"))
    #expect(try command.run("fit", "groups.csv", "-k", "2", "--quiet").errors.isEmpty)
  }

  @Test("other algorithms, moves, halving and the hierarchical start are options of fit")
  func algorithms() throws {
    let hard = try command.run(
      "fit", "groups.csv", "-k", "2", "--hard", "--format", "json", "--trace", "trace.csv")
    #expect(hard.status == 0)
    #expect(try command.read("trace.csv").hasPrefix("iteration,log_likelihood,objective,seconds"))
    let named = try command.run(
      "fit", "groups.csv", "-k", "2", "--algorithm", "classification", "--format", "json")
    #expect(
      try number("logLikelihood", in: named.output) == number("logLikelihood", in: hard.output))
    for options in [
      ["--algorithm", "stochastic=5"], ["--algorithm", "annealed=0.6,10"],
      ["--start", "hierarchical"], ["--restarts", "4", "--halving", "--split-merge", "2"],
    ] {
      #expect(try command.run(["fit", "groups.csv", "-k", "2"] + options).status == 0)
    }
    for options in [
      ["--algorithm", "annealed=0.5"], ["--algorithm", "stochastic=many"],
      ["--hard", "--algorithm", "em"],
    ] {
      #expect(try command.run(["fit", "groups.csv", "-k", "2"] + options).status == 64)
    }
  }

  @Test("the model file holds the contract's keys, and standard output the same object")
  func modelFile() throws {
    let result = try command.run(
      "fit", "groups.csv", "-k", "2", "--format", "json", "-o", "model.json")
    #expect(result.status == 0)
    #expect(try command.read("model.json") == result.output)
    let model = try object(result.output)
    #expect(model["format"] as? String == "swift-mixtures/model")
    #expect(model["version"] as? Int == 1)
    #expect(model["structure"] as? String == "VVV")
    #expect(model["features"] as? [String] == ["size", "mass"])
    #expect((model["weights"] as? [Double])?.count == 2)
    #expect((model["means"] as? [[Double]])?.map(\.count) == [2, 2])
    #expect((model["covariances"] as? [[[Double]]])?.map { $0.map(\.count) } == [[2, 2], [2, 2]])
    let fit = try #require(model["fit"] as? [String: Any])
    let logLikelihood = try #require(fit["logLikelihood"] as? Double)
    #expect(fit["observations"] as? Int == 80)
    #expect(fit["parameters"] as? Int == 11)
    #expect(fit["converged"] as? Bool == true)
    #expect(fit["stoppingReason"] as? String == "converged")
    #expect(fit["seed"] as? Int == 0)
    #expect(fit["restart"] as? Int == 0)
    #expect((fit["rescued"] as? [Any])?.isEmpty == true)
    let bic = try #require(fit["bic"] as? Double)
    #expect(abs(bic - (-2 * logLikelihood + 11 * log(80.0))) < 1e-9)
    #expect(abs(try #require(fit["aic"] as? Double) - (-2 * logLikelihood + 22)) < 1e-9)
  }

  @Test("a range of components prints the table of all that was tried and keeps the best")
  func range() throws {
    let result = try command.run("fit", "groups.csv", "-k", "1...3", "--covariance", "full,tied")
    #expect(result.status == 0)
    let rows = result.output.split(separator: "\n").filter {
      $0.contains("VVV") || $0.contains("EEE")
    }
    #expect(rows.count >= 6)
    #expect(rows.count { $0.hasPrefix("*") } == 1)
    let all = try command.run("fit", "groups.csv", "-k", "2", "--covariance", "all")
    for name in [
      "EII", "VII", "EEI", "VEI", "EVI", "VVI", "EEE", "VEE", "EVE", "VVE", "EEV", "VEV", "EVV",
      "VVV",
    ] {
      #expect(all.output.contains(name))
    }
    let oneFeature = try command.run(
      "fit", "groups.csv", "-k", "2", "--covariance", "all", "--columns", "size")
    #expect(oneFeature.output.contains("EII") && oneFeature.output.contains("VII"))
    #expect(!oneFeature.output.contains("VVV") && !oneFeature.output.contains("EEE"))
    let turned = try command.run("fit", "groups.csv", "-k", "2", "--covariance", "eev")
    #expect(turned.output.contains("full covariance of equal volume and shape (EEV)"))
    let json = try object(
      try command.run("fit", "groups.csv", "-k", "1...3", "--format", "json").output)
    #expect((json["weights"] as? [Double])?.count == 2)
  }

  @Test("several files are one table, cut anywhere: the same bits")
  func severalFiles() throws {
    let lines = twoGroups.split(separator: "\n")
    try command.write("a.csv", (lines[0...7] + []).joined(separator: "\n") + "\n")
    try command.write("b.csv", ([lines[0]] + lines[8...60]).joined(separator: "\n") + "\n")
    try command.write("c.csv", ([lines[0]] + lines[61...]).joined(separator: "\n") + "\n")
    let options = ["-k", "2", "--format", "json", "--quiet"]
    let one = try command.run(["fit", "groups.csv"] + options)
    let three = try command.run(["fit", "a.csv", "b.csv", "c.csv"] + options)
    #expect(one.status == 0 && one.output == three.output)
    let piped = try command.run(["fit", "-"] + options, input: twoGroups)
    #expect(piped.output == one.output)
  }

  @Test("1, 2 and 3 threads print the same bits")
  func threads() throws {
    let results = try ["1", "2", "3"].map {
      try command.run("fit", "groups.csv", "-k", "2", "--format", "json", "--threads", $0).output
    }
    #expect(results[0].count > 500)
    #expect(Set(results).count == 1)
  }

  @Test(
    "--start labels numbers components in order of first appearance, and 0 iterations is one M-step"
  )
  func labels() throws {
    let result = try command.run(
      "fit", "groups.csv", "--start", "labels=kind", "--iterations", "0", "--format", "json")
    #expect(result.status == 0)
    let model = try object(result.output)
    let means = try #require(model["means"] as? [[Double]])
    #expect(means[0][0] < means[1][0])
    let fit = try #require(model["fit"] as? [String: Any])
    #expect(fit["iterations"] as? Int == 0)
    #expect(fit["stoppingReason"] as? String == "iterationLimit")
    let wrong = try command.run("fit", "groups.csv", "-k", "3", "--start", "labels=kind")
    #expect(wrong.status == 2)
    #expect(wrong.errors.contains("2 different labels") && wrong.errors.contains("-k asks for 3"))
  }

  @Test("--start short-runs is the default")
  func shortRuns() throws {
    let named = try command.run(
      "fit", "groups.csv", "-k", "2", "--start", "short-runs", "--format", "json")
    #expect(named.status == 0)
    let plain = try command.run("fit", "groups.csv", "-k", "2", "--format", "json")
    #expect(plain.output == named.output)
  }

  @Test("--precision single ends at the same maximum")
  func singlePrecision() throws {
    for precision in ["double", "single"] {
      let result = try command.run(
        "fit", "groups.csv", "-k", "2", "--precision", precision, "-o", "\(precision).json")
      #expect(result.status == 0)
    }
    let ends = try ["double.json", "single.json"].map { name in
      try #require(try object(command.read(name))["fit"] as? [String: Any])
    }
    let values = try ends.map { try #require($0["logLikelihood"] as? Double) }
    let count = try #require(ends[0]["observations"] as? Int)
    #expect(abs(values[0] - values[1]) < 1e-6 * Double(count))
  }

  @Test("--start model goes on where the model stands")
  func startFromModel() throws {
    let whole = try command.run(
      "fit", "groups.csv", "--start", "labels=kind", "--iterations", "6", "--tolerance", "0",
      "--acceleration", "none", "-o",
      "whole.json")
    #expect(whole.status == 0)
    _ = try command.run(
      "fit", "groups.csv", "--start", "labels=kind", "--iterations", "2", "--tolerance", "0",
      "--acceleration", "none", "-o",
      "part.json")
    let rest = try command.run(
      "fit", "groups.csv", "--start", "model=part.json", "--iterations", "4", "--tolerance", "0",
      "--acceleration", "none",
      "-o", "rest.json")
    #expect(rest.status == 0)
    let (a, b) = (try object(command.read("whole.json")), try object(command.read("rest.json")))
    #expect(a["means"] as? [[Double]] == b["means"] as? [[Double]])
    #expect(a["covariances"] as? [[[Double]]] == b["covariances"] as? [[[Double]]])
    let exact = try #require(b["fit"] as? [String: Any])
    #expect(exact["iterations"] as? Int == 4)
  }

  @Test("--prior and --fix are recorded in the model file, and the trace has the objective")
  func priorAndFixed() throws {
    #expect(
      try command.run("fit", "groups.csv", "-k", "2", "--prior", "mclust", "-o", "first.json")
        .status == 0)
    let text = try command.read("first.json")
    let record = try #require(try object(text)["fit"] as? [String: Any])
    let prior = try #require(record["prior"] as? [String: Any])
    #expect(prior["degreesOfFreedom"] as? Double == 4)
    #expect(prior["meanCount"] as? Double == 0.01)
    #expect(record["fixed"] == nil)
    let result = try command.run(
      "fit", "groups.csv", "--start", "model=first.json", "--fix", "means=1", "--fix", "weights",
      "--prior", "shrinkage", "--trace", "trace.csv", "-o", "second.json")
    #expect(result.status == 0)
    #expect(try command.read("trace.csv").hasPrefix("iteration,log_likelihood,objective,seconds,"))
    let second = try object(command.read("second.json"))
    let fixed = try #require((second["fit"] as? [String: Any])?["fixed"] as? [String: Any])
    #expect(fixed["means"] as? [Int] == [1])
    #expect(fixed["weights"] as? [Int] == [0, 1])
    #expect(fixed["covariances"] as? [Int] == [])
    let means = { (object: [String: Any]) in (object["means"] as? [[Double]])?[1] }
    #expect(means(second) == means(try object(text)))
    // Plain fits have neither.
    let plain = try command.run("fit", "groups.csv", "-k", "2", "--format", "json").output
    #expect(!plain.contains("logPrior") && !plain.contains("fixed"))
  }

  @Test("--fix without a model, of a component that is not there, or of no parameter is an error")
  func badFix() throws {
    for arguments in [["--fix", "means"], ["--fix", "mean"], ["--prior", "some"]] {
      #expect(try command.run(["fit", "groups.csv", "-k", "2"] + arguments).status == 64)
    }
    _ = try command.run("fit", "groups.csv", "-k", "2", "-o", "m.json")
    let result = try command.run(
      "fit", "groups.csv", "--start", "model=m.json", "--fix", "means=2")
    #expect(result.status == 2)
    #expect(result.errors.contains("component 2"))
  }

  @Test("predict, score, sample, inspect, plot and report use the model")
  func queries() throws {
    _ = try command.run("fit", "groups.csv", "-k", "2", "--start", "labels=kind", "-o", "m.json")
    let labels = try command.run("predict", "m.json", "groups.csv")
    #expect(labels.status == 0)
    let predicted = labels.output.split(separator: "\n")
    #expect(predicted.first == "component" && predicted.count == 81)
    #expect(predicted.dropFirst().enumerated().allSatisfy { $1 == "\($0 % 2)" })
    let responsibilities = try command.run("predict", "m.json", "groups.csv", "--responsibilities")
    let lines = responsibilities.output.split(separator: "\n")
    #expect(lines.first == "component_0,component_1" && lines.count == 81)
    for line in lines.dropFirst() {
      let sum = line.split(separator: ",").compactMap { Double($0) }.reduce(0, +)
      #expect(abs(sum - 1) < 1e-15)
    }
    let json = try object(command.run("predict", "m.json", "groups.csv", "--format", "json").output)
    #expect((json["labels"] as? [Int])?.count == 80)

    let logLikelihood = try number("logLikelihood", in: command.read("m.json"))
    let score = try command.run("score", "m.json", "groups.csv")
    let mean = try #require(Double(score.output.trimmingCharacters(in: .whitespacesAndNewlines)))
    // A saved model gives the log-likelihood of the fit to the bit.
    #expect(mean == logLikelihood / 80)
    let perRow = try command.run("score", "m.json", "groups.csv", "--per-row")
      .output.split(separator: "\n").dropFirst().compactMap { Double($0) }
    #expect(perRow.count == 80)
    #expect(abs(perRow.reduce(0, +) - logLikelihood) < 1e-9)

    let rows = try command.run("sample", "m.json", "-n", "500", "--labels", "--seed", "3")
    #expect(rows.output.hasPrefix("size,mass,component\n"))
    #expect(rows.output.split(separator: "\n").count == 501)
    #expect(
      try command.run("sample", "m.json", "-n", "500", "--labels", "--seed", "3").output
        == rows.output)
    #expect(try command.run("sample", "m.json", "-n", "5", "-o", "rows.npy").status == 0)
    #expect(try command.run("score", "m.json", "rows.npy").status == 0)

    #expect(try command.run("inspect", "m.json").output.contains("2 components, full covariance"))
    #expect(
      try command.run("inspect", "m.json", "--format", "json").output == command.read("m.json"))
    #expect(try command.run("plot", "m.json", "groups.csv", "-o", "p.svg").status == 0)
    #expect(try command.read("p.svg").contains("</svg>"))
    #expect(try command.run("report", "m.json", "groups.csv", "-o", "r.html").status == 0)
    #expect(try command.read("r.html").contains("</html>"))
  }

  @Test("a model finds its columns by name, wherever they stand")
  func columnsByName() throws {
    _ = try command.run("fit", "groups.csv", "-k", "2", "-o", "m.json")
    let swapped = twoGroups.split(separator: "\n").map { line in
      let cells = line.split(separator: ",")
      return "\(cells[1]),\(cells[0])"
    }.joined(separator: "\n")
    try command.write("swapped.csv", swapped)
    let straight = try command.run("score", "m.json", "groups.csv")
    #expect(try command.run("score", "m.json", "swapped.csv").output == straight.output)
  }

  @Test(
    "the report plays the iterations and shows the criterion curve; the trace has every iteration")
  func reportAndTrace() throws {
    let result = try command.run(
      "fit", "groups.csv", "-k", "1...3", "--start", "rows", "--restarts", "2", "--report",
      "r.html",
      "--trace", "t.csv", "--plot", "p.svg")
    #expect(result.status == 0)
    let page = try command.read("r.html")
    #expect(!page.contains("http://") || !page.contains("src=\"http"))
    let trace = try command.read("t.csv").split(separator: "\n")
    #expect(trace[0] == "iteration,log_likelihood,seconds,weight_0,weight_1")
    #expect(trace.dropFirst().enumerated().allSatisfy { $1.hasPrefix("\($0),") })
  }

  @Test("--require-convergence turns not converging into status 1, with all results written")
  func requireConvergence() throws {
    let result = try command.run(
      "fit", "groups.csv", "-k", "2", "--start", "random", "--iterations", "1",
      "--require-convergence", "-o", "m.json")
    #expect(result.status == 1)
    #expect(command.exists("m.json") && !result.output.isEmpty)
    #expect(result.errors.contains("not converged"))
  }

  @Test("the lesson tells itself and writes its page", arguments: ["A", "C", "D"])
  func lesson(example: String) throws {
    let result = try command.run("lesson", example, "-n", "300")
    #expect(result.status == 0)
    #expect(result.output.contains("300 points from mixture \(example)"))
    #expect(result.output.contains("parameter") && result.output.contains("fitted"))
    #expect(try command.read("lesson.html").contains("</html>"))
  }

  @Test("kernels lists what runs here, portable last")
  func kernels() throws {
    #expect(try command.run("kernels").output.hasSuffix("portable\n"))
  }
}
