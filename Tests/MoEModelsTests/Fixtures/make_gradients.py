#!/usr/bin/env python3
"""Gradients of the tiny models beside this file, by PyTorch's autograd in double precision.

For every folder NAME of NAMES reads its model and its golden tokens and writes NAME/gradients.safetensors:

    loss                 f32 [1]       sum over sequences of the mean negative log-likelihood, nats
    norm/TENSOR          f32 [1]       Frobenius norm of d loss / d TENSOR
    sample/TENSOR        f32 [<= 48]   evenly spread elements of it: index i * max(1, size // 48)
    norm/hidden.L        f32 [1]       the same of d loss / d (input of layer L)
    sample/hidden.L      f64 [<= 48]

Names are those of the checkpoint's layout with one tensor for each expert. Made with torch 2.13 and transformers 5.24.
"""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
NAMES = ["tiny-mixtral"] + [
    f"families/{name}" for name in ("olmoe", "qwen2-moe", "qwen3-moe", "mixtral-fused", "llama", "llama-dynamic", "qwen2")
]
COUNT = 48


def unfused(name: str, gradient: torch.Tensor, mixtral: bool) -> dict[str, torch.Tensor]:
    """transformers 5 keeps the experts of a layer in two tensors; checkpoints have three for each expert."""
    if mixtral:
        name = name.replace(".mlp.", ".block_sparse_moe.")
    gate, up, down = ("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj")
    stem, _, last = name.rpartition(".experts.")
    if last == "gate_up_proj":
        halves = gradient.chunk(2, dim=1)
        return {
            f"{stem}.experts.{e}.{part}.weight": half[e]
            for part, half in zip((gate, up), halves)
            for e in range(gradient.shape[0])
        }
    if last == "down_proj":
        return {f"{stem}.experts.{e}.{down}.weight": gradient[e] for e in range(gradient.shape[0])}
    return {name: gradient}


def record(result: dict[str, torch.Tensor], name: str, gradient: torch.Tensor) -> None:
    flat = gradient.detach().double().reshape(-1)
    result[f"norm/{name}"] = flat.norm().reshape(1).float()
    result[f"sample/{name}"] = flat[:: max(1, flat.numel() // COUNT)][:COUNT].float().clone()


def make(name: str) -> None:
    folder = HERE / name
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager").eval()
    tokens = load_file(folder / "golden.safetensors")["tokens"]
    hidden: list[torch.Tensor] = []

    def keep(_module, args, kwargs):
        states = args[0] if args else kwargs["hidden_states"]
        states.retain_grad()
        hidden.append(states)

    handles = [layer.register_forward_pre_hook(keep, with_kwargs=True) for layer in model.model.layers]
    logits = model(tokens, use_cache=False).logits
    for handle in handles:
        handle.remove()
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]), tokens[:, 1:].reshape(-1), reduction="none")
    loss = losses.reshape(tokens.shape[0], -1).mean(1).sum()
    loss.backward()
    result = {"loss": loss.detach().float().reshape(1)}
    for parameter_name, parameter in model.named_parameters():
        if not parameter_name.startswith("model.layers.") or parameter_name.endswith("bias"):
            continue
        for tensor, gradient in unfused(parameter_name, parameter.grad, name.count("mixtral") > 0).items():
            record(result, tensor, gradient)
    for index, states in enumerate(hidden):
        record(result, f"hidden.{index}", states.grad)
    save_file(result, folder / "gradients.safetensors")
    print(name, float(loss), len(result))


if __name__ == "__main__":
    for name in NAMES:
        make(name)
