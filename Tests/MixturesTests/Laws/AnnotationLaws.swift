// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

/// Rows with some annotations, for tests.
struct AnnotatedProblem {
  let model: GaussianMixture
  let matrix: Matrix
  var annotations = RowAnnotations()

  init(n: Int, d: Int, K: Int, structure: CovarianceStructure = .full, seed: UInt64) throws {
    let problem = try RandomProblem(n: n, d: d, K: K, structure: structure, seed: seed)
    model = problem.model
    matrix = problem.observations.matrix
  }

  func observations(_ matrix: Matrix? = nil) throws -> Observations {
    try Observations(matrix ?? self.matrix, annotations: annotations)
  }

  /// The matrix with about a third of the cells missing, and one row with none.
  func withGaps(seed: UInt64) -> Matrix {
    var random = RandomStream(seed: seed, stream: 9)
    var result = matrix
    for i in 0..<matrix.rowCount {
      for j in 0..<matrix.columnCount where random.uniform() < 0.3 { result[i, j] = .nan }
    }
    for j in 0..<matrix.columnCount { result[3, j] = .nan }
    return result
  }

  static func noise(n: Int, d: Int, seed: UInt64) -> Matrix {
    var random = RandomStream(seed: seed, stream: 10)
    return Matrix(
      unchecked: (0..<n * d).map { _ in 0.1 + random.uniform() }, rowCount: n, columnCount: d)
  }

  static func covariances(n: Int, d: Int, seed: UInt64) -> Matrix {
    var random = RandomStream(seed: seed, stream: 11)
    var result = Matrix(repeating: 0, rowCount: n, columnCount: d * d)
    for row in 0..<n {
      let a = (0..<d * d).map { _ in random.normal() }
      for i in 0..<d {
        for j in 0...i {
          let sum = (0..<d).reduce(0) { $0 + a[i * d + $1] * a[j * d + $1] } / Double(d)
          result[row, i * d + j] = sum
          result[row, j * d + i] = sum
        }
      }
    }
    return result
  }
}

/// The E-step on rows with annotations, row by row in plain loops: an independent slow implementation.
private struct SlowExpectation {
  let model: GaussianMixture
  let matrix: Matrix
  let annotations: RowAnnotations

