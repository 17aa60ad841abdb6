// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How a long computation keeps its state, so that it can go on after it was ended from outside.
///
/// ```swift
/// let plan = CheckpointPlan(resumed: kept) { checkpoint in try checkpoint.write(to: "fit.checkpoint") }
/// let fit = try settings.fit(observations, checkpoints: plan)
/// ```
///
/// A computation that is resumed gives the same bits as one that was never ended.
public struct CheckpointPlan<Checkpoint: Sendable> {
  /// The state to go on from; nil to begin.
  public var resumed: Checkpoint?
  /// The least time between two calls of `save`; zero means before every E-step.
  public var interval: Duration
  /// Keeps a state, on the calling thread; what it throws ends the computation.
  public var save: (Checkpoint) throws(MixtureError) -> Void

  /// A plan from its parts.
  public init(
    resumed: Checkpoint? = nil, interval: Duration = .seconds(10),
    save: @escaping (Checkpoint) throws(MixtureError) -> Void
  ) {
    self.resumed = resumed
    self.interval = interval
    self.save = save
  }
}

/// When a state was kept last.
struct CheckpointClock {
  private let interval: Duration
  private var last = ContinuousClock.now

  init(interval: Duration) {
    self.interval = interval
  }

  /// Whether it is time; if so, the time starts anew.
  mutating func isDue() -> Bool {
    let now = ContinuousClock.now
    guard now - last >= interval else { return false }
    last = now
    return true
  }
}

/// The whole state of a fit in progress: the restart under way to the last bit, and what earlier restarts led to.
///
/// It belongs to one table and one set of settings, which is checked when it is resumed; the number of threads may
/// differ. It is Codable; a coder must keep every bit of a number, and infinity.
public struct FitCheckpoint: Sendable, Codable {
  let identity: FitIdentity
  /// The log-likelihoods that finished restarts ended with.
  let ends: [Double]
  /// The best of the finished restarts, and which it was.
  let best: RunState?
  let bestRestart: Int
  let current: RunState

  /// The restart under way, from 0.
  public var restart: Int { ends.count }
  /// The iteration that is next to be scored.
  public var iteration: Int { current.iteration }
}

/// What a checkpoint belongs to.
struct FitIdentity: Sendable, Codable {
  let settings: ExpectationMaximization
  let table: TableIdentity
}

/// What tells one table from another: its size, and a digest of its moments.
struct TableIdentity: Sendable, Codable, Equatable {
  let observationCount: Int
  let featureCount: Int
  let digest: UInt64

  /// The identity of the table that was measured. Tables whose moments agree to the last bit are taken for the same.
  init(_ source: some ObservationSource, scale: DataScale) {
    observationCount = source.observationCount
    featureCount = source.featureCount
    // FNV-1a, by words.
    var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    func add(_ value: Double) {
      digest = (digest ^ value.bitPattern) &* 0x100_0000_01b3
      digest ^= digest >> 29
    }
    for value in scale.means + scale.moments.values { add(value) }
    if let annotations = source.annotations {
      annotations.caseWeights?.values.forEach(add)
      switch annotations.noise {
      case .shared(let matrix), .standardDeviations(let matrix), .covariances(let matrix):
        matrix.elements.forEach(add)
      case nil: break
      }
      annotations.projections?.indices.forEach { add(Double($0 ?? -1)) }
      annotations.projections?.matrices.forEach { $0.elements.forEach(add) }
      annotations.knownComponents?.indices.forEach { add(Double($0)) }
      annotations.limits.map { ($0.lower.elements + $0.upper.elements).forEach(add) }
      annotations.window.map { ($0.lower + $0.upper).forEach(add) }
    }
    self.digest = digest
  }

  /// Requires that a checkpoint is of this table.
  ///
  /// - Throws: ``MixtureError/Code/checkpointMismatch``.
  func require(_ kept: TableIdentity) throws(MixtureError) {
    let size = "\(observationCount) × \(featureCount)"
    let keptSize = "\(kept.observationCount) × \(kept.featureCount)"
    if size != keptSize {
      throw .checkpointMismatch("is of a table of \(keptSize) numbers, this one is \(size)")
    }
    if digest != kept.digest {
      throw .checkpointMismatch(
        "is of another table of \(size) numbers, or of a processor with other kernels")
    }
  }
}

