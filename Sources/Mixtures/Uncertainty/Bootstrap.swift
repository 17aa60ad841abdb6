// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// Settings of a bootstrap: how tables like the one at hand are made, how many, and how they are fitted.
///
/// Every replicate is fitted from the model whose uncertainty is asked for, by its structure, and its components are
/// numbered like the model's. Efron (1979), [doi:10.1214/aos/1176344552](https://doi.org/10.1214/aos/1176344552); for
/// mixtures O'Hagan, Murphy, Scrucca & Gormley (2019), [doi:10.1007/s00180-019-00897-9](https://doi.org/10.1007/s00180-019-00897-9).
public struct Bootstrap: Sendable, Equatable {
  /// How a replicate's table is made.
  public enum Resampling: String, Sendable, Codable, CaseIterable {
    /// Rows are drawn with replacement, as many as there are; with frequencies, as many as they sum to.
    case rows
    /// Rows are drawn from the model. Missing cells stay missing; other annotations than those cannot be drawn.
    case parametric
    /// All rows, with random case weights: independent exponential ones divided by their sum, which is a Dirichlet draw,
    /// and gamma ones where rows have frequencies. No row is ever lost, so that small components survive. Newton & Raftery
    /// (1994), [doi:10.1111/j.2517-6161.1994.tb01956.x](https://doi.org/10.1111/j.2517-6161.1994.tb01956.x).
    case weightedLikelihood = "weighted-likelihood"
  }

  /// How a replicate's table is made.
  public var resampling: Resampling
  /// The number of replicates, B.
  public var replicateCount: Int
  /// The seed; replicate r depends on the data, the settings, the seed and r alone.
  public var seed: UInt64
  /// When the fit of a replicate stops.
  public var stoppingRule: StoppingRule
  /// The covariance floor of the fits.
  public var covarianceFloor: Double

  /// Settings with these values.
  public init(
    resampling: Resampling = .rows, replicateCount: Int = 999, seed: UInt64 = 0,
    stoppingRule: StoppingRule = StoppingRule(), covarianceFloor: Double = 1e-6
  ) {
    self.resampling = resampling
    self.replicateCount = replicateCount
    self.seed = seed
    self.stoppingRule = stoppingRule
    self.covarianceFloor = covarianceFloor
  }

  /// What came of some replicates.
  private struct Ends {
    var models: [GaussianMixture] = []
    var failures: [MixtureError?] = []
    var unconverged = 0
  }

  /// Fits all replicates of a model, and returns their scatter.
  func run(
    _ model: GaussianMixture, _ source: some ObservationSource,
    _ given: ExpectationMaximization, threadCount: Int
  ) throws(MixtureError) -> ParameterUncertainty {
    guard replicateCount >= 2, replicateCount <= 1_000_000 else {
      throw MixtureError(
        .invalidSetting,
        "the number of replicates is \(replicateCount); it must be at least 2 and at most 1000000.")
    }
    if resampling == .parametric { try requireDrawable(model, source) }
    let settings = ExpectationMaximization(
      componentCount: model.componentCount, covariance: model.structure,
      equalWeights: given.equalWeights, initialization: .model(model), stoppingRule: stoppingRule,
      covarianceFloor: covarianceFloor, prior: given.prior, fixed: given.fixed,
      rescuePolicy: .drop)
    let backgroundRule: BackgroundRule =
      model.background.map { .volume(Kernels.exp($0.logVolume)) } ?? .none
    let ends = try settings.runs(
      replicateCount, on: source, threadCount: threadCount,
      add: { (ends: inout Ends, later: Ends) in
        ends.models += later.models
        ends.failures += later.failures
        ends.unconverged += later.unconverged
      }
    ) { (number, threads) throws(MixtureError) -> Ends in
      var own = settings
      own.threadCount = threads
      own.background = backgroundRule
      do throws(MixtureError) {
        let fit = try fit(own, model, source, number)
        guard fit.model.componentCount == model.componentCount else {
          return Ends(failures: [nil])
        }
        return Ends(
          models: [try fit.model.aligned(to: model)], unconverged: fit.isConverged ? 0 : 1)
      } catch {
        // What the file or the settings are to blame for is no property of a replicate.
        if error.code == .unreadableFile || error.code == .invalidSetting { throw error }
        return Ends(failures: [error])
      }
    }
    guard ends.models.count >= 2 else {
      throw MixtureError(
        .degenerateObservations,
        "\(ends.failures.count) of \(replicateCount) fits of the bootstrap failed, so that their scatter is not known"
          + (ends.failures.compactMap { $0 }.first.map { "; the first: \($0.message)" }
            ?? "; they lost components. Use fewer components, or the weighted-likelihood bootstrap.")
      )
    }
    return ParameterUncertainty(
      model, replicates: ends.models, failed: ends.failures.count, unconverged: ends.unconverged)
  }

