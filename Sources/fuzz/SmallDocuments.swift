/// Small valid documents of the project's own formats, and foreign ones that no fixture covers.
enum SmallDocuments {
  private static func seeds(_ texts: String...) -> [CorpusSeed] {
    texts.map { CorpusSeed(json: Array($0.utf8)) }
  }

  /// Every kind of rotary scaling, and dense layers among others.
  static let configurations = seeds(
    #"""
    {"model_type":"llama","hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,
    "num_key_value_heads":1,"intermediate_size":8,"rms_norm_eps":1e-5,"vocab_size":16,
    "max_position_embeddings":64,"hidden_act":"silu","eos_token_id":[1,2],"bos_token_id":0,
    "rope_parameters":{"rope_type":"llama3","rope_theta":500000,"factor":8,"low_freq_factor":1,
    "high_freq_factor":4,"original_max_position_embeddings":32},"attention_bias":true}
    """#,
    #"""
    {"model_type":"qwen2_moe","hidden_size":8,"num_hidden_layers":3,"num_attention_heads":2,
    "num_key_value_heads":2,"intermediate_size":8,"moe_intermediate_size":4,
    "shared_expert_intermediate_size":4,"num_experts":4,"num_experts_per_tok":2,
    "decoder_sparse_step":2,"mlp_only_layers":[0],"rms_norm_eps":1e-5,"vocab_size":16,
    "max_position_embeddings":64,"hidden_act":"silu","rope_theta":10000,"use_sliding_window":true,
    "sliding_window":8,"rope_scaling":{"type":"yarn","factor":4,
    "original_max_position_embeddings":16,"beta_fast":32,"beta_slow":1,"mscale":0.7,
    "mscale_all_dim":0.7}}
    """#,
    #"""
    {"model_type":"deepseek_v2","hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,
    "q_lora_rank":4,"kv_lora_rank":4,"qk_nope_head_dim":4,"qk_rope_head_dim":2,"v_head_dim":4,
    "intermediate_size":8,"moe_intermediate_size":4,"n_shared_experts":2,"n_routed_experts":4,
    "num_experts_per_tok":2,"topk_method":"group_limited_greedy","n_group":2,"topk_group":1,
    "routed_scaling_factor":16,"first_k_dense_replace":1,"rms_norm_eps":1e-5,"vocab_size":16,
    "max_position_embeddings":64,"hidden_act":"silu","rope_theta":10000,
    "rope_scaling":{"type":"dynamic","factor":2}}
    """#)

  static let specs = seeds(
    #"""
    {"schemaVersion":1,"name":"small","base":{"model":{"path":"m"},
    "calibration":{"corpus":"c.txt","format":"text","sequences":2,"context":8},
    "quantizer":{"method":"gptq","groupSize":null,"symmetric":true,"range":"mse","damping":0.01,
    "actOrder":true,"groupScales":"static","blockSize":128,"minimumTokens":1},
    "allocation":{"allocator":"random","granularity":"expert","levels":[2,3],"law":"fill"},
    "budget":{"attention":4,"experts":2.5},
    "evaluation":{"perplexity":{"corpora":{"a":"a.txt"},"format":"wikitext","context":8}}},
    "axes":{"m":[{"label":"x","set":{"quantizer":null}},{"label":"y",
    "set":{"allocation.allocator":"uniform","budget":{"experts":3}}}],
    "b":{"path":"budget.experts","values":[2,3]}},"exclude":[{"m":"y","b":2}],
    "replicates":{"calibration":[0,1],"search":[0]},"tables":[],"figures":[]}
    """#,
    #"""
    {"$schema":"s","schemaVersion":1,"name":"fp","base":{"model":{"path":"m"},
    "evaluation":{"tasks":{"t":"t.jsonl"}}}}
    """#)

  static let tables = seeds(
    #"""
    {"format":"assay.sensitivity-table","version":1,"units":[
    {"id":"layers.0.experts.0","layer":0,"expert":0,"projection":null,"weights":64,"levels":[
    {"bits":1,"loss":12.5},{"bits":2,"loss":3.1,"metadataBits":16,"resources":{"latency-ms":0.2}},
    {"bits":3,"loss":0.9,"codeBits":192}]},
    {"id":"layers.0.experts.1","layer":0,"expert":1,"projection":"gate","weights":32,"levels":[
    {"bits":2,"loss":1},{"bits":4,"loss":0.5}]}],"scores":{"frequency":[2,1],"weight-outlier":[0,1]}}
    """#,
    #"""
    {"format":"assay.sensitivity-table","version":1,"units":[
    {"id":"a","layer":0,"weights":7,"tie":"t","levels":[{"bits":2},{"bits":2.5}]},
    {"id":"b","layer":1,"weights":7,"tie":"t","levels":[{"bits":2},{"bits":2.5}]}]}
    """#,
    #"""
    {"format":"assay.sensitivity-table","version":1,"neuronBlocks":{"size":32,"mixes":[{"4":0.25,"2":0.75}]},
    "units":[{"id":"layers.0.experts.0","layer":0,"expert":0,"weights":64,"groupSize":16,"hasFewTokens":true,
    "levels":[{"bits":2,"loss":1},{"bits":2.5,"loss":0.5,"sensitivities":{"hawq-trace":1}}]}]}
    """#,
    #"{"plan":{"layers.0.experts.0":2,"layers.0.experts.1":4}}"#,
    #"{"layers.0.experts.0":3,"layers.0.experts.1":2}"#)

  /// In every form that plans are imported from.
  static let plans = seeds(
    #"{"plan":{"layers.0.experts.0":2.5,"layers.0.experts.1":[{"bits":4,"neurons":8},{"bits":2,"neurons":8}]}}"#,
    #"{"layers.0.experts.0":[{"bits":4,"neurons":16}],"layers.0.experts.1":[{"bits":3,"neurons":16}]}"#,
    #"[[2,3,4],"234",[]]"#, "unit,bits\nlayers.0.experts.0,2.5\na,3\n",
    "model.layers.0.self_attn.q_proj: 3\nmodel.layers.0.mlp.down_proj: 4\n")

  static let json = seeds(
    #"[0,-0,1.5e300,5e-324,123456789012345,9007199254740992,"\u0000\ud83d\ude00\n\"\\/é",true,null]"#,
    #"{"":{"é":[[],{}],"é":1},"deep":[[[[[[[[{"a":[1,2,{"b":null}]}]]]]]]]]}"#)
}
