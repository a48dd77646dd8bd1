import Evaluation
import HDF5

extension Perplexity {
  /// Stores every window, and the loss of every scored token.
  func write(to file: HDF5Writer, corpus: String) throws {
    let scope = "perplexity/\(corpus)"
    try file.write(windowItems, to: scope)
    try file.write(windowLosses, to: "\(scope)/window_nll")
    try file.write(windowTokens.map { Int64($0) }, to: "\(scope)/window_tokens")
    try file.write(tokenLosses, to: "\(scope)/token_nll")
  }
}

extension MultipleChoice {
  /// Stores every question: whether it was answered rightly, and what its choices got.
  func write(to file: HDF5Writer, task: String, _ questions: [ChoiceItem]) throws {
    let scope = "tasks/\(task)"
    try file.write(
      ScopeItems(
        ids: questions.map(\.id),
        hashes: questions.map {
          ItemHash(of: [$0.context] + $0.choices + ["\($0.answer)"]).value
        }), to: scope)
    try file.write(correct.map { $0 ? 1 : 0 } as [UInt8], to: "\(scope)/correct")
    try file.write(scores.joined().map { $0 }, to: "\(scope)/log_likelihood")
    try file.write(questions.map { Int64($0.choices.count) }, to: "\(scope)/choices")
  }
}
