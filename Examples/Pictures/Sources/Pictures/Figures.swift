import Foundation
import Mixtures

// One function for each article. Each draws rows from a known mixture, spoils them as its article says, and fits them without
// being told and told.

/// A fit of rows that is not told what they carry, and one that is.
private struct Comparison {
  let truth: GaussianMixture
  let fits: (MixtureFit, MixtureFit)
  /// The models, with their components in the order of the truth's.
  let models: (GaussianMixture, GaussianMixture)

  init(
    _ rows: [[Double]], _ truth: GaussianMixture, _ told: RowAnnotations? = nil,
    background: BackgroundRule = .none
  ) throws {
    self.truth = truth
    fits = try (fit(rows, like: truth), fit(rows, like: truth, told, background: background))
    models = try (fits.0.model.ordered(like: truth), fits.1.model.ordered(like: truth))
  }

  /// Prints the parameters of the truth and of both models, by a name of what only one was told.
  func print(_ name: String) {
    report("truth", truth)
    report("without \(name)", models.0, fits.0)
    report("with \(name)", models.1, fits.1)
  }
}

/// A panel with some marks, the ellipses of a model and those of the truth.
private func panel(
  _ title: String, _ marks: [Figure.Mark], _ model: GaussianMixture, _ truth: GaussianMixture
) -> Figure.Panel {
  Figure.Panel(title: title, marks: marks + [.mixture(model), .mixture(truth, isTruth: true)])
}

/// Rows of the left side are taken more often; case weights put it right.
func weightedRows() throws -> Figure {
  let truth = try mixture(
    [0.5, 0.5], [[-1.5, 0], [1.5, 0.5]],
    [[[0.8, 0.5], [0.5, 0.8]], [[0.8, -0.4], [-0.4, 0.8]]])
  var random = RandomStream(seed: seed, stream: 1)
  var rows: [[Double]] = []
  var weights: [Double] = []
  for (x, _) in truth.rows(10_000) where rows.count < 800 {
    let chance = 0.1 + 0.9 * logistic(-1.5 * x[0])
    if random.uniform() < chance {
      rows.append(x)
      weights.append(1 / chance)
    }
  }
  let mean = weights.reduce(0, +) / Double(weights.count)
  weights = weights.map { $0 / mean }
  let own = try Comparison(
    rows, truth, RowAnnotations(caseWeights: CaseWeights(weights, meaning: .reliability)))
  print("weighted-rows")
  own.print("weights")
  let counted = try countedRows()
  print(
    String(
      format: "  %d different rows with counts: BIC %.6f; written out, %d rows: BIC %.6f; "
        + "as reliabilities: BIC %.6f", counted.distinct, counted.frequencies.bic, counted.total,
      counted.repeated.bic, counted.reliabilities.bic))
  return Figure(
    name: "weighted-rows", x: -4.5...4.5, y: -3...3.5,
    panels: [
      panel("every row counts once", [.rows(rows)], own.models.0, truth),
      panel("with case weights", [.weightedRows(rows, weights)], own.models.1, truth),
    ], note: "a disc’s area: what its row counts for")
}

/// The same rounded rows with counts, and written out.
private func countedRows() throws -> (
  distinct: Int, total: Int, frequencies: MixtureFit, repeated: MixtureFit,
  reliabilities: MixtureFit
) {
  let truth = try mixture(
    [0.5, 0.5], [[0, 0], [4, 2]], [[[1, 0.3], [0.3, 1]], [[1, 0], [0, 1]]])
  var counts: [[Double]: Double] = [:]
  let rows = truth.rows(1000).map { $0.x.map { ($0 * 2).rounded() / 2 + 0 } }
  for row in rows { counts[row, default: 0] += 1 }
  let distinct = counts.keys.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }
  let settings = ExpectationMaximization(
    componentCount: 2, initialization: .model(truth), stoppingRule: StoppingRule(tolerance: 1e-12))
  func fit(_ meaning: CaseWeights.Meaning) throws -> MixtureFit {
    try settings.fit(
      Observations(
        Matrix(rows: distinct),
        annotations: RowAnnotations(
          caseWeights: CaseWeights(distinct.map { counts[$0]! }, meaning: meaning))))
  }
  return try (
    distinct.count, rows.count, fit(.frequency), settings.fit(Observations(rows: rows)),
    fit(.reliability)
  )
}

