import Foundation
import JSON

/// Tokenizers of the families that the fixtures do not hold, with a handful of merges.
enum SmallTokenizers {
  static var all: [CorpusSeed] { [sentencePiece, byteLevel].map { CorpusSeed(json: $0) } }

  /// Like Llama 2: byte fallback, a marker for spaces, normalizers and a chain of decoders.
  private static var sentencePiece: [UInt8] {
    var vocabulary = ["<unk>", "<s>", "</s>"]
    vocabulary += (0..<256).map { String(format: "<0x%02X>", $0) }
    vocabulary += ["▁", "a", "b", "e", "é", "▁a", "ab", "▁ab", "\n"]
    return Array(
      """
      {"version":"1.0","truncation":null,"padding":null,"added_tokens":[
      \(added(0, "<unk>")),\(added(1, "<s>")),\(added(2, "</s>"))],
      "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
      {"type":"Replace","pattern":{"String":" "},"content":"▁"},{"type":"NFC"}]},
      "pre_tokenizer":null,"post_processor":\(template),
      "decoder":{"type":"Sequence","decoders":[
      {"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},
      {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
      "model":{"type":"BPE","dropout":null,"unk_token":"<unk>","continuing_subword_prefix":null,
      "end_of_word_suffix":null,"fuse_unk":true,"byte_fallback":true,"ignore_merges":false,
      "vocab":\(table(vocabulary)),"merges":["▁ a","a b","▁a b",["▁","ab"]]}}
      """.utf8)
  }

  /// Like Qwen 2.5 and DeepSeek-V2: splits by patterns and digits before the byte alphabet.
  private static var byteLevel: [UInt8] {
    let letters =
      (33...126).map { $0 } + (161...172).map { $0 } + (174...255).map { $0 }
      + (256..<324).map { $0 }
    let alphabet = letters.compactMap { UnicodeScalar($0).map { String(Character($0)) } }
    let pattern =
      #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#
    return Array(
      """
      {"version":"1.0","truncation":null,"padding":null,
      "added_tokens":[\(added(258, "<|end|>"))],"normalizer":{"type":"NFC"},
      "pre_tokenizer":{"type":"Sequence","pretokenizers":[
      {"type":"Split","pattern":{"Regex":"\(pattern)"},"behavior":"Isolated","invert":false},
      {"type":"Digits","individual_digits":true},
      {"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]},
      "post_processor":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,
      "use_regex":false},
      "decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,
      "use_regex":false},
      "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":"",
      "end_of_word_suffix":"","fuse_unk":false,"byte_fallback":false,
      "vocab":\(table(alphabet + ["ab", "Ġa"])),"merges":["a b","Ġ a"]}}
      """.utf8)
  }

  private static func table(_ tokens: [String]) -> String {
    CanonicalJSON.text(
      .object(JSONObject(tokens.enumerated().map { ($1, JSONValue($0)) })))
  }

  private static func added(_ id: Int, _ content: String) -> String {
    #"{"id":\#(id),"content":"\#(content)","single_word":false,"lstrip":false,"rstrip":false,"#
      + #""normalized":false,"special":true}"#
  }

  private static let template = #"""
    {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
    {"Sequence":{"id":"A","type_id":0}}],"pair":[{"Sequence":{"id":"A","type_id":0}},
    {"Sequence":{"id":"B","type_id":1}}],
    "special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}}
    """#
}
