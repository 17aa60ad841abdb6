// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureIO
import Mixtures

/// A JSON object with one array, written to standard output element by element.
final class JSONArrayOutput {
  private let output: TextOutput
  private var isEmpty = true

  init(key: String) throws(MixtureError) {
    output = try TextOutput(path: "-")
    try output.write("{\"\(key)\": [")
  }

  func append(_ value: some LosslessStringConvertible) throws(MixtureError) {
    try output.write("\(isEmpty ? "" : ", ")\(value)")
    isEmpty = false
  }

  func append(row: [Double]) throws(MixtureError) {
    try append("[" + row.map(\.description).joined(separator: ", ") + "]")
  }

  func close() throws(MixtureError) {
    try output.write("]}\n")
    try output.close()
  }
}
