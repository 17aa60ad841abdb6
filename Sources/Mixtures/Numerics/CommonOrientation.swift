// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The axes that K symmetric positive semidefinite matrices have in common, as nearly as any have.
///
/// With δₖ the diagonal of Dᵀ Wₖ D, the orthogonal matrix D minimises one of two functions: Σₖ nₖ Σⱼ log δₖⱼ, which is what
/// remains of the likelihood of ``CovarianceStructure/vve`` at the best eigenvalues (Flury 1984,
/// [doi:10.1080/01621459.1984.10477108](https://doi.org/10.1080/01621459.1984.10477108)), or n d log Σₖ (∏ⱼ δₖⱼ)^(1/d),
/// which is that of ``CovarianceStructure/eve``.
///
/// D is a product of rotations in the planes of two axes, taken in turn, as in the algorithm of Flury & Gautschi (1986),
/// [doi:10.1137/0907013](https://doi.org/10.1137/0907013). In each plane the function is one of the angle, with
/// period 90°. The angle is the better of Newton's step and of the minimum of a linear bound: both functions are concave
/// in δ, so that a tangent lies above them and its minimum is never worse (the bound of Browne & McNicholas 2014,
/// [doi:10.1007/s11634-013-0139-1](https://doi.org/10.1007/s11634-013-0139-1), in a plane). Where planes
/// hinder each other, steps of Newton's method in all of them follow. Where there is no start to stay near to, the first
/// sweeps look at the whole circle.
struct CommonOrientation {
  enum Objective {
    case sumOfLogarithms
    case sumOfGeometricMeans
  }

  /// The order of the matrices, d.
  let order: Int
  /// The axes: element (i, j) at i · d + j belongs to coordinate i of axis j.
  private(set) var axes: [Double]
  /// Dᵀ Wₖ D, K matrices of d × d.
  private(set) var rotated: [Double]

  private let count: Int
  private let objective: Objective
  private let counts: [Double]
  private let total: Double

  // The plane in hand: half the difference, half the sum and the product moment of the two axes, the product of their
  // δ, and the weight of each matrix.
  private var differences: [Double]
  private var sums: [Double]
  private var crosses: [Double]
  private var products: [Double]
  private var shares: [Double]
  /// (∏ⱼ δₖⱼ)^(1/d) up to a common factor, kept up to date.
  private var geometricMeans: [Double]

  /// Begins with the given axes.
  ///
  /// - Parameters:
  ///   - scatters: K packed lower triangles, one after the other.
  ///   - counts: nₖ; their sum is n.
  init(
    scatters: [Double], order d: Int, counts: [Double], objective: Objective, axes: [Double]
  ) {
    order = d
    count = counts.count
    self.counts = counts
    self.objective = objective
    self.axes = axes
    total = counts.reduce(0, +)
    rotated = Self.rotate(scatters, order: d, count: counts.count, by: axes)
    let zeros = Array(repeating: 0.0, count: counts.count)
    (differences, sums, crosses, products, shares) = (zeros, zeros, zeros, zeros, zeros)
    geometricMeans = zeros
    updateGeometricMeans()
  }

  /// The diagonals δₖ, K × d.
  var spreads: [Double] {
    let d = order
    return (0..<count * d).map { max(rotated[$0 / d * d * d + $0 % d * (d + 1)], 0) }
  }

  /// The function that the axes minimise.
  var value: Double {
    let logs = (0..<count).map(logProduct)
    switch objective {
    case .sumOfLogarithms: return zip(counts, logs).reduce(0) { $0 + $1.0 * $1.1 }
    case .sumOfGeometricMeans:
      let d = Double(order)
      let largest = logs.max()!
      guard largest > -.infinity else { return -.infinity }
      let sum = logs.reduce(0) { $0 + Kernels.exp(($1 - largest) / d) }
      return total * (d * Kernels.log(sum) + largest)
    }
  }

  private func logProduct(_ k: Int) -> Double {
    let d = order
    return (0..<d).reduce(0) { $0 + Kernels.log(max(rotated[k * d * d + $1 * (d + 1)], 0)) }
  }

