// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures

/// The report's page as text: what can be said without a script stands in its markup.
struct ReportPage {
  private let report: MixtureReport
  private let data: ReportData

  init(_ report: MixtureReport, _ data: ReportData) {
    self.report = report
    self.data = data
  }

  var text: String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'">
    <meta name="generator" content="swift-mixtures">
    <title>\(report.title.markupEscaped)</title>
    <style>\(reportStyle)</style>
    </head>
    <body>
    <div class="sheet">
    <header>
    <h1>\(report.title.markupEscaped)</h1>
    <button id="scheme" type="button">Dark scheme</button>
    \(line(report.subtitle, class: "subtitle"))\(command)\
    <p class="summary">\(summary.markupEscaped)</p>
    </header>
    <main>
    \(notices)<noscript><p class="notices">The pictures on this page need JavaScript. The tables do not.</p></noscript>
    \(report.introduction.map(section).joined())\
    \(picture)\(progress)\(marginals)\(components)\(doubt)\(choice)\(facts)\
    \(report.commentary.map(section).joined())</main>
    <footer><p>Made by swift-mixtures. Everything on this page is in this file.</p></footer>
    </div>
    <div id="tip" role="status" hidden></div>
    <script type="application/json" id="page-data">\(data.json)</script>
    <script>\(reportScript)</script>
    </body>
    </html>

