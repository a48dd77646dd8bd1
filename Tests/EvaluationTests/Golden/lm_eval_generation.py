#!/usr/bin/env python3
"""What lm-eval's `generate_until` writes, and its prompts with examples drawn at random: the reference for generation.

    lm_eval_generation.py NAME=MODEL=ROWS=TOKENS... > lm-eval.generation.json

MODEL is a folder in Hugging Face layout, ROWS has gsm8k.test and humaneval.test; greedy, f32, one sequence at a time.
TOKENS takes the place of the definitions' `max_gen_toks`, 256 and 1024. `drawn` has the prompts of gsm8k with examples of
30 rows that are made here, as lm-eval draws them with its usual seed 1234: five and eight of 30 rows, and five of 12.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval_reference import BENCHMARKS, make_task, read_rows, requests
from reference_common import load_model, versions
from transformers import PreTrainedTokenizerFast

# The trained model ends most programs at once: they are written without stops too.
ITEMS = [("gsm8k", 6, True), ("humaneval", 4, True), ("humaneval", 4, False)]


def load_lm(model: Path) -> HFLM:
    arguments = argparse.Namespace(model=model, dtype="f32", threads=2, experts="eager")
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(model / "tokenizer.json"), bos_token="<|endoftext|>",
                                        eos_token="<|endoftext|>")
    tokenizer.pad_token_id = tokenizer.eos_token_id
    return HFLM(pretrained=load_model(arguments), tokenizer=tokenizer, batch_size=1)


@torch.inference_mode()
def written(model: Path, rows: Path, tokens: int) -> dict:
    lm = load_lm(model)
    found = []
    for name, count, stops in ITEMS:
        file, definition, _ = BENCHMARKS[name]
        task = make_task(definition, read_rows(rows, file)[:count], [])
        task.config.generation_kwargs |= {"max_gen_toks": tokens} | ({} if stops else {"until": []})
        asked = [request for _, built in requests(task, 0) for request in built]
        found.append({"task": name, "stops": stops, "texts": lm.generate_until(asked, disable_tqdm=True)})
    return {"tokens": tokens, "tasks": found}


def pool(count: int) -> list[dict]:
    return [{"question": f"What is {n} plus {n * n}?", "answer": f"{n} + {n * n} = {n + n * n}\n#### {n + n * n}"}
            for n in range(count)]


def drawn(count: int, shots: int) -> dict:
    documents = [{"question": f"What is {n} times two?", "answer": f"#### {2 * n}"} for n in range(4)]
    task = make_task("gsm8k/gsm8k.yaml", documents, pool(count))
    task.set_fewshot_seed(1234)
    prompts = [built[0].args[0] for _, built in requests(task, shots)]
    return {"pool": count, "shots": shots, "prompts": prompts}


def main() -> None:
    models = [argument.split("=") for argument in sys.argv[1:]]
    result = {
        "versions": {"lm_eval": lm_eval.__version__} | versions(),
        "written": {name: written(Path(model), Path(rows), int(tokens)) for name, model, rows, tokens in models},
        "drawn": [drawn(30, 5), drawn(12, 5), drawn(30, 8)],
    }
    print(json.dumps(result, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
