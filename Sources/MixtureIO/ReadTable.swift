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
  guard !options.readsLimits else {
    throw MixtureError(
      .invalidSetting,
      "\(firstName) is an array of numbers, in whose cells no limits can stand (--limits). Write NaN there, and give the "
        + "limits as columns or files with --lower and --upper.")
  }
  let names = (0..<columnCount).map(automaticName)
  let selection = try ColumnSelection(options, names: names, file: firstName)
  for array in arrays where array.layout.columnCount != columnCount {
    throw MixtureError(
      .malformedFile,
      "\(array.name) has \(array.layout.columnCount) columns, but \(firstName) has \(columnCount); "
        + "files read as one table need the same columns.")
  }
  let bytes = arrays.reduce(0) { $0.addingReportingOverflow($1.byteCount).partialValue }
  let rowCount = arrays.reduce(0) { $0.addingReportingOverflow($1.layout.rowCount).partialValue }
  // What rows carry stays in memory, wherever their features lie.
  let bytesPerRow =
    (selection.label == nil ? 0 : 24)
    + options.annotationBytesPerRow(featureCount: selection.features.count)
  let labelBytes = bytesPerRow.multipliedReportingOverflow(by: rowCount).partialValue
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
  var carried = CarriedColumns(selection, names: names, backgroundLabel: options.backgroundLabel)
  func append(mapped whole: MappedMatrix) throws(MixtureError) {
    parts.append(try whole.selecting(columns: selection.features))
    if let label = selection.label {
      try appendLabels(whole.selecting(columns: [label]), to: &labels)
    }
    try carried.append(whole)
  }
  for array in arrays {
    carried.places.noteArray(carried.rowCount, file: array.name)
    carried.rowCount += array.layout.rowCount
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
      try carried.append(whole)
    }
  }
  let featureNames = selection.features.map { names[$0] }
  var table = Table(
    source: try ConcatenatedRows(parts, featureNames: featureNames), featureNames: featureNames,
    labels: labels, notices: [], storage: storage, columns: selection.features,
    places: carried.places)
  if selection.weight != nil { table.weights = carried.weights }
  if selection.known != nil { table.knownLabels = carried.known }
  func matrix(_ elements: [Double], _ columns: [Int]) throws(MixtureError) -> Matrix? {
    guard !columns.isEmpty else { return nil }
    return try Matrix(rowCount: carried.rowCount, columnCount: columns.count, elements: elements)
  }
  table.noise = try matrix(carried.noise, selection.noise)
  table.lowerLimits = try matrix(carried.lower, selection.lower)
  table.upperLimits = try matrix(carried.upper, selection.upper)
  return table
}

/// The columns of arrays that are no features, in memory, each number of them looked at.
private struct CarriedColumns {
  let selection: ColumnSelection
  let names: [String]
  var places = RowPlaces()
  /// How many rows there are with the array that is read.
  var rowCount = 0
  var weights: [Double] = []
  var noise: [Double] = []
  var lower: [Double] = []
  var upper: [Double] = []
  var known: KnownLabels

  init(_ selection: ColumnSelection, names: [String], backgroundLabel: String?) {
    self.selection = selection
    self.names = names
    known = KnownLabels(backgroundLabel: backgroundLabel)
  }

  mutating func append(_ whole: some SelectableRows) throws(MixtureError) {
    let first = rowCount - whole.observationCount
    let width = selection.noise.count
    if let weight = selection.weight {
      let values = try whole.selecting(columns: [weight]).values(of: [0])
      for (row, value) in values.enumerated() where !(value >= 0 && value.isFinite) {
        throw AnnotationCheck.weight(
          value, at: "\(places.text(first + row)), column \(weight + 1)")!
      }
      weights += values
    }
    if width > 0 {
      var values = try whole.selecting(columns: selection.noise).values(of: Array(0..<width))
      let features =
        values.contains(where: \.isNaN) ? try whole.selecting(columns: selection.features) : nil
      for (index, value) in values.enumerated() where !(value >= 0) {
        let (row, j) = index.quotientAndRemainder(dividingBy: width)
        var isMissing = false
        if value.isNaN, let features, j < features.featureCount {
          try features.withRows(row..<row + 1) { isMissing = $0[0, j].isNaN }
        }
        guard isMissing else {
          throw AnnotationCheck.noise(
            value, at: "\(places.text(first + row)), column \(selection.noise[j] + 1)")!
        }
        values[index] = .infinity
      }
      noise += values
    }
    if !selection.lower.isEmpty {
      lower += try whole.selecting(columns: selection.lower)
        .values(of: Array(selection.lower.indices))
    }
    if !selection.upper.isEmpty {
      upper += try whole.selecting(columns: selection.upper)
        .values(of: Array(selection.upper.indices))
    }
    if let label = selection.known {
      let places = places
      for (row, value) in try whole.selecting(columns: [label]).values(of: [0]).enumerated() {
        try known.append(
          plainText(value), at: "\(places.text(first + row)), column \(label + 1)")
      }
    }
  }
}

