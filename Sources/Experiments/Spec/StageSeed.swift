import Foundation

/// The seed of a stage, derived from the seed of its stream and the stage's name, so that two
/// stages of one stream do not draw the same numbers.
public enum StageSeed {
  /// The first 53 bits of SHA-256 of `<stage>\0<seed>`: held exactly by a JSON number.
  public static func derive(from seed: Int, stage: String) -> UInt64 {
    let digest = Digest.of(Data("\(stage)\0\(seed)".utf8))
    return (UInt64(digest.prefix(16), radix: 16) ?? 0) >> 11
  }
}
