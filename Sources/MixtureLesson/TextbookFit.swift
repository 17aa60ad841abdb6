// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// One step of ``TextbookEM``, as its observer sees it: all that the lesson's `diagnostics` is called with.
public struct TextbookStep: Sendable {
  /// The number of the step, from 0.
  public let number: Int
  /// The observations X, n × d.
  public let observations: [[Double]]
  /// The responsibilities z under the old parameters, n × K; every row sums to 1.
  public let responsibilities: [[Double]]
  /// The log-likelihood of the old parameters.
  public let logLikelihood: Double
  /// The parameters before the step.
  public let old: TextbookMixture
  /// The parameters after it.
  public let new: TextbookMixture

  /// The number of components, K.
  public var componentCount: Int { old.componentCount }
  /// The K weights before the step.
  public var weights: [Double] { old.weights }
  /// The means before the step, K × d.
  public var means: [[Double]] { old.means }
  /// The covariances before the step, K × d × d.
  public var covariances: [[[Double]]] { old.covariances }
  /// The K weights after the step.
  public var newWeights: [Double] { new.weights }
  /// The means after the step, K × d.
  public var newMeans: [[Double]] { new.means }
  /// The covariances after the step, K × d × d.
  public var newCovariances: [[[Double]]] { new.covariances }
}

/// What ``TextbookEM`` found.
public struct TextbookFit: Sendable {
  /// The last parameters.
  public let parameters: TextbookMixture
  /// The log-likelihood of the start and after each step; it never falls but for rounding.
  public let trace: [Double]
  /// Why the iteration stopped: `.converged` or `.iterationLimit`.
  public let stoppingReason: StoppingReason

  /// The log-likelihood of ``parameters``.
  public var logLikelihood: Double { trace.last ?? -.infinity }
  /// How many steps were taken.
  public var stepCount: Int { trace.count - 1 }
}
