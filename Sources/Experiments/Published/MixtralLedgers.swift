import BitAllocation
import Foundation

/// What Mixtral-8x7B's published bits count (METHODS §0.3, §2.15): attention at 4 bits, experts at
/// a mean, groups of 128.
enum MixtralLedgers {
  static func checks() -> [PublishedCheck] {
    [(2, 2.0578), (2.25, 2.3006), (2.5, 2.5434), (3, 3.0289)].map { experts, published in
      check("paper-code-bits", experts: experts, .paperCodeBits, published, digits: 4)
    } + [
      check("with-metadata, g128", experts: 2.5, .withMetadata, 2.688, digits: 3),
      exl2(),
    ]
  }

  private static func check(
    _ name: String, experts: Double, _ ledger: Ledger, _ published: Double, digits: Int
  ) -> PublishedCheck {
    let value = ledger.value(of: modules(experts: experts)) ?? .nan
    let text = String(format: "%.\(digits)f", value)
    return PublishedCheck(
      "Mixtral-8x7B", "\(name), experts at \(experts)",
      published: String(format: "%.\(digits)f", published), found: text,
      holds: text == String(format: "%.\(digits)f", published))
  }

  private static func modules(experts: Double) -> [QuantizedModule] {
    [
      module("attention", .attention, weights: 1_342_177_280, bits: 4),
      module("experts", .expert, weights: 45_097_156_608, bits: experts),
    ]
  }

  /// An fp16 scale and a zero point of as many bits as a code for 128 weights.
  private static func module(
    _ name: String, _ part: ModelPart, weights: Int, bits: Double
  ) -> QuantizedModule {
    QuantizedModule(
      name: name, part: part, weights: weights, codeBits: bits * Double(weights),
      metadataBits: (16 + bits) / 128 * Double(weights), groupSize: 128)
  }

  /// The size formula of exllamav2 (METHODS §2.10) on a 4096 × 4096 matrix, 4 bits, groups of 128:
  /// codes, and by hand 32 groups of 16 + 32 + 4096 · 4 bits, and 4096 · 32 bits of permutation.
  private static func exl2() -> PublishedCheck {
    let byHand = 4096 * 4096 * 4 + 32 * (16 + 32 + 4096 * 4) + 4096 * 32
    let size = try? EXL2Size(
      inputs: 4096, outputs: 4096, strips: [EXL2Strip(share: 1, bits: 4, groupSize: 128)])
    return PublishedCheck(
      "exllamav2", "bits of 4096 x 4096 at 4 bits, g128", published: "\(byHand)",
      found: size.map { "\($0.bits)" } ?? "none", holds: size?.bits == byHand)
  }
}
