import BitAllocation
import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors

/// Fills a sensitivity table whose units are experts: the routed ones, shared ones, and the MLPs of
/// dense layers, which are experts that see every token.
///
/// Loss of an expert at b bits (DECISIONS: Sensitivity), Δ being the error of rounding to nearest:
///
///     Σ over gate, up, down of tr(Δ S Δᵀ) / n     divided by the layer's Σ‖MoE output‖² / N
///
/// n is the number of tokens routed to the expert, N that of the layer. An expert without tokens
/// has no loss.
public struct ExpertMeasurement: Sendable {
  /// What ranks experts, in the words of specs.
  public enum Score: String, Sendable, CaseIterable {
    /// Share of the layer's tokens that are routed to the expert.
    case frequency
    /// Σ of the routing weights applied to the expert's output, per token of the layer.
    case routingWeight = "routing-weight"
    /// Largest over gate, up and down of max over inputs j of max_i |W_ij| / mean_i |W_ij|
    /// (Li et al. 2024, arXiv:2406.08155, linear outlier score; the maximum makes it one number).
    case weightOutlier = "weight-outlier"
  }

  public var checkpoint: Checkpoint
  /// Bits, rising.
  public var levels: [Int]
  /// Weights that share a scale; nil: a whole row.
  public var groupSize: Int?
  public var symmetric: Bool
  /// nil: a group's range is that of its weights.
  public var rangeSearch: RangeSearch?
  /// Folder of the calibration; without it there are neither losses nor routing scores.
  public var calibration: URL?
  public var scores: Set<Score>

  public init(
    checkpoint: Checkpoint, levels: [Int], groupSize: Int?, symmetric: Bool,
    rangeSearch: RangeSearch? = nil, calibration: URL?, scores: Set<Score>
  ) {
    self.checkpoint = checkpoint
    self.levels = levels
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.rangeSearch = rangeSearch
    self.calibration = calibration
    self.scores = scores
  }

  /// Measures layer after layer; `progress` is told how many layers of all are done.
  public func table(
    progress: (_ layer: Int, _ layers: Int) -> Void = { _, _ in }
  ) throws
    -> SensitivityTable
  {
    let configuration = checkpoint.configuration
    var units: [BitAllocation.Unit] = []
    var values: [Score: [Double]] = [:]
    for layer in 0..<configuration.layerCount {
      let statistics = try calibration.map {
        try CalibrationLayer(
          layer, in: $0, experts: configuration.expertCount(ofLayer: layer))
      }
      for (block, modules) in configuration.gatedBlocks(layer: layer) {
        let weights = try modules.map {
          try checkpoint.matrix($0.tensor, rows: $0.rows, columns: $0.columns)
        }
        units.append(
          try unit(Array(zip(modules, weights)), layer: layer, block: block, statistics))
        for score in scores {
          values[score, default: []].append(
            try value(of: score, weights, block: block, statistics))
        }
        for module in modules { checkpoint.releasePages(of: module.tensor) }
      }
      progress(layer + 1, configuration.layerCount)
    }
    return try SensitivityTable(
      units: units,
      scores: Dictionary(uniqueKeysWithValues: values.map { ($0.key.rawValue, $0.value) }))
  }

  private func unit(
    _ modules: [(module: LinearModule, weights: Matrix)], layer: Int, block: GatedBlock,
    _ statistics: CalibrationLayer?
  ) throws -> BitAllocation.Unit {
    let moments = try statistics.map { statistics in
      try modules.map { module, _ in
        (
          sum: try statistics.sum(at: module.input, order: module.columns),
          tokens: try statistics.tokens(at: module.input)
        )
      }
    }
    return BitAllocation.Unit(
      id: LinearModule.unit(layer: layer, block), layer: layer,
      expert: modules.first?.module.expert,
      weights: modules.reduce(0) { $0 + $1.module.weights },
      levels: try levels.map { bits in
        let grid = try AffineGrid(
          bits: bits, groupSize: groupSize, symmetric: symmetric, rangeSearch: rangeSearch)
        let packed = try modules.map { try RoundToNearest.quantize($0.weights, grid: grid) }
        return Level(
          bits: Double(bits),
          loss: moments.flatMap { moments in
            Self.loss(
              zip(modules, zip(packed, moments)).map { ($0.weights, $1.0, $1.1.sum, $1.1.tokens) },
              energyPerToken: (statistics?.outputEnergy ?? 0) / Double(statistics?.tokens ?? 1))
          },
          codeBits: packed.reduce(0) { $0 + Double($1.codeBits) },
          metadataBits: packed.reduce(0) { $0 + Double($1.metadataBits) })
      })
  }

  private static func loss(
    _ modules: [(weights: Matrix, packed: PackedMatrix, sum: SecondMoments, tokens: Int)],
    energyPerToken: Double
  ) -> Double? {
    guard energyPerToken > 0, modules.allSatisfy({ $0.tokens > 0 }) else { return nil }
    return modules.reduce(0) { loss, module in
      loss
        + ProxyLoss.total(
          weights: module.weights, quantized: module.packed, under: module.sum)
        / Double(module.tokens)
    } / energyPerToken
  }

  private func value(
    of score: Score, _ weights: [Matrix], block: GatedBlock, _ statistics: CalibrationLayer?
  ) throws -> Double {
    switch score {
    case .weightOutlier: return weights.map(Self.outlierScore).max() ?? 0
    case .frequency, .routingWeight:
      guard let statistics else { throw MeasurementError.needsCalibration(score.rawValue) }
      // Shared experts and dense MLPs see every token with weight 1.
      guard case .expert(let expert) = block else { return 1 }
      let tokens = Double(max(statistics.tokens, 1))
      return score == .frequency
        ? Double(statistics.count[expert]) / tokens : statistics.weightAfter[expert] / tokens
    }
  }

  /// max over inputs j of (max_i |W_ij|) / (mean_i |W_ij|); an all-zero input channel counts 0.
  static func outlierScore(_ weights: Matrix) -> Double {
    var largest = [Float](repeating: 0, count: weights.columns)
    var sum = [Double](repeating: 0, count: weights.columns)
    for row in 0..<weights.rows {
      for column in 0..<weights.columns {
        let magnitude = abs(weights[row, column])
        largest[column] = max(largest[column], magnitude)
        sum[column] += Double(magnitude)
      }
    }
    return zip(largest, sum).map { largest, sum in
      sum > 0 ? Double(largest) * Double(weights.rows) / sum : 0
    }.max() ?? 0
  }
}

/// Why a table cannot be measured.
public enum MeasurementError: Error, Equatable, CustomStringConvertible {
  case needsCalibration(String)

  public var description: String {
    switch self {
    case .needsCalibration(let score):
      "The score '\(score)' comes from calibration statistics; give a calibration folder."
    }
  }
}
