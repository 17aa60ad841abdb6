// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A model in single precision, and how far squared distances under it may be off.
///
/// With u = 2⁻²⁴, the computed ŷ solves (L + ΔL) ŷ = b + e with |ΔL| ≤ γ |L|, γ a little above (d + 8) u, and
/// |eⱼ| ≤ 2 u (|xⱼ − cⱼ| + |μⱼ − cⱼ|) from rounding the rows and the mean less the center c. With aⱼ the length of column j
/// of L⁻¹, and since row j of L has the length of feature j's standard deviation sⱼ,
///
///     ‖ŷ − y‖ ≤ γ (Σⱼ aⱼ sⱼ) ‖ŷ‖ + Σⱼ aⱼ |eⱼ|.
///
/// Higham (2002), *Accuracy and Stability of Numerical Algorithms*, section 8.1,
/// [doi:10.1137/1.9780898718027](https://doi.org/10.1137/1.9780898718027).
struct SingleModel: Sendable {
  let center: [Double]
  let means: [Float]
  let factors: [Float]
  let factorStride: Int
  /// The first term for each component, relative to ‖ŷ‖.
  let relativeErrors: [Double]
  /// aⱼ for each component, K × d.
  let columnLengths: [Double]
  /// Σⱼ aⱼ |μⱼ − cⱼ| for each component.
  let meanTerms: [Double]

  static let roundoff = 0x1p-24

  /// - Complexity: O(K·d³): the columns of the inverses are d rows more.
  init(_ model: GaussianMixture, kernels: Kernels, threadCount: Int) {
    let (K, d) = (model.componentCount, model.featureCount)
    var center = [Double](repeating: 0, count: d)
    for k in 0..<K { for j in 0..<d { center[j] += model.weights[k] * model.means[k, j] } }
    self.center = center
    means = (0..<K * d).map { Float(model.means.elements[$0] - center[$0 % d]) }
    factors = model.factors.map { Float($0) }
    factorStride = model.factorStride
    let lengths = Self.columnLengths(model, kernels: kernels, threadCount: threadCount)
    columnLengths = lengths
    relativeErrors = (0..<K).map { k in
      let covariance = model.covariances.stored(k)
      var sum = 0.0
      for j in 0..<d {
        sum += lengths[k * d + j] * covariance[covariance.startIndex + j * (j + 3) / 2].squareRoot()
      }
      // The last term is the sum of squares' own.
      return (Double(d) + 8) * 1.01 * Self.roundoff * (sum + 1)
    }
    meanTerms = (0..<K).map { k in
      (0..<d).reduce(0) { $0 + lengths[k * d + $1] * abs(model.means[k, $1] - center[$1]) }
    }
  }

  /// ‖Lₖ⁻¹ eⱼ‖: the distances of the unit vectors from zero.
  private static func columnLengths(
    _ model: GaussianMixture, kernels: Kernels, threadCount: Int
  ) -> [Double] {
    let (K, d) = (model.componentCount, model.featureCount)
    let groups = (d + Kernels.lanes - 1) / Kernels.lanes
    let units: UnsafeMutablePointer<Double> = Kernels.allocate(groups * Kernels.tileStride(d))
    defer { units.deallocate() }
    Workspace.fill(units, count: d, featureCount: d) { $0 == $1 ? 1 : 0 }
    let zeros = Array(repeating: 0.0, count: max(K, d))
    return model.withPointers { model in
      zeros.withUnsafeBufferPointer { zeros in
        ThreadTeam.fill(
          K, of: d,
          threadCount: ThreadTeam.worthwhile(threadCount, matrixCount: K, order: d)
        ) { k, lengths in
          let joint: UnsafeMutablePointer<Double> = Kernels.allocate(Kernels.jointStride(groups))
          let scratch: UnsafeMutablePointer<Double> = Kernels.allocate(
            Kernels.scratchSize(groups: groups, featureCount: d))
          defer {
            joint.deallocate()
            scratch.deallocate()
          }
          kernels.logJoint(
            ModelPointers(
              form: .full, featureCount: d, componentCount: 1, means: zeros.baseAddress!,
              factors: model.factors + k * model.factorStride, factorStride: 0,
              constants: zeros.baseAddress!),
            0..<1, groups: groups, tile: units, joint: joint, scratch: scratch)
          for j in 0..<d { lengths[j] = (-2 * joint[j]).squareRoot() }
        }
      }
    }
  }
}

