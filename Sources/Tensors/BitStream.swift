/// Dense bit packing: code i occupies bits `i * bits ..< (i + 1) * bits`, least significant first.
///
/// Read as little-endian 32-bit words this is the layout of GPTQ's `qweight` for every width,
/// 3 bits included (METHODS §5.2).
public enum BitStream {
  /// Bytes that hold `count` codes, the last one padded with zero bits.
  @inlinable public static func byteCount(codes count: Int, bits: Int) -> Int {
    (count * bits + 7) / 8
  }

  /// Packs codes; bits of a code above the width are dropped.
  ///
  /// - Parameters:
  ///   - codes: Values in `0 ..< 2^bits`.
  ///   - bits: Width, 1…8.
  /// - Returns: Bytes, shape `[byteCount(codes: codes.count, bits: bits)]`.
  public static func packed(_ codes: [UInt8], bits: Int) -> [UInt8] {
    precondition((1...8).contains(bits), "bits must be 1...8, got \(bits)")
    let mask = (UInt32(1) << UInt32(bits)) - 1
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount(codes: codes.count, bits: bits))
    var (pending, filled) = (UInt32(0), 0)
    for code in codes {
      pending |= (UInt32(code) & mask) << UInt32(filled)
      filled += bits
      guard filled >= 8 else { continue }
      bytes.append(UInt8(truncatingIfNeeded: pending))
      pending >>= 8
      filled -= 8
    }
    if filled > 0 { bytes.append(UInt8(truncatingIfNeeded: pending)) }
    return bytes
  }

  /// Unpacks the first `count` codes of a stream.
  ///
  /// - Parameters:
  ///   - bytes: A stream of at least `byteCount(codes: count, bits: bits)` bytes.
  ///   - bits: Width, 1…8.
  ///   - count: Codes to read.
  /// - Returns: Values in `0 ..< 2^bits`, shape `[count]`.
  public static func unpacked(_ bytes: Span<UInt8>, bits: Int, count: Int) -> [UInt8] {
    precondition((1...8).contains(bits), "bits must be 1...8, got \(bits)")
    let needed = byteCount(codes: count, bits: bits)
    precondition(bytes.count >= needed, "\(bytes.count) bytes hold no \(count) codes of \(bits)")
    let mask = (UInt32(1) << UInt32(bits)) - 1
    var codes = [UInt8](repeating: 0, count: count)
    var (pending, filled, next) = (UInt32(0), 0, 0)
    for index in 0..<count {
      if filled < bits {
        pending |= UInt32(bytes[next]) << UInt32(filled)
        next += 1
        filled += 8
      }
      codes[index] = UInt8(truncatingIfNeeded: pending & mask)
      pending >>= UInt32(bits)
      filled -= bits
    }
    return codes
  }
}
