// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Beside SingleKernels.swift the only file that touches the C table of kernels.

internal import CMixtureKernels

/// One variant of the kernels, and the arithmetic that goes through them.
struct Kernels: @unchecked Sendable {
  // The table is a constant of the C library; nothing writes to it.
  let table: UnsafePointer<mk_kernels>

  /// The best variant that this processor runs; `MIXTURES_KERNELS` in the environment forces one.
  static let active = Kernels(table: mk_active())

  /// Every variant that this processor runs, best first.
  static let all: [Kernels] = {
    var variants: [Kernels] = []
    while let table = mk_variant(variants.count) { variants.append(Kernels(table: table)) }
    return variants
  }()

  /// `avx512`, `avx2`, `neon` or `portable`.
  var name: String { String(cString: table.pointee.name) }

  /// Whether the variant has a fused multiply-add, and so the bits that all such variants share.
  var isFused: Bool { table.pointee.fused != 0 }

  /// exp(x), the same bits on every processor with a fused multiply-add.
  static func exp(_ x: Double) -> Double { active.table.pointee.exp(x) }

  /// log(x), the same bits on every processor with a fused multiply-add.
  static func log(_ x: Double) -> Double { active.table.pointee.log(x) }

  /// The number of lanes of every kernel.
  static let lanes = Int(MK_LANES)
}

extension Kernels {
  /// Factors a packed lower triangle in place; false, and the triangle spoilt, if it is not positive definite by the given
  /// tolerance. The diagonal of the factor is inverted.
  static func cholesky(_ triangle: inout [Double], order: Int, tolerance: Double) -> Bool {
    active.table.pointee.cholesky(order, &triangle, tolerance) != 0
  }

  /// The same for a triangle in the memory of the caller.
  static func cholesky(
    _ triangle: UnsafeMutablePointer<Double>, order: Int, tolerance: Double
  ) -> Bool {
    active.table.pointee.cholesky(order, triangle, tolerance) != 0
  }

  /// The number of processors that this process may use.
  static let processorCount = mk_processor_count()

  /// Tells the processor that some memory will be read soon.
  @inline(__always)
  static func prefetch(_ start: UnsafeRawPointer, _ bytes: Int) { mk_prefetch(start, bytes) }

  /// Tells the processor that this thread waits in a loop.
  @inline(__always)
  static func pause() { mk_pause() }
}

/// Calls on memory of the caller; see the C header for their contracts.
extension Kernels {
  /// Up to so many features, full second moments are summed in eight lanes.
  static let laneFeatures = Int(MK_LANE_FEATURES)

  static func tileStride(_ featureCount: Int) -> Int { mk_tile_stride(featureCount) }
  static func jointStride(_ groups: Int) -> Int { mk_joint_stride(groups) }
  static func scratchSize(groups: Int, featureCount: Int) -> Int {
    mk_scratch_size(groups, featureCount)
  }

  static func screenStride(_ groups: Int) -> Int { mk_screen_stride(groups) }
  static func screenScratchSize(groups: Int, featureCount: Int) -> Int {
    mk_screen_scratch_size(groups, featureCount)
  }

  /// Memory for numbers that the kernels read as whole vectors.
  static func allocate<T>(_ count: Int) -> UnsafeMutablePointer<T> {
    UnsafeMutableRawPointer.allocate(
      byteCount: max(count, 1) * MemoryLayout<T>.stride, alignment: 64
    ).bindMemory(to: T.self, capacity: max(count, 1))
  }

  /// Packs the rows with the given numbers. Returns whether every number in them is finite.
  func pack(
    _ rows: StridedRows, featureCount: Int, index: UnsafePointer<Int32>, count: Int,
    into tile: UnsafeMutablePointer<Double>
  ) -> Bool {
    var block = mk_rows(
      base: rows.base, type: rows.element == .float64 ? Int32(MK_FLOAT64) : Int32(MK_FLOAT32),
      row_stride: rows.rowStride, column_offset: rows.columnOffsets.baseAddress, row_index: index,
      n: count, d: featureCount)
    return table.pointee.pack(&block, tile) != 0
  }

