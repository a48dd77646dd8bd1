import Foundation
import JSON

/// A valid file to start from.
struct CorpusSeed {
  let bytes: [UInt8]
  /// Its JSON: the whole of it, or the header of a safetensors file.
  let json: JSONNode?
  /// What follows the header of a safetensors file.
  private let tail: [UInt8]?

  init(json bytes: [UInt8]) {
    self.bytes = bytes
    json = (try? JSONParser.parse(Data(bytes), admitting: .roundedIntegers)).map(JSONNode.init)
    tail = nil
  }

  init(safetensors bytes: [UInt8]) {
    self.bytes = bytes
    let end = 8 + bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    json = (try? JSONParser.parse(Data(bytes[8..<end]))).map(JSONNode.init)
    tail = Array(bytes[end...])
  }

  /// The file with another JSON in it; the length before a header is made to fit.
  func framed(_ json: [UInt8]) -> [UInt8] {
    guard let tail else { return json }
    return withUnsafeBytes(of: UInt64(json.count).littleEndian, Array.init) + json + tail
  }
}

/// The valid files of a target: fixtures of the tests, and small ones made here.
struct Corpus {
  let seeds: [CorpusSeed]

  init(_ target: FuzzTarget) throws {
    switch target {
    case .safetensors:
      let small = try Self.files(in: "Tests/CheckpointsTests/Fixtures/safetensors") {
        $0.hasSuffix(".safetensors")
      }
      seeds = (small + (try SmallCheckpoints.all())).map(CorpusSeed.init(safetensors:))
    case .config:
      seeds =
        try Self.files(in: "Tests/MoEModelsTests/Fixtures") { $0.hasSuffix("config.json") }
        .map(CorpusSeed.init(json:)) + SmallDocuments.configurations
    case .tokenizer:
      seeds =
        try Self.files(in: "Tests/CheckpointsTests/Fixtures/tokenizer") {
          $0.hasSuffix(".tokenizer.json")
        }.filter { $0.count < 20_000 }.map(CorpusSeed.init(json:)) + SmallTokenizers.all
    case .spec:
      seeds =
        try Self.files(in: "experiments") { $0 == "quickstart.json" }.map(CorpusSeed.init(json:))
        + SmallDocuments.specs
    case .table: seeds = SmallDocuments.tables
    case .plan: seeds = SmallDocuments.plans
    case .json: seeds = SmallDocuments.json + SmallDocuments.tables + SmallDocuments.specs
    case .index:
      seeds = try Self.files(in: "Tests/CheckpointsTests/Fixtures/safetensors/sharded") {
        $0.hasSuffix(".index.json")
      }.map(CorpusSeed.init(json:))
    }
  }

  private static func files(
    in folder: String, where isWanted: (String) -> Bool
  ) throws -> [[UInt8]] {
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
    let files = try names.filter(isWanted).sorted().map {
      [UInt8](try Data(contentsOf: URL(filePath: "\(folder)/\($0)")))
    }
    guard !files.isEmpty else { throw FuzzError.noCorpus(folder: folder) }
    return files
  }
}
