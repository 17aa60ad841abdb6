// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import MixtureIO
import MixturePlots
import Mixtures

/// `gmm fit`
struct Fit: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fit a Gaussian mixture to a table.",
    discussion: """
      With a range of components, or several structures, all combinations are fitted and the one with the least \
      criterion is kept. Without -k, 1...9 components are tried.
      """)

  @OptionGroup var input: DataArguments

  @Option(
    name: [.customShort("k"), .customLong("components")],
    help: ArgumentHelp("Number of components, or a range to choose from.", valueName: "K|A...B"))
  var components: ComponentCounts?

  @Option(
    help: ArgumentHelp(
      """
      Covariance structures, separated by commas: full (VVV), tied (EEE), diagonal (VVI), spherical (VII), or any of EII, \
      VII, EEI, VEI, EVI, VVI, EEE, VEE, EVE, VVE, EEV, VEV, EVV, VVV (volume, shape and orientation of the components: \
      Equal, Variable, or I for the identity); or all. \
      (default: full)
      """, valueName: "NAME[,NAME]"))
  var covariance: StructureList?

  @Flag(help: "Fix all weights at 1/K.")
  var equalWeights = false

  @Option(
    help: ArgumentHelp(
      "Where to start: short-runs, kmeans, rows, random, labels=COLUMN or model=FILE. (default: short-runs)",
      valueName: "HOW"))
  var start: StartOption?

  @Option(help: ArgumentHelp("Start R times and keep the best end.", valueName: "R"))
  var restarts = 1

  @Option(help: ArgumentHelp("Limit of iterations.", valueName: "N"))
  var iterations = 1000

  @Option(
    help: ArgumentHelp(
      "Stop when less is left to gain, in nats per observation; 0: exactly N iterations.",
      valueName: "T"))
  var tolerance = 1e-6

  @Option(
    help: ArgumentHelp(
      "Covariance floor, as a fraction of the data's variance; 0: none.", valueName: "F"))
  var floor = 1e-6

  @Option(help: "What becomes of a component that collapses: reseed, merge or drop.")
  var rescue: RescuePolicy = .reseed

  @Option(help: "Whether iterations go further than EM's own: quasi-newton or none.")
  var acceleration: Acceleration = .quasiNewton

  @Option(
    help: ArgumentHelp(
      "Leave out what can only yield zeros: on or off; results do not depend on it.",
      valueName: "on|off"))
  var skipping: Switch = .on

  @Option(
    help: ArgumentHelp(
      """
      Fit by variational Bayes, with a Dirichlet distribution (concentration 1/K unless given) or a truncated Dirichlet \
      process (1) for the weights: the number of components is an upper limit (10 without -k), and a range is ranked by \
      the evidence lower bound.
      """, valueName: "dirichlet|process[=C]"))
  var bayes: BayesOption?

  @Option(help: "How a range is ranked: bic, aic or icl.")
  var criterion: InformationCriterion = .bic

  @Flag(help: "Exit with status 1 if the fit did not converge.")
  var requireConvergence = false

  @Option(
    name: [.customShort("o"), .customLong("model")],
    help: ArgumentHelp("Write the model.", valueName: "FILE.json"))
  var modelFile: String?

  @Option(
    help: ArgumentHelp(
      "Write a page that shows the fit and plays its iterations.", valueName: "FILE.html"))
  var report: String?

  @Option(help: ArgumentHelp("Write a picture of the data and the fit.", valueName: "FILE.svg"))
  var plot: String?

  @Option(
    help: ArgumentHelp(
      "Write iteration, log-likelihood, seconds and weights.", valueName: "FILE.csv"))
  var trace: String?

  @Flag(
    help: """
      Say on standard error what the fit will take, and every ten seconds how far it is, also if that is no terminal.
      """)
  var progress = false

  @Option(
    help: ArgumentHelp(
      """
      Keep the state of the run here, and go on from it if it is there; the result is that of a run that was never ended. \
      The file is removed at the end.
      """, valueName: "FILE"))
  var checkpoint: String?

  @Option(help: ArgumentHelp("Least time between two states, in seconds.", valueName: "S"))
  var checkpointInterval = 10.0

  @OptionGroup var common: CommonOptions

  func validate() throws {
    try validateBayesian()
    if progress, common.quiet {
      throw ValidationError("--progress and --quiet exclude each other.")
    }
    if checkpoint == "-" {
      throw ValidationError("a checkpoint is read and written again; give the name of a file.")
    }
    guard checkpointInterval >= 0, checkpointInterval <= 1e6 else {
      throw ValidationError(
        "--checkpoint-interval is \(checkpointInterval); it must be at least 0 and at most 1000000."
      )
    }
    let outputs = [modelFile, report, plot, trace, checkpoint].compactMap { $0 }
    if Set(outputs).count < outputs.count {
      throw ValidationError("two outputs have the same name; each needs one of its own.")
    }
  }

  func run() throws {
    let problem = try readProblem()
    if let bayes { return try run(bayes.prior, problem) }
    let recorder = FrameRecorder(criterion: criterion, equalWeights: equalWeights)
    let search = ModelSelection(
      componentCounts: problem.componentCounts, covariances: problem.structures,
      criterion: criterion, estimation: problem.settings)
    let progress = FitProgress(
      mode: common.quiet ? .silent : progress ? .lines : .terminal, search: search,
      restarts: restarts, problem: problem.description)
    let observer: (Int, IterationReport) -> ObserverDecision = { candidate, iteration in
      progress.observe(iteration, candidate: candidate)
      if report != nil { recorder.record(iteration, candidate: candidate) }
      return .proceed
    }
    let ranking = try search.run(
      problem.source, checkpoints: checkpointPlan(for: search),
      observer: report != nil || progress.isHeard ? observer : nil)
    progress.clear()

    let fit = ranking.best
    for line in ModelDescription.rescueLines(fit.rescued) { common.notice(line) }
    if !fit.isConverged, tolerance > 0, iterations > 0 {
      common.notice(
        "not converged after \(Terminal.count(fit.iterationCount, "iteration")); "
          + "a larger --iterations would go on.")
    }
    let document = try ModelDocument(
      fit, featureNames: problem.featureNames, equalWeights: equalWeights)
    try writeFiles(
      problem, ranking, document, frames: recorder.frames(candidate: ranking.bestIndex, of: fit))
    try printResult(problem, ranking, document)
    // All that was asked for is written; what is left of the run is of no use.
    if let checkpoint { CheckpointFile.remove(at: checkpoint) }
    if requireConvergence, !fit.isConverged { throw GMM.NotConverged() }
  }

  /// How the state of the search is kept; nil if it is not.
  private func checkpointPlan(
    for search: ModelSelection
  ) throws(MixtureError) -> CheckpointPlan<SelectionCheckpoint>? {
    guard let checkpoint else { return nil }
    let resumed = try CheckpointFile.search(at: checkpoint)
    if let resumed {
      let count = search.componentCounts.count * search.covariances.count
      var text = "going on from \(checkpoint): iteration \(resumed.fit.iteration)"
      if restarts > 1 { text += ", restart \(resumed.fit.restart + 1) of \(restarts)" }
      if count > 1 { text += ", candidate \(resumed.finishedCount + 1) of \(count)" }
      common.notice(text)
      if report != nil { common.notice("\(report!) will not play the iterations before.") }
    }
    return CheckpointPlan(
      resumed: resumed, interval: .milliseconds(Int64(checkpointInterval * 1000))
    ) { (state) throws(MixtureError) in try CheckpointFile.write(state, to: checkpoint) }
  }

  // MARK: Input

  /// What the command line and the files amount to.
  struct Problem {
    let source: any ObservationSource
    let featureNames: [String]
    let storage: TableStorage
    let working: WorkingMemory
    let settings: ExpectationMaximization
    let componentCounts: [Int]
    let structures: [CovarianceStructure]

    /// The table, and the memory that the fit takes, in words.
    var description: String {
      let place =
        switch storage {
        case .memory(let bytes): "\(MemoryLimit.text(bytes)) in memory"
        case .mapped(let bytes): "\(MemoryLimit.text(bytes)) in mapped files"
        case .streamed(let bytes): "\(MemoryLimit.text(bytes)) in files, read in parts"
        case .temporaryFile(let bytes, _): "\(MemoryLimit.text(bytes)) in a temporary file"
        }
      return "\(Terminal.count(source.observationCount, "observation")) of "
        + "\(Terminal.count(source.featureCount, "feature")), \(place), and at most "
        + "\(MemoryLimit.text(working.bytes(featureCount: source.featureCount))) beside them"
    }
  }

  private func readProblem() throws(MixtureError) -> Problem {
    var startingModel: ModelDocument?
    var labelColumn: String?
    switch start {
    case .model(let path): startingModel = try ModelDocument(path: path)
    case .labels(let column): labelColumn = column
    default: break
    }
    var options = input.columns.tableOptions(labelColumn: labelColumn)
    if options.columns == nil { options.preferredColumns = startingModel?.featureNames }
    let working = workingMemory(startingModel?.mixture)
    let table = try input.read(
      options, memory: input.memory.map { working.limit($0) }, common)

    var settings = ExpectationMaximization(
      componentCount: 1, equalWeights: equalWeights, restartCount: restarts,
      stoppingRule: StoppingRule(tolerance: tolerance, iterationLimit: iterations),
      covarianceFloor: floor, rescuePolicy: rescue, acceleration: acceleration,
      skipping: skipping == .on, seed: common.seed, threadCount: common.threads)
    var counts = components?.counts
    var structures =
      covariance.map { $0.structures(featureCount: table.source.featureCount) } ?? [.full]
    switch start {
    case nil, .shortRuns: settings.initialization = .shortRuns
    case .kMeans: settings.initialization = .kMeans
    case .rows: settings.initialization = .randomRows
    case .random: settings.initialization = .randomResponsibilities
    case .labels(let column):
      let (labels, count) = try numbered(table.labels ?? [], column: column)
      try requireCount(count, counts, "column \(column) has \(count) different labels")
      settings.initialization = .labels(labels)
      counts = [count]
    case .model(let path):
      guard let model = startingModel?.mixture else { break }
      let count = model.componentCount
      try requireCount(count, counts, "\(path) has \(Terminal.count(count, "component"))")
      settings.initialization = .model(model)
      counts = [count]
      if covariance == nil { structures = [model.structure] }
    }
    return Problem(
      source: table.source, featureNames: table.featureNames, storage: table.storage,
      working: working, settings: settings, componentCounts: counts ?? Array(1...9),
      structures: structures)
  }

  /// What the fits take beside the table. How many components labels make is not known before they are read; then the
  /// number asked for counts, or 64.
  private func workingMemory(_ start: GaussianMixture?) -> WorkingMemory {
    // How many features there are is not known yet; of several, all structures are the most.
    let structures =
      covariance?.structures(featureCount: 2) ?? start.map { [$0.structure] } ?? [.full]
    let forms = Set(structures.map(\.form))
    var fromLabels: Int?
    if case .labels = self.start { fromLabels = 64 }
    let counts = components?.counts ?? (start?.componentCount ?? fromLabels).map { [$0] } ?? [9]
    let candidateCount = counts.count * structures.count
    return WorkingMemory(
      componentCount: counts.max() ?? 1,
      form: forms.contains(.full) ? .full : forms.contains(.diagonal) ? .diagonal : .scalar,
      threadCount: common.threadCount, drawsRows: start == nil && fromLabels == nil,
      keptModels: (report == nil ? 0 : FrameRecorder.modelLimit) + candidateCount,
      pictureCount: [report, plot].count { $0 != nil },
      recordCount: min(max(iterations, 0), 100_000) * candidateCount)
  }

  /// Numbers for labels, in order of first appearance.
  private func numbered(
    _ labels: [String], column: String
  ) throws(MixtureError) -> (labels: [Int], count: Int) {
    var numbers: [String: Int] = [:]
    var result: [Int] = []
    for (row, label) in labels.enumerated() {
      guard !label.isEmpty else {
        throw MixtureError(
          .malformedFile,
          "row \(row + 1) has no label in column \(column); --start labels needs one for every row."
        )
      }
      let number = numbers[label] ?? numbers.count
      numbers[label] = number
      result.append(number)
    }
    return (result, numbers.count)
  }

  private func requireCount(
    _ count: Int, _ asked: [Int]?, _ what: String
  ) throws(MixtureError) {
    guard let asked, asked != [count] else { return }
    throw MixtureError(
      .invalidSetting,
      "\(what), but -k asks for \(ComponentCounts(asked).description). Leave -k out to start from them."
    )
  }

  // MARK: Output

  private func writeFiles(
    _ problem: Problem, _ ranking: ModelSelection.Ranking, _ document: ModelDocument,
    frames: [MixtureReport.Frame]
  ) throws(MixtureError) {
    if let modelFile { try document.write(to: modelFile) }
    if let trace { try writeTrace(ranking.best, to: trace) }
    if let plot {
      try AtomicFile.write(
        MixturePicture.svg(
          of: problem.source, model: document.mixture,
          options: MixturePicture.Options(features: document.featureNames)), to: plot)
    }
    if let report {
      var page = MixtureReport(
        title: "Gaussian mixture of \(FitReport.list(input.data.map(fileName)))",
        features: document.featureNames, observations: problem.source, fit: ranking.best)
      page.command = commandLine()
      page.frames = frames
      page.criterion = criterion
      if ranking.candidates.count > 1 {
        page.candidates = ranking.candidates.enumerated().compactMap { index, candidate in
          candidate.fit.map {
            MixtureReport.Candidate(
              componentCount: candidate.componentCount, structure: candidate.covariance.rawValue,
              logLikelihood: $0.logLikelihood, bic: $0.bic, aic: $0.aic, icl: $0.icl,
              isChosen: index == ranking.bestIndex)
          }
        }
      }
      try AtomicFile.write(page.html(), to: report)
    }
  }

  private func writeTrace(_ fit: MixtureFit, to path: String) throws(MixtureError) {
    let most = fit.trace.map(\.weights.count).max() ?? 0
    try AtomicFile.write(to: path) { (output) throws(MixtureError) in
      let weights = (0..<most).map { ",weight_\($0)" }.joined()
      try output.write("iteration,log_likelihood,seconds\(weights)\n")
      for record in fit.trace {
        // Components that were dropped leave their cells empty.
        let cells = (0..<most).map { $0 < record.weights.count ? ",\(record.weights[$0])" : "," }
        try output.write(
          "\(record.iteration),\(record.logLikelihood),\(record.seconds)\(cells.joined())\n")
      }
    }
  }

  private func printResult(
    _ problem: Problem, _ ranking: ModelSelection.Ranking, _ document: ModelDocument
  ) throws(MixtureError) {
    // A file asked for on standard output is all that stands there.
    if [modelFile, report, plot, trace].contains("-") { return }
    switch common.format {
    case .json: try Terminal.print(document.json)
    case .text:
      var text =
        "\(Terminal.count(problem.source.observationCount, "observation")) of "
        + "\(Terminal.count(problem.featureNames.count, "feature")): "
        + "\(FitReport.list(problem.featureNames))\n\n"
      if ranking.candidates.count > 1 { text += FitReport.table(ranking) + "\n" }
      text += FitReport.text(
        ranking.best, features: problem.featureNames, equalWeights: equalWeights)
      let written = [modelFile, report, plot, trace].compactMap { $0 }
      if !written.isEmpty { text += "\nWrote \(written.joined(separator: ", ")).\n" }
      try Terminal.print(text)
    }
  }
}

extension ComponentCounts: CustomStringConvertible {
  var description: String {
    guard let first = counts.first, let last = counts.last else { return "none" }
    return first == last ? "\(first)" : "\(first)...\(last)"
  }
}
