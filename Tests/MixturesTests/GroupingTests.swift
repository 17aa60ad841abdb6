// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

@Suite("Components merged by entropy") struct EntropyMergingTests {
  private func entropy(_ rows: [[Double]]) -> Double {
    rows.reduce(0) { $0 - $1.reduce(0) { $0 + ($1 > 0 ? $1 * log($1) : 0) } }
  }

  @Test(
    "every merge is the one that plain loops over all responsibilities find", arguments: [2, 3, 6])
  func plainLoops(K: Int) throws {
    let problem = try RandomProblem(n: 300, d: 2, K: K, separation: 1, seed: UInt64(K))
    let merging = try problem.model.entropyMerging(problem.observations)
    let matrix = try problem.model.responsibilities(for: problem.observations)
    var rows = (0..<300).map { matrix.row($0) }
    #expect(relativeDifference(merging.initialEntropy, entropy(rows)) < 1e-12)
    #expect(merging.steps.count == K - 1)
    for (index, step) in merging.steps.enumerated() {
      var best: (a: Int, b: Int, entropy: Double)?
      for a in rows[0].indices {
        for b in a + 1..<rows[0].count {
          let value = entropy(
            rows.map { row in
              row.indices.compactMap { $0 == b ? nil : $0 == a ? row[a] + row[b] : row[$0] }
            })
          if value < best?.entropy ?? .infinity { best = (a, b, value) }
        }
      }
      let (a, b, least) = try #require(best)
      // 300 rows of responsibilities that are rounded to 1e-16.
      #expect(abs(step.entropy - least) < 1e-11)
      rows = rows.map { row in
        row.indices.compactMap { $0 == b ? nil : $0 == a ? row[a] + row[b] : row[$0] }
      }
      let groups = merging.groups(K - 1 - index)
      #expect(Set(groups) == Set(0..<K - 1 - index))
      let combined = merging.combined(matrix, groupCount: K - 1 - index)
      for i in 0..<300 {
        let pairs = zip(combined.row(i).sorted(), rows[i].sorted())
        #expect(pairs.allSatisfy { abs($0 - $1) < 1e-14 })
      }
      #expect(merging.entropy(groupCount: K - 1 - index) == step.entropy)
    }
    #expect(merging.entropy(groupCount: 1) == 0)
  }

  @Test("a group that two components share is put together first, and the entropy bends there")
  func bentGroup() throws {
    // Two components on each of two places, and one that stands alone.
    let model = try GaussianMixture(
      weights: [0.2, 0.2, 0.2, 0.2, 0.2],
      means: Matrix(rows: [[0, 0], [20, 0], [0.5, 0.5], [20.5, 0.2], [0, 30]]),
      covariances: Covariances(
        structure: .eii, componentCount: 5, featureCount: 2, elements: [1]))
    let merging = try model.entropyMerging(Observations(model.sample(500, seed: 2).observations))
    #expect(merging.elbow == 3)
    #expect(merging.groups(3) == [0, 1, 0, 1, 2])
    #expect(merging.entropy(groupCount: 3) < 1e-3 * merging.initialEntropy)
  }

  @Test("one component has nothing to merge, two have no bend, and threads change no bit")
  func edges() throws {
    let problem = try RandomProblem(n: 3000, d: 2, K: 4, separation: 1)
    let one = try problem.model.entropyMerging(problem.observations, threadCount: 1)
    #expect(try problem.model.entropyMerging(problem.observations, threadCount: 4) == one)
    let single = try RandomProblem(n: 20, d: 2, K: 1)
    let merging = try single.model.entropyMerging(single.observations)
    #expect(merging.steps.isEmpty && merging.elbow == nil && merging.groups(1) == [0])
    let two = try RandomProblem(n: 20, d: 2, K: 2)
    #expect(try two.model.entropyMerging(two.observations).elbow == nil)
  }
}

@Suite("Overlap of components") struct OverlapTests {
  @Test(
    "Bhattacharyya coefficients are the integrals they stand for",
    arguments: [
      CovarianceStructure.vii, .vvi, .vvv,
    ])
  func integrals(structure: CovarianceStructure) throws {
    let model = try RandomProblem.mixture(d: 2, K: 3, structure: structure, separation: 1, seed: 3)
    let coefficients = model.bhattacharyyaCoefficients
    let parts = try (0..<3).map { k in
      try GaussianMixture(
        weights: [1], means: Matrix(rows: [model.means.row(k)]),
        covariances: Covariances(structure: .vvv, matrices: [model.covariances[k]]))
    }
    let step = 0.1
    let axis = stride(from: -12.0, through: 12, by: step).map { $0 }
    let grid = try Observations(rows: axis.flatMap { x in axis.map { [x, $0] } })
    let densities = try parts.map { try $0.logDensities(of: grid) }
    for a in 0..<3 {
      for b in 0..<3 {
        let integral = zip(densities[a], densities[b]).reduce(0) {
          $0 + step * step * exp(0.5 * ($1.0 + $1.1))
        }
        // Sums over a grid much finer than a deviation integrate a smooth density to rounding.
        #expect(abs(coefficients[a, b] - integral) < 1e-9)
      }
    }
  }

