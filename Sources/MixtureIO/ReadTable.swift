// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Reads files as one table, whatever their kind: delimited text (see ``DelimitedText``), gzip of it, or NumPy arrays (see
/// ``NumPyArray``). The content tells the kind, so standard input (`-`) can hold either.
///
/// NumPy arrays have no column names, so columns are chosen by number, and features are named x1, x2, … by their place in
/// the array. They stay in their files, and their numbers are not looked at: whoever uses them meets NaN or infinity first.
/// Text holds finite numbers only.
///
/// - Parameters:
///   - paths: At least one; the rows of each file follow those of the one before.
///   - options: Which columns are features.
///   - memory: How much memory the program may take; nil sets no limit, and text lies in memory, arrays in the mapped
///     files. No bit of any row depends on it.
/// - Throws: ``MixtureError/Code/unreadableFile``, ``MixtureError/Code/malformedFile``,
///   ``MixtureError/Code/emptyObservations`` or ``MixtureError/Code/invalidSetting``, naming the file and, in text, line
///   and column; ``MixtureError/Code/invalidSetting`` too if the limit is too small, and
///   ``MixtureError/Code/unwritableFile`` if a temporary file cannot be written.
/// - Complexity: O(bytes) for text, which is read once in parts of some hundred kilobytes; O(1) for a plain array.
public func readTable(
  paths: [String], options: TableOptions = TableOptions(), memory: MemoryLimit? = nil
) throws(MixtureError) -> Table {
  try requireInputs(paths)
  var text = DelimitedTextReader(options: options, memory: memory)
  var arrays: [ArrayInput] = []
  for (index, path) in paths.enumerated() {
    let input = try InputFile(path: path)
    let isArray = try Array(input.peek(NumPyArray.magic.count)) == NumPyArray.magic
    guard index == 0 || isArray == !arrays.isEmpty else {
      throw MixtureError(
        .malformedFile,
        "\(input.name) is \(isArray ? "a NumPy array" : "text"), but \(paths[0]) is "
          + "\(isArray ? "text" : "a NumPy array"); files read as one table must be of one kind.")
    }
    // A file with that name and another content is better called damaged than read as text.
    if isArray || path.lowercased().hasSuffix(".npy") {
      let array = try NumPyFile(input)
      // Without a limit the file need not stay open, so there may be more than the system lets be open.
      let content: ArrayInput.Content =
        memory == nil ? .mapped(try array.mapped()) : .open(array)
      arrays.append(
        ArrayInput(
          name: array.name, layout: array.layout, byteCount: array.byteCount,
          isPlain: array.isPlain, content: content))
    } else {
      try text.read(input)
    }
  }
  return arrays.isEmpty
    ? try text.table() : try table(of: arrays, options: options, memory: memory)
}

/// A NumPy array of which the header was read.
private struct ArrayInput {
  enum Content {
    case mapped(MappedMatrix)
    case open(NumPyFile)
  }

  let name: String
  let layout: StreamedMatrix.Layout
  let byteCount: Int
  let isPlain: Bool
  let content: Content
}

/// Some columns of NumPy arrays as one table.
private func table(
  of arrays: [ArrayInput], options: TableOptions, memory: MemoryLimit?
) throws(MixtureError) -> Table {
  let (firstName, columnCount) = (arrays[0].name, arrays[0].layout.columnCount)
  let names = (0..<columnCount).map(automaticName)
  let selection = try ColumnSelection(options, names: names, file: firstName)
  for array in arrays where array.layout.columnCount != columnCount {
    throw MixtureError(
      .malformedFile,
      "\(array.name) has \(array.layout.columnCount) columns, but \(firstName) has \(columnCount); "
        + "files read as one table need the same columns.")
  }
  let bytes = arrays.reduce(0) { $0.addingReportingOverflow($1.byteCount).partialValue }
  let labelBytes = selection.label == nil ? 0 : arrays.reduce(0) { $0 + 24 * $1.layout.rowCount }
  var storage: TableStorage =
    arrays.allSatisfy(\.isPlain) ? .mapped(bytes: bytes) : .memory(bytes: bytes)
  var buffers: RowBuffers?
  if let memory {
    let d = selection.features.count
    let least = arrays.map {
      StreamedMatrix.bufferBytes($0.layout, featureCount: d, threadCount: memory.threadCount)
    }.max()!
    let room = try memory.tableBytes(featureCount: d, leastBytes: least + labelBytes)
    if bytes > room - labelBytes {
      buffers = RowBuffers(threadCount: memory.threadCount)
      storage = .streamed(bytes: bytes)
    }
  }
  var parts: [any ObservationSource] = []
  var labels: [String]? = selection.label.map { _ in [] }
  func append(mapped whole: MappedMatrix) throws(MixtureError) {
    parts.append(try whole.selecting(columns: selection.features))
    if let label = selection.label {
      try appendLabels(whole.selecting(columns: [label]), to: &labels)
    }
  }
  for array in arrays {
    switch array.content {
    case .mapped(let whole):
      try append(mapped: whole)
    case .open(let file):
      guard let memory, let buffers else {
        try append(mapped: file.mapped())
        continue
      }
      if !array.isPlain {
        storage = .temporaryFile(bytes: bytes, folder: memory.temporaryFolder)
      }
      let whole =
        array.isPlain
        ? file.streamed(buffers) : try file.spilled(to: memory.temporaryFolder, buffers)
      parts.append(try whole.selecting(columns: selection.features))
      if let label = selection.label {
        try appendLabels(whole.selecting(columns: [label]), to: &labels)
      }
    }
  }
  let featureNames = selection.features.map { names[$0] }
  return Table(
    source: try ConcatenatedRows(parts, featureNames: featureNames), featureNames: featureNames,
    labels: labels, notices: [], storage: storage)
}

/// Reads the numbers of a column as text.
private func appendLabels(
  _ column: some ObservationSource, to labels: inout [String]?
) throws(MixtureError) {
  let n = column.observationCount
  for start in stride(from: 0, to: n, by: 4096) {
    try column.withRows(start..<min(start + 4096, n)) { rows in
      for row in 0..<rows.count { labels?.append(plainText(rows[row, 0])) }
    }
  }
}

/// The shortest text that reads back as the number, without a point if it is whole.
private func plainText(_ value: Double) -> String {
  Int(exactly: value).map(String.init) ?? value.description
}
