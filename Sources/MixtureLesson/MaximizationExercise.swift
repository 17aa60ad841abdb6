// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif
public import Mixtures

/// The exercise of the lesson: write the M-step yourself, and find out where it first goes wrong.
///
/// You are given the observations X, the responsibilities z and the old parameters, and return the new ones.
/// z[i][k] says how much of observation i belongs to component k. Written out as loops, one right answer is
///
/// ```swift
/// let verdict = try MaximizationExercise.check(on: X, componentCount: 2, seed: 1) { X, z, old in
///   var new = old
///   for k in 0..<old.componentCount {
///     var owned = 0.0                                  // N_k
///     for i in 0..<X.count { owned += z[i][k] }
///     new.weights[k] = owned / Double(X.count)
///
///     for j in 0..<old.featureCount {
///       var sum = 0.0
///       for i in 0..<X.count { sum += z[i][k] * X[i][j] }
///       new.means[k][j] = sum / owned
///     }
///
///     for a in 0..<old.featureCount {
///       for b in 0..<old.featureCount {
///         var sum = 0.0
///         for i in 0..<X.count {
///           sum += z[i][k] * (X[i][a] - new.means[k][a]) * (X[i][b] - new.means[k][b])
///         }
///         new.covariances[k][a][b] = sum / owned
///       }
///     }
///   }
///   return new
/// }
/// print(verdict)
/// ```
///
/// Only results are compared, so any other way of writing it that is right to rounding passes.
public enum MaximizationExercise {
  /// What the check found.
  public enum Verdict: Sendable, Equatable, CustomStringConvertible {
    /// Every number of every step is right.
    case right(stepCount: Int)
    /// At this step the result did not have the shape of K components in d dimensions.
    case wrongShape(step: Int, message: String)
    /// The first number that is not what it should be.
    case different(Difference)

    /// Whether the M-step is right.
    public var isRight: Bool {
      if case .right = self { return true }
      return false
    }

    /// The verdict in sentences.
    public var description: String {
      switch self {
      case .right(let stepCount):
        return
          "Right: in each of \(stepCount) steps every weight, mean and covariance is as it should be."
      case .wrongShape(let step, let message):
        return "At step \(step) the result does not have the right shape: \(message)"
      case .different(let difference):
        return difference.description
      }
    }
  }

  /// Which number of one component's parameters.
  public enum Parameter: Sendable, Equatable {
    /// The component's weight.
    case weight
    /// Its mean in one feature.
    case mean(feature: Int)
    /// Its covariance of two features.
    case covariance(row: Int, column: Int)
  }

  /// The first number that the learner's M-step got wrong: weights are compared before means and means before
  /// covariances, since that is the order in which they depend on each other.
  public struct Difference: Sendable, Equatable, CustomStringConvertible {
    /// The step, from 0.
    public let step: Int
    /// The component, from 0.
    public let component: Int
    /// Which of its parameters.
    public let parameter: Parameter
    /// What the learner's M-step gives.
    public let got: Double
    /// What is right.
    public let expected: Double
    /// |got − expected|, divided by |expected| or, if that is larger, by the component's own scale: its standard
    /// deviation for a mean, the product of two for a covariance. NaN if `got` is.
    public let relativeDifference: Double
    /// The common mistake that gives just these numbers, if one does.
    public let mistake: MaximizationMistake?

    /// The finding in sentences.
    public var description: String {
      guard !got.isNaN else {
        return "At step \(step) \(name) is not a number; it should be \(spoken(expected)). "
          + "Somewhere 0 is divided by 0, or a root is taken of a negative number."
      }
      return "At step \(step) \(name) is \(spoken(got)) but should be \(spoken(expected)), "
        + "a relative difference of \(spoken(relativeDifference))."
        + (mistake.map { " \($0.explanation)" } ?? "")
    }

    /// The number in words and as the learner's program spells it.
    private var name: String {
      let k = component
      switch parameter {
      case .weight:
        return "the weight of component \(k), weights[\(k)],"
      case .mean(let j):
        return "the mean of component \(k) in feature \(j), means[\(k)][\(j)],"
      case .covariance(let i, let j) where i == j:
        return "the variance of component \(k) in feature \(i), covariances[\(k)][\(i)][\(i)],"
      case .covariance(let i, let j):
        return "the covariance of component \(k) between features \(i) and \(j), "
          + "covariances[\(k)][\(i)][\(j)],"
      }
    }
  }

  /// Checks a learner's M-step from the lesson's random start.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - componentCount: K.
  ///   - seed: decides the start; see ``TextbookEM/start(for:componentCount:seed:)``.
  ///   - stepCount: how many steps to compare.
  ///   - tolerance: the largest relative difference that passes; rounding needs 10⁻¹² or so, and formulas that
  ///     subtract large numbers need more.
  ///   - learnersStep: the M-step to be checked.
  /// - Throws: what ``TextbookEM/fit(_:componentCount:seed:diagnostics:maximization:)`` throws for the *right*
  ///   M-step on these data. Whatever the learner's returns is a verdict.
  /// - Complexity: O(n·K·d²) for each step, and the learner's.
  public static func check(
    on X: [[Double]], componentCount: Int, seed: UInt64, stepCount: Int = 25,
    tolerance: Double = 1e-6, _ learnersStep: TextbookEM.MaximizationStep
  ) throws(MixtureError) -> Verdict {
    let start = try TextbookEM().start(for: X, componentCount: componentCount, seed: seed)
    return try check(
      on: X, from: start, stepCount: stepCount, tolerance: tolerance, learnersStep)
  }

