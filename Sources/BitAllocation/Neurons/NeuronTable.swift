/// What every neuron of every expert would lose at every bit-width, in flat arrays.
///
/// A neuron is a row of gate, a row of up and a column of down. Millions of them make a table, so
/// it is arrays per expert rather than units.
///
/// A value of this type is valid: bits rise within 1…8, ids are unique, an order names each neuron
/// once, losses are finite and not negative, or missing for an expert that no token reached.
public struct NeuronTable: Sendable, Equatable {
  public struct Expert: Sendable, Equatable {
    /// As plans name it: `layers.0.experts.3`, `layers.0.shared`, `layers.0.mlp`.
    public var id: String
    public var layer: Int
    /// nil for what every token goes through.
    public var expert: Int?
    public var weightsPerNeuron: Int
    /// Predicted loss, shape `[neurons, bits]`; empty if no token reached the expert.
    public var loss: [Float]
    /// The neuron at each rank, the one that gains most by bits first, shape `[neurons]`.
    public var order: [Int32]

    public var neurons: Int { order.count }
    public var weights: Int { neurons * weightsPerNeuron }
    /// Whether losses are known.
    public var isMeasured: Bool { !loss.isEmpty }

    public init(
      id: String, layer: Int, expert: Int? = nil, weightsPerNeuron: Int, loss: [Float],
      order: [Int32]
    ) {
      self.id = id
      self.layer = layer
      self.expert = expert
      self.weightsPerNeuron = weightsPerNeuron
      self.loss = loss
      self.order = order
    }
  }

  /// Whole bits, rising.
  public let bits: [Int]
  public let experts: [Expert]

  /// - Parameters:
  ///   - bits: Rising, 1…8.
  ///   - experts: At least one, losses for these bits.
  /// - Throws: ``NeuronTableError``.
  public init(bits: [Int], experts: [Expert]) throws(NeuronTableError) {
    try Self.check(bits: bits)
    guard !experts.isEmpty else { throw .noExperts }
    var seen: Set<String> = []
    for expert in experts {
      guard seen.insert(expert.id).inserted else { throw .duplicateExpert(expert.id) }
      try Self.check(expert, bits: bits)
    }
    self.bits = bits
    self.experts = experts
  }

  public var neurons: Int { experts.reduce(0) { $0 + $1.neurons } }
  public var weights: Int { experts.reduce(0) { $0 + $1.weights } }

  /// Refuses bits that no table can have.
  ///
  /// - Parameter bits: Rising, 1…8, at least one.
  /// - Throws: ``NeuronTableError/badBits(_:)``.
  public static func check(bits: [Int]) throws(NeuronTableError) {
    let rises = zip(bits, bits.dropFirst()).allSatisfy(<)
    guard !bits.isEmpty, bits.allSatisfy((1...8).contains), rises else { throw .badBits(bits) }
  }

  private static func check(_ expert: Expert, bits: [Int]) throws(NeuronTableError) {
    guard expert.neurons > 0, expert.weightsPerNeuron > 0 else {
      throw .noWeights(
        expert: expert.id, neurons: expert.neurons, weightsPerNeuron: expert.weightsPerNeuron)
    }
    guard !expert.isMeasured || expert.loss.count == expert.neurons * bits.count else {
      throw .wrongLossCount(
        expert: expert.id, found: expert.loss.count, neurons: expert.neurons, bits: bits.count)
    }
    if let bad = expert.loss.firstIndex(where: { !($0.isFinite && $0 >= 0) }) {
      throw .badLoss(
        expert: expert.id, neuron: bad / bits.count, bits: bits[bad % bits.count],
        value: expert.loss[bad])
    }
    var seen = [Bool](repeating: false, count: expert.neurons)
    for neuron in expert.order {
      guard seen.indices.contains(Int(neuron)), !seen[Int(neuron)] else {
        throw .notAnOrder(expert: expert.id, neuron: Int(neuron))
      }
      seen[Int(neuron)] = true
    }
  }
}

extension NeuronTable {
  /// Σ of the predicted losses of a plan for this table; nil if an expert was not measured.
  ///
  /// - Complexity: O(neurons).
  public func loss(of plan: NeuronPlan) -> Double? {
    precondition(plan.entries.count == experts.count, "the plan is for another table")
    var sum = 0.0
    for (expert, entry) in zip(experts, plan.entries) {
      guard expert.isMeasured else { return nil }
      sum += loss(of: entry.slices, expert)
    }
    return sum
  }

  /// Σ of the predicted losses of one expert's slices.
  func loss(of slices: [NeuronSlice], _ expert: Expert) -> Double {
    var (sum, start) = (0.0, 0)
    for slice in slices {
      guard let level = bits.firstIndex(of: slice.bits) else {
        preconditionFailure("\(slice.bits) bits are not in \(bits)")
      }
      for neuron in expert.order[start..<start + slice.neurons] {
        sum += Double(expert.loss[Int(neuron) * bits.count + level])
      }
      start += slice.neurons
    }
    return sum
  }

  /// Mean code bits per weight of a plan, as realised.
  public func meanBits(of plan: NeuronPlan) -> Double {
    precondition(plan.entries.count == experts.count, "the plan is for another table")
    let codeBits = zip(experts, plan.entries).reduce(0) { sum, pair in
      sum + pair.1.slices.reduce(0) { $0 + $1.bits * $1.neurons } * pair.0.weightsPerNeuron
    }
    return Double(codeBits) / Double(weights)
  }
}

/// Why a neuron table cannot be used.
public enum NeuronTableError: Error, Equatable, CustomStringConvertible {
  case badBits([Int])
  case noExperts
  case duplicateExpert(String)
  case noWeights(expert: String, neurons: Int, weightsPerNeuron: Int)
  case wrongLossCount(expert: String, found: Int, neurons: Int, bits: Int)
  case badLoss(expert: String, neuron: Int, bits: Int, value: Float)
  case notAnOrder(expert: String, neuron: Int)

  public var description: String {
    switch self {
    case .badBits(let bits):
      "Bits of a neuron table must rise within 1...8, got \(bits)."
    case .noExperts:
      "The neuron table has no experts; measure the model first."
    case .duplicateExpert(let id):
      "Expert \(id) is listed twice; ids must be unique."
    case .noWeights(let id, let neurons, let weights):
      "Expert \(id) has \(neurons) neurons of \(weights) weights; there must be at least 1 of each."
    case .wrongLossCount(let id, let found, let neurons, let bits):
      "Expert \(id) has \(found) losses for \(neurons) neurons at \(bits) bit-widths; "
        + "give \(neurons * bits), or none where no token came."
    case .badLoss(let id, let neuron, let bits, let value):
      "Expert \(id), neuron \(neuron), \(bits) bits: the loss is \(value); it must be finite and "
        + "not negative."
    case .notAnOrder(let id, let neuron):
      "The order of expert \(id) names neuron \(neuron), which is not one of its neurons or was "
        + "named before; measure again."
    }
  }
}