  /// Log joint densities of the components in `range`.
  func logJoint(
    _ model: ModelPointers, _ range: Range<Int>, groups: Int, tile: UnsafePointer<Double>,
    joint: UnsafeMutablePointer<Double>, scratch: UnsafeMutablePointer<Double>
  ) {
    let d = model.featureCount
    let k = range.lowerBound
    let mean = model.means + k * d
    let factor = model.factors + k * model.factorStride
    let constant = model.constants + k
    switch model.form {
    case .full:
      table.pointee.log_joint_full(
        groups, d, range.count, tile, mean, factor, model.factorStride, constant, joint, scratch)
    case .diagonal:
      table.pointee.log_joint_diagonal(
        groups, d, range.count, tile, mean, factor, model.factorStride, constant, joint)
    case .scalar:
      table.pointee.log_joint_scalar(
        groups, d, range.count, tile, mean, factor, model.factorStride, constant, joint)
    }
  }

  /// Log joint densities of K components → responsibilities.
  func normalize(
    groups: Int, _ K: Int, caseWeight: UnsafePointer<Double>, joint: UnsafeMutablePointer<Double>,
    logDensity: UnsafeMutablePointer<Double>, rowEntropy: UnsafeMutablePointer<Double>,
    label: UnsafeMutablePointer<Int32>?
  ) {
    table.pointee.normalize(groups, K, caseWeight, joint, logDensity, rowEntropy, label)
  }

  /// Adds what the rows of a block sum to.
  func addTotals(
    groups: Int, caseWeight: UnsafePointer<Double>, logDensity: UnsafePointer<Double>,
    rowEntropy: UnsafePointer<Double>, to statistics: inout SufficientStatistics
  ) {
    var sums = mk_totals()
    table.pointee.add_totals(groups, caseWeight, logDensity, rowEntropy, &sums)
    statistics.values[0] += sums.case_weight
    statistics.values[1] += sums.log_likelihood
    statistics.values[2] += sums.entropy
  }
}

/// Blocks of rows that carry their own noise, and components, for the kernels of Noise.inc.
///
/// Of `groups` groups of eight rows: `tile` holds the features; `noise` a tile of d features, the diagonals of the noise
/// covariances, or, if `isFull`, of d (d + 1) / 2, their packed lower triangles; `observed`, unless nil, a tile of d
/// features, where 0 marks a missing cell. The tiles are what ``Kernels/pack`` makes of tables of so many columns; lanes
/// past the last row must hold noise like any other, and take the responsibility 0. `means`: K × d. `covariances`: packed
/// lower triangles, not factored, `covarianceStride` apart, d (d + 1) / 2, or 0 if shared. Tiles are aligned to 64 bytes.
struct NoisyBlock {
  var groups: Int
  var featureCount: Int
  var componentCount: Int
  var isFull: Bool
  var tile: UnsafePointer<Double>
  var noise: UnsafePointer<Double>
  var observed: UnsafePointer<Double>?
  var means: UnsafePointer<Double>
  var covariances: UnsafePointer<Double>
  var covarianceStride: Int
}

extension Kernels {
  /// Doubles of scratch for ``logJoint(_:constants:joint:scratch:)`` and ``accumulate(_:responsibilities:lanes:scratch:)``.
  static func noiseScratchSize(featureCount: Int) -> Int { mk_noise_scratch_size(featureCount) }

  /// How many sums over rows under noise a component has: 1 + d + d (d + 1) / 2.
  static func noiseSumCount(featureCount d: Int) -> Int { 1 + d + d * (d + 1) / 2 }

  /// joint[k][i] = constants[k] + log N(yᵢ; μₖ, Σₖ + Sᵢ), over the observed cells of row i; −10³⁰⁰ where Σₖ + Sᵢ has a
  /// pivot that is not a normal positive number. Squared distances end at 10³⁰⁰. `joint` holds K arrays,
  /// ``jointStride(_:)`` apart.
  ///
  /// - Complexity: O(n K d³) for n rows.
  func logJoint(
    _ block: NoisyBlock, constants: UnsafePointer<Double>, joint: UnsafeMutablePointer<Double>,
    scratch: UnsafeMutablePointer<Double>
  ) {
    table.pointee.log_joint_noise(
      block.groups, block.featureCount, block.componentCount, block.isFull ? 1 : 0, block.tile,
      block.noise, block.observed, block.means, block.covariances, block.covarianceStride,
      constants, joint, scratch)
  }

