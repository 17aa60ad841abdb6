// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import MixtureIO
import Mixtures
import Testing

@Suite("Delimited text") struct DelimitedTextTests {
  let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  func read(_ text: String, _ options: TableOptions = TableOptions()) throws -> Table {
    try DelimitedText.read(paths: [folder.file("flows.csv", text)], options: options)
  }

  func message(_ text: String, _ options: TableOptions = TableOptions()) -> String? {
    failure(in: folder) { try read(text, options) }?.message
  }

  // MARK: Form

  @Test(
    "the delimiter is seen from the lines",
    arguments: [
      "x,y\n1,2.5\n-3,4e2\n", "x\ty\n1\t2.5\n-3\t4e2\n", "x;y\n1;2.5\n-3;4e2\n",
      "x y\n1 2.5\n-3 4e2\n",
      "  x     y\n  1   2.5  \n -3\t 4e2\n", "x, y\n1, 2.5\n-3 , 4e2\n", "x , y\n1 ,\t2.5\n-3,4e2",
      "\"x\",\"y\"\n\"1\",\"2.5\"\n\"-3\",\"4e2\"\n", "\"x\" \"y\"\n\"1\" 2.5\n -3 \"4e2\" \n",
    ])
  func delimiters(text: String) throws {
    let table = try read(text)
    #expect(try rows(table) == [[1, 2.5], [-3, 400]])
    #expect(table.featureNames == ["x", "y"])
    #expect(table.notices == [])
  }

  @Test(
    "line ends, blank lines, comments and a byte order mark do not matter",
    arguments: [
      "x,y\r\n1,2\r\n3,4\r\n", "x,y\r1,2\r3,4\r", "x,y\r1,2\r3,4", "\u{FEFF}x,y\n1,2\n3,4",
      "# made by hand\n\nx,y\n\n1,2\n# between, them\n3,4\n\n", "\n \n\t\nx,y\n1,2\n  \n3,4\n   ",
      "x,y\n1,2\n3,4\n#", "x,y\n1 ,2 \r\n3,4 \n",
    ])
  func lineEnds(text: String) throws {
    let table = try read(text)
    #expect(try rows(table) == [[1, 2], [3, 4]])
    #expect(table.featureNames == ["x", "y"])
  }

