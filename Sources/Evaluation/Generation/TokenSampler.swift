import Foundation
import Statistics

/// Chooses the next token of one sequence.
struct TokenSampler {
  private let options: GenerationOptions
  private var random: SeededGenerator

  /// - Parameters:
  ///   - options: Temperature, top-k, top-p, seed.
  ///   - sequence: Place of the prompt: sequences draw apart, whatever runs beside them.
  init(_ options: GenerationOptions, sequence: Int) {
    self.options = options
    var seeds = SeededGenerator(seed: options.seed)
    random = SeededGenerator(seed: seeds.next() &+ 0x9E37_79B9_7F4A_7C15 &* UInt64(sequence + 1))
  }

  /// The next token.
  ///
  /// - Parameters:
  ///   - logits: `[vocabulary]`, none NaN.
  ///   - count: Of the vocabulary.
  /// - Returns: Its id.
  mutating func next(_ logits: UnsafePointer<Float>, count: Int) -> Int32 {
    guard options.temperature > 0 else { return Self.likeliest(logits, count: count) }
    let kept = candidates(UnsafeBufferPointer(start: logits, count: count))
    let draw = Double(random.next() >> 11) * 0x1p-53 * kept.reduce(0) { $0 + $1.weight }
    var sum = 0.0
    for (token, weight) in kept {
      sum += weight
      if draw < sum { return Int32(token) }
    }
    return Int32(kept[kept.count - 1].token)
  }

  /// The first of the largest.
  private static func likeliest(_ logits: UnsafePointer<Float>, count: Int) -> Int32 {
    var best = 0
    for token in 1..<max(count, 1) where logits[token] > logits[best] { best = token }
    return Int32(best)
  }

  /// Tokens that may be drawn, the likeliest first, with e^(logit / T) up to a factor.
  private func candidates(
    _ logits: UnsafeBufferPointer<Float>
  ) -> [(token: Int, weight: Double)] {
    var order = logits.indices.sorted { (logits[$1], $0) < (logits[$0], $1) }
    if let topK = options.topK { order = Array(order.prefix(topK)) }
    let top = Double(logits[order[0]])
    var kept = order.map { token in
      (token: token, weight: exp((Double(logits[token]) - top) / options.temperature))
    }
    guard let topP = options.topP else { return kept }
    let total = kept.reduce(0) { $0 + $1.weight }
    var (sum, count) = (0.0, 0)
    while count < kept.count, sum < topP * total {
      sum += kept[count].weight
      count += 1
    }
    kept.removeLast(kept.count - max(count, 1))
    return kept
  }
}
