// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// What rows of a table measure in place of their features, as a NumPy array says.
///
/// The array is n × m × d with m ≤ d, a matrix for each row, or m × d, one for all rows. A matrix of fewer rows has NaN in the
/// rows behind them; one that is NaN throughout, or the identity, belongs to a row that holds its features as they are.
public struct ProjectionArray: Sendable {
  /// The number of features, d.
  public let featureCount: Int
  /// The number of rows that have a matrix each, n; nil if all rows share one.
  public let rowCount: Int?
  /// The different matrices, in order of first appearance; equal ones, to the bit, are one.
  public let matrices: [Matrix]
  /// Which of them each row measures; of one matrix for all rows a single choice.
  private let indices: [Int32]

  /// How many bytes it takes in memory, about, with what fits make of it.
  public var byteCount: Int {
    matrices.reduce(20 * indices.count) { $0 + 8 * $1.elements.count + 64 }
  }

  /// Reads the array in the file at `path`; `-` is standard input.
  ///
  /// - Throws: ``MixtureError/Code/unreadableFile``, ``MixtureError/Code/malformedFile`` or
  ///   ``MixtureError/Code/emptyObservations`` for a file that is no such array, ``MixtureError/Code/shapeMismatch`` for
  ///   another shape, and ``MixtureError/Code/invalidAnnotation`` naming the row for a matrix that is none.
  /// - Complexity: O(n·m·d) time; memory for the different matrices and a number for each row.
  public init(path: String) throws(MixtureError) {
    let array = try NumPyFile(InputFile(path: path), allowsMatrices: true)
    let whole = try array.mapped()
    let isShared = array.matrixShape == nil
    let isFortranOrder = array.layout.isFortranOrder
    let shape =
      array.matrixShape ?? (rowCount: array.layout.rowCount, columnCount: array.layout.columnCount)
    let (m, d) = (shape.rowCount, shape.columnCount)
    guard m <= d else {
      throw MixtureError(
        .shapeMismatch,
        "\(array.name) holds \(isShared ? "a matrix" : "matrices") of \(m) × \(d); projections need the shape (n, m, d) or, "
          + "if all rows share one, (m, d), with m at most the number of features d.")
    }
    var matrices: [Matrix] = []
    var indices: [Int32] = []
    var numbers: [[UInt64]: Int32] = [:]
    var last: (bits: [UInt64], number: Int32)?
    // A shared matrix lies in rows of its own, others in a row each.
    let count = isShared ? 1 : array.layout.rowCount
    let step = isShared ? m : max(1, 65_536 / (m * d))
    var failure: MixtureError?
    for start in stride(from: 0, to: isShared ? m : count, by: step) {
      let end = min(start + step, isShared ? m : count)
      whole.withRows(start..<end) { rows in
        guard failure == nil else { return }
        for i in 0..<(isShared ? 1 : rows.count) {
          var elements: [Double] = []
          elements.reserveCapacity(m * d)
          for a in 0..<m {
            for b in 0..<d {
              elements.append(
                isShared ? rows[a, b] : rows[i, isFortranOrder ? a + b * m : a * d + b])
            }
          }
          let place =
            isShared ? array.name : "\(array.name), row \(start + i) (counted from 0)"
          do throws(MixtureError) {
            let length = try Self.rowCount(elements, m, d, at: place)
            elements.removeLast((m - length) * d)
            let bits = elements.map(\.bitPattern)
            if let last, last.bits == bits {
              indices.append(last.number)
              continue
            }
            var number: Int32 = -1
            if length > 0, !Self.isIdentity(elements, d) {
              number = numbers[bits] ?? Int32(matrices.count)
              if number == matrices.count {
                numbers[bits] = number
                matrices.append(
                  try Matrix(rowCount: length, columnCount: d, elements: elements))
              }
            }
            last = (bits, number)
            indices.append(number)
          } catch {
            failure = error
            return
          }
        }
      }
      if let failure { throw failure }
    }
    featureCount = d
    rowCount = isShared ? nil : count
    self.matrices = matrices
    self.indices = indices
  }