  /// Adds to `lanes`, eight lanes for each of ``noiseSumCount(featureCount:)`` sums of each component, what rows with these
  /// responsibilities sum to: Σ r, Σ r t, and the lower triangle of Σ r (T⁻¹ − t tᵀ), where T = Σₖ + Sᵢ and
  /// t = T⁻¹ (yᵢ − μₖ), both zero in missing cells. Rows with responsibility 0, or for which T has a pivot that is not a
  /// normal positive number, leave nothing.
  ///
  /// With F = Σₖ (Σ r t) and V = (Σ r) Σₖ − Σₖ (Σ r (T⁻¹ − t tᵀ)) Σₖ these are the first and second moments about μₖ of what
  /// the rows would be without noise (Bovy, Hogg & Roweis 2011, doi:10.1214/10-AOAS439).
  ///
  /// **Numerics.** Lanes hold running sums, so that sums do not depend on how rows are cut into blocks of whole groups.
  /// ``foldLanes(_:count:into:)`` completes them.
  func accumulate(
    _ block: NoisyBlock, responsibilities: UnsafePointer<Double>,
    lanes: UnsafeMutablePointer<Double>, scratch: UnsafeMutablePointer<Double>
  ) {
    table.pointee.accumulate_noise(
      block.groups, block.featureCount, block.componentCount, block.isFull ? 1 : 0, block.tile,
      block.noise, block.observed, block.means, block.covariances, block.covarianceStride,
      responsibilities, lanes, scratch)
  }

  /// sums[i] += the eight lanes of sum i.
  func foldLanes(
    _ lanes: UnsafePointer<Double>, count: Int, into sums: UnsafeMutablePointer<Double>
  ) {
    table.pointee.fold_lanes(count, lanes, sums)
  }
}

/// Where the parameters of a model lie, while they are borrowed.
struct ModelPointers {
  let form: CovarianceStructure.Form
  let featureCount: Int
  let componentCount: Int
  let means: UnsafePointer<Double>
  let factors: UnsafePointer<Double>
  let factorStride: Int
  let constants: UnsafePointer<Double>
}

extension GaussianMixture {
  /// Calls `body` with the parameters where they lie.
  func withPointers<Result>(_ body: (ModelPointers) -> Result) -> Result {
    means.elements.withUnsafeBufferPointer { means in
      factors.withUnsafeBufferPointer { factors in
        constants.withUnsafeBufferPointer { constants in
          body(
            ModelPointers(
              form: structure.form, featureCount: featureCount, componentCount: componentCount,
              means: means.baseAddress!, factors: factors.baseAddress!,
              factorStride: factorStride, constants: constants.baseAddress!))
        }
      }
    }
  }
}

/// One worker's memory for blocks of rows, and the calls on them. Not for use by two threads at once.
///
/// A block is packed by ``pack(_:)``; then log joint densities and responsibilities replace one another in `joint`. The
/// moments of the blocks of a shard are added up by ``accumulate(into:)`` and complete after ``finish(_:)``.
final class Workspace {
  let kernels: Kernels
  let featureCount: Int
  let componentCount: Int
  private let maximalGroups: Int
  private let tile: UnsafeMutablePointer<Double>
  private let joint: UnsafeMutablePointer<Double>
  private let caseWeight: UnsafeMutablePointer<Double>
  private let logDensity: UnsafeMutablePointer<Double>
  private let rowEntropy: UnsafeMutablePointer<Double>
  private let scratch: UnsafeMutablePointer<Double>
  private let label: UnsafeMutablePointer<Int32>
  /// Joints to a power; allocated when they are first needed.
  private var tempered: UnsafeMutablePointer<Double>?
  /// Eight lanes for each moment, of few features; allocated when they are first needed.
  private var lanes: UnsafeMutablePointer<Double>?
  private let laneSumsPerComponent: Int
  private var rowCount = 0
  /// What the processor is told to fetch while it computes: the memory that follows on the block's, in three steps.
  private var ahead: (next: UnsafeRawPointer?, step: Int) = (nil, 0)
  private var groups: Int { (rowCount + Kernels.lanes - 1) / Kernels.lanes }

