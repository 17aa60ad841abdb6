// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Mixtures

@Suite("Checkpoints") struct CheckpointTests {
  /// A state written as JSON and read again, as a file would keep it.
  static func throughJSON<State: Codable>(_ state: State) throws -> State {
    let encoder = JSONEncoder()
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return try decoder.decode(State.self, from: encoder.encode(state))
  }

  static let interruption = MixtureError(.unwritableFile, "the run was ended")

  /// Keeps one of the states that a run shows.
  final class Keeper<State: Sendable> {
    private(set) var state: State?
    private(set) var count = 0
    /// Whether a state is the one to keep; it is told how many were shown, this one included.
    let isWanted: (State, Int) -> Bool
    /// Whether the run is ended then.
    let isEnd: Bool

    init(isEnd: Bool = false, isWanted: @escaping (State, Int) -> Bool = { _, _ in false }) {
      self.isEnd = isEnd
      self.isWanted = isWanted
    }

    func save(_ shown: State) throws(MixtureError) {
      count += 1
      guard isWanted(shown, count) else { return }
      state = shown
      if isEnd { throw interruption }
    }
  }

  /// Fits, ended from outside before every E-step; each run makes one and leaves its state to the next.
  static func interrupted(
    _ settings: ExpectationMaximization, _ data: Observations
  ) throws -> (fit: MixtureFit, runs: Int) {
    var kept: FitCheckpoint?
    for run in 1...1000 {
      // The first is the state that was resumed.
      let keeper = Keeper<FitCheckpoint>(isEnd: true) { _, count in count == 2 }
      let plan = CheckpointPlan<FitCheckpoint>(
        resumed: try kept.map(throughJSON), interval: .zero, save: keeper.save)
      do throws(MixtureError) {
        return (try settings.fit(data, checkpoints: plan), run)
      } catch {
        guard error == interruption else { throw error }
        kept = keeper.state
      }
    }
    throw MixtureError(.invalidSetting, "the fit never ended")
  }

  static func expectSame(_ a: MixtureFit, _ b: MixtureFit) {
    #expect(a.model == b.model)
    #expect(a.logLikelihood == b.logLikelihood)
    #expect(a.entropy == b.entropy)
    #expect(a.restart == b.restart)
    #expect(a.restartLogLikelihoods == b.restartLogLikelihoods)
    #expect(a.stoppingReason == b.stoppingReason)
    #expect(a.rescued == b.rescued)
    #expect(a.trace.map(\.logLikelihood) == b.trace.map(\.logLikelihood))
    #expect(a.trace.map(\.weights) == b.trace.map(\.weights))
  }

  @Test(
    "a fit that is ended before every E-step and resumed has the bits of one that was not",
    arguments: CovarianceStructure.allCases, Acceleration.allCases)
  func everyIteration(structure: CovarianceStructure, acceleration: Acceleration) throws {
    let problem = try RandomProblem(n: 300, d: 2, K: 3, structure: structure, separation: 1)
    let settings = ExpectationMaximization(
      componentCount: 3, covariance: structure, initialization: .randomRows, restartCount: 3,
      stoppingRule: StoppingRule(tolerance: 1e-6, iterationLimit: 15), acceleration: acceleration,
      seed: 3)
    let whole = try settings.fit(problem.observations)
    let (parts, runs) = try Self.interrupted(settings, problem.observations)
    Self.expectSame(parts, whole)
    #expect(runs > 15)
  }

  @Test("rescue goes on as it was", arguments: RescuePolicy.allCases)
  func rescue(policy: RescuePolicy) throws {
    var random = RandomStream(seed: 2)
    let cloud = (0..<150).map { _ in [random.normal(), random.normal()] }
    let data = try Observations(rows: cloud + Array(repeating: [0.5, 0.25], count: 50))
    let settings = ExpectationMaximization(
      componentCount: 3, covariance: .spherical,
      initialization: .labels((0..<150).map { $0 % 2 } + Array(repeating: 2, count: 50)),
      stoppingRule: StoppingRule(iterationLimit: 40), covarianceFloor: 0, rescuePolicy: policy)
    let whole = try settings.fit(data)
    #expect(!whole.rescued.isEmpty)
    Self.expectSame(try Self.interrupted(settings, data).fit, whole)
  }

  @Test("a component without weight that was moved is judged after the interruption")
  func fallback() throws {
    let places = [[0.0, 0], [4, 0], [0, 4]]
    let data = try Observations(rows: (0..<300).map { places[$0 % 3] })
    // At the floor, so that there is nothing for another component to explain.
    let variances = try DataScale(data, form: .diagonal, threadCount: 1).variances
    let floor = 1e-6 * (variances[0] + variances[1]) / 2
    let start = try GaussianMixture(
      weights: [1.0 / 3, 1.0 / 3, 1.0 / 3, 0, 0],
      means: Matrix(rows: places + [[1e9, 0], [0, 1e9]]),
      covariances: Covariances(
        structure: .vii, componentCount: 5, featureCount: 2,
        elements: [floor, floor, floor, 1, 1]))
    let settings = ExpectationMaximization(
      componentCount: 5, covariance: .spherical, initialization: .model(start))
    let whole = try settings.fit(data)
    #expect(whole.rescued.contains { $0.action == .dropped })
    Self.expectSame(try Self.interrupted(settings, data).fit, whole)
  }

