// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A prior density of the parameters: Dirichlet for the weights, and for each component normal for the mean and inverse
/// Wishart for the covariance.
///
/// Up to a constant, the logarithm of the density is
///
///     (α − 1) Σₖ log wₖ − ½ Σₖ [ 1{κ > 0} log det Σₖ + κ (μₖ − μ₀)ᵀ Σₖ⁻¹ (μₖ − μ₀) ] − ½ Σₘ [ c log det Σₘ + tr Σₘ⁻¹ Λ ]
///
/// where m runs over the distinct covariances: one if the structure shares it (EII, EEI, EEE), else K. So κ counts for as
/// many rows at μ₀, and c for as many rows whose scatter is Λ. How c follows from the degrees of freedom ν, and what
/// of Λ is used, depends on the form of the covariances:
///
/// | covariances | density of one | c | Λ |
/// |---|---|---|---|
/// | full | inverse Wishart | ν + d + 1 | all of it |
/// | diagonal | inverse gamma for each variance | ν + 2 | its diagonal |
/// | spherical | inverse gamma | (ν + 2) / d | the mean of its diagonal, as tr Λ |
///
/// For structures that hold volumes, shapes or orientations equal, but not all, it is the product of the K densities,
/// restricted to what the structure allows. For EII, VII, VVI, EEE and VVV this is the prior of Fraley & Raftery (2007),
/// [doi:10.1007/s00357-007-0004-5](https://doi.org/10.1007/s00357-007-0004-5), and with one feature too.
public struct ConjugatePrior: Sendable, Codable, Equatable {
  /// α, at least 1: the weights are as if each component had α − 1 more rows.
  public var weightConcentration: Double
  /// μ₀, d numbers.
  public var mean: [Double]
  /// κ, at least 0: how many rows at μ₀ each mean is drawn by. Zero leaves the means alone.
  public var meanCount: Double
  /// ν, at least −(d + 1) for full covariances and −2 for others, where c is zero. Below d − 1 (below 0) the density has no
  /// finite integral, which a maximum does not need.
  public var degreesOfFreedom: Double
  /// Λ, d × d, symmetric and positive semidefinite.
  public var scale: Matrix

  /// A prior from its parameters.
  public init(
    weightConcentration: Double = 1, mean: [Double], meanCount: Double, degreesOfFreedom: Double,
    scale: Matrix
  ) {
    self.weightConcentration = weightConcentration
    self.mean = mean
    self.meanCount = meanCount
    self.degreesOfFreedom = degreesOfFreedom
    self.scale = scale
  }

  /// The logarithm of the density at the parameters of a mixture, up to a constant.
  ///
  /// - Precondition: As many features as the prior has.
  public func logDensity(of mixture: GaussianMixture) -> Double {
    precondition(
      mixture.featureCount == mean.count, "the prior has another number of features")
    return PriorTerms(self, structure: mixture.structure).logDensity(of: mixture)
  }

  /// Requires that this is a prior for d features and a structure.
  ///
  /// - Throws: ``MixtureError/Code/invalidSetting`` or ``MixtureError/Code/shapeMismatch``.
  func requireValid(for structure: CovarianceStructure, featureCount d: Int) throws(MixtureError) {
    func require(_ holds: Bool, _ message: String) throws(MixtureError) {
      if !holds { throw MixtureError(.invalidSetting, message) }
    }
    guard mean.count == d, scale.rowCount == d, scale.columnCount == d else {
      throw MixtureError(
        .shapeMismatch,
        "the prior has a mean of \(mean.count) numbers and a scale of \(scale.rowCount) × "
          + "\(scale.columnCount); \(d) features need \(d) and \(d) × \(d).")
    }
    try require(
      weightConcentration >= 1 && weightConcentration.isFinite,
      "the prior's concentration of the weights is \(weightConcentration); it must be at least 1.")
    try require(
      meanCount >= 0 && meanCount.isFinite,
      "the prior's count of the means is \(meanCount); it must be 0 or a positive number.")
    try require(
      mean.allSatisfy(\.isFinite), "the prior's mean is \(mean); it must be finite.")
    let least = structure.form == .full ? -Double(d + 1) : -2
    try require(
      degreesOfFreedom >= least && degreesOfFreedom.isFinite,
      "the prior has \(degreesOfFreedom) degrees of freedom; for \(structure.rawValue) of \(d) "
        + "features they must be at least \(least).")
    for i in 0..<d {
      for j in 0...i {
        try require(
          scale[i, j].isFinite && scale[i, j] == scale[j, i],
          "the prior's scale holds \(scale[i, j]) and \(scale[j, i]) at (\(i), \(j)) and (\(j), \(i)); "
            + "it must be finite and symmetric.")
      }
    }
    // In units in which the diagonal is 1, so that features of small numbers count too.
    let units = (0..<d).map { scale[$0, $0] > 0 ? 1 / scale[$0, $0].squareRoot() : 1 }
    let scaled = (0..<d).flatMap { i in (0...i).map { scale[i, $0] * units[i] * units[$0] } }
    let values = SymmetricEigen(packed: scaled, order: d).values
    try require(
      values.allSatisfy { $0 >= -1e-12 * Double(d) },
      "the prior's scale is not positive semidefinite; it must be a covariance matrix times a count."
    )
  }
}