  /// Memory for blocks of `rowsPerBlock` rows under models of at most `componentCount` components.
  init(
    rowsPerBlock: Int, featureCount: Int, componentCount: Int, kernels: Kernels = .active
  ) {
    func allocate<T>(_ count: Int, _: T.Type) -> UnsafeMutablePointer<T> {
      UnsafeMutableRawPointer.allocate(
        byteCount: max(count, 1) * MemoryLayout<T>.stride, alignment: 64
      ).bindMemory(to: T.self, capacity: max(count, 1))
    }
    self.kernels = kernels
    self.featureCount = featureCount
    self.componentCount = componentCount
    maximalGroups = (rowsPerBlock + Kernels.lanes - 1) / Kernels.lanes
    let rows = maximalGroups * Kernels.lanes
    tile = Kernels.allocate(maximalGroups * mk_tile_stride(featureCount))
    joint = Kernels.allocate(componentCount * mk_joint_stride(maximalGroups))
    caseWeight = Kernels.allocate(rows)
    logDensity = Kernels.allocate(rows)
    rowEntropy = Kernels.allocate(rows)
    scratch = Kernels.allocate(mk_scratch_size(maximalGroups, featureCount))
    label = Kernels.allocate(rows)
    laneSumsPerComponent =
      featureCount <= MK_LANE_FEATURES ? 1 + featureCount * (featureCount + 3) / 2 : 0
    caseWeight.initialize(repeating: 1, count: rows)
  }

  deinit {
    for pointer in [tile, joint, caseWeight, logDensity, rowEntropy, scratch] {
      pointer.deallocate()
    }
    label.deallocate()
    lanes?.deallocate()
    tempered?.deallocate()
  }

  /// Begins a block of so many rows. They weigh 1 unless the block before was as long and weighed otherwise.
  private func begin(_ count: Int) {
    precondition(count > 0 && count <= maximalGroups * Kernels.lanes)
    ahead = (nil, 0)
    guard count != rowCount else { return }
    rowCount = count
    // Lanes past the last row weigh nothing.
    caseWeight.update(repeating: 1, count: rowCount)
    (caseWeight + rowCount).update(repeating: 0, count: groups * Kernels.lanes - rowCount)
  }

  /// Takes a block of rows. Returns whether every number in it is finite.
  func pack(_ rows: StridedRows) -> Bool {
    begin(rows.count)
    var block = mk_rows(
      base: rows.base, type: rows.element == .float64 ? Int32(MK_FLOAT64) : Int32(MK_FLOAT32),
      row_stride: rows.rowStride, column_offset: rows.columnOffsets.baseAddress,
      row_index: nil, n: rows.count, d: featureCount)
    let size = rows.element == .float64 ? 8 : 4
    let bytes = rows.count * rows.rowStride * size
    // Rows with many other columns between them are not worth it.
    ahead =
      rows.rowStride <= 2 * featureCount
      ? (rows.base + bytes, (bytes / 3 + 63) / 64 * 64) : (nil, 0)
    return kernels.table.pointee.pack(&block, tile) != 0
  }

  /// Takes a block of some of the given rows. Returns whether every number in it is finite.
  func pack(_ rows: StridedRows, index: UnsafePointer<Int32>, count: Int) -> Bool {
    begin(count)
    return kernels.pack(rows, featureCount: featureCount, index: index, count: count, into: tile)
  }

  /// Sets the case weight of each row of the block.
  func setCaseWeights(_ weight: (_ row: Int) -> Double) {
    for row in 0..<rowCount { caseWeight[row] = weight(row) }
  }

  /// Takes a block of rows element by element, for ``computeLogJoint(_:_:)``.
  func pack(count: Int, _ value: (_ row: Int, _ feature: Int) -> Double) {
    begin(count)
    Workspace.fill(tile, count: count, featureCount: featureCount, value)
  }

  /// An element of a row of the block.
  func element(_ row: Int, _ feature: Int) -> Double {
    tile[
      row / Kernels.lanes * mk_tile_stride(featureCount) + feature * Kernels.lanes
        + row % Kernels.lanes]
  }