    """
  }

  private func line(_ text: String?, class name: String) -> String {
    text.map { "<p class=\"\(name)\">\($0.markupEscaped)</p>\n" } ?? ""
  }

  /// The command, broken between words only: a browser would also break it after a hyphen.
  private var command: String {
    guard let command = report.command else { return "" }
    let words = command.split(separator: " ").map { "<span>\(String($0).markupEscaped)</span>" }
    return "<p class=\"subtitle command\">\(words.joined(separator: " "))</p>\n"
  }

  // MARK: In words

  private var model: GaussianMixture { report.model }

  private func plural(_ count: Int, _ noun: String) -> String {
    "\(NumberText.count(count)) \(noun)\(count == 1 ? "" : "s")"
  }

  /// The structure's letters in words.
  static func words(
    for structure: CovarianceStructure, featureCount: Int, componentCount: Int
  ) -> String {
    let letters = Array(structure.rawValue)
    guard letters.count == 3 else { return "\(structure.rawValue) covariances" }
    let form = letters[1] == "I" ? "spherical" : letters[2] == "I" ? "axis-parallel" : "full"
    if componentCount == 1 {
      return featureCount == 1 ? "its variance" : "a \(form) covariance (\(structure.rawValue))"
    }
    let noun = featureCount == 1 ? "variances" : "\(form) covariances"
    let properties = zip(letters, ["volume", "shape", "orientation"]).filter { $0.0 != "I" }
      .prefix(featureCount == 1 ? 1 : 3)
    let relation: String
    if properties.allSatisfy({ $0.0 == "V" }) {
      relation = "that differ between components"
    } else if properties.allSatisfy({ $0.0 == "E" }) {
      relation = "shared by all components"
    } else {
      let list = properties.map { ($0.0 == "E" ? "equal " : "variable ") + $0.1 }
      relation = "of " + list.dropLast().joined(separator: ", ") + " and " + (list.last ?? "")
    }
    return "\(noun) \(relation) (\(structure.rawValue))"
  }

  private var summary: String {
    var text =
      "A mixture of \(plural(model.componentCount, "Gaussian component")) with "
      + Self.words(
        for: model.structure, featureCount: model.featureCount,
        componentCount: model.componentCount) + ", "
      + "\(report.fit == nil ? "shown over" : "fitted to") "
      + "\(plural(report.observations.observationCount, "observation")) of "
      + "\(plural(model.featureCount, "feature"))."
    if let background = model.background {
      text +=
        " Before a uniform background with a share of \(NumberText.fixed(100 * background.share, decimals: 1)) %; the "
        + "components' weights are shares of the rest."
    }
    if let fit = report.fit {
      let iterations = plural(fit.iterationCount, "iteration")
      switch fit.stoppingReason {
      case .converged: text += " It converged after \(iterations)"
      case .iterationLimit:
        text += " It did not converge: it stopped at the limit of \(iterations)"
      case .observer: text += " It was stopped by request after \(iterations)"
      }
      let article = report.objective == .evidenceLowerBound ? "an" : "a"
      text +=
        ", at \(article) \(report.objective.name) of "
        + "\(NumberText.grouped(report.objective == .logLikelihood ? fit.logLikelihood : fit.objective))."
    }
    return text
  }

  private var notices: String {
    var items: [String] = []
    if let fit = report.fit {
      if fit.stoppingReason == .iterationLimit {
        items.append(
          "The iteration limit was reached before the stopping rule was met; "
            + "more iterations may still change the result.")
      }
      // A component may be floored at every iteration: say it once.
      var seen: [String: Int] = [:]
      var firsts: [RescueEvent] = []
      for event in fit.rescued {
        let key = "\(event.action.rawValue) \(event.component)"
        if seen[key] == nil { firsts.append(event) }
        seen[key, default: 0] += 1
      }
      for event in firsts.prefix(12) {
        let count = seen["\(event.action.rawValue) \(event.component)"] ?? 1
        items.append(Self.words(for: event, count: count))
      }
      if firsts.count > 12 {
        items.append("So were \(firsts.count - 12) more components.")
      }
      for spurious in fit.spurious.prefix(12) {
        items.append(
          "Component \(spurious.component) may be spurious: \(spurious.detail). "
            + "Its likelihood says little; fewer components or a simpler structure may describe the rows better."
        )
      }
    }
    guard !items.isEmpty else { return "" }
    return "<ul class=\"notices\">\n"
      + items.map { "<li>\($0.markupEscaped)</li>\n" }.joined() + "</ul>\n"
  }

  static func words(for event: RescueEvent, count: Int) -> String {
    let component = "Component \(event.component)"
    let what: String
    switch event.action {
    case .floored:
      what = "\(component) was about to collapse: its covariance was raised to the floor"
    case .reseeded:
      what = "\(component) collapsed and was moved to the observation that was explained worst"
    case .merged: what = "\(component) collapsed and was added to another"
    case .dropped: what = "\(component) collapsed and was removed"
    case .kept: what = "\(component) was about to collapse and was kept as it was"
    case .reduced:
      what =
        "There were fewer distinct observations than components asked for; "
        + "the fit began with \(event.component)"
    }
    let when =
      event.action == .reduced
      ? "" : event.iteration == 0 ? " at the start" : " at iteration \(event.iteration)"
    let again = count > 1 ? ", and \(count - 1) more times" : ""
    return what + when + again + (event.detail.isEmpty ? "." : ": \(event.detail).")
  }

  private func section(_ section: MixtureReport.Section) -> String {
    let blocks = section.blocks.map { block -> String in
      switch block {
      case .paragraph(let text): return "<p>\(text.markupEscaped)</p>\n"
      case .preformatted(let text):
        return "<pre tabindex=\"0\">\(text.markupEscaped)</pre>\n"
      case .picture(let svg, let caption):
        // As an image its markup cannot reach the page, and its own scripts would not run.
        let source = Data(svg.utf8).base64EncodedString()
        return """
          <figure class="picture"><img alt="\(caption.markupEscaped)" \
          src="data:image/svg+xml;base64,\(source)"><figcaption>\(caption.markupEscaped)</figcaption></figure>

          """
      }
    }
    return "<section><h2>\(section.heading.markupEscaped)</h2>\n\(blocks.joined())</section>\n"
  }

  // MARK: The main picture

  private var picture: String {
    let d = data.shown.count
    func options(_ id: String, _ label: String) -> String {
      let list = data.shownNames.enumerated()
        .map { "<option value=\"\($0.offset)\">\($0.element.markupEscaped)</option>" }.joined()
      return
        "<label class=\"wide\" for=\"\(id)\">\(label) <select id=\"\(id)\">\(list)</select></label>\n"
    }
    let pairControls =
      d > 2
      ? options("feature-x", "across") + options("feature-y", "up")
        + "<button id=\"view\" type=\"button\" aria-pressed=\"false\">All pairs</button>\n"
      : "<span hidden><select id=\"feature-x\" aria-label=\"across\"></select>"
        + "<select id=\"feature-y\" aria-label=\"up\"></select>"
        + "<button id=\"view\" type=\"button\">All pairs</button></span>\n"
    let toggles =
      d > 1
      ? """
      <label><input type="checkbox" id="ellipses" checked> 1-σ ellipses</label>
      <label><input type="checkbox" id="twoSigma"> 2-σ ellipses</label>
      <label><input type="checkbox" id="contours"> density contours</label>

