// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import CZlib
import Foundation
import Mixtures
import Testing

@testable import MixturePlots

@Suite("Geometry") struct GeometryTests {
  @Test("an ellipse's axes are the roots of the covariance's eigenvalues")
  func semiaxes() {
    // [[2, 1], [1, 2]] has the eigenvalues 3 and 1, the first along the diagonal.
    let ellipse = Ellipse(x: 5, y: 6, xx: 2, xy: 1, yy: 2)
    #expect(abs(ellipse.semiaxes.major - 3.0.squareRoot()) <= 2 * 3.0.squareRoot().ulp)
    #expect(abs(ellipse.semiaxes.minor - 1) <= 2 * 1.0.ulp)
    #expect(abs(ellipse.angle - .pi / 4) <= 2 * Double.pi.ulp)
  }

  @Test(
    "every point of an ellipse is one standard deviation from its centre",
    arguments: [(1.0, 0.0, 1.0), (4, -1.9, 1), (1, 0.999, 1), (1e-8, 0, 1e8)])
  func mahalanobis(xx: Double, xy: Double, yy: Double) {
    let ellipse = Ellipse(x: 0, y: 0, xx: xx, xy: xy, yy: yy)
    let determinant = xx * yy - xy * xy
    for step in 0..<16 {
      let (x, y) = ellipse.point(at: Double(step) / 16 * 2 * .pi)
      let distance = (yy * x * x - 2 * xy * x * y + xx * y * y) / determinant
      // A few roundings of each term, which cancel down to 1 from as much as xx yy / det; and the angle's own
      // rounding, which turns the long axis across the short one.
      let condition = xx * yy / determinant * max(xx / yy, yy / xx).squareRoot()
      #expect(abs(distance - 1) <= 64 * .ulpOfOne * condition)
    }
  }

  @Test("a component flat in one direction has an ellipse without width")
  func singular() {
    let ellipse = Ellipse(x: 0, y: 0, xx: 1, xy: 1, yy: 1)
    #expect(ellipse.semiaxes.minor == 0)
    #expect(ellipse.semiaxes.major.isFinite)
  }

  @Test("boundaries between three centroids are where two are nearest alike")
  func voronoi() {
    let panel = SVGPanel(
      left: 0, top: 0, width: 100, height: 100, horizontal: AxisScale(lower: -10, upper: 10),
      vertical: AxisScale(lower: -10, upper: 10))
    let places = [(x: 0.0, y: 4.0), (x: -4.0, y: -4.0), (x: 4.0, y: -4.0)]
    let edges = voronoiEdges(places, panel)
    #expect(edges.count == 3)
    for edge in edges {
      let middle = (x: (edge.from.x + edge.to.x) / 2, y: (edge.from.y + edge.to.y) / 2)
      let distances = places.map { hypot($0.x - middle.x, $0.y - middle.y) }.sorted()
      #expect(abs(distances[0] - distances[1]) < 64 * distances[1].ulp)
      #expect(abs(middle.x) <= 10 && abs(middle.y) <= 10)
    }
    #expect(voronoiEdges([(1, 1), (1, 1)], panel).isEmpty)
  }
}

@Suite("Axes") struct AxisTests {
  @Test("ticks are round, within the axis and not too many")
  func roundTicks() {
    let axis = AxisScale(lower: -0.13, upper: 9.7)
    #expect(axis.ticks(count: 5) == [0, 2, 4, 6, 8])
    #expect(axis.labels(of: [0, 2, 4]) == ["0", "2", "4"])
    #expect(AxisScale(lower: 0, upper: 1).ticks(count: 5).count == 6)
    #expect(AxisScale(lower: -1, upper: 1).labels(of: [-0.5, 0, 0.5]) == ["−0.5", "0.0", "0.5"])
  }

  @Test("ticks beside a huge offset can be told apart by their labels")
  func hugeOffset() {
    let axis = AxisScale(lower: 1e8 - 3, upper: 1e8 + 3)
    let ticks = axis.ticks(count: 6)
    #expect(ticks.count >= 4)
    #expect(Set(axis.labels(of: ticks)).count == ticks.count)
  }

  @Test(
    "any limits make an axis that can be drawn",
    arguments: [
      (0, 0), (5, 5), (1e300, 1e300), (3, -3), (.nan, 1), (-.infinity, .infinity),
      (-1.7e308, 1.7e308), (.leastNonzeroMagnitude, .leastNonzeroMagnitude), (1e16, 1e16 + 2),
    ] as [(Double, Double)])
  func anyLimits(lower: Double, upper: Double) {
    let axis = AxisScale(lower: lower, upper: upper)
    #expect(axis.lower < axis.upper)
    #expect((axis.upper - axis.lower).isFinite)
    let areFinite = axis.ticks().allSatisfy(\.isFinite)
    #expect(areFinite)
    #expect(axis.labels(of: axis.ticks()).count == axis.ticks().count)
  }

  @Test("counts are grouped in threes, and a mean has the digits that its spread calls for")
  func numbers() {
    #expect(NumberText.count(3_141_592) == "3,141,592")
    #expect(NumberText.count(0) == "0")
    #expect(NumberText.grouped(-1234.567) == "−1,234.57")
    #expect(NumberText.grouped(-0.001) == "0.00")
    #expect(NumberText.resolved(1e8 + 4, spread: 1) == "100000004.00")
    #expect(NumberText.resolved(0.54, spread: 20) == "0.5")
    #expect(NumberText.short(-0.00012) == "−0.00012")
  }
}

