// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures
import Testing

@testable import MixturePlots

/// What rows carry, as pictures and pages show it.
@Suite("Pictures of rows that carry something") struct CarriedPictureTests {
  let values: [[Double]] = [
    [0, 0], [4, 4], [1, .nan], [.nan, 3], [.nan, .nan], [3, .nan], [2, 1],
  ]

  /// Rows of which the third has an upper limit, the fourth a lower, the fifth both of one feature and nothing of the
  /// other, and the sixth nothing at all of one.
  private func limited(weights: [Double]? = nil) throws -> Observations {
    var lower = Matrix(repeating: -.infinity, rowCount: 7, columnCount: 2)
    var upper = Matrix(repeating: .infinity, rowCount: 7, columnCount: 2)
    upper[2, 1] = 0.5
    lower[3, 0] = 3.5
    (lower[4, 0], upper[4, 0]) = (1, 2)
    return try Observations(
      Matrix(rows: values),
      annotations: RowAnnotations(
        caseWeights: weights.map { CaseWeights($0) }, allowsMissing: true,
        limits: CensoringLimits(lower: lower, upper: upper)))
  }

  @Test("a dot's area goes with its row's weight, within limits, and weight zero is not drawn")
  func weights() throws {
    let table = try Observations(
      Matrix(rows: (0..<5).map { [Double($0), 0] }),
      annotations: RowAnnotations(caseWeights: CaseWeights([0, 1, 4, 1e-9, 1000])))
    let drawn = try DrawnRows(table, limit: 10)
    #expect(drawn.radius(0) == 0 && drawn.radius(3) == 0.4)
    let mean = (1 + 4 + 1e-9 + 1000) / 4
    #expect(drawn.relativeWeight(4) == 1000 / mean)
    let even = try DrawnRows(
      Observations(
        Matrix(rows: [[0], [1], [2]]),
        annotations: RowAnnotations(caseWeights: CaseWeights([1, 4, 4]))), limit: 10)
    #expect(abs(even.radius(1) / even.radius(0) - 2) < 1e-15)
    let svg = try MixturePicture.svg(
      of: table, model: mixture(componentCount: 1, featureCount: 2))
    // Four of the five rows, and the component's number.
    #expect(svg.components(separatedBy: "<circle").count - 1 == 5)
    // Equal weights are none.
    let plain = try Observations(Matrix(rows: (0..<5).map { [Double($0), 0] }))
    let equal = try Observations(
      Matrix(rows: (0..<5).map { [Double($0), 0] }),
      annotations: RowAnnotations(caseWeights: CaseWeights([2, 2, 2, 2, 2])))
    let model = try mixture(componentCount: 1, featureCount: 2)
    #expect(
      try MixturePicture.svg(of: plain, model: model) == MixturePicture.svg(of: equal, model: model)
    )
  }

  @Test("censored cells are arrows from their limits or bars between them, missing ones ticks")
  func limits() throws {
    let scale = AxisScale(lower: 0, upper: 10)
    let panel = SVGPanel(
      left: 0, top: 0, width: 400, height: 400, horizontal: scale, vertical: scale)
    let colour = Colour(0, 0, 0)
    func lines(_ x: CellSpan?, _ y: CellSpan?) -> [[(x: Double, y: Double)]] {
      panel.strokes(of: RowMark(x: x, y: y, colour: colour, radius: 1))
    }
    func at(_ value: Double) -> CellSpan { CellSpan(lower: value, upper: value) }
    // Below five: from there downwards, which is towards larger pixels.
    let down = lines(at(2), CellSpan(lower: -.infinity, upper: 5))
    #expect(down[1][0] == (80, 200) && down[1][1].x == 80 && down[1][1].y > 200)
    let up = lines(at(2), CellSpan(lower: 5, upper: .infinity))
    #expect(up[1][0] == (80, 200) && up[1][1].y < 200)
    let left = lines(CellSpan(lower: -.infinity, upper: 5), at(2))
    #expect(left[1][0] == (200, 320) && left[1][1].x < 200 && left[1][1].y == 320)
    let right = lines(CellSpan(lower: 5, upper: .infinity), at(2))
    #expect(right[1][1].x > 200)
    let bar = lines(CellSpan(lower: 5, upper: 7.5), at(2))
    #expect(bar[0][0] == (200, 320) && bar[0][1] == (300, 320))
    let tick = lines(at(5), nil)
    #expect(tick.count == 1 && tick[0][0] == (200, 400) && tick[0][1].y < 400)
    #expect(lines(nil, at(5))[0][0] == (0, 200))
    // Both at once: an arrow each.
    #expect(
      lines(CellSpan(lower: -.infinity, upper: 5), CellSpan(lower: 1, upper: .infinity)).count == 6)

    let svg = try MixturePicture.svg(
      of: limited(), model: mixture(componentCount: 2, featureCount: 2))
    // Three rows are dots beside two components' numbers, and four are not.
    #expect(svg.components(separatedBy: "<circle").count - 1 == 5)
    #expect(svg.components(separatedBy: "<path ").count - 1 == 4)
    #expect(!svg.contains("nan") && !svg.contains("inf"))
    let line = try Observations(
      Matrix(rows: [[0], [1], [.nan], [3]]),
      annotations: RowAnnotations(
        limits: CensoringLimits(
          lower: Matrix(rows: [[-.infinity], [-.infinity], [4], [-.infinity]]),
          upper: Matrix(rows: [[.infinity], [.infinity], [.infinity], [.infinity]]))))
    let density = try MixturePicture.svg(
      of: line, model: mixture(componentCount: 1, featureCount: 1))
    #expect(density.components(separatedBy: "<path ").count - 1 == 1)
    // A limit belongs to what the axis covers, and a row to the whole that bars are shares of.
    let drawn = try DrawnRows(line, limit: 10)
    #expect(drawn.extent(0).filter(\.isFinite).max() == 4)
    let histogram = Histogram(drawn, feature: 0, scale: AxisScale(lower: 0, upper: 4))
    // Eight bins over four units.
    let whole: Double = histogram.densities.reduce(0.0, +) / 2
    #expect(abs(whole - 0.75) < 1e-15)
  }

  @Test("many rows with limits are one layer of pixels")
  func raster() throws {
    let n = 11_000
    let rows = (0..<n).map { i -> [Double] in
      let x: Double = i % 3 == 0 ? .nan : Double(i % 97)
      return [x, Double(i % 89)]
    }
    var upper = Matrix(repeating: .infinity, rowCount: n, columnCount: 2)
    for i in stride(from: 0, to: n, by: 3) { upper[i, 0] = 5 }
    let table = try Observations(
      Matrix(rows: rows),
      annotations: RowAnnotations(
        limits: CensoringLimits(
          lower: Matrix(repeating: -.infinity, rowCount: n, columnCount: 2), upper: upper)))
    let svg = try MixturePicture.svg(
      of: table, model: mixture(componentCount: 1, featureCount: 2), options: .init(width: 240))
    #expect(svg.contains("data:image/png;base64,") && !svg.contains("<path"))
    var layer = RasterLayer(width: 20, height: 20)
    let empty = layer.png()
    layer.paintLine(
      from: (-100, 3), to: (-50, 3), width: 2, colour: Colour(1, 0, 0), alpha: 1)
    #expect(layer.png() == empty)
    layer.paintLine(from: (2, 3), to: (15, 3), width: 2, colour: Colour(1, 0, 0), alpha: 1)
    #expect(layer.png() != empty)
  }

  @Test("the colour of a censored row is that of its responsibilities between its limits")
  func responsibilities() throws {
    let model = try mixture(componentCount: 2, featureCount: 2)
    let table = try limited()
    let drawn = try DrawnRows(table, limit: 10).responsibilities(under: model)
    #expect(try drawn == model.responsibilities(for: table))
  }

  @Test("a page carries limits, weights and background, and the background's share of each row")
  func page() throws {
    let model = try mixture(componentCount: 2, featureCount: 2)
      .withBackground(
        UniformBackground(share: 0.25, logWidths: [log(8), log(16)], lower: [-2, -4]))
    let report = MixtureReport(
      title: "limits", observations: try limited(weights: [1, 0, 1, 2, 1, 1, 2]), model: model)
    let html = try report.html()
    let data = try pageData(html)
    let ranges = try #require(data["scales"] as? [Double])
    let frame = try #require((data["frames"] as? [[String: Any]])?.first)
    let background = try #require(frame["background"] as? [String: Any])
    #expect(abs((background["logOdds"] as? Double ?? 0) + log(3)) < 1e-15)
    let widths = try #require(background["logWidths"] as? [Double])
    #expect(abs(widths[0] - log(8 / ranges[0])) < 1e-14)
    #expect((background["lower"] as? [Double])?.count == 2)
    let step = try #require(data["stride"] as? Int)
    func floats(_ name: String) throws -> [Float] {
      let bytes = try #require((data[name] as? String).flatMap { Data(base64Encoded: $0) })
      return bytes.withUnsafeBytes { raw in
        (0..<raw.count / 4).map {
          Float(
            bitPattern: UInt32(
              littleEndian: raw.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
        }
      }
    }
    let weights = try floats("weights")
    #expect((0..<7).filter { weights[$0] == 0 }.map { $0 * step % 7 } == [1])
    func codes(_ name: String) throws -> [Int] {
      let bytes = try #require((data[name] as? String).flatMap { Data(base64Encoded: $0) })
      return stride(from: 0, to: bytes.count, by: 2).map {
        Int(bytes[$0]) | Int(bytes[$0 + 1]) << 8
      }
    }
    let offsets = try #require(data["offsets"] as? [Double])
    for (name, expected) in [
      ("lower", [[4: 1.0, 3: 3.5], [:]]), ("upper", [[4: 2.0], [2: 0.5]]),
    ] as [(String, [[Int: Double]])] {
      let all = try codes(name)
      for f in 0..<2 {
        for i in 0..<7 {
          let code = all[f * 7 + i]
          guard let value = expected[f][i * step % 7] else {
            #expect(code == 65535)
            continue
          }
          #expect(
            abs(offsets[f] + ranges[f] * Double(code) / 65534 - value) <= ranges[f] / 65534)
        }
      }
    }
    // With limits the page does not compute responsibilities itself; two components and the background are three classes.
    let prepared = try #require(
      (data["prepared"] as? String).flatMap { Data(base64Encoded: $0) })
    #expect(prepared.count == 35)
    let shares = try DrawnRows(report.observations, limit: 10).responsibilities(under: model)
    for i in 0..<7 {
      let row = model.withBackground(shares.row(i * step % 7))
      let first = Int(prepared[5 * i]) | Int(prepared[5 * i + 1]) << 8
      #expect(row[first] == row.max())
    }
    for words in ["rows of weight 0 are not drawn", "Grey dots", "an arrow points", "Ticks at"] {
      #expect(html.contains(words))
    }
    let plain = try pageData(
      MixtureReport(
        title: "plain", observations: Observations(rows: [[0, 1], [2, 1], [4, 4]]),
        model: mixture(componentCount: 2, featureCount: 2)
      ).html())
    for name in ["lower", "upper", "weights", "prepared"] { #expect(plain[name] == nil) }
  }
}
