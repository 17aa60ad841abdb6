// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What the rows of a table carry beside their features: how much they count, which cells are missing, how precisely they
/// were measured, and which components they may belong to. All of it may be given at once.
///
/// ```swift
/// var annotations = RowAnnotations()
/// annotations.allowsMissing = true
/// annotations.caseWeights = CaseWeights(weights)
/// let observations = try Observations(matrix, annotations: annotations)
/// ```
///
/// Rows that carry nothing special take the path of plain rows, to the bit.
public struct RowAnnotations: Sendable, Equatable {
  /// How much each row counts; nil if all count once.
  public var caseWeights: CaseWeights?
  /// Whether a cell that is NaN is a missing value. Else it is an error.
  public var allowsMissing: Bool
  /// The noise that the rows were measured with; nil if there was none.
  public var noise: MeasurementNoise?
  /// What rows measure, if that is not their features; nil if it is.
  public var projections: Projections?
  /// The components that rows are known to belong to; nil if nothing is known.
  public var knownComponents: KnownComponents?
  /// The limits of cells without a value; nil if there are none.
  public var limits: CensoringLimits?
  /// The box outside of which nothing was observed; nil if there is none.
  public var window: ObservationWindow?
  /// The probability that a row is observed; nil if all are.
  public var selection: SelectionFunction?

  /// Annotations from their parts.
  public init(
    caseWeights: CaseWeights? = nil, allowsMissing: Bool = false, noise: MeasurementNoise? = nil,
    projections: Projections? = nil, knownComponents: KnownComponents? = nil,
    limits: CensoringLimits? = nil, window: ObservationWindow? = nil,
    selection: SelectionFunction? = nil
  ) {
    self.caseWeights = caseWeights
    self.allowsMissing = allowsMissing
    self.noise = noise
    self.projections = projections
    self.knownComponents = knownComponents
    self.limits = limits
    self.window = window
    self.selection = selection
  }

  /// Whether there is nothing to tell.
  public var isEmpty: Bool {
    caseWeights == nil && !allowsMissing && noise == nil && projections == nil
      && knownComponents == nil && limits == nil && window == nil && selection == nil
  }

  /// Whether every cell of every row is known exactly.
  var isComplete: Bool {
    !allowsMissing && noise == nil && projections == nil && limits == nil && window == nil
  }

  /// Whether the rows are a part of what there is.
  var isTruncated: Bool { window?.isActive ?? false || selection != nil }
}

/// Real-valued case weights: a row of weight w ≥ 0 enters every sum w times.
public struct CaseWeights: Sendable, Equatable {
  /// What a weight means, which only criteria with a number of observations need to know.
  public enum Meaning: String, Sendable, Codable, CaseIterable {
    /// A row of weight w stands for w equal rows: BIC counts Σᵢ wᵢ observations.
    case frequency
    /// A row of weight w is one row that is trusted more or less than others: BIC counts the rows with wᵢ > 0.
    case reliability
  }

  /// One number for each row, finite and not negative, not all zero.
  public var values: [Double]
  /// What they mean.
  public var meaning: Meaning

  /// Weights from their values; frequencies unless said otherwise.
  public init(_ values: [Double], meaning: Meaning = .frequency) {
    self.values = values
    self.meaning = meaning
  }
}

/// The covariance of the Gaussian noise that was added to rows when they were measured.
///
/// The density that is fitted is that of the values without noise (extreme deconvolution; Bovy, Hogg & Roweis 2011,
/// [doi:10.1214/10-AOAS439](https://doi.org/10.1214/10-AOAS439)). An infinite standard deviation says that the cell tells
/// nothing: it is a missing value.
public enum MeasurementNoise: Sendable, Equatable {
  /// The same covariance for all rows, d × d.
  case shared(Matrix)
  /// A standard deviation for every cell, n × d; features are measured independently.
  case standardDeviations(Matrix)
  /// A covariance for every row: n rows of d · d numbers, row i the d × d covariance of row i, by rows.
  case covariances(Matrix)
}

/// Linear combinations of the features that rows measure in place of them: row i holds R xᵢ, with R one of some matrices.
public struct Projections: Sendable, Equatable {
  /// The matrices, each m × d with 1 ≤ m ≤ d and linearly independent rows.
  public var matrices: [Matrix]
  /// Which of them each row measures; nil for a row that holds its features as they are. A row of m numbers has them in
  /// its first m cells, and NaN in the others.
  public var indices: [Int?]

  /// Projections from the distinct matrices and each row's choice of them.
  public init(_ matrices: [Matrix], indices: [Int?]) {
    self.matrices = matrices
    self.indices = indices
  }
}

/// For each row the components that it may belong to.
///
/// A row that must belong to component k enters the likelihood with wₖ N(x; μₖ, Σₖ), one that may belong to several with the
/// sum over them. Components that no row is known to belong to are free for all rows of which nothing is known. Which rows
/// something is known of must have nothing to do with what they belong to: where outliers among them are known to be outliers,
/// say so by ``background``.
public struct KnownComponents: Sendable, Equatable {
  /// What stands for the background in place of a component's number.
  public static let background = -1

