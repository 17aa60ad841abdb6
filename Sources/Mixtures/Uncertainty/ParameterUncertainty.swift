// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// How the uncertainty of parameters is found.
public enum UncertaintyMethod: Sendable, Equatable {
  /// The inverse of −∂²ℓ / ∂θ², which is right where the data follow the model.
  case observedInformation
  /// The inverse information on both sides of the scores' outer products, I⁻¹ (Σᵢ sᵢ sᵢᵀ) I⁻¹, which is right also where
  /// the data do not follow the model. Huber (1967); White (1982), [doi:10.2307/1912526](https://doi.org/10.2307/1912526).
  case sandwich
  /// The scatter of the fits to many tables like the one at hand.
  case bootstrap(Bootstrap)
}

/// One number for each parameter of a mixture, in the shape of the parameters.
public struct ParameterValues: Sendable, Equatable, Codable {
  /// K numbers.
  public var weights: [Double]
  /// K × d.
  public var means: Matrix
  /// K matrices, d × d.
  public var covariances: [Matrix]
  /// Of the share of a background; nil if there is none.
  public var backgroundShare: Double?

  /// Values from their parts.
  public init(
    weights: [Double], means: Matrix, covariances: [Matrix], backgroundShare: Double? = nil
  ) {
    self.weights = weights
    self.means = means
    self.covariances = covariances
    self.backgroundShare = backgroundShare
  }

  /// Values from a vector in the order of ``ParameterUncertainty/covariance``; elements that the structure holds at zero
  /// are `zero`.
  init(_ values: [Double], like model: GaussianMixture, zero: Double = 0) {
    let K = model.componentCount
    let d = model.featureCount
    weights = Array(values[..<K])
    means = Matrix(unchecked: Array(values[K..<K + K * d]), rowCount: K, columnCount: d)
    let each = model.covariances.elementsPerMatrix
    covariances = (0..<K).map { k in
      let start = K + K * d + (model.structure.isShared ? 0 : k * each)
      var matrix = Matrix(repeating: zero, rowCount: d, columnCount: d)
      for i in 0..<d {
        for j in 0...i {
          switch model.structure.form {
          case .full: matrix[i, j] = values[start + i * (i + 1) / 2 + j]
          case .diagonal: if i == j { matrix[i, j] = values[start + i] }
          case .scalar: if i == j { matrix[i, j] = values[start] }
          }
          matrix[j, i] = matrix[i, j]
        }
      }
      return matrix
    }
    backgroundShare = model.background == nil ? nil : values[values.count - 1]
  }
}

extension GaussianMixture {
  /// The parameters as one vector: weights, means, stored elements of the covariances, the share of a background.
  var parameterVector: [Double] {
    weights + means.elements + covariances.elements + (background.map { [$0.share] } ?? [])
  }
}

/// How precisely the parameters of a mixture are known: standard errors, their covariance, and confidence intervals.
///
/// ```swift
/// let uncertainty = try fit.model.uncertainty(for: observations, by: .sandwich)
/// print(uncertainty.standardErrors.means, try uncertainty.interval(level: 0.95))
/// ```
///
/// Component k is component k of the model: its number means nothing to the data, and none of this says how likely it is
/// that the data have another number of components.
public struct ParameterUncertainty: Sendable {
  /// The method, in words that stay: `observedInformation`, `sandwich` or `bootstrap`.
  public let methodName: String
  /// The model whose parameters these are.
  public let model: GaussianMixture
  /// The standard error of each parameter, in its unit. Infinite where the data do not determine it; zero where nothing is
  /// free.
  public let standardErrors: ParameterValues
  /// The covariance of all parameters: the weights; the means, component after component; the elements of the covariances
  /// as ``Covariances/elements`` has them; the share of a background. Parameters that are not determined have infinite
  /// variances and NaN beside them.
  public let covariance: Matrix
  /// Whether the information matrix is singular or not that of a maximum, so that some directions are not determined.
  public let isSingular: Bool
  /// Components that the fit held at the covariance floor: their covariances are limits, not maxima, and their standard
  /// errors are no measure of them.
  public internal(set) var flooredComponents: [Int] = []
  /// The fits of a bootstrap, with their components numbered like the model's; empty for other methods.
  public let replicates: [GaussianMixture]
  /// How many fits of a bootstrap failed, by an error or by the loss of a component; they are left out.
  public let failedReplicateCount: Int
  /// How many of the fits that were kept had not converged.
  public let unconvergedReplicateCount: Int

