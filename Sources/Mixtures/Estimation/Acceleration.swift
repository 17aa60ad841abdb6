// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Whether, and how, a fit goes further in one iteration than EM does.
public enum Acceleration: String, Sendable, Codable, CaseIterable {
  /// Every iteration is a step of EM.
  case none
  /// Quasi-Newton steps from the curvature that earlier iterations showed, with EM's step as the first guess; a step
  /// that lowers the log-likelihood is taken back, and EM's own step follows.
  ///
  /// With u the parameters in unconstrained coordinates and f(u) the step that EM takes from u, the gradient of the
  /// log-likelihood is, to first order, g = G f, where G is the information of the complete data. EM is the ascent with
  /// G⁻¹ in place of the inverse Hessian, which is why it is slow where components overlap: G counts information that
  /// the data do not have. The difference is learnt as in limited-memory BFGS: up to ten pairs of a change of u and the
  /// change of g that came with it, and G⁻¹ below them. An iteration costs one E-step and one M-step, as without
  /// acceleration. Jamshidian & Jennrich (1997), [doi:10.1111/1467-9868.00083](https://doi.org/10.1111/1467-9868.00083);
  /// Nocedal (1980), [doi:10.1090/S0025-5718-1980-0572855-7](https://doi.org/10.1090/S0025-5718-1980-0572855-7).
  ///
  /// **Numerics.** The coordinates are the logarithms of the weights, the means in standard deviations of their
  /// component, and the logarithms of standard deviations; of full covariances the Cholesky factor, its diagonal as
  /// logarithms and its rows in units of the diagonal. So the fit does not depend on the units of the features or on
  /// their offsets. The order of the features changes the path with full covariances, but not where it ends. Where several local maxima are near, the path may lead to another one than EM's, better or worse.
  case quasiNewton = "quasi-newton"
}

/// What a fit expects of the iterations to come, in nats per observation.
struct Outlook: Codable, Equatable {
  /// What EM's step from the current model gains, to second order at most: fᵀ G f.
  let nextGain: Double
  /// What all steps to come gain: infinite where the curvature is not known or not that of a maximum.
  let remainingGain: Double
}

/// The memory of an accelerated fit: the pairs that describe the curvature, and how far to trust them.
struct QuasiNewton: Codable {
  /// How many pairs are remembered.
  static let pairLimit = 10
  /// How many curvatures are remembered to judge what is left to gain, and how many of the last must be positive.
  static let curvatureLimit = 40
  static let positiveCurvatureCount = 10
  /// Pairs with less curvature than this, relative to the complete data's, are no base for a step.
  static let leastCurvature = 1e-5
  /// The length of the first steps that are trusted, as the root of nats per observation.
  static let firstRadius = 0.2

  private var chart: ParameterChart?
  /// Changes of the coordinates, the changes of the (negative) gradient that came with them, and their products.
  private var steps: [[Double]] = []
  private var changes: [[Double]] = []
  private var products: [Double] = []
  /// sᵀy / sᵀGs of the last pairs, also of those that were not fit for a step.
  private var curvatures: [Double] = []
  private var radius = Self.firstRadius
  /// The point that the last outlook was for, its gradient, and the step that was derived.
  private var point: [Double] = []
  private var gradient: [Double] = []
  private var direction: [Double] = []
  /// The lengths of EM's step and of the step derived, the latter after it was cut to the radius.
  private var emLength = 0.0
  private var length = 0.0
  private var isCut = false

  /// Whether all vectors have the length that the reference demands.
  func isConsistent(featureCount d: Int) -> Bool {
    guard let chart else { return steps.isEmpty && changes.isEmpty && point.isEmpty }
    let reference = chart.reference
    let length =
      reference.componentCount * (1 + d)
      + reference.covariances.storedCount * reference.covariances.elementsPerMatrix
      + (reference.background == nil ? 0 : 1)
    return reference.featureCount == d
      && ([chart.units, point, gradient, direction] + steps + changes).allSatisfy {
        $0.count == length
      } && steps.count == changes.count && steps.count == products.count
  }

  /// Forgets everything; what follows has nothing to do with what was before.
  mutating func reset() {
    self = QuasiNewton()
  }

