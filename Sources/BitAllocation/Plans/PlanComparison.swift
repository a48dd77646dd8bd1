import JSON
import Statistics

/// How far two plans for the same units agree, and where they differ.
///
/// Agreement is counted over units; mean bits are weighted by weights.
public struct PlanComparison: Sendable, Equatable {
  /// Where the weights of the means come from.
  public enum Weighting: String, Sendable {
    case table = "weights of the table"
    case equal = "equal weights, for want of a table"
  }

  /// A unit with its bits in both plans.
  struct Row: Sendable {
    let id: String
    let place: UnitPlace?
    let weight: Double
    let a: Double
    let b: Double
  }

  /// Number of units.
  public let units: Int
  public let weighting: Weighting
  /// Chance-corrected agreement of the levels as labels, and the share of equal levels.
  public let kappa: CohenKappa
  /// Rank correlation of the bits; nil where a plan is uniform.
  public let spearman: Double?
  /// The highest level that either plan gives.
  public let highestLevel: Double
  /// Jaccard index of the two sets of units at ``highestLevel``.
  public let highestLevelJaccard: Double?
  public let levels: LevelConfusion
  /// Mean over all units.
  public let mean: BitsPair
  public let byLayer: [GroupBits<Int>]
  public let byBlock: [GroupBits<UnitPlace.Block>]
  /// Over units that are a single projection.
  public let byProjection: [GroupBits<String>]
  /// Over the routed experts of one index in all layers.
  public let byExpert: [GroupBits<Int>]
  public let heatMap: ExpertHeatMap
  /// Ids that tell no place, without a table; they count in no group.
  public let unplaced: [String]

  /// Share of units with the same level in both plans.
  public var agreement: Double { kappa.observed }

  /// Compares two plans, unit by unit, whatever their orders.
  ///
  /// - Parameters:
  ///   - a: The first plan.
  ///   - b: The second, of the same units.
  ///   - table: Weights and places of the units; may hold more than the plans do. Without it,
  ///     weights are equal and places are read from the ids.
  /// - Throws: ``PlanComparisonError``.
  public init(
    _ a: Plan, _ b: Plan, table: SensitivityTable? = nil
  ) throws(PlanComparisonError) {
    let rows = try Self.rows(a, b, table)
    let (bitsA, bitsB) = (rows.map(\.a), rows.map(\.b))
    guard let kappa = CohenKappa(bitsA, bitsB), let mean = BitsPair(rows) else { throw .noUnits }
    let highest = (bitsA + bitsB).reduce(0, max)
    units = rows.count
    weighting = table == nil ? .equal : .table
    self.kappa = kappa
    spearman = spearmanCorrelation(bitsA, bitsB)
    highestLevel = highest
    highestLevelJaccard = jaccardIndex(
      Set(rows.indices.filter { bitsA[$0] == highest }),
      Set(rows.indices.filter { bitsB[$0] == highest }))
    levels = LevelConfusion(bitsA, bitsB)
    self.mean = mean
    byLayer = GroupBits.grouped(rows) { $0.place?.layer }
    byBlock = GroupBits.grouped(rows) { $0.place?.block }
    byProjection = GroupBits.grouped(rows) { $0.place?.projection }
    byExpert = GroupBits.grouped(rows) { $0.place?.expert }
    heatMap = ExpertHeatMap(rows)
    unplaced = rows.filter { $0.place == nil }.map(\.id)
  }

  /// The units in the order of the first plan.
  private static func rows(
    _ a: Plan, _ b: Plan, _ table: SensitivityTable?
  ) throws(PlanComparisonError) -> [Row] {
    let (bitsA, bitsB) = (try bits(of: a, "first"), try bits(of: b, "second"))
    let missing = a.entries.map(\.unit).filter { bitsB[$0] == nil }
    let extra = b.entries.map(\.unit).filter { bitsA[$0] == nil }
    guard missing.isEmpty, extra.isEmpty else {
      throw .differentUnits(
        missing: missing.first, missingCount: missing.count, extra: extra.first,
        extraCount: extra.count)
    }
    let known = table.map { Dictionary(uniqueKeysWithValues: $0.units.map { ($0.id, $0) }) }
    var rows: [Row] = []
    for entry in a.entries {
      guard let other = bitsB[entry.unit] else { continue }
      let unit = known?[entry.unit]
      if known != nil, unit == nil {
        let ids = table?.units.map(\.id) ?? []
        throw .notInTable(entry.unit, nearest: nearestName(to: entry.unit, among: ids))
      }
      rows.append(
        Row(
          id: entry.unit, place: unit.map { UnitPlace($0) } ?? UnitPlace(id: entry.unit),
          weight: unit.map { Double($0.weights) } ?? 1, a: entry.bits, b: other))
    }
    return rows
  }

  private static func bits(
    of plan: Plan, _ name: String
  ) throws(PlanComparisonError) -> [String: Double] {
    var bits: [String: Double] = [:]
    for entry in plan.entries {
      guard entry.bits.isFinite, entry.bits > 0 else {
        throw .badBits(unit: entry.unit, bits: entry.bits, plan: name)
      }
      guard bits.updateValue(entry.bits, forKey: entry.unit) == nil else {
        throw .duplicateUnit(entry.unit, plan: name)
      }
    }
    return bits
  }
}
