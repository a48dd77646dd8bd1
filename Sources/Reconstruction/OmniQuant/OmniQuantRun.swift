import Checkpoints
import Foundation
import MoEModels
import Quantization
import Tensors

/// OmniQuant through a model, one layer after the other, on two streams: that of the full-precision
/// layers, which gives targets, and that of the layers quantized before.
///
/// Memory: both streams and the targets, `3 · tokens · hidden` floats, and the weights of one layer
/// three times.
struct OmniQuantRun {
  let checkpoint: Checkpoint
  let options: OmniQuantOptions
  private let lengths: [Int]
  private let full: ForwardPass
  private let quantized: ForwardPass
  /// Where learned parameters of finished layers are kept for a run that goes on; nil: nowhere.
  private let recovery: URL?

  /// - Parameters:
  ///   - checkpoint: The model.
  ///   - options: How.
  ///   - sequences: Token ids to learn from.
  ///   - recovery: A folder that survives a crash, of this model, method and sample alone.
  /// - Throws: ``ForwardPassError``, and what reading weights throws.
  init(
    _ checkpoint: Checkpoint, options: OmniQuantOptions, sequences: [[Int32]], recovery: URL?
  ) throws {
    (self.checkpoint, self.options, self.recovery) = (checkpoint, options, recovery)
    lengths = sequences.map(\.count)
    full = try ForwardPass(sequences, source: checkpoint, precision: .f32)
    quantized = try ForwardPass(sequences, source: checkpoint, precision: .f32)
  }

  /// A layer after training.
  struct Layer {
    /// `tokens`: of the sample that come to the module, the layer and those before as they are stored.
    var modules: [(module: LinearModule, matrix: StoredMatrix, report: TrainingReport, tokens: Int)]
    /// Norm and routers with the scales of the equivalent transformation folded in, f32.
    var folded: [TensorPayload]
  }

  /// Trains the next layer and sends both streams through it.
  ///
  /// - Parameters:
  ///   - index: Of the layer.
  ///   - layout: Grids of each of its modules.
  ///   - progress: Fraction of the layer done.
  /// - Returns: What is stored.
  /// - Throws: ``BackwardError``, ``ModuleError``, what reading weights and `progress` throw.
  func layer(
    _ index: Int, layout: (LinearModule) throws -> ClippedLayout,
    progress: (Double) throws -> Void
  ) throws -> Layer {
    let maxima = options.equivalent ? InputMaxima() : nil
    if let maxima { try full.observeLayer(index, tap: maxima) }
    var training = try OmniQuantLayer(
      index, checkpoint: checkpoint, options: options, maxima: maxima, layout: layout)
    let saved = saved(index)
    let report: TrainingReport
    if let saved {
      training.restore(saved.clippings, saved.scales)
      report = saved.report
      try full.runLayer(index, tap: nil)
    } else {
      report = try training.train(on: try sequences(index), progress: progress)
    }
    let steps = saved?.steps ?? training.modules.map(\.steps)
    if saved == nil { try save(training, report, index) }
    let counts = TokenCounts()
    try quantized.runLayer(index, weights: try training.quantized(), tap: counts)
    return Layer(
      modules: try zip(training.modules, steps).map { module, steps in
        var report = report
        report.layer = index
        report.steps = steps
        let matrix = try ModuleError.naming(module.module.tensor) {
          try module.stored(training.moduleScales(module))
        }
        return (module.module, matrix, report, counts.tokens(at: module.module.input))
      }, folded: try folded(index, training.scales))
  }

  /// The streams before the layer and behind the full-precision one, which is passed.
  private func sequences(_ index: Int) throws -> TrainingSequences {
    let inputs = quantized.states
    var augmented: Matrix?
    if options.augmented {
      let fork = ForwardPass(forking: quantized)
      try fork.runLayer(index, tap: nil)
      augmented = fork.states
    }
    try full.runLayer(index, tap: nil)
    return TrainingSequences(
      lengths: lengths, inputs: inputs, targets: full.states, augmented: augmented)
  }

  private func folded(_ index: Int, _ scales: EquivalentScales?) throws -> [TensorPayload] {
    guard let scales else { return [] }
    let readers = checkpoint.configuration.feedForwardReaders(layer: index)
    let norm = try checkpoint.vector(readers.norm, count: scales.inputs.count)
    let divided = zip(norm, scales.inputs).map { $0 / $1 }
    let routers = try readers.matrices.map { router in
      let weights = try checkpoint.matrix(
        router.tensor, rows: router.rows, columns: router.columns)
      return TensorPayload(
        floats: ModuleScales(columns: scales.inputs).multiplying(weights).storage,
        name: router.tensor, shape: [router.rows, router.columns])
    }
    return [TensorPayload(floats: divided, name: readers.norm, shape: [divided.count])] + routers
  }
}

extension TensorPayload {
  fileprivate init(floats: [Float], name: String, shape: [Int]) {
    self.init(
      name: name, dtype: .float32, shape: shape,
      bytes: floats.flatMap { value in
        withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
      })
  }
}

/// How many tokens come to each input of a layer.
private final class TokenCounts: LayerTap {
  private var counts: [InputSite: Int] = [:]

  var wantsAllTokens: Bool { false }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) { counts[site, default: 0] += rows }
  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
  func observe(_ routing: Routing) {}

  func tokens(at site: InputSite) -> Int { counts[site] ?? 0 }
}

// MARK: - Going on after a crash

/// What a layer has learned.
private struct SavedLayer: Codable {
  var clippings: [String: [LearnedClipping]]
  var scales: EquivalentScales?
  var report: TrainingReport
  var steps: [Int]
}

extension OmniQuantRun {
  private func file(_ index: Int) -> URL? {
    recovery?.appending(path: "omniquant-\(index).plist")
  }

  /// A file that cannot be read is no reason to stop: the layer is trained anew.
  private func saved(_ index: Int) -> SavedLayer? {
    guard let file = file(index), let data = FileManager.default.contents(atPath: file.path)
    else { return nil }
    return try? PropertyListDecoder().decode(SavedLayer.self, from: data)
  }

  private func save(_ layer: OmniQuantLayer, _ report: TrainingReport, _ index: Int) throws {
    guard let file = file(index) else { return }
    let encoder = PropertyListEncoder()
    encoder.outputFormat = .binary
    let saved = SavedLayer(
      clippings: Dictionary(
        uniqueKeysWithValues: layer.modules.map { ($0.module.tensor, $0.clippings) }),
      scales: layer.scales, report: report, steps: layer.modules.map(\.steps))
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try encoder.encode(saved).write(to: file, options: .atomic)
  }
}
