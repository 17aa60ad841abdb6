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
      criterion is kept. Without -k, 1...9 components are tried. With --bayes a distribution over mixtures is fitted, \
      and the number of components is found on the way.
      """)

  /// The covariance floor where none is given.
  static let defaultFloor = 1e-6

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

  @Option(
    help: ArgumentHelp(
      """
      Covariances made of so many factors, or a range to choose from: mixtures of factor analysers, for many features and \
      few rows.
      """, valueName: "Q|A...B"))
  var factors: ComponentCounts?

  @Option(
    help: ArgumentHelp(
      """
      What the components of --factors have in common, separated by commas: UUU, UUC, UCU, UCC, CUU, CUC, CCU, CCC \
      (loadings, uniquenesses, features: Constrained to be equal or not); or all. (default: UUU)
      """, valueName: "NAME[,NAME]"))
  var factorVariants: FactorVariantList?

  @Flag(help: "Fix all weights at 1/K.")
  var equalWeights = false

  @Option(
    help: ArgumentHelp(
      "Where to start: short-runs, kmeans, hierarchical, rows, random, labels=COLUMN or model=FILE. (default: short-runs)",
      valueName: "HOW"))
  var start: StartOption?

  @Option(
    help: ArgumentHelp(
      """
      The k-means that a start is sought by: at most so many of Lloyd's iterations (default: 5), of how many rows drawn the \
      best becomes a centroid (2 + ln K), on at most so many rows of the table (2048, or some 128 K); some of \
      iterations=N,candidates=N,rows=N.
      """, valueName: "NAME=N[,NAME=N]"))
  var kmeans: KMeansOption?

  @OptionGroup var gaps: GapOptions

  @OptionGroup var weights: WeightOptions

  @Option(
    help: ArgumentHelp(
      """
      Column that names the component that a row is known to belong to, or several of which it belongs to one, as in a|b; \
      empty where nothing is known. Names hold no |.
      """, valueName: "COLUMN"))
  var labels: String?

  @Option(
    help: ArgumentHelp(
      """
      A uniform background for rows that belong to no component: over the box that the rows lie in, or over a volume in \
      the features' units. The box ends at the limits of censored cells, so what lies beyond them is never background; a \
      volume reaches further.
      """, valueName: "box|VOLUME"))
  var background: BackgroundOption?

  @Option(
    help: ArgumentHelp(
      """
      What stands in the column of --labels for rows that are known to be background, or may be (a|NAME); needs \
      --background.
      """, valueName: "NAME"))
  var backgroundLabel: String?

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
  var floor = Self.defaultFloor

  @Option(
    help: ArgumentHelp(
      """
      Prior of the parameters: none, mclust, shrinkage (towards the table's variances), shrinkage=identity, or floor=F \
      (a smooth floor, as a fraction of the data's variance).
      """, valueName: "NAME"))
  var prior: PriorOption = PriorOption(.none)

  @Option(
    help: ArgumentHelp(
      """
      Leave parameters of --start model=FILE as they are: weights, means or covariances, of all components or of some, \
      counted from 0. May be given several times.
      """, valueName: "WHAT[=0,2]"))
  var fix: [FixOption] = []

  @Option(help: "What becomes of a component that collapses: reseed, merge or drop.")
  var rescue: RescuePolicy = .reseed

  @Option(
    help: ArgumentHelp(
      """
      em, classification, stochastic[=STEPS] or annealed[=BETA,STEPS]: draws, or tempered responsibilities from the power \
      BETA on, for so many iterations before EM. (default: em; stochastic=50, annealed=0.5,40)
      """, valueName: "NAME"))
  var algorithm: AlgorithmOption?

  @Flag(help: "Each row belongs to one component: --algorithm classification.")
  var hard = false

  @Option(
    help: ArgumentHelp(
      """
      At a local maximum try N moves that merge two components and split a third; 0: none.
      """, valueName: "N"))
  var splitMerge = 0

  @Flag(help: "Give up the restarts that lag behind, half of them at a time.")
  var halving = false

  @Option(
    help: """
      Whether iterations go further than EM's own: quasi-newton or none. (default: quasi-newton; none with --factors)
      """)
  var acceleration: Acceleration?

  @Option(help: "The arithmetic of the E-steps: double or single; the result is scored in double.")
  var precision: Precision = .double

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

  @Option(
    help: ArgumentHelp(
      """
      How a range is ranked: bic, aic, aicc (AIC for few rows), icl, nec (normalized entropy), cv (log-likelihood of \
      held-out rows) or blrt (bootstrapped likelihood-ratio tests, of one structure).
      """, valueName: "bic|aic|aicc|icl|nec|cv|blrt"))
  var criterion: SelectionCriterion = .bic

  @Option(help: ArgumentHelp("Folds of --criterion cv.", valueName: "V"))
  var folds = 10

  @Option(help: ArgumentHelp("Tables that each test of --criterion blrt draws.", valueName: "B"))
  var replicates = 99

  @Option(
    help: ArgumentHelp("Level of the tests of --criterion blrt.", valueName: "P"))
  var level = 0.05

  @Option(
    help: """
      Whether the candidates of a range are tried again from each other's models, so that none is less likely than one \
      nested in it: on or off.
      """)
  var neighbours: Switch = .on

  @Option(
    help: ArgumentHelp("Write all candidates, for --merge-search.", valueName: "FILE.json"))
  var search: String?

  @Option(
    help: ArgumentHelp(
      "Rank an earlier search of the same table along with this one; may be given several times.",
      valueName: "FILE.json"))
  var mergeSearch: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Standard errors of the parameters by the observed information, the sandwich, or a bootstrap of B replicates (default: \
      999), which --plot draws too.
      """, valueName: "information|sandwich|bootstrap[=B]"))
  var uncertainty: UncertaintyOption?

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
      "Write a picture of the criterion over the number of components, a line for each structure.",
      valueName: "FILE.svg"))
  var criterionPlot: String?

  @Option(
    help: ArgumentHelp(
      "Write a picture of how the components overlap: which rows are labelled as another one's.",
      valueName: "FILE.svg"))
  var overlapPlot: String?

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

  /// The files asked for.
  var results: [String?] {
    [modelFile, report, plot, criterionPlot, overlapPlot, trace, search]
  }

  func validate() throws {
    try validateBayesian()
    if progress, common.quiet {
      throw ValidationError("--progress and --quiet exclude each other.")
    }
    if let backgroundLabel {
      guard labels != nil else {
        throw ValidationError(
          "--background-label needs --labels: \"\(backgroundLabel)\" stands in the column that it names."
        )
      }
      guard !backgroundLabel.contains(KnownLabels.separator) else {
        throw ValidationError(
          "--background-label is \"\(backgroundLabel)\"; a name holds no |, which stands between names."
        )
      }
      guard background != nil else {
        throw ValidationError(
          "--background-label needs --background, which the rows of that label belong to.")
      }
    }
    if kmeans != nil, let start, !start.makesKMeans {
      throw ValidationError(
        "--kmeans and --start \(start.name) exclude each other: that start makes no k-means.")
    }
    if !fix.isEmpty {
      guard case .model = start else {
        throw ValidationError("--fix needs the values of a model; give --start model=FILE too.")
      }
    }
    try requireFittingFactorOptions()
    if hard, let algorithm, algorithm.algorithm != .classification {
      throw ValidationError("--hard is --algorithm classification; give one of the two.")
    }
    if checkpoint == "-" {
      throw ValidationError("a checkpoint is read and written again; give the name of a file.")
    }
    guard checkpointInterval >= 0, checkpointInterval <= 1e6 else {
      throw ValidationError(
        "--checkpoint-interval is \(checkpointInterval); it must be at least 0 and at most 1000000."
      )
    }
    let outputs = (results + [checkpoint]).compactMap { $0 }
    if Set(outputs).count < outputs.count {
      throw ValidationError("two outputs have the same name; each needs one of its own.")
    }
  }

  func run() throws {
    let problem = try readProblem()
    if let bayes { return try run(bayes.prior, problem) }
    if let factors {
      try runFactors(factors.counts, problem)
      return
    }
    let earlier = try mergeSearch.map { (path) throws(MixtureError) in
      try SearchFile.ranking(at: path)
    }
    let search = ModelSelection(
      componentCounts: problem.componentCounts, covariances: problem.structures,
      criterion: criterion, estimation: problem.settings,
      learnsFromNeighbours: neighbours == .on, foldCount: folds, replicateCount: replicates,
      significanceLevel: level)
    let progress = FitProgress(
      mode: common.quiet ? .silent : progress ? .lines : .terminal, search: search,
      restarts: restarts, problem: problem.description)
    // A single fit is recorded on its way; of several the best is made again.
    let isSingle = search.componentCounts.count * search.covariances.count == 1
    let recorder = FrameRecorder<MixtureReport.Frame>()
    let record = { (_: Int, iteration: IterationReport) -> ObserverDecision in
      recorder.record(iteration)
      return .proceed
    }
    let own = try search.run(
      problem.source, checkpoints: checkpointPlan(for: search),
      progress: progress.isHeard ? progress.observe : nil,
      observer: report != nil && isSingle ? record : nil)
    var ranking = own
    for other in earlier { ranking = try ranking.merged(with: other) }
    if report != nil, !isSingle {
      _ = try search.settings(of: ranking.candidates[ranking.bestIndex]).fit(problem.source) {
        record(0, $0)
      }
    }
    progress.clear()

    let fit = ranking.best
    for line in ModelDescription.rescueLines(fit.rescued) { common.notice(line) }
    for line in FitReport.spuriousLines(ranking) { common.notice(line) }
    if common.format == .json, let text = problem.labelSentence { common.notice(text) }
    noticeUnlessConverged(fit.isConverged, iterationCount: fit.iterationCount)
    var document = try ModelDocument(
      fit, featureNames: problem.featureNames, equalWeights: equalWeights)
    let known = try uncertainty?.uncertainty(of: fit, problem.source, problem.settings, common)
    document.uncertainty = try known.map { (known) throws(MixtureError) in
      try UncertaintySummary(known)
    }
    try writeFiles(
      problem, ranking, document, frames: recorder.frames(of: fit),
      replicates: known?.replicates ?? [])
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
      let finished = resumed.finishedCount
      var text = "going on from \(checkpoint): iteration \(resumed.fit.iteration)"
      if restarts > 1 { text += ", restart \(resumed.fit.restart + 1) of \(restarts)" }
      if count > 1 {
        text +=
          finished < count ? ", candidate \(finished + 1) of \(count)" : ", fit \(finished + 1)"
      }
      common.notice(text)
      if report != nil, count == 1 {
        common.notice("\(report!) will not play the iterations before.")
      }
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
    /// Which known label names which component.
    var labelSentence: String?

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

  private func readProblem() throws -> Problem {
    var startingModel: ModelDocument?
    var labelColumn: String?
    switch start {
    case .model(let path): startingModel = try ModelDocument(path: path)
    case .labels(let column): labelColumn = column
    default: break
    }
    var options = input.columns.tableOptions(labelColumn: labelColumn)
    if options.columns == nil { options.preferredColumns = startingModel?.featureNames }
    let carried = try Carried(
      gaps, weights: weights, labels: labels, backgroundLabel: backgroundLabel)
    var working = workingMemory(startingModel?.mixture)
    working.carriedBytes = carried.fileBytes
    working.hasGaps = carried.hasGaps
    working.projectionCount = carried.projectionCount
    let table = try input.read(
      options, memory: input.memory.map { working.limit($0) }, carried: carried, common)
    // What was read with the table lies beside it from now on.
    let n = table.source.observationCount
    working.carriedBytes +=
      8
      * ((table.weights?.count ?? 0) + (table.noise?.elements.count ?? 0)
        + (table.lowerLimits?.elements.count ?? 0) + (table.upperLimits?.elements.count ?? 0)
        + (table.source.annotations?.limits == nil ? 0 : 2 * n * table.source.featureCount))
      + (table.knownLabels == nil ? 0 : 8 * n) + (carried.isEmpty ? 0 : 8 * n)

    var settings = ExpectationMaximization(
      componentCount: 1, equalWeights: equalWeights, restartCount: restarts,
      stoppingRule: StoppingRule(tolerance: tolerance, iterationLimit: iterations),
      covarianceFloor: floor, prior: prior.prior, rescuePolicy: rescue,
      algorithm: hard ? .classification : algorithm?.algorithm ?? .em,
      acceleration: acceleration ?? (factors == nil ? .quasiNewton : .none),
      splitMerge: splitMerge, halving: halving,
      skipping: skipping == .on, precision: precision, seed: common.seed,
      threadCount: common.threads)
    settings.background = background?.rule ?? .none
    if let kmeans { settings.kMeans = kmeans.settings }
    var counts = components?.counts
    let known = table.knownLabels
    // Each known label is a component.
    let least = max(1, known?.names.count ?? 1)
    if let known, let labels {
      if let backgroundLabel, !known.hasBackground {
        throw MixtureError(
          .invalidSetting,
          "--background-label: no row has \"\(backgroundLabel)\" in column \(labels); its labels are "
            + "\(known.names.isEmpty ? "none" : FitReport.list(known.names)).")
      }
      if known.sets.isEmpty {
        common.notice("column \(labels) holds no label, so no component is known.")
      }
      try requireRoom(for: known, column: labels)
    }
    var structures =
      covariance.map { $0.structures(featureCount: table.source.featureCount) } ?? [.full]
    switch start {
    case nil, .shortRuns: settings.initialization = .shortRuns
    case .kMeans: settings.initialization = .kMeans
    case .hierarchical: settings.initialization = .hierarchical
    case .rows: settings.initialization = .randomRows
    case .random: settings.initialization = .randomResponsibilities
    case .labels(let column):
      let (labels, count) = try numbered(table, column: column)
      try requireCount(count, counts, "column \(column) has \(count) different labels")
      settings.initialization = .labels(labels)
      counts = [count]
    case .model(let path):
      guard let model = startingModel?.mixture else { break }
      let count = model.componentCount
      try requireCount(count, counts, "\(path) has \(Terminal.count(count, "component"))")
      settings.initialization = .model(model)
      for option in fix { option.add(to: &settings.fixed, componentCount: count) }
      counts = [count]
      if covariance == nil { structures = [model.structure] }
    }
    return Problem(
      source: table.source, featureNames: table.featureNames, storage: table.storage,
      working: working, settings: settings,
      componentCounts: counts ?? Array(least...max(9, least)),
      structures: structures, labelSentence: labelSentence(known))
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
      keptModels: (report == nil ? 0 : FrameLimits.modelLimit) + candidateCount,
      pictureCount: [report, plot].count { $0 != nil },
      recordCount: min(max(iterations, 0), 100_000) * candidateCount,
      kMeans: kmeans?.settings ?? KMeansSettings())
  }

  /// Numbers for labels, in order of first appearance.
  ///
  /// Labels of rows that are known keep their numbers.
  private func numbered(
    _ table: Table, column: String
  ) throws(MixtureError) -> (labels: [Int], count: Int) {
    let known = table.knownLabels
    var numbers: [String: Int] = [:]
    for (number, name) in (known?.names ?? []).enumerated() { numbers[name] = number }
    var result: [Int] = []
    for (row, label) in (table.labels ?? []).enumerated() {
      guard !label.isEmpty else {
        throw MixtureError(
          .malformedFile,
          "row \(row + 1) has no label in column \(column); --start labels needs one for every row."
        )
      }
      if known?[row] == [KnownComponents.background] {
        throw MixtureError(
          .invalidAnnotation,
          "\(table.place(ofRow: row)): the row is known to be background, but --start labels needs a component for "
            + "every row. Start elsewhere.")
      }
      let number = numbers[label] ?? numbers.count
      numbers[label] = number
      result.append(number)
      if let known, let set = known[row], !set.contains(number) {
        throw MixtureError(
          .invalidAnnotation,
          "\(table.place(ofRow: row)): the row starts in \"\(label)\" (column \(column)), but is known to belong to "
            + "\(set.sorted().map { "\"\(known.name($0))\"" }.joined(separator: " or ")) (column \(labels ?? "")). Correct one of them, or start "
            + "elsewhere.")
      }
    }
    return (result, numbers.count)
  }

  /// Requires at least as many components as there are known labels.
  private func requireRoom(
    for known: KnownLabels, column: String
  ) throws(MixtureError) {
    let count = known.names.count
    guard let asked = components?.counts, let least = asked.min(), least < count, least > 0 else {
      return
    }
    throw MixtureError(
      .invalidSetting,
      "column \(column) has \(count) different labels (\(FitReport.list(known.names))), but -k asks for "
        + "\(ComponentCounts(asked).description); each label is a component, so ask for at least \(count)."
    )
  }

  /// Which known label names which component, and how many rows it has.
  private func labelSentence(_ known: KnownLabels?) -> String? {
    guard let known, let labels, !known.sets.isEmpty else { return nil }
    // Of rows whose component is known, and of those that belong to one of several.
    var counts: [Int: Int] = [:]
    var severalCount = 0
    for (set, count) in zip(known.sets, known.rowCounts) {
      if set.count == 1, let label = set.first {
        counts[label] = count
      } else {
        severalCount += count
      }
    }
    func rows(_ label: Int) -> String { Terminal.count(counts[label] ?? 0, "row") }
    var parts = known.names.prefix(40).enumerated().map {
      "\($0.offset) is \"\($0.element)\" (\(rows($0.offset)))"
    }
    let more = known.names.count > 40 ? " and so on" : ""
    if known.hasBackground {
      let label = KnownComponents.background
      parts.append("the background is \"\(known.name(label))\" (\(rows(label)))")
    }
    let several =
      severalCount == 0
      ? ""
      : "; \(Terminal.count(severalCount, "row")) "
        + "\(severalCount == 1 ? "belongs" : "belong") to one of several"
    return
      "Components named by column \(labels): \(parts.joined(separator: ", "))\(more)\(several)."
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
    frames: [MixtureReport.Frame], replicates: [GaussianMixture]
  ) throws(MixtureError) {
    if let modelFile { try document.write(to: modelFile) }
    if let search { try SearchFile.write(ranking, to: search) }
    if let trace { try writeTrace(ranking.best, to: trace) }
    try writePictures(of: document.mixture, problem, replicates: replicates)
    if let criterionPlot {
      try AtomicFile.write(
        MixturePicture.svg(
          candidates: MixtureReport.candidates(of: ranking),
          criterion: criterion == .likelihoodRatioTest ? .bic : criterion), to: criterionPlot)
    }
    if let report {
      var page = MixtureReport(
        title: "Gaussian mixture of \(FitReport.list(input.data.map(fileName)))",
        features: document.featureNames, observations: problem.source, fit: ranking.best)
      page.frames = frames
      page.progressNote = FitReport.progressNote(
        problem.settings.algorithm, iterationLimit: iterations)
      page.criterion = criterion
      if ranking.candidates.count > 1 {
        page.candidates = MixtureReport.candidates(of: ranking)
      }
      try write(page, of: problem, to: report)
    }
  }

  /// Says that a fit ended before it converged, unless it was asked for no more.
  func noticeUnlessConverged(_ isConverged: Bool, iterationCount: Int) {
    guard !isConverged, tolerance > 0, iterations > 0 else { return }
    common.notice(
      "not converged after \(Terminal.count(iterationCount, "iteration")); a larger --iterations would go on."
    )
  }

  /// Writes the pictures of a mixture over the table that were asked for.
  func writePictures(
    of mixture: GaussianMixture, _ problem: Problem, replicates: [GaussianMixture] = []
  ) throws(MixtureError) {
    if let plot {
      try AtomicFile.write(
        MixturePicture.svg(
          of: problem.source, model: mixture,
          options: MixturePicture.Options(
            features: problem.featureNames, replicates: replicates)), to: plot)
    }
    if let overlapPlot {
      try AtomicFile.write(
        MixturePicture.svg(
          overlap: mixture.misclassification(
            of: problem.source, threadCount: common.threadCount)), to: overlapPlot)
    }
  }

  /// Writes a page with the command that made it and what the table's rows carry.
  func write(
    _ page: MixtureReport, of problem: Problem, to path: String
  ) throws(MixtureError) {
    var page = page
    page.command = commandLine()
    page.subtitle = FitReport.subtitle(try CarriedFacts(problem.source))
    try AtomicFile.write(page.html(), to: path)
  }

  /// What the printed result begins with: the table, and what its rows carry.
  static func heading(_ problem: Problem) throws(MixtureError) -> String {
    var text =
      "\(Terminal.count(problem.source.observationCount, "observation")) of "
      + "\(Terminal.count(problem.featureNames.count, "feature")): "
      + "\(FitReport.list(problem.featureNames))\n"
    for line in try CarriedFacts(problem.source).sentences { text += line + "\n" }
    if let line = problem.labelSentence { text += line + "\n" }
    return text + "\n"
  }

  /// What the printed result ends with: the files that were written, if there are any.
  var writtenSentence: String {
    let written = results.compactMap { $0 }
    return written.isEmpty ? "" : "\nWrote \(written.joined(separator: ", ")).\n"
  }

  func writeTrace(_ fit: MixtureFit, to path: String) throws(MixtureError) {
    let most = fit.trace.map(\.weights.count).max() ?? 0
    try AtomicFile.write(to: path) { (output) throws(MixtureError) in
      let weights = (0..<most).map { ",weight_\($0)" }.joined()
      let hasObjective = fit.prior != nil || fit.classificationLogLikelihood != nil
      try output.write(
        "iteration,log_likelihood\(hasObjective ? ",objective" : ""),seconds\(weights)\n")
      for record in fit.trace {
        // Components that were dropped leave their cells empty.
        let cells = (0..<most).map { $0 < record.weights.count ? ",\(record.weights[$0])" : "," }
        try output.write(
          "\(record.iteration),\(record.logLikelihood)\(hasObjective ? ",\(record.objective)" : ""),"
            + "\(record.seconds)\(cells.joined())\n")
      }
    }
  }

  private func printResult(
    _ problem: Problem, _ ranking: ModelSelection.Ranking, _ document: ModelDocument
  ) throws(MixtureError) {
    // A file asked for on standard output is all that stands there.
    if results.contains("-") { return }
    switch common.format {
    case .json:
      try Terminal.print(
        ranking.candidates.count > 1 ? document.json(with: ranking) : document.json)
    case .text:
      var text = try Self.heading(problem)
      if ranking.candidates.count > 1 { text += FitReport.table(ranking) + "\n" }
      text += FitReport.text(
        ranking.best, features: problem.featureNames, equalWeights: equalWeights)
      if let uncertainty = document.uncertainty {
        text +=
          "\n"
          + UncertaintyReport.table(
            uncertainty, model: document.mixture, features: problem.featureNames)
      }
      try Terminal.print(text + writtenSentence)
    }
  }
}

extension ComponentCounts: CustomStringConvertible {
  var description: String {
    guard let first = counts.first, let last = counts.last else { return "none" }
    return first == last ? "\(first)" : "\(first)...\(last)"
  }
}