  /// Nₖ, Σ r E[x], Σ r E[x xᵀ] about the means, and the log-likelihood.
  func statistics() -> (zeroth: [Double], first: [[Double]], second: [[[Double]]], ell: Double) {
    let (K, d) = (model.componentCount, model.featureCount)
    var zeroth = Array(repeating: 0.0, count: K)
    var first = Array(repeating: Array(repeating: 0.0, count: d), count: K)
    var second = Array(
      repeating: Array(repeating: Array(repeating: 0.0, count: d), count: d), count: K)
    var ell = 0.0
    for row in 0..<matrix.rowCount {
      let w = annotations.caseWeights?.values[row] ?? 1
      // R and S, dense.
      var R = [[Double]]()
      var y = [Double]()
      var cells = [Int]()
      let projection = annotations.projections?.indices[row].map {
        annotations.projections!.matrices[$0]
      }
      for j in 0..<(projection?.rowCount ?? d) {
        if matrix[row, j].isNaN { continue }
        if case .standardDeviations(let s) = annotations.noise, s[row, j] == .infinity { continue }
        R.append(projection?.row(j) ?? (0..<d).map { $0 == j ? 1 : 0 })
        y.append(matrix[row, j])
        cells.append(j)
      }
      let m = y.count
      if m == 0 { continue }
      func noise(_ i: Int, _ j: Int) -> Double {
        switch annotations.noise {
        case nil: return 0
        case .shared(let S): return S[i, j]
        case .standardDeviations(let s): return i == j ? s[row, i] * s[row, i] : 0
        case .covariances(let S): return S[row, i * d + j]
        }
      }
      var joints = [Double]()
      var expected = [[Double]]()
      var spread = [[[Double]]]()
      for k in 0..<K {
        let Sigma = model.covariances[k]
        // Gauss–Jordan on T beside Rμ and C.
        var T = (0..<m).map { a in
          (0..<m).map { b in
            var sum = noise(cells[a], cells[b])
            for i in 0..<d { for j in 0..<d { sum += R[a][i] * Sigma[i, j] * R[b][j] } }
            return sum
          }
        }
        let v = (0..<m).map { a in y[a] - (0..<d).reduce(0) { $0 + R[a][$1] * model.means[k, $1] } }
        let C = (0..<d).map { i in
          (0..<m).map { a in (0..<d).reduce(0) { $0 + Sigma[i, $1] * R[a][$1] } }
        }
        var right = (0..<m).map { a in [v[a]] + (0..<d).map { C[$0][a] } }
        var logDeterminant = 0.0
        for p in 0..<m {
          let pivot = T[p][p]
          logDeterminant += Kernels.log(pivot)
          for q in 0..<m { T[p][q] /= pivot }
          for q in right[p].indices { right[p][q] /= pivot }
          for a in 0..<m where a != p {
            let factor = T[a][p]
            for q in 0..<m { T[a][q] -= factor * T[p][q] }
            for q in right[a].indices { right[a][q] -= factor * right[p][q] }
          }
        }
        let q = (0..<m).reduce(0) { $0 + v[$1] * right[$1][0] }
        var joint =
          Kernels.log(model.weights[k])
          - 0.5 * (q + logDeterminant + Double(m) * 1.8378770664093453)
        if let known = annotations.knownComponents?[row], !known.contains(k) { joint = -.infinity }
        joints.append(joint)
        expected.append((0..<d).map { i in (0..<m).reduce(0) { $0 + C[i][$1] * right[$1][0] } })
        spread.append(
          (0..<d).map { i in
            (0..<d).map { j in
              (0..<m).reduce(Sigma[i, j]) { $0 - C[i][$1] * right[$1][1 + j] }
            }
          })
      }
      if let background = model.background {
        joints = joints.map { $0 + Kernels.log(1 - background.share) }
        if annotations.knownComponents?[row] == nil {
          joints.append(
            Kernels.log(background.share) - cells.reduce(0) { $0 + background.logWidths[$1] })
        }
      }
      let largest = joints.max()!
      let total = joints.reduce(0) { $0 + Kernels.exp($1 - largest) }
      ell += w * (largest + Kernels.log(total))
      for k in 0..<K {
        let r = w * Kernels.exp(joints[k] - largest) / total
        zeroth[k] += r
        for i in 0..<d {
          first[k][i] += r * expected[k][i]
          for j in 0..<d {
            second[k][i][j] += r * (expected[k][i] * expected[k][j] + spread[k][i][j])
          }
        }
      }
    }
    return (zeroth, first, second, ell)
  }
}

@Suite struct AnnotationLaws {
  /// Combinations of what rows can carry.
  struct Combination: CustomTestStringConvertible, Sendable {
    var weights = false
    var gaps = false
    var noise = 0
    var projections = false
    var labels = false
    var background = false

    var testDescription: String {
      [
        weights ? "weights" : nil, gaps ? "gaps" : nil, noise > 0 ? "noise \(noise)" : nil,
        projections ? "projections" : nil, labels ? "labels" : nil,
        background ? "background" : nil,
      ].compactMap { $0 }.joined(separator: ", ")
    }

    static let all: [Combination] = {
      var result: [Combination] = []
      for bits in 1..<32 {
        for noise in [0, 1, 2, 3] {
          result.append(
            Combination(
              weights: bits & 1 != 0, gaps: bits & 2 != 0, noise: noise,
              projections: bits & 4 != 0, labels: bits & 8 != 0, background: bits & 16 != 0))
        }
      }
      return result
    }()

