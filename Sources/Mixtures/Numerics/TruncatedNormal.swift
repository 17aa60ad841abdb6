// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Normal distributions on intervals and boxes: probabilities, means and variances that keep their digits in the tails, and
// where an interval is tiny.

/// The standard normal distribution function and its tails.
enum StandardNormal {
  /// (log 2π) / 2.
  static let logRootTwoPi = 0x1.d67f1c864beb5p-1
  private static let inverseRootTwoPi = 0x1.9884533d43651p-2

  /// Mills' ratio R(x) = (1 − Φ(x)) / φ(x), for x ≥ 0.
  ///
  /// **Numerics.** (1 + x) R(x) is smooth in t = (x − 5) / (x + 5), which maps 0 … ∞ to −1 … 1; a Chebyshev series in t of
  /// degree 23 leaves out less than 2·10⁻¹⁷ (the method of Shepherd & Laframboise 1981, Math. Comp.
  /// 36, 249–253; the coefficients are our own, from values with 50 digits). Relative error below 10⁻¹⁵.
  static func millsRatio(_ x: Double) -> Double {
    if x > 1e9 { return 1 / x }
    let t = (x - 5) / (x + 5)
    var (b1, b2) = (0.0, 0.0)
    return millsSeries.withUnsafeBufferPointer { series in
      var index = series.count - 1
      while index > 0 {
        (b1, b2) = (2 * t * b1 - b2 + series[index], b1)
        index -= 1
      }
      return (t * b1 - b2 + series[0]) / (1 + x)
    }
  }

  /// The density φ(x).
  ///
  /// **Numerics.** x² is made of an exact square and a small rest, so that the error does not grow with x.
  static func density(_ x: Double) -> Double {
    let x = abs(x)
    if x > 40 { return 0 }
    let high = (x * 0x1p20).rounded(.down) * 0x1p-20
    return inverseRootTwoPi * Kernels.exp(-0.5 * high * high)
      * Kernels.exp(-0.5 * (x - high) * (x + high))
  }

  /// Q(x) = 1 − Φ(x); relative error about 10⁻¹⁵ down to where it underflows, at x = 38.
  static func upperTail(_ x: Double) -> Double {
    if x < 0 { return 1 - upperTail(-x) }
    return x > 40 ? 0 : density(x) * millsRatio(x)
  }

  /// log Φ(x); −∞ below −10¹⁵⁴.
  static func logCumulative(_ x: Double) -> Double {
    if x > 0 { return logOnePlus(-upperTail(x)) }
    return -0.5 * x * x - logRootTwoPi + Kernels.log(millsRatio(-x))
  }

  /// log(1 + x), x > −1, with its digits for small x.
  static func logOnePlus(_ x: Double) -> Double {
    let sum = 1 + x
    // What the sum loses, the quotient gives back.
    return sum == 1 ? x : Kernels.log(sum) * (x / (sum - 1))
  }

  /// exp(x) − 1, with its digits for small x.
  static func expMinusOne(_ x: Double) -> Double {
    if x > 1 || x < -1 { return Kernels.exp(x) - 1 }
    let power = Kernels.exp(x)
    return power == 1 ? x : (power - 1) * (x / Kernels.log(power))
  }

  private static let millsSeries: [Double] = [
    0x1.2872883be576dp+0, -0x1.4e87ca9274ba0p-3, -0x1.c05e76eee2edap-7, 0x1.f8fcd6b64802cp-6,
    -0x1.09bfeac807c0fp-6, 0x1.7018703a390e4p-8, -0x1.728339587dc9bp-10, 0x1.066b573675334p-12,
    -0x1.9e36c22e087e5p-16, -0x1.0f55666e3c92cp-20, 0x1.926841bcf91aap-21,
    -0x1.466de63a54510p-24, -0x1.8db4c42ccef95p-27, 0x1.ca231c26da126p-29,
    0x1.4b86c7f988c80p-34, -0x1.e85eb5a834f29p-34, 0x1.ede1d4eb4d434p-39,
    0x1.03a00a499807bp-38, -0x1.0732be725fe58p-42, -0x1.2adab42f68894p-43,
    0x1.65779848fd7e6p-47, 0x1.7c2d1d276bf83p-48, -0x1.84e4459756a2fp-52,
    -0x1.06ea87375c6ccp-52,
  ]
}

