// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

extension MixturePicture {
  /// A square of numbers between 0 and 1 for each pair of components, darker for larger ones: how they overlap.
  ///
  /// It suits the matrices of `GaussianMixture.misclassification(of:threadCount:)`, whose rows are the components that rows
  /// of the table come from and whose columns are their labels, and of `GaussianMixture.bhattacharyyaCoefficients`.
  ///
  /// - Parameters:
  ///   - overlap: K × K. Values outside 0 … 1 are drawn as the nearer end.
  ///   - xLabel: What a column is.
  ///   - yLabel: What a row is.
  ///   - options: Title and size.
  public static func svg(
    overlap: Matrix, xLabel: String = "labelled as component", yLabel: String = "rows of component",
    options: Options = Options()
  ) -> String {
    let (rows, columns) = (overlap.rowCount, overlap.columnCount)
    let top = options.title == nil ? 46.0 : 70
    let left = 68.0
    let side = (options.boundedWidth - left - 16) / Double(max(rows, columns, 1))
    // Squares of few components would be as large as a hand.
    let cell = min(side, 90)
    var fitting = options
    fitting.width = max(left + cell * Double(columns) + 16, 240)
    var svg = fitting.begin()(top + cell * Double(rows) + 20)
    let size = min(13, cell * 0.36)
    for i in 0..<rows {
      let y = top + cell * Double(i)
      svg.text("\(i)", x: left - 10, y: y + cell / 2 + 4, size: min(12, cell * 0.6), anchor: "end")
      for j in 0..<columns {
        let value = min(max(overlap[i, j], 0), 1)
        let x = left + cell * Double(j)
        svg.element(
          "rect",
          [
            "x": SVGText.number(x), "y": SVGText.number(y), "width": SVGText.number(cell),
            "height": SVGText.number(cell), "fill": Self.shade(value).hexText,
            "stroke": "#ffffff",
          ])
        if cell >= 22 {
          svg.text(
            Self.share(overlap[i, j]), x: x + cell / 2, y: y + cell / 2 + size * 0.36, size: size,
            colour: value > 0.35 ? "#ffffff" : "#222222")
        }
      }
    }
    for j in 0..<columns {
      svg.text(
        "\(j)", x: left + cell * (Double(j) + 0.5), y: top - 8, size: min(12, cell * 0.6))
    }
    svg.text(xLabel, x: left + cell * Double(columns) / 2, y: top - 28, size: 13)
    svg.text(yLabel, x: 22, y: top + cell * Double(rows) / 2, size: 13, rotated: true)
    return svg.document(title: options.title)
  }

  /// White for 0, dark blue for 1. Small overlaps are the interesting ones: the scale is that of square roots.
  static func shade(_ value: Double) -> Colour {
    let fraction = value.isNaN ? 0 : min(max(value, 0), 1).squareRoot()
    return Colour(0.965, 0.97, 0.975).mixed(with: Colour(hex: 0x084A83), fraction)
  }

  /// A share with two digits behind the point; what is less than half of the last is 0.
  static func share(_ value: Double) -> String {
    guard value.isFinite else { return "–" }
    if value < 0.005 { return "0" }
    if value > 0.995 { return "1" }
    let hundredths = Int((value * 100).rounded())
    return hundredths < 10 ? "0.0\(hundredths)" : "0.\(hundredths)"
  }
}
