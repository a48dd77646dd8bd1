import Foundation
import Testing

/// Runs only where the environment variable ASSAY_PYTHON names a Python with h5py.
@Suite(
  "Calibration files open in h5py",
  .enabled(
    if: ProcessInfo.processInfo.environment["ASSAY_PYTHON"] != nil,
    "set ASSAY_PYTHON to a Python that has h5py"))
struct H5pyTests {
  @Test("h5py reads the golden numbers from our files")
  func agrees() throws {
    let python = try #require(ProcessInfo.processInfo.environment["ASSAY_PYTHON"])
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try folder.calibrated(try model.goldenSample(), model)
    let here = TinyMixtral.tests.appending(path: "CalibrationTests")
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(filePath: python)
    process.arguments = [
      here.appending(path: "open_with_h5py.py").path, calibration.path,
      here.appending(path: "Fixtures/tiny-mixtral-calibration/golden.h5").path,
    ]
    (process.standardOutput, process.standardError) = (output, output)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    #expect(text.contains("layers/01/router: equal"), "\(text)")
  }
}
