public import Checkpoints

/// Which tokens of a text are scored, and what each of them sees: numbers of different protocols
/// must not be compared.
public enum PerplexityProtocol: Sendable, Equatable {
  /// Windows of L tokens that do not overlap, all but their first token scored; the tail is dropped.
  /// The convention of GPTQ's code and most papers on quantization.
  case gptqWindows(context: Int)
  /// Chunks of L tokens that do not overlap, their first token replaced by `beginning` unless that is
  /// nil; tokens L/2 + 1 and later are scored, counted from 0.
  ///
  /// - SeeAlso: llama.cpp, `tools/perplexity`, without `--ppl-stride`.
  case llamaCpp(context: Int, beginning: Int32?)
  /// Windows of up to L tokens that begin every `stride` tokens; each scores the tokens that no
  /// earlier one has scored, so that every token but the first is scored once.
  ///
  /// - SeeAlso: transformers, "Perplexity of fixed-length models".
  case strided(context: Int, stride: Int)
  /// Whole documents: every token is scored once, the first after `prefix`, the others after as
  /// many as fit; windows do not overlap but for the last, which reaches back to be full.
  ///
  /// - SeeAlso: lm-eval, `get_rolling_token_windows` with context length 1.
  case rolling(context: Int, prefix: Int32)

  public var name: String {
    switch self {
    case .gptqWindows: "gptq-windows"
    case .llamaCpp: "llama.cpp-chunks"
    case .strided: "strided"
    case .rolling: "lm-eval-rolling"
    }
  }
}

/// A protocol by the name that specs and commands use.
public enum PerplexityConvention: String, Sendable, Codable, CaseIterable {
  case gptq
  case llamaCpp = "llama.cpp"
  case strided
  case lmEval = "lm-eval"

  /// The protocol for a model.
  ///
  /// - Parameters:
  ///   - context: Tokens in a window.
  ///   - stride: Of ``PerplexityProtocol/strided(context:stride:)``; half the context if nil.
  ///   - configuration: Names the token that comes before a document of lm-eval.
  ///   - tokenizer: Chunks of llama.cpp begin with the token that it puts before a text.
  /// - Returns: The protocol with its parameters.
  /// - Throws: ``PerplexityProtocolError``.
  public func scoring(
    context: Int, stride: Int?, for configuration: ModelConfiguration, _ tokenizer: Tokenizer
  ) throws(PerplexityProtocolError) -> PerplexityProtocol {
    try check(context: context, stride: stride)
    switch self {
    case .gptq: return .gptqWindows(context: context)
    case .llamaCpp: return .llamaCpp(context: context, beginning: tokenizer.beginningOfText)
    case .strided:
      return .strided(context: context, stride: stride ?? max(context / 2, 1))
    case .lmEval:
      guard let prefix = configuration.beginningOfTextID ?? configuration.endOfTextIDs.first else {
        throw .noPrefixToken
      }
      return .rolling(context: context, prefix: Int32(prefix))
    }
  }
}

extension PerplexityConvention {
  /// Tokens of the shortest window that scores one.
  public var shortestContext: Int { self == .llamaCpp ? 3 : 2 }

  /// Whether windows of this length score anything, and the stride is one of them.
  ///
  /// - Parameters:
  ///   - context: Tokens in a window.
  ///   - stride: nil with all protocols but ``strided``, where it may be.
  /// - Throws: ``PerplexityProtocolError``.
  public func check(context: Int, stride: Int?) throws(PerplexityProtocolError) {
    guard context >= shortestContext else {
      throw .scoresNothing(rawValue, context: context, shortest: shortestContext)
    }
    guard let stride else { return }
    guard self == .strided else { throw .needlessStride(rawValue) }
    guard 1...context ~= stride else { throw .stride(stride, context: context) }
  }
}

