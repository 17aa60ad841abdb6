// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@Suite("gmm fit --uncertainty") struct UncertaintyCommandTests {
  let command: Command

  init() throws {
    command = try Command()
    try command.write("groups.csv", twoGroups)
  }

  @Test(
    "standard errors are printed, written and shown again",
    arguments: ["information", "sandwich", "bootstrap=20"])
  func uncertainty(_ method: String) throws {
    let text = try command.run("fit", "groups.csv", "-k", "2", "--uncertainty", method)
    #expect(text.status == 0)
    #expect(text.output.contains("Standard errors ("))
    let json = try command.run(
      "fit", "groups.csv", "-k", "2", "--uncertainty", method, "--format", "json", "-o",
      "model.json")
    #expect(json.status == 0)
    let model = try object(json.output)
    let uncertainty = try #require(model["uncertainty"] as? [String: Any])
    let errors = try #require(uncertainty["standardErrors"] as? [String: Any])
    let weights = try #require(errors["weights"] as? [Double])
    #expect(weights.count == 2 && weights.allSatisfy { $0 > 0 && $0 < 0.2 })
    #expect((errors["means"] as? [[Double]])?.map(\.count) == [2, 2])
    #expect(
      (errors["covariances"] as? [[[Double]]])?.map { $0.map(\.count) } == [[2, 2], [2, 2]])
    #expect(uncertainty["replicates"] as? Int == (method == "bootstrap=20" ? 20 : 0))
    // What is read is written again, to the byte.
    #expect(try command.run("inspect", "model.json", "--format", "json").output == json.output)
    #expect(try command.run("inspect", "model.json").output.contains("Standard errors ("))
  }

  @Test("the picture of a bootstrap has an ellipse for each component of each replicate")
  func picture() throws {
    func ellipses(_ arguments: String...) throws -> Int {
      let result = try command.run(["fit", "groups.csv", "-k", "2", "--plot", "p.svg"] + arguments)
      #expect(result.status == 0)
      return try command.read("p.svg").components(separatedBy: "<ellipse").count - 1
    }
    let plain = try ellipses()
    #expect(try ellipses("--uncertainty", "bootstrap=20") == plain + 40)
  }

  @Test("a method that does not exist, or has no replicates, is an error of usage")
  func usage() throws {
    for method in ["jackknife", "bootstrap=1", "bootstrap=", "information=3"] {
      let result = try command.run("fit", "groups.csv", "-k", "2", "--uncertainty", method)
      #expect(result.status == 64)
    }
  }
}
