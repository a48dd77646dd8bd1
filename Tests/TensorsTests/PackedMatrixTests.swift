import Tensors
import Testing

@Suite("Packed matrices")
struct PackedMatrixTests {
  let half = Float16(0.5).bitPattern
  let two = Float16(2).bitPattern

  @Test("an asymmetric matrix stands for s (q - z), the last group being short")
  func dequantizesAsymmetric() {
    let row0 = BitStream.packed([0, 1, 2, 3, 4], bits: 3)
    let row1 = BitStream.packed([7, 7, 0, 0, 5], bits: 3)
    let packed = PackedMatrix(
      rows: 2, columns: 5, bits: 3, groupSize: 2, symmetric: false, codes: row0 + row1,
      scales: [half, two, half, two, half, two], zeros: [1, 0, 4, 7, 7, 5])
    let expected: [Float] = [-0.5, 0, 4, 6, 0, 0, 0, -3.5, -3.5, 0]
    #expect(packed.dequantized() == Matrix(rows: 2, columns: 5, storage: expected))
  }

  @Test("a symmetric matrix has the implicit zero point 2^(b-1)")
  func dequantizesSymmetric() {
    let packed = PackedMatrix(
      rows: 1, columns: 3, bits: 4, groupSize: 3, symmetric: true,
      codes: BitStream.packed([0, 8, 15], bits: 4), scales: [two], zeros: [])
    #expect(packed.dequantized().storage == [-16, 0, 14])
  }

  @Test("padding of rows is not counted as code bits, zeros count at their packed width")
  func countsBits() {
    let packed = PackedMatrix(
      rows: 2, columns: 5, bits: 3, groupSize: 4, symmetric: false,
      codes: [UInt8](repeating: 0, count: 4), scales: [UInt16](repeating: 0, count: 4),
      zeros: [UInt8](repeating: 0, count: 4))
    #expect(packed.groups == 2)
    #expect(packed.rowBytes == 2)
    #expect(packed.codeBits == 30)
    #expect(packed.metadataBits == 4 * (16 + 3))
  }
}
