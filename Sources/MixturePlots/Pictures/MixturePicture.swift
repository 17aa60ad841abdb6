// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
public import Mixtures

/// Pictures of data, models and fits as SVG text, for papers and slides.
///
/// The same arguments give the same bytes. More than ten thousand points become one embedded PNG layer under axes
/// and ellipses that stay vectors.
public enum MixturePicture {
  /// What all pictures have in common.
  public struct Options: Sendable {
    /// A title above the picture; none if nil.
    public var title: String?
    /// The features' names for the axes; missing ones are numbered.
    public var features: [String]
    /// The width in pixels, kept within 240 … 8000.
    public var width: Double
    /// The height in pixels, kept within 200 … 8000; nil for one that suits the picture.
    public var height: Double?
    /// The axes' limits for each feature; nil, or too few, for those of the data with a margin.
    public var limits: [ClosedRange<Double>?]
    /// The two features (counted from 0) to draw when there are more; nil for all pairs, of six features at most.
    public var pair: (x: Int, y: Int)?
    /// How many rows are drawn at most, taken evenly from first to last; fewer where many components in many dimensions
    /// would make their colours take longer than some seconds.
    public var drawnLimit: Int
    /// Whether ellipses at two standard deviations are drawn too.
    public var showsTwoSigma: Bool

    /// Other mixtures, such as the replicates of a bootstrap, that are drawn as faint ellipses under the components; 200
    /// at most, taken evenly. Their components are to be numbered like the model's.
    public var replicates: [GaussianMixture]

    /// Options with these values.
    public init(
      title: String? = nil, features: [String] = [], width: Double = 720, height: Double? = nil,
      limits: [ClosedRange<Double>?] = [], pair: (x: Int, y: Int)? = nil,
      drawnLimit: Int = 200_000, showsTwoSigma: Bool = false, replicates: [GaussianMixture] = []
    ) {
      self.title = title
      self.features = features
      self.width = width
      self.height = height
      self.limits = limits
      self.pair = pair
      self.drawnLimit = drawnLimit
      self.showsTwoSigma = showsTwoSigma
      self.replicates = replicates
    }

    /// The replicates that are drawn.
    var drawnReplicates: [GaussianMixture] {
      let count = min(replicates.count, 200)
      return (0..<count).map { replicates[$0 * replicates.count / count] }
    }

    var boundedWidth: Double { width.isFinite ? min(max(width, 240), 8000) : 720 }

    func boundedHeight(_ suited: Double) -> Double {
      guard let height, height.isFinite else { return suited }
      return min(max(height, 200), 8000)
    }

    func scale(of feature: Int, in rows: DrawnRows) -> AxisScale {
      if feature < limits.count, let range = limits[feature] {
        return AxisScale(lower: range.lowerBound, upper: range.upperBound)
      }
      return AxisScale(covering: rows.extent(feature))
    }

    /// The panel that fills the picture, beside room for labels.
    func soloPanel(horizontal: AxisScale, vertical: AxisScale, suitedHeight: Double) -> SVGPanel {
      let top = title == nil ? 16.0 : 40
      let right = 16.0
      return SVGPanel(
        left: 68, top: top, width: boundedWidth - 68 - right,
        height: boundedHeight(suitedHeight) - top - 52, horizontal: horizontal, vertical: vertical)
    }

    func begin() -> (Double) -> SVGText {
      { height in
        var svg = SVGText(width: boundedWidth, height: height)
        if let title { svg.text(title, x: boundedWidth / 2, y: 24, size: 16, weight: "bold") }
        return svg
      }
    }
  }

