import Tensors

extension MixedExpert {
  /// What GPTQ reads of one input of an expert.
  public enum Solving: Sendable {
    /// H = 2S/n, of the input of down with neurons in their places in the checkpoint.
    case hessian(SecondMoments)
    /// Too few tokens, or none: rounded to nearest.
    case nearest(RoundingFallback)
  }

  /// How one of the matrices came out.
  public struct Outcome: Sendable, Equatable {
    /// Sum over the slices; nil where the matrix was rounded to nearest.
    public var loss: Double?
    public var damping: Double?
    public var escalations: Int?
    public var deadColumns: Int?
    public var fallback: RoundingFallback?

    public init(
      loss: Double? = nil, damping: Double? = nil, escalations: Int? = nil,
      deadColumns: Int? = nil, fallback: RoundingFallback? = nil
    ) {
      (self.loss, self.damping, self.escalations) = (loss, damping, escalations)
      (self.deadColumns, self.fallback) = (deadColumns, fallback)
    }
  }

  /// GPTQ of gate and up row by row, of down in slice-then-importance order.
  ///
  /// Rows of gate and up do not touch each other, so each slice is solved by itself. Columns of down do:
  /// they are rounded slice after slice, from high to low bits, and what a slice loses is made up for
  /// by all later ones. With act-order the neurons of a slice are stored by falling diagonal of the
  /// Hessian, else by rank; groups are those of the stored order.
  /// - Parameters:
  ///   - weights: Neurons in their places in the checkpoint.
  ///   - order: Neurons by rank; not read for a single slice.
  ///   - split: Bits and neurons of each slice in rank order, summing to all neurons.
  ///   - family: Grids of any bits.
  ///   - options: Of the solver.
  ///   - input: Of gate and up.
  ///   - hidden: Of down.
  /// - Returns: The expert, and how gate, up and down came out.
  /// - Throws: ``QuantizationError``.
  public static func solving(
    _ weights: GatedWeights, order: NeuronOrder, split: [(bits: Int, neurons: Int)],
    family: GridFamily, options: GPTQOptions, input: Solving, hidden: Solving
  ) throws(QuantizationError) -> (expert: MixedExpert, outcomes: [Outcome]) {
    let solved = try solving(
      weights, order: order, split: split, family: family, options: options, input: input,
      hidden: hidden, keeping: nil)
    return (solved.expert, solved.outcomes)
  }

  /// The same beside sparse parts.
  ///
  /// - Parameters: As ``solving(_:order:split:family:options:input:hidden:)``, and
  ///   - outliers: Of gate, up and down, neurons in their places in the checkpoint; nil: none.
  /// - Returns: The expert, how gate, up and down came out, and their sparse parts with neurons in
  ///   their places; none without outliers.
  /// - Throws: ``QuantizationError``.
  public static func solving(
    _ weights: GatedWeights, order: NeuronOrder, split: [(bits: Int, neurons: Int)],
    family: GridFamily, options: GPTQOptions, input: Solving, hidden: Solving,
    keeping outliers: [Outliers]?
  ) throws(QuantizationError) -> (
    expert: MixedExpert, outcomes: [Outcome], sparse: [SparseMatrix]
  ) {
    let ranges = positions(of: split, neurons: weights.neurons)
    var order = split.count == 1 ? .identity(weights.neurons) : order
    if case .hessian(let hessian) = hidden, options.columns == .activation {
      order = order.sorted(in: ranges, byFalling: hessian.diagonal)
    }
    let inputFactor = try input.factor(options, columns: options.columns)
    let gate = try QuantizationError.of(matrix: 0) { () throws(QuantizationError) in
      try rows(weights.gate, order, ranges, split, family, options, inputFactor, outliers?[0])
    }
    let up = try QuantizationError.of(matrix: 1) { () throws(QuantizationError) in
      try rows(weights.up, order, ranges, split, family, options, inputFactor, outliers?[1])
    }
    let down = try QuantizationError.of(matrix: 2) { () throws(QuantizationError) in
      try columns(weights.down, order, split, family, options, hidden, outliers?[2])
    }
    let slices = split.indices.map {
      Slice(gate: gate.slices[$0], up: up.slices[$0], down: down.slices[$0])
    }
    return (
      MixedExpert(order: order, slices: slices), [gate.outcome, up.outcome, down.outcome],
      outliers == nil ? [] : [gate.sparse, up.sparse, down.sparse]
    )
  }

