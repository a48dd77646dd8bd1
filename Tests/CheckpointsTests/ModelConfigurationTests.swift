import Checkpoints
import Foundation
import Testing

@Suite("A config.json is understood completely or refused by key")
struct ModelConfigurationTests {
  /// A valid Mixtral configuration with flat `rope_theta`.
  private let valid: [String: String] = [
    "model_type": #""mixtral""#, "hidden_size": "256", "intermediate_size": "448",
    "num_hidden_layers": "6", "num_attention_heads": "8", "num_key_value_heads": "4",
    "num_local_experts": "8", "num_experts_per_tok": "2", "rms_norm_eps": "1e-05",
    "rope_theta": "10000.0", "tie_word_embeddings": "false", "vocab_size": "4096",
    "max_position_embeddings": "2048", "sliding_window": "null", "hidden_act": #""silu""#,
    "bos_token_id": "0", "eos_token_id": "0",
  ]

  /// The configuration with some keys set to other JSON, or removed.
  private func configuration(_ changes: [String: String?]) throws -> ModelConfiguration {
    var keys = valid
    for (key, json) in changes { keys[key] = json }
    let json = "{" + keys.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",") + "}"
    let folder = try TemporaryFolder()
    return try ModelConfiguration(try folder.write("config.json", Array(json.utf8)))
  }

  @Test("flat rope_theta, as written before transformers 5")
  func flatLayout() throws {
    let configuration = try configuration([:])
    #expect(configuration.architecture == .mixtral)
    #expect(configuration.hiddenSize == 256)
    #expect(configuration.mixture?.expertWidth == 448)
    #expect(configuration.layerCount == 6)
    #expect(configuration.attention.headCount == 8)
    #expect(configuration.attention.keyValueHeadCount == 4)
    #expect(configuration.attention.headDimension == 32)
    #expect(configuration.expertCount == 8)
    #expect(configuration.expertsPerToken == 2)
    #expect(configuration.normEpsilon == 1e-5)
    #expect(configuration.rotary.theta == 10_000)
    #expect(!configuration.tiesWordEmbeddings)
    #expect(configuration.vocabularySize == 4_096)
    #expect(configuration.maximumPositions == 2_048)
    #expect(configuration.slidingWindow == nil)
    #expect(configuration.beginningOfTextID == 0)
    #expect(configuration.endOfTextIDs == [0])
  }

  @Test("the file that transformers 5 writes, with rope_parameters")
  func nestedLayout() throws {
    let configuration = try ModelConfiguration(Fixture.url("safetensors/single/config.json"))
    #expect(configuration.rotary.theta == 500_000)
    #expect(configuration.attention.headDimension == 8)
    #expect(configuration.slidingWindow == 128)
    #expect(configuration.endOfTextIDs == [2, 3])
  }

  @Test(
    "the number of experts stands under the name of any version of transformers",
    arguments: [
      ("mixtral", "num_local_experts"), ("mixtral", "num_experts"), ("olmoe", "num_experts"),
      ("olmoe", "num_local_experts"), ("qwen2_moe", "num_experts"),
      ("qwen2_moe", "num_local_experts"), ("qwen3_moe", "num_experts"),
      ("qwen3_moe", "num_local_experts"), ("deepseek_v2", "n_routed_experts"),
      ("deepseek_v2", "num_local_experts"),
    ])
  func expertCountKeys(family: String, key: String) throws {
    let configuration = try configuration(expertKeys(family, [key: "6"]))
    #expect(configuration.expertCount == 6)
  }

  @Test(
    "two different numbers of experts are refused by both names",
    arguments: ["mixtral", "olmoe", "qwen2_moe", "qwen3_moe", "deepseek_v2"])
  func expertCountKeysThatDiffer(family: String) throws {
    let first = family == "deepseek_v2" ? "n_routed_experts" : "num_experts"
    let same = try configuration(expertKeys(family, [first: "6", "num_local_experts": "6"]))
    #expect(same.expertCount == 6)
    let error = #expect(throws: ConfigurationError.self) {
      try configuration(expertKeys(family, [first: "6", "num_local_experts": "8"]))
    }
    let text = try #require(error).description
    #expect(text.contains(first) && text.contains("num_local_experts"), "\(text)")
  }

  /// A configuration of the family with these keys for the number of experts, and no others.
  private func expertKeys(_ family: String, _ keys: [String: String]) -> [String: String?] {
    var changes: [String: String?] = [
      "model_type": "\"\(family)\"", "num_local_experts": nil, "moe_intermediate_size": "64",
      "shared_expert_intermediate_size": "64", "kv_lora_rank": "32", "qk_rope_head_dim": "16",
      "qk_nope_head_dim": "16", "v_head_dim": "16",
    ]
    // Latent attention has as many heads of keys as of queries.
    if family == "deepseek_v2" { changes["num_key_value_heads"] = "8" }
    return changes.merging(keys) { $1 }
  }

  @Test("an end of text beyond the vocabulary, which only generation would need, is left out")
  func foreignEndOfText() throws {
    #expect(try configuration(["eos_token_id": "[2, 4096]"]).endOfTextIDs == [2])
  }

  @Test("a stated head size needs no relation to the hidden size")
  func statedHeadDimension() throws {
    let configuration = try configuration(["head_dim": "64", "hidden_size": "250"])
    #expect(configuration.attention.headDimension == 64)
  }

  @Test(
    "sizes that no memory holds are refused: the fuzzer had tables of gigabytes built from them",
    arguments: [
      ("head_dim", "2147483648", "65536"), ("hidden_size", "2147483648", "16777216"),
      ("num_attention_heads", "16777216", "65536"), ("vocab_size", "4294967296", "16777216"),
      ("num_local_experts", "65536", "262144 experts in all 6 layers"),
    ])
  func absurdSizes(key: String, json: String, limit: String) {
    let text = errorText { _ = try configuration([key: json]) }
    #expect(text.contains("config.json: \(key) is \(json), expected "), "\(text)")
    #expect(text.contains(limit), "\(text)")
  }

  @Test("an unknown architecture is named, with those that are supported")
  func unknownArchitecture() {
    let text = errorText { _ = try configuration(["model_type": #""mamba""#]) }
    #expect(text.contains("mamba") && text.contains("supported are mixtral"), "\(text)")
  }

  @Test(
    "a missing key is named with its file",
    arguments: [
      "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
      "num_key_value_heads", "num_local_experts", "num_experts_per_tok", "rms_norm_eps",
      "rope_theta", "vocab_size", "max_position_embeddings", "hidden_act",
    ])
  func missingKey(key: String) {
    let text = errorText { _ = try configuration([key: String?.none]) }
    #expect(text.contains("config.json has no key \(key)"), "\(text)")
  }

  @Test(
    "a nonsense value is refused with key, found and expected",
    arguments: [
      ("num_attention_heads", "0", "an integer from 1"),
      ("num_attention_heads", "7", "a divisor of hidden_size 256"),
      ("num_key_value_heads", "3", "a divisor of the 8 attention heads"),
      ("num_experts_per_tok", "9", "at most the 8 experts"),
      ("hidden_size", "-256", "an integer from 1"),
      ("hidden_size", "256.5", "an integer from 1"),
      ("hidden_size", "9223372036854775807", "an integer from 1"),
      ("hidden_size", #""256""#, "an integer from 1"),
      ("head_dim", "33", "an even number"),
      ("rms_norm_eps", "0", "a positive number"),
      ("rope_theta", "-1", "a positive number"),
      ("rope_scaling", #"{"type": "longrope"}"#, #"or "llama3""#),
      ("rope_parameters", #"{"rope_theta": 1, "rope_type": "su"}"#, #"or "llama3""#),
      ("sliding_window", "0", "an integer from 1"),
      ("tie_word_embeddings", "1", "true or false"),
      ("hidden_act", #""gelu""#, #""silu""#),
      ("bos_token_id", "4096", "below vocab_size 4096"),
      ("eos_token_id", "\"</s>\"", "token ids"),
      ("bos_token_id", "[-1]", "below vocab_size 4096"),
    ])
  func nonsenseValue(key: String, json: String, expected: String) {
    let text = errorText { _ = try configuration([key: json]) }
    #expect(text.contains("config.json: \(key)") && text.contains(expected), "\(text)")
  }

  @Test("a file that is not a JSON object is refused", arguments: ["", "[1]", "{"])
  func notAnObject(json: String) throws {
    let folder = try TemporaryFolder()
    let url = try folder.write("config.json", Array(json.utf8))
    #expect(errorText { _ = try ModelConfiguration(url) }.contains("Cannot read \(url.path)"))
  }
}
