import Tensors
import Testing

@Suite("Sparse matrices")
struct SparseMatrixTests {
  @Test("compressed rows hold what was put in, up to the widest index")
  func compressedRows() {
    for columns in [50, 65_536] {
      let elements = [(2, 7), (0, 49), (2, 3), (0, 0)].enumerated().map { index, place in
        SparseMatrix.Element(row: place.0, column: place.1, value: Float(index) + 0.5)
      }
      let matrix = SparseMatrix(rows: 4, columns: columns, elements: elements)
      #expect(matrix.rowStarts == [0, 2, 2, 4, 4])
      #expect(matrix.elements.map(\.value) == [3.5, 1.5, 2.5, 0.5])
      #expect(matrix.storedBits == 4 * 32 + 5 * 32)
      let dense = matrix.dense()
      #expect(dense[2, 7] == 0.5 && dense.storage.filter { $0 != 0 }.count == 4)
    }
  }

  @Test("a sum adds each element once and leaves the others")
  func sum() {
    let dense = Matrix(rows: 2, columns: 3, storage: [1, 2, 3, 4, 5, 6])
    let sparse = SparseMatrix(
      rows: 2, columns: 3, elements: [SparseMatrix.Element(row: 1, column: 0, value: -0.5)])
    #expect(sparse.added(to: dense).storage == [1, 2, 3, 3.5, 5, 6])
    let empty = SparseMatrix(rows: 2, columns: 3, elements: [])
    #expect(empty.added(to: dense) == dense && empty.storedBits == 3 * 32)
  }

  @Test("codes and codebooks are the stored bytes")
  func codebook() {
    let halves: [Float] = [-1, -0.5, 0.25, 2, 0, 1, 2, 3]
    let matrix = CodebookMatrix(
      rows: 1, columns: 6, bits: 2, groupSize: 4,
      codes: BitStream.packed([3, 0, 2, 1, 3, 0], bits: 2),
      codebooks: halves.map { Float16($0).bitPattern })
    #expect(matrix.dequantized().storage == [2, -1, 0.25, -0.5, 3, 0])
    #expect(matrix.codeBits == 12 && matrix.metadataBits == 2 * 4 * 16)
    #expect(matrix.codebook(row: 0, group: 1) == [0, 1, 2, 3])
    #expect(matrix.bitsPerWeight == (12.0 + 128) / 6)
  }
}