  @Test("a search that is ended and resumed ranks the same bits")
  func search() throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 2, separation: 1)
    let search = ModelSelection(
      componentCounts: [1, 2, 3], covariances: [.spherical, .full],
      estimation: ExpectationMaximization(
        componentCount: 1, restartCount: 2,
        stoppingRule: StoppingRule(tolerance: 1e-5, iterationLimit: 10)))
    func run(
      _ search: ModelSelection, _ data: Observations
    ) throws -> ModelSelection.Ranking {
      let whole = try search.run(data)
      var kept: SelectionCheckpoint?
      for _ in 0..<1000 {
        let keeper = Keeper<SelectionCheckpoint>(isEnd: true) { _, count in count == 3 }
        let plan = CheckpointPlan<SelectionCheckpoint>(
          resumed: try kept.map(Self.throughJSON), interval: .zero, save: keeper.save)
        let parts: ModelSelection.Ranking
        do throws(MixtureError) {
          parts = try search.run(data, checkpoints: plan)
        } catch {
          guard error == Self.interruption else { throw error }
          kept = keeper.state
          continue
        }
        #expect(parts.bestIndex == whole.bestIndex)
        #expect(parts.candidates.count == whole.candidates.count)
        for (a, b) in zip(parts.candidates, whole.candidates) {
          #expect(a.componentCount == b.componentCount && a.covariance == b.covariance)
          switch (a.outcome, b.outcome) {
          case (.success(let a), .success(let b)): Self.expectSame(a, b)
          case (.failure(let a), .failure(let b)): #expect(a == b)
          default: Issue.record("a fit and an error")
          }
        }
        return parts
      }
      throw MixtureError(.invalidSetting, "the search never ended")
    }
    _ = try run(search, problem.observations)
    // Two equal columns: no full covariance, so one half of the candidates has an error instead of a fit.
    let first = problem.observations.matrix
    let twice = try Observations(rows: (0..<200).map { [first[$0, 0], first[$0, 0]] })
    var mixed = search
    mixed.covariances = [.full, .spherical]
    let ranking = try run(mixed, twice)
    #expect(ranking.candidates.prefix(3).allSatisfy { $0.fit == nil })
  }

  @Test("threads may differ when a fit is resumed")
  func otherThreads() throws {
    let problem = try RandomProblem(n: 9000, d: 2, K: 3, separation: 1)
    var settings = ExpectationMaximization(
      componentCount: 3, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 8),
      threadCount: 1)
    let whole = try settings.fit(problem.observations)
    let keeper = Keeper<FitCheckpoint> { state, _ in state.iteration == 4 }
    _ = try settings.fit(
      problem.observations, checkpoints: CheckpointPlan(interval: .zero, save: keeper.save))
    settings.threadCount = 2
    let resumed = try settings.fit(
      problem.observations, checkpoints: CheckpointPlan(resumed: keeper.state) { _ in })
    Self.expectSame(resumed, whole)
  }

  @Test("a checkpoint of other data or settings is an error that names the difference")
  func mismatch() throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 2)
    let settings = ExpectationMaximization(
      componentCount: 2, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 5))
    let keeper = Keeper<FitCheckpoint> { state, _ in state.iteration == 2 }
    _ = try settings.fit(
      problem.observations, checkpoints: CheckpointPlan(interval: .zero, save: keeper.save))
    func expect(_ words: String, _ settings: ExpectationMaximization, _ data: Observations) {
      let plan = CheckpointPlan(resumed: keeper.state) { (_: FitCheckpoint) in }
      do throws(MixtureError) {
        _ = try settings.fit(data, checkpoints: plan)
        Issue.record("no error: \(words)")
      } catch {
        #expect(error.code == .checkpointMismatch)
        #expect(error.message.contains(words), "\(error.message)")
      }
    }
    var other = settings
    other.seed = 9
    expect("has seed 0, this run 9", other, problem.observations)
    other = settings
    other.stoppingRule.iterationLimit = 6
    expect("iteration limit 5, this run 6", other, problem.observations)
    other = settings
    other.covariance = .tied
    expect("covariance structure VVV, this run EEE", other, problem.observations)
    other = settings
    other.initialization = .randomRows
    expect("another start", other, problem.observations)
    other = settings
    other.precision = .single
    expect("has precision double, this run single", other, problem.observations)
    other = settings
    other.kMeans.candidateCount = 4
    expect("k-means with other settings", other, problem.observations)
    var rows = (0..<200).map { problem.observations.matrix.row($0) }
    rows[17][1] += 1e-9
    expect("another table of 200 × 2", settings, try Observations(rows: rows))
    rows.removeLast()
    expect("200 × 2 numbers, this one is 199 × 2", settings, try Observations(rows: rows))
  }

  @Test("states are kept no more often than asked for")
  func interval() throws {
    let problem = try RandomProblem(n: 200, d: 2, K: 2)
    let settings = ExpectationMaximization(
      componentCount: 2, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 20))
    let seldom = Keeper<FitCheckpoint>()
    _ = try settings.fit(
      problem.observations,
      checkpoints: CheckpointPlan(interval: .seconds(3600), save: seldom.save))
    #expect(seldom.count == 0)
    let often = Keeper<FitCheckpoint>()
    _ = try settings.fit(
      problem.observations, checkpoints: CheckpointPlan(interval: .zero, save: often.save))
    #expect(often.count == 21)
  }
}
