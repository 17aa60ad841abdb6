// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import MixtureIO
import Testing

@testable import Mixtures

@Suite("Model documents") struct ModelDocumentTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  static func mixture(_ structure: CovarianceStructure) throws -> GaussianMixture {
    let isShared = structure.isShared
    let matrices: [Matrix]
    switch structure.form {
    case .full:
      let first = try Matrix(rows: [[2, 0.1], [0.1, 3]])
      switch structure {
      // A multiple, and the same turned by 90°.
      case .vee, .vve: matrices = [first, try Matrix(rows: [[0.2, 0.01], [0.01, 0.3]])]
      case .eve, .eev, .evv: matrices = [first, try Matrix(rows: [[3, -0.1], [-0.1, 2]])]
      case .vev: matrices = [first, try Matrix(rows: [[0.3, -0.01], [-0.01, 0.2]])]
      default: matrices = [first, try Matrix(rows: [[5, 1.0 / 3], [1.0 / 3, 7]])]
      }
    case .diagonal:
      let second =
        structure == .vvi ? [0.1, 3] : structure == .vei ? [0.2, 0.3] : [3, 2]
      matrices = [
        try Matrix(rows: [[2, 0], [0, 3]]), try Matrix(rows: [[second[0], 0], [0, second[1]]]),
      ]
    case .scalar:
      matrices = [
        try Matrix(rows: [[0.1, 0], [0, 0.1]]), try Matrix(rows: [[0.3, 0], [0, 0.3]]),
      ]
    }
    return try GaussianMixture(
      weights: [1.0 / 3, 2.0 / 3],
      means: Matrix(rows: [[-0.0, .leastNonzeroMagnitude], [1e300, .pi]]),
      covariances: Covariances(
        structure: structure, matrices: [matrices[0], matrices[isShared ? 0 : 1]]))
  }

  static func fit() throws -> MixtureFit {
    try MixtureFit(
      model: mixture(.vvv), logLikelihood: -1234.5678901234567, logPrior: -0.3,
      prior: ConjugatePrior(
        weightConcentration: 1.25, mean: [-0.0, 1e-308], meanCount: 0.01, degreesOfFreedom: 4.1,
        scale: Matrix(rows: [[0.1, 0.3], [0.3, 7]])),
      entropy: 0.1, observationCount: 1000, criterionCount: 1000, caseWeight: 1000,
      parameterCount: 11,
      fixed: FixedParameters(weights: [1], covariances: [0, 1]),
      trace: [
        IterationRecord(
          iteration: 12, logLikelihood: -1, logPrior: -0.3, weights: [1], seconds: 0.5)
      ],
      stoppingReason: .iterationLimit,
      rescued: [
        RescueEvent(action: .floored, component: 1, iteration: 3, detail: "it said \"no\"\n\u{1}é")
      ],
      seed: .max, restart: 2, restartLogLikelihoods: [-1300, -.infinity, -1234.5678901234567])
  }

  func message(_ json: String) throws -> String? {
    let path = try folder.file("model.json", json)
    return failure(in: folder) { try ModelDocument(path: path) }?.message
  }

  func sound() throws -> String {
    try ModelDocument(mixture: Self.mixture(.vvv), featureNames: ["x", "y"]).json
  }

  /// The sound model with one piece of text in place of another.
  func changed(_ old: String, _ new: String) throws -> String {
    let json = try sound()
    try #require(json.contains(old))
    return json.replacingOccurrences(of: old, with: new)
  }

  @Test("loadings and uniquenesses read back to the bit, and must make the covariances")
  func factors() throws {
    let factors = try FactorDecomposition(
      loadings: [Matrix(rows: [[1], [0.3], [-2]]), Matrix(rows: [[0.1], [1.0 / 3], [0]])],
      uniquenesses: Matrix(rows: [[0.1, 0.2, 0.3], [1, 2, 3e-7]]))
    let mixture = try GaussianMixture(
      weights: [0.4, 0.6], means: Matrix(rows: [[0, 0, 0], [1, 2, 3]]),
      covariances: Covariances(factors))
    let document = try ModelDocument(mixture: mixture, featureNames: ["a", "b", "c"])
    let json = document.json
    #expect(json.contains("\"loadings\"") && json.contains("\"uniquenesses\""))
    let read = try ModelDocument(json: json).mixture
    #expect(read == mixture)
    #expect(read.covariances.factors == factors)
    // Without the keys it is a mixture like any other.
    let plain = try GaussianMixture(
      weights: mixture.weights, means: mixture.means,
      covariances: Covariances(structure: .vvv, matrices: mixture.covariances.matrices))
    #expect(
      try !ModelDocument(mixture: plain, featureNames: ["a", "b", "c"]).json.contains("loadings"))
    for (old, new) in [
      ("\"uniquenesses\": [\n    [0.1,", "\"uniquenesses\": [\n    [0.7,"),
      ("\"uniquenesses\"", "\"unique\""),
    ] {
      let changed = json.replacingOccurrences(of: old, with: new)
      #expect(changed != json)
      #expect(throws: MixtureError.self) { try ModelDocument(json: changed) }
    }
  }

  @Test(
    "a mixture of every structure reads back to the bit", arguments: CovarianceStructure.allCases)
  func roundTrip(structure: CovarianceStructure) throws {
    let mixture = try Self.mixture(structure)
    let path = folder.path + "/model.json"
    try ModelDocument(mixture: mixture, featureNames: ["a \"b\"", "µ\\\t"]).write(to: path)
    let back = try ModelDocument(path: path)
    #expect(back.mixture == mixture)
    #expect(
      back.mixture.means.elements.map(\.bitPattern) == mixture.means.elements.map(\.bitPattern))
    #expect(back.featureNames == ["a \"b\"", "µ\\\t"])
    #expect(back.fit == nil)
    #expect(folder.names == ["model.json"])
  }

  @Test("how a fit went reads back too, and what is not finite is null")
  func fitRoundTrip() throws {
    let fit = try Self.fit()
    let document = try ModelDocument(fit, featureNames: ["x", "y"], equalWeights: true)
    let back = try #require(try ModelDocument(json: document.json).fit)
    #expect(back.logLikelihood == fit.logLikelihood)
    #expect([back.bic, back.aic, back.icl] == [fit.bic, fit.aic, fit.icl])
    #expect([back.entropy, back.meanLogLikelihood] == [0.1, fit.meanLogLikelihood])
    let counts = [back.observationCount, back.parameterCount, back.iterationCount, back.restart]
    #expect(counts.elementsEqual([1000, 11, 12, 2]))
    #expect(back.seed == .max)
    #expect(back.equalWeights)
    #expect(!back.isConverged)
    #expect(back.stoppingReason == .iterationLimit)
    #expect(back.rescued == fit.rescued)
    #expect(back.restartLogLikelihoods[1].isNaN)
    #expect(back.prior == fit.prior && back.logPrior == fit.logPrior && back.fixed == fit.fixed)
    #expect(
      document.json.contains("\"restartLogLikelihoods\": [-1300.0, null, -1234.5678901234567]"))
  }

  @Test("the keys come in the order of the format, and Foundation reads them")
  func keys() throws {
    let json = try ModelDocument(Self.fit(), featureNames: ["x", "y"]).json
    let keys = [
      "format", "version", "structure", "features", "weights", "means", "covariances", "fit",
      "observations",
      "logLikelihood", "parameters", "bic", "aic", "icl", "iterations", "converged",
      "stoppingReason", "seed",
      "restart", "rescued", "action", "component", "iteration", "detail",
    ]
    var rest = json[...]
    for key in keys {
      let range = try #require(rest.range(of: "\"\(key)\": "), "\(key) is missing or out of order")
      rest = rest[range.upperBound...]
    }
    let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    #expect(
      object?["covariances"] as? [[[Double]]] == [
        [[2, 0.1], [0.1, 3]], [[5, 1.0 / 3], [1.0 / 3, 7]],
      ])
    #expect(json.contains("      [5.0, 0.3333333333333333],\n"))
    #expect(json.hasSuffix("}\n"))
  }

  @Test("JSON of other programs is read: any order, integers, escapes, unknown keys")
  func foreignJSON() throws {
    let document = try ModelDocument(
      json: """
        \u{FEFF}{"covariances":[[[1]],[[2e0]]],"means":[[0],[1]],"weights":[0.5,5E-1],"features":["\\u00b5\\ud83d\\ude00\\/"],
        "structure":"full","version":1.0,"comment":{"a":[true,null,{}]},"format":"swift-mixtures/model","fit":null}
        """)
    #expect(document.featureNames == ["µ😀/"])
    #expect(document.mixture.structure == .vvv)
    #expect(document.mixture.covariances.elements == [1, 2])
  }

  @Test("text that is not JSON is an error with line and byte")
  func notJSON() throws {
    #expect(
      try message("{\"format\": \"swift-mixtures/model\",\n  \"version\": }")
        == "model.json is not JSON, or cut short: line 2, byte 14: a value is expected. Write or copy the file again."
    )
    #expect(try message("hello\n")?.contains("line 1, byte 1: a value is expected") == true)
    #expect(try message("")?.hasPrefix("model.json is empty") == true)
    #expect(try message(sound() + "x")?.contains("there is text behind the end") == true)
    #expect(try message(changed("0.1", "00.1"))?.contains("a value is expected") == true)
    #expect(try message(changed("\"x\"", "\"\\q\""))?.contains("no such escape") == true)
    let deep = String(repeating: "[", count: 100_000)
    #expect(try message(deep)?.contains("nested too deeply") == true)
  }

  @Test("a model that is cut short anywhere is an error that says so")
  func cutShort() throws {
    let json = try ModelDocument(Self.fit(), featureNames: ["x", "y"]).json.dropLast(2)
    for length in stride(from: 1, to: json.utf8.count, by: 7) {
      let cut = String(decoding: json.utf8.prefix(length), as: UTF8.self)
      #expect(try message(cut)?.contains("cut short: line") == true)
      #expect(try message(cut)?.contains("the text ends in the middle") == true)
    }
  }

  @Test("other formats and versions are told apart")
  func otherFormats() throws {
    #expect(try message("[1, 2]")?.hasPrefix("model.json is JSON, but no model") == true)
    #expect(try message("{\"format\": \"else\"}")?.contains("no model") == true)
    #expect(
      try message(changed("\"version\": 1", "\"version\": 7"))?.hasPrefix(
        "model.json has version 7 of the model format; version 1 is read here.") == true)
  }

  @Test("parameters that are no mixture are named with the file")
  func notMixtures() throws {
    #expect(
      try message(changed("[2.0, 0.1]", "[-2.0, 0.1]"))
        == "model.json: the covariance of component 0 is not positive definite.")
    #expect(
      try message(changed("0.6666666666666666", "1.6666666666666667"))?.contains(
        "weights sum to 2.0") == true)
    #expect(try message(changed("[2.0, 0.1]", "[2.0, 0.2]"))?.contains("is not symmetric") == true)
    #expect(
      try message(changed("0.3333333333333333, 0.6666666666666666", "1"))?.contains(
        "1 weights, 2 means") == true)
    #expect(try message(changed("[\"x\", \"y\"]", "[\"x\"]"))?.contains("1 feature names") == true)
    #expect(
      try message(changed("\"VVV\"", "\"EEE\""))?.contains("differs from covariance 0") == true)
    let codes = try [changed("[2.0, 0.1]", "[-2.0, 0.1]"), changed("[\"x\", \"y\"]", "[\"x\"]")].map
    { json in
      failure { try ModelDocument(json: json) }?.code
    }
    #expect(codes == [.notPositiveDefinite, .shapeMismatch])
  }

  @Test("missing keys and wrong types are named by their place")
  func places() throws {
    #expect(
      try message(changed("\"means\"", "\"meens\""))?.hasPrefix(
        "model.json: the key \"means\" is missing.") == true)
    #expect(
      try message(changed("\"x\"", "3")) == "model.json: features[0] is a number; expected text.")
    #expect(
      try message(changed("[5.0, ", "[null, "))
        == "model.json: covariances[1][0][0] is null; expected a number.")
    #expect(
      try message(changed("[5.0, ", "[1e999, "))?.contains(
        "covariances[1][0][0] is 1e999, too large") == true)
    #expect(
      try message(changed("[5.0, ", "["))?.contains("covariances[1][1] has 2 numbers") == true)
    #expect(
      try message(changed("\"VVV\"", "\"QQQ\""))?.contains("structure is \"QQQ\"; expected one of")
        == true)
    #expect(
      try message(changed("\"VVV\"", "\"VVV\", \"fit\": {}"))?.contains(
        "\"observations\" is missing in fit") == true)
    #expect(
      try message(changed("\"VVV\"", "\"VVV\", \"fit\": 3"))?.contains("fit is a number") == true)
  }
}
