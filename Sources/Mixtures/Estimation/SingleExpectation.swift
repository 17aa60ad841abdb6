// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The arithmetic of the E-steps of a fit.
public enum Precision: String, Sendable, Codable, CaseIterable {
  /// Double precision throughout.
  case double
  /// Single precision for densities, responsibilities and the sums over a block of rows; parameters, the sums of blocks,
  /// the M-step and the log-likelihood of the result stay in double precision.
  ///
  /// Rows are taken about the mean of the data and scaled by powers of two before they are rounded, so neither offsets nor
  /// units cost digits.
  ///
  /// **Numerics.** With u = 2⁻²⁴, o the mean of the data, and for a row x and a component y = L⁻¹ (x − μ), L Lᵀ = Σ,
  /// aⱼ = √(Σ⁻¹)ⱼⱼ and κ = Σⱼ aⱼ √Σⱼⱼ, the log joint density of the row and the component is off by at most
  ///
  ///     ε = δ (‖y‖ + δ/2) + u (‖y‖²/2 + 3 (c* − c) + d),
  ///     δ = (η ‖y‖ + 2 u Σⱼ aⱼ (|xⱼ − oⱼ| + |μⱼ − oⱼ|)) / (1 − η),  η = (d + 8) (κ + 1) u < 1,
  ///
  /// where c = log w − (d log 2π + log det Σ) / 2 and c* is the largest c of all components. κ is the condition of the
  /// whitened rows: d if features are uncorrelated, and more the better they predict each other, since aⱼ √Σⱼⱼ is the root
  /// of feature j's variance inflation factor. The row's log density is off by at most ε̄ + u (2 K + 44 + |log p(x) − c*|)
  /// with ε̄ = log Σₖ rₖ exp εₖ, and its responsibility rₖ by rₖ (exp(εₖ + ε̄ + (K + 90) u) − 1) + e⁻⁴⁰. The
  /// log-likelihood of an E-step is off by at most the sum over rows. Neither an offset of the data nor their units enter.
  case single
}

extension ObservationSource {
  /// The E-step in single precision: the statistics of all rows under a model, about means that are the model's to
  /// rounding.
  func singleExpectation(
    under model: GaussianMixture, form: CovarianceStructure.Form, frame: SingleFrame,
    threadCount: Int, kernels: Kernels = .active
  ) throws(MixtureError) -> SufficientStatistics {
    let (K, d) = (model.componentCount, featureCount)
    let parameters = SingleParameters(model, in: frame)
    let grid = ShardGrid(rowCount: observationCount, featureCount: d)
    var statistics = try ThreadTeam.reduceShards(
      of: grid,
      threadCount: ThreadTeam.worthwhile(
        threadCount, rowCount: observationCount, componentCount: K,
        elementsPerMoment: form.elementCount(featureCount: d)),
      makeWorker: { _ in
        SingleWorkspace(
          frame: frame, rowsPerBlock: grid.rowsPerBlock, featureCount: d, componentCount: K,
          kernels: kernels)
      },
      add: { (sum: inout SufficientStatistics, other) in sum += other }
    ) { (workspace: SingleWorkspace, shard) throws(MixtureError) -> SufficientStatistics in
      var statistics = SufficientStatistics(origins: parameters.origins, form: form)
      for rows in grid.blocks(ofShard: shard) {
        try load(rows) { workspace.pack($0) }
        workspace.add(under: parameters, to: &statistics)
      }
      workspace.finish(&statistics)
      return statistics
    }

    // Back to the units of the data, and to the whole constants.
    var correction = parameters.shift * statistics.caseWeight
    for k in 0..<K { correction += statistics.zeroth(k) * parameters.constantErrors[k] }
    statistics.values[1] += correction
    let scale = frame.scale
    for k in 0..<K {
      let first = statistics.firstStart + k * d
      for j in 0..<d { statistics.values[first + j] /= scale[j] }
      var index = statistics.secondStart + k * statistics.elementsPerSecond
      switch form {
      case .full:
        for i in 0..<d {
          for j in 0...i {
            statistics.values[index] = statistics.values[index] / scale[i] / scale[j]
            index += 1
          }
        }
      case .diagonal:
        for j in 0..<d {
          statistics.values[index + j] = statistics.values[index + j] / scale[j] / scale[j]
        }
      case .scalar: statistics.values[index] = statistics.values[index] / scale[0] / scale[0]
      }
    }
    return statistics
  }
}
