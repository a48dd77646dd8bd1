import BitAllocation
import Checkpoints
import Evaluation
import Foundation
import JSON
import MoEModels
import Reconstruction
import Sensitivity
import Tensors

/// model + level store + tokens → the divergence of the model with each part alone quantized.
public struct StructureStage: Sendable {
  public static let name = "structure"
  static let epoch = 1

  /// The tokens that divergences are measured on.
  public struct Text: Sendable {
    public var corpora: [URL]
    public var format: TextFormat
    public var sequences: Int
    public var context: Int

    public init(corpora: [URL], format: TextFormat, sequences: Int, context: Int) {
      (self.corpora, self.format) = (corpora, format)
      (self.sequences, self.context) = (sequences, context)
    }
  }

  public var model: URL
  /// Whole bits, rising.
  public var levels: [Int]
  /// What is taken apart.
  public var kinds: Set<StructureUnit.Kind>
  public var text: Text
  public var precision: Precision
  /// Of the draw of windows.
  public var seed: UInt64

  public init(
    model: URL, levels: [Int], kinds: Set<StructureUnit.Kind>, text: Text, precision: Precision,
    seed: UInt64
  ) {
    (self.model, self.levels, self.kinds) = (model, levels, kinds)
    (self.text, self.precision, self.seed) = (text, precision, seed)
  }

  /// The stages of a pipeline: tables, a level store whose attention is at the level too, and the
  /// measurement.
  ///
  /// - Parameters:
  ///   - quantize: The base quantizer, of the full-precision stream.
  ///   - options: Of the tables.
  ///   - outputs: Whose windows the errors of experts' outputs are measured on.
  /// - Returns: In the order of execution.
  /// - Throws: What hashing inputs and ``LevelMix`` throw.
  func stages(
    quantize: QuantizeStage, options: MeasureStage.Options, outputs: CalibrateStage
  ) throws -> [Stage] {
    var result = [try tables(options, outputs: outputs)]
    for bits in levels {
      var store = quantize
      store.stream = nil
      store.attentionBits = bits
      var level = try LevelStage(
        quantize: store, level: LevelMix(bits: Double(bits)), blockSize: options.blockSize
      ).stage()
      level.name = Self.level(bits)
      result.append(level)
    }
    return result + [try stage()]
  }

  static let tables = "structure-tables"

  static func level(_ bits: Int) -> String { "structure-level-\(bits)" }

  private func options(_ options: MeasureStage.Options) throws -> MeasureStage.Options {
    var options = options
    options.levels = try LevelSet(bits: levels.map { Double($0) })
    options.granularity = .units(.projection)
    options.scores = StructurePredictions.scores
    options.required = []
    return options
  }

  private func tables(
    _ options: MeasureStage.Options, outputs: CalibrateStage
  ) throws -> Stage {
    let options = try self.options(options)
    var parameters = options.json
    parameters["outputs"] = .object(outputs.parameters)
    var inputs: [String: StageSource] = [
      "model": try .model(model), "calibration": .stage(CalibrateStage.name),
    ]
    inputs.merge(outputs.textInputs) { $1 }
    return Stage(
      name: Self.tables, epoch: Self.epoch, parameters: .object(parameters), inputs: inputs
    ) { [model] context in
      try StructurePredictions(
        of: model, options: options, calibration: context.input("calibration"),
        outputs: outputs.expertOutputSample(), progress: context.progress
      ).write(to: context.directory)
      try context.recordForwardTokens(2 * outputs.sequences * outputs.context)
    }
  }

  private func stage() throws -> Stage {
    var inputs: [String: StageSource] = [
      "model": try .model(model), Self.tables: .stage(Self.tables),
    ]
    for (index, corpus) in text.corpora.enumerated() { inputs["text.\(index)"] = .file(corpus) }
    for bits in levels { inputs[Self.level(bits)] = .stage(Self.level(bits)) }
    return Stage(
      name: Self.name, epoch: Self.epoch,
      parameters: [
        "levels": .array(levels.map { JSONValue($0) }),
        "parts": .array(kinds.map(\.rawValue).sorted().map { JSONValue($0) }),
        "format": JSONValue(text.format.rawValue), "sequences": JSONValue(text.sequences),
        "context": JSONValue(text.context), "compute": JSONValue(precision.rawValue),
        "seed": JSONValue(Int(seed)),
      ], inputs: inputs
    ) { context in
      let (table, tokens) = try table(
        StructurePredictions(from: context.input(Self.tables)),
        store: levels.map { context.input(Self.level($0)) }, recovery: context.recovery,
        progress: context.progress)
      try table.write(to: context.directory.appending(path: StageFile.structure))
      try context.recordForwardTokens(tokens)
    }
  }

  private func windows(_ tokenizer: Tokenizer) throws -> [[Int32]] {
    let texts = try text.corpora.map { corpus in
      (
        corpus.path,
        tokenizer.encode(
          try TextCorpus(corpus, format: text.format).text, addSpecialTokens: true)
      )
    }
    return try SearchTokens(
      texts, search: text.sequences, selection: 0, context: text.context, seed: seed
    ).search
  }

