// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

@Suite struct TruncationLaws {
  /// What else the rows carry.
  struct Case: CustomTestStringConvertible, Sendable {
    var structure = CovarianceStructure.full
    var window = false
    var censored = 0
    var gaps = false
    var noise = 0
    var weights = false
    var labels = false
    var background = false
    var selection = false

    var testDescription: String {
      "\(structure.rawValue)\(window ? ", window" : "")\(censored > 0 ? ", \(censored) censored" : "")"
        + "\(gaps ? ", gaps" : "")\(noise > 0 ? ", noise \(noise)" : "")\(weights ? ", weights" : "")"
        + "\(labels ? ", labels" : "")\(background ? ", background" : "")\(selection ? ", selection" : "")"
    }

    /// The model, and rows as they would be observed.
    func problem(n: Int) throws -> (model: GaussianMixture, observations: Observations) {
      let d = 2
      let drawn = try RandomProblem(
        n: 4 * n, d: d, K: 2, structure: structure, separation: 1.5, seed: 91)
      var model = drawn.model
      if background {
        model = try model.withBackground(UniformBackground(share: 0.1, logWidths: [2, 2]))
      }
      let box = ObservationWindow(lower: [-1.5, -.infinity], upper: [2.5, 2])
      var chosen: [Int] = []
      for row in 0..<4 * n where chosen.count < n {
        let x = drawn.observations.matrix.row(row)
        let isInside = (0..<d).allSatisfy { x[$0] >= box.lower[$0] && x[$0] <= box.upper[$0] }
        if isInside || !window { chosen.append(row) }
      }
      var matrix = drawn.observations.matrix.rows(chosen)
      let count = chosen.count
      var annotations = RowAnnotations(allowsMissing: gaps)
      if window { annotations.window = box }
      if selection {
        annotations.selection = SelectionFunction { x in 1 / (1 + Kernels.exp(x[0] + 0.5 * x[1])) }
      }
      switch noise {
      case 1:
        annotations.noise = .standardDeviations(AnnotatedProblem.noise(n: count, d: d, seed: 3))
      case 2: annotations.noise = .shared(try Matrix(rows: [[0.3, 0.1], [0.1, 0.2]]))
      default: break
      }
      if weights {
        annotations.caseWeights = CaseWeights((0..<count).map { 0.5 + Double($0 % 4) })
      }
      if labels {
        annotations.knownComponents = KnownComponents(
          (0..<count).map { $0 % 6 == 0 ? $0 % 2 : nil })
      }
      if censored > 0 {
        var lower = Matrix(repeating: -.infinity, rowCount: count, columnCount: d)
        var upper = Matrix(repeating: .infinity, rowCount: count, columnCount: d)
        for i in 0..<count {
          for j in 0..<d where i % 4 == 0 && (j == 0 || censored == 2) {
            let value = matrix[i, j]
            if i % 8 == 0 { upper[i, j] = value + 0.4 } else { lower[i, j] = value - 0.3 }
            if i % 3 == 0 { (lower[i, j], upper[i, j]) = (value - 0.5, value + 0.7) }
            matrix[i, j] = .nan
          }
        }
        annotations.limits = CensoringLimits(lower: lower, upper: upper)
      }
      if gaps { for i in 0..<count where i % 5 == 1 { matrix[i, i % 2] = .nan } }
      return (model, try Observations(matrix, annotations: annotations))
    }

    static let all = [
      Case(window: true), Case(structure: .vvi, window: true), Case(structure: .vii, window: true),
      Case(structure: .eei, window: true, gaps: true),
      Case(structure: .vvi, window: true, gaps: true, noise: 1),
      Case(structure: .vvi, window: true, weights: true, labels: true, background: true),
      Case(censored: 1), Case(censored: 2), Case(structure: .vvi, censored: 2),
      Case(censored: 1, gaps: true, noise: 1), Case(censored: 2, noise: 2, weights: true),
      Case(censored: 1, labels: true, background: true),
      Case(
        structure: .vvi, window: true, censored: 2, gaps: true, noise: 2, weights: true,
        labels: true, background: true),
      Case(selection: true), Case(structure: .vvi, gaps: true, weights: true, selection: true),
      Case(gaps: true, noise: 1, weights: true, labels: true, background: true),
    ]
  }

