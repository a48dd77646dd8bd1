/// Ids of pre-tokens that were encoded before: text repeats its words, merging them once is enough.
struct PretokenCache {
  private struct Entry {
    let hash: UInt64
    let bytes: Range<Int>
    let ids: Range<Int>
  }

  /// Longer pre-tokens hardly repeat.
  static let longestWord = 64

  private var entries: [Entry] = []
  /// One more than the entry's index; 0 is an empty slot.
  private var slots = [Int32](repeating: 0, count: 256)
  private var bytes: [UInt8] = []
  private var ids: [Int32] = []

  /// FNV-1a, with the high bits folded in for the slot.
  static func hash(_ word: Span<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in word.indices { hash = (hash ^ UInt64(word[index])) &* 0x100_0000_01B3 }
    return hash ^ (hash >> 32)
  }

  /// Appends the ids of `word` if they are known.
  func append(_ word: Span<UInt8>, hash: UInt64, to result: inout [Int32]) -> Bool {
    let slot = slot(of: word, hash: hash)
    guard slots[slot] != 0 else { return false }
    let known = entries[Int(slots[slot]) - 1].ids
    for index in known { result.append(ids[index]) }
    return true
  }

  /// Remembers the ids of a word that is not known yet.
  mutating func insert(_ word: Span<UInt8>, hash: UInt64, ids newIDs: ArraySlice<Int32>) {
    if 2 * entries.count >= slots.count { grow() }
    let (byteStart, idStart) = (bytes.count, ids.count)
    for index in word.indices { bytes.append(word[index]) }
    ids.append(contentsOf: newIDs)
    let slot = slot(of: word, hash: hash)
    entries.append(
      Entry(hash: hash, bytes: byteStart..<bytes.count, ids: idStart..<ids.count))
    slots[slot] = Int32(entries.count)
  }

  /// The slot that holds the word, or the empty one where it belongs.
  private func slot(of word: Span<UInt8>, hash: UInt64) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) - 1]
      if entry.hash == hash, isEqual(entry.bytes, word) { return slot }
      slot = (slot + 1) & mask
    }
    return slot
  }

  private func isEqual(_ range: Range<Int>, _ word: Span<UInt8>) -> Bool {
    guard range.count == word.count else { return false }
    for index in word.indices where bytes[range.lowerBound + index] != word[index] { return false }
    return true
  }

  private mutating func grow() {
    let mask = 2 * slots.count - 1
    slots = [Int32](repeating: 0, count: 2 * slots.count)
    for (index, entry) in entries.enumerated() {
      var slot = Int(truncatingIfNeeded: entry.hash) & mask
      while slots[slot] != 0 { slot = (slot + 1) & mask }
      slots[slot] = Int32(index + 1)
    }
  }
}
