// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What some rows tell of their features: y = R x + e, with e ~ N(0, S). A missing value is a row that R lacks.
///
/// Under N(μ, Σ) the values y follow N(Rμ, T) with T = R Σ Rᵀ + S, and given them the features follow
/// N(μ + A (y − Rμ), B), with the gain A = Σ Rᵀ T⁻¹ and the remainder B = Σ − A R Σ. So sums over the moments of y
/// about Rμ become sums over the expected moments of x about μ by one step at the end, however many rows there are:
///
///     N = n,   F = A f,   S = A s Aᵀ + n B
///
/// Little & Rubin (2019), Statistical Analysis with Missing Data, chapter 8; Ghahramani & Jordan (1994), NIPS 6, 120–127;
/// Bovy, Hogg & Roweis (2011), [doi:10.1214/10-AOAS439](https://doi.org/10.1214/10-AOAS439).
struct Measurement: Sendable {
  /// S, of the cells that are there.
  enum Noise: Sendable {
    case none
    /// m variances.
    case diagonal([Double])
    /// A packed lower triangle of m rows.
    case full([Double])

    /// A covariance of the cells, a packed lower triangle, with S added.
    func adding(to packed: [Double]) -> [Double] {
      switch self {
      case .none: return packed
      case .diagonal(let variances):
        var sum = packed
        for (i, variance) in variances.enumerated() { sum[i * (i + 3) / 2] += variance }
        return sum
      case .full(let noise): return zip(packed, noise).map { $0 + $1 }
      }
    }

    /// Whether a cell is known exactly.
    func isZero(_ cell: Int) -> Bool {
      switch self {
      case .none: return true
      case .diagonal(let variances): return variances[cell] == 0
      case .full(let packed): return packed[cell * (cell + 3) / 2] == 0
      }
    }

    var form: CovarianceStructure.Form {
      switch self {
      case .none: return .scalar
      case .diagonal: return .diagonal
      case .full: return .full
      }
    }
  }

  /// The columns of the cells that hold y.
  let cells: [Int]
  /// R, m × d; nil if it selects the features of the cells.
  let projection: Matrix?
  let noise: Noise

  /// All features as they are.
  static func plain(featureCount: Int) -> Measurement {
    Measurement(cells: Array(0..<featureCount), projection: nil, noise: .none)
  }
}

/// A model as rows of one measurement see it.
struct MeasuredModel: Sendable {
  let measurement: Measurement
  /// Rμₖ, K × m.
  let origins: Matrix
  /// The form of T, and of the moments of y that are wanted.
  let form: CovarianceStructure.Form
  let momentForm: CovarianceStructure.Form
  /// What the kernels read of T.
  let factors: [Double]
  let factorStride: Int
  /// log wₖ − (m log 2π + log det Tₖ) / 2.
  let constants: [Double]
  /// The log joint density of a row and the background; nil if the model has none.
  let backgroundJoint: Double?
  /// A and B of each covariance that the model stores; nil where the moments of y are those of x.
  private let lifts: [Lift]?
  private let isShared: Bool
  private let featureCount: Int

  private struct Lift: Sendable {
    /// d × m, or the m elements of a selection's diagonal.
    let gain: [Double]
    /// A packed lower triangle of d rows, or d variances.
    let remainder: [Double]
  }

  /// - Parameter target: The form of the moments of x that are wanted; it holds that of the model.
  init(_ model: GaussianMixture, _ measurement: Measurement, target: CovarianceStructure.Form) {
    self.measurement = measurement
    let d = model.featureCount
    let K = model.componentCount
    let cells = measurement.cells
    let m = cells.count
    isShared = model.structure.isShared
    featureCount = d
    backgroundJoint = model.background?.logJoint(over: cells)
    if m == d, measurement.projection == nil, case .none = measurement.noise {
      origins = model.means
      form = model.structure.form
      momentForm = target
      factors = model.factors
      factorStride = model.factorStride
      constants = model.constants
      lifts = nil
      return
    }
    let R = measurement.projection
    origins = Matrix(
      unchecked: (0..<K).flatMap { k in
        (0..<m).map { i in
          guard let R else { return model.means[k, cells[i]] }
          return (0..<d).reduce(0) { $0 + R[i, $1] * model.means[k, $1] }
        }
      }, rowCount: K, columnCount: m)
    let form: CovarianceStructure.Form =
      R != nil ? .full : model.structure.form.joined(with: measurement.noise.form)
    self.form = form
    momentForm = form.joined(with: target)
    var factors: [Double] = []
    var logDeterminants: [Double] = []
    var lifts: [Lift] = []
    for k in 0..<model.covariances.storedCount {
      if form == .full {
        let part = Self.full(model, k, measurement)
        factors += part.cholesky.factor
        logDeterminants.append(part.cholesky.logDeterminant)
        lifts.append(part.lift)
      } else {
        let part = Self.diagonal(model, k, measurement)
        // Equal variances are one number for the kernels.
        let variances = form == .scalar ? [part.variances.first ?? 1] : part.variances
        factors += variances.map { 1 / $0.squareRoot() }
        logDeterminants.append(part.variances.reduce(0) { $0 + Kernels.log($1) })
        lifts.append(part.lift)
      }
    }
    self.factors = factors
    self.lifts = lifts
    factorStride = isShared ? 0 : form.elementCount(featureCount: m)
    let rest = model.background.map { Kernels.log(1 - $0.share) } ?? 0
    constants = (0..<K).map { [isShared] k in
      Kernels.log(model.weights[k])
        - 0.5 * (Double(m) * logTwoPi + logDeterminants[isShared ? 0 : k]) + rest
    }
  }

