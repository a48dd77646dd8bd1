import Checkpoints
import Foundation

/// Reads `tokenizer.json`, encodes and decodes a nasty text.
struct TokenizerReader: FuzzReader {
  private static let text =
    "ab e\u{301}é <s></s><|endoftext|>'LL we've\r\n\t \u{A0}  \u{200D}👩‍👧 12345 ０٣ \u{0}ǅ漢字 שָׁ 가\u{FFFD}▁▁a "
  private static let raw = Array(text.utf8)

  private let file: InputFile

  init(_ folder: URL) { file = InputFile(folder, "tokenizer.json") }

  func read(_ bytes: [UInt8]) throws {
    try file.write(bytes)
    let tokenizer = try Tokenizer(file.url)
    let ids = tokenizer.encode(Self.text, addSpecialTokens: true)
    _ = tokenizer.decode(ids)
    let strange: [Int32] = [-1, 0, 1, 2, 3, 128, 255, 256, .max, .min]
    _ = tokenizer.decode(ids.reversed() + strange, skipSpecialTokens: true)
    for id in strange { _ = tokenizer.bytes(of: id) }
    _ = try tokenizer.encode(utf8: Self.raw.dropLast(5) + Self.raw)
    _ = tokenizer.encode("")
  }
}