  /// A mixture over the data it describes.
  ///
  /// Two features: the points, each in the blend of the components' colours in the proportions of its responsibilities,
  /// under every component's 1-σ ellipse, and grey as far as the background is responsible. The area of a dot goes with the
  /// row's case weight, within a sixth and nine times the usual one; a row of weight 0 is not drawn. A censored cell is an
  /// arrow from its limit, or a bar between its two limits; a row that lacks one of two features is a tick at the axis of the
  /// other. One feature: the histogram with the density of the mixture and of each
  /// component. More: the pair that `options` names, or all pairs of the six
  /// features that tell the components apart best.
  ///
  /// - Throws: ``MixtureError/Code/featureCountMismatch`` if data and model differ in their features;
  ///   ``MixtureError/Code/emptyObservations``; ``MixtureError/Code/invalidSetting`` if `options.pair` names a feature
  ///   that does not exist; ``MixtureError/Code/unreadableFile`` from the source.
  /// - Complexity: O(m·K·d²) for m rows drawn.
  public static func svg(
    of observations: any ObservationSource, model: GaussianMixture, options: Options = Options()
  ) throws(MixtureError) -> String {
    try requireSameFeatures(observations, model)
    let pair = try checkedPair(options, featureCount: model.featureCount)
    for replicate in options.replicates { try requireSameFeatures(observations, replicate) }
    let rows = try DrawnRows(
      observations,
      limit: min(options.drawnLimit, max(1000, 10_000_000_000 / model.productsPerRow)))
    let names = featureNames(options.features, count: rows.featureCount)
    let colours = try blendedColours(rows, model)
    if rows.featureCount == 1 { return densityPicture(rows, model, colours, names, options) }
    if let pair {
      return pairPicture(rows, colours, names, pair, options) { panel, svg in
        drawComponents(of: model, pair, panel, &svg, options: options)
      }
    }
    return matrixPicture(rows, model, colours, names, options)
  }

  /// Many mixtures, such as draws from a posterior, as faint 1-σ ellipses over the data.
  ///
  /// Component k of every mixture has the same colour, so the mixtures should number their components alike.
  ///
  /// - Throws: As ``svg(of:model:options:)``, and ``MixtureError/Code/invalidSetting`` if there is only one feature.
  public static func svg(
    of observations: any ObservationSource, draws: [GaussianMixture], options: Options = Options()
  ) throws(MixtureError) -> String {
    for draw in draws { try requireSameFeatures(observations, draw) }
    let pair = try requiredPair(options, featureCount: observations.featureCount)
    let rows = try DrawnRows(observations, limit: options.drawnLimit)
    let names = featureNames(options.features, count: rows.featureCount)
    let grey = Array(repeating: Colour(0.35, 0.35, 0.35), count: rows.count)
    return pairPicture(rows, grey, names, pair, options) { panel, svg in
      for draw in draws { drawFaintly(draw, among: draws.count, pair, panel, &svg) }
    }
  }

  /// A step of k-means: the points in the colour of their nearest centroid, the boundaries between centroids dashed, and
  /// each centroid's cross joined by a line to where the step moves it.
  ///
  /// - Parameters:
  ///   - observations: n × d with d ≥ 2. Boundaries are drawn only if d = 2; in a plane of more they are no lines.
  ///   - centroids: K × d, those that the points are compared with.
  ///   - updatedCentroids: K × d, after the step; nil if there is no step to show.
  ///   - options: For d > 2, `pair` says which features; the first two if it is nil.
  /// - Throws: ``MixtureError/Code/shapeMismatch`` if centroids do not fit the data or each other, or hold a value that is
  ///   not finite; otherwise as ``svg(of:draws:options:)``.
  public static func svg(
    of observations: any ObservationSource, centroids: Matrix, updatedCentroids: Matrix? = nil,
    options: Options = Options()
  ) throws(MixtureError) -> String {
    let d = observations.featureCount
    for matrix in [centroids] + (updatedCentroids.map { [$0] } ?? []) {
      guard matrix.columnCount == d, matrix.rowCount == centroids.rowCount, matrix.rowCount > 0,
        matrix.elements.allSatisfy(\.isFinite)
      else {
        throw MixtureError(
          .shapeMismatch,
          "centroids are \(matrix.rowCount) × \(matrix.columnCount); "
            + "expected finite numbers, \(max(centroids.rowCount, 1)) × \(d).")
      }
    }
    let pair = try requiredPair(options, featureCount: d)
    let rows = try DrawnRows(observations, limit: options.drawnLimit)
    let names = featureNames(options.features, count: d)
    let places = (0..<centroids.rowCount).map(centroids.row)
    let colours = (0..<rows.count).map { i in Palette.colour(nearest(rows.row(i), places)) }
    return pairPicture(rows, colours, names, pair, options) { panel, svg in
      if d == 2 {
        for edge in voronoiEdges(places.map { ($0[pair.x], $0[pair.y]) }, panel) {
          svg.line(
            panel.x(edge.from.x), panel.y(edge.from.y), panel.x(edge.to.x), panel.y(edge.to.y),
            colour: "#444444", width: 1.3, dash: [6, 5])
        }
      }
      for (k, place) in places.enumerated() {
        let ink = Palette.colour(k).mixed(with: Colour(0, 0, 0), 0.35).hexText
        if let updated = updatedCentroids?.row(k) {
          for (colour, width) in [("#ffffff", 4.0), ("#111111", 1.6)] {
            svg.line(
              panel.x(place[pair.x]), panel.y(place[pair.y]), panel.x(updated[pair.x]),
              panel.y(updated[pair.y]), colour: colour, width: width)
          }
          panel.cross(
            &svg, x: place[pair.x], y: place[pair.y], size: 5, colour: "#666666", width: 2)
          panel.cross(
            &svg, x: updated[pair.x], y: updated[pair.y], size: 8, colour: ink, width: 3.4)
        } else {
          panel.cross(&svg, x: place[pair.x], y: place[pair.y], size: 8, colour: ink, width: 3.4)
        }
      }
    }
  }