/// An interval of a standard normal number, mirrored where that brings its end of higher density to the left:
/// p … p + width with p + upper ≥ 0.
struct StandardInterval {
  let p: Double
  let upper: Double
  let width: Double
  let isMirrored: Bool

  /// The interval lower … upper; its width apart, because the difference of the ends may have lost it.
  init(lower: Double, upper: Double, width: Double) {
    // Both infinite: the sum is not a number.
    isMirrored = lower + upper < 0
    p = isMirrored ? -upper : lower
    self.upper = isMirrored ? -lower : upper
    self.width = width
  }

  var isWhole: Bool { p == -.infinity }

  /// Past this number of standard deviations nothing but the nearer end is left of an interval.
  static let farthest = 1e150

  // MARK: Probability

  /// log(Φ(upper) − Φ(lower)).
  ///
  /// **Numerics.** Relative error of the probability about 10⁻¹⁴ or, where it is more, of the logarithm 10⁻¹⁵: two tails
  /// taken from one half each, or from one; a difference of two Mills ratios; or, where that cancels, a sum of positive terms.
  var logProbability: Double {
    if isWhole { return 0 }
    if !(width > 0) || p >= Self.farthest { return -.infinity }
    if p < 0 {
      if width < 1 { return integrals.logProbability }
      let outside = StandardNormal.upperTail(-p) + StandardNormal.upperTail(upper)
      if outside < 0.5 { return StandardNormal.logOnePlus(-outside) }
      return Kernels.log(twoSidedProbability)
    }
    let drop = width * (p + 0.5 * width)
    if drop < 0.5 { return integrals.logProbability }
    let rest =
      drop < 745 ? Kernels.exp(-drop) * StandardNormal.millsRatio(upper) : 0
    return -0.5 * p * p - StandardNormal.logRootTwoPi
      + Kernels.log(StandardNormal.millsRatio(p) - rest)
  }

  /// The probability of an interval that holds 0.
  private var twoSidedProbability: Double {
    (0.5 - StandardNormal.upperTail(-p)) + (0.5 - StandardNormal.upperTail(upper))
  }

  // MARK: Moments

  /// The mean and variance of x given that it lies in the interval. The mean is counted from the end that `isFromEnd` says
  /// is nearer to 0, inwards and not negative, or else from 0, to the right.
  var moments: (logProbability: Double, mean: Double, isFromEnd: Bool, variance: Double) {
    if isWhole { return (0, 0, false, 1) }
    if !(width > 0) || p >= Self.farthest { return (-.infinity, 0, true, 0) }
    guard p <= 0 && width >= 2 else {
      let integrals = integrals
      return (logProbability, integrals.mean, true, integrals.variance)
    }
    // At least 0.47 of the distribution: nothing cancels.
    let probability = twoSidedProbability
    let (left, right) = (StandardNormal.density(p), StandardNormal.density(upper))
    let mean = (left - right) / probability
    let slope = p * left - (right == 0 ? 0 : upper * right)
    let variance = 1 + slope / probability - mean * mean
    return (logProbability, isMirrored ? -mean : mean, false, variance)
  }

  /// The moments about p of exp(−p s − s²/2), s in 0 … width, by 32-point Gauss-Legendre quadrature over the part where it
  /// is above e⁻⁴⁰ of its largest value: sums of positive terms.
  private var integrals: (logProbability: Double, mean: Double, variance: Double) {
    let reach = p > 0 ? min(width, 80 / (p + (p * p + 80).squareRoot())) : min(width, 10)
    let half = 0.5 * reach
    var (zeroth, first, second) = (0.0, 0.0, 0.0)
    GaussLegendre.nodes.withUnsafeBufferPointer { nodes in
      GaussLegendre.weights.withUnsafeBufferPointer { weights in
        for index in 0..<nodes.count {
          let (near, far) = (1 - nodes[index], 1 + nodes[index])
          let (s, t) = (half * near, half * far)
          let a = weights[index] * Kernels.exp(-s * (p + 0.5 * s))
          let b = weights[index] * Kernels.exp(-t * (p + 0.5 * t))
          zeroth += a + b
          first += a * near + b * far
          second += a * near * near + b * far * far
        }
      }
    }
    let mean = first / zeroth
    let logProbability =
      -0.5 * p * p - StandardNormal.logRootTwoPi + Kernels.log(half) + Kernels.log(zeroth)
    return (logProbability, half * mean, half * half * (second / zeroth - mean * mean))
  }

