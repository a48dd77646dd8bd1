import Checkpoints
import MoEModels
import Reconstruction
import Tensors
import Testing

@Suite("A model quantized in part")
struct PartlyQuantizedTests {
  /// All weights are one number.
  private struct ConstantModel: WeightSource {
    let configuration: ModelConfiguration
    let value: Float

    func matrix(_ name: String, rows: Int, columns: Int) -> Matrix {
      Matrix(
        rows: rows, columns: columns, storage: [Float](repeating: value, count: rows * columns))
    }
    func vector(_ name: String, count: Int) -> [Float] { [Float](repeating: value, count: count) }
    func releasePages(of name: String) {}
  }

  @Test("whole modules, rows and columns come from the quantized model, all else does not")
  func parts() throws {
    let configuration = try TinyMixtral().checkpoint.configuration
    let model = PartlyQuantizedModel(
      ConstantModel(configuration: configuration, value: 1),
      quantized: ConstantModel(configuration: configuration, value: 2),
      parts: ["whole": .whole, "gate": .rows([0, 2]), "down": .columns([1])])
    func values(_ name: String) throws -> [Float] {
      let matrix = try model.matrix(name, rows: 3, columns: 2)
      return (0..<3).flatMap { row in (0..<2).map { matrix[row, $0] } }
    }
    #expect(try values("whole") == [2, 2, 2, 2, 2, 2])
    #expect(try values("gate") == [2, 2, 1, 1, 2, 2])
    #expect(try values("down") == [1, 2, 1, 2, 1, 2])
    #expect(try values("other") == [1, 1, 1, 1, 1, 1])
    #expect(try model.vector("whole", count: 2) == [1, 1])
  }
}
