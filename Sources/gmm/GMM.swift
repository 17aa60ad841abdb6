// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import MixtureIO
import Mixtures

/// The command: a table of subcommands, and what their errors mean to a shell.
@main
struct GMM: ParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "gmm",
    abstract: "Fit, judge, look at and use Gaussian mixtures.",
    discussion: """
      Try:  gmm fit Examples/faithful.csv -k 1...6 --report faithful.html
            gmm lesson

      Components are numbered from 0, as in the model file; columns from 1, as in cut and awk. Results go to standard \
      output, everything else to standard error.

      Exit status: 0 done; 1 not converged, if --require-convergence is given; 2 could not do it; 64 usage.
      """,
    version: version,
    subcommands: [
      Fit.self, Predict.self, Score.self, Impute.self, Denoise.self, Sample.self, Plot.self,
      Report.self, Inspect.self, Lesson.self, KernelList.self,
    ])

  /// Ends the process with status 1: it ran, but did not converge, and convergence was required.
  struct NotConverged: Error {}

  static func main() {
    // A reader that has seen enough is no failure: writes then return an error that counts as success.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let error as MixtureError {
      if error.code == .closedOutput { Foundation.exit(EXIT_SUCCESS) }
      var message = error.message
      if error.code == .nonFiniteObservation, message.contains("value is nan"),
        !CommandLine.arguments.contains("--missing")
      {
        message += " If NaN stands for a missing value, use --missing."
      }
      Terminal.write("gmm: \(message)\n")
      Foundation.exit(2)
    } catch is NotConverged {
      Foundation.exit(1)
    } catch {
      exit(withError: error)
    }
  }
}
