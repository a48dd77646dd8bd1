"""Trains the reference model on the generator's endless training split and exports it."""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from pathlib import Path
from typing import Iterator

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from generate import DOCUMENT_SEPARATOR, DOMAINS, documents, multiple_choice
from model import Mixtral, Shape, classic_state, configuration
from scoring import right_answers

SEED = 7
STEPS = 1600
ROW_TOKENS = 256
DOMAIN_ROWS = 2  # rows of one domain alone, for each domain
MIXED_ROWS = 6
PEAK_RATE, FINAL_RATE, WARMUP_STEPS = 2e-3, 1e-4, 100
BALANCE_WEIGHTS = (0.04, 0.012)  # strong until the experts have settled, weak afterwards
BALANCE_SETTLED = 300
EVALUATE_EVERY = 400
QUESTIONS_PER_KIND = 40


class Rows:
    """Rows of tokens, each starting with a document and filled with the next ones."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.rng = random.Random(SEED)
        self.streams = {domain: documents(domain, "train", SEED) for domain in DOMAINS}

    def row(self, domain: str | None) -> list[int]:
        ids: list[int] = []
        while len(ids) <= ROW_TOKENS:
            source = domain or self.rng.choice(list(DOMAINS))
            ids += self.tokenizer.encode(next(self.streams[source]).text + DOCUMENT_SEPARATOR + "x").ids[:-1]
        return ids[: ROW_TOKENS + 1]

    def batch(self) -> Tensor:
        domains = [*DOMAINS] * DOMAIN_ROWS + [None] * MIXED_ROWS
        return torch.tensor([self.row(domain) for domain in domains])


def learning_rate(step: int) -> float:
    if step < WARMUP_STEPS:
        return PEAK_RATE * (step + 1) / WARMUP_STEPS
    progress = (step - WARMUP_STEPS) / (STEPS - WARMUP_STEPS)
    return FINAL_RATE + (PEAK_RATE - FINAL_RATE) * 0.5 * (1 + math.cos(math.pi * progress))


def make_optimizer(model: Mixtral) -> torch.optim.Optimizer:
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    norms = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98), fused=True)


def validation_questions(domain: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Some validation questions of each kind of a domain, with the kind."""
    rng = random.Random(f"{domain}/progress")
    counts: dict[str, int] = {}
    for document in documents(domain, "validation", "progress"):
        question = rng.choice(document.questions)
        counts[question.kind] = counts.get(question.kind, 0) + 1
        if counts[question.kind] <= QUESTIONS_PER_KIND:
            document.questions = [question]
            yield question.kind, multiple_choice(rng, question.kind, document)
        elif min(counts.values()) >= QUESTIONS_PER_KIND:
            return


def progress(model: Mixtral, tokenizer: Tokenizer) -> str:
    """Accuracy by domain and kind on validation questions."""
    lines = []
    for domain in DOMAINS:
        asked = list(validation_questions(domain))
        right = right_answers(lambda tokens: model(tokens)[0], tokenizer, [item for _, item in asked])
        by_kind: dict[str, list[bool]] = {}
        for (kind, _), correct in zip(asked, right):
            by_kind.setdefault(kind, []).append(correct)
        shares = " ".join(f"{kind} {sum(marks) / len(marks):.2f}" for kind, marks in sorted(by_kind.items()))
        lines.append(f"  {domain}: {shares}")
    return "\n".join(lines)


def take_step(model: Mixtral, optimizer: torch.optim.Optimizer, tokens: Tensor, step: int) -> tuple[float, Tensor]:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step)
    logits, balance, counts = model(tokens[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    (loss + BALANCE_WEIGHTS[step >= BALANCE_SETTLED] * balance).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item(), counts


def export(model: Mixtral, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(configuration(model.shape), indent=2) + "\n")
    save_file(classic_state(model), str(folder / "model.safetensors"), metadata={"format": "pt"})


def train(model: Mixtral, tokenizer: Tokenizer, output: Path) -> None:
    rows, optimizer = Rows(tokenizer), make_optimizer(model)
    started, losses = time.time(), []
    for step in range(STEPS):
        loss, counts = take_step(model, optimizer, rows.batch(), step)
        losses.append(loss)
        if (step + 1) % 100 == 0:
            seconds = time.time() - started
            shares = counts / counts.sum(dim=1, keepdim=True)
            print(
                f"step {step + 1}: loss {sum(losses[-100:]) / 100:.4f}, {seconds:.0f} s, "
                f"shares {shares.min():.3f} to {shares.max():.3f}",
                flush=True,
            )
        if (step + 1) % EVALUATE_EVERY == 0:
            export(model, output)
            print(progress(model, tokenizer), flush=True)
    export(model, output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    home = Path(__file__).resolve().parent.parent
    parser.add_argument("output", type=Path, nargs="?", default=home)
    output = parser.parse_args().output
    torch.set_num_threads(2)
    torch.manual_seed(SEED)
    tokenizer = Tokenizer.from_file(str(home / "tokenizer.json"))
    model = Mixtral(Shape(vocab_size=tokenizer.get_vocab_size()))
    print(f"{sum(weight.numel() for weight in model.parameters())} parameters", flush=True)
    train(model, tokenizer, output)


if __name__ == "__main__":
    main()