      """ : ""
    let known =
      report.trueModel == nil
      ? """
      <figure><canvas id="fitted" role="img" aria-label="The data and the fitted components"></canvas></figure>
      """
      : """
      <div class="two">
      <figure><figcaption>True components</figcaption><canvas id="truth" role="img" \
      aria-label="The data and the components they were drawn from"></canvas></figure>
      <figure><figcaption>Fitted components</figcaption><canvas id="fitted" role="img" \
      aria-label="The data and the fitted components"></canvas></figure>
      </div>
      """
    return """
      <section aria-labelledby="picture-heading">
      <h2 id="picture-heading">\(d == 1 ? "The data and the density" : "The data and the components")</h2>
      <div class="bar view">
      \(pairControls)<label class="wide" for="mode">dots show <select id="mode">
      <option value="blend">responsibilities, blended</option>
      <option value="hard">the most probable component</option>
      <option value="uncertainty">uncertainty</option>
      </select></label>
      \(toggles)</div>
      \(known)
      \(player)
      <p class="note">\(shownInWords.markupEscaped)</p>
      </section>

      """
  }

  private var player: String {
    guard data.frames.count > 1 else {
      return
        "<div class=\"bar player\"><output id=\"now\" aria-live=\"off\" class=\"now\"></output></div>"
    }
    return """
      <div class="bar player" role="group" aria-label="Iterations">
      <button id="play" type="button" data-playing="false">\(icon("start", "M3 1.5v13l11-6.5z"))\
      \(icon("pause", "M3 2h3.6v12H3zM9.4 2H13v12H9.4z"))<span id="play-word">Play</span></button>
      <button id="first" type="button" aria-label="First iteration">\(icon("", "M2 2h2.4v12H2zM14 2v12L5.4 8z"))</button>
      <button id="back" type="button" aria-label="One step back">\(icon("", "M12 2v12L3 8z"))</button>
      <button id="forward" type="button" aria-label="One step forward">\(icon("", "M4 2v12l9-6z"))</button>
      <button id="last" type="button" aria-label="Last iteration">\(icon("", "M11.6 2H14v12h-2.4zM2 2v12l8.6-6z"))</button>
      <input type="range" id="slider" min="0" max="\(data.frames.count - 1)" value="\(data.frames.count - 1)" \
      step="1" aria-label="Iteration">
      <output id="now" aria-live="off" class="now" for="slider"></output>
      </div>
      <p class="note keys"><kbd>space</kbd> plays and pauses, <kbd>←</kbd> and <kbd>→</kbd> step, \
      <kbd>Home</kbd> and <kbd>End</kbd> go to the first and last iteration.</p>
      """
  }

  private func icon(_ name: String, _ path: String) -> String {
    "<svg class=\"\(name)\" viewBox=\"0 0 16 16\" aria-hidden=\"true\"><path d=\"\(path)\"/></svg>"
  }

  /// What the page carries of what there is.
  private var shownInWords: String {
    let n = report.observations.observationCount
    var parts = [
      data.rows.count < n
        ? "Drawn: \(NumberText.count(data.rows.count)) of \(NumberText.count(n)) observations, taken evenly."
        : "Drawn: all \(plural(n, "observation"))."
    ]
    if data.shown.count < model.featureCount {
      parts.append(
        "Shown: the \(data.shown.count) of \(model.featureCount) features in which the components' means differ most; "
          + "colours are of the whole model, by the two largest responsibilities of each row.")
    }
    if data.frames.count < data.frameCount {
      parts.append("Playing: \(data.frames.count) of \(NumberText.count(data.frameCount)) steps.")
    }
    if data.shown.count > 1 {
      parts.append(
        "Each dot has the blend of the components' colours in the proportions of its responsibilities. "
          + "Ellipses mark one standard deviation.")
    } else {
      parts.append("Grey: the data. Coloured: each component. Heavy: their sum.")
    }
    if model.background != nil {
      parts.append("Grey dots: rows that the background is responsible for.")
    }
    if let weights = data.rows.weights {
      parts.append(
        "The area of a dot goes with the row's case weight"
          + (weights.contains(0) ? "; rows of weight 0 are not drawn." : "."))
    }
    if data.rows.limits != nil {
      parts.append(
        "Censored cells: an arrow points from a limit to where the value lies, a bar joins two limits."
      )
    }
    if data.shown.count > 1,
      (0..<data.rows.count).contains(where: { i in
        data.shown.contains { data.rows.span(i, $0) == nil }
      })
    {
      parts.append("Ticks at an axis: rows that lack the other feature.")
    }
    if data.shown.count > 6 { parts.append("All pairs shows the first 6 features.") }
    return parts.joined(separator: " ")
  }

  // MARK: Beside it

  private var progress: String {
    let hasTrace = ReportData.tracePoints(report, data.frames).count > 1
    let hasWeights = data.frames.count > 1
    guard hasTrace || hasWeights else { return "" }
    let name = report.objective.name
    let trace =
      hasTrace
      ? """
      <figure><figcaption>\(name.prefix(1).uppercased() + name.dropFirst())</figcaption><canvas id="trace" role="img" \
      aria-label="The \(name) from iteration to iteration"></canvas></figure>

