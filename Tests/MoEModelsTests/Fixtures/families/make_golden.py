#!/usr/bin/env python3
"""Makes one tiny random model of every supported family, and the logits that transformers computes for it.

Writes NAME/config.json, NAME/model.safetensors (F32) and NAME/golden.safetensors (tokens, logits) next to this file.
Needs torch, transformers (5 or later) and safetensors.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
SEQUENCES, LENGTH = 2, 24

# Wide enough that attention is not uniform and the experts' weights are neither equal nor one-hot.
STD = {"embed_tokens": 1.0, "norm": 0.2, "gate.weight": 0.4, "bias": 0.3}
PROJECTION_STD = 0.2

# A token whose last chosen and first rejected expert are nearly tied could be routed differently by another f32 program.
MINIMUM_ROUTING_MARGIN = 3e-4

COMMON: dict[str, object] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_attention_heads": 4,
    "hidden_act": "silu",
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@dataclass
class Variant:
    name: str
    config: dict[str, object]
    fused: bool = False
    length: int = LENGTH
    extra: dict[str, torch.Tensor] = field(default_factory=dict)


VARIANTS = [
    Variant(
        "olmoe",
        {
            "model_type": "olmoe", "num_hidden_layers": 2, "num_key_value_heads": 4, "intermediate_size": 24,
            "num_experts": 6, "num_experts_per_tok": 3, "norm_topk_prob": False, "clip_qkv": 1.5, "rope_theta": 10000.0,
        },
    ),
    Variant(
        "qwen2-moe",
        {
            "model_type": "qwen2_moe", "num_hidden_layers": 3, "num_key_value_heads": 2, "intermediate_size": 40,
            "moe_intermediate_size": 20, "shared_expert_intermediate_size": 28, "num_experts": 5,
            "num_experts_per_tok": 2, "norm_topk_prob": False, "decoder_sparse_step": 1, "mlp_only_layers": [1],
            "rope_theta": 1000000.0, "rope_scaling": {"type": "linear", "factor": 2.0},
        },
    ),
    Variant(
        "qwen3-moe",
        {
            "model_type": "qwen3_moe", "num_hidden_layers": 2, "num_key_value_heads": 2, "head_dim": 12,
            "intermediate_size": 40, "moe_intermediate_size": 20, "num_experts": 6, "num_experts_per_tok": 2,
            "norm_topk_prob": True, "decoder_sparse_step": 2, "mlp_only_layers": [], "rope_theta": 1000000.0,
        },
    ),
    Variant(
        "qwen3-moe-fused",
        {
            "model_type": "qwen3_moe", "num_hidden_layers": 1, "num_key_value_heads": 2, "head_dim": 12,
            "intermediate_size": 40, "moe_intermediate_size": 20, "num_experts": 4, "num_experts_per_tok": 2,
            "norm_topk_prob": True, "rope_theta": 1000000.0,
        },
        fused=True,
    ),
    Variant(
        "mixtral-fused",
        {
            "model_type": "mixtral", "num_hidden_layers": 1, "num_key_value_heads": 2, "intermediate_size": 20,
            "num_local_experts": 4, "num_experts_per_tok": 2, "rope_theta": 1000000.0, "sliding_window": None,
        },
        fused=True,
    ),
    Variant(
        "deepseek-v2",
        {
            "model_type": "deepseek_v2", "num_hidden_layers": 2, "num_key_value_heads": 4, "intermediate_size": 40,
            "moe_intermediate_size": 20, "n_routed_experts": 6, "n_shared_experts": 2, "num_experts_per_tok": 2,
            "first_k_dense_replace": 1, "q_lora_rank": None, "kv_lora_rank": 16, "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 4, "v_head_dim": 6, "topk_method": "greedy", "routed_scaling_factor": 1.0,
            "norm_topk_prob": False, "rope_theta": 10000.0,
            "rope_scaling": {
                "type": "yarn", "factor": 4.0, "beta_fast": 32, "beta_slow": 1, "mscale": 0.9, "mscale_all_dim": 0.707,
                "original_max_position_embeddings": 16,
            },
        },
    ),
    Variant(
        "deepseek-v2-groups",
        {
            "model_type": "deepseek_v2", "num_hidden_layers": 2, "num_key_value_heads": 4, "intermediate_size": 40,
            "moe_intermediate_size": 16, "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 3,
            "first_k_dense_replace": 0, "q_lora_rank": 20, "kv_lora_rank": 16, "qk_nope_head_dim": 8,
            "qk_rope_head_dim": 4, "v_head_dim": 8, "topk_method": "group_limited_greedy", "n_group": 4,
            "topk_group": 2, "routed_scaling_factor": 2.5, "norm_topk_prob": False, "rope_theta": 10000.0,
        },
    ),
    Variant(
        "llama",
        {
            "model_type": "llama", "num_hidden_layers": 2, "num_key_value_heads": 2, "intermediate_size": 48,
            "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True, "rope_theta": 500000.0,
            "rope_scaling": {
                "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16,
            },
        },
    ),
    Variant(
        "llama-dynamic",
        {
            "model_type": "llama", "num_hidden_layers": 1, "num_key_value_heads": 4, "intermediate_size": 24,
            "rope_theta": 10000.0, "max_position_embeddings": 16, "rope_scaling": {"type": "dynamic", "factor": 2.0},
        },
    ),
    Variant(
        "qwen2",
        {
            "model_type": "qwen2", "num_hidden_layers": 2, "num_key_value_heads": 2, "intermediate_size": 48,
            "rope_theta": 1000000.0, "use_sliding_window": False, "sliding_window": 8, "max_window_layers": 2,
            "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16},
        },
    ),
]


def randomize(model: torch.nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        std = next((std for key, std in STD.items() if key in name and "proj" not in name.replace("proj.bias", "bias")),
                   PROJECTION_STD)
        parameter.data = noise * std + (1.0 if "norm" in name else 0.0)


def routing_margin(model: torch.nn.Module, tokens: torch.Tensor) -> float:
    """Smallest difference between the last chosen and the first rejected expert, over all MoE layers."""
    margins = [1.0]

    def hook(module, _inputs, output):
        logits = output[0] if isinstance(output, tuple) else output
        scores = logits.float().softmax(-1)
        if getattr(module, "topk_method", "greedy") == "group_limited_greedy":
            groups = scores.view(-1, module.num_group, module.num_experts // module.num_group).max(-1).values
            ranked = groups.sort(-1, descending=True)
            margins.append((ranked.values[:, module.topk_group - 1] - ranked.values[:, module.topk_group]).min().item())
            mask = torch.zeros_like(groups).scatter(1, ranked.indices[:, : module.topk_group], 1).bool()
            scores = scores.masked_fill(~mask.repeat_interleave(module.num_experts // module.num_group, 1), 0.0)
        ranked = scores.sort(-1, descending=True).values
        margins.append((ranked[:, module.top_k - 1] - ranked[:, module.top_k]).min().item())

    hooks = [m.register_forward_hook(hook) for m in model.modules() if type(m).__name__.lower().endswith("router")]
    with torch.inference_mode():
        model(tokens, use_cache=False)
    for handle in hooks:
        handle.remove()
    return min(margins)


def make(variant: Variant) -> None:
    folder = HERE / variant.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = COMMON | variant.config
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    loaded = transformers.AutoConfig.from_pretrained(folder)
    tokens = torch.randint(0, 96, (SEQUENCES, variant.length), generator=torch.Generator().manual_seed(1))
    for seed in range(200):
        model = transformers.AutoModelForCausalLM.from_config(
            loaded, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()
        randomize(model, seed)
        model.tie_weights()
        margin = routing_margin(model, tokens)
        if margin > MINIMUM_ROUTING_MARGIN:
            break
    else:
        raise SystemExit(f"{variant.name}: no seed keeps the routing away from ties")
    if variant.fused:
        save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "model.safetensors", {"format": "pt"})
    else:
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    with torch.inference_mode():
        logits = model(tokens, use_cache=False).logits
    if not variant.fused:
        again = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager").eval()
        with torch.inference_mode():
            assert torch.equal(again(tokens, use_cache=False).logits, logits), f"{variant.name} does not load back"
    save_file({"tokens": tokens, "logits": logits.contiguous()}, folder / "golden.safetensors")
    print(f"{variant.name}: seed {seed}, margin {margin:.1e}, logits std {logits.std():.2f}, max {logits.abs().max():.1f}")


if __name__ == "__main__":
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    for each in VARIANTS:
        make(each)
