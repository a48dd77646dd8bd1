import Calibration
import Checkpoints
import Testing

@Suite("Calibration samples")
struct CalibrationSampleTests {
  private let text: (path: String, tokens: [Int32]) = ("a.txt", Array(0..<1000))

  @Test("windows have the length asked for and are stretches of the text")
  func windows() throws {
    let sample = try CalibrationSample(text: text, count: 50, context: 64, seed: 1)
    #expect(sample.sequences.count == 50)
    for window in sample.sequences {
      let first = try #require(window.first)
      #expect(window == Array(first..<first + 64))
    }
  }

  @Test("the same seed gives the same windows, another one others")
  func seeds() throws {
    let samples = try [1, 1, 2].map {
      try CalibrationSample(text: text, count: 8, context: 64, seed: $0).sequences
    }
    #expect(samples[0] == samples[1])
    #expect(samples[0] != samples[2])
  }

  @Test("every start is possible, the last one too")
  func starts() throws {
    let sample = try CalibrationSample(
      text: ("a.txt", [1, 2, 3, 4]), count: 200, context: 2, seed: 3)
    #expect(Set(sample.sequences) == [[1, 2], [2, 3], [3, 4]])
  }

  @Test("a larger sample begins with the smaller one of its seed")
  func prefix() throws {
    let samples = try [4, 9].map {
      try CalibrationSample(text: text, count: $0, context: 16, seed: 5).sequences
    }
    #expect(Array(samples[1].prefix(4)) == samples[0])
  }

  @Test("a text of one window's length is that window; a shorter one is refused with both numbers")
  func tooShort() throws {
    let whole = try CalibrationSample(text: ("a.txt", [7, 8]), count: 2, context: 2, seed: 0)
    #expect(whole.sequences == [[7, 8], [7, 8]])
    #expect(throws: TextCorpusError.tooShort(path: "a.txt", tokens: 2, context: 3)) {
      try CalibrationSample(text: ("a.txt", [7, 8]), count: 2, context: 3, seed: 0)
    }
  }
}
