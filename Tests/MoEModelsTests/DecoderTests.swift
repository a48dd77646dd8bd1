import Checkpoints
import Foundation
import MoEModels
import Tensors
import Testing

@Suite("Sequences that grow token by token")
struct DecoderTests {
  /// The cached positions are those of the models' own positions; the latter would follow the length.
  static let names = FamilyGoldenTests.names.filter { $0 != "llama-dynamic" }

  /// Logits after every token of each sequence, the first `prefix` tokens seen at once and the
  /// others one by one, sequences side by side.
  private func logits(
    of sequences: [[Int32]], prefix: Int, _ decoder: Decoder
  ) throws -> [[[Float]]] {
    let growing = sequences.map { _ in decoder.sequence() }
    var result = sequences.map { _ in [[Float]]() }
    var next = 0
    while next < sequences[0].count {
      let end = next == 0 ? prefix : next + 1
      try decoder.extend(growing, by: sequences.map { Array($0[next..<end]) }) { index, logits in
        result[index].append(
          Array(
            UnsafeBufferPointer(start: logits, count: decoder.configuration.vocabularySize)))
      }
      next = end
    }
    #expect(growing.allSatisfy { $0.count == sequences[0].count })
    return result
  }

  @Test("cached logits agree with transformers within 1e-4 of the largest logit", arguments: names)
  func golden(name: String) throws {
    let golden = try GoldenLogits(FamilyGoldenTests.folder.appending(path: name))
    let (length, prefix) = (golden.sequences[0].count, 5)
    let decoder = try Decoder(source: golden.checkpoint, precision: .f32, room: length)
    let vocabulary = decoder.configuration.vocabularySize
    let largest = golden.logits.map(abs).max() ?? 0
    for (index, rows) in try logits(of: golden.sequences, prefix: prefix, decoder).enumerated() {
      #expect(rows.count == length - prefix + 1)
      for (row, values) in rows.enumerated() {
        let start = (index * length + prefix - 1 + row) * vocabulary
        let difference =
          zip(values, golden.logits[start..<start + vocabulary])
          .map { abs($0 - $1) }.max() ?? .infinity
        // The bound of the pass without a cache.
        #expect(difference <= 1e-4 * largest, "sequence \(index), step \(row): \(difference)")
      }
    }
  }

  @Test(
    "in bf16 the cache changes no more than the order of sums does", arguments: ["olmoe", "llama"])
  func bf16(name: String) throws {
    let golden = try GoldenLogits(FamilyGoldenTests.folder.appending(path: name))
    let whole = try golden.ours(precision: .bf16)
    let decoder = try Decoder(
      source: golden.checkpoint, precision: .bf16, room: golden.sequences[0].count)
    let cached = try logits(of: golden.sequences, prefix: 1, decoder).flatMap { $0.flatMap(\.self) }
    #expect(whole.count == cached.count)
    let meanSquare = { (x: [Float]) in x.reduce(0) { $0 + Double($1 * $1) } / Double(x.count) }
    // Sums in another order move values over the edges of bfloat16, now and then another expert.
    #expect(meanSquare(zip(whole, cached).map { $0 - $1 }) <= 0.01 * meanSquare(whole))
  }

  @Test("tokens outside the vocabulary and sequences too long are refused, and nothing has grown")
  func refusals() throws {
    let golden = try GoldenLogits(FamilyGoldenTests.folder.appending(path: "llama"))
    let decoder = try Decoder(source: golden.checkpoint, precision: .f32, room: 8)
    let (first, second) = (decoder.sequence(), decoder.sequence())
    try decoder.extend([first, second], by: [[1, 2, 3], [4]]) { _, _ in }
    let vocabulary = decoder.configuration.vocabularySize
    #expect(
      throws: ForwardPassError.unknownToken(Int32(vocabulary), vocabulary: vocabulary)
    ) { try decoder.extend([first, second], by: [[1], [Int32(vocabulary)]]) { _, _ in } }
    #expect(throws: ForwardPassError.tooLong(9, maximum: 8)) {
      try decoder.extend([second, first], by: [[1], [1, 1, 1, 1, 1, 1]]) { _, _ in }
    }
    #expect(first.count == 3 && second.count == 1)
    let most = golden.checkpoint.configuration.maximumPositions
    #expect(throws: ForwardPassError.tooLong(most + 1, maximum: most)) {
      try Decoder(source: golden.checkpoint, precision: .f32, room: most + 1)
    }
  }
}
