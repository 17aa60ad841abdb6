// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "mixture-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "swift-mixtures", path: "..")],
  targets: [
    .target(name: "CMachine", cSettings: [.treatAllWarnings(as: .error)]),
    // The kernels once more, by a link to their folder: they are no product of the package.
    .target(
      name: "CKernels", exclude: ["Kernels.inc", "Screening.inc", "VectorMath.inc"],
      cSettings: [.treatAllWarnings(as: .error)],
      linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
    .executableTarget(
      name: "kernel-benchmarks", dependencies: ["CMachine", "CKernels"],
      cSettings: [.treatAllWarnings(as: .error)]),
    .executableTarget(
      name: "mixture-benchmarks",
      dependencies: ["CMachine", .product(name: "Mixtures", package: "swift-mixtures")]),
  ],
  cLanguageStandard: .c11
)