  /// What integrals over several cells may be wrong by in the sums of a table: sums over rows of the integrals' own estimates
  /// of their standard errors, from shifts of the lattice, or of halves of the points of a selection function. Rows share
  /// the lattice, so that errors may have one sign and are added.
  struct IntegrationErrors {
    /// For each component, of a sum of deviations in standard deviations of the feature, and of a sum of their products. Both
    /// enter a law twice, in the sum and in the slope, and are six standard errors of eight shifts.
    private(set) var first: [Double]
    private(set) var second: [Double]

    init(_ model: GaussianMixture, _ observations: Observations) throws {
      let K = model.componentCount
      let d = model.featureCount
      var sums = Array(repeating: 0.0, count: K)
      let annotations = observations.annotations!
      let responsibilities = try model.responsibilities(for: observations)
      let weights =
        annotations.caseWeights?.values
        ?? Array(repeating: 1, count: observations.observationCount)
      func measurement(_ row: Int) -> Measurement {
        annotations.measurement(ofRow: row, featureCount: d, includingLimited: true) {
          observations.matrix[row, $0]
        }
      }
      func box(
        _ k: Int, _ measurement: Measurement, _ limits: [(lower: Double, upper: Double)],
        pointCount: Int, outside: Bool = false
      ) -> BoxMoments {
        let mean = measurement.cells.map { model.means[k, $0] }
        let covariance = model.marginal(model.structure.isShared ? 0 : k, measurement)
        let (lower, upper) = (limits.map(\.lower), limits.map(\.upper))
        return outside
          ? BoxMoments.complement(
            mean: mean, covariance: covariance, lower: lower, upper: upper, pointCount: pointCount)!
          : BoxMoments.box(
            mean: mean, covariance: covariance, lower: lower, upper: upper, pointCount: pointCount)!
      }
      // A wrong probability moves responsibilities, r (1 − r) of it, and with them deviations of some two.
      for row in 0..<observations.observationCount {
        let measured = measurement(row)
        guard measured.cells.count == d,
          measured.cells.allSatisfy({ observations.matrix[row, $0].isNaN })
        else { continue }
        let limits = (0..<d).map { annotations.limits(row: row, feature: $0) }
        for k in 0..<K {
          let r = responsibilities[row, k]
          let moments = box(k, measured, limits, pointCount: 1024)
          sums[k] +=
            weights[row] * r * (moments.momentError + 2 * (1 - r) * moments.probabilityError)
        }
      }
      let total = weights.reduce(0, +)
      if let window = annotations.window {
        let plain = annotations.measurement(ofRow: 0, featureCount: d) { _ in 0 }
        let limits = (0..<d).map { (lower: window.lower[$0], upper: window.upper[$0]) }
        let parts = (0..<K).map { box($0, plain, limits, pointCount: 8192) }
        let probability = zip(model.weights, parts).reduce(0) {
          $0 + $1.0 * Kernels.exp($1.1.logProbability)
        }
        for k in 0..<K {
          let outside = box(k, plain, limits, pointCount: 8192, outside: true)
          let unseen =
            total * model.weights[k] * Kernels.exp(outside.logProbability) / probability
          sums[k] +=
            unseen
            * (outside.momentError
              + 2 * (outside.probabilityError + (parts.map(\.probabilityError).max() ?? 0)))
        }
      }
      first = sums.map { 2 * 6 * $0 }
      // A product of two deviations of some two each.
      second = sums.map { 2 * 6 * 4 * $0 }
      if let selection = annotations.selection {
        var half = annotations
        half.selection = SelectionFunction(
          pointCount: selection.pointCount / 2, probability: selection.probability)
        let whole = try model.statistics(of: observations)
        let part = try model.statistics(
          of: Observations(observations.matrix, annotations: half))
        for k in 0..<K {
          let covariance = model.covariances.matrices[k]
          for (j, (a, b)) in zip(whole.first(k), part.first(k)).enumerated() {
            first[k] = max(first[k], 2 * abs(a - b) / covariance[j, j].squareRoot())
          }
          second[k] = max(second[k], 4 * first[k])
        }
      }
    }
  }

