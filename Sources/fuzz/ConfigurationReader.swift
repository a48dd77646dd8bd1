import Checkpoints
import Foundation
import MoEModels
import Tensors

/// Reads `config.json`, lists what a model of that shape has, and runs a small one.
struct ConfigurationReader: FuzzReader {
  private let file: InputFile

  init(_ folder: URL) { file = InputFile(folder, "config.json") }

  func read(_ bytes: [UInt8]) throws {
    try file.write(bytes)
    let configuration = try ModelConfiguration(file.url)
    let blocks = configuration.layerCount * max(configuration.expertCount, 1)
    for layer in Set([0, 1, configuration.layerCount - 1])
    where layer < configuration.layerCount && blocks < 1 << 12 {
      let sites = configuration.inputSites(layer: layer)
      _ = configuration.linearModules(layer: layer).reduce(sites.count) { $0 ^ $1.weights }
    }
    if blocks < 1 << 10 { _ = configuration.tensorRoles.count }
    let source = ConstantWeights(configuration: configuration)
    let pass = try ForwardPass([[0, 0, 0]], source: source, precision: .f32)
    if configuration.layerCount <= 4 {
      try pass.runLayers()
      try pass.forEachLogits { _, _, _ in }
    }
  }
}

/// Every tensor has the same value; large ones are refused.
private struct ConstantWeights: WeightSource {
  struct TooLarge: Error {}

  let configuration: ModelConfiguration

  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
    guard !overflow, count <= 1 << 14 else { throw TooLarge() }
    return Matrix(rows: rows, columns: columns, storage: [Float](repeating: 0.01, count: count))
  }

  func vector(_ name: String, count: Int) throws -> [Float] {
    guard count <= 1 << 14 else { throw TooLarge() }
    return [Float](repeating: 0.5, count: count)
  }

  func releasePages(of name: String) {}
}
