// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Which weights, means and covariances a fit leaves as they are, component by component.
///
/// ```swift
/// var settings = ExpectationMaximization(componentCount: 3, initialization: .model(start))
/// settings.fixed = FixedParameters(means: [0, 2])
/// ```
///
/// - Free weights share what the fixed ones leave, in proportion to Nₖ.
/// - Where a mean is fixed, the covariance is that of the rows about the mean that is kept.
/// - Covariances of VII, VVI and VVV are fixed one by one. All other structures have volumes, shapes or orientations in
///   common, and all their covariances are fixed or none.
///
/// The values are those of ``values``, or of the starting model. A fit with fixed parameters starts from a model or from
/// labels, as other starts do not say which component is which. If everything is fixed, the model is only scored.
public struct FixedParameters: Sendable, Codable, Equatable {
  /// The components, from 0, whose weight is fixed.
  public var weights: Set<Int>
  /// Those whose mean is fixed.
  public var means: Set<Int>
  /// Those whose covariance is fixed.
  public var covariances: Set<Int>
  /// The mixture that has the fixed values; nil means the starting model. What is not fixed is not used.
  public var values: GaussianMixture?

  /// The given parameters.
  public init(
    weights: some Sequence<Int> = [], means: some Sequence<Int> = [],
    covariances: some Sequence<Int> = [], values: GaussianMixture? = nil
  ) {
    self.weights = Set(weights)
    self.means = Set(means)
    self.covariances = Set(covariances)
    self.values = values
  }

  /// None.
  public static let none = FixedParameters()

  /// All parameters of all components.
  public static func everything(
    componentCount: Int, values: GaussianMixture? = nil
  ) -> FixedParameters {
    let all = 0..<max(componentCount, 0)
    return FixedParameters(weights: all, means: all, covariances: all, values: values)
  }

  /// Whether nothing is fixed.
  public var isEmpty: Bool { weights.isEmpty && means.isEmpty && covariances.isEmpty }

  /// The number of free parameters of a mixture with this structure.
  ///
  /// - Precondition: The components are among 0 ..< K.
  public func parameterCount(
    structure: CovarianceStructure, featureCount d: Int, componentCount K: Int,
    equalWeights: Bool = false
  ) -> Int {
    func count(_ weights: Bool) -> Int {
      structure.parameterCount(featureCount: d, componentCount: K, equalWeights: !weights)
    }
    let perCovariance = structure.form.elementCount(featureCount: d)
    let freeWeights = equalWeights ? 0 : max(K - weights.count - 1, 0)
    let allCovariances = count(false) - K * d
    let fixedCovariances =
      covariances.count == K ? allCovariances : covariances.count * perCovariance
    return count(false) + freeWeights - means.count * d - fixedCovariances
  }

  /// Requires that the parameters can be fixed, and that the values suit.
  ///
  /// - Throws: ``MixtureError/Code/invalidSetting``; ``MixtureError/Code/featureCountMismatch``;
  ///   ``MixtureError/Code/invalidModel`` for fixed covariances that do not have the structure.
  func held(
    _ structure: CovarianceStructure, componentCount K: Int, featureCount d: Int,
    equalWeights: Bool, values start: GaussianMixture?
  ) throws(MixtureError) -> HeldParameters? {
    if isEmpty { return nil }
    func require(_ holds: Bool, _ message: String) throws(MixtureError) {
      if !holds { throw MixtureError(.invalidSetting, message) }
    }
    for (name, set) in [("weight", weights), ("mean", means), ("covariance", covariances)] {
      if let k = set.sorted().first(where: { $0 < 0 || $0 >= K }) {
        throw MixtureError(
          .invalidSetting,
          "the \(name) of component \(k) is to be fixed, but \(K) components are 0 to \(K - 1).")
      }
    }
    guard let values = values ?? start else {
      throw MixtureError(
        .invalidSetting,
        "parameters are to be fixed, but there are no values for them. Give a mixture that has them, "
          + "or start from a model.")
    }
    try require(
      values.componentCount == K,
      "the mixture with the fixed values has \(values.componentCount) components; it must have \(K)."
    )
    guard values.featureCount == d else {
      throw .featureCountMismatch(model: values.featureCount, observations: d)
    }
    try require(
      weights.isEmpty || !equalWeights,
      "weights cannot be fixed at given values and at 1/K; choose one of the two.")
    if !weights.isEmpty, weights.count < K {
      let sum = weights.sorted().reduce(0) { $0 + values.weights[$1] }
      try require(
        sum < 1,
        "the fixed weights sum to \(sum), which leaves nothing for the other components.")
    }
    let areApart = [.vii, .vvi, .vvv].contains(structure)
    try require(
      covariances.isEmpty || covariances.count == K || areApart,
      "the covariances of \(covariances.count) of \(K) components are to be fixed, but those of "
        + "\(structure.rawValue) have something in common. Fix all of them or none, or use VII, VVI or VVV."
    )
    var elements: [Double] = []
    let fixed = covariances.sorted()
    if !fixed.isEmpty {
      elements =
        values.structure == structure && fixed.count == K
        ? values.covariances.elements
        : try Covariances(structure: structure, matrices: fixed.map { values.covariances[$0] })
          .elements
    }
    return HeldParameters(fixed: self, values: values, structure: structure, elements: elements)
  }
}

