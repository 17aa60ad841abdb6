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

@Suite("The faults of the lesson's code") struct LessonFaultsTests {
  @Test("means about one number start far outside columns of different size") func oneNumber()
    throws
  {
    let (mean, S) = moments(of: eruptions)
    let faulty = try LessonFaults.startAboutOneNumber(for: eruptions, componentCount: 50, seed: 1)
    let right = try TextbookEM().start(for: eruptions, componentCount: 50, seed: 1)
    // Minutes of eruption lie near 3, minutes of pause near 69; the one number is 36.
    let centre = (mean[0] + mean[1]) / 2
    for k in 0..<50 {
      // The same random numbers about another centre.
      for j in 0..<2 {
        #expect(close(faulty.means[k][j] - centre, right.means[k][j] - mean[j], 1e-9))
      }
      #expect((faulty.means[k][0] - mean[0]) / S[0][0].squareRoot() > 20)
    }
  }

  @Test("covariances of deviations are too narrow above 1 and too wide below") func deviations()
    throws
  {
    let (_, S) = moments(of: eruptions)
    let faulty = try LessonFaults.startWithDeviations(for: eruptions, componentCount: 2, seed: 1)
    let right = try TextbookEM().start(for: eruptions, componentCount: 2, seed: 1)
    #expect(faulty.means == right.means)
    for j in 0..<2 { #expect(close(faulty.covariances[1][j][j], S[j][j].squareRoot())) }
    #expect(faulty.covariances[0][1][1] < right.covariances[0][1][1] / 10)
    // In hours the same column starts too wide.
    let inHours = eruptions.map { [$0[0] / 60, $0[1] / 60] }
    let wide = try LessonFaults.startWithDeviations(for: inHours, componentCount: 2, seed: 1)
    #expect(wide.covariances[0][1][1] > 4 * moments(of: inHours).covariance[1][1])
  }

  @Test("about the old means a covariance is too large by the square of the mean's move")
  func oldMeans() throws {
    let X = try observationsOfD(count: 80)
    let old = try TextbookEM().start(for: X, componentCount: 2, seed: 1)
    let z = try old.expectation(X).responsibilities
    let right = TextbookEM.fullMaximization(X, z, old)
    let faulty = LessonFaults.maximizationAboutOldMeans(X, z, old)
    #expect(faulty.means == right.means && faulty.weights == right.weights)
    for k in 0..<2 {
      let move = (0..<2).map { right.means[k][$0] - old.means[k][$0] }
      let expected = (0..<2).map { i in
        (0..<2).map { j in right.covariances[k][i][j] + move[i] * move[j] }
      }
      #expect(close(faulty.covariances[k], expected))
    }
    #expect(try faulty.logLikelihood(of: X) < right.logLikelihood(of: X))
  }

  @Test("far from every component densities give NaN where logarithms give the exact answer")
  func farPoint() throws {
    let mixture = TextbookMixture(
      weights: [0.5, 0.5], means: [[-0.01], [0.01]], covariances: [[[1]], [[1]]])
    let far = try LessonFaults.linearSpaceResponsibilities([[38], [39]], mixture)
    let exact = try mixture.expectation([[38], [39]]).responsibilities
    #expect(!far[0][1].isNaN)
    #expect(far[1].allSatisfy { $0.isNaN })
    // The square distances cancel but for their rounding: 760 and a few ulp of it.
    #expect(close(exact[1][1], 1 / (1 + exp(-0.02 * 39)), 1e-12))
    // Nearby the two agree.
    let near = try LessonFaults.linearSpaceResponsibilities(eruptions, nearby)
    #expect(close(near, try nearby.expectation(eruptions).responsibilities))
    // One NaN is in every sum of the next M-step.
    let next = TextbookEM.fullMaximization([[38], [39]], far, mixture)
    #expect(next.weights.allSatisfy { $0.isNaN } && next.means.joined().allSatisfy { $0.isNaN })
  }

  private var nearby: TextbookMixture {
    TextbookMixture(
      weights: [0.4, 0.6], means: [[2, 52], [4, 79]],
      covariances: [[[1, 0], [0, 90]], [[1, 0], [0, 90]]])
  }

  @Test("25 steps are too many for some data and too few for other") func twentyFiveSteps() throws {
    let apart = eruptions + eruptions.map { [$0[0] + 100, $0[1]] }
    let wide = [[100.0, 0], [0, 100]]
    let easy = TextbookMixture(
      weights: [0.5, 0.5], means: [[0, 60], [100, 60]], covariances: [wide, wide])
    let settled = try LessonFaults.alwaysTwentyFiveSteps(apart, from: easy)
    #expect(settled.stepCount == 25)
    #expect(close(settled.trace[3], settled.logLikelihood))

    // Three components for data of two overlap, and sort themselves out slowly.
    let X = try observationsOfD(count: 80)
    let hard = try TextbookEM().start(for: X, componentCount: 3, seed: 4)
    let short = try LessonFaults.alwaysTwentyFiveSteps(X, from: hard)
    let whole = try TextbookEM(iterationLimit: 400).fit(X, from: hard)
    #expect(whole.logLikelihood > short.logLikelihood + 1)
  }

  @Test(
    "closing in on one point raises the log-likelihood by (d/2) log 10 for each tenth, for ever")
  func collapse() throws {
    let variances = [1e-12, 1e-13, 1e-20, 1e-21, 1e-200, 1e-201]
    let values = try LessonFaults.collapsingLogLikelihoods(
      of: eruptions, onto: 15, variances: variances)
    for pair in stride(from: 0, to: 6, by: 2) {
      #expect(close(values[pair + 1] - values[pair], log(10), 1e-9))
    }
    let fit = try TextbookEM().fit(eruptions, componentCount: 2, seed: 2)
    #expect(values[5] > fit.logLikelihood + 100)
    #expect(
      code { () throws(MixtureError) in
        _ = try LessonFaults.collapsingLogLikelihoods(of: eruptions, onto: 16, variances: [1])
      } == .invalidSetting)
  }

  @Test("the sampler with singular values draws with covariance Σ², not Σ") func squaredCovariance()
    throws
  {
    let example = ExampleMixture.d
    let drawn = try LessonFaults.drawWithSingularValues(
      from: example.parameters, count: 1500, seed: 5)
    let right = try example.draw(count: 1500, seed: 5)
    #expect(drawn.map(\.rowCount) == right.map(\.rowCount))
    let count = Double(drawn[0].rowCount)
    let (_, covariance) = moments(of: drawn[0].plainRows)
    // [[1, −½], [−½, 1]]² = [[1¼, −1], [−1, 1¼]]
    let squared = [[1.25, -1], [-1, 1.25]]
    for i in 0..<2 {
      for j in 0..<2 {
        let S = squared
        let error = ((S[i][i] * S[j][j] + S[i][j] * S[i][j]) / count).squareRoot()
        #expect(abs(covariance[i][j] - S[i][j]) < 4 * error)
        // And so it is not Σ: the difference, ¼ or ½, is more than four standard errors of it.
        #expect(abs(covariance[i][j] - example.covariances[0][i][j]) > 4 * error / 2)
      }
    }
  }
}
