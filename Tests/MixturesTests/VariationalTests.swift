// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

/// Structures that variational Bayes takes.
let conjugateStructures: [CovarianceStructure] = [.eii, .vii, .eei, .vvi, .eee, .vvv]

/// Variational Bayes in plain loops on dense matrices, with the bound of Bishop (2006), 10.70 to 10.77, term by term.
private struct PlainVariationalBayes {
  let rows: [[Double]]
  let caseWeights: [Double]
  let structure: CovarianceStructure
  let prior: VariationalPrior
  var responsibilities: [[Double]]

  var n: Int { rows.count }
  var d: Int { rows[0].count }
  var K: Int { responsibilities[0].count }

  var counts: [Double] = []
  var means: [[Double]] = []
  var beta: [Double] = []
  var nu: [Double] = []
  /// V of each component, d × d.
  var scatters: [[[Double]]] = []
  private(set) var bound = 0.0

  init(
    _ rows: [[Double]], caseWeights: [Double], structure: CovarianceStructure,
    prior: VariationalPrior, labels: [Int], componentCount: Int
  ) {
    self.rows = rows
    self.caseWeights = caseWeights
    self.structure = structure
    self.prior = prior
    responsibilities = labels.map { label in
      (0..<componentCount).map { $0 == label ? 1 : 0 }
    }
  }

  static func digamma(_ x: Double) -> Double {
    var (y, sum) = (x, 0.0)
    while y < 1000 {
      sum += 1 / y
      y += 1
    }
    let r: Double = 1 / (y * y)
    let tail: Double = r / 12 - r * r / 120
    return log(y) - 0.5 / y - tail - sum
  }

  /// The inverse by Gauss–Jordan, and the logarithm of the determinant.
  static func invert(_ matrix: [[Double]]) -> (inverse: [[Double]], logDeterminant: Double) {
    let d = matrix.count
    var a = matrix
    var b = (0..<d).map { i in (0..<d).map { $0 == i ? 1.0 : 0 } }
    var sum = 0.0
    for p in 0..<d {
      let pivot = a[p][p]
      sum += log(pivot)
      for j in 0..<d {
        a[p][j] /= pivot
        b[p][j] /= pivot
      }
      for i in 0..<d where i != p {
        let factor = a[i][p]
        for j in 0..<d {
          a[i][j] -= factor * a[p][j]
          b[i][j] -= factor * b[p][j]
        }
      }
    }
    return (b, sum)
  }

  var priorScatter: [[Double]] {
    let matrix = prior.scatter[0]
    return (0..<d).map { matrix.row($0) }
  }

  mutating func maximize() {
    let K = self.K
    if case .dirichletProcess(let gamma) = prior.weights, gamma <= 1 {
      // The best order is that of falling counts.
      var sizes = Array(repeating: 0.0, count: K)
      for row in 0..<n {
        for k in 0..<K { sizes[k] += caseWeights[row] * responsibilities[row][k] }
      }
      let order = (0..<K).sorted { sizes[$0] > sizes[$1] }
      responsibilities = responsibilities.map { row in order.map { row[$0] } }
    }
    counts = Array(repeating: 0, count: K)
    means = Array(repeating: prior.location.map { prior.strength * $0 }, count: K)
    // V₀ + Σ r x xᵀ + β₀ m₀ m₀ᵀ − β m mᵀ.
    let zero = Array(repeating: Array(repeating: 0.0, count: d), count: d)
    var added = Array(repeating: zero, count: K)
    for k in 0..<K {
      for row in 0..<n {
        let r = caseWeights[row] * responsibilities[row][k]
        counts[k] += r
        for i in 0..<d {
          means[k][i] += r * rows[row][i]
          for j in 0..<d { added[k][i][j] += r * rows[row][i] * rows[row][j] }
        }
      }
    }
    beta = counts.map { prior.strength + $0 }
    for k in 0..<K {
      for i in 0..<d { means[k][i] /= beta[k] }
      for i in 0..<d {
        for j in 0..<d {
          let ofPrior: Double = prior.strength * prior.location[i] * prior.location[j]
          added[k][i][j] += ofPrior - beta[k] * means[k][i] * means[k][j]
        }
      }
    }
    if structure.isShared {
      var sum = zero
      for k in 0..<K {
        for i in 0..<d { for j in 0..<d { sum[i][j] += added[k][i][j] } }
      }
      added = Array(repeating: sum, count: K)
    }
    let perRow = structure.form == .scalar ? Double(d) : 1
    nu = counts.map {
      prior.degreesOfFreedom + perRow * (structure.isShared ? counts.reduce(0, +) : $0)
    }
    scatters = added.map { matrix in
      let trace = (0..<d).reduce(0) { $0 + matrix[$1][$1] }
      return (0..<d).map { i in
        (0..<d).map { j in
          switch structure.form {
          case .full: return priorScatter[i][j] + matrix[i][j]
          case .diagonal: return i == j ? priorScatter[i][j] + matrix[i][j] : 0
          case .scalar: return i == j ? priorScatter[i][j] + trace : 0
          }
        }
      }
    }
  }

