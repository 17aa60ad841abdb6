// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Mixtures

/// How a fit went, as a model file keeps it: all of ``MixtureFit`` but the model and the trace.
public struct FitSummary: Sendable, Codable {
  /// The number of observations, n.
  public let observationCount: Int
  /// The sum of the case weights, over the rows with a cell that is known; n of plain rows.
  public let caseWeight: Double
  /// The number of observations that criteria count: the sum of case weights that are frequencies, else the rows that
  /// count; n of plain rows.
  public let criterionCount: Double
  /// The total log-likelihood of the model in the same file.
  public let logLikelihood: Double
  /// The number of free parameters.
  public let parameterCount: Int
  /// −2 ℓ + p ln n; smaller is better.
  public let bic: Double
  /// −2 ℓ + 2 p; smaller is better.
  public let aic: Double
  /// BIC + 2 × entropy; smaller is better.
  public let icl: Double
  /// The number of iterations.
  public let iterationCount: Int
  /// Whether the stopping rule was met.
  public let isConverged: Bool
  /// Why the iteration stopped.
  public let stoppingReason: StoppingReason
  /// The seed of all random choices.
  public let seed: UInt64
  /// Which restart this was, from 0.
  public let restart: Int
  /// What was done to keep components alive, in order.
  public let rescued: [RescueEvent]
  /// The log-likelihood per observation.
  public let meanLogLikelihood: Double
  /// The entropy of the responsibilities.
  public let entropy: Double
  /// Whether all weights were held at 1 / K.
  public let equalWeights: Bool
  /// The log-likelihood that each restart ended with; NaN for one that the file has as null.
  public let restartLogLikelihoods: [Double]
  /// The prior that was used; nil if there was none.
  public let prior: ConjugatePrior?
  /// The logarithm of its density at the model, up to a constant; 0 without a prior.
  public let logPrior: Double
  /// Which parameters were fixed.
  public let fixed: FixedParameters
  /// The evidence lower bound of the posterior that the model was made of; nil if there was none.
  public let evidenceLowerBound: Double?

  /// The keys in a model file, in its order.
  enum CodingKeys: String, CodingKey {
    case observationCount = "observations"
    case logLikelihood
    case parameterCount = "parameters"
    case bic, aic, icl
    case iterationCount = "iterations"
    case isConverged = "converged"
    case stoppingReason, seed, restart, rescued
    case meanLogLikelihood, entropy, equalWeights, restartLogLikelihoods, caseWeight, criterionCount
    case prior, logPrior, fixed, evidenceLowerBound
  }

  /// The summary of a fit.
  public init(_ fit: MixtureFit, equalWeights: Bool = false) {
    observationCount = fit.observationCount
    caseWeight = fit.caseWeight
    criterionCount = fit.criterionCount
    logLikelihood = fit.logLikelihood
    parameterCount = fit.parameterCount
    bic = fit.bic
    aic = fit.aic
    icl = fit.icl
    iterationCount = fit.iterationCount
    isConverged = fit.isConverged
    stoppingReason = fit.stoppingReason
    seed = fit.seed
    restart = fit.restart
    rescued = fit.rescued
    meanLogLikelihood = fit.meanLogLikelihood
    entropy = fit.entropy
    self.equalWeights = equalWeights
    restartLogLikelihoods = fit.restartLogLikelihoods
    prior = fit.prior
    logPrior = fit.logPrior
    fixed = fit.fixed
    evidenceLowerBound = nil
  }