/// The second feature is missing the more often the larger the first is.
func missingValues() throws -> Figure {
  let truth = try mixture(
    [0.4, 0.6], [[-1.8, 1.2], [1, 0]], [[[0.5, 0], [0, 0.5]], [[1.2, 1.05], [1.05, 1.3]]])
  var random = RandomStream(seed: seed, stream: 2)
  let rows = truth.rows(1000).map { x, _ in
    random.uniform() < 0.9 * logistic(2.5 * x[0] - 1.5) ? [x[0], .nan] : x
  }
  let complete = rows.filter { !$0[1].isNaN }
  let mean = complete.reduce(0) { $0 + $1[1] } / Double(complete.count)
  let filled = rows.map { $0[1].isNaN ? [$0[0], mean] : $0 }
  let told = RowAnnotations(allowsMissing: true)
  let fits = try (
    fit(complete, like: truth), fit(filled, like: truth), fit(rows, like: truth, told)
  )
  let models = try (
    fits.0.model.ordered(like: truth), fits.1.model.ordered(like: truth),
    fits.2.model.ordered(like: truth)
  )
  let observations = try Observations(Matrix(rows: rows), annotations: told)
  let drawn = try fits.2.model.drawnValues(of: observations, seed: 1)
  let expected = try fits.2.model.expectedValues(of: observations)
  let gaps = rows.indices.filter { rows[$0][1].isNaN }
  print("missing-values: \(gaps.count) of \(rows.count) rows lack feature 1")
  report("truth", truth)
  report("rows dropped", models.0, fits.0)
  report("filled by the mean", models.1, fits.1)
  report("missing", models.2, fits.2)
  func variance(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
  }
  print(
    String(
      format:
        "  variance of feature 1: of the truth %.3f, of the complete rows %.3f, filled by the mean %.3f, "
        + "by expected values %.3f, by a draw %.3f", truth.covariance[1, 1],
      variance(complete.map { $0[1] }), variance(filled.map { $0[1] }),
      variance(rows.indices.map { expected[$0, 1] }), variance(rows.indices.map { drawn[$0, 1] })))
  // Rubin's rules for the mean of feature 1 of all rows.
  let draws = try (0..<20).map { draw in
    let table = try fits.2.model.drawnValues(of: observations, seed: UInt64(draw))
    return rows.indices.map { table[$0, 1] }
  }
  let means = draws.map { $0.reduce(0, +) / Double($0.count) }
  let within = draws.map { variance($0) / Double($0.count - 1) }.reduce(0, +) / 20
  let between = variance(means) * 20 / 19
  print(
    String(
      format:
        "  mean of feature 1: %.3f ± %.3f by 20 draws (within %.5f, between %.5f); truth %.3f, complete rows %.3f",
      means.reduce(0, +) / 20, (within + 1.05 * between).squareRoot(), within, between,
      truth.mean[1], mean))
  return Figure(
    name: "missing-values", x: -3.9...4.4, y: -3.5...4,
    panels: [
      panel("incomplete rows dropped", [.rows(complete)], models.0, truth),
      panel(
        "gaps filled by the mean", [.rows(complete), .filled(gaps.map { filled[$0] })], models.1,
        truth),
      panel(
        "gaps declared as missing",
        [
          .rows(complete), .filled(gaps.map { drawn.row($0) }), .strokes(gaps.map { rows[$0][0] }),
        ], models.2, truth),
    ], note: "purple: rows that lack feature 1, as they were filled; on the right drawn by the fit")
}

/// Every cell has noise of its own, of a known standard deviation.
func noisyMeasurements() throws -> Figure {
  let truth = try mixture(
    [0.5, 0.5], [[-0.8, 0], [0.8, 0]],
    [[[0.5, 0.44], [0.44, 0.5]], [[0.5, -0.44], [-0.44, 0.5]]])
  var random = RandomStream(seed: seed, stream: 3)
  var rows: [[Double]] = []
  var deviations: [[Double]] = []
  let drawn = truth.rows(1000)
  for (x, _) in drawn {
    let sigma = (0..<2).map { _ in 0.1 + 0.9 * random.uniform() * random.uniform() * 2 }
    rows.append([x[0] + sigma[0] * random.normal(), x[1] + sigma[1] * random.normal()])
    deviations.append(sigma)
  }
  let told = RowAnnotations(noise: .standardDeviations(try Matrix(rows: deviations)))
  let own = try Comparison(rows, truth, told)
  let moments = try own.fits.1.model.posteriorMoments(
    of: Observations(Matrix(rows: rows), annotations: told))
  func error(_ values: (Int) -> [Double]) -> Double {
    let sum = drawn.indices.reduce(0.0) { sum, i in
      let (a, b) = (values(i), drawn[i].x)
      return sum + (a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1])
    }
    return (sum / Double(2 * drawn.count)).squareRoot()
  }
  let mean = deviations.flatMap { $0 }.reduce(0) { $0 + $1 * $1 } / Double(2 * rows.count)
  print(String(format: "noisy-measurements: mean noise variance %.3f", mean))
  own.print("noise")
  print(
    String(
      format: "  root mean squared error of a cell: measured %.3f, denoised %.3f",
      error { rows[$0] }, error { moments.means.row($0) }))
  return Figure(
    name: "noisy-measurements", x: -3.9...3.9, y: -3.2...3.2,
    panels: [
      panel("noise not given", [.rows(rows)], own.models.0, truth),
      panel("noise given", [.rows(rows)], own.models.1, truth),
      panel(
        "rows denoised", [.rows(rows.indices.map(moments.means.row))], own.models.1, truth),
    ])
}

