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
  ///   - directory: Exists; gets the files.
  ///   - progress: Layers done of all.
  /// - Throws: What reading the model and writing the files throws.
  public static func write(
    _ sample: CalibrationSample, through source: any WeightSource, precision: Precision,
    to directory: URL, progress: (_ layer: Int, _ layers: Int) -> Void = { _, _ in }
  ) throws {
    let configuration = source.configuration
    let pass = try ForwardPass(sample.sequences, source: source, precision: precision)
    for layer in 0..<configuration.layerCount {
      let statistics = LayerStatistics(layer: layer, of: configuration)
      try pass.runLayer(layer, tap: statistics)
      try write(
        statistics, layer: layer, sites: configuration.inputSites(layer: layer).map(\.site),
        to: directory)
      progress(layer + 1, configuration.layerCount)
    }
  }

  private static func write(
    _ statistics: LayerStatistics, layer: Int, sites: [InputSite], to directory: URL
  ) throws {
    let file = try HDF5Writer(CalibrationLayer.url(layer, in: directory))
    let root = CalibrationLayer.group(layer)
    try file.writeAttribute(CalibrationLayer.format, "format")
    try file.writeAttribute(CalibrationLayer.formatVersion, "format_version")
    try file.writeAttribute(CalibrationLayer.howTo, "howto")
    for site in sites {
      guard let input = statistics.inputs[site] else { continue }
      let group = "\(root)/\(site.path)"
      try file.write(input.symmetricSum.packed, to: "\(group)/hessian")
      try file.writeAttribute(Int64(input.tokens), "tokens", of: "\(group)/hessian")
      try file.writeAttribute(Int64(input.width), "order", of: "\(group)/hessian")
      try file.writeAttribute("packed-symmetric", "encoding-type", of: "\(group)/hessian")
      try file.writeAttribute("L", "uplo", of: "\(group)/hessian")
      try file.writeAttribute("sum", "accumulation", of: "\(group)/hessian")
      try file.write(input.absmax, to: "\(group)/absmax")
      try file.write(input.sumSquares, to: "\(group)/sum_squares")
    }
    if !statistics.count.isEmpty {
      try file.write(statistics.count, to: "\(root)/router/count")
      try file.write(statistics.weightBefore, to: "\(root)/router/weight_before")
      try file.write(statistics.weightAfter, to: "\(root)/router/weight_after")
    }
    try file.write([statistics.outputEnergy], to: "\(root)/moe/output_energy", shape: [])
    try file.writeAttribute(Int64(statistics.tokens), "tokens", of: "\(root)/moe")
    try file.finish()
  }
}
