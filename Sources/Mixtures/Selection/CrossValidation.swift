// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How well a candidate predicts rows that it was not fitted to.
///
/// The rows are cut into V folds. For each fold, the candidate is fitted to all other rows, from its model of the whole
/// table, and the fold's rows are scored. Every row is held out once.
///
/// Smyth (2000), [doi:10.1023/A:1008940618127](https://doi.org/10.1023/A:1008940618127).
public struct CrossValidation: Sendable, Codable, Equatable {
  /// The number of folds, V.
  public let foldCount: Int
  /// The number of rows, n.
  public let observationCount: Int
  /// The sum of the case weights, Σᵢ wᵢ, of the rows that have a known cell; their number if all count once.
  public let caseWeight: Double
  /// The log-likelihood of all rows, each when it was held out: Σᵢ wᵢ ℓᵢ.
  public let logLikelihood: Double
  /// The standard error of ``meanLogLikelihood``: the standard deviation of the rows' log densities over √n.
  ///
  /// Of frequencies n is their sum W: Σᵢ wᵢ (ℓᵢ − ℓ̄)² / (W − 1) is the variance, as of rows that are written w times. Of m
  /// rows with reliabilities it is that of a weighted mean, m/(m − 1) · Σᵢ wᵢ² (ℓᵢ − ℓ̄)² / W².
  ///
  /// It takes rows for independent of each other, though folds share most of the rows that they are fitted to. The
  /// difference of two candidates is known better than each, since both meet the same rows.
  public let standardError: Double

  /// The log-likelihood of a held-out row, on average: Σᵢ wᵢ ℓᵢ / Σᵢ wᵢ, as the mean of a score.
  public var meanLogLikelihood: Double { logLikelihood / caseWeight }
  /// −2 × ``logLikelihood``; smaller is better.
  public var deviance: Double { -2 * logLikelihood }

  /// The sum over folds; nil if one has no score, or no row counts.
  init?(
    _ scores: [FoldScore?], foldCount: Int, rowCount: Int, meaning: CaseWeights.Meaning?
  ) {
    var sum = FoldScore()
    for score in scores {
      guard let score else { return nil }
      sum.add(score)
    }
    let W = sum.caseWeight
    guard sum.logLikelihood.isFinite, W > 0, scores.count == foldCount else { return nil }
    // About the centre that all folds share.
    let mean = sum.deviation / W
    self.foldCount = foldCount
    observationCount = rowCount
    caseWeight = W
    logLikelihood = sum.logLikelihood
    switch meaning {
    case .frequency, nil:
      let variance = max(sum.squares - mean * sum.deviation, 0) / max(W - 1, 1)
      standardError = (variance / W).squareRoot()
    case .reliability:
      let m = Double(sum.countedRows)
      let squares = max(
        sum.weighted.squares - 2 * mean * sum.weighted.deviation
          + mean * mean * sum.weighted.total, 0)
      standardError = (squares * m / max(m - 1, 1)).squareRoot() / W
    }
  }
}

/// The log densities of a fold's rows: their sum, and moments about a centre that all folds share.
struct FoldScore: Sendable {
  var caseWeight = 0.0
  /// The rows that have a weight and a known cell.
  var countedRows = 0
  var logLikelihood = 0.0
  /// Σ w (ℓ − c) and Σ w (ℓ − c)².
  var deviation = 0.0
  var squares = 0.0
  /// Σ w², Σ w² (ℓ − c) and Σ w² (ℓ − c)².
  var weighted = (total: 0.0, deviation: 0.0, squares: 0.0)

  /// Adds a row of log density c + `difference`.
  mutating func add(weight: Double, density: Double, difference: Double) {
    guard weight > 0 else { return }
    caseWeight += weight
    countedRows += 1
    logLikelihood += weight * density
    deviation += weight * difference
    squares += weight * difference * difference
    weighted.total += weight * weight
    weighted.deviation += weight * weight * difference
    weighted.squares += weight * weight * difference * difference
  }

  mutating func add(_ other: FoldScore) {
    caseWeight += other.caseWeight
    countedRows += other.countedRows
    logLikelihood += other.logLikelihood
    deviation += other.deviation
    squares += other.squares
    weighted.total += other.weighted.total
    weighted.deviation += other.weighted.deviation
    weighted.squares += other.weighted.squares
  }
}

