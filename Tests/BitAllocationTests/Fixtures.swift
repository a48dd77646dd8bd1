@testable import BitAllocation

/// SplitMix64, as the allocators are given in the workbench.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

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
      scores: ["frequency": frequency ?? descending, "weight-outlier": descending.reversed()])
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
      scores: ["frequency": [3, 1, 4, 1, 5, 9], "weight-outlier": [2, 7, 1, 8, 2, 8]])
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