  private struct Solved {
    var slices: [PackedMatrix]
    var outcome: Outcome
    /// Of the whole matrix, neurons in their places; empty without outliers.
    var sparse: SparseMatrix
  }

  private static func rows(
    _ matrix: Matrix, _ order: NeuronOrder, _ ranges: [Range<Int>],
    _ split: [(bits: Int, neurons: Int)], _ family: GridFamily, _ options: GPTQOptions,
    _ factor: FactorOrFallback, _ outliers: Outliers?
  ) throws(QuantizationError) -> Solved {
    var (slices, outcome): ([PackedMatrix], Outcome) = ([], factor.outcome)
    var kept: [SparseMatrix.Element] = []
    for (range, part) in zip(ranges, split) {
      let (rows, grid) = (order.rows(of: matrix, at: range), try family.grid(bits: part.bits))
      let neurons = Array(order.neurons[range])
      let chosen = outliers?.selecting(rows: neurons)
      guard case .factor(let factor) = factor else {
        let rounded = try RoundToNearest.quantize(rows, grid: grid, keepingAny: chosen)
        slices.append(rounded.dense)
        kept += rounded.kept.map { $0.moved(row: neurons[$0.row]) }
        continue
      }
      let solver = GPTQ(grid: grid, options: options)
      guard let chosen else {
        let result = try solver.quantize(rows, factor: factor)
        slices.append(result.packed)
        outcome.loss = (outcome.loss ?? 0) + result.loss
        continue
      }
      let (matrix, result) = try solver.quantize(rows, factor: factor, keeping: chosen)
      slices.append(matrix.dense)
      kept += matrix.sparse.elements.map { $0.moved(row: neurons[$0.row]) }
      outcome.loss = (outcome.loss ?? 0) + result.loss
    }
    return Solved(
      slices: slices, outcome: outcome,
      sparse: SparseMatrix(rows: matrix.rows, columns: matrix.columns, elements: kept))
  }

  private static func columns(
    _ matrix: Matrix, _ order: NeuronOrder, _ split: [(bits: Int, neurons: Int)],
    _ family: GridFamily, _ options: GPTQOptions, _ hidden: Solving, _ outliers: Outliers?
  ) throws(QuantizationError) -> Solved {
    let factor = try hidden.permuted(by: order).factor(options, columns: .natural)
    let outcome = factor.outcome
    let chosen = outliers?.selecting(columns: order.neurons)
    guard case .factor(let found) = factor else {
      return try roundedColumns(matrix, order, split, family, chosen, outcome)
    }
    let (slices, kept, loss) = try GPTQ.solved(
      order.columns(of: matrix), slices: split.map { ($0.bits, $0.neurons) }, family: family,
      options: options, factor: found, keeping: chosen)
    var solved = Solved(
      slices: slices, outcome: outcome,
      sparse: SparseMatrix(
        rows: matrix.rows, columns: matrix.columns,
        elements: kept.map { $0.moved(column: order.neurons[$0.column]) }))
    solved.outcome.loss = loss
    return solved
  }

