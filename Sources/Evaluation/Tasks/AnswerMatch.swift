/// Whether the number in a text is the right one, as lm-eval's gsm8k 3.0 has it.
///
/// A filter takes the number out of the text; answer and number are then compared without commas,
/// dollar signs, what stands before "#### ", a full stop at the end, and case.
enum AnswerMatch {
  /// Stands for a text without a number.
  private static let invalid = "[invalid]"

  /// `strict-match`: the first number behind "#### ".
  ///
  /// - Parameter text: What the model wrote.
  /// - Returns: The number as it stands there.
  static func strict(_ text: String) -> String {
    let pattern = /#### (-?[0-9.,]+)/.matchingSemantics(.unicodeScalar)
    return text.firstMatch(of: pattern).map { String($0.1) } ?? invalid
  }

  /// `flexible-extract`: the last number.
  ///
  /// - Parameter text: What the model wrote.
  /// - Returns: The number as it stands there.
  static func flexible(_ text: String) -> String {
    let pattern = /-?[$0-9.,]{2,}|-?[0-9]+/.matchingSemantics(.unicodeScalar)
    return text.matches(of: pattern).last.map { String($0.0) } ?? invalid
  }

  static func isExact(_ prediction: String, target: String) -> Bool {
    normalized(prediction) == normalized(target)
  }

  /// Python's `re.sub` of ",", "\$", "(?s).*#### " and "\.$" by nothing, in this order, then `lower`.
  private static func normalized(_ text: String) -> String {
    var scalars = Array(text.unicodeScalars.filter { $0 != "," && $0 != "$" })
    let mark = Array("#### ".unicodeScalars)
    let starts = scalars.indices.dropLast(mark.count - 1).reversed()
    if let last = starts.first(where: { scalars[$0..<$0 + mark.count].elementsEqual(mark) }) {
      scalars = Array(scalars[(last + mark.count)...])
    }
    // "$" is the end, and also the place before a line's end that ends the text.
    if scalars.last == "." {
      scalars.removeLast()
    } else if scalars.last == "\n", scalars.dropLast().last == "." {
      scalars.remove(at: scalars.count - 2)
    }
    return scalars.text.lowercased()
  }
}

extension TaskMetric {
  /// What lm-eval's filter of this metric leaves of a text.
  ///
  /// - Parameter text: What the model wrote.
  /// - Returns: Its number, "[invalid]" without one; the text itself for metrics of no filter.
  public func filtered(_ text: String) -> String {
    switch self {
    case .strictMatch: AnswerMatch.strict(text)
    case .flexibleMatch: AnswerMatch.flexible(text)
    default: text
    }
  }
}