  // MARK: Quantiles

  /// The number below which lies the part v, 0 < v < 1, of the interval's probability.
  ///
  /// **Numerics.** Always in the interval; error about 10⁻⁹ of its width or of its scale, for which it serves: the points of
  /// an integration rule.
  func quantile(_ v: Double) -> Double {
    if isWhole { return normalQuantile(v) }
    let v = isMirrored ? 1 - v : v
    var y = p
    if p >= 30 {
      // The tail beyond p + s is exp(−p s − s²/2) R(p + s) / R(p) of that beyond p: Newton's method for its logarithm.
      if p < Self.farthest {
        let ratio = StandardNormal.millsRatio(p)
        let drop = width * (p + 0.5 * width)
        let kept = drop < 745 ? Kernels.exp(-drop) * StandardNormal.millsRatio(upper) / ratio : 0
        // Where hardly anything is left of 1 − kept, it is what the density at p gives.
        let inside = drop < 1e-6 ? -StandardNormal.expMinusOne(-drop) : 1 - kept
        let target = StandardNormal.logOnePlus(-v * inside)
        var s = -target / p
        for _ in 0..<3 {
          let there = StandardNormal.millsRatio(p + s)
          s += (-s * (p + 0.5 * s) + Kernels.log(there / ratio) - target) * there
        }
        y = p + min(max(s, 0), width)
      }
    } else if width < 1e-4 {
      // The density is exponential to width² / 8.
      let rate = p + 0.5 * width
      let drop = rate * width
      y =
        p
        + (abs(drop) < 1e-9
          ? v * width : -StandardNormal.logOnePlus(v * StandardNormal.expMinusOne(-drop)) / rate)
    } else {
      let (left, right) = (StandardNormal.upperTail(p), StandardNormal.upperTail(upper))
      let tail = left - v * (left - right)
      let below = p < 0 ? StandardNormal.upperTail(-p) + v * (left - right) : 1
      if below < 0.5 {
        y = normalQuantile(below)
      } else if tail > 0 {
        y = -normalQuantile(tail)
      }
    }
    y = min(max(y, p), upper)
    return isMirrored ? -y : y
  }
}

/// The nodes in 0 … 1 and their weights of the 32-point Gauss-Legendre rule on −1 … 1.
private enum GaussLegendre {
  static let nodes: [Double] = [
    0x1.8bbc8488cc499p-5, 0x1.27e0ea717f237p-3, 0x1.ea0f7e19c094bp-3, 0x1.53d55ce57bdf6p-2,
    0x1.af76b57c6f8f1p-2, 0x1.038862866b29dp-1, 0x1.2ce9146962ca4p-1, 0x1.537a89c487f8ap-1,
    0x1.76e0931d693bap-1, 0x1.96c69481c4bc5p-1, 0x1.b2e04fd686a13p-1, 0x1.caea9b4574cb9p-1,
    0x1.deac0259f7f42p-1, 0x1.edf5518053baap-1, 0x1.f8a212714bcdcp-1, 0x1.fe995e70409b6p-1,
  ]
  static let weights: [Double] = [
    0x1.8b6d9eaec77adp-4, 0x1.87bc776f8c6d7p-4, 0x1.8062fc0f6fef9p-4, 0x1.7572bdb3f6e51p-4,
    0x1.6705e18e13ed1p-4, 0x1.553ee25ebebc6p-4, 0x1.40483e126fd14p-4, 0x1.2854103b35e0cp-4,
    0x1.0d9b9a62cac10p-4, 0x1.e0bd76c924981p-5, 0x1.a1c6ae961fbfap-5, 0x1.5ee963a335495p-5,
    0x1.18c5800a355d9p-5, 0x1.a0060a8531ffap-6, 0x1.0aa3c248696c9p-6, 0x1.cbf8bc743cc5cp-8,
  ]
}

/// A normal distribution, restricted to an interval.
struct IntervalMoments: Equatable, Sendable {
  /// The log of the probability of the interval before the restriction; −∞ for an empty one, or farther than 10¹⁵⁰
  /// standard deviations away.
  var logProbability: Double
  var mean: Double
  var variance: Double

