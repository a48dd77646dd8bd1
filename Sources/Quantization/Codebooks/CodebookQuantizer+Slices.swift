public import Tensors

extension CodebookQuantizer {
  /// Codes a matrix of an expert whose neurons get different bits, each slice on codebooks of its own.
  ///
  /// - Parameters:
  ///   - weights: Gate, up or down, neurons in their places in the checkpoint.
  ///   - axis: Where the neurons are in it.
  ///   - order: Neurons by rank; not read for a single slice.
  ///   - split: Bits and neurons of each slice in rank order, summing to all neurons.
  ///   - importance: What an error of a weight costs, neurons in their places.
  ///   - outliers: Kept in the sparse part; nil: none.
  /// - Returns: The slices, and the sparse part with neurons in their places; nil without outliers.
  /// - Throws: ``QuantizationError``.
  public func quantize(
    _ weights: Matrix, along axis: NeuronAxis, order: NeuronOrder,
    split: [(bits: Int, neurons: Int)], importance: WeightImportance, keeping outliers: Outliers?
  ) throws(QuantizationError) -> (slices: Slices<CodebookMatrix>, sparse: SparseMatrix?) {
    let order = split.count == 1 ? .identity(order.count) : order
    let removed = try outliers?.removed(from: weights) ?? weights
    var slices: [CodebookMatrix] = []
    for (positions, part) in zip(MixedExpert.positions(of: split, neurons: order.count), split) {
      let quantizer = try CodebookQuantizer(
        bits: part.bits, groupSize: groupSize, clustering: clustering)
      slices.append(
        try quantizer.quantize(
          order.part(of: removed, along: axis, at: positions),
          importance: importance.part(order, along: axis, at: positions)))
    }
    let result = Slices(slices, along: axis, order: order.neurons)
    return (result, try outliers?.sparsePart(of: weights, beyond: result.dequantized()))
  }
}

extension NeuronOrder {
  fileprivate func part(
    of matrix: Matrix, along axis: NeuronAxis, at positions: Range<Int>
  )
    -> Matrix
  {
    switch axis {
    case .rows: rows(of: matrix, at: positions)
    case .columns: columns(of: matrix, at: positions)
    }
  }
}

extension WeightImportance {
  fileprivate func part(
    _ order: NeuronOrder, along axis: NeuronAxis, at positions: Range<Int>
  ) -> WeightImportance {
    switch self {
    case .equal: .equal
    case .fisher(let matrix): .fisher(order.part(of: matrix, along: axis, at: positions))
    case .inputs(let diagonal):
      axis == .rows ? self : .inputs(order.neurons[positions].map { diagonal[$0] })
    }
  }

  /// Rows of which no weight counts, so that all of their weights count alike.
  ///
  /// - Parameter weights: W, outliers included.
  /// - Returns: How many of the rows.
  public func uninformedRows(of weights: Matrix) -> Int {
    (0..<weights.rows).count { row in
      switch self {
      case .equal: true
      case .inputs(let diagonal):
        !diagonal.indices.contains { diagonal[$0] > 0 && weights[row, $0] != 0 }
      case .fisher(let matrix):
        !(0..<weights.columns).contains { matrix[row, $0] > 0 && weights[row, $0] != 0 }
      }
    }
  }

  /// How sensitive each weight is, for ``OutlierRule``: F itself; where inputs are all that is known,
  /// H_jj w², the loss of setting the weight to 0, since H_jj alone does not tell rows apart.
  ///
  /// - Parameter weights: W.
  /// - Returns: Shape of W; nil where every weight counts alike.
  public func sensitivity(of weights: Matrix) -> Matrix? {
    switch self {
    case .equal: return nil
    case .fisher(let matrix): return matrix
    case .inputs(let diagonal):
      var result = weights
      for index in result.storage.indices {
        let weight = result.storage[index]
        result.storage[index] = diagonal[index % weights.columns] * weight * weight
      }
      return result
    }
  }
}
