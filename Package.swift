// swift-tools-version: 6.2
import PackageDescription

// Documentation is built with the DocC plug-in, which no user of the library needs to fetch.
let documentation: [Package.Dependency] =
  Context.environment["MIXTURES_DOCUMENTATION"] == nil
  ? [] : [.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0")]

let commonSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]
// Not for the command: it conforms the library's types to ArgumentParser's protocols, which needs public imports.
let swiftSettings = commonSettings + [.enableUpcomingFeature("InternalImportsByDefault")]

let package = Package(
  name: "swift-mixtures",
  platforms: [.macOS(.v15)],
  // MARK: Products
  products: [
    .library(name: "Mixtures", targets: ["Mixtures"]),
    .library(name: "MixtureIO", targets: ["MixtureIO"]),
    .library(name: "MixturePlots", targets: ["MixturePlots"]),
    .library(name: "MixtureLesson", targets: ["MixtureLesson"]),
    .executable(name: "gmm", targets: ["gmm"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
  ] + documentation,
  targets: [
    // MARK: The engine
    .target(
      name: "CMixtureKernels",
      exclude: ["Kernels.inc", "Noise.inc", "Screening.inc", "VectorMath.inc"],
      cSettings: [
        // Unoptimised kernels would make debug builds, and so every test, about fifty times slower.
        .unsafeFlags(["-O2"], .when(configuration: .debug)),
        .treatAllWarnings(as: .error),
      ],
      linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux, .android]))]
    ),
    .target(name: "Mixtures", dependencies: ["CMixtureKernels"], swiftSettings: swiftSettings),

    // MARK: Around it
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "MixtureIO", dependencies: ["Mixtures", "CZlib"], swiftSettings: swiftSettings),
    .target(name: "MixtureLesson", dependencies: ["Mixtures"], swiftSettings: swiftSettings),
    .target(
      name: "MixturePlots", dependencies: ["Mixtures", "MixtureIO", "MixtureLesson", "CZlib"],
      swiftSettings: swiftSettings),
    .executableTarget(
      name: "gmm",
      dependencies: [
        "Mixtures", "MixtureIO", "MixtureLesson", "MixturePlots",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: commonSettings),

    // MARK: Tests
    .testTarget(
      name: "MixturesTests", dependencies: ["Mixtures", "MixtureLesson", "CMixtureKernels"],
      resources: [.copy("References")], swiftSettings: swiftSettings),
    .testTarget(
      name: "MixtureIOTests", dependencies: ["MixtureIO", "Mixtures"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "MixtureLessonTests", dependencies: ["MixtureLesson", "Mixtures"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "MixturePlotsTests", dependencies: ["MixturePlots", "Mixtures"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "gmmTests", dependencies: ["gmm", "Mixtures"], swiftSettings: swiftSettings),
  ],
  cLanguageStandard: .c11
)
