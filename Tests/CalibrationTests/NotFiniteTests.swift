import Calibration
import Foundation
import MoEModels
import Tensors
import Testing

@Suite("Models whose numbers are not finite")
struct NotFiniteTests {
  /// The tiny Mixtral with one projection of layer 1 so large that its outputs overflow.
  private func broken(
    _ model: TinyMixtral, _ isBroken: (LinearModule) -> Bool
  ) throws -> ReplacedWeights {
    let found = model.checkpoint.configuration.linearModules(layer: 1).first(where: isBroken)
    let module = try #require(found)
    let weights = Matrix(
      rows: module.rows, columns: module.columns,
      storage: [Float](repeating: 3e38, count: module.weights))
    return ReplacedWeights(model.checkpoint, replaced: [module.tensor: weights])
  }

  private func expectRefusal(
    _ model: TinyMixtral, _ source: ReplacedWeights, _ expected: NotFiniteError
  ) throws {
    let (calibration, gradients) = (try TemporaryFolder(), try TemporaryFolder())
    let sample = try model.goldenSample()
    #expect(throws: expected) {
      try CalibrationWriter.write(
        sample, through: source, precision: .f32, to: calibration.url)
    }
    // The layer before it is sound; of the broken one there is no file.
    let written = try FileManager.default.contentsOfDirectory(atPath: calibration.url.path)
    #expect(written == ["layer-00.h5"])
    #expect(throws: expected) {
      try GradientWriter.write(sample, through: source, to: gradients.url)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: gradients.url.path) == [])
  }

  @Test("the first module whose input is not finite is named, with its layer")
  func input() throws {
    let model = try TinyMixtral()
    let modules = model.checkpoint.configuration.linearModules(layer: 1)
    let down = try #require(modules.first { $0.expert == 0 && $0.projection == .down })
    let source = try broken(model) { $0.expert == 0 && $0.projection == .up }
    try expectRefusal(model, source, .input(of: down.tensor, layer: 1))
    #expect("\(NotFiniteError.input(of: down.tensor, layer: 1))".contains(down.tensor))
  }

  @Test("a layer whose inputs are finite and whose output is not is named")
  func output() throws {
    let model = try TinyMixtral()
    let source = try broken(model) { $0.expert == 0 && $0.projection == .down }
    try expectRefusal(model, source, .output(layer: 1))
  }

  @Test("folders name the model that their writers were told, and none otherwise")
  func digest() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let plain = try folder.calibrated(try model.goldenSample(), model)
    #expect(try CalibrationLayer.model(in: plain) == nil)
    try GradientWriter.write(
      try model.goldenSample(), through: model.checkpoint, model: "abc", to: folder.url)
    #expect(try GradientFolder(folder.url).model() == "abc")
  }
}
