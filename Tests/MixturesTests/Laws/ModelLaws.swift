// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

@Suite("Laws of models") struct ModelLaws {
  @Test("conditional × marginal = joint", arguments: CovarianceStructure.allCases)
  func conditioning(structure: CovarianceStructure) throws {
    let problem = try RandomProblem(n: 20, d: 4, K: 3, structure: structure)
    let model = problem.model
    for given in [[0], [2], [1, 3], [3, 0, 2]] {
      let marginal = try model.marginal(over: given)
      let remaining = (0..<4).filter { !given.contains($0) }
      for row in 0..<20 {
        let x = problem.observations.matrix.row(row)
        let conditional = try model.conditional(
          given: Dictionary(uniqueKeysWithValues: given.map { ($0, x[$0]) }))
        #expect(conditional.structure == structure.marginalStructure)
        #expect(marginal.structure == structure.marginalStructure)
        let sum =
          try marginal.logDensity(at: given.map { x[$0] })
          + conditional.logDensity(at: remaining.map { x[$0] })
        #expect(relativeDifference(sum, try model.logDensity(at: x)) < 1e-12)
      }
    }
  }

  @Test("conditioning far from every component still gives exact weights")
  func conditioningFarAway() throws {
    let model = try RandomProblem.mixture(d: 2, K: 3, seed: 2)
    let conditional = try model.conditional(given: [0: 1e7])
    #expect(abs(conditional.weights.reduce(0, +) - 1) < 1e-15)
    for mean in conditional.mean { #expect(mean.isFinite) }
  }

  @Test("regression on one feature is that of bivariate normal theory")
  func regression() throws {
    let model = try GaussianMixture(
      weights: [1], means: Matrix(rows: [[1, 2]]),
      covariances: Covariances(structure: .full, matrices: [Matrix(rows: [[4, 3], [3, 9]])]))
    let conditional = try model.conditional(given: [0: 5])
    // 2 + 3/4 · (5 − 1) and 9 − 3²/4.
    #expect(abs(conditional.mean[0] - 5) < 1e-14)
    #expect(abs(conditional.covariance[0, 0] - 6.75) < 1e-14)
  }

  @Test("the marginal of reordered features is the reordered model")
  func reordering() throws {
    let problem = try RandomProblem(n: 5, d: 3, K: 2)
    let reordered = try problem.model.marginal(over: [2, 0, 1])
    for row in 0..<5 {
      let x = problem.observations.matrix.row(row)
      #expect(
        relativeDifference(
          try reordered.logDensity(at: [x[2], x[0], x[1]]), try problem.model.logDensity(at: x))
          < 1e-13)
    }
  }

  @Test(
    "draws have the mixture's mean, covariance and weights", arguments: CovarianceStructure.allCases
  )
  func drawing(structure: CovarianceStructure) throws {
    let model = try RandomProblem.mixture(d: 3, K: 3, structure: structure, seed: 4)
    let n = 40_000
    let (rows, labels) = model.sample(n, seed: 5)
    let covariance = model.covariance
    for j in 0..<3 {
      let mean = (0..<n).reduce(0) { $0 + rows[$1, j] } / Double(n)
      // Five standard errors.
      #expect(abs(mean - model.mean[j]) < 5 * (covariance[j, j] / Double(n)).squareRoot())
    }
    for k in 0..<3 {
      let share = Double(labels.count { $0 == k }) / Double(n)
      let w = model.weights[k]
      #expect(abs(share - w) < 5 * (w * (1 - w) / Double(n)).squareRoot())
      // Within a component: the covariance itself, not its square.
      let members = (0..<n).filter { labels[$0] == k }
      for i in 0..<3 {
        for j in 0...i {
          let products = members.map {
            (rows[$0, i] - model.means[k, i]) * (rows[$0, j] - model.means[k, j])
          }
          let estimate = products.reduce(0, +) / Double(members.count)
          let c = model.covariances[k]
          let variance = c[i, i] * c[j, j] + c[i, j] * c[i, j]
          #expect(abs(estimate - c[i, j]) < 5 * (variance / Double(members.count)).squareRoot())
        }
      }
    }
  }