  /// The lower and upper ends of confidence intervals of all parameters.
  ///
  /// After a bootstrap these are percentiles of the replicates. Otherwise they are estimate ± z · standard error for means
  /// and covariances between features, the same on the logarithms of variances, and on the logits of weights and shares,
  /// so that no interval leaves what a parameter can be.
  ///
  /// - Parameter level: The confidence of each interval on its own, 0 < level < 1.
  /// - Throws: ``MixtureError/Code/invalidSetting`` for another level.
  public func interval(
    level: Double = 0.95
  ) throws(MixtureError) -> (lower: ParameterValues, upper: ParameterValues) {
    guard level > 0, level < 1 else {
      throw MixtureError(
        .invalidSetting,
        "the level of confidence is \(level); it must be above 0 and below 1, such as 0.95.")
    }
    let estimates = model.parameterVector
    var lower = estimates
    var upper = estimates
    if !replicates.isEmpty {
      let vectors = replicates.map(\.parameterVector)
      for index in estimates.indices {
        let sorted = vectors.map { $0[index] }.sorted()
        lower[index] = Self.quantile(sorted, (1 - level) / 2)
        upper[index] = Self.quantile(sorted, (1 + level) / 2)
      }
    } else {
      let z = normalQuantile((1 + level) / 2)
      let kinds = Self.kinds(model)
      for (index, value) in estimates.enumerated() {
        let error = covariance[index, index].squareRoot()
        guard error != 0 else { continue }
        switch kinds[index] {
        case .free:
          lower[index] = value - z * error
          upper[index] = value + z * error
        case .positive:
          let factor = Kernels.exp(z * error / value)
          lower[index] = value / factor
          upper[index] = value * factor
        case .share:
          guard value > 0, value < 1, error.isFinite else {
            (lower[index], upper[index]) = (0, 1)
            continue
          }
          let odds = value / (1 - value)
          let factor = Kernels.exp(z * error / (value * (1 - value)))
          lower[index] = odds / (odds + factor)
          upper[index] = odds / (odds + 1 / factor)
        }
      }
    }
    return (ParameterValues(lower, like: model), ParameterValues(upper, like: model))
  }

  private enum Kind {
    case free, positive, share
  }

  private static func kinds(_ model: GaussianMixture) -> [Kind] {
    let d = model.featureCount
    var kinds = Array(repeating: Kind.share, count: model.componentCount)
    kinds += Array(repeating: .free, count: model.means.elements.count)
    for _ in 0..<model.covariances.storedCount {
      switch model.structure.form {
      case .full: kinds += (0..<d).flatMap { i in (0...i).map { $0 == i ? .positive : .free } }
      case .diagonal, .scalar:
        kinds += Array(repeating: .positive, count: model.covariances.elementsPerMatrix)
      }
    }
    if model.background != nil { kinds.append(.share) }
    return kinds
  }

  /// A quantile of sorted numbers, linear between them.
  private static func quantile(_ sorted: [Double], _ p: Double) -> Double {
    let place = p * Double(sorted.count - 1)
    let index = min(Int(place), sorted.count - 1)
    guard index + 1 < sorted.count else { return sorted[index] }
    return sorted[index] + (place - Double(index)) * (sorted[index + 1] - sorted[index])
  }

