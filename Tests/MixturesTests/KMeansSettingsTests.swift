// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

@Suite("Settings of k-means") struct KMeansSettingsTests {
  /// Rows that carry nothing, and the same with a case weight of one each, which go another way.
  private func tables(_ problem: RandomProblem) throws -> [Observations] {
    let weights = CaseWeights(
      Array(repeating: 1, count: problem.observations.observationCount))
    return [
      problem.observations,
      try Observations(
        problem.observations.matrix, annotations: RowAnnotations(caseWeights: weights)),
    ]
  }

  /// The squared distances of the rows of a start's partition to its centers, in units of the features' standard deviations.
  private func inertia(
    _ settings: ExpectationMaximization, _ rows: Observations
  ) throws -> Double {
    let scale = try DataScale(rows, form: .diagonal, threadCount: 1)
    let start = try settings.start(
      on: rows, scale: scale, componentCount: settings.componentCount, restart: 0, threadCount: 1)
    guard case .statistics(let statistics) = start else {
      Issue.record("k-means starts with statistics")
      return .nan
    }
    var total = 0.0
    for k in 0..<statistics.componentCount where statistics.zeroth(k) > 0 {
      let (first, squares) = (Array(statistics.first(k)), Array(statistics.second(k)))
      for j in first.indices {
        let own: Double = squares[j] - first[j] * first[j] / statistics.zeroth(k)
        total += own / scale.variances[j]
      }
    }
    return total
  }

  @Test("the defaults, written out, change no bit of any start that makes k-means")
  func defaults() throws {
    let problem = try RandomProblem(n: 3000, d: 3, K: 7, separation: 1)
    for (index, rows) in try tables(problem).enumerated() {
      for start in [Initialization.kMeans, .shortRuns, .hierarchical] {
        var settings = ExpectationMaximization(
          componentCount: 7, initialization: start,
          stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 2), seed: 5)
        #expect(settings.kMeans == KMeansSettings())
        let fit = try settings.fit(rows)
        // 2 + ⌊ln 7⌋ candidates. Agglomeration has other numbers of groups, with other logarithms.
        settings.kMeans = KMeansSettings(
          iterationLimit: 5,
          candidateCount: index == 1 ? 1 : start == .hierarchical ? nil : 3, rowLimit: 2048)
        #expect(try settings.fit(rows).model == fit.model, "\(start)")
      }
    }
  }

  @Test("more iterations never raise the k-means objective of the start's partition")
  func objective() throws {
    for seed in UInt64(1)...3 {
      let problem = try RandomProblem(n: 500, d: 2, K: 6, separation: 1, seed: seed)
      for rows in try tables(problem) {
        var settings = ExpectationMaximization(
          componentCount: 6, covariance: .diagonal, initialization: .kMeans, seed: seed)
        var last = Double.infinity
        for limit in [0, 1, 2, 3, 5, 8, 13, 50, 1000] {
          settings.kMeans = KMeansSettings(iterationLimit: limit)
          let value = try inertia(settings, rows)
          // A sum of 1000 squares, each rounded.
          #expect(value <= last * (1 + 1000 * .ulpOfOne), "\(limit) iterations, seed \(seed)")
          last = value
        }
        settings.kMeans = KMeansSettings(iterationLimit: 0)
        #expect(try last < inertia(settings, rows))
      }
    }
  }

  @Test("of more rows drawn for each centroid a better one is taken")
  func candidates() throws {
    let problem = try RandomProblem(n: 600, d: 2, K: 8, separation: 4)
    for rows in try tables(problem) {
      func total(_ candidateCount: Int) throws -> Double {
        try (0..<10).reduce(0) {
          try $0
            + inertia(
              ExpectationMaximization(
                componentCount: 8, covariance: .diagonal, initialization: .kMeans, seed: UInt64($1),
                kMeans: KMeansSettings(iterationLimit: 0, candidateCount: candidateCount)), rows)
        }
      }
      #expect(try total(20) < total(1))
    }
  }

  @Test("the part of the table has as many rows as are asked for")
  func rowLimit() throws {
    let rows = try RandomProblem(n: 5000, d: 2, K: 3).observations
    let scale = try DataScale(rows, form: .full, threadCount: 1)
    for (limit, count) in [(nil, 2048), (100, 100), (4000, 4000), (9000, 5000)] {
      let settings = ExpectationMaximization(
        componentCount: 3, kMeans: KMeansSettings(rowLimit: limit))
      let part = try settings.drawnCentroids(
        on: rows, scale: scale, componentCount: 3, restart: 0, threadCount: 1
      ) { _ in 3 }
      #expect(part.rows.observationCount == count)
      #expect(
        ShortRuns.plan(
          rowCount: 5000, featureCount: 2, componentCount: 3, form: .full, kMeans: settings.kMeans)?
          .rowLimit == limit ?? 2048)
    }
  }

  @Test("settings are kept and read again; where they are missing, they are the defaults")
  func coding() throws {
    let settings = ExpectationMaximization(
      componentCount: 3, kMeans: KMeansSettings(iterationLimit: 9, candidateCount: 4, rowLimit: 77))
    let data = try JSONEncoder().encode(settings)
    #expect(try JSONDecoder().decode(ExpectationMaximization.self, from: data) == settings)
    var object = try #require(
      try JSONSerialization.jsonObject(with: data) as? [String: Any])
    object["kMeans"] = nil
    let older = try JSONDecoder().decode(
      ExpectationMaximization.self, from: JSONSerialization.data(withJSONObject: object))
    #expect(older.kMeans == KMeansSettings())
    #expect(
      try JSONDecoder().decode(KMeansSettings.self, from: Data("{}".utf8)) == KMeansSettings())
  }
}
