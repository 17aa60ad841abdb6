// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension GaussianMixture {
  /// The posterior probability that each component produced each observation.
  ///
  /// Row i holds rᵢₖ = wₖ N(xᵢ; μₖ, Σₖ) / Σⱼ wⱼ N(xᵢ; μⱼ, Σⱼ), computed in log space.
  ///
  /// - Parameters:
  ///   - observations: n × d, where d is ``featureCount``.
  ///   - threadCount: How many threads to use; nil means one for each processor. It changes no result.
  /// - Returns: n × K. Every row is non-negative and sums to 1 within K ulp; with a background, to what that leaves.
  /// - Throws: ``MixtureError/Code/featureCountMismatch`` if the data do not have d columns;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first row that holds NaN or infinity.
  /// - Complexity: O(n·K·d²) for full covariances, O(n·K·d) otherwise; memory n·K doubles. For tables of any
  ///   length ask for one ``RowSlice`` after another.
  ///
  /// **Numerics.** Rows so far from every mean that all densities underflow still get exact ratios. A responsibility
  /// below e⁻⁴⁰ ≈ 4·10⁻¹⁸ is zero.
  public func responsibilities(
    for observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> Matrix {
    let K = componentCount
    let elements = try perRow(
      of: observations, columns: K, threadCount: threadCount,
      emptyRow: { for k in 0..<K { $0[k] = weights[k] * (1 - (background?.share ?? 0)) } }
    ) { workspace, row, output in
      for k in 0..<K { output[k] = workspace.joint(row, k) }
    }
    return Matrix(unchecked: elements, rowCount: observations.observationCount, columnCount: K)
  }

  /// The component with the largest responsibility for each observation; of equal ones the first.
  ///
  /// Parameters, errors and cost are those of ``responsibilities(for:threadCount:)``.
  ///
  /// - Returns: n component numbers, 0 ..< K; −1 where the background is the likeliest.
  public func labels(
    for observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> [Int] {
    var joints = weights.map { $0 * (1 - (background?.share ?? 0)) }
    if let background { joints.append(background.share) }
    let likeliest = joints.indices.max { joints[$0] < joints[$1] }!
    let labels = try perRow(
      of: observations, columns: 1, threadCount: threadCount, .label,
      emptyRow: { $0[0] = Double(likeliest) }
    ) { workspace, row, output in
      output[0] = Double(workspace.label(row))
    }
    return labels.map { Int($0) == componentCount ? -1 : Int($0) }
  }

  /// The Mahalanobis distance of each observation from each component: √((xᵢ − μₖ)ᵀ Σₖ⁻¹ (xᵢ − μₖ)).
  ///
  /// Parameters, errors and cost are those of ``responsibilities(for:threadCount:)``.
  ///
  /// - Returns: n × K distances, in standard deviations.
  ///
  /// **Numerics.** By forward substitution with the Cholesky factor of Σₖ; no matrix is inverted.
  public func mahalanobisDistances(
    for observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> Matrix {
    let K = componentCount
    let elements = try perRow(
      of: observations, columns: K, threadCount: threadCount, .distance,
      emptyRow: { $0.update(repeating: 0) }
    ) { workspace, row, output in
      for k in 0..<K { output[k] = (-2 * workspace.joint(row, k)).squareRoot() }
    }
    return Matrix(unchecked: elements, rowCount: observations.observationCount, columnCount: K)
  }

  /// The entropy of the responsibilities of observations, −Σᵢₖ rᵢₖ log rᵢₖ, in nats: 0 if every row surely
  /// belongs to one component, n log K if none can be told from another.
  public func responsibilityEntropy(
    for observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> Double {
    try score(observations, threadCount: threadCount).entropy
  }

  /// The value of an information criterion for observations; smaller is better.
  public func value(
    of criterion: InformationCriterion, for observations: some ObservationSource,
    equalWeights: Bool = false, threadCount: Int? = nil
  ) throws(MixtureError) -> Double {
    let score = try score(observations, threadCount: threadCount)
    return try criterion.value(
      logLikelihood: score.logLikelihood,
      parameterCount: parameterCount(equalWeights: equalWeights),
      observationCount: observations.criterionCount(), entropy: score.entropy)
  }
}