  private mutating func updateGeometricMeans() {
    guard case .sumOfGeometricMeans = objective else { return }
    let logs = (0..<count).map(logProduct)
    let largest = logs.max()!
    for k in 0..<count {
      geometricMeans[k] =
        largest > -.infinity ? Kernels.exp((logs[k] - largest) / Double(order)) : 1
    }
  }

  // MARK: Descent

  /// Turns the axes until no plane promises a gain.
  ///
  /// - Parameter wide: Whether the first two sweeps look at all angles rather than near the axes only.
  /// - Complexity: O(K·d³) for each sweep, of which a few are needed near a start, and many if the matrices have
  ///   nothing in common.
  mutating func descend(wide: Bool, sweepLimit: Int = 100) {
    guard order > 1 else { return }
    var previous = Double.infinity
    var last = (axes: self, value: value)
    for sweep in 0..<sweepLimit {
      let gain = self.sweep(wide: wide && sweep < 2)
      updateGeometricMeans()
      // Where a matrix has no spread along an axis, rounding leaves slopes no meaning. The way down ends there.
      let value = value
      guard value <= last.value + 1e-13 * max(abs(last.value), total) else {
        self = last.axes
        return
      }
      last = (self, value)
      // Below rounding of the function, go on only while the gains of Newton's method collapse.
      if gain <= 1e-24 || (gain < 1e-15 && gain > 0.25 * previous) { return }
      if gain > 0.1 * previous, gain < 0.1, order <= Self.largestJointOrder { turnJointly() }
      previous = gain
    }
  }

  /// The largest order for which all planes may be turned at once: their second derivatives are a matrix of order 276.
  private static let largestJointOrder = 24

  /// One turn in every plane. Returns the gain that slopes and curvatures promised, as a part of n.
  private mutating func sweep(wide: Bool) -> Double {
    var sum = 0.0
    for p in 0..<order - 1 {
      for q in p + 1..<order {
        gather(p, q)
        let (first, second) = slopes()
        let gain = (second > 0 ? 0.5 * first * first / second : abs(first)) / total
        // A plane in which one matrix has no spread has no finite slope, and nothing to gain.
        guard gain.isFinite else { continue }
        sum += gain
        guard gain > 1e-30 || wide else { continue }
        if let (c, s) = bestRotation((first, second), wide: wide) { rotate(p, q, c, s) }
      }
    }
    return sum
  }

  private mutating func gather(_ p: Int, _ q: Int) {
    let d = order
    var sumOfMeans = 0.0
    for k in 0..<count {
      let base = k * d * d
      let (a, b) = (rotated[base + p * (d + 1)], rotated[base + q * (d + 1)])
      differences[k] = 0.5 * (a - b)
      sums[k] = 0.5 * (a + b)
      crosses[k] = rotated[base + p * d + q]
      products[k] = a * b
      sumOfMeans += geometricMeans[k]
    }
    for k in 0..<count {
      switch objective {
      case .sumOfLogarithms: shares[k] = counts[k]
      case .sumOfGeometricMeans: shares[k] = total * geometricMeans[k] / sumOfMeans
      }
    }
  }

  /// The first and second derivative in t, twice the angle, at t = 0.
  ///
  /// δₖ of the two axes are m ± h with h = A cos t + C sin t, so that log (δₖp δₖq) changes by
  /// r = log (m² − h²) − log (m² − A²).
  private func slopes() -> (first: Double, second: Double) {
    var first = 0.0
    var second = 0.0
    var squares = 0.0
    for k in 0..<count where shares[k] > 0 {
      let (a, c) = (differences[k], crosses[k])
      let slope = -2 * a * c / products[k]
      first += shares[k] * slope
      second += shares[k] * (2 * (a * a - c * c) / products[k] - slope * slope)
      squares += shares[k] * slope * slope
    }
    if case .sumOfGeometricMeans = objective {
      second += (squares - first * first / total) / Double(order)
    }
    return (first, second)
  }

