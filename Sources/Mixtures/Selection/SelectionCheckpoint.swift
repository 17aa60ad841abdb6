// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The whole state of a search in progress: the fits that are finished, and the state of the one under way.
///
/// It belongs to one table and one search, which is checked when it is resumed; the number of threads may differ, and so
/// may the criterion, which only ranks. Fits of folds and of tables that tests draw are not kept, but made again. It is
/// Codable; a coder must keep every bit of a number, and infinity.
public struct SelectionCheckpoint: Sendable, Codable {
  let componentCounts: [Int]
  let covariances: [CovarianceStructure]
  let learnsFromNeighbours: Bool
  let outcomes: [Outcome]
  let current: FitCheckpoint

  /// How many fits are finished. Once every candidate has one, they are tried again from each other's models.
  public var finishedCount: Int { outcomes.count }
  /// The state of the fit under way.
  public var fit: FitCheckpoint { current }

  init(
    _ search: ModelSelection, outcomes: [Result<MixtureFit, MixtureError>], current: FitCheckpoint
  ) {
    componentCounts = search.componentCounts
    covariances = search.covariances
    learnsFromNeighbours = search.learnsFromNeighbours
    self.outcomes = outcomes.map(Outcome.init)
    self.current = current
  }

  /// Requires that this is the state of the given search. The fit under way is checked when it is resumed.
  ///
  /// - Throws: ``MixtureError/Code/checkpointMismatch`` naming the first difference.
  func require(_ search: ModelSelection) throws(MixtureError) {
    guard componentCounts == search.componentCounts else {
      throw .checkpointMismatch(
        "is of a search over \(componentCounts) components, this one is over \(search.componentCounts)"
      )
    }
    guard covariances == search.covariances else {
      throw .checkpointMismatch(
        "is of a search over \(covariances.map(\.rawValue)), this one is over "
          + "\(search.covariances.map(\.rawValue))")
    }
    guard learnsFromNeighbours == search.learnsFromNeighbours else {
      throw .checkpointMismatch(
        "is of a search whose candidates \(learnsFromNeighbours ? "learn" : "do not learn") from each other"
      )
    }
    guard
      outcomes.allSatisfy({ $0.isConsistent(featureCount: current.identity.table.featureCount) })
    else {
      throw .checkpointMismatch("is damaged: its parts do not fit together")
    }
  }

  /// What became of a candidate.
  struct Outcome: Codable {
    let fit: MixtureFit?
    let code: String?
    let message: String?

    init(_ result: Result<MixtureFit, MixtureError>) {
      switch result {
      case .success(let fit): (self.fit, code, message) = (fit, nil, nil)
      case .failure(let error): (fit, code, message) = (nil, error.code.rawValue, error.message)
      }
    }

    func isConsistent(featureCount: Int) -> Bool {
      fit.map { $0.model.featureCount == featureCount } ?? (code != nil && message != nil)
    }

    var result: Result<MixtureFit, MixtureError> {
      if let fit { return .success(fit) }
      return .failure(MixtureError(MixtureError.Code(rawValue: code ?? ""), message ?? ""))
    }
  }
}