  private func requireDrawable(
    _ model: GaussianMixture, _ source: some ObservationSource
  ) throws(MixtureError) {
    let annotations = source.annotations
    guard model.background == nil, annotations?.caseWeights == nil, annotations?.noise == nil,
      annotations?.projections == nil, annotations?.knownComponents == nil,
      annotations?.limits == nil, annotations?.window == nil, annotations?.selection == nil
    else {
      throw MixtureError(
        .invalidSetting,
        "a parametric bootstrap draws plain rows, but these have case weights, noise, projections, known components, "
          + "limits or a background; resample the rows, or use the weighted-likelihood bootstrap.")
    }
  }

  private func fit(
    _ settings: ExpectationMaximization, _ model: GaussianMixture, _ source: some ObservationSource,
    _ number: Int
  ) throws(MixtureError) -> MixtureFit {
    let n = source.observationCount
    var random = RandomStream(seed: seed, stream: UInt64(number))
    if resampling == .parametric {
      var drawn = model.sample(n, seed: random.next()).observations
      guard source.annotations?.allowsMissing ?? false else {
        return try settings.fit(Observations(drawn))
      }
      for start in stride(from: 0, to: n, by: 4096) {
        let range = start..<min(start + 4096, n)
        try source.withRows(range) { rows in
          for i in 0..<rows.count {
            for j in 0..<model.featureCount where rows[i, j].isNaN { drawn[start + i, j] = .nan }
          }
        }
      }
      return try settings.fit(
        Observations(drawn, annotations: RowAnnotations(allowsMissing: true)))
    }
    var annotations = source.annotations ?? RowAnnotations()
    let given = annotations.caseWeights
    let isFrequency = given?.meaning == .frequency
    var values = Array(repeating: 0.0, count: n)
    let total = given.map { $0.values.reduce(0, +) } ?? Double(n)
    switch resampling {
    case .weightedLikelihood:
      for row in 0..<n {
        let weight = given?.values[row] ?? 1
        guard weight > 0 else { continue }
        values[row] =
          isFrequency ? random.gamma(shape: weight) : -weight * Kernels.log(random.uniform())
      }
      let sum = values.reduce(0, +)
      for row in 0..<n { values[row] *= total / sum }
    default:
      if isFrequency, let given {
        var cumulative: [Double] = []
        for weight in given.values { cumulative.append((cumulative.last ?? 0) + weight) }
        let last = given.values.lastIndex { $0 > 0 } ?? 0
        let count = Int(min(max(total.rounded(), 1), 1e12))
        for _ in 0..<count {
          let place = random.uniform() * total
          // The first row whose cumulative weight is above the place.
          var (low, high) = (0, last)
          while low < high {
            let middle = (low + high) / 2
            if cumulative[middle] > place { high = middle } else { low = middle + 1 }
          }
          values[low] += total / Double(count)
        }
      } else {
        for _ in 0..<n {
          let row = random.index(below: n)
          values[row] += given?.values[row] ?? 1
        }
      }
    }
    annotations.caseWeights = CaseWeights(values, meaning: given?.meaning ?? .frequency)
    return try settings.fit(AnnotatedSource(source, annotations: annotations))
  }
}

extension RandomStream {
  /// A gamma number with the given shape and scale 1.
  ///
  /// Marsaglia & Tsang (2000), [doi:10.1145/358407.358414](https://doi.org/10.1145/358407.358414).
  mutating func gamma(shape: Double) -> Double {
    if shape < 1 {
      let boost = Kernels.exp(Kernels.log(uniform()) / shape)
      return gamma(shape: shape + 1) * boost
    }
    let d = shape - 1 / 3.0
    let c = 1 / (9 * d).squareRoot()
    while true {
      let x = normal()
      let root = 1 + c * x
      guard root > 0 else { continue }
      let v = root * root * root
      if Kernels.log(uniform()) < 0.5 * x * x + d - d * v + d * Kernels.log(v) { return d * v }
    }
  }
}
