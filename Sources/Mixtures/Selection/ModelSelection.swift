// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Fits every combination of numbers of components and covariance structures, and ranks the fits by a criterion.
public struct ModelSelection: Sendable {
  /// The numbers of components to try.
  public var componentCounts: [Int]
  /// The covariance structures to try.
  public var covariances: [CovarianceStructure]
  /// What ranks the fits; smaller is better.
  public var criterion: InformationCriterion
  /// All other settings; its number of components and structure are replaced.
  public var estimation: ExpectationMaximization

  /// A search over a grid.
  public init(
    componentCounts: [Int], covariances: [CovarianceStructure] = [.full],
    criterion: InformationCriterion = .bic,
    estimation: ExpectationMaximization = ExpectationMaximization(componentCount: 1)
  ) {
    self.componentCounts = componentCounts
    self.covariances = covariances
    self.criterion = criterion
    self.estimation = estimation
  }

  /// One cell of the grid.
  public struct Candidate: Sendable {
    /// The number of components asked for.
    public let componentCount: Int
    /// The covariance structure.
    public let covariance: CovarianceStructure
    /// The fit, or why the data allow none of this structure.
    public let outcome: Result<MixtureFit, MixtureError>

    /// The fit, if there is one.
    public var fit: MixtureFit? { try? outcome.get() }
  }

  /// The whole grid, and the best of it.
  public struct Ranking: Sendable {
    /// Every cell, by structure and then by number of components, in the order asked for.
    public let candidates: [Candidate]
    /// The criterion that ranked them.
    public let criterion: InformationCriterion
    /// The index of the best candidate; of equal ones the first.
    public let bestIndex: Int
    /// The best fit.
    public let best: MixtureFit
  }

  /// Fits the grid.
  ///
  /// - Parameters:
  ///   - source: n rows of d features.
  ///   - observer: Called after every E-step of every fit, with the index of the candidate; it may end the search,
  ///     which then ranks what there is.
  /// - Returns: All candidates and the best.
  /// - Throws: ``MixtureError/Code/invalidSetting`` if the grid is empty; the first candidate's error if no candidate has
  ///   a fit.
  public func run(
    _ source: some ObservationSource,
    observer: ((Int, IterationReport) -> ObserverDecision)? = nil
  ) throws(MixtureError) -> Ranking {
    guard !componentCounts.isEmpty, !covariances.isEmpty else {
      throw MixtureError(
        .invalidSetting,
        "there are \(componentCounts.count) numbers of components and \(covariances.count) "
          + "structures to try; at least one of each is needed.")
    }
    var candidates: [Candidate] = []
    search: for covariance in covariances {
      for componentCount in componentCounts {
        var settings = estimation
        settings.componentCount = componentCount
        settings.covariance = covariance
        let index = candidates.count
        let outcome: Result<MixtureFit, MixtureError>
        do throws(MixtureError) {
          outcome = .success(
            try settings.fit(source, observer: observer.map { ask in { ask(index, $0) } }))
        } catch {
          // Settings and data that no cell of the grid can do anything with end the search.
          if error.code != .degenerateObservations { throw error }
          outcome = .failure(error)
        }
        candidates.append(
          Candidate(componentCount: componentCount, covariance: covariance, outcome: outcome))
        if case .success(let fit) = outcome, fit.stoppingReason == .observer { break search }
      }
    }
    var best: (index: Int, fit: MixtureFit)?
    for (index, candidate) in candidates.enumerated() {
      guard let fit = candidate.fit else { continue }
      if best.map({ fit.value(of: criterion) < $0.fit.value(of: criterion) }) ?? true {
        best = (index, fit)
      }
    }
    guard let best else {
      guard case .failure(let error) = candidates[0].outcome else { fatalError("unreachable") }
      throw error
    }
    return Ranking(
      candidates: candidates, criterion: criterion, bestIndex: best.index, best: best.fit)
  }
}
