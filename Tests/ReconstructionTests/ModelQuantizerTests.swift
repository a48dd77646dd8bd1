import Calibration
import Checkpoints
import Foundation
import HDF5
import MoEModels
import Quantization
import Reconstruction
import Tensors
import Testing

@Suite("Quantized model folders")
struct ModelQuantizerTests {
  private static let solvers: [QuantizationMethod.Solver] = [
    .roundToNearest, .gptq(GPTQOptions(), minimumTokens: 1),
  ]

  private func method(
    _ solver: QuantizationMethod.Solver, symmetric: Bool = false
  ) -> QuantizationMethod {
    QuantizationMethod(solver: solver, grids: GridFamily(groupSize: 32, symmetric: symmetric))
  }

  /// Attention has 4 bits, expert e has 2 + e.
  private func mixedBits(_ module: LinearModule) -> Int { module.expert.map { 2 + $0 } ?? 4 }

  private func modules(of model: TinyMixtral) -> [LinearModule] {
    let configuration = model.checkpoint.configuration
    return (0..<configuration.layerCount).flatMap(configuration.linearModules(layer:))
  }

  private func weights(of module: LinearModule, _ source: any WeightSource) throws -> Matrix {
    try source.matrix(module.tensor, rows: module.rows, columns: module.columns)
  }

  @Test("rounded to nearest, the folder holds exactly the matrices of the quantizer")
  func roundToNearest() throws {
    let model = try TinyMixtral()
    let target = try model.subfolder("quantized")
    _ = try ModelQuantizer(
      model.checkpoint, method: method(.roundToNearest), calibration: nil,
      level: { .bits(mixedBits($0)) }
    ).write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    for module in modules(of: model) {
      let expected = try RoundToNearest.quantize(
        try weights(of: module, model.checkpoint),
        grid: AffineGrid(bits: mixedBits(module), groupSize: 32, symmetric: false))
      #expect(try quantized.packed(module.tensor) == expected, "\(module.tensor)")
      #expect(try weights(of: module, quantized) == expected.dequantized(), "\(module.tensor)")
    }
  }

  @Test("with GPTQ, the folder holds exactly what the solver makes of weights and 2 S / n")
  func gptq() throws {
    let model = try TinyMixtral()
    let (target, calibration) = (try model.subfolder("quantized"), try model.calibrate())
    _ = try ModelQuantizer(
      model.checkpoint, method: method(.gptq(GPTQOptions(), minimumTokens: 1), symmetric: true),
      calibration: calibration, level: { .bits(mixedBits($0)) }
    ).write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    for module in modules(of: model) {
      let layer = try CalibrationLayer(module.layer, in: calibration, experts: 4)
      var hessian = try layer.sum(at: module.input, order: module.columns).dense
      let factor = 2 / Float(try layer.tokens(at: module.input))
      for i in hessian.packed.indices { hessian.packed[i] *= factor }
      let grid = try AffineGrid(bits: mixedBits(module), groupSize: 32, symmetric: true)
      let expected = try GPTQ(grid: grid).quantize(
        try weights(of: module, model.checkpoint),
        factor: DampedFactor(of: hessian, relativeDamping: 0.01))
      #expect(try quantized.packed(module.tensor) == expected.packed, "\(module.tensor)")
    }
  }

