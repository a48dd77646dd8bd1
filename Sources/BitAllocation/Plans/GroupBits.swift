/// Mean bits of the same weights in two plans.
public struct BitsPair: Sendable, Equatable {
  public let a: Double
  public let b: Double

  public var difference: Double { b - a }

  public init(a: Double, b: Double) {
    self.a = a
    self.b = b
  }

  /// Σ weight · bits / Σ weight; nil for nothing.
  init?(_ rows: [PlanComparison.Row]) {
    let weight = rows.reduce(0) { $0 + $1.weight }
    guard weight > 0 else { return nil }
    a = rows.reduce(0) { $0 + $1.weight * $1.a } / weight
    b = rows.reduce(0) { $0 + $1.weight * $1.b } / weight
  }
}

/// Mean bits of the units that share a layer, a projection or the like.
public struct GroupBits<Group: Hashable & Comparable & Sendable>: Sendable, Equatable {
  public let group: Group
  public let units: Int
  public let bits: BitsPair

  public init(group: Group, units: Int, bits: BitsPair) {
    self.group = group
    self.units = units
    self.bits = bits
  }

  /// One per group, ascending; rows without a group are left out.
  static func grouped(
    _ rows: [PlanComparison.Row], by group: (PlanComparison.Row) -> Group?
  ) -> [GroupBits] {
    let groups = Dictionary(grouping: rows, by: group)
    return groups.compactMap { group, rows -> GroupBits? in
      guard let group, let bits = BitsPair(rows) else { return nil }
      return GroupBits(group: group, units: rows.count, bits: bits)
    }.sorted { $0.group < $1.group }
  }
}
