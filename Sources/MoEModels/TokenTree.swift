/// Sequences that begin alike: what they share goes through a model once.
///
/// Tokens stand in the order trunk, first branch, second branch, …; a branch follows the trunk and
/// does not see the other branches.
public struct TokenTree: Sendable, Equatable {
  public let trunk: [Int32]
  public let branches: [[Int32]]

  /// One sequence, or several.
  ///
  /// - Parameters:
  ///   - trunk: Not empty where there are branches.
  ///   - branches: What follows in each sequence, none of them empty.
  public init(trunk: [Int32], branches: [[Int32]] = []) {
    precondition(
      branches.isEmpty || !trunk.isEmpty && !branches.contains([]), "an empty trunk or branch")
    self.trunk = trunk
    self.branches = branches
  }

  /// All tokens, in order.
  public var tokens: [Int32] { trunk + branches.joined() }

  /// Number of all tokens.
  public var count: Int { shape.tokens }

  var shape: Shape { Shape(trunk: trunk.count, branches: branches.map(\.count)) }

  /// Numbers of tokens.
  struct Shape: Sendable, Equatable {
    let trunk: Int
    let branches: [Int]

    var tokens: Int { branches.reduce(trunk, +) }
    /// Tokens of the longest sequence.
    var longest: Int { trunk + (branches.max() ?? 0) }
  }
}
