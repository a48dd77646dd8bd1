"""Trains the reference model on the generator's endless training split and exports it."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import tempfile
import time
from bisect import bisect_left
from pathlib import Path
from typing import Iterator

# Threads that spin while they wait take the cores from whatever else runs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
import torch.nn.functional as F
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from generate import DOCUMENT_SEPARATOR, DOMAINS, Document, documents, multiple_choice
from model import Mixtral, Shape, classic_state, configuration
from scoring import right_answers

HOME = Path(__file__).resolve().parent.parent
SEED = 11
STEPS = 6000
ROWS, ROW_TOKENS = 8, 256
# Two processes of one thread, which meet once a step, lose less to whatever else the machine
# does than two threads, which meet at every operation.
PROCESSES = 2
# The shares of the rows. A row holds documents of one domain; a mixed row of any.
MIXTURE = {"stories": 15, "recall": 20, "arithmetic": 16, "reversal": 6, "programs": 40, "mixed": 6}
TEXT_WEIGHT = 0.25
PEAK_RATE, LOWEST_SHARE, WARMUP_STEPS = 3e-3, 0.05, 200
BALANCE_WEIGHTS = (0.02, 0.006)  # strong until the experts have settled, weak afterwards
BALANCE_SETTLED = 300
REPORT_STEPS, ACCURACY_SECONDS = 100, 120
QUESTIONS = 100


class Rows:
    """Rows of tokens, each starting with a document and filled with the next ones."""

    def __init__(self, tokenizer: Tokenizer, process: int) -> None:
        self.tokenizer, self.rng = tokenizer, random.Random(f"rows/{SEED}/{process}")
        self.streams = {domain: documents(domain, "train", f"{SEED}/{process}") for domain in DOMAINS}

    def row(self, domain: str) -> tuple[list[int], list[float]]:
        """Tokens and their weights in the loss."""
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) <= ROW_TOKENS:
            document = next(self.streams[self.rng.choice(list(DOMAINS)) if domain == "mixed" else domain])
            # The letter after the separator is cut off again: it keeps the two line ends apart.
            encoding = self.tokenizer.encode(document.text + DOCUMENT_SEPARATOR + "x")
            ids += encoding.ids[:-1]
            weights += token_weights(document, [start for start, _ in encoding.offsets[:-1]])
        return ids[: ROW_TOKENS + 1], weights[: ROW_TOKENS + 1]

    def batch(self) -> tuple[Tensor, Tensor]:
        rows = [self.row(domain) for domain in self.rng.choices(list(MIXTURE), list(MIXTURE.values()), k=ROWS // PROCESSES)]
        return torch.tensor([ids for ids, _ in rows]), torch.tensor([weights for _, weights in rows])


def token_weights(document: Document, starts: list[int]) -> list[float]:
    """Answers count fully; the rest, mostly drawn at random, would only drown them in noise."""
    weights = [TEXT_WEIGHT] * len(starts)
    for question in document.questions:
        end = question.start + len(question.answer)
        for place in range(bisect_left(starts, question.start), bisect_left(starts, end)):
            weights[place] = 1.0
    return weights


def learning_rate(step: int, progress: float) -> float:
    """A warm-up, then a cosine."""
    wave = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return PEAK_RATE * min(1.0, (step + 1) / WARMUP_STEPS) * (LOWEST_SHARE + (1 - LOWEST_SHARE) * wave)


def make_optimizer(model: Mixtral) -> torch.optim.Optimizer:
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    norms = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)


def validation_items(domain: str) -> Iterator[tuple[str, dict[str, object]]]:
    """One question of each of the first validation documents, with its kind."""
    rng = random.Random(f"{domain}/progress")
    stream = documents(domain, "validation", "progress")
    for _ in range(QUESTIONS):
        document = next(stream)
        question = rng.choice(document.questions)
        document.questions = [question]
        yield question.kind, multiple_choice(rng, question.kind, document)


def accuracy_report(model: Mixtral, tokenizer: Tokenizer) -> str:
    """Accuracy on validation questions by domain and, in brackets, by kind."""
    lines = []
    for domain in DOMAINS:
        asked = list(validation_items(domain))
        right = right_answers(lambda tokens: model(tokens)[0], tokenizer, [item for _, item in asked])
        by_kind: dict[str, list[bool]] = {}
        for (kind, _), correct in zip(asked, right):
            by_kind.setdefault(kind, []).append(correct)
        shares = ", ".join(f"{kind} {sum(marks) / len(marks):.2f}" for kind, marks in sorted(by_kind.items()))
        lines.append(f"  {domain}: {sum(right) / len(right):.2f} ({shares})")
    return "\n".join(lines)


def average_gradients(model: Mixtral) -> None:
    gradients = [weight.grad for weight in model.parameters()]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, part in zip(gradients, (flat / PROCESSES).split([gradient.numel() for gradient in gradients])):
        gradient.copy_(part.view_as(gradient))


def take_step(
    model: Mixtral, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor], balance_weight: float
) -> tuple[float, Tensor]:
    """One update; returns the weighted mean loss and the experts' token counts."""
    tokens, weights = batch
    logits, balance, counts = model(tokens[:, :-1])
    losses = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    weights = weights[:, 1:].flatten()
    loss = (losses * weights).sum() / weights.sum()
    (loss + balance_weight * balance).backward()
    average_gradients(model)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item(), counts


