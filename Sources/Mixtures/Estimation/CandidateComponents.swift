// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// For rows near one component, the components that may be responsible for them at all; every other has a responsibility
/// below e⁻⁴⁰ there, which is zero by definition.
///
/// Let y = Lⱼ⁻¹ (x − μⱼ) with ‖y‖ ≤ ρ, so that x lies within ρ standard deviations of component j. With
/// t = Lₖ⁻¹ (μⱼ − μₖ), D = ‖t‖ and u = t / D, for any such x
///
///     ‖Lₖ⁻¹ (x − μₖ)‖ ≥ uᵀ Lₖ⁻¹ (x − μₖ) = D + uᵀ Lₖ⁻¹ Lⱼ y ≥ D − s ρ,   s = ‖Lⱼᵀ Lₖ⁻ᵀ u‖,
///
/// a bound on the log joint density of component k from above, while that of component j is at least log cⱼ − ρ² / 2.
/// The bounds are widened by what rounding can do to them and to the kernels' own distances, by the condition of each
/// factor, so that a component is left out only where the kernels would find exactly zero.
final class CandidateComponents: @unchecked Sendable {
  // Written by the initialiser only. Not arrays, because the lists are looked up once for each component and block.
  /// The candidates of all components, one list after the other, each in ascending order.
  private let elements: UnsafeMutableBufferPointer<Int32>
  private let starts: UnsafeMutableBufferPointer<Int>
  /// The components on whose lists each component stands, in the same form.
  private let homeElements: UnsafeMutableBufferPointer<Int32>
  private let homeStarts: UnsafeMutableBufferPointer<Int>
  /// The least log joint density of component j with which a row may use list j.
  let leastJoints: UnsafeMutableBufferPointer<Double>

  /// The components that may be responsible for a row near component j.
  func list(_ j: Int) -> UnsafeBufferPointer<Int32> {
    UnsafeBufferPointer(rebasing: elements[starts[j]..<starts[j + 1]])
  }

  /// The components j whose lists hold component k.
  func homes(_ k: Int) -> UnsafeBufferPointer<Int32> {
    UnsafeBufferPointer(rebasing: homeElements[homeStarts[k]..<homeStarts[k + 1]])
  }

  deinit {
    elements.deallocate()
    starts.deallocate()
    homeElements.deallocate()
    homeStarts.deallocate()
    leastJoints.deallocate()
  }

  /// The lists under a model; nil if they would hold so many components that they save nothing.
  ///
  /// - Complexity: O(K²·d²) for full covariances, O(K²·d) otherwise; a small part of it if the first components that are
  ///   looked at promise nothing.
  init?(_ model: GaussianMixture, threadCount: Int) {
    let K = model.componentCount
    guard K >= Self.leastComponents, K < Int(UInt16.max) else { return nil }
    var bounds = Bounds(model)
    // A look at a few components first: where components overlap, the rest is not worth its time.
    let looks = min(K, 8)
    var listed = 0
    for look in 0..<looks {
      let j = look * K / looks
      listed += (0..<K).count { !bounds.excludes($0, near: j) }
    }
    guard Double(listed) <= 2 * Self.worthwhileShare * Double(looks * K) else { return nil }
    bounds.widen()
    let sure = bounds

    var isCandidate = [Bool](repeating: false, count: K * K)
    isCandidate.withUnsafeMutableBufferPointer { flags in
      nonisolated(unsafe) let flags = flags
      let next = Atomic(0)
      ThreadTeam.run(K < 32 ? 1 : threadCount) { _ in
        while true {
          let j = next.add(1, ordering: .relaxed).oldValue
          guard j < K else { return }
          for k in 0..<K { flags[j * K + k] = !sure.excludes(k, near: j) }
        }
      }
    }
    var (elements, starts) = ([Int32](), [0])
    var (homeElements, homeStarts) = ([Int32](), [0])
    for j in 0..<K {
      elements += (0..<K).lazy.filter { isCandidate[j * K + $0] }.map { Int32($0) }
      homeElements += (0..<K).lazy.filter { isCandidate[$0 * K + j] }.map { Int32($0) }
      starts.append(elements.count)
      homeStarts.append(homeElements.count)
    }
    let mean = (0..<K).reduce(0.0) { $0 + model.weights[$1] * Double(starts[$1 + 1] - starts[$1]) }
    guard mean <= Self.worthwhileShare * Double(K) else { return nil }
    func copy<T>(_ values: [T]) -> UnsafeMutableBufferPointer<T> {
      let buffer = UnsafeMutableBufferPointer<T>.allocate(capacity: values.count)
      _ = buffer.initialize(from: values)
      return buffer
    }
    self.elements = copy(elements)
    self.starts = copy(starts)
    self.homeElements = copy(homeElements)
    self.homeStarts = copy(homeStarts)
    leastJoints = copy(bounds.leastJoints)
  }

  /// With fewer components there is too little to leave out.
  private static let leastComponents = 4
  /// Lists longer than this share of all components save less than they cost.
  private static let worthwhileShare = 0.3
}

