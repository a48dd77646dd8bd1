public import Tensors

/// An expert rounded to nearest with several bit-widths, each for a contiguous slice of its neurons
/// in rank order.
///
/// Gate and up are split by rows, down by columns. Scales lie along the inputs, so those of gate and
/// up do not depend on the split; groups of down restart where a slice starts, and the last group of
/// a slice may be short (DECISIONS: Half levels). A single slice keeps the neurons in their places
/// and is what ``RoundToNearest`` gives.
public struct MixedExpert: Sendable, Equatable {
  /// Neurons of one bit-width.
  public struct Slice: Sendable, Equatable {
    /// Shape `[neurons, inputs]`.
    public let gate: PackedMatrix
    /// Shape `[neurons, inputs]`.
    public let up: PackedMatrix
    /// Shape `[outputs, neurons]`.
    public let down: PackedMatrix

    public var bits: Int { gate.bits }
    public var neurons: Int { gate.rows }
  }

  /// The neuron at each position; the identity for a single slice.
  public let order: NeuronOrder
  /// In rank order.
  public let slices: [Slice]

  /// Rounds an expert.
  ///
  /// - Parameters:
  ///   - weights: Neurons in their places in the checkpoint.
  ///   - order: Neurons by rank; not read for a single slice.
  ///   - split: Bits and neurons of each slice in rank order, summing to all neurons.
  ///   - family: Grids of any bits.
  /// - Throws: ``QuantizationError``; rows are then counted within a slice.
  public init(
    rounding weights: GatedWeights, order: NeuronOrder, split: [(bits: Int, neurons: Int)],
    family: GridFamily
  ) throws(QuantizationError) {
    self.order = split.count == 1 ? .identity(weights.neurons) : order
    let ranges = Self.positions(of: split, neurons: weights.neurons)
    let down = try Self.roundedDown(weights.down, order: order, split: split, family: family)
    var slices: [Slice] = []
    for (part, positions) in ranges.enumerated() {
      let grid = try family.grid(bits: split[part].bits)
      slices.append(
        Slice(
          gate: try RoundToNearest.quantize(
            self.order.rows(of: weights.gate, at: positions), grid: grid),
          up: try RoundToNearest.quantize(
            self.order.rows(of: weights.up, at: positions), grid: grid),
          down: down[part]))
    }
    self.slices = slices
  }

  /// Rounds down alone, a matrix for each slice, `[outputs, neurons of the slice]`.
  ///
  /// - Parameters: As ``init(rounding:order:split:family:)``.
  public static func roundedDown(
    _ down: Matrix, order: NeuronOrder, split: [(bits: Int, neurons: Int)], family: GridFamily
  ) throws(QuantizationError) -> [PackedMatrix] {
    let order = split.count == 1 ? .identity(down.columns) : order
    var slices: [PackedMatrix] = []
    for (part, positions) in positions(of: split, neurons: down.columns).enumerated() {
      slices.append(
        try RoundToNearest.quantize(
          order.columns(of: down, at: positions), grid: family.grid(bits: split[part].bits)))
    }
    return slices
  }

  private static func positions(
    of split: [(bits: Int, neurons: Int)], neurons: Int
  ) -> [Range<Int>] {
    precondition(
      split.reduce(0) { $0 + $1.neurons } == neurons && split.allSatisfy { $0.neurons > 0 },
      "slices of \(split.map(\.neurons)) for \(neurons) neurons")
    var start = 0
    return split.map { slice in
      defer { start += slice.neurons }
      return start..<start + slice.neurons
    }
  }

  /// The rounded weights with every neuron back in its place.
  public func dequantized() -> GatedWeights {
    let inputs = slices.first?.gate.columns ?? 0
    var (gate, up): ([Float], [Float]) = ([], [])
    for slice in slices {
      gate += slice.gate.dequantized().storage
      up += slice.up.dequantized().storage
    }
    let back = order.inverse
    return GatedWeights(
      gate: back.rows(of: Matrix(rows: order.count, columns: inputs, storage: gate)),
      up: back.rows(of: Matrix(rows: order.count, columns: inputs, storage: up)),
      down: Self.joined(slices.map(\.down), order: order))
  }

  /// Slices of down as one matrix with every neuron back in its place, `[outputs, neurons]`.
  public static func joined(_ slices: [PackedMatrix], order: NeuronOrder) -> Matrix {
    var result = Matrix(rows: slices.first?.rows ?? 0, columns: order.count)
    var start = 0
    for slice in slices {
      let values = slice.dequantized()
      for row in 0..<values.rows {
        for column in 0..<values.columns {
          result[row, order.neurons[start + column]] = values[row, column]
        }
      }
      start += slice.columns
    }
    return result
  }
}

extension MixedExpert {
  /// Bits of the codes alone.
  public var codeBits: Int {
    slices.reduce(0) { $0 + $1.gate.codeBits + $1.up.codeBits + $1.down.codeBits }
  }

  /// Bits of scales, zero points and the permutation.
  public var metadataBits: Int {
    slices.reduce(Self.permutationBits(neurons: order.count, slices: slices.count)) {
      $0 + $1.gate.metadataBits + $1.up.metadataBits + $1.down.metadataBits
    }
  }

  /// Bits that tell which neuron stands where: ⌈log₂ neurons⌉ for each, 0 for a single slice.
  ///
  /// The function needs no permutation to be stored; it is counted because a reader must be able to
  /// find the checkpoint's neurons (DECISIONS: Budgets).
  public static func permutationBits(neurons: Int, slices: Int) -> Int {
    guard slices > 1, neurons > 1 else { return 0 }
    return neurons * (Int.bitWidth - (neurons - 1).leadingZeroBitCount)
  }
}
