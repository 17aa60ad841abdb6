// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension GaussianMixture {
  /// The M-step: the mixture of the given structure under which the statistics are most likely.
  ///
  /// With Nₖ, means x̄ₖ = oₖ + Fₖ / Nₖ and scatters Wₖ = Sₖ − Fₖ Fₖᵀ / Nₖ: wₖ = Nₖ / N, μₖ = x̄ₖ, and
  ///
  /// | structure | covariance |
  /// |---|---|
  /// | VVV | Wₖ / Nₖ |
  /// | EEE | Σₖ Wₖ / N |
  /// | VVI, EEI | the diagonals of these |
  /// | VII, EII | the means of these diagonals, times the identity |
  /// | EVV | λ Wₖ / gₖ, with gₖ = det(Wₖ)^(1/d) and λ = Σₖ gₖ / N |
  /// | EVI | the same of the diagonals |
  /// | EEV | Lₖ (Σₖ Ωₖ / N) Lₖᵀ, with the decompositions Wₖ = Lₖ Ωₖ Lₖᵀ, eigenvalues in descending order |
  /// | VEE | λₖ C, with C = Σₖ Wₖ / λₖ / N and λₖ = tr(C⁻¹ Wₖ) / (d Nₖ) |
  /// | VEI, VEV | the same of the diagonals; the same of Ωₖ, turned by Lₖ |
  /// | VVE, EVE | D Δₖ Dᵀ, with Δₖ those of VVI or EVI for the scatters Dᵀ Wₖ D, and the best D that is found |
  ///
  /// (Celeux & Govaert 1995, [doi:10.1016/0031-3203(94)00125-6](https://doi.org/10.1016/0031-3203(94)00125-6)). Those of
  /// VEE, VEI and VEV are iterated until they are still, and are the only maximum. For VVE and EVE the axes D are turned
  /// two at a time until no turn helps (Flury & Gautschi 1986, [doi:10.1137/0907013](https://doi.org/10.1137/0907013);
  /// Browne & McNicholas 2014, [doi:10.1007/s11634-013-0139-1](https://doi.org/10.1007/s11634-013-0139-1)). There may be
  /// several such ends.
  ///
  /// - Parameters:
  ///   - statistics: Statistics whose second moments hold the structure's form.
  ///   - structure: The structure of the covariances.
  ///   - equalWeights: Whether every weight is 1 / K whatever Nₖ is.
  ///   - minimumVariances: The floor f, d numbers: covariances are kept such that Σ − diag(f) is positive
  ///     semidefinite; those of EII and VII, which know one unit only, such that λ is at least the mean of f; those of
  ///     EVE, VVE, EEV and VEV, such that no eigenvalue is below the least of f. None by default.
  ///   - prior: A prior. The M-step then makes the expected log-likelihood plus the logarithm of the prior's density as
  ///     large as it can: with the same formulas for Nₖ + 1{κ > 0} + c in place of Nₖ and
  ///     Wₖ + Λ + κ Nₖ / (κ + Nₖ) (x̄ₖ − μ₀)(x̄ₖ − μ₀)ᵀ in place of Wₖ, with c and Λ as in ``ConjugatePrior`` (divided by K if
  ///     the covariance is shared); μₖ = (Nₖ x̄ₖ + κ μ₀) / (Nₖ + κ) and wₖ = (Nₖ + α − 1) / (N + K (α − 1)).
  ///   - fixed: Parameters that stay as they are; it has ``FixedParameters/values``. With a fixed mean m, Wₖ is about it:
  ///     Wₖ + Nₖ (x̄ₖ − m)(x̄ₖ − m)ᵀ, and κ (m − μ₀)(m − μ₀)ᵀ the prior's part.
  ///   - previous: The model that the statistics' responsibilities come from. Iterations begin at it, if it has the same
  ///     structure, so that the new model is no less likely. Without it, VVE and EVE try several orientations and keep
  ///     the best.
  /// - Throws: ``MixtureError/Code/invalidModel`` naming a component without weight;
  ///   ``MixtureError/Code/notPositiveDefinite`` naming a component whose covariance is singular;
  ///   ``MixtureError/Code/shapeMismatch`` for statistics that lack the moments, or a floor or prior of another length;
  ///   ``MixtureError/Code/invalidSetting`` for a floor that is negative or not finite, or zero for some features only
  ///   (EII and VII take that too), for a prior out of range, and for parameters that cannot be fixed.
  /// - Complexity: O(K·d²), and O(K·d³) to factor the result, to find eigenvectors, and for each sweep over the axes.
  public init(
    maximizing statistics: SufficientStatistics, structure: CovarianceStructure,
    equalWeights: Bool = false, minimumVariances: [Double]? = nil,
    prior: ConjugatePrior? = nil, fixed: FixedParameters = .none,
    previous: GaussianMixture? = nil
  ) throws(MixtureError) {
    let d = statistics.featureCount
    try prior?.requireValid(for: structure, featureCount: d)
    let held = try fixed.held(
      structure, componentCount: statistics.componentCount, featureCount: d,
      equalWeights: equalWeights, values: nil)
    let floor = CovarianceFloor(
      minimumVariances: minimumVariances ?? Array(repeating: 0, count: d))
    guard floor.minimumVariances.count == d else {
      throw MixtureError(
        .shapeMismatch,
        "there are \(floor.minimumVariances.count) minimum variances for \(d) features.")
    }
    let least = floor.leastVariance
    guard floor.minimumVariances.allSatisfy({ $0 >= 0 && $0.isFinite }),
      least > 0 || !floor.isActive || structure.form == .scalar
    else {
      throw MixtureError(
        .invalidSetting,
        "the minimum variances are \(floor.minimumVariances); they must all be positive and finite, "
          + "or all zero.")
    }
    guard statistics.form.holds(structure.form) else {
      throw MixtureError(
        .shapeMismatch,
        "the statistics hold \(statistics.form) second moments, too few for \(structure.rawValue).")
    }
    let step = MaximizationStep(
      statistics, structure: structure, equalWeights: equalWeights, floor: floor,
      prior: prior.map { PriorTerms($0, structure: structure) }, held: held, previous: previous)
    if let collapse = step.collapses.first {
      throw MixtureError(
        collapse.isEmpty ? .invalidModel : .notPositiveDefinite,
        "component \(collapse.component) collapsed: \(collapse.detail). "
          + "Fewer components or a larger covariance floor may help.")
    }
    self = try step.model()
  }
}

