import Tensors

/// Queries, keys or values on their way from the residual stream to the heads, both ways: product,
/// norm, clipping, rotation, as far as the family has them.
struct HeadProjection {
  let linear: PlainLinear
  let norm: NormTensor?
  private let normalization: RMSNorm?
  private let clip: Float?
  /// nil for values.
  private let rotary: RotaryEmbedding?

  init(
    _ tensors: LinearTensors, norm: NormTensor?, clip: Float?, rotary: RotaryEmbedding?,
    source: some WeightSource
  ) throws {
    linear = try PlainLinear(tensors, source: source)
    self.norm = norm
    normalization = try norm.map {
      try RMSNorm($0, source: source, epsilon: source.configuration.normEpsilon)
    }
    (self.clip, self.rotary) = (clip, rotary)
  }

  struct Record {
    /// Before the norm.
    let projected: Matrix
    /// Before clipping.
    let normalized: Matrix
    /// As heads read it.
    let result: Matrix
  }

  /// - Parameters:
  ///   - x: Normalized residual stream, `[tokens, hidden]`.
  ///   - positions: Of every token in its sequence.
  ///   - dimension: Channels of a head.
  func record(of x: Matrix, positions: [Int], dimension: Int) -> Record {
    let projected = linear.outputs(of: x)
    let normalized = normalization?.outputs(of: projected) ?? projected
    var result = normalized
    if let clip {
      for index in result.storage.indices {
        result.storage[index] = min(max(result.storage[index], -clip), clip)
      }
    }
    rotary?.rotate(&result, positions: positions, dimension: dimension, back: false)
    return Record(projected: projected, normalized: normalized, result: result)
  }

  /// - Parameters:
  ///   - slope: Of what heads read.
  ///   - record: What went there.
  ///   - positions: As before.
  ///   - dimension: As before.
  ///   - norms: Gets the slope of the norm's weight.
  /// - Returns: Slope of the product.
  func slope(
    of slope: Matrix, _ record: Record, positions: [Int], dimension: Int,
    norms: inout [String: [Float]]
  ) -> Matrix {
    var slope = slope
    rotary?.rotate(&slope, positions: positions, dimension: dimension, back: true)
    if let clip {
      for index in slope.storage.indices where abs(record.normalized.storage[index]) > clip {
        slope.storage[index] = 0
      }
    }
    guard let normalization, let norm else { return slope }
    let (input, weight) = normalization.slopes(of: slope, at: record.projected)
    norms[norm.weight] = weight
    return input
  }
}

extension RotaryEmbedding {
  /// Turns every head of every row, or turns it back: a rotation's transpose is its way back.
  fileprivate func rotate(
    _ x: inout Matrix, positions: [Int], dimension: Int, back: Bool
  ) {
    let (width, half) = (x.columns, self.dimension / 2)
    let sign: Float = back ? -1 : 1
    x.storage.withUnsafeMutableBufferPointer { x in
      for (row, position) in positions.enumerated() {
        for head in stride(from: row * width, to: (row + 1) * width, by: dimension) {
          for i in 0..<half {
            let (c, s) = (cosines[position * half + i], sign * sines[position * half + i])
            let (a, b) = (x[head + i], x[head + half + i])
            x[head + i] = a * c - b * s
            x[head + half + i] = b * c + a * s
          }
        }
      }
    }
  }
}
