// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

@Suite("Covariance structures") struct CovarianceStructureTests {
  @Test("there are fourteen, and their letters say what is equal")
  func letters() {
    #expect(CovarianceStructure.allCases.count == 14)
    for structure in CovarianceStructure.allCases {
      let relations = [structure.volume, structure.shape, structure.orientation]
      let letters = relations.map { $0 == .identity ? "I" : $0 == .equal ? "E" : "V" }
      #expect(letters.joined() == structure.rawValue)
      #expect(structure.contains(structure))
      #expect(CovarianceStructure.vvv.contains(structure))
      #expect(structure.contains(.eii))
    }
  }

  @Test("names are mclust's letters and scikit-learn's words, in any case")
  func names() {
    for structure in CovarianceStructure.allCases {
      #expect(CovarianceStructure(name: structure.rawValue) == structure)
      #expect(CovarianceStructure(name: structure.rawValue.lowercased()) == structure)
    }
    let words: [(String, CovarianceStructure)] = [
      ("full", .vvv), ("Tied", .eee), ("diagonal", .vvi), ("diag", .vvi), ("SPHERICAL", .vii),
      ("E", .eii), ("v", .vii),
    ]
    for (word, structure) in words { #expect(CovarianceStructure(name: word) == structure) }
    for word in ["", "EE", "IVE", "VIE", "EIV", "XXX", "EIE", "full "] {
      #expect(CovarianceStructure(name: word) == nil)
    }
  }

  @Test("numbers of parameters are mclust's")
  func parameterCounts() {
    let known: [(d: Int, K: Int, counts: [Int])] = [
      (4, 1, [5, 5, 8, 8, 8, 8, 14, 14, 14, 14, 14, 14, 14, 14]),
      (4, 2, [10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29]),
      (2, 2, [6, 7, 7, 8, 8, 9, 8, 9, 9, 10, 9, 10, 10, 11]),
    ]
    for (d, K, counts) in known {
      for (structure, count) in zip(CovarianceStructure.allCases, counts) {
        #expect(structure.parameterCount(featureCount: d, componentCount: K) == count)
        #expect(
          structure.parameterCount(featureCount: d, componentCount: K, equalWeights: true)
            == count - (K - 1))
      }
    }
  }

  @Test("with one feature only the volume's letter counts")
  func oneFeature() throws {
    let rows = ReferenceTables.faithful.map { [$0[1]] }
    let labels = rows.map { $0[0] > 70 ? 1 : 0 }
    #expect(CovarianceStructure.distinct(featureCount: 1) == [.eii, .vii])
    #expect(CovarianceStructure.distinct(featureCount: 2) == CovarianceStructure.allCases)
    for structure in CovarianceStructure.allCases {
      let same = structure.volume == .equal ? CovarianceStructure.eii : .vii
      let fits = try [structure, same].map {
        try ExpectationMaximization(
          componentCount: 2, covariance: $0, initialization: .labels(labels),
          stoppingRule: StoppingRule(tolerance: 1e-13, iterationLimit: 5000)
        ).fit(Observations(rows: rows))
      }
      #expect(fits[0].parameterCount == fits[1].parameterCount)
      #expect(abs(fits[0].logLikelihood - fits[1].logLikelihood) < 1e-9)
    }
  }

