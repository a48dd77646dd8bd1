import Checkpoints
import Foundation
import MoEModels
import Statistics
import Tensors
import Testing

@testable import Calibration

@Suite("What calibration can be asked for")
struct CalibrationOptionTests {
  @Test("GPTQ's sampling takes windows where its code does")
  func gptqSampling() throws {
    let text = CalibrationSample.Text(path: "a.txt", tokens: Array(0..<101 + 10))
    let sample = try CalibrationSample(
      of: [text], count: 6, context: 10, sampling: .gptq, seed: 1)
    // randint(0, len − context − 1) with 111 − 10 − 1 = 100.
    #expect(sample.sequences.map { $0[0] } == [17, 72, 97, 8, 32, 15])
    #expect(throws: TextCorpusError.tooShort(path: "a.txt", tokens: 10, context: 11)) {
      try CalibrationSample(
        of: [.init(path: "a.txt", tokens: Array(0..<10))], count: 1, context: 10,
        sampling: .gptq, seed: 1)
    }
  }

  @Test("documents that are long enough give one window each, those too short none")
  func documents() throws {
    // Token t of document d is 100 d + t; documents 0, 3, 6 and 9 have less than a window.
    let lengths = [9, 10, 11, 0, 30, 10, 5, 12, 99, 1]
    let text = CalibrationSample.Documents(path: "a.txt", count: 10) { document in
      (0..<lengths[document]).map { Int32(100 * document + $0) }
    }
    let all = try CalibrationSample(ofDocuments: [text], count: 6, context: 10, seed: 1)
    #expect(Set(all.sequences.map { $0[0] / 100 }) == [1, 2, 4, 5, 7, 8])
    for window in all.sequences {
      #expect(window == Array(window[0]..<window[0] + 10))
      #expect(Int(window[0] % 100) + 10 <= lengths[Int(window[0]) / 100])
    }
    let again = try CalibrationSample(ofDocuments: [text], count: 6, context: 10, seed: 1)
    let other = try CalibrationSample(ofDocuments: [text], count: 6, context: 10, seed: 2)
    #expect(again.sequences == all.sequences && other.sequences != all.sequences)
    #expect(
      throws: TextCorpusError.tooFewDocuments(path: "a.txt", found: 6, needed: 7, context: 10)
    ) { try CalibrationSample(ofDocuments: [text], count: 7, context: 10, seed: 1) }
  }

  @Test("windows of a document start everywhere in it, also where they end with it")
  func documentWindows() throws {
    let text = CalibrationSample.Documents(path: "a.txt", count: 400) { _ in Array(0..<13) }
    let sample = try CalibrationSample(ofDocuments: [text], count: 400, context: 10, seed: 0)
    let starts = (0...3).map { start in sample.sequences.count { $0[0] == Int32(start) } }
    #expect(starts.reduce(0, +) == 400)
    // 100 each, with a standard deviation of 8.7; five of them.
    #expect(starts.allSatisfy { abs($0 - 100) < 44 })
  }

  @Test("texts get whole windows in proportion to their weights")
  func weights() throws {
    #expect(CalibrationSample.shares(of: [1, 1, 1], count: 64) == [22, 21, 21])
    #expect(CalibrationSample.shares(of: [3, 1], count: 8) == [6, 2])
    #expect(CalibrationSample.shares(of: [0.001, 1], count: 4) == [0, 4])
    let texts = [
      CalibrationSample.Text(path: "a", tokens: [Int32](repeating: 1, count: 50), weight: 3),
      CalibrationSample.Text(path: "b", tokens: [Int32](repeating: 2, count: 50), weight: 1),
    ]
    let sample = try CalibrationSample(
      of: texts, count: 8, context: 5, sampling: .windows, seed: 0)
    #expect(sample.sequences.map { $0[0] } == [1, 1, 1, 1, 1, 1, 2, 2])
  }

  @Test(
    "sums do not depend on how many rows of the triangle are computed together",
    arguments: [1, 7, 32, 45, 90, 512], [MomentStorage.full, .blockDiagonal(blockSize: 40)])
  func panels(panel: Int, storage: MomentStorage) {
    // 90 channels: 7 and 32 leave a narrower last panel, 40 a smaller last block.
    let (width, rows) = (90, 70)
    var random = SeededGenerator(seed: 3)
    let x = (0..<width * rows).map { _ in Float(random.below(2001)) / 1000 - 1 }
    var sum = MomentSum(width: width, storage: storage, panel: panel)
    x.withUnsafeBufferPointer { x in
      guard let x = x.baseAddress else { return }
      sum.add(x, rows: rows, product: ScratchBuffer(), gathered: ScratchBuffer())
    }
    var expected = SymmetricMatrix(order: width)
    for row in 0..<width {
      for column in 0...row {
        var sum = 0.0
        for token in 0..<rows {
          let (a, b) = (x[token * width + row], x[token * width + column])
          sum += Double(a) * Double(b)
        }
        expected.packed[row * (row + 1) / 2 + column] = Float(sum)
      }
    }
    let blocks = SecondMoments(expected, keeping: storage).blocks.flatMap(\.packed)
    #expect(sum.elements.count == blocks.count)
    // 70 products of at most 1 summed in f32.
    let bound = Float(rows * rows) * .ulpOfOne
    #expect(zip(sum.elements, blocks).allSatisfy { abs($0 - $1) <= bound })
  }

  /// Statistics of the golden sequences in a new folder.
  private func calibrated(
    _ options: CalibrationOptions, _ model: TinyMixtral, in folder: TemporaryFolder
  ) throws -> URL {
    let url = folder.url.appending(path: "\(UUID())")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    try CalibrationWriter.write(
      model.goldenSample(), through: model.checkpoint, precision: .f32, options: options, to: url)
    return url
  }

  private func sum(
    _ options: CalibrationOptions, _ site: InputSite, _ model: TinyMixtral,
    in folder: TemporaryFolder
  ) throws -> (moments: SecondMoments, tokens: Int, width: Int) {
    let url = try calibrated(options, model, in: folder)
    let layer = try CalibrationLayer(1, in: url, experts: 4)
    let width = try #require(
      model.checkpoint.configuration.inputSites(layer: 1).first { $0.site == site }?.width)
    return (try layer.sum(at: site, order: width), try layer.tokens(at: site), width)
  }

  /// What every input of layer 1 was shown, computed apart from the sums.
  private func recorded(_ model: TinyMixtral, all: Bool) throws -> Recorder {
    let recorder = Recorder(wantsAllTokens: all)
    let pass = try ForwardPass(
      model.goldenSample().sequences, source: model.checkpoint, precision: .f32)
    try pass.runLayer(0, tap: nil)
    try pass.runLayer(1, tap: recorder)
    return recorder
  }

  /// The largest difference of elements, in units of the largest.
  private func difference(_ ours: SymmetricMatrix, _ expected: [Double]) -> Double {
    let largest = expected.map(abs).max() ?? 0
    return zip(ours.packed, expected).map { abs(Double($0) - $1) }.max().map { $0 / largest } ?? 0
  }

  @Test(
    "all tokens, mixtures and routing weights give the sums of the recorded rows",
    arguments: [InputSite.gateUp(.expert(0)), .down(.expert(2))])
  func policies(site: InputSite) throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let rows = try #require(try recorded(model, all: true).rows[site])
    #expect(rows.count == 120)
    let routed = rows.filter { $0.weight > 0 }
    // Sums in f64 of f32 rows against blocks in f32: 1e-5 of the largest element.
    let all = try sum(CalibrationOptions(tokens: .all), site, model, in: folder)
    #expect(all.tokens == 120)
    #expect(difference(all.moments.dense, triangle(rows) { _ in 1 }) < 1e-5)

    let mixed = try sum(CalibrationOptions(tokens: .mixture(0.25)), site, model, in: folder)
    #expect(mixed.tokens == 120)
    let share = 0.75 * 120 / Double(routed.count)
    let expected = zip(triangle(routed) { _ in share }, triangle(rows) { _ in 0.25 }).map(+)
    #expect(difference(mixed.moments.dense, expected) < 1e-5)

    let url = try calibrated(CalibrationOptions(routingWeighted: true), model, in: folder)
    let layer = try CalibrationLayer(1, in: url, experts: 4)
    let weighted = try layer.routingWeightedSum(at: site, order: all.width)
    #expect(
      difference(weighted.dense, triangle(routed) { Double($0.weight * $0.weight) }) < 1e-5)
    let squares = routed.reduce(0) { $0 + Double($1.weight) * Double($1.weight) }
    #expect(abs(try #require(try layer.routingWeightSquares(at: site)) / squares - 1) < 1e-6)
    #expect(try layer.tokens(at: site) == routed.count)
  }

  @Test("without being asked for, there are no routing-weighted sums")
  func unasked() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let url = try calibrated(CalibrationOptions(), model, in: folder)
    let layer = try CalibrationLayer(0, in: url, experts: 4)
    #expect(try layer.routingWeightSquares(at: .down(.expert(0))) == nil)
  }

  @Test(
    "partial Hessians are the parts of the full one",
    arguments: [MomentStorage.diagonal, .blockDiagonal(blockSize: 20)])
  func storage(storage: MomentStorage) throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    for site in [InputSite.queryKeyValue, .down(.expert(1))] {
      let full = try sum(CalibrationOptions(), site, model, in: folder)
      let part = try sum(CalibrationOptions(storage: storage), site, model, in: folder)
      #expect(part.moments.storage == storage && part.tokens == full.tokens)
      guard case .full(let matrix) = full.moments else {
        Issue.record("not full")
        continue
      }
      let expected = SecondMoments(matrix, keeping: storage).dense
      #expect(difference(part.moments.dense, expected.packed.map { Double($0) }) < 1e-5)
    }
  }
}