/// Why a protocol cannot be used.
public enum PerplexityProtocolError: Error, Equatable, CustomStringConvertible {
  case noPrefixToken
  case stride(Int, context: Int)
  case needlessStride(String)
  case scoresNothing(String, context: Int, shortest: Int)

  public var description: String {
    switch self {
    case .noPrefixToken:
      "The lm-eval protocol begins every document with bos_token_id or eos_token_id, and config.json "
        + "has neither within its vocabulary; use another protocol."
    case .stride(let stride, let context):
      "A stride of \(stride) does not fit a context of \(context); use 1 to \(context)."
    case .needlessStride(let name):
      "The protocol \(name) has no stride; leave it out, or use the protocol strided."
    case .scoresNothing(let name, let context, let shortest):
      "The protocol \(name) scores no token of a window of \(context); use a context of at least "
        + "\(shortest)."
    }
  }
}

/// Tokens that go through the model together, and which of them are scored.
struct ScoringWindow: Sendable, Equatable {
  /// What the model reads.
  let tokens: [Int32]
  /// The tokens asked for: `targets[i]` is to be predicted at position `first + i`.
  let targets: ArraySlice<Int32>
  let first: Int

  var queries: [TokenQuery] {
    targets.enumerated().map { TokenQuery(position: first + $0.offset, token: $0.element) }
  }
}

extension PerplexityProtocol {
  /// How many windows a document makes.
  public func windowCount(of tokens: [Int32]) -> Int { windows(tokens).count }

  /// Cuts the tokens of one document.
  ///
  /// - Parameter tokens: Of the document.
  /// - Returns: The windows; empty if the document is too short for this protocol.
  func windows(_ tokens: [Int32]) -> [ScoringWindow] {
    switch self {
    case .gptqWindows(let context):
      return (0..<tokens.count / context).map { index in
        let window = tokens[index * context..<(index + 1) * context]
        return ScoringWindow(tokens: Array(window), targets: window.dropFirst(), first: 0)
      }
    case .llamaCpp(let context, let beginning):
      return Self.chunks(tokens, context: context, beginning: beginning)
    case .strided(let context, let stride):
      return Self.strided(tokens, context: context, stride: stride)
    case .rolling(let context, let prefix):
      return Self.rolling(tokens, context: context, prefix: prefix)
    }
  }

  private static func chunks(
    _ tokens: [Int32], context: Int, beginning: Int32?
  ) -> [ScoringWindow] {
    (0..<tokens.count / context).map { index in
      var chunk = Array(tokens[index * context..<(index + 1) * context])
      if let beginning { chunk[0] = beginning }
      let half = context / 2
      return ScoringWindow(tokens: chunk, targets: chunk[(half + 1)...], first: half)
    }
  }

  private static func strided(
    _ tokens: [Int32], context: Int, stride step: Int
  ) -> [ScoringWindow] {
    var windows: [ScoringWindow] = []
    var scored = 1
    for start in stride(from: 0, to: tokens.count, by: step) {
      let end = min(start + context, tokens.count)
      if end > scored {
        windows.append(
          ScoringWindow(
            tokens: Array(tokens[start..<end]), targets: tokens[scored..<end],
            first: scored - 1 - start))
        scored = end
      }
      if end == tokens.count { break }
    }
    return windows
  }

  private static func rolling(
    _ tokens: [Int32], context: Int, prefix: Int32
  ) -> [ScoringWindow] {
    guard !tokens.isEmpty else { return [] }
    let head = min(context, tokens.count)
    var windows = [
      ScoringWindow(
        tokens: [prefix] + tokens[..<(head - 1)], targets: tokens[..<head], first: 0)
    ]
    var scored = head
    while scored < tokens.count {
      let end = min(scored + context, tokens.count)
      let start = end - context - 1
      windows.append(
        ScoringWindow(
          tokens: Array(tokens[start..<end - 1]), targets: tokens[scored..<end],
          first: scored - start - 1))
      scored = end
    }
    return windows
  }
}
