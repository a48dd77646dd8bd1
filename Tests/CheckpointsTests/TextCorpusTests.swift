import Checkpoints
import Foundation
import Testing

@Suite("Text files")
struct TextCorpusTests {
  /// `gzip -nc` of "Grüße\n\nzwei\n".
  private static let zipped: [UInt8] = [
    0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x73, 0x2F, 0x3A, 0xBC,
    0xE7, 0xF0, 0xFC, 0x54, 0x2E, 0xAE, 0xAA, 0xF2, 0xD4, 0x4C, 0x2E, 0x00, 0x57, 0xB1,
    0xF4, 0x19, 0x0E, 0x00, 0x00, 0x00,
  ]

  @Test("a gzip file gives the text of the plain one")
  func gzip() throws {
    let folder = try TemporaryFolder()
    let plain = try folder.write("a.txt", "Grüße\n\nzwei\n".utf8)
    let zipped = try folder.write("a.gz", Self.zipped)
    for format in TextFormat.allCases {
      #expect(
        try TextCorpus(zipped, format: format).text == TextCorpus(plain, format: format).text)
    }
    #expect(try TextCorpus(zipped, format: .text).text == "Grüße\n\nzwei\n")
  }

  @Test("more than one block of a file is read")
  func large() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "0123456789abcde\n", count: 200_000)
    #expect(try TextCorpus(folder.write("a.txt", text.utf8), format: .text).text == text)
  }

  @Test(
    "wikitext rows keep their line feed, blank rows become empty, rows are joined with two",
    arguments: [
      ("a\n", "a\n"),
      ("a\nb\n", "a\n\n\nb\n"),
      // What ends without a line feed is a row too.
      ("a\nb", "a\n\n\nb\n"),
      (" \n = Title = \n \n text \n", "\n\n = Title = \n\n\n\n\n text \n"),
      ("a\n\t \nb\n", "a\n\n\n\n\nb\n"),
      ("a\n\n", "a\n\n\n"),
    ])
  func wikitext(raw: String, expected: String) throws {
    let folder = try TemporaryFolder()
    #expect(try TextCorpus(folder.write("a.txt", raw.utf8), format: .wikitext).text == expected)
  }

  @Test(
    "documents lie between lines that are empty or white space",
    arguments: [
      ("a", ["a"]),
      ("a\nb\n\nc\n", ["a\nb", "c"]),
      ("\n\n a \n \t\n\n\nb\r\n\r\nc\n", [" a ", "b\r", "c"]),
      ("\n \n", []),
    ])
  func documents(raw: String, expected: [String]) throws {
    let folder = try TemporaryFolder()
    #expect(
      try TextCorpus(folder.write("a.txt", raw.utf8), format: .text).documents == expected)
  }

  @Test("bytes that are no UTF-8 become U+FFFD")
  func repairsUTF8() throws {
    let folder = try TemporaryFolder()
    let url = try folder.write("a.txt", [0x61, 0xFF, 0x62])
    #expect(try TextCorpus(url, format: .text).text == "a\u{FFFD}b")
  }

  @Test("a missing file, a folder and an empty file are refused by name")
  func errors() throws {
    let folder = try TemporaryFolder()
    let missing = folder.url.appendingPathComponent("none.txt")
    #expect(throws: TextCorpusError.missing(path: missing.path)) {
      try TextCorpus(missing, format: .text)
    }
    #expect(throws: TextCorpusError.unreadable(path: folder.url.path, reason: "Is a directory")) {
      try TextCorpus(folder.url, format: .text)
    }
    let empty = try folder.write("empty.txt", [])
    for format in TextFormat.allCases {
      #expect(throws: TextCorpusError.empty(path: empty.path)) {
        try TextCorpus(empty, format: format)
      }
    }
    #expect("\(TextCorpusError.empty(path: empty.path))".hasPrefix("\(empty.path): "))
  }

  @Test("a gzip file that is cut off or damaged is refused")
  func damagedGzip() throws {
    let folder = try TemporaryFolder()
    var flipped = Self.zipped
    flipped[flipped.count - 6] ^= 0xFF
    for (name, bytes) in [("cut.gz", Array(Self.zipped.dropLast(10))), ("flipped.gz", flipped)] {
      let url = try folder.write(name, bytes)
      let text = errorText { _ = try TextCorpus(url, format: .text) }
      #expect(text.hasPrefix("\(url.path): cannot be read"), "\(name): \(text)")
    }
  }
}
