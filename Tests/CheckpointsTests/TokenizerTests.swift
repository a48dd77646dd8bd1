import Checkpoints
import Foundation
import Testing

@Suite("The tokenizer gives the ids of the tokenizers package")
struct TokenizerTests {
  private struct Goldens: Decodable {
    struct Encoded: Decodable {
      let text: String
      let ids: [Int32]
      let idsWithSpecialTokens: [Int32]
    }
    struct Decoded: Decodable {
      let ids: [Int32]
      let text: String
      let textWithoutSpecialTokens: String
    }
    struct Variant: Decodable {
      let vocabularySize: Int
      let encoded: [Encoded]
      let decoded: [Decoded]
    }
    let variants: [String: Variant]
  }

  private func tokenizer(_ variant: String) throws -> Tokenizer {
    try Tokenizer(Fixture.url("tokenizer/\(variant).tokenizer.json"))
  }

  private func golden(_ variant: String) throws -> Goldens.Variant {
    let goldens = try Fixture.goldens("tokenizer/goldens.json", as: Goldens.self)
    return try #require(goldens.variants[variant])
  }

  @Test(
    "every golden text, with and without special tokens, in every supported setting",
    arguments: ["plain", "joined", "spaced", "unsplit", "whole", "template"])
  func idsEqualReference(variant: String) throws {
    let tokenizer = try tokenizer(variant)
    let golden = try golden(variant)
    #expect(tokenizer.vocabularySize == golden.vocabularySize)
    for encoded in golden.encoded {
      #expect(tokenizer.encode(encoded.text) == encoded.ids, "\(encoded.text.debugDescription)")
      #expect(
        tokenizer.encode(encoded.text, addSpecialTokens: true) == encoded.idsWithSpecialTokens,
        "\(encoded.text.debugDescription)")
    }
  }

  @Test("UTF-8 bytes give the ids of the text they spell")
  func bytesEqualText() throws {
    let bytes = try Array(Data(contentsOf: Fixture.url("tokenizer/text.txt")))
    let golden = try #require(try golden("plain").encoded.last)
    #expect(try tokenizer("plain").encode(utf8: bytes) == golden.ids)
  }

  @Test("bytes that are not UTF-8 are refused with their place")
  func invalidBytesAreRefused() throws {
    let tokenizer = try tokenizer("plain")
    #expect(throws: TokenizerError.invalidUTF8(offset: 2)) {
      try tokenizer.encode(utf8: [0x61, 0x62, 0xC3, 0x28])
    }
  }

  @Test("any ids decode to the reference's text, with U+FFFD for what is not UTF-8")
  func decodedTextEqualsReference() throws {
    let tokenizer = try tokenizer("plain")
    for decoded in try golden("plain").decoded {
      // Strings compare by canonical equivalence, tokenizers must agree byte for byte.
      #expect(Array(tokenizer.decode(decoded.ids).utf8) == Array(decoded.text.utf8))
      let skipped = tokenizer.decode(decoded.ids, skipSpecialTokens: true)
      #expect(Array(skipped.utf8) == Array(decoded.textWithoutSpecialTokens.utf8))
    }
  }

  @Test("encoding then decoding is the identity, byte for byte")
  func roundTrip() throws {
    let tokenizer = try tokenizer("plain")
    for encoded in try golden("plain").encoded {
      #expect(
        Array(tokenizer.decode(tokenizer.encode(encoded.text)).utf8) == Array(encoded.text.utf8))
    }
  }

  @Test("tokens and ids are found in both directions, unknown ones are nil")
  func lookup() throws {
    let tokenizer = try tokenizer("plain")
    let id = try #require(tokenizer.id(of: "<|endoftext|>"))
    #expect(tokenizer.token(id) == "<|endoftext|>")
    #expect(tokenizer.id(of: "no such token") == nil)
    #expect(tokenizer.token(-1) == nil)
    #expect(tokenizer.token(100_000) == nil)
    #expect(tokenizer.decode([-1]) == "\u{FFFD}")
  }

  @Test("one pre-token of 200,000 bytes takes no quadratic time")
  func longRunIsFast() throws {
    let tokenizer = try tokenizer("plain")
    let text = String(repeating: "the=", count: 50_000).replacing("=", with: "")
    let duration = try ContinuousClock().measure {
      let ids = tokenizer.encode(text)
      #expect(tokenizer.decode(ids) == text)
      try #require(ids.count < text.utf8.count)
    }
    // Quadratic merging needs minutes; seconds leave room for a busy machine.
    #expect(duration < .seconds(10))
  }
}
