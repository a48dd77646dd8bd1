public import MoEModels
import Tensors

/// Mean KL(P_full ‖ P) per token of many candidates that differ in the weights of their layers
/// (DECISIONS: Measured fitness).
///
/// Candidates that agree in their first layers share the passes through them: they are taken in
/// the order of a tree whose branches are the choices of a layer.
public struct CandidateDivergence: Sendable {
  public let reference: ReferencePredictions
  /// Everything that candidates do not choose: embeddings, norms, head, configuration.
  public let source: any WeightSource

  public init(_ reference: ReferencePredictions, source: any WeightSource) {
    (self.reference, self.source) = (reference, source)
  }

  /// Measures candidates.
  ///
  /// - Parameters:
  ///   - candidates: For each one a key a layer; equal keys stand for equal weights.
  ///   - weights: The weights of a layer by its key.
  /// - Returns: Mean nats per token for each candidate, and how many tokens went through layers,
  ///   in units of whole models.
  /// - Throws: What reading weights throws.
  public func means<Key: Hashable & Comparable>(
    of candidates: [[Key]], weights: (_ layer: Int, Key) throws -> any WeightSource
  ) throws -> (means: [Double], forwardTokens: Int) {
    var means = [Double](repeating: 0, count: candidates.count)
    let tokens = try forEach(of: candidates, weights: weights) { candidate, divergences in
      means[candidate] = divergences.reduce(0, +) / Double(max(divergences.count, 1))
    }
    return (means, tokens)
  }

  /// Measures candidates token by token.
  ///
  /// - Parameters:
  ///   - candidates: For each one a key a layer; equal keys stand for equal weights.
  ///   - weights: The weights of a layer by its key.
  ///   - found: Is given the place of a candidate and its nats at every token of the reference; equal
  ///     candidates share one pass.
  /// - Returns: How many tokens went through layers, in units of whole models.
  /// - Throws: What reading weights throws.
  public func forEach<Key: Hashable & Comparable>(
    of candidates: [[Key]], weights: (_ layer: Int, Key) throws -> any WeightSource,
    found: (_ candidate: Int, _ divergences: [Double]) -> Void
  ) throws -> Int {
    let order = candidates.indices.sorted {
      candidates[$0].lexicographicallyPrecedes(candidates[$1])
    }
    let start = try ForwardPass(
      reference.sequences, source: source, precision: reference.precision)
    var layersRun = 0
    try descend(
      order[...], candidates, layer: 0, from: start, weights, layersRun: &layersRun, found: found)
    let layers = max(source.configuration.layerCount, 1)
    return (layersRun * reference.tokens + layers - 1) / layers
  }

  private func descend<Key: Hashable & Comparable>(
    _ group: ArraySlice<Int>, _ candidates: [[Key]], layer: Int, from pass: ForwardPass,
    _ weights: (Int, Key) throws -> any WeightSource, layersRun: inout Int,
    found: (Int, [Double]) -> Void
  ) throws {
    guard layer < source.configuration.layerCount else {
      let divergences = try reference.divergences(of: pass)
      for candidate in group { found(candidate, divergences) }
      return
    }
    var rest = group
    while let first = rest.first {
      let key = candidates[first][layer]
      let same = rest.prefix { candidates[$0][layer] == key }
      rest = rest.dropFirst(same.count)
      // The last branch may use up the pass of its parent.
      let branch = rest.isEmpty ? pass : ForwardPass(forking: pass)
      try branch.runLayer(layer, weights: weights(layer, key), tap: nil)
      layersRun += 1
      try descend(
        same, candidates, layer: layer + 1, from: branch, weights, layersRun: &layersRun,
        found: found)
    }
  }
}
