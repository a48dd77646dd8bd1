#!/usr/bin/env python3
"""Multiple-choice accuracy with transformers: the reference for assay's multiple-choice evaluation.

    multiple_choice_reference.py MODEL ITEMS.jsonl [--dtype f32|bf16] [--batch 16]

An item is {"id", "context", "choices", "answer"}. A choice's score is the sum of log p over its tokens given what
precedes them; its tokens are those of context + choice after the first len(tokens of context). The highest score wins,
the first of equals. Prints one line of JSON: accuracy, and per item the scores, the token counts and the prediction.
"""

from __future__ import annotations

import argparse
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from reference_common import add_model_arguments, load_model, load_tokenizer, versions
from tokenizers import Tokenizer
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Candidate:
    """One choice of one item: the whole sequence and where the choice begins in it."""

    item: int
    tokens: list[int]
    start: int


def read_items(path: Path) -> list[dict]:
    data = path.read_bytes()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    # Not splitlines: U+2028 and the like may stand inside a JSON string.
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def candidates(tokenizer: Tokenizer, items: list[dict]) -> list[Candidate]:
    found = []
    for index, item in enumerate(items):
        start = len(tokenizer.encode(item["context"]).ids)
        for choice in item["choices"]:
            tokens = tokenizer.encode(item["context"] + choice).ids
            if not 0 < start < len(tokens):
                # No token to score, or none to condition on: a silent score of 0 would win or lose by accident.
                raise SystemExit(f"item {item['id']}: context has {start} tokens, context + choice {len(tokens)}")
            found.append(Candidate(index, tokens, start))
    return found


def batch_scores(model: PreTrainedModel, batch: list[Candidate]) -> list[float]:
    """Padded on the right: with causal attention what follows a sequence cannot change it."""
    longest = max(len(candidate.tokens) for candidate in batch)
    tokens = torch.tensor([candidate.tokens + [0] * (longest - len(candidate.tokens)) for candidate in batch])
    log_probabilities = model(tokens, use_cache=False).logits[:, :-1].float().log_softmax(-1)
    chosen = log_probabilities.gather(-1, tokens[:, 1:, None]).squeeze(-1).double()
    return [row[c.start - 1 : len(c.tokens) - 1].sum().item() for row, c in zip(chosen, batch)]


def all_scores(model: PreTrainedModel, sequences: list[Candidate], batch: int) -> list[float]:
    """Scores in the order of `sequences`, computed in order of length so that little is padding."""
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index].tokens))
    scores = [0.0] * len(sequences)
    with torch.inference_mode():
        for first in range(0, len(order), batch):
            part = order[first : first + batch]
            for index, score in zip(part, batch_scores(model, [sequences[index] for index in part])):
                scores[index] = score
    return scores


def item_results(items: list[dict], sequences: list[Candidate], scores: list[float]) -> list[dict]:
    results = [{"id": item["id"], "scores": [], "tokens": [], "answer": item["answer"]} for item in items]
    for candidate, score in zip(sequences, scores):
        results[candidate.item]["scores"].append(score)
        results[candidate.item]["tokens"].append(len(candidate.tokens) - candidate.start)
    for result in results:
        result["prediction"] = result["scores"].index(max(result["scores"]))
    return results


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_model_arguments(parser, batch=16)
    parser.add_argument("items", type=Path, metavar="ITEMS", help="JSON lines, plain or gzip")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    items = read_items(arguments.items)
    sequences = candidates(load_tokenizer(arguments.model), items)
    results = item_results(items, sequences, all_scores(load_model(arguments), sequences, arguments.batch))
    accuracy = sum(result["prediction"] == result["answer"] for result in results) / len(results)
    settings = {name: getattr(arguments, name) for name in ("dtype", "batch", "threads", "experts")}
    print(json.dumps({"accuracy": accuracy, "items": results, "settings": settings, "versions": versions()}))


if __name__ == "__main__":
    main()
