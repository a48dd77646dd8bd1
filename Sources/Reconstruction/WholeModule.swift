import Calibration
import MoEModels
import Quantization
import Tensors

/// A module that has the same bits throughout.
struct WholeModule {
  let module: LinearModule
  let weights: Matrix
  let bits: Int
  let method: QuantizationMethod
  let information: LayerInformation

  /// Rounds to nearest.
  ///
  /// - Parameters:
  ///   - fallback: Why it is not solved as asked for.
  ///   - tokens: Behind the Hessian that was to be used.
  /// - Returns: The module as it is stored.
  /// - Throws: ``QuantizationError``, and what reading statistics throws.
  func rounded(
    fallback: ModuleReport.Fallback? = nil, tokens: Int? = nil
  ) throws
    -> ModelQuantizer.Outcome
  {
    let grid = try method.grids.grid(bits: bits)
    let outcome = MixedExpert.Outcome(fallback: fallback)
    var details = ModuleDetails()
    if let decision = try axis(grid) {
      details.axis = decision
      let matrix = try RoundToNearest.quantize(weights, grid: grid, along: decision.axis)
      return result(stored(matrix), nil, outcome, details, tokens: try tokens ?? self.tokens())
    }
    guard let chosen = try outliers(&details) else {
      return result(
        .packed(stored(try RoundToNearest.quantize(weights, grid: grid))), nil, outcome, details,
        tokens: tokens)
    }
    let both = try RoundToNearest.quantize(weights, grid: grid, keeping: chosen)
    return result(.packed(stored(both.dense)), both.sparse, outcome, details, tokens: tokens)
  }

  /// GPTQ with the Hessian of its input, which other modules share.
  func solved(_ options: GPTQOptions, _ shared: SharedFactor) throws -> ModelQuantizer.Outcome {
    switch shared {
    case .unavailable(let fallback, let tokens):
      return try rounded(fallback: fallback, tokens: tokens)
    case .factor(let factor, let tokens):
      let grid = try method.grids.grid(bits: bits)
      var (solver, details) = (GPTQ(grid: grid, options: options), ModuleDetails())
      if let decision = try axis(grid) {
        details.axis = decision
        // As published (METHODS §2.5): an input channel's scales are its own, and there is no group whose
        // later columns would have to be known beforehand.
        if decision.axis == .inputChannel, options.scales != .fresh {
          solver = GPTQ(grid: grid, options: options.fresh)
          details.groupScales = .fresh
        }
        let result = try solver.quantize(weights, factor: factor, along: decision.axis)
        return self.result(
          stored(result.matrix), nil,
          MixedExpert.Outcome(
            loss: result.loss, damping: result.damping, escalations: result.dampingEscalations,
            deadColumns: result.deadColumns), details, tokens: tokens)
      }
      guard let chosen = try outliers(&details) else {
        let result = try solver.quantize(weights, factor: factor)
        return self.result(
          .packed(stored(result.packed)), nil, MixedExpert.Outcome(result), details,
          tokens: tokens)
      }
      let (both, result) = try solver.quantize(weights, factor: factor, keeping: chosen)
      return self.result(
        .packed(stored(both.dense)), both.sparse, MixedExpert.Outcome(result), details,
        tokens: tokens)
    }
  }

  /// Codebooks by weighted k-means.
  func coded(_ options: CodebookOptions) throws -> ModelQuantizer.Outcome {
    var details = ModuleDetails()
    let importance = try information.importance(of: module, method.importance)
    details.insert(importance, for: weights, asked: method.importance)
    let tokens = method.importance == .hessian ? try self.tokens() : nil
    let quantizer = try options.quantizer(bits: bits)
    guard let chosen = try method.outliers(in: weights, importance) else {
      return result(
        .codebooks(try quantizer.quantize(weights, importance: importance)), nil,
        MixedExpert.Outcome(), details, tokens: tokens)
    }
    details.outliers = OutlierReport(chosen)
    let both = try quantizer.quantize(weights, importance: importance, keeping: chosen)
    return result(
      .codebooks(both.dense), both.sparse, MixedExpert.Outcome(), details, tokens: tokens)
  }

  private func tokens() throws -> Int? { try information.statistics?.tokens(at: module.input) }

  /// nil unless the method chooses; the output channel where no token came by.
  private func axis(_ grid: AffineGrid) throws -> AxisDecision? {
    guard method.axis != .outputChannel else { return nil }
    if let errors = information.blockErrors {
      return try AdaptiveAxis.decide(module: module.tensor, weights: weights, grid: grid) {
        try errors.error(of: module, with: $0)
      }
    }
    guard let moments = try information.moments(of: module) else {
      return AxisDecision(
        module: module.tensor, outputChannelError: 0, inputChannelError: 0)
    }
    return try AdaptiveAxis.decide(
      module: module.tensor, weights: weights, grid: grid, moments: moments)
  }

  /// Chosen and told in the details; nil if there are none.
  private func outliers(_ details: inout ModuleDetails) throws -> Outliers? {
    guard method.outliers != nil else { return nil }
    var importance = WeightImportance.equal
    if method.readsImportance {
      importance = try information.importance(of: module, method.importance)
      details.insert(importance, for: weights, asked: method.importance)
    }
    let chosen = try method.outliers(in: weights, importance)
    details.outliers = chosen.map(OutlierReport.init)
    return chosen
  }

  private func stored(_ matrix: AxisGroupedMatrix) -> StoredMatrix {
    guard case .outputChannel(let packed) = matrix else { return StoredMatrix(matrix) }
    return .packed(stored(packed))
  }

  /// With every column's group if some module of the method needs it, also where that is the natural
  /// one.
  private func stored(_ packed: PackedMatrix) -> PackedMatrix {
    method.storesGroupIndex ? packed.withGroupIndex() : packed
  }

  private func result(
    _ dense: StoredMatrix, _ sparse: SparseMatrix?, _ outcome: MixedExpert.Outcome,
    _ details: ModuleDetails, tokens: Int?
  ) -> ModelQuantizer.Outcome {
    let weight = QuantizedWeight(StoredMatrix(dense, plus: sparse))
    let report = ModuleReport(
      module, weight, bits: Double(bits), outcome, details, tokens: tokens)
    return (module, weight, report)
  }
}

extension GPTQOptions {
  fileprivate var fresh: GPTQOptions {
    var options = self
    options.scales = .fresh
    return options
  }
}

extension MixedExpert.Outcome {
  fileprivate init(_ result: GPTQResult) {
    self.init(
      loss: result.loss, damping: result.damping, escalations: result.dampingEscalations,
      deadColumns: result.deadColumns)
  }
}
