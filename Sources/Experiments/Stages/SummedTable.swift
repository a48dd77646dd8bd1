import BitAllocation
import Foundation
import JSON
import Sensitivity

/// The losses of several calibration texts, one calibration and one table each, as the table that is
/// allocated: one plan for all of them, or for another text than the quantizer is calibrated on.
struct SummedTable {
  /// Of each text.
  let calibrations: [CalibrateStage]
  let options: MeasureStage.Options
  /// Whether errors of experts' outputs are measured, on the windows of each text.
  let measuresOutputs: Bool

  static let epoch = 1

  static func calibration(_ index: Int) -> String { "calibrate-text-\(index)" }
  static func table(_ index: Int) -> String { "measure-text-\(index)" }

  /// The calibrations, their tables, and the sum in the place of the measure stage.
  func stages(model: URL) throws -> [Stage] {
    var stages: [Stage] = []
    for (index, calibrate) in calibrations.enumerated() {
      var calibration = try calibrate.stage()
      calibration.name = Self.calibration(index)
      var table = try MeasureStage(
        model: model, options: options, outputs: measuresOutputs ? calibrate : nil
      ).stage(readsCalibration: true)
      table.name = Self.table(index)
      table.inputs["calibration"] = .stage(calibration.name)
      stages += [calibration, table]
    }
    return stages + [sum]
  }

  private var sum: Stage {
    let names = calibrations.indices.map(Self.table)
    return Stage(
      name: MeasureStage.name, epoch: 1000 * Self.epoch + MeasureStage.epoch,
      parameters: ["sum": JSONValue(names.count)],
      inputs: Dictionary(
        uniqueKeysWithValues: names.enumerated().map { ("table.\($0.offset)", .stage($0.element)) })
    ) { context in
      let tables = try names.indices.map { index in
        try SensitivityTable(
          hdf5: context.input("table.\(index)").appending(path: StageFile.table))
      }
      try SensitivityTable(sumOf: tables).write(
        to: context.directory.appending(path: StageFile.table))
    }
  }
}

extension PointParameters {
  /// What the table is summed of; nil: it is of the quantizer's calibration.
  ///
  /// - Parameters:
  ///   - calibrate: The quantizer's calibration, of which all but the text is taken over.
  ///   - options: Of the tables.
  /// - Returns: The stages in the place of the measurement.
  func summedTable(
    _ calibrate: CalibrateStage, _ options: MeasureStage.Options
  ) -> SummedTable? {
    guard let texts = allocation?.calibrationTexts else { return nil }
    return SummedTable(
      calibrations: texts.map { text in
        var own = calibrate
        own.corpora = [CalibrateStage.Corpus(url: url(text))]
        return own
      }, options: options, measuresOutputs: allocation?.sensitivity == "expert-output")
  }

  /// Tables of neurons, and levels of several bits, go by the ranks of one calibration.
  func checkCalibrationTexts() throws(SpecError) {
    guard let allocation, allocation.calibrationTexts != nil else { return }
    let pointer = JSONPointer(["allocation", "calibrationTexts"])
    guard !allocation.ranksNeurons else {
      throw SpecError(
        .invalid(
          "Losses of several texts are summed for whole levels of layers, experts and projections; "
            + "neurons are ranked by one calibration."), at: pointer)
    }
    guard allocation.readsCalibration else {
      throw SpecError(
        .invalid("The allocator \(allocation.allocator) reads no losses."), at: pointer)
    }
  }
}
