/// Products of many small matrices that lie at a constant distance, as attention needs them.
public enum BatchedProduct {
  /// Where the matrices of one operand lie: `element(b, r, c) = base[b·batch + r·row + c·column]`.
  public struct Strides: Sendable, Hashable {
    public let batch: Int
    public let row: Int
    public let column: Int

    public init(batch: Int, row: Int, column: Int = 1) {
      self.batch = batch
      self.row = row
      self.column = column
    }

    var array: [Int] { [batch, row, column] }

    /// Elements from the first to the last of `count` matrices of this shape.
    fileprivate func extent(_ count: Int, _ rows: Int, _ columns: Int) -> Int {
      guard count > 0, rows > 0, columns > 0 else { return 0 }
      return (count - 1) * batch + (rows - 1) * row + (columns - 1) * column + 1
    }
  }

  /// `c[b] = a[b] · w[b]` in f32; shapes `[rows, inner] · [inner, columns]`.
  public static func multiply(
    batch: Int, rows: Int, inner: Int, columns: Int,
    _ a: UnsafePointer<Float>, _ aStrides: Strides,
    _ w: UnsafePointer<Float>, _ wStrides: Strides,
    into c: UnsafeMutablePointer<Float>, _ cStrides: Strides
  ) {
    OneDNN.shared.execute(
      shape(.f32, batch, rows, inner, columns, aStrides, wStrides, cStrides),
      source: a, weights: w, destination: c)
  }

  /// The same with both operands in bfloat16.
  public static func multiply(
    batch: Int, rows: Int, inner: Int, columns: Int,
    _ a: UnsafePointer<UInt16>, _ aStrides: Strides,
    _ w: UnsafePointer<UInt16>, _ wStrides: Strides,
    into c: UnsafeMutablePointer<Float>, _ cStrides: Strides
  ) {
    guard Precision.bf16.isNative else {
      let wideA = HalfPrecision.widened(a, count: aStrides.extent(batch, rows, inner))
      let wideW = HalfPrecision.widened(w, count: wStrides.extent(batch, inner, columns))
      return wideA.withUnsafeBufferPointer { a in
        wideW.withUnsafeBufferPointer { w in
          guard let a = a.baseAddress, let w = w.baseAddress else { return }
          multiply(
            batch: batch, rows: rows, inner: inner, columns: columns, a, aStrides, w, wStrides,
            into: c, cStrides)
        }
      }
    }
    OneDNN.shared.execute(
      shape(.bf16, batch, rows, inner, columns, aStrides, wStrides, cStrides),
      source: a, weights: w, destination: c)
  }

  /// A panel of rows of `xᵀ x` up to and with its square on the diagonal, in f32 with f32 sums:
  ///
  ///     c[i, j] = Σ_r x[r, panel.lowerBound + i] · x[r, j]    for j < panel.upperBound
  ///
  /// Panels that cover `0..<width` hold the lower triangle. Of the upper one they compute only what
  /// lies in their squares, so narrow panels need almost half the products of a full `xᵀ x`.
  ///
  /// - Parameters:
  ///   - x: `[rows, width]`.
  ///   - rows: Rows of x.
  ///   - width: Columns of x.
  ///   - panel: Columns of x, rows of c.
  ///   - c: Written, `[panel.count, panel.upperBound]`.
  public static func gram(
    _ x: UnsafePointer<Float>, rows: Int, width: Int, panel: Range<Int>,
    into c: UnsafeMutablePointer<Float>
  ) {
    precondition(
      panel.lowerBound >= 0 && panel.upperBound <= width, "panel \(panel) of \(width) columns")
    guard !panel.isEmpty else { return }
    OneDNN.shared.gram(x, rows: rows, width: width, panel: panel, into: c)
  }

  /// `c -= aᵀ · b` in f32, shapes `[inner, rows]ᵀ · [inner, columns]`.
  ///
  /// Unlike the other products this one may be called from the body of ``forEachChunk(of:size:_:)``:
  /// it needs no engine, and inside a parallel region it runs on the calling thread alone.
  /// - Parameters:
  ///   - rows: Rows of c, columns of a.
  ///   - inner: Rows of a and b.
  ///   - columns: Columns of b and c.
  ///   - a: First element, rows `aStride` apart.
  ///   - aStride: At least `rows`.
  ///   - b: First element, rows `bStride` apart.
  ///   - bStride: At least `columns`.
  ///   - c: Updated, rows `cStride` apart.
  ///   - cStride: At least `columns`.
  public static func subtractTransposed(
    rows: Int, inner: Int, columns: Int, _ a: UnsafePointer<Float>, aStride: Int,
    _ b: UnsafePointer<Float>, bStride: Int, from c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    DenseProduct.multiply(
      rows: rows, inner: inner, columns: columns, .init(a, stride: aStride, transposed: true),
      .init(b, stride: bStride), scale: -1, keeping: 1, into: c, stride: cStride)
  }

  private static func shape(
    _ precision: Precision, _ batch: Int, _ rows: Int, _ inner: Int, _ columns: Int,
    _ a: Strides, _ w: Strides, _ c: Strides
  ) -> ProductShape {
    ProductShape(
      batch: [batch], rows: rows, columns: columns, inner: inner, sourceStrides: a.array,
      weights: .strided(w.array), destinationStrides: c.array, precision: precision)
  }
}
