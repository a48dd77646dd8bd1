import Foundation
import JSON

/// `manifest.json` of an artifact: what it is, what it was made from, what it cost.
public struct Manifest: Codable, Sendable, Equatable {
  public static let fileName = "manifest.json"
  /// A stage may leave `{"forwardTokens": n}` under this name; it is cost, not payload.
  public static let costFileName = "cost.json"

  public var schemaVersion: Int
  public var stage: String
  public var key: String
  public var epoch: Int
  public var parameters: JSONValue
  /// Role → digest.
  public var inputs: [String: String]
  public var outputs: [Output]
  /// Digest of the payloads by content; what later stages are keyed by.
  public var digest: String
  public var seconds: Double
  /// Largest resident memory of the process while the stage ran.
  public var peakMemoryBytes: Int
  /// `stage`: of this stage alone; `process`: the kernel refused a reset, so of all before it too.
  public var peakMemoryScope: String
  public var forwardTokens: Int?
  public var provenance: Provenance

  /// A file of the artifact.
  public struct Output: Codable, Sendable, Equatable {
    public var path: String
    public var bytes: Int
    /// SHA-256 of the bytes.
    public var digest: String
  }

  public var bytes: Int { outputs.reduce(0) { $0 + $1.bytes } }
}

/// A finished result of a stage.
public struct Artifact: Sendable {
  public let url: URL
  public let manifest: Manifest
}
