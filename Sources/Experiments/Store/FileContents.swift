import Foundation
import JSON

/// Reads whole files; errors are one line, with the system's own words.
public enum FileContents {
  /// - Throws: ``StoreError/system(operation:path:code:)``.
  public static func read(_ url: URL) throws(StoreError) -> Data {
    do { return try Data(contentsOf: url) } catch {
      throw .system(operation: "reading", path: url.path, code: failure(of: url) ?? EIO)
    }
  }

  /// Opens a file and reads its first byte.
  static func requireReadable(_ url: URL) throws(StoreError) {
    if let code = failure(of: url) {
      throw .system(operation: "reading", path: url.path, code: code)
    }
  }

  /// Why a file cannot be read; nil if it can. A folder opens, but does not read.
  private static func failure(of url: URL) -> Int32? {
    let descriptor = open(url.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return errno }
    defer { close(descriptor) }
    var byte: UInt8 = 0
    return Foundation.read(descriptor, &byte, 1) < 0 ? errno : nil
  }
}

/// Any error as one line for people.
public enum ErrorText {
  /// Foundation's errors print as nested dictionaries; all others say themselves what is wrong.
  public static func line(_ error: any Error) -> String {
    switch error {
    case let error as CocoaError: line(error)
    case let error as POSIXError: system(error.code.rawValue)
    case let error as DecodingError: line(error)
    default: "\(error)"
    }
  }

  private static func line(_ error: CocoaError) -> String {
    let cause = (error.underlying as? POSIXError).map { system($0.code.rawValue) }
    let path = error.filePath ?? error.url?.path
    return [path, cause ?? "\(error.localizedDescription)"].compactMap(\.self)
      .joined(separator: ": ")
  }

  private static func line(_ error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, let context):
      "\(place(context.codingPath))the key \"\(key.stringValue)\" is missing"
    case .typeMismatch(_, let context), .valueNotFound(_, let context),
      .dataCorrupted(let context):
      place(context.codingPath) + context.debugDescription
    @unknown default: "the content does not fit"
    }
  }

  private static func place(_ path: [any CodingKey]) -> String {
    guard !path.isEmpty else { return "" }
    return JSONPointer(path.map { $0.intValue.map(String.init) ?? $0.stringValue }).description
      + ": "
  }

  private static func system(_ code: Int32) -> String {
    let isFull = [ENOSPC, EDQUOT, EFBIG].contains(code)
    return String(cString: strerror(code)) + (isFull ? "; make room and run it again" : "")
  }
}
