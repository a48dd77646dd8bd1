import Checkpoints
import MoEModels
import Quantization
import Tensors

/// Tokens that a layer learns from: whole sequences, one after the other.
struct TrainingSequences {
  let lengths: [Int]
  /// The residual stream behind the layers quantized before, `[tokens, hidden]`.
  let inputs: Matrix
  /// What the full-precision layer makes of the full-precision stream.
  let targets: Matrix
  /// What it makes of `inputs`; nil if that is no target.
  let augmented: Matrix?
}

/// A layer whose clipping, and scales if asked for, are learned by gradient descent on the distance
/// of its output to that in full precision.
struct OmniQuantLayer {
  let index: Int
  let checkpoint: Checkpoint
  let options: OmniQuantOptions
  private(set) var modules: [ClippedModule]
  /// nil without the equivalent transformation.
  private(set) var scales: EquivalentScales?
  /// Loss of each step, before it.
  private(set) var losses: [Double] = []
  private let blocks: [GatedBlock]

  /// - Parameters:
  ///   - index: Of the layer.
  ///   - checkpoint: Its weights.
  ///   - options: How.
  ///   - maxima: Of the inputs; needed for the equivalent transformation.
  ///   - layout: Grids of each module.
  /// - Throws: What reading weights throws.
  init(
    _ index: Int, checkpoint: Checkpoint, options: OmniQuantOptions, maxima: InputMaxima?,
    layout: (LinearModule) throws -> ClippedLayout
  ) throws {
    (self.index, self.checkpoint, self.options) = (index, checkpoint, options)
    let configuration = checkpoint.configuration
    modules = try configuration.linearModules(layer: index).map { module in
      ClippedModule(
        module,
        weights: try checkpoint.matrix(
          module.tensor, rows: module.rows, columns: module.columns),
        layout: try layout(module), rate: options.clippingRate)
    }
    let gated = configuration.gatedBlocks(layer: index)
    blocks = gated.map(\.block)
    let weights = Dictionary(uniqueKeysWithValues: modules.map { ($0.module.tensor, $0.weights) })
    scales = maxima.map { maxima in
      EquivalentScales(
        blocks: gated.map { $0.modules.compactMap { weights[$0.tensor] } },
        maxima: maxima.maxima(
          of: blocks, hidden: configuration.hiddenSize, widths: gated.map { $0.modules[0].rows }))
    }
  }

  /// Learns; keeps the start where something is not finite, which is named, or the end is no better.
  ///
  /// - Parameters:
  ///   - sequences: What from.
  ///   - progress: Fraction done, 0…1.
  /// - Returns: How it went, but for the steps of each module.
  /// - Throws: ``BackwardError``, ``ModuleError``, and what reading weights throws.
  mutating func train(
    on sequences: TrainingSequences, progress: (Double) throws -> Void
  ) throws -> TrainingReport {
    var report = TrainingReport(layer: index, steps: 0)
    let firstScales = try startingScales()
    do {
      let start = try startLoss(on: sequences)
      (report.startLoss, report.endLoss) = (start, start)
      guard options.epochs > 0 else { return report }
      try learn(from: sequences, progress: progress)
      let name = "the loss after the last step"
      let end = try Self.finite(name) { try loss(on: sequences) }
      guard end.isFinite else { throw NotFinite(what: name) }
      if end < start { report.endLoss = end } else { report.kept = .worse }
    } catch let found as NotFinite {
      (report.kept, report.notFinite) = (.notFinite, found.what)
    }
    guard report.kept != nil else { return report }
    for place in modules.indices { modules[place].reset() }
    scales = firstScales
    return report
  }

  /// The scales that training begins with: 1 where the others would take a range beyond what a scale
  /// can hold.
  private mutating func startingScales() throws -> EquivalentScales? {
    guard let scales else { return nil }
    do { _ = try quantized() } catch let error as ModuleError where error.isScaleOverflow {
      self.scales = scales.ones
    }
    return self.scales
  }

  private func startLoss(on sequences: TrainingSequences) throws -> Double {
    guard sequences.inputs.firstNonFinite == nil else {
      throw NotFinite(what: "the stream that comes in")
    }
    guard sequences.targets.firstNonFinite == nil else {
      throw NotFinite(what: "its output in full precision")
    }
    let loss = try loss(on: sequences)
    guard loss.isFinite else { throw NotFinite(what: "the loss before the first step") }
    return loss
  }

  private mutating func learn(
    from sequences: TrainingSequences, progress: (Double) throws -> Void
  ) throws {
    var optimizers = scales?.optimizers(rate: options.scalingRate) ?? []
    let ranges = Self.ranges(of: sequences.lengths, batch: options.batch)
    let steps = Double(max(options.epochs * ranges.count, 1))
    for epoch in 0..<options.epochs {
      for (index, range) in ranges.enumerated() {
        try step(sequences, range, &optimizers)
        try progress(Double(epoch * ranges.count + index + 1) / steps)
      }
    }
  }