def export(model: Mixtral, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(configuration(model.shape), indent=2) + "\n")
    path = folder / "model.safetensors"
    save_file(classic_state(model), str(path), metadata={"format": "pt"})
    path.chmod(0o644)


def agreed_progress(step: int, seconds: float, minutes: float) -> float:
    """The share of the planned steps or minutes, the greater one, by the clock of process 0."""
    share = torch.tensor(max(step / STEPS, seconds / (60 * minutes)), dtype=torch.float64)
    distributed.broadcast(share, 0)
    return share.item()


def step_report(losses: list[float], counts: Tensor, seconds: float) -> str:
    shares = counts / counts.sum(dim=1, keepdim=True)
    mean = sum(losses[-REPORT_STEPS:]) / REPORT_STEPS
    speed = len(losses) * ROWS * ROW_TOKENS / seconds
    return (
        f"step {len(losses)}: loss {mean:.4f}, {seconds:.0f} s, {speed:.0f} tokens/s, "
        f"shares {shares.min():.3f} to {shares.max():.3f}"
    )


def train(process: int, model: Mixtral, tokenizer: Tokenizer, output: Path, minutes: float) -> None:
    """Goes on for the planned steps or minutes; the rate follows whichever ends first."""
    rows, optimizer = Rows(tokenizer, process), make_optimizer(model)
    started = reported = time.time()
    losses: list[float] = []
    while (progress := agreed_progress(len(losses), time.time() - started, minutes)) < 1:
        step = len(losses)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, progress)
        loss, counts = take_step(model, optimizer, rows.batch(), BALANCE_WEIGHTS[step >= BALANCE_SETTLED])
        losses.append(loss)
        if process == 0 and len(losses) % REPORT_STEPS == 0:
            print(step_report(losses, counts, time.time() - started), flush=True)
        if process == 0 and time.time() - reported > ACCURACY_SECONDS:
            export(model, output)
            print(accuracy_report(model, tokenizer), flush=True)
            reported = time.time()
    if process == 0:
        export(model, output)
        print(f"{len(losses)} steps, {len(losses) * ROWS * ROW_TOKENS} tokens, {time.time() - started:.0f} s")
        print(accuracy_report(model, tokenizer), flush=True)


def work(process: int, meeting: str, output: Path, minutes: float) -> None:
    """One of the processes: the same weights from the same seed, but rows of its own."""
    distributed.init_process_group("gloo", init_method=meeting, rank=process, world_size=PROCESSES)
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    tokenizer = Tokenizer.from_file(str(HOME / "tokenizer.json"))
    model = Mixtral(Shape(vocab_size=tokenizer.get_vocab_size()))
    if process == 0:
        print(f"{sum(weight.numel() for weight in model.parameters())} parameters", flush=True)
    train(process, model, tokenizer, output, minutes)
    distributed.destroy_process_group()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, nargs="?", default=HOME)
    parser.add_argument("--minutes", type=float, default=19)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        meeting = f"file://{folder}/meeting"
        multiprocessing.spawn(work, (meeting, arguments.output, arguments.minutes), PROCESSES)


if __name__ == "__main__":
    main()