extension ModelSelection {
  /// Fits a candidate to all rows but a fold's and scores those; nil if the other rows allow no fit.
  func score(
    of candidate: Candidate, fold: Int, of folds: Folds, _ source: some ObservationSource,
    threadCount: Int
  ) throws(MixtureError) -> FoldScore? {
    guard let whole = candidate.fit else { return nil }
    var settings = estimation
    settings.covariance = candidate.covariance
    settings.componentCount = whole.model.componentCount
    settings.initialization = .model(whole.model)
    settings.algorithm = settings.algorithm.withoutStages
    settings.threadCount = threadCount
    let fit: MixtureFit
    let others = FoldRows(source, folds: folds, fold: fold, isHeldOut: false)
    if let weights = others.annotations?.caseWeights, !weights.values.contains(where: { $0 > 0 }) {
      return nil
    }
    do throws(MixtureError) {
      fit = try settings.fit(others)
    } catch {
      if error.code != .degenerateObservations { throw error }
      return nil
    }
    let heldOut = FoldRows(source, folds: folds, fold: fold, isHeldOut: true)
    let center = whole.meanLogLikelihood
    var score = FoldScore()
    let layout = try heldOut.annotations.map { (_) throws(MixtureError) in
      try RowLayout(heldOut, leavingOut: true)
    }
    let weights = heldOut.annotations?.caseWeights?.values
    let step = 1 << 16
    for start in stride(from: 0, to: heldOut.observationCount, by: step) {
      let rows = start..<min(start + step, heldOut.observationCount)
      let densities = try fit.model.logDensities(
        of: RowSlice(heldOut, rows: rows), threadCount: threadCount)
      for (row, density) in zip(rows, densities) where layout?.counts(row) ?? true {
        score.add(
          weight: weights?[row] ?? 1, density: density, difference: density - center)
      }
    }
    return score
  }
}

/// Which fold each row belongs to: of every V consecutive rows each fold has one, in an order drawn for them alone, so that
/// no row's fold takes memory or depends on who asks.
struct Folds: Sendable {
  let rowCount: Int
  let count: Int
  let seed: UInt64

  /// The folds of the rows of a group, V numbers, of which the last group needs only the first.
  func order(ofGroup group: Int) -> [Int] {
    var random = RandomStream(seed: seed, stream: 3 << 61 | UInt64(group))
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, random.index(below: i + 1)) }
    return order
  }

  /// How many rows the last group has if it is not full.
  var rest: Int { rowCount % count }

  /// How many rows a fold has.
  func rowCount(ofFold fold: Int) -> Int {
    let isInRest = rest > 0 && order(ofGroup: rowCount / count).prefix(rest).contains(fold)
    return rowCount / count + (isInRest ? 1 : 0)
  }
}

/// The rows of one fold, or all others, in the order of the table.
struct FoldRows<Base: ObservationSource>: ObservationSource {
  private let base: Base
  private let folds: Folds
  private let fold: Int
  private let isHeldOut: Bool
  let observationCount: Int
  let annotations: RowAnnotations?

  init(_ base: Base, folds: Folds, fold: Int, isHeldOut: Bool) {
    self.base = base
    self.folds = folds
    self.fold = fold
    self.isHeldOut = isHeldOut
    let count = folds.rowCount(ofFold: fold)
    observationCount = isHeldOut ? count : folds.rowCount - count
    annotations = base.annotations.map { annotations in
      var rows: [Int] = []
      for first in stride(from: 0, to: folds.rowCount, by: folds.count) {
        let order = folds.order(ofGroup: first / folds.count)
        for row in first..<min(first + folds.count, folds.rowCount)
        where (order[row - first] == fold) == isHeldOut { rows.append(row) }
      }
      return annotations.selecting(rows)
    }
  }

  var featureCount: Int { base.featureCount }
  var featureNames: [String]? { base.featureNames }

  func withRows(_ range: Range<Int>, _ body: (StridedRows) -> Void) throws(MixtureError) {
    let d = featureCount
    // Groups give as many rows each, but for the last.
    let perGroup = isHeldOut ? 1 : folds.count - 1
    var elements: [Double] = []
    elements.reserveCapacity(range.count * d)
    var group = range.lowerBound / max(perGroup, 1)
    var next = group * perGroup
    while next < range.upperBound {
      let first = group * folds.count
      let rows = first..<min(first + folds.count, folds.rowCount)
      let order = folds.order(ofGroup: group)
      try base.withRows(rows) { block in
        for row in 0..<block.count where (order[row] == fold) == isHeldOut {
          if range.contains(next) {
            for j in 0..<d { elements.append(block[row, j]) }
          }
          next += 1
        }
      }
      group += 1
    }
    elements.withUnsafeBufferPointer { elements in
      withUnsafeTemporaryAllocation(of: Int.self, capacity: d) { offsets in
        for j in 0..<d { offsets[j] = j }
        guard let address = elements.baseAddress else { return }
        body(
          StridedRows(
            base: UnsafeRawPointer(address), element: .float64, count: range.count, rowStride: d,
            columnOffsets: UnsafeBufferPointer(offsets)))
      }
    }
  }
}