  // MARK: Parts

  /// The pair that the options name, checked; nil if they name none and there are more than two features or only one.
  static func checkedPair(
    _ options: Options, featureCount d: Int
  ) throws(MixtureError) -> (x: Int, y: Int)? {
    guard d > 1 else { return nil }
    guard let pair = options.pair else { return d == 2 ? (0, 1) : nil }
    guard pair.x >= 0, pair.x < d, pair.y >= 0, pair.y < d, pair.x != pair.y else {
      throw MixtureError(
        .invalidSetting,
        "the pair of features to draw is (\(pair.x), \(pair.y)); "
          + "it must be two different numbers from 0 to \(d - 1).")
    }
    return pair
  }

  private static func requiredPair(
    _ options: Options, featureCount d: Int
  ) throws(MixtureError) -> (x: Int, y: Int) {
    if let pair = try checkedPair(options, featureCount: d) { return pair }
    guard d > 1 else {
      throw MixtureError(
        .invalidSetting,
        "this picture is drawn in the plane of two features; the observations have \(d).")
    }
    return (0, 1)
  }

  static func blendedColours(
    _ rows: DrawnRows, _ model: GaussianMixture
  ) throws(MixtureError) -> [Colour] {
    var palette = (0..<model.componentCount).map { Palette.colour($0) }
    let responsibilities = try rows.responsibilities(under: model)
    palette.append(Palette.background)
    return (0..<rows.count).map {
      Palette.blend(model.withBackground(responsibilities.row($0)), colours: palette)
    }
  }

  private static func nearest(_ row: ArraySlice<Double>, _ places: [[Double]]) -> Int {
    var best = 0
    var least = Double.infinity
    for (k, place) in places.enumerated() {
      var distance = 0.0
      for (value, coordinate) in zip(row, place) where !value.isNaN {
        distance += (value - coordinate) * (value - coordinate)
      }
      if distance < least { (best, least) = (k, distance) }
    }
    return best
  }

  private static func pairPicture(
    _ rows: DrawnRows, _ colours: [Colour], _ names: [String], _ pair: (x: Int, y: Int),
    _ options: Options, over draw: (SVGPanel, inout SVGText) -> Void
  ) -> String {
    let panel = options.soloPanel(
      horizontal: options.scale(of: pair.x, in: rows),
      vertical: options.scale(of: pair.y, in: rows),
      suitedHeight: (options.boundedWidth * 0.82).rounded())
    var svg = options.begin()(panel.bottom + 52)
    panel.clipped(&svg) { svg in
      panel.rows(&svg, marks(rows, colours, pair))
      draw(panel, &svg)
    }
    panel.axes(&svg, xLabel: names[pair.x], yLabel: names[pair.y])
    return svg.document(title: options.title)
  }

  private static func marks(
    _ rows: DrawnRows, _ colours: [Colour], _ pair: (x: Int, y: Int)
  ) -> [RowMark] {
    (0..<rows.count).map {
      RowMark(
        x: rows.span($0, pair.x), y: rows.span($0, pair.y), colour: colours[$0],
        radius: rows.radius($0))
    }
  }

  /// The ellipses of one of many mixtures.
  private static func drawFaintly(
    _ model: GaussianMixture, among count: Int, _ pair: (x: Int, y: Int), _ panel: SVGPanel,
    _ svg: inout SVGText
  ) {
    let opacity = min(0.6, max(0.04, 6 / Double(max(count, 1))))
    for k in 0..<model.componentCount where model.weights[k] > 0 {
      panel.outline(
        &svg, model.ellipse(k, pair.x, pair.y), colour: Palette.colour(k), width: 1.2,
        isHaloed: false, opacity: opacity)
    }
  }

