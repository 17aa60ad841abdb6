// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureLesson
import Testing

@testable import Mixtures

/// Stepwise EM in plain loops: raw moments about zero, responsibilities by the textbook, blended once for each batch.
private struct PlainOnline {
  var model: GaussianMixture
  let structure: CovarianceStructure
  let equalWeights: Bool
  let minimumVariances: [Double]
  /// For each component its share, then sums of x and of x xᵀ, lower triangle.
  var shares: [Double]
  var sums: [[Double]]
  var products: [[Double]]

  init(
    _ model: GaussianMixture, _ structure: CovarianceStructure, equalWeights: Bool,
    minimumVariances: [Double]
  ) {
    self.model = model
    self.structure = structure
    self.equalWeights = equalWeights
    self.minimumVariances = minimumVariances
    let d = model.featureCount
    shares = model.weights
    sums = (0..<shares.count).map { k in (0..<d).map { model.weights[k] * model.means[k, $0] } }
    products = (0..<shares.count).map { k in
      let covariance = model.covariances[k]
      return (0..<d).flatMap { i in
        (0...i).map { j in
          model.weights[k] * (covariance[i, j] + model.means[k, i] * model.means[k, j])
        }
      }
    }
  }

  mutating func absorb(_ rows: [[Double]], step: Double) throws {
    let (K, d) = (model.componentCount, model.featureCount)
    let z = try TextbookMixture(model).expectation(rows).responsibilities
    for k in 0..<K {
      var share = 0.0
      var sum = Array(repeating: 0.0, count: d)
      var product = Array(repeating: 0.0, count: d * (d + 1) / 2)
      for (row, r) in zip(rows, z) {
        share += r[k]
        for i in 0..<d {
          sum[i] += r[k] * row[i]
          for j in 0...i { product[i * (i + 1) / 2 + j] += r[k] * row[i] * row[j] }
        }
      }
      func blend(_ old: Double, _ new: Double) -> Double {
        old + step * (new / Double(rows.count) - old)
      }
      shares[k] = blend(shares[k], share)
      sums[k] = zip(sums[k], sum).map(blend)
      products[k] = zip(products[k], product).map(blend)
    }
    var statistics = SufficientStatistics(
      origins: Matrix(repeating: 0, rowCount: K, columnCount: d), form: .full)
    statistics.values = [1, 0, 0] + shares + sums.flatMap { $0 } + products.flatMap { $0 }
    model = try GaussianMixture(
      maximizing: statistics, structure: structure, equalWeights: equalWeights,
      minimumVariances: minimumVariances, previous: model)
  }
}

@Suite("Learning online") struct OnlineTests {
  /// A model off the truth of a problem, so that there is a way to go.
  static func start(_ problem: RandomProblem, seed: UInt64 = 5) throws -> GaussianMixture {
    var random = RandomStream(seed: seed, stream: 3)
    let model = problem.model
    return try GaussianMixture(
      weights: Array(repeating: 1 / Double(model.componentCount), count: model.componentCount),
      means: Matrix(
        rowCount: model.componentCount, columnCount: model.featureCount,
        elements: model.means.elements.map { $0 + 0.3 * random.normal() }),
      covariances: model.covariances)
  }

  static func settings(
    from model: GaussianMixture, _ structure: CovarianceStructure? = nil, floor: Double = 1e-6
  ) -> ExpectationMaximization {
    ExpectationMaximization(
      componentCount: model.componentCount, covariance: structure ?? model.structure,
      initialization: .model(model), covarianceFloor: floor)
  }

  static func rows(_ range: Range<Int>, of problem: RandomProblem) -> RowSlice<Observations> {
    RowSlice(problem.observations, rows: range)
  }

  /// The largest difference of parameters, of each kind relative to its largest.
  static func difference(_ a: GaussianMixture, _ b: GaussianMixture) -> Double {
    func of(_ a: [Double], _ b: [Double]) -> Double {
      let scale = b.map { abs($0) }.max() ?? 1
      return zip(a, b).map { abs($0 - $1) }.max().map { $0 / scale } ?? 0
    }
    return max(
      of(a.weights, b.weights), of(a.means.elements, b.means.elements),
      of(
        a.covariances.matrices.flatMap(\.elements), b.covariances.matrices.flatMap(\.elements)))
  }

