import Checkpoints
import Foundation
import MoEModels
import Tensors
import Testing

/// Gradients of tiny models against PyTorch's autograd in double precision
/// (`Fixtures/make_gradients.py`) and against differences of the loss.
@Suite struct GradientGoldenTests {
  private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "Fixtures")
  static let names =
    ["tiny-mixtral"]
    + ["olmoe", "qwen2-moe", "qwen3-moe", "mixtral-fused", "llama", "llama-dynamic", "qwen2"]
    .map { "families/\($0)" }

  @Test("slopes of every weight, norm and layer input are autograd's", arguments: names)
  func autograd(name: String) throws {
    let folder = Self.fixtures.appending(path: name)
    let golden = try GoldenGradients(folder)
    // Small batches, so that sums over batches are seen too.
    let ours = try gradients(GoldenLogits(folder), batchTokens: 50)
    #expect(abs(ours.loss - golden.loss) <= 1e-5 * golden.loss)
    #expect(Set(ours.values.keys) == Set(golden.samples.keys))
    for (tensor, expected) in golden.samples {
      let gradient = try #require(ours.values[tensor], "\(tensor)")
      let norm = try #require(golden.norms[tensor])
      let square = gradient.reduce(0) { $0 + Double($1) * Double($1) }
      // In f32 a sum over some hundred terms is good to about 1e-5 of their size; three layers and
      // cancelling terms leave one digit more. Elements are measured by the norm of the whole.
      #expect(abs(square.squareRoot() - norm) <= 2e-4 * norm, "norm of \(tensor)")
      let step = max(1, gradient.count / 48)
      for (index, value) in expected.enumerated() {
        #expect(
          abs(Double(gradient[index * step]) - value) <= 2e-4 * norm,
          "\(tensor)[\(index * step)]")
      }
    }
  }

  @Test("parts of a projection's slope, token range by token range, add up to it")
  func parts() throws {
    let model = try GoldenLogits(Self.fixtures.appending(path: "tiny-mixtral"))
    let pass = try GradientPass(
      model.sequences, source: model.checkpoint, reduction: .sum,
      scratch: FileManager.default.temporaryDirectory)
    try pass.goBack(through: 1) { slope, batch in
      #expect(batch.sequences.count == model.sequences.count)
      var sum = [Float](repeating: 0, count: slope.weight.storage.count)
      for range in batch.sequences {
        guard let part = slope.weight(ofTokens: range) else { continue }
        for index in sum.indices { sum[index] += part.storage[index] }
      }
      let difference = zip(sum, slope.weight.storage).reduce(0.0) {
        $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
      }
      // Another order of summation.
      #expect(difference <= 1e-10 * slope.weight.squaredNorm, "\(slope.tensor)")
    }
  }

  /// The slope along the gradient itself, where the loss changes most, is its norm.
  @Test("differences of a layer's loss agree with the slopes of its weights and input")
  func differences() throws {
    let model = try GoldenLogits(Self.fixtures.appending(path: "tiny-mixtral"))
    let pass = try ForwardPass(model.sequences, source: model.checkpoint, precision: .f32)
    let lengths = model.sequences.map(\.count)
    let x = pass.states
    var random = SplitMix(state: 7)
    let target = Matrix(
      rows: x.rows, columns: x.columns,
      storage: x.storage.indices.map { _ in Float.random(in: -1...1, using: &random) })
    /// Σ target · output, in double precision: its slope at the output is `target`.
    func loss(_ source: any WeightSource, _ x: Matrix) throws -> Double {
      let output = try DifferentiableLayer(0, source: source, positions: 40)
        .forward(x, lengths: lengths).output
      return zip(output.storage, target.storage).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let layer = try DifferentiableLayer(0, source: model.checkpoint, positions: 40)
    let (slopes, weights) = layer.weightSlopes(
      of: target, layer.forward(x, lengths: lengths))
    for tensor in weights.keys.sorted() {
      let gradient = try #require(weights[tensor])
      let norm = gradient.squaredNorm.squareRoot()
      // A step that moves the loss by about 0.3: far above the f32 noise of the sum (1e-6 of some
      // hundred), small enough that curvature and changes of routing stay below a hundredth.
      let step = Float(0.15 / (norm * norm))
      let move = { (sign: Float) in
        MovedWeights(base: model.checkpoint, tensor: tensor, by: gradient, step: sign * step)
      }
      let difference = try loss(move(1), x) - loss(move(-1), x)
      #expect(
        abs(difference / (2 * Double(step)) - norm * norm) <= 0.01 * norm * norm, "\(tensor)")
    }
    let norm = slopes.input.squaredNorm
    let step = Float(0.15 / norm)
    let moved = { (sign: Float) in
      Matrix(
        rows: x.rows, columns: x.columns,
        storage: zip(x.storage, slopes.input.storage).map { $0 + sign * step * $1 })
    }
    let difference = try loss(model.checkpoint, moved(1)) - loss(model.checkpoint, moved(-1))
    #expect(abs(difference / (2 * Double(step)) - norm) <= 0.01 * norm)
  }

  @Test("the layer's forward is that of the forward pass", arguments: names)
  func forward(name: String) throws {
    let model = try GoldenLogits(Self.fixtures.appending(path: name))
    let pass = try ForwardPass(model.sequences, source: model.checkpoint, precision: .f32)
    let lengths = model.sequences.map(\.count)
    for layer in 0..<model.checkpoint.configuration.layerCount {
      let ours = try DifferentiableLayer(
        layer, source: model.checkpoint, positions: lengths.max() ?? 0
      ).forward(pass.states, lengths: lengths).output
      try pass.runLayer(layer, tap: nil)
      // Other kernels, another order of summation.
      #expect(ours.minus(pass.states).squaredNorm <= 1e-10 * ours.squaredNorm, "layer \(layer)")
    }
  }

  @Test("latent attention is refused before anything is computed, and says what it is")
  func latent() throws {
    let model = try GoldenLogits(Self.fixtures.appending(path: "families/deepseek-v2"))
    let error = #expect(throws: BackwardError.self) {
      _ = try GradientPass(
        model.sequences, source: model.checkpoint, reduction: .sum,
        scratch: FileManager.default.temporaryDirectory)
    }
    #expect(error == .latentAttention(layer: 0))
    #expect(error?.description.contains("latent attention (DeepSeek-V2)") == true)
  }

  private func gradients(
    _ model: GoldenLogits, batchTokens: Int
  ) throws -> (loss: Double, values: [String: [Float]]) {
    let pass = try GradientPass(
      model.sequences, source: model.checkpoint, reduction: .meanOfSequence,
      scratch: FileManager.default.temporaryDirectory, batchTokens: batchTokens)
    var values: [String: [Float]] = [:]
    for layer in (0..<model.checkpoint.configuration.layerCount).reversed() {
      try pass.goBack(through: layer) { slope, _ in
        add(slope.weight.storage, to: &values, slope.tensor)
      } norms: { norms in
        for (name, slope) in norms { add(slope, to: &values, name) }
      }
      values["hidden.\(layer)"] = pass.slopes.storage
    }
    return (pass.losses.reduce(0, +), values)
  }

  private func add(_ part: [Float], to values: inout [String: [Float]], _ name: String) {
    values[name] = values[name].map { zip($0, part).map { $0 + $1 } } ?? part
  }
}

