import CKernels

/// What products take their input vectors for.
public enum Activations: String, Sendable, Codable, CaseIterable {
  /// The numbers that they are.
  case exact
  /// The nearest of 255 numbers: integers of magnitude 127 at most times a scale, which is that of the
  /// vector's largest magnitude. Products with packed weights sum integers.
  case int8
}

/// Instructions that sum products of codes and 8-bit inputs; all give the same bits.
public enum IntegerPath: UInt32, Sendable, CaseIterable {
  case scalar = 0
  case avx2 = 1
  /// AVX-VNNI.
  case avxVNNI = 2
  /// AVX-512 VNNI, on vectors of 256 bits.
  case avx512VNNI = 3

  /// The best of this CPU.
  public static let best = IntegerPath(rawValue: ck_best_int8_path().rawValue) ?? .scalar

  /// Those of this CPU.
  public static var available: [IntegerPath] {
    [.scalar] + (best == .scalar ? [] : [.avx2]) + (best.rawValue > 1 ? [best] : [])
  }

  /// The best that a level of the other kernels goes with.
  static func suited(to level: KernelLevel) -> IntegerPath {
    switch level {
    case .scalar: .scalar
    case .avx2 where KernelLevel.best != .avx2: .avx2
    default: best
    }
  }

  var ckPath: ck_int8_path { ck_int8_path(rawValue: rawValue) }
}

/// Vectors rounded to 8 bits, in the order in which the kernels of one or several matrices meet them.
final class RoundedInput: @unchecked Sendable {
  // Written by its creator before it is shared, read-only afterwards.
  let path: IntegerPath
  private let batch: Int
  private let values: AlignedBytes
  private let scales: AlignedBytes
  /// nil where the groups do not fall on blocks.
  private let arranged: AlignedBytes?
  private let sums: AlignedBytes?

  /// - Parameters:
  ///   - x: Shape `[batch, columns]`, in the order of the columns of the weights.
  ///   - batch: 1, 2, 4 or 8.
  ///   - view: The weights, or others that share their input.
  ///   - path: Of the products.
  init(_ x: UnsafePointer<Float>, batch: Int, view: ck_packed, path: IntegerPath) {
    (self.path, self.batch) = (path, batch)
    var view = view
    values = AlignedBytes(count: batch * view.columns)
    scales = AlignedBytes(count: batch * 4)
    let rounded = values.base.assumingMemoryBound(to: Int8.self)
    ck_int8_round(
      x, view.columns, view.columns, batch, rounded,
      scales.base.assumingMemoryBound(to: Float.self))
    guard path != .scalar, ck_int8_has_kernels(&view) else {
      (arranged, sums) = (nil, nil)
      return
    }
    let (arranged, sums) = (
      AlignedBytes(count: batch * (ck_blocks(&view) + 1) / 2 * 2 * Int(CK_BLOCK)),
      AlignedBytes(count: batch * ck_segments(&view) * 4)
    )
    ck_int8_arrange(
      &view, rounded, batch, arranged.base.assumingMemoryBound(to: Int8.self),
      sums.base.assumingMemoryBound(to: Int32.self))
    (self.arranged, self.sums) = (arranged, sums)
  }

  /// What the kernels read.
  var view: ck_int8_input {
    ck_int8_input(
      batch: batch, values: values.base.assumingMemoryBound(to: Int8.self),
      arranged: arranged.map { UnsafePointer($0.base.assumingMemoryBound(to: Int8.self)) },
      sums: sums.map { UnsafePointer($0.base.assumingMemoryBound(to: Int32.self)) },
      scales: scales.base.assumingMemoryBound(to: Float.self))
  }
}

extension Activations {
  /// Vectors as products take them.
  ///
  /// - Parameters:
  ///   - x: Shape `[count, columns]`.
  ///   - count: Vectors.
  ///   - columns: Elements of each.
  /// - Returns: The same numbers, or the nearest of 255 of each vector.
  public func applied(to x: UnsafePointer<Float>, count: Int, columns: Int) -> [Float] {
    let elements = count * columns
    guard self == .int8 else { return Array(UnsafeBufferPointer(start: x, count: elements)) }
    var codes = [Int8](repeating: 0, count: elements)
    var scales = [Float](repeating: 0, count: count)
    ck_int8_round(x, columns, columns, count, &codes, &scales)
    return codes.indices.map { Float(codes[$0]) * scales[$0 / max(columns, 1)] }
  }
}
