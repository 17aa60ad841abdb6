// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

import Foundation

/// Where the Mahalanobis distance from a centre is 1, in the plane of two features.
struct Ellipse: Sendable, Equatable {
  let centre: (x: Double, y: Double)
  /// Half the length of the long and the short axis: the square roots of the covariance's eigenvalues.
  let semiaxes: (major: Double, minor: Double)
  /// The angle from the first feature's axis to the long axis, in radians, within (−π/2, π/2].
  let angle: Double

  /// The ellipse of the covariance [[xx, xy], [xy, yy]].
  init(x: Double, y: Double, xx: Double, xy: Double, yy: Double) {
    let half = (xx - yy) / 2
    let root = hypot(half, xy)
    let middle = (xx + yy) / 2
    let major = middle + root
    // det / major: the difference would cancel for a thin ellipse.
    let minor = major > 0 ? max(0, (xx * yy - xy * xy) / major) : 0
    centre = (x, y)
    semiaxes = (max(0, major).squareRoot(), minor.squareRoot())
    angle = root == 0 ? 0 : 0.5 * atan2(2 * xy, xx - yy)
  }

  /// The point at parameter `t` of the ellipse enlarged `scale` times.
  func point(at t: Double, scale: Double = 1) -> (x: Double, y: Double) {
    let a = scale * semiaxes.major * cos(t)
    let b = scale * semiaxes.minor * sin(t)
    return (
      centre.x + a * cos(angle) - b * sin(angle), centre.y + a * sin(angle) + b * cos(angle)
    )
  }

  static func == (a: Ellipse, b: Ellipse) -> Bool {
    a.centre == b.centre && a.semiaxes == b.semiaxes && a.angle == b.angle
  }
}
