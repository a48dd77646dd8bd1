import Statistics

@testable import BitAllocation

extension SensitivityTable {
  /// Equal units in layers of experts, loss 4^-bits, all levels for all; frequencies as given, else
  /// descending with the index.
  static func grid(
    layers: Int, experts: Int, levels: [Double], weights: Int = 64, frequency: [Double]? = nil
  ) throws -> SensitivityTable {
    var units: [Unit] = []
    for layer in 0..<layers {
      for expert in 0..<experts {
        units.append(
          Unit(
            id: "layers.\(layer).experts.\(expert)", layer: layer, expert: expert,
            weights: weights, levels: levels.map { .plain($0, weights: weights) }))
      }
    }
    let descending = units.indices.map { -Double($0) }
    return try SensitivityTable(
      units: units,
      scores: [
        "frequency": frequency ?? descending, "weight-outlier": descending.reversed(),
        "routing-weight": descending, "block-importance": descending,
        "predicted-importance": descending,
      ])
  }

  /// Units of different sizes with different ladders, one of them with a single level.
  static func uneven() throws -> SensitivityTable {
    let ladders: [(weights: Int, levels: [Double])] = [
      (50, [2, 3, 4]), (7, [2, 2.5]), (31, [3]), (120, [2, 8]), (1, [1, 2, 3, 4]), (50, [2, 4]),
    ]
    let units = ladders.enumerated().map { index, ladder in
      Unit(
        id: "unit.\(index)", layer: index / 3, weights: ladder.weights,
        levels: ladder.levels.map { .plain($0, weights: ladder.weights) })
    }
    return try SensitivityTable(
      units: units,
      scores: [
        "frequency": [3, 1, 4, 1, 5, 9], "weight-outlier": [2, 7, 1, 8, 2, 8],
        "routing-weight": [1, 2, 3, 3, 2, 1], "block-importance": [1, 1, 1, 2, 2, 2],
        "predicted-importance": [1, 1, 1, 2, 2, 2],
      ])
  }

  /// What a plan costs per weight.
  func bits(of plan: Plan) -> Double {
    let spent = zip(units, plan.entries).reduce(0) { sum, pair in
      sum + (pair.0.level(bits: pair.1.bits)?.codeBits ?? .nan)
    }
    return spent / Double(weights)
  }
}

extension Level {
  static func plain(_ bits: Double, weights: Int) -> Level {
    Level(bits: bits, loss: 1 / (bits * bits), codeBits: bits * Double(weights))
  }
}

extension SensitivityTable {
  /// Losses that neither fall with bits nor are convex, units of unequal sizes.
  static func hard(units count: Int, seed: UInt64) throws -> SensitivityTable {
    var random = SeededGenerator(seed: seed)
    let units = (0..<count).map { index in
      let weights = [64, 96, 128, 160][random.below(4)]
      return Unit(
        id: "layers.\(index / 4).experts.\(index % 4)", layer: index / 4, expert: index % 4,
        weights: weights,
        levels: [2, 2.5, 3, 3.5, 4].map { bits in
          Level(
            bits: bits, loss: Double(random.below(1000) + 1) / (bits * bits),
            codeBits: bits * Double(weights))
        })
    }
    let scores = units.indices.map { Double(($0 * 7) % 5) }
    return try SensitivityTable(
      units: units,
      scores: Dictionary(
        uniqueKeysWithValues: [
          "frequency", "routing-weight", "weight-outlier", "block-importance",
          "predicted-importance",
        ]
        .map { ($0, scores) }))
  }

  /// The same table with all losses multiplied.
  func scaled(by factor: Double) throws -> SensitivityTable {
    var units = units
    for unit in units.indices {
      for level in units[unit].levels.indices {
        units[unit].levels[level].loss = units[unit].levels[level].loss.map { $0 * factor }
      }
    }
    return try SensitivityTable(units: units, scores: scores)
  }

  /// Σ of the losses of a plan.
  func loss(of plan: Plan) -> Double {
    zip(units, plan.entries).reduce(0) { $0 + ($1.0.level(bits: $1.1.bits)?.loss ?? .nan) }
  }

  /// The least loss within a budget of mean code bits, by looking at every plan.
  func bruteForce(budget: Double) -> Double {
    bruteForce { levels in
      zip(units, levels).reduce(0) { $0 + $1.0.levels[$1.1].codeBits }
        <= budget * Double(weights) * (1 + 1e-12)
    }
  }

  /// The least loss among the plans that are admitted.
  func bruteForce(admits: ([Int]) -> Bool) -> Double {
    var best = Double.infinity
    var levels = [Int](repeating: 0, count: units.count)
    while true {
      if admits(levels) {
        best = min(best, zip(units, levels).reduce(0) { $0 + ($1.0.levels[$1.1].loss ?? .nan) })
      }
      guard let next = levels.indices.first(where: { levels[$0] + 1 < units[$0].levels.count })
      else { return best }
      for index in 0..<next { levels[index] = 0 }
      levels[next] += 1
    }
  }
}
