import Foundation

/// What may be done to a text on its way into a prompt: a closed set, so that a task file stays data.
///
/// Texts are sequences of Unicode scalars here, as in Python: a space before a combining mark is a
/// space.
public enum TextTransformation: String, Sendable, CaseIterable {
  /// Without white space at both ends: Python's `strip`.
  case strip
  /// Without white space at the beginning: Python's `lstrip`.
  case stripLeading = "strip-leading"
  /// First scalar in title case, the others in lower case: Python's `capitalize`.
  case capitalize
  /// Underscores become spaces, as in names of subjects.
  case underscoresToSpaces = "underscores-to-spaces"
  /// What stands before the first underscore, WinoGrande's blank.
  case beforeBlank = "before-blank"
  /// What stands behind the first underscore.
  case afterBlank = "after-blank"
  /// `preprocess` of lm-eval's hellaswag: strips, makes ". " of " [title]", removes what else stands
  /// in brackets on one line, then makes one space of each two.
  case hellaswag

  /// Applies this transformation.
  ///
  /// - Parameter text: Any text.
  /// - Returns: The text changed; nil if a blank was asked for and there is none.
  public func apply(_ text: String) -> String? {
    let scalars = Array(text.unicodeScalars)
    switch self {
    case .strip: return scalars.strippedLeading.strippedTrailing.text
    case .stripLeading: return scalars.strippedLeading.text
    case .capitalize: return Self.capitalized(scalars)
    case .underscoresToSpaces: return scalars.map { $0 == "_" ? " " : $0 }.text
    case .beforeBlank: return scalars.firstIndex(of: "_").map { scalars[..<$0].text }
    case .afterBlank: return scalars.firstIndex(of: "_").map { scalars[($0 + 1)...].text }
    case .hellaswag:
      let titled = Self.replacing(
        " [title]", with: ". ", in: Array(scalars.strippedLeading.strippedTrailing))
      return Self.replacing("  ", with: " ", in: Self.withoutBrackets(titled)).text
    }
  }

  /// Every occurrence replaced, from the left; the standard library's method is ten times slower.
  private static func replacing(
    _ pattern: String, with other: String, in scalars: [Unicode.Scalar]
  ) -> [Unicode.Scalar] {
    let pattern = Array(pattern.unicodeScalars)
    var kept: [Unicode.Scalar] = []
    var position = 0
    while position < scalars.count {
      if scalars[position] == pattern[0], scalars[position...].starts(with: pattern) {
        kept += other.unicodeScalars
        position += pattern.count
      } else {
        kept.append(scalars[position])
        position += 1
      }
    }
    return kept
  }

  private static func capitalized(_ scalars: [Unicode.Scalar]) -> String {
    guard let first = scalars.first else { return "" }
    return first.properties.titlecaseMapping + scalars.dropFirst().text.lowercased()
  }

  /// The regular expression `\[.*?\]` replaced by nothing.
  private static func withoutBrackets(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var kept: [Unicode.Scalar] = []
    var position = 0
    while position < scalars.count {
      if scalars[position] == "[", let end = closing(in: scalars[position...]) {
        position = end + 1
      } else {
        kept.append(scalars[position])
        position += 1
      }
    }
    return kept
  }

  /// Index of the first closing bracket on the line on which `scalars` begins.
  private static func closing(in scalars: ArraySlice<Unicode.Scalar>) -> Int? {
    guard let end = scalars.firstIndex(where: { $0 == "]" || $0 == "\n" }), scalars[end] == "]"
    else { return nil }
    return end
  }
}

extension Unicode.Scalar {
  /// Whether Python's `str.isspace` holds: white space, and the four separators of ASCII.
  var isPythonSpace: Bool { properties.isWhitespace || (0x1C...0x1F).contains(value) }
}

extension BidirectionalCollection<Unicode.Scalar> {
  var text: String {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: self)
    return String(view)
  }

  var strippedLeading: SubSequence { self[(firstIndex { !$0.isPythonSpace } ?? endIndex)...] }

  var strippedTrailing: SubSequence {
    guard let last = lastIndex(where: { !$0.isPythonSpace }) else { return self[..<startIndex] }
    return self[...last]
  }
}