extension FitCheckpoint {
  /// Requires that this is the state of a fit of the given settings to the given table, and one that can be.
  ///
  /// - Throws: ``MixtureError/Code/checkpointMismatch`` naming the first difference.
  func require(_ wanted: FitIdentity) throws(MixtureError) {
    try wanted.settings.requireSame(identity.settings)
    try wanted.table.require(identity.table)
    let d = wanted.table.featureCount
    guard current.isConsistent(featureCount: d), current.next != nil,
      best?.isConsistent(featureCount: d) ?? true, (best == nil) == ends.isEmpty,
      best == nil || (best!.model != nil && ends.indices.contains(bestRestart)),
      ends.count < wanted.settings.usedRestartCount
    else { throw .checkpointMismatch("is damaged: its parts do not fit together") }
  }
}

extension ExpectationMaximization {
  /// How many restarts there are to make.
  var usedRestartCount: Int { initialization.isRandom ? restartCount : 1 }

  /// Makes the restarts one after the other, from where the plan's state stands, and shows the plan their states.
  ///
  /// - Parameter first: Makes a restart's first model.
  func restarts(
    on source: some ObservationSource, scale: DataScale, threadCount: Int,
    plan: CheckpointPlan<FitCheckpoint>, observer: ((IterationReport) -> ObserverDecision)?,
    first: (Int) throws(MixtureError) -> EMRun
  ) throws(MixtureError) -> RestartEnds {
    let identity = FitIdentity(settings: self, table: TableIdentity(source, scale: scale))
    var clock = CheckpointClock(interval: plan.interval)
    try plan.resumed?.require(identity)
    func resume(_ restart: Int, _ state: RunState) -> EMRun {
      EMRun(self, scale: scale, restart: restart, threadCount: threadCount, resuming: state)
    }

    var ends: RestartEnds?
    if let resumed = plan.resumed, let best = resumed.best {
      ends = RestartEnds(best: resume(resumed.bestRestart, best), logLikelihoods: resumed.ends)
    }
    for restart in (plan.resumed?.restart ?? 0)..<usedRestartCount {
      var run: EMRun
      if let resumed = plan.resumed, restart == resumed.restart {
        run = resume(restart, resumed.current)
      } else {
        run = try first(restart)
      }
      try run.iterate(
        on: source,
        checkpoint: { (state) throws(MixtureError) in
          guard clock.isDue() else { return }
          try plan.save(
            FitCheckpoint(
              identity: identity, ends: ends?.logLikelihoods ?? [], best: ends?.best.state,
              bestRestart: ends?.best.restart ?? 0, current: state))
        },
        observer: observer)
      let end = RestartEnds(run)
      if ends == nil { ends = end } else { ends!.add(end) }
      if run.stoppingReason == .observer { break }
    }
    return ends!
  }

  /// Requires that settings agree in all that results depend on.
  func requireSame(_ kept: ExpectationMaximization) throws(MixtureError) {
    func require<Value: Equatable>(
      _ name: String, _ value: KeyPath<ExpectationMaximization, Value>
    ) throws(MixtureError) {
      let (now, then) = (self[keyPath: value], kept[keyPath: value])
      if now != then { throw .checkpointMismatch("has \(name) \(then), this run \(now)") }
    }
    try require("component count", \.componentCount)
    try require("covariance structure", \.covariance.rawValue)
    try require("equal weights", \.equalWeights)
    try require("restart count", \.restartCount)
    try require("tolerance", \.stoppingRule.tolerance)
    try require("iteration limit", \.stoppingRule.iterationLimit)
    try require("covariance floor", \.covarianceFloor)
    try require("rescue policy", \.rescuePolicy.rawValue)
    try require("background", \.background)
    try require("acceleration", \.acceleration.rawValue)
    try require("precision", \.precision.rawValue)
    try require("algorithm", \.algorithm)
    try require("number of moves", \.splitMerge)
    try require("halving", \.halving)
    try require("seed", \.seed)
    if prior != kept.prior { throw .checkpointMismatch("is of a fit with another prior") }
    if fixed != kept.fixed {
      throw .checkpointMismatch("is of a fit with other fixed parameters")
    }
    if initialization != kept.initialization {
      throw .checkpointMismatch("is of a fit with another start")
    }
    if kMeans != kept.kMeans {
      throw .checkpointMismatch("is of a fit that started from k-means with other settings")
    }
  }
}

