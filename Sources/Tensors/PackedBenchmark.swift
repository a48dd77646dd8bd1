import CKernels
import COneDNN

#if canImport(Glibc)
import Glibc
#endif

/// How fast products of packed weights with one vector run, against a plain read of the same bytes
/// and against bfloat16 weights of the same shape.
///
/// Each repeat runs every subject once, so that all meet the same disturbances. Operands come from
/// memory: between two reads of the same bytes lie at least those of the bfloat16 weights, 117 MB
/// for an expert of Mixtral.
public struct PackedBenchmark: Sendable {
  /// One shape at one width and number of threads.
  public struct Row: Sendable {
    /// Shape `[rows, columns]`.
    public let rows: Int
    public let columns: Int
    public let bits: Int
    public let threads: Int
    /// Bytes of codes and scales that a product reads.
    public let bytes: Int
    /// Medians of the repeats.
    public let milliseconds: Double
    public let readMilliseconds: Double
    public let bfloat16Milliseconds: Double
    /// Medians of the ratios within a repeat.
    public let fractionOfReadRate: Double
    public let speedupOverBFloat16: Double

    /// Packed bytes per second, in 10⁹.
    public var gigabytesPerSecond: Double { Double(bytes) / milliseconds / 1e6 }
  }

  /// Shapes `[outputs, inputs]`; the default is an expert of Mixtral, gate or up and down.
  public var shapes = [(rows: 14_336, columns: 4096), (rows: 4096, columns: 14_336)]
  public var bits = Array(1...8)
  public var threads = [1, 2]
  public var groupSize = 128
  public var repeats = 15
  /// Bytes that plain reads and bfloat16 weights take turns in; more than the last-level cache.
  public var footprint = 256 << 20
  public var level = KernelLevel.best

  public init() {}

  /// Measures.
  ///
  /// - Returns: A row for each shape, number of threads and bits, in this order.
  public func measure() -> [Row] {
    let before = omp_get_max_threads()
    defer { omp_set_num_threads(before) }
    let plain = AlignedBytes(count: footprint)
    // bfloat16 numbers of magnitude 2⁻⁷…2⁻⁵ and either sign.
    let words = plain.base.assumingMemoryBound(to: UInt64.self)
    for word in 0..<footprint / 8 {
      let hash = UInt64(truncatingIfNeeded: word) &* 0x9E37_79B9_7F4A_7C15
      words[word] = hash & 0x80FF_80FF_80FF_80FF | 0x3C00_3C00_3C00_3C00
    }
    var result: [Row] = []
    for shape in shapes {
      for count in threads {
        omp_set_num_threads(Int32(count))
        result += measure(rows: shape.rows, columns: shape.columns, threads: count, plain: plain)
      }
    }
    return result
  }

  private func measure(rows: Int, columns: Int, threads: Int, plain: AlignedBytes) -> [Row] {
    let x = (0..<columns).map { Float(($0 &* 7919) % 2001 - 1000) / 1000 }
    let subjects = bits.map { operand(rows: rows, columns: columns, bits: $0) }
    var times = subjects.map { _ in (packed: [Double](), read: [Double](), bfloat16: [Double]()) }
    var y = [Float](repeating: 0, count: rows)
    for turn in 0..<repeats + 1 {
      for (index, weights) in subjects.enumerated() {
        let packed = seconds { weights.multiply(x, count: 1, to: &y, level: level) }
        let read = seconds { self.read(plain, bytes: weights.bytes, turn: turn) }
        let bfloat16 = seconds {
          multiplyBFloat16(plain, rows: rows, columns: columns, turn: turn, x: x, y: &y)
        }
        // The first turn wakes the threads and loads the code.
        guard turn > 0 else { continue }
        times[index].packed.append(packed)
        times[index].read.append(read)
        times[index].bfloat16.append(bfloat16)
      }
    }
    return zip(subjects, times).map { weights, times in
      Row(
        rows: rows, columns: columns, bits: weights.bits, threads: threads,
        bytes: weights.bytes, milliseconds: 1000 * median(times.packed),
        readMilliseconds: 1000 * median(times.read),
        bfloat16Milliseconds: 1000 * median(times.bfloat16),
        fractionOfReadRate: median(zip(times.read, times.packed).map { $0 / $1 }),
        speedupOverBFloat16: median(zip(times.bfloat16, times.packed).map { $0 / $1 }))
    }
  }

  /// Symmetric weights; their codes do not matter for speed.
  private func operand(rows: Int, columns: Int, bits: Int) -> PackedLinear {
    let groups = (columns + groupSize - 1) / groupSize
    let bytes = rows * BitStream.byteCount(codes: columns, bits: bits)
    return PackedLinear(
      PackedMatrix(
        rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: true,
        codes: (0..<bytes).map { UInt8(truncatingIfNeeded: $0 &* 0x9E37_79B9 >> 7) },
        scales: [UInt16](repeating: Float16(0.01).bitPattern, count: rows * groups), zeros: []))
  }

  /// Reads as many bytes as a product does, in the chunks in which rows are split.
  private func read(_ plain: AlignedBytes, bytes: Int, turn: Int) {
    let start = place(of: bytes, turn: turn)
    forEachChunk(of: bytes, size: 128 << 10) { range in
      keepAlive(ck_read(level.ckLevel, plain.base + start + range.lowerBound, range.count))
    }
  }

  private func multiplyBFloat16(
    _ plain: AlignedBytes, rows: Int, columns: Int, turn: Int, x: [Float], y: inout [Float]
  ) {
    let start = place(of: 2 * rows * columns, turn: turn)
    y.withUnsafeMutableBufferPointer { y in
      guard let base = y.baseAddress else { return }
      // SAFETY: chunks write their own rows.
      nonisolated(unsafe) let (to, weights) = (
        base, (plain.base + start).assumingMemoryBound(to: UInt16.self)
      )
      forEachChunk(of: rows, size: 64) { range in
        ck_bfloat16_multiply(
          level.ckLevel, weights, columns, range.lowerBound, range.upperBound, x, to)
      }
    }
  }

  /// Where the copy of a turn starts.
  private func place(of bytes: Int, turn: Int) -> Int {
    precondition(bytes <= footprint, "\(bytes) bytes in \(footprint)")
    return turn % (footprint / bytes) * bytes & ~63
  }
}

private func seconds(_ body: () -> Void) -> Double {
  let start = ContinuousClock.now
  body()
  return (ContinuousClock.now - start) / .seconds(1)
}

/// The middle value, or the mean of both.
private func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}

/// Keeps the compiler from dropping a computation.
@inline(never)
private func keepAlive(_ value: UInt64) {
  withExtendedLifetime(value) {}
}
