import CKernels

#if canImport(Glibc)
import Glibc
#endif

/// Instruction sets of the products with packed weights; each includes the ones before it.
public enum KernelLevel: UInt32, Sendable, CaseIterable, Comparable {
  case scalar = 0
  /// AVX2, FMA and F16C: codes of up to 7 bits in groups of 64, or of whole 128 columns, are multiplied as
  /// integers with inputs of 24 bits, where no input is much larger than the others of its group.
  case avx2 = 1
  /// AVX-512 F, BW, VL and VBMI.
  case avx512 = 2
  /// AVX-512 with VNNI: codes of up to 4 bits in groups of whole 128 columns are multiplied as
  /// integers with inputs of 30 bits, which loses less than f32 sums do.
  case vnni = 3

  /// The highest level of this CPU.
  public static let best = KernelLevel(rawValue: ck_best_level().rawValue) ?? .scalar

  /// The levels of this CPU, lowest first.
  public static var available: [KernelLevel] { allCases.filter { $0 <= best } }

  public static func < (a: KernelLevel, b: KernelLevel) -> Bool { a.rawValue < b.rawValue }

  var ckLevel: ck_level { ck_level(rawValue: rawValue) }
}

/// The weights of `y = W x + S x`, W packed and S sparse, multiplied without being dequantized.
///
/// A product reads what is stored: codes, scales (2 bytes a group), zero points (1 byte a group). For
/// AVX2 the codes of a row are brought into another order, in which none lies across two bytes (see
/// `units.h` of CKernels) and which takes less than one byte more for each bit and row, or for groups of
/// 64 less than eight; for other levels they stay the dense bit stream of ``PackedMatrix``.
/// Columns with an act-order group index are brought into the order of their groups once, and inputs
/// at each product.
///
/// Products have the accuracy of f32: each weight is exact, products and sums are rounded in an order that depends on
/// the level and the batch, never on the number of threads.
public struct PackedLinear: Sendable {
  /// Output features.
  public let rows: Int
  /// Input features.
  public let columns: Int
  /// Bits per code, 1…8.
  public let bits: Int
  /// Bytes that a product with one vector reads.
  public private(set) var bytes: Int

  let groupSize: Int
  let groups: Int
  let groupStride: Int
  let symmetric: Bool
  private(set) var rowBytes: Int
  let sparse: SparseMatrix?
  /// Column of the input at each position; nil: the same.
  let inputOrder: [Int32]?
  /// Group of each column where no order makes the groups runs of `groupSize`.
  private let groupIndex: AlignedBytes?
  private var codes: AlignedBytes
  /// Whether they lie in the order of the kernels that take codes as bytes.
  private(set) var inUnits: Bool
  private let scales: AlignedBytes
  private let zeros: AlignedBytes

  /// Copies weights into memory that kernels may read whole vectors of.
  ///
  /// - Parameters:
  ///   - packed: W, shape `[rows, columns]`.
  ///   - sparse: S, the same shape; what is added to W.
  ///   - level: Whose order the codes get; all levels of this CPU can read it.
  public init(
    _ packed: PackedMatrix, sparse: SparseMatrix? = nil, for level: KernelLevel = .best
  ) {
    if let sparse {
      precondition(
        sparse.rows == packed.rows && sparse.columns == packed.columns,
        "sparse [\(sparse.rows), \(sparse.columns)] for [\(packed.rows), \(packed.columns)]")
    }
    let (ordered, order) = packed.inGroupOrder()
    rows = packed.rows
    columns = packed.columns
    bits = packed.bits
    groupSize = packed.groupSize
    groups = packed.groups
    symmetric = packed.symmetric
    rowBytes = packed.rowBytes
    self.sparse = sparse
    inputOrder = order
    // Whole blocks of scales, so that lanes after the last column meet a finite one.
    let perBlock = packed.groupSize < Int(CK_BLOCK) ? Int(CK_BLOCK) / packed.groupSize : 1
    groupStride = (packed.groups + perBlock - 1) / perBlock * perBlock
    let stream = AlignedBytes(padding: ordered.codes)
    scales = AlignedBytes(
      padding: ordered.scales.paddedRows(from: packed.groups, to: groupStride, fill: 0))
    zeros = AlignedBytes(
      padding: ordered.zeros.paddedRows(from: packed.groups, to: groupStride, fill: 0))
    groupIndex = ordered.groupIndex.map { AlignedBytes(padding: $0) }
    bytes =
      ordered.codes.count + 2 * ordered.scales.count + ordered.zeros.count
      + 4 * ((order ?? ordered.groupIndex)?.count ?? 0) + (sparse?.bytes ?? 0)
    (codes, inUnits) = (stream, false)
    var view = view
    guard ck_wants_units(level.ckLevel, &view) else { return }
    let width = ck_row_bytes_in_units(&view)
    codes = Self.inUnits(view, rows: rows, rowBytes: width)
    bytes += rows * (width - rowBytes)
    (rowBytes, inUnits) = (width, true)
  }

