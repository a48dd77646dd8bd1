import Foundation
public import Tensors

/// The learnable clipping of a weight matrix: every group's range shrinks by a logistic function of
/// two parameters.
///
///     lo = σ(β) · min(min w, 0),  hi = σ(γ) · max(max w, 0)
///     s, z from lo and hi as ``AffineGrid`` has it
///     ŵ = s · (clamp(round(w / s) + z, 0, 2^b - 1) - z)
///
/// Gradients pass rounding unchanged (straight-through) and take the zero point as a constant, as
/// OmniQuant's code does. Two departures: zero always lies in the range, because that is what is
/// stored, and scales are rounded to binary16 in the forward pass where the grid stores them so.
///
/// One bit has no range to learn: its scale is mean |w|, and the parameters stay as they are.
///
/// - SeeAlso: Shao et al. 2024, "OmniQuant", arXiv:2308.13137, learnable weight clipping; METHODS §2.5.
public struct LearnedClipping: Sendable, Equatable, Codable {
  public let bits: Int
  public let rows: Int
  public let columns: Int
  /// Columns that share a scale; the last group of a row may be shorter.
  public let groupSize: Int
  /// γ, shape `[rows, groups]`.
  public var upper: [Float]
  /// β, shape `[rows, groups]`.
  public var lower: [Float]

  public var groups: Int { (columns + groupSize - 1) / groupSize }

  /// σ(4) = 0.982: where OmniQuant starts.
  public static let start: Float = 4

  /// - Parameters:
  ///   - grid: Bits, group size and storage of scales; a range search of it is not used.
  ///   - rows: Of the matrix.
  ///   - columns: Of the matrix.
  ///   - start: First value of all parameters.
  public init(grid: AffineGrid, rows: Int, columns: Int, start: Float = Self.start) {
    bits = grid.bits
    (self.rows, self.columns) = (rows, columns)
    groupSize = grid.groupSize(columns: columns)
    let count = rows * ((columns + groupSize - 1) / groupSize)
    upper = [Float](repeating: start, count: count)
    lower = upper
  }

  /// Slopes of a loss.
  public struct Gradient: Sendable {
    /// With respect to γ and β, shape `[rows, groups]`.
    public var upper: [Float]
    public var lower: [Float]
    /// With respect to the weights that were rounded, shape `[rows, columns]`; nil if not asked for.
    public var weights: Matrix?
  }

  /// The weights on the grid.
  ///
  /// - Parameters:
  ///   - weights: W, `[rows, columns]`.
  ///   - grid: The one that the parameters were made for.
  /// - Returns: Ŵ, as the stored matrix will be read.
  /// - Throws: ``QuantizationError/scaleOverflow(scale:row:group:)``.
  public func rounded(_ weights: Matrix, on grid: AffineGrid) throws(QuantizationError) -> Matrix {
    var result = weights
    try forEachGroup(weights, grid) { _, fit, values in
      for (index, weight) in zip(values.indices, values) {
        result.storage[index] = fit.scale * (fit.code(of: weight, grid) - fit.zero)
      }
    }
    return result
  }

  /// The weights as they are stored.
  ///
  /// - Parameters:
  ///   - weights: W, `[rows, columns]`.
  ///   - grid: The one that the parameters were made for.
  /// - Returns: Codes, scales and zero points.
  /// - Throws: ``QuantizationError/scaleOverflow(scale:row:group:)``.
  public func packed(
    _ weights: Matrix, on grid: AffineGrid
  ) throws(QuantizationError) -> PackedMatrix {
    var codes = [UInt8](repeating: 0, count: rows * columns)
    var (scales, zeros): ([UInt16], [UInt8]) = ([], [])
    try forEachGroup(weights, grid) { _, fit, values in
      scales.append(Float16(fit.scale).bitPattern)
      if !grid.symmetric { zeros.append(UInt8(fit.zero)) }
      for (index, weight) in zip(values.indices, values) {
        codes[index] = UInt8(fit.code(of: weight, grid))
      }
    }
    let streams = (0..<rows).flatMap { row in
      BitStream.packed(Array(codes[row * columns..<(row + 1) * columns]), bits: bits)
    }
    return PackedMatrix(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: grid.symmetric,
      codes: streams, scales: scales, zeros: zeros)
  }

