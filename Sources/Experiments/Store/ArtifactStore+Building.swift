import Evaluation
import Foundation
import JSON

/// A stage with its inputs resolved: everything its key is made of.
struct KeyedStage {
  var stage: Stage
  var key: String
  /// Role → digest.
  var inputDigests: [String: String]
  /// Role → file or folder.
  var inputs: [String: URL]
}

extension ArtifactStore {
  /// What a stage cost while it ran.
  struct Cost {
    var seconds: Double
    var peakMemory: PeakMemory
    var provenance: Provenance
  }

  /// How an artifact was come by.
  struct Production {
    var artifact: Artifact
    var cached: Bool
  }

  /// Finds the artifact of a stage, or lets `build` fill a folder under the claim on its key.
  ///
  /// nil if another process is building it. `notice` is told about damage that was set aside;
  /// `verifyingContent` reads every byte of an artifact before it is reused.
  func produce(
    _ keyed: KeyedStage, verifyingContent: Bool, notice: (String) -> Void,
    build: (URL) throws -> Cost
  ) throws -> Production? {
    let (name, key) = (keyed.stage.name, keyed.key)
    let find = { lookup(stage: name, key: key, verifyingContent: verifyingContent) }
    if case .intact(let artifact) = find() { return Production(artifact: artifact, cached: true) }
    return try FileLock.ifFree(lockFile(stage: name, key: key)) {
      switch find() {
      case .intact(let artifact): return Production(artifact: artifact, cached: true)
      case .damaged(let reason):
        let place = try setAside(stage: name, key: key)
        notice("\(name) \(key.prefix(10)) is damaged (\(reason)); kept as \(place), built anew.")
      case .missing: break
      }
      try removeTemporaries(stage: name, key: key)
      return Production(artifact: try publish(keyed, build), cached: false)
    }
  }

  private func publish(_ keyed: KeyedStage, _ build: (URL) throws -> Cost) throws -> Artifact {
    let folder = folder(stage: keyed.stage.name, key: keyed.key)
    let temporary = URL(filePath: "\(folder.path).tmp-\(DurableFile.uniqueSuffix())")
    Temporaries.shared.insert(temporary)
    defer {
      try? FileManager.default.removeItem(at: temporary)
      Temporaries.shared.remove(temporary)
    }
    try DurableFile.makeFolder(temporary)
    let cost = try build(temporary)
    let manifest = try manifest(of: keyed, in: temporary, cost)
    let file = temporary.appending(path: Manifest.fileName)
    try PrettyJSON.data(try JSONValue(encoding: manifest)).write(to: file)
    try syncTree(temporary)
    try DurableFile.rename(temporary, to: folder)
    // Their digests were just computed.
    for output in manifest.outputs { verified.insert(folder.appending(path: output.path)) }
    return Artifact(url: folder, manifest: manifest)
  }

  private func manifest(
    of keyed: KeyedStage, in folder: URL, _ cost: Cost
  ) throws -> Manifest {
    let files = try payloadFiles(of: keyed.stage.name, in: folder)
    let outputs = try files.map { path in
      let file = folder.appending(path: path)
      let size = try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? NSNumber
      return Manifest.Output(
        path: path, bytes: size?.intValue ?? 0, digest: try Digest.of(file: file))
    }
    return Manifest(
      schemaVersion: 1, stage: keyed.stage.name, key: keyed.key, epoch: keyed.stage.epoch,
      parameters: keyed.stage.parameters, inputs: keyed.inputDigests, outputs: outputs,
      digest: try payloadDigest(of: outputs, in: folder), seconds: cost.seconds,
      peakMemoryBytes: cost.peakMemory.bytes, peakMemoryScope: cost.peakMemory.scope.rawValue,
      forwardTokens: forwardTokens(in: folder), provenance: cost.provenance)
  }

  /// Digest over names and contents, `cost.json` left out.
  private func payloadDigest(of outputs: [Manifest.Output], in folder: URL) throws -> String {
    var members = JSONObject()
    for output in outputs where output.path != Manifest.costFileName {
      let file = folder.appending(path: output.path)
      let digest = try payloadDigests[file.pathExtension]?(file) ?? output.digest
      members[output.path] = JSONValue(digest)
    }
    return Digest.of(CanonicalJSON.data(.object(members)))
  }

  private func forwardTokens(in folder: URL) -> Int? {
    let file = folder.appending(path: Manifest.costFileName)
    guard let data = try? Data(contentsOf: file) else { return nil }
    return (try? JSONParser.parse(data))?["forwardTokens"]?.intValue
  }

  /// Relative paths of the files a stage left, sorted.
  private func payloadFiles(of stage: String, in folder: URL) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted().filter { path in
      let file = folder.appending(path: path).path
      let type = try FileManager.default.attributesOfItem(atPath: file)[.type] as? FileAttributeType
      guard path != Manifest.fileName else {
        throw StoreError.reservedName(stage: stage, file: path)
      }
      guard type == .typeRegular || type == .typeDirectory else {
        throw StoreError.notAFile(stage: stage, path: path)
      }
      return type == .typeRegular
    }
  }

  private func syncTree(_ folder: URL) throws {
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      try DurableFile.sync(folder.appending(path: path))
    }
    try DurableFile.sync(folder)
  }
}
