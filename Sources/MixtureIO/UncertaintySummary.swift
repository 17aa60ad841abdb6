// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

public import Mixtures

/// How precisely the parameters in a model file are known, under its key `uncertainty`: all of ``ParameterUncertainty``
/// but the joint covariance and the replicates, with intervals of one level.
///
/// Infinite standard errors and ends of intervals are written as null.
public struct UncertaintySummary: Sendable, Equatable {
  /// `observedInformation`, `sandwich` or `bootstrap`.
  public let method: String
  /// The standard error of each parameter.
  public let standardErrors: ParameterValues
  /// The confidence of the intervals.
  public let level: Double
  /// Their lower ends.
  public let lower: ParameterValues
  /// Their upper ends.
  public let upper: ParameterValues
  /// Whether some directions are not determined by the data.
  public let isSingular: Bool
  /// Components whose covariances the fit held at the floor.
  public let flooredComponents: [Int]
  /// The replicates of a bootstrap that were kept; 0 for other methods.
  public let replicateCount: Int
  /// Those that failed.
  public let failedReplicateCount: Int
  /// Those kept that had not converged.
  public let unconvergedReplicateCount: Int

  /// The summary of an uncertainty, with intervals of the given level.
  ///
  /// - Throws: ``MixtureError/Code/invalidSetting`` unless 0 < level < 1.
  public init(_ uncertainty: ParameterUncertainty, level: Double = 0.95) throws(MixtureError) {
    method = uncertainty.methodName
    standardErrors = uncertainty.standardErrors
    self.level = level
    (lower, upper) = try uncertainty.interval(level: level)
    isSingular = uncertainty.isSingular
    flooredComponents = uncertainty.flooredComponents
    replicateCount = uncertainty.replicates.count
    failedReplicateCount = uncertainty.failedReplicateCount
    unconvergedReplicateCount = uncertainty.unconvergedReplicateCount
  }

  var json: JSONValue {
    func member(_ key: String, _ value: JSONValue) -> JSONValue.Member {
      JSONValue.Member(key: key, value: value)
    }
    return .object([
      member("method", .text(method)),
      member("standardErrors", Self.json(standardErrors)),
      member("level", .number(level)),
      member("lower", Self.json(lower)),
      member("upper", Self.json(upper)),
      member("singular", .truth(isSingular)),
      member("flooredComponents", .array(flooredComponents.map { .number($0) })),
      member("replicates", .number(replicateCount)),
      member("failedReplicates", .number(failedReplicateCount)),
      member("unconvergedReplicates", .number(unconvergedReplicateCount)),
    ])
  }

  private static func json(_ values: ParameterValues) -> JSONValue {
    func rows(_ matrix: Matrix) -> JSONValue {
      .array((0..<matrix.rowCount).map { .array(matrix.row($0).map { .number($0) }) })
    }
    var members = [
      JSONValue.Member(key: "weights", value: .array(values.weights.map { .number($0) })),
      JSONValue.Member(key: "means", value: rows(values.means)),
      JSONValue.Member(key: "covariances", value: .array(values.covariances.map(rows))),
    ]
    if let share = values.backgroundShare {
      members.append(JSONValue.Member(key: "backgroundShare", value: .number(share)))
    }
    return .object(members)
  }

  init(_ reader: JSONReader, mixture: GaussianMixture) throws(MixtureError) {
    method = try reader.member("method").text()
    level = try reader.member("level").number()
    standardErrors = try Self.values(
      reader.member("standardErrors"), mixture, orNull: .infinity)
    lower = try Self.values(reader.member("lower"), mixture, orNull: -.infinity)
    upper = try Self.values(reader.member("upper"), mixture, orNull: .infinity)
    isSingular = try reader.member("singular").truth()
    var floored: [Int] = []
    for element in try reader.member("flooredComponents").elements() {
      floored.append(try element.count())
    }
    flooredComponents = floored
    replicateCount = try reader.member("replicates").count()
    failedReplicateCount = try reader.member("failedReplicates").count()
    unconvergedReplicateCount = try reader.member("unconvergedReplicates").count()
  }

  private static func values(
    _ reader: JSONReader, _ mixture: GaussianMixture, orNull substitute: Double
  ) throws(MixtureError) -> ParameterValues {
    func numbers(_ reader: JSONReader, _ count: Int) throws(MixtureError) -> [Double] {
      var numbers: [Double] = []
      for element in try reader.elements() {
        numbers.append(try element.number(orNull: substitute))
      }
      guard numbers.count == count else {
        throw reader.fault("has \(numbers.count) numbers; the model has \(count)")
      }
      return numbers
    }
    func matrix(_ reader: JSONReader, _ rows: Int, _ columns: Int) throws(MixtureError) -> Matrix {
      let lines = try reader.elements()
      guard lines.count == rows else {
        throw reader.fault("has \(lines.count) rows; the model has \(rows)")
      }
      var elements: [Double] = []
      for line in lines { elements += try numbers(line, columns) }
      return try Matrix(rowCount: rows, columnCount: columns, elements: elements)
    }
    let K = mixture.componentCount
    let d = mixture.featureCount
    let matrices = try reader.member("covariances")
    var covariances: [Matrix] = []
    for element in try matrices.elements() { covariances.append(try matrix(element, d, d)) }
    guard covariances.count == K else {
      throw matrices.fault("has \(covariances.count) matrices; the model has \(K) components")
    }
    return ParameterValues(
      weights: try numbers(reader.member("weights"), K),
      means: try matrix(reader.member("means"), K, d), covariances: covariances,
      backgroundShare: try reader.optionalMember("backgroundShare")?.number(orNull: substitute))
  }
}
