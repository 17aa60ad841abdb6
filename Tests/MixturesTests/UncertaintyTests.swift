// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

@Suite("Uncertainty of parameters") struct UncertaintyTests {
  /// A model at a point of a chart, to second order.
  private func displaced(_ chart: TangentChart, _ point: [Double]) -> GaussianMixture {
    let local = chart.local
    let model = local.model
    let K = model.componentCount
    let d = model.featureCount
    var weights = model.weights
    for (a, k) in chart.logits.enumerated() { weights[k] *= exp(point[a]) }
    let total = weights.reduce(0, +)
    // B of each component: the linear part, and half of the second differential.
    var moves = Array(repeating: 0.0, count: local.count)
    for (a, column) in chart.columns.enumerated() {
      for (index, rate) in column { moves[index] += point[a] * rate }
    }
    var means = model.means
    var elements: [Double] = []
    for k in 0..<K {
      let root = local.roots[k]
      for j in 0..<d {
        for i in 0..<d { means[k, j] += root[j * d + i] * moves[local.start(k) + 1 + i] }
      }
      var B = Array(repeating: 0.0, count: d * d)
      for j in 0..<d { B[j * d + j] = 1 }
      for (e, places) in local.elements.enumerated() {
        for (i, j) in places { B[i * d + j] += moves[local.start(k) + 1 + d + e] }
      }
      for (a, generators) in chart.curved {
        for (b, others) in chart.curved {
          for x in generators where x.component == k {
            for y in others where y.component == k {
              let change = chart.second(x, y)
              for index in B.indices { B[index] += 0.5 * point[a] * point[b] * change[index] }
            }
          }
        }
      }
      func element(_ i: Int, _ j: Int) -> Double {
        var sum = 0.0
        for r in 0..<d {
          for s in 0..<d { sum += root[i * d + r] * B[r * d + s] * root[j * d + s] }
        }
        return sum
      }
      guard k < model.covariances.storedCount else { continue }
      elements += local.elements.map { element($0[0].row, $0[0].column) }
    }
    var background = model.background
    if let a = chart.shareParameter, let share = background?.share {
      background = background!.with(share: 1 / (1 + (1 - share) / share * exp(-point[a])))
    }
    return try! GaussianMixture(
      weights: weights.map { $0 / total }, means: means,
      covariances: Covariances(
        unchecked: elements, structure: model.structure, componentCount: K, featureCount: d)
    ).withBackground(background)
  }

  /// The largest difference between vᵀ H v and second differences of the log-likelihood, over some directions v, relative
  /// to the information of the complete data.
  private func hessianError(
    _ model: GaussianMixture, _ observations: some ObservationSource, equalWeights: Bool = false
  ) throws -> Double {
    let local = LocalCoordinates(model)
    let chart = TangentChart(local, equalWeights: equalWeights)
    #expect(chart.count == model.parameterCount(equalWeights: equalWeights))
    let sums = try local.sums(over: observations, squaresWeights: false, threadCount: 1)
    var hessian = chart.pulledBack(sums.hessian(local))
    chart.addCurvature(sums.gradient, to: &hessian)
    var random = RandomStream(seed: 5)
    let center = try model.logLikelihood(of: observations, threadCount: 1)
    var worst = 0.0
    for _ in 0..<8 {
      var v = (0..<chart.count).map { _ in random.normal() }
      let length = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
      v = v.map { $0 / length }
      let step = 2e-3
      let ends = try [step, -step].map { t in
        try displaced(chart, v.map { t * $0 }).logLikelihood(of: observations, threadCount: 1)
      }
      let expected = (ends[0] + ends[1] - 2 * center) / (step * step)
      var value = 0.0
      for i in v.indices {
        for j in v.indices {
          value += v[i] * v[j] * hessian[max(i, j) * (max(i, j) + 1) / 2 + min(i, j)]
        }
      }
      worst = max(worst, abs(value - expected) / Double(observations.observationCount))
    }
    return worst
  }

