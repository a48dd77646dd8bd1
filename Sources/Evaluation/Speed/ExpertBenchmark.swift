public import Tensors

/// How fast made-up experts of a real model's size run, stored in several ways, without a checkpoint.
///
/// Within a repeat every subject runs once, and which is first changes from repeat to repeat. Between
/// two runs of the same weights lie those of all other subjects, and copies where these are small, so
/// that weights come from memory.
public struct ExpertBenchmark: Sendable {
  /// Experts that are stored in one way; their times and bytes are means over them.
  public struct Subject: Sendable, Equatable {
    public enum Weights: Sendable, Equatable {
      case dense(Precision)
      /// Each expert has equal parts of its neurons at these bits, and a share of its weights in a
      /// sparse part.
      case packed([[Int]], sparse: Double = 0)
    }

    public let name: String
    public let weights: Weights

    public init(_ name: String, _ weights: Weights) { (self.name, self.weights) = (name, weights) }

    /// What is measured of a width beside full precision; uniform bits, which come first, are what the
    /// others are compared with.
    ///
    /// - Parameters:
    ///   - bits: 2…7.
    ///   - sparse: Share of the weights in the sparse part.
    /// - Returns: Uniform, experts mixed, neurons mixed, dense and sparse.
    public static func all(bits: Int, sparse: Double) -> [Subject] {
      [
        Subject("uniform", .packed([[bits]])),
        Subject("experts mixed", .packed([[bits - 1], [bits + 1]])),
        Subject("neurons mixed", .packed([[bits - 1, bits + 1]])),
        Subject("dense and sparse", .packed([[bits]], sparse: sparse)),
      ]
    }
  }

  /// A subject beside uniform bits.
  public struct Row: Sendable {
    /// Of the uniform expert.
    public let bits: Int
    public let subject: Subject
    /// Weights that a token reads in an expert, bytes.
    public let bytesPerToken: Int
    /// Weights of all experts of the subject in memory, bytes.
    public let heldBytes: Int
    /// Seconds an expert of each repeat: of one token, and of ``ExpertBenchmark/prompt`` tokens together.
    public let decode: [Double]
    public let prefill: [Double]
    /// The same over the time of uniform bits in the same repeat.
    public let decodeRatio: [Double]
    public let prefillRatio: [Double]
  }

  public var hidden = 4096
  public var neurons = 14_336
  /// Widths; mixtures have one bit less and one bit more.
  public var bits = [2, 3, 4]
  /// Of full precision.
  public var precisions: [Precision] = Precision.fastest == .bf16 ? [.bf16, .f32] : [.f32]
  /// Share of the weights in sparse parts.
  public var sparse = 0.0045
  public var groupSize = 128
  /// Tokens of a prompt; 0: only single tokens are timed.
  public var prompt = 128
  public var repeats = 21
  /// Bytes that the copies of all subjects take together, at least one copy.
  public var footprint = 192 << 20
  public var activations = Activations.exact
  public var level = KernelLevel.best

  public init() {}

  /// Measures.
  ///
  /// - Returns: For each width full precision and then ``Subject/all(bits:sparse:)``.
  public func measure() -> [Row] {
    let full = precisions.map { Subject("full precision (\($0.rawValue))", .dense($0)) }
    let widths = bits.map { Subject.all(bits: $0, sparse: sparse) }
    let subjects = full + widths.joined()
    let first = subjects.map(load)
    let size = first.reduce(0) { $0 + $1.heldBytes }
    let copies =
      [first] + (1..<max(1, (footprint + size - 1) / size)).map { _ in subjects.map(load) }
    let times = times(copies)
    func row(_ index: Int, width: Int) -> Row {
      // Uniform bits come first among the subjects of a width.
      let uniform = full.count + width * widths[width].count
      let ratios = times.map { phase in zip(phase[index], phase[uniform]).map { $0 / $1 } }
      return Row(
        bits: bits[width], subject: subjects[index],
        bytesPerToken: first[index].heldBytes / first[index].count,
        heldBytes: first[index].heldBytes, decode: times[0][index],
        prefill: prompt > 0 ? times[1][index] : [], decodeRatio: ratios[0],
        prefillRatio: prompt > 0 ? ratios[1] : [])
    }
    return bits.indices.flatMap { width in
      let start = full.count + width * widths[width].count
      return (Array(full.indices) + (start..<start + widths[width].count)).map {
        row($0, width: width)
      }
    }
  }

  /// Seconds an expert by phase, subject and repeat; a phase is one token, or a prompt.
  private func times(_ copies: [[LoadedExperts]]) -> [[[Double]]] {
    let phases = ([1] + (prompt > 0 ? [prompt] : [])).map(tokens)
    let count = copies[0].count
    var times = phases.map { _ in [[Double]](repeating: [], count: count) }
    for turn in 0...repeats {
      for (phase, x) in phases.enumerated() {
        for place in 0..<count {
          let index = (place + turn) % count
          let start = ContinuousClock.now
          copies[turn % copies.count][index].apply(x, level: level, activations: activations)
          let seconds = (ContinuousClock.now - start) / .seconds(1)
          // The first turn wakes the threads and loads the code.
          guard turn > 0 else { continue }
          times[phase][index].append(seconds / Double(copies[0][index].count))
        }
      }
    }
    return times
  }

