import Calibration
import Checkpoints
import Foundation
import Testing

/// The tiny random model of MoEModelsTests, and a calibration of it.
struct TinyMixtral {
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "MoEModelsTests/Fixtures/tiny-mixtral")

  let checkpoint: Checkpoint
  /// Three sequences of forty tokens, one after the other.
  let tokens: [Int32]

  init() throws {
    checkpoint = try Checkpoint(Self.folder)
    let golden = try SafeTensorsFile(Self.folder.appending(path: "golden.safetensors"))
    tokens = try golden.withBytes(of: "tokens") { bytes in
      (0..<bytes.count / 8).map {
        Int32(bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self))
      }
    }
  }

  /// Calibrates with the first `count` tokens as one sequence, in f32, into a new folder.
  func calibrate(
    tokens count: Int, in parent: TemporaryFolder, options: CalibrationOptions = .init()
  ) throws -> URL {
    let folder = try parent.folder("calibration-\(count)-\(options.routingWeighted)")
    let sample = try CalibrationSample(
      text: ("golden", Array(tokens.prefix(count))), count: 1, context: count, seed: 0)
    try CalibrationWriter.write(
      sample, through: checkpoint, precision: .f32, options: options, to: folder)
    return folder
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

  /// Makes a folder inside.
  func folder(_ name: String) throws -> URL {
    let folder = url.appending(path: name)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    return folder
  }
}
