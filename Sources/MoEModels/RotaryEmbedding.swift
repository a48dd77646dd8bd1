import Foundation

/// Rotary position embedding: pairs (i, i + d/2) of a head turn by position · θ^(−2i/d).
///
/// - SeeAlso: Su et al. 2021, "RoFormer", arXiv:2104.09864; the half-split pairing is that of Llama.
struct RotaryEmbedding: Sendable {
  let headDimension: Int
  /// cos and sin, shape `[positions, headDimension / 2]`.
  let cosines: [Float]
  let sines: [Float]

  init(headDimension: Int, theta: Double, positions: Int) {
    self.headDimension = headDimension
    let half = headDimension / 2
    var cosines: [Float] = []
    var sines: [Float] = []
    cosines.reserveCapacity(positions * half)
    sines.reserveCapacity(positions * half)
    // Frequencies and angles in f32, as the reference implementation has them.
    let frequencies = (0..<half).map { i in
      1 / powf(Float(theta), Float(2 * i) / Float(headDimension))
    }
    for position in 0..<positions {
      for frequency in frequencies {
        let angle = Float(position) * frequency
        cosines.append(cosf(angle))
        sines.append(sinf(angle))
      }
    }
    (self.cosines, self.sines) = (cosines, sines)
  }

  /// Turns one head vector; `source` and `target` may be the same.
  @inline(__always)
  func rotate(
    _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, position: Int
  ) {
    let half = headDimension / 2
    cosines.withUnsafeBufferPointer { cosines in
      sines.withUnsafeBufferPointer { sines in
        for i in 0..<half {
          let (c, s) = (cosines[position * half + i], sines[position * half + i])
          let (a, b) = (source[i], source[i + half])
          target[i] = a * c - b * s
          target[i + half] = b * c + a * s
        }
      }
    }
  }
}
