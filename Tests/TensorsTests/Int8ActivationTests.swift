import CKernels
import Statistics
import Testing

@testable import Tensors

@Suite("Products with activations of 8 bits")
struct Int8ActivationTests {
  private static let batches = [1, 2, 4, 8]

  /// W times rounded vectors by one path, shape `[count, rows]`.
  private func product(
    _ packed: PackedMatrix, _ x: [Float], count: Int, path: IntegerPath,
    order: KernelLevel = .best
  ) -> [Float] {
    let weights = PackedLinear(packed, for: order)
    var view = weights.view
    let input = RoundedInput(x, batch: count, view: view, path: path)
    var inputView = input.view
    var y = [Float](repeating: .nan, count: count * packed.rows)
    ck_int8_multiply(
      path.ckPath, &view, 0, packed.rows, &inputView, &y, packed.rows, false)
    // Once more on top.
    ck_int8_multiply(path.ckPath, &view, 0, packed.rows, &inputView, &y, packed.rows, true)
    return y
  }

  private func expectTwin(_ path: IntegerPath, bits: Int) {
    for (columns, groupSize) in PackedLinearTests.shapes {
      for symmetric in [true, false] {
        let packed = randomPacked(
          rows: 7, columns: columns, bits: bits, groupSize: groupSize, symmetric: symmetric)
        for count in Self.batches {
          let x = uniform(count * columns, seed: 21)
          let expected = product(packed, x, count: count, path: .scalar, order: .scalar)
          for order in PackedLinearTests.orders {
            #expect(
              product(packed, x, count: count, path: path, order: order) == expected,
              "\(columns) columns, groups of \(groupSize), \(symmetric), \(count), \(order)")
          }
        }
      }
    }
  }

  @Test(
    "AVX2 gives the bits of the scalar twin",
    .enabled(if: IntegerPath.best != .scalar, "this processor has no AVX2"), arguments: 1...8)
  func avx2(bits: Int) { expectTwin(.avx2, bits: bits) }

  @Test(
    "AVX-VNNI gives the bits of the scalar twin",
    .enabled(if: IntegerPath.best == .avxVNNI, "this processor has no AVX-VNNI: compiled, not run"),
    arguments: 1...8)
  func avxVNNI(bits: Int) { expectTwin(.avxVNNI, bits: bits) }

  @Test(
    "AVX-512 VNNI gives the bits of the scalar twin",
    .enabled(
      if: IntegerPath.best == .avx512VNNI, "this processor has no AVX-512 VNNI: compiled, not run"),
    arguments: 1...8)
  func avx512VNNI(bits: Int) { expectTwin(.avx512VNNI, bits: bits) }

  @Test(
    "a product is that of dequantized weights and rounded inputs", arguments: 1...8,
    KernelLevel.available)
  func dequantized(bits: Int, level: KernelLevel) {
    for (columns, groupSize) in PackedLinearTests.shapes {
      let packed = randomPacked(
        rows: 9, columns: columns, bits: bits, groupSize: groupSize, symmetric: false)
      for count in [1, 3, 11] {
        let x = uniform(count * columns, seed: 22)
        let rounded = Activations.int8.applied(to: x, count: count, columns: columns)
        let y = PackedLinear(packed).multiply(
          Matrix(rows: count, columns: columns, storage: x), level: level, activations: .int8)
        let error = relativeError(
          y, x: Matrix(rows: count, columns: columns, storage: rounded),
          weights: packed.dequantized())
        // One rounding a group and two for the scales; integers are exact.
        #expect(error <= 1e-6, "\(columns) columns, groups of \(groupSize): \(error)")
      }
    }
  }

  @Test("inputs move by half a step at most, the largest not at all, and ties go to even")
  func rounding() {
    let columns = 100
    let x = uniform(3 * columns, seed: 23).enumerated().map { $1 * ($0 < columns ? 1e-3 : 50) }
    let rounded = Activations.int8.applied(to: x, count: 3, columns: columns)
    for n in 0..<3 {
      let places = n * columns..<(n + 1) * columns
      let largest = places.map { abs(x[$0]) }.max() ?? 0
      for place in places {
        // Half a step, and the rounding of the quotient and of the product.
        #expect(abs(rounded[place] - x[place]) <= largest / 254 * (1 + 1e-4))
        if abs(x[place]) == largest { #expect(abs(rounded[place] - x[place]) <= largest * 2e-7) }
      }
    }
    let ties = Activations.int8.applied(to: [127, 0.5, 1.5, 2.5, -0.5, -1.5], count: 1, columns: 6)
    #expect(ties == [127, 0, 2, 2, 0, -2])
    #expect(Activations.int8.applied(to: [0, 0], count: 1, columns: 2) == [0, 0])
    #expect(Activations.exact.applied(to: x, count: 3, columns: columns) == x)
  }

  @Test("a vector with NaN or infinity gives NaN, and no other vector does", arguments: 1...8)
  func notFinite(bits: Int) {
    let packed = randomPacked(rows: 5, columns: 192, bits: bits, groupSize: 64, symmetric: true)
    for value in [Float.nan, .infinity] {
      var x = uniform(2 * 192, seed: 24)
      x[7] = value
      let y = PackedLinear(packed).multiply(
        Matrix(rows: 2, columns: 192, storage: x), activations: .int8)
      #expect(y.storage.prefix(5).allSatisfy { $0.isNaN })
      #expect(y.storage.suffix(5).allSatisfy { $0.isFinite })
    }
  }

  @Test("act-order and a sparse part see the rounded inputs")
  func orderAndSparse() {
    var random = SeededGenerator(seed: 25)
    var groups = (0..<256).map { Int32($0 / 128) }
    for i in groups.indices.reversed() { groups.swapAt(i, random.below(i + 1)) }
    let packed = randomPacked(
      rows: 70, columns: 256, bits: 3, groupSize: 128, symmetric: false, groupIndex: groups)
    let entries = (0..<90).map { index in
      (row: index % 70, column: (index * 37) % 256, value: Float(random.below(100)) / 16)
    }
    var dense = packed.dequantized()
    for entry in entries { dense[entry.row, entry.column] += entry.value }
    let linear = PackedLinear(
      packed, sparse: SparseMatrix(rows: 70, columns: 256, entries: entries))
    for count in [1, 5] {
      let x = uniform(count * 256, seed: 26)
      let rounded = Matrix(
        rows: count, columns: 256,
        storage: Activations.int8.applied(to: x, count: count, columns: 256))
      let y = linear.multiply(
        Matrix(rows: count, columns: 256, storage: x), activations: .int8)
      #expect(relativeError(y, x: rounded, weights: dense) <= 1e-6)
    }
  }
}
