import Foundation
import MoEModels
import Quantization
import Tensors

/// A module whose clipping is being learned.
struct ClippedModule: Sendable {
  let module: LinearModule
  let weights: Matrix
  let layout: ClippedLayout
  /// One for each grid of the layout.
  private var parts: [ClippedPart]
  /// Steps in which a token went through.
  private(set) var steps = 0

  init(_ module: LinearModule, weights: Matrix, layout: ClippedLayout, rate: Double) {
    (self.module, self.weights, self.layout) = (module, weights, layout)
    parts = zip(layout.grids, layout.split(weights)).map { grid, part in
      ClippedPart(grid: grid, rows: part.rows, columns: part.columns, rate: Float(rate))
    }
  }

  /// What is learned, part by part.
  var clippings: [LearnedClipping] {
    get { parts.map(\.clipping) }
    set {
      for (place, clipping) in zip(parts.indices, newValue) { parts[place].clipping = clipping }
    }
  }

  /// Back to where training begins.
  mutating func reset() {
    for place in parts.indices { parts[place].reset() }
  }

  /// What the module multiplies by where nothing else of the layer is scaled: Q(r W c) / (r c).
  ///
  /// - Parameter scales: r of the rows and c of the columns.
  /// - Returns: `[out, in]`.
  /// - Throws: ``QuantizationError``.
  func effective(_ scales: ModuleScales) throws(QuantizationError) -> Matrix {
    scales.dividing(try rounded(scales.multiplying(weights)))
  }

  private func rounded(_ scaled: Matrix) throws(QuantizationError) -> Matrix {
    var result: [Matrix] = []
    for (part, values) in zip(parts, layout.split(scaled)) {
      result.append(try part.clipping.rounded(values, on: part.grid))
    }
    return layout.joined(result)
  }

  /// As it is stored: Q(r W c).
  func stored(_ scales: ModuleScales) throws(QuantizationError) -> StoredMatrix {
    var result: [PackedMatrix] = []
    for (part, values) in zip(parts, layout.split(scales.multiplying(weights))) {
      result.append(try part.clipping.packed(values, on: part.grid))
    }
    return layout.stored(result)
  }

  /// Learns from the slope of the effective weights.
  ///
  /// - Parameters:
  ///   - slope: ∂loss/∂(Q(r W c) / (r c)), `[out, in]`.
  ///   - scales: r and c.
  /// - Returns: Slopes of r and c; nil where they are not learned.
  /// - Throws: ``QuantizationError``.
  mutating func learn(
    _ slope: Matrix, _ scales: ModuleScales
  ) throws(QuantizationError) -> (rows: [Float], columns: [Float])? {
    let scaled = scales.multiplying(weights)
    let (slopes, values) = (layout.split(scales.dividing(slope)), layout.split(scaled))
    var gradients: [LearnedClipping.Gradient] = []
    for (place, part) in parts.enumerated() {
      gradients.append(
        try part.clipping.gradient(
          of: slopes[place], at: values[place], on: part.grid, throughWeights: !scales.areOne))
    }
    // Before the step: the slopes of the scales are of the weights that gave the loss.
    let found =
      scales.areOne
      ? nil
      : try scaleSlopes(layout.joined(gradients.compactMap(\.weights)), slope, scaled, scales)
    for (place, gradient) in gradients.enumerated() { parts[place].step(gradient) }
    steps += 1
    return found
  }

  /// ∂/∂c_j = Σ_i r_i W_ij ∂/∂(r W c)_ij − Σ_i E_ij ∂/∂E_ij / c_j, and alike for rows, E being the
  /// effective weights.
  private func scaleSlopes(
    _ passed: Matrix, _ slope: Matrix, _ scaled: Matrix, _ scales: ModuleScales
  ) throws(QuantizationError) -> (rows: [Float], columns: [Float]) {
    let effective = scales.dividing(try rounded(scaled))
    var rows = [Float](repeating: 0, count: weights.rows)
    var columns = [Float](repeating: 0, count: weights.columns)
    for row in 0..<weights.rows {
      for column in 0..<weights.columns {
        let index = row * weights.columns + column
        let share =
          passed.storage[index] * scaled.storage[index]
          - slope.storage[index] * effective.storage[index]
        rows[row] += share
        columns[column] += share
      }
    }
    for row in rows.indices { rows[row] /= scales.row(row) }
    for column in columns.indices { columns[column] /= scales.column(column) }
    return (rows, columns)
  }
}

/// Weights of a module that have the same bits.
private struct ClippedPart: Sendable {
  let grid: AffineGrid
  var clipping: LearnedClipping
  private var upper: AdamW
  private var lower: AdamW

  init(grid: AffineGrid, rows: Int, columns: Int, rate: Float) {
    self.grid = grid
    clipping = LearnedClipping(grid: grid, rows: rows, columns: columns)
    upper = AdamW(count: clipping.upper.count, rate: rate)
    lower = upper
  }

  mutating func reset() {
    clipping = LearnedClipping(grid: grid, rows: clipping.rows, columns: clipping.columns)
  }

  mutating func step(_ gradient: LearnedClipping.Gradient) {
    guard clipping.bits > 1 else { return }
    upper.step(&clipping.upper, gradient.upper)
    lower.step(&clipping.lower, gradient.lower)
  }
}

/// What the rows and the columns of a weight matrix are multiplied by before it is rounded.
struct ModuleScales: Sendable {
  /// nil: 1.
  var rows: [Float]?
  var columns: [Float]?

  var areOne: Bool { rows == nil && columns == nil }

  func row(_ index: Int) -> Float { rows?[index] ?? 1 }
  func column(_ index: Int) -> Float { columns?[index] ?? 1 }

  func multiplying(_ matrix: Matrix) -> Matrix { scaled(matrix) { $0 * $1 } }
  func dividing(_ matrix: Matrix) -> Matrix { scaled(matrix) { $0 / $1 } }

  private func scaled(_ matrix: Matrix, _ apply: (Float, Float) -> Float) -> Matrix {
    guard !areOne else { return matrix }
    var result = matrix
    for row in 0..<matrix.rows {
      let factor = self.row(row)
      for column in 0..<matrix.columns {
        let index = row * matrix.columns + column
        result.storage[index] = apply(matrix.storage[index], factor * self.column(column))
      }
    }
    return result
  }
}
