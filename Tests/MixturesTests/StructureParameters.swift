// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

@testable import Mixtures

/// Volumes, shapes and axes of covariances, and what they say of given scatters; in plain loops, apart from the engine.
struct StructureParameters {
  let structure: CovarianceStructure
  /// log λₖ.
  var logVolumes: [Double]
  /// The logarithms of the diagonals of Aₖ, which sum to zero.
  var logShapes: [[Double]]
  /// Dₖ, row by row.
  var axes: [[Double]]

  var componentCount: Int { logVolumes.count }
  var featureCount: Int { logShapes[0].count }

  /// Those of the covariances of a model.
  init(_ model: GaussianMixture) {
    structure = model.structure
    let (K, d) = (model.componentCount, model.featureCount)
    let common = structure.orientation == .equal ? model.covariances.commonAxes : nil
    logVolumes = []
    logShapes = []
    axes = []
    for k in 0..<K {
      let matrix = model.covariances[k]
      let vectors: [Double]
      if structure.orientation == .identity {
        vectors = (0..<d * d).map { $0 % (d + 1) == 0 ? 1 : 0 }
      } else if let common {
        vectors = common
      } else {
        vectors =
          SymmetricEigen(
            packed: (0..<d).flatMap { i in (0...i).map { matrix[i, $0] } }, order: d
          ).descending.vectors
      }
      let logs = (0..<d).map { m -> Double in
        var value = 0.0
        for i in 0..<d {
          for j in 0..<d { value += vectors[i * d + m] * matrix[i, j] * vectors[j * d + m] }
        }
        return Kernels.log(value)
      }
      let mean = logs.reduce(0, +) / Double(d)
      logVolumes.append(mean)
      logShapes.append(logs.map { $0 - mean })
      axes.append(vectors)
    }
  }

  /// Spheres of the given variance, to begin with.
  init(_ structure: CovarianceStructure, componentCount K: Int, featureCount d: Int, log: Double) {
    self.structure = structure
    logVolumes = Array(repeating: log, count: K)
    logShapes = Array(repeating: Array(repeating: 0, count: d), count: K)
    axes = Array(repeating: (0..<d * d).map { $0 % (d + 1) == 0 ? 1 : 0 }, count: K)
  }

  /// The free parameters: how many there are, and a step in one of them, in all components that share it.
  var freeCount: Int {
    structure.parameterCount(
      featureCount: featureCount, componentCount: componentCount, equalWeights: true)
      - componentCount * featureCount
  }

  mutating func move(_ parameter: Int, by step: Double) {
    let (K, d) = (componentCount, featureCount)
    var index = parameter
    func owners(_ relation: CovarianceStructure.Relation, _ each: Int) -> Range<Int>? {
      let count = relation == .identity ? 0 : relation == .equal ? each : K * each
      guard index < count else {
        index -= count
        return nil
      }
      let k = index / each
      index %= each
      return relation == .equal ? 0..<K : k..<k + 1
    }
    if let some = owners(structure.volume, 1) {
      for k in some { logVolumes[k] += step }
    } else if let some = owners(structure.shape, d - 1) {
      for k in some {
        for j in 0..<d { logShapes[k][j] += step * ((j == index ? 1 : 0) - 1 / Double(d)) }
      }
    } else if let some = owners(structure.orientation, d * (d - 1) / 2) {
      let pairs = (0..<d).flatMap { p in (p + 1..<max(d, p + 1)).map { (p, $0) } }
      let (p, q) = pairs[index]
      let c = (1 - step * step) / (1 + step * step)
      let s = 2 * step / (1 + step * step)
      for k in some {
        for i in 0..<d {
          let (x, y) = (axes[k][i * d + p], axes[k][i * d + q])
          axes[k][i * d + p] = c * x + s * y
          axes[k][i * d + q] = c * y - s * x
        }
      }
    }
  }

  /// Σₖ [nₖ log det Σₖ + tr Σₖ⁻¹ Wₖ], which an M-step makes as small as it can.
  func cost(_ counts: [Double], _ scatters: [[Double]]) -> Double {
    let (K, d) = (componentCount, featureCount)
    var sum = 0.0
    for k in 0..<K {
      sum += counts[k] * Double(d) * logVolumes[k]
      for m in 0..<d {
        var spread = 0.0
        for i in 0..<d {
          for j in 0..<d {
            let w = scatters[k][max(i, j) * (max(i, j) + 1) / 2 + min(i, j)]
            spread += axes[k][i * d + m] * w * axes[k][j * d + m]
          }
        }
        sum += spread * Kernels.exp(-logVolumes[k] - logShapes[k][m])
      }
    }
    return sum
  }

  /// The covariances.
  var matrices: [Matrix] {
    let (K, d) = (componentCount, featureCount)
    return (0..<K).map { k in
      var matrix = Matrix(repeating: 0, rowCount: d, columnCount: d)
      for i in 0..<d {
        for j in 0..<d {
          matrix[i, j] = (0..<d).reduce(0) {
            $0 + axes[k][i * d + $1] * axes[k][j * d + $1]
              * Kernels.exp(logVolumes[k] + logShapes[k][$1])
          }
        }
      }
      return matrix
    }
  }

  /// Lowers the cost by steps in one parameter at a time, doubled when they help and halved when not.
  mutating func search(_ counts: [Double], _ scatters: [[Double]], smallestStep: Double = 1e-8) {
    var steps = Array(repeating: 0.5, count: freeCount)
    var best = cost(counts, scatters)
    while steps.contains(where: { abs($0) > smallestStep }) {
      for parameter in steps.indices {
        var moved = self
        moved.move(parameter, by: steps[parameter])
        var value = moved.cost(counts, scatters)
        if !(value < best) {
          moved = self
          moved.move(parameter, by: -steps[parameter])
          value = moved.cost(counts, scatters)
          if value < best { steps[parameter] = -steps[parameter] }
        }
        if value < best {
          self = moved
          best = value
          steps[parameter] = min(2 * steps[parameter], 1)
        } else {
          steps[parameter] *= 0.5
        }
      }
    }
  }
}

/// Statistics of K components with scatters of random axes and sizes, which have nothing in common.
func randomStatistics(K: Int, d: Int, seed: UInt64, spread: Double = 1) -> SufficientStatistics {
  var random = RandomStream(seed: seed, stream: 41)
  let origins = Matrix(
    unchecked: (0..<K * d).map { _ in 3 * random.normal() }, rowCount: K, columnCount: d)
  var statistics = SufficientStatistics(origins: origins, form: .full)
  for k in 0..<K {
    let rows = 20 + random.index(below: 30)
    let scales = (0..<d).map { _ in Kernels.exp(spread * random.normal()) }
    let mixing = (0..<d * d).map { _ in random.normal() }
    for _ in 0..<rows {
      let z = scales.map { $0 * random.normal() }
      let x = (0..<d).map { i in (0..<d).reduce(0) { $0 + mixing[i * d + $1] * z[$1] } }
      statistics.values[0] += 1
      statistics.values[statistics.zerothStart + k] += 1
      for i in 0..<d {
        statistics.values[statistics.firstStart + k * d + i] += x[i]
        for j in 0...i {
          statistics.values[
            statistics.secondStart + k * statistics.elementsPerSecond + i * (i + 1) / 2 + j] +=
            x[i] * x[j]
        }
      }
    }
  }
  return statistics
}
