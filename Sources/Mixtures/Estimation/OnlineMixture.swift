// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// A mixture that is learned from one batch of rows after the other, each seen once: stepwise EM.
///
/// ```swift
/// var online = try OnlineMixture(ExpectationMaximization(componentCount: 3))
/// for batch in batches { try online.absorb(batch) }
/// if let model = online.model { print(model.weights) }
/// ```
///
/// Batch t gives statistics by an E-step under the current model, scaled to a case weight of 1: ŝₜ. They are blended with
/// what is known so far, and the M-step of the blend is the next model:
///
///     sₜ = (1 − γₜ) sₜ₋₁ + γₜ ŝₜ,   θₜ = M(sₜ)
///
/// with the ``StepSize`` γₜ. Cappé & Moulines (2009),
/// [doi:10.1111/j.1467-9868.2009.00698.x](https://doi.org/10.1111/j.1467-9868.2009.00698.x); Liang & Klein (2009),
/// [doi:10.3115/1620754.1620843](https://doi.org/10.3115/1620754.1620843), for batches. The M-step is that of a fit, with
/// its structures, equal weights and floor.
///
/// **Start.** If the settings start from ``Initialization/model(_:)``, that model is the start, and its statistics are
/// those under which it is most likely: wₖ, and wₖ Σₖ about μₖ. Otherwise rows are held until there are
/// ``warmUpRowCount`` of them, and fitted by ``ExpectationMaximization/fit(_:checkpoints:observer:)``. The batches that
/// were held are counted as batches.
///
/// **Floor.** ``ExpectationMaximization/covarianceFloor`` is a fraction of the variances of the rows that were held, or of
/// the starting model's; they do not change later.
///
/// **Components that collapse.** No component leaves. One whose share of the weight falls to 10⁻¹² keeps its mean and
/// covariance and about that share, so that rows that come near it again revive it. One whose covariance becomes singular,
/// as it can without a floor, keeps the covariance that it had; if it shares one, all do. See ``RescueEvent/Action/kept``.
///
/// The value is all there is to know: it can be copied, compared, and written and read by a coder that keeps every bit of
/// a number, and then goes on to the same bits. They do not depend on the number of threads.
///
/// **Numerics.** Statistics are about the means of ``model`` and are moved with them, by a part of a standard deviation
/// each time, so that offsets cost no digits. Nothing in the state grows with the number of batches.
public struct OnlineMixture: Sendable, Equatable {
  /// The number of components, structure, equal weights and floor of every M-step; and how the start is found.
  public private(set) var settings: ExpectationMaximization
  /// How far each batch moves the statistics.
  public let stepSize: StepSize
  /// The first batch whose blended statistics count for ``averagedModel``; nil means none do.
  public let averagingStart: Int?
  /// How many rows the start is fitted to, at least; nil means 16 K (d + 1).
  public let warmUpRowCount: Int?

  /// The number of batches that were absorbed, t; those that are held for the start are counted.
  public private(set) var batchCount = 0
  /// The total case weight of the rows that were absorbed or are held, undecayed.
  public private(set) var caseWeight = 0.0
  /// The current mixture, θₜ; nil while rows are held for the start.
  public private(set) var model: GaussianMixture?
  /// The blended statistics sₜ, of case weight 1 and about the means of ``model``; nil while rows are held for the start.
  ///
  /// Of a start from a model, log-likelihood and entropy are not known and count as 0.
  public private(set) var statistics: SufficientStatistics?
  /// What was done to keep components alive, in order: each action once for each component, so that the list cannot grow
  /// for ever. ``BatchReport/rescued`` has all of one batch.
  public private(set) var rescued: [RescueEvent] = []

  /// The mean of the blended statistics since ``averagingStart``, about the means of `model`, and of how many batches.
  private var average: SufficientStatistics?
  private var averagedCount = 0
  /// The variances that the floor is a fraction of; empty before the start.
  private var variances: [Double] = []
  /// Rows that wait for the start, and their features.
  private var held: [Double] = []
  private var heldFeatureCount = 0

