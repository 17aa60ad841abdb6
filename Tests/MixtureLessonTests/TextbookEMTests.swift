// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureLesson
import Mixtures
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite("The textbook's E-step") struct ExpectationTests {
  @Test(
    "two unit Gaussians at -1 and 1 share a point x as 1 / (1 + exp(-2x))",
    arguments: [-3, 0, 0.7, 40])
  func logistic(x: Double) throws {
    let mixture = TextbookMixture(
      weights: [0.5, 0.5], means: [[-1], [1]], covariances: [[[1]], [[1]]])
    let (z, logDensities) = try mixture.expectation([[x]])
    #expect(close(z[0][1], 1 / (1 + exp(-2 * x)), 1e-13))
    // log(½ φ(x + 1) + ½ φ(x − 1)), the larger term taken out.
    let far = -0.5 * (abs(x) - 1) * (abs(x) - 1) - 0.5 * log(8 * Double.pi)
    #expect(close(logDensities[0], far + log(1 + exp(-2 * abs(x))), 1e-14))
  }

  @Test("the density of a leaning ellipse is the one with the inverse written out") func leaning()
    throws
  {
    let mixture = TextbookMixture(
      weights: [1], means: [[3, 4]], covariances: [[[1, -0.5], [-0.5, 1]]])
    // Σ⁻¹ = [[4, 2], [2, 4]] / 3 and det Σ = ¾; at x − μ = (1, 2) the square distance is (4 + 8 + 16) / 3.
    let expected = -0.5 * (28.0 / 3 + log(0.75)) - log(2 * Double.pi)
    #expect(close(try mixture.logLikelihood(of: [[4, 6]]), expected, 1e-14))
  }

  @Test("parameters that are no mixture are errors, not traps") func invalidParameters() {
    func codeOf(
      _ weights: [Double], _ means: [[Double]], _ covariances: [[[Double]]]
    ) -> MixtureError.Code? {
      code { () throws(MixtureError) in
        let mixture = TextbookMixture(weights: weights, means: means, covariances: covariances)
        _ = try mixture.expectation([[1]])
      }
    }
    #expect(codeOf([1], [[0]], [[[1]]]) == nil)
    #expect(codeOf([], [], []) == .invalidSetting)
    #expect(codeOf([1], [[0, 0]], [[[1]]]) == .shapeMismatch)
    #expect(codeOf([1], [[0]], [[[1], [1]]]) == .shapeMismatch)
    #expect(codeOf([2], [[0]], [[[1]]]) == .invalidModel)
    #expect(codeOf([.nan], [[0]], [[[1]]]) == .invalidModel)
    #expect(codeOf([1], [[.infinity]], [[[1]]]) == .invalidModel)
    #expect(codeOf([1], [[0]], [[[0]]]) == .notPositiveDefinite)
    #expect(codeOf([1], [[0]], [[[.nan]]]) == .notPositiveDefinite)
    #expect(codeOf([1], [[1e200]], [[[1e-200]]]) == .nonFiniteObservation)
  }
}

@Suite("The textbook's EM") struct TextbookEMTests {
  @Test(
    "one component gets the mean and the covariance of the data, as far as its structure allows",
    arguments: TextbookEM.structures)
  func oneComponent(structure: CovarianceStructure) throws {
    let em = TextbookEM(structure: structure, iterationLimit: 1)
    let fit = try em.fit(eruptions, componentCount: 1, seed: 1)
    let (mean, S) = moments(of: eruptions)
    let expected: [[Double]]
    switch structure.form {
    case .full: expected = S
    case .diagonal: expected = [[S[0][0], 0], [0, S[1][1]]]
    case .scalar:
      let variance = (S[0][0] + S[1][1]) / 2
      expected = [[variance, 0], [0, variance]]
    }
    #expect(fit.parameters.weights == [1])
    #expect(close(fit.parameters.means, [mean]))
    #expect(close(fit.parameters.covariances[0], expected))
    #expect(fit.stoppingReason == .iterationLimit)
  }

