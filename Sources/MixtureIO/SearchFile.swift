// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Mixtures

/// All candidates of a search in a JSON file, with their models, so that a later search can be merged with them.
///
/// The object has `format`, `version` and `ranking`. It is meant for the version of the program that wrote it; a model
/// file is for all others.
///
/// **Numerics.** Every number reads back as the same double, to the bit.
public enum SearchFile {
  /// The value of the key `format`.
  public static let format = "swift-mixtures/search"
  /// The value of the key `version`, and the only one that can be read.
  public static let version = 1

  private struct Content: Codable {
    let format: String
    let version: Int
    let ranking: ModelSelection.Ranking
  }

  private struct Header: Decodable {
    let format: String?
    let version: Int?
  }

  /// Writes a search; `-` is standard output.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if it cannot be written; the file is then as it was before.
  public static func write(
    _ ranking: ModelSelection.Ranking, to path: String
  ) throws(MixtureError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let body: Data
    do {
      body = try encoder.encode(Content(format: format, version: version, ranking: ranking))
    } catch {
      throw MixtureError(
        .unwritableFile, "\(path): the search cannot be written as JSON: \(error).")
    }
    try AtomicFile.write(to: path) { (output) throws(MixtureError) in
      try output.write(bytes: [UInt8](body))
      try output.write("\n")
    }
  }

  /// The search in the file at `path`; `-` is standard input.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if it cannot be read; ``MixtureError/Code/malformedFile`` if it is no
  ///   search, damaged, or of another version.
  public static func ranking(at path: String) throws(MixtureError) -> ModelSelection.Ranking {
    let content = try FileContent(path: path)
    let bytes = withExtendedLifetime(content.memory) { Data(content.bytes) }
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    guard let header = try? decoder.decode(Header.self, from: bytes), header.format == format else {
      throw MixtureError(
        .malformedFile,
        "\(content.name) is no search; give a file that gmm fit --search wrote.")
    }
    guard header.version == version else {
      throw MixtureError(
        .malformedFile,
        "\(content.name) is a search of another version than \(version), which is read here.")
    }
    do {
      return try decoder.decode(Content.self, from: bytes).ranking
    } catch {
      throw MixtureError(
        .malformedFile,
        "\(content.name) is a search, but damaged or of another build of this program. Make it again."
      )
    }
  }
}

extension ModelDocument {
  /// The document as JSON, with a member `candidates` for the table of a search: for each candidate its structure,
  /// number of components, log-likelihood, number of parameters and the criteria that are known, or why there is no fit.
  public func json(with ranking: ModelSelection.Ranking) -> String {
    func member(_ key: String, _ value: JSONValue) -> JSONValue.Member {
      JSONValue.Member(key: key, value: value)
    }
    let entries = ranking.candidates.enumerated().map { index, candidate -> JSONValue in
      var members = [
        member("structure", .text(candidate.covariance.rawValue)),
        member("components", .number(candidate.componentCount)),
        member("chosen", .truth(index == ranking.bestIndex)),
      ]
      switch candidate.outcome {
      case .failure(let error): members.append(member("error", .text(error.message)))
      case .success(let fit):
        members += [
          member("logLikelihood", .number(fit.logLikelihood)),
          member("parameters", .number(fit.parameterCount)),
          member("entropy", .number(fit.entropy)),
        ]
        for criterion in SelectionCriterion.allCases {
          guard let value = ranking.value(of: criterion, at: index) else { continue }
          members.append(member(criterion.rawValue, .number(value)))
        }
        if let validation = candidate.crossValidation {
          members.append(
            member("heldOutLogLikelihood", .number(validation.meanLogLikelihood)))
          members.append(member("heldOutStandardError", .number(validation.standardError)))
        }
        members.append(member("converged", .truth(fit.isConverged)))
        members.append(member("rescued", .truth(!fit.rescued.isEmpty)))
        if case .neighbour(let count, let structure) = candidate.origin {
          members.append(member("begunFrom", .text("\(structure.rawValue) \(count)")))
        }
      }
      return .object(members)
    }
    var added = [
      member("criterion", .text(ranking.criterion.rawValue)), member("candidates", .array(entries)),
    ]
    if !ranking.tests.isEmpty {
      added.append(
        member(
          "tests",
          .array(
            ranking.tests.map { test in
              .object([
                member("components", .array(test.componentCounts.map { .number($0) })),
                member("statistic", .number(test.statistic)),
                member("pValue", .number(test.pValue)),
                member("replicates", .number(test.replicates.count)),
                member("failures", .number(test.failureCount)),
              ])
            })))
    }
    guard case .object(let members) = value else { return json }
    return JSONValue.object(members + added).formatted() + "\n"
  }
}
