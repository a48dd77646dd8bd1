import Statistics
public import Tensors

/// How the values of a codebook are found.
public enum Clustering: Sendable, Equatable {
  /// The smallest loss there is, by dynamic programming.
  case optimal
  /// Lloyd's method from seeded k-means++ centers, as SqueezeLLM runs it: 50 iterations at most, until
  /// centers move by less than `tolerance` times the variance of the weights.
  case lloyd(seed: UInt64, iterations: Int = 50, tolerance: Double = 1e-4)
}

/// Non-uniform quantization: each row, or group of columns in it, gets the 2^bits values that lose
/// least, by weighted k-means.
///
///     min Σ_j F_ij (w_ij - c_i(q_ij))²
///
/// Centers are rounded to binary16 and each weight then takes the nearest of them (the lower of two),
/// so that what is evaluated is what is stored. A row of fewer distinct weights than values repeats the
/// largest one.
/// - SeeAlso: Kim et al. 2023, "SqueezeLLM", arXiv:2306.07629; METHODS §2.4.
public struct CodebookQuantizer: Sendable, Equatable {
  /// Bits per code, 1…8.
  public let bits: Int
  /// Columns that share a codebook; nil: the whole row.
  public let groupSize: Int?
  public let clustering: Clustering

  /// - Parameters:
  ///   - bits: 1…8.
  ///   - groupSize: Columns that share a codebook; nil: the whole row.
  ///   - clustering: How values are found.
  /// - Throws: ``QuantizationError`` for numbers out of range.
  public init(
    bits: Int, groupSize: Int? = nil, clustering: Clustering = .optimal
  ) throws(QuantizationError) {
    guard (1...8).contains(bits) else { throw .unsupportedBits(bits) }
    if let groupSize, groupSize < 1 { throw .unsupportedGroupSize(groupSize) }
    if case .lloyd(_, let iterations, let tolerance) = clustering {
      guard iterations >= 1 else { throw .unsupportedIterations(iterations) }
      guard tolerance.isFinite, tolerance >= 0 else { throw .unsupportedTolerance(tolerance) }
    }
    self.bits = bits
    self.groupSize = groupSize
    self.clustering = clustering
  }

  /// Codes a matrix.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - importance: What an error of a weight costs.
  /// - Returns: W on its codebooks.
  /// - Throws: ``QuantizationError`` if a weight or its importance is not finite, an importance is
  ///   negative or of another shape, or a value is too large to store.
  /// - Complexity: O(2^bits · columns · log columns) for each row if optimal.
  public func quantize(
    _ weights: Matrix, importance: WeightImportance = .equal
  ) throws(QuantizationError) -> CodebookMatrix {
    if let place = weights.firstNonFinite {
      throw .notFiniteWeight(row: place.row, column: place.column)
    }
    try importance.check(for: weights)
    let rows = concurrentTiles(rows: weights.rows, tileRows: 4) { rows in
      Result { () throws(QuantizationError) in
        var tile: [CodedRow] = []
        for row in rows { tile.append(try coded(row, of: weights, importance)) }
        return tile
      }
    }
    var (codes, codebooks): ([UInt8], [UInt16]) = ([], [])
    for tile in rows {
      for row in try tile.get() {
        codes += row.codes
        codebooks += row.codebooks
      }
    }
    return CodebookMatrix(
      rows: weights.rows, columns: weights.columns, bits: bits,
      groupSize: groupSize ?? max(weights.columns, 1), codes: codes, codebooks: codebooks)
  }

  private struct CodedRow: Sendable {
    /// Shape `[rowBytes]`.
    let codes: [UInt8]
    /// Shape `[groups, 2^bits]`.
    let codebooks: [UInt16]
  }

  private func coded(
    _ row: Int, of weights: Matrix, _ importance: WeightImportance
  ) throws(QuantizationError) -> CodedRow {
    let size = groupSize ?? max(weights.columns, 1)
    var (codes, codebooks): ([UInt8], [UInt16]) = ([], [])
    for first in stride(from: 0, to: weights.columns, by: size) {
      let columns = first..<min(first + size, weights.columns)
      let start = row * weights.columns
      let values = weights.storage[start + columns.lowerBound..<start + columns.upperBound]
      let points = WeightedPoints(
        values, weights: importance.values(for: weights, row: row, columns: columns))
      var codebook: [Float] = []
      for center in centers(of: points, row: row, group: first / size) {
        let half = Float16(center)
        guard half.isFinite else {
          throw .valueOverflow(value: Float(center), row: row, column: first)
        }
        codebook.append(Float(half))
      }
      codes += Self.nearest(values, in: codebook)
      // At least one point has weight, so there is a center.
      let largest = codebook[codebook.count - 1]
      codebook += [Float](repeating: largest, count: 1 << bits - codebook.count)
      codebooks += codebook.map { Float16($0).bitPattern }
    }
    return CodedRow(codes: BitStream.packed(codes, bits: bits), codebooks: codebooks)
  }

  /// Rising; as many as there are distinct points, at most 2^bits.
  private func centers(of points: WeightedPoints, row: Int, group: Int) -> [Double] {
    switch clustering {
    case .optimal: return OptimalClustering.centers(of: points, clusters: 1 << bits)
    case .lloyd(let seed, let iterations, let tolerance):
      // Every codebook has a stream of its own, whichever thread it is found on.
      var streams = SeededGenerator(seed: seed ^ UInt64(row) << 32 ^ UInt64(group))
      var generator = SeededGenerator(seed: streams.next())
      return LloydClustering(iterations: iterations, tolerance: tolerance)
        .centers(of: points, clusters: 1 << bits, using: &generator)
    }
  }

  /// The code of the value nearest to each weight; of two equally near ones the lower.
  private static func nearest(_ weights: ArraySlice<Float>, in codebook: [Float]) -> [UInt8] {
    let borders = zip(codebook, codebook.dropFirst()).map { (Double($0) + Double($1)) / 2 }
    return weights.map { weight in
      var (low, high) = (0, borders.count)
      while low < high {
        let middle = (low + high) / 2
        if Double(weight) > borders[middle] { low = middle + 1 } else { high = middle }
      }
      return UInt8(low)
    }
  }
}