  @Test(
    "the log-likelihood never falls, and is that of the parameters",
    arguments: TextbookEM.structures)
  func ascent(structure: CovarianceStructure) throws {
    let X = try observationsOfD(count: 100)
    let fit = try TextbookEM(structure: structure).fit(X, componentCount: 2, seed: 5)
    #expect(fit.trace.count == 26 && fit.stepCount == 25)
    for (before, after) in zip(fit.trace, fit.trace.dropFirst()) {
      #expect(after >= before - 1e-12 * abs(before))
    }
    #expect(try fit.parameters.logLikelihood(of: X) == fit.logLikelihood)
    #expect(fit.logLikelihood > fit.trace[0])
    // The covariances have their structure to the bit, so the engine accepts them.
    #expect(try fit.parameters.gaussianMixture(structure: structure).structure == structure)
  }

  @Test(
    "no small change of a converged covariance's parameters is better",
    arguments: TextbookEM.structures)
  func stationary(structure: CovarianceStructure) throws {
    let em = TextbookEM(structure: structure, tolerance: 1e-13, iterationLimit: 500)
    let fit = try em.fit(eruptions, componentCount: 2, seed: 2)
    #expect(fit.stoppingReason == .converged)
    for factor in [0.99, 1.01] {
      var other = fit.parameters
      other.covariances = other.covariances.map { $0.map { $0.map { $0 * factor } } }
      #expect(try other.logLikelihood(of: eruptions) < fit.logLikelihood)
      other = fit.parameters
      other.means[0][1] *= factor
      #expect(try other.logLikelihood(of: eruptions) < fit.logLikelihood)
      other = fit.parameters
      other.weights[0] *= factor
      other.weights[1] = 1 - other.weights[0]
      #expect(try other.logLikelihood(of: eruptions) < fit.logLikelihood)
    }
  }

  @Test("two groups far apart get the moments of each") func farApart() throws {
    let left = eruptions
    let right = eruptions.map { [$0[0] + 1000, $0[1]] }
    let start = TextbookMixture(
      weights: [0.5, 0.5], means: [left[0], right[0]],
      covariances: [[[100, 0], [0, 100]], [[100, 0], [0, 100]]])
    let fit = try TextbookEM().fit(left + right, from: start)
    let (mean, covariance) = moments(of: left)
    #expect(fit.parameters.weights == [0.5, 0.5])
    #expect(close([fit.parameters.means[0]], [mean]))
    #expect(close(fit.parameters.covariances[0], covariance))
    #expect(close(fit.parameters.covariances[1], covariance, 1e-10))
  }

