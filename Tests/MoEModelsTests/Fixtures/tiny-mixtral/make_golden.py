#!/usr/bin/env python3
"""Makes the tiny random Mixtral of this folder and its golden forward pass.

Writes config.json, model.safetensors (F32, per-expert names) and golden.safetensors next to this file.
Needs torch, transformers (5 or later) and safetensors.
"""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
import torch
import transformers
from safetensors.torch import save_file
from transformers import MixtralForCausalLM

HERE = Path(__file__).resolve().parent
SEED = 2
SEQUENCES, LENGTH = 3, 40

# The keys are those of a published Mixtral: rope_theta flat, not in a rope_parameters object as transformers 5 writes it.
CONFIG: dict[str, object] = {
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "vocab_size": 160,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "attention_dropout": 0.0,
    "router_jitter_noise": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "float32",
}

# Wide enough that attention is not uniform and the experts' weights are neither equal nor one-hot.
PROJECTION_STD, ROUTER_STD, EMBEDDING_STD, NORM_STD = 0.2, 0.25, 1.0, 0.2

# A token whose second and third expert are nearly tied could be routed differently by another, equally good f32 program.
MINIMUM_ROUTING_MARGIN = 1e-3


def random_weights() -> dict[str, torch.Tensor]:
    """All tensors under the classic per-expert names."""
    generator = torch.Generator().manual_seed(SEED)

    def normal(std: float, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * std

    vocabulary, hidden, inner = CONFIG["vocab_size"], CONFIG["hidden_size"], CONFIG["intermediate_size"]
    experts = CONFIG["num_local_experts"]
    keys = hidden // CONFIG["num_attention_heads"] * CONFIG["num_key_value_heads"]

    weights = {"model.embed_tokens.weight": normal(EMBEDDING_STD, vocabulary, hidden)}
    for layer in range(CONFIG["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for name, rows in {"q": hidden, "k": keys, "v": keys, "o": hidden}.items():
            weights[f"{prefix}self_attn.{name}_proj.weight"] = normal(PROJECTION_STD, rows, hidden)
        weights[prefix + "block_sparse_moe.gate.weight"] = normal(ROUTER_STD, experts, hidden)
        for expert in range(experts):
            path = f"{prefix}block_sparse_moe.experts.{expert}."
            weights[path + "w1.weight"] = normal(PROJECTION_STD, inner, hidden)  # gate
            weights[path + "w2.weight"] = normal(PROJECTION_STD, hidden, inner)  # down
            weights[path + "w3.weight"] = normal(PROJECTION_STD, inner, hidden)  # up
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{prefix}{norm}.weight"] = 1 + normal(NORM_STD, hidden)
    weights["model.norm.weight"] = 1 + normal(NORM_STD, hidden)
    weights["lm_head.weight"] = normal(PROJECTION_STD, vocabulary, hidden)
    return weights


def fused_weights(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors as transformers 5 keeps them in memory: experts stacked, gate above up."""
    fused = {name: tensor for name, tensor in weights.items() if "block_sparse_moe" not in name}
    for layer in range(CONFIG["num_hidden_layers"]):
        source, target = f"model.layers.{layer}.block_sparse_moe.", f"model.layers.{layer}.mlp."
        experts = [f"{source}experts.{expert}." for expert in range(CONFIG["num_local_experts"])]
        fused[target + "gate.weight"] = weights[source + "gate.weight"]
        fused[target + "experts.gate_up_proj"] = torch.stack(
            [torch.cat([weights[path + "w1.weight"], weights[path + "w3.weight"]]) for path in experts]
        )
        fused[target + "experts.down_proj"] = torch.stack([weights[path + "w2.weight"] for path in experts])
    return fused


def load_model(folder: Path) -> MixtralForCausalLM:
    return MixtralForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    ).eval()


def forward(model: MixtralForCausalLM, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
    """Logits, and per layer the residual stream after it and the router's choice, by hooks."""
    golden: dict[str, torch.Tensor] = {}
    shape = (*tokens.shape, CONFIG["num_experts_per_tok"])
    hooks = []
    for index, layer in enumerate(model.model.layers):

        def keep_hidden(_module, _inputs, output, index=index):
            golden[f"hidden_after_layer_{index}"] = output.detach().clone()

        def keep_routing(_module, _inputs, output, index=index):
            _, scores, experts = output
            golden[f"expert_weights_layer_{index}"] = scores.detach().reshape(shape).clone()
            golden[f"expert_indices_layer_{index}"] = experts.detach().reshape(shape).clone()

        hooks.append(layer.register_forward_hook(keep_hidden))
        hooks.append(layer.mlp.gate.register_forward_hook(keep_routing))
    with torch.inference_mode():
        golden["logits"] = model(tokens, use_cache=False).logits.clone()
    for hook in hooks:
        hook.remove()
    return golden


def routing_margins(model: MixtralForCausalLM, tokens: torch.Tensor) -> torch.Tensor:
    """Per token and layer: probability of the last chosen expert minus that of the first left out."""
    with torch.inference_mode():
        logits = model(tokens, use_cache=False, output_router_logits=True).router_logits
    top = CONFIG["num_experts_per_tok"]
    ranked = torch.cat([layer.softmax(-1).sort(-1, descending=True).values for layer in logits])
    return ranked[:, top - 1] - ranked[:, top]


def main() -> None:
    weights = random_weights()
    (HERE / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    save_file(weights, HERE / "model.safetensors", metadata={"format": "pt"})

    tokens = torch.randint(
        0, CONFIG["vocab_size"], (SEQUENCES, LENGTH), generator=torch.Generator().manual_seed(SEED + 1)
    )
    model = load_model(HERE)
    golden = forward(model, tokens)

    # The file was written under names that transformers converts; a model filled without that conversion must agree.
    direct = MixtralForCausalLM(model.config).eval()
    direct.load_state_dict(fused_weights(weights), strict=True)
    assert torch.equal(golden["logits"], forward(direct, tokens)["logits"]), "the file does not load back as written"

    margin = routing_margins(model, tokens).min().item()
    assert margin > MINIMUM_ROUTING_MARGIN, f"routing too close to a tie: {margin}; choose another SEED"

    save_file({"tokens": tokens, **golden}, HERE / "golden.safetensors")
    report(golden, margin)


def report(golden: dict[str, torch.Tensor], margin: float) -> None:
    layers = range(CONFIG["num_hidden_layers"])
    loads = [golden[f"expert_indices_layer_{layer}"].flatten().bincount().tolist() for layer in layers]
    second = [round(golden[f"expert_weights_layer_{layer}"][..., 1].mean().item(), 3) for layer in layers]
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, safetensors {safetensors.__version__}")
    print(f"logits: std {golden['logits'].std():.3f}, max abs {golden['logits'].abs().max():.3f}")
    print(f"tokens per expert {loads}, mean second weight {second}, smallest routing margin {margin:.2e}")


if __name__ == "__main__":
    main()
