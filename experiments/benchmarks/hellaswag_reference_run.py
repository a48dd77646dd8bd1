#!/usr/bin/env python3
"""One timed run of hellaswag.sh, by either program, and the table of all runs.

    hellaswag_reference_run.py assay OUT PROGRAM ARGUMENT…
    hellaswag_reference_run.py lm-eval OUT MODEL ROWS [--limit N --dtype f32 --batch 16 --threads 2 --experts eager]
    hellaswag_reference_run.py table RESULTS
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "Tests/EvaluationTests/Golden"))


def run_assay(out: Path, command: list[str]) -> None:
    start = time.perf_counter()
    rows = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    seconds = time.perf_counter() - start
    metrics = {row["metric"]: row["value"] for row in rows}
    out.write_text(json.dumps({"seconds": seconds, "items": rows[0]["items"], "metrics": metrics}))


def run_lm_eval(out: Path, arguments: argparse.Namespace) -> None:
    """Seconds are those of `loglikelihood`: lm-eval tokenizes, sorts, batches and scores."""
    import torch
    from lm_eval.models.huggingface import HFLM
    from lm_eval_reference import BENCHMARKS, make_task, read_rows, requests
    from reference_common import load_model
    from transformers import PreTrainedTokenizerFast

    file, definition, _ = BENCHMARKS["hellaswag"]
    task = make_task(definition, read_rows(arguments.rows, file)[: arguments.limit], [])
    made = requests(task, 0)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(arguments.model / "tokenizer.json"),
                                        bos_token="<|endoftext|>", eos_token="<|endoftext|>")
    lm = HFLM(pretrained=load_model(arguments), tokenizer=tokenizer, batch_size=arguments.batch)
    asked = [request for _, mine in made for request in mine]
    with torch.inference_mode():
        lm.loglikelihood(asked[: 2 * arguments.batch], disable_tqdm=True)
        start = time.perf_counter()
        answers = iter(lm.loglikelihood(asked, disable_tqdm=True))
        seconds = time.perf_counter() - start
    results = [task.process_results(document, [next(answers) for _ in mine]) for document, mine in made]
    metrics = {name: sum(float(result[name]) for result in results) / len(results) for name in results[0]}
    out.write_text(json.dumps({"seconds": seconds, "items": len(made), "metrics": metrics}))


def table(results: Path) -> None:
    runs = {name: [json.loads(file.read_text()) for file in sorted(results.glob(f"{name}-*.json"))]
            for name in ("assay", "lm-eval")}
    for metric in ("acc", "acc_norm"):
        values = {round(run["metrics"][metric], 9) for mine in runs.values() for run in mine}
        if len(values) != 1:
            sys.exit(f"{metric} differs: {sorted(values)}")
    rates = {name: statistics.median(run["items"] / run["seconds"] for run in mine) for name, mine in runs.items()}
    print("| program | acc | acc_norm | seconds | items/s |\n|---|---:|---:|---:|---:|")
    for name, mine in runs.items():
        metrics = mine[0]["metrics"]
        seconds = statistics.median(run["seconds"] for run in mine)
        print(f"| {name} | {metrics['acc']:.4f} | {metrics['acc_norm']:.4f} | {seconds:.2f} | {rates[name]:.1f} |")
    print(f"\nassay / lm-eval: {rates['assay'] / rates['lm-eval']:.2f}")


def main() -> None:
    if sys.argv[1] == "assay":
        return run_assay(Path(sys.argv[2]), sys.argv[3:])
    if sys.argv[1] == "table":
        return table(Path(sys.argv[2]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("out", "model", "rows"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--experts", default="eager")
    arguments = parser.parse_args(sys.argv[2:])
    run_lm_eval(arguments.out, arguments)


if __name__ == "__main__":
    main()
