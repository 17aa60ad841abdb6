// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The mistakes that learners of the M-step make most, each with what it does to the numbers.
public enum MaximizationMistake: String, Sendable, CaseIterable {
  /// The old parameters came back.
  case unchanged
  /// The covariances are taken about the old means, as in the lesson's own solution.
  case aboutOldMeans
  /// The sums are not divided by Nₖ.
  case notDivided
  /// The sums are divided by N, the number of all observations, in place of Nₖ.
  case dividedByObservationCount
  /// The sums are divided by Nₖ − 1.
  case dividedByOneLess
  /// Standard deviations stand where variances belong.
  case standardDeviations
  /// The sums are taken without the responsibilities.
  case unweighted
  /// The mean of a component is one number, the same in every feature.
  case meansOfOneNumber
  /// The covariances between different features are missing.
  case featuresUncorrelated

  /// What went wrong and what to do, in a sentence or two.
  public var explanation: String {
    switch self {
    case .unchanged:
      return "These are the old parameters: the M-step has changed nothing yet."
    case .aboutOldMeans:
      return "The covariances are taken about the old means; take them about the new ones, "
        + "which the same step has just found."
    case .notDivided:
      return
        "The sums are not divided by anything. Divide each mean and covariance by N_k, the sum "
        + "of z over the observations, and the weights by their total."
    case .dividedByObservationCount:
      return
        "The sums are divided by N, the number of all observations; divide them by N_k, the sum "
        + "of z over the observations for this component."
    case .dividedByOneLess:
      return "The sums are divided by N_k - 1; the likelihood is largest with N_k itself."
    case .standardDeviations:
      return "These are standard deviations. A covariance matrix has variances, their squares, on "
        + "its diagonal."
    case .unweighted:
      return "The sums count every observation in full; multiply each term by z, the share of the "
        + "observation that belongs to the component."
    case .meansOfOneNumber:
      return "The mean is the same number in every feature; average each column on its own."
    case .featuresUncorrelated:
      return "The elements off the diagonal are zero; a full covariance matrix has the products of "
        + "different features there."
    }
  }

  /// The first mistake that gives the learner's numbers: all weights, all means or all covariances, whichever kind
  /// `parameter` is.
  static func recognised(
    in got: TextbookMixture, at step: TextbookStep, parameter: MaximizationExercise.Parameter,
    comparison: Comparison
  ) -> MaximizationMistake? {
    if got == step.old { return .unchanged }
    let candidates: [(mistake: MaximizationMistake, numbers: TextbookMixture)]
    switch parameter {
    case .weight: candidates = mistakenWeights(step)
    case .mean: candidates = mistakenMeans(step, got: got)
    case .covariance: candidates = mistakenCovariances(step, got: got)
    }
    return candidates.first { comparison.agree(got, $0.numbers, in: parameter) }?.mistake
  }

  // MARK: What each mistake gives

  private typealias Candidate = (mistake: MaximizationMistake, numbers: TextbookMixture)

  /// N_k = Σᵢ z[i][k].
  private static func owned(_ step: TextbookStep) -> [Double] {
    var owned = [Double](repeating: 0, count: step.componentCount)
    for z in step.responsibilities {
      for k in 0..<owned.count { owned[k] += z[k] }
    }
    return owned
  }

  private static func mistakenWeights(_ step: TextbookStep) -> [Candidate] {
    let K = step.componentCount
    let n = Double(step.observations.count)
    func candidate(_ mistake: MaximizationMistake, _ weights: [Double]) -> Candidate {
      var numbers = step.new
      numbers.weights = weights
      return (mistake, numbers)
    }
    return [
      candidate(.notDivided, owned(step)),
      candidate(.unweighted, [Double](repeating: 1 / Double(K), count: K)),
      candidate(.unweighted, [Double](repeating: n, count: K)),
      candidate(.unweighted, [Double](repeating: 1, count: K)),
      candidate(.unchanged, step.old.weights),
    ]
  }

  private static func mistakenMeans(_ step: TextbookStep, got: TextbookMixture) -> [Candidate] {
    let K = step.componentCount
    let owned = owned(step)
    let n = Double(step.observations.count)
    let columnMeans = columnMeans(step.observations)
    func candidate(
      _ mistake: MaximizationMistake, _ mean: (_ k: Int) -> [Double]
    ) -> Candidate {
      var numbers = step.new
      numbers.means = (0..<K).map(mean)
      return (mistake, numbers)
    }
    var candidates = [
      candidate(.notDivided) { k in step.newMeans[k].map { $0 * owned[k] } },
      candidate(.dividedByObservationCount) { k in step.newMeans[k].map { $0 * owned[k] / n } },
      candidate(.dividedByOneLess) { k in step.newMeans[k].map { $0 * owned[k] / (owned[k] - 1) } },
      candidate(.unweighted) { _ in columnMeans },
      candidate(.unweighted) { _ in columnMeans.map { $0 * n } },
      candidate(.unweighted) { k in columnMeans.map { $0 * n / owned[k] } },
      candidate(.unchanged) { k in step.means[k] },
    ]
    if columnMeans.count > 1 {
      candidates.append(
        candidate(.meansOfOneNumber) { k in got.means[k].map { _ in got.means[k][0] } })
    }
    return candidates
  }

  private static func mistakenCovariances(
    _ step: TextbookStep, got: TextbookMixture
  ) -> [Candidate] {
    let K = step.componentCount
    let d = step.old.featureCount
    let owned = owned(step)
    let X = step.observations
    let n = Double(X.count)
    func candidate(
      _ mistake: MaximizationMistake, _ element: (_ k: Int, _ i: Int, _ j: Int) -> Double
    ) -> Candidate {
      var numbers = step.new
      for k in 0..<K {
        for i in 0..<d {
          for j in 0..<d { numbers.covariances[k][i][j] = element(k, i, j) }
        }
      }
      return (mistake, numbers)
    }
    func right(_ k: Int, _ i: Int, _ j: Int) -> Double { step.newCovariances[k][i][j] }

    let aboutOldMeans = LessonFaults.maximizationAboutOldMeans(
      X, step.responsibilities, step.old)
    let ones = X.map { _ in [Double](repeating: 1, count: K) }
    // About the new means, with z = 1: what is left of the formula when z is forgotten.
    let unweighted = LessonFaults.maximizationAboutOldMeans(X, ones, step.new)

    var candidates = [
      candidate(.aboutOldMeans) { aboutOldMeans.covariances[$0][$1][$2] },
      candidate(.notDivided) { k, i, j in right(k, i, j) * owned[k] },
      candidate(.dividedByObservationCount) { k, i, j in right(k, i, j) * owned[k] / n },
      candidate(.dividedByOneLess) { k, i, j in right(k, i, j) * owned[k] / (owned[k] - 1) },
      candidate(.unweighted) { unweighted.covariances[$0][$1][$2] },
      candidate(.unweighted) { k, i, j in unweighted.covariances[k][i][j] * n },
      candidate(.unweighted) { k, i, j in unweighted.covariances[k][i][j] * n / owned[k] },
      // Whatever stands off the diagonal: a matrix of standard deviations has no right answer there.
      candidate(.standardDeviations) { k, i, j in
        i == j ? right(k, i, i).squareRoot() : got.covariances[k][i][j]
      },
      candidate(.unchanged) { step.covariances[$0][$1][$2] },
    ]
    if d > 1 {
      candidates.append(
        candidate(.featuresUncorrelated) { k, i, j in i == j ? right(k, i, i) : 0 })
    }
    return candidates
  }
}
