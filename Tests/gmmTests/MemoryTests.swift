// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Mixtures
import Testing

@testable import gmm

@Suite("Memory and time of the command") struct MemoryTests {
  let command: Command

  init() throws {
    command = try Command()
  }

  /// The header of a NumPy array of doubles in C order.
  func header(rowCount: Int, columnCount: Int) -> [UInt8] {
    var text = "{'descr': '<f8', 'fortran_order': False, 'shape': (\(rowCount), \(columnCount)), }"
    text += String(repeating: " ", count: 117 - text.utf8.count) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(text.utf8)
  }

  /// Values of two groups of rows, always the same.
  func values(_ count: Int) -> [Double] {
    var state: UInt64 = 1
    return (0..<count).map { index in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) * 0x1p-22 + Double(index / 4 % 2) * 5
    }
  }

  /// A model of two components of four features.
  let model = """
    {"format": "swift-mixtures/model", "version": 1, "structure": "EII", "features": ["x1", "x2", "x3", "x4"],
     "weights": [0.5, 0.5], "means": [[0, 0, 0, 0], [5, 5, 5, 5]],
     "covariances": [[[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]], [[1,0,0,0],[0,1,0,0],[0,0,1,0],[0,0,0,1]]]}
    """

  /// The least limit that an error names.
  func least(_ arguments: [String]) throws -> String {
    let result = try command.run(arguments + ["--memory", "1M"])
    #expect(result.status == 2)
    #expect(result.output.isEmpty)
    let words = result.errors.split(separator: " ").map(String.init)
    let place = try #require(words.firstIndex(of: "least"), "\(result.errors)")
    #expect(words[place + 2] == "MiB,")
    return words[place + 1] + "MiB"
  }

  @Test("results under the least limit that is accepted are those without a limit, to the bit")
  func sameResults() throws {
    // More than the buffers of a thread and the tenth of a mebibyte that the limit is rounded up by.
    let rowCount = 48_000
    let values = values(4 * rowCount)
    try command.write(
      "t.npy",
      header(rowCount: rowCount, columnCount: 4)
        + values.withUnsafeBytes { Array($0) })
    try command.write("model.json", model)
    let fit = [
      "fit", "t.npy", "-k", "2", "--iterations", "2", "--format", "json", "--quiet",
      "--threads", "1",
    ]
    let limit = try least(fit)
    let free = try command.run(fit)
    #expect(free.status == 0)
    let capped = try command.run(fit + ["--memory", limit])
    #expect(capped.errors.isEmpty)
    #expect(capped.output == free.output)
    for arguments in [
      ["score", "model.json", "t.npy", "--threads", "1"],
      ["predict", "model.json", "t.npy", "--threads", "1"],
    ] {
      let free = try command.run(arguments)
      #expect(free.status == 0)
      let capped = try command.run(arguments + ["--memory", try least(arguments)])
      #expect(capped.output == free.output)
    }
  }

  @Test(
    "text that does not fit goes to a temporary file in TMPDIR, which a notice names and nobody sees later"
  )
  func spilledText() throws {
    var rows = ""
    for (index, value) in values(8 * 1000).enumerated() {
      rows += "\(value)\(index % 8 == 7 ? "\n" : ",")"
    }
    try command.write("t.csv", "a,b,c,d,e,f,g,h\n" + String(repeating: rows, count: 32))
    let fit = [
      "fit", "t.csv", "-k", "2", "--iterations", "1", "--format", "json", "--threads", "1",
    ]
    let free = try command.run(fit)
    let capped = try command.run(fit + ["--memory", try least(fit)], temporaryFolder: "spill")
    #expect(capped.output == free.output)
    #expect(capped.errors.contains("lies in a temporary file in spill."))
    #expect(try command.files() == ["t.csv", "spill"])
    #expect(try command.files(in: "spill").isEmpty)
    let nowhere = try command.run(
      fit + ["--memory", try least(fit), "-o", "m.json"], temporaryFolder: nil)
    #expect(nowhere.status == 2)
    #expect(nowhere.errors.contains("Name another folder in TMPDIR."))
    #expect(!command.exists("m.json"))
  }

  @Test(
    "a size that is none is a usage error",
    arguments: [
      "", "0", "-1", "G", "2Q", "1e9", "2 G", "1.5.2G", "2GiBs", "99999999T", "nan", "٣G",
    ])
  func badSizes(size: String) throws {
    #expect(ByteCount(argument: size) == nil)
    try command.write("t.csv", "1\n2\n4\n")
    let result = try command.run("fit", "t.csv", "--memory=\(size)")
    #expect(result.status == 64)
    #expect(result.errors.contains("--memory"))
  }

  @Test(
    "sizes count in steps of 1024, those that end in KB to TB in steps of 1000",
    arguments: [
      ("1500000", 1_500_000), ("512M", 512 << 20), ("2G", 2 << 30), ("2g", 2 << 30),
      ("1.5GiB", 3 << 29), ("2GB", 2_000_000_000), ("64Ki", 64 << 10), ("100kb", 100_000),
      ("1T", 1 << 40), ("7b", 7),
    ])
  func sizes(text: String, bytes: Int) {
    #expect(ByteCount(argument: text)?.bytes == bytes)
  }

  @Test("a table of 96 MiB is fitted and scored in 64 MiB, as the limit says")
  func peakMemory() throws {
    // A file with a hole: all rows but the first are zeros, and take no room on the disk.
    let rowCount = 3 << 20
    let start = values(4 * 4096)
    try command.write(
      "t.npy",
      header(rowCount: rowCount, columnCount: 4) + start.withUnsafeBytes { Array($0) })
    let file = try FileHandle(forWritingTo: command.folder.appending(path: "t.npy"))
    try file.truncate(atOffset: UInt64(128 + rowCount * 32))
    try file.close()
    try command.write("model.json", model)
    for arguments in [
      ["fit", "t.npy", "-k", "1", "--iterations", "1", "--quiet"],
      ["score", "model.json", "t.npy"],
    ] {
      let peak = try command.peakMemory(arguments + ["--memory", "64M"])
      #expect(peak > 1 << 20)
      #expect(peak < 64 << 20)
    }
  }

  @Test("--progress says what a fit will take, and goes with no --quiet")
  func progress() throws {
    try command.write("t.csv", "a,b\n" + (0..<60).map { "\($0 * $0 % 31),\($0 % 7)\n" }.joined())
    let result = try command.run(
      "fit", "t.csv", "-k", "2...3", "--tolerance", "0", "--iterations", "4", "--progress")
    #expect(result.status == 0)
    #expect(result.errors.contains("60 observations of 2 features, 960 bytes in memory"))
    #expect(result.errors.contains("K = 2 VVV: one iteration takes"))
    #expect(result.errors.contains("4 iterations will take"))
    #expect(result.errors.contains("one of 2; time grows"))
    #expect(try command.run("fit", "t.csv", "-k", "2").errors.isEmpty)
    #expect(try command.run("fit", "t.csv", "--progress", "--quiet").status == 64)
  }

  @Test(
    "iterations left are those until the stopping rule is met, if gains form a geometric series",
    arguments: [0.1, 0.5, 0.9, 0.99, 0.9999], [1e-3, 1e-6, 1e-9])
  func iterationsLeft(ratio: Double, tolerance: Double) throws {
    var gain = 0.02
    let estimate = try #require(
      Pace.iterationsLeft(
        gain: gain, remainingGain: gain * ratio / (1 - ratio), tolerance: tolerance))
    var count = 0
    while gain >= tolerance || gain * ratio / (1 - ratio) >= tolerance {
      gain *= ratio
      count += 1
    }
    // Rounding may move the estimate across a whole number.
    #expect(abs(count - estimate) <= 1)
  }

  @Test(
    "without shrinking gains no time is given but the limit's, and pace begins anew with each fit")
  func pace() {
    var pace = Pace()
    let rule = StoppingRule(tolerance: 1e-6, iterationLimit: 100)
    func observe(
      _ candidate: Int, _ iteration: Int, _ seconds: Double, _ logLikelihood: Double,
      _ remainingGain: Double?
    ) {
      pace.observe(
        candidate: candidate, restart: 0, iteration: iteration, seconds: seconds,
        objective: logLikelihood, caseWeight: 10, remainingGain: remainingGain, rule: rule)
    }
    observe(0, 0, 5, -100, nil)
    #expect(pace.secondsPerIteration == nil)
    #expect(pace.leftText == "")
    observe(0, 1, 7, -90, nil)
    #expect(pace.secondsPerIteration == 2)
    #expect(pace.iterationsLeft == nil)
    #expect(pace.leftText == ", at most 3 minutes left")
    observe(0, 2, 9, -85, 0.5)
    #expect(pace.iterationsLeft == 19)
    #expect(pace.leftText == ", about 38 seconds left at this pace")
    observe(1, 0, 1, -90, nil)
    #expect(pace.secondsPerIteration == nil)
    let exact = StoppingRule(tolerance: 0, iterationLimit: 3)
    pace.observe(
      candidate: 1, restart: 0, iteration: 1, seconds: 101, objective: -80, caseWeight: 10,
      remainingGain: nil, rule: exact)
    #expect(pace.leftText == ", about 3 minutes left at this pace")
  }

  @Test("times are said in words that promise no more than is known")
  func durations() {
    let words = [0.0001, 0.0123, 2.345, 65, 100, 5999, 6000, 200_000].map {
      FitProgress.duration($0)
    }
    #expect(
      words == [
        "less than a millisecond", "13 milliseconds", "2.3 seconds", "65 seconds", "2 minutes",
        "100 minutes", "2 hours", "2 days",
      ])
  }
}