  private static func drawComponents(
    of model: GaussianMixture, _ pair: (x: Int, y: Int), _ panel: SVGPanel, _ svg: inout SVGText,
    options: Options, isSmall: Bool = false
  ) {
    let drawn = options.drawnReplicates
    for replicate in drawn { drawFaintly(replicate, among: drawn.count, pair, panel, &svg) }
    for k in 0..<model.componentCount where model.weights[k] > 0 {
      let ellipse = model.ellipse(k, pair.x, pair.y)
      if options.showsTwoSigma {
        let double = Ellipse(enlarging: ellipse, 2)
        panel.outline(
          &svg, double, colour: Palette.colour(k), width: 1.2, isHaloed: false, opacity: 0.8)
      }
      panel.outline(
        &svg, ellipse, colour: Palette.colour(k), dash: Palette.dash(k), width: isSmall ? 1.2 : 2.2)
    }
    // All numbers above all ellipses.
    guard !isSmall else { return }
    for k in 0..<model.componentCount where model.weights[k] > 0 {
      panel.centre(
        &svg, x: model.means[k, pair.x], y: model.means[k, pair.y], number: k,
        colour: Palette.colour(k))
    }
  }

  private static func matrixPicture(
    _ rows: DrawnRows, _ model: GaussianMixture, _ colours: [Colour], _ names: [String],
    _ options: Options
  ) -> String {
    let features = model.mostTellingFeatures(count: 6)
    let shown = features.count
    let top = options.title == nil ? 16.0 : 40
    let gap = 8.0
    let height = options.boundedHeight(options.boundedWidth) - top - 56
    let cellWidth = (options.boundedWidth - 84 - gap * Double(shown - 1)) / Double(shown)
    let cellHeight = (height - gap * Double(shown - 1)) / Double(shown)
    let scales = features.map { options.scale(of: $0, in: rows) }
    let left = { (column: Int) in 68 + Double(column) * (cellWidth + gap) }
    let up = { (row: Int) in top + Double(row) * (cellHeight + gap) }
    var svg = options.begin()(options.boundedHeight(options.boundedWidth))
    for row in 0..<shown {
      for column in 0...row {
        let isLast = row == shown - 1
        if row == column {
          let panel = densityPanel(
            rows, model, feature: features[row], scale: scales[row], left: left(column),
            top: up(row),
            width: cellWidth, height: cellHeight)
          panel.axes(
            &svg, xLabel: isLast ? names[features[column]] : nil,
            yLabel: row == 0 ? names[features[0]] : nil,
            tickLabels: (isLast, false), isValued: false)
          drawDensity(rows, model, feature: features[row], panel, &svg, lineWidth: 1)
          continue
        }
        let panel = SVGPanel(
          left: left(column), top: up(row), width: cellWidth, height: cellHeight,
          horizontal: scales[column], vertical: scales[row])
        panel.clipped(&svg) { svg in
          panel.rows(&svg, marks(rows, colours, (features[column], features[row])))
          drawComponents(
            of: model, (features[column], features[row]), panel, &svg, options: options,
            isSmall: true)
        }
        panel.axes(
          &svg, xLabel: isLast ? names[features[column]] : nil,
          yLabel: column == 0 ? names[features[row]] : nil,
          tickLabels: (isLast, column == 0))
      }
    }
    if rows.featureCount > shown {
      svg.text(
        "\(shown) of \(rows.featureCount) features: those that tell the components apart",
        x: options.boundedWidth - 16,
        y: top + 14, size: 12, anchor: "end")
    }
    return svg.document(title: options.title)
  }

