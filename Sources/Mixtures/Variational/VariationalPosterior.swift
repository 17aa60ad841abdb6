// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The variational posterior of a mixture's parameters: a distribution over mixtures that factors into weights and, for each
/// component, mean and precision.
///
/// With V the ``scatters``, ν the ``degreesOfFreedom``, m the ``means`` and β the ``meanStrengths``: Λₖ ~ Wishart(Vₖ⁻¹, νₖ) and
/// μₖ given Λₖ ~ N(mₖ, (βₖ Λₖ)⁻¹). Of diagonal covariances each precision is Gamma(νₖ / 2, Vₖⱼ / 2), of spherical ones the
/// only one. Bishop (2006), Pattern Recognition and Machine Learning, section 10.2.
public struct VariationalPosterior: Sendable, Equatable {
  /// The Beta distribution of one broken stick.
  public struct Stick: Sendable, Codable, Equatable {
    /// 1 plus the rows of the component.
    public let kept: Double
    /// The concentration plus the rows of all later components.
    public let left: Double
  }

  /// The distribution of the weights.
  public enum Weights: Sendable, Codable, Equatable {
    /// The K concentrations of a Dirichlet distribution.
    case dirichlet([Double])
    /// The K − 1 sticks of a truncated Dirichlet process.
    case sticks([Stick])
  }

  /// What was believed before the data.
  public let prior: VariationalPrior
  /// The distribution of the weights.
  public let weights: Weights
  /// The rows of each component: sums of responsibilities, by case weight.
  public let counts: [Double]
  /// The expected means m, K × d.
  public let means: Matrix
  /// How many rows each of them is worth, β.
  public let meanStrengths: [Double]
  /// The degrees of freedom of the precisions ν, K numbers; all equal if one covariance is shared.
  public let degreesOfFreedom: [Double]
  /// The scatters V, in the covariances' structure.
  public let scatters: Covariances

  /// The plug-in mixture: expected weights, expected means, and the inverses of the expected precisions, Vₖ / νₖ.
  public let model: GaussianMixture

  /// What the E-step adds to −½ the squared distance under `model`:
  /// E[log wₖ] + ½ E[log |Λₖ|] − d / 2βₖ − ½ d log 2π.
  let constants: [Double]
  /// The Kullback–Leibler divergence of the posterior from the prior, in nats.
  public let divergence: Double

  /// What the E-step takes for a mixture: the components of `model` with `constants`.
  ///
  /// Rows that do not hold their features as they are have the integral of exp E[log w N(x; μ, Σ)] over what they may be.
  /// That is a normal density in x, with the mean and covariance of `model`, times exp of what the constants are more than
  /// its own: a weight.
  func expectationModel(for annotations: RowAnnotations?) -> GaussianMixture {
    guard let annotations, !annotations.isComplete else {
      return GaussianMixture(model, constants: constants, weights: model.weights)
    }
    let d = Double(featureCount)
    return GaussianMixture(
      model, constants: constants,
      weights: constants.indices.map {
        Kernels.exp(constants[$0] + 0.5 * (d * logTwoPi + model.logDeterminant($0)))
      })
  }

  /// The number of components, K.
  public var componentCount: Int { counts.count }
  /// The number of features, d.
  public var featureCount: Int { means.columnCount }
  /// The structure of the covariances.
  public var structure: CovarianceStructure { scatters.structure }

  /// The expected weights, K numbers that sum to 1.
  public var expectedWeights: [Double] { Self.expected(weights) }

  private static func expected(_ weights: Weights) -> [Double] {
    switch weights {
    case .dirichlet(let concentrations):
      let total = concentrations.reduce(0, +)
      return concentrations.map { $0 / total }
    case .sticks(let sticks):
      var rest = 1.0
      var result: [Double] = []
      for stick in sticks {
        let sum = stick.kept + stick.left
        result.append(rest * (stick.kept / sum))
        rest *= stick.left / sum
      }
      return result + [rest]
    }
  }

