// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Beside Kernels.swift the only file that touches the C table: its part in single precision.

internal import CMixtureKernels

/// What rows and models are measured by in single precision: xⱼ becomes (xⱼ − oⱼ) sⱼ, with sⱼ a power of two that brings the
/// standard deviation of a feature to [1, 2). So no offset costs digits and no scale overflows.
struct SingleFrame: Sendable {
  let origin: [Double]
  let scale: [Double]
  /// Whether all features have one scale, as traces demand.
  let isUniform: Bool

  init(_ data: DataScale, form: CovarianceStructure.Form) {
    func power(_ variance: Double) -> Double {
      guard variance > 0 else { return 1 }
      return Double(sign: .plus, exponent: -Int(variance.squareRoot().exponent), significand: 1)
    }
    origin = data.means
    isUniform = form == .scalar
    let largest = power(data.variances.max() ?? 0)
    scale = data.variances.map { form == .scalar ? largest : power($0) }
  }
}

/// The parameters of a mixture in single precision, in a frame.
///
/// The constants belong to the rounded factors, so that each component is a density, and they are less their maximum.
struct SingleParameters: Sendable {
  let form: CovarianceStructure.Form
  let means: [Float]
  let factors: [Float]
  let factorStride: Int
  let constants: [Float]
  /// What was subtracted from all constants, and the errors of rounding each of them.
  let shift: Double
  let constantErrors: [Double]
  /// The rounded means in the units of the data: what moments are about.
  let origins: Matrix

  init(_ model: GaussianMixture, in frame: SingleFrame) {
    let (K, d) = (model.componentCount, model.featureCount)
    // Beyond this, squares would overflow; a mean so far from the data owns none of them.
    let limit: Float = 1e17
    let means = (0..<K * d).map { index -> Float in
      let value = (model.means.elements[index] - frame.origin[index % d]) * frame.scale[index % d]
      return min(max(Float(value), -limit), limit)
    }
    self.means = means
    origins = Matrix(
      unchecked: (0..<K * d).map {
        frame.origin[$0 % d] + Double(means[$0]) / frame.scale[$0 % d]
      }, rowCount: K, columnCount: d)

    // A sphere is none where features have different scales.
    let isStretched = model.structure.form == .scalar && !frame.isUniform
    form = isStretched ? .diagonal : model.structure.form
    let given =
      isStretched
      ? model.factors.flatMap { Array(repeating: $0, count: d) } : model.factors
    let each = isStretched ? d : given.count / (model.factorStride == 0 ? 1 : K)
    factorStride = model.factorStride == 0 ? 0 : each
    var factors = [Float](repeating: 0, count: given.count)
    var corrections = [Double](repeating: 0, count: given.count / each)
    for matrix in corrections.indices {
      // Inverse standard deviations, and the inverted diagonal of a factor.
      func round(_ index: Int, _ feature: Int, times count: Double = 1) {
        let exact = given[matrix * each + index] / frame.scale[feature]
        let rounded = Float(exact)
        factors[matrix * each + index] = rounded
        let change = (Double(rounded) - exact) / exact
        if change.isFinite { corrections[matrix] += count * (change - 0.5 * change * change) }
      }
      switch form {
      case .full:
        for i in 0..<d {
          for j in 0..<i {
            let index = i * (i + 1) / 2 + j
            factors[matrix * each + index] = Float(
              given[matrix * each + index] * frame.scale[i])
          }
          round(i * (i + 3) / 2, i)
        }
      case .diagonal: for j in 0..<d { round(j, j) }
      case .scalar: round(0, 0, times: Double(d))
      }
    }
    self.factors = factors
    let isShared = factorStride == 0
    let exact = (0..<K).map {
      model.constants[$0] + corrections[isShared ? 0 : $0]
    }
    let shift = exact.filter(\.isFinite).max() ?? 0
    let constants = exact.map { Float($0 - shift) }
    self.shift = shift
    self.constants = constants
    constantErrors = (0..<K).map {
      let error = exact[$0] - shift - Double(Float(exact[$0] - shift))
      return error.isFinite ? error : 0
    }
  }
}

/// One worker's memory for blocks of rows in single precision, and the calls on them; see ``Workspace``.
final class SingleWorkspace {
  private let table: mk_single_kernels
  private let frame: SingleFrame
  private let d: Int
  private let K: Int
  private let tile: UnsafeMutablePointer<Float>
  private let joint: UnsafeMutablePointer<Float>
  private let caseWeight: UnsafeMutablePointer<Float>
  private let logDensity: UnsafeMutablePointer<Float>
  private let rowEntropy: UnsafeMutablePointer<Float>
  private let scratch: UnsafeMutablePointer<Float>
  private let lanes: UnsafeMutablePointer<Float>
  private let laneSums: Int
  private var rowCount = 0
  private var groups: Int { (rowCount + Int(MK_SINGLE_LANES) - 1) / Int(MK_SINGLE_LANES) }

