// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// A page that shows a mixture over its data, how it was fitted and how sure it is.
///
/// ``html()`` makes one file that needs nothing else: no network, no fonts, no scripts from elsewhere. It opens from a
/// disk, plays the iterations, and prints. All text that comes from outside stays text, whatever it holds.
public struct MixtureReport: Sendable {
  /// The page's heading.
  public var title: String
  /// A line under the heading.
  public var subtitle: String?
  /// The command that made the page, shown as such.
  public var command: String?
  /// The features' names; missing or empty ones are numbered.
  public var features: [String]
  /// The data, n × d. NaN stands for a missing value.
  public var observations: any ObservationSource
  /// The mixture to show.
  public var model: GaussianMixture
  /// What is known of the fit; nil for a mixture from elsewhere.
  public var fit: FitFacts?
  /// The models on the way to `model`, oldest first. Of more than 120 the first 30, the last and evenly spaced ones between
  /// are shown. `model` itself is added if it is not the last.
  public var frames: [Frame] = []
  /// What the fit maximised, which the page's curve and the numbers beside the iterations are.
  public var objective = Objective.logLikelihood
  /// What was known at every iteration; the frames' own objectives are drawn if empty.
  public var trace: [IterationRecord] = []
  /// What was known at every iteration of a fit by variational Bayes, which is drawn in place of `trace`.
  public var variationalTrace: [VariationalRecord] = []
  /// A remark on the curve and on what the iterations show, under them.
  public var progressNote: String?
  /// The fits that were compared.
  public var candidates: [Candidate] = []
  /// The criterion that ranks the candidates, and so the one that is drawn first.
  public var criterion: SelectionCriterion = .bic
  /// The mixture that the data were drawn from, where that is known.
  public var trueModel: GaussianMixture?
  /// For each observation the component of `trueModel` that it was drawn from, counted from 0.
  public var trueLabels: [Int]?
  /// The axes' limits for each feature; nil, or too few, for those of the data with a margin.
  public var limits: [ClosedRange<Double>?] = []
  /// Text before the pictures.
  public var introduction: [Section] = []
  /// Text after them.
  public var commentary: [Section] = []
  /// How many rows are drawn at most. Fewer are drawn where the page would be too large or too slow, and it says so.
  public var drawnLimit = 200_000
  /// Whether the page starts playing when it is opened, unless its reader prefers reduced motion.
  public var playsOnOpening = false

  /// A report of a mixture over its data; the other properties add to it.
  public init(
    title: String, features: [String] = [], observations: any ObservationSource,
    model: GaussianMixture, fit: FitFacts? = nil
  ) {
    self.title = title
    self.features = features
    self.observations = observations
    self.model = model
    self.fit = fit
  }

  /// A report of a fit, with its trace.
  public init(
    title: String, features: [String] = [], observations: any ObservationSource, fit: MixtureFit
  ) {
    self.init(
      title: title, features: features, observations: observations, model: fit.model,
      fit: FitFacts(fit))
    trace = fit.trace
    objective = Objective(fit)
  }

  /// What a fit maximised.
  public enum Objective: String, Sendable, CaseIterable {
    /// The log-likelihood.
    case logLikelihood = "log-likelihood"
    /// The log-likelihood plus the logarithm of the prior's density, up to a constant.
    case logPosterior = "log-likelihood + log prior"
    /// The classification log-likelihood: each row counts for its likeliest component.
    case classificationLogLikelihood = "classification log-likelihood"
    /// The same with a prior.
    case classificationLogPosterior = "classification log-likelihood + log prior"
    /// The evidence lower bound of a posterior.
    case evidenceLowerBound = "evidence lower bound"

    /// What a fit by EM or classification EM maximised.
    public init(_ fit: MixtureFit) {
      switch (fit.classificationLogLikelihood != nil, fit.prior != nil) {
      case (false, false): self = .logLikelihood
      case (false, true): self = .logPosterior
      case (true, false): self = .classificationLogLikelihood
      case (true, true): self = .classificationLogPosterior
      }
    }

