// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// The parameters of each component on their own, whatever the components have in common, at a model: one block for each
/// component, of log pₖ with pₖ = (1 − s) wₖ, of m with μ = μₖ + Wₖ m, and of the free elements of B with
/// Σ = Wₖ (I + B) Wₖᵀ, where Σₖ = Wₖ Wₖᵀ. With a background log s follows.
///
/// Units and offsets of the features drop out, and no matrix of moments is ill-conditioned because Σₖ is.
struct LocalCoordinates: Sendable {
  let model: GaussianMixture
  let form: CovarianceStructure.Form
  /// Wₖ and its inverse, d × d each.
  let roots: [[Double]]
  let inverseRoots: [[Double]]
  /// For the structures that compare axes, the squared lengths of the columns of Wₖ.
  let axisVariances: [[Double]]
  /// Which elements of B each of its coordinates moves.
  let elements: [[(row: Int, column: Int)]]

  var componentCount: Int { model.componentCount }
  var featureCount: Int { model.featureCount }
  /// The number of coordinates of one component.
  var blockSize: Int { 1 + featureCount + elements.count }
  /// The number of all coordinates.
  var count: Int { componentCount * blockSize + (model.background == nil ? 0 : 1) }

  init(_ model: GaussianMixture) {
    self.model = model
    let d = model.featureCount
    form = model.structure.form
    switch form {
    case .full:
      elements = (0..<d).flatMap { i in (0...i).map { i == $0 ? [(i, i)] : [(i, $0), ($0, i)] } }
    case .diagonal: elements = (0..<d).map { [($0, $0)] }
    case .scalar: elements = [(0..<d).map { ($0, $0) }]
    }
    var roots: [[Double]] = []
    var inverses: [[Double]] = []
    var variances: [[Double]] = []
    let axes = Self.axes(of: model)
    for k in 0..<model.componentCount {
      var root = Array(repeating: 0.0, count: d * d)
      var inverse = root
      var lengths = Array(repeating: 0.0, count: d)
      if let axes {
        let matrix = model.covariances[k]
        for a in 0..<d {
          for i in 0..<d {
            for j in 0..<d {
              lengths[a] += axes[k][i * d + a] * matrix[i, j] * axes[k][j * d + a]
            }
          }
          lengths[a] = max(lengths[a], .leastNormalMagnitude)
          let length = lengths[a].squareRoot()
          for i in 0..<d {
            root[i * d + a] = axes[k][i * d + a] * length
            inverse[a * d + i] = axes[k][i * d + a] / length
          }
        }
      } else {
        let start = k * model.factorStride
        switch form {
        case .full:
          let cholesky = Cholesky(packed: model.covariances.stored(k), order: d)!
          for j in 0..<d {
            let unit = (0..<d).map { $0 == j ? 1.0 : 0 }
            let column = cholesky.multiply(unit)
            let solved = cholesky.solveLower(unit)
            for i in 0..<d {
              root[i * d + j] = column[i]
              inverse[i * d + j] = solved[i]
            }
          }
        case .diagonal, .scalar:
          for j in 0..<d {
            let factor = model.factors[start + (form == .diagonal ? j : 0)]
            root[j * d + j] = 1 / factor
            inverse[j * d + j] = factor
          }
        }
      }
      roots.append(root)
      inverses.append(inverse)
      variances.append(lengths)
    }
    self.roots = roots
    inverseRoots = inverses
    axisVariances = variances
  }

  /// The axes of each component, one in each column, in an order that fits all components; nil for structures that do not
  /// compare them.
  private static func axes(of model: GaussianMixture) -> [[Double]]? {
    let d = model.featureCount
    let K = model.componentCount
    func packed(_ k: Int) -> [Double] { Array(model.covariances.stored(k)) }
    switch model.structure {
    case .eev, .vev:
      return (0..<K).map { SymmetricEigen(packed: packed($0), order: d).descending.vectors }
    case .eve, .vve:
      return Array(repeating: model.covariances.commonAxes, count: K)
    default: return nil
    }
  }

  /// Where the coordinates of a component begin.
  func start(_ k: Int) -> Int { k * blockSize }
}

/// The free parameters of a mixture near a model, to second order: how they move the local coordinates of each component.
///
/// Weights are moved by the logits of all but the largest; means by m; covariances by the elements of B where these are
/// free or equal, and otherwise by a symmetric E and a skew-symmetric S: Σ = W exp(E) Wᵀ where volumes or shapes are tied,
/// and D exp(S) Λ exp(A) exp(−S) Dᵀ where axes or eigenvalues are, with Σₖ = D Λ Dᵀ. All fourteen structures are exact to
/// second order this way, which is all that a Hessian needs.
struct TangentChart: Sendable {
  /// How one parameter moves one component's covariance.
  struct Generator: Sendable {
    let component: Int
    /// E or A, and S; d × d each.
    var symmetric: [Double]
    var skew: [Double]?
  }

