import CKernels

#if canImport(Glibc)
import Glibc
#endif

/// Vectors in the order in which the kernels of one or several matrices meet their columns.
///
/// The order depends on groups and act-order only, so matrices that share those share the input,
/// whatever their bits.
final class ArrangedInput: @unchecked Sendable {
  // Written by its creator before it is shared, read-only afterwards.
  /// 1, 2, 4 or 8; vectors after the given ones are zero.
  let batch: Int
  let columns: Int
  private let values: AlignedBytes
  private let arranged: AlignedBytes
  private let sums: AlignedBytes?
  private let integers: Integers?

  /// Inputs as integers, for the levels that multiply those.
  private struct Integers {
    let words: AlignedBytes
    let sums: AlignedBytes
    let units: AlignedBytes
  }

  /// Arranges vectors for a matrix.
  ///
  /// - Parameters:
  ///   - x: Shape `[count, weights.columns]`.
  ///   - count: Vectors, 1…8.
  ///   - weights: Whose groups and order count.
  ///   - level: Of the products.
  init(_ x: UnsafePointer<Float>, count: Int, for weights: PackedLinear, level: KernelLevel) {
    precondition((1...8).contains(count), "\(count) vectors, not 1...8")
    batch = count == 3 ? 4 : count > 4 ? 8 : count
    columns = weights.columns
    let floats = MemoryLayout<Float>.stride
    values = AlignedBytes(count: batch * columns * floats)
    let ordered = values.base.assumingMemoryBound(to: Float.self)
    memset(values.base, 0, batch * columns * floats)
    if let order = weights.inputOrder {
      for n in 0..<count {
        for (position, column) in order.enumerated() {
          ordered[n * columns + position] = x[n * columns + Int(column)]
        }
      }
    } else {
      memcpy(values.base, x, count * columns * floats)
    }
    var view = weights.view
    guard ck_has_blocks(&view) else {
      (arranged, sums, integers) = (AlignedBytes(count: 0), nil, nil)
      return
    }
    arranged = AlignedBytes(count: batch * ck_blocks(&view) * Int(CK_BLOCK) * floats)
    sums =
      weights.symmetric
      ? nil : AlignedBytes(count: batch * ck_segments(&view) * 16 * floats)
    ck_arrange(
      &view, ordered, columns, batch, arranged.base.assumingMemoryBound(to: Float.self),
      sums?.base.assumingMemoryBound(to: Float.self))
    integers = Self.integers(of: arranged, batch: batch, view: view, level: level)
  }

  /// The inputs as integers; nil where the level or the groups do without.
  private static func integers(
    of arranged: AlignedBytes, batch: Int, view: ck_packed, level: KernelLevel
  ) -> Integers? {
    // Other matrices of the same groups may have fewer bits than the first one.
    var view = view
    view.bits = min(view.bits, 4)
    guard level == .vnni, ck_has_block_pairs(&view) else { return nil }
    let (pairs, segments) = ((ck_blocks(&view) + 1) / 2, ck_segments(&view))
    let integers = Integers(
      words: AlignedBytes(count: batch * pairs * 4 * Int(CK_BLOCK) * 2),
      sums: AlignedBytes(count: batch * segments * 32 * 4),
      units: AlignedBytes(count: batch * segments * 4))
    let written = ck_split(
      level.ckLevel, &view, arranged.base.assumingMemoryBound(to: Float.self), batch,
      integers.words.base.assumingMemoryBound(to: Int16.self),
      integers.sums.base.assumingMemoryBound(to: Int32.self),
      integers.units.base.assumingMemoryBound(to: Float.self))
    return written ? integers : nil
  }

  /// What the kernels read.
  var view: ck_input {
    ck_input(
      batch: batch, values: values.base.assumingMemoryBound(to: Float.self), stride: columns,
      arranged: arranged.base.assumingMemoryBound(to: Float.self),
      sums: sums.map { UnsafePointer($0.base.assumingMemoryBound(to: Float.self)) },
      words: integers.map { UnsafePointer($0.words.base.assumingMemoryBound(to: Int16.self)) },
      word_sums: integers.map { UnsafePointer($0.sums.base.assumingMemoryBound(to: Int32.self)) },
      units: integers.map { UnsafePointer($0.units.base.assumingMemoryBound(to: Float.self)) })
  }
}

extension PackedLinear {
  /// Whether an input arranged for `other` serves this matrix.
  func sharesInput(with other: PackedLinear) -> Bool {
    columns == other.columns && groupSize == other.groupSize && symmetric == other.symmetric
      && inputOrder == other.inputOrder
      && (view.group_index == nil) == (other.view.group_index == nil)
  }
}
