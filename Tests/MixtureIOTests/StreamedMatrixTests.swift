// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Mixtures
import Testing

@testable import MixtureIO

/// How the numbers of a test file lie.
struct ArrayForm: Sendable, CustomTestStringConvertible {
  let isSingle: Bool
  let isFortranOrder: Bool
  /// Moves the first number off the multiples of its size.
  let shift: Int

  static let all = [false, true].flatMap { single in
    [false, true].flatMap { fortran in
      [0, 3].map { ArrayForm(isSingle: single, isFortranOrder: fortran, shift: $0) }
    }
  }

  var testDescription: String {
    "\(isSingle ? "float32" : "float64"), \(isFortranOrder ? "Fortran" : "C") order, shifted by \(shift)"
  }

  /// The file of a matrix.
  func bytes(_ matrix: Matrix) -> [UInt8] {
    let (n, d) = (matrix.rowCount, matrix.columnCount)
    var header =
      "{'descr': '<f\(isSingle ? 4 : 8)', 'fortran_order': \(isFortranOrder ? "True" : "False"), "
      + "'shape': (\(n), \(d)), }"
    header += String(repeating: " ", count: 117 - header.utf8.count + shift) + "\n"
    var bytes = NumPyArray.magic + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
    for index in 0..<n * d {
      let value = isFortranOrder ? matrix[index % n, index / n] : matrix.elements[index]
      if isSingle {
        withUnsafeBytes(of: Float(value).bitPattern.littleEndian) { bytes += $0 }
      } else {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
      }
    }
    return bytes
  }
}

/// A matrix of two groups of rows.
func twoGroups(rowCount: Int, columnCount: Int) throws -> Matrix {
  var bits = SplitMix(state: 11)
  return try Matrix(
    rowCount: rowCount, columnCount: columnCount,
    elements: (0..<rowCount * columnCount).map {
      Double(bits.next() >> 11) * 0x1p-53 + Double($0 / columnCount % 2) * 3
    })
}

/// The bits of some rows of a table.
func bits(_ source: some ObservationSource, _ range: Range<Int>) throws -> [UInt64] {
  var bits: [UInt64] = []
  try source.withRows(range) { rows in
    #expect(rows.count == range.count)
    for i in 0..<rows.count {
      for j in 0..<source.featureCount { bits.append(rows[i, j].bitPattern) }
    }
  }
  return bits
}

/// A limit that lets hardly anything lie in memory.
func smallLimit(threadCount: Int = 2, folder: String) -> MemoryLimit {
  .preferring(tableBytes: 1, threadCount: threadCount, temporaryFolder: folder)
}

