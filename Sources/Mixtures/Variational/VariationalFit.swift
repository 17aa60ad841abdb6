// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A variational posterior and how it came about.
public struct VariationalFit: Sendable, Codable, Equatable {
  /// The distribution over mixtures.
  public let posterior: VariationalPosterior
  /// The evidence lower bound of `posterior`, with all its constants: at most the logarithm of the density of the data under
  /// the prior, so that fits with different priors, structures and numbers of components compare.
  public let evidenceLowerBound: Double
  /// The number of observations, n.
  public let observationCount: Int
  /// The number of observations that criteria count: Σᵢ wᵢ for case weights that are frequencies, else the rows with a
  /// weight; n of plain rows.
  public let criterionCount: Double
  /// Σᵢ wᵢ; n of plain rows.
  public let caseWeight: Double
  /// One record for each posterior that was scored, from the start to `posterior`.
  public let trace: [VariationalRecord]
  /// Why the iteration stopped.
  public let stoppingReason: StoppingReason
  /// The seed of all random choices.
  public let seed: UInt64
  /// Which restart this was, from 0.
  public let restart: Int
  /// The bound that each restart ended with.
  public let restartBounds: [Double]

  /// The plug-in mixture: expected weights, expected means, and the inverses of the expected precisions.
  public var model: GaussianMixture { posterior.model }
  /// The expected weights, K numbers that sum to 1.
  public var expectedWeights: [Double] { posterior.expectedWeights }
  /// How many iterations led to `posterior`.
  public var iterationCount: Int { trace.last?.iteration ?? 0 }
  /// Whether the stopping rule was met.
  public var isConverged: Bool { stoppingReason == .converged }

  /// The logarithm of the predictive density of new rows; see
  /// ``VariationalPosterior/logPredictiveDensities(of:threadCount:)``.
  public func logPredictiveDensities(
    of observations: some ObservationSource, threadCount: Int? = nil
  ) throws(MixtureError) -> [Double] {
    try posterior.logPredictiveDensities(of: observations, threadCount: threadCount)
  }

  /// The plug-in mixture without the components that have fewer rows; see ``VariationalPosterior/pruned(below:)``.
  public func pruned(below rowLimit: Double = 1) throws(MixtureError) -> GaussianMixture {
    try posterior.pruned(below: rowLimit)
  }
}

/// One line of a variational fit's trace: what was known after so many iterations.
public struct VariationalRecord: Sendable, Codable, Equatable {
  /// How many iterations led to the posterior; 0 is the start.
  public let iteration: Int
  /// The evidence lower bound of the posterior.
  public let evidenceLowerBound: Double
  /// The expected weights.
  public let expectedWeights: [Double]
  /// Seconds since the restart began.
  public let seconds: Double
}

/// What an observer of a fit by variational Bayes is given at each iteration, after the bound of its posterior is known.
public struct VariationalReport: Sendable {
  /// Which restart this is, from 0.
  public let restart: Int
  /// How many iterations led to `posterior`; 0 is the start.
  public let iteration: Int
  /// The current posterior.
  public let posterior: VariationalPosterior
  /// Its evidence lower bound, which the fit maximises.
  public let evidenceLowerBound: Double
  /// Σᵢ wᵢ; n of plain rows.
  public let caseWeight: Double
  /// Seconds since the restart began.
  public let seconds: Double

  /// The plug-in mixture: expected weights, expected means, and the inverses of the expected precisions.
  public var model: GaussianMixture { posterior.model }
}
