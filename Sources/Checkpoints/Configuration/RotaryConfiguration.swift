/// Rotary position embedding: base of the frequencies and how they are stretched for long contexts.
public struct RotaryConfiguration: Sendable, Equatable {
  /// Base of the frequencies θ^(−2i/d).
  public let theta: Double
  public let scaling: RotaryScaling

  /// `rope_theta` and `rope_scaling` stand at the top level, or together in `rope_parameters` since
  /// transformers 5.
  init(_ keys: ConfigurationKeys) throws(ConfigurationError) {
    let nested = keys.has("rope_parameters")
    let place = nested ? "rope_parameters" : "rope_scaling"
    theta = try keys.positiveNumber(nested ? "rope_parameters.rope_theta" : "rope_theta")
    let typeKey = "\(place).\(keys.has("\(place).rope_type") ? "rope_type" : "type")"
    switch try keys.text(typeKey) ?? "default" {
    case "default": scaling = .none
    case "linear": scaling = .linear(factor: try keys.positiveNumber("\(place).factor"))
    case "dynamic": scaling = .dynamic(factor: try keys.positiveNumber("\(place).factor"))
    case "yarn": scaling = .yarn(try YaRNScaling(keys, place))
    case "llama3": scaling = .llama3(try Llama3Scaling(keys, place))
    default:
      throw keys.invalid(
        typeKey, expected: "\"default\", \"linear\", \"dynamic\", \"yarn\" or \"llama3\"")
    }
  }
}

/// How the rotary frequencies are stretched; names and meanings are those of `transformers`.
public enum RotaryScaling: Sendable, Equatable {
  case none
  /// All frequencies divided by the factor.
  case linear(factor: Double)
  /// The base grows with the sequence beyond `max_position_embeddings` (NTK-aware).
  case dynamic(factor: Double)
  case yarn(YaRNScaling)
  case llama3(Llama3Scaling)
}

/// Low frequencies are interpolated, high ones kept, those between ramped.
///
/// - SeeAlso: Peng et al. 2023, "YaRN", arXiv:2309.00071.
public struct YaRNScaling: Sendable, Equatable {
  public let factor: Double
  public let originalPositions: Int
  public let betaFast: Double
  public let betaSlow: Double
  public let mscale: Double?
  public let mscaleAllDimensions: Double?
  /// Of cosines and sines; nil if it follows from the factor.
  public let attentionFactor: Double?
  /// Whether the ends of the ramp are rounded to whole channels.
  public let truncates: Bool

  init(_ keys: ConfigurationKeys, _ place: String) throws(ConfigurationError) {
    factor = try keys.positiveNumber("\(place).factor")
    originalPositions = try keys.positive(
      "\(place).original_max_position_embeddings", atMost: ConfigurationKeys.largestPosition)
    betaFast = try keys.positiveNumberOrNull("\(place).beta_fast") ?? 32
    betaSlow = try keys.positiveNumberOrNull("\(place).beta_slow") ?? 1
    mscale = try keys.positiveNumberOrNull("\(place).mscale")
    mscaleAllDimensions = try keys.positiveNumberOrNull("\(place).mscale_all_dim")
    attentionFactor = try keys.positiveNumberOrNull("\(place).attention_factor")
    truncates = try keys.flag("\(place).truncate", default: true)
  }
}

/// Llama 3.1's stretch: wavelengths beyond the original context are divided by the factor.
public struct Llama3Scaling: Sendable, Equatable {
  public let factor: Double
  public let lowFrequencyFactor: Double
  public let highFrequencyFactor: Double
  public let originalPositions: Int

  init(_ keys: ConfigurationKeys, _ place: String) throws(ConfigurationError) {
    factor = try keys.positiveNumber("\(place).factor")
    lowFrequencyFactor = try keys.positiveNumber("\(place).low_freq_factor")
    highFrequencyFactor = try keys.positiveNumber("\(place).high_freq_factor")
    originalPositions = try keys.positive(
      "\(place).original_max_position_embeddings", atMost: ConfigurationKeys.largestPosition)
    guard lowFrequencyFactor < highFrequencyFactor else {
      throw keys.invalid("\(place).low_freq_factor", expected: "a number below high_freq_factor")
    }
  }
}
