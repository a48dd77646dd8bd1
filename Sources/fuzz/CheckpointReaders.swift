import Checkpoints
import Foundation
import MoEModels

/// Opens weights plainly, with fused experts split, and as packed codes; reads every tensor.
struct SafeTensorsReader: FuzzReader {
  private let plain: URL
  private let packed: URL
  private let file: InputFile

  init(_ folder: URL) throws {
    (plain, packed) = (folder.appending(path: "plain"), folder.appending(path: "packed"))
    for place in [plain, packed] {
      try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
      try InputFile(place, "config.json").write(SmallDocuments.configurations[1].bytes)
    }
    file = InputFile(plain, "model.safetensors")
    symlink(file.url.path, packed.appending(path: QuantizedCheckpoint.fileName).path)
  }

  func read(_ bytes: [UInt8]) throws {
    try file.write(bytes)
    let file = try SafeTensorsFile(file.url)
    for name in file.tensors.keys { _ = try file.withBytes(of: name) { $0.last } }
    try readAll(Checkpoint(plain))
    guard !file.metadata.isEmpty else { return }
    let checkpoint = try QuantizedCheckpoint(packed)
    for name in checkpoint.quantizedWeights {
      _ = try? checkpoint.storedBits(of: name)
      guard let stored = try? checkpoint.stored(name) else { continue }
      _ = try checkpoint.matrix(name, rows: stored.rows, columns: stored.columns)
      checkpoint.releasePages(of: name)
    }
    _ = try? ModelInventory(packed)
  }
}

/// Opens shards by an index; reads every tensor.
struct IndexReader: FuzzReader {
  private let folder: URL
  private let file: InputFile

  init(_ folder: URL) throws {
    self.folder = folder
    file = InputFile(folder, "model.safetensors.index.json")
    let source = URL(filePath: "Tests/CheckpointsTests/Fixtures/safetensors/sharded")
    for shard in ["1", "2"] {
      let name = "model-0000\(shard)-of-00002.safetensors"
      let bytes = [UInt8](try Data(contentsOf: source.appending(path: name)))
      try InputFile(folder, name).write(bytes)
    }
    try InputFile(folder, "config.json").write(SmallDocuments.configurations[1].bytes)
  }

  func read(_ bytes: [UInt8]) throws {
    try file.write(bytes)
    try readAll(Checkpoint(folder))
  }
}

/// Every tensor by its shape, and all that can be told without reading.
private func readAll(_ checkpoint: Checkpoint) throws {
  _ = CheckpointContents(checkpoint.tensorNames, configuration: checkpoint.configuration)
  _ = checkpoint.parameterCount
  for name in checkpoint.tensorNames {
    let shape = try checkpoint.info(name).shape
    // Errors of one tensor, such as integers and NaN, say nothing of the next.
    if shape.count == 1 { _ = try? checkpoint.vector(name, count: shape[0]) }
    if shape.count == 2 {
      _ = try? checkpoint.matrix(name, rows: shape[0], columns: shape[1])
      _ = try? checkpoint.bfloat16(name, rows: shape[0], columns: shape[1])
    }
    checkpoint.releasePages(of: name)
  }
}