    func problem(
      n: Int, d: Int, K: Int, structure: CovarianceStructure = .full, seed: UInt64
    ) throws -> (model: GaussianMixture, observations: Observations) {
      var problem = try AnnotatedProblem(n: n, d: d, K: K, structure: structure, seed: seed)
      var random = RandomStream(seed: seed, stream: 12)
      var annotations = RowAnnotations()
      var matrix = problem.matrix
      if weights {
        annotations.caseWeights = CaseWeights(
          (0..<n).map { $0 % 7 == 0 ? 0 : 0.2 + random.uniform() })
      }
      if gaps {
        annotations.allowsMissing = true
        matrix = problem.withGaps(seed: seed)
      }
      switch noise {
      case 1:
        annotations.noise = .standardDeviations(AnnotatedProblem.noise(n: n, d: d, seed: seed))
      case 2: annotations.noise = .covariances(AnnotatedProblem.covariances(n: n, d: d, seed: seed))
      case 3:
        annotations.noise = .shared(
          try Matrix(
            rowCount: d, columnCount: d,
            elements: AnnotatedProblem.covariances(n: 1, d: d, seed: seed).elements))
      default: break
      }
      if projections {
        let matrices = try (1...d).map { m in
          try Matrix(rows: (0..<m).map { _ in (0..<d).map { _ in random.normal() } })
        }
        let indices = (0..<n).map { $0 % 3 == 0 ? $0 % d : nil }
        for i in 0..<n {
          guard let index = indices[i] else { continue }
          let x = problem.matrix.row(i)
          for j in 0..<d {
            matrix[i, j] =
              j > index
              ? .nan : (0..<d).reduce(0) { $0 + matrices[index][j, $1] * x[$1] }
          }
        }
        annotations.projections = Projections(matrices, indices: indices)
      }
      if labels {
        annotations.knownComponents = KnownComponents(
          sets: (0..<n).map {
            $0 % 5 == 0 ? [$0 % K] : $0 % 5 == 1 ? [$0 % K, ($0 + 1) % K] : nil
          })
      }
      problem.annotations = annotations
      let model =
        background
        ? try problem.model.withBackground(
          UniformBackground(share: 0.1, logWidths: (0..<d).map { 2.5 + 0.1 * Double($0) }))
        : problem.model
      return (model, try problem.observations(matrix))
    }
  }

