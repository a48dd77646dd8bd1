/// Quantiles of a sample, interpolated linearly between order statistics.
///
/// With n values sorted from 0, the quantile p lies at place p · (n − 1): the definition of NumPy's
/// default, of R's type 7 and of llama.cpp.
///
/// - SeeAlso: Hyndman and Fan 1996, "Sample quantiles in statistical packages", definition 7.
public struct Quantiles: Sendable {
  private let sorted: [Double]

  /// Sorts the values; nil for none.
  ///
  /// - Parameter values: Without NaN.
  public init?(_ values: some Sequence<Double>) {
    sorted = values.sorted()
    guard !sorted.isEmpty else { return nil }
  }

  /// The quantile of `share`, 0…1: 0 is the smallest value, 0.5 the median, 1 the largest.
  public func value(at share: Double) -> Double {
    precondition((0...1).contains(share), "\(share)")
    let place = share * Double(sorted.count - 1)
    let lower = Int(place.rounded(.down))
    let upper = min(lower + 1, sorted.count - 1)
    guard sorted[lower] != sorted[upper] else { return sorted[lower] }
    return sorted[lower] + (place - Double(lower)) * (sorted[upper] - sorted[lower])
  }
}
