import Foundation
import Tensors
import Testing

@Suite("Powers of magnitudes")
struct PowerTests {
  @Test("|x|^p is within 1e-5, whatever the sign, and 0 at 0", arguments: [0.5, 2, 2.4] as [Float])
  func agreesWithPow(exponent: Float) {
    for step in -120...120 {
      let x = Float(exp(Double(step) / 8))
      let powers = VectorMath.power(ofMagnitude: SIMD16(repeating: -x), exponent)
      let wanted = pow(Double(x), Double(exponent))
      #expect(abs(Double(powers[7]) - wanted) <= 1e-5 * wanted)
    }
    #expect(VectorMath.power(ofMagnitude: SIMD16(), exponent) == SIMD16())
  }
}
