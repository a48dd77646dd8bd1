/// The state of one pre-token's merges: a linked list of symbols and a heap of possible merges.
struct MergeScratch {
  /// Marks a symbol that went into its left neighbour.
  private static let merged: Int32 = -1

  private var ids: [Int32] = []
  private var previous: [Int] = []
  private var next: [Int] = []
  /// Binary heap of `rank << 32 | position`: lowest rank first, then leftmost. Entries of merged
  /// symbols stay until they are popped.
  private var heap: [UInt64] = []

  /// Begins anew, with no symbol.
  mutating func start(longest: Int) {
    precondition(longest < Int(UInt32.max), "a pre-token of \(longest) bytes")
    ids.removeAll(keepingCapacity: true)
    previous.removeAll(keepingCapacity: true)
    next.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
  }

  /// Adds a symbol behind the others.
  mutating func append(_ id: Int32) {
    previous.append(ids.count - 1)
    ids.append(id)
    next.append(ids.count)
  }

  /// Carries out all merges.
  mutating func mergeAll(_ merges: MergeTable) {
    for position in 0..<max(0, ids.count - 1) { push(position, merges: merges) }
    while let position = nextMerge(merges) { merge(position, merges: merges) }
  }

  /// The merge of the symbol at `position` with its right neighbour, if there is one.
  private func merge(at position: Int, _ merges: MergeTable) -> MergeTable.Merge? {
    let right = next[position]
    guard ids[position] != Self.merged, right < ids.count else { return nil }
    return merges[ids[position], ids[right]]
  }

  /// Notes the merge at `position`, if there is one.
  private mutating func push(_ position: Int, merges: MergeTable) {
    guard let merge = merge(at: position, merges) else { return }
    heap.append(UInt64(merge.rank) << 32 | UInt64(position))
    siftUp()
  }

  /// Where the next merge takes place; nil when none is left.
  private mutating func nextMerge(_ merges: MergeTable) -> Int? {
    while let entry = popSmallest() {
      let position = Int(entry & 0xFFFF_FFFF)
      // Ranks are unique: another rank means that the pair has changed since it was noted.
      if merge(at: position, merges)?.rank == UInt32(entry >> 32) { return position }
    }
    return nil
  }

  /// Merges the symbol at `position` with its right neighbour and notes the new pairs.
  private mutating func merge(_ position: Int, merges: MergeTable) {
    guard let merge = merge(at: position, merges) else { return }
    let right = next[position]
    ids[position] = merge.id
    ids[right] = Self.merged
    next[position] = next[right]
    if next[right] < ids.count { previous[next[right]] = position }
    if previous[position] >= 0 { push(previous[position], merges: merges) }
    push(position, merges: merges)
  }

  /// Appends the symbols that are left.
  func appendIDs(to result: inout [Int32]) {
    var position = 0
    while position < ids.count {
      result.append(ids[position])
      position = next[position]
    }
  }

  private mutating func siftUp() {
    var child = heap.count - 1
    while child > 0, heap[child] < heap[(child - 1) / 2] {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func popSmallest() -> UInt64? {
    guard let smallest = heap.first, let last = heap.popLast() else { return nil }
    guard !heap.isEmpty else { return smallest }
    heap[0] = last
    var parent = 0
    while 2 * parent + 1 < heap.count {
      var child = 2 * parent + 1
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < heap[parent] else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return smallest
  }
}
