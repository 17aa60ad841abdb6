// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

@Suite("Laws of covariance structures") struct StructureLaws {
  /// The counts and scatters that M-steps see, and Σₖ [nₖ log det Σₖ + tr Σₖ⁻¹ Wₖ] of a model.
  struct Problem {
    let statistics: SufficientStatistics
    let counts: [Double]
    let scatters: [[Double]]

    init(K: Int, d: Int, seed: UInt64, spread: Double = 1) {
      statistics = randomStatistics(K: K, d: d, seed: seed, spread: spread)
      counts = (0..<K).map(statistics.zeroth)
      scatters = (0..<K).map { [statistics] in statistics.scatter($0, as: .full) }
    }

    func maximum(_ structure: CovarianceStructure) throws -> GaussianMixture {
      try GaussianMixture(maximizing: statistics, structure: structure)
    }

    func cost(_ model: GaussianMixture) -> Double {
      StructureParameters(model).cost(counts, scatters)
    }

    /// At a maximum the trace is n d, so that costs of about this size are compared.
    var size: Double { counts.reduce(0, +) * Double(statistics.featureCount) }
  }

  @Test("the M-step's covariances have the structure", arguments: CovarianceStructure.allCases)
  func structureHolds(structure: CovarianceStructure) throws {
    for (K, d) in [(1, 3), (2, 2), (3, 4), (4, 3), (2, 1), (3, 7)] {
      for seed in UInt64(1)...5 {
        let model = try Problem(K: K, d: d, seed: seed).maximum(structure)
        #expect(model.structure == structure)
        let parameters = StructureParameters(model)
        for (matrix, rebuilt) in zip(model.covariances.matrices, parameters.matrices) {
          for i in 0..<d {
            for j in 0..<d {
              let scale = (matrix[i, i] * matrix[j, j]).squareRoot()
              #expect(abs(matrix[i, j] - rebuilt[i, j]) < 1e-9 * scale)
            }
          }
        }
        for k in 1..<K {
          if structure.volume == .equal {
            #expect(abs(parameters.logVolumes[k] - parameters.logVolumes[0]) < 1e-10)
          }
          if structure.shape != .variable {
            for (a, b) in zip(parameters.logShapes[k], parameters.logShapes[0]) {
              #expect(abs(a - b) < 1e-8)
            }
          }
        }
        // The public initialisers hold it to have the structure too.
        _ = try Covariances(structure: structure, matrices: model.covariances.matrices)
      }
    }
  }

  @Test(
    "the M-step is a stationary point, and no admissible step away from it is better",
    arguments: CovarianceStructure.allCases)
  func stationary(structure: CovarianceStructure) throws {
    for (K, d) in [(2, 2), (3, 4), (4, 3)] {
      for seed in UInt64(1)...4 {
        let problem = Problem(K: K, d: d, seed: seed)
        let best = StructureParameters(try problem.maximum(structure))
        let cost = best.cost(problem.counts, problem.scatters)
        // The gain that slope and curvature promise, by differences. Those of the cost are good to its rounding, about
        // 1e-13 of its size, so that a slope over a step of 1e-4 is good to 1e-9 and its square is far below the bound.
        let step = 1e-4
        for parameter in 0..<best.freeCount {
          let costs = [-step, step].map { step in
            var other = best
            other.move(parameter, by: step)
            return other.cost(problem.counts, problem.scatters)
          }
          let (down, up) = (costs[0], costs[1])
          let slope = (up - down) / (2 * step)
          let curvature = (up + down - 2 * cost) / (step * step)
          #expect(curvature > 0 && slope * slope / curvature < 1e-10 * problem.size)
        }
        var random = RandomStream(seed: seed, stream: 8)
        for _ in 0..<40 {
          var neighbour = best
          for parameter in 0..<best.freeCount {
            neighbour.move(parameter, by: 1e-3 * random.normal())
          }
          #expect(neighbour.cost(problem.counts, problem.scatters) > cost)
        }
      }
    }
  }

  @Test(
    "a plain search over the parameters finds nothing better, and as good",
    arguments: CovarianceStructure.allCases)
  func plainSearch(structure: CovarianceStructure) throws {
    for (K, d, seed) in [(2, 2, UInt64(1)), (3, 2, 2), (2, 3, 3)] {
      let problem = Problem(K: K, d: d, seed: seed)
      let engine = problem.cost(try problem.maximum(structure))
      var best = Double.infinity
      var random = RandomStream(seed: seed, stream: 9)
      for _ in 0..<(structure.orientation == .identity ? 1 : 6) {
        var search = StructureParameters(structure, componentCount: K, featureCount: d, log: 1)
        for parameter in 0..<search.freeCount { search.move(parameter, by: random.normal()) }
        search.search(problem.counts, problem.scatters, smallestStep: 1e-7)
        best = min(best, search.cost(problem.counts, problem.scatters))
      }
      #expect(engine < best + 1e-9 * problem.size)
      // The search itself may end before the bottom of a long valley.
      #expect(best < engine + 1e-5 * problem.size)
    }
  }

