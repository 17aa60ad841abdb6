import Foundation
import Mixtures

/// The seed of everything that is drawn.
let seed: UInt64 = 20

func mixture(
  _ weights: [Double], _ means: [[Double]], _ covariances: [[[Double]]]
) throws -> GaussianMixture {
  try GaussianMixture(
    weights: weights, means: Matrix(rows: means),
    covariances: Covariances(
      structure: .full, matrices: covariances.map { try Matrix(rows: $0) }))
}

extension GaussianMixture {
  /// Rows, with the component that each came from.
  func rows(_ count: Int, seed: UInt64 = seed) -> [(x: [Double], label: Int)] {
    let drawn = sample(count, seed: seed)
    return (0..<count).map { (drawn.observations.row($0), drawn.labels[$0]) }
  }

  /// The same components in the order in which they lie nearest to another mixture's.
  func ordered(like other: GaussianMixture) throws -> GaussianMixture {
    func distance(_ order: [Int]) -> Double {
      order.enumerated().reduce(0) { sum, pair in
        (0..<featureCount).reduce(sum) {
          let difference = means[pair.element, $1] - other.means[pair.offset, $1]
          return $0 + difference * difference
        }
      }
    }
    func orders(_ left: [Int]) -> [[Int]] {
      left.isEmpty
        ? [[]] : left.flatMap { k in orders(left.filter { $0 != k }).map { [k] + $0 } }
    }
    let order = orders(Array(0..<componentCount)).min { distance($0) < distance($1) }!
    return try GaussianMixture(
      weights: order.map { weights[$0] }, means: Matrix(rows: order.map(means.row)),
      covariances: Covariances(structure: .full, matrices: order.map { covariances[$0] })
    ).withBackground(background)
  }
}

/// A fit of as many components as the truth has.
func fit(
  _ rows: [[Double]], like truth: GaussianMixture, _ annotations: RowAnnotations? = nil,
  background: BackgroundRule = .none
) throws -> MixtureFit {
  try ExpectationMaximization(
    componentCount: truth.componentCount, restartCount: 4,
    stoppingRule: StoppingRule(tolerance: 1e-8), background: background
  ).fit(Observations(Matrix(rows: rows), annotations: annotations))
}

func logistic(_ t: Double) -> Double { 1 / (1 + exp(-t)) }

/// Prints the parameters of a mixture.
func report(_ name: String, _ model: GaussianMixture, _ fit: MixtureFit? = nil) {
  var lines = ["  \(name)"]
  for k in 0..<model.componentCount {
    let c = model.covariances[k]
    lines.append(
      String(
        format: "    %d: weight %.3f  mean %.3f %.3f  variances %.3f %.3f  covariance %.3f", k,
        model.weights[k], model.means[k, 0], model.means[k, 1], c[0, 0], c[1, 1], c[0, 1]))
  }
  if let background = model.background {
    lines.append(String(format: "    background: share %.3f", background.share))
  }
  if let fit {
    lines.append(
      String(
        format: "    log-likelihood %.2f, BIC %.2f of %.1f observations", fit.logLikelihood,
        fit.bic, fit.criterionCount))
  }
  print(lines.joined(separator: "\n"))
}