  /// Takes note of a model and of the model that EM makes of it, and derives a step. Nil if the two have no
  /// coordinates, as with a weight of zero.
  ///
  /// - Parameter added: What a prior adds to the information of the complete data.
  mutating func consider(
    _ current: GaussianMixture, mapped: GaussianMixture, added: PriorInformation? = nil
  ) -> Outlook? {
    let isContinuing = chart?.fits(current) ?? false
    if !isContinuing {
      reset()
      chart = ParameterChart(reference: current)
    }
    let chart = chart!
    let newPoint = chart.coordinates(of: current)
    let emStep = subtract(chart.coordinates(of: mapped), newPoint)
    let metric = chart.metric(of: current, added: added)
    var newGradient = emStep
    for index in newGradient.indices { newGradient[index] *= metric[index] }
    let nextGain = dot(emStep, newGradient)
    guard nextGain.isFinite else {
      reset()
      return nil
    }
    if isContinuing, !point.isEmpty {
      remember(
        step: subtract(newPoint, point), change: subtract(gradient, newGradient), metric: metric)
    }
    point = newPoint
    gradient = newGradient
    direction = steps.isEmpty ? emStep : ascent(metric)
    emLength = nextGain.squareRoot()
    let predicted = 0.5 * dot(direction, gradient)
    length = weightedDot(direction, direction, metric).squareRoot()
    isCut = length > radius
    if isCut {
      let factor = radius / length
      for index in direction.indices { direction[index] *= factor }
      length = radius
    }
    // The least curvature seen bounds what is left; the prediction of the step itself is the second opinion.
    var remaining = Double.infinity
    if curvatures.count >= 2, predicted >= 0,
      curvatures.suffix(Self.positiveCurvatureCount).allSatisfy({ $0 > 0 }),
      let least = curvatures.lazy.filter({ $0 > 0 }).min()
    {
      remaining = max(predicted, 0.5 * nextGain / least)
    }
    return Outlook(nextGain: nextGain, remainingGain: nextGain == 0 ? 0 : remaining)
  }

  /// The parameters that the derived step leads to; nil while nothing is known beyond EM's own step.
  func parameters() -> MixtureParameters? {
    guard let chart, !steps.isEmpty, length.isFinite, length > 0 else { return nil }
    var target = point
    for index in target.indices { target[index] += direction[index] }
    return chart.parameters(at: target)
  }

  /// The last step was kept.
  mutating func keep() {
    if isCut { radius *= 2 }
  }

  /// The last step was taken back: the older half of what was known misled, and a shorter step is safer.
  mutating func takeBack() {
    radius = max(min(radius, length) / 4, 2 * emLength)
    forget(steps.count / 2 + 1)
  }

  private mutating func forget(_ count: Int) {
    let count = min(count, steps.count)
    steps.removeFirst(count)
    changes.removeFirst(count)
    products.removeFirst(count)
  }

  private mutating func remember(step: [Double], change: [Double], metric: [Double]) {
    let size = weightedDot(step, step, metric)
    guard size > 0 else { return }
    let product = dot(step, change)
    let curvature = product / size
    guard curvature.isFinite else { return }
    curvatures.append(curvature)
    if curvatures.count > Self.curvatureLimit { curvatures.removeFirst() }
    guard curvature > Self.leastCurvature else {
      // Not the surroundings of a maximum: what was learnt elsewhere does not hold here.
      forget(steps.count)
      return
    }
    if steps.count == Self.pairLimit { forget(1) }
    steps.append(step)
    changes.append(change)
    products.append(product)
  }

  /// The two loops of limited-memory BFGS.
  private func ascent(_ metric: [Double]) -> [Double] {
    var result = gradient
    var factors = Array(repeating: 0.0, count: steps.count)
    for index in steps.indices.reversed() {
      factors[index] = dot(steps[index], result) / products[index]
      add(-factors[index], changes[index], to: &result)
    }
    // What EM counts as information is at least what there is, so its step is never too long.
    let last = steps.count - 1
    var scaledSquare = 0.0
    for (change, unit) in zip(changes[last], metric) { scaledSquare += change * change / unit }
    let scale = max(1, products[last] / scaledSquare)
    for index in result.indices { result[index] *= scale / metric[index] }
    for index in steps.indices {
      let factor = dot(changes[index], result) / products[index]
      add(factors[index] - factor, steps[index], to: &result)
    }
    return result
  }
}

