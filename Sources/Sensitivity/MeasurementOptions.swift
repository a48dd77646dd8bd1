import BitAllocation
import Checkpoints
import Quantization
import Tensors

extension ExpertMeasurement {
  /// What one decision of an allocator is about.
  public enum Granularity: String, Sendable, CaseIterable {
    /// All MLPs of a layer: `layers.L.experts`.
    case layer
    /// An MLP: `layers.L.experts.E`, `layers.L.shared`, `layers.L.mlp`.
    case expert
    /// A matrix of an MLP: the expert's name and `.gate`, `.up` or `.down`.
    case projection

    /// - Parameter name: As specs have it.
    /// - Throws: ``MeasurementError/unknownName(_:of:allowed:)``.
    public init(named name: String) throws(MeasurementError) {
      guard let granularity = Self(rawValue: name) else {
        throw .unknownName(name, of: "granularity", allowed: Self.allCases.map(\.rawValue))
      }
      self = granularity
    }
  }

  /// Whether attention has units, `layers.L.attention.q` and so on.
  public enum AttentionUnits: String, Sendable, CaseIterable {
    case none, separate
    /// Projections of the same residual stream (q, k, v) get the same level.
    case tied
  }

  /// What makes losses of different layers comparable.
  public enum Scale: String, Sendable, CaseIterable {
    case none
    /// Divided by the layer's Σ‖MoE output‖² / N.
    case relative
    /// Divided by the harmonic mean over tokens of ‖x‖², x being the residual stream after the
    /// layer's MLP: an error counts as much as the next layer's norm lets it through.
    case residual
    /// The base loss is not tr(Δ S Δᵀ) / n but what the unit's error does to the model's loss, to
    /// second order with the squared slopes for the diagonal of its Hessian:
    ///
    ///     1/N Σ over tokens and channels of (g · Δy)²
    ///
    /// Δy is what reaches the MoE's output, with the expert's routing weight, and g the slope there of
    /// the summed -ln p of all predicted tokens; ties between experts of a layer are neglected
    /// (GEMQ; METHODS §2.12).
    case gradient

    /// - Parameter name: As specs have it.
    /// - Throws: ``MeasurementError/unknownName(_:of:allowed:)``.
    public init(named name: String) throws(MeasurementError) {
      guard let scale = Self(rawValue: name) else {
        throw .unknownName(name, of: "scale", allowed: Self.allCases.map(\.rawValue))
      }
      self = scale
    }
  }

  /// Whose error Δ = Ŵ - W is measured.
  public enum WeightError: Sendable, Equatable {
    /// Rounding to nearest.
    case rtn
    /// GPTQ with H = 2S/n, and rounding to nearest where it falls back to that: below
    /// `minimumTokens` and where H has no factor.
    case gptq(GPTQOptions, minimumTokens: Int)

    public static let gptq = WeightError.gptq(GPTQOptions(), minimumTokens: 1)
  }

  /// Exponents of the factors (n/N)^α · mean(w)^β of the base loss.
  ///
  /// n counts the tokens routed to an expert, N those of the layer, mean(w) is the mean weight
  /// applied to the expert's output. Both are 1 for what sees every token.
  public struct LossFactors: Sendable, Equatable {
    /// α.
    public var frequency: Double
    /// β.
    public var routingWeight: Double

    public init(frequency: Double = 0, routingWeight: Double = 0) {
      self.frequency = frequency
      self.routingWeight = routingWeight
    }
  }

  /// Exponents of PMQ's φ^α · w^β · ε^γ; the code's defaults, γ being what its bug makes of 2.
  ///
  /// - SeeAlso: Huang et al. 2024, arXiv:2410.06270; METHODS §2.7.
  public struct PMQExponents: Sendable, Equatable {
    /// α of the frequency φ.
    public var frequency: Double
    /// β of the routing weight w.
    public var routingWeight: Double
    /// γ of the error ε.
    public var error: Double

    public init(frequency: Double = 1, routingWeight: Double = 1.5, error: Double = 1) {
      self.frequency = frequency
      self.routingWeight = routingWeight
      self.error = error
    }
  }

  /// The tokens on which ε is measured.
  public struct ExpertOutputSample: Sendable {
    public var sequences: [[Int32]]
    /// Of the forward pass.
    public var precision: Precision

    public init(sequences: [[Int32]], precision: Precision) {
      self.sequences = sequences
      self.precision = precision
    }
  }
}