  /// E[log wₖ], E[log p(w)] and E[log q(w)].
  func weightTerms() -> (logs: [Double], prior: Double, posterior: Double) {
    switch prior.weights {
    case .dirichlet(let concentration):
      let a0 = concentration!
      let a = counts.map { a0 + $0 }
      let total = a.reduce(0, +)
      let logs = a.map { Self.digamma($0) - Self.digamma(total) }
      var ofPrior: Double = lgamma(Double(K) * a0) - Double(K) * lgamma(a0)
      var ofPosterior: Double = lgamma(total)
      for k in 0..<K {
        ofPrior += (a0 - 1) * logs[k]
        ofPosterior += (a[k] - 1) * logs[k] - lgamma(a[k])
      }
      return (logs, ofPrior, ofPosterior)
    case .dirichletProcess(let gamma):
      var (logs, rest, ofPrior, ofPosterior) = ([Double](), 0.0, 0.0, 0.0)
      for k in 0..<K - 1 {
        let a: Double = 1 + counts[k]
        let b: Double = gamma + counts[(k + 1)...].reduce(0, +)
        let kept = Self.digamma(a) - Self.digamma(a + b)
        let left = Self.digamma(b) - Self.digamma(a + b)
        logs.append(rest + kept)
        rest += left
        ofPrior += log(gamma) + (gamma - 1) * left
        ofPosterior += lgamma(a + b) - lgamma(a) - lgamma(b)
        ofPosterior += (a - 1) * kept + (b - 1) * left
      }
      return (logs + [rest], ofPrior, ofPosterior)
    }
  }

  /// E[log |Λ|], E[log p(Λ)] and E[log q(Λ)] for one V and ν.
  func precisionTerms(
    _ v: [[Double]], _ nu: Double
  ) -> (logDeterminant: Double, prior: Double, posterior: Double) {
    let nu0 = prior.degreesOfFreedom
    let D = Double(d)
    switch structure.form {
    case .full:
      let (w, logV) = Self.invert(v)
      let logV0 = Self.invert(priorScatter).logDeterminant
      func logB(_ logScatter: Double, _ nu: Double) -> Double {
        var sum: Double = nu / 2 * logScatter - nu * D / 2 * log(2)
        sum -= D * (D - 1) / 4 * log(Double.pi)
        for i in 1...d { sum -= lgamma((nu + 1 - Double(i)) / 2) }
        return sum
      }
      var logs: Double = D * log(2) - logV
      for i in 1...d { logs += Self.digamma((nu + 1 - Double(i)) / 2) }
      var trace = 0.0
      for i in 0..<d { for j in 0..<d { trace += priorScatter[i][j] * w[j][i] } }
      let ofPrior: Double = logB(logV0, nu0) + (nu0 - D - 1) / 2 * logs - nu / 2 * trace
      let ofPosterior: Double = logB(logV, nu) + (nu - D - 1) / 2 * logs - nu * D / 2
      return (logs, ofPrior, ofPosterior)
    case .diagonal, .scalar:
      var (logs, ofPrior, ofPosterior) = (0.0, 0.0, 0.0)
      let copies = structure.form == .scalar ? D : 1
      for j in 0..<(structure.form == .scalar ? 1 : d) {
        let (a, b): (Double, Double) = (nu / 2, v[j][j] / 2)
        let (a0, b0): (Double, Double) = (nu0 / 2, priorScatter[j][j] / 2)
        let logLambda = Self.digamma(a) - log(b)
        logs += copies * logLambda
        ofPrior += a0 * log(b0) - lgamma(a0)
        ofPrior += (a0 - 1) * logLambda - b0 * a / b
        ofPosterior += a * log(b) - lgamma(a)
        ofPosterior += (a - 1) * logLambda - a
      }
      return (logs, ofPrior, ofPosterior)
    }
  }

