import CZlib
public import Foundation

/// How the bytes of a text file become the text that is tokenized.
public enum TextFormat: String, Sendable, Codable, CaseIterable {
  /// The file as it is.
  case text
  /// WikiText rows as the data-set library gives them, joined as GPTQ's evaluation joins them: a
  /// row that is only white space becomes empty, the others keep their line feed, and rows are
  /// joined with "\n\n".
  case wikitext
}

/// A text file, plain or compressed with gzip.
public struct TextCorpus: Sendable {
  /// Valid UTF-8; invalid bytes of the file have become U+FFFD.
  public let text: String

  /// - Throws: ``TextCorpusError``.
  public init(_ url: URL, format: TextFormat) throws(TextCorpusError) {
    let raw = String(decoding: try Self.bytes(of: url), as: UTF8.self)
    switch format {
    case .text: text = raw
    case .wikitext: text = Self.joinedRows(raw)
    }
    guard !text.isEmpty else { throw .empty(path: url.path) }
  }

  /// The documents of the text: what lies between lines that are empty or only white space.
  ///
  /// So rows of WikiText are documents; collections with one document a line need an empty line
  /// after each.
  public var documents: [String] {
    var documents: [String] = []
    var current: Range<String.Index>?
    for line in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.allSatisfy(\.properties.isWhitespace) else {
        current = (current?.lowerBound ?? line.startIndex)..<line.endIndex
        continue
      }
      if let current { documents.append(String(text[current])) }
      current = nil
    }
    if let current { documents.append(String(text[current])) }
    return documents
  }

  private static func joinedRows(_ raw: String) -> String {
    var lines = raw.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
    // What follows the last line feed is no row.
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines.map { line in
      line.allSatisfy(\.properties.isWhitespace) ? "" : "\(String(line))\n"
    }.joined(separator: "\n\n")
  }

  /// The file's content; zlib passes uncompressed files through.
  private static func bytes(of url: URL) throws(TextCorpusError) -> [UInt8] {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory) else {
      throw .missing(path: url.path)
    }
    guard !isDirectory.boolValue else {
      throw .unreadable(path: url.path, reason: String(cString: strerror(EISDIR)))
    }
    guard let file = gzopen(url.path, "rb") else {
      throw .unreadable(path: url.path, reason: String(cString: strerror(errno)))
    }
    defer { gzclose(file) }
    var content: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let count = gzread(file, &block, UInt32(block.count))
      guard count > 0 else {
        // A stream that is cut off ends like a whole one, but for this status.
        var status: Int32 = 0
        let reason = gzerror(file, &status).map { String(cString: $0) } ?? "status \(status)"
        guard count == 0, status >= 0 else {
          throw .unreadable(path: url.path, reason: reason)
        }
        return content
      }
      content.append(contentsOf: block.prefix(Int(count)))
    }
  }
}

/// Why a text cannot be used.
public enum TextCorpusError: Error, Equatable, CustomStringConvertible {
  case missing(path: String)
  case unreadable(path: String, reason: String)
  case empty(path: String)
  /// The text has fewer tokens than one window.
  case tooShort(path: String, tokens: Int, context: Int)
  /// Windows are taken of one document each, and too few have as many tokens as one.
  case tooFewDocuments(path: String, found: Int, needed: Int, context: Int)

  public var description: String {
    switch self {
    case .missing(let path):
      "\(path): there is no such text file. Paths in a spec are relative to the spec's folder."
    case .unreadable(let path, let reason):
      "\(path): cannot be read (\(reason)). Give a text file, plain or gzip, that you may read."
    case .empty(let path):
      "\(path): the text is empty; give a longer one."
    case .tooShort(let path, let tokens, let context):
      "\(path): the text has \(tokens) tokens, less than one window of \(context); use a longer text "
        + "or a shorter context."
    case .tooFewDocuments(let path, let found, let needed, let context):
      "\(path): \(needed) documents of at least \(context) tokens are needed, the text has \(found); "
        + "use a shorter context, fewer sequences, or check that empty lines separate documents."
    }
  }
}
