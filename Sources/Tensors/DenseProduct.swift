/// Products of row-major f32 matrices as they lie, of any shape and stride.
///
/// They need no layout and no primitive made beforehand, which gradients would need for every
/// number of tokens that an expert can get. They may be called from the body of
/// ``forEachChunk(of:size:_:)``: inside a parallel region they run on the calling thread alone.
public enum DenseProduct {
  /// A matrix in memory, read as it lies or transposed.
  public struct Operand {
    let base: UnsafePointer<Float>
    /// Between the rows as they lie.
    let stride: Int
    private let transposed: Bool

    /// - Parameters:
    ///   - base: First element.
    ///   - stride: Elements between rows as they lie.
    ///   - transposed: Whether the product reads its transpose.
    public init(_ base: UnsafePointer<Float>, stride: Int, transposed: Bool = false) {
      (self.base, self.stride, self.transposed) = (base, stride, transposed)
    }

    /// As BLAS says it.
    var orientation: CChar { CChar(UInt8(ascii: transposed ? "T" : "N")) }
  }

  /// `c = scale · op(a) · op(b) + keep · c`, shapes `[rows, inner] · [inner, columns]`.
  ///
  /// - Parameters:
  ///   - rows: Of c.
  ///   - inner: Terms of each sum; without any, c is only scaled by `keep`.
  ///   - columns: Of c.
  ///   - a: First factor.
  ///   - b: Second factor.
  ///   - scale: Of the product.
  ///   - keep: Of what c holds; 0: c is written only.
  ///   - c: First element, rows `stride` apart.
  ///   - stride: At least `columns`.
  public static func multiply(
    rows: Int, inner: Int, columns: Int, _ a: Operand, _ b: Operand, scale: Float = 1,
    keeping keep: Float = 0, into c: UnsafeMutablePointer<Float>, stride: Int
  ) {
    guard rows > 0, columns > 0 else { return }
    guard inner > 0 else {
      for row in 0..<rows {
        for column in 0..<columns { c[row * stride + column] *= keep }
      }
      return
    }
    OneDNN.product(
      rows: rows, inner: inner, columns: columns, a, b, scale: scale, keeping: keep, into: c,
      cStride: stride)
  }
}

extension Matrix {
  /// `self · other`, shapes `[m, k] · [k, n]`.
  public func multiplied(by other: Matrix) -> Matrix {
    precondition(columns == other.rows, "[\(rows), \(columns)] · [\(other.rows), \(other.columns)]")
    return Self.product(
      self, false, other, false, rows: rows, inner: columns, columns: other.columns)
  }

  /// `self · otherᵀ`, shapes `[m, k] · [n, k]ᵀ`.
  public func multiplied(byTransposed other: Matrix) -> Matrix {
    precondition(
      columns == other.columns, "[\(rows), \(columns)] · [\(other.rows), \(other.columns)]ᵀ")
    return Self.product(
      self, false, other, true, rows: rows, inner: columns, columns: other.rows)
  }

  /// `selfᵀ · other` over some rows of both, shapes `[k, m]ᵀ · [k, n]`.
  ///
  /// - Parameters:
  ///   - other: As many rows as this one.
  ///   - range: The rows that are summed over; all if nil.
  /// - Returns: `[m, n]`.
  public func transposedTimes(_ other: Matrix, rows range: Range<Int>? = nil) -> Matrix {
    precondition(rows == other.rows, "[\(rows), \(columns)]ᵀ · [\(other.rows), \(other.columns)]")
    let range = range ?? 0..<rows
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "\(range) of \(rows) rows")
    return Self.product(
      self, true, other, false, rows: columns, inner: range.count, columns: other.columns,
      from: range.lowerBound)
  }

  private static func product(
    _ a: Matrix, _ aTransposed: Bool, _ b: Matrix, _ bTransposed: Bool, rows: Int, inner: Int,
    columns: Int, from first: Int = 0
  ) -> Matrix {
    let count = rows * columns
    let storage = [Float](unsafeUninitializedCapacity: count) { target, written in
      written = count
      guard let c = target.baseAddress, inner > 0 else {
        target.initialize(repeating: 0)
        return
      }
      a.storage.withUnsafeBufferPointer { left in
        b.storage.withUnsafeBufferPointer { right in
          guard let left = left.baseAddress, let right = right.baseAddress else { return }
          DenseProduct.multiply(
            rows: rows, inner: inner, columns: columns,
            .init(left + first * a.columns, stride: a.columns, transposed: aTransposed),
            .init(right + first * b.columns, stride: b.columns, transposed: bTransposed),
            into: c, stride: columns)
        }
      }
    }
    return Matrix(rows: rows, columns: columns, storage: storage)
  }
}