/// Rows of which some columns can be had without reading the others.
private protocol SelectableRows: ObservationSource {
  associatedtype Selected: ObservationSource
  func selecting(columns: [Int]) throws(MixtureError) -> Selected
}

extension MappedMatrix: SelectableRows {}
extension StreamedMatrix: SelectableRows {}

extension ObservationSource {
  /// The numbers in some columns, row after row.
  func values(of columns: [Int]) throws(MixtureError) -> [Double] {
    let n = observationCount
    var values: [Double] = []
    values.reserveCapacity(n * columns.count)
    for start in stride(from: 0, to: n, by: 4096) {
      try withRows(start..<min(start + 4096, n)) { rows in
        for row in 0..<rows.count { for column in columns { values.append(rows[row, column]) } }
      }
    }
    return values
  }
}

/// Reads case weights from a file of their own, text or NumPy array: one number for each row of a table.
///
/// - Throws: As ``readTable(paths:options:memory:)``, and ``MixtureError/Code/shapeMismatch`` for more than one column;
///   ``MixtureError/Code/invalidAnnotation`` naming line or row for a number that is no weight.
public func readWeights(path: String) throws(MixtureError) -> [Double] {
  let table = try readTable(paths: [path])
  guard table.source.featureCount == 1 else {
    throw MixtureError(
      .shapeMismatch,
      "\(path) has \(table.source.featureCount) columns; a file of case weights has one.")
  }
  let values = try table.source.values(of: [0])
  for (row, value) in values.enumerated() {
    if let error = AnnotationCheck.weight(value, at: table.place(ofRow: row)) { throw error }
  }
  return values
}

/// Reads the noise of a table's rows from a file of its own: n rows of d standard deviations, in text or a NumPy array; or a
/// NumPy array of n × d × d covariances.
///
/// A standard deviation that is infinite, or NaN in an array, says that the cell tells nothing.
///
/// - Throws: As ``readTable(paths:options:memory:)``; ``MixtureError/Code/invalidAnnotation`` naming line or row for a
///   negative standard deviation.
public func readNoise(path: String) throws(MixtureError) -> MeasurementNoise {
  let input = try InputFile(path: path)
  if try Array(input.peek(NumPyArray.magic.count)) == NumPyArray.magic {
    let array = try NumPyFile(input, allowsMatrices: true)
    let matrix = try array.inMemory()
    if let order = array.matrixShape {
      guard order.rowCount == order.columnCount else {
        throw MixtureError(
          .malformedFile,
          "\(array.name) holds an array of shape (\(matrix.rowCount), \(order.rowCount), \(order.columnCount)); "
            + "covariances need the shape (n, d, d).")
      }
      return .covariances(matrix)
    }
    for (index, value) in matrix.elements.enumerated() where value < 0 {
      let (row, column) = index.quotientAndRemainder(dividingBy: matrix.columnCount)
      throw AnnotationCheck.noise(
        value, at: "\(array.name), row \(row) (counted from 0), column \(column + 1)")!
    }
    return .standardDeviations(
      try Matrix(
        rowCount: matrix.rowCount, columnCount: matrix.columnCount,
        elements: matrix.elements.map { $0.isNaN ? .infinity : $0 }))
  }
  var reader = DelimitedTextReader(options: TableOptions(), memory: nil)
  try reader.read(input)
  let table = try reader.table()
  let matrix = try table.matrix()
  for (index, value) in matrix.elements.enumerated() where value < 0 {
    throw AnnotationCheck.noise(
      value,
      at: "\(input.name), data row \(index / matrix.columnCount) (counted from 0), column "
        + table.featureNames[index % matrix.columnCount])!
  }
  return .standardDeviations(matrix)
}

/// Reads limits of a table's cells from a file of their own: n rows of d numbers, in text or a NumPy array. Infinite cells,
/// and those that are NaN or, in text, missing, hold none.
///
/// - Throws: As ``readTable(paths:options:memory:)``.
public func readLimits(path: String) throws(MixtureError) -> Matrix {
  let input = try InputFile(path: path)
  if try Array(input.peek(NumPyArray.magic.count)) == NumPyArray.magic {
    return try NumPyFile(input).inMemory()
  }
  var reader = DelimitedTextReader(options: TableOptions(), memory: nil, holdsLimits: true)
  try reader.read(input)
  return try reader.table().matrix()
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
