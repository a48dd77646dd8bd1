import Checkpoints
import Foundation
import Testing

/// Goldens: `Fixtures/tokenizer/make_goldens.py DATA`, tokenizers 0.23.3.
@Suite(
  "WikiText-2 has the reference's ids",
  .enabled(if: RealData.isPresent, "needs ../shared/data beside the package"))
struct RealDataTokenizerTests {
  /// FNV-1a, 64 bits, over the ids as little-endian 32-bit integers.
  private func fingerprint(_ ids: [Int32]) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for id in ids {
      for shift in stride(from: 0, to: 32, by: 8) {
        hash = (hash ^ UInt64(UInt32(bitPattern: id) >> UInt32(shift) & 0xFF)) &* 0x100_0000_01B3
      }
    }
    return hash
  }

  /// The text as GPTQ-style evaluation joins it: rows are lines with their line feed, a row of white
  /// space alone is empty, rows are joined by two line feeds.
  private func joined(_ text: String) -> String {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let last = lines.removeLast()
    var rows = lines.map { $0 + "\n" }
    if !last.isEmpty { rows.append(last) }
    return rows.map { row in row.allSatisfy(\.isWhitespace) ? "" : row }.joined(separator: "\n\n")
  }

  @Test("the raw file")
  func rawText() throws {
    let tokenizer = try Tokenizer(RealData.tokenizer)
    let bytes = try RealData.unzipped(RealData.wikitext)
    var ids: [Int32] = []
    let duration = try ContinuousClock().measure { ids = try tokenizer.encode(utf8: bytes) }
    #expect(ids.count == 413_237)
    #expect(fingerprint(ids) == 0x0F08_AA30_124C_9598)
    #expect(Array(tokenizer.decode(ids).utf8) == bytes)
    // About fifty times the measured 0.1 s: only a lost fast path fails on a busy machine.
    #expect(duration < .seconds(5), "\(duration) for \(bytes.count) bytes")
  }

  @Test("the rows joined by two line feeds")
  func joinedText() throws {
    let tokenizer = try Tokenizer(RealData.tokenizer)
    let text = String(decoding: try RealData.unzipped(RealData.wikitext), as: UTF8.self)
    let ids = tokenizer.encode(joined(text))
    #expect(ids.count == 417_308)
    #expect(fingerprint(ids) == 0x2084_67EF_8AAC_8B34)
  }
}
