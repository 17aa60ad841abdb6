// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// What rows that were measured with gaps or noise say of their true values.

extension GaussianMixture {
  /// The expected true values of each observation given all that is known of it: missing values filled by their conditional
  /// mean, noise taken out. Cells that are known exactly stay as they are, to the bit.
  ///
  /// Given its cells y, row i has the mean Σₖ rᵢₖ bᵢₖ with bᵢₖ = μₖ + Aₖ (y − R μₖ) and the gain Aₖ = Σₖ Rᵀ (R Σₖ Rᵀ + Sᵢ)⁻¹.
  ///
  /// - Returns: n × d; the mean of the mixture for a row of which nothing is known.
  /// - Throws: ``MixtureError/Code/featureCountMismatch``, or ``MixtureError/Code/nonFiniteObservation`` for a cell that is
  ///   infinite, or NaN where that is no missing value.
  /// - Complexity: O(n·K·d³).
  public func expectedValues(
    of observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> Matrix {
    try recovered(observations, columns: featureCount, threadCount: threadCount) {
      row, posteriors, output in
      for j in 0..<featureCount { output[j] = row.exact[j] ?? posteriors.mean(j) }
    }
  }

  /// The mean and the covariance of the true values of each observation, given all that is known of it.
  ///
  /// - Returns: The means, n × d, as of ``expectedValues(of:threadCount:)``, and n rows of d · d numbers, the covariances
  ///   Σₖ rᵢₖ (Bᵢₖ + bᵢₖ bᵢₖᵀ) − bᵢ bᵢᵀ by rows, with Bᵢₖ = Σₖ − Aₖ R Σₖ; zero in rows and columns of cells that are known
  ///   exactly.
  /// - Throws: As ``expectedValues(of:threadCount:)``.
  /// - Complexity: O(n·K·d³).
  public func posteriorMoments(
    of observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> (means: Matrix, covariances: Matrix) {
    let d = featureCount
    let all = try recovered(observations, columns: d + d * d, threadCount: threadCount) {
      row, posteriors, output in
      for j in 0..<d { output[j] = row.exact[j] ?? posteriors.mean(j) }
      for i in 0..<d {
        for j in 0...i {
          let value =
            row.exact[i] != nil || row.exact[j] != nil ? 0 : posteriors.covariance(i, j)
          output[d + i * d + j] = value
          output[d + j * d + i] = value
        }
      }
    }
    let n = all.rowCount
    func columns(_ range: Range<Int>) -> Matrix {
      Matrix(
        unchecked: (0..<n).flatMap { row in range.map { all[row, $0] } }, rowCount: n,
        columnCount: range.count)
    }
    return (columns(0..<d), columns(d..<d + d * d))
  }

  /// Draws the true values of each observation given all that is known of it, for multiple imputation: first a component by
  /// its responsibility, then the values from it. Cells that are known exactly stay as they are.
  ///
  /// - Parameter seed: Row i of the table has stream i of this seed, so that its draw depends on nothing else.
  /// - Returns: n × d.
  /// - Throws: As ``expectedValues(of:threadCount:)``.
  /// - Complexity: O(n·K·d³).
  public func drawnValues(
    of observations: some ObservationSource, seed: UInt64, threadCount: Int? = nil
  ) throws(MixtureError) -> Matrix {
    try recovered(observations, columns: featureCount, threadCount: threadCount) {
      row, posteriors, output in
      var random = RandomStream(seed: seed, stream: UInt64(row.number))
      let values = posteriors.draw(random: &random)
      for j in 0..<featureCount { output[j] = row.exact[j] ?? values[j] }
    }
  }

  /// What `fill` makes of each row.
  private func recovered(
    _ observations: some ObservationSource, columns: Int, threadCount: Int?,
    _ fill: (RecoveredRow, Posteriors, UnsafeMutableBufferPointer<Double>) -> Void
  ) throws(MixtureError) -> Matrix {
    try requireFeatures(of: observations)
    let d = featureCount
    let responsibilities = try responsibilities(for: observations, threadCount: threadCount)
    let annotations = observations.annotations ?? RowAnnotations()
    let layout = try RowLayout(observations, leavingOut: false)
    let gains = layout.measurements.map { Gains(self, $0) }
    let n = observations.observationCount
    let grid = ShardGrid(rowCount: n, featureCount: d)
    var failure: MixtureError?
    let elements = [Double](unsafeUninitializedCapacity: n * columns) { buffer, initialized in
      do throws(MixtureError) {
        try ThreadTeam.forEachShard(
          of: grid, threadCount: threadCount ?? Kernels.processorCount, makeWorker: { _ in }
        ) { (_, shard) throws(MixtureError) in
          for block in grid.blocks(ofShard: shard) {
            try observations.withRows(block) { rows in
              for i in 0..<rows.count {
                let row = block.lowerBound + i
                let kind = layout.kinds.isEmpty ? 0 : layout.kinds[row]
                let gain: Gains
                if kind >= 0 {
                  gain = gains[Int(kind)]
                } else if kind == RowLayout.skipped {
                  gain = Gains(self, Measurement(cells: [], projection: nil, noise: .none))
                } else {
                  gain = Gains(
                    self,
                    annotations.measurement(ofRow: row, featureCount: d) { rows[i, $0] })
                }
                var exact = [Double?](repeating: nil, count: d)
                if gain.measurement.projection == nil {
                  for (position, j) in gain.measurement.cells.enumerated()
                  where gain.isExact(position) { exact[j] = rows[i, j] }
                }
                fill(
                  RecoveredRow(number: observations.firstRowNumber + row, exact: exact),
                  Posteriors(
                    gain, values: gain.measurement.cells.map { rows[i, $0] },
                    responsibilities: (0..<componentCount).map { responsibilities[row, $0] }),
                  UnsafeMutableBufferPointer(
                    rebasing: buffer[row * columns..<(row + 1) * columns]))
              }
            }
          }
        }
        initialized = n * columns
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return Matrix(unchecked: elements, rowCount: n, columnCount: columns)
  }
}

/// A row, and its cells that are known exactly.
private struct RecoveredRow {
  let number: Int
  let exact: [Double?]
}

/// What every component makes of rows of one measurement.
private struct Gains: Sendable {
  let measurement: Measurement
  let model: GaussianMixture
  /// Rμₖ.
  let origins: [[Double]]
  /// A, d × m, and B, d × d, of each covariance that is stored.
  let gains: [Matrix]
  let remainders: [Matrix]

  init(_ model: GaussianMixture, _ measurement: Measurement) {
    self.model = model
    self.measurement = measurement
    let measured = MeasuredModel(model, measurement, target: .full)
    origins = (0..<model.componentCount).map(measured.origins.row)
    let parts = (0..<model.covariances.storedCount).map(measured.gainAndRemainder)
    gains = parts.map(\.gain)
    remainders = parts.map(\.remainder)
  }

  func isExact(_ position: Int) -> Bool {
    switch measurement.noise {
    case .none: return true
    case .diagonal(let variances): return variances[position] == 0
    case .full(let packed): return packed[position * (position + 3) / 2] == 0
    }
  }

  func index(_ k: Int) -> Int { model.structure.isShared ? 0 : k }
}

/// The components' conditional distributions of one row.
private struct Posteriors {
  let gains: Gains
  let weights: [Double]
  /// bᵢₖ, K × d.
  let means: [[Double]]

  init(_ gains: Gains, values: [Double], responsibilities: [Double]) {
    self.gains = gains
    let model = gains.model
    // What the background is responsible for tells nothing; without any component, the prior.
    let total = responsibilities.reduce(0, +)
    weights = total > 0 ? responsibilities.map { $0 / total } : model.weights
    means = (0..<model.componentCount).map { k in
      let gain = gains.gains[gains.index(k)]
      return (0..<model.featureCount).map { i in
        values.indices.reduce(model.means[k, i]) {
          $0 + gain[i, $1] * (values[$1] - gains.origins[k][$1])
        }
      }
    }
  }

  func mean(_ j: Int) -> Double {
    weights.indices.reduce(0) { $0 + weights[$1] * means[$1][j] }
  }

  func covariance(_ i: Int, _ j: Int) -> Double {
    let (a, b) = (mean(i), mean(j))
    return weights.indices.reduce(0) {
      $0 + weights[$1]
        * (gains.remainders[gains.index($1)][i, j] + (means[$1][i] - a) * (means[$1][j] - b))
    }
  }

  func draw(random: inout RandomStream) -> [Double] {
    let d = gains.model.featureCount
    var left = random.uniform()
    var chosen = 0
    for k in weights.indices where weights[k] > 0 {
      chosen = k
      if left < weights[k] { break }
      left -= weights[k]
    }
    // A square root of B that does with rows of zeros.
    let remainder = gains.remainders[gains.index(chosen)]
    let open = (0..<d).filter { remainder[$0, $0] > 0 }
    var packed: [Double] = []
    for (a, i) in open.enumerated() { for j in open[...a] { packed.append(remainder[i, j]) } }
    let noise = open.map { _ in random.normal() }
    var result = means[chosen]
    guard !open.isEmpty else { return result }
    let step = Cholesky(raising: packed, order: open.count).multiply(noise)
    for (a, i) in open.enumerated() { result[i] += step[a] }
    return result
  }
}