  mutating func expect() {
    let D = Double(d)
    let weights = weightTerms()
    let terms = (0..<K).map { precisionTerms(scatters[$0], nu[$0]) }
    let expected = (0..<K).map { k in
      Self.invert(scatters[k]).inverse.map { $0.map { $0 * nu[k] } }
    }
    func square(_ k: Int, _ x: [Double]) -> Double {
      var sum = 0.0
      for i in 0..<d {
        for j in 0..<d { sum += (x[i] - means[k][i]) * expected[k][i][j] * (x[j] - means[k][j]) }
      }
      return sum
    }
    bound = weights.prior - weights.posterior
    for i in 0..<n {
      var logJoint: [Double] = []
      for k in 0..<K {
        let constant: Double = terms[k].logDeterminant - D / beta[k] - D * log(2 * Double.pi)
        logJoint.append(weights.logs[k] + 0.5 * (constant - square(k, rows[i])))
      }
      let largest = logJoint.max()!
      let total = logJoint.reduce(0) { $0 + exp($1 - largest) }
      for k in 0..<K {
        let r = exp(logJoint[k] - largest) / total
        responsibilities[i][k] = r
        if r > 0 { bound += caseWeights[i] * r * (logJoint[k] - log(r)) }
      }
    }
    for k in 0..<K {
      let logs = terms[k].logDeterminant
      let ofPrior: Double = D * log(prior.strength / (2 * Double.pi)) + logs
      let distance: Double = prior.strength * square(k, prior.location)
      bound += 0.5 * (ofPrior - D * prior.strength / beta[k] - distance)
      let ofPosterior: Double = logs + D * log(beta[k] / (2 * Double.pi)) - D
      bound -= 0.5 * ofPosterior
      if k == 0 || !structure.isShared { bound += terms[k].prior - terms[k].posterior }
    }
  }
}

/// The logarithm of the evidence of rows of one feature under one normal with the given prior.
private func logEvidence(_ x: [Double], m0: Double, beta0: Double, nu0: Double, v0: Double)
  -> Double
{
  let n = Double(x.count)
  if x.isEmpty { return 0 }
  let mean = x.reduce(0, +) / n
  let scatter = x.map { ($0 - mean) * ($0 - mean) }.reduce(0, +)
  let beta = beta0 + n
  let v: Double = v0 + scatter + beta0 * n / beta * (mean - m0) * (mean - m0)
  var sum: Double = -n / 2 * log(Double.pi) + 0.5 * log(beta0 / beta)
  sum += lgamma((nu0 + n) / 2) - lgamma(nu0 / 2)
  sum += nu0 / 2 * log(v0) - (nu0 + n) / 2 * log(v)
  return sum
}

private struct PosteriorReference: CustomTestStringConvertible, Sendable {
  let iterations: Int
  let means: [Double]
  let weights: [Double]
  let variances: [Double]
  var testDescription: String { "\(iterations) iterations" }
}

