import CKernels
import Statistics
import Testing

@testable import Tensors

/// A matrix of random codes, scales of both signs and zero points.
func randomPacked(
  rows: Int, columns: Int, bits: Int, groupSize: Int, symmetric: Bool, groupIndex: [Int32]? = nil,
  seed: UInt64 = 1
) -> PackedMatrix {
  var random = SeededGenerator(seed: seed)
  let groups = (columns + groupSize - 1) / groupSize
  var codes: [UInt8] = []
  for _ in 0..<rows {
    codes += BitStream.packed(
      (0..<columns).map { _ in UInt8(random.below(1 << bits)) }, bits: bits)
  }
  return PackedMatrix(
    rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: symmetric,
    codes: codes,
    scales: (0..<rows * groups).map { _ in
      Float16((Float(random.below(2001)) - 1000) / 4096).bitPattern
    },
    zeros: symmetric
      ? [] : (0..<rows * groups).map { _ in UInt8(random.below(1 << bits)) },
    groupIndex: groupIndex)
}

/// The largest difference to the product in f64, relative to the row's Σ |w| |x|.
func relativeError(_ y: Matrix, x: Matrix, weights: Matrix) -> Double {
  let expected = reference(x, weights)
  var worst = 0.0
  for index in y.storage.indices {
    let difference = abs(Double(y.storage[index]) - expected.product[index])
    // A NaN must not be lost in a comparison.
    if !(difference <= 0) { worst = max(worst, difference / expected.magnitude[index]) }
    if difference.isNaN { return .infinity }
  }
  return worst
}

/// f32 sums of a few thousand terms at most, whose zero points cancel.
private let tolerance = 1e-5

@Suite("Products with packed weights")
struct PackedLinearTests {
  /// Columns and group sizes: whole blocks, short last groups, one group, small and odd groups.
  static let shapes = [
    (256, 128), (257, 128), (200, 64), (130, 64), (63, 64), (100, 1000), (1, 128), (96, 32),
    (100, 32), (77, 16), (66, 8), (70, 4), (300, 192), (100, 96), (131, 48), (50, 7), (9, 1),
    (1100, 64), (2100, 128), (2500, 50), (900, 256), (500, 384), (64, 128), (333, 512), (128, 64),
    (384, 128), (640, 64), (896, 128), (1152, 384), (1280, 256), (4608, 5000),
  ]

  /// Codes as dense streams and, on a CPU with AVX2, in units.
  static let orders: [KernelLevel] = [.scalar, .avx2]

