import Statistics
import Testing

@Suite("Seeded choices")
struct SeededGeneratorTests {
  @Test("seed 0 gives the published SplitMix64 sequence")
  func knownValues() {
    var random = SeededGenerator(seed: 0)
    // Vigna's splitmix64.c.
    #expect(random.next() == 0xE220_A839_7B1D_CDAF)
    #expect(random.next() == 0x6E78_9E6A_A1B9_65F4)
    #expect(random.next() == 0x06C4_5D18_8009_454F)
  }

  @Test("below draws every number of a small range about equally often")
  func smallRange() {
    var random = SeededGenerator(seed: 10)
    var counts = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { counts[random.below(7)] += 1 }
    // Five standard deviations of a binomial count: 5 √(70,000 · 1/7 · 6/7) = 463.
    #expect(counts.allSatisfy { abs($0 - 10_000) < 463 }, "\(counts)")
    #expect(random.below(1) == 0)
  }

  @Test("below has no bias where the range is a large part of 2⁶⁴")
  func largeRange() {
    var random = SeededGenerator(seed: 11)
    // Of 8 consecutive words, multiplication alone would map 3, 3 and 2 to the residues modulo 3.
    let bound = 3 << 61
    var counts = [0, 0, 0]
    for _ in 0..<30_000 {
      let value = random.below(bound)
      #expect((0..<bound).contains(value))
      counts[value % 3] += 1
    }
    // Five standard deviations: 5 √(30,000 · 1/3 · 2/3) = 408; the bias would be 2,500.
    #expect(counts.allSatisfy { abs($0 - 10_000) < 408 }, "\(counts)")
  }

  @Test("a shuffle is a permutation, the same for the same seed", arguments: [0, 1, 2, 100])
  func shuffle(count: Int) {
    func shuffled(seed: UInt64) -> [Int] {
      var random = SeededGenerator(seed: seed)
      var elements = Array(0..<count)
      random.shuffle(&elements)
      return elements
    }
    #expect(shuffled(seed: 12).sorted() == Array(0..<count))
    #expect(shuffled(seed: 12) == shuffled(seed: 12))
    if count == 100 { #expect(shuffled(seed: 12) != shuffled(seed: 13)) }
  }

  @Test("all orders of three elements are about equally frequent")
  func shuffleIsFair() {
    var random = SeededGenerator(seed: 14)
    var counts: [[Int]: Int] = [:]
    for _ in 0..<6000 {
      var elements = [0, 1, 2]
      random.shuffle(&elements)
      counts[elements, default: 0] += 1
    }
    #expect(counts.count == 6)
    // Five standard deviations: 5 √(6,000 · 1/6 · 5/6) = 144.
    #expect(counts.values.allSatisfy { abs($0 - 1000) < 144 }, "\(counts)")
  }
}
