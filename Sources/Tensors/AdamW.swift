/// Adam with decoupled weight decay, step by step as PyTorch has it.
///
///     m ← β₁ m + (1 - β₁) g,  v ← β₂ v + (1 - β₂) g²
///     p ← p - rate · decay · p - rate / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + ε)
///
/// with β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
///
/// - SeeAlso: Loshchilov and Hutter 2019, arXiv:1711.05101; `torch.optim.AdamW`.
public struct AdamW: Sendable, Equatable, Codable {
  public var rate: Float
  public var decay: Float
  /// Running means of the gradient and of its square, one value a parameter.
  private var momentum: [Float]
  private var squares: [Float]
  /// Steps done.
  public private(set) var steps = 0

  /// - Parameters:
  ///   - count: Of the parameters.
  ///   - rate: Learning rate.
  ///   - decay: Weight decay.
  public init(count: Int, rate: Float, decay: Float = 0) {
    (self.rate, self.decay) = (rate, decay)
    momentum = [Float](repeating: 0, count: count)
    squares = momentum
  }

  /// Moves the parameters against the gradient.
  ///
  /// - Parameters:
  ///   - parameters: As many as announced.
  ///   - gradient: Of the loss.
  public mutating func step(_ parameters: inout [Float], _ gradient: [Float]) {
    precondition(
      parameters.count == momentum.count && gradient.count == momentum.count,
      "\(parameters.count) parameters, \(gradient.count) slopes, \(momentum.count) expected")
    steps += 1
    let (keep, keepSquares): (Float, Float) = (0.9, 0.999)
    // Powers in double precision: 1 - β₂ᵗ loses half its digits in single precision at first.
    let bias = Float(1 - power(Double(keep), steps))
    let squareBias = Float((1 - power(Double(keepSquares), steps)).squareRoot())
    for i in parameters.indices {
      let slope = gradient[i]
      momentum[i] = keep * momentum[i] + (1 - keep) * slope
      squares[i] = keepSquares * squares[i] + (1 - keepSquares) * slope * slope
      parameters[i] -= rate * decay * parameters[i]
      parameters[i] -=
        rate / bias * momentum[i] / (squares[i].squareRoot() / squareBias + 1e-8)
    }
  }
}

/// base^exponent by squaring.
private func power(_ base: Double, _ exponent: Int) -> Double {
  var (result, factor, rest) = (1.0, base, exponent)
  while rest > 0 {
    if rest & 1 == 1 { result *= factor }
    factor *= factor
    rest >>= 1
  }
  return result
}