  /// Fills a tile; lanes past the last row repeat it.
  static func fill(
    _ tile: UnsafeMutablePointer<Double>, count: Int, featureCount d: Int,
    _ value: (_ row: Int, _ feature: Int) -> Double
  ) {
    let stride = mk_tile_stride(d)
    for place in 0..<(count + Kernels.lanes - 1) / Kernels.lanes * Kernels.lanes {
      let row = min(place, count - 1)
      let out = tile + place / Kernels.lanes * stride + place % Kernels.lanes
      for j in 0..<d { out[j * Kernels.lanes] = value(row, j) }
    }
  }

  /// log wₖ + log N(yᵢ; μₖ, Σₖ + Sᵢ) of a block whose rows carry their own noise into `joint`.
  func computeLogJoint(_ noise: NoiseTiles, _ model: NoisyModel) {
    withNoisyBlock(noise, model) { block in
      kernels.logJoint(block, constants: model.constants, joint: joint, scratch: noise.scratch)
    }
  }

  /// Adds the block's sums, by the responsibilities in `joint`, to the lanes of the noise.
  func accumulate(_ noise: NoiseTiles, _ model: NoisyModel) {
    withNoisyBlock(noise, model) { block in
      kernels.accumulate(block, responsibilities: joint, lanes: noise.lanes, scratch: noise.scratch)
    }
  }

  private func withNoisyBlock(
    _ noise: NoiseTiles, _ model: NoisyModel, _ body: (NoisyBlock) -> Void
  ) {
    model.means.withUnsafeBufferPointer { means in
      model.covariances.withUnsafeBufferPointer { covariances in
        body(
          NoisyBlock(
            groups: groups, featureCount: featureCount, componentCount: model.constants.count,
            isFull: noise.isFull, tile: tile, noise: noise.noise, observed: noise.observed,
            means: means.baseAddress!, covariances: covariances.baseAddress!,
            covarianceStride: model.covarianceStride))
      }
    }
  }

  /// Has a third of what the next block holds fetched, so that it is there when it is packed.
  private func fetchAhead() {
    guard let next = ahead.next else { return }
    mk_prefetch(next, ahead.step)
    ahead.next = next + ahead.step
  }

  /// log wₖ + log N(xᵢ; μₖ, Σₖ) into `joint`; with other constants, those plus −½ the squared Mahalanobis distance.
  func computeLogJoint(_ model: GaussianMixture, constants: [Double]? = nil) {
    computeLogJoint(
      form: model.structure.form, means: model.means.elements, factors: model.factors,
      factorStride: model.factorStride, constants: constants ?? model.constants)
  }

  /// The same for parameters that are no mixture.
  func computeLogJoint(
    form: CovarianceStructure.Form, means: [Double], factors: [Double], factorStride: Int,
    constants: [Double]
  ) {
    let table = kernels.table.pointee
    let K = constants.count
    fetchAhead()
    precondition(K <= componentCount && means.count == K * featureCount)
    switch form {
    case .full:
      table.log_joint_full(
        groups, featureCount, K, tile, means, factors, factorStride, constants, joint, scratch)
    case .diagonal:
      table.log_joint_diagonal(
        groups, featureCount, K, tile, means, factors, factorStride, constants, joint)
    case .scalar:
      table.log_joint_scalar(
        groups, featureCount, K, tile, means, factors, factorStride, constants, joint)
    }
  }

  /// Log joint densities of K components → responsibilities; adds case weight, log-likelihood and entropy to the
  /// statistics.
  func normalize(
    _ K: Int, findingLabels: Bool = false, into statistics: inout SufficientStatistics
  ) {
    let sums = normalize(K, findingLabels: findingLabels)
    statistics.values[0] += sums.caseWeight
    statistics.values[1] += sums.logLikelihood
    statistics.values[2] += sums.entropy
  }