  private static func densityPicture(
    _ rows: DrawnRows, _ model: GaussianMixture, _ colours: [Colour], _ names: [String],
    _ options: Options
  ) -> String {
    let scale = options.scale(of: 0, in: rows)
    let frame = options.soloPanel(
      horizontal: scale, vertical: scale, suitedHeight: (options.boundedWidth * 0.6).rounded())
    let panel = densityPanel(
      rows, model, feature: 0, scale: scale, left: frame.left, top: frame.top, width: frame.width,
      height: frame.height)
    var svg = options.begin()(frame.bottom + 52)
    drawDensity(rows, model, feature: 0, panel, &svg, lineWidth: 2.2)
    panel.clipped(&svg) { svg in
      panel.rows(
        &svg,
        (0..<rows.count).compactMap { i in
          guard let span = rows.span(i, 0), !span.isExact else { return nil }
          return RowMark(x: span, y: nil, colour: colours[i], radius: rows.radius(i))
        })
    }
    for k in 0..<model.componentCount where model.weights[k] > 0 {
      let peak =
        (1 - (model.background?.share ?? 0)) * model.weights[k]
        * normalDensity(0, mean: 0, variance: model.covariance(of: k)[0, 0])
      let mean = model.means[k, 0]
      guard mean >= scale.lower, mean <= scale.upper else { continue }
      let height = min(peak, panel.vertical.upper * 0.96)
      panel.centre(&svg, x: mean, y: height, number: k, colour: Palette.colour(k))
    }
    panel.axes(&svg, xLabel: names[0], yLabel: "density")
    return svg.document(title: options.title)
  }

  private static func densityPanel(
    _ rows: DrawnRows, _ model: GaussianMixture, feature: Int, scale: AxisScale, left: Double,
    top: Double, width: Double, height: Double
  ) -> SVGPanel {
    let marginal = MarginalDensity(model, feature: feature)
    let histogram = Histogram(rows, feature: feature, scale: scale)
    // A component much narrower than a bin may rise above the picture: the bars must stay readable.
    let bars = histogram.densities.max() ?? 0
    let curve = marginal.positions(on: scale).map { marginal.density($0) }.max() ?? 0
    let highest = bars > 0 ? min(max(bars, curve), 3 * bars) : curve
    return SVGPanel(
      left: left, top: top, width: width, height: height, horizontal: scale,
      vertical: AxisScale(lower: 0, upper: highest > 0 ? highest * 1.08 : 1))
  }

  private static func drawDensity(
    _ rows: DrawnRows, _ model: GaussianMixture, feature: Int, _ panel: SVGPanel,
    _ svg: inout SVGText, lineWidth: Double
  ) {
    let marginal = MarginalDensity(model, feature: feature)
    let histogram = Histogram(rows, feature: feature, scale: panel.horizontal)
    let places = marginal.positions(on: panel.horizontal)
    panel.clipped(&svg) { svg in
      for (bin, density) in histogram.densities.enumerated() where density > 0 {
        let edges = histogram.edges(bin)
        svg.element(
          "rect",
          [
            "x": SVGText.number(panel.x(edges.lower)), "y": SVGText.number(panel.y(density)),
            "width": SVGText.number(panel.x(edges.upper) - panel.x(edges.lower) - 0.5),
            "height": SVGText.number(panel.bottom - panel.y(density)), "fill": "#d4d4d4",
          ])
      }
      svg.polyline(
        places.map { (panel.x($0), panel.y(marginal.density($0))) }, colour: "#111111",
        width: 2 * lineWidth)
      for k in 0..<model.componentCount where model.weights[k] > 0 {
        svg.polyline(
          places.map { (panel.x($0), panel.y(marginal.density($0, component: k))) },
          colour: Palette.colour(k).hexText, width: lineWidth, dash: Palette.dash(k))
      }
    }
  }
}

extension Ellipse {
  /// An ellipse about the same centre, `scale` times as large.
  init(enlarging ellipse: Ellipse, _ scale: Double) {
    centre = ellipse.centre
    semiaxes = (ellipse.semiaxes.major * scale, ellipse.semiaxes.minor * scale)
    angle = ellipse.angle
  }
}

/// Counts of values in bins of equal width, as densities.
struct Histogram {
  let scale: AxisScale
  let densities: [Double]

  /// The histogram of a feature's values, by case weight, with about twice the cube root of their number of bins. Cells of
  /// which only limits are known have a share in the whole, but no bar.
  init(_ rows: DrawnRows, feature: Int, scale: AxisScale) {
    var values: [(value: Double, weight: Double)] = []
    var total = 0.0
    for i in 0..<rows.count {
      guard let span = rows.span(i, feature) else { continue }
      let weight = rows.relativeWeight(i)
      total += weight
      if span.isExact { values.append((span.lower, weight)) }
    }
    var root = 1.0
    while root * root * root < Double(values.count) { root += 1 }
    let count = min(100, max(8, Int(2 * root)))
    var counts = Array(repeating: 0.0, count: count)
    for (value, weight) in values {
      let place = scale.position(value) * Double(count)
      guard place >= 0, place <= Double(count) else { continue }
      counts[min(Int(place), count - 1)] += weight
    }
    let width = (scale.upper - scale.lower) / Double(count)
    self.scale = scale
    densities = counts.map { total > 0 ? $0 / (total * width) : 0 }
  }