  /// The summary of a mixture that was made of a variational posterior: its own log-likelihood and criteria, and the
  /// posterior's bound.
  ///
  /// - Throws: What reading the rows throws.
  public init(
    _ fit: VariationalFit, mixture: GaussianMixture, of source: some ObservationSource
  ) throws(MixtureError) {
    let score = try mixture.score(source)
    observationCount = fit.observationCount
    logLikelihood = score.logLikelihood
    parameterCount = mixture.parameterCount()
    func value(_ criterion: InformationCriterion) -> Double {
      criterion.value(
        logLikelihood: score.logLikelihood, parameterCount: mixture.parameterCount(),
        observationCount: fit.criterionCount, entropy: score.entropy)
    }
    bic = value(.bic)
    aic = value(.aic)
    icl = value(.icl)
    iterationCount = fit.iterationCount
    isConverged = fit.isConverged
    stoppingReason = fit.stoppingReason
    seed = fit.seed
    restart = fit.restart
    rescued = []
    meanLogLikelihood = score.logLikelihood / fit.caseWeight
    entropy = score.entropy
    equalWeights = false
    restartLogLikelihoods = []
    caseWeight = fit.caseWeight
    criterionCount = fit.criterionCount
    prior = nil
    logPrior = 0
    fixed = .none
    evidenceLowerBound = fit.evidenceLowerBound
  }

  var json: JSONValue {
    func member(_ key: CodingKeys, _ value: JSONValue) -> JSONValue.Member {
      JSONValue.Member(key: key.rawValue, value: value)
    }
    var members = [
      member(.observationCount, .number(observationCount)),
      member(.logLikelihood, .number(logLikelihood)),
      member(.parameterCount, .number(parameterCount)),
      member(.bic, .number(bic)),
      member(.aic, .number(aic)),
      member(.icl, .number(icl)),
      member(.iterationCount, .number(iterationCount)),
      member(.isConverged, .truth(isConverged)),
      member(.stoppingReason, .text(stoppingReason.rawValue)),
      member(.seed, .number(seed)),
      member(.restart, .number(restart)),
      member(.rescued, .array(rescued.map(\.json))),
      member(.meanLogLikelihood, .number(meanLogLikelihood)),
      member(.entropy, .number(entropy)),
      member(.equalWeights, .truth(equalWeights)),
      member(.restartLogLikelihoods, .array(restartLogLikelihoods.map { .number($0) })),
      member(.caseWeight, .number(caseWeight)),
      member(.criterionCount, .number(criterionCount)),
    ]
    if let prior {
      members += [member(.prior, prior.json), member(.logPrior, .number(logPrior))]
    }
    if !fixed.isEmpty { members.append(member(.fixed, fixed.json)) }
    if let evidenceLowerBound {
      members.append(member(.evidenceLowerBound, .number(evidenceLowerBound)))
    }
    return .object(members)
  }

  /// The keys that version 1 demands are demanded; those that were added to it have defaults.
  init(_ reader: JSONReader) throws(MixtureError) {
    func at(_ key: CodingKeys) throws(MixtureError) -> JSONReader {
      try reader.member(key.rawValue)
    }
    observationCount = try at(.observationCount).count()
    logLikelihood = try at(.logLikelihood).number(orNull: .nan)
    parameterCount = try at(.parameterCount).count()
    bic = try at(.bic).number(orNull: .nan)
    aic = try at(.aic).number(orNull: .nan)
    icl = try at(.icl).number(orNull: .nan)
    iterationCount = try at(.iterationCount).count()
    isConverged = try at(.isConverged).truth()
    stoppingReason = try at(.stoppingReason).choice()
    seed = try at(.seed).whole()
    restart = try at(.restart).count()
    rescued = try at(.rescued).rescueEvents()
    caseWeight =
      try reader.optionalMember(CodingKeys.caseWeight.rawValue)?.number()
      ?? Double(observationCount)
    criterionCount =
      try reader.optionalMember(CodingKeys.criterionCount.rawValue)?.number()
      ?? Double(observationCount)
    meanLogLikelihood =
      try reader.optionalMember(CodingKeys.meanLogLikelihood.rawValue)?.number(orNull: .nan)
      ?? logLikelihood / (caseWeight > 0 ? caseWeight : 1)
    entropy =
      try reader.optionalMember(CodingKeys.entropy.rawValue)?.number(orNull: .nan)
      ?? (icl - bic) / 2
    equalWeights = try reader.optionalMember(CodingKeys.equalWeights.rawValue)?.truth() ?? false
    let ends = try reader.optionalMember(CodingKeys.restartLogLikelihoods.rawValue)?.elements()
    var likelihoods: [Double] = []
    for end in ends ?? [] { likelihoods.append(try end.number(orNull: .nan)) }
    restartLogLikelihoods = likelihoods
    prior = try reader.optionalMember(CodingKeys.prior.rawValue).map {
      (reader) throws(MixtureError) in
      try ConjugatePrior(reader)
    }
    logPrior =
      try reader.optionalMember(CodingKeys.logPrior.rawValue)?.number(orNull: .nan) ?? 0
    fixed =
      try reader.optionalMember(CodingKeys.fixed.rawValue).map { (reader) throws(MixtureError) in
        try FixedParameters(reader)
      } ?? .none
    evidenceLowerBound =
      try reader.optionalMember(CodingKeys.evidenceLowerBound.rawValue)?.number(orNull: .nan)
  }
}

