// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A folder of its own for one test, and the command run in it.
final class Command {
  let folder: URL

  struct Result {
    let status: Int32
    let output: String
    let errors: String
  }

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(
      path: "gmm-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// The command beside the test program.
  static let executable: URL = {
    var folder = Bundle.allBundles.first { $0.bundlePath.hasSuffix(".xctest") }?.bundleURL
      .deletingLastPathComponent()
    folder =
      folder ?? Bundle.main.executableURL?.resolvingSymlinksInPath().deletingLastPathComponent()
    return folder!.appending(path: "gmm")
  }()

  func run(_ arguments: String..., input: String? = nil) throws -> Result {
    try run(arguments, input: input)
  }

  func run(_ arguments: [String], input: String? = nil) throws -> Result {
    try run(arguments, input: input, environment: nil)
  }

  /// Runs the command with TMPDIR at a folder in the test's own, which is made; nil is one that is not there.
  func run(_ arguments: [String], temporaryFolder: String?) throws -> Result {
    if let temporaryFolder {
      try FileManager.default.createDirectory(
        at: folder.appending(path: temporaryFolder), withIntermediateDirectories: true)
    }
    var environment = ProcessInfo.processInfo.environment
    environment["TMPDIR"] = temporaryFolder ?? "not-there"
    return try run(arguments, input: nil, environment: environment)
  }

  private func run(
    _ arguments: [String], input: String?, environment: [String: String]?
  ) throws -> Result {
    let process = Process()
    if let environment { process.environment = environment }
    process.executableURL = Self.executable
    process.arguments = arguments
    process.currentDirectoryURL = folder
    // Files, not pipes: no output can fill them.
    let (output, errors) = (folder.appending(path: ".out"), folder.appending(path: ".err"))
    for url in [output, errors] { try Data().write(to: url) }
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    if let input {
      let url = folder.appending(path: ".in")
      try Data(input.utf8).write(to: url)
      process.standardInput = try FileHandle(forReadingFrom: url)
    } else {
      process.standardInput = FileHandle.nullDevice
    }
    try process.run()
    process.waitUntilExit()
    return Result(
      status: process.terminationReason == .exit
        ? process.terminationStatus : -process.terminationStatus,
      output: try String(contentsOf: output, encoding: .utf8),
      errors: try String(contentsOf: errors, encoding: .utf8))
  }

  /// Runs the command, which must succeed, and returns the most memory that was resident, in bytes.
  func peakMemory(_ arguments: [String]) throws -> Int {
    // There is no portable way to start a process in another folder.
    let paths = arguments.map { exists($0) ? folder.appending(path: $0).path : $0 }
    let words = ([Self.executable.path] + paths).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
    var process = pid_t()
    guard posix_spawn(&process, Self.executable.path, &actions, nil, words, nil) == 0 else {
      throw POSIXError(.EAGAIN)
    }
    var status: Int32 = 0
    #if canImport(Darwin)
      var usage = rusage()
      while wait4(process, &status, 0, &usage) < 0, errno == EINTR {}
      let peak = usage.ru_maxrss
    #else
      // What the system says of a process that ended counts the memory of the one that started it; while it runs, the
      // high water mark is its own.
      var peak = 0
      while waitpid(process, &status, WNOHANG) == 0 {
        let lines = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
          .split(separator: "\n")
        let mark = lines?.first { $0.hasPrefix("VmHWM:") }?.split(separator: " ")
        if let mark, mark.count >= 2,
          let kilobytes = Int(mark[1].trimmingCharacters(in: .whitespaces))
        {
          peak = max(peak, kilobytes * 1024)
        }
        usleep(1000)
      }
    #endif
    guard status == 0 else { throw POSIXError(.ECHILD) }
    return peak
  }

  func write(_ name: String, _ text: String) throws {
    try Data(text.utf8).write(to: folder.appending(path: name))
  }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: folder.appending(path: name))
  }

  func read(_ name: String) throws -> String {
    try String(contentsOf: folder.appending(path: name), encoding: .utf8)
  }

  func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.appending(path: name).path)
  }

  /// What lies in a folder of the folder.
  func files(in name: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: name).path)
  }

  /// What lies in the folder beside what the tests themselves put there.
  func files() throws -> Set<String> {
    Set(try FileManager.default.contentsOfDirectory(atPath: folder.path))
      .subtracting([".out", ".err", ".in"])
  }
}

/// The JSON object that a text spells.
func object(_ text: String) throws -> [String: Any] {
  try #require(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
}

/// Tests that run the command in a folder of their own.
protocol CommandSuite {
  var command: Command { get }
}

extension CommandSuite {
  func output(_ arguments: String...) throws -> String { try output(arguments) }

  func output(_ arguments: [String]) throws -> String {
    let result = try command.run(arguments)
    #expect(result.status == 0, "\(arguments): \(result.errors)")
    return result.output
  }

  /// Requires status 2 and one message that holds the words.
  func expectFailure(
    _ arguments: [String], _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try command.run(arguments)
    #expect(result.status == 2, "\(result.errors)", sourceLocation: sourceLocation)
    #expect(result.output.isEmpty, sourceLocation: sourceLocation)
    #expect(
      result.errors.split(separator: "\n").count == 1, "\(result.errors)",
      sourceLocation: sourceLocation)
    for word in words {
      #expect(
        result.errors.contains(word), "\(result.errors) lacks \(word)",
        sourceLocation: sourceLocation)
    }
  }

  func array(_ values: [Double], shape: String) -> [UInt8] {
    var header = "{'descr': '<f8', 'fortran_order': False, 'shape': (\(shape)), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(header.utf8)
      + values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian) { Array($0) } }
  }
}
