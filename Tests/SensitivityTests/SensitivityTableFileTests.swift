import BitAllocation
import Foundation
import HDF5
import Sensitivity
import Testing

@Suite("Sensitivity tables in HDF5")
struct SensitivityTableFileTests {
  @Test("what is written is read back, losses and metadata that are not known included")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let units = (0..<3).map { expert in
      BitAllocation.Unit(
        id: "layers.5.experts.\(expert)", layer: 5, expert: expert, weights: 100 + expert,
        levels: [2, 2.5, 4].map { bits in
          Level(
            bits: bits, loss: expert == 1 ? nil : 1 / bits,
            codeBits: bits * Double(100 + expert), metadataBits: expert == 2 ? nil : 12.5)
        })
    }
    let table = try SensitivityTable(
      units: units, scores: ["frequency": [0.5, 0, 0.25], "a-b": [1, 2, .pi]])
    let url = folder.url.appending(path: "table.h5")
    try table.write(to: url)
    #expect(try SensitivityTable(hdf5: url) == table)
  }

  @Test("a measured table survives the file")
  func measured() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let table = try ExpertMeasurement(
      checkpoint: model.checkpoint, levels: [2, 3], groupSize: 32, symmetric: true,
      calibration: try model.calibrate(tokens: 1, in: folder),
      scores: Set(ExpertMeasurement.Score.allCases)
    ).table()
    let url = folder.url.appending(path: "table.h5")
    try table.write(to: url)
    #expect(try SensitivityTable(hdf5: url) == table)
  }

  @Test("another HDF5 file, or one whose columns differ in length, is refused by name")
  func damaged() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "table.h5")
    let other = try HDF5Writer(url)
    try other.writeAttribute("something.else", "format")
    try other.finish()
    #expect(
      throws: HDF5Error.wrongFormat(
        path: url.path, expected: "assay.sensitivity-table", found: "something.else")
    ) { try SensitivityTable(hdf5: url) }
    let short = try HDF5Writer(url)
    try short.writeAttribute("assay.sensitivity-table", "format")
    try short.write([Int64(0), 0], to: "units/layer")
    try short.write([Int64(0)], to: "units/block")
    try short.finish()
    #expect(
      throws: HDF5Error.wrongCount(path: url.path, object: "units/block", expected: 2, found: 1)
    ) { try SensitivityTable(hdf5: url) }
  }
}
