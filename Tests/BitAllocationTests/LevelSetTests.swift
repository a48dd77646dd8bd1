import BitAllocation
import JSON
import Testing

@Suite("Level sets")
struct LevelSetTests {
  private func mix(_ parts: [(Int, Double)]) throws -> LevelMix {
    try LevelMix(parts: parts.map { LevelMix.Part(bits: $0.0, share: $0.1) })
  }

  private func split(_ level: LevelMix, _ neurons: Int, block: Int = 32) -> [[Int]] {
    level.split(neurons: neurons, blockSize: block).map { [$0.bits, $0.neurons] }
  }

  @Test("the named sets are those of the decisions, with the whole bits they are made of")
  func named() {
    #expect(LevelSet.paper.levels.map(\.bits) == [2, 2.5, 3, 3.5, 4])
    #expect(LevelSet.paper.wholeBits == [2, 3, 4])
    #expect(LevelSet.wide.levels.map(\.bits) == [1, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8])
    #expect(LevelSet.wide.wholeBits == [1, 2, 3, 4, 5, 6, 8])
  }

  @Test("half of the blocks get the higher bits; an odd block and a short one the lower")
  func halves() throws {
    let half = try LevelMix(bits: 2.5)
    #expect(split(half, 448) == [[3, 224], [2, 224]])
    // Three blocks: one and two.
    #expect(split(half, 96) == [[3, 32], [2, 64]])
    // Four blocks, the last of four neurons.
    #expect(split(half, 100) == [[3, 64], [2, 36]])
    #expect(split(half, 32) == [[2, 32]])
    #expect(split(half, 5) == [[2, 5]])
    #expect(split(half, 6, block: 3) == [[3, 3], [2, 3]])
    // 2752 = 86 blocks.
    #expect(split(try LevelMix(bits: 7.5), 2752) == [[8, 1376], [7, 1376]])
  }

  @Test("a mix is rounded down to blocks from the highest bits on")
  func mixes() throws {
    let quarter = try mix([(2, 0.75), (4, 0.25)])
    #expect(quarter.bits == 2.5)
    // A quarter of 14 blocks is 3.5.
    #expect(split(quarter, 448) == [[4, 96], [2, 352]])
    // Of 10 blocks 0.3 and 0.6 at 8 and at 8 or 4: 3, then 3 more, then the rest.
    #expect(
      split(try mix([(8, 0.3), (4, 0.3), (1, 0.4)]), 310) == [[8, 96], [4, 96], [1, 118]])
    // Thirds written with six decimals are thirds.
    #expect(
      split(try mix([(4, 0.333333), (3, 0.333333), (2, 0.333334)]), 96)
        == [[4, 32], [3, 32], [2, 32]])
  }

  @Test(
    "a split has all neurons, falling bits and whole blocks before its last slice",
    arguments: [1, 31, 32, 33, 96, 100, 448, 1408])
  func splitIsValid(neurons: Int) throws {
    let levels =
      LevelSet.wide.levels + [try mix([(8, 0.05), (3, 0.15), (2, 0.8)]), try mix([(4, 1)])]
    for level in levels {
      for block in [1, 7, 32, 128] {
        let slices = level.split(neurons: neurons, blockSize: block)
        #expect(slices.reduce(0) { $0 + $1.neurons } == neurons)
        #expect(slices.allSatisfy { $0.neurons > 0 })
        #expect(zip(slices, slices.dropFirst()).allSatisfy { $0.bits > $1.bits })
        #expect(slices.dropLast().allSatisfy { $0.neurons.isMultiple(of: block) })
        let bits = slices.reduce(0) { $0 + $1.bits * $1.neurons }
        // With a short last block, which is at the lowest bits, more may be realised.
        if neurons.isMultiple(of: block) {
          #expect(Double(bits) <= level.bits * Double(neurons) + 1e-3, "\(level) of \(neurons)")
        }
      }
    }
  }

  @Test("names, numbers and shares are read, and written back the same")
  func reading() throws {
    #expect(try LevelSet(json: "paper") == .paper)
    #expect(LevelSet.wide.json == "wide")
    let json: JSONValue = [4, ["4": 0.2, "2": 0.8], 2, 3.5]
    let set = try LevelSet(json: json)
    #expect(set.levels.map(\.bits) == [2, 2.4, 3.5, 4])
    #expect(set.levels[1].parts.map(\.bits) == [4, 2])
    #expect(try LevelSet(json: set.json) == set)
    #expect(set.json == [2, ["4": 0.2, "2": 0.8], 3.5, 4])
    // A list that happens to be a named set has its name.
    #expect(try LevelSet(json: [2, 2.5, 3, 3.5, 4]).json == "paper")
  }

  static let refusals: [(JSONValue, LevelSetError)] = [
    ("papr", .unknownSet("papr", nearest: "paper")),
    ([], .empty),
    (3, .wrongType(place: "levels", got: "a number", expected: "a set's name or an array")),
    ([2, 2.25], .neitherWholeNorHalf(2.25)),
    ([0.5], .bitsOutOfRange(0.5)),
    ([8.5], .bitsOutOfRange(8.5)),
    ([["9": 0.5, "2": 0.5]], .bitsOutOfRange(9)),
    ([["4": 0.5, "2": 0.25]], .sharesDoNotSumToOne(0.75)),
    ([[:]], .sharesDoNotSumToOne(0)),
    ([["4": 0, "2": 1]], .badShare(0, bits: 4)),
    ([["4": 1.5, "2": -0.5]], .badShare(1.5, bits: 4)),
    ([["4": 0.5, "04": 0.5]], .duplicateBits(4)),
    ([2.5, ["4": 0.25, "2": 0.75]], .duplicateBits(2.5)),
    ([2, 2], .duplicateBits(2)),
    ([["four": 1]], .notBits("four", place: "levels/0")),
    (
      [2, ["4": "half"]],
      .wrongType(place: "levels/1/4", got: "a string", expected: "a share as a number")
    ),
    (
      [2, "3"],
      .wrongType(
        place: "levels/1", got: "a string", expected: "a number of bits or an object of shares")
    ),
  ]

  @Test("what makes no sense is refused with its place or value", arguments: refusals)
  func refuses(json: JSONValue, error: LevelSetError) {
    #expect(throws: error) { try LevelSet(json: json) }
  }

  @Test("refusals say what to do")
  func messages() {
    #expect(
      "\(LevelSetError.unknownSet("papr", nearest: "paper"))"
        == "Unknown level set \"papr\". Did you mean \"paper\"? Known: paper, wide; or give a list "
        + "such as [2, 2.5, 3].")
    #expect(
      "\(LevelSetError.sharesDoNotSumToOne(0.75))"
        == "The shares of a mix sum to 0.75; they must sum to 1.")
    #expect(
      "\(LevelSetError.neitherWholeNorHalf(2.25))"
        == "2.25 bits are neither whole nor half; write the mix out, such as "
        + "{\"4\": 0.25, \"2\": 0.75} for 2.5.")
  }
}
