import Calibration
import Checkpoints
import Foundation
import HDF5
import MoEModels
import Testing

/// A folder with the tiny random model of MoEModelsTests, and calibrations of it.
final class TinyMixtral {
  static let fixture = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "MoEModelsTests/Fixtures/tiny-mixtral")

  /// Everything the test writes; removed with this object.
  let folder: URL
  let checkpoint: Checkpoint
  /// Three sequences of forty tokens, one after the other.
  let tokens: [Int32]

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "assay-\(UUID())")
    let model = folder.appending(path: "model")
    try FileManager.default.createDirectory(at: model, withIntermediateDirectories: true)
    for name in ["config.json", "model.safetensors"] {
      try FileManager.default.copyItem(
        at: Self.fixture.appending(path: name), to: model.appending(path: name))
    }
    // The quantizer only copies it.
    try Data("{}\n".utf8).write(to: model.appending(path: "tokenizer.json"))
    checkpoint = try Checkpoint(model)
    let golden = try SafeTensorsFile(Self.fixture.appending(path: "golden.safetensors"))
    tokens = try golden.withBytes(of: "tokens") { bytes in
      (0..<bytes.count / 8).map {
        Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// The model with every element of a tensor replaced.
  func spoiled(_ tensor: String, by value: Float) throws -> Checkpoint {
    let copy = folder.appending(path: "spoiled-\(UUID())")
    try FileManager.default.copyItem(at: folder.appending(path: "model"), to: copy)
    let file = copy.appending(path: "model.safetensors")
    var data = try Data(contentsOf: file)
    let header =
      8 + data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
    let entries = try JSONSerialization.jsonObject(with: data[8..<header]) as? [String: Any]
    guard let entry = entries?[tensor] as? [String: Any], entry["dtype"] as? String == "F32",
      let place = entry["data_offsets"] as? [Int]
    else { throw CocoaError(.fileReadCorruptFile) }
    let bytes = withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    let count = (place[1] - place[0]) / 4
    data.replaceSubrange(
      header + place[0]..<header + place[1], with: (0..<count).flatMap { _ in bytes })
    try data.write(to: file)
    return try Checkpoint(copy)
  }

  /// Makes a folder inside.
  func subfolder(_ name: String) throws -> URL {
    let result = folder.appending(path: name)
    try FileManager.default.createDirectory(at: result, withIntermediateDirectories: false)
    return result
  }

  /// Calibrates with the first `count` tokens as one sequence, in f32, into a new folder.
  func calibrate(tokens count: Int = 120) throws -> URL {
    let result = try subfolder("calibration-\(count)")
    let sample = try CalibrationSample(
      text: ("golden", Array(tokens.prefix(count))), count: 1, context: count, seed: 0)
    try CalibrationWriter.write(sample, through: checkpoint, precision: .f32, to: result)
    return result
  }

  /// Rewrites a layer's file with other elements of one of its datasets.
  func replace(_ dataset: String, by elements: [Float], in layer: URL) throws {
    let old = try HDF5Reader(layer)
    let new = try HDF5Writer(layer)
    for attribute in ["format", "format_version"] {
      try new.writeAttribute(try old.textAttribute(attribute), attribute)
    }
    for name in old.datasets() {
      let shape = try old.shape(of: name)
      switch try old.elementName(of: name) {
      case "i64": try new.write(try old.read(name, as: Int64.self), to: name, shape: shape)
      case "f64": try new.write(try old.read(name, as: Double.self), to: name, shape: shape)
      default:
        let values: [Float] = name == dataset ? elements : try old.read(name)
        try new.write(values, to: name, shape: shape)
      }
      guard name.hasSuffix("/hessian") else { continue }
      try new.writeAttribute(try old.integerAttribute("tokens", of: name), "tokens", of: name)
      let encoding = try old.textAttribute("encoding-type", of: name)
      try new.writeAttribute(encoding, "encoding-type", of: name)
    }
    let moe = "layers/00/moe"
    try new.writeAttribute(try old.integerAttribute("tokens", of: moe), "tokens", of: moe)
    try new.finish()
  }

  /// f32 logits of the first forty tokens, `[40, vocabulary]`.
  func logits(of source: any WeightSource) throws -> [Float] {
    let pass = try ForwardPass(
      [Array(tokens.prefix(40))], source: source, precision: .f32)
    try pass.runLayers()
    var result: [Float] = []
    try pass.forEachLogits { _, rows, logits in
      result += UnsafeBufferPointer(
        start: logits, count: rows * source.configuration.vocabularySize)
    }
    return result
  }
}