/// What the exclusion of one component near another needs to know of each.
private struct Bounds: Sendable {
  let model: GaussianMixture
  /// How many standard deviations from its component a row may be: of d normal features all but some one in a thousand.
  let radius: Double
  /// By how much a distance may be off, relative to itself; infinite if nothing is known. Zero, which is not to be trusted,
  /// before ``widen()``.
  private(set) var errors: [Double]
  let leastJoints: [Double]

  init(_ model: GaussianMixture) {
    self.model = model
    let d = Double(model.featureCount)
    let radius = d.squareRoot() + 3
    self.radius = radius
    errors = Array(repeating: 0, count: model.componentCount)
    leastJoints = model.constants.map { $0 - 0.5 * radius * radius }
  }

  /// Takes rounding into account, for O(K·d³).
  mutating func widen() {
    let d = Double(model.featureCount)
    for k in errors.indices {
      let error = 8 * d * d.squareRoot() * .ulpOfOne * Self.condition(model, k)
      errors[k] = error < 1e-3 ? error : .infinity
    }
  }

  /// Whether component k has no responsibility for any row within the radius of component j.
  func excludes(_ k: Int, near j: Int) -> Bool {
    guard k != j, errors[k].isFinite, errors[j].isFinite else { return false }
    let error = errors[j] + errors[k]
    let (distance, stretch) = separation(of: k, from: j)
    let least = distance * (1 - error) - stretch * radius * (1 + error)
    guard least > 0 else { return false }
    let bound = least * (1 - error)
    // One more than the 40 nats at which responsibilities become zero leaves room for the roundings of the sums.
    return 0.5 * bound * bound > model.constants[k] - leastJoints[j] + 41
  }

  /// D and s.
  private func separation(of k: Int, from j: Int) -> (distance: Double, stretch: Double) {
    let d = model.featureCount
    let (fk, fj) = (k * model.factorStride, j * model.factorStride)
    return model.means.elements.withUnsafeBufferPointer { means in
      model.factors.withUnsafeBufferPointer { factors in
        withUnsafeTemporaryAllocation(of: Double.self, capacity: d) { t in
          var squares = 0.0
          switch model.structure.form {
          case .full:
            for i in 0..<d {
              let row = fk + i * (i + 1) / 2
              var sum = means[j * d + i] - means[k * d + i]
              for m in 0..<i { sum -= factors[row + m] * t[m] }
              t[i] = sum * factors[row + i]
              squares += t[i] * t[i]
            }
          case .diagonal, .scalar:
            let step = model.structure.form == .diagonal ? 1 : 0
            for i in 0..<d {
              t[i] = (means[j * d + i] - means[k * d + i]) * factors[fk + i * step]
              squares += t[i] * t[i]
            }
          }
          let distance = squares.squareRoot()
          guard distance > 0, distance.isFinite else { return (0, 0) }
          var stretches = 0.0
          switch model.structure.form {
          case .full:
            // Lₖ⁻ᵀ u, from the last feature to the first.
            for i in stride(from: d - 1, through: 0, by: -1) {
              var sum = t[i] / distance
              for m in i + 1..<max(d, i + 1) { sum -= factors[fk + m * (m + 1) / 2 + i] * t[m] }
              t[i] = sum * factors[fk + i * (i + 3) / 2]
            }
            for i in 0..<d {
              var sum = t[i] / factors[fj + i * (i + 3) / 2]
              for m in i + 1..<max(d, i + 1) { sum += factors[fj + m * (m + 1) / 2 + i] * t[m] }
              stretches += sum * sum
            }
          case .diagonal, .scalar:
            let step = model.structure.form == .diagonal ? 1 : 0
            for i in 0..<d {
              let v = t[i] / distance * factors[fk + i * step] / factors[fj + i * step]
              stretches += v * v
            }
          }
          return (distance, stretches.squareRoot())
        }
      }
    }
  }

  /// How much a solve with the factor of a component enlarges relative errors: the largest row sum of |L⁻¹| |L|.
  private static func condition(_ model: GaussianMixture, _ k: Int) -> Double {
    guard model.structure.form == .full else { return 1 }
    let d = model.featureCount
    let factor = model.factors[k * model.factorStride..<k * model.factorStride + d * (d + 1) / 2]
    return factor.withUnsafeBufferPointer { factor in
      // |L| times a vector of ones; the diagonal of the factor is inverted.
      var sums = [Double](repeating: 0, count: d)
      for i in 0..<d {
        let start = i * (i + 1) / 2
        sums[i] = 1 / factor[start + i]
        for m in 0..<i { sums[i] += abs(factor[start + m]) }
      }
      // Column after column of the inverse; row i gathers |L⁻¹|ᵢⱼ times sumⱼ.
      var largest = 0.0
      var inverse = [Double](repeating: 0, count: d)
      var row = [Double](repeating: 0, count: d)
      for j in 0..<d {
        for i in j..<d {
          let start = i * (i + 1) / 2
          var sum = i == j ? 1.0 : 0
          for m in j..<i { sum -= factor[start + m] * inverse[m] }
          inverse[i] = sum * factor[start + i]
          row[i] += abs(inverse[i]) * sums[j]
        }
      }
      for value in row { largest = max(largest, value) }
      return largest
    }
  }
}
