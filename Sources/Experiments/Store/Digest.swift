import Crypto
import Foundation

/// SHA-256, in lower-case hexadecimal.
public enum Digest {
  public static func of(_ data: Data) -> String { hex(SHA256.hash(data: data)) }

  /// Reads in pieces of 1 MiB, so that memory does not grow with the file.
  public static func of(file: URL) throws -> String {
    let handle = try FileHandle(forReadingFrom: file)
    defer { try? handle.close() }
    var hasher = SHA256()
    while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
      hasher.update(data: piece)
    }
    return hex(hasher.finalize())
  }

  /// The first 50 bits of SHA-256 as ten characters of Crockford's base 32.
  public static func shortName(of data: Data) -> String {
    let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz")
    let bits = SHA256.hash(data: data).prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return String((0..<10).map { alphabet[Int(bits >> (59 - 5 * UInt64($0)) & 31)] })
  }

  private static func hex(_ digest: SHA256.Digest) -> String {
    let digits = Array("0123456789abcdef")
    return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
  }
}
