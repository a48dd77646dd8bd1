import MoEModels

/// Puts sequences that begin alike into trees, so that what they share is computed once.
struct SharedPrefixes {
  /// Trees of more tokens take no further sequence: a tree goes through a layer as one piece.
  private static let treeTokens = 2048

  private(set) var trees: [TokenTree] = []
  /// For every sequence its tree and its place there.
  private(set) var places: [Place] = []

  /// Where a sequence lies in a tree.
  struct Place {
    let tree: Int
    /// Tokens that it shares.
    let trunk: Int
    /// Of its own first token among the tree's tokens.
    let branch: Int

    /// Where a token of the sequence lies among the tree's tokens.
    func row(_ position: Int) -> Int {
      position < trunk ? position : branch + position - trunk
    }
  }

  /// Builds trees of neighbours; sequences of equal beginnings should stand together.
  ///
  /// A sequence joins the tree before it if this makes fewer tokens than a tree of its own.
  ///
  /// - Parameter sequences: Distinct, none of them empty.
  init(_ sequences: [[Int32]]) {
    var first = 0
    while first < sequences.count {
      var (next, trunk, lengths) = (first + 1, sequences[first].count, sequences[first].count)
      while next < sequences.count {
        let sequence = sequences[next]
        let common = min(trunk, Self.common(sequences[first], sequence))
        let count = next - first
        let apart = lengths - (count - 1) * trunk + sequence.count
        let together = lengths + sequence.count - count * common
        guard common > 0, together < apart, together <= Self.treeTokens else { break }
        (trunk, lengths, next) = (common, lengths + sequence.count, next + 1)
      }
      add(sequences[first..<next], trunk: trunk)
      first = next
    }
  }

  private static func common(_ a: [Int32], _ b: [Int32]) -> Int {
    zip(a, b).prefix { $0 == $1 }.count
  }

  private mutating func add(_ sequences: ArraySlice<[Int32]>, trunk: Int) {
    var (branches, end): ([[Int32]], Int) = ([], trunk)
    for sequence in sequences {
      places.append(Place(tree: trees.count, trunk: trunk, branch: end))
      guard sequence.count > trunk else { continue }
      branches.append(Array(sequence[trunk...]))
      end += sequence.count - trunk
    }
    trees.append(TokenTree(trunk: Array((sequences.first ?? []).prefix(trunk)), branches: branches))
  }
}