      """ : ""
    let weights =
      hasWeights
      ? """
      <figure><figcaption>Weights, stacked</figcaption><canvas id="weights" role="img" \
      aria-label="The components' weights from iteration to iteration"></canvas></figure>

      """ : ""
    return """
      <section><h2>How it got there</h2>
      <div class="\(hasTrace && hasWeights ? "two" : "one")">
      \(trace)\(weights)</div>
      \(hasWeights ? "<p class=\"note\">Point at an iteration in either chart to see the model as it was then.</p>" : "")
      \(line(report.progressNote, class: "note"))\
      </section>

      """
  }

  private var marginals: String {
    guard data.shown.count > 1 else { return "" }
    let figures = data.shownNames.enumerated().map { index, name in
      "<figure><canvas data-marginal=\"\(index)\" role=\"img\" "
        + "aria-label=\"Density of \(name.markupEscaped)\"></canvas></figure>\n"
    }
    return """
      <section><h2>Each feature alone</h2>
      <div class="many">
      \(figures.joined())</div>
      <p class="note">Grey: the data. Coloured: each component. Heavy: their sum.</p>
      </section>

      """
  }

  private var components: String {
    let n = Double(report.observations.observationCount)
    // How much of the rows' weight a component is expected to have.
    let total = (report.fit?.caseWeight ?? n) * (1 - (model.background?.share ?? 0))
    let product =
      total == n ? "weight × n" : report.fit?.caseWeight ?? n == n ? "rows" : "case weight"
    let order = (0..<model.componentCount).sorted {
      (model.weights[$1], $0) < (model.weights[$0], $1)
    }
    let heads = data.shownNames.map { "<th scope=\"col\">\($0.markupEscaped)</th>" }.joined()
    let lines = order.map { k -> String in
      let matrix = model.covariance(of: k)
      let cells = data.shown.map { f -> String in
        let deviation = matrix[f, f].squareRoot()
        return "<td>\(NumberText.resolved(model.means[k, f], spread: deviation)) "
          + "<span class=\"spread\">± \(NumberText.resolved(deviation, spread: deviation))</span></td>"
      }
      return
        "<tr><td>\(chip(k))\(k)</td><td>\(NumberText.fixed(model.weights[k], decimals: 4))</td>"
        + "<td>\(NumberText.grouped(model.weights[k] * total, decimals: 1))</td>\(cells.joined())</tr>\n"
    }
    return """
      <section class="after-table"><h2>The components</h2>
      <div class="scroll" tabindex="0" role="region" aria-label="Table of components"><table>
      <thead><tr><th scope="col">component</th><th scope="col">weight</th>\
      <th scope="col">\(product)</th>\(heads)</tr></thead>
      <tbody>
      \(lines.joined())</tbody></table></div>
      <p class="note">Heaviest first. For each feature: mean ± standard deviation.</p>
      \(matrices(order))</section>