  @Test("a part of a draw is the same part of any longer draw")
  func drawingParts() throws {
    let model = try RandomProblem.mixture(d: 2, K: 2, seed: 1)
    let whole = model.sample(100, seed: 3)
    let part = model.sample(40..<60, seed: 3)
    #expect(part.labels == Array(whole.labels[40..<60]))
    #expect(part.observations.elements == Array(whole.observations.elements[80..<120]))
    #expect(model.sample(100, seed: 4).observations != whole.observations)
    #expect(model.sample(0).labels.isEmpty)
  }

  @Test("responsibilities sum to 1, labels are their maxima, densities integrate to 1")
  func queries() throws {
    let problem = try RandomProblem(n: 3000, d: 2, K: 4, separation: 1)
    let responsibilities = try problem.model.responsibilities(for: problem.observations)
    let labels = try problem.model.labels(for: problem.observations)
    for row in 0..<3000 {
      let r = responsibilities.row(row)
      #expect(abs(r.reduce(0, +) - 1) <= 4 * Double.ulpOfOne)
      #expect(labels[row] == r.indices.max { r[$0] < r[$1] })
    }
    let line = try RandomProblem.mixture(d: 1, K: 3, seed: 6)
    let step = 0.01
    let grid = stride(from: -40.0, to: 40, by: step).map { [$0] }
    let area = try line.logDensities(of: Observations(rows: grid)).reduce(0) { $0 + exp($1) * step }
    // The trapezoidal rule is exact to rounding for functions this smooth.
    #expect(abs(area - 1) < 1e-12)
    let logDensity = try line.logDensity(at: [1])
    #expect(try line.density(at: [1]) == Kernels.exp(logDensity))
  }

  @Test("Mahalanobis distances are those of the definition")
  func mahalanobis() throws {
    for structure in CovarianceStructure.allCases {
      let problem = try RandomProblem(n: 50, d: 2, K: 2, structure: structure)
      let distances = try problem.model.mahalanobisDistances(for: problem.observations)
      for row in 0..<50 {
        for k in 0..<2 {
          let c = problem.model.covariances[k]
          let dx = problem.observations.matrix[row, 0] - problem.model.means[k, 0]
          let dy = problem.observations.matrix[row, 1] - problem.model.means[k, 1]
          let determinant = c[0, 0] * c[1, 1] - c[0, 1] * c[1, 0]
          let square =
            (c[1, 1] * dx * dx - 2 * c[0, 1] * dx * dy + c[0, 0] * dy * dy) / determinant
          #expect(relativeDifference(distances[row, k], square.squareRoot()) < 1e-12)
        }
      }
    }
  }

  @Test("densities of a badly conditioned covariance keep their digits")
  func illConditioned() throws {
    // Σ = [[1, ρ], [ρ, 1]] with 1 − ρ = 2⁻³⁰: along (1, −1) the variance is 2⁻³⁰, along (1, 1) it is 2 − 2⁻³⁰.
    let gap = 0x1p-30
    let model = try GaussianMixture(
      weights: [1], means: Matrix(rows: [[0, 0]]),
      covariances: Covariances(
        structure: .full, matrices: [Matrix(rows: [[1, 1 - gap], [1 - gap, 1]])]))
    let distances = try model.mahalanobisDistances(for: Observations(rows: [[1, -1], [1, 1]]))
    #expect(relativeDifference(distances[0, 0], (2 / gap).squareRoot()) < 1e-9)
    #expect(relativeDifference(distances[1, 0], (2 / (2 - gap)).squareRoot()) < 1e-9)
  }

  @Test(
    "a model coded as JSON and back is the same to the bit", arguments: CovarianceStructure.allCases
  )
  func coding(structure: CovarianceStructure) throws {
    let model = try RandomProblem.mixture(d: 3, K: 4, structure: structure, seed: 8)
    let decoded = try JSONDecoder().decode(
      GaussianMixture.self, from: JSONEncoder().encode(model))
    #expect(decoded == model)
    let problem = try RandomProblem(n: 100, d: 3, K: 2)
    #expect(
      try decoded.logDensities(of: problem.observations)
        == model.logDensities(of: problem.observations))
  }
}
