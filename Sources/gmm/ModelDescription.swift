// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import MixtureIO
import Mixtures

/// A model in words and tables.
struct ModelDescription {
  let model: GaussianMixture
  let features: [String]

  /// Tables on a terminal show this many features and components; the model file holds all.
  static let shownFeatures = 6
  static let shownComponents = 40

  /// "full covariance", "tied covariance", …; "full covariance of equal volume and shape" where there is no word.
  static func words(for structure: CovarianceStructure) -> String {
    let form: String
    switch structure.form {
    case .full: form = "full"
    case .diagonal: form = "diagonal"
    case .scalar: form = "spherical"
    }
    switch structure {
    case .vvv, .vvi, .vii: return "\(form) covariance"
    case .eee: return "tied covariance"
    case .eei, .eii: return "tied \(form) covariance"
    case .vei, .evi, .vee, .eve, .vve, .eev, .vev, .evv:
      var equal: [String] = []
      if structure.volume == .equal { equal.append("volume") }
      if structure.shape == .equal { equal.append("shape") }
      if structure.orientation == .equal { equal.append("orientation") }
      return "\(form) covariance of equal \(equal.joined(separator: " and "))"
    }
  }

  /// "2 components, full covariance (VVV)".
  static func headline(_ componentCount: Int, _ structure: CovarianceStructure) -> String {
    "\(Terminal.count(componentCount, "component")), \(words(for: structure)) "
      + "(\(structure.rawValue))"
  }

  /// Weights, means and standard deviations, a line for each component.
  var componentTable: String {
    let shown = Array(features.prefix(Self.shownFeatures))
    var lines = [
      ["component", "weight"] + shown.map { "mean \($0)" } + shown.map { "sd \($0)" }
    ]
    for k in 0..<min(model.componentCount, Self.shownComponents) {
      let covariance = model.covariances[k]
      lines.append(
        ["\(k)", Terminal.fixed(model.weights[k], 4)]
          + shown.indices.map { Terminal.number(model.means[k, $0], digits: 5) }
          + shown.indices.map { Terminal.number(covariance[$0, $0].squareRoot(), digits: 4) })
    }
    var text = Terminal.aligned(lines)
    let hidden = [
      features.count > shown.count
        ? Terminal.count(features.count - shown.count, "more feature") : nil,
      model.componentCount > Self.shownComponents
        ? Terminal.count(model.componentCount - Self.shownComponents, "more component") : nil,
    ].compactMap { $0 }
    if !hidden.isEmpty {
      text += "  and \(hidden.joined(separator: " and ")); the model file (-o) holds all\n"
    }
    if let background = model.background {
      text += "  and a uniform background with a share of \(Terminal.fixed(background.share, 4))"
      text +=
        ", of log volume \(Terminal.number(background.logVolume, digits: 5)); weights are of the rest\n"
    }
    return text
  }

  /// What was done to keep components alive, a line for each kind.
  static func rescueLines(_ events: [RescueEvent]) -> [String] {
    var lines: [String] = []
    for event in events where event.action == .reduced { lines.append(event.detail + ".") }
    for action in [RescueEvent.Action.floored, .reseeded, .merged, .dropped, .kept] {
      let some = events.filter { $0.action == action }
      guard let first = some.first else { continue }
      let components = Set(some.map(\.component)).sorted()
      let named =
        components.count <= 8
        ? "\(components.count == 1 ? "component" : "components") "
          + components.map(String.init).joined(separator: ", ")
        : Terminal.count(components.count, "component")
      let verb: String
      switch action {
      case .floored: verb = "held at the covariance floor"
      case .reseeded: verb = "moved to rows that were explained worst"
      case .merged: verb = "merged into a neighbour"
      case .kept: verb = "kept as they were"
      default: verb = "dropped"
      }
      lines.append("\(named) \(verb) (first at iteration \(first.iteration): \(first.detail)).")
    }
    return lines
  }
}
