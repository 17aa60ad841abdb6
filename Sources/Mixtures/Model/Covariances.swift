// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The covariance matrices of K components: one if the structure shares it, else K of the structure's form.
///
/// Structures that hold volumes, shapes or orientations equal but not the whole matrix are stored as K matrices too: the
/// density of an observation needs them, and any numbers in common can be found in them.
public struct Covariances: Sendable, Equatable {
  /// What the matrices have in common.
  public let structure: CovarianceStructure
  /// The number of components, K.
  public let componentCount: Int
  /// The number of features, d.
  public let featureCount: Int
  /// The distinct matrices one after the other: one if the structure shares it, else K. Each is its lower
  /// triangle by rows, its diagonal, or its one variance, by the structure's form.
  public let elements: [Double]
  /// The factors and uniquenesses that the matrices are made of; nil if they are not known to be made of any.
  public let factors: FactorDecomposition?

  /// Covariances from their stored elements.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` unless `elements` has the length that the structure
  ///   needs; ``MixtureError/Code/invalidModel`` if one is NaN or infinite, or if volumes, shapes or orientations that
  ///   the structure holds equal differ by more than a relative 10⁻⁵ (and the rounding of ill-conditioned matrices).
  public init(
    structure: CovarianceStructure, componentCount: Int, featureCount: Int, elements: [Double]
  ) throws(MixtureError) {
    let each = structure.form.elementCount(featureCount: featureCount)
    let expected = (structure.isShared ? 1 : componentCount) * each
    guard componentCount > 0, featureCount > 0, elements.count == expected else {
      throw MixtureError(
        .shapeMismatch,
        "\(structure.rawValue) covariances of \(componentCount) components in \(featureCount) "
          + "dimensions have \(expected) elements; got \(elements.count).")
    }
    if let index = elements.firstIndex(where: { !$0.isFinite }) {
      throw MixtureError(
        .invalidModel,
        "the covariance of component \(index / each) holds \(elements[index]); "
          + "every element must be finite.")
    }
    self.init(
      unchecked: elements, structure: structure, componentCount: componentCount,
      featureCount: featureCount)
    try requireStructure()
  }

  /// Covariances from one d × d matrix for each component.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` if a matrix is not d × d;
  ///   ``MixtureError/Code/invalidModel`` if one is not symmetric, or does not have the structure's
  ///   form, or differs from the first in what the structure holds equal.
  public init(structure: CovarianceStructure, matrices: [Matrix]) throws(MixtureError) {
    guard let first = matrices.first, first.rowCount > 0 else {
      throw MixtureError(
        .shapeMismatch, "at least one covariance matrix of at least 1 × 1 is needed.")
    }
    let d = first.rowCount
    var elements: [Double] = []
    for (k, matrix) in matrices.enumerated() {
      guard matrix.rowCount == d, matrix.columnCount == d else {
        throw MixtureError(
          .shapeMismatch,
          "covariance \(k) is \(matrix.rowCount) × \(matrix.columnCount); expected \(d) × \(d).")
      }
      for i in 0..<d {
        for j in 0..<i where matrix[i, j] != matrix[j, i] {
          throw MixtureError(
            .invalidModel,
            "covariance \(k) is not symmetric: element (\(i), \(j)) is \(matrix[i, j]), "
              + "element (\(j), \(i)) is \(matrix[j, i]).")
        }
        for j in 0..<i where structure.form != .full && matrix[i, j] != 0 {
          throw MixtureError(
            .invalidModel,
            "covariance \(k) is not diagonal, as \(structure.rawValue) demands: "
              + "element (\(i), \(j)) is \(matrix[i, j]).")
        }
        if structure.form == .scalar, matrix[i, i] != matrix[0, 0] {
          throw MixtureError(
            .invalidModel,
            "covariance \(k) is not a multiple of the identity, as \(structure.rawValue) demands: "
              + "its diagonal holds \(matrix[0, 0]) and \(matrix[i, i]).")
        }
      }
      if structure.isShared, k > 0 {
        guard matrix == first else {
          throw MixtureError(
            .invalidModel,
            "covariance \(k) differs from covariance 0, but \(structure.rawValue) shares one.")
        }
        continue
      }
      switch structure.form {
      case .full: for i in 0..<d { for j in 0...i { elements.append(matrix[i, j]) } }
      case .diagonal: for i in 0..<d { elements.append(matrix[i, i]) }
      case .scalar: elements.append(matrix[0, 0])
      }
    }
    try self.init(
      structure: structure, componentCount: matrices.count, featureCount: d, elements: elements)
  }

  init(
    unchecked elements: [Double], structure: CovarianceStructure, componentCount: Int,
    featureCount: Int, factors: FactorDecomposition? = nil
  ) {
    self.factors = factors
    self.structure = structure
    self.componentCount = componentCount
    self.featureCount = featureCount
    self.elements = elements
  }

  /// The number of matrices that are stored: 1 if shared, else K.
  var storedCount: Int { structure.isShared ? 1 : componentCount }

  /// The number of elements stored for one matrix.
  var elementsPerMatrix: Int { structure.form.elementCount(featureCount: featureCount) }

  /// The stored elements of the matrix of component `k`.
  func stored(_ k: Int) -> ArraySlice<Double> {
    let start = structure.isShared ? 0 : k * elementsPerMatrix
    return elements[start..<start + elementsPerMatrix]
  }

  /// The covariance of component `k` as a d × d matrix.
  public subscript(k: Int) -> Matrix {
    precondition(k >= 0 && k < componentCount, "component \(k) of \(componentCount)")
    var matrix = Matrix(repeating: 0, rowCount: featureCount, columnCount: featureCount)
    let values = stored(k)
    var index = values.startIndex
    for i in 0..<featureCount {
      switch structure.form {
      case .full:
        for j in 0...i {
          matrix[i, j] = values[index]
          matrix[j, i] = values[index]
          index += 1
        }
      case .diagonal: matrix[i, i] = values[values.startIndex + i]
      case .scalar: matrix[i, i] = values[values.startIndex]
      }
    }
    return matrix
  }

  /// The K covariances as d × d matrices.
  public var matrices: [Matrix] { (0..<componentCount).map { self[$0] } }
}
