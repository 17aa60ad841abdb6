// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// What of a report goes into its page, and in which form: which rows, features and frames, and the JSON that carries them.

import Foundation
import Mixtures

/// The choice of rows, features and frames that a page carries.
struct ReportData {
  /// Up to so many features a page carries all of them, and computes responsibilities itself.
  static let liveFeatureLimit = 8

  let rows: DrawnRows
  /// The features that are shown, ascending.
  let shown: [Int]
  let names: [String]
  let shownNames: [String]
  let frames: [MixtureReport.Frame]
  /// How many frames there were before thinning.
  let frameCount: Int
  /// Whether the page can compute responsibilities itself, from all features and values without limits.
  let isLive: Bool
  /// For each drawn row, its responsibilities under the model, largest first and at most three.
  let doubtful: [DoubtfulRow]
  /// For each component, of its drawn rows the share that is labelled as each component.
  let overlap: Matrix
  let axes: [AxisScale]
  let json: String

  /// A row that no component explains alone.
  struct DoubtfulRow {
    let row: Int
    let values: [Double]
    let shares: [(component: Int, responsibility: Double)]
  }

  init(_ report: MixtureReport) throws(MixtureError) {
    let model = report.model
    let d = model.featureCount
    let K = max(model.componentCount, report.frames.map(\.model.componentCount).max() ?? 1)
    isLive = d <= Self.liveFeatureLimit && report.observations.annotations?.limits == nil
    shown =
      d <= Self.liveFeatureLimit
      ? Array(0..<d) : model.mostTellingFeatures(count: Self.liveFeatureLimit)

    // About 0.1 s for each frame in a browser, or some seconds in all here.
    let cost =
      isLive
      ? K * (d * (d + 3) / 2 + 12)
      : max(1, model.productsPerRow / model.componentCount * K)
    let affordable = isLive ? max(5000, 60_000_000 / cost) : max(300, 1_200_000_000 / cost)
    let limit = min(max(1, report.drawnLimit), affordable, isLive ? 1_000_000 : 20_000)
    rows = try DrawnRows(report.observations, limit: limit)

    var all = report.frames
    if all.last?.model != model {
      all.append(
        MixtureReport.Frame(
          iteration: max(report.fit?.iterationCount ?? 0, (all.last?.iteration ?? -1) + 1),
          logLikelihood: report.fit?.logLikelihood ?? .nan,
          objective: report.fit?.objective ?? .nan, model: model))
    }
    if all.count == 1, report.frames.isEmpty { all[0].iteration = report.fit?.iterationCount ?? 0 }
    frameCount = all.count
    let perFrame = max(1, cost * rows.count)
    let numbersPerFrame = K * (1 + shown.count + shown.count * (shown.count + 1) / 2)
    var most = min(120, max(2, 600_000 / numbersPerFrame))
    if !isLive {
      most = min(most, max(2, 8_000_000_000 / perFrame), max(2, 12_000_000 / (5 * rows.count)))
    }
    frames = Self.thinned(all, to: most)

    names = featureNames(report.features, count: d)
    shownNames = shown.map { [names] in names[$0] }
    axes = shown.map { [rows] feature in
      if feature < report.limits.count, let range = report.limits[feature] {
        return AxisScale(lower: range.lowerBound, upper: range.upperBound)
      }
      return AxisScale(covering: rows.extent(feature))
    }

    let responsibilities = try rows.responsibilities(under: model)
    overlap = Self.overlap(responsibilities)
    let sorted = rows.indices.indices
      .filter { [rows] in rows.radius($0) > 0 }
      .map { i -> (Int, [Double]) in (i, model.withBackground(responsibilities.row(i))) }
      .map { ($0.0, $0.1, $0.1.max() ?? 1) }
      .sorted { ($0.2, $0.0) < ($1.2, $1.0) }
    doubtful = sorted.prefix(10).filter { $0.2 < 0.95 }.map { [rows, shown] i, shares, _ in
      DoubtfulRow(
        row: rows.indices[i], values: shown.map { rows.values[i * d + $0] },
        shares: shares.enumerated().map { (component: $0.offset, responsibility: $0.element) }
          .sorted { ($1.responsibility, $0.component) < ($0.responsibility, $1.component) }
          .prefix(3).filter { $0.responsibility >= 0.005 })
    }

    json = try Self.json(
      report, rows: rows, shown: shown, names: shownNames, frames: frames, axes: axes,
      isLive: isLive, componentCount: K)
  }

