import Calibration
import Foundation

/// A folder that `assay calibrate` wrote, given on the command line.
enum CalibrationFolder {
  /// - Parameter path: What was given.
  /// - Returns: The folder.
  /// - Throws: ``UnusableArgument`` if it is none, before a layer's file is missed by its name.
  static func url(_ path: String) throws(UnusableArgument) -> URL {
    let url = URL(filePath: path)
    guard FileManager.default.fileExists(atPath: CalibrationLayer.url(0, in: url).path) else {
      throw UnusableArgument(
        "\(path) is no calibration: there is no "
          + "\(CalibrationLayer.url(0, in: url).lastPathComponent) in it; name a folder that "
          + "`assay calibrate` wrote.")
    }
    return url
  }

  /// A folder that `assay gradients` wrote.
  ///
  /// - Parameter path: What was given.
  /// - Returns: The folder.
  /// - Throws: ``UnusableArgument`` if it is none.
  static func gradients(_ path: String) throws(UnusableArgument) -> GradientFolder {
    let url = URL(filePath: path)
    guard FileManager.default.fileExists(atPath: GradientFolder.sampleURL(url).path) else {
      throw UnusableArgument(
        "\(path) holds no gradients: there is no "
          + "\(GradientFolder.sampleURL(url).lastPathComponent) in it; name a folder that "
          + "`assay gradients` wrote.")
    }
    return GradientFolder(url)
  }
}
