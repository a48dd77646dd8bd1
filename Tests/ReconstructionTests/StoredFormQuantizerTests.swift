import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Reconstruction
import Tensors
import Testing

@Suite("Quantized folders with codebooks, sparse parts and either axis")
struct StoredFormQuantizerTests {
  private static let grids = GridFamily(groupSize: 16, symmetric: false)
  private static let gptq = QuantizationMethod.Solver.gptq(GPTQOptions(), minimumTokens: 1)
  private static let both = OutlierRule(sensitiveFraction: 0.005, range: .fraction(0.02))

  static let methods: [QuantizationMethod] = [
    QuantizationMethod(solver: .codebooks(CodebookOptions()), grids: grids),
    QuantizationMethod(
      solver: .codebooks(CodebookOptions(groupSize: 32, clustering: .lloyd(seed: 1))),
      grids: grids, outliers: both),
    QuantizationMethod(
      solver: .codebooks(CodebookOptions()), grids: grids,
      outliers: OutlierRule(range: .quartiles(1.5)), importance: .none),
    QuantizationMethod(solver: .roundToNearest, grids: grids, outliers: both),
    QuantizationMethod(solver: gptq, grids: grids, outliers: both),
    QuantizationMethod(
      solver: .gptq(GPTQOptions(columns: .activation), minimumTokens: 1), grids: grids,
      outliers: both),
    QuantizationMethod(solver: .roundToNearest, grids: grids, axis: .adaptive),
    QuantizationMethod(solver: gptq, grids: grids, axis: .adaptive),
    QuantizationMethod(
      solver: .gptq(GPTQOptions(columns: .activation, scales: .fixed), minimumTokens: 1),
      grids: grids, axis: .adaptive),
  ]

  private func modules(of configuration: ModelConfiguration) -> [LinearModule] {
    (0..<configuration.layerCount).flatMap(configuration.linearModules(layer:))
  }

  private func level(
    _ module: LinearModule, neurons: Int, _ method: QuantizationMethod
  ) -> ModuleLevel {
    guard method.axis == .outputChannel, let expert = module.expert, expert.isMultiple(of: 2)
    else { return .bits(3) }
    return .slices(
      NeuronSplit([
        NeuronSplit.Slice(bits: 4, neurons: 8), NeuronSplit.Slice(bits: 2, neurons: neurons - 8),
      ]))
  }

