import Foundation
import JSON

/// Immutable results of stages, found by key: `.assay/artifacts/<stage>/<key>/`.
public struct ArtifactStore: Sendable {
  /// The digest of a payload file by its content, for formats whose bytes vary for equal content.
  public typealias PayloadDigest = @Sendable (URL) throws -> String

  public let root: URL
  let payloadDigests: [String: PayloadDigest]
  let verified = VerifiedFiles()

  /// `payloadDigests` is file extension (`h5`) → digest; other files count byte by byte.
  public init(root: URL, payloadDigests: [String: PayloadDigest] = [:]) {
    self.root = root
    self.payloadDigests = payloadDigests
  }

  public func folder(stage: String, key: String) -> URL {
    root.appending(path: stage).appending(path: key)
  }

  func lockFile(stage: String, key: String) -> URL {
    root.appending(path: stage).appending(path: "\(key).lock")
  }

  /// What is there for a key.
  public enum Lookup: Sendable {
    case missing
    case intact(Artifact)
    case damaged(reason: String)
  }

  /// Looks for a finished artifact; `verifyingContent` reads every byte, once in a process, instead of
  /// comparing sizes.
  public func lookup(stage: String, key: String, verifyingContent: Bool = false) -> Lookup {
    let folder = folder(stage: stage, key: key)
    guard FileManager.default.fileExists(atPath: folder.path) else { return .missing }
    do {
      let manifest = try manifest(in: folder)
      guard manifest.key == key, manifest.stage == stage else {
        return .damaged(reason: "its manifest is of \(manifest.stage) \(manifest.key)")
      }
      for output in manifest.outputs {
        if let reason = try damage(of: output, in: folder, verifyingContent) {
          return .damaged(reason: reason)
        }
      }
      return .intact(Artifact(url: folder, manifest: manifest))
    } catch {
      return .damaged(reason: "its manifest cannot be read: \(ErrorText.line(error))")
    }
  }

  /// Every readable manifest of a stage, by key.
  public func manifests(stage: String) -> [Manifest] {
    let folder = root.appending(path: stage)
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.sorted().filter { !$0.contains(".") }
      .compactMap { try? manifest(in: folder.appending(path: $0)) }
  }

  private func manifest(in folder: URL) throws -> Manifest {
    let data = try FileContents.read(folder.appending(path: Manifest.fileName))
    return try JSONParser.parse(data).decoded(as: Manifest.self)
  }

  private func damage(
    of output: Manifest.Output, in folder: URL, _ verifyingContent: Bool
  ) throws -> String? {
    let file = folder.appending(path: output.path)
    let attributes = try? FileManager.default.attributesOfItem(atPath: file.path)
    guard let bytes = (attributes?[.size] as? NSNumber)?.intValue else {
      return "\(output.path) is missing"
    }
    guard bytes == output.bytes else {
      return "\(output.path) has \(bytes) bytes instead of \(output.bytes)"
    }
    guard verifyingContent, !verified.contains(file) else { return nil }
    guard try Digest.of(file: file) == output.digest else {
      return "the content of \(output.path) has changed"
    }
    verified.insert(file)
    return nil
  }
}