/// Lower triangle of Σ factor · x xᵀ, row by row.
private func triangle(
  _ rows: [Recorder.Row], _ factor: (Recorder.Row) -> Double
) -> [Double] {
  let width = rows.first?.values.count ?? 0
  var result = [Double](repeating: 0, count: width * (width + 1) / 2)
  for row in rows {
    var index = 0
    for i in 0..<width {
      for j in 0...i {
        result[index] += factor(row) * Double(row.values[i]) * Double(row.values[j])
        index += 1
      }
    }
  }
  return result
}

/// Keeps the rows that it is shown.
private final class Recorder: LayerTap {
  struct Row {
    let values: [Float]
    let weight: Float
  }

  let wantsAllTokens: Bool
  private(set) var rows: [InputSite: [Row]] = [:]

  init(wantsAllTokens: Bool) { self.wantsAllTokens = wantsAllTokens }

  func observe(
    _ site: InputSite, _ x: UnsafePointer<Float>, rows: Int, columns: Int, weights: [Float]?
  ) {
    self.rows[site, default: []] += (0..<rows).map { row in
      Row(
        values: Array(UnsafeBufferPointer(start: x + row * columns, count: columns)),
        weight: weights?[row] ?? 1)
    }
  }

  func observe(moeOutput y: UnsafePointer<Float>, rows: Int, columns: Int) {}
  func observe(_ routing: Routing) {}
}
