import MoEModels
public import Quantization
import Tensors

/// How one module was quantized; written to `modules.json`.
public struct ModuleReport: Codable, Sendable, Equatable {
  public typealias Fallback = RoundingFallback

  public var module: String
  /// Attention or the expert that it belongs to, such as `layers.0.experts.3`.
  public var unit: String?
  public var weights: Int
  /// Mean over the weights where neurons lie in slices of different bits.
  public var bits: Double
  public var codeBits: Int
  public var metadataBits: Int
  /// Weights of a row that share a scale or a codebook; nil: a whole row.
  public var groupSize: Int?
  /// nil: affine grids along the output channels.
  public var form: Form?
  /// Bits and neurons of each slice; nil if there is one.
  public var slices: [SliceReport]?
  /// What tells which neurons lie in which slice; nil if there is one.
  public var neuronOrder: NeuronRanking?
  /// Tokens behind the Hessian, or of OmniQuant's sample that come to the module; nil if the method
  /// reads none.
  public var calibrationTokens: Int?
  /// Input features; fewer tokens than these leave the Hessian singular before damping.
  public var inputFeatures: Int
  /// GPTQ's Σ (w − ŵ)² / U_ii² / 2, or nil.
  public var gptqLoss: Double?
  /// Relative damping that was used, and how often it had to be raised.
  public var damping: Double?
  public var dampingEscalations: Int?
  public var deadColumns: Int?
  public var fallback: Fallback?
  /// The axis that was chosen, and what either would have cost; nil where none was chosen.
  public var axis: AxisDecision?
  /// When scales of groups were chosen; nil: as asked for. GPTQ by input channel chooses them when it
  /// reaches the channel.
  public var groupScales: GroupScales?
  /// What told the worth of weights; `none` where what was asked for knew nothing of this module.
  public var importance: ImportanceSource?
  /// Rows in which every weight counts alike although an importance was asked for.
  public var uninformedRows: Int?
  /// nil without a sparse part.
  public var outliers: OutlierReport?
  /// How its layer learned; nil where nothing is learned.
  public var training: TrainingReport?

  /// What a module is stored as.
  public enum Form: String, Codable, Sendable {
    case codebooks
    case inputChannel = "input-channel"
  }
}

/// What the order of an expert's neurons is by.
public enum NeuronRanking: String, Codable, Sendable {
  /// The drop of their losses.
  case calibration
  /// Their places in the checkpoint: there is no calibration, or it sent no token here.
  case place
}

/// A slice of an expert's neurons.
public struct SliceReport: Codable, Sendable, Equatable {
  public var bits: Int
  public var neurons: Int

  public init(bits: Int, neurons: Int) { (self.bits, self.neurons) = (bits, neurons) }
}

/// The sparse part of a module.
public struct OutlierReport: Codable, Sendable, Equatable {
  /// Chosen because they are sensitive.
  public var sensitive: Int
  /// Chosen because of their magnitude.
  public var range: Int
  /// Magnitude above which; nil if no range was asked for.
  public var threshold: Double?
  /// Elements of the sparse part; fewer than were chosen where the dense part holds one exactly.
  public var stored = 0
  /// Bits of values, columns and row starts.
  public var bits = 0

  init(_ outliers: Outliers) {
    sensitive = outliers.sensitiveCount
    range = outliers.indices.count - outliers.sensitiveCount
    threshold = outliers.threshold
  }
}

/// What is told of a module beside its bits.
struct ModuleDetails {
  var axis: AxisDecision?
  var groupScales: GroupScales?
  var importance: ImportanceSource?
  var uninformedRows: Int?
  var outliers: OutlierReport?

  mutating func insert(
    _ found: WeightImportance, for weights: Matrix, asked: ImportanceSource
  ) {
    guard asked != .none else {
      importance = ImportanceSource.none
      return
    }
    let rows = found.uninformedRows(of: weights)
    uninformedRows = rows
    importance = rows == weights.rows ? ImportanceSource.none : asked
  }
}

extension ModuleReport {
  init(
    _ module: LinearModule, _ weight: QuantizedWeight, bits: Double,
    _ outcome: MixedExpert.Outcome, _ details: ModuleDetails, tokens: Int?
  ) {
    let matrix = weight.matrix
    self.init(
      module: module.tensor, unit: module.unit, weights: module.weights, bits: bits,
      codeBits: matrix.codeBits,
      metadataBits: matrix.metadataBits + weight.orderBits(of: module.tensor),
      groupSize: matrix.dense.groupSize, form: matrix.dense.form,
      slices: matrix.dense.slices, calibrationTokens: tokens, inputFeatures: module.columns,
      gptqLoss: outcome.loss, damping: outcome.damping, dampingEscalations: outcome.escalations,
      deadColumns: outcome.deadColumns, fallback: outcome.fallback, axis: details.axis,
      groupScales: details.groupScales,
      importance: details.importance, uninformedRows: details.uninformedRows,
      outliers: details.outliers)
    outliers?.stored = matrix.sparse?.count ?? 0
    outliers?.bits = matrix.sparse?.storedBits ?? 0
  }
}

extension StoredMatrix {
  fileprivate var form: ModuleReport.Form? {
    switch self {
    case .codebooks, .slicedCodebooks: .codebooks
    case .inputGrouped: .inputChannel
    case .packed, .sliced, .withSparse: nil
    }
  }

  fileprivate var slices: [SliceReport]? {
    switch self {
    case .sliced(let matrix):
      matrix.slices.map { SliceReport(bits: $0.bits, neurons: matrix.neurons(of: $0)) }
    case .slicedCodebooks(let matrix):
      matrix.slices.map { SliceReport(bits: $0.bits, neurons: matrix.neurons(of: $0)) }
    default: nil
    }
  }

  /// nil: a whole row, of inputs or of outputs.
  fileprivate var groupSize: Int? {
    switch self {
    case .packed(let matrix): matrix.groupSize < matrix.columns ? matrix.groupSize : nil
    case .inputGrouped(let matrix):
      matrix.transposed.groupSize < matrix.rows ? matrix.transposed.groupSize : nil
    case .codebooks(let matrix): matrix.groupSize < matrix.columns ? matrix.groupSize : nil
    // Groups of down end with its slices, and where a group is all of one, so do they of a row.
    case .sliced(let matrix):
      matrix.slices.map(\.groupSize).max().flatMap { $0 < matrix.columns ? $0 : nil }
    case .slicedCodebooks(let matrix):
      matrix.slices.map(\.groupSize).max().flatMap { $0 < matrix.columns ? $0 : nil }
    case .withSparse: nil
    }
  }
}

extension Slices {
  fileprivate func neurons(of slice: Part) -> Int { axis == .rows ? slice.rows : slice.columns }
}
