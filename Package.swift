// swift-tools-version: 6.2
import PackageDescription

// Warnings are errors everywhere.
let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

// Without AVX2, FMA and F16C every fused multiply-add and half conversion becomes a library call.
let numeric: [SwiftSetting] =
  strict + [.unsafeFlags(["-Xcc", "-march=x86-64-v3", "-cross-module-optimization"])]

// The rooms stand in the order in which data flows through them; arrows point upwards only.
let package = Package(
  name: "assay",
  products: [.executable(name: "assay", targets: ["assay"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
  ],
  targets: [
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(
      name: "CCbc", pkgConfig: "cbc", providers: [.apt(["coinor-libcbc-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),

    // What every file format stands on: strict JSON with places, canonical text, nearest names.
    .target(name: "JSON", swiftSettings: strict),
    // Plain x86-64: the instruction set is chosen at run time.
    .target(name: "CKernels", cSettings: [.treatAllWarnings(as: .error)]),
    .target(
      name: "Tensors", dependencies: ["COpenBLAS", "COneDNN", "CKernels"], swiftSettings: numeric),
    .target(name: "HDF5", dependencies: ["CHDF5"], swiftSettings: strict),
    .target(name: "Statistics", swiftSettings: strict),
    .target(
      name: "Checkpoints", dependencies: ["JSON", "Tensors", "CZlib"], swiftSettings: numeric),
    .target(name: "MoEModels", dependencies: ["Checkpoints"], swiftSettings: numeric),
    .target(
      name: "Quantization", dependencies: ["Tensors", "Statistics"], swiftSettings: numeric),
    .target(
      name: "Calibration", dependencies: ["MoEModels", "HDF5", "Statistics"],
      swiftSettings: numeric),
    .target(
      name: "BitAllocation", dependencies: ["CCbc", "JSON", "Statistics"], swiftSettings: numeric),
    .target(
      name: "Sensitivity",
      dependencies: [
        "JSON", "Quantization", "Calibration", "BitAllocation", "HDF5", "Statistics",
      ],
      swiftSettings: numeric),
    .target(
      name: "Reconstruction", dependencies: ["MoEModels", "Quantization", "Calibration"],
      swiftSettings: numeric),
    .target(
      name: "Evaluation", dependencies: ["MoEModels", "Statistics", "HDF5"],
      swiftSettings: numeric),
    .target(
      name: "Experiments",
      dependencies: [
        "JSON", "Statistics", "Sensitivity", "Reconstruction", "Evaluation",
        .product(name: "GRDB", package: "GRDB.swift"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Subprocess", package: "swift-subprocess"),
      ], swiftSettings: strict),
    .target(
      name: "Reports",
      dependencies: [
        "JSON", "Experiments", "Statistics",
        .product(name: "Subprocess", package: "swift-subprocess"),
      ], swiftSettings: strict),
    .executableTarget(
      name: "assay",
      dependencies: [
        "JSON", "Reports", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict),
    // Mutated files fed to every reader; `make fuzz`.
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "JSON", "Statistics", "BitAllocation", "Checkpoints", "MoEModels", "Tensors", "Experiments",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict),

    .testTarget(name: "JSONTests", dependencies: ["JSON"]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "Statistics"]),
    .testTarget(name: "HDF5Tests", dependencies: ["HDF5"]),
    .testTarget(name: "StatisticsTests", dependencies: ["Statistics"], exclude: ["Golden"]),
    .testTarget(
      name: "CheckpointsTests", dependencies: ["Checkpoints", "Statistics"],
      resources: [.copy("Fixtures")]),
    .testTarget(
      name: "MoEModelsTests", dependencies: ["MoEModels"], resources: [.copy("Fixtures")]),
    .testTarget(
      name: "QuantizationTests", dependencies: ["Quantization", "Statistics"], exclude: ["Golden"]),
    .testTarget(
      name: "CalibrationTests", dependencies: ["Calibration", "Statistics"],
      exclude: ["open_with_h5py.py"], resources: [.copy("Fixtures")]),
    .testTarget(name: "BitAllocationTests", dependencies: ["BitAllocation", "Statistics"]),
    .testTarget(name: "SensitivityTests", dependencies: ["Sensitivity"]),
    .testTarget(
      name: "ReconstructionTests", dependencies: ["Reconstruction"],
      exclude: ["Golden", "load_with_transformers.py"]),
    .testTarget(
      name: "EvaluationTests", dependencies: ["Evaluation"],
      exclude: ["Golden", "open_items_with_h5py.py"]),
    .testTarget(
      name: "ExperimentsTests", dependencies: ["JSON", "Experiments", "HDF5"], exclude: ["Golden"]),
    .testTarget(name: "CommandTests", dependencies: ["assay"]),
    .testTarget(name: "ReportsTests", dependencies: ["JSON", "Reports"]),
  ],
  swiftLanguageModes: [.v6]
)
