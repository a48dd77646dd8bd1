/// Why untrusted programs are not run.
public enum SandboxError: Error, Equatable, CustomStringConvertible {
  case missing(program: String, package: String)
  /// The programs are there, and a harmless Python program does not run in them.
  case unusable(message: String)
  case cannotStart(code: Int32, message: String)

  public var description: String {
    switch self {
    case .missing(let program, let package):
      "Generated programs run in a sandbox only, and there is no \(program) here: "
        + "apt-get install \(package)."
    case .unusable(let message):
      "Generated programs run in a sandbox only, and it does not work here: \(message). "
        + "bubblewrap needs user namespaces (sysctl kernel.unprivileged_userns_clone, "
        + "kernel.apparmor_restrict_unprivileged_userns); assay doctor tries it."
    case .cannotStart(let code, let message):
      "The sandbox's process cannot be started: \(message) (errno \(code))."
    }
  }
}
