public import Tensors

/// AdaDim: each matrix is grouped along the axis in which rounding to nearest changes its output less.
///
///     d* = argmin over d of E‖f(x; W) - f(x; RTN_d(W))‖²
///
/// Outliers of activations make whole input channels sensitive. Grouped by output channel they share
/// scales with all other inputs; grouped by input channel they have scales of their own.
///
/// Where f is the module's own output (o and down, as published) the error is tr(Δ S Δᵀ). For the
/// matrices that are judged at a block's output (q, k, v and gate, up) the caller measures it and passes
/// a closure. One departure: grids are those of ``AffineGrid``, with 0 in every range, where AdaDim's
/// are from min to max with s >= 1e-5.
/// - SeeAlso: Heo et al. 2023, arXiv:2309.15531; METHODS §2.5.
public enum AdaptiveAxis {
  /// Decides by the module's own output.
  ///
  /// - Parameters:
  ///   - module: Its name, for the record.
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - grid: Group size along either axis.
  ///   - moments: S or H of the inputs, of which errors get their unit.
  /// - Returns: The axis with both errors tr(Δ S Δᵀ).
  /// - Throws: ``QuantizationError``.
  /// - Complexity: Twice rounding to nearest and rows · columns² multiply-adds.
  public static func decide(
    module: String, weights: Matrix, grid: AffineGrid, moments: SecondMoments
  ) throws -> AxisDecision {
    guard weights.columns == moments.order else {
      throw QuantizationError.shapesDiffer(
        weights: [weights.rows, weights.columns], hessianOrder: moments.order)
    }
    return try decide(module: module, weights: weights, grid: grid) { quantized in
      ProxyLoss.total(of: quantized.minus(weights), under: moments)
    }
  }

  /// Decides by an error measured elsewhere, such as at the output of attention or of an expert.
  ///
  /// - Parameters:
  ///   - module: Its name, for the record.
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - grid: Group size along either axis.
  ///   - error: Of the module with these weights in place of W; called once for each axis.
  /// - Returns: The axis with both errors.
  /// - Throws: ``QuantizationError``, and what `error` throws.
  public static func decide(
    module: String, weights: Matrix, grid: AffineGrid, error: (Matrix) throws -> Double
  ) throws -> AxisDecision {
    var errors: [Double] = []
    for axis in [GroupingAxis.outputChannel, .inputChannel] {
      let rounded = try RoundToNearest.quantize(weights, grid: grid, along: axis)
      errors.append(try error(rounded.dequantized()))
    }
    return AxisDecision(
      module: module, outputChannelError: errors[0], inputChannelError: errors[1])
  }
}

extension RoundToNearest {
  /// Codes a matrix with groups along either axis.
  ///
  /// Where an error names row and group of a scale, rows are those of the axis: input channels for
  /// ``GroupingAxis/inputChannel``.
  ///
  /// - Parameters:
  ///   - weights: W, shape `[outputs, inputs]`.
  ///   - grid: Its group size counts inputs, or outputs for ``GroupingAxis/inputChannel``; the last
  ///     group may be short.
  ///   - axis: Of the channels that have groups.
  /// - Returns: W on the grid.
  /// - Throws: ``QuantizationError`` if a weight is not finite or a scale is too large to store.
  public static func quantize(
    _ weights: Matrix, grid: AffineGrid, along axis: GroupingAxis
  ) throws(QuantizationError) -> AxisGroupedMatrix {
    guard axis == .inputChannel else {
      return .outputChannel(try quantize(weights, grid: grid))
    }
    if let place = weights.firstNonFinite {
      throw .notFiniteWeight(row: place.row, column: place.column)
    }
    return .inputChannel(
      TransposedPackedMatrix(transposed: try quantize(weights.transposed, grid: grid)))
  }
}
