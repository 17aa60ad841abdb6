// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Mixtures of factor analysers with several numbers of components and factors, and the best of them.
public struct FactorRanking: Sendable {
  /// One cell of the grid.
  public struct Candidate: Sendable {
    /// The settings of the fit. They start from a nested candidate's model if the fit went on from there.
    public internal(set) var settings: FactorAnalysers
    /// The fit, or why the data allow none.
    public internal(set) var outcome: Result<FactorAnalysersFit, MixtureError>

    /// The fit, if there is one.
    public var fit: FactorAnalysersFit? { try? outcome.get() }
    /// The number of components asked for.
    public var componentCount: Int { settings.componentCount }
    /// The number of factors.
    public var factorCount: Int { settings.factorCount }
    /// What components have in common.
    public var variant: FactorVariant { settings.variant }
  }

  /// Every cell, by variant, number of factors and number of components, in the order asked for.
  public let candidates: [Candidate]
  /// The criterion that ranked them.
  public let criterion: InformationCriterion
  /// The index of the best candidate; of equal ones the first.
  public let bestIndex: Int
  /// The best fit.
  public let best: FactorAnalysersFit

  init(
    _ candidates: [Candidate], criterion: InformationCriterion
  ) throws(MixtureError) {
    var bestIndex: Int?
    var least = Double.infinity
    for (index, candidate) in candidates.enumerated() {
      guard let fit = candidate.fit else { continue }
      let value = fit.value(of: criterion)
      if bestIndex == nil || value < least {
        (bestIndex, least) = (index, value.isNaN ? .infinity : value)
      }
    }
    guard let bestIndex else {
      guard let first = candidates.first, case .failure(let error) = first.outcome else {
        preconditionFailure("no candidate")
      }
      throw error
    }
    self.candidates = candidates
    self.criterion = criterion
    self.bestIndex = bestIndex
    best = try candidates[bestIndex].outcome.get()
  }
}

extension FactorAnalysers {
  /// Fits every combination of numbers of components, numbers of factors and variants, and ranks the fits by a criterion.
  ///
  /// Each is fitted from its own start. One that ends less likely than one nested in it (as many components, no more
  /// factors, a variant that ``FactorVariant/contains(_:)`` compares) goes on from that one's model, so that afterwards
  /// none is. With labels or a model as the start numbers of components are those of the start.
  ///
  /// - Parameters:
  ///   - source: n rows of d features.
  ///   - componentCounts: The numbers of components to try.
  ///   - factorCounts: The numbers of factors to try, each from 0 to d − 1.
  ///   - variants: The variants to try; nil for ``variant`` alone.
  ///   - criterion: What ranks the fits; smaller is better.
  ///   - progress: Called with each candidate after its first fit, on the calling thread.
  ///   - observer: Called with a candidate's index after every E-step of its first fit, on the calling thread; it may end
  ///     that fit.
  /// - Returns: All candidates and the best.
  /// - Throws: ``MixtureError/Code/invalidSetting`` if there is nothing to try, or settings are out of range; the first
  ///   candidate's error if no candidate has a fit.
  public func search(
    _ source: some ObservationSource, componentCounts: [Int], factorCounts: [Int],
    variants: [FactorVariant]? = nil, criterion: InformationCriterion = .bic,
    progress: ((FactorRanking.Candidate) -> Void)? = nil,
    observer: ((Int, IterationReport) -> ObserverDecision)? = nil
  ) throws(MixtureError) -> FactorRanking {
    let variants = variants ?? [variant]
    guard !componentCounts.isEmpty, !factorCounts.isEmpty, !variants.isEmpty else {
      throw MixtureError(
        .invalidSetting,
        "there are \(componentCounts.count) numbers of components, \(factorCounts.count) numbers of factors and "
          + "\(variants.count) variants to try; at least one of each is needed.")
    }
    try source.requireRowsAndColumns()
    var all: [FactorAnalysers] = []
    for variant in variants {
      for q in factorCounts {
        for K in componentCounts {
          var settings = self
          settings.variant = variant
          settings.factorCount = q
          settings.componentCount = K
          try settings.requireValidSettings(featureCount: source.featureCount)
          all.append(settings)
        }
      }
    }
    var candidates: [FactorRanking.Candidate] = []
    for (index, settings) in all.enumerated() {
      let observe = observer.map { observer in { observer(index, $0) } }
      let candidate = FactorRanking.Candidate(
        settings: settings, outcome: settings.outcome(source, observer: observe))
      candidates.append(candidate)
      progress?(candidate)
    }
    if initialization.isRandom {
      // Those that are nested come before those that contain them.
      let order = candidates.indices.sorted {
        let (a, b) = (candidates[$0], candidates[$1])
        let (x, y) = (
          (a.factorCount, a.variant.generality), (b.factorCount, b.variant.generality)
        )
        return x == y ? $0 < $1 : x < y
      }
      for index in order {
        guard let nested = likeliestNested(in: index, candidates) else { continue }
        var settings = candidates[index].settings
        settings.initialization = .model(nested.model)
        if let fit = try? settings.outcome(source).get(),
          fit.logLikelihood > candidates[index].fit?.logLikelihood ?? -.infinity
        {
          candidates[index] = FactorRanking.Candidate(settings: settings, outcome: .success(fit))
        }
      }
    }
    return try FactorRanking(candidates, criterion: criterion)
  }

  private func outcome(
    _ source: some ObservationSource,
    observer: ((IterationReport) -> ObserverDecision)? = nil
  ) -> Result<FactorAnalysersFit, MixtureError> {
    do throws(MixtureError) {
      return .success(try fit(source, observer: observer))
    } catch {
      return .failure(error)
    }
  }

  /// The likeliest fit that is nested in a candidate, if it is likelier than the candidate's own.
  private func likeliestNested(
    in index: Int, _ candidates: [FactorRanking.Candidate]
  ) -> FactorAnalysersFit? {
    let own = candidates[index]
    var best: FactorAnalysersFit?
    var least = own.fit?.logLikelihood ?? -.infinity
    for (other, candidate) in candidates.enumerated()
    where other != index && candidate.componentCount == own.componentCount
      && candidate.factorCount <= own.factorCount && own.variant.contains(candidate.variant)
    {
      // A component may have left.
      guard let fit = candidate.fit, fit.logLikelihood > least,
        fit.model.componentCount == own.componentCount, fit.model.covariances.factors != nil
      else { continue }
      least = fit.logLikelihood
      best = fit
    }
    return best
  }
}

extension FactorVariant {
  /// How many of the three are free.
  fileprivate var generality: Int { rawValue.count { $0 == "U" } }
}
