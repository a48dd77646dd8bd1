/// Different byte strings, numbered from 0 in the order in which they came: open addressing with
/// linear probing over one flat buffer.
///
/// Swift's own strings are equal if Unicode calls them canonically equivalent; tokens are not.
struct ByteStringTable: Sendable {
  private var bytes: [UInt8] = []
  /// Where each string ends in `bytes`.
  private var ends: [Int] = []
  /// One more than the string's number; 0 is an empty slot.
  private var slots: [Int32]

  init(capacity: Int) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    slots = [Int32](repeating: 0, count: size)
  }

  var count: Int { ends.count }

  /// The string of a number.
  subscript(number: Int) -> ArraySlice<UInt8> {
    bytes[(number == 0 ? 0 : ends[number - 1])..<ends[number]]
  }

  func number(of string: Span<UInt8>) -> Int? {
    let number = Int(slots[slot(of: string)]) - 1
    return number < 0 ? nil : number
  }

  /// The number of a string, a new one if need be.
  mutating func insert(_ string: Span<UInt8>) -> Int {
    if 2 * (count + 1) > slots.count { grow() }
    let slot = slot(of: string)
    if slots[slot] == 0 {
      bytes.append(copying: string)
      ends.append(bytes.count)
      slots[slot] = Int32(count)
    }
    return Int(slots[slot]) - 1
  }

  private func slot(of string: Span<UInt8>) -> Int {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: PretokenCache.hash(string)) & mask
    while slots[slot] != 0, !holds(string, number: Int(slots[slot]) - 1) {
      slot = (slot + 1) & mask
    }
    return slot
  }

  private func holds(_ string: Span<UInt8>, number: Int) -> Bool {
    let start = number == 0 ? 0 : ends[number - 1]
    guard ends[number] - start == string.count else { return false }
    for index in string.indices where bytes[start + index] != string[index] { return false }
    return true
  }

  private mutating func grow() {
    slots = [Int32](repeating: 0, count: 2 * slots.count)
    for number in 0..<count {
      let string = Array(self[number])
      slots[slot(of: string.span)] = Int32(number + 1)
    }
  }
}
