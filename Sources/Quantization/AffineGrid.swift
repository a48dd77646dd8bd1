import Tensors

/// How the scale of a group is held while codes are chosen.
public enum ScaleRounding: Sendable, Equatable {
  /// Rounded to binary16 before zero point and codes are chosen: what is evaluated is what is
  /// stored.
  case float16
  /// Kept in 32 bits and rounded only when stored, as the published codes do. The stored matrix
  /// then differs from the one the loss was computed for.
  case exact
}

/// Which end of the symmetric range a group without negative weights gets.
public enum SymmetricRange: Sendable, Equatable {
  /// Always `-hi ... hi`.
  case mirrored
  /// `0 ... hi` in the scale but not in the codes, as GPTQ's code has it: the largest weight of
  /// such a group is clipped to about half.
  case published
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
/// - SeeAlso: Frantar et al. 2022, "GPTQ", arXiv:2210.17323; METHODS §2.1.
public struct AffineGrid: Sendable, Equatable {
  /// Bits per code, 2…8.
  public let bits: Int
  /// Columns that share a scale; nil: the whole row.
  public let groupSize: Int?
  public let symmetric: Bool
  public let scaleRounding: ScaleRounding
  public let symmetricRange: SymmetricRange

  public init(
    bits: Int, groupSize: Int? = nil, symmetric: Bool, scaleRounding: ScaleRounding = .float16,
    symmetricRange: SymmetricRange = .mirrored
  ) throws(QuantizationError) {
    guard (2...8).contains(bits) else { throw .unsupportedBits(bits) }
    if let groupSize, groupSize < 1 { throw .unsupportedGroupSize(groupSize) }
    self.bits = bits
    self.groupSize = groupSize
    self.symmetric = symmetric
    self.scaleRounding = scaleRounding
    self.symmetricRange = symmetricRange
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
  /// scale.
  ///
  /// A scale that binary16 would round to 0 becomes its smallest positive number, 2⁻²⁴.
  func parameters<Scalar: BinaryFloatingPoint>(
    low: Scalar, high: Scalar
  ) -> (scale: Scalar, zero: Scalar)? {
    var scale = exactScale(low: low, high: high)
    if scaleRounding == .float16 {
      let half = Float16(scale)
      guard half.isFinite else { return nil }
      scale = Scalar(max(half, Float16.leastNonzeroMagnitude))
    }
    guard scale.isFinite, scale > 0 else { return nil }
    if symmetric { return (scale, Scalar(1 << (bits - 1))) }
    let zero = (-range(low: low, high: high).low / scale).rounded(.toNearestOrEven)
    return (scale, min(max(zero, 0), Scalar(largestCode)))
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