  @Test("router, embeddings, head and norms keep their bytes", arguments: solvers)
  func othersAreUntouched(solver: QuantizationMethod.Solver) throws {
    let model = try TinyMixtral()
    let target = try model.subfolder("quantized")
    _ = try ModelQuantizer(
      model.checkpoint, method: method(solver), calibration: try model.calibrate()
    ) { _ in .bits(3) }.write(to: target)
    let quantized = Set(modules(of: model).map(\.tensor))
    let file = try SafeTensorsFile(target.appending(path: QuantizedCheckpoint.fileName))
    #expect(try QuantizedCheckpoint(target).quantizedWeights == quantized.sorted())
    for name in model.checkpoint.tensorNames where !quantized.contains(name) {
      #expect(try file.tensors[name] == model.checkpoint.info(name), "\(name)")
      #expect(
        try file.withBytes(of: name) { Array($0) }
          == model.checkpoint.withBytes(of: name) { Array($0) }, "\(name)")
    }
    #expect(quantized.allSatisfy { file.tensors[$0] == nil })
    for name in ["config.json", "tokenizer.json"] {
      #expect(
        try Data(contentsOf: target.appending(path: name))
          == Data(contentsOf: model.checkpoint.directory.appending(path: name)))
    }
  }

  @Test("reports come in the order of the model and count weights · bits", arguments: solvers)
  func reports(solver: QuantizationMethod.Solver) throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let reports = try ModelQuantizer(
      model.checkpoint, method: method(solver), calibration: calibration,
      level: { .bits(mixedBits($0)) }
    ).write(to: try model.subfolder("quantized"))
    let modules = modules(of: model)
    #expect(reports.map(\.module) == modules.map(\.tensor))
    #expect(reports.map(\.unit) == modules.map(\.unit))
    #expect(
      reports.reduce(0) { $0 + $1.codeBits }
        == modules.reduce(0) { $0 + $1.weights * mixedBits($1) })
    // A scale of 16 bits and a zero point for each 32 weights.
    #expect(
      reports.reduce(0) { $0 + $1.metadataBits }
        == modules.reduce(0) { $0 + $1.weights / 32 * (16 + mixedBits($1)) })
    for (report, module) in zip(reports, modules) {
      #expect(report.bits == Double(mixedBits(module)))
      #expect(report.fallback == nil)
      let layer = try CalibrationLayer(module.layer, in: calibration, experts: 4)
      #expect(
        try report.calibrationTokens
          == (solver == .roundToNearest ? nil : layer.tokens(at: module.input)))
      #expect((report.gptqLoss != nil) == (solver != .roundToNearest))
    }
  }

  @Test("experts that calibration never reached are rounded to nearest, and the report says so")
  func fallback() throws {
    let model = try TinyMixtral()
    // One token goes to two of four experts in each layer.
    let calibration = try model.calibrate(tokens: 1)
    let target = try model.subfolder("quantized")
    let reports = try ModelQuantizer(
      model.checkpoint, method: method(.gptq(GPTQOptions(), minimumTokens: 1)),
      calibration: calibration
    ) { _ in .bits(3) }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    for (report, module) in zip(reports, modules(of: model)) {
      let layer = try CalibrationLayer(module.layer, in: calibration, experts: 4)
      guard let expert = module.expert, layer.count[expert] == 0 else {
        #expect(report.fallback != .roundToNearestWithoutTokens, "\(report.module)")
        #expect(report.calibrationTokens == 1)
        continue
      }
      #expect(report.fallback == .roundToNearestWithoutTokens, "\(report.module)")
      #expect(report.calibrationTokens == 0)
      #expect(report.gptqLoss == nil)
      let expected = try RoundToNearest.quantize(
        try weights(of: module, model.checkpoint),
        grid: AffineGrid(bits: 3, groupSize: 32, symmetric: false))
      #expect(try quantized.packed(module.tensor) == expected, "\(module.tensor)")
    }
    // Two layers, two experts, three projections.
    #expect(reports.count { $0.fallback == .roundToNearestWithoutTokens } == 12)
  }

  @Test("GPTQ loses less than rounding on the tokens it was calibrated with", arguments: 2...4)
  func gptqLosesLess(bits: Int) throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let losses = try Self.solvers.map { solver in
      let target = try model.subfolder("quantized-\(solver)")
      _ = try ModelQuantizer(
        model.checkpoint, method: method(solver), calibration: calibration
      ) { _ in .bits(bits) }.write(to: target)
      let quantized = try QuantizedCheckpoint(target)
      return try modules(of: model).reduce(0.0) { loss, module in
        let layer = try CalibrationLayer(module.layer, in: calibration, experts: 4)
        return loss
          + ProxyLoss.total(
            weights: try weights(of: module, model.checkpoint),
            quantized: try #require(try quantized.packed(module.tensor)),
            under: try layer.sum(at: module.input, order: module.columns).dense)
      }
    }
    #expect(losses[1] < losses[0], "GPTQ \(losses[1]), rounding \(losses[0])")
    #expect(losses[1] > 0)
  }

  @Test("writing twice gives the same bytes", arguments: solvers)
  func isDeterministic(solver: QuantizationMethod.Solver) throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let files = try ["one", "two"].map { name in
      let target = try model.subfolder(name)
      _ = try ModelQuantizer(
        model.checkpoint, method: method(solver), calibration: calibration,
        level: { .bits(mixedBits($0)) }
      ).write(to: target)
      return try Data(contentsOf: target.appending(path: QuantizedCheckpoint.fileName))
    }
    #expect(files[0] == files[1])
  }

  @Test("logits move further from full precision as bits fall", arguments: solvers)
  func logits(solver: QuantizationMethod.Solver) throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let full = try model.logits(of: model.checkpoint)
    let errors = try [8, 4, 2].map { bits in
      let target = try model.subfolder("quantized-\(bits)")
      _ = try ModelQuantizer(
        model.checkpoint, method: method(solver), calibration: calibration
      ) { _ in .bits(bits) }.write(to: target)
      let logits = try model.logits(of: ModelFolder(target).weights)
      #expect(logits.count == full.count)
      #expect(!logits.contains { !$0.isFinite })
      return medianError(logits, against: full)
    }
    // Half a step of 8 bits is 1/510 of a group's range, some 1e-5 of its energy; ten products, and
    // their amplification by a random model, are allowed a hundred times that.
    #expect(errors[0] < 1e-3, "\(errors)")
    #expect(errors[0] > 0)
    #expect(errors[0] < errors[1] && errors[1] < errors[2], "\(errors)")
  }

  /// The median over tokens of Σ (a - b)² / Σ b²: a token that is sent to another expert does not
  /// count for more than one.
  private func medianError(_ logits: [Float], against full: [Float]) -> Double {
    let vocabulary = full.count / 40
    let errors = (0..<40).map { token in
      var (error, energy) = (0.0, 0.0)
      for i in token * vocabulary..<(token + 1) * vocabulary {
        let difference = Double(logits[i]) - Double(full[i])
        error += difference * difference
        energy += Double(full[i]) * Double(full[i])
      }
      return error / energy
    }
    return errors.sorted()[20]
  }

  @Test("an indefinite Hessian in the file raises the damping, a hopeless one is not solved")
  func indefiniteHessians() throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let layer = try CalibrationLayer(0, in: calibration, experts: 4)
    // H is 1 on the diagonal with one pair of eigenvalues 1 ± c: for c = 1.05 a damping of 0.01 is
    // too little and 0.1 is enough; for c = 3 not even the largest, 1, is.
    let pairs: [Int: Float] = [0: 1.05, 1: 3]
    var hessians: [Int: SymmetricMatrix] = [:]
    for (expert, pair) in pairs {
      let site = InputSite.gateUp(.expert(expert))
      var hessian = SecondMoments.diagonal([Float](repeating: 1, count: 64)).dense
      // Element (1, 0) of the packed triangle.
      hessian.packed[1] = pair
      hessians[expert] = hessian
      try model.replace(
        "layers/00/experts/00\(expert)/gate_up_in/hessian",
        by: hessian.scaled(by: Float(try layer.tokens(at: site)) / 2).packed,
        in: CalibrationLayer.url(0, in: calibration))
    }
    let target = try model.subfolder("quantized")
    let reports = try ModelQuantizer(
      model.checkpoint, method: method(.gptq(GPTQOptions(), minimumTokens: 1)),
      calibration: calibration
    ) { _ in .bits(3) }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    let grid = try AffineGrid(bits: 3, groupSize: 32, symmetric: false)
    for (report, module) in zip(reports, modules(of: model)) {
      let isGateUp = module.input == .gateUp(.expert(module.expert ?? 0))
      let weights = try weights(of: module, model.checkpoint)
      switch (module.layer, module.expert, isGateUp) {
      case (0, 0, true):
        #expect(report.damping == 0.1 && report.dampingEscalations == 1, "\(report.module)")
        #expect(report.fallback == nil && report.gptqLoss != nil)
        let solved = try GPTQ(grid: grid).quantize(weights, hessian: try #require(hessians[0]))
        #expect(try quantized.packed(module.tensor) == solved.packed, "\(report.module)")
      case (0, 1, true):
        #expect(report.fallback == .roundToNearestAfterFailure, "\(report.module)")
        #expect(report.gptqLoss == nil && report.damping == nil)
        #expect(try report.calibrationTokens == layer.tokens(at: module.input))
        let rounded = try RoundToNearest.quantize(weights, grid: grid)
        #expect(try quantized.packed(module.tensor) == rounded, "\(report.module)")
      default:
        #expect(report.damping == 0.01 && report.dampingEscalations == 0, "\(report.module)")
        #expect(report.fallback == nil, "\(report.module)")
      }
    }
  }

  @Test("bits that the grid does not support are refused, and nothing is written")
  func unsupportedBits() throws {
    let model = try TinyMixtral()
    let target = try model.subfolder("quantized")
    #expect(throws: QuantizationError.unsupportedBits(9)) {
      try ModelQuantizer(
        model.checkpoint, method: method(.roundToNearest), calibration: nil
      ) { .bits($0.layer == 1 ? 9 : 4) }.write(to: target)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: target.path).isEmpty)
  }

  @Test("a calibration without files is refused with the name of the first")
  func missingCalibration() throws {
    let model = try TinyMixtral()
    let empty = try model.subfolder("empty")
    let error = #expect(throws: HDF5Error.self) {
      try ModelQuantizer(
        model.checkpoint, method: method(.gptq(GPTQOptions(), minimumTokens: 1)), calibration: empty
      ) { _ in .bits(4) }.write(to: try model.subfolder("quantized"))
    }
    #expect("\(try #require(error))".hasPrefix(CalibrationLayer.url(0, in: empty).path))
  }
}
