// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("gmm fit --checkpoint") struct CheckpointCommandTests {
  let command: Command
  let arguments = [
    "fit", "rows.csv", "-k", "2...4", "--covariance", "full,spherical", "--restarts", "2",
    "--start", "rows", "--tolerance", "0", "--iterations", "40", "--quiet", "--threads", "1",
  ]

  init() throws {
    command = try Command()
    // Overlapping groups on a fixed lattice, without random numbers.
    let rows = (0..<600).map { row in
      let (a, b) = (Double(row * 37 % 101) / 101, Double(row * 53 % 97) / 97)
      let shift = row % 3 == 0 ? 1.2 : 0.0
      return "\(a * a * 2 + shift),\(b * (1 + a) + shift)"
    }
    try command.write("rows.csv", "x,y\n" + rows.joined(separator: "\n") + "\n")
  }

  @Test("a run that is killed again and again ends with the model of one that was not")
  func killed() throws {
    #expect(try command.run(arguments + ["-o", "whole.json"]).status == 0)
    let checkpoint = command.folder.appending(path: "state")
    var kills = 0
    // Each run goes on from the state that the one before left, and is killed as soon as it has left another.
    for _ in 0..<12 {
      let before = try? Data(contentsOf: checkpoint)
      let process = Process()
      process.executableURL = Command.executable
      process.arguments =
        arguments + ["-o", "parts.json", "--checkpoint", "state", "--checkpoint-interval", "0"]
      process.currentDirectoryURL = command.folder
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      while process.isRunning {
        if let now = try? Data(contentsOf: checkpoint), now != before {
          kill(process.processIdentifier, SIGKILL)
          kills += 1
          break
        }
      }
      process.waitUntilExit()
    }
    #expect(kills > 0)
    let last = try command.run(
      arguments + ["-o", "parts.json", "--checkpoint", "state", "--checkpoint-interval", "0"])
    #expect(last.status == 0)
    #expect(try command.read("parts.json") == command.read("whole.json"))
    #expect(!FileManager.default.fileExists(atPath: checkpoint.path))
  }

  @Test("a checkpoint of another run, a damaged one and a foreign file are errors")
  func foreign() throws {
    let fit = arguments + ["--checkpoint", "state", "--checkpoint-interval", "0"]
    // The model cannot be written, so the state stays.
    #expect(try command.run(fit + ["-o", "missing/model.json"]).status == 2)
    let state = try command.read("state")
    let other = try command.run(fit + ["--seed", "5"])
    #expect(other.status == 2 && other.errors.contains("has seed 0, this run 5"))
    let search = try command.run(
      ["fit", "rows.csv", "-k", "2", "--checkpoint", "state"])
    #expect(search.status == 2 && search.errors.contains("this one is over [2]"))
    try command.write("state", state.replacingOccurrences(of: "0.1", with: "0.2"))
    let damaged = try command.run(fit)
    #expect(damaged.status == 2 && damaged.errors.contains("state is damaged"))
    try command.write("state", "x,y\n1,2\n")
    let table = try command.run(fit)
    #expect(table.status == 2 && table.errors.contains("state is no checkpoint"))
    #expect(try command.run(["fit", "rows.csv", "--checkpoint", "-"]).status == 64)
  }
}
