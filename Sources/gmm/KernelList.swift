// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Mixtures

/// `gmm kernels`
struct KernelList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "List the arithmetic kernels that this processor runs, best first.",
    discussion: "MIXTURES_KERNELS=NAME in the environment forces one.")

  @OptionGroup var common: CommonOptions

  func run() throws {
    let names = KernelVariants.available
    switch common.format {
    case .text: try Terminal.print(names.map { $0 + "\n" }.joined())
    case .json:
      try Terminal.print(
        "{\"active\": \"\(KernelVariants.active)\", \"available\": \(names)}\n")
    }
  }
}
