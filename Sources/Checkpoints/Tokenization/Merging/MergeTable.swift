/// Pairs of token ids and what they merge to: open addressing with linear probing.
struct MergeTable: Sendable {
  /// Priority of a merge (lower goes first) and its result.
  struct Merge: Sendable, Equatable {
    let rank: UInt32
    let id: Int32
  }

  /// Ids are not negative, so that no pair has this key.
  private static let emptyKey = UInt64.max

  private var keys: [UInt64]
  private var merges: [Merge]

  /// A table for up to `capacity` pairs, at most half full.
  init(capacity: Int) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    keys = [UInt64](repeating: Self.emptyKey, count: size)
    merges = [Merge](repeating: Merge(rank: 0, id: 0), count: size)
  }

  /// What the pair merges to; a pair that is set twice keeps the later merge.
  subscript(left: Int32, right: Int32) -> Merge? {
    get {
      let slot = slot(of: Self.key(left, right))
      return keys[slot] == Self.emptyKey ? nil : merges[slot]
    }
    set {
      guard let newValue else { return }
      let slot = slot(of: Self.key(left, right))
      keys[slot] = Self.key(left, right)
      merges[slot] = newValue
    }
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// The slot of a key, or the empty one where it belongs.
  private func slot(of key: UInt64) -> Int {
    let mixed = (key ^ (key >> 32)) &* 0x9E37_79B9_7F4A_7C15
    let mask = keys.count - 1
    var slot = Int(truncatingIfNeeded: mixed >> 32) & mask
    while keys[slot] != key && keys[slot] != Self.emptyKey { slot = (slot + 1) & mask }
    return slot
  }
}