extension CovarianceStructure.Form {
  /// Whether second moments of this form determine covariances of the other.
  func holds(_ other: Self) -> Bool {
    switch (self, other) {
    case (.full, _), (.diagonal, .diagonal), (.diagonal, .scalar), (.scalar, .scalar): return true
    default: return false
    }
  }
}

/// One M-step in the making: the parameters, and which components give none.
struct MaximizationStep {
  /// A component that statistics leave without parameters.
  struct Collapse {
    let component: Int
    /// Whether it has no weight; else its covariance is singular.
    let isEmpty: Bool
    let detail: String
  }

  /// A component whose share of the weight is below this owns nothing.
  static let smallestShare = 1e-12

  private let structure: CovarianceStructure
  private let featureCount: Int
  private let weights: [Double]
  private let means: Matrix
  private var elements: [Double] = []
  /// The factors that the covariances are made of, if they are.
  private var factors: FactorDecomposition?
  /// The components without parameters; while there are any, there is no model.
  private(set) var collapses: [Collapse] = []
  /// The components whose covariance was raised to the floor; all of them if it is shared.
  private(set) var floored: [Int] = []
  /// The factors of full covariances, as the model has them, and their log determinants; nil unless all were found.
  private var factored: (factors: [Double], logDeterminants: [Double])?

