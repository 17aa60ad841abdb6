// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "QuickStart",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "swift-mixtures", path: "../..")],
  targets: [
    .executableTarget(
      name: "QuickStart",
      dependencies: [
        .product(name: "Mixtures", package: "swift-mixtures"),
        .product(name: "MixtureIO", package: "swift-mixtures"),
      ])
  ]
)