extension MixtureError.Code {
  /// A checkpoint that belongs to another table, or to other settings.
  public static let checkpointMismatch = MixtureError.Code(rawValue: "checkpointMismatch")
}

extension MixtureError {
  static func checkpointMismatch(_ difference: String) -> MixtureError {
    MixtureError(
      .checkpointMismatch,
      "the checkpoint \(difference). Give the data and settings that it was made with, or begin without it."
    )
  }
}

/// The state of one restart before an E-step.
struct RunState: Sendable, Codable {
  /// The model to be scored next, how many iterations led to it, and whether an M-step made it.
  var next: GaussianMixture?
  var iteration = 0
  var isMaximized = false
  /// The model that was scored last, and what became known of it.
  var model: GaussianMixture?
  var logLikelihood = -Double.infinity
  var logPrior = 0.0
  /// With classification EM only.
  var classificationLogLikelihood: Double?
  /// While models are drawn, the best so far.
  var likeliest: Likeliest?
  var entropy = 0.0
  var caseWeight = 0.0
  /// What annotations of rows call the components; nil while they are 0 ..< K.
  var componentNumbers: [Int]?
  var stoppingReason = StoppingReason.iterationLimit
  var trace: [IterationRecord] = []
  var rescued: [RescueEvent] = []
  var gains: [Double] = []
  var floored: Set<Int> = []
  var reseedsLeft: Int
  var fallback: Fallback?
  var quasiNewton = QuasiNewton()
  var outlooks: [Outlook] = []
  var trial: Trial?
  var moves: [SplitMergeMove]?
  var held: HeldParameters?
  /// Seconds that the restart has taken.
  var seconds = 0.0

  /// A model, and what became known of it.
  struct Likeliest: Codable {
    let model: GaussianMixture
    let logLikelihood: Double
    let logPrior: Double
    let entropy: Double
    let isMaximized: Bool

    var objective: Double { logLikelihood + logPrior }
  }

  /// After components without weight were moved: the model without them, to return to if that did not help, and which of
  /// the events told of it.
  struct Fallback: Codable {
    let model: GaussianMixture
    let events: [Int]
  }

  /// While an accelerated step is on trial: the statistics of the model before it, and EM's step from there.
  struct Trial: Codable {
    let statistics: SufficientStatistics
    let mapped: GaussianMixture

    init(statistics: SufficientStatistics, mapped: GaussianMixture) {
      self.statistics = statistics
      self.mapped = mapped
    }

    private enum CodingKeys: String, CodingKey {
      case origins, values, mapped
    }

    init(from decoder: any Decoder) throws {
      let container = try decoder.container(keyedBy: CodingKeys.self)
      mapped = try container.decode(GaussianMixture.self, forKey: .mapped)
      let origins = try container.decode(Matrix.self, forKey: .origins)
      let values = try container.decode([Double].self, forKey: .values)
      var statistics = SufficientStatistics(origins: origins, form: mapped.structure.form)
      guard values.count == statistics.values.count else {
        throw DecodingError.dataCorruptedError(
          forKey: .values, in: container, debugDescription: "statistics of another shape")
      }
      statistics.values = values
      self.statistics = statistics
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.container(keyedBy: CodingKeys.self)
      try container.encode(statistics.origins, forKey: .origins)
      try container.encode(statistics.values, forKey: .values)
      try container.encode(mapped, forKey: .mapped)
    }
  }
}

extension RunState {
  /// What is maximised.
  var objective: Double { (classificationLogLikelihood ?? logLikelihood) + logPrior }

  /// Whether the parts have the shapes that the others demand, so that a damaged file is found out.
  func isConsistent(featureCount d: Int) -> Bool {
    let models = [next, model, fallback?.model, trial?.mapped, likeliest?.model].compactMap { $0 }
    return models.allSatisfy { $0.featureCount == d } && iteration >= 0
      && fallback?.events.allSatisfy(rescued.indices.contains) ?? true
      && trial.map { $0.statistics.origins.columnCount == d && model != nil } ?? true
      && (trace.isEmpty || model != nil) && quasiNewton.isConsistent(featureCount: d)
      && held.map {
        $0.isConsistent(featureCount: d)
          && (fallback != nil || $0.componentCount == next?.componentCount)
      } ?? true
  }
}