/// Values of scikit-learn 1.9.1; see References/README.md.
private let scikitLearnPosteriors: [PosteriorReference] = [
  PosteriorReference(
    iterations: 1,
    means: [
      5.005911330090826, 3.421674875893497, 1.499507390814549, 0.25714285796768427,
      5.924888614901741, 2.7703682336619964, 4.2429690262831325, 1.3134550921857433,
      6.543477589382818, 2.9714553399656745, 5.504853798311413, 1.9982685926768744,
    ], weights: [0.3333333336669452, 0.32340532820768797, 0.34326133812536697],
    variances: [0.2591779067476682, 0.09026159363380638, 0.21249606900044485, 0.0399364220316081]),
  PosteriorReference(
    iterations: 10,
    means: [
      5.005911330072657, 3.421674876026433, 1.4995073905356067, 0.25714285783191776,
      5.915801720761392, 2.7690913992297874, 4.209777592566213, 1.2967043936466336,
      6.517640846099117, 2.961652093383357, 5.464420336031035, 1.9752689143431061,
    ], weights: [0.3333333336192037, 0.3036905335834687, 0.36297613279732754],
    variances: [0.26456413809885504, 0.08980483774571883, 0.202965304058765, 0.03653528728176823]),
  PosteriorReference(
    iterations: 500,
    means: [
      5.00591133007213, 3.4216748760495004, 1.4995073904963538, 0.2571428578126146,
      5.911630985550767, 2.772491375197144, 4.203803735773217, 1.2939825290004474,
      6.514900317863582, 2.9568995765169688, 5.456479918243013, 1.9705576771165907,
    ], weights: [0.33333333361121614, 0.29992312202472965, 0.36674354436405415],
    variances: [
      0.26542525196012007, 0.08890587491382029, 0.20154866821623849, 0.036215467574411436,
    ]),
]

@Suite struct VariationalTests {
  static let few = [0.3, -1.1, 2.4, 2.0, 0.9]
  static let oneFeature = VariationalBayes(
    componentCount: 1, weightPrior: .dirichlet(concentration: 0.8),
    meanPrior: MeanPrior(location: [0.5], strength: 0.4),
    precisionPrior: PrecisionPrior(
      scatter: Matrix(repeating: 1.3, rowCount: 1, columnCount: 1), degreesOfFreedom: 2.5))

  @Test func `with one component the bound is the logarithm of the evidence`() throws {
    let rows = try Observations(rows: Self.few.map { [$0] })
    let fit = try Self.oneFeature.fit(rows)
    let exact = logEvidence(Self.few, m0: 0.5, beta0: 0.4, nu0: 2.5, v0: 1.3)
    #expect(abs(fit.evidenceLowerBound - exact) < 1e-12)

    // The same by quadrature: λ = exp(t), μ = m + z / √(β λ); the trapezoidal rule has no error to rounding here.
    let n = Double(Self.few.count)
    let beta = 0.4 + n
    let m = (0.4 * 0.5 + Self.few.reduce(0, +)) / beta
    var sum = 0.0
    let (stepT, stepZ) = (0.05, 0.1)
    for a in -400...200 {
      let t = stepT * Double(a)
      let lambda = exp(t)
      for b in -120...120 {
        let z = stepZ * Double(b)
        let mu = m + z / (beta * lambda).squareRoot()
        let logTwoPi = log(2 * Double.pi)
        var value: Double = 1.25 * log(0.65) - lgamma(1.25) + 0.25 * t - 0.65 * lambda
        let square: Double = (mu - 0.5) * (mu - 0.5)
        value += 0.5 * (log(0.4) + t - logTwoPi - 0.4 * lambda * square)
        for x in Self.few {
          let square: Double = (x - mu) * (x - mu)
          value += 0.5 * (t - logTwoPi - lambda * square)
        }
        sum += exp(value + t - 0.5 * (log(beta) + t))
      }
    }
    #expect(abs(fit.evidenceLowerBound - log(sum * stepT * stepZ)) < 1e-10)
  }

