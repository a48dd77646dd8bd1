#!/usr/bin/env python3
"""Makes golden.h5: calibration statistics of the tiny Mixtral of MoEModelsTests, taken with torch hooks.

The forward pass is transformers' own in f32; every sum over tokens is in f64.
S = sum of x xᵀ over the tokens that reach the projection: no factor 2, no division by the count, no damping.
Needs torch, transformers (5 or later), safetensors, numpy and h5py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import torch
import transformers
from safetensors.torch import load_file
from torch import nn
from transformers import MixtralForCausalLM

HERE = Path(__file__).resolve().parent
MODEL = HERE.parents[2] / "MoEModelsTests" / "Fixtures" / "tiny-mixtral"


@dataclass
class InputStatistics:
    """Sums over the inputs of one projection (or of several that share their input)."""

    tokens: int = 0
    hessian: np.ndarray | float = 0.0
    absmax: np.ndarray | float = 0.0
    sum_squares: np.ndarray | float = 0.0

    def add(self, inputs: torch.Tensor) -> None:
        rows = inputs.detach().reshape(-1, inputs.shape[-1]).numpy().astype(np.float64)
        self.tokens += len(rows)
        self.hessian = self.hessian + rows.T @ rows
        self.sum_squares = self.sum_squares + (rows**2).sum(axis=0)
        self.absmax = np.maximum(self.absmax, np.abs(rows).max(axis=0))

    def write(self, group: h5py.Group) -> None:
        order = len(self.hessian)
        hessian = write_array(group, "hessian", self.hessian[np.tril_indices(order)], np.float32)
        hessian.attrs["tokens"] = np.int64(self.tokens)
        hessian.attrs["order"] = np.int64(order)
        write_array(group, "absmax", self.absmax, np.float32)
        write_array(group, "sum_squares", self.sum_squares, np.float64)


@dataclass
class RouterStatistics:
    experts: int
    tokens: int = 0
    count: np.ndarray = field(init=False)
    weight_before: np.ndarray = field(init=False)
    weight_after: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.count = np.zeros(self.experts, np.int64)
        self.weight_before = np.zeros(self.experts)
        self.weight_after = np.zeros(self.experts)

    def add(self, logits: torch.Tensor, scores: torch.Tensor, chosen: torch.Tensor) -> None:
        """`scores` are transformers' own routing weights, after renormalisation over the top k."""
        before = logits.float().softmax(-1).gather(-1, chosen)
        experts = chosen.flatten().numpy()
        self.tokens += len(logits)
        np.add.at(self.count, experts, 1)
        np.add.at(self.weight_before, experts, before.flatten().double().numpy())
        np.add.at(self.weight_after, experts, scores.flatten().double().numpy())

    def write(self, group: h5py.Group) -> None:
        write_array(group, "count", self.count, np.int64)
        write_array(group, "weight_before", self.weight_before, np.float64)
        write_array(group, "weight_after", self.weight_after, np.float64)


class LayerStatistics:
    """Hooks one decoder layer and collects what the file holds about it."""

    def __init__(self, layer: nn.Module) -> None:
        experts = layer.mlp.experts.num_experts
        self.qkv_in, self.o_in = InputStatistics(), InputStatistics()
        self.gate_up_in = [InputStatistics() for _ in range(experts)]
        self.down_in = [InputStatistics() for _ in range(experts)]
        self.router = RouterStatistics(experts)
        self.output_energy = 0.0
        layer.self_attn.q_proj.register_forward_pre_hook(lambda _, inputs: self.qkv_in.add(inputs[0]))
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _, inputs: self.o_in.add(inputs[0]))
        layer.mlp.gate.register_forward_hook(lambda _module, _inputs, output: self.router.add(*output))
        layer.mlp.experts.register_forward_pre_hook(self.add_expert_inputs)
        layer.mlp.register_forward_hook(self.add_output)

    def add_expert_inputs(self, experts: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        """Dispatches as the module does: its experts are fused, so no hook can see one expert's inputs."""
        hidden, chosen, _ = inputs
        for expert in range(experts.num_experts):
            x = hidden[(chosen == expert).any(dim=-1)]
            if len(x) == 0:
                continue
            self.gate_up_in[expert].add(x)
            gate, up = nn.functional.linear(x, experts.gate_up_proj[expert]).chunk(2, dim=-1)
            self.down_in[expert].add(experts.act_fn(gate) * up)

    def add_output(self, _module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        self.output_energy += output.detach().double().square().sum().item()

    def write(self, group: h5py.Group) -> None:
        self.qkv_in.write(group.create_group("attention/qkv_in"))
        self.o_in.write(group.create_group("attention/o_in"))
        for expert, (gate_up, down) in enumerate(zip(self.gate_up_in, self.down_in)):
            gate_up.write(group.create_group(f"experts/{expert:03}/gate_up_in"))
            down.write(group.create_group(f"experts/{expert:03}/down_in"))
        self.router.write(group.create_group("router"))
        moe = group.create_group("moe")
        moe.attrs["tokens"] = np.int64(self.router.tokens)
        moe.create_dataset("output_energy", data=np.float64(self.output_energy))


def write_array(group: h5py.Group, name: str, values: np.ndarray, dtype: type) -> h5py.Dataset:
    # No modification time, so that the same numbers give the same file.
    return group.create_dataset(
        name, data=np.asarray(values, dtype), compression="gzip", compression_opts=9, shuffle=True, track_times=False
    )


def main() -> None:
    model = MixtralForCausalLM.from_pretrained(
        MODEL, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    ).eval()
    tokens = load_file(MODEL / "golden.safetensors")["tokens"]
    layers = [LayerStatistics(layer) for layer in model.model.layers]
    with torch.inference_mode():
        model(tokens, use_cache=False)
    with h5py.File(HERE / "golden.h5", "w") as file:
        for index, layer in enumerate(layers):
            layer.write(file.create_group(f"layers/{index:02}"))
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, h5py {h5py.__version__}")
    for index, layer in enumerate(layers):
        print(f"layer {index}: counts {layer.router.count.tolist()}, output energy {layer.output_energy:.6g}")


if __name__ == "__main__":
    main()
