import Foundation
import Tensors

/// OpenBLAS chooses its kernel when it is loaded, and Debian 12's does not know recent CPUs.
enum OpenBLASKernel {
  private static let variable = "OPENBLAS_CORETYPE"

  /// Executes this program once more with an AVX-512 kernel named, where the CPU has AVX-512 and the
  /// library missed it; provenance records the kernel in use.
  static func chooseBest() {
    guard getenv(variable) == nil, instructionSet.hasPrefix("AVX512"),
      !["SkylakeX", "Cooperlake", "SapphireRapids"].contains(openBLASKernel)
    else { return }
    setenv(variable, "SkylakeX", 1)
    var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    execv("/proc/self/exe", arguments)
    // Where this is not allowed, the library's own choice is slower but right.
  }
}
