import Checkpoints
import MoEModels
import Tensors

/// A model whose linear weights are multiples of a step: a stand-in for a quantized one.
struct Coarsened: WeightSource {
  let base: any WeightSource
  let step: Float

  var configuration: ModelConfiguration { base.configuration }

  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    let exact = try base.matrix(name, rows: rows, columns: columns)
    guard name.contains("layers.") else { return exact }
    return Matrix(
      rows: rows, columns: columns, storage: exact.storage.map { ($0 / step).rounded() * step })
  }

  func vector(_ name: String, count: Int) throws -> [Float] {
    try base.vector(name, count: count)
  }

  func releasePages(of name: String) {}
}