  @Test("the observer sees every step, complete and in a chain") func diagnostics() throws {
    let X = try observationsOfD(count: 60)
    var steps: [TextbookStep] = []
    let fit = try TextbookEM().fit(X, componentCount: 2, seed: 7) { steps.append($0) }
    #expect(steps.map(\.number) == Array(0..<25))
    #expect(steps.map(\.logLikelihood) == Array(fit.trace.dropLast()))
    #expect(steps[0].old == (try TextbookEM().start(for: X, componentCount: 2, seed: 7)))
    #expect(steps[24].new == fit.parameters)
    for (step, next) in zip(steps, steps.dropFirst()) { #expect(step.new == next.old) }
    for step in steps {
      #expect(step.observations == X)
      #expect(step.componentCount == 2)
      #expect(step.responsibilities.count == 60)
      for z in step.responsibilities { #expect(abs(z[0] + z[1] - 1) <= 4 * .ulpOfOne) }
      #expect(step.weights == step.old.weights && step.newWeights == step.new.weights)
      #expect(step.means == step.old.means && step.newMeans == step.new.means)
      #expect(step.covariances == step.old.covariances)
      #expect(step.newCovariances == step.new.covariances)
    }
  }

  @Test("a tolerance stops early; without one the number of steps is exact") func stopping() throws
  {
    let fit = try TextbookEM(tolerance: 1e-3).fit(eruptions, componentCount: 2, seed: 2)
    #expect(fit.stoppingReason == .converged)
    #expect(fit.stepCount < 25)
    let gains = zip(fit.trace.dropFirst(), fit.trace).map { ($0 - $1) / 16 }
    #expect(gains.dropLast().allSatisfy { $0 >= 1e-3 })
    #expect(gains.last.map { $0 < 1e-3 } == true)
    let none = try TextbookEM(iterationLimit: 0).fit(eruptions, componentCount: 2, seed: 2)
    #expect(none.stepCount == 0)
    #expect(none.parameters == (try TextbookEM().start(for: eruptions, componentCount: 2, seed: 2)))
  }

  @Test("the start has equal weights and the variances of the columns") func start() throws {
    let start = try TextbookEM().start(for: eruptions, componentCount: 400, seed: 1)
    let (mean, S) = moments(of: eruptions)
    #expect(start.weights == [Double](repeating: 1.0 / 400, count: 400))
    #expect(close(start.covariances[399], [[S[0][0], 0], [0, S[1][1]]]))
    let starts = moments(of: start.means)
    for j in 0..<2 {
      let deviation = S[j][j].squareRoot()
      #expect(abs(starts.mean[j] - mean[j]) < 4 * deviation / 20)
      #expect(abs(starts.covariance[j][j] - S[j][j]) < 4 * S[j][j] * (2.0 / 400).squareRoot())
    }
  }

  @Test("a row of case weight 2 is the row twice") func caseWeights() throws {
    let start = try TextbookEM().start(for: eruptions, componentCount: 2, seed: 2)
    let weights = eruptions.indices.map { $0 < 4 ? 2.0 : 1.0 }
    let weighted = try TextbookEM().fit(eruptions, from: start, caseWeights: weights)
    let twice = try TextbookEM().fit(eruptions + eruptions.prefix(4), from: start)
    #expect(close(weighted.parameters.means, twice.parameters.means, 1e-9))
    #expect(close(weighted.parameters.covariances[0], twice.parameters.covariances[0], 1e-9))
    #expect(close(weighted.logLikelihood, twice.logLikelihood, 1e-11))
  }

  @Test("an M-step that is written elsewhere takes the place of ours") func replaced() throws {
    let fit = try TextbookEM(iterationLimit: 3).fit(
      eruptions, componentCount: 2, seed: 2, maximization: { _, _, old in old })
    #expect(fit.parameters == (try TextbookEM().start(for: eruptions, componentCount: 2, seed: 2)))
    #expect(
      code { () throws(MixtureError) in
        _ = try TextbookEM().fit(
          eruptions, componentCount: 2, seed: 2,
          maximization: { _, z, old in
            var new = old
            new.weights = [3, 4]
            return new
          })
      } == .invalidModel)
  }

  @Test("a component that closes in on one point collapses, and the error names it and the step")
  func collapse() {
    let start = TextbookMixture(
      weights: [0.5, 0.5], means: [[3.3, 69], eruptions[15]],
      covariances: [[[1, 0], [0, 200]], [[1e-3, 0], [0, 1e-3]]])
    do {
      _ = try TextbookEM().fit(eruptions, from: start)
      Issue.record("the collapse was not noticed")
    } catch {
      #expect(error.code == .degenerateObservations)
      #expect(error.message.hasPrefix("component 1 collapsed at step 0: its covariance is"))
    }
  }

  @Test("a component too far away to own anything collapses, and the error says so") func empty() {
    let start = TextbookMixture(
      weights: [0.5, 0.5], means: [[3.3, 69], [1e6, 1e6]],
      covariances: [[[1, 0], [0, 200]], [[1, 0], [0, 1]]])
    do {
      _ = try TextbookEM().fit(eruptions, from: start)
      Issue.record("the empty component was not noticed")
    } catch {
      #expect(error.code == .degenerateObservations)
      #expect(error.message.contains("component 1 collapsed at step 0: it owns no observation"))
    }
  }

  @Test("in a shared covariance it is the empty component that is named") func emptyAmongShared() {
    let start = TextbookMixture(
      weights: [0.5, 0.5], means: [[3.3, 69], [1e6, 1e6]],
      covariances: [[[1, 0], [0, 200]], [[1, 0], [0, 1]]])
    do {
      _ = try TextbookEM(structure: .tied).fit(eruptions, from: start)
      Issue.record("the empty component was not noticed")
    } catch {
      #expect(error.message.hasPrefix("component 1 collapsed at step 0: it owns no observation"))
    }
  }

  @Test("a column of one number has no full covariance, but spheres have one") func constantColumn()
    throws
  {
    let X = eruptions.map { [$0[0], 0.1] }
    let start = TextbookMixture(
      weights: [0.5, 0.5], means: [[2, 0.1], [4, 0.1]],
      covariances: [[[1, 0], [0, 1]], [[1, 0], [0, 1]]])
    for structure in TextbookEM.structures {
      let em = TextbookEM(structure: structure)
      let isSphere = structure.form == .scalar
      #expect(
        code { () throws(MixtureError) in _ = try em.fit(X, componentCount: 2, seed: 2) }
          == (isSphere ? nil : .degenerateObservations))
      #expect(
        code { () throws(MixtureError) in _ = try em.fit(X, from: start) }
          == (isSphere ? nil : .degenerateObservations))
    }
  }

  @Test("bad observations and settings are errors, not traps") func badInput() {
    func codeOf(
      _ X: [[Double]], K: Int = 2, em: TextbookEM = TextbookEM()
    ) -> MixtureError.Code? {
      code { () throws(MixtureError) in _ = try em.fit(X, componentCount: K, seed: 1) }
    }
    #expect(codeOf([]) == .emptyObservations)
    #expect(codeOf([[]]) == .emptyObservations)
    #expect(codeOf([[1, 2], [1]]) == .shapeMismatch)
    #expect(codeOf([[1, 2], [.nan, 1]]) == .nonFiniteObservation)
    #expect(codeOf([[1, 2], [1, 3]]) == .degenerateObservations)
    #expect(codeOf([[1, 2]]) == .degenerateObservations)
    #expect(codeOf(eruptions, K: 0) == .invalidSetting)
    #expect(codeOf(eruptions, K: -1) == .invalidSetting)
    #expect(codeOf(eruptions, em: TextbookEM(tolerance: .nan)) == .invalidSetting)
    #expect(codeOf(eruptions, em: TextbookEM(iterationLimit: -1)) == .invalidSetting)
    #expect(
      code { () throws(MixtureError) in
        let start = try TextbookEM().start(for: eruptions, componentCount: 2, seed: 1)
        _ = try TextbookEM().fit(eruptions, from: start, caseWeights: [1])
      } == .shapeMismatch)
  }
}

