import Tensors

/// Which column is rounded when.
///
/// Early columns are rounded as they are, later ones take over their errors, so columns with large
/// inputs are better off early.
public enum ColumnRule: String, Sendable, CaseIterable {
  case natural
  /// By falling diagonal of the Hessian, before damping; ties by index. GPTQ's act-order
  /// (`desc_act`). A block-diagonal Hessian is sorted block by block.
  case activation = "act-order"
}

/// A permutation of columns: position k in the order of rounding is column `columns[k]`.
public struct ColumnOrder: Sendable, Equatable {
  public let columns: [Int]

  /// Sorts each of the ranges that `blockSizes` cut the diagonal into.
  init(_ rule: ColumnRule, diagonal: [Float], blockSizes: [Int]) {
    guard rule == .activation else {
      columns = Array(diagonal.indices)
      return
    }
    var sorted: [Int] = []
    for size in blockSizes {
      let block = sorted.count..<sorted.count + size
      sorted += block.sorted { a, b in
        diagonal[a] == diagonal[b] ? a < b : diagonal[a] > diagonal[b]
      }
    }
    columns = sorted
  }

  public var isNatural: Bool { columns.indices.allSatisfy { columns[$0] == $0 } }

  /// Position of each column.
  var positions: [Int] {
    var result = [Int](repeating: 0, count: columns.count)
    for (position, column) in columns.enumerated() { result[column] = position }
    return result
  }
}