/// Fixed parameters on their way through a fit, whose components may leave.
struct HeldParameters: Sendable, Codable {
  private let fixed: FixedParameters
  private let values: GaussianMixture
  private let structure: CovarianceStructure
  /// The fixed covariances as the structure stores them, in order of their components; one if it is shared.
  private let elements: [Double]
  /// Which component each was at the beginning; nil for one that came later.
  private var origins: [Int?]

  init(
    fixed: FixedParameters, values: GaussianMixture, structure: CovarianceStructure,
    elements: [Double]
  ) {
    self.fixed = fixed
    self.values = values
    self.structure = structure
    self.elements = elements
    origins = Array(0..<values.componentCount)
  }

  var componentCount: Int { origins.count }

  func weight(_ k: Int) -> Double? {
    origins[k].flatMap { fixed.weights.contains($0) ? values.weights[$0] : nil }
  }

  func mean(_ k: Int) -> [Double]? {
    origins[k].flatMap { fixed.means.contains($0) ? values.means.row($0) : nil }
  }

  /// The stored elements of a fixed covariance.
  func covariance(_ k: Int) -> ArraySlice<Double>? {
    guard let origin = origins[k], fixed.covariances.contains(origin) else { return nil }
    let each = structure.form.elementCount(featureCount: values.featureCount)
    let index = structure.isShared ? 0 : fixed.covariances.count { $0 < origin }
    return elements[index * each..<(index + 1) * each]
  }

  /// What a component was that has a fixed weight and no rows, and therefore nothing else to go by.
  func start(_ k: Int) -> (mixture: GaussianMixture, component: Int)? {
    origins[k].map { (values, $0) }
  }

  func isAnythingFixed(_ k: Int) -> Bool {
    weight(k) != nil || mean(k) != nil || covariance(k) != nil
  }

  var isEverything: Bool {
    origins.indices.allSatisfy {
      weight($0) != nil && mean($0) != nil && covariance($0) != nil
    }
  }

  /// What the fixed weights leave for the others.
  var freeWeight: Double { 1 - origins.indices.reduce(0) { $0 + (weight($1) ?? 0) } }

  var hasFreeWeight: Bool { origins.indices.contains { weight($0) == nil } }
  var hasFixedWeight: Bool { origins.indices.contains { weight($0) != nil } }

  /// What is fixed of the components that there are now, by their present numbers.
  var present: FixedParameters {
    FixedParameters(
      weights: origins.indices.filter { weight($0) != nil },
      means: origins.indices.filter { mean($0) != nil },
      covariances: origins.indices.filter { covariance($0) != nil })
  }

  mutating func remove(_ k: Int) { origins.remove(at: k) }
  mutating func append(_ count: Int) { origins += Array(repeating: nil, count: count) }
  /// Leaves only the first components.
  mutating func keepFirst(_ count: Int) { origins = Array(origins.prefix(count)) }

  /// Whether the parts have shapes that fit together.
  func isConsistent(featureCount d: Int) -> Bool {
    let each = structure.form.elementCount(featureCount: d)
    let stored = structure.isShared ? min(fixed.covariances.count, 1) : fixed.covariances.count
    return values.featureCount == d && elements.count == stored * each
      && origins.allSatisfy { $0.map { $0 >= 0 && $0 < values.componentCount } ?? true }
  }

  /// Weights with the fixed ones in place: the others share what is left in proportion to what they are.
  func weights(sharing shares: [Double]) -> [Double] {
    let rest = freeWeight
    let sum = shares.indices.reduce(0) { $0 + (weight($1) == nil ? shares[$1] : 0) }
    return shares.indices.map { k in weight(k) ?? (sum > 0 ? rest * shares[k] / sum : 0) }
  }

  /// A starting model with the fixed values in place.
  func fixing(_ start: GaussianMixture) throws(MixtureError) -> GaussianMixture {
    let K = start.componentCount
    let kept = start.structure == structure ? structure : .vvv
    let means = try Matrix(rows: (0..<K).map { mean($0) ?? start.means.row($0) })
    let matrices = (0..<K).map { k in
      covariance(k) == nil ? start.covariances[k] : values.covariances[k]
    }
    let areFixed = (0..<K).contains { covariance($0) != nil }
    return try GaussianMixture(
      weights: hasFixedWeight ? weights(sharing: start.weights) : start.weights, means: means,
      covariances: areFixed
        ? Covariances(structure: kept, matrices: matrices) : start.covariances)
  }
}
