import Foundation

/// Why the workspace could not be read or written.
public enum StoreError: Error, Equatable {
  case system(operation: String, path: String, code: Int32)
  case missingInput(role: String, stage: String, path: String)
  case reservedName(stage: String, file: String)
  case notAFile(stage: String, path: String)
  case newerIndex(path: String)
  case foreignDatabase(path: String)
  case noIndex(path: String)
  case noSuchRun(String)
  case damagedIndex(path: String, cause: String)
  /// A `result.json` that does not parse.
  case damagedResult(path: String, reason: String)
  case missingArtifact(stage: String, key: String, run: String, reason: String)
}

extension StoreError {
  /// The system's words, without operation and path; the whole sentence for other errors.
  public var cause: String {
    guard case .system(_, _, let code) = self else { return description }
    return String(cString: strerror(code))
  }
}

extension StoreError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .system(let operation, let path, let code):
      "\(operation) of \(path) failed: \(String(cString: strerror(code)))."
        + (operation == "writing" ? " Check the folder, its permissions and the free space." : "")
    case .missingInput(let role, let stage, let path):
      "The \(role) of stage \(stage) is not at \(path); paths in a spec are relative to its folder."
    case .reservedName(let stage, let file):
      "Stage \(stage) wrote \(file), a name that the artifact store needs itself."
    case .notAFile(let stage, let path):
      "Stage \(stage) left \(path), which is neither a file nor a folder."
    case .newerIndex(let path):
      "\(path) was written by a newer assay; use that one, or delete the file and run assay reindex."
    case .foreignDatabase(let path):
      "\(path) is not an index of assay; move it away and run assay reindex."
    case .noIndex(let path): "There is no index at \(path); run assay run or assay reindex first."
    case .damagedIndex(let path, let cause):
      "\(path) is damaged (\(cause)); assay reindex writes it anew from the run folders."
    case .damagedResult(let path, let reason):
      "\(path) is damaged (\(reason)); the run counts as not done."
    case .missingArtifact(let stage, let key, let run, let reason):
      "Artifact \(stage) \(key.prefix(12)) of run \(run) cannot be read: \(reason). Run it again."
    case .noSuchRun(let name): "There is no run \"\(name)\"; assay results lists them."
    }
  }
}
