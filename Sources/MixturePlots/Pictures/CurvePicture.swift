// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

extension MixturePicture {
  /// The log-likelihood from iteration to iteration.
  ///
  /// - Parameter trace: The records of a fit; records whose log-likelihood is not finite are left out.
  public static func svg(trace: [IterationRecord], options: Options = Options()) -> String {
    curvePicture(
      [
        Curve(
          name: nil, colour: Palette.colour(0), dash: [],
          points: trace.map { (Double($0.iteration), $0.logLikelihood) }, marked: nil)
      ], xLabel: "iteration", yLabel: "log-likelihood", options)
  }

  /// A criterion over the number of components: one line for each structure, the smallest value ringed.
  ///
  /// Lines of candidates that are far behind leave the picture at the top: those whose distance from the best is more than
  /// three times the median distance.
  ///
  /// - Parameters:
  ///   - candidates: The fits compared, in any order.
  ///   - criterion: Which value is drawn.
  ///   - options: Title and size.
  public static func svg(
    candidates: [MixtureReport.Candidate], criterion: SelectionCriterion = .bic,
    options: Options = Options()
  ) -> String {
    let values = candidates.map { ($0, $0.value(of: criterion)) }.filter { $0.1.isFinite }
    let best = values.min { $0.1 < $1.1 }?.0
    var names: [String] = []
    for (candidate, _) in values where !names.contains(candidate.structure) {
      names.append(candidate.structure)
    }
    let curves = names.enumerated().map { index, name in
      let own = values.filter { $0.0.structure == name }
      let marked = best.flatMap { $0.structure == name ? Double($0.componentCount) : nil }
      return Curve(
        name: name, colour: Palette.colour(index), dash: Palette.dash(index),
        points: own.map { (Double($0.0.componentCount), $0.1) }.sorted { $0.0 < $1.0 },
        marked: marked)
    }
    return curvePicture(
      curves, xLabel: "number of components",
      yLabel: criterion.rawValue.uppercased() + " (smaller is better)", options,
      ceiling: Self.ceiling(values.map(\.1)))
  }

  /// The largest value worth its place in a picture of smaller-is-better values; nil if all are.
  static func ceiling(_ values: [Double]) -> Double? {
    let sorted = values.sorted()
    guard let least = sorted.first, let most = sorted.last else { return nil }
    let limit = least + 3 * (sorted[sorted.count / 2] - least)
    return limit > least && limit < most ? limit : nil
  }

  private struct Curve {
    let name: String?
    let colour: Colour
    let dash: [Double]
    let points: [(x: Double, y: Double)]
    let marked: Double?
  }

  private static func curvePicture(
    _ curves: [Curve], xLabel: String, yLabel: String, _ options: Options,
    ceiling: Double? = nil
  ) -> String {
    let points = curves.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
    let legendWidth = curves.contains { $0.name != nil } ? 70.0 : 0
    let frame = options.soloPanel(
      horizontal: AxisScale(covering: points.map(\.x)),
      vertical: AxisScale(covering: points.map { min($0.y, ceiling ?? $0.y) }),
      suitedHeight: (options.boundedWidth * 0.6).rounded())
    let panel = SVGPanel(
      left: frame.left + 22, top: frame.top, width: frame.width - legendWidth - 22,
      height: frame.height, horizontal: frame.horizontal, vertical: frame.vertical)
    var svg = options.begin()(frame.bottom + 52)
    panel.clipped(&svg) { svg in
      for curve in curves { draw(curve, panel, &svg) }
    }
    panel.axes(&svg, xLabel: xLabel, yLabel: yLabel, integers: true)
    for (index, curve) in curves.enumerated() {
      guard let name = curve.name else { continue }
      let y = panel.top + 12 + 18 * Double(index)
      svg.line(
        panel.right + 10, y, panel.right + 34, y, colour: curve.colour.hexText, width: 2.5,
        dash: curve.dash)
      svg.text(name, x: panel.right + 40, y: y + 4, size: 12, anchor: "start")
    }
    return svg.document(title: options.title)
  }
  private static func draw(_ curve: Curve, _ panel: SVGPanel, _ svg: inout SVGText) {
    let places = curve.points.filter { $0.x.isFinite && $0.y.isFinite }
      .map { (x: panel.x($0.x), y: panel.y($0.y)) }
    svg.polyline(places, colour: curve.colour.hexText, width: 2, dash: curve.dash)
    for place in places where places.count <= 60 {
      svg.element(
        "circle",
        [
          "cx": SVGText.number(place.x), "cy": SVGText.number(place.y), "r": "3",
          "fill": curve.colour.hexText,
        ])
    }
    if let marked = curve.marked, let point = curve.points.first(where: { $0.x == marked }) {
      svg.element(
        "circle",
        [
          "cx": SVGText.number(panel.x(point.x)), "cy": SVGText.number(panel.y(point.y)),
          "r": "7.5", "fill": "none", "stroke": "#111111", "stroke-width": "2",
        ])
    }
  }
}