/// The rows that a prior stands for, for each component and each row of the table: as many as a component's own rows have
/// information, so many times more has the objective.
struct PriorInformation {
  let weight: Double
  let mean: Double
  let covariance: Double

  init(_ prior: PriorTerms, componentCount K: Int, caseWeight: Double) {
    weight = prior.weightCount / caseWeight
    mean = prior.meanCount / caseWeight
    covariance = prior.count(K) / caseWeight
  }
}

/// Weights, means and the stored elements of covariances, before they are known to be a mixture.
struct MixtureParameters {
  let weights: [Double]
  let means: [Double]
  let elements: [Double]
  /// The share of the background, if there is one.
  let share: Double?
}

/// Unconstrained coordinates for mixtures of one shape, in units that a reference gives: near it, squared lengths are
/// (twice) nats per observation, by the information of the complete data.
///
/// | parameter | coordinate, as a difference |
/// |---|---|
/// | weight | √wₖ log wₖ |
/// | mean | √wₖ μₖⱼ / σₖⱼ |
/// | diagonal of the Cholesky factor, standard deviation | √(2 wₖ) log Lᵢᵢ; √(2 d wₖ) log σ for spheres |
/// | other elements of the Cholesky factor | √wₖ Lᵢⱼ / Lᵢᵢ |
/// | share s of the background | √(s (1 − s)) log (s / (1 − s)) |
///
/// with 1 in place of wₖ for a covariance that all components share.
struct ParameterChart: Codable {
  let reference: GaussianMixture
  /// What a parameter is multiplied with, in the order weights, means, covariances, background.
  let units: [Double]

  init(reference: GaussianMixture) {
    self.reference = reference
    let K = reference.componentCount
    let d = reference.featureCount
    let covariances = reference.covariances
    let roots = reference.weights.map { $0.squareRoot() }
    var units = roots
    for k in 0..<K {
      let stored = Array(covariances.stored(k))
      for j in 0..<d {
        let variance: Double
        switch reference.structure.form {
        case .full: variance = stored[j * (j + 3) / 2]
        case .diagonal: variance = stored[j]
        case .scalar: variance = stored[0]
        }
        units.append(roots[k] / variance.squareRoot())
      }
    }
    let each = covariances.elementsPerMatrix
    for k in 0..<covariances.storedCount {
      let root = reference.structure.isShared ? 1 : roots[k]
      switch reference.structure.form {
      case .full:
        for i in 0..<d {
          // The factor's diagonal holds inverses.
          let row = reference.factors[k * each + i * (i + 3) / 2] * root
          for _ in 0..<i { units.append(row) }
          units.append(2.0.squareRoot() * root)
        }
      case .diagonal:
        units += repeatElement(2.0.squareRoot() * root, count: d)
      case .scalar:
        units.append((2 * Double(d)).squareRoot() * root)
      }
    }
    if let share = reference.background?.share { units.append((share * (1 - share)).squareRoot()) }
    self.units = units
  }

  /// Whether a mixture has the reference's shape.
  func fits(_ model: GaussianMixture) -> Bool {
    model.componentCount == reference.componentCount && model.structure == reference.structure
      && (model.background == nil) == (reference.background == nil)
  }

  private static func logit(_ share: Double) -> Double {
    Kernels.log(share) - Kernels.log(1 - share)
  }

  /// How many coordinates are those of components.
  private var componentEnd: Int { units.count - (reference.background == nil ? 0 : 1) }

  private var meanStart: Int { reference.componentCount }
  private var covarianceStart: Int {
    reference.componentCount * (1 + reference.featureCount)
  }