  /// - Parameter threadCount: How many threads share the components out; it changes no bit.
  init(
    _ statistics: SufficientStatistics, structure: CovarianceStructure, equalWeights: Bool,
    floor: CovarianceFloor, factors: FactorStructure? = nil, prior: PriorTerms? = nil,
    held: HeldParameters? = nil, threadCount: Int = 1, previous: GaussianMixture?
  ) {
    let K = statistics.componentCount
    let d = statistics.featureCount
    let counts = (0..<K).map(statistics.zeroth)
    let total = counts.reduce(0, +)
    self.structure = structure
    featureCount = d
    let moments: [ComponentMoments]?
    if prior == nil, held == nil {
      moments = nil
      weights = counts.map { equalWeights ? 1 / Double(K) : $0 / total }
      means = Matrix(
        unchecked: (0..<K).flatMap(statistics.mean), rowCount: K, columnCount: d)
    } else {
      let own = (0..<K).map {
        ComponentMoments(
          statistics, $0, form: structure.form, least: Self.smallestShare * total, prior: prior,
          held: held, previous: previous)
      }
      moments = own
      let added = prior?.weightCount ?? 0
      let shares = counts.map {
        equalWeights ? 1 / Double(K) : ($0 + added) / (total + Double(K) * added)
      }
      weights = held?.hasFixedWeight == true ? held!.weights(sharing: shares) : shares
      means = Matrix(unchecked: own.flatMap(\.mean), rowCount: K, columnCount: d)
    }

    for k in 0..<K where !(counts[k] > Self.smallestShare * total) {
      if let moments, moments[k].isDetermined, weights[k] > 0,
        equalWeights || held?.weight(k) != nil || (prior?.weightCount ?? 0) > 0
      {
        continue
      }
      collapses.append(
        Collapse(
          component: k, isEmpty: true,
          detail: "its share of the weight fell to \(total > 0 ? counts[k] / total : 0) "
            + "(limit \(Self.smallestShare))"))
    }
    guard collapses.isEmpty else { return }

    if let held, held.covariance(0) != nil, (0..<K).allSatisfy({ held.covariance($0) != nil }) {
      elements =
        structure.isShared
        ? Array(held.covariance(0)!) : (0..<K).flatMap { held.covariance($0)! }
      return
    }
    if let factors {
      let found = FactorMaximization(
        counts: counts, scatters: (0..<K).flatMap { statistics.scatter($0, as: .full) },
        featureCount: d, structure: factors, floor: floor,
        previous: previous?.covariances.factors)
      self.factors = found.factors
      floored = found.floored
      elements =
        Covariances(unchecked: found.factors, isShared: structure.isShared).elements
      return
    }
    let covariances =
      moments.map {
        CovarianceMaximization(
          counts: $0.map(\.count), scatters: $0.flatMap(\.scatter), featureCount: d,
          structure: structure, floor: floor, threadCount: threadCount, previous: previous)
      }
      ?? CovarianceMaximization(
        statistics, structure: structure, floor: floor, threadCount: threadCount,
        previous: previous)
    elements = covariances.elements
    floored = covariances.floored
    let size = covariances.size
    if let held {
      for k in 0..<K {
        guard let own = held.covariance(k) else { continue }
        elements.replaceSubrange(k * size..<(k + 1) * size, with: own)
        floored.removeAll { $0 == k }
      }
    }
    let singular = singularCovariances(statistics, held: held, threadCount: threadCount)
    // If all are singular, so is what they share, and the least of them may be at fault.
    let sharesAll = structure.isShared
    if sharesAll || structure.shape == .equal, K > 1, singular.count * (sharesAll ? K : 1) == K {
      let smallest = counts.indices.min { counts[$0] < counts[$1] }!
      let shared = sharesAll ? "covariance" : "shape"
      collapses.append(
        Collapse(
          component: smallest, isEmpty: false,
          detail: "the \(shared) that all components share became singular"))
    } else {
      collapses = singular.map {
        Collapse(component: $0, isEmpty: false, detail: "its covariance became singular")
      }
    }
  }

