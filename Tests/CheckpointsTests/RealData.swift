import Foundation
import Testing

/// A trained model and WikiText-2, where the shared data folder lies beside the package.
enum RealData {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("../shared/data").standardizedFileURL
  static let model = folder.appendingPathComponent("models/english-moe-20m")
  static let tokenizer = model.appendingPathComponent("tokenizer.json")
  static let wikitext = folder.appendingPathComponent("corpora/wikitext2_raw_test.gz")

  /// The `tokenizer.json.gz` of a model.
  static func tokenizers(_ name: String) -> URL {
    folder.appendingPathComponent("tokenizers/\(name).tokenizer.json.gz")
  }

  static var hasTokenizers: Bool {
    [wikitext, tokenizers("llama2")].allSatisfy { FileManager.default.fileExists(atPath: $0.path) }
  }

  static var isPresent: Bool {
    [tokenizer, wikitext].allSatisfy { FileManager.default.fileExists(atPath: $0.path) }
  }

  /// The text of a gzip file, without its assumed encoding being repaired.
  static func unzipped(_ url: URL) throws -> [UInt8] {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/gzip")
    process.arguments = ["-dc", url.path]
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return Array(bytes)
  }
}
