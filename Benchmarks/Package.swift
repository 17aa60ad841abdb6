// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "mixture-benchmarks",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "swift-mixtures", path: "..")],
  targets: [
    .target(name: "CMachine", cSettings: [.treatAllWarnings(as: .error)]),
    .executableTarget(
      name: "mixture-benchmarks",
      dependencies: ["CMachine", .product(name: "Mixtures", package: "swift-mixtures")]),
  ],
  cLanguageStandard: .c11
)