  func coordinates(of model: GaussianMixture) -> [Double] {
    let K = model.componentCount
    let d = model.featureCount
    let form = model.structure.form
    let (means, origins, factors) = (model.means.elements, reference.means.elements, model.factors)
    return [Double](unsafeUninitializedCapacity: units.count) { result, count in
      // Only ratios of weights count, so their logarithms are taken about the mean.
      var mean = 0.0
      for k in 0..<K {
        result[k] = Kernels.log(model.weights[k] / reference.weights[k])
        mean += reference.weights[k] * result[k]
      }
      for k in 0..<K { result[k] = (result[k] - mean) * units[k] }
      for index in 0..<K * d {
        result[meanStart + index] = (means[index] - origins[index]) * units[meanStart + index]
      }
      var index = covarianceStart
      switch form {
      case .full:
        let each = d * (d + 1) / 2
        for k in 0..<model.covariances.storedCount {
          var element = k * each
          for i in 0..<d {
            for _ in 0..<i {
              result[index] = factors[element] * units[index]
              index += 1
              element += 1
            }
            result[index] = -Kernels.log(factors[element]) * units[index]
            index += 1
            element += 1
          }
        }
      case .diagonal, .scalar:
        for element in 0..<componentEnd - index {
          result[index] = -Kernels.log(factors[element]) * units[index]
          index += 1
        }
      }
      if let background = reference.background, let other = model.background {
        result[index] = (Self.logit(other.share) - Self.logit(background.share)) * units[index]
      }
      count = units.count
    }
  }

  /// The information of the complete data in these coordinates, of a mixture near the reference, where it is 1.
  func metric(of model: GaussianMixture, added: PriorInformation? = nil) -> [Double] {
    let weights = model.weights
    let K = reference.componentCount
    let d = reference.featureCount
    if let added { return metric(weights: weights, adding: added) }
    let ratios = zip(weights, reference.weights).map { $0 / $1 }
    var metric = ratios
    metric.reserveCapacity(units.count)
    for ratio in ratios { metric += repeatElement(ratio, count: d) }
    let each = reference.covariances.elementsPerMatrix
    if reference.structure.isShared {
      metric += repeatElement(1, count: each)
    } else {
      for k in 0..<K { metric += repeatElement(ratios[k], count: each) }
    }
    if let background = reference.background, let other = model.background {
      metric.append(other.share * (1 - other.share) / (background.share * (1 - background.share)))
    }
    return metric
  }

  /// The same with what a prior adds, in rows for each row of the table.
  private func metric(weights: [Double], adding added: PriorInformation) -> [Double] {
    let K = reference.componentCount
    let each = reference.covariances.elementsPerMatrix
    func ratio(_ k: Int, _ count: Double) -> Double {
      (weights[k] + count) / reference.weights[k]
    }
    var metric = weights.indices.map { ratio($0, Double(K) * added.weight * weights[$0]) }
    for k in 0..<K {
      metric += repeatElement(ratio(k, added.mean), count: reference.featureCount)
    }
    if reference.structure.isShared {
      metric += repeatElement(1 + Double(K) * added.covariance, count: each)
    } else {
      for k in 0..<K { metric += repeatElement(ratio(k, added.covariance), count: each) }
    }
    return metric
  }

  /// The parameters at a point; nil if they are not finite.
  func parameters(at point: [Double]) -> MixtureParameters? {
    let K = reference.componentCount
    let d = reference.featureCount
    let exponents = (0..<K).map { point[$0] / units[$0] }
    let largest = exponents.max() ?? 0
    var weights = (0..<K).map {
      reference.weights[$0] * Kernels.exp(exponents[$0] - largest)
    }
    let total = weights.reduce(0, +)
    for k in 0..<K { weights[k] /= total }
    let means = (0..<K * d).map {
      reference.means.elements[$0] + point[meanStart + $0] / units[meanStart + $0]
    }
    let count = componentEnd - covarianceStart
    var values = (0..<count).map { point[covarianceStart + $0] / units[covarianceStart + $0] }
    switch reference.structure.form {
    case .full:
      let each = d * (d + 1) / 2
      for k in 0..<reference.covariances.storedCount {
        for i in 0..<d {
          let diagonal = k * each + i * (i + 3) / 2
          values[diagonal] = Kernels.exp(values[diagonal])
        }
        values.withUnsafeMutableBufferPointer {
          squareFactor(UnsafeMutableBufferPointer(rebasing: $0[k * each..<(k + 1) * each]), d)
        }
      }
    case .diagonal, .scalar:
      for index in values.indices { values[index] = Kernels.exp(2 * values[index]) }
    }
    guard weights.allSatisfy(\.isFinite), means.allSatisfy(\.isFinite),
      values.allSatisfy(\.isFinite)
    else { return nil }
    var share: Double?
    if let background = reference.background {
      let logit = Self.logit(background.share) + point[componentEnd] / units[componentEnd]
      guard logit.isFinite else { return nil }
      // Neither end is reached, so that there is a way back.
      let odds = Kernels.exp(min(max(logit, -600), 30))
      share = odds / (1 + odds)
    }
    return MixtureParameters(weights: weights, means: means, elements: values, share: share)
  }