  /// The scatter of a bootstrap's replicates.
  init(
    _ model: GaussianMixture, replicates: [GaussianMixture], failed: Int, unconverged: Int
  ) {
    let vectors = replicates.map(\.parameterVector)
    let size = model.parameterVector.count
    let count = Double(vectors.count)
    var means = Array(repeating: 0.0, count: size)
    for vector in vectors { for index in means.indices { means[index] += vector[index] / count } }
    var covariance = Matrix(repeating: 0, rowCount: size, columnCount: size)
    covariance.elements.withUnsafeMutableBufferPointer { elements in
      for vector in vectors {
        let difference = means.indices.map { vector[$0] - means[$0] }
        for i in 0..<size {
          let factor = difference[i] / (count - 1)
          for j in 0..<size { elements[i * size + j] += factor * difference[j] }
        }
      }
    }
    self.init(
      "bootstrap", model, covariance: covariance, isSingular: false, replicates: replicates,
      failed: failed, unconverged: unconverged)
  }

  init(
    _ methodName: String, _ model: GaussianMixture, covariance: Matrix, isSingular: Bool,
    replicates: [GaussianMixture] = [], failed: Int = 0, unconverged: Int = 0
  ) {
    self.methodName = methodName
    self.model = model
    self.covariance = covariance
    self.isSingular = isSingular
    self.replicates = replicates
    failedReplicateCount = failed
    unconvergedReplicateCount = unconverged
    standardErrors = ParameterValues(
      (0..<covariance.rowCount).map { max(covariance[$0, $0], 0).squareRoot() }, like: model)
  }
}

extension MixtureFit {
  /// How precisely the parameters of the fit are known; see
  /// ``GaussianMixture/uncertainty(for:by:equalWeights:threadCount:)``. Components that the fit held at the covariance floor
  /// are marked.
  ///
  /// - Parameters:
  ///   - observations: The rows that were fitted, with what they carry.
  ///   - method: How the uncertainty is found.
  ///   - settings: Those of the fit. They say whether weights were equal, which parameters were fixed, and how many threads
  ///     to use. A prior is taken from the fit, with its numbers.
  /// - Throws: Also ``MixtureError/Code/invalidSetting`` for the information or the sandwich of a fit with a prior or fixed
  ///   parameters, which they do not know.
  public func uncertainty(
    for observations: some ObservationSource,
    by method: UncertaintyMethod = .observedInformation,
    settings: ExpectationMaximization? = nil
  ) throws(MixtureError) -> ParameterUncertainty {
    var settings = settings ?? ExpectationMaximization(componentCount: model.componentCount)
    settings.prior = prior.map { .conjugate($0) } ?? .none
    var result = try model.uncertainty(for: observations, by: method, settings: settings)
    result.flooredComponents = Set(rescued.filter { $0.action == .floored }.map(\.component))
      .filter { $0 < model.componentCount }.sorted()
    return result
  }
}

extension GaussianMixture {
  /// How precisely the parameters are known from the observations that the mixture was fitted to.
  ///
  /// Information and sandwich are those at the model, which is to be a maximum of the likelihood: fit with a small tolerance.
  /// Every structure, equal weights, a background, missing cells, noise, projections and known components count as the fit
  /// counts them; the score of an incomplete row is the expectation of the complete row's.
  ///
  /// - Parameters:
  ///   - observations: The rows of the fit.
  ///   - equalWeights: Whether the weights were fixed at 1 / K.
  ///   - threadCount: How many threads to use; nil means one for each processor. It changes no result.
  ///   - method: How the uncertainty is found.
  /// - Throws: ``MixtureError/Code/invalidSetting`` for the information of rows with reliabilities, for information
  ///   or sandwich of censored, truncated or selected rows or of more than 4,096 parameters, or for a bootstrap that cannot
  ///   be; ``MixtureError/Code/degenerateObservations`` if fewer than two of
  ///   a bootstrap's fits succeed; and what a fit throws for such observations.
  /// - Complexity: O(n·p²) and O(p³) for p parameters, each component counted on its own; memory O(p²) for each thread. A
  ///   bootstrap makes as many fits as it has replicates.
  ///
  /// **Numerics.** Exact derivatives, row by row (Louis 1982,
  /// [doi:10.1111/j.2517-6161.1982.tb01203.x](https://doi.org/10.1111/j.2517-6161.1982.tb01203.x); for normal mixtures
  /// Boldea & Magnus 2009, [doi:10.1198/jasa.2009.tm08273](https://doi.org/10.1198/jasa.2009.tm08273)), in units of each
  /// component's own spread, so that units and offsets of the features do not matter. Directions with less than 10⁻⁹ of the
  /// information that their parameters have one by one count as not determined: standard errors are infinite there.
  public func uncertainty(
    for observations: some ObservationSource,
    by method: UncertaintyMethod = .observedInformation, equalWeights: Bool = false,
    threadCount: Int? = nil
  ) throws(MixtureError) -> ParameterUncertainty {
    try uncertainty(
      for: observations, by: method,
      settings: ExpectationMaximization(
        componentCount: componentCount, equalWeights: equalWeights, threadCount: threadCount))
  }