  /// The different sets of components.
  let sets: [Set<Int>]
  /// The number of each row's set; −1 for rows of which nothing is known.
  let indices: [Int32]

  /// One component for each row, or nil where nothing is known.
  public init(_ components: [Int?]) {
    self.init(sets: components.map { $0.map { [$0] } })
  }

  /// Some components for each row, or nil where nothing is known.
  public init(sets: [Set<Int>?]) {
    var numbers: [Set<Int>: Int32] = [:]
    var distinct: [Set<Int>] = []
    indices = sets.map { set in
      guard let set else { return -1 }
      if let number = numbers[set] { return number }
      numbers[set] = Int32(distinct.count)
      distinct.append(set)
      return Int32(distinct.count - 1)
    }
    self.sets = distinct
  }

  private init(distinct: [Set<Int>], indices: [Int32]) {
    sets = distinct
    self.indices = indices
  }

  /// The components that a row may belong to; nil if nothing is known of it.
  public subscript(row: Int) -> Set<Int>? {
    indices[row] < 0 ? nil : sets[Int(indices[row])]
  }

  /// The number of rows.
  public var count: Int { indices.count }

  func selecting(_ rows: some Sequence<Int>) -> KnownComponents {
    KnownComponents(distinct: sets, indices: rows.map { indices[$0] })
  }
}

// MARK: - Parts of tables

extension RowAnnotations {
  /// The annotations of some rows, in the given order.
  func selecting(_ rows: some Collection<Int>) -> RowAnnotations {
    var result = self
    if let caseWeights {
      result.caseWeights!.values = rows.map { caseWeights.values[$0] }
    }
    func selecting(_ matrix: Matrix) -> Matrix {
      Matrix(
        unchecked: rows.flatMap { matrix.row($0) }, rowCount: rows.count,
        columnCount: matrix.columnCount)
    }
    switch noise {
    case .standardDeviations(let deviations):
      result.noise = .standardDeviations(selecting(deviations))
    case .covariances(let matrices): result.noise = .covariances(selecting(matrices))
    case .shared, nil: break
    }
    if let projections { result.projections!.indices = rows.map { projections.indices[$0] } }
    if let knownComponents { result.knownComponents = knownComponents.selecting(rows) }
    if let limits {
      result.limits = CensoringLimits(
        lower: selecting(limits.lower), upper: selecting(limits.upper))
    }
    return result
  }
}

// MARK: - Checks

extension RowAnnotations {
  /// Requires annotations that fit a table, and that can be.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` or ``MixtureError/Code/invalidAnnotation`` naming the row.
  func requireValid(rowCount n: Int, featureCount d: Int) throws(MixtureError) {
    if let caseWeights { try requireValid(caseWeights, rowCount: n) }
    if let noise { try requireValid(noise, rowCount: n, featureCount: d) }
    if let projections { try requireValid(projections, rowCount: n, featureCount: d) }
    try requireValidLimits(rowCount: n, featureCount: d)
    if let knownComponents {
      try requireCount(knownComponents.count, n, "sets of known components")
      if let row = (0..<n).first(where: { knownComponents[$0]?.isEmpty ?? false }) {
        throw MixtureError(
          .invalidAnnotation,
          "row \(row) (counted from 0) may belong to no component at all; give it at least one, or nil if "
            + "nothing is known.")
      }
      if let set = knownComponents.sets.firstIndex(where: {
        ($0.min() ?? 0) < KnownComponents.background
      }) {
        let row = knownComponents.indices.firstIndex(of: Int32(set))!
        throw MixtureError(
          .invalidAnnotation,
          "row \(row) (counted from 0) is known to belong to component \(knownComponents.sets[set].min()!); "
            + "components count from 0, and \(KnownComponents.background) is the background.")
      }
    }
  }

  private func requireCount(_ count: Int, _ n: Int, _ what: String) throws(MixtureError) {
    guard count == n else {
      throw MixtureError(
        .shapeMismatch, "there are \(count) \(what) for \(n) rows; there must be one for each.")
    }
  }

