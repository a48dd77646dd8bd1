#!/usr/bin/env python3
"""OmniQuant on a tiny random Mixtral, written down from the paper in PyTorch and double precision.

Computes in f64 and writes beside itself config.json and model.safetensors (F32), and CASE.safetensors for each of CASES:

    losses.L           f32 [epochs * sequences]   loss of every step of layer L, before the step
    upper/TENSOR       f32 [rows, groups]         gamma, and beta below, after the last step
    lower/TENSOR       f32 [rows, groups]
    codes/TENSOR       u8  [rows, columns]        what the weights are rounded to then
    inputs.L           f32 [hidden]               c, and s below, where the case has scales
    neurons.L.E        f32 [width]

The method (Shao et al. 2024, arXiv:2308.13137; defaults of its code): block by block, AdamW without decay, one
sequence a step, loss = MSE(full-precision block on full-precision stream, quantized block on quantized stream) and,
if augmented, + MSE(full-precision block on quantized stream, quantized block on quantized stream).

    clipping   hi = sigmoid(gamma) max w, lo = sigmoid(beta) min w by group, gamma = beta = 4 at first; the range is
               widened to hold 0, which the paper's is not: the product stores no zero point outside of the codes;
               s = (hi - lo) / (2^b - 1), z = round(-lo / s), q = clamp(round(w / s) + z, 0, 2^b - 1), w' = s (q - z);
               rounding is straight through, z has no slope
    scales     transformed weights are rounded: norm / c, router c, gate c, up c / s, down s; at first
               c = sqrt(max |x| / max |W|) of each channel, s alike; never below 0.01 after a step

Attention is at 4 bits, experts at BITS, the router is not quantized. A parameter that no token reaches in a step has no
gradient there, and AdamW leaves it alone, its moments too. Made with torch 2.13 and safetensors.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
HIDDEN, WIDTH, HEADS, KEY_HEADS, EXPERTS, TOP, LAYERS, VOCABULARY = 16, 24, 2, 1, 4, 2, 2, 48
GROUP, BITS, EPSILON, THETA = 8, 2, 1e-5, 10000.0
# Short ones, so that there are steps in which no token comes to an expert.
LENGTHS = [2, 5, 1, 7, 3]
CASES = {
    "clipping": {"epochs": 4, "augmented": False, "equivalent": False, "half": False},
    "augmented": {"epochs": 3, "augmented": True, "equivalent": False, "half": True},
    "equivalent": {"epochs": 4, "augmented": False, "equivalent": True, "half": False},
}
CLIPPING_RATE, SCALING_RATE = 5e-2, 5e-3

CONFIG = {
    "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "vocab_size": VOCABULARY, "hidden_size": HIDDEN,
    "intermediate_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS, "num_local_experts": EXPERTS, "num_experts_per_tok": TOP, "hidden_act": "silu",
    "max_position_embeddings": 32, "rms_norm_eps": EPSILON, "rope_theta": THETA, "sliding_window": None,
    "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "torch_dtype": "float32",
}


def make_model() -> tuple[dict[str, torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(6)

    def normal(std: float, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * std

    weights = {"model.embed_tokens.weight": normal(1.0, VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        for name, rows in {"q": HIDDEN, "k": HIDDEN // 2, "v": HIDDEN // 2, "o": HIDDEN}.items():
            weights[f"{prefix}self_attn.{name}_proj.weight"] = normal(0.3, rows, HIDDEN)
        weights[prefix + "block_sparse_moe.gate.weight"] = normal(0.4, EXPERTS, HIDDEN)
        for expert in range(EXPERTS):
            path = f"{prefix}block_sparse_moe.experts.{expert}."
            weights[path + "w1.weight"] = normal(0.3, WIDTH, HIDDEN)
            weights[path + "w2.weight"] = normal(0.3, HIDDEN, WIDTH)
            weights[path + "w3.weight"] = normal(0.3, WIDTH, HIDDEN)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{prefix}{norm}.weight"] = 1 + normal(0.2, HIDDEN)
    weights["model.norm.weight"] = 1 + normal(0.2, HIDDEN)
    weights["lm_head.weight"] = normal(0.3, VOCABULARY, HIDDEN)
    tokens = [torch.randint(VOCABULARY, (length,), generator=generator) for length in LENGTHS]
    (HERE / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, HERE / "model.safetensors")
    return {name: tensor.double() for name, tensor in weights.items()}, tokens


def straight_through(x: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
    return x + (rounded - x).detach()


class Clipped:
    """A weight matrix with its learnable clipping."""

    def __init__(self, weight: torch.Tensor, bits: int, half: bool):
        self.weight, self.largest, self.half = weight, 2**bits - 1, half
        shape = (weight.shape[0], weight.shape[1] // GROUP, 1)
        self.upper = torch.full(shape, 4.0, dtype=torch.float64, requires_grad=True)
        self.lower = torch.full(shape, 4.0, dtype=torch.float64, requires_grad=True)

    def rounded(self, factor: torch.Tensor | float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights on the grid, of the weights times a factor, and their codes."""
        w = (self.weight * factor).reshape(self.weight.shape[0], -1, GROUP)
        high = torch.sigmoid(self.upper) * w.amax(-1, keepdim=True).clamp(min=0)
        low = torch.sigmoid(self.lower) * w.amin(-1, keepdim=True).clamp(max=0)
        scale = (high - low) / self.largest
        if self.half:
            scale = straight_through(scale, scale.to(torch.float16).double())
        zero = torch.round(-low / scale).detach()
        code = straight_through(w / scale, torch.round(w / scale)) + zero
        code = code.clamp(0, self.largest)
        return ((code - zero) * scale).reshape(self.weight.shape), code.detach().reshape(self.weight.shape)


def norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPSILON) * weight


def rotated(x: torch.Tensor) -> torch.Tensor:
    """Rotary embedding of [heads, tokens, dimension]."""
    half = x.shape[-1] // 2
    angles = torch.arange(x.shape[1]).double()[:, None] * THETA ** (-torch.arange(half).double() / half)
    cos, sin = torch.cat([angles.cos()] * 2, -1), torch.cat([angles.sin()] * 2, -1)
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


class Block:
    """A decoder layer over one sequence; `weight(name)` gives its matrices."""

    def __init__(self, index: int, model: dict[str, torch.Tensor]):
        self.prefix = f"model.layers.{index}."
        self.model = model

    def plain(self, name: str) -> torch.Tensor:
        return self.model[self.prefix + name + ".weight"]

    def __call__(self, x, weight=None, c=1.0, seen=None):
        weight = weight or self.plain
        h = norm(x, self.plain("input_layernorm"))
        q, k, v = (
            (h @ weight(f"self_attn.{name}_proj").T).reshape(len(x), heads, -1).transpose(0, 1)
            for name, heads in (("q", HEADS), ("k", KEY_HEADS), ("v", KEY_HEADS)))
        q, k = rotated(q), rotated(k).repeat_interleave(HEADS // KEY_HEADS, 0)
        v = v.repeat_interleave(HEADS // KEY_HEADS, 0)
        scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
        scores = scores.masked_fill(torch.ones(len(x), len(x)).triu(1).bool(), -torch.inf)
        attended = (scores.softmax(-1) @ v).transpose(0, 1).reshape(len(x), -1)
        x = x + attended @ weight("self_attn.o_proj").T
        return x + self.mixture(norm(x, self.plain("post_attention_layernorm") / c), weight, c, seen)

    def mixture(self, h, weight, c, seen):
        probabilities = (h @ (self.plain("block_sparse_moe.gate") * c).T).softmax(-1)
        chosen, experts = probabilities.topk(TOP, -1)
        chosen = chosen / chosen.sum(-1, keepdim=True)
        y = torch.zeros_like(h)
        for expert in range(EXPERTS):
            token, place = torch.where(experts == expert)
            if len(token) == 0:
                continue
            path = f"block_sparse_moe.experts.{expert}."
            inner = torch.nn.functional.silu(h[token] @ weight(path + "w1").T) * (h[token] @ weight(path + "w3").T)
            if seen is not None:
                seen.setdefault("inputs", []).append(h[token])
                seen.setdefault(expert, []).append(inner)
            y = y.index_add(0, token, (inner @ weight(path + "w2").T) * chosen[token, place][:, None])
        return y


def start(seen: list[torch.Tensor], weights: list[torch.Tensor]) -> torch.Tensor:
    largest = torch.cat(seen).abs().amax(0)
    scale = (largest / torch.cat(weights).abs().amax(0)).sqrt()
    return scale.clamp(min=1e-2).requires_grad_()


def run(case: dict, model: dict[str, torch.Tensor], tokens: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    full = [model["model.embed_tokens.weight"][sequence] for sequence in tokens]
    quantized, result = full, {}
    for index in range(LAYERS):
        block, seen = Block(index, model), {}
        targets = [block(x, seen=seen) for x in full]
        second = [block(x) for x in quantized]
        names = [f"self_attn.{name}_proj" for name in "qkvo"] + [
            f"block_sparse_moe.experts.{expert}.w{part}" for expert in range(EXPERTS) for part in (1, 3, 2)]
        clipped = {
            name: Clipped(block.plain(name), BITS if "experts" in name else 4, case["half"]) for name in names}
        c, s = 1.0, [1.0] * EXPERTS
        groups = [{"params": [p for w in clipped.values() for p in (w.upper, w.lower)], "lr": CLIPPING_RATE}]
        if case["equivalent"]:
            path = "block_sparse_moe.experts."
            c = start(seen["inputs"], [block.plain(f"{path}{e}.w{i}") for e in range(EXPERTS) for i in (1, 3)])
            s = [start(seen[e], [block.plain(f"{path}{e}.w2")]) for e in range(EXPERTS)]
            groups.append({"params": [c, *s], "lr": SCALING_RATE})

        def factor(name: str):
            if "experts" not in name:
                return 1.0
            expert = int(name.split(".")[2])
            if name.endswith("w1"):
                return c
            if name.endswith("w2"):
                return s[expert]
            return c / (s[expert][:, None] if case["equivalent"] else 1.0)

        def weight(name: str) -> torch.Tensor:
            return clipped[name].rounded(factor(name))[0]

        optimizer = torch.optim.AdamW(groups, weight_decay=0.0)
        losses = []
        for _ in range(case["epochs"]):
            for x, target, other in zip(quantized, targets, second):
                output = block(x, weight, c)
                loss = torch.nn.functional.mse_loss(output, target)
                if case["augmented"]:
                    loss = loss + torch.nn.functional.mse_loss(output, other)
                losses.append(loss.item())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if case["equivalent"]:
                    with torch.no_grad():
                        for scale in (c, *s):
                            scale.clamp_(min=1e-2)
        result[f"losses.{index}"] = torch.tensor(losses, dtype=torch.float64)
        with torch.no_grad():
            for name, matrix in clipped.items():
                tensor = f"{block.prefix}{name}.weight"
                result[f"upper/{tensor}"] = matrix.upper.detach()[..., 0].clone()
                result[f"lower/{tensor}"] = matrix.lower.detach()[..., 0].clone()
                result[f"codes/{tensor}"] = matrix.rounded(factor(name))[1].to(torch.uint8)
            if case["equivalent"]:
                result[f"inputs.{index}"] = c.detach().clone()
                for expert in range(EXPERTS):
                    result[f"neurons.{index}.{expert}"] = s[expert].detach().clone()
            full, quantized = targets, [block(x, weight, c) for x in quantized]
    result["tokens"] = torch.cat(tokens)
    return result


if __name__ == "__main__":
    model, tokens = make_model()
    for name, case in CASES.items():
        golden = run(case, model, tokens)
        stored = {key: value.float() if value.is_floating_point() else value for key, value in golden.items()}
        save_file({key: value.contiguous() for key, value in stored.items()}, HERE / f"{name}.safetensors")
        for index in range(LAYERS):
            losses = golden[f"losses.{index}"]
            print(name, index, losses[: len(LENGTHS)].mean().item(), losses[-len(LENGTHS) :].mean().item())