  /// Log joint densities of K components → responsibilities; on demand also the component with the largest joint for each
  /// row. Returns the block's sums.
  @discardableResult
  func normalize(
    _ K: Int, findingLabels: Bool = false
  ) -> (caseWeight: Double, logLikelihood: Double, entropy: Double) {
    var sums = mk_totals()
    let table = kernels.table.pointee
    fetchAhead()
    table.normalize(
      groups, K, caseWeight, joint, logDensity, rowEntropy, findingLabels ? label : nil)
    table.add_totals(groups, caseWeight, logDensity, rowEntropy, &sums)
    return (sums.case_weight, sums.log_likelihood, sums.entropy)
  }

  /// Log joint densities of K components → responsibilities of the densities to a power; the sums are those of the
  /// densities as they are.
  func normalize(_ K: Int, power: Double, into statistics: inout SufficientStatistics) {
    let count = K * mk_joint_stride(groups)
    let copy: UnsafeMutablePointer<Double> =
      tempered ?? Kernels.allocate(componentCount * mk_joint_stride(maximalGroups))
    tempered = copy
    for index in 0..<count { copy[index] = power * joint[index] }
    normalize(K, into: &statistics)
    kernels.table.pointee.normalize(groups, K, caseWeight, copy, logDensity, rowEntropy, nil)
    joint.update(from: copy, count: count)
  }

  /// Finds the component with the largest joint for each row. Returns the case-weighted sum of those joints.
  func likeliestJoint(_ K: Int) -> Double {
    findLabels(K)
    rowEntropy.update(repeating: 0, count: groups * Kernels.lanes)
    var sums = mk_totals()
    kernels.table.pointee.add_totals(groups, caseWeight, logDensity, rowEntropy, &sums)
    return sums.log_likelihood
  }

  /// Has each row count for one of K components, with its whole case weight.
  func keepOne(_ K: Int, _ component: (_ row: Int, _ caseWeight: Double) -> Int) {
    for row in 0..<rowCount {
      let kept = component(row, caseWeight[row])
      for k in 0..<K { setResponsibility(row, k, k == kept ? caseWeight[row] : 0) }
    }
  }

  /// Finds the component with the largest joint for each row.
  func findLabels(_ K: Int) {
    kernels.table.pointee.argmax(groups, K, joint, logDensity, label)
  }

  /// Sets the responsibility of every row and component; K of them for each row.
  func setResponsibilities(_ K: Int, _ value: (_ row: Int, _ component: Int) -> Double) {
    for k in 0..<K {
      let column = joint + k * mk_joint_stride(groups)
      for row in 0..<groups * Kernels.lanes { column[row] = row < rowCount ? value(row, k) : 0 }
    }
  }

  /// Sets each row's responsibility for the component it belongs to to 1, the others to 0.
  func setHardResponsibilities(_ K: Int, _ component: (_ row: Int) -> Int) {
    clearResponsibilities(K)
    for row in 0..<rowCount { setResponsibility(row, component(row), 1) }
  }

  /// Squared Mahalanobis distances of the block in single precision.
  func screen(
    _ single: SingleModel, into distances: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Double>
  ) {
    kernels.table.pointee.screen(
      groups, featureCount, single.relativeErrors.count, tile, single.center, single.means,
      single.factors, single.factorStride, distances, scratch)
  }

  /// How far the block's rows lie from a point at most, feature by feature.
  func findReach(of center: [Double], into reach: UnsafeMutablePointer<Double>) {
    let stride = mk_tile_stride(featureCount)
    for j in 0..<featureCount {
      let middle = SIMD8<Double>(repeating: center[j])
      var farthest = SIMD8<Double>.zero
      for group in 0..<groups {
        let lanes = UnsafeRawPointer(tile + group * stride + j * Kernels.lanes)
        let difference = lanes.load(as: SIMD8<Double>.self) - middle
        farthest = pointwiseMax(farthest, pointwiseMax(difference, -difference))
      }
      reach[j] = farthest.max()
    }
  }

  /// log wₖ + log N(xᵢ; μₖ, Σₖ) of one component into `joint`.
  func computeLogJoint(_ model: ModelPointers, component k: Int) {
    kernels.logJoint(
      model, k..<k + 1, groups: groups, tile: tile, joint: joint + k * mk_joint_stride(groups),
      scratch: scratch)
  }

