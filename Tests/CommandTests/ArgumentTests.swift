import ArgumentParser
import Experiments
import Foundation
import Testing

@testable import assay

@Suite("Options of single steps take what specs take")
struct ArgumentTests {
  private static let huge = "9223372036854775807"

  @Test(
    "numbers out of a spec's range are refused by their option before any work",
    arguments: [
      ("quantize m --plan p --out o --method rtn --group-size \(huge)", "--group-size"),
      ("quantize m --plan p --out o --calibration c --group-size \(huge)", "--group-size"),
      ("quantize m --plan p --out o --method rtn --group-size=-1", "--group-size"),
      ("quantize m --plan p --out o --calibration c --damping 1.5", "--damping"),
      ("quantize m --plan p --out o --calibration c --damping nan", "--damping"),
      ("quantize m --plan p --out o --calibration c --minimum-tokens=-1", "--minimum-tokens"),
      ("quantize m --plan p --out o --calibration c --minimum-tokens \(huge)", "--minimum-tokens"),
      ("quantize m --plan p --out o --calibration c --block-size 0", "--block-size"),
      ("quantize m --plan p --out o --calibration c --attention-bits 9", "--attention-bits"),
      (
        "quantize m --plan p --out o --calibration c --symmetric-range published",
        "--symmetric-range"
      ),
      ("quantize m --plan p --out o --hessian-stream quantized", "--text"),
      ("quantize m --plan p --out o --method rtn --sensitive 0.6", "--sensitive"),
      ("quantize m --plan p --out o --method rtn --range-outliers=-1", "--range-outliers"),
      ("quantize m --plan p --out o --method rtn --quartiles nan", "--quartiles"),
      ("quantize m --plan p --out o --method squeezellm", "give --gradients, or --calibration"),
      (
        "quantize m --plan p --out o --method rtn --sensitive 0.0005",
        "--sensitive 0.0005 asks what weights are worth: give --gradients, or --calibration"
      ),
      (
        "quantize m --plan p --out o --method squeezellm --importance hessian",
        "--importance hessian needs --calibration"
      ),
      ("quantize m --plan p --out o --method rtn --axis adaptive", "--calibration"),
      ("quantize m --plan p --out o --method rtn --axis adadim", "--text"),
      (
        "quantize m --plan p --out o --method squeezellm --importance none --codebook-group=-1",
        "--codebook-group"
      ),
      ("quantize m --plan p --out o --method rtn --act-order", "--act-order is of --method gptq"),
      ("quantize m --plan p --out o --method rtn --damping 0.5", "--damping is of --method gptq"),
      (
        "quantize m --plan p --out o --method rtn --routing-weighted",
        "--routing-weighted is of --method gptq"
      ),
      ("quantize m --plan p --out o --method rtn --epochs 3", "--epochs is of --method omniquant"),
      (
        "quantize m --plan p --out o --method rtn --clustering lloyd",
        "--clustering is of --method squeezellm"
      ),
      (
        "quantize m --plan p --out o --calibration c --epochs 3",
        "--epochs is of --method omniquant"
      ),
      (
        "quantize m --plan p --out o --calibration c --equivalent",
        "--equivalent is of --method omniquant"
      ),
      (
        "quantize m --plan p --out o --calibration c --codebook-group 32",
        "--codebook-group is of --method squeezellm"
      ),
      (
        "quantize m --plan p --out o --method omniquant --text t --mse",
        "--mse is of --method rtn and gptq"
      ),
      (
        "quantize m --plan p --out o --method omniquant --text t --scaling-rate 0.1",
        "--scaling-rate is of --equivalent"
      ),
      (
        "quantize m --plan p --out o --method rtn --range-outliers 0.004 --quartiles 1.8",
        "--quartiles stands in the place of --range-outliers"
      ),
      ("quantize m --plan p --out o --method rtn --importance none", "--importance is of"),
      ("quantize m --plan p --out o --calibration c --gradients g", "--gradients is of"),
      (
        "quantize m --plan p --out o --method squeezellm --importance none --clustering-seed 3",
        "--clustering-seed is of --clustering lloyd"
      ),
      ("export checkpoint q --out o --shard-size 0", "--shard-size"),
      (
        "quantize m --plan p --out o --hessian-stream quantized --text t --calibration c",
        "--calibration"
      ),
      ("quantize m --plan p --out o --calibration c --text t", "--text"),
      (
        "quantize m --plan p --out o --method rtn --hessian-stream quantized --text t",
        "--hessian-stream"
      ),
      (
        "quantize m --plan p --out o --hessian-stream quantized --text t --sequences 0",
        "--sequences"
      ),
      ("measure m --out t.h5 --group-size \(huge)", "--group-size"),
      ("measure m --out t.h5 --levels 2,2,3", "--levels"),
      ("structure m --calibration c --text t", "--out"),
      ("structure m --calibration c --text t --out o.json", "--out"),
      ("structure m --calibration c --text t --out o.h5 --levels 2,2.5", "--levels"),
      ("structure m --calibration c --text t --out o.h5 --sequences 1", "--sequences"),
      ("structure t.h5 --text t", "--text"),
      ("measure m --out t.h5 --levels 3,2", "--levels"),
      ("measure m --out t.h5 --levels 2,,3", "--levels"),
      ("measure m --out t.h5 --levels 2,\(huge)", "--levels"),
      ("calibrate m --text t --out o --sequences \(huge)", "--sequences"),
      ("calibrate m --text t --out o --sequences 0", "--sequences"),
      ("calibrate m --text t --out o --context \(huge)", "--context"),
      ("calibrate m --text t --out o --context 1", "--context"),
      ("calibrate m --text t --out o --hessian-block \(huge)", "--hessian-block"),
      ("calibrate m --text t --out o --mixture 1.01", "--mixture"),
      ("coverage c --model m --damping nan", "--damping"),
      ("allocate t.h5 --allocator uniform --budget nan", "--budget"),
      ("perplexity m --text t --context \(huge)", "context"),
      ("perplexity m --text t --protocol strided --stride 0", "stride"),
      ("perplexity m --text t --protocol strided --stride \(huge)", "stride"),
      ("perplexity m --text t --protocol gptq --stride 4", "stride"),
      ("perplexity m --text t --protocol llama.cpp --context 2", "context"),
    ])
  func outOfRange(line: String, name: String) {
    let error = #expect(throws: (any Error).self) {
      try AssayCommand.parseAsRoot(line.split(separator: " ").map(String.init))
    }
    guard let error else { return }
    #expect(AssayCommand.exitCode(for: error) == .validationFailure)
    #expect(AssayCommand.message(for: error).contains(name))
  }

  @Test("the ends of the ranges are allowed")
  func inRange() throws {
    for line in [
      "quantize m --plan p --out o --calibration c --group-size 65536 --damping 1",
      "quantize m --plan p --out o --calibration c --group-size 0 --damping 0",
      "quantize m --plan p --out o --method omniquant --text t --epochs 0 --symmetric",
      "quantize m --plan p --out o --method squeezellm --gradients g --clustering lloyd",
      "quantize m --plan p --out o --calibration c --gradients g --sensitive 0.001",
      "quantize m --plan p --out o --hessian-stream quantized --text t --sampling gptq",
      "quantize m --plan p --out o --calibration c --symmetric --symmetric-range published",
      "measure m --out t.h5 --scale-rounding exact --mse",
      "measure m --out t.h5 --levels 1,8", "calibrate m --text t --out o --sequences 1000000",
      "perplexity m --text t --protocol strided --context 2 --stride 2",
      "perplexity m --text t --protocol llama.cpp --context 3",
    ] {
      _ = try AssayCommand.parseAsRoot(line.split(separator: " ").map(String.init))
    }
  }
}

