/// A reader that takes files from strangers.
enum FuzzTarget: String, CaseIterable {
  case safetensors, config, tokenizer, spec, table, plan, json, index
}
