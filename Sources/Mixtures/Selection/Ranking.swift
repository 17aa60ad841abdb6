// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

extension ModelSelection {
  /// One cell of the grid.
  public struct Candidate: Sendable {
    /// The number of components asked for.
    public let componentCount: Int
    /// The covariance structure.
    public let covariance: CovarianceStructure
    /// The fit, or why the data allow none of this structure.
    public internal(set) var outcome: Result<MixtureFit, MixtureError>
    /// Where the fit began.
    public internal(set) var origin: Origin = .start
    /// The model that the fit began from, if it began at a neighbour's.
    public internal(set) var beginning: GaussianMixture?
    /// The log-likelihood of held-out rows, if it was asked for and every fold has a fit.
    public internal(set) var crossValidation: CrossValidation?

    /// The fit, if there is one.
    public var fit: MixtureFit? { try? outcome.get() }
  }

  /// Where the fit of a candidate began.
  public enum Origin: Sendable, Equatable, Codable {
    /// At the start that the settings name.
    case start
    /// At the model of another candidate, brought to this one's structure and number of components.
    case neighbour(componentCount: Int, covariance: CovarianceStructure)
  }

  /// The whole grid, and the best of it.
  ///
  /// It is Codable; a coder must keep every bit of a number, and infinity.
  public struct Ranking: Sendable {
    /// Every cell, by structure and then by number of components, in the order asked for.
    public let candidates: [Candidate]
    /// The criterion that ranked them.
    public let criterion: SelectionCriterion
    /// The index of the best candidate; of equal ones the one with the least BIC, and of those the first.
    public let bestIndex: Int
    /// The best fit.
    public let best: MixtureFit
    /// The likelihood-ratio tests that were made, from the smallest number of components on.
    public let tests: [LikelihoodRatioTest]
    /// The log-likelihood of one component, for each form of covariances that was tried, if it was asked for.
    let singleLogLikelihoods: [CovarianceStructure.Form: Double]
    /// The table that was searched.
    let table: TableIdentity

    /// The value of a criterion for a candidate, smaller is better; nil if it has no fit, or was not asked for it: the
    /// normalized entropy criterion is known if the search was by it or tried one component of the same form, the
    /// cross-validation if the search was by it. Likelihood-ratio tests have no values.
    public func value(of criterion: SelectionCriterion, at index: Int) -> Double? {
      let candidate = candidates[index]
      guard let fit = candidate.fit else { return nil }
      switch criterion {
      case .bic, .aic, .aicc, .icl: return criterion.information.map(fit.value)
      case .normalizedEntropy:
        let form = candidate.covariance.form
        let single =
          singleLogLikelihoods[form]
          ?? candidates.first { $0.componentCount == 1 && $0.covariance.form == form }?.fit?
          .logLikelihood
        guard let single else { return nil }
        return SelectionCriterion.normalizedEntropy(
          componentCount: fit.model.componentCount, logLikelihood: fit.logLikelihood,
          entropy: fit.entropy, singleLogLikelihood: single)
      case .crossValidation: return candidate.crossValidation?.deviance
      case .likelihoodRatioTest: return nil
      }
    }

    /// Ranks candidates.
    ///
    /// - Throws: The first candidate's error if none has a fit.
    init(
      _ candidates: [Candidate], criterion: SelectionCriterion, tests: [LikelihoodRatioTest],
      singleLogLikelihoods: [CovarianceStructure.Form: Double], table: TableIdentity
    ) throws(MixtureError) {
      guard let first = candidates.firstIndex(where: { $0.fit != nil }) else {
        guard case .failure(let error) = candidates[0].outcome else {
          preconditionFailure("no candidate")
        }
        throw error
      }
      // The best is found by the values of a ranking that has no best yet.
      let unranked = Ranking(
        candidates: candidates, criterion: criterion, bestIndex: first,
        best: try candidates[first].outcome.get(), tests: tests,
        singleLogLikelihoods: singleLogLikelihoods, table: table)
      let best = unranked.leastIndex ?? first
      self.init(
        candidates: candidates, criterion: criterion, bestIndex: best,
        best: try candidates[best].outcome.get(), tests: tests,
        singleLogLikelihoods: singleLogLikelihoods, table: table)
    }

    private init(
      candidates: [Candidate], criterion: SelectionCriterion, bestIndex: Int, best: MixtureFit,
      tests: [LikelihoodRatioTest], singleLogLikelihoods: [CovarianceStructure.Form: Double],
      table: TableIdentity
    ) {
      self.candidates = candidates
      self.criterion = criterion
      self.bestIndex = bestIndex
      self.best = best
      self.tests = tests
      self.singleLogLikelihoods = singleLogLikelihoods
      self.table = table
    }

    /// Whether a candidate with a fit is better than another one.
    func isLess(_ a: Int, _ b: Int) -> Bool {
      let (x, y) = (value(of: criterion, at: a), value(of: criterion, at: b))
      // What has no value, or none that can be compared, comes last.
      let (left, right) = (x ?? .infinity, y ?? .infinity)
      if left != right, !left.isNaN, !right.isNaN { return left < right }
      if left.isNaN != right.isNaN { return right.isNaN }
      return candidates[a].fit!.bic < candidates[b].fit!.bic
    }

