extension TaskDefinition {
  /// The task of lm-eval that this one equals, as the file's `equals` says it:
  /// `lm-eval 0.4.13, gsm8k 3.0`; nil if it says nothing of the kind.
  public var lmEvalTask: (name: String, version: Double)? {
    guard let text = document["equals"]?.stringValue,
      let match = text.wholeMatch(of: /lm-eval [^ ,]+, ([^ ]+) ([0-9.]+)/),
      let version = Double(match.2)
    else { return nil }
    return (String(match.1), version)
  }
}