  /// Checks a learner's M-step from a given start.
  ///
  /// At each step the right M-step and the learner's get the same X, z and old parameters. The first difference ends
  /// the check; until then the two have gone the same way.
  ///
  /// Errors and cost are those of ``check(on:componentCount:seed:stepCount:tolerance:_:)``.
  ///
  /// - Parameters:
  ///   - X: n × d observations.
  ///   - start: the parameters of step 0.
  ///   - stepCount: how many steps to compare.
  ///   - tolerance: the largest relative difference that passes.
  ///   - learnersStep: the M-step to be checked.
  public static func check(
    on X: [[Double]], from start: TextbookMixture, stepCount: Int = 25,
    tolerance: Double = 1e-6, _ learnersStep: TextbookEM.MaximizationStep
  ) throws(MixtureError) -> Verdict {
    guard stepCount >= 1 else {
      throw MixtureError(
        .invalidSetting, "\(stepCount) steps show nothing; ask for 1 or more.")
    }
    var verdict = Verdict.right(stepCount: stepCount)
    do {
      _ = try TextbookEM(iterationLimit: stepCount).fit(X, from: start) { step in
        guard verdict.isRight else { return }
        verdict = self.verdict(
          on: learnersStep(X, step.responsibilities, step.old), at: step, of: stepCount,
          tolerance: tolerance)
      }
    } catch {
      // A collapse that comes after the learner's first difference takes nothing away from it.
      if verdict.isRight { throw error }
    }
    return verdict
  }

  private static func verdict(
    on got: TextbookMixture, at step: TextbookStep, of stepCount: Int, tolerance: Double
  ) -> Verdict {
    do {
      try got.checkShape(componentCount: step.componentCount, featureCount: step.old.featureCount)
    } catch {
      return .wrongShape(step: step.number, message: error.message)
    }
    return firstDifference(of: got, at: step, tolerance: tolerance).map(Verdict.different)
      ?? .right(stepCount: stepCount)
  }

  private static func firstDifference(
    of got: TextbookMixture, at step: TextbookStep, tolerance: Double
  ) -> Difference? {
    let comparison = Comparison(expected: step.new, tolerance: tolerance)
    for (component, parameter) in comparison.places {
      let value = got[component, parameter]
      let expected = step.new[component, parameter]
      let difference = comparison.relativeDifference(value, at: component, parameter)
      // Written so that NaN, which compares with nothing, counts as a difference.
      guard !(difference <= tolerance) else { continue }
      return Difference(
        step: step.number, component: component, parameter: parameter, got: value,
        expected: expected, relativeDifference: difference,
        mistake: MaximizationMistake.recognised(
          in: got, at: step, parameter: parameter, comparison: comparison))
    }
    return nil
  }
}

/// How numbers are held against the expected parameters.
struct Comparison {
  let expected: TextbookMixture
  let tolerance: Double

  /// Every number of the parameters: all weights, then all means, then all covariances.
  var places: [(component: Int, parameter: MaximizationExercise.Parameter)] {
    let K = expected.componentCount
    let d = expected.featureCount
    var places: [(Int, MaximizationExercise.Parameter)] = []
    for k in 0..<K { places.append((k, .weight)) }
    for k in 0..<K {
      for j in 0..<d { places.append((k, .mean(feature: j))) }
    }
    for k in 0..<K {
      for i in 0..<d {
        for j in 0..<d { places.append((k, .covariance(row: i, column: j))) }
      }
    }
    return places
  }

  /// |value − expected|, relative to the expected value or to the component's own scale, whichever is larger.
  func relativeDifference(
    _ value: Double, at component: Int, _ parameter: MaximizationExercise.Parameter
  ) -> Double {
    relativeDifference(value, expected[component, parameter], at: component, parameter)
  }

  /// Whether two sets of parameters agree in all numbers of the kind that `parameter` is.
  func agree(
    _ a: TextbookMixture, _ b: TextbookMixture, in parameter: MaximizationExercise.Parameter
  ) -> Bool {
    places.allSatisfy { place in
      guard place.parameter.isSameKind(as: parameter) else { return true }
      let difference = relativeDifference(
        a[place.component, place.parameter], b[place.component, place.parameter],
        at: place.component, place.parameter)
      return difference <= tolerance
    }
  }

  private func relativeDifference(
    _ a: Double, _ b: Double, at component: Int, _ parameter: MaximizationExercise.Parameter
  ) -> Double {
    func deviation(_ j: Int) -> Double { expected.covariances[component][j][j].squareRoot() }
    let scale: Double
    switch parameter {
    case .weight: scale = 0
    case .mean(let j): scale = deviation(j)
    case .covariance(let i, let j): scale = deviation(i) * deviation(j)
    }
    return a == b ? 0 : abs(a - b) / max(abs(b), scale)
  }
}

extension MaximizationExercise.Parameter {
  /// Whether both are weights, means or covariances.
  func isSameKind(as other: Self) -> Bool {
    switch (self, other) {
    case (.weight, .weight), (.mean, .mean), (.covariance, .covariance): return true
    default: return false
    }
  }
}

extension TextbookMixture {
  /// One number of the parameters.
  subscript(component: Int, parameter: MaximizationExercise.Parameter) -> Double {
    switch parameter {
    case .weight: return weights[component]
    case .mean(let j): return means[component][j]
    case .covariance(let i, let j): return covariances[component][i][j]
    }
  }
}

/// A number with four significant digits, as one would say it.
private func spoken(_ value: Double) -> String {
  guard value.isFinite, value != 0 else { return "\(value)" }
  let digits = 3 - Int(floor(log10(abs(value))))
  guard abs(digits) < 300 else { return "\(value)" }
  let scale = pow(10, Double(abs(digits)))
  let rounded =
    digits >= 0 ? (value * scale).rounded() / scale : (value / scale).rounded() * scale
  return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int(rounded))" : "\(rounded)"
}