/// Two classes that overlap, with some labelled rows, and one that nobody knew of.
func knownLabels() throws -> Figure {
  let truth = try mixture(
    [0.4, 0.4, 0.2], [[-0.6, 0], [0.6, 0], [0, 3]],
    [[[1, 0], [0, 1]], [[1, 0], [0, 1]], [[0.5, 0], [0, 0.3]]])
  let own = try LabelledFit(truth, seed: seed)
  print("known-labels")
  report("truth", truth)
  report("without labels", own.models.0, own.fits.0)
  report("with labels", own.models.1, own.fits.1)
  print(
    String(
      format: "  wrong among rows without label: truth %.3f, without %.3f, with %.3f", own.wrong[0],
      own.wrong[1], own.wrong[2]))
  let others = try (1...20).map { try LabelledFit(truth, seed: UInt64($0)).wrong }
  let means = (0..<3).map { index in others.reduce(0) { $0 + $1[index] } / 20 }
  print(
    String(
      format: "  on average over 20 tables: truth %.3f, without %.3f, with %.3f", means[0],
      means[1], means[2]))
  return Figure(
    name: "known-labels", x: -3.9...3.9, y: -3.5...5,
    panels: [
      panel("labels not given", [.rows(own.rows)], own.models.0, truth),
      panel(
        "100 labels given",
        [
          .rows(own.rows), .squares(own.labelled(0), ink: Ink.components[0]),
          .squares(own.labelled(1), ink: Ink.components[1]),
        ], own.models.1, truth),
    ], note: "squares: rows of known class; of the third class none is known")
}

/// A table of 1,000 rows, 50 of each of the first two classes labelled, fitted without and with its labels.
private struct LabelledFit {
  let rows: [[Double]]
  let known: [Int?]
  let fits: (MixtureFit, MixtureFit)
  let models: (GaussianMixture, GaussianMixture)
  /// The share of rows without label that are assigned wrongly: by the truth, without and with labels.
  let wrong: [Double]

  init(_ truth: GaussianMixture, seed: UInt64) throws {
    let drawn = truth.rows(1000, seed: seed)
    var left = [50, 50]
    let known: [Int?] = drawn.map { _, label in
      guard label < 2, left[label] > 0 else { return nil }
      left[label] -= 1
      return label
    }
    let rows = drawn.map(\.x)
    let observations = try Observations(rows: rows)
    fits = try (
      fit(rows, like: truth),
      fit(rows, like: truth, RowAnnotations(knownComponents: KnownComponents(known)))
    )
    models = try (fits.0.model.ordered(like: truth), fits.1.model)
    wrong = try [truth, models.0, models.1].map { model in
      let labels = try model.labels(for: observations)
      let count = rows.indices.count { known[$0] == nil && labels[$0] != drawn[$0].label }
      return Double(count) / Double(known.count { $0 == nil })
    }
    (self.rows, self.known) = (rows, known)
  }

  func labelled(_ label: Int) -> [[Double]] {
    rows.indices.filter { known[$0] == label }.map { rows[$0] }
  }
}

/// Rows that belong to no component.
func background() throws -> Figure {
  let truth = try mixture(
    [0.5, 0.5], [[-1.5, 0], [1.5, 0.5]],
    [[[0.6, 0.4], [0.4, 0.6]], [[0.5, -0.2], [-0.2, 0.4]]])
  var random = RandomStream(seed: seed, stream: 5)
  let rows = truth.rows(450).enumerated().map { i, row in
    i < 45 ? [-7 + 14 * random.uniform(), -6 + 12 * random.uniform()] : row.x
  }
  let own = try Comparison(rows, truth, background: .boundingBox)
  print("background: 45 of 450 rows, 10 %")
  own.print("background")
  return Figure(
    name: "background", x: -8.4...8.4, y: -6.8...6.8,
    panels: [
      panel("no background", [.rows(rows)], own.models.0, truth),
      panel("with a background", [.rows(rows)], own.models.1, truth),
    ])
}

