#!/usr/bin/env python3
"""Prompts, log-likelihoods and accuracies of lm-eval's own task definitions: the reference for assay's tasks.

    lm_eval_reference.py MODEL ROWS [--limit 40] [--shots 5] [--texts] > golden.json

ROWS is a folder with one `NAME.jsonl` or `NAME.jsonl.gz` per benchmark, official field names. lm-eval's YAML files are
taken from the installed package; only where rows come from is replaced, so that nothing is fetched. The first `limit`
rows of a benchmark (of MMLU: a twentieth of that, at least one, of every subject) go through the model. `crc32` is over
the requests of all rows, "context NUL continuation NUL", so that every prompt can be compared without its text;
`--texts` writes the texts of the scored rows too. Generation tasks give prompts only.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import zlib
from pathlib import Path
from typing import Callable

import lm_eval
import lm_eval.tasks
import torch
from datasets import Dataset
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks._yaml_loader import load_yaml
from reference_common import load_model, versions
from transformers import PreTrainedTokenizerFast

TASKS = Path(lm_eval.tasks.__file__).parent
Row = dict

# Our name → the file of rows, lm-eval's definition, and what turns a row into the data set's.
BENCHMARKS: dict[str, tuple[str, str, Callable[[Row], Row]]] = {
    "hellaswag": ("hellaswag.validation", "hellaswag/hellaswag.yaml", dict),
    "piqa": ("piqa.validation", "piqa/piqa.yaml", dict),
    "arc-easy": ("arc_easy.validation", "arc/arc_easy.yaml", dict),
    "arc-challenge": ("arc_challenge.validation", "arc/arc_challenge.yaml", dict),
    "winogrande": ("winogrande_xl.validation", "winogrande/default.yaml", dict),
    # super_glue calls the answer a label.
    "boolq": ("boolq.validation", "super_glue/boolq/default.yaml", lambda row: row | {"label": int(row["answer"])}),
    "openbookqa": ("openbookqa.validation", "openbookqa/openbookqa.yaml", dict),
    "rte": ("rte.validation", "glue/rte/default.yaml", dict),
    # The data set has the whole text.
    "lambada": ("lambada_openai.test", "lambada/lambada_openai.yaml",
                lambda row: {"text": row["context"] + " " + row["continuation"]}),
    "gsm8k": ("gsm8k.test", "gsm8k/gsm8k.yaml", dict),
    "humaneval": ("humaneval.test", "humaneval/humaneval.yaml", dict),
}


def read_rows(folder: Path, name: str) -> list[Row]:
    plain, packed = folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"
    text = plain.read_text("utf-8") if plain.exists() else gzip.decompress(packed.read_bytes()).decode("utf-8")
    # Not splitlines: U+2028 and the like may stand inside a JSON string.
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def make_task(definition: str, rows: list[Row], shots: list[Row]) -> ConfigurableTask:
    # HumanEval's functions score programs, and fetch a scorer from the Hub when they are loaded.
    config = load_yaml(TASKS / definition, resolve_func="humaneval" not in definition)
    config.pop("tag", None)
    if config["output_type"] == "multiple_choice":
        names = {metric["metric"] for metric in config["metric_list"]}
        for extra in {"acc_norm", "acc_bytes"} - names:
            config["metric_list"].append({"metric": extra, "aggregation": "mean", "higher_is_better": True})
    splits = {"test": Dataset.from_list(rows)} | ({"dev": Dataset.from_list(shots)} if shots else {})
    config |= {"training_split": None, "validation_split": None, "test_split": "test"}
    config |= {"fewshot_split": "dev" if shots else None, "custom_dataset": lambda **_: splits}
    if not shots:
        config["fewshot_config"] = None
    if "humaneval" in definition:
        config |= {"metric_list": [{"metric": "exact_match"}], "filter_list": None, "unsafe_code": False}
    return ConfigurableTask(config=config)


def requests(task: ConfigurableTask, shots: int) -> list[tuple[dict, list[Instance]]]:
    made = []
    for index, document in enumerate(task.eval_docs):
        context = task.fewshot_context(document, num_fewshot=shots)
        built = task.construct_requests(document, context, metadata=(None, index, 1), doc_id=index, task_name="task")
        made.append((document, built if isinstance(built, list) else [built]))
    return made


def texts(request: Instance) -> tuple[str, str]:
    context, continuation = request.args
    return context, continuation if isinstance(continuation, str) else ""


def checksum(made: list[tuple[dict, list[Instance]]], start: int = 0) -> int:
    for _, asked in made:
        for request in asked:
            start = zlib.crc32("".join(text + "\0" for text in texts(request)).encode(), start)
    return start


def score(lm: HFLM, task: ConfigurableTask, made: list, first_row: int, with_texts: bool) -> list[dict]:
    """Per row the answers of `loglikelihood`, and what `process_results` makes of them."""
    if task.OUTPUT_TYPE == "generate_until":
        answers = itertools.repeat((None, None))
    else:
        answers = iter(lm.loglikelihood([request for _, asked in made for request in asked], disable_tqdm=True))
    items = []
    for index, (document, asked) in enumerate(made):
        results = [next(answers) for _ in asked]
        item: dict = {"row": first_row + index}
        if with_texts:
            item["requests"] = [texts(request) for request in asked]
        if task.OUTPUT_TYPE != "generate_until":
            item["log_likelihoods"] = [round(value, 6) for value, _ in results]
            item["greedy"] = [greedy for _, greedy in results]
            item["metrics"] = {name: float(value) for name, value in task.process_results(document, results).items()}
        items.append(item)
    return items


def benchmark(lm: HFLM, task: ConfigurableTask, arguments: argparse.Namespace) -> dict:
    made = requests(task, 0)
    items = score(lm, task, made[: arguments.limit], 0, arguments.texts)
    names = list(items[0].get("metrics", {}))
    means = {name: task.aggregation()[name]([item["metrics"][name] for item in items]) for name in names}
    return {"shots": 0, "rows": len(made), "crc32": checksum(made), "metrics": means, "items": items}


def mmlu(lm: HFLM, folder: Path, shots: int, arguments: argparse.Namespace) -> dict:
    """Every subject is a task of its own; the whole is their mean weighted by size, as lm-eval's group is."""
    rows, examples = read_rows(folder, "mmlu.test"), read_rows(folder, "mmlu.dev")
    first, crc, items, subjects = 0, 0, [], {}
    for subject, group in itertools.groupby(rows, lambda row: row["subject"]):
        mine = list(group)
        task = make_task(f"mmlu/default/mmlu_{subject}.yaml", mine, [e for e in examples if e["subject"] == subject])
        made = requests(task, shots)
        crc = checksum(made, crc)
        scored = score(lm, task, made[: max(1, arguments.limit // 20)], first, arguments.texts)
        subjects[subject] = sum(item["metrics"]["acc"] for item in scored) / len(scored)
        items, first = items + scored, first + len(mine)
    metrics = {name: sum(item["metrics"][name] for item in items) / len(items) for name in items[0]["metrics"]}
    return {"shots": shots, "rows": first, "crc32": crc, "metrics": metrics, "subjects": subjects, "items": items}


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="MODEL", help="a folder in Hugging Face layout")
    parser.add_argument("rows", type=Path, metavar="ROWS")
    parser.add_argument("--limit", type=int, default=40, help="rows of a benchmark that go through the model")
    parser.add_argument("--shots", type=int, default=5, help="of MMLU's second run")
    parser.add_argument("--texts", action="store_true", help="write prompts and continuations too")
    parser.set_defaults(dtype="f32", threads=2, experts="eager")
    return parser.parse_args()


def load_lm(arguments: argparse.Namespace) -> HFLM:
    # AutoTokenizer would build what it takes for Mixtral's tokenizer instead of reading the file.
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(arguments.model / "tokenizer.json"),
                                        bos_token="<|endoftext|>", eos_token="<|endoftext|>")
    return HFLM(pretrained=load_model(arguments), tokenizer=tokenizer, batch_size=8)


@torch.inference_mode()
def main() -> None:
    arguments = parse_arguments()
    lm = load_lm(arguments)
    found = {}
    for name, (file, definition, convert) in BENCHMARKS.items():
        rows = [convert(row) for row in read_rows(arguments.rows, file)]
        found[name] = benchmark(lm, make_task(definition, rows, []), arguments)
    for name, shots in (("mmlu", 0), (f"mmlu-{arguments.shots}-shot", arguments.shots)):
        found[name] = mmlu(lm, arguments.rows, shots, arguments)
    version = {"lm_eval": lm_eval.__version__} | versions()
    lines = (f" {json.dumps(name)}: {json.dumps(result, ensure_ascii=False)}" for name, result in found.items())
    print('{"versions": ' + json.dumps(version) + ',\n"tasks": {\n' + ",\n".join(lines) + "\n}}")


if __name__ == "__main__":
    main()
