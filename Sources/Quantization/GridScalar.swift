import Foundation
import Tensors

/// What the solver computes in: `Float` for weights, `Double` to check the arithmetic itself.
protocol GridScalar: SIMDScalar, BinaryFloatingPoint, Codable, Sendable
where SIMD16Storage: Sendable {
  /// Whole numbers in 0…255 as codes.
  static func codes(_ values: SIMD16<Self>) -> SIMD16<UInt8>

  /// Values brought into 0…largest.
  static func clamped(_ values: SIMD16<Self>, to largest: Self) -> SIMD16<Self>

  /// Smallest and largest of some vectors and 0, lane by lane.
  static func range(of values: [SIMD16<Self>]) -> (low: SIMD16<Self>, high: SIMD16<Self>)

  /// Copies 32-bit numbers, or passes them on if that is the type.
  static func converted(_ values: [Float]) -> [Self]

  /// |x|^exponent.
  static func power(ofMagnitude x: SIMD16<Self>, _ exponent: Self) -> SIMD16<Self>

  /// `c -= aᵀ b`; as ``BatchedProduct/subtractTransposed(rows:inner:columns:_:aStride:_:bStride:from:cStride:)``.
  static func subtractTransposed(
    rows: Int, inner: Int, columns: Int, _ a: UnsafePointer<Self>, aStride: Int,
    _ b: UnsafePointer<Self>, bStride: Int, from c: UnsafeMutablePointer<Self>, cStride: Int)
}

// Written for the concrete type, and with `.>` alone: the generic forms and `.<` compile to a call or a
// branch a lane.
extension Float: GridScalar {
  static func codes(_ values: SIMD16<Float>) -> SIMD16<UInt8> {
    // Adding 2²³ leaves the integer in the low mantissa bits.
    let bits = unsafeBitCast(values + 8_388_608, to: SIMD16<UInt32>.self)
    return SIMD16<UInt8>(truncatingIfNeeded: bits)
  }

  static func clamped(_ values: SIMD16<Float>, to largest: Float) -> SIMD16<Float> {
    let bound = SIMD16<Float>(repeating: largest)
    let below = values.replacing(with: bound, where: values .> bound)
    return below.replacing(with: SIMD16(), where: SIMD16() .> below)
  }

  static func range(of values: [SIMD16<Float>]) -> (low: SIMD16<Float>, high: SIMD16<Float>) {
    var (low, high) = (SIMD16<Float>(), SIMD16<Float>())
    for value in values {
      low = low.replacing(with: value, where: low .> value)
      high = high.replacing(with: value, where: value .> high)
    }
    return (low, high)
  }

  static func converted(_ values: [Float]) -> [Float] { values }

  static func power(ofMagnitude x: SIMD16<Float>, _ exponent: Float) -> SIMD16<Float> {
    VectorMath.power(ofMagnitude: x, exponent)
  }

  static func subtractTransposed(
    rows: Int, inner: Int, columns: Int, _ a: UnsafePointer<Float>, aStride: Int,
    _ b: UnsafePointer<Float>, bStride: Int, from c: UnsafeMutablePointer<Float>, cStride: Int
  ) {
    BatchedProduct.subtractTransposed(
      rows: rows, inner: inner, columns: columns, a, aStride: aStride, b, bStride: bStride,
      from: c, cStride: cStride)
  }
}

extension Double: GridScalar {
  static func codes(_ values: SIMD16<Double>) -> SIMD16<UInt8> {
    SIMD16<UInt8>(truncatingIfNeeded: SIMD16<Int32>(values))
  }

  static func clamped(_ values: SIMD16<Double>, to largest: Double) -> SIMD16<Double> {
    values.clamped(lowerBound: SIMD16(), upperBound: SIMD16(repeating: largest))
  }

  static func range(of values: [SIMD16<Double>]) -> (low: SIMD16<Double>, high: SIMD16<Double>) {
    values.reduce(into: (low: SIMD16(), high: SIMD16())) { range, value in
      range.low.replace(with: value, where: value .< range.low)
      range.high.replace(with: value, where: value .> range.high)
    }
  }

  static func converted(_ values: [Float]) -> [Double] { values.map { Double($0) } }

  static func power(ofMagnitude x: SIMD16<Double>, _ exponent: Double) -> SIMD16<Double> {
    var result = x
    for lane in 0..<16 { result[lane] = pow(abs(x[lane]), exponent) }
    return result
  }

  static func subtractTransposed(
    rows: Int, inner: Int, columns: Int, _ a: UnsafePointer<Double>, aStride: Int,
    _ b: UnsafePointer<Double>, bStride: Int, from c: UnsafeMutablePointer<Double>, cStride: Int
  ) {
    for k in 0..<inner {
      for row in 0..<rows {
        let factor = a[k * aStride + row]
        for column in 0..<columns {
          c[row * cStride + column] -= factor * b[k * bStride + column]
        }
      }
    }
  }
}