// MARK: - As statistics

/// A prior as an M-step wants it: rows that nobody saw, in the form of a structure.
struct PriorTerms: Sendable {
  let form: CovarianceStructure.Form
  let isShared: Bool
  /// α − 1.
  let weightCount: Double
  let mean: [Double]
  let meanCount: Double
  /// c, of one distinct covariance.
  let covarianceCount: Double
  /// Λ in the form: packed, the diagonal, or the trace.
  let scale: [Double]

  init(_ prior: ConjugatePrior, structure: CovarianceStructure) {
    let d = prior.mean.count
    form = structure.form
    isShared = structure.isShared
    weightCount = prior.weightConcentration - 1
    mean = prior.mean
    meanCount = prior.meanCount
    let diagonal = (0..<d).map { prior.scale[$0, $0] }
    switch form {
    case .full:
      covarianceCount = prior.degreesOfFreedom + Double(d + 1)
      scale = (0..<d).flatMap { i in (0...i).map { prior.scale[i, $0] } }
    case .diagonal:
      covarianceCount = prior.degreesOfFreedom + 2
      scale = diagonal
    case .scalar:
      covarianceCount = (prior.degreesOfFreedom + 2) / Double(d)
      scale = [diagonal.reduce(0, +) / Double(d)]
    }
  }

  /// The part of a shared covariance's prior that each of K components stands for.
  private func share(_ K: Int) -> Double { isShared ? 1 / Double(K) : 1 }

  /// How many rows are added to the determinant of each of K components' covariance.
  func count(_ K: Int) -> Double { share(K) * covarianceCount + (meanCount > 0 ? 1 : 0) }

  /// The scatter that is added to that of each of K components, without that of the mean.
  func scatter(_ K: Int) -> [Double] {
    let share = share(K)
    return isShared ? scale.map { $0 * share } : scale
  }

  /// Whether Λ alone keeps every covariance positive definite.
  var isDefinite: Bool {
    switch form {
    case .full: return Cholesky(packed: scale, order: mean.count, tolerance: 1e-12) != nil
    case .diagonal, .scalar: return scale.allSatisfy { $0 > 0 }
    }
  }

  /// The logarithm of the density, up to a constant. Of mixtures of another structure it is the same formula.
  ///
  /// - Complexity: O(K·d³) for full covariances, else O(K·d).
  func logDensity(of mixture: GaussianMixture) -> Double {
    let K = mixture.componentCount
    let d = mixture.featureCount
    let (count, scatter) = (count(K), scatter(K))
    var sum = 0.0
    for k in 0..<K {
      var added = scatter
      let difference = (0..<d).map { mixture.means[k, $0] - mean[$0] }
      if meanCount > 0 { added.addProduct(meanCount, difference, form: form) }
      let stored = mixture.covariances.stored(k)
      let first = stored.startIndex
      var trace = 0.0
      switch mixture.structure.form {
      case .full:
        guard let inverse = Cholesky(packed: stored, order: d)?.inverse else { return -.infinity }
        for i in 0..<d {
          for j in 0...i {
            let index = i * (i + 1) / 2 + j
            trace += (i == j ? 1 : 2) * inverse[index] * element(added, i, j)
          }
        }
      case .diagonal: for j in 0..<d { trace += element(added, j, j) / stored[first + j] }
      case .scalar: for j in 0..<d { trace += element(added, j, j) / stored[first] }
      }
      sum -= 0.5 * (count * mixture.logDeterminant(k) + trace)
      if weightCount > 0 { sum += weightCount * Kernels.log(mixture.weights[k]) }
    }
    return sum
  }

  /// An element of a matrix in the form.
  private func element(_ matrix: [Double], _ i: Int, _ j: Int) -> Double {
    switch form {
    case .full: return matrix[i * (i + 1) / 2 + j]
    case .diagonal: return i == j ? matrix[i] : 0
    case .scalar: return i == j ? matrix[0] / Double(mean.count) : 0
    }
  }
}

extension [Double] {
  /// Adds c · v vᵀ to a matrix of the given form.
  mutating func addProduct(_ c: Double, _ v: [Double], form: CovarianceStructure.Form) {
    switch form {
    case .full:
      var index = 0
      for i in v.indices {
        for j in 0...i {
          self[index] += c * v[i] * v[j]
          index += 1
        }
      }
    case .diagonal: for i in v.indices { self[i] += c * v[i] * v[i] }
    case .scalar: for x in v { self[0] += c * x * x }
    }
  }
}
