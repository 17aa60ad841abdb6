// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Which measurement each row of a table is: found in one pass, and the same in every iteration.
///
/// Rows that lack the same cells, and carry the same noise, are one measurement, and are evaluated together.
struct RowLayout: Sendable {
  /// Kinds of rows that are no number of a measurement.
  static let skipped: Int32 = -1
  /// A row whose noise or gaps few others have, among its features as they are.
  static let individual: Int32 = -2
  /// A row of a projection with noise of its own.
  static let projected: Int32 = -3
  /// A row with cells of which only limits are known.
  static let censored: Int32 = -4

  /// A measurement of fewer rows is not worth its factors.
  private static let fewestRows = 16

  /// How many measurements are kept at most: their factors must not outgrow the data.
  private static func mostMeasurements(featureCount d: Int) -> Int { max(64, 65_536 / (d * d)) }

  /// The different measurements; the first is that of plain rows.
  let measurements: [Measurement]
  /// The measurement of each row; empty if all are plain.
  let kinds: [Int32]
  /// How many rows there are with a cell that is known, and with a case weight.
  let countedRows: Int

  /// Whether a row has a cell that is known and, where that matters, a case weight.
  func counts(_ row: Int) -> Bool { kinds.isEmpty || kinds[row] != Self.skipped }

  /// - Parameter leavingOut: Whether rows without weight are left out.
  init(_ source: some ObservationSource, leavingOut: Bool) throws(MixtureError) {
    let d = source.featureCount
    let n = source.observationCount
    let plain = Measurement.plain(featureCount: d)
    guard let annotations = source.annotations else {
      measurements = [plain]
      kinds = []
      countedRows = n
      return
    }
    let weights = leavingOut ? annotations.caseWeights?.values : nil
    let hasWeightless = weights?.contains(0) ?? false
    guard !annotations.isComplete || hasWeightless else {
      measurements = [plain]
      kinds = []
      countedRows = n
      return
    }
    var builder = RowLayoutBuilder(source, annotations)
    let step = ShardGrid.rowsPerBlock(featureCount: d)
    var failure: MixtureError?
    for start in stride(from: 0, to: n, by: step) {
      try source.withRows(start..<Swift.min(start + step, n)) { rows in
        guard failure == nil else { return }
        for i in 0..<rows.count {
          if let weights, weights[start + i] == 0 {
            builder.kinds.append(Self.skipped)
            continue
          }
          do throws(MixtureError) {
            try builder.add(rows, i, number: start + i)
          } catch {
            failure = error
            return
          }
        }
      }
      if let failure { throw failure }
    }
    countedRows = builder.kinds.reduce(0) { $0 + ($1 == Self.skipped ? 0 : 1) }
    // Of the many the most frequent; projections have no other way.
    var counts = Array(repeating: 0, count: builder.measurements.count)
    for kind in builder.kinds where kind >= 0 { counts[Int(kind)] += 1 }
    let frequent = counts.indices.dropFirst()
      .filter { builder.measurements[$0].projection == nil && counts[$0] >= Self.fewestRows }
      .sorted { counts[$0] == counts[$1] ? $0 < $1 : counts[$0] > counts[$1] }
      .prefix(Self.mostMeasurements(featureCount: d))
    var isKept = builder.measurements.map { $0.projection != nil }
    isKept[0] = true
    for index in frequent { isKept[index] = true }
    var numbers = Array(repeating: Self.individual, count: isKept.count)
    var kept: [Measurement] = []
    for index in isKept.indices where isKept[index] {
      numbers[index] = Int32(kept.count)
      kept.append(builder.measurements[index])
    }
    measurements = kept
    let kinds = builder.kinds.map { $0 >= 0 ? numbers[Int($0)] : $0 }
    self.kinds = kinds.contains { $0 != 0 } ? kinds : []
  }
}

extension ObservationSource {
  /// The number of observations that criteria count: Σᵢ wᵢ of frequencies, else the rows with a weight and a cell that is
  /// known.
  func criterionCount() throws(MixtureError) -> Double {
    guard let annotations else { return Double(observationCount) }
    let layout = try RowLayout(self, leavingOut: true)
    guard let weights = annotations.caseWeights, weights.meaning == .frequency else {
      return Double(layout.countedRows)
    }
    guard !layout.kinds.isEmpty else { return weights.values.reduce(0, +) }
    return zip(layout.kinds, weights.values).reduce(0) {
      $0 + ($1.0 == RowLayout.skipped ? 0 : $1.1)
    }
  }
}

/// A layout in the making.
private struct RowLayoutBuilder<Source: ObservationSource> {
  let source: Source
  let annotations: RowAnnotations
  private let d: Int
  var measurements: [Measurement]
  var kinds: [Int32] = []
  private var numbers: [Key: Int32] = [:]
  private var last: (key: Key, kind: Int32)?
  private var observed: [Bool]

  /// What makes rows one measurement.
  private struct Key: Hashable {
    /// Which cells are there; of more than 64 features the others in `more`.
    var cells: UInt64 = 0
    var more: [UInt64] = []
    var projection = -1
    var hasSharedNoise = false
  }

  init(_ source: Source, _ annotations: RowAnnotations) {
    self.source = source
    self.annotations = annotations
    d = source.featureCount
    observed = Array(repeating: true, count: d)
    measurements = [.plain(featureCount: d)]
    kinds.reserveCapacity(source.observationCount)
    var key = Key()
    for j in 0..<d { note(j, in: &key) }
    numbers[key] = 0
  }

  private func note(_ j: Int, in key: inout Key) {
    if j < 64 {
      key.cells |= 1 << UInt64(j)
    } else {
      while key.more.count <= j / 64 - 1 { key.more.append(0) }
      key.more[j / 64 - 1] |= 1 << UInt64(j % 64)
    }
  }

