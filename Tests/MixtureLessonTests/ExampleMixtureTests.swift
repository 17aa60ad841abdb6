// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureLesson
import Mixtures
import Testing

@Suite("Example mixtures") struct ExampleMixtureTests {
  @Test("the engine's form holds the same numbers", arguments: ExampleMixture.allCases)
  func mixture(example: ExampleMixture) {
    #expect(example.mixture.weights == example.weights)
    #expect(example.mixture.structure == example.structure)
    #expect(TextbookMixture(example.mixture) == example.parameters)
  }

  @Test("A, C and D are those of the lecture") func facts() {
    #expect(ExampleMixture.a.weights == [0.5, 0.25, 0.25])
    #expect(ExampleMixture.a.means == [[3.5, 2.5], [7.5, 3.5], [4.5, 6.5]])
    #expect(close(ExampleMixture.a.covariances[1], [[0.49, 0], [0, 0.49]]))
    #expect(ExampleMixture.a.axes == Box(0...10, 0...8.5))
    #expect(ExampleMixture.c.weights == [0.9, 0.1])
    #expect(ExampleMixture.c.means == [[3.5, 4], [6.5, 4]])
    #expect(close(ExampleMixture.c.covariances[0], [[0.64, 0], [0, 0.64]]))
    #expect(ExampleMixture.c.covariances[1] == [[0.25, 0], [0, 0.25]])
    #expect(ExampleMixture.c.axes == Box(0...10, 0...8))
    #expect(ExampleMixture(rawValue: "D")?.weights == [0.8, 0.2])
    #expect(ExampleMixture.d.means == [[3, 4], [6.5, 4]])
    #expect(ExampleMixture.d.covariances == [[[1, -0.5], [-0.5, 1]], [[1, 0.5], [0.5, 1]]])
    #expect(ExampleMixture.d.axes == Box(0...10, 0...8))
  }

  @Test(
    "counts, means and covariances of draws lie within four standard errors",
    arguments: ExampleMixture.allCases)
  func momentsOfDraws(example: ExampleMixture) throws {
    let n = 1500
    let drawn = try example.draw(count: n, seed: 11)
    #expect(drawn.count == example.componentCount)
    #expect(drawn.reduce(0) { $0 + $1.rowCount } == n)
    for k in 0..<example.componentCount {
      let weight = example.weights[k]
      let count = Double(drawn[k].rowCount)
      #expect(
        abs(count - Double(n) * weight) < 4 * (Double(n) * weight * (1 - weight)).squareRoot())
      let (mean, covariance) = moments(of: drawn[k].plainRows)
      let S = example.covariances[k]
      for i in 0..<2 {
        #expect(abs(mean[i] - example.means[k][i]) < 4 * (S[i][i] / count).squareRoot())
        for j in 0..<2 {
          let error = ((S[i][i] * S[j][j] + S[i][j] * S[i][j]) / count).squareRoot()
          #expect(abs(covariance[i][j] - S[i][j]) < 4 * error)
        }
      }
    }
  }

  @Test("the same seed draws the same points, another seed others") func seeds() throws {
    let first = try ExampleMixture.a.draw(count: 20, seed: 1)
    #expect(try ExampleMixture.a.draw(count: 20, seed: 1) == first)
    #expect(try ExampleMixture.a.draw(count: 20, seed: 2) != first)
  }

  @Test("a box keeps every point inside and the counts as they fell") func box() throws {
    let box = Box(2...7, 3...5)
    let free = try ExampleMixture.d.draw(count: 300, seed: 4)
    let boxed = try ExampleMixture.d.draw(count: 300, seed: 4, within: box)
    #expect(!free.flatMap(\.plainRows).allSatisfy(box.contains))
    #expect(boxed.flatMap(\.plainRows).allSatisfy(box.contains))
    #expect(boxed.map(\.rowCount) == free.map(\.rowCount))
  }

  @Test("a box without mass, a box of three intervals and a negative count are errors")
  func impossibleDraws() {
    let example = ExampleMixture.d
    #expect(
      code { () throws(MixtureError) in
        _ = try example.draw(count: 1, seed: 1, within: Box(90...91, 90...91))
      } == .invalidSetting)
    #expect(
      code { () throws(MixtureError) in
        _ = try example.draw(count: 1, seed: 1, within: Box(0...1, 0...1, 0...1))
      } == .featureCountMismatch)
    #expect(
      code { () throws(MixtureError) in _ = try example.draw(count: -1, seed: 1) }
        == .invalidSetting)
  }

  @Test("no points are K matrices of no rows and two columns") func noPoints() throws {
    let drawn = try ExampleMixture.a.draw(count: 0, seed: 1)
    #expect(drawn.map(\.rowCount) == [0, 0, 0])
    #expect(drawn.map(\.columnCount) == [2, 2, 2])
    #expect(try Matrix(stacking: drawn).rowCount == 0)
  }
}
