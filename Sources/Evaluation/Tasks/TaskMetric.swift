/// How the answers of a task become a number; named as in lm-eval.
public enum TaskMetric: String, Sendable, CaseIterable {
  /// Share of items whose likeliest request is the right one; of a task with one request, share of
  /// items whose continuation is what greedy decoding would write.
  case accuracy = "acc"
  /// Accuracy after dividing log-likelihoods by the Unicode scalars of the choice. Papers speak of
  /// bytes; lm-eval divides by Python's `len`.
  case accuracyByCharacters = "acc_norm"
  /// Accuracy after dividing log-likelihoods by the UTF-8 bytes of the choice.
  case accuracyByBytes = "acc_bytes"
  /// exp of the mean negative log-likelihood of the continuations, nats an item.
  case perplexity
  /// Share of generated answers whose number behind "####" is right.
  case strictMatch = "exact_match,strict-match"
  /// Share of generated answers whose last number is right.
  case flexibleMatch = "exact_match,flexible-extract"
  /// Share of generated programs that pass their test.
  case passAt1 = "pass@1"

  /// Whether it is of what the model writes.
  public var isOfGeneration: Bool {
    [.strictMatch, .flexibleMatch, .passAt1].contains(self)
  }

  public var higherIsBetter: Bool { self != .perplexity }

  public var unit: String { self == .perplexity ? "exp(nats/item)" : "fraction" }
}