  /// A posterior from its parameters.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` if they do not fit together, ``MixtureError/Code/invalidModel`` or
  ///   ``MixtureError/Code/notPositiveDefinite`` if they are no posterior.
  init(
    prior: VariationalPrior, weights: Weights, counts: [Double], means: Matrix,
    meanStrengths: [Double], degreesOfFreedom: [Double], scatters: Covariances
  ) throws(MixtureError) {
    let K = counts.count
    let d = prior.featureCount
    let structure = scatters.structure
    let weightCount: Int
    let parameters: [Double]
    switch (weights, prior.weights) {
    case (.dirichlet(let concentrations), .dirichlet):
      (weightCount, parameters) = (concentrations.count, concentrations)
    case (.sticks(let sticks), .dirichletProcess):
      (weightCount, parameters) = (sticks.count + 1, sticks.flatMap { [$0.kept, $0.left] })
    default:
      throw MixtureError(.shapeMismatch, "posterior and prior of the weights are of two kinds.")
    }
    guard
      K > 0, weightCount == K, means.rowCount == K, means.columnCount == d,
      meanStrengths.count == K, degreesOfFreedom.count == K, scatters.componentCount == K,
      scatters.featureCount == d, structure.form == prior.scatter.structure.form
    else {
      throw MixtureError(
        .shapeMismatch,
        "the parameters of a variational posterior do not belong to one number of components, features and "
          + "structure.")
    }
    let least = structure.form == .full ? Double(d - 1) : 0
    guard parameters.allSatisfy({ $0 > 0 && $0.isFinite }),
      counts.allSatisfy({ $0 >= 0 && $0.isFinite }),
      meanStrengths.allSatisfy({ $0 > 0 && $0.isFinite }),
      degreesOfFreedom.allSatisfy({ $0 > least && $0.isFinite }),
      !structure.isShared || degreesOfFreedom.allSatisfy({ $0 == degreesOfFreedom[0] })
    else {
      throw MixtureError(
        .invalidModel,
        "a variational posterior holds a count, strength or concentration that cannot be.")
    }
    self.prior = prior
    self.weights = weights
    self.counts = counts
    self.means = means
    self.meanStrengths = meanStrengths
    self.degreesOfFreedom = degreesOfFreedom
    self.scatters = scatters

    let each = scatters.elementsPerMatrix
    model = try GaussianMixture(
      weights: Self.expected(weights), means: means,
      covariances: Covariances(
        unchecked: scatters.elements.enumerated().map {
          $1 / degreesOfFreedom[structure.isShared ? 0 : $0 / each]
        }, structure: structure, componentCount: K, featureCount: d))

    let (logWeights, weightDivergence) = Self.logWeights(weights, prior.weights, counts: counts)
    var constants = logWeights
    var divergence = weightDivergence
    let priorPrecision = PrecisionDistribution(
      prior.scatter.stored(0), degreesOfFreedom: prior.degreesOfFreedom, form: structure.form,
      featureCount: d)
    var precision = priorPrecision
    for k in 0..<K {
      if k == 0 || !structure.isShared {
        precision = PrecisionDistribution(
          scatters.stored(k), degreesOfFreedom: degreesOfFreedom[k], form: structure.form,
          featureCount: d)
        divergence += precision.divergence(from: priorPrecision)
      }
      let ratio = prior.strength / meanStrengths[k]
      let distance = precision.squaredDistance((0..<d).map { means[k, $0] - prior.location[$0] })
      divergence +=
        0.5
        * (Double(d) * (ratio - 1 - Kernels.log(ratio)) + prior.strength * distance)
      constants[k] +=
        0.5
        * (precision.expectedLogDeterminant - Double(d) / meanStrengths[k] - Double(d) * logTwoPi)
    }
    self.constants = constants
    self.divergence = divergence
  }

  /// E[log wₖ], and the divergence of the weights' posterior from their prior.
  private static func logWeights(
    _ weights: Weights, _ prior: WeightPrior, counts: [Double]
  ) -> (logWeights: [Double], divergence: Double) {
    switch (weights, prior) {
    case (.dirichlet(let concentrations), .dirichlet(let concentration?)):
      let K = Double(concentrations.count)
      let total = concentrations.reduce(0, +)
      let ofTotal = GammaFunctions.digamma(total)
      let logWeights = concentrations.map { GammaFunctions.digamma($0) - ofTotal }
      var divergence =
        GammaFunctions.logGamma(total) - GammaFunctions.logGamma(K * concentration)
      for k in concentrations.indices {
        divergence +=
          GammaFunctions.logGamma(concentration) - GammaFunctions.logGamma(concentrations[k])
          + (concentrations[k] - concentration) * logWeights[k]
      }
      return (logWeights, divergence)
    case (.sticks(let sticks), .dirichletProcess(let concentration)):
      var rest = 0.0
      var divergence = 0.0
      var logWeights: [Double] = []
      for stick in sticks {
        let ofTotal = GammaFunctions.digamma(stick.kept + stick.left)
        let kept = GammaFunctions.digamma(stick.kept) - ofTotal
        let left = GammaFunctions.digamma(stick.left) - ofTotal
        logWeights.append(rest + kept)
        rest += left
        divergence +=
          GammaFunctions.logGamma(stick.kept + stick.left) - GammaFunctions.logGamma(stick.kept)
          - GammaFunctions.logGamma(stick.left) - Kernels.log(concentration)
          + (stick.kept - 1) * kept + (stick.left - concentration) * left
      }
      return (logWeights + [rest], divergence)
    default: preconditionFailure("the kinds of weights were checked")
    }
  }
}

