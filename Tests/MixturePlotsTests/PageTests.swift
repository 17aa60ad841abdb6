// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures
import Testing

@testable import MixturePlots

private let attack = "</script><img src=x onerror=\"alert('1')\">&\u{2028}"

/// A report with everything in it.
private func fullReport(_ n: Int = 60, K: Int = 2, d: Int = 2) throws -> MixtureReport {
  let model = try mixture(componentCount: K, featureCount: d)
  var report = MixtureReport(
    title: "A page", features: (0..<d).map { "x\($0)" },
    observations: try rows(n, componentCount: K, featureCount: d), model: model,
    fit: MixtureReport.FitFacts(
      logLikelihood: -12, parameterCount: 7, bic: 40, aic: 30, icl: 41, iterationCount: 3,
      stoppingReason: .iterationLimit))
  report.frames = try (0..<3).map {
    MixtureReport.Frame(
      iteration: $0, logLikelihood: -20 + Double($0),
      model: try mixture(componentCount: K, featureCount: d, offset: 1 - Double($0) / 2))
  }
  report.candidates = [
    .init(componentCount: 1, structure: "VVV", logLikelihood: -30, bic: 70, aic: 66, icl: 70),
    .init(
      componentCount: 2, structure: "VVV", logLikelihood: -12, bic: 40, aic: 30, icl: 41,
      isChosen: true),
    .init(
      componentCount: 3, structure: "VVV", logLikelihood: .nan, bic: .nan, aic: .nan, icl: .nan),
  ]
  report.trueModel = model
  report.trueLabels = (0..<n).map { $0 % K }
  return report
}

/// The JSON that the page's script reads.
func pageData(_ html: String) throws -> [String: Any] {
  let start = try #require(html.range(of: "id=\"page-data\">"))
  let end = try #require(html.range(of: "</script>", range: start.upperBound..<html.endIndex))
  let data = Data(html[start.upperBound..<end.lowerBound].utf8)
  return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
}

/// The code of the error that the body throws.
private func code(_ body: () throws -> String) -> MixtureError.Code? {
  do {
    _ = try body()
    return nil
  } catch {
    return (error as? MixtureError)?.code
  }
}

@Suite("Report page") struct ReportTests {
  @Test("the page loads nothing: it names no address and forbids the network")
  func selfContained() throws {
    let html = try fullReport().html()
    #expect(!html.contains("http://") && !html.contains("https://"))
    #expect(!html.contains("src=\"//") && !html.contains("@import") && !html.contains("url("))
    #expect(html.contains("default-src 'none'"))
  }

  @Test("names and texts from files stay text, whatever they hold")
  func escaped() throws {
    var report = try fullReport()
    report.title = attack
    report.subtitle = attack
    report.command = attack
    report.features = [attack, attack]
    report.candidates[0].structure = attack
    report.introduction = [
      .init(
        heading: attack,
        blocks: [
          .paragraph(attack), .preformatted(attack), .picture(svg: attack, caption: attack),
        ])
    ]
    let html = try report.html()
    #expect(!html.contains("<img src=x"))
    #expect(html.components(separatedBy: "</script>").count == 3)
    #expect(try pageData(html)["features"] as? [String] == [attack, attack])
  }

  @Test("the script and the style cannot be ended from within, and no text becomes markup")
  func scriptHasNoEndTag() {
    #expect(!reportScript.lowercased().contains("</script"))
    #expect(!reportStyle.lowercased().contains("</style"))
    #expect(!reportScript.contains("innerHTML"))
  }

  @Test("the same report gives the same bytes")
  func deterministic() throws {
    #expect(try fullReport().html() == fullReport().html())
  }

  @Test("the page says how many observations are drawn, and that the fit did not converge")
  func says() throws {
    var report = try fullReport(500)
    report.drawnLimit = 100
    let html = try report.html()
    #expect(html.contains("Drawn: 100 of 500 observations"))
    #expect(html.contains("It did not converge"))
    #expect(html.contains("iteration limit was reached"))
    let data = try pageData(html)
    #expect(data["drawn"] as? Int == 100)
    #expect(data["n"] as? Int == 500)
  }

  private func frameCount(_ report: MixtureReport) throws -> Int? {
    (try pageData(report.html())["frames"] as? [Any])?.count
  }

