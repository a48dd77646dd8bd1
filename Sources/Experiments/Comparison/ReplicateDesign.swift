import Statistics

/// Which runs of two methods are paired, and over which seeds both were repeated.
///
/// A seed stream that both read pairs equal seeds; a stream that one reads is varied on that side
/// alone, against the same runs of the other. Streams with one seed are no factor.
struct ReplicateDesign: Equatable {
  let factors: [CrossedVariance.Factor]
  /// Places of the runs, row-major over the factors.
  let pairs: [(candidate: Int, baseline: Int)]

  private typealias Level = (candidate: Int?, baseline: Int?)

  /// - Parameters:
  ///   - candidate: Seeds of each run, by stream.
  ///   - baseline: Likewise.
  /// - Throws: ``ComparisonError`` for seeds that do not pair, or runs that are no full product.
  init(candidate: [[String: Int]], baseline: [[String: Int]]) throws(ComparisonError) {
    var factors: [CrossedVariance.Factor] = []
    var combinations: [[String: Level]] = [[:]]
    for stream in Set((candidate + baseline).flatMap(\.keys)).sorted() {
      let levels = try Self.levels(stream, candidate, baseline)
      if levels.count > 1 { factors.append(.init(stream, levels: levels.count)) }
      combinations = combinations.flatMap { start in
        levels.map { level in start.merging([stream: level]) { $1 } }
      }
    }
    var pairs: [(Int, Int)] = []
    for combination in combinations {
      pairs.append(
        (
          try Self.place(of: combination.compactMapValues(\.candidate), among: candidate),
          try Self.place(of: combination.compactMapValues(\.baseline), among: baseline)
        ))
    }
    self.factors = factors
    self.pairs = pairs
  }

  static func == (a: ReplicateDesign, b: ReplicateDesign) -> Bool {
    a.factors == b.factors && a.pairs.elementsEqual(b.pairs, by: ==)
  }

  private static func levels(
    _ stream: String, _ candidate: [[String: Int]], _ baseline: [[String: Int]]
  ) throws(ComparisonError) -> [Level] {
    let first = Set(candidate.compactMap { $0[stream] }).sorted()
    let second = Set(baseline.compactMap { $0[stream] }).sorted()
    if second.isEmpty { return first.map { ($0, nil) } }
    if first.isEmpty { return second.map { (nil, $0) } }
    // Two single runs are compared whatever their seeds.
    if first.count == 1, second.count == 1 { return [(first[0], second[0])] }
    let shared = first.filter(second.contains)
    guard !shared.isEmpty else { throw .noSeedsInCommon(stream: stream) }
    return shared.map { ($0, $0) }
  }

  private static func place(
    of seeds: [String: Int], among runs: [[String: Int]]
  ) throws(ComparisonError) -> Int {
    guard let place = runs.firstIndex(of: seeds) else {
      let text = seeds.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
      throw .incompleteReplicates(missing: text.joined(separator: " "))
    }
    return place
  }
}
