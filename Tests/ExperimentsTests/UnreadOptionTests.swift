import Foundation
import JSON
import Testing

@testable import Experiments

@Suite("Options of quantizers in specs")
struct UnreadOptionTests {
  private func spec(_ quantizer: String, _ options: [String] = []) throws -> ExperimentSpec {
    let values = options.enumerated().map { #"{"label": "\#($0)", "set": \#($1)}"# }
    let axes = options.isEmpty ? "{}" : #"{"method": [\#(values.joined(separator: ", "))]}"#
    return try ExperimentSpec(
      document: JSONParser.parse(
        """
        {"schemaVersion": 1, "name": "trial", "axes": \(axes),
         "base": {"model": {"path": "m"}, "calibration": {"corpus": "c"}, "quantizer": \(quantizer),
                  "evaluation": {"tasks": {"sums": "sums.jsonl"}}}}
        """), folder: URL(filePath: "/"))
  }

  @Test(
    "what one place says beside a method that does not read it is refused there",
    arguments: [
      (#"{"method": "rtn", "actOrder": true}"#, [], "/base/quantizer/actOrder"),
      (#"{"method": "gptq", "omniquant": {"epochs": 3}}"#, [], "/base/quantizer/omniquant"),
      (
        #"{"method": "gptq"}"#, [#"{"quantizer": {"method": "rtn", "damping": 0.1}}"#],
        "/axes/method/0/set/quantizer/damping"
      ),
      (
        #"{"method": "rtn"}"#,
        [
          #"{"quantizer.method": "gptq"}"#,
          #"{"quantizer.method": "rtn", "quantizer.codebooks": {}}"#,
        ],
        "/axes/method/1/set/quantizer.codebooks"
      ),
      (
        #"{"method": "rtn"}"#, [#"{"quantizer.actOrder": true}"#],
        "/axes/method/0/set/quantizer.actOrder"
      ),
    ])
  func refused(quantizer: String, options: [String], pointer: String) throws {
    let error = #expect(throws: SpecError.self) { try spec(quantizer, options) }
    #expect(error?.pointer.description == pointer)
    #expect(error?.description.contains("does not read it") ?? false)
  }

  @Test("a base that methods share holds the options of each")
  func shared() throws {
    _ = try spec(
      #"{"method": "gptq", "actOrder": true, "codebooks": {}, "omniquant": {}}"#,
      [
        #"{"quantizer.method": "rtn"}"#, #"{"quantizer.actOrder": false}"#, #"{"quantizer": null}"#,
        #"{"quantizer": {"method": "squeezellm", "codebooks": {"groupSize": 32}}}"#,
      ])
    _ = try spec(#"{"method": "rtn", "outliers": {}, "groupSize": 32}"#)
  }
}