@Suite("Tables that are read in parts") struct StreamedMatrixTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @Test("rows are those of the mapped file to the bit, in any range", arguments: ArrayForm.all)
  func sameRows(form: ArrayForm) throws {
    let n = 9001
    let path = try folder.file("a.npy", form.bytes(twoGroups(rowCount: n, columnCount: 3)))
    let mapped = try NumPyArray.map(path: path)
    let streamed = try NumPyArray.stream(path: path, threadCount: 2)
    #expect(streamed.observationCount == n && streamed.featureCount == 3)
    let selected = (
      try mapped.selecting(columns: [2, 0]), try streamed.selecting(columns: [2, 0])
    )
    let ranges = [
      0..<256, 256..<512, 4000..<4200, 0..<1, 4095..<4096, 4096..<4097, n - 1..<n, 8990..<n, 7..<7,
      n..<n, 0..<n, 4096..<8192, 5000..<5256, 255..<300, 100..<356,
    ]
    for range in ranges {
      #expect(try bits(streamed, range) == bits(mapped, range), "\(range)")
      #expect(try bits(selected.1, range) == bits(selected.0, range), "\(range), two columns")
    }
    #expect(
      failure { try streamed.selecting(columns: [3]) }?.message
        == "there is no column 3; the table has 3, counted from 0.")
  }

  @Test(
    "a fit in single precision has the same bits from memory, a mapped file and one that is read in parts",
    arguments: [CovarianceStructure.full, .tied, .diagonal, .spherical])
  func singlePrecision(structure: CovarianceStructure) throws {
    for form in ArrayForm.all where form.shift == 0 {
      let path = try folder.file(
        "a.npy", form.bytes(twoGroups(rowCount: 9001, columnCount: 3)))
      let mapped = try NumPyArray.map(path: path)
      var elements: [Double] = []
      mapped.withRows(0..<9001) { rows in
        for i in 0..<9001 { for j in 0..<3 { elements.append(rows[i, j]) } }
      }
      let memory = try Observations(
        Matrix(rowCount: 9001, columnCount: 3, elements: elements))
      var settings = ExpectationMaximization(
        componentCount: 2, covariance: structure,
        stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 5), precision: .single, seed: 2,
        threadCount: 1)
      let fit = try settings.fit(memory)
      for threads in [1, 3, 16] {
        settings.threadCount = threads
        let streamed = try NumPyArray.stream(path: path, threadCount: threads)
        for other in [
          try settings.fit(memory), try settings.fit(mapped), try settings.fit(streamed),
        ] {
          #expect(other.model == fit.model, "\(form), \(threads) threads")
          #expect(other.logLikelihood == fit.logLikelihood && other.entropy == fit.entropy)
          #expect(other.trace.map(\.logLikelihood) == fit.trace.map(\.logLikelihood))
        }
      }
    }
  }

  @Test("threads that read at the same time get their own rows, however few buffers there are")
  func concurrentReading() throws {
    let n = 50_000
    let matrix = try twoGroups(rowCount: n, columnCount: 2)
    let path = try folder.file(
      "a.npy", ArrayForm(isSingle: false, isFortranOrder: false, shift: 0).bytes(matrix))
    let streamed = try NumPyArray.stream(path: path, threadCount: 1)
    nonisolated(unsafe) var wrong = [Int](repeating: 0, count: 16)
    wrong.withUnsafeMutableBufferPointer { wrong in
      nonisolated(unsafe) let wrong = wrong
      DispatchQueue.concurrentPerform(iterations: 16) { task in
        for block in 0..<(n / 256) {
          let start = (block * 7 + task * 13) % (n / 256) * 256
          do throws(MixtureError) {
            try streamed.withRows(start..<start + 256) { rows in
              for i in stride(from: 0, to: 256, by: 51) where rows[i, 1] != matrix[start + i, 1] {
                wrong[task] += 1
              }
            }
          } catch {
            wrong[task] += 1
          }
        }
      }
    }
    #expect(wrong.allSatisfy { $0 == 0 })
  }

  @Test("a fit of rows read in parts has the bits of one in memory, for any number of threads")
  func sameFit() throws {
    let matrix = try twoGroups(rowCount: 20_000, columnCount: 2)
    let form = ArrayForm(isSingle: false, isFortranOrder: true, shift: 0)
    let path = try folder.file("a.npy", form.bytes(matrix))
    var settings = ExpectationMaximization(
      componentCount: 2, stoppingRule: StoppingRule(tolerance: 0, iterationLimit: 3))
    let expected = try settings.fit(Observations(matrix))
    for threadCount in [1, 2, 3] {
      settings.threadCount = threadCount
      let fit = try settings.fit(NumPyArray.stream(path: path, threadCount: threadCount))
      #expect(fit.logLikelihood.bitPattern == expected.logLikelihood.bitPattern)
      #expect(fit.model.means == expected.model.means)
      #expect(fit.model.weights == expected.model.weights)
    }
  }

  @Test("NaN among the rows is named by row and feature")
  func nonFinite() throws {
    var matrix = try twoGroups(rowCount: 5000, columnCount: 2)
    matrix[4999, 1] = .nan
    let form = ArrayForm(isSingle: true, isFortranOrder: false, shift: 0)
    let path = try folder.file("a.npy", form.bytes(matrix))
    let error = failure {
      try ExpectationMaximization(componentCount: 2).fit(
        NumPyArray.stream(path: path, threadCount: 2))
    }
    #expect(error?.code == .nonFiniteObservation)
    #expect(error?.message.contains("row 4999 (counted from 0), feature 1") == true)
  }

  @Test("a file that becomes shorter while it is read is one clear error, and no trap")
  func shortened() throws {
    let matrix = try twoGroups(rowCount: 10_000, columnCount: 2)
    let path = try folder.file(
      "a.npy", ArrayForm(isSingle: false, isFortranOrder: false, shift: 0).bytes(matrix))
    let streamed = try NumPyArray.stream(path: path, threadCount: 1)
    try FileHandle(forWritingTo: URL(fileURLWithPath: path)).truncate(atOffset: 100_000)
    #expect(try bits(streamed, 0..<256).count == 512)
    let error = failure(in: folder) { try bits(streamed, 8192..<8448) }
    #expect(error?.code == .unreadableFile)
    #expect(error?.message.hasPrefix("a.npy became shorter while it was read") == true)
    // A failed part is not taken for one that was read.
    #expect(failure(in: folder) { try bits(streamed, 8192..<8448) } == error)
  }

  /// A gzip file of the bytes, stored without compression, in members of at most `size` bytes.
  func gzip(_ bytes: [UInt8], size: Int) -> [UInt8] {
    let table = (0..<256).map { (byte: UInt32) -> UInt32 in
      var value = byte
      for _ in 0..<8 { value = value & 1 == 1 ? 0xEDB8_8320 ^ (value >> 1) : value >> 1 }
      return value
    }
    var result: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: size) {
      let member = bytes[start..<min(start + size, bytes.count)]
      result += [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3]
      var rest = member
      while !rest.isEmpty {
        let block = rest.prefix(65_535)
        rest = rest.dropFirst(block.count)
        let (low, high) = (UInt8(block.count & 255), UInt8(block.count >> 8))
        result += [rest.isEmpty ? 1 : 0, low, high, ~low, ~high] + block
      }
      var check = ~UInt32(0)
      for byte in member {
        check = table[Int(UInt8(truncatingIfNeeded: check) ^ byte)] ^ check >> 8
      }
      for word in [~check, UInt32(member.count)] {
        withUnsafeBytes(of: word.littleEndian) { result += $0 }
      }
    }
    return result
  }

  @Test(
    "a compressed array is copied to a temporary file if it does not fit, and into memory if it does"
  )
  func compressedArray() throws {
    let form = ArrayForm(isSingle: true, isFortranOrder: true, shift: 0)
    let bytes = try form.bytes(twoGroups(rowCount: 40_000, columnCount: 2))
    let plain = try folder.file("a.npy", bytes)
    let zipped = try folder.file("a.npy.gz", gzip(bytes, size: 100_000))
    let mapped = try readTable(paths: [plain])
    let copied = try readTable(paths: [zipped])
    let spilled = try readTable(
      paths: [zipped], memory: smallLimit(threadCount: 1, folder: folder.path))
    #expect(spilled.storage == .temporaryFile(bytes: 320_000, folder: folder.path))
    #expect(copied.storage == .memory(bytes: 320_000))
    #expect(try copied.matrix() == mapped.matrix())
    #expect(try spilled.matrix() == mapped.matrix())
    #expect(folder.names == ["a.npy", "a.npy.gz"])
    #expect(
      failure(in: folder) { try NumPyArray.stream(path: zipped, threadCount: 1) }?.message
        .hasPrefix(
          "a.npy.gz is compressed or a pipe") == true)
    let short = try folder.file("short.gz", gzip(bytes.dropLast(5), size: 1 << 20))
    for memory in [nil, smallLimit(threadCount: 1, folder: folder.path)] {
      #expect(
        failure(in: folder) { try readTable(paths: [short], memory: memory) }?.message.hasPrefix(
          "short.gz is cut short: shape (40000, 2) needs 320000 bytes, the file holds 319995")
          == true)
    }
  }

  @Test(
    "compressed text of any number of members is the text, and a cut in any of them is an error",
    arguments: [50_000, 262_144, 300_000, 1 << 20])
  func compressedText(memberSize: Int) throws {
    let (text, matrix) = try text(rowCount: 8000)
    let bytes = gzip(Array(text.utf8), size: memberSize)
    let path = try folder.file("t.csv.gz", bytes)
    #expect(try readTable(paths: [path]).matrix() == matrix)
    for cut in [20, 262_144, bytes.count - 1] {
      let path = try folder.file("cut.gz", bytes.prefix(cut))
      #expect(
        failure(in: folder) { try readTable(paths: [path]) }?.message
          == "cut.gz is gzip data that is cut short; compress or copy the file again.")
    }
  }

  @Test("arrays beyond the limit are read in parts, several files as one table")
  func limitedArrays() throws {
    let form = ArrayForm(isSingle: false, isFortranOrder: false, shift: 0)
    let matrix = try twoGroups(rowCount: 12_000, columnCount: 4)
    let paths = try [0..<4000, 4000..<4001, 4001..<12_000].map { range in
      try folder.file(
        "\(range.lowerBound).npy",
        form.bytes(
          Matrix(
            rowCount: range.count, columnCount: 4,
            elements: Array(matrix.elements[range.lowerBound * 4..<range.upperBound * 4]))))
    }
    let limited = try readTable(
      paths: paths, options: TableOptions(columns: ["2", "4"]),
      memory: smallLimit(threadCount: 1, folder: folder.path))
    let free = try readTable(paths: paths, options: TableOptions(columns: ["2", "4"]))
    #expect(limited.storage == .streamed(bytes: 12_000 * 4 * 8))
    #expect(free.storage == .mapped(bytes: 12_000 * 4 * 8))
    #expect(try limited.matrix() == free.matrix())
    #expect(try bits(limited.source, 3900..<4156) == bits(free.source, 3900..<4156))
    let labelled = try readTable(
      paths: paths, options: TableOptions(labelColumn: "1"), memory: smallLimit(folder: folder.path)
    )
    #expect(labelled.labels?[4001] == matrix[4001, 0].description)
    #expect(labelled.labels?.count == 12_000)
  }

  // MARK: Text

  /// A text, and the values of its rows.
  func text(rowCount: Int) throws -> (text: String, matrix: Matrix) {
    let matrix = try twoGroups(rowCount: rowCount, columnCount: 3)
    let lines = (0..<rowCount).map { matrix.row($0).map(\.description).joined(separator: ",") }
    return ("x,y,z\n" + lines.joined(separator: "\n") + "\n", matrix)
  }

  @Test(
    "text beyond the limit goes to a temporary file: the same rows to the bit, and no file stays")
  func spilledText() throws {
    let (text, matrix) = try text(rowCount: 12_000)
    let path = try folder.file("t.csv", text)
    let table = try readTable(
      paths: [path, path], memory: smallLimit(threadCount: 1, folder: folder.path))
    #expect(table.storage == .temporaryFile(bytes: 24_000 * 24, folder: folder.path))
    #expect(try table.matrix().elements == matrix.elements + matrix.elements)
    #expect(table.featureNames == ["x", "y", "z"])
    #expect(folder.names == ["t.csv"])
    let free = try readTable(paths: [path, path])
    #expect(free.storage == .memory(bytes: 24_000 * 24))
    #expect(try free.matrix() == table.matrix())
  }

  @Test("errors in text that goes to a temporary file name line and column")
  func spilledTextError() throws {
    let path = try folder.file("t.csv", text(rowCount: 12_000).text + "1,2,oops\n")
    let error = failure(in: folder) {
      try readTable(paths: [path], memory: smallLimit(threadCount: 1, folder: folder.path))
    }
    #expect(error?.message.hasPrefix("t.csv, line 12002, column 3 (z): \"oops\"") == true)
  }

  @Test("a folder that takes no temporary file is one clear error")
  func noTemporaryFolder() throws {
    let path = try folder.file("t.csv", text(rowCount: 12_000).text)
    let error = failure(in: folder) {
      try readTable(
        paths: [path], memory: smallLimit(threadCount: 1, folder: folder.path + "/none"))
    }
    #expect(error?.code == .unwritableFile)
    #expect(
      error?.message.hasPrefix("a temporary file for the table cannot be made in none: ") == true)
  }

  @Test("a limit that leaves no room is an error that names the least, and the least is enough")
  func leastLimit() throws {
    let form = ArrayForm(isSingle: false, isFortranOrder: false, shift: 0)
    let array = try folder.file("a.npy", form.bytes(twoGroups(rowCount: 9000, columnCount: 3)))
    let text = try folder.file("t.csv", text(rowCount: 9000).text)
    func limit(_ bytes: Int) -> MemoryLimit {
      MemoryLimit(
        bytes: bytes, threadCount: 1, temporaryFolder: folder.path,
        reservedBytes: { $0 << 20 })
    }
    for path in [array, text] {
      let error = try #require(failure { try readTable(paths: [path], memory: limit(1 << 20)) })
      #expect(error.code == .invalidSetting)
      #expect(error.message.contains("3 features and 1 thread the work takes up to 3 MiB"))
      let words = error.message.split(separator: " ")
      let place = try #require(words.firstIndex(of: "least"))
      let least = try #require(Double(words[place + 1]))
      #expect(words[place + 2] == "MiB,")
      let table = try readTable(paths: [path], memory: limit(Int(least * 0x1p20)))
      #expect(table.source.observationCount == 9000)
    }
  }

  @Test(
    "numbers of bytes are said in the largest unit that they reach, rounded up to a tenth",
    arguments: [
      (0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1025, "1.1 KiB"),
      (1536, "1.5 KiB"), ((1 << 20) - 1, "1024 KiB"), (1 << 20, "1 MiB"),
      ((3 << 30) + 1, "3.1 GiB"),
      (.max, "8192 PiB"),
    ])
  func byteText(bytes: Int, text: String) {
    #expect(MemoryLimit.text(bytes) == text)
  }

  // MARK: Windows

  /// Everything that a text can hold.
  let odd =
    "\u{FEFF}# first\r\n\nname,x,\"the \"\"y\"\"\"\r\n\"a\nb\",1,2\r\n  \n\"say \"\"hi\"\"\",-3.25e-1,4\r"
    + "\r\n\"\r\n\r\n\",5,6\n# between \"\nplain,7,8\n\n\"long cell, with\ncommas, \n\nand lines\",9,10\nlast,11,12"

  @Test("how text is cut into windows changes no row, no label and no name", arguments: 16..<120)
  func windows(size: Int) throws {
    let path = try folder.file("odd.csv", odd)
    var reader = DelimitedTextReader(
      options: TableOptions(labelColumn: "name"), memory: nil, windowSize: size)
    try reader.read(InputFile(path: path))
    let table = try reader.table()
    #expect(table.featureNames == ["x", "the \"y\""])
    #expect(
      table.labels == [
        "a\nb", "say \"hi\"", "\r\n\r\n", "plain", "long cell, with\ncommas, \n\nand lines", "last",
      ])
    #expect(try rows(table) == [[1, 2], [-0.325, 4], [5, 6], [7, 8], [9, 10], [11, 12]])
  }

  @Test(
    "how text is cut into windows changes no message",
    arguments: [
      ("\n\"ab\ncd\",1,x\n", "line 20, column 3"), ("\nz,1\n", "line 20: got 2 cells"),
      ("\n\"a\n\",1,2,\"\n\n\"\n", "line 20: got 4 cells"),
      ("\nz,\"1\"2,3\n", "line 20: there is text behind"),
      ("\nz,1,\"2\n3\n\n", "line 20: a quote is opened"),
    ], [16, 17, 18, 23, 40, 64, 90, 1000])
  func windowMessages(fault: (text: String, place: String), size: Int) throws {
    let path = try folder.file("odd.csv", odd + fault.text)
    var reader = DelimitedTextReader(
      options: TableOptions(labelColumn: "name"), memory: nil, windowSize: size)
    let input = try InputFile(path: path)
    let message = failure(in: folder) { try reader.read(input) }?.message
    #expect(message?.hasPrefix("odd.csv, \(fault.place)") == true, "\(message ?? "no error")")
  }

  @Test("a row beyond the limit of a row is named, and one at the limit is read")
  func longRow() throws {
    let cell = String(repeating: "1", count: 300)
    let path = try folder.file("long.csv", "a,b\n1,2\n1,\(cell)\n")
    func read(_ limit: Int) throws -> Table {
      var reader = DelimitedTextReader(
        options: TableOptions(), memory: nil, windowSize: 16, longestRow: limit)
      try reader.read(InputFile(path: path))
      return try reader.table()
    }
    #expect(try read(303).source.observationCount == 2)
    #expect(
      failure(in: folder) { try read(200) }?.message.hasPrefix(
        "long.csv, line 3: the row is longer than 200 bytes") == true)
  }
}
