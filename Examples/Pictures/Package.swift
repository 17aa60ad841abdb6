// swift-tools-version: 6.2
import PackageDescription

let package = Package(
  name: "Pictures",
  platforms: [.macOS(.v15)],
  dependencies: [.package(name: "swift-mixtures", path: "../..")],
  targets: [
    .executableTarget(
      name: "Pictures",
      dependencies: [.product(name: "Mixtures", package: "swift-mixtures")])
  ]
)