/// A Wishart distribution, independent Gamma distributions, or one.
private struct PrecisionDistribution {
  let form: CovarianceStructure.Form
  let featureCount: Int
  let elements: [Double]
  let degreesOfFreedom: Double
  private let factor: [Double]
  private let cholesky: Cholesky?
  /// log |V|; of a scalar the logarithm of the one number.
  private let logScatter: Double

  init(
    _ scatter: ArraySlice<Double>, degreesOfFreedom: Double, form: CovarianceStructure.Form,
    featureCount d: Int
  ) {
    self.form = form
    self.degreesOfFreedom = degreesOfFreedom
    featureCount = d
    elements = Array(scatter)
    switch form {
    case .full:
      let cholesky = Cholesky(raising: elements, order: d)
      self.cholesky = cholesky
      factor = cholesky.factor
      logScatter = cholesky.logDeterminant
    case .diagonal, .scalar:
      cholesky = nil
      factor = elements.map { 1 / $0.squareRoot() }
      logScatter = elements.reduce(0) { $0 + Kernels.log($1) }
    }
  }

  private var half: Double { 0.5 * degreesOfFreedom }

  /// Σ ψ, and Σ log Γ, over what the distribution is a product of.
  private var digammas: Double {
    switch form {
    case .full: return GammaFunctions.digamma(half, dimensions: featureCount)
    case .diagonal: return Double(featureCount) * GammaFunctions.digamma(half)
    case .scalar: return GammaFunctions.digamma(half)
    }
  }

  private var logGammas: Double {
    switch form {
    case .full: return GammaFunctions.logGamma(half, dimensions: featureCount)
    case .diagonal: return Double(featureCount) * GammaFunctions.logGamma(half)
    case .scalar: return GammaFunctions.logGamma(half)
    }
  }

  /// E[log |Λ|].
  var expectedLogDeterminant: Double {
    let logTwo = 0.6931471805599453
    let d = Double(featureCount)
    return form == .scalar
      ? d * (digammas + logTwo - logScatter) : digammas + d * logTwo - logScatter
  }

  /// E[δᵀ Λ δ].
  func squaredDistance(_ delta: [Double]) -> Double {
    let scaled: [Double]
    switch form {
    case .full: scaled = cholesky!.solveLower(delta)
    case .diagonal: scaled = zip(delta, factor).map { $0 * $1 }
    case .scalar: scaled = delta.map { $0 * factor[0] }
    }
    return degreesOfFreedom * scaled.reduce(0) { $0 + $1 * $1 }
  }

  /// The Kullback–Leibler divergence from another distribution of the same form.
  func divergence(from other: PrecisionDistribution) -> Double {
    // tr(V⁻¹ V₀) − d, with one dimension for a scalar.
    var trace = 0.0
    switch form {
    case .full:
      let inverse = cholesky!.inverse
      var index = 0
      for i in 0..<featureCount {
        for j in 0...i {
          trace += (i == j ? 1 : 2) * inverse[index] * other.elements[index]
          index += 1
        }
      }
      trace -= Double(featureCount)
    case .diagonal, .scalar:
      for (own, others) in zip(elements, other.elements) { trace += (others - own) / own }
    }
    return (half - other.half) * digammas - logGammas + other.logGammas
      + other.half * (logScatter - other.logScatter) + half * trace
  }
}

// MARK: - The M-step

