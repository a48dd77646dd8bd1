import Evaluation
import Foundation
import HDF5
import Testing

/// Runs only where the environment variable ASSAY_PYTHON names a Python with h5py.
@Suite(
  "Items and stored predictions open in h5py",
  .enabled(
    if: ProcessInfo.processInfo.environment["ASSAY_PYTHON"] != nil,
    "set ASSAY_PYTHON to a Python that has h5py"))
struct H5pyItemTests {
  @Test("h5py recomputes window means, hashes and masses from our files")
  func agrees() throws {
    let python = try #require(ProcessInfo.processInfo.environment["ASSAY_PYTHON"])
    let model = try TinyMixtral()
    let document = TokenizedDocument(
      tokens: model.sequences.flatMap(\.self), bytes: 0, words: 0)
    let items = model.folder.appending(path: "items.h5")
    let perplexity = try Perplexity(
      of: model.checkpoint, documents: ("a.txt", [document]), scoring: .gptqWindows(context: 40),
      tokenizer: model.tokenizer, precision: .f32)
    let writer = try HDF5Writer(items)
    try writer.write(perplexity.windowItems, to: "perplexity/text")
    try writer.write(perplexity.windowLosses, to: "perplexity/text/window_nll")
    try writer.write(
      perplexity.windowTokens.map { Int64($0) }, to: "perplexity/text/window_tokens")
    try writer.write(perplexity.tokenLosses, to: "perplexity/text/token_nll")
    try writer.finish()

    let reference = model.folder.appending(path: "reference.h5")
    let options = PredictionFile.Options(topK: 20, precision: .f32, noise: .none)
    let predictions = try HDF5Writer(reference)
    try PredictionFile.writeHeader(options, vocabulary: 160, model: "tiny", to: predictions)
    _ = try PredictionFile.write(
      ScoredWindows(of: ("a.txt", [document]), scoring: .gptqWindows(context: 40)),
      of: model.checkpoint, as: "text", options: options, to: predictions)
    try predictions.finish()

    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(filePath: python)
    process.arguments = [
      URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "open_items_with_h5py.py").path, items.path, reference.path,
      model.sequences.map { "\($0[0])" }.joined(separator: ","),
    ]
    (process.standardOutput, process.standardError) = (output, output)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    #expect(text.contains("router: equal"), "\(text)")
  }
}
