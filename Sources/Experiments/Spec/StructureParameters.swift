import Checkpoints
import JSON

/// What of a model is quantized alone, and on which tokens the difference is measured.
public struct StructureParameters: Codable, Sendable, Equatable {
  public struct Text: Codable, Sendable, Equatable {
    public let corpus: [String]
    public let format: TextFormat
    public let sequences: Int
    /// Tokens of a window.
    public let context: Int
  }

  /// Whole bits, rising.
  public let levels: [Int]
  public let parts: [StructureUnit.Kind]
  public let text: Text
}

extension ParameterGroup {
  /// The group `structure` of a point.
  static let structure = ParameterGroup([
    ParameterField(
      "levels", .integers(1...8), .defaulting([2, 3, 4]),
      "Whole bits, rising; parts are quantized at each."),
    ParameterField(
      "parts", .choices(StructureUnit.Kind.allCases.filter { $0 != .model }.map(\.rawValue)),
      .defaulting(["layer", "projection", "expert", "matrix", "decile", "attention"]),
      "What is quantized alone; all experts together always are."),
    ParameterField(
      "text", .group(structureText), .required,
      "The text that divergences are measured on, disjoint from calibration."),
  ])

  private static let structureText = ParameterGroup([
    ParameterField(
      "corpus", .paths, .required, "Text file or files; windows are drawn from all together."),
    ParameterField(
      "format", .choice(["text", "wikitext"]), .defaulting("text"), "How the files are read."),
    ParameterField("sequences", .integer(2...1_000_000), .defaulting(8), "Windows."),
    ParameterField("context", .integer(2...1_048_576), .defaulting(256), "Tokens of a window."),
  ])
}

extension PointParameters {
  /// Refuses levels that do not rise, and what cannot be measured of a part that is quantized alone.
  func checkStructure() throws(SpecError) {
    guard let levels = structure?.levels else { return }
    if quantizer?.quantizationMethod.learns ?? false {
      throw SpecError(
        .invalid(
          "What OmniQuant learns of a part depends on the layers quantized before it, and structure "
            + "quantizes each part alone; use rtn, gptq or squeezellm, or leave structure out."),
        at: JSONPointer(["quantizer", "method"]))
    }
    if allocation?.gradientOptions?.outputSlopes ?? false {
      throw SpecError(
        .invalid(
          "Scale gradient has no slopes at attention, whose loss structure predicts too; use relative, "
            + "residual or none, or leave structure out."),
        at: JSONPointer(["allocation", "scale"]))
    }
    for (index, (level, next)) in zip(levels, levels.dropFirst()).enumerated() where next <= level {
      throw SpecError(
        .invalid("Levels must rise; \(next) follows \(level)."),
        at: JSONPointer(["structure", "levels"]).appending(index + 1))
    }
  }
}
