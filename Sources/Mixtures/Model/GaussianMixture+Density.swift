// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension GaussianMixture {
  /// The logarithm of the mixture density at each observation: log Σₖ wₖ N(xᵢ; μₖ, Σₖ).
  ///
  /// - Parameters:
  ///   - observations: n × d, where d is ``featureCount``.
  ///   - threadCount: How many threads to use; nil means one for each processor. It changes no result.
  /// - Returns: n numbers, in nats.
  /// - Throws: ``MixtureError/Code/featureCountMismatch`` if the data do not have d columns;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first row that holds NaN or infinity.
  /// - Complexity: O(n·K·d²) for full covariances, O(n·K·d) otherwise.
  ///
  /// **Numerics.** Log densities and log-sum-exp throughout: far points lose no digits and nothing underflows. Terms
  /// below e⁻⁴⁰ of the largest are left out, which is less than rounding. A squared Mahalanobis distance beyond 10³⁰⁰
  /// counts as 10³⁰⁰.
  public func logDensities(
    of observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> [Double] {
    try requireFeatures(of: observations)
    let rows = try AnnotatedRows(observations, usesWeights: false)
    var densities = try perRow(
      of: rows, columns: 1, threadCount: threadCount, emptyRow: { $0[0] = 0 }
    ) { workspace, row, output in
      output[0] = workspace.logDensity(row)
    }
    // Rows of a truncated table are among those that can be observed.
    if let logProbabilities = rows.logProbabilities(under: self) {
      for index in densities.indices where rows.layout.counts(index) {
        densities[index] -= logProbabilities[index]
      }
    }
    return densities
  }

  /// The logarithm of the density at one point, d numbers. See ``logDensities(of:threadCount:)``.
  public func logDensity(at point: [Double]) throws(MixtureError) -> Double {
    try logDensities(of: Observations(rows: [point]), threadCount: 1)[0]
  }

  /// The density at one point, d numbers; zero where it underflows.
  public func density(at point: [Double]) throws(MixtureError) -> Double {
    Kernels.exp(try logDensity(at: point))
  }

  /// The total log-likelihood of observations, Σᵢ log p(xᵢ), the same bits as a fit's if they are the same rows.
  ///
  /// Parameters, errors and cost are those of ``logDensities(of:threadCount:)``, but no memory grows with n.
  public func logLikelihood(
    of observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> Double {
    try score(observations, threadCount: threadCount).logLikelihood
  }

  /// The log-likelihood and the entropy of the responsibilities, −Σᵢₖ rᵢₖ log rᵢₖ, of observations in one pass.
  public func score(
    _ observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> (logLikelihood: Double, entropy: Double) {
    try requireFeatures(of: observations)
    guard observations.observationCount > 0 else { return (0, 0) }
    return try AnnotatedRows(observations, usesWeights: true).score(
      under: self, threadCount: threadCount ?? Kernels.processorCount)
  }

  /// The E-step: all that an M-step needs to know of observations, about this mixture's means.
  ///
  /// Statistics of parts of a table add up with `+=` to those of the whole, so that the parts may be files, processes or
  /// machines; ``init(maximizing:structure:equalWeights:minimumVariances:prior:fixed:previous:)`` makes the next model of them.
  ///
  /// Parameters, errors and cost are those of ``logDensities(of:threadCount:)``.
  public func statistics(
    of observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> SufficientStatistics {
    try requireFeatures(of: observations)
    try observations.requireRowsAndColumns()
    return try observations.expectation(
      under: self, threadCount: threadCount ?? Kernels.processorCount)
  }

  /// What becomes of log joint densities before they are read.
  enum Preparation {
    /// Responsibilities and log densities.
    case normalize
    /// The component with the largest joint.
    case label
    /// −½ the squared Mahalanobis distances.
    case distance
  }

  /// Some numbers for each row, by `fill` on a workspace that holds what was prepared.
  ///
  /// - Parameter emptyRow: What rows get without any cell that is known.
  func perRow(
    of observations: some ObservationSource, columns: Int, threadCount: Int?,
    _ preparation: Preparation = .normalize,
    emptyRow: (UnsafeMutableBufferPointer<Double>) -> Void,
    _ fill: (Workspace, Int, UnsafeMutableBufferPointer<Double>) -> Void
  ) throws(MixtureError) -> [Double] {
    try requireFeatures(of: observations)
    return try perRow(
      of: AnnotatedRows(observations, usesWeights: false), columns: columns,
      threadCount: threadCount, preparation, emptyRow: emptyRow, fill)
  }

  private func perRow(
    of rows: AnnotatedRows<some ObservationSource>, columns: Int, threadCount: Int?,
    _ preparation: Preparation = .normalize,
    emptyRow: (UnsafeMutableBufferPointer<Double>) -> Void,
    _ fill: (Workspace, Int, UnsafeMutableBufferPointer<Double>) -> Void
  ) throws(MixtureError) -> [Double] {
    let columnCount = componentCount + (background == nil ? 0 : 1)
    return try rows.numbers(
      under: self, columns: columns, threadCount: threadCount, emptyRow: { emptyRow($1) }
    ) { piece, output in
      switch preparation {
      case .normalize: piece.workspace.normalize(columnCount)
      case .label: piece.workspace.findLabels(columnCount)
      case .distance: piece.computeDistances(self)
      }
      for position in piece.rows.indices { fill(piece.workspace, position, output(position)) }
    }
  }

  /// Requires observations with as many features as the model has.
  func requireFeatures(of observations: some ObservationSource) throws(MixtureError) {
    guard observations.featureCount == featureCount else {
      throw .featureCountMismatch(model: featureCount, observations: observations.featureCount)
    }
  }
}
