import Foundation
import Statistics

extension SeededGenerator {
  /// The stream of one generation of a search, so that a generation can be repeated without those
  /// before it.
  ///
  /// Seed and generation pass through the generator's own mixing, since streams whose seeds differ
  /// by a multiple of its increment would be one sequence at two places.
  init(seed: UInt64, generation: Int) {
    var outer = SeededGenerator(seed: seed)
    var inner = SeededGenerator(seed: outer.next() &+ UInt64(bitPattern: Int64(generation)))
    self.init(seed: inner.next())
  }

  /// A uniform number in 0..<1, a multiple of 2^-53.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}

/// Draws from a Poisson distribution, by inversion.
struct PoissonCount: Sendable {
  /// Distribution function of a draw with mean `mean / parts`.
  private let cumulative: [Double]
  /// Draws that are summed, so that exp(-mean) of each is far from underflow.
  private let parts: Int

  init(mean: Double) {
    parts = max(1, Int((mean / 32).rounded(.up)))
    let mean = mean / Double(parts)
    var (term, sum) = (exp(-mean), 0.0)
    var cumulative: [Double] = []
    while cumulative.count < 256, sum < 1 - 0x1p-52 {
      sum += term
      cumulative.append(sum)
      term *= mean / Double(cumulative.count)
    }
    self.cumulative = cumulative
  }

  func draw(using random: inout SeededGenerator) -> Int {
    var count = 0
    for _ in 0..<parts {
      let value = random.unit()
      count += cumulative.firstIndex { value < $0 } ?? cumulative.count
    }
    return count
  }
}
