import Checkpoints
import Foundation
import Testing

/// Goldens: `Fixtures/tokenizer/make_family_goldens.py DATA`, tokenizers 0.23.3.
@Suite("Every family's tokenizer gives the ids and the text of the tokenizers package")
struct FamilyTokenizerTests {
  private struct Goldens: Decodable {
    struct Encoded: Decodable {
      let text: String
      let ids: [Int32]
      let idsWithSpecialTokens: [Int32]?
    }
    struct Decoded: Decodable {
      let ids: [Int32]
      let text: String
    }
    struct Variant: Decodable {
      let vocabularySize: Int
      let encoded: [Encoded]
      let decoded: [Decoded]
    }
    let variants: [String: Variant]
  }

  @Test(
    "real normalizers, patterns, added tokens and decoders over a reduced vocabulary",
    arguments: [
      "gpt2", "olmoe", "qwen2", "deepseek2", "llama2", "llama3", "flagged", "flagged-llama2",
      "metaspace-first", "metaspace-always", "metaspace-never", "unknown", "unknown-apart",
    ])
  func idsAndTextEqualReference(variant: String) throws {
    let folder = "tokenizer/families"
    let tokenizer = try Tokenizer(Fixture.url("\(folder)/\(variant).tokenizer.json"))
    let goldens = try Fixture.goldens("\(folder)/goldens.json", as: Goldens.self)
    let golden = try #require(goldens.variants[variant])
    #expect(tokenizer.vocabularySize == golden.vocabularySize)
    for encoded in golden.encoded {
      #expect(tokenizer.encode(encoded.text) == encoded.ids, "\(encoded.text.debugDescription)")
      #expect(
        tokenizer.encode(encoded.text, addSpecialTokens: true)
          == encoded.idsWithSpecialTokens ?? encoded.ids)
    }
    for decoded in golden.decoded {
      // Strings compare by canonical equivalence, tokenizers must agree byte for byte.
      #expect(Array(tokenizer.decode(decoded.ids).utf8) == Array(decoded.text.utf8))
    }
  }

  @Test("a text of one word takes no quadratic time", arguments: ["llama2", "metaspace-never"])
  func longWordIsFast(variant: String) throws {
    let tokenizer = try Tokenizer(Fixture.url("tokenizer/families/\(variant).tokenizer.json"))
    let duration = try ContinuousClock().measure {
      try #require(tokenizer.encode(String(repeating: "the", count: 100_000)).count > 10_000)
    }
    // Quadratic merging needs minutes; seconds leave room for a busy machine.
    #expect(duration < .seconds(10))
  }
}

@Suite(
  "The tokenizers of five models give the reference's ids and text",
  .enabled(if: RealData.hasTokenizers, "needs ../shared/data beside the package"))
struct RealDataFamilyTests {
  struct Golden: Sendable, CustomTestStringConvertible {
    let name: String
    let corpus: String
    let count: Int
    /// FNV-1a, 64 bits, over the ids as little-endian 32-bit integers.
    let ids: UInt64
    /// FNV-1a, 64 bits, over the decoded text.
    let text: UInt64

    var testDescription: String { "\(name), \(corpus)" }

    init(_ name: String, _ corpus: String, count: Int, ids: UInt64, text: UInt64) {
      (self.name, self.corpus, self.count) = (name, corpus, count)
      (self.ids, self.text) = (ids, text)
    }
  }

  static let goldens = [
    Golden(
      "gpt2", "wikitext2_raw_test", count: 286_221,
      ids: 0x71DA_B1E5_B175_239C, text: 0x7619_FAF3_7BB0_E80D),
    Golden(
      "gpt2", "olmoe_sample_github_oss_with_stack.txt", count: 613_791,
      ids: 0xFE3B_A16F_D938_B386, text: 0x7B4F_49E2_C9E9_0054),
    Golden(
      "olmoe-1b-7b", "wikitext2_raw_test", count: 287_159,
      ids: 0xD223_6667_D9AE_E9FC, text: 0x7619_FAF3_7BB0_E80D),
    Golden(
      "olmoe-1b-7b", "olmoe_sample_github_oss_with_stack.txt", count: 430_571,
      ids: 0x8215_50E1_D33E_3781, text: 0x7B4F_49E2_C9E9_0054),
    Golden(
      "qwen2.5", "wikitext2_raw_test", count: 299_078,
      ids: 0xB618_3FB6_1275_FD2A, text: 0x7619_FAF3_7BB0_E80D),
    Golden(
      "qwen2.5", "olmoe_sample_github_oss_with_stack.txt", count: 344_746,
      ids: 0x9925_FFF6_DA63_A6DD, text: 0x7B4F_49E2_C9E9_0054),
    Golden(
      "deepseek-v2", "wikitext2_raw_test", count: 305_345,
      ids: 0xEB55_EDBA_9560_166A, text: 0x7619_FAF3_7BB0_E80D),
    Golden(
      "deepseek-v2", "olmoe_sample_github_oss_with_stack.txt", count: 426_526,
      ids: 0x6542_5B86_E7FC_8C2D, text: 0x7B4F_49E2_C9E9_0054),
    Golden(
      "llama2", "wikitext2_raw_test", count: 335_687,
      ids: 0x798D_F6A2_9CE1_5AF4, text: 0x7619_FAF3_7BB0_E80D),
    Golden(
      "llama2", "olmoe_sample_github_oss_with_stack.txt", count: 462_643,
      ids: 0x0431_5091_AC38_3686, text: 0x7B4F_49E2_C9E9_0054),
  ]

  private func fingerprint(_ bytes: some Sequence<UInt8>) -> UInt64 {
    bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  @Test("WikiText-2 and source code", arguments: goldens)
  func idsAndTextEqualReference(golden: Golden) throws {
    let folder = try TemporaryFolder()
    let url = try folder.write(
      "tokenizer.json", RealData.unzipped(RealData.tokenizers(golden.name)))
    let tokenizer = try Tokenizer(url)
    let bytes = try RealData.unzipped(
      RealData.folder.appendingPathComponent("corpora/\(golden.corpus).gz"))
    let ids = try tokenizer.encode(utf8: bytes)
    #expect(ids.count == golden.count)
    let idBytes = ids.flatMap { id in (0..<4).map { UInt8(truncatingIfNeeded: id >> ($0 * 8)) } }
    #expect(golden.ids == fingerprint(idBytes))
    #expect(golden.text == fingerprint(tokenizer.decode(ids).utf8))
  }
}