  init(
    frame: SingleFrame, rowsPerBlock: Int, featureCount d: Int, componentCount K: Int,
    kernels: Kernels = .active
  ) {
    table = kernels.table.pointee.single.pointee
    self.frame = frame
    self.d = d
    self.K = K
    let groups = (rowsPerBlock + Int(MK_SINGLE_LANES) - 1) / Int(MK_SINGLE_LANES)
    let rows = groups * Int(MK_SINGLE_LANES)
    tile = Kernels.allocate(groups * mk_single_tile_stride(d))
    joint = Kernels.allocate(K * mk_single_joint_stride(groups))
    caseWeight = Kernels.allocate(rows)
    logDensity = Kernels.allocate(rows)
    rowEntropy = Kernels.allocate(rows)
    scratch = Kernels.allocate(mk_single_scratch_size(groups, d))
    laneSums = d <= MK_LANE_FEATURES ? 1 + d * (d + 3) / 2 : 0
    let count = K * laneSums * Int(MK_SINGLE_LANES)
    lanes = Kernels.allocate(count)
    lanes.initialize(repeating: 0, count: count)
  }

  deinit {
    for pointer in [tile, joint, caseWeight, logDensity, rowEntropy, scratch, lanes] {
      pointer.deallocate()
    }
  }

  /// Takes a block of rows. Returns whether every number in it is finite.
  func pack(_ rows: StridedRows) -> Bool {
    if rows.count != rowCount {
      rowCount = rows.count
      // Lanes past the last row weigh nothing.
      caseWeight.update(repeating: 1, count: rowCount)
      (caseWeight + rowCount).update(
        repeating: 0, count: groups * Int(MK_SINGLE_LANES) - rowCount)
    }
    var block = mk_rows(
      base: rows.base, type: rows.element == .float64 ? Int32(MK_FLOAT64) : Int32(MK_FLOAT32),
      row_stride: rows.rowStride, column_offset: rows.columnOffsets.baseAddress,
      row_index: nil, n: rows.count, d: d)
    return table.pack(&block, frame.origin, frame.scale, tile) != 0
  }

  /// The E-step of the block that was packed: adds its sums, in the frame, to statistics, which lack some of them until
  /// ``finish(_:)``.
  func add(under model: SingleParameters, to statistics: inout SufficientStatistics) {
    switch model.form {
    case .full:
      table.log_joint_full(
        groups, d, K, tile, model.means, model.factors, model.factorStride, model.constants, joint,
        scratch)
    case .diagonal:
      table.log_joint_diagonal(
        groups, d, K, tile, model.means, model.factors, model.factorStride, model.constants, joint)
    case .scalar:
      table.log_joint_scalar(
        groups, d, K, tile, model.means, model.factors, model.factorStride, model.constants, joint)
    }
    var sums = mk_totals()
    table.normalize(groups, K, caseWeight, joint, logDensity, rowEntropy, nil)
    table.add_totals(groups, caseWeight, logDensity, rowEntropy, &sums)
    statistics.values[0] += sums.case_weight
    statistics.values[1] += sums.log_likelihood
    statistics.values[2] += sums.entropy
    let form = statistics.form
    let (zeroth, first, second) = (
      statistics.zerothStart, statistics.firstStart, statistics.secondStart
    )
    statistics.values.withUnsafeMutableBufferPointer { values in
      let base = values.baseAddress!
      let (zeroth, first, second) = (base + zeroth, base + first, base + second)
      switch form {
      case .full:
        table.accumulate_full(
          groups, d, K, tile, joint, model.means, lanes, zeroth, first, second, scratch)
      case .diagonal:
        table.accumulate_diagonal(groups, d, K, tile, joint, model.means, zeroth, first, second)
      case .scalar:
        table.accumulate_scalar(groups, d, K, tile, joint, model.means, zeroth, first, second)
      }
    }
  }

  /// Adds what ``add(under:to:)`` has kept apart, lane by lane, since the last call.
  func finish(_ statistics: inout SufficientStatistics) {
    guard statistics.form == .full, laneSums > 0 else { return }
    let (zeroth, first, second) = (
      statistics.zerothStart, statistics.firstStart, statistics.secondStart
    )
    let width = Int(MK_SINGLE_LANES)
    let size = statistics.elementsPerSecond
    statistics.values.withUnsafeMutableBufferPointer { values in
      let base = values.baseAddress!
      for k in 0..<K {
        let sums = lanes + k * laneSums * width
        table.fold_lanes(1, sums, base + zeroth + k)
        table.fold_lanes(d, sums + width, base + first + k * d)
        table.fold_lanes(size, sums + (1 + d) * width, base + second + k * size)
      }
    }
    lanes.update(repeating: 0, count: K * laneSums * width)
  }
}

extension Kernels {
  func singleExp(_ x: Float) -> Float { table.pointee.single.pointee.exp(x) }
  func singleLog(_ x: Float) -> Float { table.pointee.single.pointee.log(x) }
}