    /// It in words, as labels say it.
    public var name: String { rawValue }
  }

  /// The model after some iterations.
  public struct Frame: Sendable {
    /// How many iterations led to the model; 0 is the start.
    public var iteration: Int
    /// The total log-likelihood of the model; NaN if it is not known.
    public var logLikelihood: Double
    /// What the fit maximises, which is shown where ``MixtureReport/objective`` is not the log-likelihood.
    public var objective: Double
    /// The model.
    public var model: GaussianMixture

    /// The model after `iteration` iterations; the objective is the log-likelihood unless given.
    public init(
      iteration: Int, logLikelihood: Double, objective: Double? = nil, model: GaussianMixture
    ) {
      self.iteration = iteration
      self.logLikelihood = logLikelihood
      self.objective = objective ?? logLikelihood
      self.model = model
    }

    /// The model that an observer of a fit was shown.
    public init(_ report: IterationReport) {
      self.init(
        iteration: report.iteration, logLikelihood: report.logLikelihood,
        objective: report.objective, model: report.model)
    }
  }

  /// What is known of a fit beside its model.
  public struct FitFacts: Sendable {
    /// The total log-likelihood of the model.
    public var logLikelihood: Double
    /// What the fit maximised; the log-likelihood unless set.
    public var objective: Double
    /// The number of free parameters.
    public var parameterCount: Int
    /// The Bayesian information criterion; smaller is better.
    public var bic: Double
    /// Akaike's information criterion; smaller is better.
    public var aic: Double
    /// The integrated completed likelihood; smaller is better.
    public var icl: Double
    /// How many iterations led to the model.
    public var iterationCount: Int
    /// Why the iteration stopped.
    public var stoppingReason: StoppingReason
    /// The seed of all random choices.
    public var seed: UInt64
    /// Which restart won, from 0.
    public var restart: Int
    /// How many restarts there were.
    public var restartCount: Int
    /// What was done to keep components alive.
    public var rescued: [RescueEvent]
    /// Components whose likelihood says little.
    public var spurious: [SpuriousComponent] = []
    /// The sum of the case weights of the rows that count; nil for the number of rows.
    public var caseWeight: Double?

    /// Facts with these values.
    public init(
      logLikelihood: Double, parameterCount: Int, bic: Double, aic: Double, icl: Double,
      iterationCount: Int, stoppingReason: StoppingReason, seed: UInt64 = 0, restart: Int = 0,
      restartCount: Int = 1, rescued: [RescueEvent] = []
    ) {
      self.logLikelihood = logLikelihood
      objective = logLikelihood
      self.parameterCount = parameterCount
      self.bic = bic
      self.aic = aic
      self.icl = icl
      self.iterationCount = iterationCount
      self.stoppingReason = stoppingReason
      self.seed = seed
      self.restart = restart
      self.restartCount = restartCount
      self.rescued = rescued
    }

    /// The facts of a fit.
    public init(_ fit: MixtureFit) {
      self.init(
        logLikelihood: fit.logLikelihood, parameterCount: fit.parameterCount, bic: fit.bic,
        aic: fit.aic, icl: fit.icl, iterationCount: fit.iterationCount,
        stoppingReason: fit.stoppingReason, seed: fit.seed, restart: fit.restart,
        restartCount: max(1, fit.restartLogLikelihoods.count), rescued: fit.rescued)
      spurious = fit.spuriousComponents
      caseWeight = fit.caseWeight
      objective = fit.objective
    }
  }