  @Test("a structure that contains another is at least as likely on the same statistics")
  func nested() throws {
    for (K, d) in [(2, 2), (3, 3), (4, 5)] {
      for seed in UInt64(1)...10 {
        let problem = Problem(K: K, d: d, seed: seed)
        let costs = try CovarianceStructure.allCases.map { problem.cost(try problem.maximum($0)) }
        for (a, structure) in CovarianceStructure.allCases.enumerated() {
          for (b, other) in CovarianceStructure.allCases.enumerated()
          where structure.contains(other) {
            #expect(costs[a] <= costs[b] + 1e-11 * problem.size, "\(structure) \(other)")
          }
        }
      }
    }
  }

  // MARK: The floor

  /// Whether covariances are at or above a floor f, to rounding, by the rule of their structure.
  static func isAbove(_ floor: [Double], _ model: StructureParameters, slack: Double) -> Bool {
    let d = floor.count
    switch model.structure {
    case .eii, .vii:
      let mean = floor.reduce(0, +) / Double(d)
      return model.logVolumes.allSatisfy { Kernels.exp($0) >= mean * (1 - slack) }
    case .eev, .vev, .eve, .vve:
      return model.matrices.allSatisfy { matrix in
        smallestEigenvalue(of: matrix, units: Array(repeating: floor.min()!, count: d)) >= 1 - slack
      }
    default:
      return model.matrices.allSatisfy { smallestEigenvalue(of: $0, units: floor) >= 1 - slack }
    }
  }

  static func smallestEigenvalue(of matrix: Matrix, units: [Double]) -> Double {
    let d = units.count
    let packed = (0..<d).flatMap { i in
      (0...i).map { matrix[i, $0] / (units[i] * units[$0]).squareRoot() }
    }
    return SymmetricEigen(packed: packed, order: d).values.min()!
  }

  @Test(
    "at the floor the structure holds, and no admissible step that respects the floor is better",
    arguments: CovarianceStructure.allCases)
  func floored(structure: CovarianceStructure) throws {
    var boundCount = 0
    for (K, d) in [(2, 2), (3, 3)] {
      for seed in UInt64(1)...6 {
        let problem = Problem(K: K, d: d, seed: seed)
        // Floors of the size of the variances, so that many bind.
        var random = RandomStream(seed: seed, stream: 12)
        let free = try problem.maximum(structure)
        let floor = (0..<d).map { j in
          free.covariances[0][j, j] * Kernels.exp(random.normal())
        }
        let model = try GaussianMixture(
          maximizing: problem.statistics, structure: structure, minimumVariances: floor)
        _ = try Covariances(structure: structure, matrices: model.covariances.matrices)
        let best = StructureParameters(model)
        let cost = best.cost(problem.counts, problem.scatters)
        #expect(Self.isAbove(floor, best, slack: 1e-9))
        if !Self.isAbove(floor, StructureParameters(free), slack: 0) { boundCount += 1 }
        #expect(cost >= problem.cost(free) - 1e-9 * problem.size)
        for size in [1e-4, 1e-2, 1] {
          for _ in 0..<40 {
            var other = best
            for parameter in 0..<best.freeCount {
              other.move(parameter, by: size * random.normal())
            }
            guard Self.isAbove(floor, other, slack: 0) else { continue }
            // Axes in common are the best nearby.
            guard size < 1 || structure.orientation != .equal else { continue }
            #expect(
              other.cost(problem.counts, problem.scatters) >= cost - 1e-8 * problem.size)
          }
        }
        // From there it is no worse, and stays where it is to the digits that the cost resolves.
        let again = try GaussianMixture(
          maximizing: problem.statistics, structure: structure, minimumVariances: floor,
          previous: model)
        #expect(problem.cost(again) <= cost + 1e-11 * problem.size)
      }
    }
    #expect(boundCount > 3)
  }

  @Test("a floor that is negative, or zero for some features, is an error")
  func wrongFloors() {
    let statistics = randomStatistics(K: 2, d: 2, seed: 1)
    for floor in [[-1, 1], [.nan, 1], [.infinity, 1], [0, 1]] {
      #expect(throws: MixtureError.self) {
        try GaussianMixture(maximizing: statistics, structure: .vve, minimumVariances: floor)
      }
    }
  }
}
