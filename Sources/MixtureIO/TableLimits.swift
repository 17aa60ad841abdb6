// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// Lower or upper limits of a table's cells, and how messages call those of a feature.
public struct NamedLimits: Sendable {
  /// n × d; NaN, or infinite, where there is none.
  public let values: Matrix
  /// The name of the limits of a feature, counted from 0: a column's, or a file's.
  public let name: @Sendable (_ feature: Int) -> String

  /// Limits and their names.
  public init(_ values: Matrix, name: @escaping @Sendable (_ feature: Int) -> String) {
    self.values = values
    self.name = name
  }
}

extension Table {
  /// Looks at the cells of a table with limits, a window, or both, and says of one that cannot be where it stands.
  ///
  /// A cell without a value lies between its limits: those that stand in it, else its lower and its upper one. Where there is
  /// none it is a missing value. A cell with a value is exact, and its limits, if it has any, must hold that value.
  ///
  /// - Parameters:
  ///   - lower: The lower limits, n × d, if there are any beside those in cells.
  ///   - upper: The upper limits.
  ///   - window: The window, of d features, if there is one.
  ///   - allowsMissing: Whether a cell may be missing; else one without a value and limits is an error.
  /// - Returns: The limits of the cells without a value; nil if no cell has any.
  /// - Throws: ``MixtureError/Code/invalidAnnotation`` naming line and column of a cell whose limits are crossed, exclude its
  ///   value, or lie outside of the window, or whose value does; ``MixtureError/Code/malformedFile`` for one that is empty.
  /// - Complexity: O(n·d).
  public func censoringLimits(
    lower: NamedLimits?, upper: NamedLimits?, window: ObservationWindow?, allowsMissing: Bool
  ) throws(MixtureError) -> CensoringLimits? {
    let n = source.observationCount
    let d = source.featureCount
    var result = limits
    let hasColumns = lower != nil || upper != nil
    if result == nil, hasColumns {
      result = CensoringLimits(
        lower: Matrix(repeating: -.infinity, rowCount: n, columnCount: d),
        upper: Matrix(repeating: .infinity, rowCount: n, columnCount: d))
    }
    var count = 0
    var failure: MixtureError?
    for start in stride(from: 0, to: n, by: 4096) {
      try source.withRows(start..<min(start + 4096, n)) { rows in
        guard failure == nil else { return }
        do throws(MixtureError) {
          for i in 0..<rows.count {
            let row = start + i
            for j in 0..<d {
              var cell = CellLimits()
              if let result { cell.lower = result.lower[row, j] }
              if let result { cell.upper = result.upper[row, j] }
              if let value = lower?.values[row, j], !value.isNaN { cell.lower = value }
              if let value = upper?.values[row, j], !value.isNaN { cell.upper = value }
              let isLimited = try require(
                cell, value: rows[i, j], row, j, lower, upper, window, allowsMissing)
              if hasColumns {
                result!.lower[row, j] = isLimited ? cell.lower : -.infinity
                result!.upper[row, j] = isLimited ? cell.upper : .infinity
              }
              count += isLimited ? 1 : 0
            }
          }
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
    }
    return count > 0 ? result : nil
  }

  /// Requires a cell that can be, and says whether it lies between limits.
  private func require(
    _ limits: CellLimits, value: Double, _ row: Int, _ j: Int, _ lower: NamedLimits?,
    _ upper: NamedLimits?, _ window: ObservationWindow?, _ allowsMissing: Bool
  ) throws(MixtureError) -> Bool {
    func words(_ value: Double, _ limits: NamedLimits?) -> String {
      "\(value)" + (limits.map { " (\($0.name(j)))" } ?? "")
    }
    func fault(_ text: String) -> MixtureError {
      MixtureError(.invalidAnnotation, "\(place(ofRow: row, feature: j)): \(text)")
    }
    let seen = window.map { (lower: $0.lower[j], upper: $0.upper[j]) }
    guard value.isNaN else {
      if value < limits.lower {
        throw fault(
          "the value \(value) is below its lower limit \(words(limits.lower, lower)). Leave the cell empty if only limits "
            + "are known, else the limit.")
      }
      if value > limits.upper {
        throw fault(
          "the value \(value) is above its upper limit \(words(limits.upper, upper)). Leave the cell empty if only limits "
            + "are known, else the limit.")
      }
      if let seen, value < seen.lower || value > seen.upper {
        throw fault(
          "the value \(value) is outside of the window, \(seen.lower) to \(seen.upper). Remove such rows, or widen the "
            + "window.")
      }
      return false
    }
    guard limits.lower < limits.upper else {
      throw fault(
        "the lower limit \(words(limits.lower, lower)) is not below the upper, \(words(limits.upper, upper))."
          + (limits.lower == limits.upper
            ? " Write the value into the cell if it is known." : " Correct one of them."))
    }
    guard limits.lower > -.infinity || limits.upper < .infinity else {
      guard allowsMissing else {
        throw MixtureError(
          .malformedFile,
          "\(place(ofRow: row, feature: j)): the cell has neither a value nor a limit. Use --missing to allow gaps, or "
            + "remove the row.")
      }
      return false
    }
    if let seen, limits.lower >= seen.upper || limits.upper <= seen.lower {
      throw fault(
        "the limits \(words(limits.lower, lower)) and \(words(limits.upper, upper)) leave nothing inside of the window, "
          + "\(seen.lower) to \(seen.upper). Remove such rows, or widen the window.")
    }
    return true
  }
}