  @Test(arguments: [
    WeightPrior.dirichlet(concentration: 0.8), .dirichlet(concentration: 5),
    .dirichletProcess(concentration: 0.6), .dirichletProcess(concentration: 2),
  ])
  func `with two components the bound is below the evidence summed over all assignments`(
    _ prior: WeightPrior
  ) throws {
    let x = Self.few
    let n = x.count
    var logs: [Double] = []
    for assignment in 0..<1 << n {
      let first = x.indices.filter { assignment >> $0 & 1 == 0 }.map { x[$0] }
      let second = x.indices.filter { assignment >> $0 & 1 == 1 }.map { x[$0] }
      let (a, b) = (Double(first.count), Double(second.count))
      let logPrior: Double
      switch prior {
      case .dirichlet(let concentration):
        let c = concentration!
        let ofBoth: Double = lgamma(2 * c) - lgamma(2 * c + a + b)
        logPrior = ofBoth + lgamma(c + a) + lgamma(c + b) - 2 * lgamma(c)
      case .dirichletProcess(let c):
        let ofStick: Double = lgamma(1 + a) + lgamma(c + b)
        logPrior = ofStick - lgamma(1 + c + a + b) + log(c)
      }
      var value = logPrior
      for part in [first, second] {
        value += logEvidence(part, m0: 0.5, beta0: 0.4, nu0: 2.5, v0: 1.3)
      }
      logs.append(value)
    }
    let largest = logs.max()!
    let evidence = largest + log(logs.reduce(0) { $0 + exp($1 - largest) })
    let rows = try Observations(rows: x.map { [$0] })
    var settings = Self.oneFeature
    settings.componentCount = 2
    settings.weightPrior = prior
    settings.stoppingRule = StoppingRule(tolerance: 1e-12)
    for labels in [[0, 0, 1, 1, 0], [0, 0, 0, 0, 0], [1, 0, 1, 1, 1]] {
      settings.initialization = .labels(labels)
      let fit = try settings.fit(rows)
      #expect(fit.trace.allSatisfy { $0.evidenceLowerBound < evidence })
      // Within what a factorised posterior of five rows loses.
      #expect(fit.evidenceLowerBound > evidence - 3)
    }
  }

  @Test(
    arguments: conjugateStructures,
    [
      WeightPrior.dirichlet(concentration: 0.3), .dirichletProcess(concentration: 0.7),
    ])
  func `a fit is that of plain loops`(
    _ structure: CovarianceStructure, _ weightPrior: WeightPrior
  ) throws {
    let problem = try RandomProblem(n: 60, d: 3, K: 3, separation: 2, seed: 5)
    let rows = (0..<60).map { problem.observations.matrix.row($0) }
    // Falling counts, in which order the process keeps them.
    let labels = (0..<60).map { $0 < 30 ? 0 : $0 < 50 ? 1 : 2 }
    let caseWeights = (0..<60).map { 0.5 + Double($0 % 4) / 4 }
    let observations = try Observations(
      Matrix(rows: rows), annotations: RowAnnotations(caseWeights: CaseWeights(caseWeights)))
    for iterations in [0, 1, 4] {
      let fit = try VariationalBayes(
        componentCount: 3, covariance: structure, weightPrior: weightPrior,
        initialization: .labels(labels),
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: iterations)
      ).fit(observations)
      var plain = PlainVariationalBayes(
        rows, caseWeights: caseWeights, structure: structure, prior: fit.posterior.prior,
        labels: labels, componentCount: 3)
      plain.maximize()
      for _ in 0..<iterations {
        plain.expect()
        plain.maximize()
      }
      plain.expect()
      #expect(relativeDifference(fit.evidenceLowerBound, plain.bound) < 1e-11)
      for k in 0..<3 {
        #expect(relativeDifference(fit.posterior.counts[k], plain.counts[k]) < 1e-9)
        for i in 0..<3 {
          #expect(relativeDifference(fit.posterior.means[k, i], plain.means[k][i]) < 1e-9)
          for j in 0..<3 {
            #expect(
              relativeDifference(fit.posterior.scatters[k][i, j], plain.scatters[k][i][j]) < 1e-9)
          }
        }
      }
    }
  }

  @Test(arguments: scikitLearnPosteriors)
  fileprivate func `the posterior of iris is that of scikit-learn`(
    _ reference: PosteriorReference
  ) throws {
    var scatter = Matrix(repeating: 0, rowCount: 4, columnCount: 4)
    for (j, value) in [0.5, 0.25, 1, 0.3].enumerated() { scatter[j, j] = value }
    let fit = try VariationalBayes(
      componentCount: 3, weightPrior: .dirichlet(concentration: 0.5),
      meanPrior: MeanPrior(location: [5, 3, 4, 1], strength: 0.75),
      precisionPrior: PrecisionPrior(scatter: scatter, degreesOfFreedom: 6),
      initialization: .labels(ReferenceTables.irisLabels),
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: reference.iterations)
    ).fit(Observations(rows: ReferenceTables.iris))
    for (value, expected) in zip(fit.posterior.means.elements, reference.means) {
      #expect(abs(value - expected) < 1e-10)
    }
    for (value, expected) in zip(fit.expectedWeights, reference.weights) {
      #expect(abs(value - expected) < 1e-10)
    }
    for j in 0..<4 { #expect(abs(fit.model.covariances[1][j, j] - reference.variances[j]) < 1e-10) }
  }
}

