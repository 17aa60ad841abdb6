// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Which prior a fit has: none, one that is given, or a preset that is measured by the table.
///
/// With a prior the fit maximises the log-likelihood plus the logarithm of the prior's density, see
/// ``ConjugatePrior``. All presets follow the table: adding a constant to a feature changes nothing but the means, and
/// multiplying all features by one number changes nothing but units. ``shrinkage(towards:)`` to the diagonal,
/// ``floor(_:)``, and ``mclust`` for full covariances, follow a unit of each feature.
public enum MixturePrior: Sendable, Codable, Equatable {
  /// None: maximum likelihood.
  case none
  /// A prior from its parameters.
  case conjugate(ConjugatePrior)
  /// mclust's default: ν = d + 2, κ = 0.01, μ₀ the mean of the table, and with V the covariance of the table (divided by
  /// n − 1) Λ = V / K^(2/d) for full covariances, and (tr V / d) I / K^(2/d) for others. If n ≤ d, the diagonal of V.
  ///
  /// Fraley & Raftery (2007), [doi:10.1007/s00357-007-0004-5](https://doi.org/10.1007/s00357-007-0004-5).
  case mclust
  /// Covariances are drawn to a target T, as if c rows had its covariance: Σₖ = (1 − ρₖ) Wₖ / Nₖ + ρₖ T with
  /// ρₖ = c / (Nₖ + c).
  ///
  /// For full covariances c follows from the table: for Nₖ rows of a normal density with the covariance S the best
  /// intensity (in mean squared error) towards the identity times tr S / d is ρ = c / (Nₖ + c), with
  /// c = ((1 − 2/d) tr S² + tr² S) / (tr S² − tr² S / d), whatever Nₖ is (the oracle of Chen, Wiesel, Eldar & Hero 2010,
  /// [doi:10.1109/TSP.2010.2053029](https://doi.org/10.1109/TSP.2010.2053029), after Ledoit & Wolf 2004,
  /// [doi:10.1016/S0047-259X(03)00096-4](https://doi.org/10.1016/S0047-259X(03)00096-4)). So it is a conjugate prior. S is
  /// the covariance of the table, in standard units if the target is the diagonal; what its finite number of rows adds to
  /// tr S² is taken off, and c is at most n / K, the rows of an average component. For diagonal covariances c is 2 and for
  /// spherical ones 2 / d: the best if the target is as far off as it is large.
  case shrinkage(towards: ShrinkageTarget = .diagonal)
  /// A floor as a prior: c = 0 and Λ = n f diag(v), with v the variances of the table. Σₖ = (Wₖ + Λ) / Nₖ is then above
  /// f diag(v) for every component. It is a smooth relative of ``ExpectationMaximization/covarianceFloor``, and of adding a
  /// ridge to all variances, under which the objective never falls.
  ///
  /// Ciuperca, Ridolfi & Idier (2003), [doi:10.1111/1467-9469.00317](https://doi.org/10.1111/1467-9469.00317).
  case floor(_ fraction: Double)

  /// What a covariance is drawn to.
  public enum ShrinkageTarget: String, Sendable, Codable, CaseIterable {
    /// The variances of the table, divided by K^(2/d).
    case diagonal
    /// Their mean, times the identity.
    case identity
  }

  /// The prior that this means for a table and a structure; nil for ``none``.
  ///
  /// - Throws: ``MixtureError/Code/nonFiniteObservation`` or ``MixtureError/Code/degenerateObservations`` for a table that
  ///   cannot be measured; ``MixtureError/Code/invalidSetting`` or ``MixtureError/Code/shapeMismatch`` for a prior that does
  ///   not suit the table.
  /// - Complexity: O(n·d²) for full covariances, O(n·d) otherwise.
  public func conjugatePrior(
    for source: some ObservationSource, covariance: CovarianceStructure, componentCount: Int,
    threadCount: Int? = nil
  ) throws(MixtureError) -> ConjugatePrior? {
    guard componentCount >= 1 else {
      throw MixtureError(
        .invalidSetting,
        "the number of components is \(componentCount); it must be at least 1.")
    }
    try source.requireRowsAndColumns()
    let scale = try DataScale(
      source, form: covariance.form, threadCount: max(threadCount ?? Kernels.processorCount, 1))
    try requireValid(for: covariance, featureCount: source.featureCount)
    return conjugatePrior(scale, covariance, componentCount: componentCount)
  }

