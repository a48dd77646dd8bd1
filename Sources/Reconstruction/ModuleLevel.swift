/// What a plan decides about a module.
public enum ModuleLevel: Sendable, Equatable {
  /// 1…8, the whole module.
  case bits(Int)
  /// The neurons of its expert in slices; the same for gate, up and down.
  case slices(NeuronSplit)

  /// Mean over the weights.
  var meanBits: Double {
    switch self {
    case .bits(let bits): Double(bits)
    case .slices(let split): split.meanBits
    }
  }
}

/// Neurons of an expert by rank, cut into slices of different bits (DECISIONS: Half levels, Neuron
/// units).
public struct NeuronSplit: Sendable, Equatable {
  public struct Slice: Sendable, Equatable {
    public let bits: Int
    public let neurons: Int

    public init(bits: Int, neurons: Int) { (self.bits, self.neurons) = (bits, neurons) }
  }

  /// From high to low bits, at least one, none empty.
  public let slices: [Slice]
  /// The bits whose losses' difference ranks neurons.
  public let rank: ClosedRange<Int>

  /// - Parameters:
  ///   - slices: From high to low bits.
  ///   - rank: nil: from the lowest bits of the slices to the highest.
  public init(_ slices: [Slice], rank: ClosedRange<Int>? = nil) {
    precondition(!slices.isEmpty, "no slices")
    self.slices = slices
    self.rank = rank ?? slices[slices.count - 1].bits...slices[0].bits
  }

  public var neurons: Int { slices.reduce(0) { $0 + $1.neurons } }

  /// Mean over the neurons.
  public var meanBits: Double {
    Double(slices.reduce(0) { $0 + $1.bits * $1.neurons }) / Double(neurons)
  }

  /// As `Quantization` takes them.
  var parts: [(bits: Int, neurons: Int)] { slices.map { ($0.bits, $0.neurons) } }
}
