"""Measures the checkpoint with transformers in f32: the numbers of the README.

Accuracy and perplexity by domain, the experts' shares of the validation text, and the same
accuracy and perplexity after round-to-nearest quantization of the experts to 4, 3 and 2 bits.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModelForCausalLM

from generate import MEASURED
from model import Mixtral, load_own, read_state
from scoring import mean_loss, right_answers

GROUP = 64
WINDOW = 256
ATTENTION_BITS = 4


def rounded(weight: Tensor, bits: int) -> Tensor:
    """Asymmetric round-to-nearest: minimum and maximum of each group of one row's weights."""
    groups = weight.float().unflatten(-1, (-1, GROUP))
    low, high = groups.amin(-1, keepdim=True).clamp(max=0), groups.amax(-1, keepdim=True).clamp(min=0)
    scale = ((high - low) / (2**bits - 1)).clamp(min=1e-10)
    zero = (-low / scale).round()
    codes = ((groups / scale).round() + zero).clamp(0, 2**bits - 1)
    return ((codes - zero) * scale).flatten(-2)


def quantized_state(state: dict[str, Tensor], expert_bits: int) -> dict[str, Tensor]:
    """The checkpoint's tensors with experts and attention rounded; the rest as it is."""
    result = {}
    for name, weight in state.items():
        bits = expert_bits if ".experts." in name else ATTENTION_BITS if "_proj." in name else None
        result[name] = rounded(weight, bits) if bits else weight.float()
    return result


def load_reference(folder: Path) -> torch.nn.Module:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def read_items(folder: Path, domain: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "items" / f"{domain}.jsonl").read_text().splitlines()]


def token_ids(tokenizer: Tokenizer, path: Path) -> list[int]:
    return tokenizer.encode(path.read_text()).ids


def measure(name: str, logits, folder: Path, tokenizer: Tokenizer) -> dict[str, tuple[float, float]]:
    """Prints accuracy and perplexity of each domain and their means."""
    print(f"\n{name}")
    result = {}
    for domain in MEASURED:
        right = right_answers(logits, tokenizer, read_items(folder, domain))
        ids = token_ids(tokenizer, folder / "text" / f"test.{domain}.txt")
        share = sum(right) / len(right)
        error = math.sqrt(share * (1 - share) / len(right))
        result[domain] = (share, mean_loss(logits, ids, WINDOW))
        print(
            f"  {domain}: accuracy {share:.3f}, standard error {error:.3f}, n = {len(right)}, "
            f"perplexity {math.exp(result[domain][1]):.4f}"
        )
    accuracy = sum(pair[0] for pair in result.values()) / len(result)
    loss = sum(pair[1] for pair in result.values()) / len(result)
    print(f"  mean: accuracy {accuracy:.4f}, loss {loss:.4f}, perplexity {math.exp(loss):.4f}", flush=True)
    return result


def check_agreement(reference: torch.nn.Module, own: Mixtral, tokens: Tensor) -> None:
    difference = (reference(tokens).logits - own(tokens)[0]).abs().max().item()
    print(f"largest difference of logits, transformers and the training module: {difference:.2e}")
    assert difference < 1e-3


def expert_shares(own: Mixtral, folder: Path, tokenizer: Tokenizer) -> None:
    """The share of (token, choice) pairs each expert receives, over all validation text."""
    total = 0
    by_domain = {}
    for domain in MEASURED:
        ids = token_ids(tokenizer, folder / "text" / f"validation.{domain}.txt")
        windows = torch.tensor(ids[: len(ids) // WINDOW * WINDOW]).view(-1, WINDOW)
        counts = sum(own(part)[2] for part in windows.split(16))
        by_domain[domain] = counts / counts.sum(dim=1, keepdim=True)
        total = total + by_domain[domain] / len(MEASURED)
    print("\nexpert shares by layer, mean of the domains")
    for layer, shares in enumerate(total.tolist()):
        print(f"  layer {layer}: " + " ".join(f"{100 * share:.1f}" for share in shares))
    print("expert shares by domain, lowest and highest of any layer")
    for domain, shares in by_domain.items():
        print(f"  {domain}: {100 * shares.min():.1f} to {100 * shares.max():.1f}")


def describe(folder: Path, tokenizer: Tokenizer, state: dict[str, Tensor]) -> None:
    experts = sum(weight.numel() for name, weight in state.items() if ".experts." in name)
    print(f"{sum(weight.numel() for weight in state.values())} parameters, {experts} of them in experts")
    print(f"model.safetensors: {(folder / 'model.safetensors').stat().st_size} bytes")
    for path in [*sorted((folder / "text").glob("*.txt")), folder / "calibration.mixed.txt"]:
        text = path.read_text()
        documents = len(re.findall("\n\n", text)) + 1
        print(f"  {path.name}: {len(text)} bytes, {len(token_ids(tokenizer, path))} tokens, {documents} documents")


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).resolve().parent.parent)
    folder = parser.parse_args().folder
    torch.set_num_threads(2)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    state, reference = read_state(folder), load_reference(folder)
    describe(folder, tokenizer, state)
    own = load_own(folder, state)
    check_agreement(reference, own, torch.tensor([token_ids(tokenizer, folder / "calibration.mixed.txt")[:512]]))
    expert_shares(own, folder, tokenizer)
    measure("full precision (bf16 weights, f32 arithmetic)", lambda tokens: reference(tokens).logits, folder, tokenizer)
    for bits in (4, 3, 2):
        rough = load_own(folder, quantized_state(state, bits))
        name = f"round to nearest, experts {bits} bits, attention {ATTENTION_BITS} bits, group {GROUP}"
        measure(name, lambda tokens: rough(tokens)[0], folder, tokenizer)


if __name__ == "__main__":
    main()
