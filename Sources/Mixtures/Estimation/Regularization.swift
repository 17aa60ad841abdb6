// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The least covariance that an M-step may return: Σ − diag(f) must be positive semidefinite.
///
/// The bound is a constraint, not a term that is always added: where it does not bind it changes nothing, and where it
/// does the M-step returns the maximum under it, so that the log-likelihood still never falls. With f a fixed fraction
/// of each feature's variance, it is the same bound in any unit.
///
/// Some structures know one unit only, as they compare features with each other. Multiples of the identity are held to
/// the mean of f. Where axes or eigenvalues of ellipsoids in any direction are equal (EVE, VVE, EEV, VEV), no
/// eigenvalue may be below the least of f: a larger bound could be above the variance of a feature with small numbers.
struct CovarianceFloor: Sendable {
  /// f, one number for each feature; zeros mean no floor.
  let minimumVariances: [Double]

  /// Whether there is a floor at all.
  var isActive: Bool { minimumVariances.contains { $0 > 0 } }

  /// The bound on a variance that all features share.
  var meanVariance: Double { minimumVariances.reduce(0, +) / Double(minimumVariances.count) }

  /// The bound on the eigenvalues of structures that compare features.
  var leastVariance: Double { minimumVariances.min() ?? 0 }

  /// f, or nil if there is no floor.
  var bounds: [Double]? { isActive ? minimumVariances : nil }

  /// Whether a full matrix is at or above the floor.
  func holds(_ packed: some Collection<Double>) -> Bool {
    let d = minimumVariances.count
    var excess = Array(packed)
    for i in 0..<d { excess[i * (i + 3) / 2] -= minimumVariances[i] }
    return Kernels.cholesky(&excess, order: d, tolerance: 0)
  }

  /// A full matrix in units in which the floor is the identity.
  func scaled(_ packed: some Collection<Double>) -> [Double] {
    times(packed, minimumVariances.map { 1 / $0.squareRoot() })
  }

  /// A full matrix back in the units of the data.
  func unscaled(_ packed: some Collection<Double>) -> [Double] {
    times(packed, minimumVariances.map { $0.squareRoot() })
  }

  /// Raises the stored elements of one covariance to the floor. Returns whether anything was changed.
  ///
  /// For a full matrix: in units where f is 1, eigenvalues below 1 become 1.
  ///
  /// - Complexity: O(d³) for a full matrix; the eigenvalues are only computed if the bound is crossed.
  func raise(_ elements: inout [Double], form: CovarianceStructure.Form) -> Bool {
    elements.withUnsafeMutableBufferPointer { raise($0, form: form) }
  }

  /// The same where they lie.
  func raise(
    _ elements: UnsafeMutableBufferPointer<Double>, form: CovarianceStructure.Form
  ) -> Bool {
    guard isActive else { return false }
    switch form {
    case .scalar:
      guard elements[0] < meanVariance else { return false }
      elements[0] = meanVariance
      return true
    case .diagonal:
      var raised = false
      for j in elements.indices where elements[j] < minimumVariances[j] {
        elements[j] = minimumVariances[j]
        raised = true
      }
      return raised
    case .full:
      return raiseFull(elements)
    }
  }

  private func times(_ packed: some Collection<Double>, _ units: [Double]) -> [Double] {
    var result = Array(packed)
    var index = 0
    for i in units.indices {
      for j in 0...i {
        result[index] *= units[i] * units[j]
        index += 1
      }
    }
    return result
  }

  private func raiseFull(_ elements: UnsafeMutableBufferPointer<Double>) -> Bool {
    if holds(elements) { return false }
    let d = minimumVariances.count
    let eigen = SymmetricEigen(packed: scaled(elements), order: d)
    let raised = unscaled(
      SymmetricEigen.compose(eigen.values.map { max($0, 1) }, eigen.vectors, order: d))
    for index in elements.indices { elements[index] = raised[index] }
    return true
  }
}
