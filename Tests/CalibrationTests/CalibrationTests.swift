import Calibration
import Foundation
import HDF5
import MoEModels
import Tensors
import Testing

@Suite("Calibration statistics of the tiny Mixtral")
struct CalibrationTests {
  private static let golden = TinyMixtral.tests
    .appending(path: "CalibrationTests/Fixtures/tiny-mixtral-calibration/golden.h5")

  /// The datasets of all layers by name, as doubles, which hold every stored number exactly.
  private func datasets(in folder: URL, layers: Int = 2) throws -> [String: [Double]] {
    var result: [String: [Double]] = [:]
    for layer in 0..<layers {
      let file = try HDF5Reader(CalibrationLayer.url(layer, in: folder))
      for name in file.datasets() { result[name] = try file.read(name) }
    }
    return result
  }

  /// The largest difference, in units of the largest absolute value expected.
  private func difference(_ ours: [Double], _ expected: [Double]) -> Double {
    guard ours.count == expected.count, let largest = expected.map(abs).max() else {
      return ours.count == expected.count ? 0 : .infinity
    }
    let worst = zip(ours, expected).reduce(0.0) { max($0, abs($1.0 - $1.1)) }
    return worst == 0 ? 0 : worst / largest
  }

  /// Whether files of version 1.0 lack the dataset.
  private static func isNew(_ name: String) -> Bool {
    name.hasSuffix("/moe/cosine_sum") || name.hasSuffix("/moe/inverse_residual_energy")
  }

  @Test("every dataset agrees with torch hooks within 1e-4 of its largest value, counts exactly")
  func golden() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try folder.calibrated(try model.goldenSample(), model)
    let golden = try HDF5Reader(Self.golden)
    let ours = try datasets(in: calibration)
    // The golden files are of version 1.0.
    let added = ours.keys.filter(Self.isNew)
    #expect(ours.keys.sorted() == (golden.datasets() + added).sorted())
    for name in golden.datasets() {
      let expected = try golden.read(name, as: Double.self)
      // Two implementations sum in different orders; 1e-4 is the project's bound for f32.
      let bound = try golden.elementName(of: name) == "i64" ? 0 : 1e-4
      let found = difference(ours[name] ?? [], expected)
      #expect(found <= bound, "\(name): \(found)")
    }
  }

  @Test("types and shapes of datasets, and tokens behind them, equal the golden file's")
  func goldenLayout() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try folder.calibrated(try model.goldenSample(), model)
    let golden = try HDF5Reader(Self.golden)
    for layer in 0..<2 {
      let ours = try HDF5Reader(CalibrationLayer.url(layer, in: calibration))
      for name in ours.datasets() where !Self.isNew(name) {
        #expect(try ours.elementName(of: name) == golden.elementName(of: name), "\(name)")
        #expect(try ours.shape(of: name) == golden.shape(of: name), "\(name)")
        guard name.hasSuffix("/hessian") else { continue }
        for attribute in ["tokens", "order"] {
          #expect(
            try ours.integerAttribute(attribute, of: name)
              == golden.integerAttribute(attribute, of: name), "\(name)@\(attribute)")
        }
      }
      #expect(try ours.integerAttribute("tokens", of: "layers/0\(layer)/moe") == 120)
      #expect(try golden.integerAttribute("tokens", of: "layers/0\(layer)/moe") == 120)
    }
  }

  @Test("a layer read back shows the golden numbers by input site")
  func layer() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try folder.calibrated(try model.goldenSample(), model)
    let golden = try HDF5Reader(Self.golden)
    for index in 0..<2 {
      let layer = try CalibrationLayer(index, in: calibration, experts: 4)
      let root = "layers/0\(index)"
      #expect(layer.tokens == 120)
      #expect(try layer.count == golden.read("\(root)/router/count"))
      // Each token goes to two experts, whose applied weights sum to 1.
      #expect(layer.count.reduce(0, +) == 240)
      #expect(abs(layer.weightAfter.reduce(0, +) - 120) < 1e-4)
      #expect(try layer.tokens(at: .queryKeyValue) == 120)
      for expert in 0..<4 {
        #expect(try layer.tokens(at: .gateUp(.expert(expert))) == Int(layer.count[expert]))
        let site = "\(root)/experts/00\(expert)/down_in"
        let sum = try layer.sum(at: .down(.expert(expert)), order: 96).dense
        let expected: [Double] = try golden.read("\(site)/hessian")
        #expect(difference(sum.packed.map { Double($0) }, expected) <= 1e-4)
        // The diagonal of S is Σ x², which is kept apart in f64; S is stored in f32.
        let squares: [Double] = try golden.read("\(site)/sum_squares")
        #expect(difference(sum.diagonal.map { Double($0) }, squares) <= 1e-4)
      }
    }
  }

  @Test("statistics of several sequences are the sums of each one's")
  func additive() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let together = try datasets(in: folder.calibrated(try model.goldenSample(), model))
    let parts = try model.sequences.map {
      try datasets(in: folder.calibrated(try model.sample($0), model))
    }
    for (name, sum) in together {
      let columns = try parts.map { try #require($0[name]) }
      let expected = sum.indices.map { index in
        let values = columns.map { $0[index] }
        return name.hasSuffix("absmax")
          ? values.max() ?? 0 : values.reduce(0, +)
      }
      // Products of other row counts are summed in another order: some roundings of f32 (6e-8) in
      // two layers.
      #expect(difference(sum, expected) <= 1e-5, "\(name)")
    }
  }

  @Test("sixty copies, which no batch holds together, give sixty times the sums")
  func severalBatches() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let once = try datasets(in: folder.calibrated(try model.sample(model.sequences[0]), model))
    // 2,400 tokens; a batch of the forward pass has 2,048.
    let many = try datasets(
      in: folder.calibrated(try model.sample(model.sequences[0], copies: 60), model))
    for (name, values) in once {
      let expected = name.hasSuffix("absmax") ? values : values.map { 60 * $0 }
      // As above, and 2,040 rows of one product are summed in f32: √2,040 roundings.
      #expect(difference(many[name] ?? [], expected) <= 1e-5, "\(name)")
    }
  }

  @Test("the same sample gives the same bytes")
  func isDeterministic() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let sample = try model.goldenSample()
    let folders = try (0..<2).map { _ in try folder.calibrated(sample, model) }
    for layer in 0..<2 {
      let bytes = try folders.map { try Data(contentsOf: CalibrationLayer.url(layer, in: $0)) }
      #expect(bytes[0] == bytes[1], "layer \(layer)")
    }
  }

  @Test(
    "bf16 counts the same tokens and stays near f32",
    .enabled(if: instructionSet.contains("AVX512"), "oneDNN multiplies bfloat16 on AVX-512 only"))
  func bf16() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let sample = try model.goldenSample()
    let f32 = try folder.calibrated(sample, model)
    try CalibrationWriter.write(sample, through: model.checkpoint, precision: .bf16, to: folder.url)
    let exact = try CalibrationLayer(0, in: f32, experts: 4)
    let rounded = try CalibrationLayer(0, in: folder.url, experts: 4)
    #expect(rounded.tokens == 120)
    #expect(rounded.count.reduce(0, +) == 240)
    // Embedding and norm are f32 in both, so the first input is the same.
    #expect(
      try rounded.sum(at: .queryKeyValue, order: 64).dense
        == exact.sum(at: .queryKeyValue, order: 64).dense)
    // Rounding of 2⁻⁹ in some five products, and an expert chosen differently for a token or two.
    #expect(abs(rounded.outputEnergy / exact.outputEnergy - 1) < 0.03)
  }

  @Test("progress counts the layers")
  func progress() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    var seen: [[Int]] = []
    try CalibrationWriter.write(
      try model.goldenSample(), through: model.checkpoint, precision: .f32, to: folder.url
    ) { seen.append([$0, $1]) }
    #expect(seen == [[1, 2], [2, 2]])
  }

  @Test("an expert that saw no token has zero sums and zero tokens")
  func unusedExpert() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try folder.calibrated(
      try model.sample(Array(model.sequences[0].prefix(1))), model)
    let layer = try CalibrationLayer(0, in: calibration, experts: 4)
    let unused = try #require(layer.count.firstIndex(of: 0))
    #expect(layer.count.count { $0 == 0 } == 2)
    #expect(try layer.tokens(at: .down(.expert(unused))) == 0)
    #expect(
      try layer.sum(at: .down(.expert(unused)), order: 96).dense.packed.allSatisfy { $0 == 0 })
    #expect(try layer.absmax(at: .gateUp(.expert(unused))).allSatisfy { $0 == 0 })
  }
}