/// Two kinds of galaxies, of which those brighter than a limit are seen.
private func galaxies() throws -> GaussianMixture {
  try mixture(
    [0.65, 0.35], [[21.3, 0.55], [20.6, 1.25]],
    [[[0.8, -0.06], [-0.06, 0.03]], [[0.6, 0.03], [0.03, 0.02]]])
}

func magnitudeLimit() throws -> Figure {
  let truth = try galaxies()
  let all = truth.rows(1500).map(\.x)
  let rows = all.filter { $0[0] < 21.5 }
  let window = ObservationWindow(
    lower: [-.infinity, -.infinity], upper: [21.5, .infinity])
  let own = try Comparison(rows, truth, RowAnnotations(window: window))
  print("magnitude-limit: \(rows.count) of \(all.count) rows are seen")
  own.print("window")
  let marks: [Figure.Mark] = [.shade(x: 21.5...23.9), .rows(rows)]
  return Figure(
    name: "magnitude-limit", x: 18.3...23.9, y: 0...1.8, labels: ("magnitude", "colour"),
    panels: [
      panel("the limit not given", marks, own.models.0, truth),
      panel("as a window", marks, own.models.1, truth),
    ],
    note: "grey: fainter than 21.5, where nothing was seen")
}

/// The same, where the limit is no edge: fainter ones are found more seldom.
func selectionFunction() throws -> Figure {
  let truth = try galaxies()
  let completeness: @Sendable ([Double]) -> Double = { logistic(4 * (21.2 - $0[0])) }
  var random = RandomStream(seed: seed, stream: 7)
  let all = truth.rows(1500).map(\.x)
  let rows = all.filter { random.uniform() < completeness($0) }
  let own = try Comparison(
    rows, truth, RowAnnotations(selection: SelectionFunction(probability: completeness)))
  print("selection-function: \(rows.count) of \(all.count) rows are seen")
  own.print("selection")
  return Figure(
    name: "selection-function", x: 18.3...23.9, y: 0...1.8, labels: ("magnitude", "colour"),
    panels: [
      panel("selection not given", [.rows(rows)], own.models.0, truth),
      panel("with its function", [.rows(rows)], own.models.1, truth),
    ])
}

/// Values below a detection limit are known to be below it, and no more.
func detectionLimit() throws -> Figure {
  let truth = try mixture(
    [0.5, 0.5], [[-1.2, -1.2], [1.4, 0.8]],
    [[[0.6, 0.2], [0.2, 0.8]], [[0.7, 0.5], [0.5, 0.8]]])
  let limit = -0.8
  let all = truth.rows(800).map(\.x)
  let seen = all.filter { $0[1] >= limit }
  let replaced = all.map { [$0[0], max($0[1], limit)] }
  let rows = all.map { $0[1] < limit ? [$0[0], .nan] : $0 }
  let upper = try Matrix(rows: rows.map { [.infinity, $0[1].isNaN ? limit : .infinity] })
  let lower = Matrix(repeating: -.infinity, rowCount: rows.count, columnCount: 2)
  let told = RowAnnotations(limits: CensoringLimits(lower: lower, upper: upper))
  let fits = try (
    fit(seen, like: truth), fit(replaced, like: truth), fit(rows, like: truth, told)
  )
  let models = try (
    fits.0.model.ordered(like: truth), fits.1.model.ordered(like: truth),
    fits.2.model.ordered(like: truth)
  )
  print("detection-limit: \(all.count - seen.count) of \(all.count) rows are below the limit")
  report("truth", truth)
  report("dropped", models.0, fits.0)
  report("replaced by the limit", models.1, fits.1)
  report("with limits", models.2, fits.2)
  let hidden = all.filter { $0[1] < limit }.map { $0[0] }
  return Figure(
    name: "detection-limit", x: -3.8...4, y: -3.8...3.2,
    panels: [
      panel("rows below it dropped", [.level(limit), .rows(seen)], models.0, truth),
      panel(
        "replaced by the limit",
        [.level(limit), .rows(seen), .filled(hidden.map { [$0, limit] })], models.1, truth),
      panel(
        "limits given", [.level(limit), .rows(seen), .strokes(hidden, below: limit)], models.2,
        truth),
    ], note: "dotted: the limit of detection; strokes: rows of which feature 1 is below it")
}