  /// How many rows of a matrix come before those that are NaN.
  private static func rowCount(
    _ elements: [Double], _ m: Int, _ d: Int, at place: @autoclosure () -> String
  ) throws(MixtureError) -> Int {
    var length = 0
    for a in 0..<m {
      let row = elements[a * d..<(a + 1) * d]
      let missing = row.count(where: \.isNaN)
      if missing == d { continue }
      guard missing == 0 else {
        throw MixtureError(
          .invalidAnnotation,
          "\(place()): row \(a) of the projection is NaN in part; a row has \(d) numbers, or is NaN throughout if the "
            + "projection has no such row.")
      }
      guard length == a else {
        throw MixtureError(
          .invalidAnnotation,
          "\(place()): row \(length) of the projection is NaN, and row \(a) is not; rows that are NaN come last."
        )
      }
      if let value = row.first(where: \.isInfinite) {
        throw MixtureError(
          .invalidAnnotation,
          "\(place()): row \(a) of the projection holds \(value); its numbers must be finite.")
      }
      length += 1
    }
    return length
  }

  private static func isIdentity(_ elements: [Double], _ d: Int) -> Bool {
    elements.count == d * d
      && elements.indices.allSatisfy { elements[$0] == ($0 / d == $0 % d ? 1 : 0) }
  }

  /// What the rows of a table measure; nil if all of them hold their features as they are.
  ///
  /// - Parameter n: The number of the table's rows, which is ``rowCount`` unless they share one matrix.
  public func projections(ofRows n: Int) -> Projections? {
    guard !matrices.isEmpty else { return nil }
    guard rowCount == nil else {
      return Projections(matrices, indices: indices.map { $0 < 0 ? nil : Int($0) })
    }
    return Projections(matrices, indices: Array(repeating: 0, count: n))
  }
}

extension Table {
  /// Looks at the cells of a table whose rows may measure projections, and says of one that cannot be where it stands.
  ///
  /// A row of m numbers has them in its first m cells, and its other cells are empty. Cells among the first m, and all those
  /// of rows without projection, are empty only if they may be missing.
  ///
  /// - Throws: ``MixtureError/Code/malformedFile`` naming line and column of a cell that is empty, or of one with a number
  ///   where the projection has none.
  /// - Complexity: O(n·d).
  public func requireCells(
    of projections: Projections?, allowsMissing: Bool
  ) throws(MixtureError) {
    let (n, d) = (source.observationCount, source.featureCount)
    let lengths = projections?.matrices.map(\.rowCount) ?? []
    var fault: (row: Int, feature: Int, value: Double, length: Int?)?
    for start in stride(from: 0, to: n, by: 4096) {
      try source.withRows(start..<min(start + 4096, n)) { rows in
        for i in 0..<rows.count where fault == nil {
          let length = projections?.indices[start + i].map { lengths[$0] }
          for j in 0..<d {
            let isEmpty = rows[i, j].isNaN
            if j < length ?? d ? isEmpty && !allowsMissing : !isEmpty {
              fault = (start + i, j, rows[i, j], length)
              break
            }
          }
        }
      }
      if fault != nil { break }
    }
    guard let fault else { return }
    let place = place(ofRow: fault.row, feature: fault.feature)
    guard let m = fault.length else {
      throw MixtureError(
        .malformedFile,
        "\(place): the cell is empty, but the row has no projection. Use --missing to allow gaps, give the row a "
          + "projection, or remove it.")
    }
    let cells = m == 1 ? "its first cell" : "its first \(m) cells"
    throw MixtureError(
      .malformedFile,
      fault.value.isNaN
        ? "\(place): the cell is empty, but the row's projection has \(m) row\(m == 1 ? "" : "s"), whose "
          + "value\(m == 1 ? " stands" : "s stand") in \(cells). Use --missing to allow gaps, or remove the row."
        : "\(place): got \(fault.value), but the row's projection has \(m) row\(m == 1 ? "" : "s"), whose "
          + "value\(m == 1 ? " stands" : "s stand") in \(cells); leave the others empty.")
  }
}
