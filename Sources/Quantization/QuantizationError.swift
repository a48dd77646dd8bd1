/// Why a matrix cannot be quantized as asked.
public indirect enum QuantizationError: Error, Equatable {
  /// Of an expert's gate, up and down, 0…2.
  case inMatrix(Int, QuantizationError)
  case unsupportedBits(Int)
  case unsupportedGroupSize(Int)
  case unsupportedRangeSearch(RangeSearch)
  case unsupportedBlockSize(Int)
  /// A block of a block-diagonal Hessian ends inside a group.
  case blockSplitsGroup(blockSize: Int, groupSize: Int)
  case notFiniteWeight(row: Int, column: Int)
  /// The scale a group needs is above the largest binary16 number.
  case scaleOverflow(scale: Float, row: Int, group: Int)
  case shapesDiffer(weights: [Int], hessianOrder: Int)
  case notFiniteHessian(row: Int, column: Int)
  case negativeHessianDiagonal(column: Int, value: Float)
  /// No calibration token reached the matrix.
  case noCalibration(columns: Int)
  case unsupportedDamping(Double)
  /// Not positive definite even at the largest damping tried.
  case notPositiveDefinite(pivot: Int, order: Int, relativeDamping: Double)
  case notFiniteSensitivity(row: Int, column: Int)
  case negativeSensitivity(row: Int, column: Int, value: Float)
  case sensitivityShape(weights: [Int], sensitivity: [Int])
  /// Sensitive values were asked for without a sensitivity.
  case noSensitivity(fraction: Double)
  case unsupportedFraction(Double)
  case unsupportedRange(Double)
  case unsupportedIterations(Int)
  case unsupportedTolerance(Double)
  /// Outliers were chosen in a matrix of another shape.
  case outlierShape(weights: [Int], outliers: [Int])
  /// A sparse part holds columns in 16 bits.
  case tooManyColumns(Int)
  /// A value of a codebook or of a sparse part is above the largest binary16 number.
  case valueOverflow(value: Float, row: Int, column: Int)
}

extension QuantizationError {
  /// Errors of the body as those of one of an expert's matrices.
  static func of<Value>(
    matrix index: Int, _ body: () throws(QuantizationError) -> Value
  ) throws(QuantizationError) -> Value {
    do { return try body() } catch { throw .inMatrix(index, error) }
  }
}

extension QuantizationError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .inMatrix(let index, let cause):
      "\(["Gate", "Up", "Down"][min(max(index, 0), 2)]): \(cause)"
    case .unsupportedBits(let bits):
      "Bits must be 1...8, got \(bits)."
    case .unsupportedGroupSize(let size):
      "Group size must be at least 1, got \(size); leave it out for one scale per row."
    case .unsupportedRangeSearch(let search):
      "The range search needs norm > 0, steps >= 1 and 0 <= shrink < 1, got norm \(search.norm), "
        + "steps \(search.steps), shrink \(search.maximalShrink); 2.4, 100 and 0.8 are usual."
    case .unsupportedBlockSize(let size):
      "The solver's block size must be at least 1, got \(size); 128 is usual."
    case .blockSplitsGroup(let blockSize, let groupSize):
      "Hessian blocks of \(blockSize) columns split groups of \(groupSize); use a multiple of "
        + "\(groupSize)."
    case .notFiniteWeight(let row, let column):
      "Weight (\(row), \(column)) is NaN or infinite; check the checkpoint."
    case .scaleOverflow(let scale, let row, let group):
      "Row \(row), group \(group) needs scale \(scale), binary16 ends at 65504; "
        + "rescale the weights or use more bits."
    case .shapesDiffer(let weights, let order):
      "Weights are \(weights), the Hessian has order \(order); "
        + "its order must be the number of columns."
    case .notFiniteHessian(let row, let column):
      "Hessian element (\(row), \(column)) is NaN or infinite; calibrate again."
    case .negativeHessianDiagonal(let column, let value):
      "Hessian diagonal \(column) is \(value); a sum of squares cannot be negative, "
        + "calibrate again."
    case .noCalibration(let columns):
      "All \(columns) diagonal elements of the Hessian are 0: no calibration token reached this "
        + "matrix; use more tokens or round to nearest."
    case .unsupportedDamping(let damping):
      "Relative damping must be a finite number >= 0, got \(damping); 0.01 is usual."
    case .notPositiveDefinite(let pivot, let order, let damping):
      "Hessian of order \(order) is not positive definite at column \(pivot), even with relative "
        + "damping \(damping); calibrate with more tokens."
    case .notFiniteSensitivity(let row, let column):
      "Sensitivity (\(row), \(column)) is NaN or infinite; compute the gradients again."
    case .negativeSensitivity(let row, let column, let value):
      "Sensitivity (\(row), \(column)) is \(value); a sum of squared gradients cannot be negative, "
        + "pass squares rather than gradients."
    case .sensitivityShape(let weights, let sensitivity):
      "Weights are \(weights), the sensitivity is \(sensitivity); they must have one shape, or the "
        + "sensitivity one number for each column."
    case .noSensitivity(let fraction):
      "A fraction \(fraction) of sensitive values needs a sensitivity for every weight; pass the "
        + "Fisher diagonal or ask for range outliers alone."
    case .unsupportedFraction(let fraction):
      "A fraction of outliers must be in 0..<1, got \(fraction); 0.0045 is 0.45 %."
    case .unsupportedRange(let range):
      "The range of outliers must be a finite number >= 0 of quartile distances, got \(range); "
        + "1.5 to 2 is usual."
    case .unsupportedIterations(let iterations):
      "Lloyd's method needs at least 1 iteration, got \(iterations); 50 is usual."
    case .unsupportedTolerance(let tolerance):
      "The tolerance of Lloyd's method must be a finite number >= 0, got \(tolerance); 0.0001 is "
        + "usual."
    case .outlierShape(let weights, let outliers):
      "Weights are \(weights), the outliers were chosen in \(outliers); choose them in this matrix."
    case .tooManyColumns(let columns):
      "A sparse part holds columns in 16 bits, that is at most 65536, got \(columns); quantize without "
        + "outliers or in slices of columns."
    case .valueOverflow(let value, let row, let column):
      "Row \(row), column \(column) needs the value \(value), binary16 ends at 65504; rescale the "
        + "weights."
    }
  }
}
