import Crypto
import Foundation
import HDF5

/// Digest of what an HDF5 file says rather than of its bytes, which differ with the library.
public enum HDF5Content {
  /// SHA-256 over every dataset in the order of names: name, shape, and type, and its
  /// numbers in little-endian order.
  public static func digest(of url: URL) throws -> String {
    let file = try HDF5Reader(url)
    var hash = SHA256()
    for name in file.datasets() {
      let shape = try file.shape(of: name)
      hash.update(data: Data("\(name)\0\(try file.elementName(of: name))\0\(shape)\0".utf8))
      switch try file.elementName(of: name) {
      case Float.typeName: update(&hash, try file.read(name, as: Float.self))
      case Double.typeName: update(&hash, try file.read(name, as: Double.self))
      case UInt8.typeName: update(&hash, try file.read(name, as: UInt8.self))
      default: update(&hash, try file.read(name, as: Int64.self))
      }
    }
    return hash.finalize().map { byte in
      String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }

  private static func update(_ hash: inout SHA256, _ values: [some HDF5Element]) {
    values.withUnsafeBytes { hash.update(bufferPointer: $0) }
  }
}
