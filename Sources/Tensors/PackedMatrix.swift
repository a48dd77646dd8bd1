/// A weight matrix on affine grids: `w = s * (q - z)` with one (s, z) per row and group of columns.
///
/// Group g is columns `g * groupSize ..< (g + 1) * groupSize`, unless ``groupIndex`` says otherwise.
/// Codes always lie in the order of the columns. This is what is stored, so it is also what is
/// evaluated: scales are binary16 and `dequantized()` is exact in 32-bit floats.
public struct PackedMatrix: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  /// Bits per code, 1…8.
  public let bits: Int
  /// Columns that share a scale; the last group of a row may be shorter.
  public let groupSize: Int
  /// Whether every zero point is the implicit `2^(bits - 1)`, or ½ for one bit.
  public let symmetric: Bool
  /// Bit streams along the input (see ``BitStream``), shape `[rows, rowBytes]`.
  public let codes: [UInt8]
  /// Scales as binary16 bit patterns, shape `[rows, groups]`.
  public let scales: [UInt16]
  /// Zero points in `0 ..< 2^bits`, shape `[rows, groups]`; empty if symmetric.
  public let zeros: [UInt8]
  /// Group of each column (GPTQ's `g_idx`), shape `[columns]`; nil: `column / groupSize`.
  public let groupIndex: [Int32]?

  public init(
    rows: Int, columns: Int, bits: Int, groupSize: Int, symmetric: Bool, codes: [UInt8],
    scales: [UInt16], zeros: [UInt8], groupIndex: [Int32]? = nil
  ) {
    precondition((1...8).contains(bits), "bits must be 1...8, got \(bits)")
    precondition(groupSize > 0, "group size \(groupSize)")
    self.rows = rows
    self.columns = columns
    self.bits = bits
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.codes = codes
    self.scales = scales
    self.zeros = zeros
    self.groupIndex = groupIndex
    precondition(
      codes.count == rows * rowBytes, "\(codes.count) code bytes for [\(rows), \(rowBytes)]")
    precondition(
      scales.count == rows * groups, "\(scales.count) scales for [\(rows), \(groups)]")
    precondition(
      zeros.count == (symmetric ? 0 : rows * groups),
      "\(zeros.count) zeros for [\(rows), \(groups)]")
    if let groupIndex {
      precondition(groupIndex.count == columns, "\(groupIndex.count) groups for \(columns) columns")
      precondition(
        groupIndex.allSatisfy { (0..<groups).contains(Int($0)) }, "a group outside 0..<\(groups)")
    }
  }

  /// Groups per row.
  public var groups: Int { (columns + groupSize - 1) / groupSize }

  /// Bytes per row of codes: a row starts on a whole byte.
  public var rowBytes: Int { BitStream.byteCount(codes: columns, bits: bits) }

  /// Bits of the codes alone, padding not counted.
  public var codeBits: Int { rows * columns * bits }

  /// Bits of scales (16 each), zero points (`bits` each, if asymmetric) and group indices (32 each).
  public var metadataBits: Int {
    rows * groups * (16 + (symmetric ? 0 : bits)) + 32 * (groupIndex?.count ?? 0)
  }

  /// The codes of one row, shape `[columns]`.
  public func codes(ofRow row: Int) -> [UInt8] {
    let stream = codes.span.extracting(row * rowBytes..<(row + 1) * rowBytes)
    return BitStream.unpacked(stream, bits: bits, count: columns)
  }

  /// The same with the group of every column spelled out.
  public func withGroupIndex() -> PackedMatrix {
    PackedMatrix(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: symmetric,
      codes: codes, scales: scales, zeros: zeros, groupIndex: groupOfColumn.map { Int32($0) })
  }

  /// The group of every column, shape `[columns]`.
  public var groupOfColumn: [Int] {
    groupIndex?.map { Int($0) } ?? (0..<columns).map { $0 / groupSize }
  }

  /// The weights `s * (q - z)`, shape `[rows, columns]`; exact.
  public func dequantized() -> Matrix {
    let implicitZero = bits == 1 ? 0.5 : Float(1 << (bits - 1))
    let groupOfColumn = groupOfColumn
    var result = Matrix(rows: rows, columns: columns)
    for row in 0..<rows {
      let rowCodes = codes(ofRow: row)
      let groupRange = row * groups..<(row + 1) * groups
      let rowScales = groupRange.map { Float(Float16(bitPattern: scales[$0])) }
      let rowZeros = groupRange.map { symmetric ? implicitZero : Float(zeros[$0]) }
      for column in 0..<columns {
        let group = groupOfColumn[column]
        result.storage[row * columns + column] =
          rowScales[group] * (Float(rowCodes[column]) - rowZeros[group])
      }
    }
    return result
  }
}