  @Test("misclassification is what labels and responsibilities say, row by row")
  func misclassification() throws {
    let problem = try RandomProblem(n: 400, d: 3, K: 3, separation: 1)
    let shares = try problem.model.misclassification(of: problem.observations)
    let matrix = try problem.model.responsibilities(for: problem.observations)
    let labels = try problem.model.labels(for: problem.observations)
    for a in 0..<3 {
      let total = (0..<400).reduce(0) { $0 + matrix[$1, a] }
      for b in 0..<3 {
        let part = (0..<400).reduce(0) { $0 + (labels[$1] == b ? matrix[$1, a] : 0) }
        #expect(abs(shares[a, b] - part / total) < 1e-13)
      }
    }
    let again = try problem.model.misclassification(of: problem.observations, threadCount: 1)
    #expect(again == shares)
  }

  @Test("overlap and merging see rows with gaps, and a background, as responsibilities do")
  func annotated() throws {
    let problem = try RandomProblem(n: 300, d: 3, K: 3, separation: 1)
    let model = try problem.model.withBackground(
      UniformBackground(share: 0.2, logWidths: [2, 2, 2]))
    var gaps = problem.observations.matrix
    for i in stride(from: 0, to: 300, by: 3) { gaps[i, i % 2] = .nan }
    let rows = try Observations(gaps, annotations: RowAnnotations(allowsMissing: true))
    let matrix = try model.responsibilities(for: rows)
    let shares = try model.misclassification(of: rows)
    let likeliest = (0..<300).map { i in (0..<3).max { matrix[i, $0] < matrix[i, $1] }! }
    for a in 0..<3 {
      let total = (0..<300).reduce(0) { $0 + matrix[$1, a] }
      for b in 0..<3 {
        let part = (0..<300).reduce(0) { $0 + (likeliest[$1] == b ? matrix[$1, a] : 0) }
        #expect(abs(shares[a, b] - part / total) < 1e-13)
      }
    }
    // What the first merge takes from the entropy is a sum over rows of the pair that it merges.
    let merging = try model.entropyMerging(rows)
    let (a, b) = (merging.steps[0].kept[0], merging.steps[0].merged[0])
    var gain = 0.0
    for i in 0..<300 where matrix[i, a] > 0 && matrix[i, b] > 0 {
      let (x, y) = (matrix[i, a], matrix[i, b])
      gain += (x + y) * Kernels.log(x + y) - x * Kernels.log(x) - y * Kernels.log(y)
    }
    #expect(abs(merging.entropy(groupCount: 3) - merging.entropy(groupCount: 2) - gain) < 1e-10)
  }
}

@Suite("Spurious components") struct SpuriousComponentTests {
  @Test("a component on three rows that nearly coincide is one, and its words say so")
  func threeRows() throws {
    var rows = try RandomProblem(n: 200, d: 2, K: 2, separation: 6).observations.matrix
      .rowsForTest
    for i in 0..<4 { rows.append([1.0 + 1e-3 * Double(i % 2), 2 + 1e-3 * Double(i / 2)]) }
    let labels = Array(repeating: 0, count: 200) + Array(repeating: 1, count: 4)
    let fit = try ExpectationMaximization(componentCount: 2, initialization: .labels(labels))
      .fit(Observations(rows: rows))
    let spurious = fit.spuriousComponents
    #expect(spurious.map(\.component) == [1])
    #expect(spurious.allSatisfy { $0.rowCount < 7.5 && $0.gain > 10 })
    #expect(spurious.allSatisfy { $0.detail.contains("rows") })
  }

  @Test("the models that criteria choose for iris and Old Faithful have none")
  func none() throws {
    for (rows, structure, K) in [
      (ReferenceTables.iris, CovarianceStructure.vev, 2), (ReferenceTables.iris, .vvv, 3),
      (ReferenceTables.faithful, .eee, 3), (ReferenceTables.faithful, .vvv, 2),
    ] {
      let fit = try ExpectationMaximization(componentCount: K, covariance: structure)
        .fit(Observations(rows: rows))
      #expect(fit.spuriousComponents.isEmpty)
    }
  }

  @Test("a search tells the best candidate without one") func ranking() throws {
    var random = RandomStream(seed: 3)
    var rows = (0..<60).map { _ in [random.normal(), random.normal(), random.normal()] }
    for i in 0..<6 {
      rows.append([6 + 1e-3 * Double(i), 6 - 1e-3 * Double(i * i), 6 + 1e-3 * Double(i % 2)])
    }
    let ranking = try ModelSelection(componentCounts: [1, 2], covariances: [.vvv])
      .run(Observations(rows: rows))
    #expect(ranking.best.model.componentCount == 2)
    #expect(!ranking.best.spuriousComponents.isEmpty)
    #expect(ranking.bestWithoutSpurious == 0)
  }

  @Test("features in other units change nothing") func units() throws {
    let rows = ReferenceTables.iris
    let labels = rows.indices.map { $0 < 5 ? 0 : 1 }
    func find(_ scale: Double) throws -> [SpuriousComponent] {
      try ExpectationMaximization(
        componentCount: 2, initialization: .labels(labels),
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 0)
      ).fit(Observations(rows: rows.map { [$0[0] * scale, $0[1], $0[2] / scale, $0[3]] }))
        .spuriousComponents
    }
    let (own, other) = (try find(1), try find(1024))
    #expect(own.map(\.component) == other.map(\.component))
    for (a, b) in zip(own, other) {
      #expect(
        abs(a.gain - b.gain) < 1e-9 && relativeDifference(a.leastVariance, b.leastVariance) < 1e-9)
    }
  }
}

extension Matrix {
  fileprivate var rowsForTest: [[Double]] { (0..<rowCount).map { row($0) } }
}
