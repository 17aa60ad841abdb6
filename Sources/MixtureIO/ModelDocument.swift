// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// A mixture as a JSON file: its parameters, the names of its features, and how it was fitted.
///
/// ```json
/// {"format": "swift-mixtures/model", "version": 1, "structure": "VVV", "features": ["x", "y"],
///  "weights": [0.5, 0.5], "means": [[0, 0], [1, 1]],
///  "covariances": [[[1, 0], [0, 1]], [[1, 0], [0, 1]]],
///  "fit": {"observations": 1000, "logLikelihood": -2500.5, …}}
/// ```
///
/// A mixture before a uniform background has the key `background` beside `weights`:
/// `{"share": 0.05, "logWidths": [2.3, 1.1], "lower": [-5, 0]}` with the logarithm of a width and a lower end for each feature,
/// as ``UniformBackground`` has them; the weights then sum to 1 among the components. Without one the key is absent, and so
/// is `lower` where no box is known.
///
/// A mixture of factor analysers has the keys `loadings`, K matrices of d × q, and `uniquenesses`, K × d, beside its
/// covariances, which they make.
///
/// The covariances are K full d × d matrices whatever the structure. `fit` may be absent; its keys are those of
/// ``FitSummary``. So may `uncertainty`, standard errors and intervals (``UncertaintySummary``). Keys that are not known are passed over, so files of later revisions of version 1 can be read.
///
/// **Numerics.** Every number reads back as the same double, to the bit. JSON has no spelling for NaN and infinity; where
/// a fit has one, null is written and NaN read.
public struct ModelDocument: Sendable {
  /// The value of the key `format`.
  public static let format = "swift-mixtures/model"
  /// The value of the key `version`, and the newest that can be read.
  public static let version = 1

  /// The mixture.
  public let mixture: GaussianMixture
  /// The names of its d features.
  public let featureNames: [String]
  /// How it was fitted, if that is known.
  public let fit: FitSummary?
  /// How precisely the parameters are known, if that was asked for.
  public var uncertainty: UncertaintySummary?

  /// A document of a mixture, fitted or made otherwise.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` if there are not as many names as features.
  public init(
    mixture: GaussianMixture, featureNames: [String], fit: FitSummary? = nil
  ) throws(MixtureError) {
    guard featureNames.count == mixture.featureCount else {
      throw MixtureError(
        .shapeMismatch,
        "there are \(featureNames.count) feature names, but the mixture has "
          + "\(mixture.featureCount) features.")
    }
    self.mixture = mixture
    self.featureNames = featureNames
    self.fit = fit
  }

  /// A document of a fit.
  ///
  /// - Throws: ``MixtureError/Code/shapeMismatch`` if there are not as many names as features.
  public init(
    _ fit: MixtureFit, featureNames: [String], equalWeights: Bool = false
  ) throws(MixtureError) {
    try self.init(
      mixture: fit.model, featureNames: featureNames,
      fit: FitSummary(fit, equalWeights: equalWeights))
  }

  /// What stands in place of the format's name.
  private static func found(_ value: JSONValue?) -> String {
    switch value {
    case nil: return "is missing"
    case .text(let text): return "is \"\(text.prefix(40))\""
    default: return "is no text"
    }
  }

  // MARK: Writing

  /// The document as JSON for people too: one line for each row of a matrix, and a line end behind it.
  public var json: String { value.formatted() + "\n" }

  var value: JSONValue {
    func rows(_ matrix: Matrix) -> JSONValue {
      .array((0..<matrix.rowCount).map { .array(matrix.row($0).map { .number($0) }) })
    }
    func member(_ key: String, _ value: JSONValue) -> JSONValue.Member {
      JSONValue.Member(key: key, value: value)
    }
    var members = [
      member("format", .text(Self.format)),
      member("version", .number(Self.version)),
      member("structure", .text(mixture.structure.rawValue)),
      member("features", .array(featureNames.map { .text($0) })),
      member("weights", .array(mixture.weights.map { .number($0) })),
    ]
    if let background = mixture.background {
      members.append(
        member(
          "background",
          .object(
            [
              member("share", .number(background.share)),
              member("logWidths", .array(background.logWidths.map { .number($0) })),
            ]
              + (background.lower.map { [member("lower", .array($0.map { .number($0) }))] } ?? [])))
      )
    }
    members += [
      member("means", rows(mixture.means)),
      member("covariances", .array(mixture.covariances.matrices.map(rows))),
    ]
    if let factors = mixture.covariances.factors, factors.factorCount > 0 {
      members += [
        member("loadings", .array(factors.loadings.map(rows))),
        member("uniquenesses", rows(factors.uniquenesses)),
      ]
    }
    if let fit { members.append(member("fit", fit.json)) }
    if let uncertainty { members.append(member("uncertainty", uncertainty.json)) }
    return JSONValue.object(members)
  }