  /// N(mean, variance) on lower … upper, of which either may be infinite; variance > 0.
  ///
  /// Where lower ≥ upper, and beyond 10¹⁵⁰ standard deviations, the mean is the end nearer to the mean of the whole, and the
  /// variance 0. The whole line gives mean and variance as they are.
  ///
  /// **Numerics.** Relative error about 10⁻¹⁴ of the variance, and of the mean's distance from the nearer end, or from the
  /// mean of the whole, also for tiny intervals and in both tails; the mean lies in the interval.
  init(mean: Double, variance: Double, lower: Double, upper: Double) {
    let deviation = variance.squareRoot()
    let interval = StandardInterval(
      lower: (lower - mean) / deviation, upper: (upper - mean) / deviation,
      width: (upper - lower) / deviation)
    if interval.isWhole {
      (logProbability, self.mean, self.variance) = (0, mean, variance)
      return
    }
    let moments = interval.moments
    logProbability = moments.logProbability
    self.variance = variance * moments.variance
    let inwards = deviation * moments.mean
    let value =
      moments.isFromEnd
      ? (interval.isMirrored ? upper - inwards : lower + inwards) : mean + inwards
    self.mean = min(max(value, lower), upper)
  }
}

/// A normal distribution of several features, restricted to a box, or to what is outside of one.
struct BoxMoments: Sendable {
  /// The log of the probability before the restriction; −∞ if there is none.
  var logProbability: Double
  var mean: [Double]
  /// Packed lower triangle by rows.
  var covariance: [Double]
  /// An estimate of the standard error of the probability, as a part of it; 0 where it is exact to rounding.
  var probabilityError = 0.0
  /// An estimate of the largest standard error of a mean, in standard deviations of its feature before the restriction; 0
  /// where the moments are exact to rounding.
  var momentError = 0.0
}

extension BoxMoments {
  /// How many fixed shifts of the lattice an integration uses.
  static let shiftCount = 8

  /// N(mean, covariance) given lowerⱼ ≤ xⱼ ≤ upperⱼ for all j; ends may be infinite. `covariance`: packed lower triangle.
  ///
  /// Features without a finite end follow from the others by regression. The others fall into parts that are not correlated
  /// with one another; a part of one feature is exact (``IntervalMoments``), so that diagonal covariances, and boxes that
  /// constrain one feature, are. A part of several is integrated over a lattice of `pointCount` points: separation of
  /// variables (Genz 1992, [doi:10.1080/10618600.1992.10477010](https://doi.org/10.1080/10618600.1992.10477010)), the least
  /// probable feature first, the last one in closed form. The lattice is Richtmyer's, folded, under a hat, in
  /// `shiftCount` fixed shifts, from which errors are estimated: the result is the same, to the bit, every time and everywhere.
  ///
  /// - Returns: nil unless the covariance matrix is positive definite. The whole space gives mean and covariance as they are.
  /// - Complexity: O(pointCount · m²) for m correlated features with finite ends, and O(d³).
  static func box(
    mean: [Double], covariance: [Double], lower: [Double], upper: [Double], pointCount: Int = 8192
  ) -> BoxMoments? {
    let d = mean.count
    let constrained = (0..<d).filter { lower[$0] > -.infinity || upper[$0] < .infinity }
    guard !constrained.isEmpty else {
      return BoxMoments(logProbability: 0, mean: mean, covariance: covariance)
    }
    let m = constrained.count
    var result = BoxMoments(logProbability: 0, mean: mean, covariance: covariance)
    var shift = Array(repeating: 0.0, count: m)
    var within = Array(repeating: 0.0, count: m * (m + 1) / 2)
    let among = submatrix(covariance, constrained)
    for part in correlatedParts(among, order: m) {
      let features = part.map { constrained[$0] }
      let matrix = submatrix(among, part)
      if part.count == 1 {
        let j = features[0]
        let one = IntervalMoments(
          mean: mean[j], variance: matrix[0], lower: lower[j], upper: upper[j])
        result.logProbability += one.logProbability
        shift[part[0]] = one.mean - mean[j]
        result.mean[j] = one.mean
        within[part[0] * (part[0] + 3) / 2] = one.variance
        continue
      }
      guard
        let some = BoxIntegration(
          covariance: matrix, lower: features.map { lower[$0] - mean[$0] },
          upper: features.map { upper[$0] - mean[$0] },
          width: features.map { upper[$0] - lower[$0] }
        )?.integrate(pointCount: pointCount)
      else { return nil }
      result.logProbability += some.logProbability
      // Errors of parts that are not correlated: of a product they add up as squares.
      result.probabilityError =
        (result.probabilityError * result.probabilityError + some.probabilityError
        * some.probabilityError).squareRoot()
      result.momentError = max(result.momentError, some.momentError)
      for (a, p) in part.enumerated() {
        shift[p] = some.mean[a]
        result.mean[features[a]] = min(
          max(mean[features[a]] + some.mean[a], lower[features[a]]), upper[features[a]])
        for (b, q) in part.enumerated() where b <= a {
          within[packed(p, q)] = some.covariance[packed(a, b)]
        }
      }
    }
    guard result.regress(on: constrained, shift: shift, within: within, among: among)
    else { return nil }
    return result
  }

