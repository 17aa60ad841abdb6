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
  ///   - previous: The model that the statistics' responsibilities come from. Iterations begin at it, if it has the same
  ///     structure, so that the new model is no less likely. Without it, VVE and EVE try several orientations and keep
  ///     the best.
  /// - Throws: ``MixtureError/Code/invalidModel`` naming a component without weight;
  ///   ``MixtureError/Code/notPositiveDefinite`` naming a component whose covariance is singular;
  ///   ``MixtureError/Code/shapeMismatch`` for statistics that lack the moments, or a floor of another length;
  ///   ``MixtureError/Code/invalidSetting`` for a floor that is negative or not finite, or zero for some features only
  ///   (EII and VII take that too).
  /// - Complexity: O(K·d²), and O(K·d³) to factor the result, to find eigenvectors, and for each sweep over the axes.
  public init(
    maximizing statistics: SufficientStatistics, structure: CovarianceStructure,
    equalWeights: Bool = false, minimumVariances: [Double]? = nil,
    previous: GaussianMixture? = nil
  ) throws(MixtureError) {
    let d = statistics.featureCount
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
      previous: previous)
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
  /// The components without parameters; while there are any, there is no model.
  private(set) var collapses: [Collapse] = []
  /// The components whose covariance was raised to the floor; all of them if it is shared.
  private(set) var floored: [Int] = []

  init(
    _ statistics: SufficientStatistics, structure: CovarianceStructure, equalWeights: Bool,
    floor: CovarianceFloor, previous: GaussianMixture?
  ) {
    let K = statistics.componentCount
    let d = statistics.featureCount
    let counts = (0..<K).map(statistics.zeroth)
    let total = counts.reduce(0, +)
    self.structure = structure
    featureCount = d
    weights = counts.map { equalWeights ? 1 / Double(K) : $0 / total }
    means = Matrix(
      unchecked: (0..<K).flatMap(statistics.mean), rowCount: K, columnCount: d)

    for k in 0..<K where !(counts[k] > Self.smallestShare * total) {
      collapses.append(
        Collapse(
          component: k, isEmpty: true,
          detail: "its share of the weight fell to \(total > 0 ? counts[k] / total : 0) "
            + "(limit \(Self.smallestShare))"))
    }
    guard collapses.isEmpty else { return }

    let covariances = CovarianceMaximization(
      statistics, structure: structure, floor: floor, previous: previous)
    elements = covariances.elements
    floored = covariances.floored
    let size = covariances.size
    let singular = (0..<elements.count / size).filter {
      isSingular(
        Array(elements[$0 * size..<($0 + 1) * size]), origin: statistics,
        component: structure.isShared ? nil : $0)
    }
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
        featureCount: featureCount))
  }

  /// Whether a covariance cannot be told from a singular one: a pivot vanishes to rounding, or a variance is
  /// below what the digits of the mean resolve.
  private func isSingular(
    _ covariance: [Double], origin statistics: SufficientStatistics, component: Int?
  ) -> Bool {
    let components = component.map { [$0] } ?? Array(0..<statistics.componentCount)
    let resolution = (0..<featureCount).map { j in
      components.map { k in
        let ulp = 4 * .ulpOfOne * abs(means[k, j])
        return max(ulp * ulp, .leastNormalMagnitude)
      }.max()!
    }
    switch structure.form {
    case .scalar:
      return !(covariance[0] > resolution.max()!)
    case .diagonal:
      return zip(covariance, resolution).contains { !($0 > $1) }
    case .full:
      for j in 0..<featureCount where !(covariance[j * (j + 3) / 2] > resolution[j]) { return true }
      return Cholesky(packed: covariance, order: featureCount, tolerance: 1e-14) == nil
    }
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
