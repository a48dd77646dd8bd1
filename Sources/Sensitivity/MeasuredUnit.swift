import BitAllocation
import MoEModels

/// A unit of a table, or with granularity `layer` an expert's part of one.
struct MeasuredUnit {
  var id: String
  let layer: Int
  var block: GatedBlock?
  var projection: Projection?
  var tie: String?
  var weights: Int
  var hasFewTokens: Bool
  /// nil: a whole row.
  var groupSize: Int?
  /// One for each level of the table.
  var levels: [LevelSums]
  var scores: [ExpertMeasurement.Score: Double]

  /// The unit of all MLPs of a layer. Losses and bits add up; of outliers and condition numbers the
  /// worst counts, and every token goes through the whole.
  static func layer(_ layer: Int, of parts: [MeasuredUnit]) -> MeasuredUnit {
    var unit = parts[0]
    unit.id = "layers.\(layer).experts"
    unit.block = nil
    for part in parts.dropFirst() {
      unit.weights += part.weights
      unit.levels = zip(unit.levels, part.levels).map { $0 + $1 }
      unit.scores.merge(part.scores) { max($0, $1) }
    }
    for score in [ExpertMeasurement.Score.frequency, .routingWeight]
    where unit.scores[score] != nil {
      unit.scores[score] = 1
    }
    // The sum says little only where each of its terms does.
    unit.hasFewTokens = parts.allSatisfy(\.hasFewTokens)
    return unit
  }

  /// The unit as tables have it.
  func unit(levels choices: [LevelMix]) -> BitAllocation.Unit {
    BitAllocation.Unit(
      id: id, layer: layer, expert: block?.expert, projection: projection?.rawValue,
      weights: weights, tie: tie, hasFewTokens: hasFewTokens, groupSize: groupSize,
      levels: zip(choices, levels).map { $1.level($0, weights: weights) })
  }
}

/// Matrices that are rounded together: attention, or an MLP.
struct ModuleGroup {
  /// nil: attention.
  let block: GatedBlock?
  let modules: [LinearModule]

  /// The units that the group falls into: names and indices of modules.
  func units(
    _ granularity: ExpertMeasurement.Granularity, layer: Int
  ) -> [(id: String, members: [Int])] {
    let name = block.map { LinearModule.unit(layer: layer, $0) } ?? "layers.\(layer).attention"
    guard block == nil || granularity == .projection else {
      return [(name, Array(modules.indices))]
    }
    return modules.enumerated().map { ("\(name).\($1.projection.rawValue)", [$0]) }
  }
}