  let local: LocalCoordinates
  let equalWeights: Bool
  /// For each free parameter, which local coordinates it moves and how fast.
  let columns: [[(index: Int, rate: Double)]]
  /// The weights that have a logit, in the order of their parameters.
  let logits: [Int]
  /// The parameter of the background's share.
  let shareParameter: Int?
  /// The parameters of covariances that curve, and what they do.
  let curved: [(parameter: Int, generators: [Generator])]
  private let usesAxes: Bool

  var count: Int { columns.count }

  init(_ local: LocalCoordinates, equalWeights: Bool) {
    self.local = local
    self.equalWeights = equalWeights
    let model = local.model
    let structure = model.structure
    let K = local.componentCount
    let d = local.featureCount
    let weights = model.weights
    var columns: [[(index: Int, rate: Double)]] = []
    let reference = weights.indices.max { weights[$0] < weights[$1] } ?? 0
    logits = equalWeights ? [] : weights.indices.filter { $0 != reference }
    for a in logits {
      columns.append((0..<K).map { (local.start($0), ($0 == a ? 1 : 0) - weights[a]) })
    }
    if let share = model.background?.share {
      shareParameter = columns.count
      columns.append(
        (0..<K).map { (local.start($0), -share) } + [(local.count - 1, 1 - share)])
    } else {
      shareParameter = nil
    }
    for k in 0..<K {
      for j in 0..<d { columns.append([(local.start(k) + 1 + j, 1)]) }
    }
    usesAxes = [.eve, .vve, .eev, .vev].contains(structure)
    var curved: [(parameter: Int, generators: [Generator])] = []
    if structure.isShared {
      for e in local.elements.indices {
        columns.append((0..<K).map { (local.start($0) + 1 + d + e, 1) })
      }
    } else if [.vvv, .vvi, .vii].contains(structure) {
      for k in 0..<K {
        for e in local.elements.indices { columns.append([(local.start(k) + 1 + d + e, 1)]) }
      }
    } else {
      for generators in Self.generators(structure, componentCount: K, featureCount: d) {
        curved.append((columns.count, generators))
        columns.append(
          generators.flatMap { generator in
            let change = Self.first(
              generator, variances: local.axisVariances[generator.component], order: d)
            return local.elements.enumerated().compactMap { e, places in
              let (i, j) = places[0]
              let rate = change[i * d + j]
              return rate == 0 ? nil : (local.start(generator.component) + 1 + d + e, rate)
            }
          })
      }
    }
    self.columns = columns
    self.curved = curved
  }

  /// The generators of all parameters of the covariances of a structure that ties volumes, shapes or orientations apart.
  private static func generators(
    _ structure: CovarianceStructure, componentCount K: Int, featureCount d: Int
  ) -> [[Generator]] {
    let zero = Array(repeating: 0.0, count: d * d)
    func diagonal(_ value: (Int) -> Double) -> [Double] {
      var matrix = zero
      for j in 0..<d { matrix[j * d + j] = value(j) }
      return matrix
    }
    func pair(_ i: Int, _ j: Int, _ sign: Double) -> [Double] {
      var matrix = zero
      matrix[i * d + j] = 1
      matrix[j * d + i] = sign
      return matrix
    }
    var result: [[Generator]] = []
    func addEach(
      _ isShared: Bool, _ symmetric: [Double], skew: [Double]? = nil, from first: Int = 0
    ) {
      let all = (first..<K).map { Generator(component: $0, symmetric: symmetric, skew: skew) }
      result += isShared ? [all] : all.map { [$0] }
    }
    let identity = diagonal { _ in 1 }
    let usesAxes = [.eve, .vve, .eev, .vev].contains(structure)
    // Volumes.
    addEach(structure.volume == .equal, identity)
    // Shapes: diagonal, with the trace zero.
    for j in 1..<max(d, 1) {
      addEach(structure.shape == .equal, diagonal { $0 == j ? 1 : $0 == j - 1 ? -1 : 0 })
    }
    // Orientations, or what is left of symmetric matrices.
    if structure.form == .full {
      for i in 0..<d {
        for j in 0..<i {
          if usesAxes {
            addEach(structure.orientation == .equal, zero, skew: pair(i, j, -1))
          } else {
            addEach(structure.orientation == .equal, pair(i, j, 1))
          }
        }
      }
    }
    return result
  }

  /// The first differential of B.
  private static func first(
    _ generator: Generator, variances: [Double], order d: Int
  ) -> [Double] {
    var change = generator.symmetric
    guard let skew = generator.skew else { return change }
    for i in 0..<d {
      for j in 0..<d where skew[i * d + j] != 0 {
        change[i * d + j] +=
          skew[i * d + j] * (variances[j] - variances[i])
          / (variances[i] * variances[j]).squareRoot()
      }
    }
    return change
  }