  mutating func add(_ rows: StridedRows, _ i: Int, number row: Int) throws(MixtureError) {
    var key = Key()
    var length = d
    if let projection = annotations.projections?.indices[row] {
      key.projection = projection
      length = annotations.projections!.matrices[projection].rowCount
    }
    var count = 0
    var isNoisy = false
    var isCensored = false
    for j in 0..<length {
      let value = rows[i, j]
      var isThere = !value.isNaN
      let limits = annotations.limits(row: row, feature: j)
      let isLimited = limits.lower > -.infinity || limits.upper < .infinity
      if !isThere, isLimited, annotations.allowsMissing || annotations.limits != nil {
        guard limits.lower < limits.upper else {
          throw MixtureError(
            .invalidAnnotation,
            "row \(source.firstRowNumber + row) (counted from 0), \(source.describeFeature(j)): the limits leave "
              + "nothing inside of the window.")
        }
        isCensored = true
      }
      if let window = annotations.window, isThere,
        value < window.lower[j] || value > window.upper[j]
      {
        throw MixtureError(
          .invalidAnnotation,
          "row \(source.firstRowNumber + row) (counted from 0), \(source.describeFeature(j)): the value \(value) is "
            + "outside of the window, \(window.lower[j]) to \(window.upper[j]).")
      }
      if !isThere && !annotations.allowsMissing && annotations.limits == nil || value.isInfinite {
        throw .nonFinite(
          value, row: source.firstRowNumber + row, feature: source.describeFeature(j))
      }
      switch annotations.noise {
      case .standardDeviations(let deviations):
        let deviation = deviations[row, j]
        if deviation == .infinity { isThere = false }
        if isThere, deviation > 0 { isNoisy = true }
      case .covariances(let matrices):
        if isThere, matrices[row, j * d + j] > 0 { isNoisy = true }
      case .shared(let matrix):
        if isThere, matrix[j, j] > 0 { key.hasSharedNoise = true }
      case nil: break
      }
      observed[j] = isThere
      if isThere {
        note(j, in: &key)
        count += 1
      }
    }
    if isCensored {
      kinds.append(RowLayout.censored)
    } else if count == 0 {
      kinds.append(RowLayout.skipped)
    } else if isNoisy {
      kinds.append(key.projection < 0 ? RowLayout.individual : RowLayout.projected)
    } else if let last, last.key == key {
      kinds.append(last.kind)
    } else {
      let kind = self.kind(of: key)
      last = (key, kind)
      kinds.append(kind)
    }
  }

  private mutating func kind(of key: Key) -> Int32 {
    if let number = numbers[key] { return number }
    let projection = key.projection < 0 ? nil : annotations.projections!.matrices[key.projection]
    let cells = (0..<(projection?.rowCount ?? d)).filter { observed[$0] }
    var noise = Measurement.Noise.none
    if key.hasSharedNoise, case .shared(let matrix) = annotations.noise {
      noise = Measurement.Noise(matrix.elements[...], featureCount: d, cells: cells)
    }
    measurements.append(
      Measurement(cells: cells, projection: projection?.rows(cells), noise: noise))
    numbers[key] = Int32(measurements.count - 1)
    return Int32(measurements.count - 1)
  }
}

extension Measurement.Noise {
  /// The part of a d × d covariance that some cells have; diagonal if it is.
  init(_ elements: ArraySlice<Double>, featureCount d: Int, cells: [Int]) {
    let start = elements.startIndex
    var isDiagonal = true
    var packed: [Double] = []
    for (a, i) in cells.enumerated() {
      for (b, j) in cells[...a].enumerated() {
        packed.append(elements[start + i * d + j])
        if a != b, packed.last != 0 { isDiagonal = false }
      }
    }
    self =
      isDiagonal ? .diagonal(cells.map { elements[start + $0 * d + $0] }) : .full(packed)
  }
}

extension Matrix {
  /// Some of the rows.
  func rows(_ indices: [Int]) -> Matrix {
    Matrix(
      unchecked: indices.flatMap { row($0) }, rowCount: indices.count, columnCount: columnCount)
  }
}

extension RowAnnotations {
  /// What one row measures.
  ///
  /// - Parameter includingLimited: Whether cells of which limits are known count as cells.
  func measurement(
    ofRow row: Int, featureCount d: Int, includingLimited: Bool = false, _ value: (Int) -> Double
  ) -> Measurement {
    let projection = projections?.indices[row].map { projections!.matrices[$0] }
    var cells = (0..<(projection?.rowCount ?? d)).filter {
      if !value($0).isNaN { return true }
      let limits = limits(row: row, feature: $0)
      return includingLimited && (limits.lower > -.infinity || limits.upper < .infinity)
    }
    switch noise {
    case nil:
      return Measurement(cells: cells, projection: projection?.rows(cells), noise: .none)
    case .shared(let matrix):
      return Measurement(
        cells: cells, projection: projection?.rows(cells),
        noise: Measurement.Noise(matrix.elements[...], featureCount: d, cells: cells))
    case .covariances(let matrices):
      return Measurement(
        cells: cells, projection: projection?.rows(cells),
        noise: Measurement.Noise(
          matrices.elements[row * d * d..<(row + 1) * d * d], featureCount: d, cells: cells))
    case .standardDeviations(let deviations):
      cells.removeAll { deviations[row, $0] == .infinity }
      return Measurement(
        cells: cells, projection: projection?.rows(cells),
        noise: .diagonal(cells.map { deviations[row, $0] * deviations[row, $0] }))
    }
  }
}
