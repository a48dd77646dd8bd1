import Foundation

/// Unicode normalization form C, with the tables of the reference.
///
/// The reference composes with Unicode 9: scalars that came later are left alone by it, and so they
/// are here. Foundation knows later versions, hence it is given only runs without such scalars.
/// (`NFC` of tokenizers 0.23.3 was compared over all scalars, all pairs that compose, and all
/// combining marks beside a mark of each class.)
/// - SeeAlso: Unicode Standard Annex #15.
enum CanonicalComposition {
  /// Scalars below U+0300, whose first byte is less than this, neither combine nor change alone.
  private static let firstWideLead: UInt8 = 0xCC
  private static let lastVersion = 9

  /// The composed text; nil if it is composed already at first sight. `text` is valid UTF-8.
  static func composed(_ text: Span<UInt8>) -> [UInt8]? {
    var position = firstWide(in: text, from: 0)
    guard position < text.count else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var copied = 0
    while position < text.count {
      let start = runStart(before: position, from: copied, in: text)
      let end = runEnd(from: position, in: text)
      if end > position {
        result.append(copying: text.extracting(copied..<start))
        result.append(contentsOf: composed(run: text.extracting(start..<end)).utf8)
        copied = end
      }
      position = firstWide(in: text, from: max(end, text.scalarEnd(from: position)))
    }
    result.append(copying: text.extracting(copied..<text.count))
    return result
  }

  /// Decomposes first: Foundation of Swift 6.3 alone leaves U+AC00 U+11A8 as they are.
  private static func composed(run: Span<UInt8>) -> String {
    run.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) }
      .decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping
  }

  private static func firstWide(in text: Span<UInt8>, from start: Int) -> Int {
    var position = start
    while position < text.count, text[position] < firstWideLead { position += 1 }
    return position
  }

  /// A run begins with the scalar before its first wide one, which may be its base.
  private static func runStart(before position: Int, from limit: Int, in text: Span<UInt8>) -> Int {
    var start = position
    repeat { start -= 1 } while start > limit && text[start] & 0xC0 == 0x80
    guard start >= limit else { return position }
    return isKnown(text.scalar(at: start)) ? start : position
  }

  private static func runEnd(from start: Int, in text: Span<UInt8>) -> Int {
    var end = start
    while end < text.count, text[end] >= firstWideLead, isKnown(text.scalar(at: end)) {
      end = text.scalarEnd(from: end)
    }
    return end
  }

  private static func isKnown(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x300 || (scalar.properties.age?.major ?? .max) <= lastVersion
  }
}