  /// N(mean, covariance) given that x lies outside the box, in at least one feature.
  ///
  /// The outside is a union of boxes that do not meet: what is outside in one feature, what is inside in it and outside in
  /// the next, and so on, the feature with most outside first. Their probabilities are added and nothing is subtracted, so
  /// that digits are kept also where the box holds nearly all.
  ///
  /// - Returns: nil unless the covariance matrix is positive definite. Where nothing is outside: log probability −∞, and mean
  ///   and covariance as they are.
  static func complement(
    mean: [Double], covariance: [Double], lower: [Double], upper: [Double], pointCount: Int = 8192
  ) -> BoxMoments? {
    let d = mean.count
    let sides: [[(lower: Double, upper: Double)]] = (0..<d).map { j in
      var sides: [(lower: Double, upper: Double)] = []
      if lower[j] > -.infinity { sides.append((-.infinity, lower[j])) }
      if upper[j] < .infinity { sides.append((upper[j], .infinity)) }
      return sides
    }
    let outside = (0..<d).map { j in
      sides[j].map {
        IntervalMoments(
          mean: mean[j], variance: covariance[j * (j + 3) / 2], lower: $0.lower, upper: $0.upper
        ).logProbability
      }.max() ?? -.infinity
    }
    let order = (0..<d).filter { !sides[$0].isEmpty }.sorted {
      outside[$0] != outside[$1] ? outside[$0] > outside[$1] : $0 < $1
    }
    var pieces: [BoxMoments] = []
    var box = (
      lower: Array(repeating: -Double.infinity, count: d),
      upper: Array(repeating: Double.infinity, count: d)
    )
    for j in order {
      for side in sides[j] {
        (box.lower[j], box.upper[j]) = side
        guard
          let piece = self.box(
            mean: mean, covariance: covariance, lower: box.lower, upper: box.upper,
            pointCount: pointCount)
        else { return nil }
        if piece.logProbability > -.infinity { pieces.append(piece) }
      }
      (box.lower[j], box.upper[j]) = (lower[j], upper[j])
    }
    return union(pieces, deviations: (0..<d).map { covariance[$0 * ($0 + 3) / 2].squareRoot() })
      ?? BoxMoments(logProbability: -.infinity, mean: mean, covariance: covariance)
  }

  /// The moments of a union of pieces that do not meet; nil of none.
  private static func union(_ pieces: [BoxMoments], deviations: [Double]) -> BoxMoments? {
    guard let largest = pieces.map(\.logProbability).max() else { return nil }
    let d = deviations.count
    var total = 0.0
    var result = BoxMoments(
      logProbability: 0, mean: Array(repeating: 0, count: d),
      covariance: Array(repeating: 0, count: d * (d + 1) / 2))
    let weights = pieces.map { Kernels.exp($0.logProbability - largest) }
    for weight in weights { total += weight }
    result.logProbability = largest + Kernels.log(total)
    let origin = pieces[0].mean
    for (piece, weight) in zip(pieces, weights) {
      for j in 0..<d { result.mean[j] += weight / total * (piece.mean[j] - origin[j]) }
      let error = weight / total * piece.probabilityError
      result.probabilityError += error * error
    }
    result.probabilityError = result.probabilityError.squareRoot()
    for j in 0..<d { result.mean[j] += origin[j] }
    for (piece, weight) in zip(pieces, weights) {
      var farthest = 0.0
      for i in 0..<d {
        let x = piece.mean[i] - result.mean[i]
        farthest = max(farthest, abs(x) / deviations[i])
        for j in 0...i {
          result.covariance[packed(i, j)] +=
            weight / total
            * (piece.covariance[packed(i, j)] + x * (piece.mean[j] - result.mean[j]))
        }
      }
      result.momentError +=
        weight / total * (piece.momentError + piece.probabilityError * farthest)
    }
    return result
  }

