import BitAllocation
import Foundation

/// The nine ResNet-18 configurations of HAWQ-V3 (Yao et al. 2021, arXiv:2011.10680; METHODS §2.3).
enum HAWQResNet18 {
  private static let trace = [
    0.06857826, 0.03162379, 0.03298575, 0.01205663, 0.02222431, 0.00596336, 0.06931772, 0.00807129,
    0.00372905, 0.00530698, 0.00209011, 0.00737569, 0.00210454, 0.00151197, 0.00158041, 0.00078146,
    0.00451841, 0.00098745, 0.00072944,
  ]
  private static let error8 = [
    0.0235, 0.0125, 0.0102, 0.0082, 0.0145, 0.0344, 0.0023, 0.0287, 0.0148, 0.0333, 0.0682, 0.0027,
    0.0448, 0.0336, 0.0576, 0.1130, 0.0102, 0.0947, 0.0532,
  ]
  private static let error4 = [
    6.7430, 3.9691, 3.3281, 2.6796, 4.7277, 10.5966, 0.6827, 9.0942, 4.8857, 10.7599, 21.7546,
    0.8603, 14.5324, 10.9651, 18.7706, 36.4044, 3.1572, 29.6994, 17.4016,
  ]
  private static let weights = [
    36864, 36864, 36864, 36864, 73728, 147_456, 8192, 147_456, 147_456, 294_912, 589_824, 32768,
    589_824, 589_824, 1_179_648, 2_359_296, 131_072, 2_359_296, 2_359_296,
  ]
  /// Millions of bit operations at full precision.
  private static let bops = [
    115.605504, 115.605504, 115.605504, 115.605504, 57.802752, 115.605504, 6.422528, 115.605504,
    115.605504, 57.802752, 115.605504, 6.422528, 115.605504, 115.605504, 57.802752, 115.605504,
    6.422528, 115.605504, 115.605504,
  ]
  /// Milliseconds.
  private static let latency4 = [
    0.21094404, 0.21092674, 0.21104113, 0.21086851, 0.13642465, 0.19167506, 0.02532183, 0.19148203,
    0.19142914, 0.11395316, 0.20556011, 0.01917474, 0.20566918, 0.20566509, 0.13185102, 0.22287786,
    0.01790088, 0.22304611, 0.22286099,
  ]
  private static let latency8 = [
    0.36189111, 0.36211718, 0.31141909, 0.30454471, 0.19184896, 0.38948934, 0.0334169, 0.38904905,
    0.3892859, 0.19134735, 0.34307431, 0.02802354, 0.34313329, 0.34310756, 0.21117103, 0.37376585,
    0.02896843, 0.37398187, 0.37405185,
  ]
  /// Residual pairs.
  private static let ties = [4: "a", 6: "a", 9: "b", 11: "b", 14: "c", 16: "c"]

  private struct Row {
    let constraint: String
    let share: Double
    /// 8 or 4 a layer.
    let bits: String
    let objective: Double
  }

  private static let rows = [
    Row(constraint: "size", share: 0.25, bits: "8888888888888844444", objective: -1.189414),
    Row(constraint: "size", share: 0.5, bits: "8888888888888884844", objective: -1.233207),
    Row(constraint: "size", share: 0.75, bits: "8888888888888488884", objective: -1.274273),
    Row(constraint: "bops", share: 0.25, bits: "8884848444444444444", objective: -0.847289),
    Row(constraint: "bops", share: 0.5, bits: "8884888848884444444", objective: -1.092024),
    Row(constraint: "bops", share: 0.75, bits: "8888888848888484884", objective: -1.227748),
    Row(constraint: "latency", share: 0.25, bits: "8884848444444444444", objective: -0.847289),
    Row(constraint: "latency", share: 0.5, bits: "8888848848884484844", objective: -1.105039),
    Row(constraint: "latency", share: 0.75, bits: "8888888848888484884", objective: -1.227748),
  ]

  static func checks() throws -> [PublishedCheck] {
    let table = try SensitivityTable(units: weights.indices.map(unit))
    return try rows.map { row in
      let total = { (bits: Double) in
        table.units.reduce(0) { $0 + ($1.level(bits: bits)?.resources[row.constraint] ?? 0) }
      }
      let limit = total(4) + row.share * (total(8) - total(4))
      let plan = try ExactAllocator().allocate(
        AllocationProblem(
          table: table,
          budget: Budget(bounds: [Budget.Bound(.resource(row.constraint), limit)])), seed: 0
      ).plan.entries
      let bits = plan.map { $0.bits == 8 ? "8" : "4" }.joined()
      let objective = plan.indices.filter { plan[$0].bits == 8 }
        .reduce(0) { $0 + trace[$1] * (error8[$1] - error4[$1]) }
      return PublishedCheck(
        "HAWQ-V3 ResNet-18", "\(row.constraint) \(row.share)",
        published: "\(row.bits) \(row.objective)",
        found: "\(bits) \(String(format: "%.6f", objective))",
        holds: bits == row.bits && abs(objective - row.objective) < 1e-6)
    }
  }

  private static func unit(_ index: Int) -> BitAllocation.Unit {
    let size = Double(weights[index]) / 1_048_576
    return BitAllocation.Unit(
      id: "layer\(index)", layer: index, weights: weights[index], tie: ties[index],
      levels: [
        Level(
          bits: 4, loss: trace[index] * error4[index], codeBits: 4 * Double(weights[index]),
          resources: ["size": size / 2, "bops": bops[index] / 64, "latency": latency4[index]]),
        Level(
          bits: 8, loss: trace[index] * error8[index], codeBits: 8 * Double(weights[index]),
          resources: ["size": size, "bops": bops[index] / 16, "latency": latency8[index]]),
      ])
  }
}