  @Test(arguments: Combination.all)
  func `the E-step agrees with plain loops, whatever rows carry`(_ combination: Combination) throws
  {
    let (model, observations) = try combination.problem(n: 90, d: 3, K: 3, seed: 5)
    let statistics = try model.statistics(of: observations)
    let slow = SlowExpectation(
      model: model, matrix: observations.matrix,
      annotations: observations.annotations ?? RowAnnotations()
    ).statistics()
    #expect(relativeDifference(statistics.logLikelihood, slow.ell) < 1e-12)
    for k in 0..<3 {
      // Sums of at most 90 terms of order 10, each with a few roundings per step of a solve.
      #expect(abs(statistics.zeroth(k) - slow.zeroth[k]) < 1e-11)
      for i in 0..<3 {
        #expect(abs(Array(statistics.first(k))[i] - slow.first[k][i]) < 1e-10)
        for j in 0...i {
          #expect(
            abs(Array(statistics.second(k))[i * (i + 1) / 2 + j] - slow.second[k][i][j]) < 1e-9)
        }
      }
    }
  }

  @Test(arguments: CovarianceStructure.allCases, [0, 1, 2])
  func `every structure takes gaps and noise, and the objective never falls`(
    _ structure: CovarianceStructure, noise: Int
  ) throws {
    let combination = Combination(weights: true, gaps: true, noise: noise, labels: true)
    let (model, observations) = try combination.problem(
      n: 200, d: 3, K: 2, structure: structure, seed: 8)
    let fit = try ExpectationMaximization(
      componentCount: 2, covariance: structure, initialization: .model(model),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 25)
    ).fit(observations)
    for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
      #expect(after.logLikelihood >= before.logLikelihood - 1e-9 * abs(before.logLikelihood))
    }
    let again = try fit.model.logLikelihood(of: observations)
    #expect(again == fit.logLikelihood)
  }

  @Test(arguments: [1, 2, 5, 64])
  func `bits do not depend on threads`(threads: Int) throws {
    let combination = Combination(
      weights: true, gaps: true, noise: 1, projections: true, labels: true, background: true)
    let (model, observations) = try combination.problem(n: 3000, d: 3, K: 3, seed: 21)
    let one = try model.statistics(of: observations, threadCount: 1)
    #expect(try model.statistics(of: observations, threadCount: threads) == one)
  }

  @Test func `weight 2 is the row twice, weight 0 no row, whatever rows carry`() throws {
    for noise in [0, 1, 2] {
      let combination = Combination(gaps: true, noise: noise, projections: true, labels: true)
      let (model, observations) = try combination.problem(n: 120, d: 3, K: 2, seed: 31)
      let counts = (0..<120).map { $0 % 3 }
      let repeated = counts.indices.flatMap { Array(repeating: $0, count: counts[$0]) }
      var annotations = observations.annotations!
      annotations.caseWeights = CaseWeights(counts.map(Double.init))
      let weighted = try Observations(observations.matrix, annotations: annotations)
      let twice = try Observations(
        observations.matrix.rows(repeated),
        annotations: observations.annotations!.selecting(repeated))
      let a = try model.statistics(of: weighted)
      let b = try model.statistics(of: twice)
      for (x, y) in zip(a.values, b.values) { #expect(abs(x - y) < 1e-10 * max(1, abs(y))) }
      #expect(try weighted.criterionCount() == twice.criterionCount())
    }
  }

  @Test
  func
    `all observed, without noise, of weight 1 and of any component is the plain path to the bit`()
    throws
  {
    for d in [2, 3, 9, 20] {
      let problem = try AnnotatedProblem(n: 1500, d: d, K: 3, seed: 41)
      let n = problem.matrix.rowCount
      let plain = try problem.model.statistics(of: Observations(problem.matrix))
      let annotations = [
        RowAnnotations(allowsMissing: true),
        RowAnnotations(caseWeights: CaseWeights(Array(repeating: 1, count: n))),
        RowAnnotations(
          noise: .standardDeviations(Matrix(repeating: 0, rowCount: n, columnCount: d))),
        RowAnnotations(noise: .shared(Matrix(repeating: 0, rowCount: d, columnCount: d))),
        RowAnnotations(projections: Projections([], indices: Array(repeating: nil, count: n))),
        RowAnnotations(knownComponents: KnownComponents(Array(repeating: nil, count: n))),
        RowAnnotations(
          knownComponents: KnownComponents(sets: Array(repeating: [0, 1, 2], count: n))),
      ]
      for annotation in annotations {
        let other = try problem.model.statistics(
          of: Observations(problem.matrix, annotations: annotation))
        #expect(other == plain)
      }
    }
  }

  @Test func `infinite noise is a missing value, and that a projection`() throws {
    let problem = try AnnotatedProblem(n: 300, d: 4, K: 3, seed: 51)
    let gaps = problem.withGaps(seed: 52)
    let missing = try Observations(gaps, annotations: RowAnnotations(allowsMissing: true))
    let expected = try problem.model.statistics(of: missing)
    let noise = Matrix(
      unchecked: gaps.elements.map { $0.isNaN ? .infinity : 0 }, rowCount: 300, columnCount: 4)
    let noisy = try Observations(
      problem.matrix, annotations: RowAnnotations(noise: .standardDeviations(noise)))
    #expect(try problem.model.statistics(of: noisy) == expected)

    var projections: [Matrix] = []
    var indices: [Int?] = []
    var packed = Matrix(repeating: .nan, rowCount: 300, columnCount: 4)
    for i in 0..<300 {
      let cells = (0..<4).filter { !gaps[i, $0].isNaN }
      for (position, j) in cells.enumerated() { packed[i, position] = gaps[i, j] }
      if cells.isEmpty {
        indices.append(nil)
        continue
      }
      indices.append(projections.count)
      projections.append(
        try Matrix(rows: cells.map { cell in (0..<4).map { $0 == cell ? 1 : 0 } }))
    }
    let projected = try Observations(
      packed,
      annotations: RowAnnotations(
        allowsMissing: true, projections: Projections(projections, indices: indices)))
    let statistics = try problem.model.statistics(of: projected)
    for (x, y) in zip(statistics.values, expected.values) {
      #expect(abs(x - y) < 1e-10 * max(1, abs(y)))
    }
  }

  @Test
  func
    `starts measure projections that are unit vectors as missing cells, wherever the features lie`()
    throws
  {
    let truth: [Double] = [1e4, -300, 7]
    let problem = try RandomProblem(n: 240, d: 3, K: 2, seed: 71)
    var gaps = problem.observations.matrix
    for i in 0..<240 { for j in 0..<3 { gaps[i, j] += truth[j] } }
    let whole = gaps
    var packed = gaps
    var indices: [Int?] = []
    for i in 0..<240 {
      guard i % 3 > 0 else {
        indices.append(nil)
        continue
      }
      let lacking = i % 3 == 1 ? 0 : 1
      let cells = (0..<3).filter { $0 != lacking }
      for (position, j) in cells.enumerated() { packed[i, position] = gaps[i, j] }
      packed[i, 2] = .nan
      gaps[i, lacking] = .nan
      indices.append(lacking)
    }
    let matrices = [
      try Matrix(rows: [[0, 1, 0], [0, 0, 1]]), try Matrix(rows: [[1, 0, 0], [0, 0, 1]]),
    ]
    let missing = try DataScale.measure(
      incomplete: Observations(gaps, annotations: RowAnnotations(allowsMissing: true)), form: .full)
    let projected = try DataScale.measure(
      incomplete: Observations(
        packed,
        annotations: RowAnnotations(projections: Projections(matrices, indices: indices))),
      form: .full)
    // Sums of 240 numbers, each with the rounding of the largest feature.
    let rounding = 240 * 1e4 * Double.ulpOfOne
    for j in 0..<3 {
      #expect(abs(missing.means[j] - projected.means[j]) <= rounding)
      #expect(abs(missing.variances[j] - projected.variances[j]) <= rounding * missing.variances[j])
    }
    // Of an invertible matrix for all rows they are those of the features.
    let R = try Matrix(rows: [[1, 1, 0], [0, 1, 2], [1, 0, 1]])
    var images = whole
    for i in 0..<240 {
      for k in 0..<3 { images[i, k] = (0..<3).reduce(0) { $0 + R[k, $1] * whole[i, $1] } }
    }
    let plain = try DataScale.measure(
      incomplete: Observations(whole, annotations: RowAnnotations(allowsMissing: true)), form: .full
    )
    let image = try DataScale.measure(
      incomplete: Observations(
        images,
        annotations: RowAnnotations(
          projections: Projections([R], indices: Array(repeating: 0, count: 240)))), form: .full)
    for j in 0..<3 {
      // R⁻¹ has elements up to 1, so a feature has the rounding of three.
      #expect(abs(plain.means[j] - image.means[j]) <= 9 * rounding)
      #expect(abs(plain.variances[j] - image.variances[j]) <= 9 * rounding * plain.variances[j])
    }
    // Lines in all directions leave no feature out, and determine the mean.
    var lines = Matrix(repeating: .nan, rowCount: 240, columnCount: 3)
    var directions: [Matrix] = []
    for i in 0..<240 {
      let direction: [Double] = [
        Kernels.exp(-Double(i % 7)), Double(i % 5) - 2, Double(i % 4) - 1.5,
      ]
      directions.append(try Matrix(rows: [direction]))
    }
    for i in 0..<240 {
      lines[i, 0] = (0..<3).reduce(0) { $0 + directions[i][0, $1] * truth[$1] }
    }
    let point = try DataScale.measure(
      incomplete: Observations(
        lines,
        annotations: RowAnnotations(projections: Projections(directions, indices: Array(0..<240)))),
      form: .full)
    // The normal equations have a condition of some 100 here.
    for j in 0..<3 { #expect(abs(point.means[j] - truth[j]) <= 100 * rounding) }
  }

  @Test func `projections with dependent rows are refused, by the first row that measures them`()
    throws
  {
    let table = Matrix(repeating: 1, rowCount: 4, columnCount: 3)
    for rows in [[[0.0, 0, 0]], [[1, 2, 3], [2, 4, 6]], [[1, 0, 0], [0, 1, 0], [1, 1, 0]]] {
      let annotations = RowAnnotations(
        projections: Projections(
          [try Matrix(rows: [[1, 0, 0]]), try Matrix(rows: rows)], indices: [0, nil, 1, 1]))
      let error = #expect(throws: MixtureError.self) {
        try Observations(table, annotations: annotations)
      }
      #expect(error?.code == .invalidAnnotation)
      #expect(error?.message.hasPrefix("the projection of row 2 (counted from 0)") ?? false)
    }
  }

  @Test func `with all components known one M-step is the end`() throws {
    let problem = try RandomProblem(n: 400, d: 3, K: 3, seed: 61)
    let observations = try Observations(
      problem.observations.matrix,
      annotations: RowAnnotations(knownComponents: KnownComponents(problem.labels)))
    let fit = try ExpectationMaximization(componentCount: 3).fit(observations)
    let hard = try ExpectationMaximization(
      componentCount: 3, initialization: .labels(problem.labels),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 0)
    ).fit(problem.observations)
    for (a, b) in zip(fit.model.means.elements, hard.model.means.elements) {
      #expect(abs(a - b) < 1e-12 * max(1, abs(b)))
    }
    for (a, b) in zip(fit.model.covariances.elements, hard.model.covariances.elements) {
      #expect(abs(a - b) < 1e-11 * max(1, abs(b)))
    }
    #expect(fit.iterationCount <= 3)
    #expect(try fit.model.labels(for: observations) == problem.labels)
  }

  @Test(arguments: [0, 1, 2, 3])
  func `a shift of 1e8 and other scales change nothing but digits`(noise: Int) throws {
    let combination = Combination(weights: true, gaps: true, noise: noise, labels: true)
    let (model, observations) = try combination.problem(n: 400, d: 3, K: 2, seed: 71)
    let settings = ExpectationMaximization(
      componentCount: 2, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 20),
      acceleration: .none)
    let fit = try settings.fit(observations)
    // Steps of 2⁻²⁰ survive an offset of 2²⁷ without rounding.
    let coarse = Matrix(
      unchecked: observations.matrix.elements.map { ($0 * 0x1p20).rounded() * 0x1p-20 },
      rowCount: 400, columnCount: 3)
    let moved = Matrix(
      unchecked: coarse.elements.map { $0 + 0x1p27 }, rowCount: 400, columnCount: 3)
    let a = try settings.fit(Observations(coarse, annotations: observations.annotations))
    let b = try settings.fit(Observations(moved, annotations: observations.annotations))
    #expect(relativeDifference(a.logLikelihood, b.logLikelihood) < 1e-7)
    // Powers of two change no digit at all.
    var annotations = observations.annotations!
    let scale = 0x1p-30
    func scaled(_ matrix: Matrix, _ factor: Double) -> Matrix {
      Matrix(
        unchecked: matrix.elements.map { $0 * factor }, rowCount: matrix.rowCount,
        columnCount: matrix.columnCount)
    }
    switch annotations.noise {
    case .standardDeviations(let s): annotations.noise = .standardDeviations(scaled(s, scale))
    case .covariances(let S): annotations.noise = .covariances(scaled(S, scale * scale))
    case .shared(let S): annotations.noise = .shared(scaled(S, scale * scale))
    case nil: break
    }
    let c = try settings.fit(
      Observations(scaled(observations.matrix, scale), annotations: annotations))
    let cells = observations.matrix.rowCount
    _ = (model, cells)
    for (x, y) in zip(c.model.means.elements, fit.model.means.elements) {
      #expect(abs(x / scale - y) < 1e-7 * max(1, abs(y)))
    }
  }

  @Test func `recovered values fill gaps only, and draws have the posterior moments`() throws {
    let problem = try AnnotatedProblem(n: 60, d: 3, K: 2, seed: 81)
    let gaps = problem.withGaps(seed: 82)
    let observations = try Observations(gaps, annotations: RowAnnotations(allowsMissing: true))
    let filled = try problem.model.expectedValues(of: observations)
    let moments = try problem.model.posteriorMoments(of: observations)
    for i in 0..<60 {
      for j in 0..<3 {
        if !gaps[i, j].isNaN {
          #expect(filled[i, j] == gaps[i, j])
          #expect(moments.covariances[i, j * 3 + j] == 0)
        } else {
          #expect(filled[i, j] == moments.means[i, j])
          #expect(moments.covariances[i, j * 3 + j] > 0)
        }
      }
      // What conditioning the mixture on the cells that are there says.
      let given = (0..<3).filter { !gaps[i, $0].isNaN }
      guard !given.isEmpty, given.count < 3 else { continue }
      let conditional = try problem.model.conditional(
        given: Dictionary(uniqueKeysWithValues: given.map { ($0, gaps[i, $0]) }))
      let open = (0..<3).filter { gaps[i, $0].isNaN }
      for (position, j) in open.enumerated() {
        #expect(abs(conditional.mean[position] - filled[i, j]) < 1e-10)
        #expect(
          abs(conditional.covariance[position, position] - moments.covariances[i, j * 3 + j])
            < 1e-9)
      }
    }
    let count = 400
    var sums = Array(repeating: 0.0, count: 180)
    for seed in 0..<count {
      let draw = try problem.model.drawnValues(of: observations, seed: UInt64(seed))
      for index in 0..<180 { sums[index] += draw.elements[index] }
    }
    for i in 0..<60 {
      for j in 0..<3 {
        let deviation = moments.covariances[i, j * 3 + j].squareRoot()
        // 180 comparisons: five standard errors.
        #expect(
          abs(sums[i * 3 + j] / Double(count) - filled[i, j])
            <= 5 * deviation / Double(count).squareRoot() + 1e-9)
      }
    }
  }
}