  /// How much the function changes if t has the given cosine and sine.
  private func change(_ cosine: Double, _ sine: Double) -> Double {
    var sum = 0.0
    for k in 0..<count where shares[k] > 0 {
      let h = differences[k] * cosine + crosses[k] * sine
      let product = max((sums[k] - h) * (sums[k] + h), 0)
      let ratio = Kernels.log(product / products[k])
      switch objective {
      case .sumOfLogarithms: sum += shares[k] * ratio
      case .sumOfGeometricMeans:
        sum += shares[k] * (Kernels.exp(ratio / Double(order)) - 1)
      }
    }
    switch objective {
    case .sumOfLogarithms: return sum
    case .sumOfGeometricMeans:
      return total * Double(order) * Kernels.log(max(1 + sum / total, 0))
    }
  }

  /// The cosine and sine of the angle to turn by; nil to stay.
  private func bestRotation(
    _ slopes: (first: Double, second: Double), wide: Bool
  ) -> (Double, Double)? {
    var best: (change: Double, cosine: Double, sine: Double)?
    func consider(_ cosine: Double, _ sine: Double) {
      let change = change(cosine, sine)
      if change <= best?.change ?? 0 { best = (change, cosine, sine) }
    }
    // The tangent's minimum.
    var (u, v) = (0.0, 0.0)
    for k in 0..<count where shares[k] > 0 {
      let weight = shares[k] * differences[k] / products[k]
      u += weight * differences[k]
      v += weight * crosses[k]
    }
    let length = (u * u + v * v).squareRoot()
    if length > 0 { consider(u / length, v / length) }
    if wide {
      // t from 0 to 180° in steps of 22.5°.
      let (stepCosine, stepSine) = (0.92387953251128675613, 0.38268343236508977173)
      var (cosine, sine) = (stepCosine, stepSine)
      for _ in 1..<8 {
        consider(cosine, sine)
        (cosine, sine) = (
          cosine * stepCosine - sine * stepSine, sine * stepCosine + cosine * stepSine
        )
      }
    }
    // Newton's step last, so that it is taken where all are equal to rounding.
    let tangent = -0.5 * slopes.first / slopes.second
    if slopes.second > 0, abs(tangent) < 0.5 {
      let square = tangent * tangent
      let (cosine, sine) = ((1 - square) / (1 + square), 2 * tangent / (1 + square))
      let noise = 1e-14 * total
      if change(cosine, sine) <= (best?.change ?? 0) + noise {
        let c = 1 / (1 + square).squareRoot()
        return (c, c * tangent)
      }
    }
    guard let best else { return nil }
    let c = (0.5 * (1 + best.cosine)).squareRoot()
    return c > 0 ? (c, 0.5 * best.sine / c) : (0, 1)
  }

  /// Turns axes p and q: the new p is c p + s q.
  private mutating func rotate(_ p: Int, _ q: Int, _ c: Double, _ s: Double) {
    let d = order
    if case .sumOfGeometricMeans = objective {
      let (cosine, sine) = (c * c - s * s, 2 * c * s)
      for k in 0..<count where geometricMeans[k] > 0 {
        let h = differences[k] * cosine + crosses[k] * sine
        let product = max((sums[k] - h) * (sums[k] + h), 0)
        geometricMeans[k] *= Kernels.exp(Kernels.log(product / products[k]) / Double(d))
      }
    }
    func turn(_ values: inout [Double], _ first: Int, _ second: Int, _ step: Int) {
      values.withUnsafeMutableBufferPointer { values in
        var (i, j) = (first, second)
        for _ in 0..<d {
          let (x, y) = (values[i], values[j])
          values[i] = c * x + s * y
          values[j] = c * y - s * x
          i += step
          j += step
        }
      }
    }
    for k in 0..<count {
      let base = k * d * d
      turn(&rotated, base + p, base + q, d)
      turn(&rotated, base + p * d, base + q * d, 1)
    }
    turn(&axes, p, q, d)
  }
}

// MARK: - All planes at once