  /// Measures all parts; `store` has the folder of each level.
  private func table(
    _ predictions: StructurePredictions, store: [URL], recovery: URL?,
    progress: (_ fraction: Double, _ note: String) -> Void
  ) throws -> (StructureTable, forwardTokens: Int) {
    let folder = try ModelFolder(model)
    let units = StructureUnit.all(
      of: folder.configuration, kinds: kinds, ranks: predictions.ranks)
    let reference = try ReferencePredictions(
      of: windows(folder.tokenizer()), source: folder.weights, precision: precision)
    let measured = try StructureMeasurement(
      full: folder.weights,
      levels: zip(levels, store).map { ($0, try QuantizedCheckpoint($1)) }, units: units,
      reference: reference
    ).run(recovery: recovery, progress: progress)
    for (unit, divergences) in zip(units, measured.divergences) {
      for (bits, values) in zip(levels, divergences) where !values.allSatisfy(\.isFinite) {
        throw StructureError.notFinite(unit: unit.id, bits: Double(bits))
      }
    }
    let reports = try store.map { try QuantizeStage.modules(in: $0) }
    return (
      try StructureTable(
        units, levels: levels, divergences: measured.divergences,
        windowTokens: reference.sequences.map(\.count), predictions: predictions,
        reports: reports),
      measured.forwardTokens
    )
  }
}

extension StructureStage {
  /// Does all of it in a folder of its own: the command line's way.
  ///
  /// - Parameters:
  ///   - method: The base quantizer.
  ///   - options: Of the tables; levels and granularity are those of the stage.
  ///   - calibration: Folder of the statistics.
  ///   - outputs: Whose windows the errors of experts' outputs are measured on; nil: they are not.
  ///   - folder: For the level store; exists, and is left as it is.
  ///   - progress: Told the fraction done and what is next.
  /// - Returns: The table.
  /// - Throws: What the parts throw.
  public func table(
    method: QuantizationMethod, options: MeasureStage.Options, calibration: URL,
    outputs: CalibrateStage?, in folder: URL,
    progress: @escaping @Sendable (_ fraction: Double, _ note: String) -> Void
  ) throws -> StructureTable {
    let predictions = try StructurePredictions(
      of: model, options: self.options(options), calibration: calibration,
      outputs: outputs?.expertOutputSample(), progress: { progress($0, "predicting \($1)") })
    var store: [URL] = []
    for bits in levels {
      let level = folder.appending(path: Self.level(bits), directoryHint: .isDirectory)
      try FileManager.default.createDirectory(at: level, withIntermediateDirectories: true)
      try QuantizeStage(model: model, method: method, attentionBits: bits).write(
        level: LevelMix(bits: Double(bits)), blockSize: options.blockSize,
        calibration: calibration,
        to: StageContext(directory: level, inputs: [:]) { progress($0, "\(bits) bits, \($1)") })
      store.append(level)
    }
    return try table(predictions, store: store, recovery: nil, progress: progress).0
  }
}

extension StructureTable {
  /// Joins what was measured, shape `[units, levels, windows]`, with what was predicted; `reports`
  /// are those of the modules at each level.
  fileprivate init(
    _ units: [StructureUnit], levels: [Int], divergences: StructureMeasurement.Divergences,
    windowTokens: [Int], predictions: StructurePredictions, reports: [[ModuleReport]]
  ) throws(StructureError) {
    let bits = reports.map { modules in
      Dictionary(
        modules.map { ($0.module, Double($0.codeBits + $0.metadataBits)) },
        uniquingKeysWith: { first, _ in first })
    }
    let losses = units.map { unit in
      levels.map { predictions.losses(of: unit, bits: Double($0)) }
    }
    let scores = units.map { predictions.scores(of: $0) }
    func names(_ values: [[String: Double]]) -> [String] { Set(values.flatMap(\.keys)).sorted() }
    try self.init(
      levels: levels.map { Double($0) },
      rows: units.map {
        Row(
          id: $0.id, kind: $0.kind, layer: $0.layer, expert: $0.expert,
          projection: $0.projection, decile: $0.decile, weights: $0.weights)
      }, windowTokens: windowTokens, divergences: divergences.flatMap { $0.flatMap { $0 } },
      storedBits: units.flatMap { unit in
        bits.map { bits in
          unit.parts.reduce(0) { sum, part in
            let share = Double(part.share.taken) / Double(max(part.share.of, 1))
            return sum + share * (bits[part.module.tensor] ?? .nan)
          }
        }
      },
      predictions: Dictionary(
        uniqueKeysWithValues: names(losses.flatMap { $0 }).map { name in
          (name, losses.flatMap { $0.map { $0[name] ?? .nan } })
        }),
      features: Dictionary(
        uniqueKeysWithValues: names(scores).map { name in
          (name, scores.map { $0[name] ?? .nan })
        }))
  }
}
