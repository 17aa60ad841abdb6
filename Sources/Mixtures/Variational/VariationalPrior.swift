// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What is believed of the weights before the data. Concentrations are positive and at most 10⁶.
public enum WeightPrior: Sendable, Codable, Equatable {
  /// A symmetric Dirichlet distribution with this concentration for each component; nil means 1 / K. The smaller, the fewer
  /// components keep rows.
  case dirichlet(concentration: Double? = nil)
  /// A Dirichlet process with this concentration, by sticks that are broken K − 1 times: wₖ = vₖ Π (1 − vⱼ) over j < k with
  /// vₖ ~ Beta(1, concentration), and the last component takes what is left. Blei & Jordan (2006),
  /// [doi:10.1214/06-BA104](https://doi.org/10.1214/06-BA104).
  case dirichletProcess(concentration: Double = 1)
}

/// What is believed of a component's mean before the data, given its covariance Σ: N(location, Σ / strength).
public struct MeanPrior: Sendable, Codable, Equatable {
  /// Where means are expected, d numbers; nil means the mean of the data.
  public var location: [Double]?
  /// How many rows the belief is worth; positive and at most 10⁶.
  public var strength: Double

  /// A prior from its parts.
  public init(location: [Double]? = nil, strength: Double = 1) {
    self.location = location
    self.strength = strength
  }
}

/// What is believed of a component's precision Λ = Σ⁻¹ before the data: Λ ~ Wishart with E[Λ] = degreesOfFreedom · scatter⁻¹.
///
/// Of diagonal covariances each precision has the Gamma distribution of shape degreesOfFreedom / 2 and rate scatterⱼⱼ / 2; of
/// spherical ones there is one precision with such a distribution.
public struct PrecisionPrior: Sendable, Codable, Equatable {
  /// The scatter that the belief is worth, d × d; nil means the covariance of the data, restricted to the structure.
  public var scatter: Matrix?
  /// The degrees of freedom; nil means d with full covariances, else 1, so that each feature alone has one. More
  /// than d − 1 with full covariances, else positive, and at most 10⁶.
  public var degreesOfFreedom: Double?

  /// A prior from its parts.
  public init(scatter: Matrix? = nil, degreesOfFreedom: Double? = nil) {
    self.scatter = scatter
    self.degreesOfFreedom = degreesOfFreedom
  }
}

/// A prior with all that settings leave to the data filled in.
public struct VariationalPrior: Sendable, Equatable {
  /// The prior of the weights; its concentration is given.
  public let weights: WeightPrior
  /// The location of the means, d numbers.
  public let location: [Double]
  /// How many rows that is worth.
  public let strength: Double
  /// The scatter of the precisions, one matrix of the structure's form.
  public let scatter: Covariances
  /// The degrees of freedom of the precisions.
  public let degreesOfFreedom: Double

  /// The number of features, d.
  var featureCount: Int { location.count }

  /// Beyond these the bound, in which logarithms of gamma functions cancel, would keep less than eight decimals.
  private static let range = 1e-100...1e6

  /// - Throws: ``MixtureError/Code/invalidSetting`` or ``MixtureError/Code/shapeMismatch`` naming what cannot be.
  init(
    weights: WeightPrior, location: [Double], strength: Double, scatter: Covariances,
    degreesOfFreedom: Double
  ) throws(MixtureError) {
    func require(_ holds: Bool, _ message: @autoclosure () -> String) throws(MixtureError) {
      if !holds { throw MixtureError(.invalidSetting, message()) }
    }
    let d = scatter.featureCount
    let concentration: Double
    switch weights {
    case .dirichlet(let given?): concentration = given
    case .dirichlet(nil):
      throw MixtureError(.invalidSetting, "the concentration of the Dirichlet prior is missing.")
    case .dirichletProcess(let given): concentration = given
    }
    try require(
      Self.range.contains(concentration),
      "the concentration of the weights' prior is \(concentration); it must be positive, between 1e-100 and 1e6."
    )
    guard location.count == d else {
      throw MixtureError(
        .shapeMismatch,
        "the prior location of the means has \(location.count) numbers for \(d) features.")
    }
    try require(
      location.allSatisfy(\.isFinite),
      "the prior location of the means is \(location); every number must be finite.")
    try require(
      Self.range.contains(strength),
      "the strength of the means' prior is \(strength); it must be positive, between 1e-100 and 1e6."
    )
    let least = scatter.structure.form == .full ? Double(d - 1) : 0
    try require(
      degreesOfFreedom > least && Self.range.contains(degreesOfFreedom),
      "the prior degrees of freedom are \(degreesOfFreedom); they must be more than \(least) and at most 1e6."
    )
    guard
      GaussianMixture.factor(scatter.stored(0), form: scatter.structure.form, featureCount: d)
        != nil
    else {
      throw MixtureError(
        .notPositiveDefinite, "the prior scatter of the precisions is not positive definite.")
    }
    self.weights = weights
    self.location = location
    self.strength = strength
    self.scatter = scatter
    self.degreesOfFreedom = degreesOfFreedom
  }
}

extension VariationalPrior: Codable {
  private enum CodingKeys: String, CodingKey {
    case structure, weights, location, strength, scatter, degreesOfFreedom
  }

  /// Decodes what `encode(to:)` writes.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      weights: container.decode(WeightPrior.self, forKey: .weights),
      location: container.decode([Double].self, forKey: .location),
      strength: container.decode(Double.self, forKey: .strength),
      scatter: Covariances(
        structure: container.decode(CovarianceStructure.self, forKey: .structure),
        matrices: [container.decode(Matrix.self, forKey: .scatter)]),
      degreesOfFreedom: container.decode(Double.self, forKey: .degreesOfFreedom))
  }

  /// Encodes `structure`, `weights`, `location`, `strength`, `scatter` (a matrix of d × d) and `degreesOfFreedom`.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(scatter.structure, forKey: .structure)
    try container.encode(weights, forKey: .weights)
    try container.encode(location, forKey: .location)
    try container.encode(strength, forKey: .strength)
    try container.encode(scatter[0], forKey: .scatter)
    try container.encode(degreesOfFreedom, forKey: .degreesOfFreedom)
  }
}
