/// The weights of `y = x Wᵀ`, laid out once for fast products.
///
/// With `bf16`, weights and inputs are rounded to bfloat16 and summed in f32; outputs are f32.
public struct LinearWeights: Sendable {
  /// Output features.
  public let rows: Int
  /// Input features.
  public let columns: Int
  public let precision: Precision
  private let bytes: AlignedBytes

  /// Lays out W, shape `[out, in]`.
  public init(_ matrix: Matrix, precision: Precision) {
    let shape = WeightShape(
      rows: matrix.rows, columns: matrix.columns,
      precision: precision.isNative ? precision : .f32)
    let bytes =
      switch precision {
      case .f32:
        matrix.storage.withUnsafeBytes { Self.reorder($0, shape) }
      case .bf16 where precision.isNative:
        HalfPrecision.bfloat16(matrix.storage).withUnsafeBytes { Self.reorder($0, shape) }
      case .bf16:
        HalfPrecision.bfloat16(matrix.storage).map(HalfPrecision.widened)
          .withUnsafeBytes { Self.reorder($0, shape) }
      }
    self.init(shape: shape, precision: precision, bytes: bytes)
  }

  /// Stacks several matrices with equal input width, so that one product serves all of them.
  public init(stacking matrices: [Matrix], precision: Precision) {
    let columns = matrices.first?.columns ?? 0
    precondition(matrices.allSatisfy { $0.columns == columns }, "inputs differ in width")
    self.init(
      Matrix(
        rows: matrices.reduce(0) { $0 + $1.rows }, columns: columns,
        storage: matrices.flatMap(\.storage)),
      precision: precision)
  }

  private init(shape: WeightShape, precision: Precision, bytes: AlignedBytes) {
    rows = shape.rows
    columns = shape.columns
    self.precision = precision
    self.bytes = bytes
  }

  private static func reorder(
    _ source: UnsafeRawBufferPointer, _ shape: WeightShape
  )
    -> AlignedBytes
  {
    guard let base = source.baseAddress else { return AlignedBytes(count: 0) }
    return OneDNN.shared.reorder(base, shape: shape)
  }

  /// Rows that ``apply(_:rows:to:scratch:)`` reads and writes for `count` rows: few distinct
  /// numbers, because each needs a primitive of its own. One row stays one: decoding reads the weights once
  /// for it, and fifteen more would cost more than reading.
  public static func paddedRows(_ count: Int) -> Int {
    if count == 1 { return 1 }
    let step = count <= 128 ? 16 : count <= 1024 ? 64 : 256
    return (count + step - 1) / step * step
  }

  /// Computes `y = x Wᵀ`.
  ///
  /// - Parameters:
  ///   - x: Inputs, `[rows, columns]` f32, with room for ``paddedRows(_:)`` rows.
  ///   - rows: Rows that count; the padding rows hold any numbers and give any numbers.
  ///   - y: Written, `[rows, self.rows]` f32, with room for the padded rows.
  ///   - scratch: Holds the inputs in bfloat16 if that is the precision.
  public func apply(
    _ x: UnsafePointer<Float>, rows: Int, to y: UnsafeMutablePointer<Float>,
    scratch: ScratchBuffer<UInt16>
  ) {
    guard rows > 0 else { return }
    let padded = Self.paddedRows(rows)
    let shape = ProductShape(
      rows: padded, columns: self.rows, inner: columns, sourceStrides: [columns, 1],
      weights: .reordered, destinationStrides: [self.rows, 1],
      precision: precision.isNative ? precision : .f32)
    switch precision {
    case .f32:
      OneDNN.shared.execute(shape, source: x, weights: bytes.base, destination: y)
    case .bf16:
      let half = scratch.reserve(padded * columns)
      HalfPrecision.bfloat16(x, count: rows * columns, to: half)
      guard precision.isNative else {
        return HalfPrecision.widened(half, count: padded * columns).withUnsafeBufferPointer {
          guard let wide = $0.baseAddress else { return }
          OneDNN.shared.execute(shape, source: wide, weights: bytes.base, destination: y)
        }
      }
      OneDNN.shared.execute(shape, source: half, weights: bytes.base, destination: y)
    }
  }
}