  /// Down rounded to nearest; places of outliers are in the order of the neurons.
  private static func roundedColumns(
    _ matrix: Matrix, _ order: NeuronOrder, _ split: [(bits: Int, neurons: Int)],
    _ family: GridFamily, _ outliers: Outliers?, _ outcome: Outcome
  ) throws(QuantizationError) -> Solved {
    var (slices, kept): ([PackedMatrix], [SparseMatrix.Element]) = ([], [])
    for (range, part) in zip(positions(of: split, neurons: matrix.columns), split) {
      let rounded = try RoundToNearest.quantize(
        order.columns(of: matrix, at: range), grid: family.grid(bits: part.bits),
        keepingAny: outliers?.selecting(columns: Array(range)))
      slices.append(rounded.dense)
      kept += rounded.kept.map { $0.moved(column: order.neurons[range.lowerBound + $0.column]) }
    }
    return Solved(
      slices: slices, outcome: outcome,
      sparse: SparseMatrix(rows: matrix.rows, columns: matrix.columns, elements: kept))
  }

  /// Rounds to nearest beside sparse parts.
  ///
  /// - Parameters:
  ///   - weights: Neurons in their places in the checkpoint.
  ///   - order: Neurons by rank; not read for a single slice.
  ///   - split: Bits and neurons of each slice in rank order, summing to all neurons.
  ///   - family: Grids of any bits.
  ///   - outliers: Of gate, up and down, neurons in their places.
  /// - Returns: The expert, and the sparse parts of gate, up and down with neurons in their places.
  /// - Throws: ``QuantizationError``.
  public static func rounding(
    _ weights: GatedWeights, order: NeuronOrder, split: [(bits: Int, neurons: Int)],
    family: GridFamily, keeping outliers: [Outliers]
  ) throws(QuantizationError) -> (expert: MixedExpert, sparse: [SparseMatrix]) {
    let nearest = Solving.nearest(.roundToNearestWithoutTokens)
    let solved = try solving(
      weights, order: order, split: split, family: family, options: GPTQOptions(),
      input: nearest, hidden: nearest, keeping: outliers)
    return (solved.expert, solved.sparse)
  }
}

extension RoundToNearest {
  /// With outliers if there are any.
  fileprivate static func quantize(
    _ weights: Matrix, grid: AffineGrid, keepingAny outliers: Outliers?
  ) throws(QuantizationError) -> (dense: PackedMatrix, kept: [SparseMatrix.Element]) {
    guard let outliers else { return (try quantize(weights, grid: grid), []) }
    let both = try quantize(weights, grid: grid, keeping: outliers)
    return (both.dense, both.sparse.elements)
  }
}

/// A factor, or why there is none.
private enum FactorOrFallback {
  case factor(DampedFactor)
  case nearest(RoundingFallback)

  var outcome: MixedExpert.Outcome {
    switch self {
    case .factor(let factor):
      MixedExpert.Outcome(
        damping: factor.damping, escalations: factor.escalations,
        deadColumns: factor.deadColumns.count)
    case .nearest(let fallback): MixedExpert.Outcome(fallback: fallback)
    }
  }
}

extension MixedExpert.Solving {
  fileprivate func permuted(by order: NeuronOrder) -> Self {
    guard case .hessian(let hessian) = self else { return self }
    return .hessian(hessian.permuted(by: order.neurons))
  }

  fileprivate func factor(
    _ options: GPTQOptions, columns: ColumnRule
  ) throws(QuantizationError) -> FactorOrFallback {
    switch self {
    case .nearest(let fallback): return .nearest(fallback)
    case .hessian(let hessian):
      do throws(QuantizationError) {
        return .factor(
          try DampedFactor(
            of: hessian, relativeDamping: options.relativeDamping, columns: columns))
      } catch {
        guard let fallback = RoundingFallback(error) else { throw error }
        return .nearest(fallback)
      }
    }
  }
}

extension NeuronOrder {
  /// The neurons of each range by falling value, ties as they were.
  fileprivate func sorted(in ranges: [Range<Int>], byFalling values: [Float]) -> NeuronOrder {
    NeuronOrder(
      rearranging: ranges.flatMap { range in
        range.sorted { (values[neurons[$1]], $0) < (values[neurons[$0]], $1) }.map { neurons[$0] }
      })
  }
}