  /// The model; only if nothing collapsed.
  func model() throws(MixtureError) -> GaussianMixture {
    try GaussianMixture(
      weights: weights, means: means,
      covariances: Covariances(
        unchecked: elements, structure: structure, componentCount: weights.count,
        featureCount: featureCount, factors: factors),
      factored: factored)
  }

  /// The covariances, by their place among those that are stored, that cannot be told from singular ones: a pivot vanishes
  /// to rounding, or a variance is below what the digits of the mean resolve. Those that are held are not among them.
  /// Keeps the factors that the test makes, unless one is missing.
  private mutating func singularCovariances(
    _ statistics: SufficientStatistics, held: HeldParameters?, threadCount: Int
  ) -> [Int] {
    let size = structure.form.elementCount(featureCount: featureCount)
    let count = elements.count / size
    guard structure.form == .full else {
      return (0..<count).filter { k in
        held?.covariance(k) == nil
          && !isResolved(
            elements[k * size..<(k + 1) * size], of: statistics,
            component: structure.isShared ? nil : k)
      }
    }
    // NaN where there is no factor.
    var logDeterminants = Array(repeating: Double.nan, count: count)
    let factors = logDeterminants.withUnsafeMutableBufferPointer { logDeterminants in
      // Each is touched by the one thread that has the covariance.
      nonisolated(unsafe) let logDeterminants = logDeterminants
      return ThreadTeam.fill(
        count, of: size,
        threadCount: ThreadTeam.worthwhile(threadCount, matrixCount: count, order: featureCount)
      ) { k, factor in
        let covariance = elements[k * size..<(k + 1) * size]
        _ = factor.initialize(from: covariance)
        let isHeld = held?.covariance(k) != nil
        guard
          isHeld
            || isResolved(
              covariance, of: statistics, component: structure.isShared ? nil : k),
          Kernels.cholesky(
            factor.baseAddress!, order: featureCount, tolerance: isHeld ? 0 : 1e-14)
        else { return }
        logDeterminants[k] = Cholesky.logDeterminant(factor.baseAddress!, order: featureCount)
      }
    }
    let missing = (0..<count).filter { logDeterminants[$0].isNaN }
    if missing.isEmpty { factored = (factors, logDeterminants) }
    return missing.filter { held?.covariance($0) == nil }
  }

  /// Whether the variances are above what the digits of the mean resolve.
  private func isResolved(
    _ covariance: ArraySlice<Double>, of statistics: SufficientStatistics, component: Int?
  ) -> Bool {
    let components = component.map { [$0] } ?? Array(0..<statistics.componentCount)
    let resolution = (0..<featureCount).map { j in
      components.map { k in
        let ulp = 4 * .ulpOfOne * abs(means[k, j])
        return max(ulp * ulp, .leastNormalMagnitude)
      }.max()!
    }
    let start = covariance.startIndex
    switch structure.form {
    case .scalar:
      return covariance[start] > resolution.max()!
    case .diagonal:
      return zip(covariance, resolution).allSatisfy { $0 > $1 }
    case .full:
      return (0..<featureCount).allSatisfy {
        covariance[start + $0 * ($0 + 3) / 2] > resolution[$0]
      }
    }
  }
}

/// What a component's statistics say together with a prior and fixed parameters: its mean, and the count and the scatter
/// that its covariance follows from.
private struct ComponentMoments {
  let mean: [Double]
  /// Nₖ and what the prior adds to it.
  let count: Double
  /// Wₖ about the mean and what the prior adds to it, in the form.
  let scatter: [Double]
  /// Whether the mean and the covariance are determined although there are no rows.
  let isDetermined: Bool