  /// A mixture that has absorbed nothing yet.
  ///
  /// - Parameters:
  ///   - settings: The number of components and what every M-step must keep to; and how the start is found, which is not
  ///     by labels, as there is no table yet.
  ///   - stepSize: How far each batch moves the statistics.
  ///   - averagingStart: The first batch, from 1, whose statistics count for ``averagedModel``.
  ///   - warmUpRowCount: How many rows the start is fitted to, at least; 16 K (d + 1) if nil. A start from a model needs
  ///     none.
  /// - Throws: ``MixtureError/Code/invalidSetting`` naming a setting out of its range.
  public init(
    _ settings: ExpectationMaximization,
    stepSize: StepSize = .decaying(exponent: 0.7, offset: 10),
    averagingStart: Int? = nil, warmUpRowCount: Int? = nil
  ) throws(MixtureError) {
    try settings.requireValidSettings()
    try stepSize.require()
    if let averagingStart, averagingStart < 1 {
      throw MixtureError(
        .invalidSetting,
        "averaging starts with batch \(averagingStart); batches count from 1.")
    }
    if let warmUpRowCount, warmUpRowCount < 2 {
      throw MixtureError(
        .invalidSetting,
        "the start is fitted to \(warmUpRowCount) rows; it needs at least 2.")
    }
    self.settings = settings
    self.stepSize = stepSize
    self.averagingStart = averagingStart
    self.warmUpRowCount = warmUpRowCount
    switch settings.initialization {
    case .labels:
      throw MixtureError(
        .invalidSetting,
        "an online mixture cannot start from labels, which belong to the rows of one table. Fit that "
          + "table, and start from its model.")
    case .model(let model):
      guard model.componentCount == settings.componentCount else {
        throw MixtureError(
          .invalidSetting,
          "the starting model has \(model.componentCount) components, but "
            + "\(settings.componentCount) were asked for.")
      }
      let whole = model.covariance
      begin(
        model, SufficientStatistics(of: model, form: settings.covariance.form),
        variances: (0..<model.featureCount).map { whole[$0, $0] })
    case .shortRuns, .kMeans, .hierarchical, .randomRows, .randomResponsibilities: break
    }
  }

  /// How many threads to use; nil means one for each processor. It changes no result.
  public var threadCount: Int? {
    get { settings.threadCount }
    set { settings.threadCount = newValue }
  }

  /// The number of features; nil before the first rows.
  public var featureCount: Int? {
    model?.featureCount ?? (held.isEmpty ? nil : heldFeatureCount)
  }

  /// The number of rows that are held for the start.
  public var heldRowCount: Int { held.isEmpty ? 0 : held.count / heldFeatureCount }

  /// The mixture that the mean of the blended statistics since ``averagingStart`` asks for; nil before that batch, or if
  /// without a floor a component of it has no covariance.
  ///
  /// With steps that decay slowly, γₜ = t^−κ with κ < 1, ``model`` keeps moving by what each batch brings; the average does
  /// not, and is asymptotically as good as a fit to all rows at once. Averaging parameters (Polyak & Juditsky 1992,
  /// [doi:10.1137/0330046](https://doi.org/10.1137/0330046)) is the same to first order, but the mean of two covariances
  /// need not have their structure.
  ///
  /// - Complexity: One M-step, each time.
  public var averagedModel: GaussianMixture? {
    guard let average else { return nil }
    return try? GaussianMixture(
      maximizing: average, structure: settings.covariance, equalWeights: settings.equalWeights,
      minimumVariances: minimumVariances, previous: model)
  }

  private var minimumVariances: [Double] { variances.map { $0 * settings.covarianceFloor } }

  private mutating func begin(
    _ model: GaussianMixture, _ statistics: SufficientStatistics, variances: [Double]
  ) {
    self.model = model
    self.statistics = statistics
    self.variances = variances
    held = []
  }
}

/// What an ``OnlineMixture`` says of a batch that it absorbed.
public struct BatchReport: Sendable, Equatable {
  /// Which batch it was, from 1.
  public let batch: Int
  /// The total case weight of its rows.
  public let caseWeight: Double
  /// The total log-likelihood of its rows under the model before it, so of rows that the model had not seen; nil for rows
  /// that were held for the start, or fitted for it.
  public let logLikelihood: Double?
  /// γₜ; nil where `logLikelihood` is.
  public let stepSize: Double?
  /// What was done to keep components alive: by the M-step, or by the fit of the start.
  public let rescued: [RescueEvent]

  /// The log-likelihood per observation.
  public var meanLogLikelihood: Double? { logLikelihood.map { $0 / caseWeight } }
}

// MARK: - Absorbing