      """
  }

  private func chip(_ k: Int) -> String {
    k < model.componentCount
      ? "<span class=\"chip\" data-component=\"\(k)\" style=\"background:\(Palette.colour(k).hexText)\"></span>"
      : "<span class=\"chip\" style=\"background:\(Palette.background.hexText)\"></span>"
  }

  /// Covariances and correlations, on demand, of at most the features shown.
  private func matrices(_ order: [Int]) -> String {
    guard data.shown.count > 1 else { return "" }
    let shared = model.structure.isShared
    let listed = shared ? [0] : Array(order.prefix(30))
    let items = listed.map { k -> String in
      let matrix = model.covariance(of: k)
      let head = data.shownNames.map { "<th scope=\"col\">\($0.markupEscaped)</th>" }.joined()
      func table(_ value: (Int, Int) -> Double) -> String {
        let lines = data.shown.enumerated().map { row, i in
          "<tr><th scope=\"row\">\(data.shownNames[row].markupEscaped)</th>"
            + data.shown.map { "<td>\(NumberText.short(value(i, $0)))</td>" }.joined() + "</tr>\n"
        }
        return
          "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th></th>\(head)</tr></thead><tbody>\n"
          + lines.joined() + "</tbody></table></div>\n"
      }
      let name = shared ? "All components" : "\(chip(k))Component \(k)"
      return """
        <details><summary>\(name): covariance and correlations</summary>
        <h3>Covariance</h3>
        \(table { matrix[$0, $1] })<h3>Correlations</h3>
        \(table { $0 == $1 ? 1 : matrix[$0, $1] / (matrix[$0, $0] * matrix[$1, $1]).squareRoot() })</details>

        """
    }
    let rest =
      !shared && order.count > listed.count
      ? "<p class=\"note\">The matrices of the \(listed.count) heaviest components are listed.</p>\n"
      : ""
    return items.joined() + rest
  }

  private var doubt: String {
    let rows = data.doubtful.map { item -> String in
      let values = zip(item.values, data.axes).map {
        "<td>\(NumberText.resolved($0.0, spread: $0.1.upper - $0.1.lower))</td>"
      }.joined()
      let shares = item.shares.map {
        "\(chip($0.component))\($0.component < model.componentCount ? "\($0.component)" : "background"): \(NumberText.fixed($0.responsibility * 100, decimals: 1)) %"
      }.joined(separator: "&emsp;")
      return
        "<tr><td>\(NumberText.count(item.row + 1))</td><td class=\"words\">\(shares)</td>\(values)</tr>\n"
    }
    let heads = data.shownNames.map { "<th scope=\"col\">\($0.markupEscaped)</th>" }.joined()
    let table =
      rows.isEmpty
      ? "<p>No row drawn is in doubt: each belongs to one component with probability above 0.95.</p>"
      : """
      <div class="scroll" tabindex="0" role="region" aria-label="The most uncertain rows"><table>
      <thead><tr><th scope="col">row</th><th class="words" scope="col">responsibilities</th>\(heads)</tr></thead>
      <tbody>
      \(rows.joined())</tbody></table></div>
      <p class="note">The rows in most doubt under the final model, counted from 1.</p>
      """
    return """
      <section><h2>How sure it is</h2>
      <figure><canvas id="doubt" role="img" aria-label="Histogram of each row's largest responsibility" \
      aria-describedby="doubt-text"></canvas></figure>
      <p class="note" id="doubt-text"></p>
      \(table)
      \(overlap)</section>

      """
  }

  /// Which components' rows are taken for each other's.
  private var overlap: String {
    let K = model.componentCount
    guard K > 1, K <= 30 else { return "" }
    let heads = (0..<K).map { "<th scope=\"col\">\(chip($0))\($0)</th>" }.joined()
    let lines = (0..<K).map { a in
      let cells = (0..<K).map { b -> String in
        let value = data.overlap[a, b]
        let ink = value > 0.35 ? "#ffffff" : "#222222"
        return
          "<td style=\"background:\(MixturePicture.shade(value).hexText);color:\(ink);text-align:center\">"
          + "\(MixturePicture.share(value))</td>"
      }
      return "<tr><th scope=\"row\">\(chip(a))\(a)</th>\(cells.joined())</tr>\n"
    }
    return """
      <h3>How components overlap</h3>
      <div class="scroll" tabindex="0" role="region" aria-label="Overlap of components"><table>
      <thead><tr><th scope="col">rows of</th>\(heads)</tr></thead>
      <tbody>
      \(lines.joined())</tbody></table></div>
      <p class="note">Of the rows of one component (weighed by its responsibility), the share whose most probable component \
      is each of them.</p>