extension CommonOrientation {
  /// One step of Newton's method in the angles of all planes, if it lowers the function: where planes hinder each other,
  /// turns in one at a time come to the minimum slowly.
  ///
  /// - Complexity: O(K d⁴ + d⁶).
  private mutating func turnJointly() {
    guard let (slope, curvature) = jointDerivatives() else { return }
    let planes = slope.count
    // Where the function is not convex, or the step too long, a multiple of the identity shortens it.
    let before = (axes: self, value: value)
    let largest = (0..<planes).reduce(0) { max($0, abs(curvature[$1 * ($1 + 3) / 2])) }
    for ridge in [0, 1e-3, 1e-2, 1e-1, 1] {
      var regular = curvature
      for u in 0..<planes { regular[u * (u + 3) / 2] += ridge * largest }
      guard let cholesky = Cholesky(packed: regular, order: planes, tolerance: 1e-12) else {
        continue
      }
      let tangents = cholesky.solve(slope).map { -$0 }
      guard tangents.allSatisfy({ abs($0) < 1 }) else { continue }
      for q in 1..<order {
        for p in 0..<q {
          gather(p, q)
          let tangent = tangents[Self.plane(p, q)]
          let c = 1 / (1 + tangent * tangent).squareRoot()
          rotate(p, q, c, c * tangent)
        }
      }
      updateGeometricMeans()
      if value <= before.value { return }
      self = before.axes
    }
  }

  /// Plane (p, q) has index q (q − 1) / 2 + p for p < q, and the angle S_qp = −S_pq.
  private static func plane(_ i: Int, _ j: Int) -> Int {
    i > j ? i * (i - 1) / 2 + j : j * (j - 1) / 2 + i
  }

  /// The first derivatives of the function in the angles, and the second as a packed lower triangle; nil where a matrix
  /// has no spread along an axis.
  ///
  /// With D exp(S), S antisymmetric, and V = Dᵀ W D, δⱼ changes by 2 (V S)ⱼⱼ + (Sᵀ V S)ⱼⱼ + (V S²)ⱼⱼ to second order. So
  /// each V gives products of two elements of S, whose coefficients are collected.
  private mutating func jointDerivatives() -> (slope: [Double], curvature: [Double])? {
    let d = order
    let planes = d * (d - 1) / 2
    func sign(_ i: Int, _ j: Int) -> Double { i > j ? 1 : -1 }
    updateGeometricMeans()
    let sumOfMeans = geometricMeans.reduce(0, +)
    var slope = Array(repeating: 0.0, count: planes)
    var coefficients = Array(repeating: 0.0, count: planes * planes)
    for k in 0..<count {
      let v = Array(rotated[k * d * d..<(k + 1) * d * d])
      let share =
        objective == .sumOfLogarithms ? counts[k] : total * geometricMeans[k] / sumOfMeans
      var own = Array(repeating: 0.0, count: planes)
      for j in 0..<d {
        let weight = 1 / v[j * (d + 1)]
        guard weight.isFinite else { return nil }
        for a in 0..<d where a != j {
          let (u, signU) = (Self.plane(a, j), sign(a, j))
          own[u] += 2 * weight * v[j * d + a] * signU
          for b in 0..<d {
            // (Sᵀ V S)ⱼⱼ and −½ of the square of the first-order change.
            if b != j {
              let second = v[a * d + b] - 2 * v[j * d + a] * v[j * d + b] * weight
              coefficients[u * planes + Self.plane(b, j)] +=
                share * weight * second * signU * sign(b, j)
            }
            // (V S²)ⱼⱼ: V_jb S_ba S_aj.
            if b != a {
              coefficients[u * planes + Self.plane(b, a)] +=
                share * weight * v[j * d + b] * signU * sign(b, a)
            }
          }
        }
      }
      for u in 0..<planes { slope[u] += share * own[u] }
      guard objective == .sumOfGeometricMeans else { continue }
      for u in 0..<planes {
        let scale = 0.5 * share * own[u] / Double(d)
        for w in 0..<planes { coefficients[u * planes + w] += scale * own[w] }
      }
    }
    var curvature = Array(repeating: 0.0, count: planes * (planes + 1) / 2)
    let common = objective == .sumOfGeometricMeans ? 1 / (total * Double(d)) : 0
    for u in 0..<planes {
      for w in 0...u {
        curvature[u * (u + 1) / 2 + w] =
          coefficients[u * planes + w] + coefficients[w * planes + u] - common * slope[u] * slope[w]
      }
    }
    return (slope, curvature)
  }
}

