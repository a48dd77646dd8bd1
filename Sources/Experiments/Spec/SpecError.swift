import Foundation
import JSON

/// Why a spec cannot be used: what, where, and what to do.
public struct SpecError: Error, Equatable {
  public enum Problem: Equatable, Sendable {
    case unreadable(String)
    case syntax(JSONSyntaxError)
    case unknownKey(String, nearest: String?, allowed: [String])
    case wrongType(expected: String, found: String)
    case missingKey(String, remedy: String)
    case outOfRange(found: String, allowed: String)
    case notAChoice(String, nearest: String?, allowed: [String])
    case notSupported(String)
    case invalid(String)
  }

  public var problem: Problem
  public var pointer: JSONPointer
  public var file: String?

  public init(_ problem: Problem, at pointer: JSONPointer = JSONPointer(), file: String? = nil) {
    self.problem = problem
    self.pointer = pointer
    self.file = file
  }

  /// The same error with the file it was found in.
  func inFile(_ file: String) -> SpecError {
    SpecError(problem, at: pointer, file: self.file ?? file)
  }
}

extension SpecError: CustomStringConvertible {
  public var description: String {
    let place = [file, pointer.tokens.isEmpty ? nil : pointer.description].compactMap { $0 }
    return place.map { $0 + ": " }.joined() + sentence
  }

  private var sentence: String {
    switch problem {
    case .unreadable(let cause): "The file cannot be read: \(cause)."
    case .syntax(let error): error.description
    case .unknownKey(let key, let nearest, let allowed):
      "Unknown key \"\(key)\"; \(Self.suggestion(nearest, allowed))"
    case .wrongType(let expected, let found): "Expected \(expected), found \(found)."
    case .missingKey(let key, let remedy): "The key \"\(key)\" is missing; \(remedy)"
    case .outOfRange(let found, let allowed): "\(found) is out of range; allowed is \(allowed)."
    case .notAChoice(let found, let nearest, let allowed):
      "\"\(found)\" is not known here; \(Self.suggestion(nearest, allowed))"
    case .notSupported(let what): "\(what)"
    case .invalid(let what): what
    }
  }

  private static func suggestion(_ nearest: String?, _ allowed: [String]) -> String {
    let list = "allowed here: \(allowed.joined(separator: ", "))."
    return nearest.map {
      "did you mean \"\($0)\"? " + list.prefix(1).uppercased() + list.dropFirst()
    }
      ?? list
  }
}
