import JSON

/// A text with places for the fields of a row: `"Question: {{question|strip}}\nAnswer:"`.
///
/// Between double braces stands where the value lies in the row (`choices.text`, `choices.0`), then
/// names of transformations, each behind a bar. There is nothing else: no conditions, no loops.
public struct PromptTemplate: Sendable, Equatable {
  enum Part: Sendable, Equatable {
    case text(String)
    case field(FieldPath, [TextTransformation])
  }

  let parts: [Part]
  /// Applied to the whole text.
  let transformations: [TextTransformation]

  /// Parses a template.
  ///
  /// - Parameters:
  ///   - text: As it stands in a task file.
  ///   - transformations: Applied to the whole text, in order.
  /// - Throws: ``PromptTemplateError``.
  public init(
    _ text: String, then transformations: [TextTransformation] = []
  ) throws(PromptTemplateError) {
    self.transformations = transformations
    var parts: [Part] = []
    var rest = text[...]
    while let open = rest.firstRange(of: "{{") {
      if open.lowerBound > rest.startIndex { parts.append(.text(String(rest[..<open.lowerBound]))) }
      let inside = rest[open.upperBound...]
      guard let close = inside.firstRange(of: "}}") else {
        throw .unclosed(String(rest[open.lowerBound...].prefix(20)))
      }
      parts.append(try Self.field(String(inside[..<close.lowerBound])))
      rest = inside[close.upperBound...]
    }
    if !rest.isEmpty { parts.append(.text(String(rest))) }
    self.parts = parts
  }

  private static func field(_ text: String) throws(PromptTemplateError) -> Part {
    let pieces = text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
    let path = try FieldPath(pieces[0])
    var transformations: [TextTransformation] = []
    for name in pieces.dropFirst() { transformations.append(try .named(name)) }
    return .field(path, transformations)
  }

  /// The text for a row.
  ///
  /// - Parameter row: Has the fields.
  /// - Returns: The text.
  /// - Throws: ``TaskError/unusableRow(path:line:reason:)`` for a field that is not there, or not a
  ///   text or a whole number, or has no blank.
  func text(for row: TaskRow) throws(TaskError) -> String {
    var text = ""
    for part in parts {
      switch part {
      case .text(let fixed): text += fixed
      case .field(let path, let transformations):
        text += try row.applying(transformations, to: try row.text(at: path))
      }
    }
    return try row.applying(transformations, to: text)
  }
}

/// Where a value lies in a row: names of members and indices of elements, joined by points.
public struct FieldPath: Sendable, Equatable, CustomStringConvertible {
  let pointer: JSONPointer

  /// - Throws: ``PromptTemplateError/noField(_:)``.
  public init(_ text: String) throws(PromptTemplateError) {
    let names = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard names.allSatisfy({ !$0.isEmpty && !$0.contains(where: \.isWhitespace) }) else {
      throw .noField(text)
    }
    pointer = JSONPointer(names)
  }

  public var description: String { pointer.tokens.joined(separator: ".") }
}

extension TextTransformation {
  /// - Throws: ``PromptTemplateError/unknownTransformation(_:)``.
  static func named(_ name: String) throws(PromptTemplateError) -> TextTransformation {
    guard let known = TextTransformation(rawValue: name) else {
      throw .unknownTransformation(name)
    }
    return known
  }
}

/// Why a text is not a template.
public enum PromptTemplateError: Error, Equatable, CustomStringConvertible {
  case unclosed(String)
  case noField(String)
  case unknownTransformation(String)

  public var description: String {
    switch self {
    case .unclosed(let text):
      return "\"\(text)\" opens a field that no \"}}\" closes"
    case .noField(let text):
      return "\"\(text)\" is no field; write names joined by points, such as choices.text"
    case .unknownTransformation(let name):
      let known = TextTransformation.allCases.map(\.rawValue)
      let nearest = nearestName(to: name, among: known).map { "; did you mean \"\($0)\"?" } ?? ";"
      return "\"\(name)\" is no transformation\(nearest) Known are \(known.joined(separator: ", "))"
    }
  }
}