  func uncertainty(
    for observations: some ObservationSource, by method: UncertaintyMethod,
    settings: ExpectationMaximization
  ) throws(MixtureError) -> ParameterUncertainty {
    let equalWeights = settings.equalWeights
    try requireFeatures(of: observations)
    try observations.requireRowsAndColumns()
    let threads = settings.threadCount ?? Kernels.processorCount
    guard threads >= 1 else {
      throw MixtureError(
        .invalidSetting, "the number of threads is \(threads); it must be at least 1.")
    }
    if case .bootstrap(let bootstrap) = method {
      return try bootstrap.run(self, observations, settings, threadCount: threads)
    }
    guard settings.prior == .none, settings.fixed == .none else {
      throw MixtureError(
        .invalidSetting,
        "the information and the sandwich are those of a likelihood whose parameters are all free, but the fit has a "
          + "prior or fixed parameters; use a bootstrap.")
    }
    let annotations = observations.annotations
    guard annotations?.limits == nil, annotations?.window == nil, annotations?.selection == nil
    else {
      throw MixtureError(
        .invalidSetting,
        "the information and the sandwich know no rows that are censored, truncated or selected; use a bootstrap of "
          + "the rows, or the weighted-likelihood bootstrap.")
    }
    let meaning = annotations?.caseWeights?.meaning
    if method == .observedInformation, meaning == .reliability {
      throw MixtureError(
        .invalidSetting,
        "the rows have case weights that are reliabilities, of which the information says nothing; use the sandwich "
          + "or a bootstrap.")
    }
    let local = LocalCoordinates(self)
    guard local.count <= 4096 else {
      throw MixtureError(
        .invalidSetting,
        "the information of \(componentCount) components of \(featureCount) features has \(local.count) rows (limit "
          + "4096); use a bootstrap.")
    }
    let chart = TangentChart(local, equalWeights: equalWeights)
    let sums = try local.sums(
      over: observations, squaresWeights: method == .sandwich && meaning == .reliability,
      threadCount: threads)
    var hessian = chart.pulledBack(sums.hessian(local))
    chart.addCurvature(sums.gradient, to: &hessian)
    let information = InformationMatrix(hessian.map { -$0 }, order: chart.count)
    let rates = chart.reportedRates()
    guard method == .sandwich else {
      return ParameterUncertainty(
        "observedInformation", self, covariance: information.covariance(of: rates),
        isSingular: information.isSingular)
    }
    let scores = chart.pulledBack(sums.squared.isEmpty ? sums.outer : sums.squared)
    return ParameterUncertainty(
      "sandwich", self, covariance: information.covariance(of: rates, scores: scores),
      isSingular: information.isSingular)
  }
}

/// A symmetric information matrix and its inverse on what it determines.
struct InformationMatrix {
  let order: Int
  let isSingular: Bool
  /// The inverse, full and symmetric; of a singular matrix the inverse on the other eigenvectors.
  private let inverse: [Double]
  /// Directions that are not determined, in units of `scale`.
  private let undetermined: [[Double]]
  private let scale: [Double]
  /// Whether nothing at all is known of what is determined.
  private let isUnknown: Bool