  private static func diagonal(
    _ model: GaussianMixture, _ k: Int, _ measurement: Measurement
  ) -> (variances: [Double], lift: Lift) {
    let d = model.featureCount
    let stored = Array(model.covariances.stored(k))
    var remainder = (0..<d).map { stored[model.structure.form == .scalar ? 0 : $0] }
    var variances: [Double] = []
    var gain: [Double] = []
    for (i, j) in measurement.cells.enumerated() {
      let variance = remainder[j]
      var noise = 0.0
      if case .diagonal(let values) = measurement.noise { noise = values[i] }
      variances.append(variance + noise)
      gain.append(noise == 0 ? 1 : variance / (variance + noise))
      remainder[j] = noise == 0 ? 0 : variance * (noise / (variance + noise))
    }
    return (variances, Lift(gain: gain, remainder: remainder))
  }

  private static func full(
    _ model: GaussianMixture, _ k: Int, _ measurement: Measurement
  ) -> (cholesky: Cholesky, lift: Lift) {
    let d = model.featureCount
    let m = measurement.cells.count
    let covariance = model.covariances[k].elements
    // C = Σ Rᵀ, d × m.
    var cross = Array(repeating: 0.0, count: d * m)
    for i in 0..<d {
      for j in 0..<m {
        if let R = measurement.projection {
          var sum = 0.0
          for l in 0..<d { sum += covariance[i * d + l] * R[j, l] }
          cross[i * m + j] = sum
        } else {
          cross[i * m + j] = covariance[i * d + measurement.cells[j]]
        }
      }
    }
    var marginal: [Double] = []
    marginal.reserveCapacity(m * (m + 1) / 2)
    for i in 0..<m {
      for j in 0...i {
        var value: Double
        if let R = measurement.projection {
          value = 0
          for l in 0..<d { value += R[i, l] * cross[l * m + j] }
        } else {
          value = cross[measurement.cells[i] * m + j]
        }
        marginal.append(value)
      }
    }
    let cholesky = Cholesky(raising: measurement.noise.adding(to: marginal), order: m)
    // W = L⁻¹ Cᵀ by its columns, then Aᵀ = L⁻ᵀ W and B = Σ − Wᵀ W.
    var whitened = Array(repeating: 0.0, count: d * m)
    var gain = Array(repeating: 0.0, count: d * m)
    for i in 0..<d {
      let w = cholesky.solveLower(Array(cross[i * m..<(i + 1) * m]))
      let a = cholesky.solveUpper(w)
      for j in 0..<m {
        whitened[i * m + j] = w[j]
        gain[i * m + j] = a[j]
      }
    }
    var remainder = Array(repeating: 0.0, count: d * (d + 1) / 2)
    for i in 0..<d {
      for j in 0...i {
        var value = covariance[i * d + j]
        for l in 0..<m { value -= whitened[i * m + l] * whitened[j * m + l] }
        remainder[i * (i + 1) / 2 + j] = value
      }
    }
    // What is known exactly stays so.
    if measurement.projection == nil, case .none = measurement.noise {
      for (position, i) in measurement.cells.enumerated() {
        for j in 0..<m { gain[i * m + j] = j == position ? 1 : 0 }
        for j in 0..<d { remainder[max(i, j) * (max(i, j) + 1) / 2 + min(i, j)] = 0 }
      }
    }
    return (cholesky, Lift(gain: gain, remainder: remainder))
  }

  /// The statistics of no rows of this measurement.
  func makeStatistics() -> SufficientStatistics {
    SufficientStatistics(origins: origins, form: momentForm)
  }

  /// Log joint densities of a block that is packed.
  func computeLogJoint(_ workspace: Workspace) {
    workspace.computeLogJoint(
      form: form, means: origins.elements, factors: factors, factorStride: factorStride,
      constants: constants)
    if let backgroundJoint { workspace.fillJoint(constants.count, with: backgroundJoint) }
  }

  /// −½ the squared Mahalanobis distances of a block that is packed, among the values that are known.
  func computeDistances(_ workspace: Workspace) {
    workspace.computeLogJoint(
      form: form, means: origins.elements, factors: factors, factorStride: factorStride,
      constants: Array(repeating: 0, count: constants.count))
  }