  // MARK: The steps

  @Test("steps are those of their formula, and those that cannot lead anywhere are errors")
  func steps() throws {
    #expect(StepSize.constant(0.25).value(batch: 9) == 0.25)
    #expect(StepSize.decaying(exponent: 1, offset: 0).value(batch: 1) == 1)
    #expect(StepSize.decaying(exponent: 1, offset: 2).value(batch: 5) == 1.0 / 7)
    // 16^(-3/4) is 1/8.
    let step = StepSize.decaying(exponent: 0.75, offset: 10).value(batch: 6)
    #expect(abs(step - 0.125) < 1e-15)
    for bad in [
      StepSize.constant(0), .constant(1.5), .constant(.nan), .constant(-1),
      .decaying(exponent: 0.5, offset: 1), .decaying(exponent: 1.1, offset: 1),
      .decaying(exponent: .nan, offset: 1), .decaying(exponent: 0.7, offset: -1),
      .decaying(exponent: 0.7, offset: .infinity),
    ] {
      #expect {
        try OnlineMixture(ExpectationMaximization(componentCount: 2), stepSize: bad)
      } throws: {
        ($0 as? MixtureError)?.code == .invalidSetting
      }
    }
  }

  @Test(
    "stepwise EM is that of plain loops about zero", arguments: CovarianceStructure.allCases,
    [false, true])
  func plainLoops(structure: CovarianceStructure, equalWeights: Bool) throws {
    let problem = try RandomProblem(n: 600, d: 3, K: 3, structure: structure, separation: 1.5)
    let start = try Self.start(problem)
    var settings = Self.settings(from: start)
    settings.equalWeights = equalWeights
    let stepSize = StepSize.decaying(exponent: 0.7, offset: 3)
    var online = try OnlineMixture(settings, stepSize: stepSize)
    let whole = start.covariance
    var plain = PlainOnline(
      start, structure, equalWeights: equalWeights,
      minimumVariances: (0..<3).map { 1e-6 * whole[$0, $0] })
    // Batches of unequal length.
    var from = 0
    for (index, length) in [50, 20, 100, 7, 150, 33, 90, 150].enumerated() {
      let rows = (from..<from + length).map { problem.observations.matrix.row($0) }
      let step = stepSize.value(batch: index + 1)
      let before = try TextbookMixture(plain.model).logLikelihood(of: rows)
      let report = try online.absorb(Observations(rows: rows))
      try plain.absorb(rows, step: step)
      from += length
      #expect(report.batch == index + 1 && report.stepSize == step && report.rescued.isEmpty)
      #expect(report.caseWeight == Double(length))
      #expect(relativeDifference(report.logLikelihood!, before) < 1e-9)
      // Variances about 1 as differences of sums about 10: a few units of 2^-52, and what eight steps make of them. The
      // axes of EVE and VVE are found to 10^-8 or so.
      let tolerance = structure == .eve || structure == .vve ? 1e-6 : 1e-11
      #expect(Self.difference(online.model!, plain.model) < tolerance)
    }
    #expect(online.caseWeight == 600 && online.batchCount == 8)
    #expect(online.model!.structure == structure)
    #expect(abs(online.statistics!.caseWeight - 1) < 1e-14)
  }

  @Test("with steps 1/t, batches under one model blend to the statistics of all rows")
  func blendOfOneModel() throws {
    for structure in [CovarianceStructure.vvv, .vvi, .vii] {
      let problem = try RandomProblem(n: 1200, d: 3, K: 3, structure: structure)
      let whole = try problem.observations.expectation(under: problem.model, threadCount: 1)
        .scaled(by: 1.0 / 1200)
      var blend = SufficientStatistics(origins: problem.model.means, form: structure.form)
      // What was before is forgotten by the first step.
      for index in blend.values.indices { blend.values[index] = 1e3 }
      for t in 1...12 {
        let batch = try Self.rows((t - 1) * 100..<t * 100, of: problem)
          .expectation(under: problem.model, threadCount: 1).scaled(by: 1.0 / 100)
        blend = blend.blended(
          with: batch, share: StepSize.decaying(exponent: 1, offset: 0).value(batch: t))
      }
      let scale = whole.values.map { abs($0) }.max()!
      for (a, b) in zip(blend.values, whole.values) { #expect(abs(a - b) < 1e-14 * scale) }
    }
  }

  @Test(
    "with one component and steps 1/t the end is the closed form of all rows",
    arguments: CovarianceStructure.allCases)
  func oneComponent(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 300, d: 3, K: 2)
    let fit = try ExpectationMaximization(componentCount: 1, covariance: structure)
      .fit(problem.observations)
    let far = try RandomProblem.mixture(d: 3, K: 1, structure: structure, seed: 9)
    var online = try OnlineMixture(
      Self.settings(from: far), stepSize: .decaying(exponent: 1, offset: 0))
    let reports = try online.absorb(problem.observations, rowsPerBatch: 10)
    #expect(reports.count == 30)
    #expect(Self.difference(online.model!, fit.model) < 1e-13)
    // An average of such a mean is no closer, but the same law holds from the last batch on.
    var last = try OnlineMixture(
      Self.settings(from: far), stepSize: .decaying(exponent: 1, offset: 0), averagingStart: 30)
    try last.absorb(problem.observations, rowsPerBatch: 10)
    #expect(Self.difference(last.averagedModel!, fit.model) < 1e-13)
  }

  @Test(
    "one batch with the step 1 is one iteration of a fit", arguments: CovarianceStructure.allCases)
  func oneIteration(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 512, d: 2, K: 3, structure: structure, separation: 2)
    var settings = Self.settings(from: try Self.start(problem))
    settings.stoppingRule = StoppingRule(tolerance: 0, iterationLimit: 1)
    settings.acceleration = .none
    let fit = try settings.fit(problem.observations)
    var online = try OnlineMixture(settings, stepSize: .constant(1))
    let report = try online.absorb(problem.observations)
    // To the bit, since dividing by 512 is exact; but the volume of EVI, EVE and EVV is a sum of logarithms about 5,
    // rounded to 2^-51.
    if structure.volume == .equal, structure.shape == .variable {
      #expect(Self.difference(online.model!, fit.model) < 1e-14)
    } else {
      #expect(online.model == fit.model)
    }
    #expect(report.logLikelihood == fit.trace[0].logLikelihood)
  }

  @Test("the averaged model is the M-step of the mean of the blended statistics")
  func averaging() throws {
    let problem = try RandomProblem(n: 600, d: 2, K: 3, separation: 2)
    let start = try Self.start(problem)
    var online = try OnlineMixture(Self.settings(from: start), averagingStart: 4)
    var blends: [SufficientStatistics] = []
    for t in 0..<12 {
      #expect((online.averagedModel == nil) == (t < 4))
      try online.absorb(Self.rows(t * 50..<t * 50 + 50, of: problem))
      blends.append(online.statistics!)
    }
    var sum = blends[3]
    for blend in blends[4...] { sum += blend }
    let expected = try GaussianMixture(maximizing: sum, structure: .full)
    // Sums of nine, about origins a part of a standard deviation apart.
    #expect(Self.difference(online.averagedModel!, expected) < 1e-13)
    #expect(Self.difference(online.averagedModel!, online.model!) > 1e-4)
  }

  // MARK: Where it leads

  @Test("on a source that stays the same it comes as near to the truth as theory says")
  func convergence() throws {
    let problem = try RandomProblem(n: 40_000, d: 2, K: 3, separation: 3)
    let (n, p) = (30_000.0, 17.0)
    let settings = ExpectationMaximization(componentCount: 3)
    let heldOut = Self.rows(30_000..<40_000, of: problem)
    let rows = Self.rows(0..<30_000, of: problem)
    let batch = try settings.fit(rows).model.logLikelihood(of: heldOut) / 10_000
    var online = try OnlineMixture(
      settings, stepSize: .decaying(exponent: 0.6, offset: 2), averagingStart: 30)
    try online.absorb(rows, rowsPerBatch: 200)
    let last = try online.model!.logLikelihood(of: heldOut) / 10_000
    let averaged = try online.averagedModel!.logLikelihood(of: heldOut) / 10_000
    // Estimates from n rows lose p/2n nats of expected log density, give or take as much. An average over the last 120 of
    // 150 batches is one of 24,000 rows. The difference of two estimates has at most the sum of both losses, up to a
    // factor 3 for chance, and on the rows held out the noise of sqrt(loss / 10,000).
    let loss = 3 * (p / (2 * n) + p / (2 * 24_000))
    #expect(averaged > batch - loss - (2 * loss / 10_000).squareRoot())
    // The last model remembers some 2/γ batches only.
    let remembered = 200 * 2 / StepSize.decaying(exponent: 0.6, offset: 2).value(batch: 150)
    let lastLoss = 3 * (p / (2 * n) + p / (2 * remembered))
    #expect(last > batch - lastLoss - (2 * lastLoss / 10_000).squareRoot())
  }

  @Test("a constant step follows groups that move, and a decaying one falls behind")
  func drift() throws {
    var constant: OnlineMixture?
    var decaying: OnlineMixture?
    let covariance = try Matrix(rows: [[1, 0.3], [0.3, 1]])
    func truth(_ t: Int) throws -> GaussianMixture {
      let shift = 0.05 * Double(t)
      return try GaussianMixture(
        weights: [0.5, 0.5], means: Matrix(rows: [[shift, 0], [6 - shift, 6 + shift]]),
        covariances: Covariances(structure: .full, matrices: [covariance, covariance]))
    }
    for t in 0..<200 {
      let model = try truth(t)
      if t == 0 {
        constant = try OnlineMixture(Self.settings(from: model), stepSize: .constant(0.2))
        decaying = try OnlineMixture(
          Self.settings(from: model), stepSize: .decaying(exponent: 1, offset: 1))
      }
      let rows = try Observations(model.sample(200, seed: UInt64(t)).observations)
      try constant!.absorb(rows)
      try decaying!.absorb(rows)
    }
    let end = try truth(199)
    for k in 0..<2 {
      for j in 0..<2 where !(k == 0 && j == 1) {
        // Exponential forgetting lags (1 - γ)/γ batches, 4 of 0.05 each; the noise of a mean is that of
        // sqrt(γ/(2 - γ)/100), 0.033.
        #expect(abs(constant!.model!.means[k, j] - end.means[k, j]) < 4 * 0.05 + 4 * 0.033)
        // The mean of all batches lags half of the way, 5.
        #expect(abs(decaying!.model!.means[k, j] - end.means[k, j]) > 2)
      }
    }
  }

  // MARK: Bits and digits

  @Test("1, 2, 3 and 16 threads give the same bits", arguments: CovarianceStructure.allCases)
  func threads(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 6000, d: 3, K: 4, structure: structure)
    var results: [OnlineMixture] = []
    for threads in [1, 2, 3, 16] {
      var online = try OnlineMixture(
        ExpectationMaximization(componentCount: 4, covariance: structure, threadCount: threads),
        averagingStart: 2)
      try online.absorb(problem.observations, rowsPerBatch: 2000)
      online.threadCount = nil
      results.append(online)
    }
    #expect(results[0].batchCount == 3)
    for other in results.dropFirst() { #expect(other == results[0]) }
  }

  @Test(
    "a state that is written and read goes on to the same bits",
    arguments: CovarianceStructure.allCases)
  func coding(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 700, d: 2, K: 3, structure: structure, separation: 2)
    var whole = try OnlineMixture(
      ExpectationMaximization(componentCount: 3, covariance: structure),
      averagingStart: 4, warmUpRowCount: 150)
    var read = whole
    for t in 0..<10 {
      let batch = Self.rows(t * 70..<t * 70 + 70, of: problem)
      let one = try whole.absorb(batch)
      let other = try read.absorb(batch)
      #expect(one == other)
      read = try CheckpointTests.throughJSON(read)
      #expect(read == whole)
    }
    #expect(whole.batchCount == 10 && read.averagedModel == whole.averagedModel)
  }

  @Test("adding 1e8 to every feature changes nothing beyond rounding")
  func shifting() throws {
    let problem = try RandomProblem(n: 2000, d: 3, K: 3, separation: 2)
    // On a grid of 1/1024, to which 1e8 can be added exactly.
    let grid = (0..<2000).map {
      problem.observations.matrix.row($0).map { ($0 * 1024).rounded() / 1024 }
    }
    for structure in CovarianceStructure.allCases {
      let settings = ExpectationMaximization(componentCount: 3, covariance: structure)
      var online = try ShiftedPair(settings)
      try online.absorb(grid, rowsPerBatch: 100, offset: 1e8)
      for (plain, moved) in [
        (online.plain.model!, online.moved.model!),
        (online.plain.averagedModel!, online.moved.averagedModel!),
      ] {
        for (a, b) in zip(moved.weights, plain.weights) { #expect(abs(a - b) < 1e-6) }
        // Means near 1e8 are rounded to 1.5e-8, in every one of 20 steps.
        for (a, b) in zip(moved.means.elements, plain.means.elements) {
          #expect(abs(a - 1e8 - b) < 1e-6)
        }
        #expect(
          zip(
            moved.covariances.matrices.flatMap(\.elements),
            plain.covariances.matrices.flatMap(\.elements)
          )
          .allSatisfy { abs($0 - $1) < 2e-6 }, "\(structure)")
      }
    }
  }

  /// The same settings on the same rows, with and without an offset.
  private struct ShiftedPair {
    var plain: OnlineMixture
    var moved: OnlineMixture

    init(_ settings: ExpectationMaximization) throws {
      plain = try OnlineMixture(settings, averagingStart: 5)
      moved = plain
    }

    mutating func absorb(_ rows: [[Double]], rowsPerBatch: Int, offset: Double) throws {
      try plain.absorb(Observations(rows: rows), rowsPerBatch: rowsPerBatch)
      try moved.absorb(
        Observations(rows: rows.map { $0.map { $0 + offset } }), rowsPerBatch: rowsPerBatch)
    }
  }

  // MARK: Batches

  @Test(
    "batches of one row are absorbed, whatever the structure",
    arguments: CovarianceStructure.allCases)
  func oneRow(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 400, d: 2, K: 2, structure: structure)
    for floor in [1e-6, 0] {
      for stepSize in [
        StepSize.decaying(exponent: 1, offset: 0), .decaying(exponent: 0.6, offset: 20),
      ] {
        var online = try OnlineMixture(
          Self.settings(from: Self.start(problem), floor: floor), stepSize: stepSize)
        let reports = try online.absorb(problem.observations, rowsPerBatch: 1)
        #expect(reports.count == 400 && online.caseWeight == 400)
        let model = online.model!
        #expect(model.componentCount == 2 && model.structure == structure)
        #expect(abs(model.weights.reduce(0, +) - 1) < 1e-12)
        #expect(try model.logLikelihood(of: problem.observations).isFinite)
        // The first row alone has no covariance.
        if stepSize == .decaying(exponent: 1, offset: 0), floor == 0 {
          #expect(reports[0].rescued.contains { $0.action == .kept && $0.iteration == 1 })
        }
        #expect(online.rescued.count <= 4)
      }
    }
  }

  @Test("rows are held until there are enough for a start, and the start is their fit")
  func warmUp() throws {
    let problem = try RandomProblem(n: 500, d: 2, K: 3)
    let settings = ExpectationMaximization(componentCount: 3)
    var online = try OnlineMixture(settings)
    #expect(online.model == nil && online.featureCount == nil && online.heldRowCount == 0)
    // 16 K (d + 1) = 144.
    for t in 0..<2 {
      let report = try online.absorb(Self.rows(t * 60..<t * 60 + 60, of: problem))
      #expect(report.logLikelihood == nil && report.stepSize == nil && report.caseWeight == 60)
      #expect(online.model == nil && online.heldRowCount == 60 * t + 60)
      #expect(online.featureCount == 2 && online.caseWeight == 60 * Double(t) + 60)
    }
    let report = try online.absorb(Self.rows(120..<180, of: problem))
    #expect(report.batch == 3 && report.caseWeight == 60 && report.logLikelihood == nil)
    #expect(online.heldRowCount == 0 && online.caseWeight == 180)
    #expect(online.model == (try settings.fit(Self.rows(0..<180, of: problem)).model))
    // The next is batch 4, with its step.
    let next = try online.absorb(Self.rows(180..<240, of: problem))
    #expect(next.stepSize == online.stepSize.value(batch: 4) && next.logLikelihood != nil)

    // One batch that is enough gives the same.
    var once = try OnlineMixture(settings)
    try once.absorb(Self.rows(0..<180, of: problem))
    var parts = try OnlineMixture(settings, warmUpRowCount: 180)
    try parts.absorb(Self.rows(0..<180, of: problem), rowsPerBatch: 7)
    #expect(once.model == parts.model && once.statistics == parts.statistics)
  }

  @Test("a table is cut into batches that differ by one row at most")
  func cutting() throws {
    let problem = try RandomProblem(n: 1003, d: 2, K: 2)
    var online = try OnlineMixture(Self.settings(from: problem.model))
    let lengths = try online.absorb(problem.observations, rowsPerBatch: 100).map(\.caseWeight)
    #expect(lengths.count == 11 && lengths.reduce(0, +) == 1003)
    #expect(lengths.max()! - lengths.min()! == 1)
    var byHand = try OnlineMixture(Self.settings(from: problem.model))
    var from = 0
    for length in lengths {
      try byHand.absorb(Self.rows(from..<from + Int(length), of: problem))
      from += Int(length)
    }
    #expect(byHand == online)
  }

  @Test("after an error everything is as it was")
  func errorsChangeNothing() throws {
    let problem = try RandomProblem(n: 400, d: 2, K: 2)
    let nan = StridedTable(
      try Matrix(rows: [[0, 1], [2, .nan]]), isFloat: false, byColumns: false)
    let empty = RowSlice(problem.observations, rows: 5..<5)
    let wide = try Observations(rows: [[1, 2, 3]])
    let huge = try Observations(rows: [[1e200, -1e200], [-1e200, 1e200]])
    let settings = ExpectationMaximization(componentCount: 2)
    var collecting = try OnlineMixture(settings)
    try collecting.absorb(Self.rows(0..<20, of: problem))
    var learning = collecting
    try learning.absorb(Self.rows(20..<200, of: problem))
    #expect(collecting.model == nil && learning.model != nil)

    func code(_ online: inout OnlineMixture, _ batch: some ObservationSource) -> MixtureError.Code?
    {
      let before = online
      do throws(MixtureError) {
        try online.absorb(batch)
      } catch {
        #expect(online == before)
        return error.code
      }
      return nil
    }
    for state in [collecting, learning] {
      var state = state
      #expect(code(&state, nan) == .nonFiniteObservation)
      #expect(code(&state, empty) == .emptyObservations)
      #expect(code(&state, wide) == .featureCountMismatch)
    }
    #expect(code(&learning, huge) == .degenerateObservations)

    // In the middle of a table, too.
    var rows = (200..<400).map { problem.observations.matrix.row($0) }
    rows[150][1] = .infinity
    let damaged = StridedTable(try Matrix(rows: rows), isFloat: false, byColumns: false)
    let before = learning
    #expect {
      try learning.absorb(damaged, rowsPerBatch: 40)
    } throws: {
      // The message names the row of the table.
      ($0 as? MixtureError)?.message.hasPrefix("row 150 ") == true
    }
    #expect(learning == before)
    #expect(throws: MixtureError.self) { try learning.absorb(damaged, rowsPerBatch: 0) }
    // Rows without a covariance are no start.
    var constant = try OnlineMixture(settings, warmUpRowCount: 10)
    #expect(
      code(&constant, try Observations(rows: Array(repeating: [1, 2], count: 20)))
        == .degenerateObservations)
    #expect(constant.batchCount == 0)
  }

  @Test("settings that belong to one table, or are out of range, are errors")
  func badSettings() throws {
    let model = try RandomProblem.mixture(d: 2, K: 3, seed: 1)
    var others = Self.settings(from: model)
    others.componentCount = 2
    for settings in [
      ExpectationMaximization(componentCount: 2, initialization: .labels([0, 1])),
      ExpectationMaximization(componentCount: 0), others,
    ] {
      #expect(throws: MixtureError.self) { try OnlineMixture(settings) }
    }
    let settings = ExpectationMaximization(componentCount: 2)
    #expect(throws: MixtureError.self) { try OnlineMixture(settings, averagingStart: 0) }
    #expect(throws: MixtureError.self) { try OnlineMixture(settings, warmUpRowCount: 1) }
    // No number of components overflows.
    var many = try OnlineMixture(ExpectationMaximization(componentCount: .max))
    try many.absorb(Observations(rows: [[1], [2]]))
    #expect(many.heldRowCount == 2)
  }

  // MARK: Components that collapse

  @Test("a component whose group goes keeps its place, and is revived when the group comes back")
  func revival() throws {
    let problem = try RandomProblem(n: 2000, d: 2, K: 2, separation: 12, seed: 4)
    let labels = problem.labels
    let parts = (0..<2).map { k in
      (0..<2000).filter { labels[$0] == k }.map { problem.observations.matrix.row($0) }
    }
    var online = try OnlineMixture(Self.settings(from: problem.model), stepSize: .constant(0.3))
    var events: [RescueEvent] = []
    // 0.7^100 is 3e-16.
    for t in 0..<100 {
      let rows = (0..<30).map { parts[0][(30 * t + $0) % parts[0].count] }
      events += try online.absorb(Observations(rows: rows)).rescued
    }
    #expect(events.allSatisfy { $0.action == .kept && $0.component == 1 } && !events.isEmpty)
    #expect(online.rescued == [events[0]])
    let asleep = online.model!
    #expect(asleep.weights[1] < 1e-11)
    for j in 0..<2 {
      #expect(relativeDifference(asleep.means[1, j], problem.model.means[1, j]) < 1e-9)
    }
    for t in 0..<100 {
      let rows = (0..<30).map { i -> [Double] in
        let part = parts[i % 2]
        return part[(15 * t + i / 2) % part.count]
      }
      try online.absorb(Observations(rows: rows))
    }
    let awake = online.model!
    #expect(abs(awake.weights[1] - 0.5) < 0.01)
    for j in 0..<2 {
      // About 170 of the group's rows are remembered, of standard deviation 1.3 or less.
      #expect(abs(awake.means[1, j] - problem.model.means[1, j]) < 5 * 1.3 / 13)
    }
  }

  @Test(
    "a batch of equal rows is held at the floor, or without one leaves the covariance, and is recorded",
    arguments: CovarianceStructure.allCases)
  func equalRows(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 100, d: 2, K: 2, structure: structure)
    let start = problem.model
    let equal = try Observations(rows: Array(repeating: [0.5, 0.25], count: 20))
    for floor in [1e-6, 0] {
      var online = try OnlineMixture(
        Self.settings(from: start, floor: floor), stepSize: .constant(1))
      let report = try online.absorb(equal)
      #expect(!report.rescued.isEmpty)
      #expect(
        Set(report.rescued.map(\.action)).isSubset(of: floor > 0 ? [.floored, .kept] : [.kept]))
      let model = online.model!
      #expect(model.componentCount == 2)
      #expect(try model.logLikelihood(of: equal).isFinite)
      if floor == 0 {
        // Means go to the rows or stay; covariances are what they were.
        for k in 0..<2 {
          for (a, b) in zip(model.covariances[k].elements, start.covariances[k].elements) {
            #expect(abs(a - b) < 1e-9)
          }
        }
      }
      // It goes on.
      for _ in 0..<3 { try online.absorb(problem.observations) }
      #expect(try online.model!.logLikelihood(of: problem.observations).isFinite)
    }
  }

  // MARK: The article

  @Test("the article's example runs")
  func article() throws {
    let stream = try RandomProblem(n: 4000, d: 2, K: 3)
    let batches = (0..<20).map { Self.rows(200 * $0..<200 * $0 + 200, of: stream) }

    var online = try OnlineMixture(ExpectationMaximization(componentCount: 3))
    for batch in batches {
      let report = try online.absorb(batch)
      if let score = report.meanLogLikelihood { #expect(score.isFinite) }
    }
    #expect(online.model?.componentCount == 3)

    let yesterday = batches[0]
    var settings = ExpectationMaximization(componentCount: 3)
    let fit = try settings.fit(yesterday)
    settings.initialization = .model(fit.model)
    var today = try OnlineMixture(settings, stepSize: .constant(0.05))
    try today.absorb(stream.observations, rowsPerBatch: 500)
    #expect(today.batchCount == 8)
  }
}
