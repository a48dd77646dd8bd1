/// A 64-bit FNV-1a hash of what an item asks: items of equal hashes are the same item.
///
/// It tells items apart, it does not defend against people: with a million items the odds that two
/// share a hash are 3e-8. In Python: `h = 0xcbf29ce484222325`, then for every byte
/// `h = ((h ^ byte) * 0x100000001b3) % 2**64`.
///
/// - SeeAlso: Fowler, Noll, Vo, "The FNV non-cryptographic hash algorithm", RFC 9923.
public struct ItemHash: Sendable {
  public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  public init() {}

  /// The hash of token ids, four little-endian bytes each.
  public init(of tokens: some Sequence<Int32>) {
    for token in tokens {
      let bits = UInt32(bitPattern: token)
      for shift: UInt32 in [0, 8, 16, 24] { add(UInt8(truncatingIfNeeded: bits >> shift)) }
    }
  }

  /// The hash of texts, each as its UTF-8 bytes and a zero byte.
  public init(of texts: some Sequence<String>) {
    for text in texts {
      for byte in text.utf8 { add(byte) }
      add(0)
    }
  }

  private mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
}
