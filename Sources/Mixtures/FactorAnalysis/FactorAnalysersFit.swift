// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A fitted mixture of factor analysers and how it came about.
public struct FactorAnalysersFit: Sendable {
  /// The fit as one of a mixture with full covariances.
  ///
  /// Its model answers all that any mixture does, and its criteria count the parameters of the factors.
  public let mixtureFit: MixtureFit
  /// What components have in common.
  public let variant: FactorVariant
  /// The number of factors, q.
  public let factorCount: Int

  init(_ fit: MixtureFit, structure: FactorStructure) {
    mixtureFit = fit
    variant = structure.variant
    factorCount = structure.factorCount
  }

  /// The fitted mixture; its covariances have ``Covariances/factors``.
  public var model: GaussianMixture { mixtureFit.model }
  /// The mixing proportions, K numbers.
  public var weights: [Double] { model.weights }
  /// The means, K × d.
  public var means: Matrix { model.means }
  /// The factors and uniquenesses that the covariances are made of.
  public var factors: FactorDecomposition {
    model.covariances.factors
      // A start that was only scored may have had a component without weight.
      ?? FactorDecomposition(
        elements: Array(
          repeating: 0, count: model.componentCount * factorCount * model.featureCount),
        uniquenesses: Matrix(
          unchecked: (0..<model.componentCount).flatMap { k in
            (0..<model.featureCount).map { model.covariances[k][$0, $0] }
          }, rowCount: model.componentCount, columnCount: model.featureCount),
        factorCount: factorCount)
  }
  /// The loadings Λₖ, K matrices of d × q; determined up to a rotation of the factors.
  public var loadings: [Matrix] { factors.loadings }
  /// The uniquenesses, the diagonals of Ψₖ, K × d.
  public var uniquenesses: Matrix { factors.uniquenesses }
  /// The number of free parameters of the model, without the q (q − 1) / 2 rotations of each set of loadings.
  public var parameterCount: Int { mixtureFit.parameterCount }
  /// The total log-likelihood of the model.
  public var logLikelihood: Double { mixtureFit.logLikelihood }
  /// One record for each model that was scored.
  public var trace: [IterationRecord] { mixtureFit.trace }
  /// What was done to keep components alive, in order; uniquenesses at the floor among it.
  public var rescued: [RescueEvent] { mixtureFit.rescued }
  /// Why the iteration stopped.
  public var stoppingReason: StoppingReason { mixtureFit.stoppingReason }
  /// Whether the stopping rule was met.
  public var isConverged: Bool { mixtureFit.isConverged }
  /// The value of a criterion; smaller is better.
  public func value(of criterion: InformationCriterion) -> Double {
    mixtureFit.value(of: criterion)
  }
  /// The Bayesian information criterion; smaller is better.
  public var bic: Double { mixtureFit.bic }
  /// Akaike's information criterion; smaller is better.
  public var aic: Double { mixtureFit.aic }
  /// The integrated completed likelihood; smaller is better.
  public var icl: Double { mixtureFit.icl }