  /// - Parameter least: A component with no more rows than this has no mean of its own.
  init(
    _ statistics: SufficientStatistics, _ k: Int, form: CovarianceStructure.Form, least: Double,
    prior: PriorTerms?, held: HeldParameters?, previous: GaussianMixture?
  ) {
    let K = statistics.componentCount
    let d = statistics.featureCount
    let origin = statistics.origins.row(k)
    let meanCount = prior?.meanCount ?? 0
    var rows = statistics.zeroth(k)
    var offset: [Double]
    var scatter: [Double]
    // The mean is kept apart into an origin and an offset, so that no digits are lost to a large origin.
    var isDetermined = true
    if rows > least {
      offset = statistics.first(k).map { $0 / rows }
      scatter = statistics.scatter(k, as: form)
    } else {
      offset = Array(repeating: 0, count: d)
      scatter = Array(repeating: 0, count: form.elementCount(featureCount: d))
      rows = 0
      // Nothing can be said of it, so it stays what it was, with a count that weighs nothing.
      let before =
        previous?.componentCount == K && previous?.structure.form == form
        ? (mixture: previous!, component: k) : held?.start(k)
      if let before, held?.weight(k) != nil, before.mixture.structure.form == form {
        rows = least
        let mean = before.mixture.means.row(before.component)
        offset = zip(mean, origin).map { $0 - $1 }
        let perVariance = form == .scalar ? Double(d) : 1
        scatter = before.mixture.covariances.stored(before.component).map {
          $0 * rows * perVariance
        }
      } else {
        isDetermined = prior.map { $0.covarianceCount > 0 } ?? false
        if meanCount == 0, held?.mean(k) == nil { isDetermined = false }
      }
    }
    if let fixed = held?.mean(k) {
      mean = fixed
      let difference = (0..<d).map { (origin[$0] - fixed[$0]) + offset[$0] }
      scatter.addProduct(rows, difference, form: form)
      if let prior, meanCount > 0 {
        scatter.addProduct(meanCount, zip(fixed, prior.mean).map { $0 - $1 }, form: form)
      }
    } else if let prior, meanCount > 0 {
      let difference = (0..<d).map { (prior.mean[$0] - origin[$0]) - offset[$0] }
      let share = meanCount / (rows + meanCount)
      mean = (0..<d).map { origin[$0] + (offset[$0] + share * difference[$0]) }
      scatter.addProduct(rows * share, difference, form: form)
    } else {
      mean = (0..<d).map { origin[$0] + offset[$0] }
    }
    if let prior {
      for (index, element) in prior.scatter(K).enumerated() { scatter[index] += element }
      rows += prior.count(K)
    }
    count = rows
    self.scatter = scatter
    self.isDetermined = isDetermined
  }
}

// MARK: - Rescue

extension SufficientStatistics {
  /// The statistics without the given components.
  func removing(_ components: Set<Int>) -> SufficientStatistics {
    let kept = (0..<componentCount).filter { !components.contains($0) }
    var result = SufficientStatistics(
      origins: Matrix(
        unchecked: kept.flatMap { origins.row($0) }, rowCount: kept.count,
        columnCount: featureCount),
      form: form)
    result.unseenWeight = unseenWeight
    result.values =
      values[..<zerothStart] + kept.map(zeroth) + kept.flatMap(first) + kept.flatMap(second)
    return result
  }

  /// The statistics with component `k` added to component `target`, and without `k`.
  func merging(_ k: Int, into target: Int) -> SufficientStatistics {
    var moved = origins
    for j in 0..<featureCount { moved[k, j] = origins[target, j] }
    var result = rebased(to: moved)
    result.values[zerothStart + target] += result.zeroth(k)
    for j in 0..<featureCount {
      result.values[firstStart + target * featureCount + j] +=
        result.values[firstStart + k * featureCount + j]
    }
    for j in 0..<elementsPerSecond {
      result.values[secondStart + target * elementsPerSecond + j] +=
        result.values[secondStart + k * elementsPerSecond + j]
    }
    return result.removing([k])
  }
}