@Suite("Calibration files that do not fit are refused by name")
struct CalibrationFileTests {
  @Test("a missing layer, another number of experts or channels")
  func mismatch() throws {
    let (model, folder) = (try TinyMixtral(), try TemporaryFolder())
    let calibration = try folder.calibrated(try model.goldenSample(), model)
    let path = CalibrationLayer.url(0, in: calibration).path
    #expect(
      throws: HDF5Error.wrongCount(
        path: path, object: "layers/00/router/count", expected: 8, found: 4)
    ) { try CalibrationLayer(0, in: calibration, experts: 8) }
    let layer = try CalibrationLayer(0, in: calibration, experts: 4)
    #expect(
      throws: HDF5Error.wrongCount(
        path: path, object: "layers/00/attention/qkv_in/hessian", expected: 10, found: 2080)
    ) { try layer.sum(at: .queryKeyValue, order: 4).dense }
    let error = #expect(throws: HDF5Error.self) {
      try CalibrationLayer(2, in: calibration, experts: 4)
    }
    #expect("\(try #require(error))".contains("layer-02.h5: cannot be opened"))
  }

  @Test("another HDF5 file, or a later major version")
  func format() throws {
    let folder = try TemporaryFolder()
    let url = CalibrationLayer.url(0, in: folder.url)
    for (format, version) in [("something.else", "1.0.0"), ("assay.calibration", "2.0.0")] {
      let file = try HDF5Writer(url)
      try file.writeAttribute(format, "format")
      try file.writeAttribute(version, "format_version")
      try file.finish()
      let error = #expect(throws: HDF5Error.self) {
        try CalibrationLayer(0, in: folder.url, experts: 4)
      }
      let text = "\(try #require(error))"
      #expect(text.hasPrefix("\(url.path): has format '\(format)"), "\(text)")
    }
  }
}