  /// The first quarter of what is allowed, the last, and evenly spaced ones between.
  static func thinned<Element>(_ all: [Element], to count: Int) -> [Element] {
    guard all.count > count, count > 1 else { return count > 1 ? all : Array(all.suffix(1)) }
    let head = min(30, count / 4)
    let rest = count - head
    let span = all.count - 1 - head
    let later = (0..<rest).map { rest > 1 ? head + $0 * span / (rest - 1) : all.count - 1 }
    return (Array(0..<head) + later).map { all[$0] }
  }

  // MARK: JSON

  /// A step through 0 ..< count that visits every row once, in an order in which any prefix is an even choice.
  static func stride(count: Int) -> Int {
    func commonDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : commonDivisor(b, a % b) }
    var step = max(1, Int(Double(count) * 0.6180339887))
    while commonDivisor(step, count) != 1 { step += 1 }
    return step
  }

  private static func json(
    _ report: MixtureReport, rows: DrawnRows, shown: [Int], names: [String],
    frames: [MixtureReport.Frame], axes: [AxisScale], isLive: Bool, componentCount: Int
  ) throws(MixtureError) -> String {
    let d = rows.featureCount
    let step = stride(count: rows.count)
    let order = (0..<rows.count).map { $0 * step % rows.count }
    // Offsets leave in double precision, before anything is rounded.
    let ranges = shown.map { feature -> (low: Double, span: Double) in
      var low = Double.infinity
      var high = -Double.infinity
      for value in rows.extent(feature) where value.isFinite {
        low = min(low, value)
        high = max(high, value)
      }
      guard low <= high, (high - low).isFinite else { return (0, 1) }
      return (low, high > low ? high - low : max(abs(low) * 1e-6, 1))
    }
    let models = report.trueModel.map { frames.map(\.model) + [$0] } ?? frames.map(\.model)
    let isFine = models.contains { model in
      (0..<model.componentCount).contains { k in
        let matrix = model.covariance(of: k)
        return zip(shown, ranges).contains { matrix[$0, $0].squareRoot() < $1.span / 3000 }
      }
    }
    /// Some numbers of each cell, feature after feature, in units of the range; those that are not finite as NaN.
    func packedCells(_ cells: [Double]) -> String {
      var data = Data()
      for (feature, range) in zip(shown, ranges) {
        for i in order {
          let value = (cells[i * d + feature] - range.low) / range.span
          if isFine {
            append((value.isFinite ? Float(value) : .nan).bitPattern, to: &data)
          } else {
            append(
              value.isFinite ? UInt16((min(max(value, 0), 1) * 65534).rounded()) : UInt16.max,
              to: &data)
          }
        }
      }
      return base64(data)
    }
    let all = frames.map(\.model)
    let palette = max(componentCount, report.trueModel?.componentCount ?? 1, 8)
    let initial = firstPair(report.model, shown)
    var members: [(String, String)] = [
      ("features", JSONText.array(names.map(\.scriptJSON))),
      ("n", "\(rows.observationCount)"), ("drawn", "\(rows.count)"), ("stride", "\(step)"),
      ("first", JSONText.array(initial.map(String.init))),
      ("offsets", JSONText.array(ranges.map(\.low))),
      ("scales", JSONText.array(ranges.map(\.span))),
      ("axes", JSONText.array(axes.map { JSONText.array([$0.lower, $0.upper]) })),
      (
        "palette",
        JSONText.object([
          ("light", JSONText.array((0..<palette).map { Palette.colour($0).hexText.scriptJSON })),
          (
            "dark",
            JSONText.array(
              (0..<palette).map { Palette.colour($0, onDark: true).hexText.scriptJSON })
          ),
        ])
      ),
      ("dashes", JSONText.array((0..<40).map { JSONText.array(Palette.dash($0)) })),
      (
        "frames",
        JSONText.array(
          frames.map {
            JSONText.object([
              ("iteration", "\($0.iteration)"),
              ("objective", JSONText.number(value(report, $0))),
              ("K", "\($0.model.componentCount)"),
              ("background", background(of: $0.model, shown, ranges)),
            ])
          })
      ),
      ("objective", report.objective.name.scriptJSON),
      ("models", packed(all, shown, ranges)),
      ("encoding", isFine ? "\"f32\"" : "\"u16\""),
      ("points", packedCells(rows.values)),
      ("fitted", report.fit == nil && frames.count == 1 ? "false" : "true"),
      ("plays", report.playsOnOpening ? "true" : "false"),
    ]
    if let limits = rows.limits {
      // Limits of cells with a value say nothing.
      func open(_ limits: [Double]) -> [Double] {
        zip(rows.values, limits).map { $0.isNaN ? $1 : .nan }
      }
      members.append(("lower", packedCells(open(limits.lower))))
      members.append(("upper", packedCells(open(limits.upper))))
    }
    if rows.weights != nil {
      var weights = Data()
      for i in order { append(Float(rows.relativeWeight(i)).bitPattern, to: &weights) }
      members.append(("weights", base64(weights)))
    }
    let trace = tracePoints(report, frames)
    members.append(
      (
        "trace",
        JSONText.object([
          ("iterations", JSONText.array(trace.map { "\($0.iteration)" })),
          ("values", JSONText.array(trace.map(\.value))),
        ])
      ))
    members.append(
      (
        "candidates",
        JSONText.array(
          report.candidates.map {
            JSONText.object([
              ("K", "\($0.componentCount)"), ("structure", $0.structure.scriptJSON),
              ("bic", JSONText.number($0.bic)), ("aic", JSONText.number($0.aic)),
              ("icl", JSONText.number($0.icl)), ("aicc", JSONText.number($0.aicc)),
              ("nec", JSONText.number($0.nec)), ("cv", JSONText.number($0.crossValidation)),
            ])
          })
      ))
    if let truth = report.trueModel {
      var parts = [
        ("K", "\(truth.componentCount)"), ("model", packed([truth], shown, ranges)),
        ("hues", JSONText.array(matched(truth, to: report.model, ranges, shown).map(String.init))),
      ]
      if let labels = report.trueLabels, truth.componentCount <= 256 {
        parts.append(
          (
            "labels",
            base64(Data(order.map { UInt8(truncatingIfNeeded: labels[rows.indices[$0]]) }))
          ))
      }
      members.append(("truth", JSONText.object(parts)))
    }
    if !isLive { members.append(("prepared", try prepared(all, rows, order))) }
    return JSONText.object(members)
  }

  /// What the page says that a frame's model has reached.
  private static func value(_ report: MixtureReport, _ frame: MixtureReport.Frame) -> Double {
    report.objective == .logLikelihood ? frame.logLikelihood : frame.objective
  }

  /// The values of the objective to draw: those of the trace, or of the frames; at most 2,000 of them.
  static func tracePoints(
    _ report: MixtureReport, _ frames: [MixtureReport.Frame]
  ) -> [(iteration: Int, value: Double)] {
    let known: [(iteration: Int, value: Double)]
    if !report.variationalTrace.isEmpty {
      known = report.variationalTrace.map { ($0.iteration, $0.evidenceLowerBound) }
    } else if !report.trace.isEmpty {
      known = report.trace.map {
        ($0.iteration, report.objective == .logLikelihood ? $0.logLikelihood : $0.objective)
      }
    } else {
      known = frames.map { ($0.iteration, value(report, $0)) }
    }
    return thinned(known.filter(\.value.isFinite), to: 2000)
  }

  private static func append<Value: FixedWidthInteger>(_ value: Value, to data: inout Data) {
    withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) }
  }

  private static func base64(_ data: Data) -> String { "\"" + data.base64EncodedString() + "\"" }

  /// Weights, means and covariances of the shown features, in units of their ranges.
  private static func packed(
    _ models: [GaussianMixture], _ shown: [Int], _ ranges: [(low: Double, span: Double)]
  ) -> String {
    var data = Data()
    for model in models {
      for weight in model.weights { append(weight.bitPattern, to: &data) }
      for k in 0..<model.componentCount {
        for (feature, range) in zip(shown, ranges) {
          append(((model.means[k, feature] - range.low) / range.span).bitPattern, to: &data)
        }
      }
      for k in 0..<model.componentCount {
        let matrix = model.covariance(of: k)
        for i in shown.indices {
          for j in 0...i {
            let value = matrix[shown[i], shown[j]] / ranges[i].span / ranges[j].span
            append(value.bitPattern, to: &data)
          }
        }
      }
    }
    return base64(data)
  }

  /// A model's background: log s / (1 − s) of its share s, and its ends along the shown features in units of their ranges.
  private static func background(
    of model: GaussianMixture, _ shown: [Int], _ ranges: [(low: Double, span: Double)]
  ) -> String {
    guard let background = model.background else { return "null" }
    let share = background.share
    let widths = zip(shown, ranges).map { background.logWidths[$0] - log($1.span) }
    let lower = background.lower.map { lower in
      JSONText.array(zip(shown, ranges).map { (lower[$0] - $1.low) / $1.span })
    }
    return JSONText.object([
      ("logOdds", JSONText.number(log(share) - log1p(-share))), ("share", JSONText.number(share)),
      ("logWidths", JSONText.array(widths)), ("lower", lower ?? "null"),
    ])
  }

  private static func overlap(_ responsibilities: Matrix) -> Matrix {
    let K = responsibilities.columnCount
    var sums = Matrix(repeating: 0, rowCount: K, columnCount: K)
    for i in 0..<responsibilities.rowCount {
      var label = 0
      for k in 0..<K where responsibilities[i, k] > responsibilities[i, label] { label = k }
      for k in 0..<K { sums[k, label] += responsibilities[i, k] }
    }
    for a in 0..<K {
      let total = sums.row(a).reduce(0, +)
      for b in 0..<K where total > 0 { sums[a, b] /= total }
    }
    return sums
  }

  /// For each frame and row the two largest responsibilities: two component numbers and the share of the first.
  private static func prepared(
    _ models: [GaussianMixture], _ rows: DrawnRows, _ order: [Int]
  ) throws(MixtureError) -> String {
    var data = Data()
    for model in models {
      let responsibilities = try rows.responsibilities(under: model)
      for i in order {
        let shares = model.withBackground(responsibilities.row(i))
        var (first, second) = (0, 0)
        for k in shares.indices where shares[k] > shares[first] { first = k }
        if first == 0, shares.count > 1 { second = 1 }
        for k in shares.indices where k != first && shares[k] > shares[second] { second = k }
        append(UInt16(clamping: first), to: &data)
        append(UInt16(clamping: second), to: &data)
        data.append(UInt8((min(max(shares[first], 0), 1) * 255).rounded()))
      }
    }
    return base64(data)
  }

  /// Which two of the shown features to begin with: those whose means differ most, in their own order.
  private static func firstPair(_ model: GaussianMixture, _ shown: [Int]) -> [Int] {
    guard shown.count > 2 else { return shown.count == 2 ? [0, 1] : [0, 0] }
    let best = model.mostTellingFeatures(count: 2)
    let places = best.compactMap { shown.firstIndex(of: $0) }
    return places.count == 2 ? places : [0, 1]
  }

  /// The colour of each true component: that of the fitted component nearest to it, each used once as far as they go.
  private static func matched(
    _ truth: GaussianMixture, to model: GaussianMixture, _ ranges: [(low: Double, span: Double)],
    _ shown: [Int]
  ) -> [Int] {
    var pairs: [(distance: Double, truth: Int, fitted: Int)] = []
    for t in 0..<truth.componentCount {
      for k in 0..<model.componentCount {
        let distance = zip(shown, ranges).reduce(0.0) { sum, item in
          let gap = (truth.means[t, item.0] - model.means[k, item.0]) / item.1.span
          return sum + gap * gap
        }
        pairs.append((distance, t, k))
      }
    }
    pairs.sort { ($0.distance, $0.truth, $0.fitted) < ($1.distance, $1.truth, $1.fitted) }
    var result = Array(repeating: -1, count: truth.componentCount)
    var free = Set(0..<model.componentCount)
    for pair in pairs where result[pair.truth] < 0 && free.contains(pair.fitted) {
      result[pair.truth] = pair.fitted
      free.remove(pair.fitted)
    }
    var spare = model.componentCount
    for t in result.indices where result[t] < 0 {
      result[t] = spare
      spare += 1
    }
    return result
  }
}
