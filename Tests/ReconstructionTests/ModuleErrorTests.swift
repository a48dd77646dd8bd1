import Calibration
import Checkpoints
import Foundation
import MoEModels
import Quantization
import Testing

@testable import Reconstruction

@Suite("Errors of quantizers name the tensor")
struct ModuleErrorTests {
  private static let solvers: [QuantizationMethod.Solver] = [
    .roundToNearest, .gptq(GPTQOptions(), minimumTokens: 1), .codebooks(CodebookOptions()),
    .omniQuant(OmniQuantOptions(epochs: 1)),
  ]
  /// Down of an expert in layer 1.
  private static let tensor = "model.layers.1.block_sparse_moe.experts.2.w2.weight"

  private func error(
    _ solver: QuantizationMethod.Solver, level: @escaping @Sendable (LinearModule) -> ModuleLevel
  ) throws -> ModuleError? {
    let model = try TinyMixtral()
    let huge = try model.spoiled(Self.tensor, by: 1e36)
    let sample = try CalibrationSample(
      text: ("golden", model.tokens), count: 2, context: 30, seed: 0)
    let method = QuantizationMethod(
      solver: solver, grids: GridFamily(groupSize: 16, symmetric: false), importance: .none)
    return #expect(throws: ModuleError.self) {
      try ModelQuantizer(
        huge, method: method, calibration: method.learns ? nil : model.calibrate(),
        stream: method.learns
          ? QuantizedStream(sample: sample, options: CalibrationOptions(), precision: .f32) : nil,
        level: level
      ).write(to: model.subfolder("q"))
    }
  }

  @Test("whose scales binary16 cannot hold, with every method", arguments: solvers)
  func whole(solver: QuantizationMethod.Solver) throws {
    let error = try error(solver) { _ in .bits(3) }
    #expect(error?.module == Self.tensor)
    #expect(error?.description.hasPrefix("\(Self.tensor): Row ") ?? false)
  }

  @Test("also where neurons of its expert have different bits", arguments: solvers)
  func sliced(solver: QuantizationMethod.Solver) throws {
    let error = try error(solver) { module in
      guard module.expert == 2 else { return .bits(3) }
      return .slices(
        NeuronSplit([
          NeuronSplit.Slice(bits: 4, neurons: 32), NeuronSplit.Slice(bits: 2, neurons: 64),
        ]))
    }
    // Where calibration ranks neurons, the expert is refused before its matrices are rounded.
    #expect([Self.tensor, "layers.1.experts.2"].contains(error?.module))
  }

  @Test("reports say what the order of neurons is by")
  func order() throws {
    let model = try TinyMixtral()
    let method = QuantizationMethod(
      solver: .roundToNearest, grids: GridFamily(groupSize: 16, symmetric: false))
    for (calibration, expected) in [
      (nil, NeuronRanking.place), (try model.calibrate(), .calibration),
    ] {
      let reports = try ModelQuantizer(
        model.checkpoint, method: method, calibration: calibration
      ) { module in
        guard module.expert == 2 else { return .bits(3) }
        return .slices(
          NeuronSplit([
            NeuronSplit.Slice(bits: 4, neurons: 32), NeuronSplit.Slice(bits: 2, neurons: 64),
          ]))
      }.write(to: model.subfolder("q-\(expected)"))
      #expect(reports.count { $0.neuronOrder == expected } == 6)
      #expect(reports.count { $0.neuronOrder != nil } == 6)
    }
  }

  @Test("reports say where GPTQ by input channel has other scales than were asked for")
  func scales() throws {
    let model = try TinyMixtral()
    let calibration = try model.calibrate()
    for scales in GroupScales.allCases {
      let reports = try ModelQuantizer(
        model.checkpoint,
        method: QuantizationMethod(
          solver: .gptq(GPTQOptions(columns: .activation, scales: scales), minimumTokens: 1),
          grids: GridFamily(groupSize: 16, symmetric: false), axis: .adaptive),
        calibration: calibration
      ) { _ in .bits(3) }.write(to: model.subfolder("q-\(scales)"))
      #expect(reports.contains { $0.form == .inputChannel })
      for report in reports {
        let differs = report.form == .inputChannel && scales != .fresh
        #expect(report.groupScales == (differs ? .fresh : nil))
      }
    }
  }
}