  @Test(
    "quoted cells hold delimiters, line ends and doubled quotes, and lines are counted through them"
  )
  func quotes() throws {
    let text = "name,x\n\"a,b\",1\n\"say \"\"hi\"\"\nthere\",2\nplain \"quote\",3\n"
    let table = try read(text, TableOptions(labelColumn: "name"))
    #expect(table.labels == ["a,b", "say \"hi\"\nthere", "plain \"quote\""])
    #expect(try rows(table) == [[1], [2], [3]])
    #expect(
      message(text + "z,oops\n")?.contains("flows.csv, line 6, column 2 (x): \"oops\"") == true)
  }

  @Test("a quote that is never closed is named by its line")
  func openQuote() {
    #expect(
      message("x,name\n1,a\n2,\"b\n3,c\n")
        == "flows.csv, line 3: a quote is opened and never closed. "
        + "Close it, or write \"\" for a quote within a quoted cell.")
    #expect(
      message("x,name\n1,a\n2,\"b\"c\n3,d\n")?.hasPrefix("flows.csv, line 3: there is text") == true
    )
  }

  @Test("a table of one column needs no delimiter")
  func oneColumn() throws {
    #expect(try read("my height\n1\n2\n").featureNames == ["my height"])
    #expect(try rows(read("1\n2\n")) == [[1], [2]])
    #expect(try rows(read("1")) == [[1]])
  }

  @Test("gzip is inflated, and several members are read one after the other")
  func gzip() throws {
    // printf 'x,y\n1,2\n' | gzip -n, and printf '3,4\n' | gzip -n
    let first: [UInt8] = [
      31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 171, 208, 169, 228, 50, 212, 49, 226, 2, 0, 35, 223, 114, 0,
      8, 0, 0, 0,
    ]
    let second: [UInt8] = [
      31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 51, 214, 49, 225, 2, 0, 62, 45, 114, 169, 4, 0, 0, 0,
    ]
    let path = try folder.file("flows.csv.gz", first + second)
    #expect(try rows(readTable(paths: [path])) == [[1, 2], [3, 4]])
    let cut = try folder.file("cut.gz", first.dropLast(10))
    #expect(
      failure(in: folder) { try readTable(paths: [cut]) }?.message
        == "cut.gz is gzip data that is cut short; compress or copy the file again.")
    let damaged = try folder.file("damaged.gz", first[..<12] + [0xFF, 0xFF] + first[14...])
    #expect(
      failure(in: folder) { try readTable(paths: [damaged]) }?.message.hasPrefix(
        "damaged.gz is gzip data that is damaged near byte") == true)
  }

  @Test("numbers reach the table to the bit, also over many lines")
  func exactness() throws {
    var bits = SplitMix(state: 3)
    let expected = (0..<300).map { _ in
      (0..<3).map { _ in Double(Int64(bitPattern: bits.next())) * 0x1p-70 }
    }
    let text = expected.map { $0.map(\.description).joined(separator: ",") }.joined(separator: "\n")
    #expect(try rows(read(text)) == expected)
  }

  @Test("zero bytes are not text, nor are UTF-16 and zip archives")
  func otherContent() throws {
    let utf16 = try folder.file("a.csv", [0xFF, 0xFE, 0x31, 0])
    #expect(
      failure(in: folder) { try readTable(paths: [utf16]) }?.message.hasPrefix("a.csv is UTF-16")
        == true)
    let zip = try folder.file("a.xlsx", [0x50, 0x4B, 3, 4, 0, 0])
    #expect(
      failure(in: folder) { try readTable(paths: [zip]) }?.message.contains("zip archive") == true)
    let binary = try folder.file("a.bin", [0x31, 0, 0x32, 0x0A])
    #expect(
      failure(in: folder) { try readTable(paths: [binary]) }?.message.contains("is not text")
        == true)
  }

  // MARK: Header

  @Test(
    "a first line of numbers is data, and columns get their place as name",
    arguments: ["1,2\n3,4\n", "1,2\n3,4", "2019,2020\n3,4\n"])
  func noHeader(text: String) throws {
    let table = try read(text)
    #expect(table.featureNames == ["x1", "x2"])
    #expect(table.source.observationCount == 2)
  }

  @Test(
    "a name above a number makes a header, and a mark for a missing value is no name",
    arguments: [
      ("country,gdp\nNA,1\nDE,2\n", true), ("NA,abc\n1,abc\n", false),
      ("5.1,setosa\n4.9,setosa\n", false),
      ("Na,Mg\n1,2\n", true), ("5.1,abc\n4.9,2\n", false), (",x\n1,2\n2,3\n", true),
    ])
  func headerRule(text: String, hasHeader: Bool) {
    let options = TableOptions(columns: ["1", "2"])
    do {
      let table = try read(text, options)
      #expect(hasHeader)
      #expect(table.featureNames != ["x1", "x2"])
    } catch {
      // Without a header the text in line 1 is at fault, with one a cell below.
      #expect("\(error)".contains("line 1") == !hasHeader)
    }
  }

  @Test("a header may hold years, and then a notice tells")
  func yearsInHeader() throws {
    let table = try read("id,2019,2020\n7,0.1,0.2\n")
    #expect(table.featureNames == ["id", "2019", "2020"])
    #expect(table.notices.count == 1)
    #expect(table.notices[0].contains("line 1 is taken as the header"))
  }

  @Test("a column with an empty name is called by its place")
  func emptyName() throws {
    #expect(try read(",x\n0,5\n1,6\n").featureNames == ["x1", "x"])
  }

  // MARK: Columns

  let iris = "id,length,species,note\n1,5.5,setosa,\n2,4.5,virginica,\n"

  @Test("columns without any number are left out, and a notice names them")
  func textColumns() throws {
    let table = try read(iris)
    #expect(table.featureNames == ["id", "length"])
    #expect(
      table.notices.map { $0.replacingOccurrences(of: folder.path + "/", with: "") }
        == ["flows.csv: 2 columns hold no number and are left out: species, note."])
    #expect(table.labels == nil)
  }

  @Test("columns are chosen by name or number, in the order asked for")
  func chosenColumns() throws {
    #expect(
      try rows(read(iris, TableOptions(columns: ["length", "1"]))) == [[5.5, 1], [4.5, 2]])
    #expect(try rows(read(iris, TableOptions(excluded: ["id"]))) == [[5.5], [4.5]])
    let chosen = try read(iris, TableOptions(columns: ["1", "2"], excluded: ["id"]))
    #expect(chosen.featureNames == ["length"])
    #expect(chosen.notices == [])
  }

  @Test("a header that is a number is a name before it is a place")
  func numericName() throws {
    #expect(try rows(read("a,1\n5,6\n", TableOptions(columns: ["1"]))) == [[6]])
  }

  @Test("the label column is text and no feature, whatever it holds")
  func labels() throws {
    let table = try read(iris, TableOptions(labelColumn: "species"))
    #expect(table.labels == ["setosa", "virginica"])
    #expect(table.featureNames == ["id", "length"])
    let numbered = try read(iris, TableOptions(excluded: ["id"], labelColumn: "1"))
    #expect(numbered.labels == ["1", "2"])
    #expect(numbered.featureNames == ["length"])
  }

  @Test("an unknown column is answered with those that are there")
  func unknownColumn() {
    #expect(
      message("a,b\n1,2\n", TableOptions(columns: ["c"]))
        == "flows.csv has no column \"c\". Its 2 columns are: a, b; "
        + "give one of these names, or a number from 1 to 2.")
    #expect(
      message("a,b\n1,2\n", TableOptions(excluded: ["3"]))?.contains("no column \"3\"") == true)
    #expect(
      message("a,b\n1,2\n", TableOptions(excluded: ["0"]))?.contains("no column \"0\"") == true)
    #expect(
      message("a,b\n1,2\n", TableOptions(columns: ["a", "1"]))?.contains("chosen twice") == true)
    #expect(
      message("a,a\n1,2\n", TableOptions(columns: ["a"]))?.contains("2 columns named a") == true)
    #expect(
      message("a,b\n1,2\n", TableOptions(excluded: ["a", "b"]))?.contains("no column") == true)
  }

  // MARK: Cells that are no numbers

  @Test("a cell that is no number is named by line and column")
  func mixedColumn() {
    #expect(
      message("t,bytes\n1,2\n2,n/a\n")
        == "flows.csv, line 3, column 2 (bytes): \"n/a\" is not a number. "
        + "Use --missing to allow gaps, or --exclude bytes to leave the column out.")
    #expect(
      message("1,2\n2,n/a\n")
        == "flows.csv, line 2, column 2: \"n/a\" is not a number. "
        + "Use --missing to allow gaps, or --exclude 2 to leave the column out.")
  }

  @Test("text first and numbers later is the same mixture, and the text is at fault")
  func mixedColumnTextFirst() {
    #expect(
      message("t,bytes\n1,n/a\n2,3\n")?.hasPrefix(
        "flows.csv, line 2, column 2 (bytes): \"n/a\" is not a number.") == true)
  }

  @Test(
    "empty, missing, infinite and too large cells are no numbers",
    arguments: [
      ("", "the cell is empty"), ("NA", "\"NA\" is not"), ("nan", "\"nan\" is not"),
      ("-inf", "\"-inf\" is not"),
      ("1e999", "\"1e999\" is too large"), ("0x1p3", "\"0x1p3\" is not"),
      ("1.2.3", "\"1.2.3\" is not"),
      ("1 2", "\"1 2\" is not"), ("3x", "\"3x\" is not"),
    ])
  func badCells(cell: String, fault: String) {
    #expect(
      message("t,y\n1,2\n2,\(cell)\n3,4\n")?.contains("line 3, column 2 (y): \(fault)") == true)
    #expect(
      message("y,t\n2,1\n\(cell),2\n4,3\n")?.contains("line 3, column 1 (y): \(fault)") == true)
  }

  @Test("too small a number is zero") func underflow() throws {
    #expect(try rows(read("1e-999,1\n")) == [[0, 1]])
  }

  @Test("decimal commas are named as such")
  func decimalComma() {
    #expect(
      message("a;b\n1.5;2\n1,5;3\n")?.hasSuffix(
        "\"1,5\" is not a number. Write numbers with a decimal point.")
        == true)
    #expect(message("a;b\n1,5;2,5\n")?.contains("points and not commas") == true)
  }

  @Test(
    "a row with too few or too many cells is named with both counts",
    arguments: [("3,4,5", 3), ("3", 1), ("3,4,", 3)])
  func ragged(line: String, count: Int) {
    let expected = "flows.csv, line 3: got \(count) cells, expected 2 as in line 1."
    #expect(message("x,y\n1,2\n\(line)\n5,6\n")?.hasPrefix(expected) == true)
    #expect(message("x,y\n1,2\n\(line)")?.hasPrefix(expected) == true)
    let late = "x,y\n" + String(repeating: "1,2\n", count: 50) + line + "\n"
    #expect(message(late)?.hasPrefix("flows.csv, line 52: got \(count) cells") == true)
  }

  // MARK: Files

  @Test("a file that cannot be read, or holds nothing, is one clear error")
  func unusableFiles() throws {
    let missing = failure(in: folder) { try readTable(paths: ["\(folder.path)/no.csv"]) }
    #expect(missing?.code == .unreadableFile)
    #expect(missing?.message == "there is no file no.csv. Check the name and the current folder.")
    let directory = failure { try readTable(paths: [folder.path]) }
    #expect(directory?.message == "\(folder.path) is a folder; give the files in it.")
    #expect(message("")?.hasPrefix("flows.csv is empty") == true)
    #expect(message("\n\n# nothing\n")?.hasPrefix("flows.csv holds no rows") == true)
    #expect(message("x,y\n") == "flows.csv has a header (x, y) but no rows below it.")
    #expect(message("a,b\nc,d\n")?.contains("none of the cells is a number") == true)
    #expect(failure { try readTable(paths: []) }?.code == .invalidSetting)
    #expect(failure { try readTable(paths: ["-", "-"]) }?.message.contains("twice") == true)
  }

  @Test("several files are one table, and a range of rows may cross their borders")
  func severalFiles() throws {
    let paths = [
      try folder.file("1.csv", "x,y,s\n1,2,a\n3,4,b"), try folder.file("2.csv", "5,6,c\n"),
      try folder.file("3.csv", "x,y,s\n7,8,d\n"),
    ]
    let table = try readTable(paths: paths, options: TableOptions(labelColumn: "s"))
    #expect(table.featureNames == ["x", "y"])
    #expect(table.labels == ["a", "b", "c", "d"])
    #expect(try rows(table) == [[1, 2], [3, 4], [5, 6], [7, 8]])
    var calls = 0
    try table.source.withRows(1..<3) {
      calls += 1
      #expect($0.count == 2)
      #expect([$0[0, 0], $0[0, 1], $0[1, 0], $0[1, 1]] == [3, 4, 5, 6])
    }
    try table.source.withRows(4..<4) { calls += $0.count == 0 ? 1 : 0 }
    #expect(calls == 2)
  }

  @Test("files that disagree in their columns are both named")
  func disagreeingFiles() throws {
    let a = try folder.file("a.csv", "x,y\n1,2\n")
    let b = try folder.file("b.csv", "x,z\n1,2\n")
    let c = try folder.file("c.csv", "1,2,3\n")
    let d = try folder.file("d.csv", "1,2\n")
    func together(_ paths: String...) -> String? {
      failure(in: folder) { try readTable(paths: paths) }?.message
    }
    #expect(together(a, b)?.hasPrefix("column 2 is named z in b.csv, but y in a.csv") == true)
    #expect(together(a, c)?.hasPrefix("c.csv has 3 columns, but a.csv has 2") == true)
    #expect(together(d, a)?.hasPrefix("a.csv has a header (x, y") == true)
  }

  @Test("a pipe is read to its end")
  func pipe() throws {
    let path = folder.path + "/pipe"
    #expect(mkfifo(path, 0o600) == 0)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "printf 'x\\n1\\n2\\n' > '\(path)'"]
    try process.run()
    #expect(try rows(readTable(paths: [path])) == [[1], [2]])
    process.waitUntilExit()
  }
}
