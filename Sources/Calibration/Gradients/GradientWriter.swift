import Checkpoints
import Foundation
import HDF5
import MoEModels
import Tensors

/// Sends a sample through a model and back, and writes what the gradient says of every layer.
///
/// One HDF5 file a layer, `layer-NN.h5`, and the tokens in `sample.h5`. In f32; layers come from the
/// last to the first, one at a time, so that peak memory does not grow with their number.
public enum GradientWriter {
  /// What is kept.
  public struct Options: Sendable, Equatable {
    /// Σ over sequences of g², g being the slope of a sequence's mean negative log-likelihood.
    public var fisher: Bool
    /// ∂(Σ over all predicted tokens of -ln p) / ∂(output of a layer), for every token.
    public var outputSlopes: Bool

    public init(fisher: Bool = true, outputSlopes: Bool = true) {
      (self.fisher, self.outputSlopes) = (fisher, outputSlopes)
    }
  }

  /// - Parameters:
  ///   - sample: Token windows.
  ///   - source: The model.
  ///   - options: What is kept.
  ///   - model: Digest of the model, for ``GradientFolder/model()``.
  ///   - directory: Exists; gets the files, and while it runs the residual streams of all layers.
  ///   - progress: Layers done of all, forth and back.
  /// - Throws: ``BackwardError``; ``NotFiniteError``; what reading the model and writing the files throws.
  public static func write(
    _ sample: CalibrationSample, through source: any WeightSource,
    options: Options = Options(), model: String? = nil, to directory: URL,
    progress: (_ layer: Int, _ layers: Int) -> Void = { _, _ in }
  ) throws {
    let configuration = source.configuration
    let layers = configuration.layerCount
    let pass = try GradientPass(
      sample.sequences, source: source, reduction: .sum, scratch: directory
    ) { progress($0, 2 * layers) }
    guard pass.losses.allSatisfy(\.isFinite), pass.slopes.isFinite else {
      throw try NotFiniteError.first(of: sample.sequences, in: source)
    }
    try write(
      sample.sequences, losses: pass.losses, model: model, to: GradientFolder.sampleURL(directory))
    for layer in (0..<layers).reversed() {
      let file = try HDF5Writer(CalibrationLayer.url(layer, in: directory))
      try file.writeAttribute(GradientFolder.format, "format")
      try file.writeAttribute(GradientFolder.formatVersion, "format_version")
      if options.outputSlopes {
        try file.write(
          pass.slopes.storage, to: GradientFolder.slopes(layer),
          shape: [pass.slopes.rows, pass.slopes.columns])
      }
      let modules = options.fisher ? configuration.linearModules(layer: layer) : []
      var fisher = FisherSums(of: modules)
      try pass.goBack(through: layer) { fisher.add($0, $1) }
      guard pass.slopes.isFinite else { throw NotFiniteError.slopes(layer: layer) }
      for module in modules {
        guard fisher.sums[module.tensor]?.isFinite ?? true else {
          throw NotFiniteError.fisher(of: module.tensor, layer: layer)
        }
        try write(fisher, of: module, to: file)
      }
      try file.finish()
      progress(2 * layers - layer, 2 * layers)
    }
  }

  private static func write(
    _ fisher: FisherSums, of module: LinearModule, to file: HDF5Writer
  ) throws(HDF5Error) {
    let name = GradientFolder.fisher(module)
    guard let sum = fisher.sums[module.tensor] else { return }
    try file.write(sum.storage, to: name, shape: [module.rows, module.columns])
    try file.writeAttribute(Int64(fisher.tokens[module.tensor] ?? 0), "tokens", of: name)
  }

  private static func write(
    _ sequences: [[Int32]], losses: [Double], model: String?, to url: URL
  ) throws(HDF5Error) {
    let file = try HDF5Writer(url)
    try file.writeAttribute(GradientFolder.format, "format")
    try file.writeAttribute(GradientFolder.formatVersion, "format_version")
    if let model { try file.writeAttribute(model, CalibrationLayer.modelAttribute) }
    try file.write(sequences.flatMap { $0.map { Int64($0) } }, to: "tokens")
    try file.write(sequences.map { Int64($0.count) }, to: "lengths")
    try file.write(losses, to: "losses")
    try file.finish()
  }
}

/// Σ g² of a layer's projections, sequence by sequence; zeros where no token comes.
private struct FisherSums {
  private(set) var sums: [String: Matrix]
  /// That reached each.
  private(set) var tokens: [String: Int] = [:]

  init(of modules: [LinearModule]) {
    sums = Dictionary(
      uniqueKeysWithValues: modules.map {
        ($0.tensor, Matrix(rows: $0.rows, columns: $0.columns))
      })
  }

  mutating func add(_ slope: LinearSlope, _ batch: GradientPass.Batch) {
    // The router and gates are not quantized.
    guard sums[slope.tensor] != nil else { return }
    tokens[slope.tensor, default: 0] += slope.input.rows
    for range in batch.sequences where range.count > 1 {
      guard let gradient = slope.weight(ofTokens: range) else { continue }
      // The pass has the sum over a sequence's predicted tokens; F is made of their mean.
      sums[slope.tensor]?.addSquares(of: gradient, scale: 1 / Float(range.count - 1))
    }
  }
}

extension Matrix {
  /// self += (scale · other)².
  fileprivate mutating func addSquares(of other: Matrix, scale: Float) {
    storage.withUnsafeMutableBufferPointer { sum in
      other.storage.withUnsafeBufferPointer { other in
        for index in sum.indices {
          let value = scale * other[index]
          sum[index] += value * value
        }
      }
    }
  }
}
