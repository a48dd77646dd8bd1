import Foundation
import MoEModels
import Testing

@Suite struct ModelFolderErrorTests {
  @Test("a tokenizer with more tokens than the model is refused with both numbers")
  func vocabularyMismatch() throws {
    let files = FileManager.default
    let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let folder = files.temporaryDirectory.appending(path: "assay-\(UUID())")
    try files.copyItem(at: FamilyGoldenTests.folder.appending(path: "llama"), to: folder)
    defer { try? files.removeItem(at: folder) }
    try files.copyItem(
      at: tests.appending(path: "CheckpointsTests/Fixtures/tokenizer/plain.tokenizer.json"),
      to: folder.appending(path: "tokenizer.json"))
    let model = try ModelFolder(folder)
    let vocabulary = model.configuration.vocabularySize
    let error = #expect(throws: ModelFolderError.self) { try model.tokenizer() }
    guard case .vocabularyMismatch(_, let tokenizer, vocabulary)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(tokenizer > vocabulary)
    #expect(
      error?.description == "\(folder.path): tokenizer.json has \(tokenizer) tokens, config.json "
        + "has vocab_size \(vocabulary). Copy the tokenizer that belongs to this model.")
  }
}
