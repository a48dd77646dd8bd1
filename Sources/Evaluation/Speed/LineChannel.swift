import Foundation

/// One end of a socket on which each side writes JSON, a line a value.
final class LineChannel {
  private let descriptor: Int32
  private var unread: [UInt8] = []

  /// - Parameter descriptor: Closed with this object.
  init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Lets the other side see an end.
  func end() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  /// Two ends that reach each other, neither inherited by programs that are started.
  static func pair() throws(SpeedError) -> (Int32, Int32) {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
      throw .cannotStart(reason: String(cString: strerror(errno)))
    }
    return (ends[0], ends[1])
  }

  /// - Throws: ``SpeedError/ended`` if the other side is gone.
  func send(_ value: some Encodable) throws {
    var rest = (try JSONEncoder().encode(value) + [UInt8(ascii: "\n")])[...]
    while !rest.isEmpty {
      let written = rest.withUnsafeBytes {
        Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else { throw SpeedError.ended }
      rest = rest.dropFirst(written)
    }
  }

  /// - Returns: nil where the other side has closed.
  func receive<Value: Decodable>(_ type: Value.Type) throws -> Value? {
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
        defer { unread.removeFirst(end + 1) }
        return try JSONDecoder().decode(type, from: Data(unread[..<end]))
      }
      let count = recv(descriptor, &piece, piece.count, 0)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return nil }
      unread += piece[..<count]
    }
  }
}

/// Why speed was not measured.
public enum SpeedError: Error, Equatable, CustomStringConvertible {
  case cannotStart(reason: String)
  case refused(model: String, reason: String)
  case ended

  public var description: String {
    switch self {
    case .cannotStart(let reason): "A process to time a model in was not started: \(reason)."
    case .refused(_, let reason): reason
    case .ended:
      "A process that timed a model ended before it answered, as for want of memory. All models that "
        + "are compared are in memory together; compare fewer at once."
    }
  }
}