  /// What a change of parameters and weights does to a loss.
  ///
  /// - Parameters:
  ///   - slope: ∂loss/∂Ŵ, `[rows, columns]`.
  ///   - weights: W, as they were rounded.
  ///   - grid: The one that the parameters were made for.
  ///   - throughWeights: Whether slopes of the weights are asked for.
  /// - Returns: Slopes; equal largest (smallest) weights of a group share its slope.
  /// - Throws: ``QuantizationError/scaleOverflow(scale:row:group:)``.
  public func gradient(
    of slope: Matrix, at weights: Matrix, on grid: AffineGrid, throughWeights: Bool = false
  ) throws(QuantizationError) -> Gradient {
    var upperSlopes = [Float](repeating: 0, count: upper.count)
    var lowerSlopes = upperSlopes
    var passed = throughWeights ? slope : Matrix(rows: 0, columns: 0)
    let largest = Float(grid.largestCode)
    try forEachGroup(weights, grid) { group, fit, values in
      guard bits > 1 else { return }
      var byScale: Float = 0
      for (index, weight) in zip(values.indices, values) {
        let ratio = weight / fit.scale
        let unclamped = ratio.rounded(.toNearestOrEven) + fit.zero
        if unclamped < 0 || unclamped > largest {
          byScale += slope.storage[index] * (min(max(unclamped, 0), largest) - fit.zero)
          if throughWeights { passed.storage[index] = 0 }
        } else {
          byScale += slope.storage[index] * (unclamped - fit.zero - ratio)
        }
      }
      let (byHigh, byLow) = fit.slopes(byScale: byScale / largest, symmetric: grid.symmetric)
      upperSlopes[group.index] = byHigh * group.highest * fit.highShare * (1 - fit.highShare)
      lowerSlopes[group.index] = byLow * group.lowest * fit.lowShare * (1 - fit.lowShare)
      guard throughWeights else { return }
      Self.share(byHigh * fit.highShare, among: group.highest, of: values, to: &passed)
      Self.share(byLow * fit.lowShare, among: group.lowest, of: values, to: &passed)
    }
    return Gradient(
      upper: upperSlopes, lower: lowerSlopes, weights: throughWeights ? passed : nil)
  }

  /// Adds the slope of an end of the range to the weights that are it; 0 is the grid's own.
  private static func share(
    _ slope: Float, among extreme: Float, of values: ArraySlice<Float>, to passed: inout Matrix
  ) {
    guard extreme != 0 else { return }
    let count = values.count { $0 == extreme }
    for index in values.indices where values[index] == extreme {
      passed.storage[index] += slope / Float(count)
    }
  }
}

/// Weights of a row that share a scale.
private struct ClippedGroup {
  /// Among all of the matrix.
  let index: Int
  /// max(max w, 0) and min(min w, 0).
  let highest: Float
  let lowest: Float
}

/// The grid of a group after clipping.
private struct ClippedFit {
  let scale: Float
  let zero: Float
  /// σ(γ) and σ(β).
  let highShare: Float
  let lowShare: Float
  let high: Float
  let low: Float

  func code(of weight: Float, _ grid: AffineGrid) -> Float {
    guard grid.bits > 1 else { return weight >= 0 ? 1 : 0 }
    return min(
      max((weight / scale).rounded(.toNearestOrEven) + zero, 0), Float(grid.largestCode))
  }

  /// ∂loss/∂hi and ∂loss/∂lo from ∂loss/∂(hi - lo). A symmetric range is twice its larger end.
  func slopes(byScale slope: Float, symmetric: Bool) -> (high: Float, low: Float) {
    guard symmetric else { return (slope, -slope) }
    return high >= -low ? (2 * slope, 0) : (0, -2 * slope)
  }
}

extension LearnedClipping {
  /// Group by group in the order of storage.
  private func forEachGroup(
    _ weights: Matrix, _ grid: AffineGrid,
    _ body: (ClippedGroup, ClippedFit, ArraySlice<Float>) -> Void
  ) throws(QuantizationError) {
    precondition(
      weights.rows == rows && weights.columns == columns && grid.bits == bits,
      "clipping of [\(rows), \(columns)] at \(bits) bits on [\(weights.rows), \(weights.columns)]")
    for row in 0..<rows {
      for place in 0..<groups {
        let first = place * groupSize
        let start = row * columns + first
        let values = weights.storage[start..<row * columns + min(first + groupSize, columns)]
        let group = ClippedGroup(
          index: row * groups + place, highest: max(values.max() ?? 0, 0),
          lowest: min(values.min() ?? 0, 0))
        body(group, try fit(group, values, grid, row: row, place: place), values)
      }
    }
  }

  private func fit(
    _ group: ClippedGroup, _ values: ArraySlice<Float>, _ grid: AffineGrid, row: Int, place: Int
  ) throws(QuantizationError) -> ClippedFit {
    let (highShare, lowShare) = (logistic(upper[group.index]), logistic(lower[group.index]))
    let (high, low) = (highShare * group.highest, lowShare * group.lowest)
    let parameters =
      bits == 1
      ? grid.signParameters(
        meanMagnitude: values.reduce(0) { $0 + abs($1) } / Float(max(values.count, 1)))
      : grid.parameters(low: low, high: high)
    guard let parameters else {
      throw .scaleOverflow(
        scale: grid.exactScale(low: low, high: high), row: row, group: place)
    }
    return ClippedFit(
      scale: parameters.scale, zero: parameters.zero, highShare: highShare, lowShare: lowShare,
      high: high, low: low)
  }
}

private func logistic(_ x: Float) -> Float { 1 / (1 + expf(-x)) }