extension OnlineMixture {
  /// Learns from one batch of rows, each seen once.
  ///
  /// All rows of a batch have the same share, and so have all batches but for their steps: batches should be about equally
  /// long. Small batches cost an M-step each, and leave much to chance: there should be some ten rows for each component
  /// and feature among the last 1 / γₜ batches.
  ///
  /// - Parameter batch: Some rows of the model's d features.
  /// - Returns: How likely the rows were before, and what was done to components.
  /// - Throws: ``MixtureError/Code/emptyObservations`` for a batch without rows;
  ///   ``MixtureError/Code/featureCountMismatch`` if it has not d features;
  ///   ``MixtureError/Code/nonFiniteObservation`` naming the first such value;
  ///   ``MixtureError/Code/degenerateObservations`` if moments overflow, or if the rows that were held have no answer, as a
  ///   fit says; and what the source throws. After an error everything is as it was before the call.
  /// - Complexity: O(n·K·d²) with full covariances, O(n·K·d) otherwise, and one M-step. While rows are held, memory for
  ///   them.
  @discardableResult
  public mutating func absorb(_ batch: some ObservationSource) throws(MixtureError) -> BatchReport {
    try settings.requireValidSettings()
    try batch.requireRowsAndColumns()
    if let expected = featureCount, expected != batch.featureCount {
      throw .featureCountMismatch(model: expected, observations: batch.featureCount)
    }
    guard let model, let statistics else { return try hold(batch) }

    let seen = try expectation(batch, under: model)
    let (t, step) = (batchCount + 1, stepSize.value(batch: batchCount + 1))
    let blend = statistics.blended(
      with: seen.scaled(by: 1 / seen.caseWeight), share: step)
    try blend.requireFinite()
    let next = try MendedStep(
      blend, settings: settings, minimumVariances: minimumVariances, previous: model, batch: t)
    try next.statistics.requireFinite()

    // Nothing throws from here on.
    self.model = next.model
    self.statistics = next.statistics
    batchCount = t
    caseWeight += seen.caseWeight
    note(next.rescued)
    addToAverage()
    return BatchReport(
      batch: t, caseWeight: seen.caseWeight, logLikelihood: seen.logLikelihood, stepSize: step,
      rescued: next.rescued)
  }

  /// Learns from the rows of a table in their order, in batches that differ by one row at most.
  ///
  /// Rows that are sorted, by time or by group, are absorbed as sorted. If the table is not a stream, shuffle it first.
  ///
  /// - Parameters:
  ///   - source: n rows of the model's d features.
  ///   - rowsPerBatch: The largest number of rows in a batch.
  /// - Returns: A report for each batch.
  /// - Throws: As ``absorb(_:)``, and ``MixtureError/Code/invalidSetting`` unless there is room for one row in a batch. After
  ///   an error everything is as it was before the call, whichever batch it was in.
  @discardableResult
  public mutating func absorb(
    _ source: some ObservationSource, rowsPerBatch: Int
  ) throws(MixtureError) -> [BatchReport] {
    guard rowsPerBatch >= 1 else {
      throw MixtureError(
        .invalidSetting, "a batch has \(rowsPerBatch) rows; it needs at least 1.")
    }
    try source.requireRowsAndColumns()
    let n = source.observationCount
    let count = (n - 1) / rowsPerBatch + 1
    var result = self
    var reports: [BatchReport] = []
    var start = 0
    for batch in 0..<count {
      let rows = n / count + (batch < n % count ? 1 : 0)
      reports.append(try result.absorb(RowSlice(source, rows: start..<start + rows)))
      start += rows
    }
    self = result
    return reports
  }

  /// Holds rows for the start, or makes it if there are enough.
  private mutating func hold(_ batch: some ObservationSource) throws(MixtureError) -> BatchReport {
    let d = batch.featureCount
    let wanted =
      warmUpRowCount
      // No number of components overflows.
      ?? Int(min(16 * Double(settings.componentCount) * Double(d + 1), 1e15))
    if held.isEmpty, batch.observationCount >= wanted { return try start(batch) }
    guard batch.annotations == nil else {
      throw MixtureError(
        .invalidSetting,
        "the first \(wanted) rows are held for the start, but what rows carry beside their features cannot be held. "
          + "Give a first batch of as many rows, or a model to start from.")
    }
    var rows = held
    rows += try batch.elements()
    guard rows.count / d < wanted else {
      return try start(
        Observations(
          Matrix(rowCount: rows.count / d, columnCount: d, elements: rows),
          featureNames: batch.featureNames))
    }
    held = rows
    heldFeatureCount = d
    batchCount += 1
    let added = Double(batch.observationCount)
    caseWeight += added
    return BatchReport(
      batch: batchCount, caseWeight: added, logLikelihood: nil, stepSize: nil, rescued: [])
  }