  /// L Lᵀ in place of a packed lower triangular L.
  private func squareFactor(_ factor: UnsafeMutableBufferPointer<Double>, _ d: Int) {
    // From the last row on, each row needs only itself and rows above it.
    for i in (0..<d).reversed() {
      let row = i * (i + 1) / 2
      for j in (0...i).reversed() {
        let other = j * (j + 1) / 2
        var sum = 0.0
        for m in 0...j { sum += factor[row + m] * factor[other + m] }
        factor[row + j] = sum
      }
    }
  }
}

extension SufficientStatistics {
  /// Statistics whose M-step has the given parameters, in the structure's form, as nearly as the structure and its floor
  /// allow: those of `caseWeight` rows spread as the mixture is.
  init(
    parameters: MixtureParameters, structure: CovarianceStructure, featureCount d: Int,
    caseWeight: Double
  ) {
    let K = parameters.weights.count
    self.init(
      origins: Matrix(unchecked: parameters.means, rowCount: K, columnCount: d),
      form: structure.form)
    values[0] = caseWeight
    // A trace sums the variances of d features.
    let perVariance = structure.form == .scalar ? Double(d) : 1
    let each = elementsPerSecond
    for k in 0..<K {
      let count = parameters.weights[k] * caseWeight
      values[zerothStart + k] = count
      let start = structure.isShared ? 0 : k * each
      for index in 0..<each {
        values[secondStart + k * each + index] =
          parameters.elements[start + index] * count * perVariance
      }
    }
  }
}

// MARK: - Vectors

/// Σᵢ term(i) for i below `count`, in four partial sums.
@inline(__always)
private func sum(_ count: Int, _ term: (Int) -> Double) -> Double {
  var (a, b, c, d) = (0.0, 0.0, 0.0, 0.0)
  let whole = count & ~3
  var i = 0
  while i < whole {
    a += term(i)
    b += term(i + 1)
    c += term(i + 2)
    d += term(i + 3)
    i += 4
  }
  while i < count {
    a += term(i)
    i += 1
  }
  return (a + b) + (c + d)
}

/// aᵀ b.
private func dot(_ a: [Double], _ b: [Double]) -> Double {
  a.withUnsafeBufferPointer { a in
    b.withUnsafeBufferPointer { b in sum(a.count) { a[$0] * b[$0] } }
  }
}

/// aᵀ diag(w) b.
private func weightedDot(_ a: [Double], _ b: [Double], _ weights: [Double]) -> Double {
  a.withUnsafeBufferPointer { a in
    b.withUnsafeBufferPointer { b in
      weights.withUnsafeBufferPointer { w in sum(a.count) { a[$0] * b[$0] * w[$0] } }
    }
  }
}

private func subtract(_ a: [Double], _ b: [Double]) -> [Double] {
  [Double](unsafeUninitializedCapacity: a.count) { result, count in
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in for i in a.indices { result[i] = a[i] - b[i] } }
    }
    count = a.count
  }
}

private func add(_ factor: Double, _ a: [Double], to result: inout [Double]) {
  result.withUnsafeMutableBufferPointer { result in
    a.withUnsafeBufferPointer { a in for i in a.indices { result[i] += factor * a[i] } }
  }
}