  /// Eigenvalues, relative to a unit diagonal, below which a direction is not determined.
  private static let leastInformation = 1e-10
  /// Eigenvectors of larger matrices take too long; then no parameter counts as determined.
  private static let eigenOrder = 512

  init(_ packed: [Double], order p: Int) {
    order = p
    let scale = (0..<p).map { i in
      let value = packed[i * (i + 3) / 2]
      return value > 0 && value.isFinite ? value.squareRoot() : 1
    }
    self.scale = scale
    var scaled: [Double] = []
    scaled.reserveCapacity(packed.count)
    for i in 0..<p {
      for j in 0...i { scaled.append(packed[scaled.count] / (scale[i] * scale[j])) }
    }
    var inverse = Array(repeating: 0.0, count: p * p)
    var undetermined: [[Double]] = []
    let isFinite = scaled.allSatisfy(\.isFinite)
    if isFinite, let cholesky = Cholesky(packed: scaled, order: p, tolerance: Self.leastInformation)
    {
      let triangle = cholesky.inverse
      for i in 0..<p {
        for j in 0...i {
          inverse[i * p + j] = triangle[i * (i + 1) / 2 + j] / (scale[i] * scale[j])
          inverse[j * p + i] = inverse[i * p + j]
        }
      }
      isSingular = false
      isUnknown = false
    } else if isFinite, p <= Self.eigenOrder {
      let eigen = SymmetricEigen(packed: scaled, order: p)
      for (v, value) in eigen.values.enumerated() {
        let vector = (0..<p).map { eigen.vectors[$0 * p + v] }
        // Not below the tolerance of the factor: what its pivots find is not always an eigenvalue.
        guard value > 10 * Self.leastInformation else {
          undetermined.append(vector)
          continue
        }
        for i in 0..<p {
          for j in 0..<p {
            inverse[i * p + j] += vector[i] * vector[j] / (value * scale[i] * scale[j])
          }
        }
      }
      isSingular = true
      isUnknown = false
    } else {
      isSingular = true
      isUnknown = true
    }
    self.inverse = inverse
    self.undetermined = undetermined
  }

  /// The covariance of parameters that move at the given rates, by the inverse, or by the sandwich with the scores' packed
  /// outer products.
  func covariance(of rates: [[Double]], scores: [Double]? = nil) -> Matrix {
    let p = order
    let count = rates.count
    func times(_ row: [Double], _ matrix: (Int, Int) -> Double) -> [Double] {
      var result = Array(repeating: 0.0, count: p)
      for i in 0..<p where row[i] != 0 {
        for j in 0..<p { result[j] += row[i] * matrix(i, j) }
      }
      return result
    }
    let isDetermined = rates.map { row in
      if row.allSatisfy({ $0 == 0 }) { return true }
      if isUnknown { return false }
      let lengths = row.indices.map { row[$0] / scale[$0] }
      let square = lengths.reduce(0) { $0 + $1 * $1 }
      return undetermined.allSatisfy { vector in
        let product = zip(vector, lengths).reduce(0) { $0 + $1.0 * $1.1 }
        return product * product <= 1e-12 * square
      }
    }
    let solved = rates.map { row in times(row) { inverse[$0 * p + $1] } }
    var result = Matrix(repeating: 0, rowCount: count, columnCount: count)
    for i in 0..<count {
      var left = solved[i]
      if let scores {
        left = times(left) { scores[$0 >= $1 ? $0 * ($0 + 1) / 2 + $1 : $1 * ($1 + 1) / 2 + $0] }
      }
      for j in 0...i {
        var sum = 0.0
        let right = scores == nil ? rates[j] : solved[j]
        for index in 0..<p { sum += left[index] * right[index] }
        if !(isDetermined[i] && isDetermined[j]) { sum = i == j ? .infinity : .nan }
        result[i, j] = sum
        result[j, i] = sum
      }
    }
    return result
  }
}
