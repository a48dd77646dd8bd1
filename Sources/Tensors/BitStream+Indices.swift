extension BitStream {
  /// Packs indices as ``packed(_:bits:)`` packs codes, at widths up to 32.
  ///
  /// - Parameters:
  ///   - indices: Values in `0 ..< 2^bits`.
  ///   - bits: Width, 1…32.
  /// - Returns: Bytes, shape `[byteCount(codes: indices.count, bits: bits)]`.
  public static func packed(indices: [Int], bits: Int) -> [UInt8] {
    precondition((1...32).contains(bits), "bits must be 1...32, got \(bits)")
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount(codes: indices.count, bits: bits))
    var (pending, filled) = (UInt64(0), 0)
    for index in indices {
      precondition(index >= 0 && index < 1 << bits, "index \(index) in \(bits) bits")
      pending |= UInt64(index) << UInt64(filled)
      filled += bits
      while filled >= 8 {
        bytes.append(UInt8(truncatingIfNeeded: pending))
        pending >>= 8
        filled -= 8
      }
    }
    if filled > 0 { bytes.append(UInt8(truncatingIfNeeded: pending)) }
    return bytes
  }

  /// The inverse of ``packed(indices:bits:)``.
  ///
  /// - Parameters:
  ///   - bytes: A stream of at least `byteCount(codes: count, bits: bits)` bytes.
  ///   - bits: Width, 1…32.
  ///   - count: Indices to read.
  /// - Returns: Values in `0 ..< 2^bits`, shape `[count]`.
  public static func unpackedIndices(_ bytes: [UInt8], bits: Int, count: Int) -> [Int] {
    precondition((1...32).contains(bits), "bits must be 1...32, got \(bits)")
    precondition(
      bytes.count >= byteCount(codes: count, bits: bits),
      "\(bytes.count) bytes hold no \(count) indices of \(bits)")
    var (pending, filled, next) = (UInt64(0), 0, 0)
    return (0..<count).map { _ in
      while filled < bits {
        pending |= UInt64(bytes[next]) << UInt64(filled)
        next += 1
        filled += 8
      }
      defer {
        pending >>= UInt64(bits)
        filled -= bits
      }
      return Int(pending & ((1 << UInt64(bits)) - 1))
    }
  }
}
