import Evaluation
import Foundation
import HDF5
import Testing

@Suite("Item store")
struct ItemStoreTests {
  private func write(_ body: (HDF5Writer) throws -> Void) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "assay-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let writer = try HDF5Writer(folder.appending(path: ItemStore.fileName))
    try body(writer)
    try writer.finish()
    return folder
  }

  @Test("items come back with ids, hashes, clusters and values, token values apart")
  func roundTrip() throws {
    let items = ScopeItems(
      ids: ["0/0", "0/1", "ü/2"], hashes: [0, 1, .max], clusters: ["0", "0", "ü"],
      values: ["window_nll": [1, 2.5, -.infinity]])
    let folder = try write { file in
      try file.write(items, to: "perplexity/a text")
      try file.write([3, 1, 2] as [Int64], to: "perplexity/a text/window_tokens")
      try file.write([1, 2, 3] as [Float], to: "perplexity/a text/token_nll")
    }
    defer { try? FileManager.default.removeItem(at: folder) }
    var expected = items
    expected.values["window_tokens"] = [3, 1, 2]
    let store = try ItemStore(folder)
    #expect(store.scopes == ["perplexity/a text"])
    #expect(try store.items(of: "perplexity/a text") == expected)
    #expect(
      try store.items(of: "perplexity/a text", values: ["window_nll"])?.values == items.values)
    #expect(try store.items(of: "perplexity/other") == nil)
    let same = try ItemStore(folder.appending(path: ItemStore.fileName))
    #expect(try same.values("token_nll", of: "perplexity/a text") == [1, 2, 3])
    #expect(same.contains("token_nll", in: "perplexity/a text"))
  }

  @Test("files of before know items by their place")
  func old() throws {
    let folder = try write { file in
      try file.write([1, 0, 1] as [UInt8], to: "tasks/sums/correct")
      try file.write([0.5, 1, 2, 3, 4, 5], to: "tasks/sums/log_likelihood")
    }
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(
      try ItemStore(folder).items(of: "tasks/sums")
        == ScopeItems(ids: ["0", "1", "2"], values: ["correct": [1, 0, 1]]))
  }

  @Test("hashes are FNV-1a of little-endian ids, and of texts that end with a zero byte")
  func hashes() {
    // Python: h = 0xcbf29ce484222325; for b in bytes: h = ((h ^ b) * 0x100000001b3) % 2**64
    #expect(ItemHash(of: [1, 2, 300] as [Int32]).value == 0x2503_6777_FC97_4335)
    #expect(ItemHash(of: ["ab", "c"]).value == 0xAD22_872F_536E_4705)
    #expect(ItemHash(of: ["a", "bc"]).value != ItemHash(of: ["ab", "c"]).value)
  }

  @Test("windows are told apart by document and place, and by their tokens")
  func windows() throws {
    let documents = [[1, 2, 3, 4, 5, 6], [1, 2, 3]].map {
      TokenizedDocument(tokens: $0, bytes: 0, words: 0)
    }
    let items = try ScoredWindows(of: ("a", documents), scoring: .gptqWindows(context: 3)).items
    #expect(items.ids == ["0/0", "0/1", "1/0"])
    #expect(items.clusters == ["0", "0", "1"])
    #expect(items.hashes?[0] == items.hashes?[2])
    #expect(items.hashes?[0] != items.hashes?[1])
  }
}
