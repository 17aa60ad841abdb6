// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation

/// SVG text under construction.
struct SVGText {
  let width: Double
  let height: Double
  fileprivate(set) var body = ""

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
  }

  /// A coordinate with at most two decimals.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let hundredths = Int((min(max(value, -1e7), 1e7) * 100).rounded())
    let magnitude = hundredths.magnitude
    var text = (hundredths < 0 ? "-" : "") + String(magnitude / 100)
    let fraction = magnitude % 100
    if fraction > 0 {
      text +=
        fraction < 10 ? ".0\(fraction)" : fraction % 10 == 0 ? ".\(fraction / 10)" : ".\(fraction)"
    }
    return text
  }

  mutating func element(_ name: String, _ attributes: KeyValuePairs<String, String>) {
    body += "<\(name)\(Self.list(attributes))/>\n"
  }

  mutating func open(_ name: String, _ attributes: KeyValuePairs<String, String> = [:]) {
    body += "<\(name)\(Self.list(attributes))>\n"
  }

  mutating func close(_ name: String) { body += "</\(name)>\n" }

  /// Text; whatever it holds is escaped.
  mutating func text(
    _ string: String, x: Double, y: Double, size: Double = 12, anchor: String = "middle",
    weight: String = "normal", colour: String = "#222222", rotated: Bool = false
  ) {
    let place =
      rotated
      ? "transform=\"translate(\(Self.number(x)) \(Self.number(y))) rotate(-90)\""
      : "x=\"\(Self.number(x))\" y=\"\(Self.number(y))\""
    body +=
      "<text \(place) font-size=\"\(Self.number(size))\" text-anchor=\"\(anchor)\" "
      + "font-weight=\"\(weight)\" fill=\"\(colour)\">\(string.markupEscaped)</text>\n"
  }

  mutating func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, colour: String = "#222222",
    width: Double = 1, dash: [Double] = []
  ) {
    body +=
      "<line x1=\"\(Self.number(x1))\" y1=\"\(Self.number(y1))\" x2=\"\(Self.number(x2))\" "
      + "y2=\"\(Self.number(y2))\" stroke=\"\(colour)\" stroke-width=\"\(Self.number(width))\""
      + Self.dashAttribute(dash) + "/>\n"
  }

  mutating func polyline(
    _ points: [(x: Double, y: Double)], colour: String, width: Double, dash: [Double] = [],
    fill: String = "none"
  ) {
    let list = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
    body +=
      "<polyline points=\"\(list)\" fill=\"\(fill)\" stroke=\"\(colour)\" "
      + "stroke-width=\"\(Self.number(width))\" stroke-linejoin=\"round\""
      + Self.dashAttribute(dash) + "/>\n"
  }

  private static func dashAttribute(_ dash: [Double]) -> String {
    dash.isEmpty ? "" : " stroke-dasharray=\"\(dash.map(number).joined(separator: " "))\""
  }

  private static func list(_ attributes: KeyValuePairs<String, String>) -> String {
    attributes.map { " \($0.key)=\"\($0.value.markupEscaped)\"" }.joined()
  }

  /// The whole document, on a white ground.
  func document(title: String?) -> String {
    let size = "\(Self.number(width))\" height=\"\(Self.number(height))"
    let box = "0 0 \(Self.number(width)) \(Self.number(height))"
    let name = title.map { "<title>\($0.markupEscaped)</title>\n" } ?? ""
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(size)" viewBox="\(box)" role="img" \
      font-family="Helvetica, Arial, sans-serif">
      \(name)<rect width="100%" height="100%" fill="#ffffff"/>
      \(body)</svg>

      """
  }
}

/// A row as it is drawn in the plane of two features.
struct RowMark {
  /// What is known of its two cells; nil if nothing.
  let x: CellSpan?
  let y: CellSpan?
  let colour: Colour
  /// In units of the usual dot's.
  let radius: Double
}

/// A rectangle of a picture with its two axes.
struct SVGPanel {
  let left: Double
  let top: Double
  let width: Double
  let height: Double
  let horizontal: AxisScale
  let vertical: AxisScale

  var right: Double { left + width }
  var bottom: Double { top + height }

  func x(_ value: Double) -> Double { left + horizontal.position(value) * width }
  func y(_ value: Double) -> Double { bottom - vertical.position(value) * height }

  /// A name for the panel's clip path that no other panel of the same picture has.
  private var clipName: String { "clip-\(Int(left))-\(Int(top))" }

  /// Draws within the panel only.
  func clipped(_ svg: inout SVGText, _ draw: (inout SVGText) -> Void) {
    svg.open("clipPath", ["id": clipName])
    svg.element(
      "rect",
      [
        "x": SVGText.number(left), "y": SVGText.number(top), "width": SVGText.number(width),
        "height": SVGText.number(height),
      ])
    svg.close("clipPath")
    svg.open("g", ["clip-path": "url(#\(clipName))"])
    draw(&svg)
    svg.close("g")
  }

  /// The frame, ticks and, if given, axis labels. `integers` keeps horizontal ticks to whole numbers; without
  /// `isValued` the vertical axis has no ticks.
  func axes(
    _ svg: inout SVGText, xLabel: String?, yLabel: String?,
    tickLabels: (x: Bool, y: Bool) = (true, true),
    integers: Bool = false, isValued: Bool = true
  ) {
    svg.element(
      "rect",
      [
        "x": SVGText.number(left), "y": SVGText.number(top), "width": SVGText.number(width),
        "height": SVGText.number(height), "fill": "none", "stroke": "#222222",
      ])
    var xTicks = horizontal.ticks(count: max(3, Int(width / (integers ? 45 : 65))))
    if integers { xTicks = xTicks.filter { $0 == $0.rounded() } }
    let yTicks = isValued ? vertical.ticks(count: max(3, Int(height / 50))) : []
    for (tick, label) in zip(xTicks, horizontal.labels(of: xTicks)) {
      svg.line(x(tick), bottom, x(tick), bottom + 5)
      if tickLabels.x { svg.text(label, x: x(tick), y: bottom + 18, size: 11) }
    }
    let yLabels = vertical.labels(of: yTicks)
    for (tick, label) in zip(yTicks, yLabels) {
      svg.line(left - 5, y(tick), left, y(tick))
      if tickLabels.y { svg.text(label, x: left - 8, y: y(tick) + 4, size: 11, anchor: "end") }
    }
    if let xLabel { svg.text(xLabel, x: left + width / 2, y: bottom + 38, size: 13) }
    if let yLabel {
      svg.text(
        yLabel, x: max(14, left - yLabelDistance), y: top + height / 2, size: 13, rotated: true)
    }
  }

  private var yLabelDistance: Double { 50 }

  /// Rows: dots for those whose cells are both known, arrows and bars for limits, ticks at an axis where the other feature is
  /// missing. Beyond ten thousand they become one picture of pixels.
  func rows(_ svg: inout SVGText, _ all: [RowMark], alpha: Double = 0.5) {
    let drawn = all.filter { $0.radius > 0 && ($0.x != nil || $0.y != nil) }
    let points = drawn.compactMap {
      mark -> (x: Double, y: Double, colour: Colour, radius: Double)? in
      guard let x = mark.x, let y = mark.y, x.isExact, y.isExact else { return nil }
      return (x.lower, y.lower, mark.colour, mark.radius)
    }
    let others = drawn.filter { !($0.x?.isExact ?? false && $0.y?.isExact ?? false) }
    guard drawn.count > 10_000 else {
      dots(&svg, points, alpha: alpha)
      guard !others.isEmpty else { return }
      // Many lie one over the other.
      let opacity = max(0.25, min(0.6, 20 / Double(others.count).squareRoot()))
      svg.open(
        "g",
        ["fill": "none", "stroke-opacity": SVGText.number(opacity), "stroke-linecap": "round"])
      for mark in others {
        let path = strokes(of: mark).map { line in
          line.enumerated().map {
            "\($0.offset == 0 ? "M" : "L")\(SVGText.number($0.element.x)) \(SVGText.number($0.element.y))"
          }.joined()
        }.joined()
        svg.raw(
          "<path d=\"\(path)\" stroke=\"\(mark.colour.hexText)\" "
            + "stroke-width=\"\(SVGText.number(1.2 * mark.radius))\"/>\n")
      }
      svg.close("g")
      return
    }
    raster(&svg, points, others, alpha: alpha)
  }

  /// The lines that show what is known of a row's two cells, one of which at least is no value, in pixels.
  func strokes(of mark: RowMark) -> [[(x: Double, y: Double)]] {
    let reach = min(11, max(6, min(width, height) / 40))
    let barb = reach * 0.3
    // At an axis what is missing has no place.
    let px = mark.x.map { x($0.place) } ?? left + 4
    let py = mark.y.map { y($0.place) } ?? bottom - 4
    if mark.y == nil, mark.x?.isExact ?? false { return [[(px, bottom), (px, bottom - 7)]] }
    if mark.x == nil, mark.y?.isExact ?? false { return [[(left, py), (left + 7, py)]] }
    var lines: [[(x: Double, y: Double)]] = []
    /// An arrow from the limit, or a bar from one limit to the other, with ends across.
    func add(_ span: CellSpan, _ position: (Double) -> Double, isHorizontal: Bool) {
      func point(_ along: Double, _ across: Double) -> (x: Double, y: Double) {
        isHorizontal ? (along, py + across) : (px + across, along)
      }
      if span.lower.isFinite, span.upper.isFinite {
        let (a, b) = (position(span.lower), position(span.upper))
        lines.append([point(a, 0), point(b, 0)])
        for end in [a, b] { lines.append([point(end, -barb), point(end, barb)]) }
        return
      }
      let start = position(span.place)
      // Pixels count downwards.
      let towards = (span.lower == -.infinity) == isHorizontal ? -1.0 : 1.0
      let tip = start + towards * reach
      lines.append([point(start, -barb), point(start, barb)])
      lines.append([point(start, 0), point(tip, 0)])
      lines.append([
        point(tip - towards * barb, -barb), point(tip, 0), point(tip - towards * barb, barb),
      ])
    }
    if let span = mark.x, !span.isExact { add(span, x, isHorizontal: true) }
    if let span = mark.y, !span.isExact { add(span, y, isHorizontal: false) }
    return lines
  }

  /// Dots with one colour each, of which the usual has the radius 1.
  func dots(
    _ svg: inout SVGText, _ points: [(x: Double, y: Double, colour: Colour, radius: Double)],
    alpha: Double
  ) {
    let radius = usualRadius(points.count)
    svg.open("g", ["fill-opacity": SVGText.number(alpha)])
    for point in points {
      let centre = "cx=\"\(SVGText.number(x(point.x)))\" cy=\"\(SVGText.number(y(point.y)))\""
      svg.raw(
        "<circle \(centre) r=\"\(SVGText.number(radius * point.radius))\" "
          + "fill=\"\(point.colour.hexText)\"/>\n")
    }
    svg.close("g")
  }

  private func usualRadius(_ count: Int) -> Double {
    min(3, max(0.6, min(width, height) / 6 / Double(max(count, 1)).squareRoot()))
  }

  /// The same in pixels.
  private func raster(
    _ svg: inout SVGText, _ points: [(x: Double, y: Double, colour: Colour, radius: Double)],
    _ others: [RowMark], alpha: Double
  ) {
    let n = Double(points.count + others.count)
    let radius = usualRadius(points.count)
    let scale = 2.0
    var layer = RasterLayer(width: Int(width * scale), height: Int(height * scale))
    let thinned = max(0.15, alpha * min(1, (2e4 / n).squareRoot()))
    for point in points {
      layer.paint(
        x: (x(point.x) - left) * scale, y: (y(point.y) - top) * scale,
        radius: radius * point.radius * scale, colour: point.colour, alpha: thinned)
    }
    for mark in others {
      for line in strokes(of: mark) {
        for (from, to) in zip(line, line.dropFirst()) {
          layer.paintLine(
            from: ((from.x - left) * scale, (from.y - top) * scale),
            to: ((to.x - left) * scale, (to.y - top) * scale), width: mark.radius * scale,
            colour: mark.colour, alpha: thinned)
        }
      }
    }
    let data = Data(layer.png()).base64EncodedString()
    svg.element(
      "image",
      [
        "x": SVGText.number(left), "y": SVGText.number(top), "width": SVGText.number(width),
        "height": SVGText.number(height), "preserveAspectRatio": "none",
        "href": "data:image/png;base64,\(data)",
      ])
  }

  /// An ellipse twice: a wide dark line under a narrower one in the component's colour.
  func outline(
    _ svg: inout SVGText, _ ellipse: Ellipse, colour: Colour, dash: [Double] = [],
    width lineWidth: Double = 2.2, isHaloed: Bool = true, opacity: Double = 1
  ) {
    // To pixels: the axes stretch the plane, so the ellipse's own axes must be found anew.
    let sx = width / (horizontal.upper - horizontal.lower)
    let sy = height / (vertical.upper - vertical.lower)
    let (a, b, c) = (ellipse.semiaxes, cos(ellipse.angle), sin(ellipse.angle))
    let (major, minor) = (a.major * a.major, a.minor * a.minor)
    let drawn = Ellipse(
      x: x(ellipse.centre.x), y: y(ellipse.centre.y),
      xx: (major * b * b + minor * c * c) * sx * sx, xy: -(major - minor) * b * c * sx * sy,
      yy: (major * c * c + minor * b * b) * sy * sy)
    func ring(_ colour: String, _ lineWidth: Double, _ dash: [Double]) {
      let stroke =
        dash.isEmpty
        ? "" : " stroke-dasharray=\"\(dash.map(SVGText.number).joined(separator: " "))\""
      let faint = opacity < 1 ? " stroke-opacity=\"\(SVGText.number(opacity))\"" : ""
      let place =
        "translate(\(SVGText.number(drawn.centre.x)) \(SVGText.number(drawn.centre.y))) "
        + "rotate(\(SVGText.number(drawn.angle * 180 / .pi)))"
      svg.raw(
        "<ellipse rx=\"\(SVGText.number(drawn.semiaxes.major))\" "
          + "ry=\"\(SVGText.number(drawn.semiaxes.minor))\" transform=\"\(place)\" fill=\"none\" "
          + "stroke=\"\(colour)\" stroke-width=\"\(SVGText.number(lineWidth))\"\(stroke)\(faint)/>\n"
      )
    }
    if isHaloed { ring("#111111", lineWidth + 2.4, []) }
    if isHaloed, !dash.isEmpty { ring("#ffffff", lineWidth, []) }
    ring(colour.hexText, lineWidth, dash)
  }

  /// The centre of a component: a disc with its number.
  func centre(_ svg: inout SVGText, x valueX: Double, y valueY: Double, number: Int, colour: Colour)
  {
    let radius = number > 99 ? 11.0 : 8.5
    svg.element(
      "circle",
      [
        "cx": SVGText.number(x(valueX)), "cy": SVGText.number(y(valueY)),
        "r": SVGText.number(radius), "fill": "#ffffff", "stroke": "#111111", "stroke-width": "1.2",
      ])
    svg.text(
      "\(number)", x: x(valueX), y: y(valueY) + 3.8, size: 10.5, weight: "bold",
      colour: colour.mixed(with: Colour(0, 0, 0), 0.35).hexText)
  }

  /// A cross, with a light edge so that it shows on any ground.
  func cross(
    _ svg: inout SVGText, x valueX: Double, y valueY: Double, size: Double, colour: String,
    width lineWidth: Double
  ) {
    let (cx, cy) = (x(valueX), y(valueY))
    for (ink, extra) in [("#ffffff", 2.5), (colour, 0)] {
      svg.line(cx - size, cy - size, cx + size, cy + size, colour: ink, width: lineWidth + extra)
      svg.line(cx - size, cy + size, cx + size, cy - size, colour: ink, width: lineWidth + extra)
    }
  }
}

extension SVGText {
  /// Adds text that is markup already.
  mutating func raw(_ markup: String) { body += markup }
}
