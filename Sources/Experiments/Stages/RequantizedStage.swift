import Checkpoints
import Evaluation
import Foundation
import JSON
import MoEModels

/// quantized weights + tokens of the search → their divergence, to be held against what the search
/// measured of the same plan from the level store (DECISIONS: Measured fitness).
struct RequantizedStage: Sendable {
  static let name = "requantized"
  static let epoch = 1

  let measured: AllocateStage.Measured
  let seed: UInt64

  func stage() throws -> Stage {
    var inputs: [String: StageSource] = [
      "model": try .model(measured.model), "weights": .stage(QuantizeStage.name),
    ]
    for (index, corpus) in measured.corpora.enumerated() {
      inputs["searchCorpus.\(index)"] = .file(corpus)
    }
    return Stage(
      name: Self.name, epoch: Self.epoch,
      parameters: ["measured": measured.json, "seed": JSONValue(Int(seed))], inputs: inputs
    ) { context in
      let full = try ModelFolder(measured.model)
      let quantized = try ModelFolder(context.input("weights")).weights
      let tokens = try measured.tokens(full.tokenizer(), seed: seed)
      var values = JSONObject()
      for (name, sequences) in [("search", tokens.search), ("selection", tokens.selection)] {
        let reference = try ReferencePredictions(
          of: sequences, source: full.weights, precision: measured.precision)
        let pass = try ForwardPass(sequences, source: quantized, precision: measured.precision)
        try pass.runLayers()
        let divergences = try reference.divergences(of: pass)
        values[name] = JSONValue(divergences.reduce(0, +) / Double(max(divergences.count, 1)))
      }
      try context.write(.object(values), to: StageFile.divergence)
    }
  }
}