  /// Where element (i, j) of a symmetric matrix lies in its packed lower triangle.
  static func packed(_ i: Int, _ j: Int) -> Int {
    i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i
  }

  private static func submatrix(_ matrix: [Double], _ features: [Int]) -> [Double] {
    features.indices.flatMap { a in (0...a).map { matrix[packed(features[a], features[$0])] } }
  }

  /// Features that a chain of correlations joins.
  private static func correlatedParts(_ matrix: [Double], order: Int) -> [[Int]] {
    var part = Array(repeating: -1, count: order)
    var parts: [[Int]] = []
    for start in 0..<order where part[start] < 0 {
      var found = [start]
      part[start] = parts.count
      var next = 0
      while next < found.count {
        for j in 0..<order where part[j] < 0 && matrix[packed(found[next], j)] != 0 {
          part[j] = parts.count
          found.append(j)
        }
        next += 1
      }
      parts.append(found.sorted())
    }
    return parts
  }

  /// Completes moments of the constrained features, which lie `shift` from the means and have covariances `within`, before
  /// `among`, by those of the others. Returns whether `among` is positive definite.
  private mutating func regress(
    on constrained: [Int], shift: [Double], within: [Double], among: [Double]
  ) -> Bool {
    let d = mean.count
    let m = constrained.count
    var factor = among
    guard Kernels.cholesky(&factor, order: m, tolerance: 0) else { return false }
    let others = (0..<d).filter { !constrained.contains($0) }
    // Row by row Σ_UC Σ_CC⁻¹.
    let slopes: [[Double]] = others.map { u in
      var row = constrained.map { covariance[Self.packed(u, $0)] }
      for i in 0..<m {
        for j in 0..<i { row[i] -= factor[Self.packed(i, j)] * row[j] }
        row[i] *= factor[Self.packed(i, i)]
      }
      for i in stride(from: m - 1, through: 0, by: -1) {
        for j in i + 1..<m { row[i] -= factor[Self.packed(j, i)] * row[j] }
        row[i] *= factor[Self.packed(i, i)]
      }
      return row
    }
    // B (within − among), whose product with Bᵀ is what the restriction changes.
    let changes: [[Double]] = slopes.map { slope in
      (0..<m).map { j in
        (0..<m).reduce(0.0) {
          $0 + slope[$1] * (within[Self.packed($1, j)] - among[Self.packed($1, j)])
        }
      }
    }
    for (a, u) in others.enumerated() {
      for j in 0..<m { mean[u] += slopes[a][j] * shift[j] }
      for (b, v) in others.enumerated() where b <= a {
        for j in 0..<m { covariance[Self.packed(u, v)] += changes[a][j] * slopes[b][j] }
      }
      for (j, c) in constrained.enumerated() {
        covariance[Self.packed(u, c)] = (0..<m).reduce(0.0) {
          $0 + slopes[a][$1] * within[Self.packed($1, j)]
        }
      }
    }
    for (a, i) in constrained.enumerated() {
      for (b, j) in constrained.enumerated() where b <= a {
        covariance[Self.packed(i, j)] = within[Self.packed(a, b)]
      }
    }
    return true
  }
}

/// The integration over a box of correlated features, about their means.
private struct BoxIntegration {
  private let m: Int
  /// In the order of integration: feature order[i] is row i.
  private var order: [Int]
  private var lower: [Double]
  private var upper: [Double]
  private var width: [Double]
  /// Cholesky factor, packed by rows.
  private var factor: [Double]
  /// About where the independent normals of each row lie.
  private var origin: [Double]
  private let deviations: [Double]

