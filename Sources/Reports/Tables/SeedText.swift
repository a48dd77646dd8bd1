/// Seeds in words.
enum SeedText {
  /// `calibration 1, search 0`.
  static func values(_ seeds: [String: Int]) -> String {
    seeds.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  /// The streams of a set of replicates: `3 calibration seeds × 3 search seeds`, joined by commas if
  /// the runs are not the full product.
  static func design(_ runs: [[String: Int]]) -> String {
    let streams = Set(runs.flatMap(\.keys)).sorted()
    let counts = streams.map { stream in Set(runs.compactMap { $0[stream] }).count }
    let varied = zip(streams, counts).filter { $0.1 > 1 }
    let isProduct = varied.reduce(1) { $0 * $1.1 } == runs.count
    return varied.map { "\($0.1) \($0.0) seeds" }.joined(separator: isProduct ? " × " : ", ")
  }

  /// Every stream with its seeds: `calibration 0, 1, 2; search 0, 1`.
  static func streams(_ runs: [[String: Int]]) -> String {
    Set(runs.flatMap(\.keys)).sorted().map { stream in
      let seeds = Set(runs.compactMap { $0[stream] }).sorted().map { "\($0)" }
      return "\(stream) \(seeds.joined(separator: ", "))"
    }.joined(separator: "; ")
  }
}
