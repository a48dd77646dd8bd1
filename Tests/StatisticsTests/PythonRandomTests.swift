import Statistics
import Testing

@Suite("Python's generator")
struct PythonRandomTests {
  @Test(
    "draws the same integers",
    arguments: [
      // random.seed(seed); [random.randint(0, last) for _ in range(6)], CPython 3.11.
      (UInt64(0), 2_822_442, [1_615_835, 1_764_005, 169_803, 1_085_975, 2_144_441, 2_038_128]),
      (1, 100, [17, 72, 97, 8, 32, 15]),
      (
        123_456_789_012, 1_000_000_000_000,
        [
          714_583_836_026, 287_851_697_584, 455_869_569_931, 159_773_163_435, 849_660_526_152,
          251_035_588_340,
        ]
      ),
    ])
  func python(seed: UInt64, last: Int, expected: [Int]) {
    var random = PythonRandom(seed: seed)
    #expect(expected.map { _ in random.integer(in: 0...last) } == expected)
  }

  @Test(
    "draws the same samples, from a copy of a small population and a set of a large one",
    arguments: [
      // r = random.Random(1234); [r.sample(range(population), count) for _ in range(2)], CPython 3.11.
      (30, [[24, 14, 3, 0, 2], [29, 25, 18, 1, 21]]),
      (12, [[7, 1, 0, 10, 9], [10, 1, 11, 5, 3]]),
      (85, [[56, 14, 0, 11, 74, 4, 10, 12], [45, 30, 2, 3, 82, 44, 61, 59]]),
      (86, [[56, 14, 0, 11, 74, 4, 85, 10], [12, 45, 30, 2, 3, 44, 82, 79]]),
      (7473, [[6374, 3610, 957, 61, 742], [7462, 6610, 4769, 286, 5501]]),
      (3, [[], []]),
    ])
  func samples(population: Int, expected: [[Int]]) {
    var random = PythonRandom(seed: 1234)
    #expect(expected.map { random.sample($0.count, of: population) } == expected)
  }
}
