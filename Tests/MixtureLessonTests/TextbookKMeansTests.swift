// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureLesson
import Mixtures
import Testing

@Suite("Textbook k-means") struct TextbookKMeansTests {
  private let X: [[Double]] = [[0, 0], [0, 1], [1, 0], [8, 8], [8, 9], [9, 8]]

  /// The lowest within sum of squares of all ways to label X with 0 and 1.
  private var optimum: Double {
    (1..<63).map { (labels: Int) in
      [0, 1].map { side in
        let rows = X.indices.filter { labels >> $0 & 1 == side }.map { X[$0] }
        let (_, covariance) = moments(of: rows)
        return Double(rows.count) * (covariance[0][0] + covariance[1][1])
      }.reduce(0, +)
    }.min() ?? .nan
  }

  @Test(
    "six points in two groups: the optimum, by trying every labelling",
    arguments: 0..<6 as Range<UInt64>)
  func tinySet(seed: UInt64) throws {
    let fit = try TextbookKMeans().fit(X, centroidCount: 2, seed: seed)
    #expect(fit.stoppingReason == .converged)
    #expect(close(fit.withinSumOfSquares, optimum))
    #expect(Set(fit.labels.prefix(3)).count == 1 && Set(fit.labels.suffix(3)).count == 1)
    #expect(fit.labels[0] != fit.labels[3])
  }

  @Test("steps form a chain, and the sum of squares never rises") func steps() throws {
    let X = try Matrix(stacking: ExampleMixture.a.draw(count: 90, seed: 2)).plainRows
    var seen: [TextbookKMeans.Step] = []
    let fit = try TextbookKMeans().fit(X, centroidCount: 3, seed: 4) { seen.append($0) }
    #expect(seen == fit.steps)
    #expect(fit.steps.map(\.number) == Array(fit.steps.indices))
    for (step, next) in zip(fit.steps, fit.steps.dropFirst()) {
      #expect(step.newCentroids == next.oldCentroids)
      #expect(next.withinSumOfSquares <= step.withinSumOfSquares * (1 + 1e-14))
    }
    let last = try #require(fit.steps.last)
    #expect(last.oldCentroids == last.newCentroids)
    #expect(last.newCentroids == fit.centroids && last.labels == fit.labels)
  }

  @Test("on example C the small component takes points of the large one, even from the true means")
  func exampleC() throws {
    let drawn = try ExampleMixture.c.draw(count: 1000, seed: 1)
    let fit = try TextbookKMeans().fit(
      Matrix(stacking: drawn).plainRows, from: ExampleMixture.c.means)
    // A tenth of the points are its own; this is more than four standard errors above that.
    let labelled = fit.labels.filter { $0 == 1 }.count
    #expect(Double(labelled) > 100 + 4 * (1000 * 0.1 * 0.9).squareRoot())
    let taken = fit.labels.prefix(drawn[0].rowCount).filter { $0 == 1 }.count
    #expect(taken > drawn[1].rowCount / 2)
  }

  @Test("a centroid that nothing is near stays and is reported") func emptyCentroid() throws {
    let fit = try TextbookKMeans().fit(X, from: [[0, 0], [100, 100]])
    #expect(fit.steps[0].emptyCentroids == [1])
    #expect(fit.centroids[1] == [100, 100])
    #expect(close([fit.centroids[0]], [moments(of: X).mean]))
  }

  @Test("the start is K different rows") func start() throws {
    let start = try TextbookKMeans().start(for: X, centroidCount: 6, seed: 3)
    #expect(Set(start) == Set(X))
  }

  @Test("bad requests are errors, not traps") func badInput() {
    func codeOf(_ body: () throws(MixtureError) -> TextbookKMeans.Fit) -> MixtureError.Code? {
      code { () throws(MixtureError) in _ = try body() }
    }
    let kMeans = TextbookKMeans()
    #expect(
      codeOf { () throws(MixtureError) in try kMeans.fit(X, centroidCount: 7, seed: 1) }
        == .invalidSetting)
    #expect(
      codeOf { () throws(MixtureError) in try kMeans.fit(X, centroidCount: 0, seed: 1) }
        == .invalidSetting)
    #expect(
      codeOf { () throws(MixtureError) in try kMeans.fit([], from: [[1]]) } == .emptyObservations)
    #expect(codeOf { () throws(MixtureError) in try kMeans.fit(X, from: []) } == .shapeMismatch)
    #expect(codeOf { () throws(MixtureError) in try kMeans.fit(X, from: [[1]]) } == .shapeMismatch)
    #expect(
      codeOf { () throws(MixtureError) in try kMeans.fit(X, from: [[1, .nan]]) } == .invalidSetting)
    #expect(
      codeOf { () throws(MixtureError) in
        try TextbookKMeans(iterationLimit: 0).fit(X, from: [[1, 1]])
      } == .invalidSetting)
  }
}
