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
}
