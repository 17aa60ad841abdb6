// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// Options that several subcommands share, and the types of their values.

import ArgumentParser
import Foundation
import MixtureIO
import Mixtures

/// How results are printed.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case text
  case json
}

/// A choice between two.
enum Switch: String, ExpressibleByArgument, CaseIterable {
  case on
  case off
}

struct CommonOptions: ParsableArguments {
  @Option(help: "How to print results: text or json.")
  var format: OutputFormat = .text

  @Flag(help: "Say nothing on standard error but errors.")
  var quiet = false

  @Option(
    help: ArgumentHelp(
      "Threads to use; results do not depend on it. (default: all cores)", valueName: "T"))
  var threads: Int?

  @Option(help: ArgumentHelp("Seed of all random choices.", valueName: "S"))
  var seed: UInt64 = 0

  func validate() throws {
    if let threads, threads < 1 {
      throw ValidationError("--threads is \(threads); it must be at least 1.")
    }
  }

  /// The number of threads that will be used.
  var threadCount: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }

  /// A word to the user on standard error.
  func notice(_ text: String) {
    if !quiet { Terminal.write("gmm: \(text)\n") }
  }
}

struct ColumnOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Columns to use: names or numbers from 1, separated by commas.", valueName: "a,b,c"))
  var columns: String?

  @Option(help: ArgumentHelp("Columns to leave out.", valueName: "a,b"))
  var exclude: String?

  /// The selection as the reader wants it.
  func tableOptions(labelColumn: String? = nil) -> TableOptions {
    func names(_ list: String?) -> [String]? {
      list.map { $0.split(separator: ",", omittingEmptySubsequences: true).map(String.init) }
    }
    return TableOptions(
      columns: names(columns), excluded: names(exclude) ?? [], labelColumn: labelColumn)
  }
}

/// Files that hold one table.
struct DataArguments: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "Tables, read as one: CSV or TSV with or without a header (.gz too), .npy, or - for standard input.",
      valueName: "data"))
  var data: [String]

  @OptionGroup var columns: ColumnOptions

  @Option(
    help: ArgumentHelp(
      """
      The most memory to take, such as 512M or 2G. A table that does not fit is read from its .npy files in parts, or from \
      a temporary file in TMPDIR if it is text. Results do not depend on it.
      """, valueName: "SIZE"))
  var memory: ByteCount?

  /// Reads the table, and says what there is to say about it.
  func read(
    _ options: TableOptions, memory limit: MemoryLimit?, carried: Carried, _ common: CommonOptions
  ) throws(MixtureError) -> Table {
    var options = options
    carried.apply(to: &options)
    let table = try readTable(paths: data, options: options, memory: limit)
    for text in table.notices { common.notice(text) }
    if case .temporaryFile(let bytes, let folder) = table.storage {
      common.notice(
        "the table takes \(MemoryLimit.text(bytes)) and lies in a temporary file in \(folder).")
    }
    return try carried.annotate(table)
  }

  /// Reads the table for a model: the columns that the model was made for, by name if the table has those names.
  ///
  /// Without --memory no more than 256 MiB of it are held, so that memory does not grow with its length.
  func read(
    for model: ModelDocument, _ common: CommonOptions, carried: Carried, resultColumns: Int = 0,
    pictureCount: Int = 0
  ) throws(MixtureError) -> Table {
    var options = columns.tableOptions()
    if options.columns == nil { options.preferredColumns = model.featureNames }
    let mixture = model.mixture
    let working = WorkingMemory(
      componentCount: mixture.componentCount, form: mixture.structure.form,
      threadCount: common.threadCount,
      results: (resultColumns == 0 ? 0 : rowsPerPart(columnCount: resultColumns), resultColumns),
      pictureCount: pictureCount, carriedBytes: carried.fileBytes, hasGaps: carried.hasGaps,
      projectionCount: carried.projectionCount)
    return try read(options, memory: working.limit(memory), carried: carried, common)
  }
}

/// A number of components, or a range of them: `3` or `1...6`.
struct ComponentCounts: ExpressibleByArgument {
  let counts: [Int]

  init(_ counts: [Int]) {
    self.counts = counts
  }

  init?(argument: String) {
    if let count = Int(argument) {
      counts = [count]
      return
    }
    let ends = argument.split(separator: "...", omittingEmptySubsequences: false).map { Int($0) }
    guard ends.count == 2, let first = ends[0], let last = ends[1], first >= 0, first <= last,
      last - first < 10_000
    else { return nil }
    counts = Array(first...last)
  }
}

/// One or more covariance structures, separated by commas, or `all`.
struct StructureList: ExpressibleByArgument {
  /// The structures named; nil for all.
  private let named: [CovarianceStructure]?

  init?(argument: String) {
    if argument.lowercased() == "all" {
      named = nil
      return
    }
    let names = argument.split(separator: ",").map(String.init)
    let found = names.compactMap { CovarianceStructure(name: $0) }
    guard !found.isEmpty, found.count == names.count else { return nil }
    named = found
  }

  /// Whether they are all that there are.
  var isAll: Bool { named == nil }

  /// The structures to fit. Of one feature, all are two.
  func structures(featureCount: Int) -> [CovarianceStructure] {
    named ?? CovarianceStructure.distinct(featureCount: featureCount)
  }
}

