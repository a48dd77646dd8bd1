import Foundation
import Tensors

/// What the solver computes in: `Float` for weights, `Double` to check the arithmetic itself.
protocol GridScalar: SIMDScalar, BinaryFloatingPoint, Codable, Sendable
where SIMD16Storage: Sendable {
  /// The value as a code; it must be whole and in 0…255.
  var code: UInt8 { get }

  /// Copies 32-bit numbers, or passes them on if that is the type.
  static func converted(_ values: [Float]) -> [Self]

  /// base^exponent for base >= 0.
  static func power(_ base: SIMD16<Self>, _ exponent: Self) -> SIMD16<Self>

  /// `c -= aᵀ b`; as ``BatchedProduct/subtractTransposed(rows:inner:columns:_:aStride:_:bStride:from:cStride:)``.
  static func subtractTransposed(
    rows: Int, inner: Int, columns: Int, _ a: UnsafePointer<Self>, aStride: Int,
    _ b: UnsafePointer<Self>, bStride: Int, from c: UnsafeMutablePointer<Self>, cStride: Int)
}

// The concrete conversions are single instructions, the generic one is not.
extension Float: GridScalar {
  var code: UInt8 { UInt8(self) }

  static func converted(_ values: [Float]) -> [Float] { values }

  static func power(_ base: SIMD16<Float>, _ exponent: Float) -> SIMD16<Float> {
    VectorMath.power(base, exponent)
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
  var code: UInt8 { UInt8(self) }

  static func converted(_ values: [Float]) -> [Double] { values.map { Double($0) } }

  static func power(_ base: SIMD16<Double>, _ exponent: Double) -> SIMD16<Double> {
    var result = base
    for lane in 0..<16 { result[lane] = pow(base[lane], exponent) }
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
