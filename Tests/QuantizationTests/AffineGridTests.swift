import Tensors
import Testing

@testable import Quantization

@Suite("Affine grids and rounding to nearest")
struct AffineGridTests {
  func rounded(_ row: [Float], _ grid: AffineGrid) throws -> PackedMatrix {
    try RoundToNearest.quantize(Matrix(rows: 1, columns: row.count, storage: row), grid: grid)
  }

  @Test(
    "no weight moves by more than half a step", arguments: 2...8, [nil, 1, 32, 100] as [Int?])
  func errorIsAtMostHalfAStep(bits: Int, groupSize: Int?) throws {
    let weights = RandomProblem(rows: 19, columns: 130, tokens: 0, seed: 3).weights
    for symmetric in [false, true] {
      let grid = try AffineGrid(bits: bits, groupSize: groupSize, symmetric: symmetric)
      let packed = try RoundToNearest.quantize(weights, grid: grid)
      let result = packed.dequantized()
      for row in 0..<19 {
        for column in 0..<130 {
          let group = row * packed.groups + column / packed.groupSize
          let scale = Float(Float16(bitPattern: packed.scales[group]))
          // Half a step, and half a step more where the zero point was rounded; at the ends of
          // the range the rounding of the scale to binary16 adds up over all codes.
          let scaleError = max(scale / 2048, Float(Float16.leastNonzeroMagnitude) / 2)
          let steps: Float = symmetric ? 0.5 : 1
          let bound = scale * steps + Float(grid.largestCode) * scaleError
          #expect(abs(result[row, column] - weights[row, column]) <= bound)
        }
      }
    }
  }

  @Test("what is stored is rounded again to itself", arguments: [2, 3, 4, 8])
  func isIdempotent(bits: Int) throws {
    let weights = RandomProblem(rows: 5, columns: 64, tokens: 0, seed: 4).weights
    let grid = try AffineGrid(bits: bits, groupSize: 16, symmetric: false)
    let once = try RoundToNearest.quantize(weights, grid: grid).dequantized()
    let twice = try RoundToNearest.quantize(once, grid: grid).dequantized()
    #expect(once == twice)
  }

  @Test("halves go to even codes")
  func roundsHalfToEven() throws {
    // Scale 1, zero point 0: weights are codes.
    let packed = try rounded([0, 0.5, 1.5, 2.5, 7], AffineGrid(bits: 3, symmetric: false))
    #expect(packed.codes(ofRow: 0) == [0, 0, 2, 2, 7])
    #expect(packed.zeros == [0])
  }

  @Test("a group of zeros gets the range -1...1 and stays zero", arguments: [false, true])
  func zeroGroup(symmetric: Bool) throws {
    let packed = try rounded([0, 0, 0], AffineGrid(bits: 4, symmetric: symmetric))
    #expect(packed.scales == [Float16(2.0 / 15).bitPattern])
    #expect(packed.dequantized().storage == [0, 0, 0])
  }

  @Test("scales too small for binary16 become its smallest positive number")
  func underflow() throws {
    let tiny: Float = 1e-9
    let packed = try rounded([tiny, -tiny], AffineGrid(bits: 4, symmetric: false))
    #expect(packed.scales == [Float16.leastNonzeroMagnitude.bitPattern])
    #expect(packed.dequantized().storage == [0, 0])
    // The largest code is used where it is nearer: 14 steps of 2⁻²⁴.
    let step = Float(Float16.leastNonzeroMagnitude)
    #expect(
      try rounded([0, 14 * step], AffineGrid(bits: 4, symmetric: false)).dequantized().storage
        == [0, 14 * step])
  }

  @Test("scales too large for binary16 are refused with their place")
  func overflow() throws {
    let weights = Matrix(rows: 2, columns: 4, storage: [1, 1, 1, 1, 1, 1, 1, 1e6])
    #expect(throws: QuantizationError.scaleOverflow(scale: 1e6 / 3, row: 1, group: 1)) {
      try RoundToNearest.quantize(
        weights, grid: AffineGrid(bits: 2, groupSize: 2, symmetric: false))
    }
  }

  @Test("a symmetric group without negative weights keeps its largest weight, unless published")
  func symmetricRange() throws {
    let row: [Float] = [1, 2, 3, 7.5]
    let mirrored = try rounded(row, AffineGrid(bits: 4, symmetric: true))
    #expect(mirrored.dequantized().storage == [1, 2, 3, 7])
    let published = try rounded(
      row, AffineGrid(bits: 4, symmetric: true, symmetricRange: .published))
    #expect(published.dequantized().storage == [1, 2, 3, 3.5])
  }

  @Test("weights, bits and group sizes that make no sense are refused")
  func refusals() throws {
    #expect(throws: QuantizationError.unsupportedBits(0)) {
      try AffineGrid(bits: 0, symmetric: true)
    }
    #expect(throws: QuantizationError.unsupportedBits(9)) {
      try AffineGrid(bits: 9, symmetric: true)
    }
    #expect(throws: QuantizationError.unsupportedGroupSize(0)) {
      try AffineGrid(bits: 4, groupSize: 0, symmetric: true)
    }
    #expect(throws: QuantizationError.notFiniteWeight(row: 0, column: 1)) {
      try rounded([0, .nan], AffineGrid(bits: 4, symmetric: true))
    }
  }

  @Test("empty matrices give empty results")
  func empty() throws {
    for (rows, columns) in [(0, 4), (4, 0), (0, 0)] {
      let packed = try RoundToNearest.quantize(
        Matrix(rows: rows, columns: columns), grid: AffineGrid(bits: 4, symmetric: false))
      #expect(packed.rows == rows && packed.columns == columns && packed.codes.isEmpty)
    }
  }
}
