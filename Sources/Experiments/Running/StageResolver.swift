import Foundation
import JSON

/// Turns stages into keys.
struct StageResolver: Sendable {
  let digests: FileDigests

  /// The key of a stage, nil while an earlier stage that it reads has no artifact.
  func keyed(_ stage: Stage, artifacts: [String: Artifact]) throws -> KeyedStage? {
    var inputDigests: [String: String] = [:]
    var inputs: [String: URL] = [:]
    for (role, source) in stage.inputs.sorted(by: { $0.key < $1.key }) {
      if case .stage(let name) = source {
        guard let artifact = artifacts[name] else { return nil }
        inputDigests[role] = artifact.manifest.digest
        inputs[role] = artifact.url
      } else {
        (inputDigests[role], inputs[role]) = try external(source, role: role, of: stage)
      }
    }
    return KeyedStage(
      stage: stage, key: Self.key(of: stage, inputDigests), inputDigests: inputDigests,
      inputs: inputs)
  }

  /// One digest for each stage over everything it is made from, artifacts replaced by the recipes
  /// of their stages: known before anything has run.
  ///
  /// - Throws: ``RunnerError`` if the stages do not form a chain; ``StoreError`` if a file is gone.
  func recipes(of stages: [Stage]) throws -> [String: String] {
    var recipes: [String: String] = [:]
    for stage in stages {
      try Self.check(stage, earlier: recipes)
      var inputs: [String: String] = [:]
      for (role, source) in stage.inputs {
        if case .stage(let name) = source {
          guard let recipe = recipes[name] else {
            throw RunnerError.sourceNotEarlier(stage: stage.name, role: role, source: name)
          }
          inputs[role] = recipe
        } else {
          inputs[role] = try external(source, role: role, of: stage).digest
        }
      }
      recipes[stage.name] = Self.key(of: stage, inputs)
    }
    return recipes
  }

  private static func check(_ stage: Stage, earlier: [String: String]) throws {
    guard earlier[stage.name] == nil else { throw RunnerError.stageNamedTwice(stage.name) }
    let isName = stage.name.utf8.allSatisfy { byte in
      byte == UInt8(ascii: "-") || (byte < 0x80 && Character(UnicodeScalar(byte)).isLetter)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    guard isName, !stage.name.isEmpty else {
      throw RunnerError.unusableStageName(stage.name)
    }
  }

  /// SHA-256 over the name, the epoch, the parameters and the digests of the inputs.
  private static func key(of stage: Stage, _ inputs: [String: String]) -> String {
    let identity: JSONValue = [
      "stage": JSONValue(stage.name),
      "epoch": JSONValue(stage.epoch),
      "parameters": stage.parameters,
      "inputs": .object(JSONObject(inputs.map { ($0.key, JSONValue($0.value)) })),
    ]
    return Digest.of(CanonicalJSON.data(identity))
  }

  private func external(
    _ source: StageSource, role: String, of stage: Stage
  ) throws -> (digest: String, url: URL) {
    func present(_ url: URL) throws {
      guard FileManager.default.fileExists(atPath: url.path) else {
        throw StoreError.missingInput(role: role, stage: stage.name, path: url.path)
      }
    }
    switch source {
    case .file(let url):
      try present(url)
      return (try digests.digest(of: url), url)
    case .folder(let url, let files):
      for file in files { try present(url.appending(path: file)) }
      return (try digests.digest(of: url, files: files), url)
    case .stage(let name):
      throw RunnerError.sourceNotEarlier(stage: stage.name, role: role, source: name)
    }
  }
}
