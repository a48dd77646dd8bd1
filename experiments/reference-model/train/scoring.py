"""Multiple-choice accuracy and perplexity of anything that turns tokens into logits."""

from __future__ import annotations

from typing import Callable, Sequence

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

Logits = Callable[[Tensor], Tensor]
Item = dict[str, object]
BATCH = 64


def choice_tokens(tokenizer: Tokenizer, context: str, choice: str) -> tuple[list[int], int]:
    """The tokens of context and choice together, and how many of them are the context's."""
    context_ids = tokenizer.encode(context).ids
    ids = tokenizer.encode(context + choice).ids
    assert ids[: len(context_ids)] == context_ids, f"the split moves tokens: {context!r} {choice!r}"
    return ids, len(context_ids)


def log_probabilities(logits: Logits, rows: Sequence[tuple[list[int], int]]) -> Tensor:
    """The summed log-probability of each row's tokens after its context."""
    sums = []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        length = max(len(ids) for ids, _ in part)
        # Causal attention: the zeros that pad on the right change nothing before them.
        tokens = torch.tensor([ids + [0] * (length - len(ids)) for ids, _ in part])
        odds = F.log_softmax(logits(tokens[:, :-1]).float(), dim=-1)
        scores = odds.gather(-1, tokens[:, 1:].unsqueeze(-1)).squeeze(-1)
        for row, (ids, split) in enumerate(part):
            sums.append(scores[row, split - 1 : len(ids) - 1].sum())
    return torch.stack(sums)


@torch.no_grad()
def right_answers(logits: Logits, tokenizer: Tokenizer, items: Sequence[Item]) -> list[bool]:
    """Whether each item's likeliest choice is its answer."""
    pairs = [(str(item["context"]), choice) for item in items for choice in item["choices"]]
    # Similar lengths share a batch, so that little is computed on padding.
    order = sorted(range(len(pairs)), key=lambda index: sum(map(len, pairs[index])))
    rows = [choice_tokens(tokenizer, *pairs[index]) for index in order]
    scores = torch.empty(len(pairs))
    scores[torch.tensor(order)] = log_probabilities(logits, rows)
    right, start = [], 0
    for item in items:
        count = len(item["choices"])
        right.append(int(scores[start : start + count].argmax()) == item["answer"])
        start += count
    return right


@torch.no_grad()
def mean_loss(logits: Logits, ids: Sequence[int], window: int) -> float:
    """Mean negative log-likelihood over disjoint full windows, each one's first token given."""
    count = len(ids) // window
    windows = torch.tensor(ids[: count * window]).view(count, window)
    total = 0.0
    for part in windows.split(BATCH // 4):
        odds = logits(part[:, :-1]).float()
        total += F.cross_entropy(odds.flatten(0, 1), part[:, 1:].flatten(), reduction="sum").item()
    return total / (count * (window - 1))