  /// The codes in units.
  private static func inUnits(_ view: ck_packed, rows: Int, rowBytes: Int) -> AlignedBytes {
    let result = AlignedBytes(count: rows * rowBytes + Int(CK_PADDING))
    memset(result.base + rows * rowBytes, 0, Int(CK_PADDING))
    // SAFETY: chunks write their own rows; both outlive the loop.
    nonisolated(unsafe) let (view, ordered) = (
      view, result.base.assumingMemoryBound(to: UInt8.self)
    )
    forEachChunk(of: rows, size: 64) { range in
      var view = view
      ck_order_units(
        KernelLevel.best.ckLevel, &view, range.lowerBound, range.upperBound, ordered)
    }
    return result
  }

  /// What the kernels read.
  var view: ck_packed {
    ck_packed(
      codes: codes.base.assumingMemoryBound(to: UInt8.self), row_bytes: rowBytes,
      scales: scales.base.assumingMemoryBound(to: UInt16.self),
      zeros: symmetric ? nil : UnsafePointer(zeros.base.assumingMemoryBound(to: UInt8.self)),
      group_stride: groupStride,
      group_index: groupIndex.map { UnsafePointer($0.base.assumingMemoryBound(to: Int32.self)) },
      columns: columns, group_size: groupSize, bits: Int32(bits), in_units: inUnits)
  }

  /// The weights, shape `[rows, columns]`, without the sparse part; exact.
  ///
  /// - Parameter level: Instruction set.
  /// - Returns: The same numbers as ``PackedMatrix/dequantized()``.
  public func dequantized(level: KernelLevel = .best) -> Matrix {
    var result = Matrix(rows: rows, columns: columns)
    result.storage.withUnsafeMutableBufferPointer { target in
      guard let base = target.baseAddress, columns > 0 else { return }
      // SAFETY: every chunk of rows writes its own part of the result.
      nonisolated(unsafe) let values = base
      forEachChunk(of: rows, size: 16) { range in
        dequantize(rows: range, to: values + range.lowerBound * columns, level: level)
      }
    }
    return result
  }

  /// Writes the weights of some rows, for products with many vectors; exact.
  ///
  /// - Parameters:
  ///   - range: Rows.
  ///   - values: Written, shape `[range.count, columns]`.
  ///   - level: Instruction set.
  public func dequantize(
    rows range: Range<Int>, to values: UnsafeMutablePointer<Float>, level: KernelLevel = .best
  ) {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    var view = view
    for row in range {
      let target = values + (row - range.lowerBound) * columns
      guard let inputOrder else {
        ck_dequantize(level.ckLevel, &view, row, 0, columns, target)
        continue
      }
      let ordered = [Float](unsafeUninitializedCapacity: columns) { buffer, count in
        ck_dequantize(level.ckLevel, &view, row, 0, columns, buffer.baseAddress)
        count = columns
      }
      for (position, column) in inputOrder.enumerated() { target[Int(column)] = ordered[position] }
    }
  }
}

extension AlignedBytes {
  /// Copies elements to memory whose padding the kernels may read.
  convenience init<Element: BitwiseCopyable>(padding elements: [Element]) {
    let used = elements.count * MemoryLayout<Element>.stride
    self.init(count: used + Int(CK_PADDING))
    elements.withUnsafeBytes {
      base.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(base), byteCount: used)
    }
    memset(base + used, 0, Int(CK_PADDING))
  }
}

extension Array {
  /// Rows of `width` elements as rows of `stride` elements.
  fileprivate func paddedRows(from width: Int, to stride: Int, fill: Element) -> [Element] {
    guard width != stride, width > 0 else { return self }
    var result: [Element] = []
    result.reserveCapacity(count / width * stride)
    for start in Swift.stride(from: 0, to: count, by: width) {
      result += self[start..<start + width]
      result += repeatElement(fill, count: stride - width)
    }
    return result
  }
}
