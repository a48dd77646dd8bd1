import BitAllocation
import Calibration
import Foundation
import HDF5
import Quantization
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

  @Test(
    "a measured table survives the file and JSON",
    arguments: ExpertMeasurement.Granularity.allCases)
  func measured(granularity: ExpertMeasurement.Granularity) throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    var measurement = ExpertMeasurement(
      checkpoint: model.checkpoint, levels: levelSet([1, 2, 3]),
      grids: GridFamily(groupSize: 32, symmetric: true),
      calibration: try model.calibrate(
        tokens: 1, in: folder, options: CalibrationOptions(routingWeighted: true)),
      scores: Set(ExpertMeasurement.Score.allCases).subtracting([.predictedImportance]))
    measurement.granularity = granularity
    measurement.attention = .tied
    let table = try measurement.table()
    #expect(table.units.contains { $0.tie != nil } && table.units.contains(where: \.hasFewTokens))
    let url = folder.url.appending(path: "table.h5")
    try table.write(to: url)
    #expect(try SensitivityTable(hdf5: url) == table)
    #expect(try SensitivityTable(json: table.json()) == table)
  }

  @Test("units with other levels, ties, marks, resources and sensitivities of their own")
  func ragged() throws {
    let folder = try TemporaryFolder()
    let table = try SensitivityTable(
      units: [
        BitAllocation.Unit(
          id: "layers.0.attention.q", layer: 0, projection: "q", weights: 8, tie: "a, b é",
          levels: [
            Level(bits: 4, loss: 1, codeBits: 32, resources: ["latency-ms": 0.5]),
            Level(bits: 8, loss: 0.5, codeBits: 64, sensitivities: ["output": 3]),
          ]),
        BitAllocation.Unit(
          id: "some.name of another tool", layer: 1, expert: 7, projection: "down", weights: 16,
          hasFewTokens: true,
          levels: [Level(bits: 1.5, codeBits: 20, metadataBits: 3), Level(bits: 4, codeBits: 64)]),
      ], scores: ["condition-number": [1, 1e6]])
    let url = folder.url.appending(path: "table.h5")
    try table.write(to: url)
    #expect(try SensitivityTable(hdf5: url) == table)
    #expect(try HDF5Reader(url).read("levels/bits") == [1.5, 4, 8])
  }

  @Test("a table of version 1.1 is read: shared experts, dense layers, routed experts")
  func oldVersion() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "table.h5")
    let file = try HDF5Writer(url)
    try file.writeAttribute("assay.sensitivity-table", "format")
    try file.writeAttribute("1.1.0", "format_version")
    try file.write([Int64(0), 1, 1], to: "units/layer")
    try file.write([Int64(-2), 3, -1], to: "units/block")
    try file.write([Int64(10), 20, 30], to: "units/weights")
    try file.write([2.0, 4], to: "levels/bits")
    try file.write([1, 0.5, .nan, .nan, 3, 2], to: "loss", shape: [3, 2])
    try file.write([20.0, 40, 40, 80, 60, 120], to: "code_bits", shape: [3, 2])
    try file.write([Double](repeating: .nan, count: 6), to: "metadata_bits", shape: [3, 2])
    try file.write([1, 0.25, 1], to: "scores/frequency")
    try file.finish()
    func levels(_ weights: Int, _ losses: [Double?]) -> [Level] {
      zip([2.0, 4], losses).map { Level(bits: $0, loss: $1, codeBits: $0 * Double(weights)) }
    }
    let expected = try SensitivityTable(
      units: [
        BitAllocation.Unit(
          id: "layers.0.mlp", layer: 0, weights: 10, levels: levels(10, [1, 0.5])),
        BitAllocation.Unit(
          id: "layers.1.experts.3", layer: 1, expert: 3, weights: 20,
          levels: levels(20, [nil, nil])),
        BitAllocation.Unit(
          id: "layers.1.shared", layer: 1, weights: 30, levels: levels(30, [3, 2])),
      ], scores: ["frequency": [1, 0.25, 1]])
    #expect(try SensitivityTable(hdf5: url) == expected)
  }

  @Test("names with line breaks are refused before a file appears")
  func lineBreak() throws {
    let folder = try TemporaryFolder()
    let url = folder.url.appending(path: "table.h5")
    let table = try SensitivityTable(units: [
      BitAllocation.Unit(
        id: "a\r\nb", layer: 0, weights: 1, levels: [Level(bits: 2, codeBits: 2)])
    ])
    let error = #expect(throws: HDF5Error.self) { try table.write(to: url) }
    #expect("\(try #require(error))".contains("line break"))
    #expect(!FileManager.default.fileExists(atPath: url.path))
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
    let later = try HDF5Writer(url)
    try later.writeAttribute("assay.sensitivity-table", "format")
    try later.writeAttribute("2.0.0", "format_version")
    try later.finish()
    #expect(
      throws: HDF5Error.wrongFormat(
        path: url.path, expected: "assay.sensitivity-table 1.x",
        found: "assay.sensitivity-table 2.0.0")
    ) { try SensitivityTable(hdf5: url) }
    let short = try HDF5Writer(url)
    try short.writeAttribute("assay.sensitivity-table", "format")
    try short.writeAttribute("1.1.0", "format_version")
    try short.write([Int64(0), 0], to: "units/layer")
    try short.write([Int64(0)], to: "units/block")
    try short.finish()
    #expect(
      throws: HDF5Error.wrongCount(path: url.path, object: "units/block", expected: 2, found: 1)
    ) { try SensitivityTable(hdf5: url) }
  }
}
