// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The least covariance that an M-step may return: Σ − diag(f) must be positive semidefinite.
///
/// The bound is a constraint, not a term that is always added: where it does not bind it changes nothing, and where it
/// does the M-step returns the maximum under it, so that the log-likelihood still never falls. With f a fixed fraction
/// of each feature's variance, it is the same bound in any unit. Multiples of the identity, which know one unit only, are
/// held to the mean of f.
struct CovarianceFloor: Sendable {
  /// f, one number for each feature; zeros mean no floor.
  let minimumVariances: [Double]

  /// Whether there is a floor at all.
  var isActive: Bool { minimumVariances.contains { $0 > 0 } }

  /// The bound on a variance that all features share.
  var meanVariance: Double { minimumVariances.reduce(0, +) / Double(minimumVariances.count) }

  /// Raises the stored elements of one covariance to the floor. Returns whether anything was changed.
  ///
  /// For a full matrix: in units where f is 1, eigenvalues below 1 become 1.
  ///
  /// - Complexity: O(d³) for a full matrix; the eigenvalues are only computed if the bound is crossed.
  func raise(_ elements: inout [Double], form: CovarianceStructure.Form) -> Bool {
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
      return raiseFull(&elements)
    }
  }

  private func raiseFull(_ elements: inout [Double]) -> Bool {
    let d = minimumVariances.count
    var excess = elements
    for i in 0..<d { excess[i * (i + 3) / 2] -= minimumVariances[i] }
    if Cholesky(packed: excess, order: d) != nil { return false }

    let units = minimumVariances.map { $0.squareRoot() }
    var scaled = elements
    for i in 0..<d {
      for j in 0...i { scaled[i * (i + 1) / 2 + j] /= units[i] * units[j] }
    }
    let eigen = SymmetricEigen(packed: scaled, order: d)
    for i in 0..<d {
      for j in 0...i {
        var sum = 0.0
        for m in 0..<d {
          sum += max(eigen.values[m], 1) * eigen.vectors[i * d + m] * eigen.vectors[j * d + m]
        }
        elements[i * (i + 1) / 2 + j] = sum * units[i] * units[j]
      }
    }
    return true
  }
}