@Suite("Observers of variational Bayes") struct VariationalObserverTests {
  /// What an observer heard, and when it is to end the fit.
  private final class Ear {
    var reports: [VariationalReport] = []
    let end: (VariationalReport) -> Bool

    init(end: @escaping (VariationalReport) -> Bool = { _ in false }) {
      self.end = end
    }

    func hear(_ report: VariationalReport) -> ObserverDecision {
      reports.append(report)
      return end(report) ? .stop : .proceed
    }
  }

  @Test("an observer hears of every posterior and changes no bit", arguments: conjugateStructures)
  func observing(structure: CovarianceStructure) throws {
    let rows = try RandomProblem(n: 300, d: 2, K: 3, structure: structure).observations
    let settings = VariationalBayes(
      componentCount: 5, covariance: structure, restartCount: 3, seed: 2)
    let plain = try settings.fit(rows)
    let ear = Ear()
    let fit = try settings.fit(rows, observer: ear.hear)
    #expect(fit.posterior == plain.posterior && fit.restartBounds == plain.restartBounds)
    #expect(fit.evidenceLowerBound == plain.evidenceLowerBound)
    let own = ear.reports.filter { $0.restart == fit.restart }
    #expect(own.map(\.iteration) == fit.trace.map(\.iteration))
    #expect(own.map(\.evidenceLowerBound) == fit.trace.map(\.evidenceLowerBound))
    #expect(own.map(\.posterior.expectedWeights) == fit.trace.map(\.expectedWeights))
    #expect(own.last?.posterior == fit.posterior && own.last?.model == fit.model)
    #expect(ear.reports.allSatisfy { $0.caseWeight == 300 })
    #expect(Set(ear.reports.map(\.restart)) == [0, 1, 2])
  }

  @Test(
    "an observer may end the fit: with the posterior it was shown, and without further restarts")
  func stopping() throws {
    let rows = try RandomProblem(n: 300, d: 2, K: 3, separation: 1).observations
    let settings = VariationalBayes(
      componentCount: 5, restartCount: 4,
      stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 6), seed: 2)
    let ear = Ear { $0.restart == 1 && $0.iteration == 3 }
    let fit = try settings.fit(rows, observer: ear.hear)
    #expect(ear.reports.last?.restart == 1 && ear.reports.last?.iteration == 3)
    #expect(fit.restartBounds.count == 2)
    #expect(fit.restartBounds[1] == ear.reports.last?.evidenceLowerBound)
    let first = Ear { $0.iteration == 2 }
    let short = try settings.fit(rows, observer: first.hear)
    #expect(short.stoppingReason == .observer && short.iterationCount == 2)
    #expect(short.posterior == first.reports.last?.posterior)
  }
}