/// Losses that every level carries beside its base loss, each by the name it has in tables.
///
/// Δ is the error of the level, summed over the matrices of a unit unless said otherwise; N counts
/// the layer's tokens, n those of the matrix. None is scaled across layers.
public enum Sensitivity: String, Sendable, CaseIterable {
  /// tr(Δ S Δᵀ) / n.
  case secondOrder = "second-order"
  /// 2 · Tr(S) / (n · in) · ‖Δ‖² (Dong et al. 2019, arXiv:1911.03852, for a layer-wise loss).
  case hawqTrace = "hawq-trace"
  /// ‖Δ‖² / weights of the unit.
  case weightMSE = "weight-mse"
  /// tr(Δ S_w Δᵀ) / N: what reaches the layer's output, cross terms between matrices neglected. S_w
  /// is S where every token comes with weight 1.
  case output
  /// ε = ‖MoE(x) - MoE(x; unit rounded)‖_F over tokens x (METHODS §2.7). PMQ's code adds the norms
  /// of its batches instead.
  case expertOutput = "expert-output"
  /// φ^α · w^β · ε^γ, φ being the share of a layer's assignments and w that of Σ softmax probability
  /// when selected (Huang et al. 2024, arXiv:2410.06270).
  ///
  /// Where ε was not measured it is √(N · `output`). What sees every token has N as count and as
  /// summed weight. Attention has none.
  case pmq
  /// Σ F Δ², F being the diagonal of the empirical Fisher information (``FisherDiagonal``).
  case fisher
  /// Σ over matrices of κ · Σ F Δ², κ being the condition number of H = 2S/n of the matrix's input,
  /// damped by ``ExpertMeasurement/conditionDamping``, 1 without tokens (Xie et al. 2025, ACL
  /// Findings, pp. 27024-27037, name both indicators; the product is our reading of it).
  case fisherCondition = "fisher-condition"
}

/// Why a table cannot be measured.
public enum MeasurementError: Error, Equatable, CustomStringConvertible {
  case needsCalibration(String)
  case needsRoutingWeightedSums(String, layer: Int)
  case needsResidualStream(String, layer: Int)
  case needsExpertOutputSample(String)
  case tooFewTokens(String, layer: Int)
  /// The error of all experts of a layer together is not the sum of theirs.
  case expertOutputOfLayers
  case unknownName(String, of: String, allowed: [String])
  case needsGradients(String)
  /// Slopes are those at the MoE's output.
  case gradientOfAttention
  case gradientWithFactors
  /// Neurons have gate, up and down together.
  case mixedProjection(Double)
  case mixedAttention(Double)
  case badBlockSize(Int)
  case badExponent(String, Double)

  public var description: String {
    switch self {
    case .needsCalibration(let quantity):
      "'\(quantity)' comes from calibration statistics; give a calibration folder."
    case .needsRoutingWeightedSums(let sensitivity, let layer):
      "'\(sensitivity)' needs routing-weighted sums, which the calibration of layer \(layer) lacks; "
        + "calibrate with --routing-weighted."
    case .needsResidualStream(let quantity, let layer):
      "'\(quantity)' needs what is kept of the residual stream, which the calibration of layer "
        + "\(layer) lacks: it is of an older version; calibrate again."
    case .needsExpertOutputSample(let sensitivity):
      "'\(sensitivity)' is measured on tokens; give a text to measure it on."
    case .tooFewTokens(let score, let layer):
      "'\(score)' is trained on tokens and checked on a fifth of them; layer \(layer) has fewer than "
        + "five. Give a longer text."
    case .expertOutputOfLayers:
      "'expert-output' is measured for experts and projections, not for whole layers; use "
        + "granularity 'expert' or leave it out."
    case .unknownName(let name, let kind, let allowed):
      "There is no \(kind) '\(name)'; use one of \(allowed.joined(separator: ", "))."
    case .needsGradients(let quantity):
      "'\(quantity)' is made of gradients; give a folder that `assay gradients` wrote."
    case .gradientOfAttention:
      "Scale 'gradient' is of errors at the MoE's output, and attention has none there; measure "
        + "without attention, or on another scale."
    case .gradientWithFactors:
      "Scale 'gradient' knows how often an expert is used and how much it counts; leave the "
        + "exponents of frequency and routing weight at 0."
    case .mixedProjection(let bits):
      "The level \(bits) gives the neurons of an expert different bits, and projections are decided "
        + "alone; use granularity 'expert' or 'layer', or whole levels."
    case .mixedAttention(let bits):
      "The level \(bits) gives the neurons of an expert different bits, and attention has none; "
        + "measure without attention, or with whole levels."
    case .badBlockSize(let size):
      "A block has at least one neuron, got \(size)."
    case .badExponent(let name, let value):
      "Exponent \(name) must be a finite number >= 0, got \(value)."
    }
  }
}