  /// The second differential of B along two directions, d × d.
  func second(_ a: Generator, _ b: Generator) -> [Double] {
    let d = local.featureCount
    func product(_ x: [Double], _ y: [Double]) -> [Double] {
      var result = Array(repeating: 0.0, count: d * d)
      for i in 0..<d {
        for k in 0..<d where x[i * d + k] != 0 {
          for j in 0..<d { result[i * d + j] += x[i * d + k] * y[k * d + j] }
        }
      }
      return result
    }
    var result = Array(repeating: 0.0, count: d * d)
    func add(_ matrix: [Double], _ factor: Double) {
      for index in result.indices { result[index] += factor * matrix[index] }
    }
    guard usesAxes else {
      add(product(a.symmetric, b.symmetric), 0.5)
      add(product(b.symmetric, a.symmetric), 0.5)
      return result
    }
    let variances = local.axisVariances[a.component]
    var lambda = Array(repeating: 0.0, count: d * d)
    for j in 0..<d { lambda[j * d + j] = variances[j] }
    add(product(product(a.symmetric, b.symmetric), lambda), 1)
    for (x, y) in [(a, b), (b, a)] {
      guard let skew = x.skew else { continue }
      let scaled = product(y.symmetric, lambda)
      add(product(skew, scaled), 1)
      add(product(scaled, skew), -1)
      guard let other = y.skew else { continue }
      add(product(product(skew, other), lambda), 0.5)
      add(product(lambda, product(skew, other)), 0.5)
      add(product(product(skew, lambda), other), -1)
    }
    for i in 0..<d {
      for j in 0..<d { result[i * d + j] /= (variances[i] * variances[j]).squareRoot() }
    }
    return result
  }

  /// A symmetric form over the local coordinates, as one over the free parameters; packed lower triangles.
  func pulledBack(_ form: [Double]) -> [Double] {
    let p = count
    // The form applied to one column at a time.
    var applied = Array(repeating: 0.0, count: local.count)
    var result: [Double] = []
    result.reserveCapacity(p * (p + 1) / 2)
    for a in 0..<p {
      for index in applied.indices { applied[index] = 0 }
      for (i, rate) in columns[a] {
        for j in 0..<local.count {
          applied[j] += rate * form[i >= j ? i * (i + 1) / 2 + j : j * (j + 1) / 2 + i]
        }
      }
      for b in 0...a {
        result.append(columns[b].reduce(0) { $0 + $1.rate * applied[$1.index] })
      }
    }
    return result
  }

  /// What the curvature of the parameters adds to the Hessian, with the gradient in local coordinates.
  func addCurvature(_ gradient: [Double], to hessian: inout [Double]) {
    let K = local.componentCount
    let d = local.featureCount
    let weights = local.model.weights
    let total = (0..<K).reduce(0) { $0 + gradient[local.start($1)] }
    for (a, k) in logits.enumerated() {
      for b in 0...a {
        let l = logits[b]
        hessian[a * (a + 1) / 2 + b] -=
          total * ((a == b ? weights[k] : 0) - weights[k] * weights[l])
      }
    }
    if let a = shareParameter, let share = local.model.background?.share {
      hessian[a * (a + 3) / 2] -= share * (1 - share) * (total + gradient[local.count - 1])
    }
    for (position, (a, generators)) in curved.enumerated() {
      for (b, others) in curved[...position] {
        var sum = 0.0
        for x in generators {
          for y in others where y.component == x.component {
            let change = second(x, y)
            for (e, places) in local.elements.enumerated() {
              sum +=
                gradient[local.start(x.component) + 1 + d + e]
                * change[places[0].row * d + places[0].column]
            }
          }
        }
        hessian[a * (a + 1) / 2 + b] += sum
      }
    }
  }

  /// How fast the free parameters move each parameter that is reported: weights, means, the stored elements of the
  /// covariances, and the share of a background. One row for each.
  func reportedRates() -> [[Double]] {
    let model = local.model
    let K = local.componentCount
    let d = local.featureCount
    // By local coordinate: which parameters move it.
    var movers: [[(parameter: Int, rate: Double)]] = Array(repeating: [], count: local.count)
    for (a, column) in columns.enumerated() {
      for (index, rate) in column { movers[index].append((a, rate)) }
    }
    var rows: [[Double]] = []
    let zero = Array(repeating: 0.0, count: count)
    for k in 0..<K {
      var row = zero
      for (a, l) in logits.enumerated() {
        row[a] = model.weights[k] * ((k == l ? 1 : 0) - model.weights[l])
      }
      rows.append(row)
    }
    for k in 0..<K {
      for j in 0..<d {
        var row = zero
        for i in 0..<d {
          for (a, rate) in movers[local.start(k) + 1 + i] {
            row[a] += local.roots[k][j * d + i] * rate
          }
        }
        rows.append(row)
      }
    }
    for k in 0..<model.covariances.storedCount {
      let root = local.roots[k]
      for reported in local.elements {
        let (i, j) = reported[0]
        var row = zero
        for (e, places) in local.elements.enumerated() {
          let change = places.reduce(0.0) {
            $0 + root[i * d + $1.row] * root[j * d + $1.column]
          }
          guard change != 0 else { continue }
          for (a, rate) in movers[local.start(k) + 1 + d + e] { row[a] += change * rate }
        }
        rows.append(row)
      }
    }
    if let a = shareParameter, let share = model.background?.share {
      var row = zero
      row[a] = share * (1 - share)
      rows.append(row)
    }
    return rows
  }
}
