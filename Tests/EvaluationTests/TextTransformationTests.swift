import Evaluation
import Testing

@Suite("Transformations of texts")
struct TextTransformationTests {
  /// Expected values are Python 3.11's, and `preprocess` of lm-eval 0.4.13's hellaswag.
  @Test(
    "equal Python's",
    arguments: [
      (TextTransformation.strip, " \u{1C}a b\u{A0}\n", "a b"),
      (.strip, "\u{200B} x", "\u{200B} x"),
      (.strip, " \n", ""),
      (.stripLeading, "\t A ", "A "),
      (.capitalize, "HE goes TO New York", "He goes to new york"),
      (.capitalize, "", ""),
      (.capitalize, "ßa", "Ssa"),
      (.capitalize, "[header] Ab", "[header] ab"),
      (.underscoresToSpaces, "us_foreign_policy", "us foreign policy"),
      (.beforeBlank, "so _ got _", "so "),
      (.afterBlank, "so _ got _", " got _"),
      (.hellaswag, " How to [title] Wash [step] Do. ", "How to. Wash Do."),
      (.hellaswag, "a [b [c] d] e", "a d] e"),
      (.hellaswag, "a [b\nc] d [e", "a [b\nc] d [e"),
      (.hellaswag, "a    b   c", "a  b  c"),
      (.hellaswag, "a  \u{301}b", "a \u{301}b"),
    ])
  func python(transformation: TextTransformation, text: String, expected: String) {
    #expect(transformation.apply(text).map { Array($0.utf8) } == Array(expected.utf8))
  }

  @Test("a text without a blank has neither side")
  func noBlank() {
    #expect(TextTransformation.beforeBlank.apply("none") == nil)
    #expect(TextTransformation.afterBlank.apply("none") == nil)
  }
}