  private func tokens(_ count: Int) -> Matrix {
    Matrix(
      rows: count, columns: hidden,
      storage: (0..<count * hidden).map { Float(($0 &* 7919) % 2001 - 1000) / 1000 })
  }

  private func load(_ subject: Subject) -> LoadedExperts {
    switch subject.weights {
    case .dense(let precision):
      .dense(DenseExpert(hidden: hidden, neurons: neurons, precision: precision))
    case .packed(let experts, let share): .packed(experts.map { packed($0, sparse: share) })
    }
  }

  /// Neurons in equal parts of these bits.
  private func packed(_ bits: [Int], sparse: Double) -> PackedExpert {
    let count = neurons / bits.count
    return PackedExpert(
      slices: bits.map { bits in
        PackedExpert.Slice(
          gate: operand(rows: count, columns: hidden, bits: bits, sparse: sparse),
          up: operand(rows: count, columns: hidden, bits: bits, sparse: sparse),
          down: operand(rows: hidden, columns: count, bits: bits, sparse: sparse))
      })
  }

  /// Symmetric weights; their codes do not matter for speed.
  private func operand(rows: Int, columns: Int, bits: Int, sparse: Double) -> PackedLinear {
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
        zeros: []),
      sparse: sparse > 0 ? .madeUp(rows: rows, columns: columns, share: sparse) : nil)
  }
}

/// Experts in memory that take the same tokens.
private enum LoadedExperts {
  case dense(DenseExpert)
  case packed([PackedExpert])

  var count: Int {
    if case .packed(let experts) = self { experts.count } else { 1 }
  }

  var heldBytes: Int {
    switch self {
    case .dense(let expert): expert.bytes
    case .packed(let experts): experts.reduce(0) { $0 + $1.bytes }
    }
  }

  func apply(_ x: Matrix, level: KernelLevel, activations: Activations) {
    switch self {
    case .dense(let expert): expert.apply(x)
    case .packed(let experts):
      for expert in experts {
        let y = expert.apply(x, level: level, activations: activations)
        precondition(y.rows == x.rows)
      }
    }
  }
}

/// A gated MLP in full precision as models run it: gate and up in one product.
private struct DenseExpert {
  private let gateUp: LinearWeights
  private let down: LinearWeights
  private let inputs = ScratchBuffer<Float>()
  private let both = ScratchBuffer<Float>()
  private let outputs = ScratchBuffer<Float>()
  private let half = ScratchBuffer<UInt16>()

  init(hidden: Int, neurons: Int, precision: Precision) {
    gateUp = LinearWeights(.madeUp(rows: 2 * neurons, columns: hidden), precision: precision)
    down = LinearWeights(.madeUp(rows: hidden, columns: neurons), precision: precision)
  }

  var bytes: Int {
    [gateUp, down].reduce(0) { $0 + $1.rows * $1.columns * ($1.precision == .f32 ? 4 : 2) }
  }

  func apply(_ x: Matrix) {
    let (rows, hidden, width) = (x.rows, down.rows, down.columns)
    let padded = LinearWeights.paddedRows(rows)
    let input = inputs.reserve(padded * max(hidden, width))
    x.storage.withUnsafeBufferPointer { x in
      if let base = x.baseAddress { input.update(from: base, count: x.count) }
    }
    let both = both.reserve(padded * 2 * width)
    gateUp.apply(input, rows: rows, to: both, scratch: half)
    // SAFETY: every chunk reads and writes its own tokens.
    nonisolated(unsafe) let (gate, hiddenNeurons) = (both, input)
    forEachChunk(of: rows, size: 8) { range in
      for row in range {
        VectorMath.swiGLU(
          gate: gate + row * 2 * width, up: gate + row * 2 * width + width,
          into: hiddenNeurons + row * width, count: width)
      }
    }
    down.apply(input, rows: rows, to: outputs.reserve(padded * hidden), scratch: half)
  }
}

extension Matrix {
  /// Numbers between -0.02 and 0.02.
  fileprivate static func madeUp(rows: Int, columns: Int) -> Matrix {
    let count = rows * columns
    return Matrix(
      rows: rows, columns: columns,
      storage: [Float](unsafeUninitializedCapacity: count) { buffer, written in
        for index in 0..<count {
          buffer[index] = Float((index &* 7919) % 2001 - 1000) / 50_000
        }
        written = count
      })
  }
}

extension SparseMatrix {
  /// Equally many elements in every row, at least one, each in a part of the columns of its own.
  fileprivate static func madeUp(rows: Int, columns: Int, share: Double) -> SparseMatrix {
    let count = min(columns, max(1, Int((share * Double(columns)).rounded())))
    let width = columns / count
    return SparseMatrix(
      rows: rows, columns: columns, rowStarts: (0...rows).map { UInt32($0 * count) },
      columnIndices: (0..<rows * count).map {
        UInt16($0 % count * width + ($0 &* 7919) % width)
      }, values: [UInt16](repeating: Float16(0.1).bitPattern, count: rows * count))
  }
}
