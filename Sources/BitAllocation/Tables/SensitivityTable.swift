/// What an allocator decides about: a layer's experts, an expert, a projection.
public struct Unit: Sendable, Equatable {
  /// Unique name, such as `layers.0.experts.3`.
  public var id: String
  public var layer: Int
  public var expert: Int?
  /// `gate`, `up`, `down`, `q`, `k`, `v`, `o`, or `q-down`, `q-up`, `kv-down`, `kv-up` of latent
  /// attention; nil if the unit is not a single projection.
  public var projection: String?
  /// Number of weights.
  public var weights: Int
  /// Units with the same tie get the same level.
  public var tie: String?
  /// Whether so few calibration tokens reached the unit that its losses say little.
  public var hasFewTokens: Bool
  /// Weights of a row that share a scale, for ledgers that count groups; nil if not known.
  public var groupSize: Int?
  /// The choices, from few bits to many.
  public var levels: [Level]

  public init(
    id: String, layer: Int, expert: Int? = nil, projection: String? = nil, weights: Int,
    tie: String? = nil, hasFewTokens: Bool = false, groupSize: Int? = nil, levels: [Level]
  ) {
    self.id = id
    self.layer = layer
    self.expert = expert
    self.projection = projection
    self.weights = weights
    self.tie = tie
    self.hasFewTokens = hasFewTokens
    self.groupSize = groupSize
    self.levels = levels
  }

  /// Attention if the projection is one of attention's, else expert.
  public var part: ModelPart {
    Self.attentionProjections.contains(projection ?? "") ? .attention : .expert
  }

  /// Those of latent attention too.
  private static let attentionProjections: Set<String> = [
    "q", "k", "v", "o", "q-down", "q-up", "kv-down", "kv-up",
  ]

  /// The level of these nominal bits, or nil.
  public func level(bits: Double) -> Level? { levels.first { $0.bits == bits } }

  /// The loss at these bits by a sensitivity, nil: the base loss; nil if it is not known.
  func loss(at bits: Double, _ sensitivity: String?) throws(AllocationError) -> Double? {
    guard let level = level(bits: bits) else { return nil }
    guard let sensitivity else { return level.loss }
    guard let loss = level.sensitivities[sensitivity] else {
      throw .missingSensitivity(
        sensitivity, unit: id, bits: bits, available: level.sensitivities.keys.sorted())
    }
    return loss
  }
}

/// One choice for a unit.
public struct Level: Sendable, Equatable {
  /// Nominal bits per weight: the name of the level in plans.
  public var bits: Double
  /// Predicted loss of the unit at this level; nil in tables that only carry scores.
  public var loss: Double?
  /// Code bits of the whole unit as realised, which for half levels may be less than
  /// `bits * weights`.
  public var codeBits: Double
  /// Scales, zero points and the like of the whole unit, in bits; nil if not known.
  public var metadataBits: Double?
  /// Other costs of the unit, such as `latency-ms`.
  public var resources: [String: Double]
  /// Losses by other sensitivities, such as `hawq-trace`, by name.
  public var sensitivities: [String: Double]

  public init(
    bits: Double, loss: Double? = nil, codeBits: Double, metadataBits: Double? = nil,
    resources: [String: Double] = [:], sensitivities: [String: Double] = [:]
  ) {
    self.bits = bits
    self.loss = loss
    self.codeBits = codeBits
    self.metadataBits = metadataBits
    self.resources = resources
    self.sensitivities = sensitivities
  }
}

/// Units, what each level of each would cost, and the scores that rank them.
///
/// A value of this type is valid: ids are unique, every unit has a level, levels of a unit ascend
/// in bits and do not descend in code bits, all numbers are finite, bits and weights positive.
public struct SensitivityTable: Sendable, Equatable {
  public internal(set) var units: [Unit]
  /// Score name → one value per unit, higher meaning more bits.
  public let scores: [String: [Double]]
  /// nil: levels of units are bits of all their weights.
  public let neuronBlocks: NeuronBlocks?

  public init(
    units: [Unit], scores: [String: [Double]] = [:], neuronBlocks: NeuronBlocks? = nil
  ) throws(TableError) {
    var seen: Set<String> = []
    for unit in units {
      guard seen.insert(unit.id).inserted else { throw .duplicateUnit(unit.id) }
      try Self.check(unit)
    }
    try Self.checkSum(units)
    for (name, values) in scores.sorted(by: { $0.key < $1.key }) {
      guard values.count == units.count else {
        throw .wrongScoreCount(score: name, values: values.count, units: units.count)
      }
      if let bad = values.firstIndex(where: { !$0.isFinite }) {
        throw .badScore(score: name, unit: units[bad].id, value: values[bad])
      }
    }
    self.units = units
    self.scores = scores
    self.neuronBlocks = neuronBlocks
  }

  /// Weights of all units together.
  public var weights: Int { units.reduce(0) { $0 + $1.weights } }

  /// The weights of all units can be counted.
  private static func checkSum(_ units: [Unit]) throws(TableError) {
    var sum = 0
    for unit in units {
      let (next, overflows) = sum.addingReportingOverflow(unit.weights)
      guard !overflows else { throw .tooManyWeights(unit: unit.id, weights: unit.weights) }
      sum = next
    }
  }

  private static func check(_ unit: Unit) throws(TableError) {
    guard unit.weights > 0 else { throw .noWeights(unit: unit.id, weights: unit.weights) }
    guard !unit.levels.isEmpty else { throw .noLevels(unit: unit.id) }
    if let size = unit.groupSize, size < 1 { throw .badGroupSize(unit: unit.id, size: size) }
    for level in unit.levels { try check(level, unit: unit.id) }
    for (lower, upper) in zip(unit.levels, unit.levels.dropFirst()) {
      if lower.bits == upper.bits { throw .duplicateLevel(unit: unit.id, bits: upper.bits) }
      guard lower.bits < upper.bits, lower.codeBits <= upper.codeBits else {
        throw .unorderedLevels(unit: unit.id, bits: lower.bits, next: upper.bits)
      }
    }
  }

  private static func check(_ level: Level, unit: String) throws(TableError) {
    func refuse(_ quantity: String, _ value: Double?, unless valid: Bool) throws(TableError) {
      guard let value, !(value.isFinite && valid) else { return }
      throw .badNumber(unit: unit, bits: level.bits, quantity: quantity, value: value)
    }
    try refuse("bits", level.bits, unless: level.bits > 0)
    try refuse("loss", level.loss, unless: true)
    // Costs are compared as whole millionths of a bit.
    try refuse("codeBits", level.codeBits, unless: 0...0x1p60 ~= level.codeBits)
    try refuse("metadataBits", level.metadataBits, unless: (level.metadataBits ?? 0) >= 0)
    for (name, value) in level.resources.sorted(by: { $0.key < $1.key }) {
      try refuse("resource \(name)", value, unless: true)
    }
    for (name, value) in level.sensitivities.sorted(by: { $0.key < $1.key }) {
      try refuse("sensitivity \(name)", value, unless: true)
    }
  }
}