@Suite("Colours") struct ColourTests {
  @Test("a blend is the components' colours in the proportions of the responsibilities")
  func blend() {
    let mixed = Palette.blend([0.25, 0.75], colours: [Colour(1, 0, 0), Colour(0, 1, 0)])
    #expect(mixed == Colour(0.25, 0.75, 0))
  }

  @Test("forty components differ in colour or dash", arguments: [false, true])
  func distinct(onDark: Bool) {
    let looks = (0..<40).map { "\(Palette.colour($0, onDark: onDark).hexText) \(Palette.dash($0))" }
    #expect(Set(looks).count == 40)
  }
}

@Suite("Pixels") struct PNGTests {
  /// The chunks of a PNG file, each checksum verified.
  private func chunks(_ file: [UInt8]) throws -> [(name: String, content: [UInt8])] {
    try #require(Array(file.prefix(8)) == PNGFile.signature)
    var result: [(name: String, content: [UInt8])] = []
    var at = 8
    func number() -> Int { file[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
    while at < file.count {
      let length = number()
      at += 4
      let body = Array(file[at..<at + 4 + length])
      at += 4 + length
      #expect(number() == Int(crc32(0, body, uInt(body.count))))
      at += 4
      result.append((String(decoding: body.prefix(4), as: UTF8.self), Array(body.dropFirst(4))))
    }
    return result
  }

  @Test("a written PNG reads back to the same pixels")
  func roundTrip() throws {
    let pixels = (0..<7 * 5 * 4).map { UInt8($0 * 37 % 256) }
    let parts = try chunks(PNGFile.encode(rgba: pixels, width: 7, height: 5))
    #expect(parts.map(\.name) == ["IHDR", "IDAT", "IEND"])
    #expect(parts[0].content == [0, 0, 0, 7, 0, 0, 0, 5, 8, 6, 0, 0, 0])
    var lines = [UInt8](repeating: 1, count: (7 * 4 + 1) * 5)
    var length = uLong(lines.count)
    let status = uncompress(&lines, &length, parts[1].content, uLong(parts[1].content.count))
    #expect(status == Z_OK)
    #expect(Int(length) == lines.count)
    for row in 0..<5 {
      #expect(lines[row * 29] == 0)
      #expect(Array(lines[row * 29 + 1..<row * 29 + 29]) == Array(pixels[row * 28..<row * 28 + 28]))
    }
  }

  @Test("dots outside the layer, or nowhere, change nothing")
  func outside() {
    var layer = RasterLayer(width: 4, height: 4)
    let empty = layer.png()
    for (x, y) in [(-99.0, 1.0), (1, 99), (.nan, 1), (.infinity, 1), (1e300, 1e300)] {
      layer.paint(x: x, y: y, radius: 1, colour: Colour(1, 0, 0), alpha: 1)
    }
    #expect(layer.png() == empty)
    layer.paint(x: 2, y: 2, radius: 1, colour: Colour(1, 0, 0), alpha: 1)
    #expect(layer.png() != empty)
  }
}

@Suite("Density") struct PictureDensityTests {
  @Test("responsibilities far from every component are still exact ratios")
  func farAway() throws {
    var density = PictureDensity(try mixture(componentCount: 2, featureCount: 2))
    #expect(density.responsibilities([1e6, 1e6]) == [0, 1])
    #expect(density.responsibilities([2, 2]) == [0.5, 0.5])
  }

  @Test("a row without some features is judged by the others, one without any by the weights")
  func missing() throws {
    var density = PictureDensity(try mixture(componentCount: 2, featureCount: 2))
    var alone = PictureDensity(try mixture(componentCount: 2, featureCount: 1))
    #expect(density.responsibilities([1.5, .nan]) == alone.responsibilities([1.5]))
    #expect(density.responsibilities([.nan, .nan]) == [0.5, 0.5])
  }

  @Test("an offset common to data and model changes no responsibility")
  func offset() throws {
    var near = PictureDensity(try mixture(componentCount: 3, featureCount: 2))
    var far = PictureDensity(try mixture(componentCount: 3, featureCount: 2, offset: 0x1p30))
    #expect(near.responsibilities([1, 2.5]) == far.responsibilities([0x1p30 + 1, 0x1p30 + 2.5]))
  }
}

@Suite("Rows drawn") struct DrawnRowsTests {
  @Test("a large table is drawn evenly from first to last")
  func even() throws {
    let drawn = try DrawnRows(ManyRows(observationCount: 300_003), limit: 1000)
    #expect(drawn.count == 1000)
    #expect(drawn.values == drawn.indices.map(Double.init))
    let gaps = Set(zip(drawn.indices, drawn.indices.dropFirst()).map { $1 - $0 })
    #expect(gaps == [300, 301])
    #expect(drawn.indices[0] == 0)
  }

  @Test("a small table is drawn whole")
  func whole() throws {
    #expect(try DrawnRows(ManyRows(observationCount: 7), limit: 1000).indices == Array(0..<7))
  }

  @Test("the step through the rows visits each once", arguments: [1, 2, 3, 10, 997, 1000])
  func stride(count: Int) {
    let step = ReportData.stride(count: count)
    #expect(Set((0..<count).map { $0 * step % count }).count == count)
  }

  @Test("thinning keeps the beginning and the last")
  func thinned() {
    let kept = ReportData.thinned(Array(0..<1000), to: 120)
    #expect(kept.count == 120)
    #expect(Array(kept.prefix(30)) == Array(0..<30))
    #expect(kept.last == 999)
    #expect(kept == kept.sorted() && Set(kept).count == 120)
    #expect(ReportData.thinned([1, 2, 3], to: 120) == [1, 2, 3])
    #expect(ReportData.thinned([1, 2, 3], to: 2) == [1, 3])
  }
}
