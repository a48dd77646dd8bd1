import Foundation

/// WikiText as whole articles, the way lm-eval's `wikitext` task has it.
///
/// An article begins with a line ` = Title = `; what stands before the first one belongs to none.
/// - SeeAlso: lm-eval 0.4, `tasks/wikitext/preprocess_wikitext.py`.
public enum WikiTextPages {
  /// The articles of a raw WikiText file, line for line.
  public static func pages(_ raw: String) -> [String] {
    var pages: [String] = []
    var lines = raw.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
    // What follows the last line feed is no line.
    if lines.last?.isEmpty == true { lines.removeLast() }
    for line in lines {
      if isTitle(line) { pages.append("") }
      guard !pages.isEmpty else { continue }
      pages[pages.count - 1] += "\(String(line))\n"
    }
    return pages
  }

  private static func isTitle(_ line: Substring.UnicodeScalarView) -> Bool {
    let text = String(line)
    return text.hasPrefix(" = ") && text.hasSuffix(" = ") && !text.hasPrefix(" = = ")
      && !text.hasSuffix(" = = ") && text.count > 6
  }

  /// Undoes WikiText's tokenization, as far as lm-eval does.
  public static func detokenized(_ page: String) -> String {
    steps.reduce(page) { text, step in
      text.replacingOccurrences(
        of: step.pattern, with: step.replacement,
        options: step.isExpression ? .regularExpression : .literal)
    }
  }

  private struct Step {
    let pattern: String
    let replacement: String
    var isExpression = false
  }

  private static let steps: [Step] =
    [
      Step(pattern: "s '", replacement: "s'"),
      Step(pattern: "/' [0-9]/", replacement: "/'[0-9]/", isExpression: true),
    ]
    + [
      (" @-@ ", "-"), (" @,@ ", ","), (" @.@ ", "."), (" : ", ": "), (" ; ", "; "),
      (" . ", ". "), (" ! ", "! "), (" ? ", "? "), (" , ", ", "),
    ].map { Step(pattern: $0.0, replacement: $0.1) }
    + [
      (#"\(\s*([^\)]*?)\s*\)"#, "($1)"), (#"\[\s*([^\]]*?)\s*\]"#, "[$1]"),
      (#"\{\s*([^}]*?)\s*\}"#, "{$1}"), (#""\s*([^"]*?)\s*""#, #""$1""#),
      (#"'\s*([^']*?)\s*'"#, "'$1'"),
    ].map { Step(pattern: $0.0, replacement: $0.1, isExpression: true) }
    + [
      ("= = = =", "===="), ("= = =", "==="), ("= =", "=="), (" ° ", "°"), (" \n", "\n"),
      ("\n ", "\n"), (" N ", " 1 "), (" 's", "'s"),
    ].map { Step(pattern: $0.0, replacement: $0.1) }

  /// Parts between stretches of white space, as Python's `len(re.split(r"\s+", text))`.
  public static func words(in text: String) -> Int {
    var (count, inSpace) = (1, false)
    for scalar in text.unicodeScalars {
      // Python takes the four separators U+001C…U+001F for white space, Unicode does not.
      let isSpace = scalar.properties.isWhitespace || ("\u{1C}"..."\u{1F}").contains(scalar)
      if isSpace, !inSpace { count += 1 }
      inSpace = isSpace
    }
    return count
  }
}
