// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A row with cells of which only limits are known, under one component.
///
/// Given the values that are known, those that are not follow a normal distribution N(m, C), and given their limits the
/// part of it in a box: that part's probability is a factor of the row's likelihood, and its moments are what the row is
/// expected to hold there. One such cell is exact, and so are several that are not correlated given the others; else
/// quasi-Monte Carlo integration makes them.
struct CensoredRow {
  /// At how many points an integral over several correlated cells is taken.
  private static let pointCount = 1024
  /// How often Gibbs sampling goes through the cells for one draw of several; one is drawn exactly.
  private static let sweepCount = 50

  /// log wₖ + log N(y; …) + log P(box).
  private(set) var logJoint: Double
  /// b − μ, d numbers, and the covariance of x, a packed lower triangle.
  let deviation: [Double]
  let covariance: [Double]
  /// What a draw needs: the cells without a value given the others, and how the features follow from all cells.
  private let open: [Int]
  private let conditionalMean: [Double]
  private let conditionalCovariance: [Double]
  private let limits: [(lower: Double, upper: Double)]
  private let difference: [Double]
  private let origin: [Double]
  private let gain: Matrix
  private let remainder: Matrix

  /// - Parameters:
  ///   - measured: The model as this row's cells see it, among them those that are censored.
  ///   - values: The cells' values; NaN where they are censored.
  ///   - limits: Their limits.
  init(
    _ measured: MeasuredModel, component k: Int, covarianceOfMeasurement T: [Double], gain: Matrix,
    remainder: Matrix, logWeight: Double, values: [Double], limits: [(lower: Double, upper: Double)]
  ) {
    let m = values.count
    let d = gain.rowCount
    func t(_ i: Int, _ j: Int) -> Double { T[max(i, j) * (max(i, j) + 1) / 2 + min(i, j)] }
    let known = (0..<m).filter { !values[$0].isNaN }
    let open = (0..<m).filter { values[$0].isNaN }
    // The known values, and what they say of the others.
    var packed: [Double] = []
    for (a, i) in known.enumerated() { for j in known[...a] { packed.append(t(i, j)) } }
    let cholesky = Cholesky(raising: packed, order: known.count)
    let z = cholesky.solveLower(known.map { values[$0] - measured.origins[k, $0] })
    let whitened = open.map { i in cholesky.solveLower(known.map { t(i, $0) }) }
    var mean = open.map { measured.origins[k, $0] }
    var within: [Double] = []
    for a in open.indices {
      for l in z.indices { mean[a] += whitened[a][l] * z[l] }
      for b in 0...a {
        var value = t(open[a], open[b])
        for l in z.indices { value -= whitened[a][l] * whitened[b][l] }
        within.append(value)
      }
    }
    // Rounding may leave nothing where the known cells tell everything.
    for a in open.indices {
      let index = a * (a + 3) / 2
      within[index] = max(within[index], 1e-14 * t(open[a], open[a]))
    }
    let q = z.reduce(0) { $0 + $1 * $1 }
    var logJoint =
      logWeight - 0.5 * (min(q, 1e300) + cholesky.logDeterminant + Double(known.count) * logTwoPi)
    let lower = open.map { limits[$0].lower }
    let upper = open.map { limits[$0].upper }
    let box =
      BoxMoments.box(
        mean: mean, covariance: within, lower: lower, upper: upper, pointCount: Self.pointCount)
      ?? BoxMoments.box(
        mean: mean, covariance: Self.diagonal(of: within, order: open.count), lower: lower,
        upper: upper)!
    logJoint += box.logProbability
    self.logJoint = max(logJoint, -1e300)
    // y − Rμ, as it is expected; x − μ = A (y − Rμ).
    var difference = (0..<m).map { values[$0] - measured.origins[k, $0] }
    for (a, i) in open.enumerated() { difference[i] = box.mean[a] - measured.origins[k, i] }
    deviation = (0..<d).map { i in (0..<m).reduce(0) { $0 + gain[i, $1] * difference[$1] } }
    var covariance: [Double] = []
    for i in 0..<d {
      for j in 0...i {
        var value = remainder[i, j]
        for (a, p) in open.enumerated() {
          for (b, r) in open.enumerated() {
            value +=
              gain[i, p] * gain[j, r]
              * box.covariance[max(a, b) * (max(a, b) + 1) / 2 + min(a, b)]
          }
        }
        covariance.append(value)
      }
    }
    self.covariance = covariance
    self.open = open
    conditionalMean = mean
    conditionalCovariance = within
    self.limits = open.map { limits[$0] }
    self.difference = difference
    origin = (0..<m).map { measured.origins[k, $0] }
    self.gain = gain
    self.remainder = remainder
  }