/// What `make_gradients.py` wrote.
private struct GoldenGradients {
  let loss: Double
  let norms: [String: Double]
  let samples: [String: [Double]]

  init(_ folder: URL) throws {
    let file = try SafeTensorsFile(folder.appending(path: "gradients.safetensors"))
    func numbers(_ name: String) throws -> [Double] {
      try file.withBytes(of: name) { bytes in
        (0..<bytes.count / 4).map {
          Double(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self))
        }
      }
    }
    loss = try numbers("loss")[0]
    var (norms, samples): ([String: Double], [String: [Double]]) = ([:], [:])
    for name in file.tensors.keys {
      if name.hasPrefix("norm/") { norms[String(name.dropFirst(5))] = try numbers(name)[0] }
      if name.hasPrefix("sample/") { samples[String(name.dropFirst(7))] = try numbers(name) }
    }
    (self.norms, self.samples) = (norms, samples)
  }
}

/// A model with one tensor moved along a direction.
private struct MovedWeights: WeightSource {
  let base: Checkpoint
  let tensor: String
  let by: Matrix
  let step: Float

  var configuration: ModelConfiguration { base.configuration }

  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    var matrix = try base.matrix(name, rows: rows, columns: columns)
    guard name == tensor else { return matrix }
    for index in matrix.storage.indices { matrix.storage[index] += step * by.storage[index] }
    return matrix
  }

  func vector(_ name: String, count: Int) throws -> [Float] {
    try base.vector(name, count: count)
  }

  func releasePages(of name: String) {}
}

/// SplitMix64.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
