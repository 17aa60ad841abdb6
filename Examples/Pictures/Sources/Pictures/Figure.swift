import Foundation
import Mixtures

/// Ink that shows on white: the eight-hue palette of Okabe & Ito (2008) as far as it is needed, and greys.
enum Ink {
  static let components = ["#0072b2", "#d55e00", "#009e73"]
  static let rows = "#777777"
  static let filled = "#b35c9a"
  static let truth = "#222222"
  static let shade = "#eeeeee"
}

/// Panels side by side as one SVG text, on white, so that it shows on any page.
struct Figure {
  /// One plane of two features with what is drawn in it, in the order of drawing.
  struct Panel {
    let title: String
    var marks: [Mark] = []
  }

  enum Mark {
    /// A disc for each row.
    case rows([[Double]])
    /// A disc for each row, the area in proportion to its weight.
    case weightedRows([[Double]], [Double])
    /// A disc for each row of which a cell was filled.
    case filled([[Double]])
    /// A square for each row.
    case squares([[Double]], ink: String)
    /// Short upright strokes that hang from a height, or rise from the lower edge.
    case strokes([Double], below: Double? = nil)
    /// A part of the plane that was not seen.
    case shade(x: ClosedRange<Double>)
    /// The components at two standard deviations: dashed if they are the truth.
    case mixture(GaussianMixture, isTruth: Bool = false)
    /// A dashed line at a height.
    case level(Double)
  }

  let name: String
  let x: ClosedRange<Double>
  let y: ClosedRange<Double>
  var labels = (x: "feature 0", y: "feature 1")
  let panels: [Panel]
  var note: String?

  private static let (gap, left, top) = (14.0, 48.0, 34.0)
  /// Three panels are smaller, so that text stays large enough where the picture is shrunk to a column.
  private var inner: (width: Double, height: Double) {
    panels.count > 2 ? (228, 204) : (292, 238)
  }

  /// The picture.
  var svg: String {
    let width = Self.left + Double(panels.count) * (inner.width + Self.gap)
    let height = Self.top + inner.height + 76
    var text = """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(short(width)) \(short(height))" \
      width="\(short(width))" height="\(short(height))" role="img" font-family="Helvetica, Arial, sans-serif" \
      font-size="12" fill="#222222">
      <rect width="100%" height="100%" rx="6" fill="#ffffff"/>

      """
    for (number, panel) in panels.enumerated() {
      let place = Place(
        left: Self.left + Double(number) * (inner.width + Self.gap), top: Self.top,
        width: inner.width, height: inner.height, x: x, y: y)
      text += draw(panel, number, place)
    }
    return text + key(at: height - 14) + "</svg>\n"
  }

  private func draw(_ panel: Panel, _ column: Int, _ place: Place) -> String {
    let right = place.left + place.width
    let bottom = place.top + place.height
    var text = """
      <text x="\(short(place.left))" y="\(short(place.top - 11))" font-size="14" font-weight="bold">\(panel.title)</text>
      <clipPath id="panel-\(column)"><rect x="\(short(place.left))" y="\(short(place.top))" \
      width="\(short(place.width))" height="\(short(place.height))"/></clipPath>
      <g clip-path="url(#panel-\(column))">

      """
    for mark in panel.marks { text += draw(mark, place) }
    text += """
      </g>
      <rect x="\(short(place.left))" y="\(short(place.top))" width="\(short(place.width))" \
      height="\(short(place.height))" fill="none" stroke="#444444"/>

      """
    for tick in ticks(x) {
      text += """
        <path d="M\(short(place.across(tick))) \(short(bottom))v4" stroke="#444444"/>\
        <text x="\(short(place.across(tick)))" y="\(short(bottom + 17))" text-anchor="middle">\(number(tick))</text>

        """
    }
    for tick in ticks(y) {
      text += "<path d=\"M\(short(place.left)) \(short(place.up(tick)))h-4\" stroke=\"#444444\"/>"
      if column == 0 {
        text += """
          <text x="\(short(place.left - 7))" y="\(short(place.up(tick) + 4))" text-anchor="end">\(number(tick))</text>
          """
      }
      text += "\n"
    }
    text += """
      <text x="\(short((place.left + right) / 2))" y="\(short(bottom + 34))" text-anchor="middle">\(labels.x)</text>

      """
    if column == 0 {
      let middle = place.top + place.height / 2
      text += """
        <text transform="translate(14 \(short(middle))) rotate(-90)" text-anchor="middle">\(labels.y)</text>

        """
    }
    return text
  }