extension VariationalPosterior {
  /// The posterior that the statistics lead to: the one with the largest bound for their responsibilities.
  ///
  /// With Nₖ, x̄ₖ and the scatters Wₖ about them: βₖ = β₀ + Nₖ, mₖ = (β₀ m₀ + Nₖ x̄ₖ) / βₖ, νₖ = ν₀ + Nₖ (d Nₖ if
  /// spherical) and Vₖ = V₀ + Wₖ + β₀ Nₖ / βₖ (x̄ₖ − m₀)(x̄ₖ − m₀)ᵀ, summed over components if shared. Components of a
  /// process are put in the order of their rows, if that raises the bound.
  ///
  /// **Numerics.** A sum of positive semidefinite terms about the current means.
  init(
    _ statistics: SufficientStatistics, prior: VariationalPrior, structure: CovarianceStructure
  ) throws(MixtureError) {
    let K = statistics.componentCount
    let d = statistics.featureCount
    let form = structure.form
    let order = Self.order(of: statistics, prior.weights)
    let counts = order.map(statistics.zeroth)
    let each = form.elementCount(featureCount: d)
    var means: [Double] = []
    var scatters: [Double] = []
    var shared = Array(prior.scatter.stored(0))
    for (place, k) in order.enumerated() {
      let n = counts[place]
      // Less than this is nothing, and has no mean.
      let isEmpty = n < 1e-200
      let mean = isEmpty ? prior.location : statistics.mean(k)
      let share = n / (prior.strength + n)
      let delta = zip(mean, prior.location).map { $0 - $1 }
      means += zip(prior.location, delta).map { $0 + share * $1 }
      var scatter = structure.isShared ? shared : Array(prior.scatter.stored(0))
      if !isEmpty {
        let own = statistics.scatter(k, as: form)
        let weight = prior.strength * share
        switch form {
        case .full:
          var index = 0
          for i in 0..<d {
            for j in 0...i {
              scatter[index] += own[index] + weight * delta[i] * delta[j]
              index += 1
            }
          }
        case .diagonal:
          for j in 0..<d { scatter[j] += max(own[j], 0) + weight * delta[j] * delta[j] }
        case .scalar:
          scatter[0] += max(own[0], 0) + weight * delta.reduce(0) { $0 + $1 * $1 }
        }
      }
      if structure.isShared { shared = scatter } else { scatters += scatter }
    }
    if structure.isShared { scatters = shared }
    guard scatters.allSatisfy(\.isFinite) else {
      throw MixtureError(
        .invalidSetting,
        "the prior location of the means is too far from the data for double precision: squared distances "
          + "overflow.")
    }
    if form == .full {
      // Rounding of what was subtracted may outweigh a prior that is much smaller than the data.
      for start in stride(from: 0, to: scatters.count, by: each)
      where Cholesky(packed: scatters[start..<start + each], order: d) == nil {
        scatters.replaceSubrange(
          start..<start + each,
          with: Cholesky(raising: Array(scatters[start..<start + each]), order: d).product)
      }
    }
    let perRow = form == .scalar ? Double(d) : 1
    let total = counts.reduce(0, +)
    let weights: Weights
    switch prior.weights {
    case .dirichlet(let concentration):
      weights = .dirichlet(counts.map { concentration! + $0 })
    case .dirichletProcess(let concentration):
      var later = 0.0
      var sticks: [Stick] = []
      for k in (1..<max(K, 1)).reversed() {
        later += counts[k]
        sticks.append(Stick(kept: 1 + counts[k - 1], left: concentration + later))
      }
      weights = .sticks(sticks.reversed())
    }
    try self.init(
      prior: prior, weights: weights, counts: counts,
      means: Matrix(unchecked: means, rowCount: K, columnCount: d),
      meanStrengths: counts.map { prior.strength + $0 },
      degreesOfFreedom: counts.map {
        prior.degreesOfFreedom + perRow * (structure.isShared ? total : $0)
      },
      scatters: Covariances(
        unchecked: scatters, structure: structure, componentCount: K, featureCount: d))
  }

  /// The order of components in the posterior. Among orders of the same rows the divergence of the sticks is least if
  /// counts fall, but for the last two, which share a stick: there the larger comes last if the concentration is above 1.
  private static func order(of statistics: SufficientStatistics, _ prior: WeightPrior) -> [Int] {
    let given = Array(0..<statistics.componentCount)
    guard case .dirichletProcess(let concentration) = prior, given.count > 1 else { return given }
    var sorted = given.sorted {
      let (a, b) = (statistics.zeroth($0), statistics.zeroth($1))
      return a == b ? $0 < $1 : a > b
    }
    if concentration > 1 { sorted.swapAt(given.count - 2, given.count - 1) }
    // The sum of log B(1 + Nₖ, concentration + the rows after k), up to constants.
    func value(_ order: [Int]) -> Double {
      var later = concentration
      var sum = 0.0
      for place in order.indices.dropFirst().reversed() {
        later += statistics.zeroth(order[place])
        let kept = 1 + statistics.zeroth(order[place - 1])
        sum +=
          GammaFunctions.logGamma(kept) + GammaFunctions.logGamma(later)
          - GammaFunctions.logGamma(kept + later)
      }
      return sum
    }
    return value(sorted) > value(given) ? sorted : given
  }
}

