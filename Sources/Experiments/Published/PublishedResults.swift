public import Foundation

/// Everything published that can be recomputed here.
public enum PublishedResults {
  /// Recomputes all of it.
  ///
  /// - Parameter measurements: Folder of published measurements; nil: what needs it is skipped.
  /// - Returns: One check a published result.
  /// - Throws: ``PublishedError`` for files that are missing; what allocating and quantizing throw.
  public static func checks(measurements: URL?) throws -> [PublishedCheck] {
    let mixtral =
      try measurements.map { try MixtralMeasurements(folder: $0).checks() }
      ?? MixtralMeasurements.skipped()
    return try HAWQResNet18.checks() + mixtral + MixtralLedgers.checks() + GPTQVectors.checks()
  }
}