  /// Fisher's identity: the gradient of the log-likelihood is that of the expected complete-data log-likelihood, so that the
  /// statistics must agree with finite differences of the log-likelihood, whatever rows carry.
  @Test(arguments: Case.all)
  func `the statistics are the gradient of the log-likelihood`(_ test: Case) throws {
    let (model, observations) = try test.problem(n: 40)
    let statistics = try model.statistics(of: observations)
    let d = 2
    func ell(_ means: Matrix, _ covariances: [Matrix]) throws -> Double {
      try GaussianMixture(
        weights: model.weights, means: means,
        covariances: Covariances(structure: model.structure, matrices: covariances)
      ).withBackground(model.background).logLikelihood(of: observations)
    }
    let matrices = model.covariances.matrices
    let errors = try IntegrationErrors(model, observations)
    // Of central differences with steps of 10⁻⁴ in sums over some 100 rows and weights, whose third derivatives are up to some
    // ten each: 10⁻⁸ / 6 of that.
    let differences = 2e-6
    // Whether sums that are wrong by a hundredth would be seen.
    var (noticesFirst, noticesSecond) = (false, false)
    for k in 0..<2 {
      let inverse = Cholesky(
        packed: [matrices[k][0, 0], matrices[k][1, 0], matrices[k][1, 1]], order: d)!
      let expected = inverse.solve(Array(statistics.first(k)))
      for j in 0..<d {
        let h = 1e-4
        var (up, down) = (model.means, model.means)
        up[k, j] += h
        down[k, j] -= h
        let slope = try (ell(up, matrices) - ell(down, matrices)) / (2 * h)
        let error = (0..<d).reduce(0) {
          $0 + abs(inverse.solve((0..<d).map { $0 == j ? 1 : 0 })[$1])
            * matrices[k][$1, $1].squareRoot() * errors.first[k]
        }
        #expect(abs(slope - expected[j]) < error + differences)
        noticesFirst = noticesFirst || abs(slope - 1.01 * expected[j]) > error + differences
      }
    }
    #expect(noticesFirst)
    guard test.structure == .full || test.structure == .vvi else { return }
    for k in 0..<2 {
      let packed = [matrices[k][0, 0], matrices[k][1, 0], matrices[k][1, 1]]
      let inverse = Cholesky(packed: packed, order: d)!
      let n = statistics.zeroth(k)
      let second = Array(statistics.second(k))
      let full = test.structure == .full ? second : [second[0], 0, second[1]]
      for j in 0..<d {
        // ∂ℓ/∂Σⱼⱼ = ½ (Σ⁻¹ (S − N Σ) Σ⁻¹)ⱼⱼ
        let unit = inverse.solve((0..<d).map { $0 == j ? 1 : 0 })
        var (expected, wrong) = (0.0, 0.0)
        for a in 0..<d {
          for b in 0..<d {
            let index = max(a, b) * (max(a, b) + 1) / 2 + min(a, b)
            expected += 0.5 * unit[a] * (full[index] - n * packed[index]) * unit[b]
            wrong += 0.5 * unit[a] * (1.01 * full[index] - n * packed[index]) * unit[b]
          }
        }
        let h = 1e-4 * matrices[k][j, j]
        var (up, down) = (matrices, matrices)
        up[k][j, j] += h
        down[k][j, j] -= h
        let slope = try (ell(model.means, up) - ell(model.means, down)) / (2 * h)
        // Of a diagonal model statistics hold the diagonal only, and its inverse is diagonal.
        var error = 0.0
        for a in 0..<d {
          for b in 0..<d {
            error +=
              0.5 * abs(unit[a] * unit[b])
              * (matrices[k][a, a] * matrices[k][b, b]).squareRoot() * errors.second[k]
          }
        }
        #expect(abs(slope - expected) < error + differences)
        noticesSecond = noticesSecond || abs(slope - wrong) > error + differences
      }
    }
    #expect(noticesSecond)
  }

