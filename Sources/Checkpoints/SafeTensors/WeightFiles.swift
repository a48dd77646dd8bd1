import Foundation
import JSON

/// The safetensors files of a checkpoint folder and which of them holds each tensor.
struct WeightFiles: Sendable {
  static let singleName = "model.safetensors"
  static let indexName = "model.safetensors.index.json"

  /// Names of the weight files, and of the index if there is one.
  let fileNames: [String]
  let fileOfTensor: [String: SafeTensorsFile]

  /// Opens the single file or all shards of the index.
  ///
  /// - Parameters:
  ///   - directory: Of the checkpoint.
  ///   - fused: How the family stores experts together.
  /// - Throws: ``CheckpointError``.
  init(_ directory: URL, fused: FusedExperts) throws(CheckpointError) {
    let single = directory.appendingPathComponent(Self.singleName)
    let index = directory.appendingPathComponent(Self.indexName)
    if FileManager.default.fileExists(atPath: single.path) {
      let file = try SafeTensorsFile(single).splitting(fused)
      fileNames = [Self.singleName]
      fileOfTensor = file.tensors.mapValues { _ in file }
    } else if FileManager.default.fileExists(atPath: index.path) {
      let weightMap = try Self.weightMap(index)
      fileNames = [Self.indexName] + Set(weightMap.values).sorted()
      fileOfTensor = Self.split(
        try Self.openShards(weightMap, directory: directory, index: index.path), fused)
    } else {
      throw .noWeights(directory: directory.path)
    }
  }

  /// Tensor name to shard name.
  private static func weightMap(_ index: URL) throws(CheckpointError) -> [String: String] {
    var map: [String: String] = [:]
    do {
      let place = JSONPointer(["weight_map"])
      let members = try JSONParser.parse(
        WholeFile.contents(of: index), admitting: .roundedIntegers
      )
      .member("weight_map").expect("an object", at: place, \.objectValue).members
      for (tensor, shard) in members {
        map[tensor] = try shard.expect("a string", at: place.appending(tensor), \.stringValue)
      }
    } catch {
      throw .malformedIndex(file: index.path, reason: "\(error)")
    }
    // A shard lies beside its index: a path would reach files that are not hashed with the model.
    for (tensor, shard) in map.sorted(by: { $0.key < $1.key })
    where shard.contains("/") || !shard.hasSuffix(".safetensors") {
      throw .malformedIndex(
        file: index.path,
        reason: "tensor \(tensor) lies in \(shard), expected the name of a .safetensors file")
    }
    return map
  }

  private static func openShards(
    _ weightMap: [String: String], directory: URL, index: String
  ) throws(CheckpointError) -> [String: SafeTensorsFile] {
    var shards: [String: SafeTensorsFile] = [:]
    var fileOfTensor: [String: SafeTensorsFile] = [:]
    for (tensor, shard) in weightMap.sorted(by: { $0.key < $1.key }) {
      let url = directory.appendingPathComponent(shard)
      guard FileManager.default.fileExists(atPath: url.path) else {
        throw .missingShard(index: index, shard: shard, tensor: tensor)
      }
      let file: SafeTensorsFile
      if let opened = shards[shard] { file = opened } else { file = try SafeTensorsFile(url) }
      shards[shard] = file
      guard file.tensors[tensor] != nil else {
        throw .tensorNotInShard(index: index, shard: shard, tensor: tensor)
      }
      fileOfTensor[tensor] = file
    }
    return fileOfTensor
  }

  /// Every tensor of every shard, also those that the index forgot.
  private static func split(
    _ fileOfTensor: [String: SafeTensorsFile], _ fused: FusedExperts
  ) -> [String: SafeTensorsFile] {
    var result: [String: SafeTensorsFile] = [:]
    var parts: [String: SafeTensorsFile] = [:]
    for (tensor, file) in fileOfTensor.sorted(by: { $0.key < $1.key }) {
      let split = parts[file.path] ?? file.splitting(fused)
      parts[file.path] = split
      if split.tensors[tensor] != nil { result[tensor] = split }
    }
    for (_, file) in parts.sorted(by: { $0.key < $1.key }) {
      for name in file.tensors.keys where result[name] == nil { result[name] = file }
    }
    return result
  }
}
