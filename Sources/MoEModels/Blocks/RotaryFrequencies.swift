import Checkpoints
import Foundation

/// The angles per position of a rotary embedding, and the factor of its cosines and sines.
///
/// Computed in f32 where `transformers` does, since angles grow with the position.
struct RotaryFrequencies {
  /// One a pair of channels.
  let inverse: [Float]
  let amplitude: Float

  /// - Parameters:
  ///   - rotary: Base and scaling.
  ///   - dimension: Channels that rotate, even.
  ///   - positions: Of the longest sequence.
  ///   - maximumPositions: `max_position_embeddings`.
  init(
    _ rotary: RotaryConfiguration, dimension: Int, positions: Int, maximumPositions: Int
  ) {
    let plain = Self.plain(theta: rotary.theta, dimension: dimension)
    switch rotary.scaling {
    case .none: (inverse, amplitude) = (plain, 1)
    case .linear(let factor): (inverse, amplitude) = (plain.map { $0 / Float(factor) }, 1)
    case .dynamic(let factor):
      let length = Double(max(positions, maximumPositions)) / Double(maximumPositions)
      let stretch = pow(
        factor * length - (factor - 1), Double(dimension) / Double(dimension - 2))
      inverse = Self.plain(theta: rotary.theta * stretch, dimension: dimension)
      amplitude = 1
    case .yarn(let yarn):
      inverse = Self.yarn(yarn, plain, theta: rotary.theta, dimension: dimension)
      amplitude = Float(yarn.amplitude)
    case .llama3(let llama): (inverse, amplitude) = (plain.map { Self.llama3(llama, $0) }, 1)
    }
  }

  /// θ^(−2i/d).
  private static func plain(theta: Double, dimension: Int) -> [Float] {
    (0..<dimension / 2).map { 1 / powf(Float(theta), Float(2 * $0) / Float(dimension)) }
  }

  private static func yarn(
    _ yarn: YaRNScaling, _ plain: [Float], theta: Double, dimension: Int
  ) -> [Float] {
    /// The channel pair that turns so many times over the original context.
    func pair(turns: Double) -> Double {
      Double(dimension) * log(Double(yarn.originalPositions) / (turns * 2 * .pi)) / (2 * log(theta))
    }
    var (low, high) = (pair(turns: yarn.betaFast), pair(turns: yarn.betaSlow))
    if yarn.truncates { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    (low, high) = (max(low, 0), min(high, Double(dimension - 1)))
    if low == high { high += 0.001 }
    return plain.enumerated().map { index, frequency in
      let ramp = min(max((Float(index) - Float(low)) / Float(high - low), 0), 1)
      return frequency / Float(yarn.factor) * ramp + frequency * (1 - ramp)
    }
  }

  private static func llama3(_ llama: Llama3Scaling, _ frequency: Float) -> Float {
    let (original, wavelength) = (Float(llama.originalPositions), 2 * Float.pi / frequency)
    let (low, high) = (Float(llama.lowFrequencyFactor), Float(llama.highFrequencyFactor))
    if wavelength < original / high { return frequency }
    if wavelength > original / low { return frequency / Float(llama.factor) }
    let smooth = (original / wavelength - low) / (high - low)
    return (1 - smooth) * frequency / Float(llama.factor) + smooth * frequency
  }
}

extension YaRNScaling {
  /// Factor of cosines and sines.
  var amplitude: Double {
    if let attentionFactor { return attentionFactor }
    guard let mscale, let mscaleAllDimensions else { return Self.mscale(factor, 1) }
    return Self.mscale(factor, mscale) / Self.mscale(factor, mscaleAllDimensions)
  }

  /// Factor of attention scores in DeepSeek-V2, 1 without `mscale_all_dim`.
  var scoreFactor: Double {
    guard let mscaleAllDimensions else { return 1 }
    let mscale = Self.mscale(factor, mscaleAllDimensions)
    return mscale * mscale
  }

  private static func mscale(_ factor: Double, _ mscale: Double) -> Double {
    factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1
  }
}
