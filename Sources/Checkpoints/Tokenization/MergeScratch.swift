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

  /// Begins with one symbol for each byte.
  mutating func start(_ word: Span<UInt8>, byteIDs: [Int32]) {
    precondition(word.count < Int(UInt32.max), "a pre-token of \(word.count) bytes")
    ids.removeAll(keepingCapacity: true)
    previous.removeAll(keepingCapacity: true)
    next.removeAll(keepingCapacity: true)
    heap.removeAll(keepingCapacity: true)
    for index in word.indices {
      ids.append(byteIDs[Int(word[index])])
      previous.append(index - 1)
      next.append(index + 1)
    }
  }

  /// The merge of the symbol at `position` with its right neighbour, if there is one.
  private func merge(at position: Int, _ merges: MergeTable) -> MergeTable.Merge? {
    let right = next[position]
    guard ids[position] != Self.merged, right < ids.count else { return nil }
    return merges[ids[position], ids[right]]
  }

  /// Notes the merge at `position`, if there is one.
  mutating func push(_ position: Int, merges: MergeTable) {
    guard let merge = merge(at: position, merges) else { return }
    heap.append(UInt64(merge.rank) << 32 | UInt64(position))
    siftUp()
  }

  /// Where the next merge takes place; nil when none is left.
  mutating func nextMerge(_ merges: MergeTable) -> Int? {
    while let entry = popSmallest() {
      let position = Int(entry & 0xFFFF_FFFF)
      // Ranks are unique: another rank means that the pair has changed since it was noted.
      if merge(at: position, merges)?.rank == UInt32(entry >> 32) { return position }
    }
    return nil
  }

  /// Merges the symbol at `position` with its right neighbour and notes the new pairs.
  mutating func merge(_ position: Int, merges: MergeTable) {
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