  @Test(
    "logits of the folder are those of its weights, and every bit told lies in the file",
    arguments: methods)
  func folder(method: QuantizationMethod) throws {
    let model = try TinyMixtral()
    let configuration = model.checkpoint.configuration
    let neurons = configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    let (target, calibration) = (try model.subfolder("quantized"), try model.calibrate())
    let reports = try ModelQuantizer(
      model.checkpoint, method: method, calibration: calibration
    ) { level($0, neurons: neurons, method) }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    let modules = modules(of: configuration)
    #expect(reports.map(\.module) == modules.map(\.tensor))
    for (report, module) in zip(reports, modules) {
      let stored = try #require(try quantized.stored(module.tensor))
      #expect(stored.codeBits == report.codeBits)
      let order = stored.neuronOrder != nil && module.projection == .gate
      #expect(
        stored.metadataBits
          + (order ? neurons * SlicedTensors.bits(neurons: neurons) : 0) == report.metadataBits)
      #expect((report.outliers?.stored ?? 0) == (stored.sparse?.count ?? 0))
      let original = try model.checkpoint.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      try checkOutliers(report, stored, original)
    }
    // Only codes, zeros and orders end on whole bytes; sparse parts are of fixed width.
    let plain = Set(model.checkpoint.tensorNames)
    let bytes = quantized.tensorNames.filter { !plain.contains($0) }
      .reduce(0) { $0 + (quantized.info($1)?.byteCount ?? 0) }
    let bits = reports.reduce(0) { $0 + $1.codeBits + $1.metadataBits }
    #expect(8 * bytes >= bits && Double(8 * bytes) < 1.06 * Double(bits))
    let logits = try model.logits(of: quantized)
    #expect(!logits.contains { !$0.isFinite })
    #expect(try ModelInventory(target).unaccounted.isEmpty)
  }

  /// Without compensation an outlier comes back as the checkpoint has it, but for binary16.
  private func checkOutliers(
    _ report: ModuleReport, _ stored: StoredMatrix, _ original: Matrix
  ) throws {
    guard let outliers = report.outliers, report.gptqLoss == nil else { return }
    let threshold = try #require(outliers.threshold)
    let result = stored.dequantized()
    for (found, weight) in zip(result.storage, original.storage)
    where Double(abs(weight)) > threshold {
      // binary16 has 11 bits; the dense part is at most as large as the weight itself.
      #expect(abs(found - weight) <= abs(weight) * 0x1p-9)
    }
  }

  @Test("a sparse part loses less than none, with every solver")
  func outliersHelp() throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    for solver in [
      QuantizationMethod.Solver.roundToNearest, Self.gptq, .codebooks(CodebookOptions()),
    ] {
      let losses = try [nil, Self.both].map { rule in
        let target = try model.subfolder("q-\(solver)-\(rule == nil)".prefix(40).description)
        _ = try ModelQuantizer(
          model.checkpoint,
          method: QuantizationMethod(solver: solver, grids: Self.grids, outliers: rule),
          calibration: calibration
        ) { _ in .bits(3) }.write(to: target)
        let loss = try loss(of: QuantizedCheckpoint(target), model, calibration)
        try FileManager.default.removeItem(at: target)
        return loss
      }
      #expect(losses[1] < losses[0], "\(solver): \(losses)")
    }
  }

  private func loss(
    of quantized: QuantizedCheckpoint, _ model: TinyMixtral, _ calibration: URL
  ) throws -> Double {
    try modules(of: model.checkpoint.configuration).reduce(0.0) { loss, module in
      let layer = try CalibrationLayer(module.layer, in: calibration, experts: 4)
      let original = try model.checkpoint.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      return loss
        + ProxyLoss.total(
          weights: original, quantized: try #require(try quantized.stored(module.tensor)),
          under: try layer.sum(at: module.input, order: module.columns))
    }
  }

  /// What a method makes of a module in memory, by the quantizers themselves.
  private func inMemory(
    _ module: LinearModule, _ method: QuantizationMethod, _ model: TinyMixtral,
    _ layer: CalibrationLayer
  ) throws -> StoredMatrix {
    let weights = try model.checkpoint.matrix(
      module.tensor, rows: module.rows, columns: module.columns)
    let hessian = try layer.sum(at: module.input, order: module.columns)
      .scaled(by: 2 / Float(try layer.tokens(at: module.input)))
    let (grid, importance) = (
      try Self.grids.grid(bits: 3), WeightImportance.inputs(hessian.diagonal)
    )
    let outliers = try method.outliers?.outliers(
      in: weights, fisher: importance.sensitivity(of: weights))
    switch method.solver {
    case .roundToNearest:
      let both = try RoundToNearest.quantize(
        weights, grid: grid, keeping: try #require(outliers))
      return .withSparse(.packed(both.dense), both.sparse)
    case .gptq(let options, _, _):
      let factor = try DampedFactor(of: hessian, relativeDamping: 0.01, columns: options.columns)
      let (both, _) = try GPTQ(grid: grid, options: options).quantize(
        weights, factor: factor, keeping: try #require(outliers))
      return .withSparse(.packed(both.dense), both.sparse)
    case .codebooks(let options):
      let quantizer = try CodebookQuantizer(
        bits: 3, groupSize: options.groupSize, clustering: options.clustering)
      guard let outliers else {
        return .codebooks(try quantizer.quantize(weights, importance: importance))
      }
      let both = try quantizer.quantize(weights, importance: importance, keeping: outliers)
      return .withSparse(.codebooks(both.dense), both.sparse)
    case .omniQuant:
      throw MethodError.learningWithForms
    }
  }

  @Test(
    "reading back gives the logits of the weights in memory, to the last digit",
    arguments: [0, 1, 3, 4])
  func readBack(index: Int) throws {
    let model = try TinyMixtral()
    let (method, calibration) = (Self.methods[index], try model.calibrate())
    let target = try model.subfolder("quantized")
    _ = try ModelQuantizer(
      model.checkpoint, method: method, calibration: calibration
    ) { _ in .bits(3) }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    var weights: [String: StoredMatrix] = [:]
    for module in modules(of: model.checkpoint.configuration) {
      let layer = try CalibrationLayer(module.layer, in: calibration, experts: 4)
      let expected = try inMemory(module, method, model, layer)
      #expect(try quantized.stored(module.tensor) == expected, "\(module.tensor)")
      weights[module.tensor] = expected
    }
    let memory = InMemory(plain: model.checkpoint, weights: weights)
    #expect(try model.logits(of: quantized) == model.logits(of: memory))
  }

  @Test("the adaptive axis is the better of both for every matrix, and its table says so")
  func axes() throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let target = try model.subfolder("quantized")
    let reports = try ModelQuantizer(
      model.checkpoint, method: Self.methods[6], calibration: calibration
    ) { _ in .bits(3) }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    for (report, module) in zip(reports, modules(of: model.checkpoint.configuration)) {
      let decision = try #require(report.axis)
      let layer = try CalibrationLayer(module.layer, in: calibration, experts: 4)
      let original = try model.checkpoint.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      let loss = ProxyLoss.total(
        weights: original, quantized: try #require(try quantized.stored(module.tensor)),
        under: try layer.sum(at: module.input, order: module.columns))
      let tokens = Double(try layer.tokens(at: module.input))
      // The table's moments were scaled in 32 bits.
      #expect(abs(loss / tokens - decision.error) <= 1e-5 * decision.error, "\(module.tensor)")
      #expect((report.form == .inputChannel) == (decision.axis == .inputChannel))
      #expect(
        decision.error == min(decision.outputChannelError, decision.inputChannelError))
    }
    // A random model has both kinds, so that the choice is one.
    #expect(Set(reports.compactMap(\.axis?.axis)).count == 2)
  }

  @Test("experts without tokens take the path on which all weights count alike, and it shows")
  func uninformed() throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate(tokens: 1)
    let target = try model.subfolder("quantized")
    let reports = try ModelQuantizer(
      model.checkpoint, method: Self.methods[0], calibration: calibration
    ) { _ in .bits(3) }.write(to: target)
    let quantized = try QuantizedCheckpoint(target)
    let blind = reports.filter { $0.calibrationTokens == 0 }
    // Two layers, two experts, three projections.
    #expect(blind.count == 12)
    for report in reports {
      #expect(
        report.importance == (report.calibrationTokens == 0 ? ImportanceSource.none : .hessian))
      #expect((report.uninformedRows == 0) == (report.calibrationTokens != 0))
    }
    let module = try #require(
      modules(of: model.checkpoint.configuration).first { $0.tensor == blind[0].module })
    let original = try model.checkpoint.matrix(
      module.tensor, rows: module.rows, columns: module.columns)
    #expect(
      try quantized.stored(module.tensor)
        == .codebooks(CodebookQuantizer(bits: 3).quantize(original)))
  }

  @Test("a Fisher diagonal that knows better moves codebooks towards what counts")
  func fisher() throws {
    let model = try TinyMixtral()
    let method = QuantizationMethod(
      solver: .codebooks(CodebookOptions()), grids: Self.grids, importance: .fisher)
    // The first column counts a million times as much as any other.
    let fisher: @Sendable (LinearModule) -> Matrix = { module in
      var matrix = Matrix(rows: module.rows, columns: module.columns)
      for index in matrix.storage.indices {
        matrix.storage[index] = index.isMultiple(of: module.columns) ? 1e6 : 1
      }
      return matrix
    }
    let target = try model.subfolder("quantized")
    let reports = try ModelQuantizer(
      model.checkpoint, method: method, calibration: nil, fisher: fisher
    ) { _ in .bits(2) }.write(to: target)
    #expect(reports.allSatisfy { $0.importance == .fisher && $0.uninformedRows == 0 })
    let quantized = try QuantizedCheckpoint(target)
    for module in modules(of: model.checkpoint.configuration) {
      let found = try quantized.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      let original = try model.checkpoint.matrix(
        module.tensor, rows: module.rows, columns: module.columns)
      for row in 0..<module.rows {
        // A value of its own, rounded to binary16, and others pull at it by 1e-6 of their distance.
        #expect(abs(found[row, 0] - original[row, 0]) < 1e-3 * abs(original[row, 0]) + 1e-4)
      }
    }
    #expect(throws: QuantizationInputError.self) {
      try ModelQuantizer(model.checkpoint, method: method, calibration: nil) { _ in .bits(2) }
        .write(to: try model.subfolder("without"))
    }
  }

  @Test("what does not go together is refused before anything is written")
  func refusals() throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    let neurons = model.checkpoint.configuration.gatedBlocks(layer: 0)[0].modules[0].rows
    func error(_ method: QuantizationMethod, _ level: ModuleLevel) throws -> MethodError? {
      let target = try model.subfolder(UUID().uuidString)
      let error = #expect(throws: MethodError.self) {
        try ModelQuantizer(model.checkpoint, method: method, calibration: calibration) { module in
          module.expert == nil ? .bits(4) : level
        }.write(to: target)
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: target.path).isEmpty)
      return error
    }
    let split = NeuronSplit([.init(bits: 4, neurons: 8), .init(bits: 2, neurons: neurons - 8)])
    #expect(
      try error(Self.methods[6], .slices(split)) == .axisOfSlices(unit: "layers.0.experts.0"))
    var method = Self.methods[6]
    method.outliers = .published
    #expect(try error(method, .bits(3)) == .axisWithOutliers)
    method = Self.methods[0]
    method.axis = .adaptive
    #expect(try error(method, .bits(3)) == .axisOfCodebooks)
    method = Self.methods[4]
    method.importance = .none
    #expect(try error(method, .bits(3)) == .sensitiveWithoutImportance(fraction: 0.005))
  }
}

/// A checkpoint with quantized weights that were never stored.
private struct InMemory: WeightSource {
  let plain: Checkpoint
  let weights: [String: StoredMatrix]

  var configuration: ModelConfiguration { plain.configuration }

  func matrix(_ name: String, rows: Int, columns: Int) throws -> Matrix {
    try weights[name]?.dequantized() ?? plain.matrix(name, rows: rows, columns: columns)
  }

  func vector(_ name: String, count: Int) throws -> [Float] {
    try plain.vector(name, count: count)
  }

  func releasePages(of name: String) {}
}
