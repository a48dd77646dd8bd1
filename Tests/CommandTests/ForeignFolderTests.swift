import ArgumentParser
import Calibration
import Experiments
import Foundation
import HDF5
import Testing

@testable import assay

@Suite("Folders made from another model")
final class ForeignFolderTests {
  private static let model = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "experiments/reference-model")
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "foreign-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    // The same model but for the last bit of one of its weights.
    let other = folder.appending(path: "other")
    try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
      var data = try Data(contentsOf: Self.model.appending(path: name))
      if name == "model.safetensors" { data[data.count - 2] ^= 1 }
      try data.write(to: other.appending(path: name))
    }
    try Data(#"{"layers.0.experts.0": 2}"#.utf8).write(to: folder.appending(path: "plan.json"))
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  private func run(_ line: String) throws {
    var command = try AssayCommand.parseAsRoot(
      line.split(separator: " ").map {
        String($0).replacing("MODEL", with: Self.model.path).replacing("FOLDER", with: folder.path)
      })
    try command.run()
  }

  private func exists(_ name: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.appending(path: name).path)
  }

  @Test("calibrations and gradients of another model are refused, with both digests")
  func foreign() throws {
    let text = "--text MODEL/text/validation.stories.txt --sequences 2 --context 32"
    try run("calibrate MODEL \(text) --out FOLDER/calib")
    try run("gradients MODEL \(text) --out FOLDER/grad")
    let (ours, other) = (
      try FileDigests.model(Self.model), try FileDigests.model(folder.appending(path: "other"))
    )
    #expect(try CalibrationLayer.model(in: folder.appending(path: "calib")) == ours)
    #expect(try GradientFolder(folder.appending(path: "grad")).model() == ours)
    let lines = [
      "quantize FOLDER/other --plan FOLDER/plan.json --calibration FOLDER/calib --out FOLDER/q",
      "quantize FOLDER/other --plan FOLDER/plan.json --method rtn --sensitive 0.001 "
        + "--gradients FOLDER/grad --out FOLDER/q",
      "measure FOLDER/other --calibration FOLDER/calib --out FOLDER/t.h5",
      "measure FOLDER/other --gradients FOLDER/grad --out FOLDER/t.h5",
    ]
    for line in lines {
      let error = #expect(throws: UnusableArgument.self) { try run(line) }
      let text = try #require(error).description
      #expect(text.contains(ours.prefix(12)) && text.contains(other.prefix(12)), "\(text)")
    }
    #expect(!exists("q") && !exists("t.h5"))
    // Of the model itself they are taken.
    try run("measure MODEL --calibration FOLDER/calib --gradients FOLDER/grad --out FOLDER/t.h5")
    #expect(exists("t.h5"))
  }

  @Test("folders that do not name their model are taken as before")
  func unnamed() throws {
    let calibration = folder.appending(path: "old")
    try FileManager.default.createDirectory(at: calibration, withIntermediateDirectories: true)
    let file = try HDF5Writer(CalibrationLayer.url(0, in: calibration))
    try file.writeAttribute("assay.calibration", "format")
    try file.finish()
    let url = try CalibrationFolder.url(
      calibration.path, of: folder.appending(path: "other").path)
    #expect(url.path == calibration.path)
  }
}
