import Foundation
import JSON

/// A form in which plans are written, here or elsewhere.
public enum PlanFormat: String, Sendable, CaseIterable {
  /// `{unit id: bits}`, or an object with such a value under `plan`.
  case plan
  /// Lines `unit,bits`, with or without that heading.
  case csv
  /// Layers by routed experts: rows of numbers, or texts of one digit per expert, such as those
  /// published for MC-MoE's PMQ and for GEMQ. A layer without experts has an empty row.
  case matrix
  /// Lines such as `model.layers.0.self_attn.q_proj: 3`: EvoPress.
  case evopress
}

extension Plan {
  /// Reads a plan whose units are not known beforehand, in the order of the file.
  ///
  /// - Parameters:
  ///   - data: UTF-8 text.
  ///   - format: How it is written; `matrix` and `evopress` names become ids such as
  ///     `layers.0.experts.5.gate`.
  ///   - pointer: Where in a larger JSON document the plan stands; not used by `csv` and `evopress`.
  /// - Throws: ``PlanImportError``, naming the line or the JSON pointer.
  public init(
    importing data: Data, as format: PlanFormat, at pointer: JSONPointer = JSONPointer()
  ) throws(PlanImportError) {
    var reader = PlanReader()
    switch format {
    case .plan: try reader.readObject(data, at: pointer)
    case .matrix: try reader.readMatrix(data, at: pointer)
    case .csv: try reader.readLines(data, separator: ",", "unit,bits", heading: true) { $0 }
    case .evopress:
      try reader.readLines(data, separator: ":", "linear: bits", heading: false) {
        UnitPlace(moduleName: $0)?.id
      }
    }
    self.init(entries: reader.entries)
  }
}
