import Evaluation
import Experiments
import HDF5
import Tensors

/// The engine of a command: pipeline, content digests of file formats, versions of libraries.
func makeEngine(_ workspace: Workspace) -> Engine {
  Engine(
    workspace: workspace, pipeline: ModelPipeline(speedHost: .thisProgram),
    payloadDigests: ["h5": HDF5Content.digest], libraries: libraryVersions, threads: threadCount)
}

/// What decides the last bits of results, and the formats they lie in.
var libraryVersions: [String: String] {
  [
    "oneDNN": "\(oneDNNVersion) \(instructionSet)", "OpenBLAS kernel": openBLASKernel,
    "HDF5": hdf5Version, "SQLite": sqliteVersion, "Swift": swiftVersion,
  ]
}

private var swiftVersion: String {
  #if compiler(>=6.4)
  "6.4 or later"
  #elseif compiler(>=6.3)
  "6.3"
  #else
  "6.2"
  #endif
}
