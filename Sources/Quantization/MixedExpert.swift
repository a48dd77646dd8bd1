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
  /// - Throws: ``QuantizationError/inMatrix(_:_:)``; rows are then counted within a slice.
  public init(
    rounding weights: GatedWeights, order: NeuronOrder, split: [(bits: Int, neurons: Int)],
    family: GridFamily
  ) throws(QuantizationError) {
    let order = split.count == 1 ? .identity(weights.neurons) : order
    self.order = order
    let ranges = Self.positions(of: split, neurons: weights.neurons)
    let down = try QuantizationError.of(matrix: 2) { () throws(QuantizationError) in
      try Self.roundedDown(weights.down, order: order, split: split, family: family)
    }
    var slices: [Slice] = []
    for (part, positions) in ranges.enumerated() {
      let grid = try family.grid(bits: split[part].bits)
      let rows = [weights.gate, weights.up].map { order.rows(of: $0, at: positions) }
      let rounded = [
        try QuantizationError.of(matrix: 0) { () throws(QuantizationError) in
          try RoundToNearest.quantize(rows[0], grid: grid)
        },
        try QuantizationError.of(matrix: 1) { () throws(QuantizationError) in
          try RoundToNearest.quantize(rows[1], grid: grid)
        },
      ]
      slices.append(Slice(gate: rounded[0], up: rounded[1], down: down[part]))
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

  init(order: NeuronOrder, slices: [Slice]) {
    (self.order, self.slices) = (order, slices)
  }

  static func positions(
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
    GatedWeights(
      gate: gate.dequantized(), up: up.dequantized(), down: down.dequantized())
  }

  /// Gate, slice by slice.
  public var gate: SlicedMatrix {
    SlicedMatrix(slices.map(\.gate), along: .rows, order: order.neurons)
  }

  /// Up, slice by slice.
  public var up: SlicedMatrix {
    SlicedMatrix(slices.map(\.up), along: .rows, order: order.neurons)
  }

  /// Down, slice by slice.
  public var down: SlicedMatrix {
    SlicedMatrix(slices.map(\.down), along: .columns, order: order.neurons)
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

  /// Bits that tell which neuron stands where: ⌈log₂ neurons⌉ for each, 0 for a single slice, as
  /// checkpoints store them once an expert.
  public static func permutationBits(neurons: Int, slices: Int) -> Int {
    guard slices > 1, neurons > 1 else { return 0 }
    return neurons * (Int.bitWidth - (neurons - 1).leadingZeroBitCount)
  }
}