// MARK: - Bounded eigenvalues

extension CommonOrientation {
  /// One turn in every plane that lowers Σₖ tr(Dᵀ Wₖ D Λₖ⁻¹) for fixed eigenvalues Λₖ, K × d; each turn is the best of
  /// its plane.
  mutating func turn(towards eigenvalues: [Double]) {
    let d = order
    for p in 0..<max(d - 1, 0) {
      for q in p + 1..<d {
        gather(p, q)
        var (u, v) = (0.0, 0.0)
        for k in 0..<count {
          let weight = 1 / eigenvalues[k * d + q] - 1 / eigenvalues[k * d + p]
          u += weight * differences[k]
          v += weight * crosses[k]
        }
        let length = (u * u + v * v).squareRoot()
        guard length > 0, length.isFinite, v != 0 || u < 0 else { continue }
        let c = (0.5 * (1 + u / length)).squareRoot()
        if c > 0 { rotate(p, q, c, 0.5 * v / length / c) } else { rotate(p, q, 0, 1) }
      }
    }
  }

  /// Σₖ tr(Dᵀ Wₖ D Λₖ⁻¹).
  func trace(over eigenvalues: [Double]) -> Double {
    zip(spreads, eigenvalues).reduce(0) { $0 + $1.0 / $1.1 }
  }
}

// MARK: - Rotations of packed matrices

extension CommonOrientation {
  /// The axes that given covariances share: the eigenvectors of their sum, and where those are not unique, turned until
  /// every matrix is diagonal.
  ///
  /// - Parameter matrices: K packed lower triangles, each divided by its volume.
  init(of matrices: [Double], order d: Int, count: Int) {
    let size = d * (d + 1) / 2
    var sum = Array(matrices[..<size])
    for k in 1..<max(count, 1) {
      for index in 0..<size { sum[index] += matrices[k * size + index] }
    }
    self.init(
      scatters: matrices, order: d, counts: Array(repeating: 1, count: count),
      objective: .sumOfLogarithms, axes: SymmetricEigen(packed: sum, order: d).descending.vectors)
    let off = largestCorrelation
    if off > 1e-14 { descend(wide: off > 1e-3, sweepLimit: 50) }
  }

  /// The largest correlation left between two axes in any matrix: zero if all are diagonal.
  var largestCorrelation: Double {
    let d = order
    var largest = 0.0
    for k in 0..<count {
      let base = k * d * d
      for i in 0..<d {
        for j in 0..<i {
          let scale = rotated[base + i * (d + 1)] * rotated[base + j * (d + 1)]
          largest = max(largest, abs(rotated[base + i * d + j]) / max(scale, 0).squareRoot())
        }
      }
    }
    return largest
  }

  /// Dᵀ Wₖ D for each packed Wₖ, as full matrices.
  private static func rotate(
    _ scatters: [Double], order d: Int, count: Int, by axes: [Double]
  ) -> [Double] {
    let size = d * (d + 1) / 2
    var result = Array(repeating: 0.0, count: count * d * d)
    var half = Array(repeating: 0.0, count: d * d)
    result.withUnsafeMutableBufferPointer { result in
      half.withUnsafeMutableBufferPointer { half in
        axes.withUnsafeBufferPointer { axes in
          scatters.withUnsafeBufferPointer { scatters in
            for k in 0..<count {
              // W D, then Dᵀ (W D).
              half.update(repeating: 0)
              var index = k * size
              for i in 0..<d {
                for j in 0...i {
                  let w = scatters[index]
                  index += 1
                  for m in 0..<d { half[i * d + m] += w * axes[j * d + m] }
                  if j < i { for m in 0..<d { half[j * d + m] += w * axes[i * d + m] } }
                }
              }
              for i in 0..<d {
                for m in 0..<d {
                  let x = axes[i * d + m]
                  for j in 0...m { result[(k * d + m) * d + j] += x * half[i * d + j] }
                }
              }
              for i in 0..<d {
                for j in 0..<i { result[(k * d + j) * d + i] = result[(k * d + i) * d + j] }
              }
            }
          }
        }
      }
    }
    return result
  }
}
