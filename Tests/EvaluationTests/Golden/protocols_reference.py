#!/usr/bin/env python3
"""Perplexity protocols on the tiny random Mixtral, with transformers and lm-eval's own window functions.

    protocols_reference.py > protocols.json

Needs torch, transformers and the files of lm-eval 0.4 on the path (lm_eval/utils.py, tasks/wikitext).
Each protocol is written here as its source has it: llama.cpp's tools/perplexity (chunks, second half, BOS put in place
of the first token), transformers' "Perplexity of fixed-length models" with every token scored once, lm-eval's
loglikelihood_rolling.
"""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

MODEL = Path(__file__).resolve().parents[2] / "MoEModelsTests/Fixtures/tiny-mixtral"
VOCABULARY, BOS, COUNT = 160, 1, 100


def tokens_of_text() -> list[int]:
    """The same small generator stands in ProtocolTests.swift."""
    state, tokens = 12345, []
    for _ in range(COUNT):
        state = (1103515245 * state + 12345) % 2**31
        tokens.append(3 + (state >> 16) % (VOCABULARY - 3))
    return tokens


class Scorer:
    def __init__(self) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager").eval()

    def losses(self, read: list[int], targets: list[int]) -> list[float]:
        """-ln p of the targets, which are predicted at the last positions of `read`."""
        with torch.inference_mode():
            logits = self.model(torch.tensor([read]), use_cache=False).logits[0].double().log_softmax(-1)
        rows = logits[len(read) - len(targets):]
        return [-rows[i, t].item() for i, t in enumerate(targets)]


def summary(losses: list[float], windows: int) -> dict[str, float]:
    count, total = len(losses), math.fsum(losses)
    mean = total / count
    variance = math.fsum(x * x for x in losses) / count - mean * mean
    return {"windows": windows, "tokens": count, "perplexity": math.exp(mean), "total": total,
            "naiveStandardError": math.exp(mean) * math.sqrt(variance / (count - 1))}


def llama_cpp(scorer: Scorer, tokens: list[int], context: int) -> dict[str, float]:
    losses, chunks = [], len(tokens) // context
    for chunk in range(chunks):
        window = tokens[chunk * context:(chunk + 1) * context]
        read = [BOS] + window[1:]
        first = context // 2
        losses += scorer.losses(read[:-1], window[first + 1:])
    return summary(losses, chunks)


def strided(scorer: Scorer, tokens: list[int], context: int, stride: int) -> dict[str, float]:
    losses, windows, previous_end = [], 0, 0
    for begin in range(0, len(tokens), stride):
        end = min(begin + context, len(tokens))
        new = end - max(previous_end, 1)
        if new > 0:
            losses += scorer.losses(tokens[begin:end - 1], tokens[end - new:end])
            windows += 1
        previous_end = end
        if end == len(tokens):
            break
    return summary(losses, windows)


def gptq(scorer: Scorer, tokens: list[int], context: int) -> dict[str, float]:
    losses, windows = [], len(tokens) // context
    for index in range(windows):
        window = tokens[index * context:(index + 1) * context]
        losses += scorer.losses(window[:-1], window[1:])
    return summary(losses, windows)


def rolling(scorer: Scorer, tokens: list[int], context: int) -> dict[str, float]:
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    losses, windows = [], 0
    for pair in get_rolling_token_windows(tokens, BOS, context, 1):
        before, targets = make_disjoint_window(pair)
        # As HFLM does: context and continuation, cut to the model's length, without the last token.
        losses += scorer.losses((before + targets)[-(context + 1):][:-1], targets)
        windows += 1
    return summary(losses, windows)


def detokenized() -> list[dict[str, object]]:
    from lm_eval.tasks.wikitext.preprocess_wikitext import wikitext_detokenizer

    pages = [
        " = A Title = \n \n He said , \" hello \" ( quietly ) ; it cost 1 @,@ 000 @.@ 5 dollars . \n \n = = Career = = \n"
        " The boys ' game ' was over : 20 ° C and { braces } [ x ] N times ! \n \n",
        " = Second = \n \n It 's the horse 's ' own ' — \u00a0 tab\there , why ? well-known @-@ fact . \n",
    ]
    return [{"page": page, "text": wikitext_detokenizer({"page": page}), "words": len(re.split(r"\s+", page))}
            for page in pages]


def main() -> None:
    scorer, tokens = Scorer(), tokens_of_text()
    json.dump({
        "gptq-windows": gptq(scorer, tokens, 16),
        "llama.cpp-chunks": llama_cpp(scorer, tokens, 16),
        "strided": strided(scorer, tokens, 24, 10),
        "lm-eval-rolling": rolling(scorer, tokens, 24),
        "wikitext": detokenized(),
    }, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
