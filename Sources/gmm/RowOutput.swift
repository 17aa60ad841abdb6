// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureIO
import Mixtures

/// Rows of numbers as results: a JSON object on standard output if that is wanted, else a table.
struct RowOutput {
  private let json: JSONArrayOutput?
  private let writer: TableWriter?

  init(
    path: String, columns: [TableWriter.Column], rowCount: Int, format: OutputFormat
  ) throws(MixtureError) {
    let isJSON = format == .json && path == "-"
    json = isJSON ? try JSONArrayOutput(key: "rows") : nil
    writer = isJSON ? nil : try TableWriter(path: path, columns: columns, rowCount: rowCount)
  }

  func append(_ row: [Double]) throws(MixtureError) {
    try json?.append(row: row)
    try writer?.append(row)
  }

  func close() throws(MixtureError) {
    try json?.close()
    try writer?.close()
  }
}