extension ConjugatePrior {
  fileprivate var json: JSONValue {
    .object([
      JSONValue.Member(key: "weightConcentration", value: .number(weightConcentration)),
      JSONValue.Member(key: "mean", value: .array(mean.map { .number($0) })),
      JSONValue.Member(key: "meanCount", value: .number(meanCount)),
      JSONValue.Member(key: "degreesOfFreedom", value: .number(degreesOfFreedom)),
      JSONValue.Member(
        key: "scale",
        value: .array((0..<scale.rowCount).map { .array(scale.row($0).map { .number($0) }) })),
    ])
  }

  fileprivate init(_ reader: JSONReader) throws(MixtureError) {
    self.init(
      weightConcentration: try reader.member("weightConcentration").number(),
      mean: try reader.member("mean").numbers(),
      meanCount: try reader.member("meanCount").number(),
      degreesOfFreedom: try reader.member("degreesOfFreedom").number(),
      scale: try reader.member("scale").matrix())
  }
}

extension FixedParameters {
  fileprivate var json: JSONValue {
    func list(_ key: String, _ components: Set<Int>) -> JSONValue.Member {
      JSONValue.Member(key: key, value: .array(components.sorted().map { .number($0) }))
    }
    return .object([
      list("weights", weights), list("means", means), list("covariances", covariances),
    ])
  }

  fileprivate init(_ reader: JSONReader) throws(MixtureError) {
    func list(_ key: String) throws(MixtureError) -> [Int] {
      var components: [Int] = []
      for element in try reader.member(key).elements() { components.append(try element.count()) }
      return components
    }
    self.init(
      weights: try list("weights"), means: try list("means"), covariances: try list("covariances"))
  }
}

extension RescueEvent {
  fileprivate var json: JSONValue {
    .object([
      JSONValue.Member(key: "action", value: .text(action.rawValue)),
      JSONValue.Member(key: "component", value: .number(component)),
      JSONValue.Member(key: "iteration", value: .number(iteration)),
      JSONValue.Member(key: "detail", value: .text(detail)),
    ])
  }
}

extension JSONReader {
  fileprivate func rescueEvents() throws(MixtureError) -> [RescueEvent] {
    var checked: [JSONValue] = []
    for event in try elements() {
      let action: RescueEvent.Action = try event.member("action").choice()
      checked.append(
        .object([
          JSONValue.Member(key: "action", value: .text(action.rawValue)),
          JSONValue.Member(key: "component", value: .number(try event.member("component").count())),
          JSONValue.Member(key: "iteration", value: .number(try event.member("iteration").count())),
          JSONValue.Member(
            key: "detail", value: .text(try event.optionalMember("detail")?.text() ?? "")),
        ]))
    }
    // Only its Codable form can be made outside the engine.
    let text = JSONValue.array(checked).formatted()
    do {
      return try JSONDecoder().decode([RescueEvent].self, from: Data(text.utf8))
    } catch {
      throw fault("is not a list of rescue events")
    }
  }
}
