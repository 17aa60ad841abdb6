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
  /// - Parameters:
  ///   - observations: n × d, where d is ``featureCount``.
  ///   - seed: Row i of the table has stream i of this seed, so that its draw depends on nothing else.
  ///   - threadCount: How many threads to use; nil means one for each processor. It changes no result.
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
    let columnCount = componentCount + (background == nil ? 0 : 1)
    let first = observations.firstRowNumber
    let rows = try AnnotatedRows(observations, usesWeights: false)
    let gains = rows.layout.measurements.map { Gains(self, $0) }
    let nothing = Gains(self, Measurement(cells: [], projection: nil, noise: .none))
    let elements = try rows.numbers(
      under: self, columns: columns, threadCount: threadCount,
      emptyRow: { row, output in
        fill(
          RecoveredRow(number: first + row, exact: Array(repeating: nil, count: d)),
          Posteriors(nothing, values: [], responsibilities: weights), output)
      }
    ) { piece, output in
      piece.workspace.normalize(columnCount)
      for (position, row) in piece.rows.enumerated() {
        let responsibilities = (0..<componentCount).map { piece.workspace.joint(position, $0) }
        var exact = [Double?](repeating: nil, count: d)
        let posteriors: Posteriors
        if let censored = piece.censored {
          for (cell, j) in censored.measurement.cells.enumerated()
          where censored.known.contains(j) && censored.measurement.noise.isZero(cell) {
            exact[j] = piece.workspace.element(position, j)
          }
          posteriors = Posteriors(self, censored.components, responsibilities: responsibilities)
        } else {
          let isIndividual = piece.noise != nil
          let gain =
            piece.kind >= 0
            ? gains[Int(piece.kind)]
            : Gains(
              self, isIndividual ? piece.measurement(position) : piece.model.measurement)
          let cells = gain.measurement.cells
          // A block holds the cells of its measurement, or, of rows with noise of their own, all features.
          let values = cells.indices.map {
            piece.workspace.element(position, isIndividual ? cells[$0] : $0)
          }
          if gain.measurement.projection == nil {
            for (cell, j) in cells.enumerated() where gain.measurement.noise.isZero(cell) {
              exact[j] = values[cell]
            }
          }
          posteriors = Posteriors(gain, values: values, responsibilities: responsibilities)
        }
        fill(
          RecoveredRow(number: first + piece.start + Int(row), exact: exact), posteriors,
          output(position))
      }
    }
    return Matrix(
      unchecked: elements, rowCount: observations.observationCount, columnCount: columns)
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

  func index(_ k: Int) -> Int { model.structure.isShared ? 0 : k }
}

/// The components' conditional distributions of one row.
private struct Posteriors {
  private let weights: [Double]
  /// bᵢₖ, K × d.
  private let means: [[Double]]
  /// Bᵢₖ, d × d, by component.
  private let remainders: [Matrix]
  /// Of a row with limits: what draws its values.
  private let censored: [CensoredRow]?
  private let origins: Matrix

  init(_ gains: Gains, values: [Double], responsibilities: [Double]) {
    let model = gains.model
    weights = Self.weights(responsibilities, model)
    means = (0..<model.componentCount).map { k in
      let gain = gains.gains[gains.index(k)]
      return (0..<model.featureCount).map { i in
        values.indices.reduce(model.means[k, i]) {
          $0 + gain[i, $1] * (values[$1] - gains.origins[k][$1])
        }
      }
    }
    remainders = (0..<model.componentCount).map { gains.remainders[gains.index($0)] }
    censored = nil
    origins = model.means
  }

  init(_ model: GaussianMixture, _ censored: [CensoredRow], responsibilities: [Double]) {
    weights = Self.weights(responsibilities, model)
    means = censored.enumerated().map { k, row in
      row.deviation.indices.map { model.means[k, $0] + row.deviation[$0] }
    }
    let d = model.featureCount
    remainders = censored.map { row in
      var matrix = Matrix(repeating: 0, rowCount: d, columnCount: d)
      for i in 0..<d {
        for j in 0...i {
          matrix[i, j] = row.covariance[i * (i + 1) / 2 + j]
          matrix[j, i] = matrix[i, j]
        }
      }
      return matrix
    }
    self.censored = censored
    origins = model.means
  }

  /// What the background is responsible for tells nothing; without any component, the prior.
  private static func weights(_ responsibilities: [Double], _ model: GaussianMixture) -> [Double] {
    let total = responsibilities.reduce(0, +)
    return total > 0 ? responsibilities.map { $0 / total } : model.weights
  }

  func mean(_ j: Int) -> Double {
    weights.indices.reduce(0) { $0 + weights[$1] * means[$1][j] }
  }

  func covariance(_ i: Int, _ j: Int) -> Double {
    let (a, b) = (mean(i), mean(j))
    return weights.indices.reduce(0) {
      $0 + weights[$1] * (remainders[$1][i, j] + (means[$1][i] - a) * (means[$1][j] - b))
    }
  }

  func draw(random: inout RandomStream) -> [Double] {
    var left = random.uniform()
    var chosen = 0
    for k in weights.indices where weights[k] > 0 {
      chosen = k
      if left < weights[k] { break }
      left -= weights[k]
    }
    if let censored {
      let step = censored[chosen].draw(random: &random)
      return step.indices.map { origins[chosen, $0] + step[$0] }
    }
    var result = means[chosen]
    remainders[chosen].addDraw(to: &result, random: &random)
    return result
  }
}

extension Matrix {
  /// Adds a draw from N(0, this), a covariance that may have rows of zeros.
  func addDraw(to values: inout [Double], random: inout RandomStream) {
    let open = (0..<rowCount).filter { self[$0, $0] > 0 }
    guard !open.isEmpty else { return }
    var packed: [Double] = []
    for (a, i) in open.enumerated() { for j in open[...a] { packed.append(self[i, j]) } }
    let noise = open.map { _ in random.normal() }
    let step = Cholesky(raising: packed, order: open.count).multiply(noise)
    for (a, i) in open.enumerated() { values[i] += step[a] }
  }
}