  /// The posterior means of the factors; see ``GaussianMixture/factorScores(for:threadCount:)``.
  public func scores(
    for observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> [Matrix] {
    try model.factorScores(for: observations, threadCount: threadCount)
  }
}

extension GaussianMixture {
  /// The posterior means of the factors of each component, given each observation:
  /// E[u | x, k] = (I + Λₖᵀ Ψₖ⁻¹ Λₖ)⁻¹ Λₖᵀ Ψₖ⁻¹ (x − μₖ), Thomson's regression scores.
  ///
  /// Where cells are missing the sums are over the features that are known; a row without any has zeros.
  ///
  /// - Parameters:
  ///   - observations: n × d.
  ///   - threadCount: How many threads to use; nil means one for each processor. It changes no result.
  /// - Returns: K matrices of n × q. Weigh them with ``responsibilities(for:threadCount:)``, or take that of the row's
  ///   component.
  /// - Throws: ``MixtureError/Code/invalidModel`` if the covariances are not made of factors;
  ///   ``MixtureError/Code/featureCountMismatch`` if the data do not have d columns;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first row that holds NaN or infinity;
  ///   ``MixtureError/Code/invalidAnnotation`` if rows carry noise, projections or limits, which make cells uncertain.
  /// - Complexity: O(n·K·d·q), and O(n·K·(d·q² + q³)) if cells are missing.
  public func factorScores(
    for observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> [Matrix] {
    try requireFeatures(of: observations)
    guard let factors = covariances.factors else {
      throw MixtureError(
        .invalidModel,
        "the covariances of the mixture are not made of factors. Fit one with FactorAnalysers.")
    }
    let annotations = observations.annotations
    if annotations?.noise != nil || annotations?.projections != nil || annotations?.limits != nil {
      throw MixtureError(
        .invalidAnnotation,
        "the rows carry noise, projections or limits, with which factors have no scores here. Give rows with values "
          + "or gaps only.")
    }
    let (n, d, q, K) = (
      observations.observationCount, featureCount, factors.factorCount, componentCount
    )
    let allowsMissing = annotations?.allowsMissing ?? false
    let whole = (0..<K).map { FactorScoring(factors, $0) }
    guard n > 0 else {
      return (0..<K).map { _ in Matrix(repeating: 0, rowCount: 0, columnCount: q) }
    }
    let grid = ShardGrid(rowCount: n, featureCount: d)
    let parts: [[Double]] = try ThreadTeam.reduceShards(
      of: grid, threadCount: threadCount ?? Kernels.processorCount, makeWorker: { _ in },
      add: { $0 += $1 }
    ) { (_, shard) throws(MixtureError) in
      var scores: [Double] = []
      var failure: MixtureError?
      for block in grid.blocks(ofShard: shard) where failure == nil {
        try observations.withRows(block) { rows in
          var row = Array(repeating: 0.0, count: d)
          for i in 0..<rows.count {
            var isComplete = true
            for j in 0..<d {
              row[j] = rows[i, j]
              if !row[j].isFinite {
                guard allowsMissing, row[j].isNaN else {
                  failure = .nonFinite(
                    row[j], row: observations.firstRowNumber + block.lowerBound + i,
                    feature: observations.describeFeature(j))
                  return
                }
                isComplete = false
              }
            }
            for k in 0..<K {
              let scoring =
                isComplete ? whole[k] : FactorScoring(factors, k) { !row[$0].isNaN }
              scores += scoring.scores(row, mean: means.elements[(k * d)..<(k + 1) * d])
            }
          }
        }
      }
      if let failure { throw failure }
      return [scores]
    }
    var results = (0..<K).map { _ in [Double]() }
    for k in 0..<K { results[k].reserveCapacity(n * q) }
    for part in parts where q > 0 {
      for start in stride(from: 0, to: part.count, by: K * q) {
        for k in 0..<K { results[k] += part[start + k * q..<start + (k + 1) * q] }
      }
    }
    return results.map { Matrix(unchecked: $0, rowCount: n, columnCount: q) }
  }
}

/// How the factors of one component follow from the features that are known.
private struct FactorScoring {
  let factorCount: Int
  /// The factor of I + Λᵀ Ψ⁻¹ Λ.
  let cholesky: Cholesky
  /// Λᵀ Ψ⁻¹, q × d; zero for features that are not known.
  let weights: [Double]

  init(_ factors: FactorDecomposition, _ k: Int, isKnown: (Int) -> Bool = { _ in true }) {
    let (d, q) = (factors.featureCount, factors.factorCount)
    let loadings = Array(factors.factors(k))
    factorCount = q
    let known = (0..<d).map(isKnown)
    let weights = (0..<q * d).map { index in
      known[index % d] ? loadings[index] / factors.uniquenesses[k, index % d] : 0
    }
    var inner: [Double] = []
    for f in 0..<q {
      for g in 0...f {
        inner.append(
          (0..<d).reduce(f == g ? 1 : 0) { $0 + weights[f * d + $1] * loadings[g * d + $1] })
      }
    }
    self.weights = weights
    cholesky = Cholesky(raising: inner, order: q)
  }

  func scores(_ row: [Double], mean: ArraySlice<Double>) -> [Double] {
    let d = row.count
    let right = (0..<factorCount).map { f in
      (0..<d).reduce(0) {
        let weight = weights[f * d + $1]
        return weight == 0 ? $0 : $0 + weight * (row[$1] - mean[mean.startIndex + $1])
      }
    }
    return cholesky.solve(right)
  }
}
