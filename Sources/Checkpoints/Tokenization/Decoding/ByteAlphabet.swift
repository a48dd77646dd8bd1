/// The printable stand-ins of bytes in byte-level vocabularies.
///
/// Printable Latin-1 bytes stand for themselves; the other 68 bytes, in rising order, are written
/// as U+0100, U+0101, … (a space is "Ġ", a line feed "Ċ").
/// - SeeAlso: Radford et al. 2019, GPT-2, `bytes_to_unicode`.
enum ByteAlphabet {
  /// Scalar of each byte, shape `[256]`.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (0...UInt8.max).map { byte in
      if isPrintable(byte) { return Unicode.Scalar(byte) }
      defer { next += 1 }
      return Unicode.Scalar(next) ?? "\u{FFFD}"
    }
  }()

  private static let byteOfScalar = Dictionary(
    uniqueKeysWithValues: zip(scalars, UInt8.min...UInt8.max))

  private static func isPrintable(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: true
    default: false
    }
  }

  /// The bytes a token stands for; nil if it holds a scalar outside the alphabet.
  static func bytes(of token: String) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(token.utf8.count)
    for scalar in token.unicodeScalars {
      guard let byte = byteOfScalar[scalar] else { return nil }
      bytes.append(byte)
    }
    return bytes
  }
}
