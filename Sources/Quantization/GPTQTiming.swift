import Foundation
import Tensors

/// How long GPTQ takes for one matrix, factorization included.
public struct GPTQTiming: Sendable {
  /// By the clock.
  public let seconds: Double
  /// The share of the factorization in ``seconds``.
  public let factorSeconds: Double
  /// CPU time of all threads.
  public let processorSeconds: Double
  /// Of the result, to compare with other programs.
  public let loss: Double

  /// Solves a matrix once, after a small one that loads the libraries and wakes the threads.
  ///
  /// - Parameters:
  ///   - solver: Grid and options.
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - hessian: H = 2 S / n, order `inputs`.
  /// - Throws: ``QuantizationError``.
  public init(
    of solver: GPTQ, weights: Matrix, hessian: SymmetricMatrix
  ) throws(QuantizationError) {
    try Self.warmUp(solver)
    let (processor, start) = (clock(), ContinuousClock.now)
    let factor = try DampedFactor(
      of: hessian, relativeDamping: solver.options.relativeDamping,
      columns: solver.options.columns)
    factorSeconds = (ContinuousClock.now - start) / .seconds(1)
    loss = try solver.quantize(weights, factor: factor).loss
    seconds = (ContinuousClock.now - start) / .seconds(1)
    processorSeconds = Double(clock() - processor) / Double(CLOCKS_PER_SEC)
  }

  private static func warmUp(_ solver: GPTQ) throws(QuantizationError) {
    let identity = SecondMoments.diagonal([Float](repeating: 1, count: 256)).dense
    _ = try solver.quantize(Matrix(rows: 512, columns: 256), hessian: identity)
  }
}
