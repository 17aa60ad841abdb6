// Part of swift-mixtures. Copyright (c) the swift-mixtures authors. SPDX-License-Identifier: Apache-2.0

// The only file that touches the C table of kernels.

internal import CMixtureKernels

/// One variant of the kernels, and the arithmetic that goes through them.
struct Kernels: @unchecked Sendable {
  // The table is a constant of the C library; nothing writes to it.
  let table: UnsafePointer<mk_kernels>

  /// The best variant that this processor runs; `MIXTURES_KERNELS` in the environment forces one.
  static let active = Kernels(table: mk_active())

  /// Every variant that this processor runs, best first.
  static let all: [Kernels] = {
    var variants: [Kernels] = []
    while let table = mk_variant(variants.count) { variants.append(Kernels(table: table)) }
    return variants
  }()

  /// `avx512`, `avx2`, `neon` or `portable`.
  var name: String { String(cString: table.pointee.name) }

  /// Whether the variant has a fused multiply-add, and so the bits that all such variants share.
  var isFused: Bool { table.pointee.fused != 0 }

  /// exp(x), the same bits on every processor with a fused multiply-add.
  static func exp(_ x: Double) -> Double { active.table.pointee.exp(x) }

  /// log(x), the same bits on every processor with a fused multiply-add.
  static func log(_ x: Double) -> Double { active.table.pointee.log(x) }

  /// The number of lanes of every kernel.
  static let lanes = Int(MK_LANES)
}