  /// Fits the first model to all rows so far.
  private mutating func start(_ rows: some ObservationSource) throws(MixtureError) -> BatchReport {
    let threads = settings.threadCount ?? Kernels.processorCount
    let fit = try settings.fit(rows)
    let scale = try DataScale(rows, form: settings.covariance.form, threadCount: threads)
    let seen = try expectation(rows, under: fit.model)
    begin(fit.model, seen.scaled(by: 1 / seen.caseWeight), variances: scale.variances)
    let added = seen.caseWeight - caseWeight
    batchCount += 1
    caseWeight = seen.caseWeight
    note(fit.rescued)
    addToAverage()
    return BatchReport(
      batch: batchCount, caseWeight: added, logLikelihood: nil, stepSize: nil, rescued: fit.rescued)
  }

  /// The E-step, with the moments that the M-step needs.
  private func expectation(
    _ rows: some ObservationSource, under model: GaussianMixture
  ) throws(MixtureError) -> SufficientStatistics {
    let threads = settings.threadCount ?? Kernels.processorCount
    let result = try Expectation(
      rows, form: settings.covariance.form, threadCount: threads, isSkipping: false
    ).statistics(under: model)
    guard result.caseWeight > 0 else {
      throw MixtureError(
        .emptyObservations, "the total case weight of the batch is 0, so it says nothing.")
    }
    return result
  }

  private mutating func note(_ events: [RescueEvent]) {
    for event in events
    where !rescued.contains(where: { ($0.action, $0.component) == (event.action, event.component) })
    {
      rescued.append(event)
    }
  }

  private mutating func addToAverage() {
    guard let averagingStart, batchCount >= averagingStart, let statistics else { return }
    averagedCount += 1
    average = (average ?? statistics).rebased(to: statistics.origins)
      .blended(with: statistics, share: 1 / Double(averagedCount))
  }
}

extension ObservationSource {
  /// All elements, row after row.
  ///
  /// - Throws: ``MixtureError/Code/nonFiniteObservation`` naming the first such value, or what the source throws.
  fileprivate func elements() throws(MixtureError) -> [Double] {
    var result: [Double] = []
    result.reserveCapacity(observationCount * featureCount)
    let step = ShardGrid.rowsPerBlock(featureCount: featureCount)
    for start in stride(from: 0, to: observationCount, by: step) {
      try withRows(start..<Swift.min(start + step, observationCount)) { rows in
        for row in 0..<rows.count {
          for column in 0..<featureCount { result.append(rows[row, column]) }
        }
      }
    }
    if let index = result.firstIndex(where: { !$0.isFinite }) {
      throw .nonFinite(
        result[index], row: firstRowNumber + index / featureCount,
        feature: describeFeature(index % featureCount))
    }
    return result
  }
}

// MARK: - Statistics

extension SufficientStatistics {
  /// The statistics that a model is the M-step of, with a case weight of 1: Nₖ = wₖ, Fₖ = 0 and Sₖ = wₖ Σₖ about μₖ.
  init(of model: GaussianMixture, form: CovarianceStructure.Form) {
    self.init(origins: model.means, form: form)
    values[0] = 1
    for k in 0..<componentCount { setMoments(k, count: model.weights[k], covariance: model) }
  }

  /// (1 − share) of these and `share` of the others, which are about the same origins.
  func blended(with other: SufficientStatistics, share: Double) -> SufficientStatistics {
    precondition(
      form == other.form && origins == other.origins, "statistics about other origins")
    var result = self
    for index in values.indices {
      result.values[index] = (1 - share) * values[index] + share * other.values[index]
    }
    return result
  }

  /// Requires that no sum overflowed.
  fileprivate func requireFinite() throws(MixtureError) {
    if values.allSatisfy(\.isFinite) { return }
    throw MixtureError(
      .degenerateObservations,
      "the batch spreads too far for double precision: its moments overflow. Rescale the columns, "
        + "or remove rows that lie far away.")
  }

