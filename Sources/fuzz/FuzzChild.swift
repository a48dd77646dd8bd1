import Foundation
import Statistics
import Tensors

/// Makes inputs and feeds them, one after the other, until one ends the process.
struct FuzzChild {
  static let memoryLimit: UInt = 2 << 30

  let target: FuzzTarget
  let seed: UInt64
  let record: InputRecord

  func run(_ range: Range<Int>) throws {
    Self.limitMemory()
    let corpus = try Corpus(target)
    let feeding = try Feeding(target)
    defer { feeding.removeFiles() }
    for index in range {
      var random = SeededGenerator(seed: Self.seed(of: index, seed, target))
      let bytes = Mutator(corpus).input(using: &random)
      record.set(index: index, bytes: bytes)
      if feeding.accepts(bytes) { record.set(accepted: record.accepted + 1) }
    }
    record.set(index: range.upperBound, bytes: [])
  }

  private static func seed(of index: Int, _ seed: UInt64, _ target: FuzzTarget) -> UInt64 {
    var hash = seed
    for byte in target.rawValue.utf8 { hash = hash &* 0x100_0000_01B3 ^ UInt64(byte) }
    var random = SeededGenerator(seed: hash &+ UInt64(index))
    return random.next()
  }

  /// Beyond the limit an allocation fails, which ends the process like a trap.
  private static func limitMemory() {
    var limit = rlimit(rlim_cur: memoryLimit, rlim_max: memoryLimit)
    setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit)
    // The input is in the record; a core file would only take time.
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
  }
}
