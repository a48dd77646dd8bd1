/// The chance that one of k samples passes.
public enum PassAtK {
  /// 1 − C(n−c, k) / C(n, k): the share of sets of k among the n samples that have one that passes.
  ///
  /// Computed as a product, which keeps its digits where binomials are large.
  ///
  /// - Parameters:
  ///   - k: 1…n.
  ///   - samples: n.
  ///   - passed: c, 0…n.
  /// - Returns: 0…1.
  /// - SeeAlso: Chen et al. 2021, "Evaluating Large Language Models Trained on Code",
  ///   arXiv:2107.03374, equation 1.
  public static func unbiased(_ k: Int, samples: Int, passed: Int) -> Double {
    precondition((1...samples).contains(k), "k is \(k) of \(samples) samples")
    precondition((0...samples).contains(passed), "\(passed) of \(samples) passed")
    guard samples - passed >= k else { return 1 }
    var none = 1.0
    for number in (samples - passed + 1)..<(samples + 1) { none *= 1 - Double(k) / Double(number) }
    return 1 - none
  }
}
