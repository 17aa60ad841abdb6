// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension GaussianMixture {
  /// The Bhattacharyya coefficients of the components, ∫ √(Nₐ(x) N_b(x)) dx: 1 for equal ones, and near 0 for those that
  /// stand apart. Weights play no part.
  ///
  /// With Δ = μₐ − μ_b and Σ̄ = (Σₐ + Σ_b) / 2 a coefficient is exp (−Δᵀ Σ̄⁻¹ Δ / 8) (det Σₐ det Σ_b)^¼ / (det Σ̄)^½.
  /// Bhattacharyya (1943). Half of it, with weights √(wₐ w_b) in place of ½, bounds the probability that the best rule takes
  /// a row of one component for the other's.
  ///
  /// - Returns: K × K, symmetric, with ones on the diagonal.
  /// - Complexity: O(K²·d³) for full covariances, O(K²·d) otherwise.
  public var bhattacharyyaCoefficients: Matrix {
    let (K, d) = (componentCount, featureCount)
    var result = Matrix(repeating: 1, rowCount: K, columnCount: K)
    let logDeterminants = (0..<K).map { logDeterminant($0) }
    for a in 0..<K {
      for b in 0..<a {
        let middle = zip(covariances.stored(a), covariances.stored(b)).map { 0.5 * $0 + 0.5 * $1 }
        guard
          let (factor, logDeterminant) = Self.factor(
            middle[...], form: structure.form, featureCount: d)
        else { continue }
        let difference = (0..<d).map { means[a, $0] - means[b, $0] }
        var distance = 0.0
        switch structure.form {
        case .full:
          var solved = difference
          for i in 0..<d {
            let row = i * (i + 1) / 2
            for j in 0..<i { solved[i] -= factor[row + j] * solved[j] }
            solved[i] *= factor[row + i]
            distance += solved[i] * solved[i]
          }
        case .diagonal, .scalar:
          for i in 0..<d {
            let scaled = difference[i] * factor[structure.form == .diagonal ? i : 0]
            distance += scaled * scaled
          }
        }
        let value = Kernels.exp(
          -0.125 * distance
            + 0.25 * (logDeterminants[a] + logDeterminants[b] - 2 * logDeterminant))
        result[a, b] = min(value, 1)
        result[b, a] = min(value, 1)
      }
    }
    return result
  }

  /// How rows of one component are labelled, as the model itself sees it: element (a, b) is the share of component a's rows
  /// whose most probable component is b, Σᵢ rᵢₐ [b is row i's label] / Σᵢ rᵢₐ.
  ///
  /// - Parameters:
  ///   - observations: n × d, where d is ``featureCount``.
  ///   - threadCount: How many threads to use; nil means one for each processor. It changes no result.
  /// - Returns: K × K. Rows sum to 1; that of a component without any responsibility is zero.
  /// - Throws: ``MixtureError/Code/featureCountMismatch`` if the data do not have d columns;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first row that holds NaN or infinity.
  /// - Complexity: One pass of the cost of responsibilities; memory O(threads · K²).
  public func misclassification(
    of observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> Matrix {
    try requireFeatures(of: observations)
    let K = componentCount
    var result = Matrix(repeating: 0, rowCount: K, columnCount: K)
    guard observations.observationCount > 0 else { return result }
    let sums = try summed(K * K, over: observations, threadCount: threadCount) {
      workspace, row, sums in
      var label = 0
      for k in 1..<max(K, 1) where workspace.joint(row, k) > workspace.joint(row, label) {
        label = k
      }
      for k in 0..<K { sums[k * K + label] += workspace.joint(row, k) }
    }
    for a in 0..<K {
      let total = sums[a * K..<(a + 1) * K].reduce(0, +)
      guard total > 0 else { continue }
      for b in 0..<K { result[a, b] = sums[a * K + b] / total }
    }
    return result
  }

  /// Some sums over all rows, to which `add` adds a row that has its responsibilities, times its case weight, in the
  /// workspace.
  func summed(
    _ count: Int, over observations: some ObservationSource, threadCount: Int?,
    _ add: (Workspace, _ row: Int, inout [Double]) -> Void
  ) throws(MixtureError) -> [Double] {
    try AnnotatedRows(observations, usesWeights: true).reducePieces(
      under: self, threadCount: threadCount ?? Kernels.processorCount,
      start: { Array(repeating: 0.0, count: count) },
      add: { (sum: inout [Double], part: [Double]) in
        for index in sum.indices { sum[index] += part[index] }
      }
    ) { piece, columnCount, sums in
      piece.workspace.normalize(columnCount)
      for position in piece.rows.indices { add(piece.workspace, position, &sums) }
    }
  }
}
