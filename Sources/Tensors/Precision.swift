/// The number format in which matrix products read their operands; sums are always f32.
public enum Precision: String, Sendable, Codable, CaseIterable {
  case f32, bf16

  var bytesPerElement: Int { self == .f32 ? 4 : 2 }
}

extension Precision {
  /// Whether oneDNN multiplies in this format on this CPU; else operands are rounded to it and
  /// multiplied in f32, which gives the same up to the order of sums.
  var isNative: Bool { self == .f32 || Self.multipliesBFloat16 }

  private static let multipliesBFloat16 = instructionSet.contains("AVX512_CORE")

  /// bf16 where the CPU has instructions for it, f32 elsewhere.
  public static var fastest: Precision { instructionSet.contains("BF16") ? .bf16 : .f32 }
}