/// The E-step of a block of rows of many features: distances in single precision first, at half the cost, and in double
/// precision only for those pairs of rows and components whose responsibility might not be zero.
///
/// One worker's memory; not for use by two threads at once.
final class ScreenedBlock {
  private let workspace: Workspace
  private let d: Int
  private let K: Int
  private let distances: UnsafeMutablePointer<Float>
  private let upper: UnsafeMutablePointer<Double>
  private let best: UnsafeMutablePointer<Double>
  private let reach: UnsafeMutablePointer<Double>
  private let index: UnsafeMutablePointer<Int32>
  private let tile: UnsafeMutablePointer<Double>
  private let joint: UnsafeMutablePointer<Double>
  private let scratch: UnsafeMutablePointer<Double>

  init(workspace: Workspace, grid: ShardGrid, componentCount K: Int) {
    let groups = (grid.rowsPerBlock + Kernels.lanes - 1) / Kernels.lanes
    let rows = groups * Kernels.lanes
    self.workspace = workspace
    d = workspace.featureCount
    self.K = K
    distances = Kernels.allocate(K * Kernels.screenStride(groups))
    upper = Kernels.allocate(K * rows)
    best = Kernels.allocate(rows)
    reach = Kernels.allocate(d)
    index = Kernels.allocate(rows)
    tile = Kernels.allocate(groups * Kernels.tileStride(d))
    joint = Kernels.allocate(Kernels.jointStride(groups))
    scratch = Kernels.allocate(
      max(
        Kernels.screenScratchSize(groups: groups, featureCount: d),
        Kernels.scratchSize(groups: 0, featureCount: d)))
  }

  deinit {
    distances.deallocate()
    index.deallocate()
    for pointer in [upper, best, reach, tile, joint, scratch] { pointer.deallocate() }
  }

  /// Leaves the log joint densities of a block in the workspace; where they could only lead to zero, something lower.
  /// Returns false if a number is not finite.
  func computeLogJoint(_ rows: StridedRows, _ model: ModelPointers, _ single: SingleModel) -> Bool {
    guard workspace.pack(rows) else { return false }
    let n = rows.count
    workspace.screen(single, into: distances, scratch: scratch)
    workspace.findReach(of: single.center, into: reach)
    bound(n, model, single)

    let kernels = workspace.kernels
    for k in 0..<K {
      var count = 0
      for row in 0..<n where !(upper[k * n + row] < best[row]) {
        index[count] = Int32(row)
        count += 1
      }
      if 4 * count > 3 * n {
        workspace.computeLogJoint(model, component: k)
        continue
      }
      workspace.fillJoint(k, with: -.greatestFiniteMagnitude / 4)
      guard count > 0 else { continue }
      let groups = (count + Kernels.lanes - 1) / Kernels.lanes
      _ = kernels.pack(rows, featureCount: d, index: index, count: count, into: tile)
      kernels.logJoint(model, k..<k + 1, groups: groups, tile: tile, joint: joint, scratch: scratch)
      for place in 0..<count { workspace.setResponsibility(Int(index[place]), k, joint[place]) }
    }
    return true
  }

  /// For each row and component the most that the log joint density can be; for each row what it must be to count.
  private func bound(_ n: Int, _ model: ModelPointers, _ single: SingleModel) {
    for row in 0..<n { best[row] = -.infinity }
    let stride = Kernels.screenStride((n + Kernels.lanes - 1) / Kernels.lanes)
    for k in 0..<K {
      var error = single.meanTerms[k]
      for j in 0..<d { error += single.columnLengths[k * d + j] * reach[j] }
      error *= 2.02 * SingleModel.roundoff
      let relative = single.relativeErrors[k]
      let constant = model.constants[k]
      for row in 0..<n {
        let distance = Double(distances[k * stride + row]).squareRoot()
        let far = distance * (1 + relative) + error
        let near = distance * (1 - relative) - error
        // What is not a number may be near or far.
        best[row] = max(best[row], far.isFinite ? constant - 0.5 * far * far : -.infinity)
        upper[k * n + row] = near > 0 ? constant - 0.5 * near * near : constant
      }
    }
    // One more than the 40 nats at which responsibilities become zero leaves room for the roundings in double precision.
    for row in 0..<n { best[row] -= 41 }
  }
}
