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
  /// The log-likelihood of all rows, each when it was held out.
  public let logLikelihood: Double
  /// The standard error of ``meanLogLikelihood``: the standard deviation of the rows' log densities over √n.
  ///
  /// It takes rows for independent of each other, though folds share most of the rows that they are fitted to. The
  /// difference of two candidates is known better than each, since both meet the same rows.
  public let standardError: Double

  /// The log-likelihood of a held-out row, on average.
  public var meanLogLikelihood: Double { logLikelihood / Double(observationCount) }
  /// −2 × ``logLikelihood``; smaller is better.
  public var deviance: Double { -2 * logLikelihood }

  /// The sum over folds; nil if one has no score.
  init?(_ scores: [FoldScore?], foldCount: Int, rowCount: Int) {
    var sum = FoldScore()
    for score in scores {
      guard let score else { return nil }
      sum.logLikelihood += score.logLikelihood
      sum.deviation += score.deviation
      sum.squares += score.squares
    }
    let n = Double(rowCount)
    let variance = max(sum.squares - sum.deviation * sum.deviation / n, 0) / max(n - 1, 1)
    guard sum.logLikelihood.isFinite, scores.count == foldCount else { return nil }
    self.foldCount = foldCount
    observationCount = rowCount
    logLikelihood = sum.logLikelihood
    standardError = (variance / n).squareRoot()
  }
}

/// The log densities of a fold's rows: their sum, and the first two moments about a centre that all folds share.
struct FoldScore: Sendable {
  var logLikelihood = 0.0
  var deviation = 0.0
  var squares = 0.0
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
    do throws(MixtureError) {
      fit = try settings.fit(FoldRows(source, folds: folds, fold: fold, isHeldOut: false))
    } catch {
      if error.code != .degenerateObservations { throw error }
      return nil
    }
    let heldOut = FoldRows(source, folds: folds, fold: fold, isHeldOut: true)
    let center = whole.meanLogLikelihood
    var score = FoldScore()
    let step = 1 << 16
    for start in stride(from: 0, to: heldOut.observationCount, by: step) {
      let rows = start..<min(start + step, heldOut.observationCount)
      let densities = try fit.model.logDensities(
        of: RowSlice(heldOut, rows: rows), threadCount: threadCount)
      for (row, density) in zip(rows, densities) {
        let weight = heldOut.annotations?.caseWeights?.values[row] ?? 1
        let difference = weight * (density - center)
        score.logLikelihood += weight * density
        score.deviation += difference
        score.squares += difference * difference
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
