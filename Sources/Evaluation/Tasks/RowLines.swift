import Checkpoints
import Foundation

/// The lines of a file of rows that are not empty, with their numbers from 1.
struct RowLines: Sequence, IteratorProtocol {
  private var rest: Substring.UTF8View
  private var number = 0

  /// - Parameter url: Plain or gzip; a byte order mark before the first line is passed over.
  /// - Throws: `TextCorpusError`.
  init(_ url: URL) throws {
    let text = try TextCorpus(url, format: .text).text
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    rest = text.utf8.starts(with: mark) ? text.utf8.dropFirst(mark.count) : text.utf8[...]
  }

  mutating func next() -> (number: Int, data: Data)? {
    while !rest.isEmpty {
      let line = rest.prefix { $0 != UInt8(ascii: "\n") }
      rest = rest[line.endIndex...].dropFirst()
      number += 1
      if !line.allSatisfy(Self.isSpace) { return (number, Data(line)) }
    }
    return nil
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (9...13).contains(byte) }
}
