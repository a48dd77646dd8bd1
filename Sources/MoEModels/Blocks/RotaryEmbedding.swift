import Checkpoints
import Foundation

/// Rotary position embedding: pairs of channels of a head turn by position · frequency.
///
/// - SeeAlso: Su et al. 2021, "RoFormer", arXiv:2104.09864.
struct RotaryEmbedding: Sendable {
  /// Channels that rotate.
  let dimension: Int
  /// cos and sin, shape `[positions, dimension / 2]`.
  let cosines: [Float]
  let sines: [Float]

  /// For sequences of up to `positions` tokens.
  init(_ c: ModelConfiguration, positions: Int) {
    dimension = c.attention.latent?.rotaryDimension ?? c.attention.headDimension
    let frequencies = RotaryFrequencies(
      c.rotary, dimension: dimension, positions: positions, maximumPositions: c.maximumPositions)
    var cosines: [Float] = []
    var sines: [Float] = []
    cosines.reserveCapacity(positions * dimension / 2)
    sines.reserveCapacity(positions * dimension / 2)
    for position in 0..<positions {
      for frequency in frequencies.inverse {
        let angle = Float(position) * frequency
        cosines.append(cosf(angle) * frequencies.amplitude)
        sines.append(sinf(angle) * frequencies.amplitude)
      }
    }
    (self.cosines, self.sines) = (cosines, sines)
  }

  /// Turns one head vector, pairs (i, i + d/2) as Llama has them; `source` and `target` may be the
  /// same.
  @inline(__always)
  func rotate(
    _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, position: Int
  ) {
    let half = dimension / 2
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

  /// Turns one vector, pairs (2i, 2i + 1) as DeepSeek has them.
  func rotateInterleaved(
    _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, position: Int
  ) {
    let half = dimension / 2
    for i in 0..<half {
      let (c, s) = (cosines[position * half + i], sines[position * half + i])
      let (a, b) = (source[2 * i], source[2 * i + 1])
      target[2 * i] = a * c - b * s
      target[2 * i + 1] = b * c + a * s
    }
  }
}