  private func requireValid(_ weights: CaseWeights, rowCount n: Int) throws(MixtureError) {
    try requireCount(weights.values.count, n, "case weights")
    if let row = weights.values.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
      throw MixtureError(
        .invalidAnnotation,
        "the case weight of row \(row) (counted from 0) is \(weights.values[row]); it must be finite and not "
          + "negative.")
    }
    guard weights.values.contains(where: { $0 > 0 }) else {
      throw MixtureError(
        .invalidAnnotation,
        "all \(n) case weights are zero, so no row counts; at least one must be positive.")
    }
  }

  private func requireValid(
    _ noise: MeasurementNoise, rowCount n: Int, featureCount d: Int
  ) throws(MixtureError) {
    switch noise {
    case .shared(let matrix):
      guard matrix.rowCount == d, matrix.columnCount == d else {
        throw MixtureError(
          .shapeMismatch,
          "the noise covariance is \(matrix.rowCount) × \(matrix.columnCount); for \(d) features it must be "
            + "\(d) × \(d).")
      }
      try requireCovariance(matrix.elements[...], featureCount: d, "the noise covariance")
    case .standardDeviations(let deviations):
      try requireCount(deviations.rowCount, n, "rows of noise")
      guard deviations.columnCount == d else {
        throw MixtureError(
          .shapeMismatch,
          "there are \(deviations.columnCount) standard deviations of noise in a row; for \(d) features there "
            + "must be \(d).")
      }
      if let index = deviations.elements.firstIndex(where: { !($0 >= 0) }) {
        throw MixtureError(
          .invalidAnnotation,
          "the noise of row \(index / d) (counted from 0), feature \(index % d), has the standard deviation "
            + "\(deviations.elements[index]); it must not be negative, and in the unit of the feature."
        )
      }
    case .covariances(let matrices):
      try requireCount(matrices.rowCount, n, "noise covariances")
      guard matrices.columnCount == d * d else {
        throw MixtureError(
          .shapeMismatch,
          "a noise covariance has \(matrices.columnCount) elements; for \(d) features it must have "
            + "\(d) · \(d).")
      }
      for row in 0..<n {
        try requireCovariance(
          matrices.elements[row * d * d..<(row + 1) * d * d], featureCount: d,
          "the noise covariance of row \(row) (counted from 0)")
      }
    }
  }

  /// Requires a symmetric and positive semidefinite matrix.
  private func requireCovariance(
    _ elements: ArraySlice<Double>, featureCount d: Int, _ what: @autoclosure () -> String
  ) throws(MixtureError) {
    func element(_ i: Int, _ j: Int) -> Double { elements[elements.startIndex + i * d + j] }
    var packed: [Double] = []
    for i in 0..<d {
      for j in 0...i {
        guard element(i, j).isFinite else {
          throw MixtureError(
            .invalidAnnotation,
            "\(what()) holds \(element(i, j)) at (\(i), \(j)); every element must be finite.")
        }
        guard element(i, j) == element(j, i) else {
          throw MixtureError(
            .invalidAnnotation,
            "\(what()) is not symmetric: element (\(i), \(j)) is \(element(i, j)), element (\(j), \(i)) is "
              + "\(element(j, i)).")
        }
        packed.append(element(i, j))
      }
    }
    for i in 0..<d where element(i, i) < 0 {
      throw MixtureError(
        .invalidAnnotation,
        "\(what()) has the variance \(element(i, i)) for feature \(i); it must not be negative.")
    }
    // Semidefinite if it is definite with a rounding's worth more on its diagonal.
    var raised = packed
    for i in 0..<d where element(i, i) > 0 {
      raised[i * (i + 3) / 2] *= 1 + 16 * Double(d) * .ulpOfOne
    }
    for i in 0..<d where element(i, i) == 0 {
      for j in 0..<d where element(i, j) != 0 {
        throw MixtureError(
          .invalidAnnotation,
          "\(what()) is not positive semidefinite: feature \(i) has no variance, but the covariance "
            + "\(element(i, j)) with feature \(j).")
      }
      raised[i * (i + 3) / 2] = 1
    }
    guard Cholesky(packed: raised, order: d) != nil else {
      throw MixtureError(
        .invalidAnnotation,
        "\(what()) is not positive semidefinite. Covariances, not standard deviations or correlations, in the "
          + "units of the features, are wanted.")
    }
  }

  private func requireValid(
    _ projections: Projections, rowCount n: Int, featureCount d: Int
  ) throws(MixtureError) {
    try requireCount(projections.indices.count, n, "choices of a projection")
    /// A matrix by the first row that measures it.
    func name(_ number: Int) -> String {
      projections.indices.firstIndex(of: number).map {
        "the projection of row \($0) (counted from 0)"
      } ?? "projection \(number)"
    }
    for (number, matrix) in projections.matrices.enumerated() {
      guard matrix.columnCount == d, matrix.rowCount >= 1, matrix.rowCount <= d else {
        throw MixtureError(
          .shapeMismatch,
          "\(name(number)) is \(matrix.rowCount) × \(matrix.columnCount); for \(d) features it must have "
            + "\(d) columns and at most \(d) rows.")
      }
      guard matrix.elements.allSatisfy(\.isFinite) else {
        throw MixtureError(
          .invalidAnnotation, "\(name(number)) holds a number that is not finite.")
      }
      guard matrix.outerProduct() != nil else {
        throw MixtureError(
          .invalidAnnotation,
          "\(name(number)) has \(matrix.rowCount == 1 ? "a row of zeros" : "linearly dependent rows"); leave out what "
            + "the others determine.")
      }
    }
    if let row = projections.indices.firstIndex(where: {
      !($0.map { projections.matrices.indices.contains($0) } ?? true)
    }) {
      throw MixtureError(
        .invalidAnnotation,
        "row \(row) (counted from 0) measures projection \(projections.indices[row]!); there are "
          + "\(projections.matrices.count), counted from 0.")
    }
  }
}

extension MixtureError.Code {
  /// A case weight, noise, projection or known component that cannot be.
  public static let invalidAnnotation = MixtureError.Code(rawValue: "invalidAnnotation")
}
