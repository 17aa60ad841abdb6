// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Mixtures

/// Values of mpmath 1.4.1 with forty digits, rounded to double precision: `loggamma(x)`, `digamma(x)`, `psi(1, x)` of the
/// double nearest to x.
private let gammaReferences: [(x: Double, logGamma: Double, digamma: Double, trigamma: Double)] = [
  (1e-300, 690.7755278982137, -9.999999999999999e+299, .infinity),
  (1e-12, 27.63102111592797, -1000000000000.5773, 1e+24),
  (0.001, 6.907178885383853, -1000.5755719318103, 1000001.6425331958),
  (0.1, 2.252712651734206, -10.423754940411076, 101.43329915079275),
  (0.5, 0.5723649429247001, -1.9635100260214235, 4.934802200544679),
  (0.75, 0.20328095143129538, -1.0858608797864722, 2.5418796476716063),
  (1.0, 0.0, -0.5772156649015329, 1.6449340668482264),
  (1.25, -0.09827183642181316, -0.22745353337626542, 1.1973291545071107),
  (1.4616321449683623, -0.12148629053584961, -9.241265521729427e-17, 0.9676722454476212),
  (1.5, -0.12078223763524522, 0.03648997397857652, 0.9348022005446793),
  (2.0, 0.0, 0.42278433509846713, 0.6449340668482264),
  (2.5, 0.2846828704729192, 0.7031566406452432, 0.49035775610023485),
  (3.75, 1.486815578593417, 1.1825373886117962, 0.3053398526902531),
  (6.0, 4.787491742782046, 1.7061176684318005, 0.18132295573711532),
  (9.5, 11.689333420797269, 2.1977378764029494, 0.11099728846909904),
  (9.999999999, 12.801827477829717, 2.251752588961555, 0.10516633569273558),
  (10.0, 12.801827480081469, 2.251752589066721, 0.10516633568168575),
  (10.5, 13.940625219403763, 2.3030010342976865, 0.09991695605912673),
  (33.25, 82.42923834590904, 3.4889418035209387, 0.030531979535421604),
  (100.0, 359.1342053695754, 4.600161852738087, 0.010050166663333571),
  (12345.678, 103959.91990554606, 9.421020820741761, 8.100328723111207e-05),
  (1e8, 1742068066.1038346, 18.420680738952367, 1.000000005e-08),
  (1e15, 3.3538776394910668e+16, 34.538776394910684, 1.0000000000000005e-15),
  (1e100, 2.2925850929940456e+102, 230.25850929940458, 1e-100),
  (1e300, 6.897755278982137e+302, 690.7755278982137, 1e-300),
]

@Suite struct GammaFunctionTests {
  @Test(arguments: gammaReferences.indices)
  func `gamma functions agree with mpmath as far as they promise`(_ index: Int) {
    let reference = gammaReferences[index]
    func holds(_ value: Double, _ expected: Double, units: Double = 8, least: Double) -> Bool {
      value == expected || abs(value - expected) <= units * .ulpOfOne * max(abs(expected), least)
    }
    let x = reference.x
    #expect(holds(GammaFunctions.logGamma(x), reference.logGamma, units: 24, least: 1))
    #expect(holds(GammaFunctions.digamma(x), reference.digamma, least: 1))
    #expect(holds(GammaFunctions.trigamma(x), reference.trigamma, least: 0))
  }

  @Test func `gamma functions obey their recurrences across the beginning of the series`() {
    for step in 0..<400 {
      let x = 0.05 + 0.05 * Double(step)
      let tolerance = 32 * Double.ulpOfOne * max(1, abs(GammaFunctions.logGamma(x + 1)))
      #expect(
        abs(GammaFunctions.logGamma(x + 1) - GammaFunctions.logGamma(x) - Kernels.log(x))
          <= tolerance)
      #expect(
        abs(GammaFunctions.digamma(x + 1) - GammaFunctions.digamma(x) - 1 / x)
          <= 32 * Double.ulpOfOne * max(1, 1 / x))
      #expect(
        abs(GammaFunctions.trigamma(x + 1) - GammaFunctions.trigamma(x) + 1 / (x * x))
          <= 32 * Double.ulpOfOne * max(1, 1 / (x * x)))
    }
  }

  @Test func `the gamma function of d dimensions is a product`() {
    let x = 7.25
    #expect(
      GammaFunctions.logGamma(x, dimensions: 3) == GammaFunctions.logGamma(7.25)
        + GammaFunctions.logGamma(6.75) + GammaFunctions.logGamma(6.25))
    #expect(
      GammaFunctions.digamma(x, dimensions: 2) == GammaFunctions.digamma(7.25)
        + GammaFunctions.digamma(6.75))
  }
}
