// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureLesson
import Testing

@testable import Mixtures

@Suite("The engine and the textbook") struct TextbookLaws {
  struct Shape: CustomTestStringConvertible, Sendable {
    let n: Int
    let d: Int
    let K: Int
    let structure: CovarianceStructure
    let seed: UInt64
    var testDescription: String { "n=\(n) d=\(d) K=\(K) \(structure.rawValue)" }

    /// Every d from 1 to 20 with a random K from 1 to 10, the structures in turn.
    static let all: [Shape] = {
      var random = RandomStream(seed: 20)
      return (1...20).flatMap { d in
        (0..<2).map { turn in
          let K = 1 + random.index(below: 10)
          return Shape(
            n: 6 * d * K + 40, d: d, K: K,
            structure: TextbookEM.structures[(d + 3 * turn) % 6],
            seed: UInt64(100 * turn + d))
        }
      }
    }()
  }

  /// The largest difference of two lists, relative to the largest element of the second.
  func difference(_ a: [Double], _ b: [Double]) -> Double {
    let scale = b.map { abs($0) }.max() ?? 1
    return zip(a, b).map { abs($0 - $1) }.max().map { $0 / scale } ?? 0
  }

  @Test("the engine equals plain loops step by step to 1e-10", arguments: Shape.all)
  func stepByStep(shape: Shape) throws {
    let problem = try RandomProblem(
      n: shape.n, d: shape.d, K: shape.K, structure: shape.structure, separation: 1.5,
      seed: shape.seed)
    // A start off the truth, so that there is a way to go.
    var random = RandomStream(seed: shape.seed, stream: 3)
    let start = try GaussianMixture(
      weights: Array(repeating: 1 / Double(shape.K), count: shape.K),
      means: Matrix(
        rowCount: shape.K, columnCount: shape.d,
        elements: problem.model.means.elements.map { $0 + 0.3 * random.normal() }),
      covariances: problem.model.covariances)
    let rows = (0..<shape.n).map { problem.observations.matrix.row($0) }

    var steps: [TextbookStep] = []
    let textbook = try TextbookEM(structure: shape.structure, tolerance: 0, iterationLimit: 5)
      .fit(rows, from: TextbookMixture(start)) { steps.append($0) }
    var models: [GaussianMixture] = []
    let fit = try ExpectationMaximization(
      componentCount: shape.K, covariance: shape.structure, initialization: .model(start),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 5), covarianceFloor: 0,
      acceleration: .none
    ).fit(problem.observations) { report in
      models.append(report.model)
      return .proceed
    }

    #expect(fit.rescued.isEmpty)
    #expect(steps.count == 5 && models.count == 6)
    #expect(difference(fit.trace.map(\.logLikelihood), textbook.trace) < 1e-10)
    for (step, model) in zip(steps, models.dropFirst()) {
      #expect(difference(model.weights, step.newWeights) < 1e-10)
      #expect(difference(model.means.elements, step.newMeans.flatMap { $0 }) < 1e-10)
      #expect(
        difference(
          model.covariances.matrices.flatMap(\.elements),
          step.newCovariances.flatMap { $0.flatMap { $0 } }) < 1e-10)
    }
    for step in steps.prefix(2) {
      let responsibilities = try models[step.number].responsibilities(for: problem.observations)
      #expect(difference(responsibilities.elements, step.responsibilities.flatMap { $0 }) < 1e-10)
    }
  }
}