  /// The effective weights over the checkpoint.
  ///
  /// - Returns: What the layer is with the parameters as they are.
  /// - Throws: ``ModuleError``.
  func quantized() throws -> some WeightSource {
    let effective = try modules.map { module in
      try ModuleError.naming(module.module.tensor) {
        try module.effective(moduleScales(module))
      }
    }
    return ReplacedWeights(
      checkpoint,
      replaced: Dictionary(
        uniqueKeysWithValues: zip(modules.map(\.module.tensor), effective)))
  }

  func moduleScales(_ module: ClippedModule) -> ModuleScales {
    guard let scales, let block = module.module.block, let place = blocks.firstIndex(of: block)
    else { return ModuleScales() }
    return scales.scales(of: module.module.projection, block: place)
  }

  /// Takes over what an earlier run has learned.
  mutating func restore(_ saved: [String: [LearnedClipping]], _ scales: EquivalentScales?) {
    for place in modules.indices {
      guard let clippings = saved[modules[place].module.tensor] else { continue }
      modules[place].clippings = clippings
    }
    self.scales = scales
  }

  private static func ranges(of lengths: [Int], batch: Int) -> [Range<Int>] {
    stride(from: 0, to: lengths.count, by: max(batch, 1)).map {
      $0..<min($0 + max(batch, 1), lengths.count)
    }
  }

  /// Why a layer stops learning.
  private struct NotFinite: Error {
    let what: String
  }

  /// A range that has grown beyond what a scale can hold is not finite either.
  private static func finite<Value>(
    _ name: String, _ body: () throws -> Value
  ) throws -> Value {
    do { return try body() } catch let error as ModuleError where error.isScaleOverflow {
      throw NotFinite(what: "\(name): a scale of \(error.module)")
    }
  }

  /// One step; what is not finite is thrown.
  private mutating func step(
    _ sequences: TrainingSequences, _ range: Range<Int>, _ optimizers: inout [AdamW]
  ) throws {
    let part = sequences[range]
    let name = "the loss of step \(losses.count + 1)"
    let weights = try Self.finite(name) { try quantized() }
    let layer = try DifferentiableLayer(
      index, source: weights, positions: part.lengths.max() ?? 0)
    let record = layer.forward(part.inputs, lengths: part.lengths)
    let (loss, slope) = part.loss(of: record.output)
    losses.append(loss)
    guard loss.isFinite else { throw NotFinite(what: name) }
    let slopes = layer.weightSlopes(of: slope, record).weights
    for module in modules where slopes[module.module.tensor]?.firstNonFinite != nil {
      throw NotFinite(what: "the slope of \(name.dropFirst(4)) at \(module.module.tensor)")
    }
    var scaleSlopes = scales?.noSlopes
    for place in modules.indices {
      guard let slope = slopes[modules[place].module.tensor] else { continue }
      let found = try Self.finite(name) {
        try ModuleError.naming(modules[place].module.tensor) {
          try modules[place].learn(slope, moduleScales(modules[place]))
        }
      }
      if let found, let block = modules[place].module.block,
        let index = blocks.firstIndex(of: block)
      {
        if var sum = scaleSlopes {
          scales?.add(found, of: modules[place].module.projection, block: index, to: &sum)
          scaleSlopes = sum
        }
      }
    }
    if let scaleSlopes { scales?.step(scaleSlopes, &optimizers) }
  }

  /// Mean over all tokens, of the targets alone.
  private func loss(on sequences: TrainingSequences) throws -> Double {
    let layer = try DifferentiableLayer(
      index, source: try quantized(), positions: sequences.lengths.max() ?? 0)
    var sum = 0.0
    for sequence in sequences.lengths.indices {
      let part = sequences[sequence..<sequence + 1]
      let output = layer.forward(part.inputs, lengths: part.lengths).output
      sum += output.minus(part.targets).squaredNorm
    }
    return sum / Double(max(sequences.targets.storage.count, 1))
  }
}

extension TrainingSequences {
  fileprivate subscript(range: Range<Int>) -> TrainingSequences {
    let first = lengths[..<range.lowerBound].reduce(0, +)
    let rows = first..<first + lengths[range].reduce(0, +)
    return TrainingSequences(
      lengths: Array(lengths[range]), inputs: inputs.rows(rows), targets: targets.rows(rows),
      augmented: augmented?.rows(rows))
  }

  /// Mean square distance to every target, and its slope.
  fileprivate func loss(of output: Matrix) -> (loss: Double, slope: Matrix) {
    var (loss, slope) = (0.0, Matrix(rows: output.rows, columns: output.columns))
    let count = Double(max(output.storage.count, 1))
    for target in [targets, augmented].compactMap(\.self) {
      let difference = output.minus(target)
      loss += difference.squaredNorm / count
      let factor = Float(2 / count)
      for index in slope.storage.indices {
        slope.storage[index] += factor * difference.storage[index]
      }
    }
    return (loss, slope)
  }
}

extension Matrix {
  fileprivate func rows(_ range: Range<Int>) -> Matrix {
    Matrix(
      rows: range.count, columns: columns,
      storage: Array(storage[range.lowerBound * columns..<range.upperBound * columns]))
  }
}
