import Checkpoints
import Evaluation
import Foundation
import JSON
import MoEModels
import Reconstruction

/// Mean KL(P_full ‖ P) of a model of which one part alone is quantized, for every part and level.
struct StructureMeasurement {
  let full: any WeightSource
  /// Rising bits, each with the model all of whose modules are at that level.
  let levels: [(bits: Int, model: QuantizedCheckpoint)]
  let units: [StructureUnit]
  let reference: ReferencePredictions

  /// Nats per token in each window of the reference, shape `[units, levels, windows]`.
  typealias Divergences = [[[Double]]]

  /// Measures layer after layer; parts of a layer share the passes through those before it.
  ///
  /// - Parameters:
  ///   - recovery: Where the results of a layer at a level are kept until all is done; nil: nowhere.
  ///   - progress: Told the fraction done and what is next.
  /// - Returns: The divergences, and the tokens that went through the model for them.
  /// - Throws: What reading weights throws.
  func run(
    recovery: URL?, progress: (_ fraction: Double, _ note: String) -> Void
  ) throws -> (divergences: Divergences, forwardTokens: Int) {
    var result = Divergences(
      repeating: [[Double]](repeating: [], count: levels.count), count: units.count)
    var tokens = reference.tokens
    let layers = Set(units.map(\.layer)).sorted()
    for (place, layer) in layers.enumerated() {
      let members = units.indices.filter { units[$0].layer == layer }
      for level in levels.indices {
        progress(
          (Double(place) + Double(level) / Double(levels.count)) / Double(layers.count),
          "\(layer < 0 ? "whole model" : "layer \(layer)") at \(levels[level].bits) bits")
        let kept = KeptDivergences(recovery, layer: layer, bits: levels[level].bits)
        let (values, passed) = try kept.values(count: members.count) {
          try measured(members, level: level)
        }
        for (member, windows) in zip(members, values) { result[member][level] = windows }
        tokens += passed
      }
    }
    return (result, tokens)
  }

  /// One list of windows a member.
  private func measured(
    _ members: [Int], level: Int
  ) throws -> (values: [[Double]], forwardTokens: Int) {
    let model = levels[level].model
    let candidates = members.enumerated().map { place, unit in
      let layers = Set(units[unit].parts.map(\.module.layer))
      // 0: full precision.
      return (0..<full.configuration.layerCount).map { layers.contains($0) ? place + 1 : 0 }
    }
    var values = [[Double]](repeating: [], count: members.count)
    let tokens = try CandidateDivergence(reference, source: full).forEach(of: candidates) {
      layer, key in
      guard key > 0 else { return full }
      let parts = units[members[key - 1]].parts.filter { $0.module.layer == layer }
      return PartlyQuantizedModel(
        full, quantized: model,
        parts: Dictionary(uniqueKeysWithValues: parts.map { ($0.module.tensor, $0.quantized) }))
    } found: {
      values[$0] = windowMeans($1)
    }
    return (values, tokens)
  }

  private func windowMeans(_ divergences: [Double]) -> [Double] {
    var (means, start): ([Double], Int) = ([], 0)
    for window in reference.sequences {
      let values = divergences[start..<start + window.count]
      means.append(values.reduce(0, +) / Double(max(window.count, 1)))
      start += window.count
    }
    return means
  }
}

/// Results of one layer at one level that survive a crash; the folder is of the stage's key.
private struct KeptDivergences {
  private let file: URL?

  init(_ folder: URL?, layer: Int, bits: Int) {
    file = folder?.appending(path: "layer-\(layer)-bits-\(bits).json")
  }

  func values(
    count: Int, _ measure: () throws -> (values: [[Double]], forwardTokens: Int)
  ) throws -> (values: [[Double]], forwardTokens: Int) {
    if let kept = read(), kept.values.count == count { return (kept.values, kept.forwardTokens) }
    let (values, tokens) = try measure()
    if let file {
      try DurableFile.makeFolder(file.deletingLastPathComponent())
      try DurableFile.write(
        JSONEncoder().encode(Content(values: values, forwardTokens: tokens)), to: file)
    }
    return (values, tokens)
  }

  private func read() -> Content? {
    guard let file, let data = try? Data(contentsOf: file) else { return nil }
    return try? JSONDecoder().decode(Content.self, from: data)
  }

  private struct Content: Codable {
    let values: [[Double]]
    let forwardTokens: Int
  }
}