extension Cholesky {
  /// L Lᵀ, packed.
  fileprivate var product: [Double] {
    var result: [Double] = []
    func element(_ i: Int, _ j: Int) -> Double {
      let value = factor[i * (i + 1) / 2 + j]
      return i == j ? 1 / value : value
    }
    for i in 0..<order {
      for j in 0...i {
        result.append((0...j).reduce(0) { $0 + element(i, $1) * element(j, $1) })
      }
    }
    return result
  }
}

// MARK: - What the posterior says

extension VariationalPosterior {
  /// The logarithm of the predictive density of new rows: log Σₖ E[wₖ] St(x), with Student's distribution for each component,
  /// which is the density of a row averaged over the posterior.
  ///
  /// With full covariances, f = νₖ + 1 − d degrees of freedom, location mₖ and scale matrix (1 + βₖ) Vₖ / (βₖ f). With
  /// diagonal ones, a product over the features of νₖ degrees and squared scale (1 + βₖ) Vₖⱼ / (βₖ νₖ); with spherical ones,
  /// νₖ degrees and the scale matrix (1 + βₖ) Vₖ / (βₖ νₖ) times the identity. Bishop (2006), 10.81.
  ///
  /// - Parameters:
  ///   - observations: n × d; case weights play no part.
  ///   - threadCount: How many threads to use; nil means one for each processor. It changes no result.
  /// - Returns: n numbers, in nats.
  /// - Throws: ``MixtureError/Code/featureCountMismatch`` if the data do not have d columns;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first row that holds NaN or infinity;
  ///   ``MixtureError/Code/invalidAnnotation`` for rows that carry more than case weights.
  /// - Complexity: O(n·K·d²) for full covariances, O(n·K·d) otherwise.
  public func logPredictiveDensities(
    of observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> [Double] {
    try model.requireFeatures(of: observations)
    try observations.requirePlainRows()
    let K = componentCount
    let d = featureCount
    let form = structure.form
    let logPi = 1.1447298858494002
    // For each component: what a squared distance, in units of ν / V, is multiplied by, half the exponent, and the constant.
    let terms = (0..<K).map { k -> (scale: Double, exponent: Double, constant: Double) in
      let (nu, beta) = (degreesOfFreedom[k], meanStrengths[k])
      let shrink = beta / (1 + beta)
      // log |V / ν| is that of the model's covariance.
      let logDeterminant = model.logDeterminant(k)
      let logWeight = Kernels.log(model.weights[k])
      let logShrink = Double(d) * (Kernels.log(shrink) - logPi)
      switch form {
      case .full:
        let exponent = 0.5 * (nu + 1)
        return (
          shrink / nu, exponent,
          logWeight + GammaFunctions.logGamma(exponent)
            - GammaFunctions.logGamma(exponent - 0.5 * Double(d))
            + 0.5 * (logShrink - logDeterminant - Double(d) * Kernels.log(nu))
        )
      case .diagonal:
        let exponent = 0.5 * (nu + 1)
        return (
          shrink / nu, exponent,
          logWeight
            + Double(d)
            * (GammaFunctions.logGamma(exponent) - GammaFunctions.logGamma(0.5 * nu)
              - 0.5 * Kernels.log(nu)) + 0.5 * (logShrink - logDeterminant)
        )
      case .scalar:
        let exponent = 0.5 * (nu + Double(d))
        return (
          shrink / nu, exponent,
          logWeight + GammaFunctions.logGamma(exponent) - GammaFunctions.logGamma(0.5 * nu)
            + 0.5 * (logShrink - logDeterminant - Double(d) * Kernels.log(nu))
        )
      }
    }
    // log(1 + x), where distances that overflow count as e⁸⁰⁰.
    func logOnePlus(_ x: Double) -> Double {
      // Kahan's way: the rounding of 1 + x cancels.
      let y = 1 + x
      return y == 1 ? x : min(Kernels.log(y), 800) * (y == x ? 1 : x / (y - 1))
    }
    return try AnnotatedRows(observations, usesWeights: false).numbers(
      under: model, columns: 1, threadCount: threadCount, emptyRow: { $1[0] = 0 }
    ) { piece, output in
      let workspace = piece.workspace
      if form != .diagonal { piece.computeDistances(model) }
      for position in piece.rows.indices {
        for k in 0..<K {
          let term = terms[k]
          var exponents = 0.0
          switch form {
          case .full, .scalar:
            exponents = logOnePlus(-2 * workspace.joint(position, k) * term.scale)
          case .diagonal:
            for j in 0..<d {
              let scaled =
                (workspace.element(position, j) - means[k, j])
                * model.factors[k * model.factorStride + j]
              exponents += logOnePlus(scaled * scaled * term.scale)
            }
          }
          workspace.setResponsibility(position, k, term.constant - term.exponent * exponents)
        }
        var largest = -Double.infinity
        for k in 0..<K { largest = max(largest, workspace.joint(position, k)) }
        var sum = 0.0
        for k in 0..<K { sum += Kernels.exp(workspace.joint(position, k) - largest) }
        output(position)[0] = largest + Kernels.log(sum)
      }
    }
  }

  /// The plug-in mixture without the components that the posterior empties: those with fewer rows than the limit. Its weights
  /// are the expected ones, divided by their sum.
  ///
  /// - Throws: ``MixtureError/Code/invalidSetting`` if no component has as many rows.
  public func pruned(below rowLimit: Double = 1) throws(MixtureError) -> GaussianMixture {
    let kept = counts.indices.filter { counts[$0] >= rowLimit }
    guard !kept.isEmpty else {
      throw MixtureError(
        .invalidSetting,
        "no component has \(rowLimit) rows; the largest has \(counts.max() ?? 0). Lower the limit.")
    }
    let total = kept.reduce(0) { $0 + model.weights[$1] }
    return try GaussianMixture(
      weights: kept.map { model.weights[$0] / total },
      means: Matrix(
        unchecked: kept.flatMap { means.row($0) }, rowCount: kept.count,
        columnCount: featureCount),
      covariances: Covariances(
        unchecked: structure.isShared
          ? model.covariances.elements : kept.flatMap { model.covariances.stored($0) },
        structure: structure, componentCount: kept.count, featureCount: featureCount))
  }
}

extension VariationalPosterior: Codable {
  private enum CodingKeys: String, CodingKey {
    case structure, prior, weights, counts, means, meanStrengths, degreesOfFreedom, scatters
  }