@Suite("What commands write is written, or the command fails")
struct OutputTests {
  @Test("a full disk under standard output is an error in the system's words")
  func fullDevice() throws {
    let full = open("/dev/full", O_WRONLY)
    try #require(full >= 0)
    defer { close(full) }
    let error = #expect(throws: OutputError.self) { try StandardOutput.write("a", to: full) }
    #expect(error?.description.contains("No space left on device") ?? false)
    #expect(throws: OutputError.self) { try StandardOutput.write("a", to: -1) }
  }

  @Test("a place that cannot become the output is refused before the work, with a remedy")
  func places() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "assay-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "file")
    try Data("kept".utf8).write(to: file)
    let empty = folder.appending(path: "empty")
    try FileManager.default.createDirectory(at: empty, withIntermediateDirectories: false)
    let cases: [(place: URL, remedy: String)] = [
      (folder, "name a new one"), (file, "remove it or name a new one"),
      (file.appending(path: "below"), "is a file; name a place in a folder"),
      (folder.appending(path: "a/b"), "create it first"),
    ]
    for (place, remedy) in cases {
      let error = #expect(throws: UnusableArgument.self) {
        try SingleStage.write(to: place) { _ in Issue.record("work was begun") }
      }
      #expect(error?.description.contains(remedy) ?? false, "\(error?.description ?? "")")
    }
    #expect(throws: UnusableArgument.self) {
      try SingleStage.write(file: empty) { _, _ in Issue.record("work was begun") }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
    try OutputPlace.check(empty, mayBeEmptyFolder: true)
    try OutputPlace.check(folder.appending(path: "new"), mayBeEmptyFolder: false)
  }
}
