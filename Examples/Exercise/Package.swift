// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "Exercise",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "swift-mixtures", path: "../..")],
  targets: [
    .executableTarget(
      name: "Exercise",
      dependencies: [
        .product(name: "Mixtures", package: "swift-mixtures"),
        .product(name: "MixtureLesson", package: "swift-mixtures"),
      ])
  ]
)
