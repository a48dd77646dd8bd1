import Statistics
import Tensors

/// A change of bytes that knows nothing of their meaning.
enum ByteMutation {
  static func apply(
    to bytes: inout [UInt8], donor: [UInt8], using random: inout SeededGenerator
  ) {
    guard !bytes.isEmpty else {
      bytes = donor
      return
    }
    let place = random.below(bytes.count)
    let run = place..<min(bytes.count, place + 1 << random.below(7))
    switch random.below(9) {
    case 0, 1: bytes[place] ^= 1 << UInt8(random.below(8))
    case 2: bytes[place] = UInt8(truncatingIfNeeded: random.next())
    case 3: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
    case 4: bytes.removeSubrange(run)
    case 5: bytes.insert(contentsOf: Array(bytes[run]), at: place)
    case 6: bytes.removeSubrange(place...)
    case 7 where !donor.isEmpty:
      bytes = Array(bytes[..<place] + donor[random.below(donor.count)...])
    default: bytes.replaceSubrange(run, with: interesting[random.below(interesting.count)])
    }
  }

  private static let interesting: [[UInt8]] =
    [
      [0], [0xFF], [0x80], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
      [0, 0, 0, 0, 0, 0, 0, 0x80], [UInt8](repeating: 0xFF, count: 8), [0, 0, 0xC0, 0x7F],
    ]
    + ["-1", "0", "9223372036854775807", "1e308", "NaN", "[[[[", "\\u", "\\ud800"].map {
      Array($0.utf8)
    }
}
