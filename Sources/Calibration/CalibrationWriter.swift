import Checkpoints
import Foundation
import HDF5
import MoEModels
import Tensors

/// Sends a sample through a model and writes the statistics of every layer.
///
/// One HDF5 file a layer, `layer-NN.h5`. Statistics of one layer are in memory at a time, so peak
/// memory does not grow with the number of layers.
public enum CalibrationWriter {
  /// - Parameters:
  ///   - sample: Token windows.
  ///   - source: The model.
  ///   - precision: Of the forward pass.
  ///   - options: What is summed.
  ///   - model: Digest of the model, for ``CalibrationLayer/model(in:)``.
  ///   - directory: Exists; gets the files.
  ///   - progress: Layers done of all.
  /// - Throws: ``NotFiniteError``; what reading the model and writing the files throws.
  public static func write(
    _ sample: CalibrationSample, through source: any WeightSource, precision: Precision,
    options: CalibrationOptions = CalibrationOptions(), model: String? = nil, to directory: URL,
    progress: (_ layer: Int, _ layers: Int) -> Void = { _, _ in }
  ) throws {
    let configuration = source.configuration
    let pass = try ForwardPass(sample.sequences, source: source, precision: precision)
    for layer in 0..<configuration.layerCount {
      let statistics = LayerStatistics(layer: layer, of: configuration, options: options)
      try pass.runLayer(layer, tap: statistics)
      try write(
        statistics, modules: configuration.linearModules(layer: layer), layer: layer,
        model: model, to: directory)
      progress(layer + 1, configuration.layerCount)
    }
  }

  /// Writes the statistics of the layer that comes next in a pass, which stays before it.
  ///
  /// - Parameters:
  ///   - layer: Its index.
  ///   - pass: Its hidden states may come from quantized layers.
  ///   - options: What is summed.
  ///   - directory: Exists; gets the file.
  /// - Throws: ``NotFiniteError``; what reading the model and writing the file throws.
  public static func writeLayer(
    _ layer: Int, of pass: ForwardPass, options: CalibrationOptions, to directory: URL
  ) throws {
    let configuration = pass.source.configuration
    let statistics = LayerStatistics(layer: layer, of: configuration, options: options)
    try pass.observeLayer(layer, tap: statistics)
    try write(
      statistics, modules: configuration.linearModules(layer: layer), layer: layer, model: nil,
      to: directory)
  }

  private static func write(
    _ statistics: LayerStatistics, modules: [LinearModule], layer: Int, model: String?,
    to directory: URL
  ) throws {
    try statistics.requireFinite(modules, layer: layer)
    let file = try HDF5Writer(CalibrationLayer.url(layer, in: directory))
    let root = CalibrationLayer.group(layer)
    try file.writeAttribute(CalibrationLayer.format, "format")
    try file.writeAttribute(CalibrationLayer.formatVersion, "format_version")
    try file.writeAttribute(CalibrationLayer.howTo, "howto")
    if let model { try file.writeAttribute(model, CalibrationLayer.modelAttribute) }
    var written: Set<InputSite> = []
    for site in modules.map(\.input) where written.insert(site).inserted {
      guard let input = statistics.inputs[site] else { continue }
      try write(input, options: statistics.options, to: "\(root)/\(site.path)", of: file)
    }
    if !statistics.count.isEmpty {
      try file.write(statistics.count, to: "\(root)/router/count")
      try file.write(statistics.weightBefore, to: "\(root)/router/weight_before")
      try file.write(statistics.weightAfter, to: "\(root)/router/weight_after")
    }
    try file.write([statistics.outputEnergy], to: "\(root)/moe/output_energy", shape: [])
    try file.write([statistics.cosineSum], to: "\(root)/moe/cosine_sum", shape: [])
    try file.write(
      [statistics.inverseResidualEnergy], to: "\(root)/moe/inverse_residual_energy", shape: [])
    try file.writeAttribute(Int64(statistics.tokens), "tokens", of: "\(root)/moe")
    try file.finish()
  }

  private static func write(
    _ input: InputStatistics, options: CalibrationOptions, to group: String, of file: HDF5Writer
  ) throws {
    let (elements, tokens) = input.sum(options.tokens)
    try write(elements, tokens: tokens, of: input, to: "\(group)/hessian", of: file)
    if let weighted = input.weighted {
      let name = "\(group)/hessian_routing_weighted"
      try write(weighted.moments.elements, tokens: input.tokens, of: input, to: name, of: file)
      try file.write([weighted.squares], to: "\(group)/routing_weight_squares", shape: [])
    }
    try file.write(input.absmax, to: "\(group)/absmax")
    try file.write(input.sumSquares, to: "\(group)/sum_squares")
  }

  private static func write(
    _ elements: [Float], tokens: Int, of input: InputStatistics, to name: String,
    of file: HDF5Writer
  ) throws {
    try file.write(elements, to: name)
    try file.writeAttribute(Int64(tokens), "tokens", of: name)
    try file.writeAttribute(Int64(input.width), "order", of: name)
    try file.writeAttribute("sum", "accumulation", of: name)
    try file.writeAttribute("L", "uplo", of: name)
    switch input.moments.storage {
    case .full: try file.writeAttribute("packed-symmetric", "encoding-type", of: name)
    case .diagonal: try file.writeAttribute("diagonal", "encoding-type", of: name)
    case .blockDiagonal(let size):
      try file.writeAttribute("packed-block-diagonal", "encoding-type", of: name)
      try file.writeAttribute(Int64(size), "block_size", of: name)
    }
  }
}
