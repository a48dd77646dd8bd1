import Foundation
import Tensors

/// Variables that numeric libraries read once, when they are loaded.
///
/// The program executes itself once more with them set; what the user has set stays.
enum LibraryEnvironment {
  static func prepare() {
    let missing = wanted.filter { getenv($0.name) == nil }
    guard !missing.isEmpty else { return }
    for variable in missing { setenv(variable.name, variable.value, 1) }
    var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    execv("/proc/self/exe", arguments)
    // Where this is not allowed, the libraries' own choices are slower but right.
  }

  private static var wanted: [(name: String, value: String)] {
    // By default, OpenMP threads spin for milliseconds at the end of every loop: with a second
    // process on the same cores the product of two small matrices then costs a time slice.
    var wanted = [(name: "OMP_WAIT_POLICY", value: "passive")]
    // Debian 12's OpenBLAS does not know recent CPUs; provenance records the kernel in use.
    if instructionSet.hasPrefix("AVX512"),
      !["SkylakeX", "Cooperlake", "SapphireRapids"].contains(openBLASKernel)
    {
      wanted.append((name: "OPENBLAS_CORETYPE", value: "SkylakeX"))
    }
    return wanted
  }
}
