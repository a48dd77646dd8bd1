import CKernels

#if canImport(Glibc)
import Glibc
#endif

/// Vectors in the order in which the kernels of one or several matrices meet their columns.
///
/// The order depends on groups, act-order and how codes lie in bytes, so matrices that share those share
/// the input.
final class ArrangedInput: @unchecked Sendable {
  // Written by its creator before it is shared, read-only afterwards.
  /// 1, 2, 4 or 8; vectors after the given ones are zero.
  let batch: Int
  let columns: Int
  private let values: AlignedBytes
  private let arranged: AlignedBytes
  private let sums: AlignedBytes?
  private let integers: Integers?
  private let digits: Digits?
  /// The inputs of ``Activations/int8``; products then read nothing else.
  let rounded: RoundedInput?

  /// Inputs as integers, for the levels that multiply those.
  private struct Integers {
    let words: AlignedBytes
    let sums: AlignedBytes
    let units: AlignedBytes
  }

  /// Inputs as digits of 8 bits, for codes in units: digits, their sums and units, one after the other.
  private struct Digits {
    let memory: AlignedBytes
    /// Where sums and units start, in bytes.
    let sums: Int
    let units: Int
  }

  /// Arranges vectors for a matrix.
  ///
  /// - Parameters:
  ///   - x: Shape `[count, weights.columns]`.
  ///   - count: Vectors, 1…8.
  ///   - weights: Whose groups and order count.
  ///   - level: Of the products.
  ///   - activations: What products take the vectors for.
  init(
    _ x: UnsafePointer<Float>, count: Int, for weights: PackedLinear, level: KernelLevel,
    activations: Activations = .exact
  ) {
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
    rounded =
      activations == .int8
      ? RoundedInput(ordered, batch: batch, view: view, path: .suited(to: level)) : nil
    digits =
      rounded == nil
      ? Self.digits(of: ordered, batch: batch, view: view, level: level) : nil
    guard rounded == nil, digits == nil, ck_has_blocks(&view) else {
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

  /// The inputs as digits; nil where the level, the groups or the inputs do without.
  private static func digits(
    of ordered: UnsafePointer<Float>, batch: Int, view: ck_packed, level: KernelLevel
  ) -> Digits? {
    var view = view
    guard level != .scalar, view.in_units else { return nil }
    let (pairs, segments) = ((ck_blocks(&view) + 1) / 2, ck_segments(&view))
    let (sums, units) = (batch * pairs * 384, batch * pairs * (384 + 64))
    let numbers = (units + batch * segments * 4 + 63) & ~63
    let memory = AlignedBytes(count: numbers + pairs * 2 * Int(CK_BLOCK) * 4)
    let written = ck_digits(
      level.ckLevel, &view, ordered, view.columns, batch,
      (memory.base + numbers).assumingMemoryBound(to: Int32.self),
      memory.base.assumingMemoryBound(to: Int8.self),
      (memory.base + sums).assumingMemoryBound(to: Int32.self),
      (memory.base + units).assumingMemoryBound(to: Float.self))
    return written ? Digits(memory: memory, sums: sums, units: units) : nil
  }

  /// The inputs as integers; nil where the level or the groups do without.
  private static func integers(
    of arranged: AlignedBytes, batch: Int, view: ck_packed, level: KernelLevel
  ) -> Integers? {
    var view = view
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
      units: integers.map { UnsafePointer($0.units.base.assumingMemoryBound(to: Float.self)) },
      digits: digits.map { UnsafePointer($0.memory.base.assumingMemoryBound(to: Int8.self)) },
      digit_sums: digits.map {
        UnsafePointer(($0.memory.base + $0.sums).assumingMemoryBound(to: Int32.self))
      },
      digit_units: digits.map {
        UnsafePointer(($0.memory.base + $0.units).assumingMemoryBound(to: Float.self))
      })
  }
}

extension PackedLinear {
  /// Inputs have one order for codes in units; for streams one where codes lie in bytes by fours, another
  /// where they lie there by twos, and none as integers for others.
  private var inputForm: Int { inUnits ? 0 : bits <= 2 ? 4 : bits <= 4 ? 2 : 1 }

  /// Whether an input arranged for `other` serves this matrix.
  func sharesInput(with other: PackedLinear) -> Bool {
    columns == other.columns && groupSize == other.groupSize && symmetric == other.symmetric
      && inputOrder == other.inputOrder && inputForm == other.inputForm
      && (view.group_index == nil) == (other.view.group_index == nil)
  }
}
