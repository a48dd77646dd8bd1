"""The Mixtral architecture in a form that trains fast on a CPU.

The experts of a layer are stacked in one parameter, and the tokens are sorted by expert, so
that each expert multiplies one contiguous block. `classic_state` gives the tensor names of the
original Mixtral checkpoints.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    vocab_size: int
    hidden_size: int = 128
    intermediate_size: int = 256
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    num_local_experts: int = 8
    num_experts_per_tok: int = 2
    max_position_embeddings: int = 512
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5

    @property
    def head_size(self) -> int:
        return self.hidden_size // self.num_attention_heads


def configuration(shape: Shape) -> dict[str, object]:
    """The `config.json` of the checkpoint."""
    return {
        "architectures": ["MixtralForCausalLM"],
        "model_type": "mixtral",
        **asdict(shape),
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "attention_dropout": 0.0,
        "torch_dtype": "bfloat16",
        "bos_token_id": 0,
        "eos_token_id": 0,
        "use_cache": True,
        "initializer_range": INITIAL_DEVIATION,
        "output_router_logits": False,
        "router_aux_loss_coef": 0.001,
        "sliding_window": None,
    }


INITIAL_DEVIATION = 0.02


def random_matrix(*size: int, scale: float = 1.0) -> nn.Parameter:
    return nn.Parameter(torch.randn(*size) * INITIAL_DEVIATION * scale)


def rotary_tables(shape: Shape, length: int) -> tuple[Tensor, Tensor]:
    exponents = torch.arange(0, shape.head_size, 2) / shape.head_size
    angles = torch.outer(torch.arange(length).float(), shape.rope_theta**-exponents)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        hidden, key_size = shape.hidden_size, shape.num_key_value_heads * shape.head_size
        self.q_proj, self.k_proj = random_matrix(hidden, hidden), random_matrix(key_size, hidden)
        self.v_proj = random_matrix(key_size, hidden)
        self.o_proj = random_matrix(hidden, hidden, scale=1 / math.sqrt(2 * shape.num_hidden_layers))

    def heads(self, x: Tensor, weight: Tensor) -> Tensor:
        return F.linear(x, weight).unflatten(-1, (-1, self.shape.head_size)).transpose(1, 2)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        groups = self.shape.num_attention_heads // self.shape.num_key_value_heads
        query = rotate(self.heads(x, self.q_proj), cosine, sine)
        key = rotate(self.heads(x, self.k_proj), cosine, sine).repeat_interleave(groups, dim=1)
        value = self.heads(x, self.v_proj).repeat_interleave(groups, dim=1)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return F.linear(mixed.transpose(1, 2).flatten(2), self.o_proj)


class Experts(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        count, hidden, width = shape.num_local_experts, shape.hidden_size, shape.intermediate_size
        self.gate = random_matrix(count, hidden)
        self.w1, self.w3 = random_matrix(count, width, hidden), random_matrix(count, width, hidden)
        self.w2 = random_matrix(count, hidden, width, scale=1 / math.sqrt(2 * shape.num_hidden_layers))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The output, the balance loss (1 when even) and the tokens of each expert."""
        top, tokens = self.shape.num_experts_per_tok, x.reshape(-1, x.shape[-1])
        odds = F.softmax(F.linear(tokens, self.gate).float(), dim=-1)
        weights, chosen = odds.topk(top, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        order = chosen.flatten().argsort(stable=True)
        counts = torch.bincount(chosen.flatten(), minlength=self.shape.num_local_experts)
        balance = self.shape.num_local_experts * (counts / counts.sum() * odds.mean(dim=0)).sum()
        blocks = tokens[order // top].split(counts.tolist())
        results = [
            F.linear(F.silu(F.linear(block, w1)) * F.linear(block, w3), w2)
            for block, w1, w2, w3 in zip(blocks, self.w1.unbind(), self.w2.unbind(), self.w3.unbind())
        ]
        # Undoing the sort is a gather by the inverse order: no scatter in the forward pass.
        slots = torch.cat(results)[order.argsort()].unflatten(0, (-1, top))
        mixed = (slots * weights.unsqueeze(-1).to(slots.dtype)).sum(dim=1)
        return mixed.view_as(x), balance, counts


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.size, self.epsilon = (shape.hidden_size,), shape.rms_norm_eps
        self.input_norm = nn.Parameter(torch.ones(shape.hidden_size))
        self.post_norm = nn.Parameter(torch.ones(shape.hidden_size))
        self.attention, self.experts = Attention(shape), Experts(shape)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = x + self.attention(F.rms_norm(x, self.size, self.input_norm, self.epsilon), cosine, sine)
        mixed, balance, counts = self.experts(F.rms_norm(x, self.size, self.post_norm, self.epsilon))
        return x + mixed, balance, counts


class Mixtral(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = random_matrix(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = nn.Parameter(torch.ones(shape.hidden_size))
        self.head = random_matrix(shape.vocab_size, shape.hidden_size)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, mean balance loss, and the tokens of each expert by layer."""
        cosine, sine = rotary_tables(self.shape, tokens.shape[1])
        x = F.embedding(tokens, self.embedding)
        balances, counts = [], []
        for layer in self.layers:
            x, balance, count = layer(x, cosine, sine)
            balances.append(balance)
            counts.append(count)
        x = F.rms_norm(x, (self.shape.hidden_size,), self.norm, self.shape.rms_norm_eps)
        return F.linear(x, self.head), torch.stack(balances).mean(), torch.stack(counts)


def classic_layer_state(prefix: str, layer: Layer) -> dict[str, Tensor]:
    state = {
        f"{prefix}.input_layernorm.weight": layer.input_norm,
        f"{prefix}.post_attention_layernorm.weight": layer.post_norm,
        f"{prefix}.block_sparse_moe.gate.weight": layer.experts.gate,
    }
    for name, weight in layer.attention.named_parameters():
        state[f"{prefix}.self_attn.{name}.weight"] = weight
    for name in ("w1", "w2", "w3"):
        for index, weight in enumerate(getattr(layer.experts, name)):
            state[f"{prefix}.block_sparse_moe.experts.{index}.{name}.weight"] = weight
    return state


def classic_state(model: Mixtral) -> dict[str, Tensor]:
    """The weights in bf16 under the names of the original Mixtral checkpoints."""
    state = {
        "model.embed_tokens.weight": model.embedding,
        "model.norm.weight": model.norm,
        "lm_head.weight": model.head,
    }
    for index, layer in enumerate(model.layers):
        state |= classic_layer_state(f"model.layers.{index}", layer)
    return {name: weight.detach().to(torch.bfloat16).clone().contiguous() for name, weight in state.items()}


def read_state(folder: Path) -> dict[str, Tensor]:
    return load_file(str(folder / "model.safetensors"))


def load_own(folder: Path, state: dict[str, Tensor]) -> Mixtral:
    """The checkpoint's tensors in the training module, which is quick to refill."""
    config = json.loads((folder / "config.json").read_text())
    model = Mixtral(Shape(**{name: config[name] for name in Shape.__dataclass_fields__}))
    own = {"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"}
    filled = {name: state[f"{classic}.weight"] for name, classic in own.items()}
    for layer in range(model.shape.num_hidden_layers):
        filled |= own_layer_state(state, layer, model.shape.num_local_experts)
    model.load_state_dict({name: weight.float() for name, weight in filled.items()})
    return model.eval()


def own_layer_state(state: dict[str, Tensor], layer: int, experts: int) -> dict[str, Tensor]:
    old, new = f"model.layers.{layer}", f"layers.{layer}"
    result = {
        f"{new}.input_norm": state[f"{old}.input_layernorm.weight"],
        f"{new}.post_norm": state[f"{old}.post_attention_layernorm.weight"],
        f"{new}.experts.gate": state[f"{old}.block_sparse_moe.gate.weight"],
    }
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        result[f"{new}.attention.{name}"] = state[f"{old}.self_attn.{name}.weight"]
    for name in ("w1", "w2", "w3"):
        weights = [state[f"{old}.block_sparse_moe.experts.{expert}.{name}.weight"] for expert in range(experts)]
        result[f"{new}.experts.{name}"] = torch.stack(weights)
    return result
