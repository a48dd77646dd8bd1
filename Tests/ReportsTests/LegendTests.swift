import Experiments
import JSON
import Testing

@testable import Reports

@Suite("Legends of tables")
struct LegendTests {
  private func legend(_ name: String, _ parameters: JSONValue) -> [String] {
    let metric = MetricDefinition(
      name: name, scope: "all", unit: "nats/token", higherIsBetter: false,
      protocolParameters: parameters)
    return TableLegend(
      groups: [], quantities: [], metrics: [metric], hasIntervals: false, marksBest: nil
    ).sentences
  }

  @Test("KL says how many tokens were kept, of one text and of several")
  func divergence() throws {
    let text: JSONValue = ["topK": 64, "tail": "pooled"]
    #expect(try #require(legend("kl-mean", text).first).hasPrefix("KL: over the 64 tokens"))
    let whole: JSONValue = ["protocol": "pooled-tokens", "parts": [text, text]]
    #expect(legend("kl-p99", whole) == legend("kl-mean", text))
    #expect(legend("perplexity", text).isEmpty)
  }
}
