// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Reads files as one table, whatever their kind: delimited text (see ``DelimitedText``), gzip of it, or NumPy arrays (see
/// ``NumPyArray``). The content tells the kind, so standard input (`-`) can hold either.
///
/// NumPy arrays have no column names, so columns are chosen by number, and features are named x1, x2, … by their place in
/// the array. They stay in the mapped files, and their numbers are not looked at: whoever uses them meets NaN or infinity
/// first. Text holds finite numbers only.
///
/// - Parameters:
///   - paths: At least one; the rows of each file follow those of the one before.
///   - options: Which columns are features.
/// - Throws: ``MixtureError/Code/unreadableFile``, ``MixtureError/Code/malformedFile``,
///   ``MixtureError/Code/emptyObservations`` or ``MixtureError/Code/invalidSetting``, naming the file and, in text, line
///   and column.
public func readTable(
  paths: [String], options: TableOptions = TableOptions()
) throws(MixtureError) -> Table {
  try requireInputs(paths)
  var text = DelimitedTextReader(options: options)
  var arrays: [(name: String, array: MappedMatrix)] = []
  for (index, path) in paths.enumerated() {
    let content = try FileContent(path: path)
    let isArray = content.bytes.starts(with: NumPyArray.magic)
    guard index == 0 || isArray == !arrays.isEmpty else {
      throw MixtureError(
        .malformedFile,
        "\(content.name) is \(isArray ? "a NumPy array" : "text"), but \(paths[0]) is "
          + "\(isArray ? "text" : "a NumPy array"); files read as one table must be of one kind.")
    }
    // A file with that name and another content is better called damaged than read as text.
    if isArray || path.lowercased().hasSuffix(".npy") {
      arrays.append((content.name, try NumPyArray.map(content)))
    } else {
      try text.read(content)
    }
  }
  return arrays.isEmpty ? try text.table() : try table(of: arrays, options: options)
}

/// Some columns of NumPy arrays as one table.
private func table(
  of arrays: [(name: String, array: MappedMatrix)], options: TableOptions
) throws(MixtureError) -> Table {
  let (firstName, first) = arrays[0]
  let names = (0..<first.featureCount).map(automaticName)
  let selection = try ColumnSelection(options, names: names, file: firstName)
  var parts: [any ObservationSource] = []
  var labels: [String]? = selection.label.map { _ in [] }
  for (name, array) in arrays {
    guard array.featureCount == first.featureCount else {
      throw MixtureError(
        .malformedFile,
        "\(name) has \(array.featureCount) columns, but \(firstName) has \(first.featureCount); "
          + "files read as one table need the same columns.")
    }
    parts.append(try array.selecting(columns: selection.features))
    if let label = selection.label {
      try array.selecting(columns: [label]).withRows(0..<array.observationCount) { rows in
        for row in 0..<rows.count { labels?.append(plainText(rows[row, 0])) }
      }
    }
  }
  let featureNames = selection.features.map { names[$0] }
  return Table(
    source: try ConcatenatedRows(parts, featureNames: featureNames), featureNames: featureNames,
    labels: labels, notices: [])
}

/// The shortest text that reads back as the number, without a point if it is whole.
private func plainText(_ value: Double) -> String {
  Int(exactly: value).map(String.init) ?? value.description
}