  /// Decodes what `encode(to:)` writes.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      prior: container.decode(VariationalPrior.self, forKey: .prior),
      weights: container.decode(Weights.self, forKey: .weights),
      counts: container.decode([Double].self, forKey: .counts),
      means: container.decode(Matrix.self, forKey: .means),
      meanStrengths: container.decode([Double].self, forKey: .meanStrengths),
      degreesOfFreedom: container.decode([Double].self, forKey: .degreesOfFreedom),
      scatters: Covariances(
        structure: container.decode(CovarianceStructure.self, forKey: .structure),
        matrices: container.decode([Matrix].self, forKey: .scatters)))
  }

  /// Encodes `structure`, `prior`, `weights`, `counts`, `means`, `meanStrengths`, `degreesOfFreedom` and `scatters` (K matrices
  /// of d × d).
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(structure, forKey: .structure)
    try container.encode(prior, forKey: .prior)
    try container.encode(weights, forKey: .weights)
    try container.encode(counts, forKey: .counts)
    try container.encode(means, forKey: .means)
    try container.encode(meanStrengths, forKey: .meanStrengths)
    try container.encode(degreesOfFreedom, forKey: .degreesOfFreedom)
    try container.encode(scatters.matrices, forKey: .scatters)
  }
}

extension ObservationSource {
  /// Requires rows that hold their features, with case weights at most.
  fileprivate func requirePlainRows() throws(MixtureError) {
    guard let annotations,
      !annotations.isComplete || annotations.knownComponents != nil || annotations.selection != nil
    else { return }
    throw MixtureError(
      .invalidAnnotation,
      "predictive densities are those of complete rows without noise, limits or known components. Leave these out, "
        + "or ask the plug-in mixture.")
  }

  /// Requires rows whose features, if they were known, would be all that there is to know.
  func requireVariationalRows() throws(MixtureError) {
    guard let annotations, annotations.knownComponents != nil || annotations.isTruncated else {
      return
    }
    throw MixtureError(
      .invalidAnnotation,
      "variational Bayes takes rows with case weights, gaps, noise, projections and limits, but not with known "
        + "components, a window or a selection function. Leave these out, or fit by maximum likelihood."
    )
  }
}
