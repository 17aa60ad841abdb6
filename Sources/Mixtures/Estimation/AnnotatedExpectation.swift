// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The E-step on rows that carry more than their features, and under models with a background.
///
/// The rows of a shard are evaluated measurement by measurement, plain rows first, each by the kernels for plain rows in
/// as many dimensions as cells are there. Shards without any other rows take the blocks of the plain path, to the bit.
final class AnnotatedRows<Source: ObservationSource>: Sendable {
  let source: Source
  let layout: RowLayout
  private let grid: ShardGrid
  private let annotations: RowAnnotations
  /// Whether rows without weight are left out.
  private let usesWeights: Bool

  /// - Parameter usesWeights: Whether rows count by their case weights; else all count once.
  init(_ source: Source, usesWeights: Bool) throws(MixtureError) {
    self.source = source
    self.usesWeights = usesWeights
    annotations = source.annotations ?? RowAnnotations()
    layout = try RowLayout(source, leavingOut: usesWeights)
    grid = ShardGrid(rowCount: source.observationCount, featureCount: source.featureCount)
  }

  /// The statistics of all rows under a model, about the model's means.
  ///
  /// - Parameters:
  ///   - assignment: What rows count for.
  ///   - componentNumbers: What the annotations call the model's components.
  func statistics(
    under model: GaussianMixture, form: CovarianceStructure.Form, threadCount: Int,
    by assignment: Assignment = .responsibilities, componentNumbers: [Int]? = nil
  ) throws(MixtureError) -> SufficientStatistics {
    let eye = try AnnotatedView(
      model, layout: layout, annotations: annotations, target: form,
      componentNumbers: componentNumbers, threadCount: threadCount)
    let unseen = unseenRows(model)
    return try ThreadTeam.reduceShards(
      of: grid, threadCount: worthwhile(threadCount, model, form),
      makeWorker: { _ in makeWorker(model) }, add: { $0 += $1 }
    ) { (worker: AnnotatedWorker, shard) throws(MixtureError) in
      var statistics = SufficientStatistics(origins: model.means, form: form)
      // Rows of one measurement come one after the other.
      var part: SufficientStatistics?
      var measured = eye.models[0]
      func finish(_ workspace: Workspace) {
        guard part != nil else { return }
        workspace.finish(&part!)
        measured.lift(part!, into: &statistics)
        part = nil
      }
      func assign(_ piece: AnnotatedPiece, into statistics: inout SufficientStatistics) {
        piece.workspace.assign(
          eye.columnCount, by: assignment, number: { piece.start + Int(piece.rows[$0]) },
          into: &statistics)
      }
      try visit(shard, worker, eye) { piece in
        let workspace = piece.workspace
        if piece.kind == 0 {
          assign(piece, into: &statistics)
          workspace.accumulate(into: &statistics)
        } else if let censored = piece.censored?.components {
          assign(piece, into: &statistics)
          for k in 0..<model.componentCount {
            let r = workspace.joint(0, k)
            if r != 0 { censored[k].add(r, k, to: &statistics) }
          }
        } else if let noise = piece.noise {
          assign(piece, into: &statistics)
          workspace.accumulate(noise, eye.noisy!)
        } else {
          if part == nil {
            measured = piece.model
            part = measured.makeStatistics()
          }
          assign(piece, into: &part!)
          workspace.accumulate(into: &part!)
        }
      } leaving: { kind, workspace in
        switch kind {
        case 0: workspace.finish(&statistics)
        case RowLayout.censored: break
        case RowLayout.individual:
          eye.noisy!.lift(worker.noise(for: annotations, eye.model).takeSums(), into: &statistics)
        default: finish(workspace)
        }
      }
      forEachUnseen(besideShard: shard, caseWeight: statistics.caseWeight, unseen, model) {
        $0.add($1, to: &statistics)
      }
      return statistics
    }
  }

  /// Calls `body` for all rows, some of one measurement at a time, on several threads, with their log joint densities in
  /// the workspace. Rows without any cell are left out.
  func forEachPiece(
    under model: GaussianMixture, threadCount: Int, _ body: (AnnotatedPiece) -> Void
  ) throws(MixtureError) {
    let eye = try AnnotatedView(
      model, layout: layout, annotations: annotations, target: model.structure.form,
      componentNumbers: nil, threadCount: threadCount)
    try ThreadTeam.forEachShard(
      of: grid, threadCount: threadCount, makeWorker: { _ in makeWorker(model) }
    ) { (worker: AnnotatedWorker, shard) throws(MixtureError) in
      try visit(shard, worker, eye, body) { _, _ in }
    }
  }