  @Test(
    "covariances that do not have the structure are refused, and the message says which and why")
  func wrongStructure() throws {
    func message(_ structure: CovarianceStructure, _ matrices: [[[Double]]]) -> String? {
      do throws(MixtureError) {
        _ = try Covariances(
          structure: structure,
          matrices: matrices.map { rows throws(MixtureError) in
            try Matrix(rows: rows)
          })
        return nil
      } catch {
        #expect(error.code == .invalidModel)
        return error.message
      }
    }
    let a = [[2.0, 1], [1, 3]]
    let tripled = [[6.0, 3], [3, 9]]
    let turned = [[3.0, -1], [-1, 2]]
    let other = [[4.0, 1], [1, 1.5]]
    let long = [[2.0, 0], [0, 3]]
    let refused: [(CovarianceStructure, [[[Double]]], String)] = [
      (.vee, [a, tripled, turned], "covariance 2 does not have the orientation of covariance 0"),
      (.vee, [a, other], "covariance 1 does not have the shape"),
      (.eev, [a, tripled], "covariance 1 does not have the volume"),
      (.eev, [a, [[5, 0], [0, 1]]], "covariance 1 does not have the shape"),
      (.vev, [a, other], "covariance 1 does not have the shape"),
      (.evv, [a, tripled], "covariance 1 does not have the volume"),
      (.eve, [a, tripled], "covariance 1 does not have the volume"),
      (.vve, [a, other], "do not have axes in common"),
      (.eve, [a, [[5, 0], [0, 1]]], "do not have axes in common"),
      (.vei, [long, [[2, 0], [0, 4]]], "covariance 1 does not have the shape"),
      (.evi, [long, [[2, 0], [0, 4]]], "covariance 1 does not have the volume"),
      (.evi, [long, a], "not diagonal"),
    ]
    for (structure, matrices, text) in refused {
      let got = message(structure, matrices)
      #expect(got?.contains(text) == true && got?.contains(structure.rawValue) != false)
    }
    let accepted: [(CovarianceStructure, [[[Double]]])] = [
      (.vee, [a, tripled]), (.eev, [a, turned]), (.vev, [a, tripled, turned]),
      (.evv, [a, turned, [[5, 0], [0, 1]]]), (.eve, [a, turned]), (.vve, [a, tripled, turned]),
      (.vei, [long, [[4, 0], [0, 6]]]), (.evi, [long, [[1, 0], [0, 6]]]),
      // Numbers of six digits.
      (.vee, [[[0.123457, 0], [0, 0.333333]], [[0.246914, 0], [0, 0.666667]]]),
    ]
    for (structure, matrices) in accepted { #expect(message(structure, matrices) == nil) }
    // What is not positive definite is refused as such, by the mixture.
    for structure in CovarianceStructure.allCases where structure.form == .full {
      let singular = try Covariances(
        structure: structure,
        matrices: [Matrix(rows: [[1, 1], [1, 1]]), Matrix(rows: [[1, 1], [1, 1]])])
      #expect(throws: MixtureError.self) {
        try GaussianMixture(
          weights: [0.5, 0.5], means: Matrix(rows: [[0, 0], [1, 1]]), covariances: singular)
      }
    }
  }

  @Test(
    "a component that is added has the structure of the others",
    arguments: CovarianceStructure.allCases)
  func appending(structure: CovarianceStructure) throws {
    for d in [1, 2, 4] {
      let model = try RandomProblem.mixture(d: d, K: 3, structure: structure, seed: 3)
      let more = model.covariances.appending(2, weights: model.weights)
      #expect(more.componentCount == 5)
      // The public initialiser checks it.
      let checked = try Covariances(structure: structure, matrices: more.matrices)
      #expect(checked == more)
      for k in 0..<3 { #expect(more[k] == model.covariances[k]) }
    }
  }

  @Test("axes in common are found in covariances whose sum has none of its own")
  func degenerateAxes() {
    // diag(1, 4, 2) and diag(4, 1, 2) turned by the same rotation: two axes of the sum have equal eigenvalues.
    let eigen = SymmetricEigen(packed: [2, 0.5, 1, 0.3, -0.4, 3], order: 3)
    let matrices =
      SymmetricEigen.compose([1, 4, 2], eigen.vectors, order: 3)
      + SymmetricEigen.compose([4, 1, 2], eigen.vectors, order: 3)
    let common = CommonOrientation(of: matrices, order: 3, count: 2)
    #expect(common.largestCorrelation < 1e-14)
  }
}
