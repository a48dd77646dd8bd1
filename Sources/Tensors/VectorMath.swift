import Foundation

/// Loops over one row, written so that they vectorize; rows are split among threads by the caller.
public enum VectorMath {
  private typealias Lanes = SIMD16<Float>

  @inline(__always)
  private static func load(_ x: UnsafePointer<Float>) -> Lanes {
    UnsafeRawPointer(x).loadUnaligned(as: Lanes.self)
  }

  @inline(__always)
  private static func store(_ value: Lanes, _ x: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(x).storeBytes(of: value, as: Lanes.self)
  }

  /// `pointwiseMax` compiles to one branch a lane; this is a comparison and a blend.
  @inline(__always)
  private static func larger(_ a: Lanes, _ b: Lanes) -> Lanes {
    a.replacing(with: b, where: b .> a)
  }

  /// e^x, relative error below 2e-7 for x in −87…88; smaller inputs give about 1e-38.
  ///
  /// Range reduction by powers of two and a polynomial of degree 6 (Cephes `expf`).
  @inline(__always)
  private static func exponential(_ x: Lanes) -> Lanes {
    let clamped = larger(x, Lanes(repeating: -87.3))
      .replacing(with: 88.3, where: x .> 88.3)
    // Adding 1.5·2²³ rounds to an integer and leaves that integer in the low mantissa bits.
    let magic = Lanes(repeating: 12_582_912)
    let shifted = magic.addingProduct(clamped, 1.442_695_04)
    let n = shifted - magic
    let r = clamped.addingProduct(n, -0.693_359_375).addingProduct(n, 2.121_944_4e-4)
    var p = Lanes(repeating: 1.398_199_95e-3).addingProduct(r, 1.987_569_15e-4)
    p = Lanes(repeating: 8.333_451_9e-3).addingProduct(r, p)
    p = Lanes(repeating: 4.166_579_6e-2).addingProduct(r, p)
    p = Lanes(repeating: 1.666_666_55e-1).addingProduct(r, p)
    p = Lanes(repeating: 5.000_000_1e-1).addingProduct(r, p)
    let y = (r + 1).addingProduct(r * r, p)
    let exponent = unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &<< 23
    return unsafeBitCast(unsafeBitCast(y, to: SIMD16<UInt32>.self) &+ exponent, to: Lanes.self)
  }

  @inline(__always)
  private static func exponential(_ x: Float) -> Float { exponential(Lanes(repeating: x))[0] }

  /// ln x for positive normal x, absolute error below 2e-7 · max(1, |ln x|) (Cephes `logf`).
  @inline(__always)
  private static func logarithm(_ x: Lanes) -> Lanes {
    let bits = unsafeBitCast(x, to: SIMD16<UInt32>.self)
    // x = m · 2^e with m in √½ … √2.
    let shifted = bits &- 0x3F35_04F3
    let exponent = SIMD16<Int32>(truncatingIfNeeded: shifted) &>> 23
    let mantissa = (shifted & 0x007F_FFFF) &+ 0x3F35_04F3
    let m = unsafeBitCast(mantissa, to: Lanes.self) - 1
    let e = Lanes(exponent)
    var p = Lanes(repeating: -1.151_461e-1).addingProduct(m, 7.037_683_6e-2)
    p = Lanes(repeating: 1.167_699_9e-1).addingProduct(m, p)
    p = Lanes(repeating: -1.242_014_1e-1).addingProduct(m, p)
    p = Lanes(repeating: 1.424_932_3e-1).addingProduct(m, p)
    p = Lanes(repeating: -1.666_805_8e-1).addingProduct(m, p)
    p = Lanes(repeating: 2.000_071_5e-1).addingProduct(m, p)
    p = Lanes(repeating: -2.499_999_4e-1).addingProduct(m, p)
    p = Lanes(repeating: 3.333_333_1e-1).addingProduct(m, p)
    let square = m * m
    let correction = (square * m * p).addingProduct(e, -2.121_944_4e-4).addingProduct(square, -0.5)
    return (m + correction).addingProduct(e, 0.693_359_375)
  }

  /// |x|^exponent for a positive exponent, relative error below 1e-5 where it is above 1e-37;
  /// smaller results may be anything in 0…1e-37.
  public static func power(ofMagnitude x: SIMD16<Float>, _ exponent: Float) -> SIMD16<Float> {
    let magnitude = unsafeBitCast(
      unsafeBitCast(x, to: SIMD16<UInt32>.self) & 0x7FFF_FFFF, to: Lanes.self)
    let smallest = Lanes(repeating: .leastNormalMagnitude)
    let result = exponential(logarithm(larger(magnitude, smallest)) * exponent)
    return result.replacing(with: 0, where: smallest .> magnitude)
  }

