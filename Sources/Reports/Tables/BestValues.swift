/// Finds the best mean of every metric among the rows that share a budget.
struct BestValues {
  let groups: [PointGroup]
  /// The row axis that holds the budget; nil compares all rows.
  let key: Int?

  /// Compares unrounded means; equal ones are all set in bold, a row without rival is not, and the
  /// reference and forced rows take no part.
  func setInBold(_ cells: inout [[TableCell]], quantities: [Quantity]) {
    let budgets = Dictionary(grouping: groups.indices.filter { !groups[$0].isReference }) { row in
      key.map { groups[row].labels[$0] } ?? ""
    }
    for rows in budgets.values {
      for (column, quantity) in quantities.enumerated() {
        guard let direction = quantity.direction else { continue }
        let means = rows.compactMap { cells[$0][column].mean }
        let best = direction == .higherIsBetter ? means.max() : means.min()
        guard means.count > 1, let best else { continue }
        for row in rows where cells[row][column].mean == best { cells[row][column].isBest = true }
      }
    }
  }
}