  /// Writes the document to a file, whole or not at all; `-` is standard output.
  ///
  /// - Throws: ``MixtureError/Code/unwritableFile`` if it cannot be written.
  public func write(to path: String) throws(MixtureError) {
    try AtomicFile.write(json, to: path)
  }

  // MARK: Reading

  /// The document in the file at `path`; `-` is standard input.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile`` if it cannot be read;
  ///   ``MixtureError/Code/malformedFile`` naming the place if it is not JSON, not a model or of a later version;
  ///   ``MixtureError/Code/shapeMismatch``, ``MixtureError/Code/invalidModel`` or
  ///   ``MixtureError/Code/notPositiveDefinite`` if its parameters are no mixture.
  public init(path: String) throws(MixtureError) {
    let content = try FileContent(path: path)
    try self.init(jsonBytes: content.bytes, name: content.name)
  }

  /// The document that the text spells.
  ///
  /// - Parameter name: What messages call it.
  /// - Throws: As ``init(path:)``.
  public init(json: String, name: String = "the model") throws(MixtureError) {
    try self.init(jsonBytes: Array(json.utf8), name: name)
  }

  private init(jsonBytes: some Collection<UInt8>, name: String) throws(MixtureError) {
    guard !jsonBytes.isEmpty else {
      throw MixtureError(.malformedFile, "\(name) is empty; a model file holds a JSON object.")
    }
    let value: JSONValue
    do {
      value = try JSONValue(parsing: jsonBytes)
    } catch {
      throw MixtureError(
        .malformedFile,
        "\(name) is not JSON, or cut short: line \(error.line), byte \(error.column): \(error.reason). "
          + "Write or copy the file again.")
    }
    let reader = JSONReader(value: value, file: name)
    guard case .object = value, value["format"] == .text(Self.format) else {
      throw MixtureError(
        .malformedFile,
        "\(name) is JSON, but no model: the key \"format\" \(Self.found(value["format"])), and must be "
          + "\"\(Self.format)\". Give a file that gmm fit wrote.")
    }
    let version: Int = try reader.member("version").whole()
    guard version == Self.version else {
      throw MixtureError(
        .malformedFile,
        "\(name) has version \(version) of the model format; version \(Self.version) is read here. "
          + "Use the program that wrote it, or one that is newer.")
    }
    let structureReader = try reader.member("structure")
    let spelling = try structureReader.text()
    guard let structure = CovarianceStructure(name: spelling) else {
      let known = CovarianceStructure.allCases.map(\.rawValue).joined(separator: ", ")
      throw structureReader.fault("is \"\(spelling.prefix(40))\"; expected one of \(known)")
    }
    var names: [String] = []
    for element in try reader.member("features").elements() { names.append(try element.text()) }
    let weights = try reader.member("weights").numbers()
    let means = try reader.member("means").matrix()
    var matrices: [Matrix] = []
    for element in try reader.member("covariances").elements() {
      matrices.append(try element.matrix())
    }
    var loadings: [Matrix] = []
    for element in try reader.optionalMember("loadings")?.elements() ?? [] {
      loadings.append(try element.matrix())
    }
    let uniquenesses = try loadings.isEmpty ? nil : reader.member("uniquenesses").matrix()
    do {
      var covariances = try Covariances(structure: structure, matrices: matrices)
      if let uniquenesses {
        covariances = try covariances.decomposed(
          FactorDecomposition(loadings: loadings, uniquenesses: uniquenesses))
      }
      try self.init(
        mixture: GaussianMixture(
          weights: weights, means: means, covariances: covariances
        ).withBackground(Self.background(reader)),
        featureNames: names,
        fit: try Self.fit(reader))
    } catch {
      // What is said of parameters does not know where they came from.
      throw error.code == .malformedFile
        ? error : MixtureError(error.code, "\(name): \(error.message)")
    }
    if let known = try reader.optionalMember("uncertainty"), known.value != .null {
      uncertainty = try UncertaintySummary(known, mixture: mixture)
    }
  }

  private static func background(_ reader: JSONReader) throws(MixtureError) -> UniformBackground? {
    guard let background = try reader.optionalMember("background"), background.value != .null else {
      return nil
    }
    return try UniformBackground(
      share: background.member("share").number(),
      logWidths: background.member("logWidths").numbers(),
      lower: background.optionalMember("lower")?.numbers())
  }

  private static func fit(_ reader: JSONReader) throws(MixtureError) -> FitSummary? {
    guard let fit = try reader.optionalMember("fit"), fit.value != .null else { return nil }
    return try FitSummary(fit)
  }
}
