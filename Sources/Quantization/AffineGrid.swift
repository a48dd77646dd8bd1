import Tensors

/// How the scale of a group is held while codes are chosen.
public enum ScaleRounding: String, Codable, Sendable, CaseIterable {
  /// Rounded to binary16 before zero point and codes are chosen: what is evaluated is what is
  /// stored.
  case float16
  /// Kept in 32 bits and rounded only when stored, as the published codes do. The stored matrix
  /// then differs from the one the loss was computed for.
  case exact
}

/// Which end of the symmetric range a group without negative weights gets.
public enum SymmetricRange: String, Codable, Sendable, CaseIterable {
  /// Always `-hi ... hi`.
  case mirrored
  /// `0 ... hi` in the scale but not in the codes, as GPTQ's code has it: the largest weight of
  /// such a group is clipped to about half.
  case published
}

/// A search for the range of a group that loses least, as GPTQ's reference code has it (`mse`).
///
/// Ranges p · (lo, hi) for p = 1 - i / steps, i = 0 ..< ⌊maximalShrink · steps⌋; the first that
/// makes Σ |ŵ - w|^norm smallest is taken. One bit has its best scale already and is not searched.
public struct RangeSearch: Sendable, Equatable {
  /// The exponent of |ŵ - w|.
  public var norm: Double
  public var steps: Int
  /// How much of the range may go, 0…1.
  public var maximalShrink: Double

  public init(norm: Double = 2.4, steps: Int = 100, maximalShrink: Double = 0.8) {
    self.norm = norm
    self.steps = steps
    self.maximalShrink = maximalShrink
  }

  /// The factors p in the order of the search; the first is 1.
  var factors: [Double] {
    (0..<max(Int(maximalShrink * Double(steps)), 1)).map { 1 - Double($0) / Double(steps) }
  }

  var isValid: Bool {
    norm.isFinite && norm > 0 && steps > 0 && maximalShrink >= 0 && maximalShrink < 1
  }
}

/// The affine quantizer of GPTQ: evenly spaced values, one scale and zero point per row and group.
///
///     lo = min(min w, 0), hi = max(max w, 0)      zero is always on the grid
///     symmetric: hi = max(|lo|, hi), lo = -hi
///     lo = hi = 0: lo = -1, hi = 1
///     s = (hi - lo) / (2^b - 1)
///     z = 2^(b-1) if symmetric, else round(-lo / s)
///     q = clamp(round(w / s) + z, 0, 2^b - 1),  ŵ = s (q - z)
///
/// Rounding is half to even. One departure: a symmetric group without negative weights keeps
/// its largest weight, unless ``SymmetricRange/published`` is asked for.
///
/// One bit is sign · mean |w| (DECISIONS: Levels), that is s = 2 mean |w| and z = ½, with code 1
/// for w >= 0; it is symmetric whatever was asked for and has no zero.
/// - SeeAlso: Frantar et al. 2022, "GPTQ", arXiv:2210.17323; METHODS §2.1.
public struct AffineGrid: Sendable, Equatable {
  /// Bits per code, 1…8.
  public let bits: Int
  /// Columns that share a scale; nil: the whole row.
  public let groupSize: Int?
  public let symmetric: Bool
  public let scaleRounding: ScaleRounding
  public let symmetricRange: SymmetricRange
  /// nil: the range is that of the weights.
  public let rangeSearch: RangeSearch?

  public init(
    bits: Int, groupSize: Int? = nil, symmetric: Bool, scaleRounding: ScaleRounding = .float16,
    symmetricRange: SymmetricRange = .mirrored, rangeSearch: RangeSearch? = nil
  ) throws(QuantizationError) {
    guard (1...8).contains(bits) else { throw .unsupportedBits(bits) }
    if let rangeSearch, !rangeSearch.isValid { throw .unsupportedRangeSearch(rangeSearch) }
    if let groupSize, groupSize < 1 { throw .unsupportedGroupSize(groupSize) }
    self.bits = bits
    self.groupSize = groupSize
    self.symmetric = symmetric || bits == 1
    self.scaleRounding = scaleRounding
    self.symmetricRange = symmetricRange
    self.rangeSearch = rangeSearch
  }

  /// `2^bits - 1`.
  public var largestCode: Int { (1 << bits) - 1 }

  /// The group size in a row of `columns` weights.
  public func groupSize(columns: Int) -> Int { groupSize ?? max(columns, 1) }

  /// (hi - lo) / (2^b - 1) for weights between `low` and `high`, before any rounding.
  func exactScale<Scalar: BinaryFloatingPoint>(low: Scalar, high: Scalar) -> Scalar {
    let (low, high) = range(low: low, high: high)
    return (high - low) / Scalar(largestCode)
  }

  /// Scale and zero point for weights between `low` and `high`, or nil if binary16 cannot hold the
  /// scale. Not for one bit.
  ///
  /// A scale that binary16 would round to 0 becomes its smallest positive number, 2⁻²⁴.
  func parameters<Scalar: BinaryFloatingPoint>(
    low: Scalar, high: Scalar
  ) -> (scale: Scalar, zero: Scalar)? {
    guard let scale = rounded(scale: exactScale(low: low, high: high)) else { return nil }
    if symmetric { return (scale, Scalar(1 << (bits - 1))) }
    let zero = (-range(low: low, high: high).low / scale).rounded(.toNearestOrEven)
    return (scale, min(max(zero, 0), Scalar(largestCode)))
  }

  /// Scale and zero point of one bit.
  func signParameters<Scalar: BinaryFloatingPoint>(
    meanMagnitude: Scalar
  ) -> (scale: Scalar, zero: Scalar)? {
    let scale = max(2 * meanMagnitude, Scalar(Float16.leastNonzeroMagnitude))
    return rounded(scale: scale).map { ($0, 0.5) }
  }

  private func rounded<Scalar: BinaryFloatingPoint>(scale: Scalar) -> Scalar? {
    guard scaleRounding == .float16 else { return scale.isFinite && scale > 0 ? scale : nil }
    let half = Float16(scale)
    return half.isFinite ? Scalar(max(half, Float16.leastNonzeroMagnitude)) : nil
  }

  private func range<Scalar: BinaryFloatingPoint>(
    low: Scalar, high: Scalar
  ) -> (low: Scalar, high: Scalar) {
    var (low, high) = (min(low, 0), max(high, 0))
    if symmetric {
      high = max(-low, high)
      if low < 0 || symmetricRange == .mirrored { low = -high }
    }
    return high == low ? (-1, 1) : (low, high)
  }
}