  private func draw(_ mark: Mark, _ place: Place) -> String {
    /// Round dots are the caps of lines of no length: a third of the text that circles take.
    func dots(_ rows: [[Double]]) -> String {
      rows.filter(place.holds).map {
        "M\(short(place.across($0[0]))) \(short(place.up($0[1])))h0"
      }.joined()
    }
    switch mark {
    case .rows(let rows):
      return """
        <path d="\(dots(rows))" stroke="\(Ink.rows)" stroke-width="3.4" stroke-linecap="round" stroke-opacity="0.6"/>

        """
    case .weightedRows(let rows, let weights):
      let text = zip(rows, weights).filter { place.holds($0.0) }.map { row, weight in
        """
        <circle cx="\(short(place.across(row[0])))" cy="\(short(place.up(row[1])))" \
        r="\(short(1.7 * weight.squareRoot(), 2))"/>
        """
      }.joined(separator: "\n")
      return "<g fill=\"\(Ink.rows)\" fill-opacity=\"0.6\">\n\(text)\n</g>\n"
    case .filled(let rows):
      return """
        <path d="\(dots(rows))" stroke="\(Ink.filled)" stroke-width="3.4" stroke-linecap="round" stroke-opacity="0.8"/>

        """
    case .squares(let rows, let ink):
      let text = rows.filter(place.holds).map {
        """
        <rect x="\(short(place.across($0[0]) - 2.5))" y="\(short(place.up($0[1]) - 2.5))" width="5" height="5"/>
        """
      }.joined(separator: "\n")
      return "<g fill=\"\(ink)\" stroke=\"#ffffff\" stroke-width=\"0.8\">\n\(text)\n</g>\n"
    case .strokes(let values, let height):
      let start = height.map(place.up) ?? place.top + place.height
      let path = values.map {
        "M\(short(place.across($0))) \(short(start))v\(height == nil ? -9 : 9)"
      }.joined()
      return "<path d=\"\(path)\" stroke=\"\(Ink.filled)\" stroke-opacity=\"0.8\"/>\n"
    case .shade(let range):
      let (from, to) = (place.across(range.lowerBound), place.across(range.upperBound))
      return """
        <rect x="\(short(from))" y="\(short(place.top))" width="\(short(to - from))" \
        height="\(short(place.height))" fill="\(Ink.shade)"/>

        """
    case .level(let value):
      return """
        <path d="M\(short(place.left)) \(short(place.up(value)))h\(short(place.width))" stroke="#888888" \
        stroke-dasharray="2 3"/>

        """
    case .mixture(let model, let isTruth):
      return (0..<model.componentCount).map { k in
        let path = ellipse(model, k, place)
        if isTruth {
          return """
            <path d="\(path)" fill="none" stroke="\(Ink.truth)" stroke-width="1.7" stroke-dasharray="6 4"/>

            """
        }
        return """
          <path d="\(path)" fill="none" stroke="#ffffff" stroke-width="4.6" stroke-opacity="0.8"/>
          <path d="\(path)" fill="none" stroke="\(Ink.components[k % 3])" stroke-width="2.4"/>

          """
      }.joined()
    }
  }

  /// Where the Mahalanobis distance from a component's mean is 2.
  private func ellipse(_ model: GaussianMixture, _ k: Int, _ place: Place) -> String {
    let covariance = model.covariances[k]
    let a = covariance[0, 0].squareRoot()
    let b = covariance[1, 0] / a
    let c = max(covariance[1, 1] - b * b, 0).squareRoot()
    let points = (0..<72).map { step in
      let t = Double(step) / 72 * 2 * .pi
      let (u, v) = (2 * cos(t), 2 * sin(t))
      return
        "\(short(place.across(model.means[k, 0] + a * u))) \(short(place.up(model.means[k, 1] + b * u + c * v)))"
    }
    return "M" + points.joined(separator: "L") + "Z"
  }

  private func key(at height: Double) -> String {
    var text = """
      <path d="M\(short(Self.left)) \(short(height - 4))h28" stroke="\(Ink.truth)" stroke-width="1.7" \
      stroke-dasharray="6 4"/><text x="\(short(Self.left + 34))" y="\(short(height))">truth</text>
      <path d="M\(short(Self.left + 78)) \(short(height - 4))h28" stroke="\(Ink.components[0])" \
      stroke-width="2.4"/><text x="\(short(Self.left + 112))" y="\(short(height))">fit</text>

      """
    if let note {
      text += "<text x=\"\(short(Self.left + 146))\" y=\"\(short(height))\">\(note)</text>\n"
    }
    return text
  }

  private func ticks(_ range: ClosedRange<Double>) -> [Double] {
    let span = range.upperBound - range.lowerBound
    let step = [0.1, 0.2, 0.5, 1, 2, 5, 10].first { span / $0 <= 7 } ?? span
    let first = Int((range.lowerBound / step).rounded(.up))
    let last = Int((range.upperBound / step).rounded(.down))
    return (first...last).map { Double($0) * step }
  }

  private func number(_ value: Double) -> String {
    let text = String(format: "%.4g", value + 0)
    return text.hasPrefix("-") ? "−" + text.dropFirst() : text
  }

  private func short(_ value: Double, _ decimals: Int = 1) -> String {
    let text = String(format: "%.\(decimals)f", value)
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  private struct Place {
    let left: Double
    let top: Double
    let width: Double
    let height: Double
    let x: ClosedRange<Double>
    let y: ClosedRange<Double>

    func across(_ value: Double) -> Double {
      left + (value - x.lowerBound) / (x.upperBound - x.lowerBound) * width
    }

    func up(_ value: Double) -> Double {
      top + (y.upperBound - value) / (y.upperBound - y.lowerBound) * height
    }

    func holds(_ row: [Double]) -> Bool { x.contains(row[0]) && y.contains(row[1]) }
  }
}