    /// The candidate with the least value of the criterion.
    private var leastIndex: Int? {
      if criterion == .likelihoodRatioTest {
        return LikelihoodRatioTest.choice(tests, among: candidates)
      }
      return candidates.indices.filter { candidates[$0].fit != nil }
        .reduce(nil as Int?) { best, index in
          best.map { isLess(index, $0) ? index : $0 } ?? index
        }
    }
  }
}

// MARK: - Merging

extension ModelSelection.Ranking {
  /// This search and another one of the same table as one: all candidates of both, ranked by this one's criterion.
  ///
  /// Of a candidate that both have, the likelier fit is kept, and of equal ones this one's. Candidates are listed by
  /// structure, those of this search first, and then by number of components.
  ///
  /// - Throws: ``MixtureError/Code/checkpointMismatch`` if the other search is of another table;
  ///   ``MixtureError/Code/invalidSetting`` if this search was by likelihood-ratio tests, which go from one number to the
  ///   next.
  public func merged(with other: ModelSelection.Ranking) throws(MixtureError)
    -> ModelSelection.Ranking
  {
    try table.require(other.table)
    guard criterion != .likelihoodRatioTest else {
      throw MixtureError(
        .invalidSetting,
        "searches by likelihood-ratio tests cannot be merged; choose another criterion.")
    }
    var all = candidates
    for candidate in other.candidates {
      let index = all.firstIndex {
        $0.componentCount == candidate.componentCount && $0.covariance == candidate.covariance
      }
      guard let index else {
        all.append(candidate)
        continue
      }
      guard let fit = candidate.fit else { continue }
      if all[index].fit.map({ fit.logLikelihood > $0.logLikelihood }) ?? true {
        all[index] = candidate
      }
    }
    var structures: [CovarianceStructure] = []
    for candidate in all where !structures.contains(candidate.covariance) {
      structures.append(candidate.covariance)
    }
    let sorted = structures.flatMap { structure in
      all.filter { $0.covariance == structure }.sorted { $0.componentCount < $1.componentCount }
    }
    return try ModelSelection.Ranking(
      sorted, criterion: criterion, tests: [],
      singleLogLikelihoods: singleLogLikelihoods.merging(other.singleLogLikelihoods) { $1 },
      table: table)
  }
}

// MARK: - Codable

extension ModelSelection.Candidate: Codable {
  private enum CodingKeys: String, CodingKey {
    case componentCount, covariance, outcome, origin, beginning, crossValidation
  }

  /// Decodes a candidate.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    componentCount = try container.decode(Int.self, forKey: .componentCount)
    covariance = try container.decode(CovarianceStructure.self, forKey: .covariance)
    outcome = try container.decode(SelectionCheckpoint.Outcome.self, forKey: .outcome).result
    origin = try container.decode(ModelSelection.Origin.self, forKey: .origin)
    beginning = try container.decodeIfPresent(GaussianMixture.self, forKey: .beginning)
    crossValidation = try container.decodeIfPresent(CrossValidation.self, forKey: .crossValidation)
  }

  /// Encodes a candidate.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(componentCount, forKey: .componentCount)
    try container.encode(covariance, forKey: .covariance)
    try container.encode(SelectionCheckpoint.Outcome(outcome), forKey: .outcome)
    try container.encode(origin, forKey: .origin)
    try container.encodeIfPresent(beginning, forKey: .beginning)
    try container.encodeIfPresent(crossValidation, forKey: .crossValidation)
  }
}

extension ModelSelection.Ranking: Codable {
  private enum CodingKeys: String, CodingKey {
    case candidates, criterion, tests, singleLogLikelihoods, table
  }

  /// Decodes a ranking; the best is found anew.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let candidates = try container.decode([ModelSelection.Candidate].self, forKey: .candidates)
    guard !candidates.isEmpty else {
      throw DecodingError.dataCorruptedError(
        forKey: .candidates, in: container, debugDescription: "a search without candidates")
    }
    let singles = try container.decode([String: Double].self, forKey: .singleLogLikelihoods)
    try self.init(
      candidates,
      criterion: try container.decode(SelectionCriterion.self, forKey: .criterion),
      tests: try container.decode([LikelihoodRatioTest].self, forKey: .tests),
      singleLogLikelihoods: Dictionary(
        uniqueKeysWithValues: CovarianceStructure.Form.all.compactMap { form in
          singles[form.name].map { (form, $0) }
        }),
      table: try container.decode(TableIdentity.self, forKey: .table))
  }

  /// Encodes the ranking.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(candidates, forKey: .candidates)
    try container.encode(criterion, forKey: .criterion)
    try container.encode(tests, forKey: .tests)
    try container.encode(
      Dictionary(uniqueKeysWithValues: singleLogLikelihoods.map { ($0.key.name, $0.value) }),
      forKey: .singleLogLikelihoods)
    try container.encode(table, forKey: .table)
  }
}

extension CovarianceStructure.Form {
  static let all: [CovarianceStructure.Form] = [.full, .diagonal, .scalar]

  var name: String {
    switch self {
    case .full: return "full"
    case .diagonal: return "diagonal"
    case .scalar: return "scalar"
    }
  }
}
