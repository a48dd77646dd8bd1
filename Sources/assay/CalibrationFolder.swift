import Calibration
import Experiments
import Foundation

/// A folder that `assay calibrate` wrote, given on the command line.
enum CalibrationFolder {
  /// - Parameters:
  ///   - path: What was given.
  ///   - model: The model that it is to be of.
  /// - Returns: The folder.
  /// - Throws: ``UnusableArgument`` if it is none, before a layer's file is missed by its name, or if it
  ///   was made from another model.
  static func url(_ path: String, of model: String) throws -> URL {
    let url = URL(filePath: path)
    guard FileManager.default.fileExists(atPath: CalibrationLayer.url(0, in: url).path) else {
      throw UnusableArgument(
        "\(path) is no calibration: there is no "
          + "\(CalibrationLayer.url(0, in: url).lastPathComponent) in it; name a folder that "
          + "`assay calibrate` wrote.")
    }
    try check(try CalibrationLayer.model(in: url), path, of: model, writer: "calibrate")
    return url
  }

  /// A folder that `assay gradients` wrote.
  ///
  /// - Parameters: As ``url(_:of:)``.
  /// - Returns: The folder.
  /// - Throws: As ``url(_:of:)``.
  static func gradients(_ path: String, of model: String) throws -> GradientFolder {
    let url = URL(filePath: path)
    guard FileManager.default.fileExists(atPath: GradientFolder.sampleURL(url).path) else {
      throw UnusableArgument(
        "\(path) holds no gradients: there is no "
          + "\(GradientFolder.sampleURL(url).lastPathComponent) in it; name a folder that "
          + "`assay gradients` wrote.")
    }
    let folder = GradientFolder(url)
    try check(try folder.model(), path, of: model, writer: "gradients")
    return folder
  }

  /// Refuses a folder that says that it was made from another model; older ones say nothing, and a model
  /// without a tokenizer has no digest.
  private static func check(
    _ made: String?, _ path: String, of model: String, writer: String
  ) throws {
    let folder = URL(filePath: model)
    guard let made,
      FileManager.default.fileExists(atPath: folder.appending(path: "tokenizer.json").path)
    else { return }
    let given = try FileDigests.model(folder)
    guard made != given else { return }
    throw UnusableArgument(
      "\(path) was made from a model of digest \(made.prefix(12))…, and \(model) has digest "
        + "\(given.prefix(12))…: its configuration, weights or tokenizer are others. Name the model that "
        + "it was made from, or write it again with `assay \(writer) \(model)`.")
  }
}
