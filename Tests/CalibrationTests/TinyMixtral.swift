import Calibration
import Checkpoints
import Foundation
import Testing

/// The tiny random model of MoEModelsTests, and the token sequences of its golden files.
struct TinyMixtral {
  static let tests = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent()
  static let folder = tests.appending(path: "MoEModelsTests/Fixtures/tiny-mixtral")

  let checkpoint: Checkpoint
  /// Three sequences of forty tokens.
  let sequences: [[Int32]]

  init() throws {
    checkpoint = try Checkpoint(Self.folder)
    let golden = try SafeTensorsFile(Self.folder.appending(path: "golden.safetensors"))
    let length = try #require(golden.tensors["tokens"]?.shape.last)
    let tokens = try golden.withBytes(of: "tokens") { bytes in
      (0..<bytes.count / 8).map {
        Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }
    sequences = stride(from: 0, to: tokens.count, by: length).map {
      Array(tokens[$0..<$0 + length])
    }
  }

  /// The golden sequences, in their order, as a sample.
  func goldenSample() throws -> CalibrationSample {
    // The first seed whose three draws of 81 starts are 0, 40 and 80.
    let sample = try CalibrationSample(
      text: ("golden", sequences.flatMap(\.self)), count: 3, context: 40, seed: 1_128_760)
    try #require(sample.sequences == sequences)
    return sample
  }

  /// One sequence, `copies` times.
  func sample(_ sequence: [Int32], copies: Int = 1) throws -> CalibrationSample {
    try CalibrationSample(
      text: ("sequence", sequence), count: copies, context: sequence.count, seed: 0)
  }
}

/// A folder of one test, removed with it.
final class TemporaryFolder {
  let url: URL

  init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "assay-\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: url) }

  /// Calibrates in f32 and gives the folder back.
  func calibrated(_ sample: CalibrationSample, _ model: TinyMixtral) throws -> URL {
    let folder = url.appending(path: "\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try CalibrationWriter.write(sample, through: model.checkpoint, precision: .f32, to: folder)
    return folder
  }
}
