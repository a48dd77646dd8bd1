/// The number format in which matrix products read their operands; sums are always f32.
public enum Precision: String, Sendable, Codable, CaseIterable {
  case f32, bf16

  var bytesPerElement: Int { self == .f32 ? 4 : 2 }
}

extension Precision {
  /// bf16 where the CPU has instructions for it, f32 elsewhere.
  public static var fastest: Precision { instructionSet.contains("BF16") ? .bf16 : .f32 }
}
