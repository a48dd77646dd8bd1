import Statistics
import Tensors

/// Makes an input out of the corpus.
struct Mutator {
  private let corpus: Corpus

  init(_ corpus: Corpus) { self.corpus = corpus }

  /// Mostly a document with a few changes of its JSON, of its bytes, or of both.
  func input(using random: inout SeededGenerator) -> [UInt8] {
    let seed = corpus.seeds[random.below(corpus.seeds.count)]
    let donor = corpus.seeds[random.below(corpus.seeds.count)]
    let kind = random.below(6)
    var bytes = seed.bytes
    if kind != 0, var json = seed.json, let other = donor.json {
      for _ in 0...changes(using: &random) {
        JSONMutation.apply(to: &json, donor: other, using: &random)
      }
      bytes = seed.framed(json.bytes)
    }
    if kind <= 1 {
      for _ in 0...changes(using: &random) {
        ByteMutation.apply(to: &bytes, donor: donor.bytes, using: &random)
      }
    }
    return Array(bytes.prefix(InputRecord.largestInput))
  }

  /// Few changes more often than many: what is refused at its first fault says little.
  private func changes(using random: inout SeededGenerator) -> Int {
    let most = random.below(4)
    return random.below(1 + most)
  }
}
