import Foundation
import Statistics
import Tensors
import Testing

@testable import Checkpoints

@Suite("Every stored form of a weight in a checkpoint")
struct StoredFormTests {
  static let weight = "model.layers.0.self_attn.q_proj.weight"

  private static func codes(_ count: Int, bits: Int, _ random: inout SeededGenerator) -> [UInt8] {
    (0..<count).map { _ in UInt8(random.below(1 << bits)) }
  }

  static func packed(rows: Int, columns: Int, bits: Int, groupSize: Int) -> PackedMatrix {
    var random = SeededGenerator(seed: UInt64(rows * bits))
    let groups = (columns + groupSize - 1) / groupSize
    return PackedMatrix(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize, symmetric: false,
      codes: (0..<rows).flatMap { _ in
        BitStream.packed(codes(columns, bits: bits, &random), bits: bits)
      },
      scales: (0..<rows * groups).map { _ in Float16(random.below(1000) + 1).bitPattern },
      zeros: codes(rows * groups, bits: bits, &random))
  }

  static func codebooks(rows: Int, columns: Int, bits: Int, groupSize: Int) -> CodebookMatrix {
    var random = SeededGenerator(seed: UInt64(columns * bits))
    let groups = (columns + groupSize - 1) / groupSize
    return CodebookMatrix(
      rows: rows, columns: columns, bits: bits, groupSize: groupSize,
      codes: (0..<rows).flatMap { _ in
        BitStream.packed(codes(columns, bits: bits, &random), bits: bits)
      },
      codebooks: (0..<rows * groups << bits).map { _ in Float16(random.below(999)).bitPattern })
  }

  static let sparse = SparseMatrix(
    rows: 5, columns: 33,
    elements: [
      SparseMatrix.Element(row: 0, column: 32, value: -3.5),
      SparseMatrix.Element(row: 3, column: 0, value: 0.25),
      SparseMatrix.Element(row: 3, column: 31, value: 1024),
    ])

  static let forms: [StoredMatrix] = {
    let order = [3, 0, 4, 1, 2]
    let sliced = SlicedMatrix(
      [
        packed(rows: 2, columns: 33, bits: 4, groupSize: 16),
        packed(rows: 3, columns: 33, bits: 2, groupSize: 16),
      ], along: .rows, order: order)
    let slicedCodebooks = Slices(
      [
        codebooks(rows: 2, columns: 33, bits: 3, groupSize: 33),
        codebooks(rows: 3, columns: 33, bits: 2, groupSize: 33),
      ], along: .rows, order: order)
    let dense: [StoredMatrix] = [
      .packed(packed(rows: 5, columns: 33, bits: 3, groupSize: 16)),
      .inputGrouped(
        TransposedPackedMatrix(
          transposed: packed(rows: 33, columns: 5, bits: 3, groupSize: 2))),
      .codebooks(codebooks(rows: 5, columns: 33, bits: 3, groupSize: 33)),
      .codebooks(codebooks(rows: 5, columns: 33, bits: 2, groupSize: 8)), .sliced(sliced),
      .slicedCodebooks(slicedCodebooks),
    ]
    return dense + dense.map { .withSparse($0, sparse) }
  }()