      """
  }

  private var choice: String {
    guard !report.candidates.isEmpty else { return "" }
    let ranks = report.criterion == .likelihoodRatioTest ? SelectionCriterion.bic : report.criterion
    let options = SelectionCriterion.allCases.filter { criterion in
      report.candidates.contains { $0.value(of: criterion).isFinite }
    }.map { criterion in
      "<option value=\"\(criterion.rawValue)\"\(criterion == ranks ? " selected" : "")>"
        + "\(criterion.rawValue.uppercased())</option>"
    }.joined()
    let sorted = report.candidates.enumerated().sorted { a, b in
      let (x, y) = (a.element.value(of: ranks), b.element.value(of: ranks))
      if x.isNaN != y.isNaN { return y.isNaN }
      return x != y && !x.isNaN ? x < y : a.offset < b.offset
    }.map(\.element)
    // Beside the three that everyone knows, the one that ranks.
    var shown: [SelectionCriterion] = [.bic, .aic, .icl]
    if !shown.contains(ranks) { shown.insert(ranks, at: 0) }
    let heads = shown.map { "<th scope=\"col\">\($0.rawValue.uppercased())</th>" }.joined()
    func table(_ part: some Sequence<MixtureReport.Candidate>, _ label: String) -> String {
      let lines = part.map { c in
        "<tr\(c.isChosen ? " class=\"chosen\"" : "")><td>\(c.componentCount)</td>"
          + "<td class=\"words\">\(c.structure.markupEscaped)</td>"
          + shown.map { criterion in
            let value = c.value(of: criterion)
            return "<td>"
              + (criterion == .normalizedEntropy
                ? NumberText.short(value) : NumberText.grouped(value)) + "</td>"
          }.joined() + "<td>\(NumberText.grouped(c.logLikelihood))</td></tr>\n"
      }
      return """
        <div class="scroll" tabindex="0" role="region" aria-label="\(label)"><table>
        <thead><tr><th scope="col">K</th><th class="words" scope="col">structure</th>\(heads)\
        <th scope="col">log-likelihood</th></tr></thead>
        <tbody>
        \(lines.joined())</tbody></table></div>
        """
    }
    let rest = sorted.dropFirst(10)
    let others =
      rest.isEmpty
      ? ""
      : "<details><summary>The other \(rest.count)</summary>\(table(rest, "The other candidates"))</details>"
    return """
      <section><h2>The choice among \(plural(report.candidates.count, "candidate"))</h2>
      <div class="bar"><label for="criterion-name">criterion <select id="criterion-name">\(options)</select></label></div>
      <figure><canvas id="criterion" role="img" aria-label="The criterion over the number of components" \
      aria-describedby="criterion-text"></canvas></figure>
      <p class="note" id="criterion-text"></p>
      \(table(sorted.prefix(10), "The best candidates"))
      <p class="note">Smaller is better for all criteria. Listed by \(ranks.rawValue.uppercased()), \
      best first; the highlighted one was kept\(report.criterion == ranks ? "" : ", by likelihood-ratio tests").</p>
      \(others)
      </section>

      """
  }

  private var facts: String {
    guard let fit = report.fit else { return "" }
    let n = fit.caseWeight ?? Double(report.observations.observationCount)
    let reason: String
    switch fit.stoppingReason {
    case .converged: reason = "converged"
    case .iterationLimit: reason = "iteration limit"
    case .observer: reason = "by request"
    }
    let own = [(report.objective.name, NumberText.grouped(fit.objective))]
    let items: [(String, String)] =
      (report.objective == .logLikelihood ? [] : own) + [
        ("log-likelihood", NumberText.grouped(fit.logLikelihood)),
        ("per observation", NumberText.short(fit.logLikelihood / n, digits: 6)),
        ("BIC", NumberText.grouped(fit.bic)), ("AIC", NumberText.grouped(fit.aic)),
        ("ICL", NumberText.grouped(fit.icl)),
        ("free parameters", NumberText.count(fit.parameterCount)),
        ("iterations", NumberText.count(fit.iterationCount)), ("stopped", reason),
        ("restart", "\(fit.restart + 1) of \(fit.restartCount)"), ("seed", "\(fit.seed)"),
      ]
    return "<section><h2>The fit in numbers</h2>\n<dl>\n"
      + items.map { "<div><dt>\($0.0)</dt><dd>\($0.1.markupEscaped)</dd></div>\n" }.joined()
      + "</dl></section>\n"
  }
}
