/// Bits of every routed expert in two plans, for a picture of layers by experts.
public struct ExpertHeatMap: Sendable, Equatable {
  /// Rows, ascending.
  public let layers: [Int]
  /// Columns, ascending.
  public let experts: [Int]
  /// Shape `[layers][experts]`: the mean over the weights of an expert, nil where a layer has no
  /// such expert.
  public let cells: [[BitsPair?]]

  init(_ rows: [PlanComparison.Row]) {
    let placed = rows.filter { $0.place?.expert != nil }
    layers = Set(placed.compactMap { $0.place?.layer }).sorted()
    experts = Set(placed.compactMap { $0.place?.expert }).sorted()
    let byPlace = Dictionary(grouping: placed) { [$0.place?.layer, $0.place?.expert] }
    let columns = experts
    cells = layers.map { layer in
      columns.map { expert in byPlace[[layer, expert]].flatMap { BitsPair($0) } }
    }
  }
}
