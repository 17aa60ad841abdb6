// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureLesson
import Mixtures
import Testing

/// The right M-step and what a learner makes of its result.
private func check(
  _ spoil:
    @escaping (
      _ new: inout TextbookMixture, _ X: [[Double]], _ z: [[Double]], _ old: TextbookMixture
    ) -> Void
) throws -> MaximizationExercise.Verdict {
  try MaximizationExercise.check(
    on: observationsOfD(count: 80), componentCount: 2, seed: 1
  ) { X, z, old in
    var new = TextbookEM.fullMaximization(X, z, old)
    spoil(&new, X, z, old)
    return new
  }
}

private func owned(_ z: [[Double]], _ k: Int) -> Double { z.reduce(0) { $0 + $1[k] } }

extension MaximizationExercise.Verdict {
  fileprivate var difference: MaximizationExercise.Difference? {
    if case .different(let difference) = self { return difference }
    return nil
  }
}

@Suite("The exercise") struct MaximizationExerciseTests {
  @Test("the example in the documentation is right") func example() throws {
    let X = try observationsOfD(count: 80)
    let verdict = try MaximizationExercise.check(on: X, componentCount: 2, seed: 1) { X, z, old in
      var new = old
      for k in 0..<old.componentCount {
        var owned = 0.0  // N_k
        for i in 0..<X.count { owned += z[i][k] }
        new.weights[k] = owned / Double(X.count)

        for j in 0..<old.featureCount {
          var sum = 0.0
          for i in 0..<X.count { sum += z[i][k] * X[i][j] }
          new.means[k][j] = sum / owned
        }

        for a in 0..<old.featureCount {
          for b in 0..<old.featureCount {
            var sum = 0.0
            for i in 0..<X.count {
              sum += z[i][k] * (X[i][a] - new.means[k][a]) * (X[i][b] - new.means[k][b])
            }
            new.covariances[k][a][b] = sum / owned
          }
        }
      }
      return new
    }
    #expect(verdict == .right(stepCount: 25))
    #expect(
      verdict.description
        == "Right: in each of 25 steps every weight, mean and covariance is as it should be.")
  }

  @Test("covariances as raw second moments less the square of the mean are right too")
  func rawMoments() throws {
    let verdict = try check { new, X, z, _ in
      for k in 0..<2 {
        for a in 0..<2 {
          for b in 0..<2 {
            var sum = 0.0
            for i in 0..<X.count { sum += z[i][k] * X[i][a] * X[i][b] }
            new.covariances[k][a][b] = sum / owned(z, k) - new.means[k][a] * new.means[k][b]
          }
        }
      }
    }
    #expect(verdict.isRight)
  }

  @Test("the lesson's own fault is found at step 0 and named") func aboutOldMeans() throws {
    let verdict = try MaximizationExercise.check(
      on: observationsOfD(count: 80), componentCount: 2, seed: 1,
      LessonFaults.maximizationAboutOldMeans)
    let difference = try #require(verdict.difference)
    #expect(difference.step == 0)
    #expect(difference.component == 0)
    #expect(difference.parameter == .covariance(row: 0, column: 0))
    #expect(difference.got > difference.expected)
    #expect(difference.mistake == .aboutOldMeans)
    let sentence = verdict.description
    #expect(
      sentence.hasPrefix(
        "At step 0 the variance of component 0 in feature 0, covariances[0][0][0], is "))
    #expect(
      sentence.hasSuffix(
        "The covariances are taken about the old means; take them about the new ones, "
          + "which the same step has just found."))
  }

  @Test("each common mistake in the covariances is recognised") func covarianceMistakes() throws {
    func mistake(
      _ element:
        @escaping (_ right: Double, _ owned: Double, _ n: Double, _ onDiagonal: Bool) -> Double
    ) throws -> MaximizationMistake? {
      try check { new, X, z, _ in
        for k in 0..<2 {
          for a in 0..<2 {
            for b in 0..<2 {
              new.covariances[k][a][b] = element(
                new.covariances[k][a][b], owned(z, k), Double(X.count), a == b)
            }
          }
        }
      }.difference?.mistake
    }
    #expect(try mistake { right, owned, _, _ in right * owned } == .notDivided)
    #expect(try mistake { right, owned, n, _ in right * owned / n } == .dividedByObservationCount)
    #expect(try mistake { right, owned, _, _ in right * owned / (owned - 1) } == .dividedByOneLess)
    #expect(
      try mistake { right, _, _, isDiagonal in isDiagonal ? right.squareRoot() : 0 }
        == .standardDeviations)
    #expect(
      try mistake { right, _, _, isDiagonal in isDiagonal ? right : 0 } == .featuresUncorrelated)
    #expect(try mistake { right, _, _, _ in right * 1.2345 } == nil)
  }

  @Test("sums without z are recognised in covariances and in means") func unweighted() throws {
    let covariances = try check { new, X, _, _ in
      for k in 0..<2 {
        for a in 0..<2 {
          for b in 0..<2 {
            var sum = 0.0
            for x in X { sum += (x[a] - new.means[k][a]) * (x[b] - new.means[k][b]) }
            new.covariances[k][a][b] = sum / Double(X.count)
          }
        }
      }
    }
    #expect(covariances.difference?.mistake == .unweighted)
    let means = try check { new, X, z, _ in
      for k in 0..<2 {
        for j in 0..<2 { new.means[k][j] = X.reduce(0) { $0 + $1[j] } / owned(z, k) }
      }
    }
    #expect(means.difference?.parameter == .mean(feature: 0))
    #expect(means.difference?.mistake == .unweighted)
  }

  @Test("each common mistake in the means is recognised") func meanMistakes() throws {
    let undivided = try check { new, _, z, _ in
      for k in 0..<2 { new.means[k] = new.means[k].map { $0 * owned(z, k) } }
    }
    #expect(undivided.difference?.mistake == .notDivided)
    let byAll = try check { new, X, z, _ in
      for k in 0..<2 { new.means[k] = new.means[k].map { $0 * owned(z, k) / Double(X.count) } }
    }
    #expect(byAll.difference?.mistake == .dividedByObservationCount)
    let oneNumber = try check { new, _, _, _ in
      for k in 0..<2 {
        let average = (new.means[k][0] + new.means[k][1]) / 2
        new.means[k] = [average, average]
      }
    }
    #expect(oneNumber.difference?.mistake == .meansOfOneNumber)
  }

  @Test("weights that are not divided, or all equal, are recognised") func weightMistakes() throws {
    let counts = try check { new, _, z, _ in new.weights = [owned(z, 0), owned(z, 1)] }
    #expect(counts.difference?.parameter == .weight)
    #expect(counts.difference?.mistake == .notDivided)
    let equal = try check { new, _, _, _ in new.weights = [0.5, 0.5] }
    #expect(equal.difference?.mistake == .unweighted)
  }

  @Test("an M-step that changes nothing is told so") func unchanged() throws {
    let verdict = try check { new, _, _, old in new = old }
    #expect(verdict.difference?.mistake == .unchanged)
  }

  @Test("a fault that shows only later is found at its step") func laterFault() throws {
    var calls = 0
    let verdict = try check { new, _, _, _ in
      if calls == 4 { new.means[1][0] += 0.5 }
      calls += 1
    }
    let difference = try #require(verdict.difference)
    #expect(difference.step == 4)
    #expect(difference.component == 1)
    #expect(difference.parameter == .mean(feature: 0))
    #expect(difference.got == difference.expected + 0.5)
    #expect(difference.mistake == nil)
    #expect(calls == 5)
  }

  @Test("NaN is a difference, and the sentence says what makes one") func notANumber() throws {
    let verdict = try check { new, _, _, _ in new.weights[1] = .nan }
    #expect(verdict.difference?.component == 1)
    #expect(verdict.difference?.relativeDifference.isNaN == true)
    #expect(
      verdict.description.hasPrefix(
        "At step 0 the weight of component 1, weights[1], is not a number; it should be 0."))
  }

  @Test("a wrong shape is a verdict, not a trap") func wrongShapes() throws {
    let noWeights = try check { new, _, _, _ in new.weights = [] }
    #expect(
      noWeights
        == .wrongShape(step: 0, message: "weights has 0 elements where 2 are needed."))
    let shortMean = try check { new, _, _, _ in new.means[1] = [0] }
    #expect(
      shortMean.description
        == "At step 0 the result does not have the right shape: means[1] has 1 elements where 2 are needed."
    )
    let flat = try check { new, _, _, _ in new.covariances[0][1] = [] }
    #expect(!flat.isRight)
  }

  @Test("no step at all proves nothing") func noSteps() {
    #expect(
      code { () throws(MixtureError) in
        _ = try MaximizationExercise.check(
          on: eruptions, componentCount: 2, seed: 1, stepCount: 0, TextbookEM.fullMaximization)
      } == .invalidSetting)
  }

  @Test("every mistake has its explanation", arguments: MaximizationMistake.allCases)
  func explanations(mistake: MaximizationMistake) {
    #expect(mistake.explanation.hasSuffix("."))
  }
}