  /// Draws x − μ.
  func draw(random: inout RandomStream) -> [Double] {
    let count = open.count
    func c(_ a: Int, _ b: Int) -> Double {
      conditionalCovariance[max(a, b) * (max(a, b) + 1) / 2 + min(a, b)]
    }
    var values = open.map { origin[$0] + difference[$0] }
    for _ in 0..<(count == 1 ? 1 : Self.sweepCount) {
      for a in 0..<count {
        // The cell given all others.
        let others = (0..<count).filter { $0 != a }
        var packed: [Double] = []
        for (p, i) in others.enumerated() { for j in others[...p] { packed.append(c(i, j)) } }
        let cholesky = Cholesky(raising: packed, order: others.count)
        let w = cholesky.solveLower(others.map { c(a, $0) })
        let z = cholesky.solveLower(others.map { values[$0] - conditionalMean[$0] })
        let mean = zip(w, z).reduce(conditionalMean[a]) { $0 + $1.0 * $1.1 }
        let deviation = max(w.reduce(c(a, a)) { $0 - $1 * $1 }, 1e-14 * c(a, a)).squareRoot()
        let interval = StandardInterval(
          lower: (limits[a].lower - mean) / deviation, upper: (limits[a].upper - mean) / deviation,
          width: (limits[a].upper - limits[a].lower) / deviation)
        values[a] = min(
          max(mean + deviation * interval.quantile(random.uniform()), limits[a].lower),
          limits[a].upper)
      }
    }
    var moved = difference
    for (a, i) in open.enumerated() { moved[i] = values[a] - origin[i] }
    var result = (0..<gain.rowCount).map { i in
      moved.indices.reduce(0) { $0 + gain[i, $1] * moved[$1] }
    }
    remainder.addDraw(to: &result, random: &random)
    return result
  }

  /// What each component of a model makes of a row.
  static func all(
    _ model: GaussianMixture, _ measurement: Measurement, values: [Double],
    limits: [(lower: Double, upper: Double)]
  ) -> [CensoredRow] {
    let measured = MeasuredModel(model, measurement, target: .full)
    let parts = (0..<model.covariances.storedCount).map {
      (measured.gainAndRemainder($0), model.marginal($0, measurement))
    }
    let rest = model.background.map { Kernels.log(1 - $0.share) } ?? 0
    return (0..<model.componentCount).map { k in
      let ((gain, remainder), marginal) = parts[model.structure.isShared ? 0 : k]
      return CensoredRow(
        measured, component: k, covarianceOfMeasurement: marginal, gain: gain,
        remainder: remainder, logWeight: Kernels.log(model.weights[k]) + rest, values: values,
        limits: limits)
    }
  }

  private static func diagonal(of packed: [Double], order: Int) -> [Double] {
    var result = Array(repeating: 0.0, count: packed.count)
    for i in 0..<order { result[i * (i + 3) / 2] = packed[i * (i + 3) / 2] }
    return result
  }

  /// Adds what the row is expected to hold, times a responsibility.
  func add(_ r: Double, _ k: Int, to statistics: inout SufficientStatistics) {
    statistics.add(k, zeroth: r, first: { r * deviation[$0] }) { i, j in
      r * (covariance[i * (i + 1) / 2 + j] + deviation[i] * deviation[j])
    }
  }
}
