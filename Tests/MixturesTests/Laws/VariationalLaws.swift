// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

@Suite struct VariationalLaws {
  static let weightPriors: [WeightPrior] = [
    .dirichlet(), .dirichletProcess(concentration: 0.5), .dirichletProcess(concentration: 3),
  ]

  @Test(arguments: conjugateStructures, weightPriors)
  func `the bound never falls by more than rounding`(
    _ structure: CovarianceStructure, _ weightPrior: WeightPrior
  ) throws {
    let problem = try RandomProblem(n: 300, d: 3, K: 3, separation: 1.5, seed: 3)
    for initialization in [Initialization.randomResponsibilities, .randomRows, .kMeans] {
      let fit = try VariationalBayes(
        componentCount: 6, covariance: structure, weightPrior: weightPrior,
        initialization: initialization,
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 40), seed: 2
      ).fit(problem.observations)
      let bounds = fit.trace.map(\.evidenceLowerBound)
      #expect(bounds.count == 41)
      // A sum of some thousand terms, of the bound's own size together.
      let rounding = 1000 * Double.ulpOfOne * abs(bounds[0])
      for (later, earlier) in zip(bounds.dropFirst(), bounds) {
        #expect(later >= earlier - rounding)
      }
      #expect(fit.evidenceLowerBound == bounds.last)
    }
  }

  @Test(arguments: [1e-100, 1e-5, 1e6])
  func `priors at their limits keep the bound finite and rising`(_ limit: Double) throws {
    let problem = try RandomProblem(n: 100, d: 2, K: 2, seed: 16)
    for covariance in [CovarianceStructure.vvv, .vvi, .eii] {
      for weightPrior in [
        WeightPrior.dirichlet(concentration: limit), .dirichletProcess(concentration: limit),
      ] {
        let fit = try VariationalBayes(
          componentCount: 5, covariance: covariance, weightPrior: weightPrior,
          meanPrior: MeanPrior(strength: limit),
          precisionPrior: PrecisionPrior(degreesOfFreedom: max(limit, covariance == .vvv ? 2 : 0)),
          initialization: .kMeans, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 15)
        ).fit(problem.observations)
        let bounds = fit.trace.map(\.evidenceLowerBound)
        #expect(bounds.allSatisfy { $0.isFinite })
        // log Γ(10⁶) is 1.3 · 10⁷; some fifty of them, each with eight units of rounding.
        let rounding = 50 * 8 * Double.ulpOfOne * 1.3e7
        for (later, earlier) in zip(bounds.dropFirst(), bounds) {
          #expect(later >= earlier - max(rounding, 1000 * .ulpOfOne * abs(earlier)))
        }
        let densities = try fit.logPredictiveDensities(of: problem.observations)
        #expect(densities.allSatisfy { $0.isFinite })
      }
    }
  }

  @Test(arguments: [WeightPrior.dirichlet(), .dirichletProcess()])
  func `threads change no bit`(_ weightPrior: WeightPrior) throws {
    let problem = try RandomProblem(n: 6000, d: 2, K: 3, seed: 4)
    var settings = VariationalBayes(
      componentCount: 5, weightPrior: weightPrior, restartCount: 2,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 5), threadCount: 1)
    let one = try settings.fit(problem.observations)
    settings.threadCount = 4
    let four = try settings.fit(problem.observations)
    #expect(one.posterior == four.posterior)
    #expect(one.restartBounds == four.restartBounds)
    #expect(one.evidenceLowerBound == one.restartBounds.max())
  }

  /// What rows do not tell of their features.
  enum Gaps: CaseIterable {
    case missing
    case noise
    case missingAndNoise
    case limits

    func rows(of matrix: Matrix) throws -> Observations {
      let (n, d) = (matrix.rowCount, matrix.columnCount)
      var cells = matrix.elements
      var annotations = RowAnnotations()
      if self == .missing || self == .missingAndNoise {
        annotations.allowsMissing = true
        for i in 0..<n where i % 3 == 0 { cells[i * d + i % d] = .nan }
      }
      if self == .noise || self == .missingAndNoise {
        annotations.noise = .standardDeviations(
          Matrix(
            unchecked: (0..<n * d).map { 0.1 + 0.1 * Double($0 % 7) }, rowCount: n, columnCount: d))
      }
      if self == .limits {
        var upper = Array(repeating: Double.infinity, count: n * d)
        for i in 0..<n where i % 4 == 0 {
          upper[i * d + i % d] = cells[i * d + i % d] + 0.5
          cells[i * d + i % d] = .nan
        }
        annotations.allowsMissing = true
        annotations.limits = CensoringLimits(
          lower: Matrix(repeating: -.infinity, rowCount: n, columnCount: d),
          upper: Matrix(unchecked: upper, rowCount: n, columnCount: d))
      }
      return try Observations(
        Matrix(unchecked: cells, rowCount: n, columnCount: d), annotations: annotations)
    }
  }

  @Test(arguments: conjugateStructures, Gaps.allCases)
  func `the bound of rows that are not known exactly never falls`(
    _ structure: CovarianceStructure, _ gaps: Gaps
  ) throws {
    let problem = try RandomProblem(n: 90, d: 3, K: 2, separation: 2, seed: 21)
    let rows = try gaps.rows(of: problem.observations.matrix)
    for weightPrior in [WeightPrior.dirichlet(), .dirichletProcess()] {
      let fit = try VariationalBayes(
        componentCount: 3, covariance: structure, weightPrior: weightPrior,
        initialization: .kMeans, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 15)
      ).fit(rows)
      let bounds = fit.trace.map(\.evidenceLowerBound)
      #expect(bounds.count == 16)
      let rounding = 1000 * Double.ulpOfOne * abs(bounds[0])
      for (later, earlier) in zip(bounds.dropFirst(), bounds) {
        #expect(later >= earlier - rounding)
      }
    }
  }

  @Test(arguments: conjugateStructures)
  func `the bound of rows with gaps and noise is that of integrals over their features`(
    _ structure: CovarianceStructure
  ) throws {
    let problem = try RandomProblem(n: 24, d: 2, K: 2, structure: structure, seed: 22)
    // Rows 0, 3, … have their features, rows 1, 4, … lack one, rows 2, 5, … have noise in one.
    var cells = problem.observations.matrix.elements
    var deviations = Array(repeating: 0.0, count: 48)
    func feature(_ row: Int) -> Int { row / 3 % 2 }
    for row in 0..<24 where row % 3 > 0 {
      if row % 3 == 1 {
        cells[2 * row + feature(row)] = .nan
      } else {
        deviations[2 * row + feature(row)] = 0.4 + 0.1 * Double(row % 5)
      }
    }
    let fit = try VariationalBayes(
      componentCount: 2, covariance: structure, initialization: .model(problem.model),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 3)
    ).fit(
      Observations(
        Matrix(rowCount: 24, columnCount: 2, elements: cells),
        annotations: RowAnnotations(
          allowsMissing: true,
          noise: .standardDeviations(Matrix(rowCount: 24, columnCount: 2, elements: deviations)))))
    let posterior = fit.posterior
    let inverses = (0..<2).map { k -> (xx: Double, xy: Double, yy: Double) in
      let matrix = posterior.model.covariances[k]
      let determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
      return (
        matrix[1, 1] / determinant, -matrix[0, 1] / determinant, matrix[0, 0] / determinant
      )
    }
    // exp E[log w N(x; μ, Σ)]
    func density(_ x: Double, _ y: Double, _ k: Int) -> Double {
      let dx = x - posterior.means[k, 0]
      let dy = y - posterior.means[k, 1]
      let inverse = inverses[k]
      let squares: Double = inverse.xx * dx * dx + inverse.yy * dy * dy
      let product: Double = 2 * inverse.xy * dx * dy
      return exp(posterior.constants[k] - 0.5 * (squares + product))
    }
    var sum = 0.0
    for row in 0..<24 {
      let j = feature(row)
      let (value, other) = (cells[2 * row + j], cells[2 * row + 1 - j])
      let deviation = deviations[2 * row + j]
      func at(_ x: Double) -> Double {
        var sum = 0.0
        for k in 0..<2 { sum += j == 0 ? density(x, other, k) : density(other, x, k) }
        return sum
      }
      guard row % 3 > 0 else {
        sum += log(at(value))
        continue
      }
      // The trapezoid rule, which converges faster than any power for densities that end smoothly.
      let step = 0.05
      var integral = 0.0
      for point in -1000...1000 {
        let x = step * Double(point)
        var noise = 1.0
        if row % 3 == 2 {
          let z = (value - x) / deviation
          noise = exp(-0.5 * z * z) / (deviation * (2 * Double.pi).squareRoot())
        }
        integral += step * noise * at(x)
      }
      sum += log(integral)
    }
    #expect(abs(sum - posterior.divergence - fit.evidenceLowerBound) < 1e-9)
  }

  @Test func `with noise the bound is below the evidence, and without it is the evidence`() throws {
    let values = [0.3, -1.1, 0.8, 2.0, 0.1]
    let (m0, beta0, nu0, v0) = (0.2, 0.7, 3.0, 1.5)
    func bound(_ deviation: Double) throws -> Double {
      try VariationalBayes(
        componentCount: 1, meanPrior: MeanPrior(location: [m0], strength: beta0),
        precisionPrior: PrecisionPrior(
          scatter: Matrix(rows: [[v0]]), degreesOfFreedom: nu0),
        stoppingRule: StoppingRule(tolerance: 1e-13)
      ).fit(
        Observations(
          Matrix(rows: values.map { [$0] }),
          annotations: RowAnnotations(
            noise: .standardDeviations(Matrix(repeating: deviation, rowCount: 5, columnCount: 1))))
      ).evidenceLowerBound
    }
    // ∫∫ p(μ, λ) Π N(y; μ, 1 / λ + s²) by the trapezoid rule in μ and log λ.
    func evidence(_ deviation: Double) -> Double {
      var sum = 0.0
      let (step, logStep) = (0.05, 0.05)
      for i in -400...200 {
        let lambda = exp(logStep * Double(i))
        // The Gamma density of λ, times λ for the logarithmic grid.
        var logPrecision: Double = 0.5 * nu0 * log(0.5 * v0) - lgamma(0.5 * nu0)
        logPrecision += 0.5 * nu0 * log(lambda) - 0.5 * v0 * lambda
        let variance: Double = 1 / lambda + deviation * deviation
        for j in -400...400 {
          let mu = step * Double(j)
          let ofMean: Double =
            log(beta0 * lambda / (2 * .pi)) - beta0 * lambda * (mu - m0) * (mu - m0)
          var logTerm: Double = logPrecision + 0.5 * ofMean
          for y in values {
            let square: Double = (y - mu) * (y - mu) / variance
            logTerm -= 0.5 * (log(2 * .pi * variance) + square)
          }
          sum += exp(logTerm)
        }
      }
      return log(sum * step * logStep)
    }
    var gaps: [Double] = []
    for deviation in [0.8, 0.4, 1e-5] { gaps.append(evidence(deviation) - (try bound(deviation))) }
    #expect(gaps[0] > gaps[1])
    #expect(gaps[1] > 0)
    // Of the order of the noise's variance.
    #expect(abs(gaps[2]) < 1e-8)
  }

  @Test(arguments: [(d: 3, K: 25, spread: 30.0), (d: 40, K: 7, spread: 2.2)])
  func `components with other constants are left out where they are zero, to the bit`(
    _ size: (d: Int, K: Int, spread: Double)
  ) throws {
    let (observations, start) = try ScatteredProblem(
      n: 3000, d: size.d, K: size.K, structure: .vvv, spread: size.spread
    ).make()
    let model = GaussianMixture(
      start, constants: start.constants.enumerated().map { $1 - 3 * Double($0) },
      weights: start.weights)
    let whole = try Expectation(
      observations, form: .full, threadCount: 2, isSkipping: false
    ).statistics(under: model)
    let skipping = Expectation(observations, form: .full, threadCount: 2, isSkipping: true)
    for _ in 0..<3 { #expect(try skipping.statistics(under: model) == whole) }
    #expect(skipping.sparseBlockCount + skipping.screenedBlockCount > 0, "nothing was left out")
  }

  @Test func `what the E-step leaves out is zero, to the bit`() throws {
    let problem = try RandomProblem(n: 3000, d: 2, K: 24, separation: 60, seed: 18)
    let fit = try VariationalBayes(
      componentCount: 24,
      precisionPrior: PrecisionPrior(scatter: Matrix(rows: [[1, 0], [0, 1]])),
      initialization: .model(problem.model),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 2)
    ).fit(problem.observations)
    let model = fit.posterior.expectationModel(for: nil)
    let whole = try Expectation(
      problem.observations, form: .full, threadCount: 2, isSkipping: false
    ).statistics(under: model)
    let skipping = Expectation(
      problem.observations, form: .full, threadCount: 2, isSkipping: true)
    // The first call learns where rows are, the second makes use of it.
    for _ in 0..<2 { #expect(try skipping.statistics(under: model) == whole) }
    #expect(skipping.sparseBlockCount > 0, "nothing was left out")
    #expect(
      relativeDifference(whole.logLikelihood - fit.posterior.divergence, fit.evidenceLowerBound)
        < 1e-14)
  }

  @Test(arguments: conjugateStructures)
  func `a shift changes nothing, and a scale only the unit`(
    _ structure: CovarianceStructure
  ) throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 2, seed: 6)
    // Multiples of 2⁻²⁰, which stay exact under the shift.
    let rows = (0..<200).map { i in
      problem.observations.matrix.row(i).map { ($0 * 1_048_576).rounded() / 1_048_576 }
    }
    let settings = VariationalBayes(
      componentCount: 4, covariance: structure, initialization: .labels((0..<200).map { $0 % 4 }),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 30))
    let fit = try settings.fit(Observations(rows: rows))
    let offset = 100_000_000.0
    let moved = try settings.fit(Observations(rows: shifted(rows, by: offset)))
    // The means are rounded to 1.5e-8 there.
    #expect(relativeDifference(moved.evidenceLowerBound, fit.evidenceLowerBound) < 1e-8)
    let scaled = try settings.fit(Observations(rows: rows.map { $0.map { $0 * 1024 } }))
    #expect(
      relativeDifference(
        scaled.evidenceLowerBound, fit.evidenceLowerBound - 400 * log(1024)) < 1e-12)
    for (a, b) in zip(fit.posterior.counts, scaled.posterior.counts) {
      #expect(abs(a - b) < 1e-9)
    }
    for (a, b) in zip(fit.posterior.counts, moved.posterior.counts) { #expect(abs(a - b) < 1e-4) }
  }

  @Test(arguments: conjugateStructures)
  func `a row of weight two is two rows`(_ structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 80, d: 2, K: 2, structure: structure, seed: 7)
    let rows = (0..<80).map { problem.observations.matrix.row($0) }
    let weights = (0..<80).map { Double($0 % 3) }
    let repeated = (0..<80).flatMap { Array(repeating: rows[$0], count: $0 % 3) }
    let settings = VariationalBayes(
      componentCount: 2, covariance: structure, initialization: .model(problem.model),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 20))
    let weighted = try settings.fit(
      Observations(
        Matrix(rows: rows), annotations: RowAnnotations(caseWeights: CaseWeights(weights))))
    let plain = try settings.fit(Observations(rows: repeated))
    #expect(weighted.caseWeight == plain.caseWeight)
    #expect(relativeDifference(weighted.evidenceLowerBound, plain.evidenceLowerBound) < 1e-12)
    for (a, b) in zip(weighted.posterior.means.elements, plain.posterior.means.elements) {
      #expect(abs(a - b) < 1e-9)
    }
  }

  @Test(
    arguments: [CovarianceStructure.vvv, .vvi],
    [WeightPrior.dirichlet(), .dirichletProcess(concentration: 0.1)])
  func `components that the data do not need are emptied`(
    _ structure: CovarianceStructure, _ weightPrior: WeightPrior
  ) throws {
    let truth = try RandomProblem.mixture(d: 2, K: 3, structure: .vvi, separation: 8, seed: 12)
    let drawn = try Observations(truth.sample(1500, seed: 1).observations)
    let fit = try VariationalBayes(
      componentCount: 10, covariance: structure, weightPrior: weightPrior, restartCount: 4
    ).fit(drawn)
    let model = try fit.pruned()
    #expect(model.componentCount == 3)
    for k in 0..<3 {
      let nearest = (0..<3).min { a, b in
        func distance(_ j: Int) -> Double {
          zip(model.means.row(k), truth.means.row(j)).reduce(0) {
            $0 + ($1.0 - $1.1) * ($1.0 - $1.1)
          }
        }
        return distance(a) < distance(b)
      }!
      #expect(abs(model.weights[k] - truth.weights[nearest]) < 0.05)
    }
  }

  @Test(arguments: conjugateStructures)
  func `with one component the predictive density is a ratio of evidences`(
    _ structure: CovarianceStructure
  ) throws {
    let problem = try RandomProblem(n: 12, d: 2, K: 1, seed: 9)
    let rows = (0..<12).map { problem.observations.matrix.row($0) }
    var scatter = Matrix(repeating: 0, rowCount: 2, columnCount: 2)
    for j in 0..<2 { scatter[j, j] = 1.5 }
    let settings = VariationalBayes(
      componentCount: 1, covariance: structure,
      meanPrior: MeanPrior(location: [0.2, -0.1], strength: 0.6),
      precisionPrior: PrecisionPrior(scatter: scatter, degreesOfFreedom: 3.5))
    let fit = try settings.fit(Observations(rows: rows))
    for point in [[0.0, 0.0], [3.0, -2.0], [-40.0, 25.0]] {
      let more = try settings.fit(Observations(rows: rows + [point]))
      let density = try fit.logPredictiveDensities(of: Observations(rows: [point]))[0]
      #expect(abs(density - (more.evidenceLowerBound - fit.evidenceLowerBound)) < 1e-11)
    }
  }

  @Test func `the predictive density of a mixture integrates to one`() throws {
    let problem = try RandomProblem(n: 60, d: 1, K: 2, seed: 10)
    let fit = try VariationalBayes(
      componentCount: 3, weightPrior: .dirichletProcess()
    ).fit(problem.observations)
    // x = sinh(t) reaches far enough for tails of low degree.
    let (step, limit) = (0.01, 4000)
    let nodes = (-limit...limit).map { step * Double($0) }
    let logs = try fit.logPredictiveDensities(of: Observations(rows: nodes.map { [sinh($0)] }))
    var integral = 0.0
    for (t, value) in zip(nodes, logs) { integral += step * exp(value) * cosh(t) }
    #expect(abs(integral - 1) < 1e-9)
  }

  @Test func `with one feature full, diagonal and spherical covariances are the same`() throws {
    let problem = try RandomProblem(n: 100, d: 1, K: 2, seed: 11)
    func fit(_ structure: CovarianceStructure) throws -> VariationalFit {
      try VariationalBayes(
        componentCount: 3, covariance: structure, initialization: .labels((0..<100).map { $0 % 3 }),
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 15)
      ).fit(problem.observations)
    }
    let full = try fit(.vvv)
    for structure in [CovarianceStructure.vvi, .vii] {
      let other = try fit(structure)
      #expect(relativeDifference(full.evidenceLowerBound, other.evidenceLowerBound) < 1e-12)
      let pairs = try zip(
        full.logPredictiveDensities(of: problem.observations),
        other.logPredictiveDensities(of: problem.observations))
      for (a, b) in pairs { #expect(abs(a - b) < 1e-10) }
    }
  }

  @Test(arguments: conjugateStructures)
  func `settings and fits survive encoding`(_ structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 100, d: 2, K: 2, seed: 13)
    for prior in Self.weightPriors {
      let settings = VariationalBayes(
        componentCount: 3, covariance: structure, weightPrior: prior,
        stoppingRule: StoppingRule(iterationLimit: 3))
      #expect(
        try JSONDecoder().decode(VariationalBayes.self, from: JSONEncoder().encode(settings))
          == settings)
      let fit = try settings.fit(problem.observations)
      let data = try JSONEncoder().encode(fit)
      #expect(try JSONDecoder().decode(VariationalFit.self, from: data) == fit)
    }
  }

  @Test func `a posterior that cannot be is not decoded`() throws {
    let problem = try RandomProblem(n: 50, d: 1, K: 2, seed: 14)
    let fit = try VariationalBayes(componentCount: 2).fit(problem.observations)
    let text = String(decoding: try JSONEncoder().encode(fit.posterior), as: UTF8.self)
    for (key, value) in [
      ("meanStrengths", "[-1,2]"), ("degreesOfFreedom", "[0,2]"), ("counts", "[1]"),
      ("scatters", "[[[1]],[[-1]]]"), ("means", "[[1,2],[3,4]]"),
    ] {
      let start = text.range(of: "\"\(key)\":[")!
      var depth = 1
      var end = start.upperBound
      while depth > 0 {
        depth += text[end] == "[" ? 1 : text[end] == "]" ? -1 : 0
        end = text.index(after: end)
      }
      let changed = text.replacingCharacters(
        in: start.lowerBound..<end, with: "\"\(key)\":\(value)")
      #expect(throws: MixtureError.self) {
        try JSONDecoder().decode(VariationalPosterior.self, from: Data(changed.utf8))
      }
    }
  }

  @Test func `what has no answer is one error`() throws {
    let problem = try RandomProblem(n: 50, d: 2, K: 2, seed: 15)
    func code(_ change: (inout VariationalBayes) -> Void) -> MixtureError.Code? {
      var settings = VariationalBayes(componentCount: 2)
      change(&settings)
      do throws(MixtureError) {
        _ = try settings.fit(problem.observations)
        return nil
      } catch { return error.code }
    }
    let nan = Double.nan
    #expect(code { $0.componentCount = 0 } == .invalidSetting)
    #expect(code { $0.covariance = .vev } == .invalidSetting)
    #expect(code { $0.weightPrior = .dirichlet(concentration: 0) } == .invalidSetting)
    #expect(code { $0.weightPrior = .dirichletProcess(concentration: nan) } == .invalidSetting)
    #expect(code { $0.weightPrior = .dirichlet(concentration: 1e7) } == .invalidSetting)
    #expect(code { $0.meanPrior.strength = -1 } == .invalidSetting)
    #expect(code { $0.meanPrior.location = [1] } == .shapeMismatch)
    #expect(code { $0.meanPrior.location = [1, .infinity] } == .invalidSetting)
    #expect(code { $0.meanPrior.location = [1e200, 0] } == .invalidSetting)
    #expect(code { $0.precisionPrior.degreesOfFreedom = 1 } == .invalidSetting)
    let wide = Matrix(repeating: 1, rowCount: 3, columnCount: 3)
    #expect(code { $0.precisionPrior.scatter = wide } == .shapeMismatch)
    let singular = Matrix(repeating: 1, rowCount: 2, columnCount: 2)
    #expect(code { $0.precisionPrior.scatter = singular } == .notPositiveDefinite)
    #expect(
      code {
        $0.covariance = .vvi
        $0.precisionPrior.scatter = singular
      } == .invalidModel)
    let known = try Observations(
      problem.observations.matrix,
      annotations: RowAnnotations(knownComponents: KnownComponents(Array(repeating: 0, count: 50))))
    let chosen = try Observations(
      problem.observations.matrix,
      annotations: RowAnnotations(selection: SelectionFunction { _ in 0.5 }))
    let window = try Observations(
      problem.observations.matrix,
      annotations: RowAnnotations(
        window: ObservationWindow(lower: [-1e9, -1e9], upper: [1e9, 1e9])))
    for rows in [known, chosen, window] {
      let error = #expect(throws: MixtureError.self) {
        try VariationalBayes(componentCount: 2).fit(rows)
      }
      #expect(error?.code == .invalidAnnotation)
    }
  }
}