  /// Gives the lanes past the last row its joint of one component.
  func padJoint(_ k: Int) {
    let column = joint + k * mk_joint_stride(groups)
    for place in rowCount..<groups * Kernels.lanes { column[place] = column[rowCount - 1] }
  }

  /// Sets the joints of one component to one number.
  func fillJoint(_ k: Int, with value: Double) {
    (joint + k * mk_joint_stride(groups)).update(repeating: value, count: groups * Kernels.lanes)
  }

  /// How many responsibilities of the block's rows for K components are zero.
  func countZeros(_ K: Int) -> Int {
    var count = 0
    for k in 0..<K {
      let column = joint + k * mk_joint_stride(groups)
      for row in 0..<rowCount where column[row] == 0 { count += 1 }
    }
    return count
  }

  /// Sets all responsibilities for K components to zero.
  func clearResponsibilities(_ K: Int) {
    joint.update(repeating: 0, count: K * mk_joint_stride(groups))
  }

  /// Sets the responsibility of one row and component.
  func setResponsibility(_ row: Int, _ component: Int, _ value: Double) {
    joint[component * mk_joint_stride(groups) + row] = value
  }

  /// The joint, or responsibility, of a row and component.
  func joint(_ row: Int, _ component: Int) -> Double {
    joint[component * mk_joint_stride(groups) + row]
  }

  /// The log density of a row after ``normalize(_:)``, or the largest joint after ``findLabels(_:)``.
  func logDensity(_ row: Int) -> Double { logDensity[row] }

  /// The label of a row after ``findLabels(_:)``.
  func label(_ row: Int) -> Int { Int(label[row]) }

  /// Adds the block's moments, by the responsibilities in `joint`, to statistics, which lack some of them until
  /// ``finish(_:)``.
  func accumulate(into statistics: inout SufficientStatistics) {
    fetchAhead()
    accumulate(
      0..<statistics.componentCount, groups: groups, tile: tile, responsibilities: joint,
      into: &statistics)
  }

  /// Adds moments of some components over rows that lie elsewhere.
  func accumulate(
    _ components: Range<Int>, groups: Int, tile: UnsafePointer<Double>,
    responsibilities: UnsafePointer<Double>, into statistics: inout SufficientStatistics
  ) {
    let table = kernels.table.pointee
    let k = components.lowerBound
    let d = featureCount
    let form = statistics.form
    let zeroth = statistics.zerothStart + k
    let first = statistics.firstStart + k * d
    let second = statistics.secondStart + k * statistics.elementsPerSecond
    let lanes =
      form == .full ? laneSums().map { $0 + k * laneSumsPerComponent * Kernels.lanes } : nil
    statistics.origins.elements.withUnsafeBufferPointer { origins in
      let origin = origins.baseAddress! + k * d
      statistics.values.withUnsafeMutableBufferPointer { values in
        let base = values.baseAddress!
        switch form {
        case .full:
          table.accumulate_full(
            groups, d, components.count, tile, responsibilities, origin, lanes, base + zeroth,
            base + first, base + second, scratch)
        case .diagonal:
          table.accumulate_diagonal(
            groups, d, components.count, tile, responsibilities, origin, base + zeroth,
            base + first,
            base + second)
        case .scalar:
          table.accumulate_scalar(
            groups, d, components.count, tile, responsibilities, origin, base + zeroth,
            base + first,
            base + second)
        }
      }
    }
  }

  /// Adds what ``accumulate(into:)`` has kept apart, lane by lane, since the last call.
  func finish(_ statistics: inout SufficientStatistics) {
    guard statistics.form == .full, laneSumsPerComponent > 0, let lanes else { return }
    let table = kernels.table.pointee
    let d = featureCount
    let (zeroth, first, second) = (
      statistics.zerothStart, statistics.firstStart, statistics.secondStart
    )
    let K = statistics.componentCount
    statistics.values.withUnsafeMutableBufferPointer { values in
      let base = values.baseAddress!
      let size = d * (d + 1) / 2
      for k in 0..<K {
        let sums = lanes + k * laneSumsPerComponent * Kernels.lanes
        table.fold_lanes(1, sums, base + zeroth + k)
        table.fold_lanes(d, sums + Kernels.lanes, base + first + k * d)
        table.fold_lanes(size, sums + (1 + d) * Kernels.lanes, base + second + k * size)
      }
    }
    lanes.update(repeating: 0, count: K * laneSumsPerComponent * Kernels.lanes)
  }