/// Where a fit starts, as written on the command line.
enum StartOption: ExpressibleByArgument {
  case shortRuns
  case kMeans
  case hierarchical
  case rows
  case random
  case labels(String)
  case model(String)

  init?(argument: String) {
    switch argument {
    case "short-runs": self = .shortRuns
    case "kmeans": self = .kMeans
    case "hierarchical": self = .hierarchical
    case "rows": self = .rows
    case "random": self = .random
    default:
      if argument.hasPrefix("labels="), argument.count > 7 {
        self = .labels(String(argument.dropFirst(7)))
      } else if argument.hasPrefix("model="), argument.count > 6 {
        self = .model(String(argument.dropFirst(6)))
      } else {
        return nil
      }
    }
  }
}

extension StartOption {
  /// Whether the start is sought by k-means.
  var makesKMeans: Bool {
    switch self {
    case .shortRuns, .kMeans, .hierarchical: return true
    case .rows, .random, .labels, .model: return false
    }
  }

  /// The start as it is written, without what follows the equals sign.
  var name: String {
    switch self {
    case .shortRuns: return "short-runs"
    case .kMeans: return "kmeans"
    case .hierarchical: return "hierarchical"
    case .rows: return "rows"
    case .random: return "random"
    case .labels: return "labels"
    case .model: return "model"
    }
  }
}

/// Settings of k-means, as written on the command line: some of `iterations=N`, `candidates=N` and `rows=N`, separated by
/// commas.
struct KMeansOption: ExpressibleByArgument {
  let settings: KMeansSettings

  init?(argument: String) {
    var settings = KMeansSettings()
    var seen: Set<String> = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", omittingEmptySubsequences: false).map(String.init)
      guard pair.count == 2, let value = Int(pair[1]), seen.insert(pair[0]).inserted else {
        return nil
      }
      switch (pair[0], value) {
      case ("iterations", 0...1000): settings.iterationLimit = value
      case ("candidates", 1...100): settings.candidateCount = value
      case ("rows", 1...1_000_000_000): settings.rowLimit = value
      default: return nil
      }
    }
    self.settings = settings
  }
}

/// An algorithm, as written on the command line.
struct AlgorithmOption: ExpressibleByArgument {
  let algorithm: Algorithm

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      .map(String.init)
    let numbers = parts.count == 1 ? [] : parts[1].split(separator: ",").map { Double($0) }
    switch (parts[0], numbers.count) {
    case ("em", 0) where parts.count == 1: algorithm = .em
    case ("classification", 0) where parts.count == 1: algorithm = .classification
    case ("stochastic", 0) where parts.count == 1: algorithm = .stochastic(steps: 50)
    case ("stochastic", 1):
      guard let steps = Int(parts[1]) else { return nil }
      algorithm = .stochastic(steps: steps)
    case ("annealed", 0) where parts.count == 1: algorithm = .annealed(from: 0.5, steps: 40)
    case ("annealed", 2):
      guard let from = numbers[0], let last = numbers[1], let steps = Int(exactly: last) else {
        return nil
      }
      algorithm = .annealed(from: from, steps: steps)
    default: return nil
    }
  }
}

/// A prior, as written on the command line.
struct PriorOption: ExpressibleByArgument, CustomStringConvertible {
  let prior: MixturePrior

  init(_ prior: MixturePrior) {
    self.prior = prior
  }

  init?(argument: String) {
    switch argument {
    case "none": prior = .none
    case "mclust": prior = .mclust
    case "shrinkage", "shrinkage=diagonal": prior = .shrinkage()
    case "shrinkage=identity": prior = .shrinkage(towards: .identity)
    default:
      guard argument.hasPrefix("floor="), let fraction = Double(argument.dropFirst(6)) else {
        return nil
      }
      prior = .floor(fraction)
    }
  }

  var description: String {
    switch prior {
    case .none: return "none"
    case .mclust: return "mclust"
    case .shrinkage(let target): return "shrinkage=\(target.rawValue)"
    case .floor(let fraction): return "floor=\(fraction)"
    case .conjugate: return "conjugate"
    }
  }

  var defaultValueDescription: String { description }
}

/// Parameters to leave as they are, as written on the command line: `means`, or `means=0,2`.
struct FixOption: ExpressibleByArgument {
  private enum Kind: String {
    case weights
    case means
    case covariances
  }

  private let kind: Kind
  /// The components; nil for all.
  private let components: [Int]?

  init?(argument: String) {
    let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard let kind = Kind(rawValue: String(parts[0])) else { return nil }
    self.kind = kind
    guard parts.count == 2 else {
      components = nil
      return
    }
    let numbers = parts[1].split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard numbers.allSatisfy({ $0 != nil }) else { return nil }
    components = numbers.compactMap { $0 }
  }

  func add(to fixed: inout FixedParameters, componentCount: Int) {
    let components = components ?? Array(0..<componentCount)
    switch kind {
    case .weights: fixed.weights.formUnion(components)
    case .means: fixed.means.formUnion(components)
    case .covariances: fixed.covariances.formUnion(components)
    }
  }
}

extension Acceleration: ExpressibleByArgument {}
extension SelectionCriterion: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension RescuePolicy: ExpressibleByArgument {}
