// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What an iteration makes of the probabilities that a row belongs to each of the components.
///
/// All of them have the same M-step, and so the same structures, priors, floors and annotations of rows. They differ in what
/// the E-step hands to it.
public enum Algorithm: Sendable, Equatable, Codable {
  /// EM: a row counts for each component by its responsibility rᵢₖ. The log-likelihood never falls.
  case em
  /// Classification EM: a row counts for the component alone that is likeliest to have produced it.
  ///
  /// What is maximised, and never falls, is the classification log-likelihood Σᵢ maxₖ log wₖ N(xᵢ; μₖ, Σₖ). There are
  /// finitely many partitions, so the fit ends: when an iteration gains no more than rounding. Estimates are biased where
  /// components overlap, towards components further apart than they are. With ``CovarianceStructure/eii`` and equal weights
  /// it is k-means. Celeux & Govaert (1992),
  /// [doi:10.1016/0167-9473(92)90042-E](https://doi.org/10.1016/0167-9473(92)90042-E).
  case classification
  /// Stochastic EM: for so many iterations a row counts for one component alone, drawn by the row's responsibilities; the
  /// likeliest of the models on the way goes on with EM.
  ///
  /// The draws can leave a poor maximum, so that the end depends less on the start. A draw that leaves a component too few
  /// rows for a covariance is made again. Celeux & Diebolt (1985), "The SEM algorithm: a probabilistic teacher algorithm
  /// derived from the EM algorithm for the mixture problem", Computational Statistics Quarterly 2, 73–82.
  case stochastic(steps: Int)
  /// Deterministic annealing EM: for so many iterations responsibilities are proportional to (wₖ N(xᵢ; μₖ, Σₖ))^β, where β
  /// rises geometrically from the given number, above 0 and below 1, to 1; then EM.
  ///
  /// A small β lets every component see all rows, so that a poor start is forgotten. Ueda & Nakano (1998),
  /// [doi:10.1016/S0893-6080(97)00133-0](https://doi.org/10.1016/S0893-6080(97)00133-0).
  case annealed(from: Double, steps: Int)
}

/// How one E-step turns joint densities into what a row counts for.
enum Assignment: Equatable, Sendable {
  /// By its responsibilities.
  case responsibilities
  /// Wholly for its likeliest component.
  case likeliest
  /// Wholly for a component drawn by the responsibilities; row i takes the number at position i of the stream.
  case drawn(seed: UInt64, stream: UInt64)
  /// By responsibilities of the joint densities to a power.
  case tempered(Double)
}

extension Algorithm {
  /// How many iterations are not those that the fit ends with.
  func stageLength(iterationLimit: Int) -> Int {
    switch self {
    case .em, .classification: 0
    // The last one scores the likeliest.
    case .stochastic(let steps): min(steps, iterationLimit)
    case .annealed(_, let steps): steps
    }
  }

  /// The algorithm for short runs, and for fits that go on from a model that is known to be good.
  var withoutStages: Algorithm { self == .classification ? .classification : .em }

  /// Requires that the numbers have a meaning.
  func requireValid(precision: Precision) throws(MixtureError) {
    func require(_ holds: Bool, _ message: String) throws(MixtureError) {
      if !holds { throw MixtureError(.invalidSetting, message) }
    }
    func requireSteps(_ steps: Int) throws(MixtureError) {
      try require(
        steps >= 1 && steps <= 1_000_000,
        "the number of steps before EM is \(steps); it must be at least 1 and at most 1000000.")
    }
    switch self {
    case .em: break
    case .classification:
      try require(
        precision == .double,
        "classification EM goes on until nothing changes, which single precision cannot tell. Use "
          + "double precision.")
    case .stochastic(let steps): try requireSteps(steps)
    case .annealed(let beta, let steps):
      try requireSteps(steps)
      try require(
        beta > 0 && beta < 1,
        "annealing begins at the power \(beta); it must be above 0 and below 1.")
    }
  }
}

extension ExpectationMaximization {
  /// What the E-step of an iteration of a restart does.
  func assignment(restart: Int, iteration: Int) -> Assignment {
    switch algorithm {
    case .em: return .responsibilities
    case .classification: return .likeliest
    case .stochastic:
      guard iteration < algorithm.stageLength(iterationLimit: stoppingRule.iterationLimit) else {
        return .responsibilities
      }
      // Random responsibilities have streams with bit 47 set, other starts those below 2⁴⁰.
      return .drawn(
        seed: seed, stream: UInt64(restart) << 48 | 1 << 46 | UInt64(iteration))
    case .annealed(let beta, let steps):
      guard iteration < steps else { return .responsibilities }
      return .tempered(
        Kernels.exp(Kernels.log(beta) * (Double(steps - iteration) / Double(steps))))
    }
  }
}

extension Workspace {
  /// Log joint densities of K components → what each row counts for, times its case weight; adds case weight,
  /// log-likelihood, entropy and, of ``Assignment/likeliest``, the classification log-likelihood to the statistics.
  ///
  /// - Parameter number: The number in the table of a row of the block.
  func assign(
    _ K: Int, by assignment: Assignment, number: (_ row: Int) -> Int,
    into statistics: inout SufficientStatistics
  ) {
    switch assignment {
    case .responsibilities: normalize(K, into: &statistics)
    case .likeliest:
      statistics.classificationLogLikelihood += likeliestJoint(K)
      normalize(K, into: &statistics)
      keepOne(K) { row, _ in label(row) }
    case .drawn(let seed, let stream):
      normalize(K, into: &statistics)
      keepOne(K) { row, weight in
        var random = RandomStream(seed: seed, stream: stream, position: UInt64(number(row)))
        var left = random.uniform() * weight
        var last = 0
        for k in 0..<K {
          let r = joint(row, k)
          guard r > 0 else { continue }
          last = k
          left -= r
          if left < 0 { break }
        }
        return last
      }
    case .tempered(let power): normalize(K, power: power, into: &statistics)
    }
  }
}
