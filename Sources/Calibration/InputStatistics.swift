import Tensors

/// Sums over the inputs x of one projection: what its Hessian and its channel scales are made of.
struct InputStatistics {
  let width: Int
  /// Rows that count.
  private(set) var tokens = 0
  private(set) var moments: MomentSum
  /// Over all tokens of the layer, where a mixture of both is asked for.
  private(set) var allMoments: MomentSum?
  private(set) var allTokens = 0
  /// Σ w² x xᵀ and Σ w², w being the routing weight.
  private(set) var weighted: (moments: MomentSum, squares: Double)?
  /// Largest |x| of each channel.
  private(set) var absmax: [Float]
  /// Σ x² of each channel.
  private(set) var sumSquares: [Double]

  /// - Parameters:
  ///   - width: Channels.
  ///   - options: What is kept.
  ///   - isRouted: Whether only some of the layer's tokens come here.
  init(width: Int, options: CalibrationOptions, isRouted: Bool) {
    self.width = width
    moments = MomentSum(width: width, storage: options.storage)
    if isRouted, case .mixture = options.tokens { allMoments = moments }
    if isRouted, options.routingWeighted { weighted = (moments, 0) }
    absmax = [Float](repeating: 0, count: width)
    sumSquares = [Double](repeating: 0, count: width)
  }

  /// Adds rows that are all of the same kind.
  ///
  /// - Parameters:
  ///   - x: `[rows, width]`.
  ///   - rows: How many.
  ///   - scratch: Working memory.
  mutating func add(_ x: UnsafePointer<Float>, rows: Int, scratch: StatisticsScratch) {
    moments.add(x, rows: rows, product: scratch.product, gathered: scratch.gathered)
    addChannels(x, rows: rows)
    tokens += rows
  }

  /// Adds all rows of the layer to the sum that a mixture takes in.
  mutating func addAll(_ x: UnsafePointer<Float>, rows: Int, scratch: StatisticsScratch) {
    allMoments?.add(x, rows: rows, product: scratch.product, gathered: scratch.gathered)
    allTokens += rows
  }

  /// Adds rows to Σ w² x xᵀ.
  mutating func addWeighted(
    _ x: UnsafePointer<Float>, weights: [Float], scratch: StatisticsScratch
  ) {
    guard weighted != nil else { return }
    let scaled = scratch.scaled.reserve(weights.count * width)
    for (row, weight) in weights.enumerated() {
      for channel in 0..<width {
        scaled[row * width + channel] = weight * x[row * width + channel]
      }
    }
    weighted?.moments.add(
      scaled, rows: weights.count, product: scratch.product, gathered: scratch.gathered)
    weighted?.squares += weights.reduce(0) { $0 + Double($1) * Double($1) }
  }

  /// What the file stores as S, and the number of tokens that it is a sum over.
  func sum(_ policy: CalibrationOptions.Tokens) -> (elements: [Float], tokens: Int) {
    guard case .mixture(let share) = policy, let allMoments else {
      return (moments.elements, tokens)
    }
    guard tokens > 0 else { return (allMoments.elements, allTokens) }
    let routed = (1 - share) * Double(allTokens) / Double(tokens)
    return (moments.elements(times: routed, plus: share, allMoments), allTokens)
  }

  private mutating func addChannels(_ x: UnsafePointer<Float>, rows: Int) {
    let width = width
    absmax.withUnsafeMutableBufferPointer { absmax in
      sumSquares.withUnsafeMutableBufferPointer { sumSquares in
        // SAFETY: every chunk writes its own channels.
        nonisolated(unsafe) let (absmax, sumSquares, x) = (absmax, sumSquares, x)
        forEachChunk(of: width, size: 256) { channels in
          for row in 0..<rows {
            let values = x + row * width
            for channel in channels {
              absmax[channel] = max(absmax[channel], abs(values[channel]))
              sumSquares[channel] += Double(values[channel]) * Double(values[channel])
            }
          }
        }
      }
    }
  }
}

/// Working memory of statistics, shared by the inputs of a layer.
final class StatisticsScratch {
  let product = ScratchBuffer<Float>()
  let gathered = ScratchBuffer<Float>()
  let scaled = ScratchBuffer<Float>()
  let routed = ScratchBuffer<Float>()
}