  /// Some numbers for each row: `fill` is called for some rows of one measurement at a time, with their log joint densities
  /// in the workspace and the places of their numbers by position; `emptyRow` for rows without any cell.
  func numbers(
    under model: GaussianMixture, columns: Int, threadCount: Int?,
    emptyRow: (_ row: Int, UnsafeMutableBufferPointer<Double>) -> Void,
    _ fill: (AnnotatedPiece, (_ position: Int) -> UnsafeMutableBufferPointer<Double>) -> Void
  ) throws(MixtureError) -> [Double] {
    let count = source.observationCount * columns
    var failure: MixtureError?
    let result = [Double](unsafeUninitializedCapacity: count) { buffer, initialized in
      func output(_ row: Int) -> UnsafeMutableBufferPointer<Double> {
        UnsafeMutableBufferPointer(rebasing: buffer[row * columns..<(row + 1) * columns])
      }
      do throws(MixtureError) {
        for row in layout.kinds.indices where !layout.counts(row) { emptyRow(row, output(row)) }
        try forEachPiece(under: model, threadCount: threadCount ?? Kernels.processorCount) {
          piece in fill(piece) { output(piece.start + Int(piece.rows[$0])) }
        }
        initialized = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return result
  }

  /// The case-weighted log-likelihood and entropy under a model: the bits of the ``statistics(under:form:threadCount:)``,
  /// without moments.
  func score(
    under model: GaussianMixture, threadCount: Int
  ) throws(MixtureError) -> (logLikelihood: Double, entropy: Double) {
    let eye = try AnnotatedView(
      model, layout: layout, annotations: annotations, target: model.structure.form,
      componentNumbers: nil, threadCount: threadCount)
    let unseen = unseenRows(model)
    let totals = try ThreadTeam.reduceShards(
      of: grid, threadCount: threadCount, makeWorker: { _ in makeWorker(model) },
      add: { (sum: inout Totals, other) in sum.add(other) }
    ) { (worker: AnnotatedWorker, shard) throws(MixtureError) in
      var totals = Totals()
      // Rows of one measurement come one after the other, and have a sum of their own.
      var part = Totals()
      try visit(shard, worker, eye) { piece in
        let sums = piece.workspace.normalize(eye.columnCount)
        let block = Totals(
          caseWeight: sums.caseWeight, logLikelihood: sums.logLikelihood, entropy: sums.entropy)
        if piece.hasMomentsOfItsOwn { part.add(block) } else { totals.add(block) }
      } leaving: { _, _ in
        totals.add(part)
        part = Totals()
      }
      forEachUnseen(besideShard: shard, caseWeight: totals.caseWeight, unseen, model) {
        totals.logLikelihood -= $1 * $0.logProbability
      }
      return totals
    }
    return (totals.logLikelihood, totals.entropy)
  }

  /// The sum of what all rows yield, shard by shard in a fixed tree: `body` adds rows of one measurement, with their log
  /// joint densities under so many columns in the workspace, to the sum of their shard.
  func reducePieces<Sum>(
    under model: GaussianMixture, threadCount: Int, start: () -> Sum, add: (inout Sum, Sum) -> Void,
    _ body: (AnnotatedPiece, _ columnCount: Int, inout Sum) -> Void
  ) throws(MixtureError) -> Sum {
    let eye = try AnnotatedView(
      model, layout: layout, annotations: annotations, target: model.structure.form,
      componentNumbers: nil, threadCount: threadCount)
    return try ThreadTeam.reduceShards(
      of: grid, threadCount: threadCount, makeWorker: { _ in makeWorker(model) }, add: add
    ) { (worker: AnnotatedWorker, shard) throws(MixtureError) in
      var sum = start()
      try visit(shard, worker, eye) {
        body($0, eye.columnCount, &sum)
      } leaving: { _, _ in
      }
      return sum
    }
  }

  /// Calls `body` with what a window leaves out beside the rows of a shard, and with the case weight of the rows that it is
  /// left out beside: once if that is the same for all rows, else row by row.
  private func forEachUnseen(
    besideShard shard: Int, caseWeight: Double, _ unseen: UnseenRows?, _ model: GaussianMixture,
    _ body: (UnseenRows, Double) -> Void
  ) {
    if let unseen { return body(unseen, caseWeight) }
    guard annotations.window?.isActive ?? false else { return }
    // Rows with noise of their own have each a probability of their own.
    for row in grid.rows(ofShard: shard) where layout.counts(row) {
      body(
        unseenRows(model, besideRow: row),
        usesWeights ? annotations.caseWeights?.values[row] ?? 1 : 1)
    }
  }

  /// What a window leaves out, if that is the same for all rows.
  private func unseenRows(_ model: GaussianMixture) -> UnseenRows? {
    if let selection = annotations.selection { return UnseenRows(model, selection: selection) }
    guard let window = annotations.window, window.isActive else { return nil }
    switch annotations.noise {
    case nil: return UnseenRows(model, window: window, noise: .none)
    case .shared(let matrix):
      return UnseenRows(
        model, window: window,
        noise: Measurement.Noise(
          matrix.elements[...], featureCount: matrix.rowCount, cells: Array(0..<matrix.rowCount)))
    case .standardDeviations, .covariances: return nil
    }
  }

  /// What a window leaves out of rows with the noise of one row.
  private func unseenRows(_ model: GaussianMixture, besideRow row: Int) -> UnseenRows {
    let d = source.featureCount
    var noise = Measurement.Noise.none
    switch annotations.noise {
    case .standardDeviations(let deviations):
      // Infinite noise says that the cell tells nothing, not that it was all over the place.
      noise = .diagonal(
        (0..<d).map { deviations[row, $0].isFinite ? deviations[row, $0] * deviations[row, $0] : 0 }
      )
    case .covariances(let matrices):
      noise = Measurement.Noise(
        matrices.elements[row * d * d..<(row + 1) * d * d], featureCount: d, cells: Array(0..<d))
    case .shared, nil: break
    }
    return UnseenRows(model, window: annotations.window!, noise: noise)
  }

  /// The log probability that each row was observed; nil if all rows are.
  func logProbabilities(under model: GaussianMixture) -> [Double]? {
    guard annotations.isTruncated else { return nil }
    if let unseen = unseenRows(model) {
      return Array(repeating: unseen.logProbability, count: source.observationCount)
    }
    return (0..<source.observationCount).map {
      unseenRows(model, besideRow: $0).logProbability
    }
  }

  private func worthwhile(
    _ threadCount: Int, _ model: GaussianMixture, _ form: CovarianceStructure.Form
  ) -> Int {
    ThreadTeam.worthwhile(
      threadCount, rowCount: source.observationCount, componentCount: model.componentCount,
      elementsPerMoment: form.elementCount(featureCount: source.featureCount))
  }

  private func makeWorker(_ model: GaussianMixture) -> AnnotatedWorker {
    AnnotatedWorker(
      rowsPerBlock: grid.rowsPerBlock, columnCount: model.componentCount + 1,
      rowsPerShard: grid.rowsPerShard)
  }

  /// Calls `body` with the pieces of one shard in their order, and `leaving` at the end of each measurement.
  private func visit(
    _ shard: Int, _ worker: AnnotatedWorker, _ eye: AnnotatedView,
    _ body: (AnnotatedPiece) -> Void, leaving: (Int32, Workspace) -> Void
  ) throws(MixtureError) {
    let range = grid.rows(ofShard: shard)
    let kinds = layout.kinds.isEmpty ? nil : layout.kinds[range]
    let plain = worker.workspace(featureCount: source.featureCount)
    let order = worker.order
    guard let kinds, kinds.contains(where: { $0 != 0 }) else {
      for rows in grid.blocks(ofShard: shard) {
        try source.load(rows, into: plain)
        for i in 0..<rows.count { order[i] = Int32(rows.lowerBound - range.lowerBound + i) }
        finish(
          AnnotatedPiece(
            kind: 0, model: eye.models[0], workspace: plain, start: range.lowerBound,
            rows: UnsafeBufferPointer(start: order, count: rows.count)), eye, body)
      }
      leaving(0, plain)
      return
    }
    // The rows of each measurement, in their order.
    worker.sort(kinds, measurementCount: layout.measurements.count)
    var failure: MixtureError?
    try source.withRows(range) { strided in
      for group in worker.groups where failure == nil && group.kind != RowLayout.skipped {
        if group.kind == RowLayout.individual {
          visitNoisy(group.range, strided, range.lowerBound, worker, eye, body)
          leaving(group.kind, plain)
        } else if group.kind == RowLayout.censored {
          visitCensored(group.range, strided, range.lowerBound, worker, eye, body)
          leaving(group.kind, plain)
        } else if group.kind == RowLayout.projected {
          for position in group.range {
            let row = Int(order[position])
            let measurement = annotations.measurement(
              ofRow: range.lowerBound + row, featureCount: source.featureCount
            ) { strided[row, $0] }
            let measured = MeasuredModel(eye.model, measurement, target: eye.target)
            failure = visit(
              position..<position + 1, group.kind, measured, strided, range.lowerBound, worker,
              eye, body, leaving)
          }
        } else {
          failure = visit(
            group.range, group.kind, eye.models[Int(group.kind)], strided, range.lowerBound,
            worker, eye, body, leaving)
        }
      }
    }
    if let failure { throw failure }
  }

  /// Rows with cells of which only limits are known, one at a time.
  private func visitCensored(
    _ positions: Range<Int>, _ rows: StridedRows, _ start: Int, _ worker: AnnotatedWorker,
    _ eye: AnnotatedView, _ body: (AnnotatedPiece) -> Void
  ) {
    let d = source.featureCount
    let workspace = worker.workspace(featureCount: d)
    for position in positions {
      let row = Int(worker.order[position])
      let measurement = annotations.measurement(
        ofRow: start + row, featureCount: d, includingLimited: true
      ) { rows[row, $0] }
      let components = CensoredRow.all(
        eye.model, measurement, values: measurement.cells.map { rows[row, $0] },
        limits: measurement.cells.map { annotations.limits(row: start + row, feature: $0) })
      workspace.pack(count: 1) { _, j in rows[row, j].isNaN ? 0 : rows[row, j] }
      finish(
        AnnotatedPiece(
          kind: RowLayout.censored, model: eye.models[0], workspace: workspace, start: start,
          rows: UnsafeBufferPointer(start: worker.order + position, count: 1),
          censored: AnnotatedPiece.Censored(
            components: components, measurement: measurement,
            known: measurement.cells.filter { !rows[row, $0].isNaN },
            limits: measurement.cells.filter { rows[row, $0].isNaN }.map {
              let limits = annotations.limits(row: start + row, feature: $0)
              return ($0, limits.lower, limits.upper)
            })), eye, body)
    }
  }

  /// Rows with noise or gaps of their own, among their features as they are.
  private func visitNoisy(
    _ positions: Range<Int>, _ rows: StridedRows, _ start: Int, _ worker: AnnotatedWorker,
    _ eye: AnnotatedView, _ body: (AnnotatedPiece) -> Void
  ) {
    let d = source.featureCount
    let workspace = worker.workspace(featureCount: d)
    let noise = worker.noise(for: annotations, eye.model)
    let deviations: Matrix? =
      if case .standardDeviations(let matrix) = annotations.noise { matrix } else { nil }
    for first in stride(from: positions.lowerBound, to: positions.upperBound, by: grid.rowsPerBlock)
    {
      let count = min(grid.rowsPerBlock, positions.upperBound - first)
      let index = worker.order + first
      workspace.pack(count: count) { position, j in
        let value = rows[Int(index[position]), j]
        return value.isNaN ? 0 : value
      }
      noise.fill(count: count) { position, element in
        let row = start + Int(index[position])
        switch annotations.noise {
        case nil: return 0
        case .standardDeviations(let matrix):
          let deviation = matrix[row, element]
          return deviation.isFinite ? deviation * deviation : 0
        case .covariances(let matrices): return matrices[row, worker.packed[element]]
        case .shared(let matrix): return matrix.elements[worker.packed[element]]
        }
      } observed: { position, j in
        let row = Int(index[position])
        return !rows[row, j].isNaN && deviations?[start + row, j] != .infinity
      }
      finish(
        AnnotatedPiece(
          kind: RowLayout.individual, model: eye.models[0], workspace: workspace, start: start,
          rows: UnsafeBufferPointer(start: index, count: count), noise: noise), eye, body)
    }
  }

  private func visit(
    _ positions: Range<Int>, _ kind: Int32, _ model: MeasuredModel, _ rows: StridedRows,
    _ start: Int, _ worker: AnnotatedWorker, _ eye: AnnotatedView,
    _ body: (AnnotatedPiece) -> Void, _ leaving: (Int32, Workspace) -> Void
  ) -> MixtureError? {
    let cells = model.measurement.cells
    let workspace = worker.workspace(featureCount: cells.count)
    var failure: MixtureError?
    withUnsafeTemporaryAllocation(of: Int.self, capacity: cells.count) { offsets in
      for (i, j) in cells.enumerated() { offsets[i] = rows.columnOffsets[j] }
      let selected = StridedRows(
        base: rows.base, element: rows.element, count: rows.count, rowStride: rows.rowStride,
        columnOffsets: UnsafeBufferPointer(offsets))
      for first in stride(
        from: positions.lowerBound, to: positions.upperBound, by: grid.rowsPerBlock)
      {
        let count = min(grid.rowsPerBlock, positions.upperBound - first)
        let index = worker.order + first
        guard workspace.pack(selected, index: index, count: count) else {
          for position in 0..<count {
            for (i, j) in cells.enumerated() {
              let row = Int(index[position])
              guard !selected[row, i].isFinite else { continue }
              failure = .nonFinite(
                selected[row, i], row: source.firstRowNumber + start + row,
                feature: source.describeFeature(j))
              return
            }
          }
          return
        }
        finish(
          AnnotatedPiece(
            kind: kind, model: model, workspace: workspace, start: start,
            rows: UnsafeBufferPointer(start: index, count: count)), eye, body)
      }
    }
    if failure == nil { leaving(kind, workspace) }
    return failure
  }

  /// Computes log joint densities, with what is known of the rows' weights and components.
  private func finish(
    _ piece: AnnotatedPiece, _ eye: AnnotatedView, _ body: (AnnotatedPiece) -> Void
  ) {
    let workspace = piece.workspace
    if usesWeights, let weights = annotations.caseWeights?.values {
      workspace.setCaseWeights { weights[piece.start + Int(piece.rows[$0])] }
    }
    if let censored = piece.censored {
      for (k, component) in censored.components.enumerated() {
        workspace.fillJoint(k, with: component.logJoint)
      }
      if let background = eye.model.background {
        workspace.fillJoint(
          censored.components.count, with: max(censored.logJoint(background), -1e300))
      }
    } else if let noise = piece.noise {
      workspace.computeLogJoint(noise, eye.noisy!)
      if let background = eye.model.background {
        for position in piece.rows.indices {
          workspace.setResponsibility(
            position, eye.model.componentCount,
            background.logJoint(
              over: noise.observedFeatures(position, featureCount: source.featureCount)))
        }
        workspace.padJoint(eye.model.componentCount)
      }
    } else {
      piece.model.computeLogJoint(workspace)
    }
    if let known = annotations.knownComponents {
      for (position, row) in piece.rows.enumerated() {
        let set = known.indices[piece.start + Int(row)]
        guard set >= 0 else { continue }
        for column in eye.excluded[Int(set)] {
          workspace.setResponsibility(position, column, -1e300)
        }
      }
    }
    body(piece)
  }
}

/// What rows sum to beside their moments.
private struct Totals {
  var caseWeight = 0.0
  var logLikelihood = 0.0
  var entropy = 0.0

  mutating func add(_ other: Totals) {
    caseWeight += other.caseWeight
    logLikelihood += other.logLikelihood
    entropy += other.entropy
  }
}

/// Some rows of one measurement that are evaluated together.
struct AnnotatedPiece {
  /// The number of the measurement, or ``RowLayout/individual``.
  let kind: Int32
  let model: MeasuredModel
  let workspace: Workspace
  /// The row that `rows` count from, and which rows these are.
  let start: Int
  let rows: UnsafeBufferPointer<Int32>
  /// The noise of rows that carry their own.
  var noise: NoiseTiles?
  /// Of one row with limits.
  var censored: Censored?

  /// A row with cells of which only limits are known.
  struct Censored {
    /// What each component makes of it.
    let components: [CensoredRow]
    /// What it measures, by value or by limits.
    let measurement: Measurement
    /// Its features with a value.
    let known: [Int]
    /// Its other features that were measured.
    let limits: [(feature: Int, lower: Double, upper: Double)]

    /// The log joint density with a background.
    func logJoint(_ background: UniformBackground) -> Double {
      background.logJoint(over: known)
        + limits.reduce(0) { $0 + background.logPart(($1.lower, $1.upper), feature: $1.feature) }
    }
  }

  /// Whether what is summed over the rows are moments of what they measure, and not of their features.
  var hasMomentsOfItsOwn: Bool { kind != 0 && noise == nil && censored == nil }

  /// Replaces log joint densities by −½ the squared Mahalanobis distances, among the values that are known.
  func computeDistances(_ model: GaussianMixture) {
    if let censored {
      let measured = MeasuredModel(
        model, Measurement(cells: censored.known, projection: nil, noise: .none),
        target: model.structure.form)
      let values = censored.known.map { workspace.element(0, $0) }
      for k in 0..<model.componentCount {
        workspace.setResponsibility(0, k, -0.5 * measured.squaredDistance(values, k))
      }
      return
    }
    guard noise != nil else { return self.model.computeDistances(workspace) }
    // What is left of log N(y; μ, T) without its log determinant: row by row, as few ask for it.
    for position in rows.indices {
      let measurement = measurement(position)
      let measured = MeasuredModel(model, measurement, target: model.structure.form)
      let values = measurement.cells.map { workspace.element(position, $0) }
      for k in 0..<model.componentCount {
        workspace.setResponsibility(position, k, -0.5 * measured.squaredDistance(values, k))
      }
    }
  }

  /// What a row with noise of its own measures.
  func measurement(_ position: Int) -> Measurement {
    let d = workspace.featureCount
    let cells = noise!.observedFeatures(position, featureCount: d)
    let element = { (i: Int) in noise!.element(position, i) }
    return Measurement(
      cells: cells, projection: nil,
      noise: noise!.isFull
        ? .full(
          cells.indices.flatMap { a in
            (0...a).map { b in element(cells[a] * (cells[a] + 1) / 2 + cells[b]) }
          }) : .diagonal(cells.map(element)))
  }
}

/// A model as rows with noise of their own see it, and what their sums say of their features.
///
/// With T = Σ + S, t = T⁻¹ (y − μ) and the sums g = Σᵢ r t and M = Σᵢ r (T⁻¹ − t tᵀ), the moments about μ are F = Σ g and
/// N Σ − Σ M Σ.
struct NoisyModel: Sendable {
  let means: [Double]
  /// Packed lower triangles.
  let covariances: [Double]
  let covarianceStride: Int
  /// log wₖ.
  let constants: [Double]
  private let matrices: [Matrix]

  init(_ model: GaussianMixture) {
    let d = model.featureCount
    means = model.means.elements
    matrices = (0..<model.covariances.storedCount).map { model.covariances[$0] }
    covariances = matrices.flatMap { matrix in
      (0..<d).flatMap { i in (0...i).map { matrix[i, $0] } }
    }
    covarianceStride = model.structure.isShared ? 0 : d * (d + 1) / 2
    let rest = model.background.map { Kernels.log(1 - $0.share) } ?? 0
    constants = model.weights.map { Kernels.log($0) + rest }
  }

  /// Adds the expected statistics of the rows' features.
  func lift(_ sums: [Double], into statistics: inout SufficientStatistics) {
    let d = statistics.featureCount
    let each = Kernels.noiseSumCount(featureCount: d)
    for k in constants.indices where sums[k * each] != 0 {
      let n = sums[k * each]
      let g = Array(sums[k * each + 1..<k * each + 1 + d])
      let M = Array(sums[k * each + 1 + d..<(k + 1) * each])
      let covariance = matrices[covarianceStride == 0 ? 0 : k].elements
      // Σ g, and Σ M, d × d.
      var expected = Array(repeating: 0.0, count: d)
      var left = Array(repeating: 0.0, count: d * d)
      for i in 0..<d {
        for j in 0..<d { expected[i] += covariance[i * d + j] * g[j] }
        for j in 0..<d {
          var sum = 0.0
          for l in 0..<d {
            sum += covariance[i * d + l] * M[max(l, j) * (max(l, j) + 1) / 2 + min(l, j)]
          }
          left[i * d + j] = sum
        }
      }
      statistics.add(k, zeroth: n, first: { expected[$0] }) { i, j in
        var sum = 0.0
        for l in 0..<d { sum += left[i * d + l] * covariance[j * d + l] }
        return n * covariance[i * d + j] - sum
      }
    }
  }
}

/// A model as the rows of a table see it.
private struct AnnotatedView: Sendable {
  let model: GaussianMixture
  let target: CovarianceStructure.Form
  /// By measurement.
  let models: [MeasuredModel]
  /// For rows with noise or gaps of their own; nil if there are none.
  let noisy: NoisyModel?
  /// For each set of known components the columns that its rows do not belong to.
  let excluded: [[Int]]
  /// The number of log joint densities of a row.
  let columnCount: Int

  init(
    _ model: GaussianMixture, layout: RowLayout, annotations: RowAnnotations,
    target: CovarianceStructure.Form, componentNumbers: [Int]?, threadCount: Int
  ) throws(MixtureError) {
    self.model = model
    self.target = target
    let K = model.componentCount
    columnCount = K + (model.background == nil ? 0 : 1)
    // In order, whoever makes them.
    models = try ThreadTeam.reduceShards(
      of: ShardGrid(itemCount: layout.measurements.count),
      threadCount: layout.measurements.count * K < 64 ? 1 : threadCount, makeWorker: { _ in },
      add: { $0 += $1 }
    ) { _, number in [MeasuredModel(model, layout.measurements[number], target: target)] }
    noisy = layout.kinds.contains(RowLayout.individual) ? NoisyModel(model) : nil
    let numbers = componentNumbers ?? Array(0..<K)
    let columns = columnCount
    excluded = (annotations.knownComponents?.sets ?? []).map { set in
      let excluded = (0..<columns).filter {
        !set.contains($0 == K ? KnownComponents.background : numbers[$0])
      }
      // Where none of them is left, nothing is known.
      return excluded.count == columns ? [] : excluded
    }
  }
}

/// One worker's memory for rows of many measurements. Not for use by two threads at once.
private final class AnnotatedWorker {
  private let rowsPerBlock: Int
  private let columnCount: Int
  private var workspaces: [Int: Workspace] = [:]
  private var noise: NoiseTiles?
  /// Where the elements of a packed lower triangle lie in a square.
  private(set) var packed: [Int] = []
  /// The rows of a shard, measurement by measurement.
  let order: UnsafeMutablePointer<Int32>
  /// The measurements of a shard, and which places of `order` are theirs.
  private(set) var groups: [(kind: Int32, range: Range<Int>)] = []

  init(rowsPerBlock: Int, columnCount: Int, rowsPerShard: Int) {
    self.rowsPerBlock = rowsPerBlock
    self.columnCount = columnCount
    order = .allocate(capacity: max(rowsPerShard, rowsPerBlock))
  }

  deinit { order.deallocate() }

  func workspace(featureCount: Int) -> Workspace {
    if let workspace = workspaces[featureCount] { return workspace }
    let workspace = Workspace(
      rowsPerBlock: rowsPerBlock, featureCount: featureCount, componentCount: columnCount)
    workspaces[featureCount] = workspace
    return workspace
  }

  func noise(for annotations: RowAnnotations, _ model: GaussianMixture) -> NoiseTiles {
    if let noise { return noise }
    let d = model.featureCount
    var isFull = false
    switch annotations.noise {
    case .covariances, .shared: isFull = true
    case .standardDeviations, nil: break
    }
    let made = NoiseTiles(
      rowsPerBlock: rowsPerBlock, featureCount: d, componentCount: model.componentCount,
      isFull: isFull)
    packed = (0..<d).flatMap { i in (0...i).map { i * d + $0 } }
    noise = made
    return made
  }

  /// Puts the rows of each measurement side by side: plain ones first, those that are no number of a measurement last.
  func sort(_ kinds: ArraySlice<Int32>, measurementCount: Int) {
    func slot(_ kind: Int32) -> Int {
      kind >= 0 ? Int(kind) : measurementCount - 1 - Int(kind)
    }
    var next = Array(repeating: 0, count: measurementCount + 4)
    for kind in kinds { next[slot(kind)] += 1 }
    groups = []
    var place = 0
    for index in next.indices where next[index] > 0 {
      let kind = Int32(index < measurementCount ? index : measurementCount - 1 - index)
      groups.append((kind, place..<place + next[index]))
      place += next[index]
      next[index] = place - next[index]
    }
    for (row, kind) in kinds.enumerated() {
      order[next[slot(kind)]] = Int32(row)
      next[slot(kind)] += 1
    }
  }
}