  /// Eight lanes for each moment; nil where the kernels need none.
  private func laneSums() -> UnsafeMutablePointer<Double>? {
    guard laneSumsPerComponent > 0 else { return nil }
    if lanes == nil {
      let count = componentCount * laneSumsPerComponent * Kernels.lanes
      let sums: UnsafeMutablePointer<Double> = Kernels.allocate(count)
      sums.initialize(repeating: 0, count: count)
      lanes = sums
    }
    return lanes
  }
}

/// One worker's memory for the noise of blocks of rows, and for what they sum to. Not for use by two threads at once.
final class NoiseTiles {
  let isFull: Bool
  let noise: UnsafeMutablePointer<Double>
  let observed: UnsafeMutablePointer<Double>
  let lanes: UnsafeMutablePointer<Double>
  let scratch: UnsafeMutablePointer<Double>
  private let featureCount: Int
  private let sumCount: Int

  init(rowsPerBlock: Int, featureCount d: Int, componentCount K: Int, isFull: Bool) {
    self.isFull = isFull
    featureCount = d
    let groups = (rowsPerBlock + Kernels.lanes - 1) / Kernels.lanes
    noise = Kernels.allocate(groups * Kernels.tileStride(isFull ? d * (d + 1) / 2 : d))
    observed = Kernels.allocate(groups * Kernels.tileStride(d))
    sumCount = K * Kernels.noiseSumCount(featureCount: d)
    lanes = Kernels.allocate(sumCount * Kernels.lanes)
    lanes.initialize(repeating: 0, count: sumCount * Kernels.lanes)
    scratch = Kernels.allocate(Kernels.noiseScratchSize(featureCount: d))
  }

  deinit { for pointer in [noise, observed, lanes, scratch] { pointer.deallocate() } }

  /// Sets the noise and which cells there are; each row's noise has d or d (d + 1) / 2 elements.
  func fill(
    count: Int, noise value: (_ row: Int, _ element: Int) -> Double,
    observed isThere: (_ row: Int, _ feature: Int) -> Bool
  ) {
    let d = featureCount
    Workspace.fill(noise, count: count, featureCount: isFull ? d * (d + 1) / 2 : d, value)
    Workspace.fill(observed, count: count, featureCount: d) { isThere($0, $1) ? 1 : 0 }
  }

  /// An element of a row's noise.
  func element(_ row: Int, _ index: Int) -> Double {
    let d = featureCount
    return noise[
      row / Kernels.lanes * Kernels.tileStride(isFull ? d * (d + 1) / 2 : d)
        + index * Kernels.lanes + row % Kernels.lanes]
  }

  /// The features of a row whose cells are there.
  func observedFeatures(_ row: Int, featureCount d: Int) -> [Int] {
    let lanes =
      observed + row / Kernels.lanes * Kernels.tileStride(d) + row % Kernels.lanes
    return (0..<d).filter { lanes[$0 * Kernels.lanes] != 0 }
  }

  /// What was accumulated since the last call: for each component Σ r, Σ r t and the triangle of Σ r (T⁻¹ − t tᵀ).
  func takeSums(_ kernels: Kernels = .active) -> [Double] {
    var sums = Array(repeating: 0.0, count: sumCount)
    kernels.foldLanes(lanes, count: sumCount, into: &sums)
    lanes.update(repeating: 0, count: sumCount * Kernels.lanes)
    return sums
  }
}

/// The variants of the arithmetic that this processor runs, for reports on how a result was made.
public enum KernelVariants {
  /// The names of all variants that run here, best first: of `avx512`, `avx2`, `neon` and `portable`.
  ///
  /// All but `portable` on x86-64 have a fused multiply-add, and give the same bits.
  public static var available: [String] { Kernels.all.map(\.name) }

  /// The variant in use: the best, unless the environment variable `MIXTURES_KERNELS` names another one that runs
  /// here.
  public static var active: String { Kernels.active.name }
}
