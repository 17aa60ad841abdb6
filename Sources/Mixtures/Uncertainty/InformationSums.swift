// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

/// What one pass over the rows tells of the log-likelihood near a model, in its local coordinates.
///
/// With sᵢₖ the score of component k and hᵢₖ its Hessian, ∇ᵢ = (rᵢₖ sᵢₖ)ₖ and the Hessian of a row is
/// diagₖ rᵢₖ (hᵢₖ + sᵢₖ sᵢₖᵀ) − ∇ᵢ ∇ᵢᵀ (Louis 1982). Symmetric matrices are packed lower triangles.
struct InformationSums {
  /// Σ wᵢ ∇ᵢ.
  var gradient: [Double]
  /// Σ wᵢ rᵢₖ (hᵢₖ + sᵢₖ sᵢₖᵀ), one block for each component.
  var blocks: [Double]
  /// Σ wᵢ ∇ᵢ ∇ᵢᵀ.
  var outer: [Double]
  /// Σ wᵢ² ∇ᵢ ∇ᵢᵀ; empty unless it is wanted.
  var squared: [Double]
  /// Σ wᵢ rᵢ₀ of the background.
  var background = 0.0

  init(_ local: LocalCoordinates, squaresWeights: Bool) {
    let q = local.count
    let b = local.blockSize
    gradient = Array(repeating: 0, count: q)
    blocks = Array(repeating: 0, count: local.componentCount * b * (b + 1) / 2)
    outer = Array(repeating: 0, count: q * (q + 1) / 2)
    squared = squaresWeights ? outer : []
  }

  mutating func add(_ other: InformationSums) {
    func add(_ values: [Double], to sums: inout [Double]) {
      for index in sums.indices { sums[index] += values[index] }
    }
    add(other.gradient, to: &gradient)
    add(other.blocks, to: &blocks)
    add(other.outer, to: &outer)
    add(other.squared, to: &squared)
    background += other.background
  }

  /// The Hessian of the log-likelihood in local coordinates.
  func hessian(_ local: LocalCoordinates) -> [Double] {
    var result = outer.map { -$0 }
    let b = local.blockSize
    var index = 0
    for k in 0..<local.componentCount {
      let start = local.start(k)
      for i in start..<start + b {
        for j in start...i {
          result[i * (i + 1) / 2 + j] += blocks[index]
          index += 1
        }
      }
    }
    if local.model.background != nil { result[result.count - 1] += background }
    return result
  }
}

extension LocalCoordinates {
  /// How rows of one measurement, y = R x + e with e ~ N(0, S), see a component: T = H Hᵀ + S with H = R W.
  struct View {
    /// The factor L of T = L Lᵀ; nil for complete rows.
    let cholesky: Cholesky?
    /// L⁻¹ H, m × d.
    let gain: [Double]
    /// Rμ.
    let origin: [Double]
    /// P = Hᵀ T⁻¹ H, d × d.
    let precision: [Double]
  }

  /// The view of component `k` by a measurement.
  func view(_ k: Int, _ measurement: Measurement) -> View {
    let d = featureCount
    let cells = measurement.cells
    let m = cells.count
    var identity = Array(repeating: 0.0, count: d * d)
    for j in 0..<d { identity[j * d + j] = 1 }
    if m == d, measurement.projection == nil, case .none = measurement.noise {
      return View(cholesky: nil, gain: [], origin: model.means.row(k), precision: identity)
    }
    func projected(_ i: Int, _ column: (Int) -> Double) -> Double {
      guard let R = measurement.projection else { return column(cells[i]) }
      return (0..<d).reduce(0) { $0 + R[i, $1] * column($1) }
    }
    var H = Array(repeating: 0.0, count: m * d)
    for i in 0..<m {
      for j in 0..<d { H[i * d + j] = projected(i) { roots[k][$0 * d + j] } }
    }
    var T: [Double] = []
    for i in 0..<m {
      for l in 0...i {
        T.append((0..<d).reduce(0) { $0 + H[i * d + $1] * H[l * d + $1] })
      }
    }
    let cholesky = Cholesky(raising: measurement.noise.adding(to: T), order: m)
    var gain = Array(repeating: 0.0, count: m * d)
    for j in 0..<d {
      let solved = cholesky.solveLower((0..<m).map { H[$0 * d + j] })
      for i in 0..<m { gain[i * d + j] = solved[i] }
    }
    var precision = Array(repeating: 0.0, count: d * d)
    for i in 0..<d {
      for j in 0..<d {
        precision[i * d + j] = (0..<m).reduce(0) { $0 + gain[$1 * d + i] * gain[$1 * d + j] }
      }
    }
    return View(
      cholesky: cholesky, gain: gain,
      origin: (0..<m).map { i in projected(i) { model.means[k, $0] } },
      precision: precision)
  }

  /// The sums over all rows of a source.
  ///
  /// - Complexity: O(n·q²) for q local coordinates; memory O(q²) for each thread.
  func sums(
    over source: some ObservationSource, squaresWeights: Bool, threadCount: Int
  ) throws(MixtureError) -> InformationSums {
    try AnnotatedRows(source, usesWeights: true).reducePieces(
      under: model, threadCount: threadCount,
      start: { InformationSums(self, squaresWeights: squaresWeights) }, add: { $0.add($1) }
    ) { piece, columnCount, sums in
      add(
        piece, columnCount: columnCount, weights: source.annotations?.caseWeights?.values,
        to: &sums)
    }
  }

