#!/usr/bin/env python3
"""Perplexity as GPTQ's code defines it, with transformers: the reference for `assay perplexity`.

    perplexity_reference.py MODEL TEXT --context 512 [--format wikitext|text] [--dtype f32|bf16] [--batch 4]

The text is tokenized once; BOS only if the tokenizer adds it. N tokens make floor(N / L) windows of L = context tokens
that do not overlap; the tail is dropped. In each window the last L - 1 tokens are scored.

perplexity       exp of the mean over windows of the window's mean cross entropy
bitsPerByte      sum of the scored tokens' negative log-likelihoods / ln 2 / bytes of text those tokens stand for
seconds          forward passes and losses; not loading, tokenizing or one forward pass to warm up
cpuSeconds       processor time of the same, over all threads: on a busy machine it says more than seconds
tokensPerSecond  scoredTokens / seconds
Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
from pathlib import Path

import torch
from reference_common import add_model_arguments, load_model, load_tokenizer, token_byte_lengths, versions
from tokenizers import Tokenizer
from transformers import PreTrainedModel


def read_text(path: Path) -> str:
    data = path.read_bytes()
    # By content, not by name: 1f 8b begins every gzip file.
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")


def wikitext_document(raw: str) -> str:
    """The rows of the Hugging Face data set, rebuilt from the raw file, joined as GPTQ's code joins them."""
    lines = raw.split("\n")
    # What follows the last line end is not a row.
    rows = [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    return "\n\n".join("" if row.strip() == "" else row for row in rows)


def tokenize(tokenizer: Tokenizer, text: str) -> torch.Tensor:
    return torch.tensor(tokenizer.encode(text, add_special_tokens=True).ids, dtype=torch.int64)


def split_windows(tokens: torch.Tensor, context: int) -> torch.Tensor:
    count = len(tokens) // context
    if count == 0:
        raise SystemExit(f"the text has {len(tokens)} tokens, fewer than one window of {context}")
    return tokens[: count * context].view(count, context)


def window_losses(model: PreTrainedModel, windows: torch.Tensor) -> torch.Tensor:
    """Per window, the sum of the negative log-likelihoods of all tokens but the first, in nats (f64)."""
    logits = model(windows, use_cache=False).logits[:, :-1].float()
    losses = torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), windows[:, 1:].reshape(-1), reduction="none"
    )
    return losses.view(len(windows), -1).double().sum(dim=1)


def score_windows(model: PreTrainedModel, windows: torch.Tensor, batch: int) -> tuple[torch.Tensor, float, float]:
    """The windows' losses, then the wall-clock and the processor seconds they took."""
    with torch.inference_mode():
        window_losses(model, windows[:batch])  # the first pass also chooses and prepares kernels
        wall, processor = time.perf_counter(), time.process_time()
        losses = torch.cat([window_losses(model, part) for part in windows.split(batch)])
        return losses, time.perf_counter() - wall, time.process_time() - processor


def summary(losses: torch.Tensor, windows: torch.Tensor, byte_lengths: list[int]) -> dict[str, object]:
    scored = windows[:, 1:]
    text_bytes = torch.tensor(byte_lengths)[scored].sum().item()
    return {
        "perplexity": math.exp((losses / scored.shape[1]).mean().item()),
        "bitsPerByte": losses.sum().item() / math.log(2) / text_bytes,
        "windows": len(windows),
        "scoredTokens": scored.numel(),
        "scoredBytes": text_bytes,
    }


def speed(scored_tokens: int, seconds: float, cpu_seconds: float) -> dict[str, float]:
    return {
        "seconds": round(seconds, 3),
        "tokensPerSecond": round(scored_tokens / seconds, 1),
        "cpuSeconds": round(cpu_seconds, 3),
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser, batch=4)
    parser.add_argument("text", type=Path, metavar="TEXT", help="a UTF-8 file, plain or gzip")
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--format", choices=["wikitext", "text"], default="text")
    parser.add_argument("--windows", type=int, help="score only the first windows, to try settings")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    text = read_text(arguments.text)
    if arguments.format == "wikitext":
        text = wikitext_document(text)
    tokenizer = load_tokenizer(arguments.model)
    windows = split_windows(tokenize(tokenizer, text), arguments.context)[: arguments.windows]
    losses, *seconds = score_windows(load_model(arguments), windows, arguments.batch)
    settings = {name: getattr(arguments, name) for name in ("context", "format", "dtype", "batch", "threads", "experts")}
    result = summary(losses, windows, token_byte_lengths(tokenizer))
    result |= speed(result["scoredTokens"], *seconds)
    print(json.dumps({**result, "settings": settings, "versions": versions()}))


if __name__ == "__main__":
    main()