  // Truncation is of the order of step² = 4 · 10⁻⁶ times a fourth derivative for each row; rounding of 10⁻¹⁶ · |ℓ| / step².
  @Test(
    "the Hessian is that of second differences of the log-likelihood, in every structure",
    arguments: CovarianceStructure.allCases, [false, true])
  func secondDifferences(_ structure: CovarianceStructure, equalWeights: Bool) throws {
    let problem = try RandomProblem(
      n: 60, d: 3, K: 2, structure: structure, separation: 1.5, seed: 3)
    var model = problem.model
    if equalWeights {
      model = try GaussianMixture(
        weights: [0.5, 0.5], means: model.means, covariances: model.covariances)
    }
    #expect(
      try hessianError(model, problem.observations, equalWeights: equalWeights) < 2e-4)
  }

  @Test(
    "every chart stays in its structure to second order", arguments: CovarianceStructure.allCases)
  func charts(_ structure: CovarianceStructure) throws {
    let model = try RandomProblem.mixture(d: 3, K: 3, structure: structure, seed: 8)
    let chart = TangentChart(LocalCoordinates(model), equalWeights: false)
    var random = RandomStream(seed: 9)
    for _ in 0..<5 {
      var v = (0..<chart.count).map { _ in random.normal() }
      let length = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
      // The third order of 0.005 is below the tolerance of 10⁻⁵; the second is not.
      v = v.map { 5e-3 * $0 / length }
      try displaced(chart, v).covariances.requireStructure()
    }
  }

  @Test("the Hessian of annotated rows is that of second differences too")
  func annotatedSecondDifferences() throws {
    let problem = try RandomProblem(n: 80, d: 3, K: 2, separation: 1.5, seed: 4)
    var matrix = problem.observations.matrix
    var random = RandomStream(seed: 2)
    for i in 0..<80 { for j in 0..<3 where random.uniform() < 0.2 { matrix[i, j] = .nan } }
    let weights = CaseWeights((0..<80).map { $0 % 7 == 0 ? 0 : 0.5 + random.uniform() })
    let deviations = Matrix(
      unchecked: (0..<240).map { _ in 0.5 * random.uniform() }, rowCount: 80, columnCount: 3)
    let known = KnownComponents((0..<80).map { $0 % 5 == 0 ? problem.labels[$0] : nil })
    let background = try problem.model.withBackground(
      UniformBackground(share: 0.1, logWidths: [2, 2, 2]))
    var projection = Matrix(repeating: 0.3, rowCount: 2, columnCount: 3)
    projection[0, 1] = -1
    projection[1, 2] = 1
    var projected = problem.observations.matrix
    for i in 0..<80 where i % 3 == 0 { projected[i, 2] = .nan }
    let cases: [(GaussianMixture, Matrix, RowAnnotations)] = [
      (problem.model, matrix, RowAnnotations(allowsMissing: true)),
      (problem.model, matrix, RowAnnotations(caseWeights: weights, allowsMissing: true)),
      (
        problem.model, matrix,
        RowAnnotations(allowsMissing: true, noise: .standardDeviations(deviations))
      ),
      (problem.model, problem.observations.matrix, RowAnnotations(knownComponents: known)),
      (background, problem.observations.matrix, RowAnnotations(caseWeights: weights)),
      (
        background, matrix,
        RowAnnotations(allowsMissing: true, noise: .standardDeviations(deviations))
      ),
      (
        problem.model, projected,
        RowAnnotations(
          allowsMissing: true,
          projections: Projections([projection], indices: (0..<80).map { $0 % 3 == 0 ? 0 : nil }))
      ),
    ]
    for (model, matrix, annotations) in cases {
      let observations = try Observations(matrix, annotations: annotations)
      #expect(try hessianError(model, observations) < 2e-4)
    }
  }

  @Test("one component: the closed forms of normal theory, and of fourth moments for the sandwich")
  func oneComponent() throws {
    let observations = try Observations(rows: ReferenceTables.iris)
    let n = 150.0
    let model = try ExpectationMaximization(componentCount: 1, covarianceFloor: 0)
      .fit(observations).model
    let sigma = model.covariances[0]
    let information = try model.uncertainty(for: observations)
    let sandwich = try model.uncertainty(for: observations, by: .sandwich)
    #expect(!information.isSingular)
    #expect(information.standardErrors.weights == [0])
    for i in 0..<4 {
      let mean = (sigma[i, i] / n).squareRoot()
      #expect(relativeDifference(information.standardErrors.means[0, i] / mean, 1) < 1e-12)
      #expect(relativeDifference(sandwich.standardErrors.means[0, i] / mean, 1) < 1e-12)
      for j in 0...i {
        let variance = (sigma[i, i] * sigma[j, j] + sigma[i, j] * sigma[i, j]) / n
        let error = information.standardErrors.covariances[0][i, j]
        #expect(relativeDifference(error / variance.squareRoot(), 1) < 1e-11)
        let fourth = ReferenceTables.iris.reduce(0.0) { sum, row in
          let product =
            (row[i] - model.means[0, i]) * (row[j] - model.means[0, j]) - sigma[i, j]
          return sum + product * product
        }
        let robust = sandwich.standardErrors.covariances[0][i, j]
        #expect(relativeDifference(robust / (fourth.squareRoot() / n), 1) < 1e-10)
      }
    }
  }

  @Test("two components of one feature: the closed form in weights, means and variances")
  func closedForm() throws {
    let rows = ReferenceTables.faithful.map { [$0[0]] }
    let observations = try Observations(rows: rows)
    let model = try ExpectationMaximization(
      componentCount: 2, stoppingRule: StoppingRule(tolerance: 1e-14)
    ).fit(observations).model
    // The parameters are w₀, then μ and v of each.
    var hessian = Array(repeating: 0.0, count: 25)
    for row in rows {
      var densities = [0.0, 0.0]
      var scores = Array(repeating: Array(repeating: 0.0, count: 5), count: 2)
      var curvatures = Array(repeating: Array(repeating: 0.0, count: 25), count: 2)
      for k in 0..<2 {
        let v = model.covariances[k][0, 0]
        let b = (row[0] - model.means[k, 0]) / v
        densities[k] = model.weights[k] * exp(-0.5 * b * b * v) / v.squareRoot()
        let (m, s) = (1 + 2 * k, 2 + 2 * k)
        scores[k][0] = k == 0 ? 1 / model.weights[0] : -1 / model.weights[1]
        scores[k][m] = b
        scores[k][s] = 0.5 * (b * b - 1 / v)
        curvatures[k][0] = -scores[k][0] * scores[k][0]
        curvatures[k][m * 5 + m] = -1 / v
        curvatures[k][m * 5 + s] = -b / v
        curvatures[k][s * 5 + m] = -b / v
        curvatures[k][s * 5 + s] = 0.5 / (v * v) - b * b / v
      }
      let total = densities[0] + densities[1]
      for i in 0..<5 {
        for j in 0..<5 {
          var mean = (0.0, 0.0)
          for k in 0..<2 {
            let share = densities[k] / total
            mean.0 += share * scores[k][i]
            mean.1 += share * scores[k][j]
            hessian[i * 5 + j] += share * (curvatures[k][i * 5 + j] + scores[k][i] * scores[k][j])
          }
          hessian[i * 5 + j] -= mean.0 * mean.1
        }
      }
    }
    let packed = (0..<5).flatMap { i in (0...i).map { -hessian[i * 5 + $0] } }
    let inverse = try #require(Cholesky(packed: packed, order: 5)).inverse
    let errors = (0..<5).map { inverse[$0 * ($0 + 3) / 2].squareRoot() }
    let found = try model.uncertainty(for: observations).standardErrors
    let values = [
      found.weights[0], found.means[0, 0], found.covariances[0][0, 0], found.means[1, 0],
      found.covariances[1][0, 0],
    ]
    // What is left of the gradient times the curvature of the logits, about 10⁻⁶.
    for (value, error) in zip(values, errors) { #expect(abs(value / error - 1) < 1e-5) }
    #expect(abs(found.weights[1] / found.weights[0] - 1) < 1e-10)
  }

  @Test(
    "a row of frequency 2 is two rows, and changes of unit and offset change errors as they must")
  func equivariance() throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 2, separation: 2, seed: 6)
    let matrix = problem.observations.matrix
    let twice = try Observations(rows: (0..<200).flatMap { [matrix.row($0), matrix.row($0)] })
    let weighted = try Observations(
      matrix, annotations: RowAnnotations(caseWeights: CaseWeights(Array(repeating: 2, count: 200)))
    )
    for method in [UncertaintyMethod.observedInformation, .sandwich] {
      let a = try problem.model.uncertainty(for: twice, by: method)
      let b = try problem.model.uncertainty(for: weighted, by: method)
      for (x, y) in zip(a.covariance.elements, b.covariance.elements) {
        #expect(abs(x - y) < 1e-10)
      }
    }
    let scaled = try GaussianMixture(
      weights: problem.model.weights,
      means: Matrix(
        unchecked: problem.model.means.elements.map { 1e3 * $0 + 1e6 }, rowCount: 2, columnCount: 2),
      covariances: Covariances(
        structure: .full, componentCount: 2, featureCount: 2,
        elements: problem.model.covariances.elements.map { 1e6 * $0 }))
    let moved = try Observations(
      rows: (0..<200).map { matrix.row($0).map { 1e3 * $0 + 1e6 } })
    let a = try problem.model.uncertainty(for: problem.observations).standardErrors
    let b = try scaled.uncertainty(for: moved).standardErrors
    for (x, y) in zip(a.means.elements, b.means.elements) { #expect(abs(1e3 * x / y - 1) < 1e-8) }
    for (x, y) in zip(a.weights, b.weights) { #expect(abs(x / y - 1) < 1e-8) }
  }

  @Test("bits do not depend on the number of threads")
  func threads() throws {
    let problem = try RandomProblem(n: 9000, d: 2, K: 2, seed: 7)
    let one = try problem.model.uncertainty(
      for: problem.observations, by: .sandwich, threadCount: 1)
    let three = try problem.model.uncertainty(
      for: problem.observations, by: .sandwich, threadCount: 3)
    #expect(one.covariance == three.covariance)
    let few = try Observations(rows: Array(ReferenceTables.faithful.prefix(100)))
    let model = try ExpectationMaximization(componentCount: 2).fit(few).model
    for resampling in Bootstrap.Resampling.allCases {
      let method = UncertaintyMethod.bootstrap(
        Bootstrap(resampling: resampling, replicateCount: 6))
      #expect(
        try model.uncertainty(for: few, by: method, threadCount: 1).covariance
          == model.uncertainty(for: few, by: method, threadCount: 3).covariance)
    }
  }

  @Test("what the data do not determine has infinite errors, and nothing traps")
  func singular() throws {
    let observations = try Observations(rows: ReferenceTables.faithful)
    let one = try ExpectationMaximization(componentCount: 1).fit(observations).model
    let twin = try GaussianMixture(
      weights: [0.5, 0.5],
      means: Matrix(
        unchecked: one.means.elements + one.means.elements, rowCount: 2, columnCount: 2),
      covariances: Covariances(
        structure: .full, componentCount: 2, featureCount: 2,
        elements: one.covariances.elements + one.covariances.elements))
    let uncertainty = try twin.uncertainty(for: observations)
    #expect(uncertainty.isSingular)
    #expect(uncertainty.standardErrors.weights == [.infinity, .infinity])
    let interval = try uncertainty.interval()
    #expect(interval.lower.weights == [0, 0] && interval.upper.weights == [1, 1])
    let empty = try GaussianMixture(
      weights: [1, 0], means: twin.means, covariances: twin.covariances)
    let sandwich = try empty.uncertainty(for: observations, by: .sandwich)
    #expect(sandwich.isSingular)
    #expect(sandwich.standardErrors.means[1, 0] == .infinity)
    #expect(sandwich.standardErrors.means[0, 0].isFinite)
    // One row of four features.
    let row = try Observations(rows: [[1, 2]])
    #expect(try one.uncertainty(for: row).isSingular)
  }

  @Test("intervals stay within what a parameter can be, and widen with the level")
  func intervals() throws {
    let observations = try Observations(rows: ReferenceTables.faithful)
    let model = try ExpectationMaximization(componentCount: 2).fit(observations).model
    for method in [
      UncertaintyMethod.observedInformation, .bootstrap(Bootstrap(replicateCount: 10)),
    ] {
      let uncertainty = try model.uncertainty(for: observations, by: method)
      let narrow = try uncertainty.interval(level: 0.5)
      let wide = try uncertainty.interval(level: 0.99999)
      for k in 0..<2 {
        #expect(wide.lower.weights[k] > 0 && wide.upper.weights[k] < 1)
        #expect(wide.lower.weights[k] < narrow.lower.weights[k])
        #expect(wide.upper.means[k, 0] > narrow.upper.means[k, 0])
        #expect(wide.lower.covariances[k][1, 1] > 0)
        #expect(narrow.lower.weights[k] < narrow.upper.weights[k])
      }
    }
    #expect(throws: MixtureError.self) {
      try model.uncertainty(for: observations).interval(level: 1)
    }
  }

  @Test("what cannot be is one error")
  func errors() throws {
    let problem = try RandomProblem(n: 50, d: 2, K: 2, seed: 6)
    let weights = CaseWeights(Array(repeating: 0.5, count: 50), meaning: .reliability)
    let reliable = try Observations(
      problem.observations.matrix, annotations: RowAnnotations(caseWeights: weights))
    func code(_ observations: Observations, _ method: UncertaintyMethod) -> MixtureError.Code? {
      do {
        _ = try problem.model.uncertainty(for: observations, by: method)
        return nil
      } catch {
        return error.code
      }
    }
    #expect(code(reliable, .observedInformation) == .invalidSetting)
    #expect(code(reliable, .sandwich) == nil)
    #expect(
      code(reliable, .bootstrap(Bootstrap(resampling: .parametric, replicateCount: 4)))
        == .invalidSetting)
    #expect(
      code(problem.observations, .bootstrap(Bootstrap(replicateCount: 1))) == .invalidSetting)
    let truncated = try Observations(
      problem.observations.matrix,
      annotations: RowAnnotations(
        window: ObservationWindow(lower: [-100, -100], upper: [100, 100])))
    #expect(code(truncated, .sandwich) == .invalidSetting)
    #expect(
      code(truncated, .bootstrap(Bootstrap(resampling: .weightedLikelihood, replicateCount: 2)))
        == nil)
    let prior = ExpectationMaximization(componentCount: 2, prior: .mclust)
    let fit = try prior.fit(problem.observations)
    #expect(throws: MixtureError.self) { try fit.uncertainty(for: problem.observations) }
    let drawn = try fit.uncertainty(
      for: problem.observations, by: .bootstrap(Bootstrap(replicateCount: 2)), settings: prior)
    #expect(drawn.replicates.count == 2)
    #expect(
      code(try Observations(rows: [[1], [2]]), .observedInformation) == .featureCountMismatch)
  }

  @Test("an assignment is the cheapest of all permutations")
  func assignment() {
    var random = RandomStream(seed: 3)
    func best(_ cost: [[Double]], _ row: Int, _ free: [Int]) -> Double {
      if row == cost.count { return 0 }
      return free.map { column in
        cost[row][column] + best(cost, row + 1, free.filter { $0 != column })
      }.min()!
    }
    for n in 1...5 {
      for _ in 0..<5 {
        let cost = (0..<n).map { _ in (0..<n).map { _ in random.uniform() } }
        let found = leastCostAssignment(cost)
        #expect(found.sorted() == Array(0..<n))
        let sum = found.enumerated().reduce(0) { $0 + cost[$1.offset][$1.element] }
        #expect(abs(sum - best(cost, 0, Array(0..<n))) < 1e-12)
      }
    }
  }

  @Test("components of replicates have the numbers of the model's")
  func alignment() throws {
    let model = try RandomProblem.mixture(d: 2, K: 4, seed: 11)
    let order = [2, 0, 3, 1]
    let permuted = try GaussianMixture(
      weights: order.map { model.weights[$0] },
      means: Matrix(rows: order.map { model.means.row($0) }),
      covariances: Covariances(structure: .full, matrices: order.map { model.covariances[$0] }))
    #expect(try permuted.aligned(to: model).means == model.means)
  }

  @Test("replicates that fail are counted, and left out")
  func failures() throws {
    // Of three rows, resampled tables often hold one or two different ones.
    let observations = try Observations(rows: [[0, 0], [1, 0.2], [0.3, 1]])
    let model = try ExpectationMaximization(componentCount: 1, covarianceFloor: 0.01)
      .fit(observations).model
    let uncertainty = try model.uncertainty(
      for: observations, by: .bootstrap(Bootstrap(replicateCount: 60)))
    #expect(uncertainty.replicates.count + uncertainty.failedReplicateCount == 60)
    #expect(uncertainty.failedReplicateCount > 0)
  }

  @Test("gamma numbers have the mean and variance of their shape", arguments: [0.3, 1, 4.5])
  func gamma(_ shape: Double) {
    var random = RandomStream(seed: 1)
    let count = 20_000
    let values = (0..<count).map { _ in random.gamma(shape: shape) }
    let mean = values.reduce(0, +) / Double(count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    // Five standard errors; the fourth central moment is 3 a² + 6 a.
    #expect(abs(mean - shape) < 5 * (shape / Double(count)).squareRoot())
    #expect(
      abs(variance - shape) < 5 * ((2 * shape * shape + 6 * shape) / Double(count)).squareRoot())
  }

  /// Standard errors of mclust 6.1's MclustBootstrap on faithful, VVV with two components, 2,000 replicates: the weights,
  /// the means and the covariances' elements (0, 0), (1, 0) and (1, 1), the larger component first.
  private static let mclust: [Bootstrap.Resampling: [Double]] = [
    .rows: [
      0.028878, 0.032751, 0.461881, 0.029191, 0.602399, 0.019984, 0.274606, 4.47406, 0.01438,
      0.16895, 4.29641,
    ],
    .weightedLikelihood: [
      0.029416, 0.032389, 0.467284, 0.029381, 0.599469, 0.020302, 0.266459, 4.34224, 0.014389,
      0.166348, 4.17463,
    ],
    .parametric: [
      0.029209, 0.031508, 0.471795, 0.027177, 0.591533, 0.017903, 0.202395, 3.9092, 0.010232,
      0.161082, 4.99272,
    ],
  ]

  /// The largest |log| of the ratios of this bootstrap's standard errors to mclust's.
  private func differenceFromMclust(
    _ resampling: Bootstrap.Resampling, replicates: Int
  ) throws -> Double {
    let observations = try Observations(rows: ReferenceTables.faithful)
    let model = try ExpectationMaximization(componentCount: 2).fit(observations).model
    let uncertainty = try model.uncertainty(
      for: observations,
      by: .bootstrap(Bootstrap(resampling: resampling, replicateCount: replicates)))
    #expect(uncertainty.failedReplicateCount == 0)
    let errors = uncertainty.standardErrors
    let order = model.weights[0] > 0.5 ? [0, 1] : [1, 0]
    let found =
      [errors.weights[0]] + order.flatMap { errors.means.row($0) }
      + order.flatMap { k in [(0, 0), (1, 0), (1, 1)].map { errors.covariances[k][$0.0, $0.1] } }
    return zip(found, Self.mclust[resampling]!).map { abs(log($0 / $1)) }.max()!
  }

  // The relative error of a standard deviation of B numbers is √((κ − 1) / 4B), with κ their kurtosis, 3 to 4 here: of 200
  // and of 2,000 together 0.065. The largest of eleven is below 3.5 times that.
  @Test(
    "the bootstraps have mclust's standard errors on faithful, to Monte-Carlo error",
    arguments: Bootstrap.Resampling.allCases)
  func mclust(_ resampling: Bootstrap.Resampling) throws {
    #expect(try differenceFromMclust(resampling, replicates: 200) < 3.5 * 0.065)
  }

  // Of 2,000 and 2,000: 0.027.
  @Test(
    "with many replicates too",
    .enabled(if: ProcessInfo.processInfo.environment["MIXTURES_LONG_TESTS"] != nil),
    arguments: Bootstrap.Resampling.allCases)
  func manyReplicates(_ resampling: Bootstrap.Resampling) throws {
    #expect(try differenceFromMclust(resampling, replicates: 2000) < 3.5 * 0.027)
  }

  @Test(
    "intervals of 95 % cover the truth in 95 % of tables",
    .enabled(if: ProcessInfo.processInfo.environment["MIXTURES_LONG_TESTS"] != nil),
    arguments: [CovarianceStructure.vvv, .eee, .vei, .vve])
  func coverage(_ structure: CovarianceStructure) throws {
    let truth = try RandomProblem.mixture(
      d: 2, K: 2, structure: structure, separation: 3, seed: 21)
    let values = truth.parameterVector
    let tables = 400
    var covered = Array(
      repeating: Array(repeating: 0, count: values.count), count: 2)
    for table in 0..<tables {
      let observations = try Observations(
        truth.sample(1000, seed: UInt64(5000 + table)).observations)
      let fit = try ExpectationMaximization(
        componentCount: 2, covariance: structure, initialization: .model(truth),
        stoppingRule: StoppingRule(tolerance: 1e-10)
      ).fit(observations)
      for (index, method) in [UncertaintyMethod.observedInformation, .sandwich].enumerated() {
        let interval = try fit.uncertainty(for: observations, by: method).interval()
        // In the same order as the values: the ends as mixtures are not needed.
        let lower = vector(interval.lower, structure)
        let upper = vector(interval.upper, structure)
        for i in values.indices where lower[i] <= values[i] && values[i] <= upper[i] {
          covered[index][i] += 1
        }
      }
    }
    // Four standard errors of 400 tables, 0.044, and what the asymptotic forms lack at n = 1,000, about 1 / n of each
    // component: 0.01.
    for counts in covered {
      for count in counts { #expect(abs(Double(count) / Double(tables) - 0.95) < 0.054) }
    }
  }

  private func vector(_ values: ParameterValues, _ structure: CovarianceStructure) -> [Double] {
    let d = values.means.columnCount
    return values.weights + values.means.elements
      + (structure.isShared ? [values.covariances[0]] : values.covariances).flatMap { matrix in
        switch structure.form {
        case .full: (0..<d).flatMap { i in (0...i).map { matrix[i, $0] } }
        case .diagonal: (0..<d).map { matrix[$0, $0] }
        case .scalar: [matrix[0, 0]]
        }
      }
  }
}