  /// The components that have a variance which is nothing but the rounding of its two terms, the second moment about the
  /// origin and that of the mean: rows that are all equal, and far from where the component was.
  /// And all the components that have rows.
  fileprivate var unresolvedComponents: (unresolved: Set<Int>, all: Set<Int>) {
    let total = (0..<componentCount).reduce(0) { $0 + zeroth($1) }
    let all = (0..<componentCount).filter { zeroth($0) > MaximizationStep.smallestShare * total }
    let unresolved = all.filter { k in
      let square = Array(first(k)).map { $0 * $0 / zeroth(k) }
      let scatter = scatter(k, as: form == .scalar ? .scalar : .diagonal)
      let squares = form == .scalar ? [square.reduce(0, +)] : square
      // Some rounding units of the larger term.
      return zip(scatter, squares).contains { $0 <= 0x1p-46 * $1 }
    }
    return (Set(unresolved), Set(all))
  }

  /// Gives component `k` moments of so many rows with its origin as their mean and the model's covariance.
  fileprivate mutating func setMoments(_ k: Int, count: Double, covariance model: GaussianMixture) {
    values[zerothStart + k] = count
    for j in 0..<featureCount { values[firstStart + k * featureCount + j] = 0 }
    let matrix = model.covariances[k]
    let start = secondStart + k * elementsPerSecond
    switch form {
    case .full:
      var index = start
      for i in 0..<featureCount {
        for j in 0...i {
          values[index] = count * matrix[i, j]
          index += 1
        }
      }
    case .diagonal:
      for i in 0..<featureCount { values[start + i] = count * matrix[i, i] }
    case .scalar:
      values[start] = count * (0..<featureCount).reduce(0) { $0 + matrix[$1, $1] }
    }
  }

  /// The same statistics, but of the given components only the number and mean of their rows, with a model's covariance;
  /// of those without rows nothing but the model's mean and covariance, and a share too small to matter.
  fileprivate func keeping(
    _ components: Set<Int>, of model: GaussianMixture
  ) -> SufficientStatistics {
    let total = (0..<componentCount).reduce(0) { $0 + zeroth($1) }
    let isEmpty = (0..<componentCount).map {
      !(zeroth($0) > MaximizationStep.smallestShare * total)
    }
    // About their own means first moments vanish, and no digits are lost to them.
    var means = origins
    for k in components {
      let mean = isEmpty[k] ? model.means.row(k) : mean(k)
      for j in 0..<featureCount { means[k, j] = mean[j] }
    }
    var result = rebased(to: means)
    for k in components {
      result.setMoments(
        k, count: isEmpty[k] ? 2 * MaximizationStep.smallestShare * total : zeroth(k),
        covariance: model)
    }
    return result
  }
}

// MARK: - The M-step

/// An M-step that components without parameters do not end: they keep those that they had.
private struct MendedStep {
  let model: GaussianMixture
  /// The statistics that the model is the M-step of, about its means.
  let statistics: SufficientStatistics
  let rescued: [RescueEvent]

  init(
    _ blend: SufficientStatistics, settings: ExpectationMaximization, minimumVariances: [Double],
    previous: GaussianMixture, batch: Int
  ) throws(MixtureError) {
    let floor = CovarianceFloor(minimumVariances: minimumVariances)
    var statistics = blend
    var kept: [RescueEvent] = []
    if !floor.isActive {
      let (unresolved, all) = blend.unresolvedComponents
      if !settings.covariance.isShared || unresolved == all {
        statistics = statistics.keeping(unresolved, of: previous)
        kept = unresolved.sorted().map {
          RescueEvent(
            action: .kept, component: $0, iteration: batch,
            detail: "its covariance became singular")
        }
      }
    }
    while true {
      let step = MaximizationStep(
        statistics, structure: settings.covariance, equalWeights: settings.equalWeights,
        floor: floor, previous: previous)
      if step.collapses.isEmpty, let model = try? step.model() {
        self.model = model
        self.statistics = statistics.rebased(to: model.means)
        rescued =
          kept
          + step.floored.map {
            RescueEvent(
              action: .floored, component: $0, iteration: batch,
              detail: "a variance fell below \(settings.covarianceFloor) of the data's")
          }
        return
      }
      let done = Set(kept.map(\.component))
      let isCommon = settings.covariance.isShared && !(step.collapses.first?.isEmpty ?? false)
      var details: [Int: String] = [:]
      if !isCommon {
        for collapse in step.collapses { details[collapse.component] = collapse.detail }
      }
      if Set(details.keys).subtracting(done).isEmpty {
        // What all have in common is at fault.
        let detail = step.collapses.first?.detail ?? "its covariance became singular"
        for k in 0..<blend.componentCount { details[k] = detail }
      }
      let components = Set(details.keys).subtracting(done)
      guard !components.isEmpty else {
        throw MixtureError(
          .degenerateObservations,
          "after the batch no covariance can be told from a singular one, not even the previous ones about "
            + "the new means. Remove rows that lie far away, or rescale the columns.")
      }
      statistics = statistics.keeping(components, of: previous)
      kept += components.sorted().map {
        RescueEvent(action: .kept, component: $0, iteration: batch, detail: details[$0]!)
      }
    }
  }
}