  @Test("the model itself is the last frame, added if the frames end before it")
  func lastFrame() throws {
    var report = try fullReport()
    #expect(try frameCount(report) == 3)
    report.frames.removeLast()
    #expect(try frameCount(report) == 3)
    report.frames = []
    #expect(try frameCount(report) == 1)
  }

  @Test("the points that a page carries are the data within half a step of their coding")
  func points() throws {
    let report = try fullReport(50)
    let data = try pageData(report.html())
    let bytes = try #require((data["points"] as? String).flatMap { Data(base64Encoded: $0) })
    let offsets = try #require(data["offsets"] as? [Double])
    let scales = try #require(data["scales"] as? [Double])
    let step = try #require(data["stride"] as? Int)
    #expect(data["encoding"] as? String == "u16")
    let drawn = try DrawnRows(report.observations, limit: 50)
    for i in 0..<50 {
      for f in 0..<2 {
        let at = 2 * (f * 50 + i)
        let code = Int(bytes[at]) | Int(bytes[at + 1]) << 8
        let value = offsets[f] + scales[f] * Double(code) / 65534
        let error = abs(value - drawn.values[i * step % 50 * 2 + f])
        #expect(error <= scales[f] / 65534 * (0.5 + 1e-9))
      }
    }
  }

  @Test(
    "any shape of data and model makes a page",
    arguments: [
      (1, 1, 1), (1, 1, 2), (1, 3, 1), (40, 1, 1), (40, 1, 3), (40, 12, 2), (60, 3, 20), (9, 70, 9),
    ])
  func shapes(n: Int, K: Int, d: Int) throws {
    let html = try fullReport(n, K: K, d: d).html()
    let data = try pageData(html)
    #expect((data["features"] as? [Any])?.count == min(d, 8))
    #expect((data["prepared"] != nil) == (d > 8))
  }

  @Test("huge offsets, constant columns, missing values and infinities make a page")
  func hardValues() throws {
    let table = (0..<30).map { i -> [Double] in
      let gappy: Double = i % 3 == 0 ? .nan : Double(i)
      let endless: Double = i == 4 ? .infinity : 0
      return [1e8 + Double(i % 5) / 4, 7, gappy, endless]
    }
    let report = MixtureReport(
      title: "hard", observations: AnyRows(rows: table),
      model: try mixture(componentCount: 2, featureCount: 4, offset: 1e8))
    let data = try pageData(report.html())
    let axes = try #require(data["axes"] as? [[Double]])
    #expect(axes.allSatisfy { $0[0] < $0[1] })
    #expect(try MixturePicture.svg(of: report.observations, model: report.model).contains("</svg>"))
    let nothing = MixtureReport(
      title: "nothing", observations: AnyRows(rows: [[.nan, .nan]]),
      model: try mixture(componentCount: 2, featureCount: 2))
    #expect(try nothing.html().contains("</html>"))
  }

  @Test("data and model of different features, labels that fit nothing, and no rows are errors")
  func errors() throws {
    var report = try fullReport()
    report.model = try mixture(componentCount: 2, featureCount: 3)
    #expect(code { try report.html() } == .featureCountMismatch)
    report = try fullReport()
    report.trueLabels = [0, 1]
    #expect(code { try report.html() } == .shapeMismatch)
    report.trueLabels = Array(repeating: 2, count: 60)
    #expect(code { try report.html() } == .shapeMismatch)
    let model = try mixture(componentCount: 1, featureCount: 1)
    let empty = ManyRows(observationCount: 0)
    #expect(code { try MixturePicture.svg(of: empty, model: model) } == .emptyObservations)
  }