  @Test(arguments: Case.all)
  func `the objective never falls`(_ test: Case) throws {
    let (model, observations) = try test.problem(n: 40)
    let fit = try ExpectationMaximization(
      componentCount: 2, covariance: test.structure, initialization: .model(model),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 6),
      background: test.background ? .boundingBox : .none, acceleration: .none
    ).fit(observations)
    // Integration errors are some 1e-5 of a nat for each row.
    for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
      #expect(after.logLikelihood >= before.logLikelihood - 1e-3)
    }
  }

  @Test func `a window around everything is none, limits that say nothing are a missing value`()
    throws
  {
    let problem = try AnnotatedProblem(n: 500, d: 3, K: 2, seed: 95)
    let plain = try problem.model.statistics(of: Observations(problem.matrix))
    let whole = ObservationWindow(
      lower: Array(repeating: -.infinity, count: 3), upper: Array(repeating: .infinity, count: 3))
    #expect(
      try problem.model.statistics(
        of: Observations(problem.matrix, annotations: RowAnnotations(window: whole))) == plain)
    let wide = ObservationWindow(
      lower: Array(repeating: -1e6, count: 3), upper: Array(repeating: 1e6, count: 3))
    let far = try problem.model.statistics(
      of: Observations(problem.matrix, annotations: RowAnnotations(window: wide)))
    #expect(relativeDifference(far.logLikelihood, plain.logLikelihood) < 1e-13)
    let gaps = problem.withGaps(seed: 96)
    let limits = CensoringLimits(
      lower: Matrix(repeating: -.infinity, rowCount: 500, columnCount: 3),
      upper: Matrix(repeating: .infinity, rowCount: 500, columnCount: 3))
    #expect(
      try problem.model.statistics(
        of: Observations(gaps, annotations: RowAnnotations(limits: limits)))
        == problem.model.statistics(
          of: Observations(gaps, annotations: RowAnnotations(allowsMissing: true))))
  }

  @Test func `log densities of a truncated table add up to its log-likelihood`() throws {
    for test in [Case(window: true), Case(structure: .vvi, window: true, noise: 1)] {
      let (model, observations) = try test.problem(n: 40)
      let sum = try model.logDensities(of: observations).reduce(0, +)
      #expect(relativeDifference(sum, try model.logLikelihood(of: observations)) < 1e-12)
    }
  }

  @Test func `draws of censored cells lie within their limits and have their moments`() throws {
    let (model, observations) = try Case(censored: 2).problem(n: 24)
    let moments = try model.posteriorMoments(of: observations)
    let count = 300
    var sums = Matrix(repeating: 0, rowCount: observations.observationCount, columnCount: 2)
    for seed in 0..<count {
      let drawn = try model.drawnValues(of: observations, seed: UInt64(seed))
      for i in 0..<observations.observationCount {
        for j in 0..<2 {
          sums[i, j] += drawn[i, j]
          let limits = observations.annotations!.limits!
          #expect(drawn[i, j] >= limits.lower[i, j] && drawn[i, j] <= limits.upper[i, j])
        }
      }
    }
    for i in 0..<observations.observationCount {
      for j in 0..<2 {
        let deviation = moments.covariances[i, j * 3].squareRoot()
        #expect(
          abs(sums[i, j] / Double(count) - moments.means[i, j])
            <= 5 * deviation / Double(count).squareRoot() + 1e-3)
      }
    }
  }
}
