/// Where in a model a unit stands.
public struct UnitPlace: Sendable, Equatable {
  /// The blocks of a layer, by the name they have in ids.
  public enum Block: String, Sendable, CaseIterable, Comparable {
    case experts, shared, mlp, attention

    public static func < (a: Block, b: Block) -> Bool { a.rawValue < b.rawValue }
  }

  public static let projections = ["gate", "up", "down", "q", "k", "v", "o"]

  public var layer: Int
  /// nil where a table does not say it.
  public var block: Block?
  /// Index of a routed expert.
  public var expert: Int?
  /// nil if the unit is not a single projection.
  public var projection: String?

  public init(layer: Int, block: Block? = nil, expert: Int? = nil, projection: String? = nil) {
    self.layer = layer
    self.block = block
    self.expert = expert
    self.projection = projection
  }

  /// The place that a table gives, its block read from the id.
  public init(_ unit: Unit) {
    self.init(
      layer: unit.layer,
      block: unit.expert == nil ? UnitPlace(id: unit.id)?.block : .experts,
      expert: unit.expert, projection: unit.projection)
  }

  /// Reads `layers.3.experts.5`, `layers.3.experts.5.down`, `layers.0.shared`, `layers.2.mlp`,
  /// `layers.2.attention.q` and the like; nil for any other text.
  public init?(id: String) {
    var names = id.split(separator: ".", omittingEmptySubsequences: false)[...]
    guard names.popFirst() == "layers", let layer = names.popFirst().flatMap(Self.index),
      let block = names.popFirst().flatMap({ Block(rawValue: String($0)) })
    else { return nil }
    var expert: Int?
    if block == .experts, let name = names.popFirst() {
      guard let index = Self.index(name) else { return nil }
      expert = index
    }
    let projection = names.popFirst().map(String.init)
    guard names.isEmpty, projection.map(Self.projections.contains) ?? true else { return nil }
    self.init(layer: layer, block: block, expert: expert, projection: projection)
  }

  /// The id that `init(id:)` reads, for a place whose block is known.
  public var id: String? {
    guard let block else { return nil }
    let names = [expert.map(String.init), projection].compactMap(\.self)
    return (["layers", "\(layer)", block.rawValue] + names).joined(separator: ".")
  }

  /// A number in ASCII digits alone, so that +3 and ٣ are no index.
  static func index(_ text: Substring) -> Int? {
    text.utf8.allSatisfy { (48...57).contains($0) } ? Int(text) : nil
  }
}