  /// Orders the features: each time the least probable one, given that those before it lie at their means (Gibson, Glasbey &
  /// Elston 1994). Nil unless the matrix is positive definite.
  init?(covariance: [Double], lower: [Double], upper: [Double], width: [Double]) {
    let m = lower.count
    self.m = m
    self.lower = lower
    self.upper = upper
    self.width = width
    order = Array(0..<m)
    factor = Array(repeating: 0, count: m * (m + 1) / 2)
    origin = Array(repeating: 0, count: m)
    deviations = (0..<m).map { covariance[$0 * ($0 + 3) / 2].squareRoot() }
    var rows = (0..<m).map { i in (0..<m).map { covariance[BoxMoments.packed(i, $0)] } }
    for i in 0..<m {
      var best: (row: Int, logProbability: Double, interval: StandardInterval)?
      for j in i..<m {
        var (pivot, center) = (rows[j][order[j]], 0.0)
        for k in 0..<i {
          pivot -= rows[j][order[k]] * rows[j][order[k]]
          center += rows[j][order[k]] * origin[k]
        }
        guard pivot > 0, pivot < .infinity else { return nil }
        let root = pivot.squareRoot()
        let interval = StandardInterval(
          lower: (self.lower[j] - center) / root, upper: (self.upper[j] - center) / root,
          width: self.width[j] / root)
        let logProbability = interval.logProbability
        if best == nil || logProbability < best!.logProbability {
          best = (j, logProbability, interval)
        }
      }
      let (row, _, interval) = best!
      rows.swapAt(i, row)
      order.swapAt(i, row)
      self.lower.swapAt(i, row)
      self.upper.swapAt(i, row)
      self.width.swapAt(i, row)
      let moments = interval.moments
      origin[i] =
        moments.isFromEnd
        ? (interval.isMirrored ? -interval.p - moments.mean : interval.p + moments.mean)
        : moments.mean
      // Columns of the factor stand where those of the matrix did.
      let own = order[i]
      var pivot = rows[i][own]
      for k in 0..<i { pivot -= rows[i][order[k]] * rows[i][order[k]] }
      let root = pivot.squareRoot()
      rows[i][own] = root
      for j in i + 1..<m {
        var sum = rows[j][own]
        for k in 0..<i { sum -= rows[j][order[k]] * rows[i][order[k]] }
        rows[j][own] = sum / root
      }
    }
    for i in 0..<m {
      for j in 0...i { factor[i * (i + 1) / 2 + j] = rows[i][order[j]] }
    }
  }

  /// Sums over the points of one shift; weights are relative to e^scale.
  private struct Sums {
    var scale = -Double.infinity
    var zeroth = 0.0
    var first: [Double]
    var second: [Double]
    init(_ m: Int) {
      first = Array(repeating: 0, count: m)
      second = Array(repeating: 0, count: m * (m + 1) / 2)
    }
    mutating func rescale(to scale: Double) {
      let ratio = self.scale == -.infinity ? 0 : Kernels.exp(self.scale - scale)
      zeroth *= ratio
      for i in first.indices { first[i] *= ratio }
      for i in second.indices { second[i] *= ratio }
      self.scale = scale
    }
  }