  @Test(
    "every level equals dequantizing and multiplying, any bits, groups and zero points",
    arguments: KernelLevel.available, 1...8)
  func multiplies(level: KernelLevel, bits: Int) {
    for (columns, groupSize) in Self.shapes {
      for symmetric in [true, false] {
        let packed = randomPacked(
          rows: 7, columns: columns, bits: bits, groupSize: groupSize, symmetric: symmetric)
        let x = Matrix(rows: 1, columns: columns, storage: uniform(columns, seed: 3))
        for order in Self.orders {
          let y = PackedLinear(packed, for: order).multiply(x, level: level)
          let error = relativeError(y, x: x, weights: packed.dequantized())
          #expect(
            error <= tolerance,
            "\(columns) columns, groups of \(groupSize), \(symmetric), order of \(order)")
        }
      }
    }
  }

  @Test(
    "vectors of a batch give what each gives alone, up to the order of a sum",
    arguments: KernelLevel.available, 1...9)
  func batches(level: KernelLevel, count: Int) {
    for bits in 1...8 {
      let packed = randomPacked(
        rows: 67, columns: 333, bits: bits, groupSize: 128, symmetric: bits.isMultiple(of: 2))
      let x = Matrix(rows: count, columns: 333, storage: uniform(count * 333, seed: 4))
      for order in Self.orders {
        let y = PackedLinear(packed, for: order).multiply(x, level: level)
        #expect(
          relativeError(y, x: x, weights: packed.dequantized()) <= tolerance,
          "\(bits) bits, order of \(order)")
      }
    }
  }

  @Test("act-order columns are brought into the order of their groups", arguments: 1...8)
  func actOrder(bits: Int) {
    var random = SeededGenerator(seed: 5)
    var groups = (0..<200).map { Int32($0 / 64) }
    for i in groups.indices.reversed() {
      groups.swapAt(i, random.below(i + 1))
    }
    let packed = randomPacked(
      rows: 5, columns: 200, bits: bits, groupSize: 64, symmetric: false, groupIndex: groups)
    let linear = PackedLinear(packed)
    #expect(linear.inputOrder != nil)
    let x = Matrix(rows: 3, columns: 200, storage: uniform(600, seed: 6))
    for level in KernelLevel.available {
      #expect(linear.dequantized(level: level) == packed.dequantized())
      let y = linear.multiply(x, level: level)
      #expect(relativeError(y, x: x, weights: packed.dequantized()) <= tolerance, "\(level)")
    }
  }

  @Test("groups of any columns whatever are dequantized first", arguments: 1...8)
  func anyGroups(bits: Int) {
    var random = SeededGenerator(seed: 7)
    let groups = (0..<100).map { _ in Int32(random.below(4)) }
    let packed = randomPacked(
      rows: 5, columns: 100, bits: bits, groupSize: 32, symmetric: true, groupIndex: groups)
    let linear = PackedLinear(packed)
    let x = Matrix(rows: 2, columns: 100, storage: uniform(200, seed: 8))
    for level in KernelLevel.available {
      #expect(linear.dequantized(level: level) == packed.dequantized())
      let y = linear.multiply(x, level: level)
      #expect(relativeError(y, x: x, weights: packed.dequantized()) <= tolerance, "\(level)")
    }
  }

  @Test(
    "a row's product does not depend on its neighbours, however large they are",
    arguments: KernelLevel.available)
  func rowsAreIndependent(level: KernelLevel) {
    for (columns, groupSize) in Self.shapes {
      let packed = randomPacked(
        rows: 3, columns: columns, bits: 3, groupSize: groupSize, symmetric: false)
      let groups = packed.groups
      // Infinite scales in the rows around the middle one.
      let scales = packed.scales.indices.map {
        $0 / groups == 1 ? packed.scales[$0] : Float16.infinity.bitPattern
      }
      let loud = PackedMatrix(
        rows: 3, columns: columns, bits: 3, groupSize: groupSize, symmetric: false,
        codes: packed.codes, scales: scales, zeros: packed.zeros)
      let x = uniform(columns, seed: 9)
      let quiet = PackedLinear(packed).multiply(x, level: level)
      #expect(
        PackedLinear(loud).multiply(x, level: level)[1] == quiet[1], "\(columns), \(groupSize)")
    }
  }

  @Test(
    "inputs of very different sizes, tiny ones and zeros are multiplied as exactly as others",
    arguments: KernelLevel.available)
  func inputsOfManySizes(level: KernelLevel) {
    for bits in 1...8 {
      for scale: Float in [0, 1e-35, 1e-21, 1e-19, 1, 1e15] {
        let packed = randomPacked(
          rows: 5, columns: 400, bits: bits, groupSize: 128, symmetric: bits.isMultiple(of: 2))
        // One input is a thousand times larger than its group.
        let x = uniform(400, seed: 15).enumerated().map { column, value in
          (column == 130 ? 1000 : 1) * value * scale
        }
        let input = Matrix(rows: 1, columns: 400, storage: x)
        let y = PackedLinear(packed).multiply(input, level: level)
        #expect(
          relativeError(y, x: input, weights: packed.dequantized()) <= tolerance,
          "\(bits) bits, \(scale)")
      }
    }
  }

  @Test("NaN and infinity reach every output", arguments: KernelLevel.available, 1...8)
  func notFinite(level: KernelLevel, bits: Int) {
    let packed = randomPacked(rows: 5, columns: 300, bits: bits, groupSize: 128, symmetric: true)
    for value in [Float.nan, .infinity] {
      var x = uniform(300, seed: 16)
      x[200] = value
      let y = PackedLinear(packed).multiply(x, level: level)
      let weights = packed.dequantized()
      for row in 0..<5 where weights[row, 200] != 0 { #expect(!y[row].isFinite) }
    }
  }

  @Test("a sparse part is added", arguments: KernelLevel.available)
  func sparse(level: KernelLevel) {
    let packed = randomPacked(rows: 70, columns: 129, bits: 2, groupSize: 64, symmetric: true)
    var random = SeededGenerator(seed: 10)
    let entries = (0..<90).map { index in
      (row: index % 70, column: (index * 37) % 129, value: Float(random.below(100)) / 16)
    }
    let sparse = SparseMatrix(rows: 70, columns: 129, entries: entries)
    var dense = packed.dequantized()
    for entry in entries { dense[entry.row, entry.column] += entry.value }
    for count in [1, 3] {
      let x = Matrix(rows: count, columns: 129, storage: uniform(count * 129, seed: 11))
      let y = PackedLinear(packed, sparse: sparse).multiply(x, level: level)
      #expect(relativeError(y, x: x, weights: dense) <= tolerance)
    }
    #expect(sparse.bytes == 71 * 4 + 90 * 4)
  }

  @Test("dequantizing is exact", arguments: KernelLevel.available, 1...8)
  func dequantizes(level: KernelLevel, bits: Int) {
    for (columns, groupSize) in Self.shapes {
      let packed = randomPacked(
        rows: 3, columns: columns, bits: bits, groupSize: groupSize, symmetric: false)
      for order in Self.orders {
        #expect(
          PackedLinear(packed, for: order).dequantized(level: level) == packed.dequantized(),
          "\(columns), \(order)")
      }
    }
  }

  @Test("unpacking gives the codes that were packed", arguments: KernelLevel.available, 1...8)
  func unpacks(level: KernelLevel, bits: Int) {
    for count in [0, 1, 7, 8, 9, 15, 16, 17, 100] {
      var random = SeededGenerator(seed: 12)
      let codes = (0..<count).map { _ in UInt8(random.below(1 << bits)) }
      let stream = AlignedBytes(padding: BitStream.packed(codes, bits: bits))
      // A guard after the last code shows that nothing is written past it.
      var unpacked = [UInt8](repeating: 0xEE, count: count + 1)
      ck_unpack(
        level.ckLevel, stream.base.assumingMemoryBound(to: UInt8.self), Int32(bits), count,
        &unpacked)
      #expect(unpacked == codes + [0xEE])
    }
  }

  @Test("the bfloat16 product of the benchmark is a product", arguments: KernelLevel.available)
  func bfloat16(level: KernelLevel) {
    for columns in [1, 31, 64, 100] {
      let weights = HalfPrecision.bfloat16(uniform(6 * columns, seed: 13))
      let rounded = weights.withUnsafeBufferPointer(HalfPrecision.float32(fromBFloat16:))
      let x = Matrix(rows: 1, columns: columns, storage: uniform(columns, seed: 14))
      var y = Matrix(rows: 1, columns: 6)
      ck_bfloat16_multiply(level.ckLevel, weights, columns, 0, 6, x.storage, &y.storage)
      let matrix = Matrix(rows: 6, columns: columns, storage: rounded)
      #expect(relativeError(y, x: x, weights: matrix) <= tolerance)
    }
  }

  @Test("reading sums every byte", arguments: KernelLevel.available)
  func reads(level: KernelLevel) {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let sum = bytes.reduce(0) { $0 + UInt64($1) }
    for count in [0, 1, 255, 1000] {
      let expected = bytes.prefix(count).reduce(0) { $0 + UInt64($1) }
      #expect(ck_read(level.ckLevel, bytes, count) == expected)
    }
    #expect(ck_read_ref(bytes, 1000) == sum)
  }
}