  /// The limits of a bin.
  func edges(_ bin: Int) -> (lower: Double, upper: Double) {
    let width = (scale.upper - scale.lower) / Double(densities.count)
    return (scale.lower + Double(bin) * width, scale.lower + Double(bin + 1) * width)
  }
}

/// The mixture's density of one feature alone.
struct MarginalDensity {
  private let terms: [(weight: Double, mean: Double, variance: Double)]
  /// The density of the background, and where it ends.
  private let background: (density: Double, lower: Double, upper: Double)?

  init(_ model: GaussianMixture, feature: Int) {
    let share = model.background?.share ?? 0
    terms = (0..<model.componentCount).map {
      (
        (1 - share) * model.weights[$0], model.means[$0, feature],
        model.covariance(of: $0)[feature, feature]
      )
    }
    background = model.background.flatMap { background in
      let width = exp(background.logWidths[feature])
      return background.lower.map { (share / width, $0[feature], $0[feature] + width) }
    }
  }

  func density(_ x: Double, component k: Int) -> Double {
    terms[k].weight * normalDensity(x, mean: terms[k].mean, variance: terms[k].variance)
  }

  func density(_ x: Double) -> Double {
    let outside = background.map { x >= $0.lower && x <= $0.upper ? $0.density : 0 } ?? 0
    return terms.indices.reduce(outside) { $0 + density(x, component: $1) }
  }

  /// Where to evaluate a curve: evenly over the axis, and closer about narrow components so that no peak is missed.
  func positions(on scale: AxisScale) -> [Double] {
    var places = (0...240).map { scale.lower + (scale.upper - scale.lower) * Double($0) / 240 }
    for term in terms where term.variance.squareRoot() < (scale.upper - scale.lower) / 60 {
      let deviation = term.variance.squareRoot()
      places += (-12...12).map { term.mean + Double($0) / 3 * deviation }
    }
    return places.filter { $0 >= scale.lower && $0 <= scale.upper }.sorted()
  }
}

/// The parts, within a panel, of the lines that are equally far from two of the places and farther from all others.
func voronoiEdges(
  _ places: [(x: Double, y: Double)], _ panel: SVGPanel
) -> [(from: (x: Double, y: Double), to: (x: Double, y: Double))] {
  let (h, v) = (panel.horizontal, panel.vertical)
  var edges: [(from: (x: Double, y: Double), to: (x: Double, y: Double))] = []
  for i in places.indices {
    for j in places.indices where j > i {
      let (dx, dy) = (places[j].x - places[i].x, places[j].y - places[i].y)
      let length = (dx * dx + dy * dy).squareRoot()
      guard length > 0 else { continue }
      let middle = ((places[i].x + places[j].x) / 2, (places[i].y + places[j].y) / 2)
      let direction = (-dy / length, dx / length)
      var low = -Double.infinity
      var high = Double.infinity
      // Keeps the part of the line where slope · t ≤ bound.
      func keep(_ slope: Double, _ bound: Double) {
        if slope > 0 {
          high = min(high, bound / slope)
        } else if slope < 0 {
          low = max(low, bound / slope)
        } else if bound < 0 {
          high = -.infinity
        }
      }
      keep(direction.0, h.upper - middle.0)
      keep(-direction.0, middle.0 - h.lower)
      keep(direction.1, v.upper - middle.1)
      keep(-direction.1, middle.1 - v.lower)
      for k in places.indices where k != i && k != j {
        // Nearer to i than to k: (p − (i + k) / 2) · (k − i) ≤ 0.
        let (ex, ey) = (places[k].x - places[i].x, places[k].y - places[i].y)
        let offset =
          ((places[i].x + places[k].x) / 2 - middle.0) * ex
          + ((places[i].y + places[k].y) / 2 - middle.1) * ey
        keep(direction.0 * ex + direction.1 * ey, offset)
      }
      guard low < high, low.isFinite, high.isFinite else { continue }
      edges.append(
        (
          (middle.0 + low * direction.0, middle.1 + low * direction.1),
          (middle.0 + high * direction.0, middle.1 + high * direction.1)
        ))
    }
  }
  return edges
}