  private func add(
    _ piece: AnnotatedPiece, columnCount: Int, weights: [Double]?, to sums: inout InformationSums
  ) {
    let K = componentCount
    let d = featureCount
    let b = blockSize
    piece.workspace.normalize(columnCount)
    let isIndividual = piece.noise != nil
    var views = isIndividual ? [] : (0..<K).map { view($0, piece.model.measurement) }
    var moments = Array(repeating: Moments(featureCount: d), count: isIndividual ? 0 : K)
    var score = Array(repeating: 0.0, count: count)
    var z = Array(repeating: 0.0, count: d)
    for position in piece.rows.indices {
      let weight = weights?[piece.start + Int(piece.rows[position])] ?? 1
      guard weight > 0 else { continue }
      var measurement = piece.model.measurement
      if isIndividual {
        measurement = piece.measurement(position)
        views = (0..<K).map { view($0, measurement) }
      }
      var present: [Int] = []
      for k in 0..<K {
        let share = piece.workspace.joint(position, k) / weight
        let start = start(k)
        guard share > 0 else {
          for index in start..<start + b { score[index] = 0 }
          continue
        }
        present.append(k)
        let view = views[k]
        let difference = view.origin.indices.map { i in
          piece.workspace.element(position, isIndividual ? measurement.cells[i] : i)
            - view.origin[i]
        }
        if let cholesky = view.cholesky {
          let solved = cholesky.solveLower(difference)
          for j in 0..<d {
            z[j] = solved.indices.reduce(0) { $0 + view.gain[$1 * d + j] * solved[$1] }
          }
        } else {
          for i in 0..<d {
            var sum = 0.0
            for j in 0..<d { sum += inverseRoots[k][i * d + j] * difference[j] }
            z[i] = sum
          }
        }
        score[start] = 1
        for j in 0..<d { score[start + 1 + j] = z[j] }
        for (e, places) in elements.enumerated() {
          var sum = 0.0
          for (i, j) in places { sum += z[i] * z[j] - view.precision[i * d + j] }
          score[start + 1 + d + e] = 0.5 * sum
        }
        // The block of the component, before the score is multiplied with the responsibility.
        sums.blocks.withUnsafeMutableBufferPointer { blocks in
          var index = k * b * (b + 1) / 2
          for i in 0..<b {
            let factor = weight * share * score[start + i]
            for j in 0...i { blocks[index + j] += factor * score[start + j] }
            index += i + 1
          }
        }
        if isIndividual {
          var own = Moments(featureCount: d)
          own.add(z, weight * share)
          addHessian(own, view, to: &sums.blocks, k)
        } else {
          moments[k].add(z, weight * share)
        }
        for index in start..<start + b { score[index] *= share }
      }
      let hasBackground = count > K * b
      if hasBackground {
        let share = piece.workspace.joint(position, K) / weight
        score[count - 1] = share
        sums.background += weight * share
      }
      for index in score.indices { sums.gradient[index] += weight * score[index] }
      addOuter(score, present, hasBackground, weight, to: &sums.outer)
      if !sums.squared.isEmpty {
        addOuter(score, present, hasBackground, weight * weight, to: &sums.squared)
      }
    }
    for k in moments.indices where moments[k].total > 0 {
      addHessian(moments[k], views[k], to: &sums.blocks, k)
    }
  }

  /// Adds a multiple of the outer product of a row's score, between components that are present.
  private func addOuter(
    _ score: [Double], _ present: [Int], _ hasBackground: Bool, _ weight: Double,
    to sums: inout [Double]
  ) {
    let b = blockSize
    sums.withUnsafeMutableBufferPointer { sums in
      score.withUnsafeBufferPointer { score in
        for (position, k) in present.enumerated() {
          for i in start(k)..<start(k) + b {
            let factor = weight * score[i]
            let line = i * (i + 1) / 2
            for l in present[..<position] {
              for j in start(l)..<start(l) + b { sums[line + j] += factor * score[j] }
            }
            for j in start(k)...i { sums[line + j] += factor * score[j] }
          }
        }
        if hasBackground {
          let i = score.count - 1
          for j in 0...i { sums[i * (i + 1) / 2 + j] += weight * score[i] * score[j] }
        }
      }
    }
  }

  /// Σ r, Σ r z and Σ r z zᵀ of some rows.
  private struct Moments {
    var total = 0.0
    var first: [Double]
    var second: [Double]

    init(featureCount d: Int) {
      first = Array(repeating: 0, count: d)
      second = Array(repeating: 0, count: d * d)
    }

    mutating func add(_ z: [Double], _ weight: Double) {
      total += weight
      let d = z.count
      for i in 0..<d {
        first[i] += weight * z[i]
        for j in 0..<d { second[i * d + j] += weight * z[i] * z[j] }
      }
    }
  }

  /// Adds the Hessians of log N of some rows that have one view.
  ///
  /// To second order log N changes by −½ mᵀPm − zᵀBPm − ½ zᵀBPBz + ¼ tr(PBPB).
  private func addHessian(
    _ moments: Moments, _ view: View, to blocks: inout [Double], _ k: Int
  ) {
    let d = featureCount
    let b = blockSize
    let P = view.precision
    let first = k * b * (b + 1) / 2
    func add(_ i: Int, _ j: Int, _ value: Double) { blocks[first + i * (i + 1) / 2 + j] += value }
    for i in 0..<d {
      for j in 0...i { add(1 + i, 1 + j, -moments.total * P[i * d + j]) }
    }
    for (e, places) in elements.enumerated() {
      for j in 0..<d {
        add(
          1 + d + e, 1 + j,
          -places.reduce(0) { $0 + moments.first[$1.row] * P[$1.column * d + j] })
      }
      for f in 0...e {
        var sum = 0.0
        for (i, j) in places {
          for (r, s) in elements[f] {
            sum +=
              P[j * d + r] * (0.5 * moments.total * P[s * d + i] - moments.second[s * d + i])
          }
        }
        add(1 + d + e, 1 + d + f, sum)
      }
    }
  }
}
