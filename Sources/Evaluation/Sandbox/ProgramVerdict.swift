/// How a program ended.
public enum ProgramVerdict: Sendable, Equatable {
  /// It ran to its end.
  case passed
  /// An exception, a signal, or an end before the end; in words.
  case failed(String)
  case timedOut(seconds: Double)

  public var isPassed: Bool { self == .passed }

  /// Why it did not pass; nil if it did.
  public var reason: String? {
    switch self {
    case .passed: nil
    case .failed(let reason): reason
    case .timedOut(let seconds): "no verdict after \(seconds) s"
    }
  }
}