  /// Moments about the means of the whole, of the features in the order that was given.
  func integrate(pointCount: Int) -> BoxMoments {
    let shifts = BoxMoments.shiftCount
    let perShift = max(1, pointCount / shifts)
    // Fractions of the roots of primes, in units of 2⁻⁶⁴.
    var steps: [UInt64] = []
    var candidate = 2
    while steps.count < m - 1 {
      if !(2..<candidate).contains(where: { candidate % $0 == 0 }) {
        let root = Double(candidate).squareRoot()
        steps.append(UInt64((root - root.rounded(.down)) * 0x1p64))
      }
      candidate += 1
    }
    var random = RandomStream(seed: 0, stream: 0x6c61_7474_6963_65)
    var all: [Sums] = []
    var y = Array(repeating: 0.0, count: m)
    for _ in 0..<shifts {
      let start = steps.map { _ in random.next() }
      var sums = Sums(m)
      for point in 0..<perShift {
        var logWeight = 0.0
        var lastVariance = 0.0
        for i in 0..<m {
          let line = i * (i + 1) / 2
          var center = 0.0
          for k in 0..<i { center += factor[line + k] * y[k] }
          let root = factor[line + i]
          let interval = StandardInterval(
            lower: (lower[i] - center) / root, upper: (upper[i] - center) / root,
            width: width[i] / root)
          if i < m - 1 {
            logWeight += interval.logProbability
            let x = start[i] &+ UInt64(point) &* steps[i]
            // Folded, so that the integrand has no jump where the lattice ends.
            let v = abs((Double(x >> 11) + 0.5) * 0x1p-52 - 1)
            y[i] = interval.quantile(min(max(v, 0x1p-53), 1 - 0x1p-53))
          } else {
            let moments = interval.moments
            logWeight += moments.logProbability
            lastVariance = moments.variance
            y[i] =
              moments.isFromEnd
              ? (interval.isMirrored ? -interval.p - moments.mean : interval.p + moments.mean)
              : moments.mean
          }
        }
        if logWeight == -.infinity { continue }
        if !(logWeight - sums.scale < 300) { sums.rescale(to: logWeight) }
        // A hat over the points: for smooth integrands the error falls with their square (Haselgrove 1961, Math.
        // Comp. 15, 323–337).
        let hat = 1 - abs(Double(2 * point + 1) / Double(perShift) - 1)
        let weight = hat * Kernels.exp(logWeight - sums.scale)
        sums.zeroth += weight
        for i in 0..<m {
          let weighted = weight * (y[i] - origin[i])
          sums.first[i] += weighted
          for j in 0...i { sums.second[i * (i + 1) / 2 + j] += weighted * (y[j] - origin[j]) }
        }
        sums.second[m * (m + 1) / 2 - 1] += weight * lastVariance
      }
      all.append(sums)
    }
    return combine(&all, perShift: perShift)
  }

  /// Feature by feature L times what the normals of the rows sum to.
  private func multiply(_ rows: [Double]) -> [Double] {
    var result = Array(repeating: 0.0, count: m)
    for i in 0..<m {
      for j in 0...i { result[i] += factor[i * (i + 1) / 2 + j] * rows[j] }
    }
    return result
  }

  private func combine(_ all: inout [Sums], perShift: Int) -> BoxMoments {
    let count = Double(all.count)
    let hats = (0..<perShift).reduce(0.0) {
      $0 + (1 - abs(Double(2 * $1 + 1) / Double(perShift) - 1))
    }
    let scale = all.map(\.scale).max()!
    var total = Sums(m)
    if scale > -.infinity {
      for index in all.indices {
        all[index].rescale(to: scale)
        total.zeroth += all[index].zeroth
        for i in 0..<m { total.first[i] += all[index].first[i] }
        for i in total.second.indices { total.second[i] += all[index].second[i] }
      }
    }
    let own = total.zeroth > 0 ? 1 / total.zeroth : 0
    let offset = total.first.map { $0 * own }
    let rowMean = multiply(zip(origin, offset).map { $0 + $1 })
    var squares = 0.0
    var meanSquares = Array(repeating: 0.0, count: m)
    for sums in all {
      let relative = sums.zeroth * own * count
      squares += (relative - 1) * (relative - 1)
      // The mean is a ratio of sums: errors of both count together.
      var apart = sums.first
      for i in 0..<m { apart[i] = (apart[i] - offset[i] * sums.zeroth) * own * count }
      let deviation = multiply(apart)
      for i in 0..<m { meanSquares[i] += deviation[i] * deviation[i] }
    }
    let freedom = count * (count - 1)
    // L C Lᵀ.
    var inner = Array(repeating: 0.0, count: m * m)
    for i in 0..<m {
      for j in 0..<m {
        inner[i * m + j] =
          total.second[BoxMoments.packed(i, j)] * own - offset[i] * offset[j]
      }
    }
    let half = (0..<m).map { j in multiply((0..<m).map { inner[$0 * m + j] }) }
    var result = BoxMoments(
      logProbability: total.zeroth > 0
        ? scale + Kernels.log(total.zeroth / (count * hats)) : -.infinity,
      mean: Array(repeating: 0, count: m),
      covariance: Array(repeating: 0, count: m * (m + 1) / 2),
      probabilityError: (squares / freedom).squareRoot())
    for i in 0..<m {
      result.mean[order[i]] = rowMean[i]
      let row = multiply((0..<m).map { half[$0][i] })
      for j in 0...i { result.covariance[BoxMoments.packed(order[i], order[j])] = row[j] }
      result.momentError = max(
        result.momentError, (meanSquares[i] / freedom).squareRoot() / deviations[order[i]])
    }
    return result
  }
}
