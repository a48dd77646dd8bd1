import MoEModels
import Tensors

/// Windows through a model, asked at their scored tokens only.
///
/// A *position* is a scored token: what the model predicts for it stands in the row before it.
final class ScoredPass {
  private let pass: ForwardPass
  /// Of every row of the pass; −1 where nothing is scored.
  private let positionOfRow: [Int32]
  /// The token to be predicted at every position.
  let targets: [Int32]
  /// Of every layer with a router, if asked for.
  let routes: [LayerRoutes]

  /// Sends windows through all layers.
  ///
  /// - Parameters:
  ///   - windows: Some windows of a text.
  ///   - source: The model.
  ///   - precision: Of the forward pass.
  ///   - batchTokens: About how many tokens go through a layer together.
  ///   - recordsRoutes: Whether to keep where tokens go.
  ///   - progress: Fraction of layers done, 0…1.
  /// - Throws: What the model throws.
  init(
    _ windows: ArraySlice<ScoringWindow>, source: any WeightSource, precision: Precision,
    batchTokens: Int, recordsRoutes: Bool, progress: (Double) -> Void
  ) throws {
    let pass = try ForwardPass(
      windows.map(\.tokens), source: source, precision: precision, batchTokens: batchTokens)
    var positions = [Int32](repeating: -1, count: windows.reduce(0) { $0 + $1.tokens.count })
    var (start, position) = (0, 0)
    for window in windows {
      for offset in 0..<window.targets.count {
        positions[start + window.first + offset] = Int32(position)
        position += 1
      }
      start += window.tokens.count
    }
    var routes: [LayerRoutes] = []
    let layers = source.configuration.layerCount
    for layer in 0..<layers {
      let tap = recordsRoutes ? RouteTap(positions: positions) : nil
      try pass.runLayer(layer, tap: tap)
      if let found = tap?.routes(layer: layer) { routes.append(found) }
      progress(Double(layer + 1) / Double(layers + 1))
    }
    self.pass = pass
    self.routes = routes
    positionOfRow = positions
    targets = windows.flatMap(\.targets)
  }

  var vocabulary: Int { pass.source.configuration.vocabularySize }

  /// Shows the logits of every position, several side by side; they may be overwritten.
  ///
  /// - Throws: What reading weights throws.
  func forEachPosition(
    _ body: @Sendable (_ position: Int, _ logits: UnsafeMutablePointer<Float>) -> Void
  ) throws {
    let (positions, vocabulary) = (positionOfRow, vocabulary)
    try pass.forEachLogits { first, rows, logits in
      // SAFETY: every chunk gets its own rows.
      nonisolated(unsafe) let logits = logits
      forEachChunk(of: rows, size: 8) { range in
        for row in range where positions[first + row] >= 0 {
          body(Int(positions[first + row]), logits + row * vocabulary)
        }
      }
    }
  }
}
