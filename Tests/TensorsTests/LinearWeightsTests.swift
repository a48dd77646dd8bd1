import Statistics
import Tensors
import Testing

/// Seeded floats in -1…1.
func uniform(_ count: Int, seed: UInt64) -> [Float] {
  var random = SeededGenerator(seed: seed)
  return (0..<count).map { _ in Float(random.below(2_000_001) - 1_000_000) / 1_000_000 }
}

/// x Wᵀ in double precision, and Σ |x| |w| of every element, which scales its rounding error.
func reference(_ x: Matrix, _ weights: Matrix) -> (product: [Double], magnitude: [Double]) {
  var (product, magnitude): ([Double], [Double]) = ([], [])
  for row in 0..<x.rows {
    for output in 0..<weights.rows {
      let terms = (0..<x.columns).map { Double(x[row, $0]) * Double(weights[output, $0]) }
      product.append(terms.reduce(0, +))
      magnitude.append(terms.reduce(0) { $0 + abs($1) })
    }
  }
  return (product, magnitude)
}

/// `weights.apply` on rows that lie before padding rows of NaN.
private func applied(_ weights: LinearWeights, to x: Matrix) -> [Float] {
  let padding = LinearWeights.paddedRows(x.rows) - x.rows
  let input = x.storage + [Float](repeating: .nan, count: padding * x.columns)
  var output = [Float](repeating: .nan, count: (x.rows + padding) * weights.rows)
  weights.apply(input, rows: x.rows, to: &output, scratch: ScratchBuffer())
  return Array(output.prefix(x.rows * weights.rows))
}

/// Whether every element is within columns · 2⁻²³ of its Σ |x| |w|: the bound of a sum of that many
/// f32 terms in any order, twice over.
private func agrees(
  _ ours: [Float], with reference: (product: [Double], magnitude: [Double]), columns: Int
) -> Bool {
  ours.count == reference.product.count
    && ours.indices.allSatisfy {
      abs(Double(ours[$0]) - reference.product[$0])
        <= Double(columns) * Double(Float.ulpOfOne) * reference.magnitude[$0]
    }
}

@Suite("Linear products")
struct LinearWeightsTests {
  private func operands(rows: Int, columns: Int, outputs: Int) -> (x: Matrix, weights: Matrix) {
    (
      Matrix(rows: rows, columns: columns, storage: uniform(rows * columns, seed: 1)),
      Matrix(rows: outputs, columns: columns, storage: uniform(outputs * columns, seed: 2))
    )
  }

  @Test(
    "f32 equals the sum of products, padding rows staying out", arguments: [1, 7, 130],
    [5, 64, 100])
  func f32(rows: Int, columns: Int) {
    for outputs in [1, 3, 48] {
      let (x, weights) = operands(rows: rows, columns: columns, outputs: outputs)
      let ours = applied(LinearWeights(weights, precision: .f32), to: x)
      #expect(agrees(ours, with: reference(x, weights), columns: columns), "\(outputs) outputs")
    }
  }

  @Test(
    "bf16 equals the f32 sum of products of rounded operands",
    .enabled(if: instructionSet.contains("AVX512"), "oneDNN multiplies bfloat16 on AVX-512 only"),
    arguments: [1, 7, 130], [5, 64, 100])
  func bf16(rows: Int, columns: Int) {
    let (x, weights) = operands(rows: rows, columns: columns, outputs: 33)
    let ours = applied(LinearWeights(weights, precision: .bf16), to: x)
    // A product of two 8-bit significands is exact in f32, so the bound of f32 holds.
    #expect(
      agrees(ours, with: reference(x.inBFloat16, weights.inBFloat16), columns: columns))
  }

  @Test("stacked weights give the outputs of their parts side by side")
  func stacking() {
    let (x, first) = operands(rows: 4, columns: 12, outputs: 5)
    let second = Matrix(rows: 2, columns: 12, storage: uniform(24, seed: 3))
    let both = Matrix(rows: 7, columns: 12, storage: first.storage + second.storage)
    #expect(
      applied(LinearWeights(stacking: [first, second], precision: .f32), to: x)
        == applied(LinearWeights(both, precision: .f32), to: x))
  }

  @Test("no rows: nothing is read or written")
  func noRows() {
    let weights = LinearWeights(Matrix(rows: 2, columns: 3), precision: .f32)
    var output: [Float] = [7]
    weights.apply([7], rows: 0, to: &output, scratch: ScratchBuffer())
    #expect(output == [7])
  }

  @Test("padded rows are enough, few distinct, and less than a quarter more beyond 1,024")
  func paddedRows() {
    let padded = (1...5000).map(LinearWeights.paddedRows)
    for (rows, padded) in zip(1..., padded) {
      #expect(padded >= rows)
      if rows > 1024 { #expect(padded * 4 <= rows * 5) }
    }
    #expect(Set(padded).count < 50)
  }
}

extension Matrix {
  fileprivate var inBFloat16: Matrix {
    let bits = HalfPrecision.bfloat16(storage)
    return Matrix(
      rows: rows, columns: columns,
      storage: bits.withUnsafeBufferPointer(HalfPrecision.float32(fromBFloat16:)))
  }
}

@Suite("Batched and plain products")
struct BatchedProductTests {
  @Test("strides reach a transposed operand, and gaps of the result stay as they were")
  func strides() {
    let (batch, rows, inner, columns, pitch) = (3, 4, 5, 6, 9)
    let a = uniform(batch * rows * inner, seed: 4)
    // Stored [batch, columns, inner]: the operand is its transpose.
    let w = uniform(batch * columns * inner, seed: 5)
    var c = [Float](repeating: 77, count: batch * rows * pitch)
    BatchedProduct.multiply(
      batch: batch, rows: rows, inner: inner, columns: columns,
      a, .init(batch: rows * inner, row: inner),
      w, .init(batch: columns * inner, row: 1, column: inner),
      into: &c, .init(batch: rows * pitch, row: pitch))
    for b in 0..<batch {
      let expected = reference(
        Matrix(
          rows: rows, columns: inner, storage: Array(a[b * rows * inner..<(b + 1) * rows * inner])),
        Matrix(
          rows: columns, columns: inner,
          storage: Array(w[b * columns * inner..<(b + 1) * columns * inner])))
      for row in 0..<rows {
        let line = c[(b * rows + row) * pitch..<(b * rows + row + 1) * pitch]
        for (column, value) in line.prefix(columns).enumerated() {
          // Five terms of at most 1 in f32.
          #expect(abs(Double(value) - expected.product[row * columns + column]) <= 1e-6)
        }
        #expect(line.dropFirst(columns).allSatisfy { $0 == 77 })
      }
    }
  }

  @Test("Matrix.times equals the sum of products", arguments: [1, 3, 40], [1, 17, 64])
  func times(rows: Int, inner: Int) {
    let a = Matrix(rows: rows, columns: inner, storage: uniform(rows * inner, seed: 6))
    let b = Matrix(rows: inner, columns: 9, storage: uniform(inner * 9, seed: 7))
    #expect(agrees(a.multiplied(by: b).storage, with: reference(a, b.transposed), columns: inner))
  }

  @Test("a product over no inner dimension is zero")
  func empty() {
    let product = Matrix(rows: 2, columns: 0).multiplied(by: Matrix(rows: 0, columns: 3))
    #expect(product == Matrix(rows: 2, columns: 3))
  }
}
