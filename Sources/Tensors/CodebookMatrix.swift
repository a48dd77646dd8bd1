/// A weight matrix on codebooks: `w = codebook[q]` with 2^bits free values per row and group.
///
/// Group g is columns `g * groupSize ..< (g + 1) * groupSize`. This is what is stored, so it is also
/// what is evaluated: values are binary16 and `dequantized()` is exact in 32-bit floats.
public struct CodebookMatrix: QuantizedMatrix {
  public let rows: Int
  public let columns: Int
  /// Bits per code, 1…8.
  public let bits: Int
  /// Columns that share a codebook; the last group of a row may be shorter.
  public let groupSize: Int
  /// Bit streams along the input (see ``BitStream``), shape `[rows, rowBytes]`.
  public let codes: [UInt8]
  /// Values as binary16 bit patterns, rising within a codebook, shape `[rows, groups, 2^bits]`.
  public let codebooks: [UInt16]

  public init(
    rows: Int, columns: Int, bits: Int, groupSize: Int, codes: [UInt8], codebooks: [UInt16]
  ) {
    precondition((1...8).contains(bits), "bits must be 1...8, got \(bits)")
    precondition(groupSize > 0, "group size \(groupSize)")
    self.rows = rows
    self.columns = columns
    self.bits = bits
    self.groupSize = groupSize
    self.codes = codes
    self.codebooks = codebooks
    precondition(
      codes.count == rows * rowBytes, "\(codes.count) code bytes for [\(rows), \(rowBytes)]")
    precondition(
      codebooks.count == rows * groups << bits,
      "\(codebooks.count) values for [\(rows), \(groups), \(1 << bits)]")
  }

  /// Groups per row.
  public var groups: Int { (columns + groupSize - 1) / groupSize }

  /// Bytes per row of codes: a row starts on a whole byte.
  public var rowBytes: Int { BitStream.byteCount(codes: columns, bits: bits) }

  public var codeBits: Int { rows * columns * bits }

  /// 16 · 2^bits for each row and group.
  public var metadataBits: Int { 16 * codebooks.count }

  /// The codes of one row, shape `[columns]`.
  public func codes(ofRow row: Int) -> [UInt8] {
    let stream = codes.span.extracting(row * rowBytes..<(row + 1) * rowBytes)
    return BitStream.unpacked(stream, bits: bits, count: columns)
  }

  /// The values of one group, rising, shape `[2^bits]`.
  public func codebook(row: Int, group: Int) -> [Float] {
    let start = (row * groups + group) << bits
    return codebooks[start..<start + 1 << bits].map { Float(Float16(bitPattern: $0)) }
  }

  /// The weights `codebook[q]`, shape `[rows, columns]`; exact.
  public func dequantized() -> Matrix {
    var result = Matrix(rows: rows, columns: columns)
    for row in 0..<rows {
      let codes = codes(ofRow: row)
      for group in 0..<groups {
        let values = codebook(row: row, group: group)
        for column in group * groupSize..<min((group + 1) * groupSize, columns) {
          result.storage[row * columns + column] = values[Int(codes[column])]
        }
      }
    }
    return result
  }
}
