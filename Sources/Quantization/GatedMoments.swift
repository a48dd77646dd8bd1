public import Tensors

/// What calibration knows of the inputs of an expert's matrices.
public struct GatedMoments: Sendable {
  /// S = Σ x xᵀ over some tokens.
  public struct Site: Sendable {
    public var sum: SecondMoments
    public var tokens: Int

    public init(sum: SecondMoments, tokens: Int) {
      self.sum = sum
      self.tokens = tokens
    }
  }

  /// Of the input of gate and up, order `inputs`.
  public var input: Site
  /// Of the input of down, order `neurons`.
  public var hidden: Site

  /// Whether tokens came through.
  public var hasTokens: Bool { input.tokens > 0 && hidden.tokens > 0 }

  public init(input: Site, hidden: Site) {
    self.input = input
    self.hidden = hidden
  }
}
