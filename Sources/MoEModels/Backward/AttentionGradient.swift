import Tensors

/// Grouped-query attention, both ways.
struct AttentionGradient {
  private let query: HeadProjection
  private let key: HeadProjection
  private let value: HeadProjection
  private let attention: HeadAttention
  private let output: PlainLinear

  init(
    _ layout: GroupedQueryLayout, source: some WeightSource, rotary: RotaryEmbedding
  ) throws {
    let a = source.configuration.attention
    query = try HeadProjection(
      layout.query, norm: layout.queryNorm, clip: a.clip, rotary: rotary, source: source)
    key = try HeadProjection(
      layout.key, norm: layout.keyNorm, clip: a.clip, rotary: rotary, source: source)
    value = try HeadProjection(
      layout.value, norm: nil, clip: a.clip, rotary: nil, source: source)
    attention = HeadAttention(
      heads: a.headCount, keyValueHeads: a.keyValueHeadCount, dimension: a.headDimension,
      scale: 1 / Float(a.headDimension).squareRoot())
    output = try PlainLinear(layout.output, source: source)
  }

  struct Record {
    /// Normalized residual stream.
    let input: Matrix
    let query: HeadProjection.Record
    let key: HeadProjection.Record
    let value: HeadProjection.Record
    /// Of the heads, side by side.
    let attended: Matrix
    /// What is added to the residual stream.
    let output: Matrix
  }

  /// - Parameters:
  ///   - x: Normalized residual stream, `[tokens, hidden]`.
  ///   - lengths: Of the sequences.
  func record(of x: Matrix, lengths: [Int]) -> Record {
    let (positions, dimension) = (Self.positions(lengths), attention.dimension)
    let q = query.record(of: x, positions: positions, dimension: dimension)
    let k = key.record(of: x, positions: positions, dimension: dimension)
    let v = value.record(of: x, positions: positions, dimension: dimension)
    let attended = attention.outputs(q: q.result, k: k.result, v: v.result, lengths: lengths)
    return Record(
      input: x, query: q, key: k, value: v, attended: attended,
      output: output.outputs(of: attended))
  }

  /// - Parameters:
  ///   - slope: Of the output, `[tokens, hidden]`.
  ///   - record: What went there.
  ///   - lengths: Of the sequences.
  ///   - norms: Gets slopes of norms' weights.
  ///   - observe: Is shown the projections.
  /// - Returns: Slope of the input.
  func slope(
    of slope: Matrix, _ record: Record, lengths: [Int], norms: inout [String: [Float]],
    observe: (LinearSlope) throws -> Void
  ) rethrows -> Matrix {
    try observe(output.slope(slope, at: record.attended))
    let slopes = attention.slopes(
      of: output.inputSlope(of: slope), q: record.query.result, k: record.key.result,
      v: record.value.result, lengths: lengths)
    var result = Matrix(rows: slope.rows, columns: slope.columns)
    let positions = Self.positions(lengths)
    for (projection, record, headSlope, input) in [
      (query, record.query, slopes.q, record.input), (key, record.key, slopes.k, record.input),
      (value, record.value, slopes.v, record.input),
    ] {
      let productSlope = projection.slope(
        of: headSlope, record, positions: positions, dimension: attention.dimension,
        norms: &norms)
      try observe(projection.linear.slope(productSlope, at: input))
      result.add(projection.linear.inputSlope(of: productSlope))
    }
    return result
  }

  private static func positions(_ lengths: [Int]) -> [Int] { lengths.flatMap { 0..<$0 } }
}

extension Matrix {
  /// self += other.
  mutating func add(_ other: Matrix) {
    precondition(storage.count == other.storage.count, "shapes differ")
    for index in storage.indices { storage[index] += other.storage[index] }
  }
}