  @Test(
    "curve, player, summary and numbers say what was maximised; the log-likelihood stays among the numbers",
    arguments: MixtureReport.Objective.allCases)
  func objective(_ objective: MixtureReport.Objective) throws {
    var report = try fullReport()
    report.objective = objective
    report.fit?.objective = -17.25
    for index in report.frames.indices { report.frames[index].objective = -30 - Double(index) }
    let html = try report.html()
    let data = try pageData(html)
    let isOwn = objective != .logLikelihood
    #expect(data["objective"] as? String == objective.name)
    let frames = try #require(data["frames"] as? [[String: Any]])
    #expect(
      frames.compactMap { $0["objective"] as? Double }
        == (isOwn ? [-30, -31, -32] : [-20, -19, -18]))
    let values = (data["trace"] as? [String: Any])?["values"] as? [Double]
    #expect(values == (isOwn ? [-30, -31, -32] : [-20, -19, -18]))
    #expect(html.contains("\(objective.name) of \(isOwn ? "−17.25" : "−12.00")."))
    #expect(html.contains("<dt>log-likelihood</dt><dd>−12.00</dd>"))
    #expect(html.contains("<dt>\(objective.name)</dt>"))
    #expect(html.contains("aria-label=\"The \(objective.name) from iteration to iteration\""))
  }

  @Test("a fit under a prior is drawn by its log posterior, one by classification EM by its own")
  func objectiveOfFit() throws {
    let data = try rows(60, componentCount: 2, featureCount: 2)
    for (algorithm, prior, name) in [
      (Algorithm.em, MixturePrior.none, MixtureReport.Objective.logLikelihood),
      (.em, .mclust, .logPosterior), (.classification, .none, .classificationLogLikelihood),
      (.classification, .mclust, .classificationLogPosterior),
    ] {
      let fit = try ExpectationMaximization(
        componentCount: 2, initialization: .randomRows, prior: prior, algorithm: algorithm
      ).fit(data)
      let report = MixtureReport(title: "fit", observations: data, fit: fit)
      #expect(report.objective == name && report.fit?.objective == fit.objective)
      let values = (try pageData(report.html())["trace"] as? [String: Any])?["values"] as? [Double]
      #expect(values?.count == fit.trace.count)
      #expect(
        zip(values ?? [], fit.trace).allSatisfy {
          abs($0 - $1.objective) <= 1e-9 * abs($1.objective)
        })
    }
  }

  @Test("a rescue is told in words, once for each component")
  func rescues() throws {
    var report = try fullReport()
    let event = #"{"action":"floored","component":1,"iteration":2,"detail":"variance 1e-9"}"#
    let rescue = try JSONDecoder().decode(RescueEvent.self, from: Data(event.utf8))
    report.fit?.rescued = [rescue, rescue, rescue]
    let html = try report.html()
    #expect(html.components(separatedBy: "Component 1 was about to collapse").count == 2)
    #expect(html.contains("and 2 more times"))
  }

  @Test("every structure has its words", arguments: CovarianceStructure.allCases)
  func words(structure: CovarianceStructure) {
    for (d, K) in [(1, 1), (1, 2), (3, 1), (3, 2)] {
      let words = ReportPage.words(for: structure, featureCount: d, componentCount: K)
      #expect(!words.isEmpty && !words.contains("  ") && !words.contains("of and"))
    }
    #expect(
      ReportPage.words(for: .full, featureCount: 2, componentCount: 3)
        == "full covariances that differ between components (VVV)")
  }
}

@Suite("SVG pictures") struct PictureTests {
  /// Whether every element that is opened is closed.
  private func isBalanced(_ svg: String) -> Bool {
    let opened = svg.components(separatedBy: "<").count - 1
    let closed = svg.components(separatedBy: "</").count - 1
    let empty = svg.components(separatedBy: "/>").count - 1
    return opened == 2 * closed + empty && svg.hasPrefix("<svg") && svg.hasSuffix("</svg>\n")
  }

  @Test(
    "any shape of data and model makes a picture, twice the same",
    arguments: [
      (1, 1, 1), (1, 2, 2), (30, 1, 1), (30, 3, 2), (30, 2, 4), (30, 3, 20), (30, 100, 2),
    ])
  func shapes(n: Int, K: Int, d: Int) throws {
    let data = try rows(n, componentCount: K, featureCount: d)
    let model = try mixture(componentCount: K, featureCount: d)
    let svg = try MixturePicture.svg(of: data, model: model)
    #expect(isBalanced(svg))
    #expect(try svg == MixturePicture.svg(of: data, model: model))
    #expect(!svg.contains("nan") && !svg.contains("inf"))
  }

  @Test("ten thousand points are circles, more are one layer of pixels")
  func raster() throws {
    let model = try mixture(componentCount: 2, featureCount: 2)
    let many = try MixturePicture.svg(
      of: rows(10_001, componentCount: 2, featureCount: 2), model: model,
      options: .init(width: 300))
    #expect(many.contains("data:image/png;base64,"))
    #expect(many.components(separatedBy: "<circle").count == 3)
    let few = try MixturePicture.svg(
      of: rows(100, componentCount: 2, featureCount: 2), model: model)
    #expect(few.components(separatedBy: "<circle").count == 103)
    #expect(!few.contains("<image"))
  }