  @Test("what is stored is read back", arguments: forms)
  func roundTrip(form: StoredMatrix) throws {
    let folder = try StoredFolder(form)
    let checkpoint = try folder.opened()
    #expect(try checkpoint.stored(Self.weight) == form)
    #expect(
      try checkpoint.matrix(Self.weight, rows: 5, columns: 33) == form.dequantized())
    #expect(checkpoint.quantizedWeights == [Self.weight])
    // Nobody who asks for one form gets a part of another.
    if case .packed(let matrix) = form {
      #expect(try checkpoint.packed(Self.weight) == matrix)
    } else {
      #expect(try checkpoint.packed(Self.weight) == nil)
    }
    if case .sliced(let matrix) = form {
      #expect(try checkpoint.sliced(Self.weight) == matrix)
    } else {
      #expect(try checkpoint.sliced(Self.weight) == nil)
    }
  }

  @Test("a spool gives the bytes of the writer, in whatever order tensors come", arguments: forms)
  func spool(form: StoredMatrix) throws {
    let folder = try TemporaryFolder()
    let tensors = form.payloads(weight: Self.weight)
    let metadata = form.layoutEntries(weight: Self.weight)
    let (one, two) = (
      folder.url.appending(path: "one.safetensors"), folder.url.appending(path: "two.safetensors")
    )
    try SafeTensorsWriter.write(tensors, metadata: metadata, to: one)
    let spool = try SafeTensorsSpool(two)
    for tensor in tensors.reversed() { try spool.put(tensor) }
    #expect(throws: CheckpointError.self) { try spool.put(tensors[0]) }
    #expect(!FileManager.default.fileExists(atPath: two.path))
    try spool.commit(metadata: metadata)
    #expect(try Data(contentsOf: one) == Data(contentsOf: two))
  }

  @Test(
    "a damaged sparse part is refused by name",
    arguments: [
      ("sparse_rows", [UInt8](repeating: 1, count: 24), "row starts"),
      ("sparse_columns", [0, 0, 33, 0, 1, 0], "column 33 of 33"),
      ("sparse_columns", [0, 0], "holds 2 bytes, expected 6"),
      ("sparse_values", [0, 0, 0, 0x7C, 1, 0], "holds inf at element 1"),
    ])
  func damagedSparsePart(part: String, bytes: [UInt8], expected: String) throws {
    var folder = try StoredFolder(Self.forms[6])
    let index = try #require(folder.tensors.firstIndex { $0.name.hasSuffix(part) })
    folder.tensors[index].bytes = bytes
    if part != "sparse_rows" { folder.tensors[index].shape = [bytes.count / 2] }
    let checkpoint = try folder.opened()
    let text = errorText { _ = try checkpoint.stored(Self.weight) }
    #expect(text.contains(expected), "\(text)")
  }

  @Test("codebooks that end early, and slices of two forms, are refused")
  func damagedForms() throws {
    var short = try StoredFolder(Self.forms[2])
    let index = try #require(short.tensors.firstIndex { $0.name.hasSuffix("codebooks") })
    short.tensors[index].shape[2] = 4
    short.tensors[index].bytes.removeLast(short.tensors[index].bytes.count / 2)
    let checkpoint = try short.opened()
    let text = errorText { _ = try checkpoint.stored(Self.weight) }
    #expect(text.contains("codebooks' holds 40 bytes, expected 80"), "\(text)")

    var mixed = try StoredFolder(Self.forms[4])
    let second = SlicedTensors.slice(1, of: Self.weight)
    mixed.tensors.removeAll { $0.name.contains("slice1") }
    let other = StoredMatrix.codebooks(Self.codebooks(rows: 3, columns: 33, bits: 2, groupSize: 33))
    mixed.tensors += other.payloads(weight: second)
    mixed.metadata.merge(other.layoutEntries(weight: second)) { $1 }
    let opened = try mixed.opened()
    #expect(throws: PackedWeightError.self) { try opened.stored(Self.weight) }
  }

  @Test("a 3-bit layer of 4096 × 4096 with 0.45 % outliers takes 3.26 bits a weight as published")
  func publishedAccounting() {
    // METHODS §2.4: 3 + 16 · 2³ / 4096 + 0.0045 · (16 + 32) + 32 · 4097 / 4096², columns in 32 bits.
    let size = 4096
    let entries = Int(0.0045 * Double(size * size))
    let dense = CodebookMatrix(
      rows: size, columns: size, bits: 3, groupSize: size,
      codes: [UInt8](repeating: 0, count: size * size * 3 / 8),
      codebooks: [UInt16](repeating: 0, count: size << 3))
    let starts = (0...size).map { UInt32($0 * entries / size) }
    let columns = (0..<size).flatMap { row in
      (0..<starts[row + 1] - starts[row]).map { UInt16($0) }
    }
    let matrix = StoredMatrix.withSparse(
      .codebooks(dense),
      SparseMatrix(
        rows: size, columns: size, rowStarts: starts, columnIndices: columns,
        values: [UInt16](repeating: 0x3C00, count: entries)))
    let published = Double(matrix.codeBits + matrix.metadataBits + 16 * entries) / 16_777_216
    // The last entry that does not fill 0.45 % counts less than 1e-5.
    #expect(abs(published - (3 + 0.03125 + 0.0045 * 48 + 32 * 4097 / 16_777_216)) < 1e-5)
    #expect(String(format: "%.2f", published) == "3.26")
    // Columns of 16 bits, as stored here.
    #expect(abs(matrix.bitsPerWeight - (published - 0.0045 * 16)) < 1e-5)
    // The bytes of the tensors are these bits: nothing is padded at these sizes.
    let bytes = matrix.payloads(weight: Self.weight).reduce(0) { $0 + $1.bytes.count }
    #expect(8 * bytes == matrix.codeBits + matrix.metadataBits)
  }

  @Test("codes lie in the file as the words of GPTQ's qweight")
  func goldenWords() throws {
    // METHODS §5.2: codes (5i + 1) mod 2^3, i in 0..<32.
    let words: [UInt32] = [0xF19D_50F1, 0x50F1_9D50, 0x9D50_F19D]
    let codes = (0..<32).map { UInt8((5 * $0 + 1) % 8) }
    let matrix = PackedMatrix(
      rows: 1, columns: 32, bits: 3, groupSize: 32, symmetric: true,
      codes: BitStream.packed(codes, bits: 3), scales: [0x3C00], zeros: [])
    let folder = try StoredFolder(.packed(matrix))
    _ = try folder.opened()
    let file = try SafeTensorsFile(
      folder.folder.url.appending(path: QuantizedCheckpoint.fileName))
    let stored = try file.withBytes(of: "model.layers.0.self_attn.q_proj.codes") { bytes in
      (0..<3).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
    }
    #expect(stored == words)
  }
}

/// A quantized folder with one weight, whose file can be damaged before it is written.
private struct StoredFolder {
  let folder: TemporaryFolder
  var tensors: [TensorPayload]
  var metadata: [String: String]

  init(_ form: StoredMatrix) throws {
    folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      at: Fixture.url("safetensors/single/config.json"),
      to: folder.url.appendingPathComponent("config.json"))
    tensors = form.payloads(weight: StoredFormTests.weight)
    metadata = form.layoutEntries(weight: StoredFormTests.weight)
  }

  func opened() throws -> QuantizedCheckpoint {
    try SafeTensorsWriter.write(
      tensors, metadata: metadata,
      to: folder.url.appendingPathComponent(QuantizedCheckpoint.fileName))
    return try QuantizedCheckpoint(folder.url)
  }
}