  /// (y − Rμₖ)ᵀ Tₖ⁻¹ (y − Rμₖ).
  func squaredDistance(_ values: [Double], _ k: Int) -> Double {
    let factor = factors[(k * factorStride)...]
    let start = factor.startIndex
    var y: [Double] = []
    for (i, value) in values.enumerated() {
      var difference = value - origins[k, i]
      switch form {
      case .full:
        for j in 0..<i { difference -= factor[start + i * (i + 1) / 2 + j] * y[j] }
        y.append(difference * factor[start + i * (i + 3) / 2])
      case .diagonal: y.append(difference * factor[start + i])
      case .scalar: y.append(difference * factor[start])
      }
    }
    return y.reduce(0) { $0 + $1 * $1 }
  }

  /// A, d × m, and B, d × d, of a covariance that the model stores.
  func gainAndRemainder(_ stored: Int) -> (gain: Matrix, remainder: Matrix) {
    let d = featureCount
    let m = measurement.cells.count
    var gain = Matrix(repeating: 0, rowCount: d, columnCount: m)
    var remainder = Matrix(repeating: 0, rowCount: d, columnCount: d)
    guard let lift = lifts?[stored] else {
      for j in 0..<d { gain[j, j] = 1 }
      return (gain, remainder)
    }
    if form != .full {
      for (i, j) in measurement.cells.enumerated() { gain[j, i] = lift.gain[i] }
      for j in 0..<d { remainder[j, j] = lift.remainder[j] }
      return (gain, remainder)
    }
    gain.elements = lift.gain
    for i in 0..<d {
      for j in 0...i {
        remainder[i, j] = lift.remainder[i * (i + 1) / 2 + j]
        remainder[j, i] = remainder[i, j]
      }
    }
    return (gain, remainder)
  }

  /// Adds the expected statistics of x, given those of y.
  func lift(_ measured: SufficientStatistics, into statistics: inout SufficientStatistics) {
    statistics.addTotals(of: measured)
    for k in 0..<measured.componentCount where measured.zeroth(k) != 0 {
      lift(k, measured, into: &statistics)
    }
  }

  private func lift(
    _ k: Int, _ measured: SufficientStatistics, into statistics: inout SufficientStatistics
  ) {
    let d = statistics.featureCount
    let cells = measurement.cells
    let m = cells.count
    let n = measured.zeroth(k)
    let f = Array(measured.first(k))
    let s = Array(measured.second(k))
    guard let lift = lifts?[isShared ? 0 : k] else {
      preconditionFailure("the moments of plain rows are those of their features already")
    }
    if form != .full {
      let first = statistics.firstStart + k * d
      let second = statistics.secondStart + k * statistics.elementsPerSecond
      statistics.values[statistics.zerothStart + k] += n
      for (i, j) in cells.enumerated() { statistics.values[first + j] += lift.gain[i] * f[i] }
      switch statistics.form {
      case .full:
        // Moments of y are full too.
        for (a, i) in cells.enumerated() {
          for (b, j) in cells[...a].enumerated() {
            statistics.values[second + max(i, j) * (max(i, j) + 1) / 2 + min(i, j)] +=
              lift.gain[a] * lift.gain[b] * s[a * (a + 1) / 2 + b]
          }
        }
        for j in 0..<d { statistics.values[second + j * (j + 3) / 2] += n * lift.remainder[j] }
      case .diagonal:
        for (i, j) in cells.enumerated() {
          let square = measured.form == .full ? s[i * (i + 3) / 2] : s[i]
          statistics.values[second + j] += lift.gain[i] * lift.gain[i] * square
        }
        for j in 0..<d { statistics.values[second + j] += n * lift.remainder[j] }
      case .scalar:
        var trace = 0.0
        if measured.form == .scalar {
          trace = s[0]
        } else {
          for i in 0..<m {
            let square = measured.form == .full ? s[i * (i + 3) / 2] : s[i]
            trace += lift.gain[i] * lift.gain[i] * square
          }
        }
        statistics.values[second] += lift.remainder.reduce(trace) { $0 + n * $1 }
      }
      return
    }
    // A f, and A s, d × m.
    var expected = Array(repeating: 0.0, count: d)
    var left = Array(repeating: 0.0, count: d * m)
    lift.gain.withUnsafeBufferPointer { A in
      for i in 0..<d {
        for j in 0..<m { expected[i] += A[i * m + j] * f[j] }
        for j in 0..<m {
          var sum = 0.0
          for l in 0..<m {
            sum += A[i * m + l] * s[max(l, j) * (max(l, j) + 1) / 2 + min(l, j)]
          }
          left[i * m + j] = sum
        }
      }
      statistics.add(k, zeroth: n, first: { expected[$0] }) { i, j in
        var sum = n * lift.remainder[i * (i + 1) / 2 + j]
        for l in 0..<m { sum += left[i * m + l] * A[j * m + l] }
        return sum
      }
    }
  }
}

extension CovarianceStructure.Form {
  /// The least form that holds both.
  func joined(with other: Self) -> Self { holds(other) ? self : other }
}
