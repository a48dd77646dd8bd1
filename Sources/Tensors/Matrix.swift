/// A dense matrix of 32-bit floats, row-major in one flat array.
public struct Matrix: Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  /// Elements, shape `[rows, columns]`; element (r, c) is at `r * columns + c`.
  public var storage: [Float]

  public init(rows: Int, columns: Int, storage: [Float]) {
    precondition(
      storage.count == rows * columns, "[\(rows), \(columns)] from \(storage.count) elements")
    self.rows = rows
    self.columns = columns
    self.storage = storage
  }

  /// A matrix of zeros, shape `[rows, columns]`.
  public init(rows: Int, columns: Int) {
    self.init(
      rows: rows, columns: columns, storage: [Float](repeating: 0, count: rows * columns))
  }

  @inlinable public subscript(row: Int, column: Int) -> Float {
    get { storage[row * columns + column] }
    set { storage[row * columns + column] = newValue }
  }

  /// The transposed copy, shape `[columns, rows]`.
  public var transposed: Matrix {
    var result = Matrix(rows: columns, columns: rows)
    for row in 0..<rows {
      for column in 0..<columns {
        result.storage[column * rows + row] = storage[row * columns + column]
      }
    }
    return result
  }

  /// A copy of some columns, shape `[rows, range.count]`.
  public func columns(_ range: Range<Int>) -> Matrix {
    precondition(range.upperBound <= columns, "\(range) of \(columns) columns")
    var storage: [Float] = []
    storage.reserveCapacity(rows * range.count)
    for row in 0..<rows {
      storage += self.storage[row * columns + range.lowerBound..<row * columns + range.upperBound]
    }
    return Matrix(rows: rows, columns: range.count, storage: storage)
  }

  /// The position of the first element that is NaN or infinite, or nil.
  public var firstNonFinite: (row: Int, column: Int)? {
    guard !storage.allFinite, let index = storage.firstIndex(where: { !$0.isFinite }) else {
      return nil
    }
    return (index / columns, index % columns)
  }
}

extension [Float] {
  /// Whether no element is NaN or infinite; vectorized, because it reads every weight.
  ///
  /// x · 0 is 0 for finite x and NaN otherwise, and a sum with a NaN in it is NaN.
  var allFinite: Bool {
    withUnsafeBufferPointer { values in
      var lanes = SIMD16<Float>()
      let whole = values.count & ~15
      guard let base = UnsafeRawPointer(values.baseAddress) else { return true }
      for index in stride(from: 0, to: whole, by: 16) {
        lanes += base.loadUnaligned(fromByteOffset: 4 * index, as: SIMD16<Float>.self) * 0
      }
      return lanes.sum() == 0 && values[whole...].allSatisfy(\.isFinite)
    }
  }
}

extension Matrix {
  /// self - other, element by element.
  public func minus(_ other: Matrix) -> Matrix {
    precondition(
      rows == other.rows && columns == other.columns,
      "[\(rows), \(columns)] against [\(other.rows), \(other.columns)]")
    let (a, b) = (storage, other.storage)
    let difference = [Float](unsafeUninitializedCapacity: a.count) { target, count in
      for index in a.indices { target[index] = a[index] - b[index] }
      count = a.count
    }
    return Matrix(rows: rows, columns: columns, storage: difference)
  }

  /// Σ of the squares, in double precision: eight sums side by side, then theirs.
  public var squaredNorm: Double {
    storage.withUnsafeBufferPointer { values in
      var sums = SIMD8<Double>()
      let whole = values.count & ~7
      for start in stride(from: 0, to: whole, by: 8) {
        for lane in 0..<8 {
          let value = Double(values[start + lane])
          sums[lane] += value * value
        }
      }
      return values[whole...].reduce(sums.sum()) { $0 + Double($1) * Double($1) }
    }
  }
}
