/// The generator of Python's `random` module, bit for bit, as far as GPTQ's code and lm-eval use it.
///
/// - SeeAlso: Matsumoto and Nishimura 1998, "Mersenne Twister", MT19937; CPython,
///   `Modules/_randommodule.c` and `Lib/random.py`.
public struct PythonRandom: Sendable {
  private static let size = 624
  private var state = [UInt32](repeating: 0, count: size)
  private var index = size

  /// `random.seed(seed)` for a seed that is not negative.
  public init(seed: UInt64) {
    fill(from: 19_650_218)
    let high = UInt32(truncatingIfNeeded: seed >> 32)
    let key = [UInt32(truncatingIfNeeded: seed)] + (high == 0 ? [] : [high])
    var (i, j) = (1, 0)
    for _ in 0..<max(Self.size, key.count) {
      let previous = state[i - 1] ^ (state[i - 1] >> 30)
      state[i] = (state[i] ^ (previous &* 1_664_525)) &+ key[j] &+ UInt32(j)
      i += 1
      j = (j + 1) % key.count
      if i == Self.size { (state[0], i) = (state[Self.size - 1], 1) }
    }
    for _ in 0..<Self.size - 1 {
      let previous = state[i - 1] ^ (state[i - 1] >> 30)
      state[i] = (state[i] ^ (previous &* 1_566_083_941)) &- UInt32(i)
      i += 1
      if i == Self.size { (state[0], i) = (state[Self.size - 1], 1) }
    }
    state[0] = 0x8000_0000
  }

  /// `random.randint(low, high)`, both ends included.
  public mutating func integer(in range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(below(UInt64(range.upperBound - range.lowerBound) + 1))
  }

  /// `random.sample(range(population), count)`: places without repetition, in the order drawn.
  ///
  /// - Parameters:
  ///   - count: From 0 to the population.
  ///   - population: Places 0…population − 1.
  /// - Returns: `count` places.
  public mutating func sample(_ count: Int, of population: Int) -> [Int] {
    precondition((0...population).contains(count), "\(count) of \(population)")
    // CPython copies the population where that is smaller than a set of so many numbers.
    var largestCopied = 21
    if count > 5 {
      var power = 4
      while power < 3 * count { power *= 4 }
      largestCopied += power
    }
    guard population > largestCopied else { return sampleByCopy(count, of: population) }
    var (chosen, seen): ([Int], Set<Int>) = ([], [])
    while chosen.count < count {
      let place = Int(below(UInt64(population)))
      if seen.insert(place).inserted { chosen.append(place) }
    }
    return chosen
  }

  private mutating func sampleByCopy(_ count: Int, of population: Int) -> [Int] {
    var pool = Array(0..<population)
    return (0..<count).map { drawn in
      let place = Int(below(UInt64(population - drawn)))
      defer { pool[place] = pool[population - drawn - 1] }
      return pool[place]
    }
  }

  /// `_randbelow_with_getrandbits`: bits are drawn until the number is small enough.
  private mutating func below(_ count: UInt64) -> UInt64 {
    let bits = UInt64.bitWidth - count.leadingZeroBitCount
    var number = self.bits(bits)
    while number >= count { number = self.bits(bits) }
    return number
  }

  /// `getrandbits(count)`, 1…64: words from the low end up, the last one shifted down.
  private mutating func bits(_ count: Int) -> UInt64 {
    guard count > 32 else { return UInt64(next() >> UInt32(32 - count)) }
    let low = UInt64(next())
    return UInt64(next() >> UInt32(64 - count)) << 32 | low
  }

  private mutating func fill(from value: UInt32) {
    state[0] = value
    for i in 1..<Self.size {
      state[i] = 1_812_433_253 &* (state[i - 1] ^ (state[i - 1] >> 30)) &+ UInt32(i)
    }
    index = Self.size
  }

  private mutating func next() -> UInt32 {
    if index == Self.size { twist() }
    var y = state[index]
    index += 1
    y ^= y >> 11
    y ^= (y << 7) & 0x9D2C_5680
    y ^= (y << 15) & 0xEFC6_0000
    return y ^ (y >> 18)
  }

  private mutating func twist() {
    for i in 0..<Self.size {
      let y = (state[i] & 0x8000_0000) | (state[(i + 1) % Self.size] & 0x7FFF_FFFF)
      state[i] =
        state[(i + 397) % Self.size] ^ (y >> 1) ^ (y.isMultiple(of: 2) ? 0 : 0x9908_B0DF)
    }
    index = 0
  }
}