  @Test("names stay text")
  func escaped() throws {
    let svg = try MixturePicture.svg(
      of: rows(5, componentCount: 1, featureCount: 2),
      model: mixture(componentCount: 1, featureCount: 2),
      options: .init(title: attack, features: [attack, "b\u{1}"]))
    #expect(!svg.contains("<img") && !svg.contains("</script") && !svg.contains("\u{1}"))
    #expect(isBalanced(svg))
  }

  @Test("a k-means step shows boundaries in the plane, and moves as lines between crosses")
  func kMeans() throws {
    let data = try rows(50, componentCount: 3, featureCount: 2)
    let old = try Matrix(rows: [[0, 0], [4, 5], [8, 7]])
    let svg = try MixturePicture.svg(of: data, centroids: old, updatedCentroids: old)
    #expect(isBalanced(svg) && svg.contains("stroke-dasharray=\"6 5\""))
    let solid = try MixturePicture.svg(
      of: rows(50, componentCount: 3, featureCount: 3),
      centroids: Matrix(rows: [[0, 0, 0], [4, 4, 4]]))
    #expect(!solid.contains("stroke-dasharray"))
    let misfit = try Matrix(rows: [[1, 2, 3]])
    #expect(code { try MixturePicture.svg(of: data, centroids: misfit) } == .shapeMismatch)
  }

  @Test("posterior draws are faint ellipses; a single feature has no plane for them")
  func draws() throws {
    let draws = try (0..<20).map {
      try mixture(componentCount: 2, featureCount: 2, offset: Double($0) / 100)
    }
    let svg = try MixturePicture.svg(
      of: rows(30, componentCount: 2, featureCount: 2), draws: draws)
    #expect(svg.components(separatedBy: "<ellipse").count == 41)
    let line = ManyRows(observationCount: 3)
    #expect(code { try MixturePicture.svg(of: line, draws: []) } == .invalidSetting)
  }

  @Test("curves are drawn from any records, the best candidate ringed")
  func curves() throws {
    let best = MixturePicture.svg(candidates: try fullReport().candidates)
    #expect(isBalanced(best) && best.contains("r=\"7.5\""))
    #expect(isBalanced(MixturePicture.svg(candidates: [])))
    #expect(isBalanced(MixturePicture.svg(trace: [])))
    // Values far behind the best leave at the top; of values that lie together all stay.
    #expect(MixturePicture.ceiling([10, 11, 12, 13, 500]) == 16)
    #expect(MixturePicture.ceiling([10, 11, 12, 13, 14]) == nil)
    #expect(MixturePicture.ceiling([5]) == nil && MixturePicture.ceiling([]) == nil)
    let record = #"[{"iteration":0,"logLikelihood":-5,"weights":[1],"seconds":0}]"#
    let trace = try JSONDecoder().decode([IterationRecord].self, from: Data(record.utf8))
    #expect(isBalanced(MixturePicture.svg(trace: trace)))
  }

  @Test("an overlap picture has a square for each pair, and any numbers make one") func overlap()
    throws
  {
    let svg = MixturePicture.svg(
      overlap: try Matrix(rows: [[0.9, 0.1, 0], [.nan, 2, -1], [0, 0.004, 0.996]]))
    #expect(isBalanced(svg))
    #expect(svg.components(separatedBy: "<rect").count == 1 + 1 + 9)
    #expect(
      svg.contains(">0.90</text>") && svg.contains(">0.10</text>") && svg.contains(">–</text>"))
    #expect(
      isBalanced(MixturePicture.svg(overlap: Matrix(repeating: 0, rowCount: 200, columnCount: 200)))
    )
  }

  @Test("a pair that does not exist is an error, one that does is drawn")
  func pairs() throws {
    let data = try rows(10, componentCount: 2, featureCount: 3)
    let model = try mixture(componentCount: 2, featureCount: 3)
    for pair in [(0, 3), (-1, 0), (1, 1)] {
      let options = MixturePicture.Options(pair: pair)
      #expect(
        code { try MixturePicture.svg(of: data, model: model, options: options) } == .invalidSetting
      )
    }
    let svg = try MixturePicture.svg(
      of: data, model: model, options: .init(features: ["a", "b", "c"], pair: (x: 2, y: 0)))
    #expect(svg.contains(">c</text>") && !svg.contains(">b</text>"))
  }
}
