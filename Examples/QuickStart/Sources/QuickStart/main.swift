import MixtureIO
import Mixtures

let table = try readTable(paths: ["Examples/faithful.csv"])
let fit = try ExpectationMaximization(componentCount: 2).fit(table.source)
print("log-likelihood \(fit.logLikelihood), BIC \(fit.bic), \(fit.stoppingReason)")
for k in 0..<fit.model.componentCount {
  print("component \(k): weight \(fit.model.weights[k]), mean \(fit.model.means.row(k))")
}
print(try fit.model.labels(for: Observations(rows: [[2, 50], [4.5, 80]])))
let pause = try fit.model.conditional(given: [0: 3])  // after an eruption of three minutes
print("pause \(pause.mean[0]) ± \(pause.covariance[0, 0].squareRoot()) minutes")