  /// Σ x².
  public static func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var lanes = Lanes(repeating: 0)
    let whole = count & ~15
    for i in stride(from: 0, to: whole, by: 16) {
      let v = load(x + i)
      lanes = lanes.addingProduct(v, v)
    }
    var sum = lanes.sum()
    for i in whole..<count { sum += x[i] * x[i] }
    return sum
  }

  /// The largest element; `count` ≥ 1.
  public static func maximum(_ x: UnsafePointer<Float>, count: Int) -> Float {
    var result = x[0]
    let whole = count & ~15
    if whole > 0 {
      var lanes = load(x)
      for i in stride(from: 16, to: whole, by: 16) { lanes = larger(lanes, load(x + i)) }
      result = lanes.max()
    }
    for i in whole..<count { result = max(result, x[i]) }
    return result
  }

  /// Writes e^(scale·(x − maximum)) over x and returns the sum.
  public static func exponentiate(
    _ x: UnsafeMutablePointer<Float>, count: Int, scale: Float, maximum: Float
  ) -> Float {
    var lanes = Lanes(repeating: 0)
    let whole = count & ~15
    for i in stride(from: 0, to: whole, by: 16) {
      let e = exponential((load(x + i) - maximum) * scale)
      store(e, x + i)
      lanes += e
    }
    var sum = lanes.sum()
    for i in whole..<count {
      x[i] = exponential((x[i] - maximum) * scale)
      sum += x[i]
    }
    return sum
  }

  /// Softmax of `scale · x` in place.
  public static func softmax(_ x: UnsafeMutablePointer<Float>, count: Int, scale: Float = 1) {
    let sum = exponentiate(x, count: count, scale: scale, maximum: maximum(x, count: count))
    let factor = 1 / sum
    for i in 0..<count { x[i] *= factor }
  }

  /// ln Σ e^x, summed in f64 over rows of any length.
  public static func logSumExp(_ x: UnsafePointer<Float>, count: Int) -> Double {
    let largest = maximum(x, count: count)
    var total = 0.0
    // Blocks of 256 keep the f32 lane sums exact to a few ulp.
    for start in stride(from: 0, to: count, by: 256) {
      let end = min(start + 256, count)
      var lanes = Lanes(repeating: 0)
      let whole = start + ((end - start) & ~15)
      for i in stride(from: start, to: whole, by: 16) {
        lanes += exponential(load(x + i) - largest)
      }
      total += Double(lanes.sum())
      for i in whole..<end { total += Double(exponential(x[i] - largest)) }
    }
    return Double(largest) + total.naturalLogarithm
  }

  /// KL(P ‖ Q) = Σ P·(ln P − ln Q) in nats, with P = e^(x − xSum) and Q = e^(y − ySum).
  ///
  /// - Parameters:
  ///   - x: Logits of P.
  ///   - y: Logits of Q.
  ///   - count: Of each.
  ///   - xSum: ``logSumExp(_:count:)`` of x.
  ///   - ySum: The same of y.
  /// - Returns: Summed in f64 over blocks.
  public static func divergence(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int, xSum: Double, ySum: Double
  ) -> Double {
    // Σ P·(x − y) + (ySum − xSum), since P sums to 1.
    let shift = Float(xSum)
    var total = 0.0
    for start in stride(from: 0, to: count, by: 256) {
      let end = min(start + 256, count)
      var lanes = Lanes(repeating: 0)
      let whole = start + ((end - start) & ~15)
      for i in stride(from: start, to: whole, by: 16) {
        let a = load(x + i)
        lanes = lanes.addingProduct(exponential(a - shift), a - load(y + i))
      }
      total += Double(lanes.sum())
      for i in whole..<end { total += Double(exponential(x[i] - shift) * (x[i] - y[i])) }
    }
    return total + ySum - xSum
  }

  /// Σ x · y.
  public static func dot(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int
  ) -> Float {
    var sum = Lanes()
    let whole = count & ~15
    for i in stride(from: 0, to: whole, by: 16) { sum.addProduct(load(x + i), load(y + i)) }
    var total = sum.sum()
    for i in whole..<count { total += x[i] * y[i] }
    return total
  }

  /// y += factor · x.
  public static func add(
    _ factor: Float, _ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int
  ) {
    let whole = count & ~15
    for i in stride(from: 0, to: whole, by: 16) {
      store(load(y + i).addingProduct(load(x + i), factor), y + i)
    }
    for i in whole..<count { y[i] += factor * x[i] }
  }

  /// y = silu(gate) · up = gate / (1 + e^−gate) · up, in place over `gate`.
  public static func swiGLU(
    gate: UnsafePointer<Float>, up: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
    count: Int
  ) {
    let whole = count & ~15
    for i in stride(from: 0, to: whole, by: 16) {
      let g = load(gate + i)
      store(g / (1 + exponential(-g)) * load(up + i), y + i)
    }
    for i in whole..<count { y[i] = gate[i] / (1 + exponential(-gate[i])) * up[i] }
  }

  /// cos(x, x + y), 1 where one of them has no length, so that there is nothing to turn; and
  /// ‖x + y‖².
  public static func turn(
    of x: UnsafePointer<Float>, by y: UnsafePointer<Float>, count: Int
  ) -> (cosine: Double, squaredLength: Double) {
    var (product, before, after) = (0.0, 0.0, 0.0)
    for i in 0..<count {
      let (a, b) = (Double(x[i]), Double(x[i] + y[i]))
      product += a * b
      before += a * a
      after += b * b
    }
    let lengths = (before * after).squareRoot()
    return (lengths > 0 ? product / lengths : 1, after)
  }
}

extension SIMD16<Float> {
  @inline(__always)
  fileprivate func addingProduct(_ a: Self, _ b: Float) -> Self {
    addingProduct(a, Self(repeating: b))
  }
}

extension Double {
  fileprivate var naturalLogarithm: Double { log(self) }
}