@Suite("Draws of the parameters") struct ParameterDrawsTests {
  @Test("for one component the means scatter with variance S / (n + 1), which is exact")
  func spreadOfTheMean() throws {
    let em = TextbookEM()
    let fitted = try em.fit(eruptions, componentCount: 1, seed: 1).parameters
    let draws = try em.parameterDraws(count: 400, seed: 9, around: fitted, for: eruptions)
    let scatter = moments(of: draws.map { $0.means[0] })
    let (mean, S) = moments(of: eruptions)
    for j in 0..<2 {
      let variance = S[j][j] / 17
      #expect(abs(scatter.mean[j] - mean[j]) < 4 * (variance / 400).squareRoot())
      #expect(abs(scatter.covariance[j][j] / variance - 1) < 4 * (2.0 / 400).squareRoot())
    }
  }

  @Test("components stay where they are, and a draw does not depend on how many there are")
  func alignment() throws {
    let em = TextbookEM(structure: .diagonal, tolerance: 1e-9, iterationLimit: 500)
    let fitted = try em.fit(eruptions, componentCount: 2, seed: 2).parameters
    let draws = try em.parameterDraws(count: 8, seed: 1, around: fitted, for: eruptions)
    for draw in draws {
      #expect(draw.weights != fitted.weights)
      #expect((draw.means[0][1] < draw.means[1][1]) == (fitted.means[0][1] < fitted.means[1][1]))
    }
    #expect(
      try em.parameterDraws(count: 3, seed: 1, around: fitted, for: eruptions)
        == Array(draws.prefix(3)))
  }
}
