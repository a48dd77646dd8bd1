"""What the reference programs of this folder share: loading, precision, byte lengths of tokens, versions."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path

import tokenizers
import torch
import transformers
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def add_model_arguments(parser: argparse.ArgumentParser, batch: int) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="a folder in Hugging Face layout")
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="f32")
    parser.add_argument("--batch", type=int, default=batch, help="sequences in one forward pass")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--experts", choices=["eager", "grouped_mm", "batched_mm"], default="eager",
                        help="transformers' experts_implementation; the default was the fastest on a CPU")


def load_model(arguments: argparse.Namespace) -> PreTrainedModel:
    """The default attention implementation (sdpa), no dropout."""
    torch.set_num_threads(arguments.threads)
    return AutoModelForCausalLM.from_pretrained(
        arguments.model, dtype=DTYPES[arguments.dtype], experts_implementation=arguments.experts
    ).eval()


def load_tokenizer(model: Path) -> Tokenizer:
    """tokenizer.json itself, so that special tokens appear only where its post-processor puts them."""
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def token_byte_lengths(tokenizer: Tokenizer) -> list[int]:
    """Bytes of text that each token stands for, by token id; special tokens stand for none.

    Decoding tokens one by one would count a replacement character where a token ends inside a UTF-8 sequence.
    """
    description = json.loads(tokenizer.to_str())
    special = {token["id"] for token in description["added_tokens"] if token["special"]}
    added = {token["id"] for token in description["added_tokens"]}
    # In a byte-level vocabulary every character stands for one byte; in SentencePiece's, "▁" for a space, <0xXX> for a byte.
    byte_level = '"ByteLevel"' in json.dumps([description["decoder"], description["pre_tokenizer"]])
    lengths = []
    for token in range(max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1):
        piece = tokenizer.id_to_token(token)
        if piece is None or token in special:
            lengths.append(0)
        elif byte_level and token not in added:
            lengths.append(len(piece))
        elif piece.startswith("<0x") and len(piece) == 6:
            lengths.append(1)
        else:
            lengths.append(len(piece.replace("▁", " ").encode()))
    return lengths


def versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
    }