// MARK: - Coding

extension OnlineMixture: Codable {
  private enum CodingKeys: String, CodingKey {
    case settings, stepSize, averagingStart, warmUpRowCount, batchCount, caseWeight, model,
      statistics
    case average, averagedCount, variances, rescued, held, heldFeatureCount
  }

  /// Decodes what ``encode(to:)`` wrote; settings out of range and parts that do not fit together are errors.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      container.decode(ExpectationMaximization.self, forKey: .settings),
      stepSize: container.decode(StepSize.self, forKey: .stepSize),
      averagingStart: container.decodeIfPresent(Int.self, forKey: .averagingStart),
      warmUpRowCount: container.decodeIfPresent(Int.self, forKey: .warmUpRowCount))
    batchCount = try container.decode(Int.self, forKey: .batchCount)
    caseWeight = try container.decode(Double.self, forKey: .caseWeight)
    model = try container.decodeIfPresent(GaussianMixture.self, forKey: .model)
    averagedCount = try container.decode(Int.self, forKey: .averagedCount)
    variances = try container.decode([Double].self, forKey: .variances)
    rescued = try container.decode([RescueEvent].self, forKey: .rescued)
    held = try container.decode([Double].self, forKey: .held)
    heldFeatureCount = try container.decode(Int.self, forKey: .heldFeatureCount)

    func damaged(_ key: CodingKeys, _ what: String) -> DecodingError {
      DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: what)
    }
    // Both are about the means of the model.
    let form = settings.covariance.form
    let means = model?.means
    func moments(_ key: CodingKeys) throws -> SufficientStatistics? {
      guard let values = try container.decodeIfPresent([Double].self, forKey: key) else {
        return nil
      }
      guard var result = means.map({ SufficientStatistics(origins: $0, form: form) }),
        values.count == result.values.count, values.allSatisfy(\.isFinite),
        values[result.zerothStart..<result.firstStart].allSatisfy({ $0 >= 0 })
      else { throw damaged(key, "the statistics are not those of the model") }
      result.values = values
      return result
    }
    statistics = try moments(.statistics)
    average = try moments(.average)
    guard (model == nil) == (statistics == nil), (average == nil) == (averagedCount == 0),
      averagedCount >= 0
    else { throw damaged(.statistics, "model and statistics do not belong together") }
    guard batchCount >= 0, caseWeight >= 0, caseWeight.isFinite else {
      throw damaged(.batchCount, "a number of batches or a case weight below zero")
    }
    guard variances.count == model?.featureCount ?? 0,
      variances.allSatisfy({ $0 >= 0 && $0.isFinite })
    else { throw damaged(.variances, "not one variance for each feature") }
    guard
      held.isEmpty
        || (model == nil && heldFeatureCount > 0 && held.count % heldFeatureCount == 0
          && held.allSatisfy(\.isFinite))
    else { throw damaged(.held, "the held rows are not of finite numbers and equal length") }
  }

  /// Encodes the whole state.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(settings, forKey: .settings)
    try container.encode(stepSize, forKey: .stepSize)
    try container.encodeIfPresent(averagingStart, forKey: .averagingStart)
    try container.encodeIfPresent(warmUpRowCount, forKey: .warmUpRowCount)
    try container.encode(batchCount, forKey: .batchCount)
    try container.encode(caseWeight, forKey: .caseWeight)
    try container.encodeIfPresent(model, forKey: .model)
    try container.encodeIfPresent(statistics?.values, forKey: .statistics)
    try container.encodeIfPresent(average?.values, forKey: .average)
    try container.encode(averagedCount, forKey: .averagedCount)
    try container.encode(variances, forKey: .variances)
    try container.encode(rescued, forKey: .rescued)
    try container.encode(held, forKey: .held)
    try container.encode(heldFeatureCount, forKey: .heldFeatureCount)
  }
}
