// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// One of several variational fits that their evidence lower bounds rank, as JSON has it.
public struct VariationalCandidate: Sendable {
  /// The structure of the covariances.
  public let structure: CovarianceStructure
  /// The largest number of components that was allowed.
  public let limit: Int
  /// The number of components that are left.
  public let componentCount: Int
  /// The evidence lower bound; larger is better.
  public let evidenceLowerBound: Double
  /// Whether the stopping rule was met.
  public let isConverged: Bool

  /// The candidate that a fit is.
  public init(_ fit: VariationalFit, limit: Int, componentCount: Int) {
    structure = fit.model.structure
    self.limit = limit
    self.componentCount = componentCount
    evidenceLowerBound = fit.evidenceLowerBound
    isConverged = fit.isConverged
  }
}

extension ModelDocument {
  /// The document with the candidates that it was chosen from.
  public func json(with candidates: [VariationalCandidate], chosen: Int) -> String {
    func member(_ key: String, _ value: JSONValue) -> JSONValue.Member {
      JSONValue.Member(key: key, value: value)
    }
    let entries = candidates.enumerated().map { index, candidate -> JSONValue in
      .object([
        member("structure", .text(candidate.structure.rawValue)),
        member("limit", .number(candidate.limit)),
        member("components", .number(candidate.componentCount)),
        member("chosen", .truth(index == chosen)),
        member("evidenceLowerBound", .number(candidate.evidenceLowerBound)),
        member("converged", .truth(candidate.isConverged)),
      ])
    }
    guard case .object(let members) = value else { return json }
    let added = [
      member("criterion", .text("evidenceLowerBound")), member("candidates", .array(entries)),
    ]
    return JSONValue.object(members + added).formatted() + "\n"
  }
}
