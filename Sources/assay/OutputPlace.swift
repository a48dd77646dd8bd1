import Foundation

/// Where a single step shall write, looked at before the work begins.
enum OutputPlace {
  /// - Parameters:
  ///   - output: The file or folder of `--out`.
  ///   - mayBeEmptyFolder: Whether a folder that is there already is taken if it is empty.
  ///   - mayHoldFiles: Whether it is taken if it is not empty, too.
  /// - Throws: ``UnusableArgument`` if something is there, or if nothing can be created there.
  static func check(
    _ output: URL, mayBeEmptyFolder: Bool, mayHoldFiles: Bool = false
  ) throws(UnusableArgument) {
    let parent = output.absoluteURL.deletingLastPathComponent()
    switch kind(of: parent.path) {
    case .folder: break
    case .file: throw refusal(output, "\(parent.path) is a file; name a place in a folder.")
    case nil: throw refusal(output, "there is no folder \(parent.path); create it first.")
    }
    guard access(parent.path, W_OK | X_OK) == 0 else {
      throw refusal(
        output,
        "\(parent.path): \(String(cString: strerror(errno))); name a folder that you may "
          + "write to.")
    }
    switch kind(of: output.path) {
    case nil: break
    case .file: throw refusal(output, "there is a file of this name; remove it or name a new one.")
    case .folder(let isEmpty):
      guard mayBeEmptyFolder else { throw refusal(output, "this is a folder; name a file in it.") }
      guard isEmpty || mayHoldFiles else {
        throw refusal(output, "the folder is not empty; name a new one.")
      }
    }
  }

  private enum Kind {
    case file
    case folder(isEmpty: Bool)
  }

  /// nil if there is nothing; a folder that cannot be listed is not empty.
  private static func kind(of path: String) -> Kind? {
    var status = stat()
    guard lstat(path, &status) == 0 else { return nil }
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue
    else { return .file }
    let content = try? FileManager.default.contentsOfDirectory(atPath: path)
    return .folder(isEmpty: content?.isEmpty ?? false)
  }

  private static func refusal(_ output: URL, _ reason: String) -> UnusableArgument {
    UnusableArgument("--out \(output.relativePath): \(reason)")
  }
}
