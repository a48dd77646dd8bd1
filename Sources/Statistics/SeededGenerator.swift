/// SplitMix64, the generator behind every seeded choice that needs no other stream.
///
/// Its state is the seed, so that a seed in a spec names the whole sequence.
/// - SeeAlso: Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators",
///   doi:10.1145/2660193.2660195.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// A uniform integer in `0..<bound`, by Lemire's rejection method, the same on every platform.
  ///
  /// The standard library leaves the algorithm of `Int.random(in:using:)` open; results must not
  /// change with a toolchain.
  public mutating func below(_ bound: Int) -> Int {
    precondition(bound > 0, "bound \(bound)")
    let width = UInt64(bound)
    var product = next().multipliedFullWidth(by: width)
    let threshold = (0 &- width) % width
    while product.low < threshold { product = next().multipliedFullWidth(by: width) }
    return Int(product.high)
  }

  /// Shuffles in place (Fisher–Yates, from the end).
  public mutating func shuffle<Element>(_ elements: inout [Element]) {
    guard elements.count > 1 else { return }
    for last in stride(from: elements.count - 1, to: 0, by: -1) {
      elements.swapAt(last, below(last + 1))
    }
  }
}