  func requireValid(
    for structure: CovarianceStructure, featureCount: Int
  ) throws(MixtureError) {
    switch self {
    case .none, .mclust, .shrinkage: break
    case .conjugate(let prior):
      try prior.requireValid(for: structure, featureCount: featureCount)
    case .floor(let fraction):
      guard fraction > 0, fraction < 1 else {
        throw MixtureError(
          .invalidSetting,
          "the floor of the prior is \(fraction); it must be above 0 and less than 1, a fraction of "
            + "the data's variance.")
      }
    }
  }

  /// The prior for a table that was measured.
  func conjugatePrior(
    _ table: DataScale, _ structure: CovarianceStructure, componentCount K: Int
  ) -> ConjugatePrior? {
    let d = table.means.count
    let form = structure.form
    let n = table.moments.zeroth(0)
    let perComponent = Kernels.exp(-2 / Double(d) * Kernels.log(Double(K)))
    func diagonal(_ values: [Double]) -> Matrix {
      var matrix = Matrix(repeating: 0, rowCount: d, columnCount: d)
      for j in 0..<d { matrix[j, j] = values[j] }
      return matrix
    }
    /// ν for a count c.
    func degrees(_ count: Double) -> Double {
      switch form {
      case .full: return count - Double(d + 1)
      case .diagonal: return count - 2
      case .scalar: return count * Double(d) - 2
      }
    }
    // The trace of a spherical Λ stands for the sum over d features.
    let scatterUnit = form == .scalar ? Double(d) : 1

    switch self {
    case .none: return nil
    case .conjugate(let prior): return prior
    case .mclust:
      let unbiased = n > 1 ? n / (n - 1) : 1
      let variances = table.variances.map { $0 * unbiased * perComponent }
      var scale = diagonal(variances)
      if form != .full {
        scale = diagonal(Array(repeating: variances.reduce(0, +) / Double(d), count: d))
      } else if n > Double(d) {
        let scatter = table.moments.scatter(0, as: .full)
        for i in 0..<d {
          for j in 0..<i {
            scale[i, j] = scatter[i * (i + 1) / 2 + j] / n * unbiased * perComponent
            scale[j, i] = scale[i, j]
          }
        }
      }
      return ConjugatePrior(
        mean: table.means, meanCount: 0.01, degreesOfFreedom: Double(d + 2), scale: scale)
    case .shrinkage(let target):
      let mean = table.variances.reduce(0, +) / Double(d)
      let variances =
        target == .diagonal ? table.variances : Array(repeating: mean, count: d)
      let count = min(
        target.count(table, form: form, rowCount: n), n / Double(K))
      return ConjugatePrior(
        mean: table.means, meanCount: 0, degreesOfFreedom: degrees(count),
        scale: diagonal(variances.map { $0 * perComponent * count * scatterUnit }))
    case .floor(let fraction):
      return ConjugatePrior(
        mean: table.means, meanCount: 0, degreesOfFreedom: degrees(0),
        scale: diagonal(table.variances.map { $0 * fraction * n * scatterUnit }))
    }
  }
}

extension MixturePrior.ShrinkageTarget {
  /// The number of rows that the target stands for.
  fileprivate func count(
    _ table: DataScale, form: CovarianceStructure.Form, rowCount n: Double
  ) -> Double {
    let d = table.means.count
    guard form == .full, d > 1 else { return form == .scalar ? 2 / Double(d) : 2 }
    let scatter = table.moments.scatter(0, as: .full)
    // In units of the largest spread, or of each.
    let largest = table.variances.max() ?? 1
    let units = table.variances.map { variance in
      self == .identity ? 1 / largest.squareRoot() : variance > 0 ? 1 / variance.squareRoot() : 0
    }
    var (trace, squares, offDiagonal) = (0.0, 0.0, 0.0)
    for i in 0..<d {
      for j in 0...i {
        let s = scatter[i * (i + 1) / 2 + j] / n * units[i] * units[j]
        if i == j {
          trace += s
          squares += s * s
        } else {
          let product =
            table.variances[i] * table.variances[j] * units[i] * units[i] * units[j] * units[j]
          // What chance adds to the square of a covariance.
          offDiagonal += 2 * (n > 2 ? s * s - (product - s * s) / (n - 2) : 0)
        }
      }
    }
    squares += max(offDiagonal, 0)
    let excess = squares - trace * trace / Double(d)
    guard excess > 1e-12 * trace * trace else { return .infinity }
    return ((1 - 2 / Double(d)) * squares + trace * trace) / excess
  }
}
