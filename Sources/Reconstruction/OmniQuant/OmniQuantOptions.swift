/// How OmniQuant learns (METHODS §2.5).
///
/// - SeeAlso: Shao et al. 2024, "OmniQuant", arXiv:2308.13137.
public struct OmniQuantOptions: Sendable, Equatable {
  /// Passes over the calibration sequences, for every layer.
  public var epochs: Int
  /// Learning rate of clipping.
  public var clippingRate: Double
  /// Learning rate of the scales of the equivalent transformation.
  public var scalingRate: Double
  /// Sequences of a step.
  public var batch: Int
  /// Adds the distance to what the full-precision layer makes of the quantized stream.
  public var augmented: Bool
  /// Whether channels are scaled against each other too: up rows against down columns, and the
  /// inputs of gate and up against norm and router.
  public var equivalent: Bool

  public init(
    epochs: Int = 20, clippingRate: Double = 1e-2, scalingRate: Double = 5e-3, batch: Int = 1,
    augmented: Bool = false, equivalent: Bool = false
  ) {
    self.epochs = epochs
    self.clippingRate = clippingRate
    self.scalingRate = scalingRate
    self.batch = batch
    self.augmented = augmented
    self.equivalent = equivalent
  }
}

/// How the training of a module's layer went.
public struct TrainingReport: Codable, Sendable, Equatable {
  /// Index of the layer; nil in reports of programs that did not say.
  public var layer: Int?
  /// Mean square distance of the layer's output to that in full precision, over all tokens, with the
  /// parameters that training begins with (OmniQuant: a clip of 1.8 %); nil if it is not finite.
  public var startLoss: Double?
  /// The same with the parameters that are stored.
  public var endLoss: Double?
  /// Steps in which a token went through the module.
  public var steps: Int
  /// Why the parameters of the start are stored; nil where learned ones are.
  public var kept: Kept?
  /// What was not finite, such as `the loss of step 3`; nil where all was.
  public var notFinite: String?

  public enum Kept: String, Codable, Sendable {
    /// A loss, or what it is made of, was not finite.
    case notFinite = "loss-not-finite"
    /// What was learned was worse.
    case worse = "not-better"
  }
}
