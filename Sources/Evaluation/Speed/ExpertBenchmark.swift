public import Tensors

/// How fast one token runs through gated experts of uniform bits, and through ones of equal size whose
/// neurons have two bit-widths.
///
/// Copies of an expert take turns, so that weights come from memory. Within a repeat both kinds run
/// once for each width, one after the other.
public struct ExpertBenchmark: Sendable {
  /// Times of one width.
  public struct Row: Sendable {
    public let bits: Int
    /// Bits of the two halves of the neurons.
    public let mixture: [Int]
    /// What a token reads.
    public let uniformBytes: Int
    public let mixedBytes: Int
    /// Of each repeat.
    public let uniformSeconds: [Double]
    public let mixedSeconds: [Double]
  }

  public var hidden = 4096
  public var neurons = 14_336
  /// Each is mixed from one bit less and one bit more.
  public var bits = [2, 3, 4]
  public var groupSize = 128
  public var repeats = 21
  /// Bytes that copies of an expert take together, at least one copy.
  public var footprint = 192 << 20
  public var level = KernelLevel.best

  public init() {}

  /// Measures.
  ///
  /// - Returns: A row a width.
  public func measure() -> [Row] {
    let x = Matrix(
      rows: 1, columns: hidden,
      storage: (0..<hidden).map { Float(($0 &* 7919) % 2001 - 1000) / 1000 })
    return bits.map { bits in
      let mixture = [bits - 1, bits + 1]
      let (uniform, mixed) = (copies([bits]), copies(mixture))
      var (first, second) = ([Double](), [Double]())
      for turn in 0..<repeats + 1 {
        let a = { seconds(of: uniform[turn % uniform.count], x) }
        let b = { seconds(of: mixed[turn % mixed.count], x) }
        // Which of them goes first changes from turn to turn.
        let times: (Double, Double)
        if turn.isMultiple(of: 2) {
          let time = a()
          times = (time, b())
        } else {
          let time = b()
          times = (a(), time)
        }
        // The first turn wakes the threads and loads the code.
        guard turn > 0 else { continue }
        first.append(times.0)
        second.append(times.1)
      }
      return Row(
        bits: bits, mixture: mixture, uniformBytes: uniform[0].bytes, mixedBytes: mixed[0].bytes,
        uniformSeconds: first, mixedSeconds: second)
    }
  }

  private func seconds(of expert: PackedExpert, _ x: Matrix) -> Double {
    let start = ContinuousClock.now
    let y = expert.apply(x, level: level)
    let time = (ContinuousClock.now - start) / .seconds(1)
    precondition(y.rows == 1)
    return time
  }

  /// Neurons in equal parts of these bits.
  private func copies(_ bits: [Int]) -> [PackedExpert] {
    let count = neurons / bits.count
    let make = {
      PackedExpert(
        slices: bits.map { bits in
          PackedExpert.Slice(
            gate: operand(rows: count, columns: hidden, bits: bits),
            up: operand(rows: count, columns: hidden, bits: bits),
            down: operand(rows: hidden, columns: count, bits: bits))
        })
    }
    let first = make()
    return [first] + (1..<max(2, footprint / first.bytes)).map { _ in make() }
  }

  /// Symmetric weights; their codes do not matter for speed.
  private func operand(rows: Int, columns: Int, bits: Int) -> PackedLinear {
    let groups = (columns + groupSize - 1) / groupSize
    let bytes = rows * BitStream.byteCount(codes: columns, bits: bits)
    let codes = [UInt8](unsafeUninitializedCapacity: bytes) { buffer, count in
      for index in 0..<bytes {
        buffer[index] = UInt8(truncatingIfNeeded: index &* 0x9E37_79B9 >> 7)
      }
      count = bytes
    }
    return PackedLinear(
      PackedMatrix(
        rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: true,
        codes: codes, scales: [UInt16](repeating: Float16(0.01).bitPattern, count: rows * groups),
        zeros: []))
  }
}
