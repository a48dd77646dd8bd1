import BitAllocation
import Checkpoints
import Foundation
import Sensitivity

/// What is known of the parts of a model before any of them is measured: losses of matrices, of
/// experts and of neurons, and scores.
struct StructurePredictions {
  let matrices: SensitivityTable
  let experts: SensitivityTable
  let neurons: NeuronTable

  static let scores: Set<ExpertMeasurement.Score> = [
    .frequency, .routingWeight, .weightOutlier, .weightKurtosis, .conditionNumber,
  ]

  private enum File {
    static let matrices = "matrices.h5"
    static let experts = "experts.h5"
    static let neurons = "neurons.h5"
  }

  /// Measures all three tables.
  ///
  /// - Parameters:
  ///   - model: Folder of the model.
  ///   - options: Grids, error, scale; levels are whole bits.
  ///   - calibration: Folder of the statistics.
  ///   - outputs: What errors of experts' outputs are measured on; nil: they are not.
  ///   - progress: Told the fraction done and what is next.
  /// - Throws: What measuring throws.
  init(
    of model: URL, options: MeasureStage.Options, calibration: URL,
    outputs: ExpertMeasurement.ExpertOutputSample?,
    progress: (_ fraction: Double, _ note: String) -> Void
  ) throws {
    let checkpoint = try Checkpoint(model)
    var options = options
    options.scores = Self.scores
    options.granularity = .units(.expert)
    var measurement = options.measurement(checkpoint)
    measurement.calibration = calibration
    measurement.expertOutput = outputs
    experts = try measurement.table { progress(Double($0) / Double(3 * $1), "experts") }
    measurement.granularity = .projection
    measurement.attention = .separate
    matrices = try measurement.table {
      progress((1 + Double($0) / Double($1)) / 3, "matrices")
    }
    neurons = try NeuronMeasurement(
      checkpoint: checkpoint, bits: Self.neuronBits(options.levels.wholeBits),
      family: options.grids, calibration: calibration
    ).table { progress((2 + Double($0) / Double($1)) / 3, "neurons") }
  }

  /// A single level leaves no drop of loss to rank by; 8 bits stand for none.
  private static func neuronBits(_ levels: [Int]) -> [Int] {
    levels.count == 1 && levels[0] < 8 ? levels + [8] : levels
  }

  func write(to folder: URL) throws {
    try matrices.write(to: folder.appending(path: File.matrices))
    try experts.write(to: folder.appending(path: File.experts))
    try neurons.write(to: folder.appending(path: File.neurons))
  }

  init(from folder: URL) throws {
    matrices = try SensitivityTable(hdf5: folder.appending(path: File.matrices))
    experts = try SensitivityTable(hdf5: folder.appending(path: File.experts))
    neurons = try NeuronTable(hdf5: folder.appending(path: File.neurons))
  }

  /// MLP → its neurons from the one that gains most by bits; those that no token reached have none.
  var ranks: [String: [Int]] {
    Dictionary(
      uniqueKeysWithValues: neurons.experts.filter(\.isMeasured).map {
        ($0.id, $0.order.map { Int($0) })
      })
  }
}

extension StructurePredictions {
  /// Losses that add up over matrices.
  private static let sums: Set<String> = ["loss", "second-order", "hawq-trace", "output"]

  /// Losses of a part at a level by name.
  func losses(of unit: StructureUnit, bits: Double) -> [String: Double] {
    switch unit.kind {
    case .matrix, .attention: Self.losses(of: unit.id, bits: bits, in: matrices)
    case .expert: Self.losses(of: unit.id, bits: bits, in: experts)
    case .decile: neuronLoss(of: unit, bits: bits).map { ["loss": $0] } ?? [:]
    case .layer, .projection, .model: summed(over: unit, bits: bits)
    }
  }

  /// Scores of a part by name, of matrices and experts.
  func scores(of unit: StructureUnit) -> [String: Double] {
    let table = unit.kind == .expert ? experts : matrices
    guard [.matrix, .attention, .expert].contains(unit.kind),
      let place = table.units.firstIndex(where: { $0.id == unit.id })
    else { return [:] }
    return table.scores.mapValues { $0[place] }
  }

  private static func losses(
    of id: String, bits: Double, in table: SensitivityTable
  ) -> [String: Double] {
    guard let level = table.units.first(where: { $0.id == id })?.level(bits: bits) else {
      return [:]
    }
    var losses = level.sensitivities
    losses["loss"] = level.loss
    return losses
  }

  /// A loss that some matrix lacks is not known of the whole.
  private func summed(over unit: StructureUnit, bits: Double) -> [String: Double] {
    let parts = unit.parts.map { part in
      let id = "\(part.module.unit ?? "").\(part.module.projection.rawValue)"
      return Self.losses(of: id, bits: bits, in: matrices)
    }
    var result: [String: Double] = [:]
    for name in Self.sums.sorted() {
      let values = parts.compactMap { $0[name] }
      if values.count == parts.count { result[name] = values.reduce(0, +) }
    }
    let errors = zip(parts, unit.parts).compactMap { losses, part in
      losses["weight-mse"].map { $0 * Double(part.module.weights) }
    }
    if errors.count == parts.count, unit.weights > 0 {
      result["weight-mse"] = errors.reduce(0, +) / Double(unit.weights)
    }
    return result
  }

  private func neuronLoss(of unit: StructureUnit, bits: Double) -> Double? {
    guard let level = neurons.bits.firstIndex(where: { Double($0) == bits }) else { return nil }
    let taken = unit.parts.filter { $0.module.projection == .gate }
    var sum = 0.0
    for part in taken {
      guard let expert = neurons.experts.first(where: { $0.id == part.module.unit }) else {
        return nil
      }
      for neuron in part.neurons ?? [] {
        sum += Double(expert.loss[neuron * neurons.bits.count + level])
      }
    }
    return sum
  }
}