  /// One of several fits that were compared.
  public struct Candidate: Sendable {
    /// The number of components, K.
    public var componentCount: Int
    /// The name of the covariance structure.
    public var structure: String
    /// The total log-likelihood; NaN for a fit that failed.
    public var logLikelihood: Double
    /// The Bayesian information criterion; smaller is better.
    public var bic: Double
    /// Akaike's information criterion; smaller is better.
    public var aic: Double
    /// The integrated completed likelihood; smaller is better.
    public var icl: Double
    /// Akaike's information criterion corrected for few observations; smaller is better. NaN if it is not known.
    public var aicc = Double.nan
    /// The normalized entropy criterion; smaller is better. NaN if it is not known.
    public var nec = Double.nan
    /// −2 times the log-likelihood of held-out rows; smaller is better. NaN if it is not known.
    public var crossValidation = Double.nan
    /// Whether this is the fit that was kept.
    public var isChosen: Bool

    /// A candidate with these values.
    public init(
      componentCount: Int, structure: String, logLikelihood: Double, bic: Double, aic: Double,
      icl: Double, isChosen: Bool = false
    ) {
      self.componentCount = componentCount
      self.structure = structure
      self.logLikelihood = logLikelihood
      self.bic = bic
      self.aic = aic
      self.icl = icl
      self.isChosen = isChosen
    }

    /// The value of a criterion; NaN if it is none of those kept here.
    public func value(of criterion: SelectionCriterion) -> Double {
      switch criterion {
      case .bic: return bic
      case .aic: return aic
      case .aicc: return aicc
      case .icl: return icl
      case .normalizedEntropy: return nec
      case .crossValidation: return crossValidation
      case .likelihoodRatioTest: return .nan
      }
    }
  }

  /// The candidates of a search that have a fit.
  public static func candidates(of ranking: ModelSelection.Ranking) -> [Candidate] {
    ranking.candidates.enumerated().compactMap { index, candidate in
      guard let fit = candidate.fit else { return nil }
      var entry = Candidate(
        componentCount: candidate.componentCount, structure: candidate.covariance.rawValue,
        logLikelihood: fit.logLikelihood, bic: fit.bic, aic: fit.aic, icl: fit.icl,
        isChosen: index == ranking.bestIndex)
      entry.aicc = fit.aicc
      entry.nec = ranking.value(of: .normalizedEntropy, at: index) ?? .nan
      entry.crossValidation = ranking.value(of: .crossValidation, at: index) ?? .nan
      return entry
    }
  }

  /// A heading and what stands under it.
  public struct Section: Sendable {
    /// What stands under a heading.
    public enum Block: Sendable {
      /// Plain text.
      case paragraph(String)
      /// Text whose spaces and line breaks are kept, such as a program.
      case preformatted(String)
      /// An SVG picture, such as those of ``MixturePicture``, and a caption that also describes it to those who cannot see it.
      case picture(svg: String, caption: String)
    }

    /// The heading.
    public var heading: String
    /// What stands under it.
    public var blocks: [Block]

    /// A section.
    public init(heading: String, blocks: [Block]) {
      self.heading = heading
      self.blocks = blocks
    }
  }

  /// The page.
  ///
  /// The same report gives the same bytes.
  ///
  /// - Throws: ``MixtureError/Code/featureCountMismatch`` if data, model, a frame's model or the true model differ in their
  ///   features; ``MixtureError/Code/shapeMismatch`` if there is not one true label, of a component that exists, for each
  ///   observation; ``MixtureError/Code/emptyObservations``; ``MixtureError/Code/unreadableFile`` from the source.
  /// - Complexity: O(m·K·d²·F) for m rows drawn and F frames shown; m and F shrink where that would be long.
  public func html() throws(MixtureError) -> String {
    try requireSameFeatures(observations, model)
    for frame in frames { try requireSameFeatures(observations, frame.model) }
    if let trueModel {
      try requireSameFeatures(observations, trueModel)
      if let trueLabels {
        guard trueLabels.count == observations.observationCount,
          trueLabels.allSatisfy({ $0 >= 0 && $0 < trueModel.componentCount })
        else {
          throw MixtureError(
            .shapeMismatch,
            "there are \(trueLabels.count) true labels for \(observations.observationCount) "
              + "observations; each needs one from 0 to \(trueModel.componentCount - 1).")
        }
      }
    }
    return ReportPage(self, try ReportData(self)).text
  }
}
