#!/usr/bin/env python3
"""What lm-eval itself writes, results and samples: lm_eval_output.py MODEL ROWS OUT [--limit 6] [--tasks …]

MODEL is a folder in Hugging Face layout, ROWS has the benchmarks' rows; definitions are those of the installed package,
as in EvaluationTests/Golden/lm_eval_reference.py. OUT gets lm-eval's folder: MODEL_NAME/results_TIME.json and
samples_TASK_TIME.jsonl. `pretty_env_info` and folders of this machine are taken out afterwards. lm-eval-output has the
first six rows of piqa, arc-easy and lambada; lm-eval-generated those of --limit 2 --tasks gsm8k.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "EvaluationTests/Golden"))

import torch
from lm_eval.evaluator import evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval_reference import BENCHMARKS, load_lm, make_task, read_rows

TASKS = ["piqa", "arc-easy", "lambada"]


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "rows", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--limit", type=int, default=6)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.set_defaults(dtype="f32", threads=2, experts="eager")
    arguments = parser.parse_args()
    tasks = {}
    for name in arguments.tasks:
        file, definition, convert = BENCHMARKS[name]
        task = make_task(definition, [convert(row) for row in read_rows(arguments.rows, file)], [])
        task.set_config(key="num_fewshot", value=0)
        tasks[task.config.task] = task
    tracker = EvaluationTracker(output_path=str(arguments.out))
    tracker.general_config_tracker.log_experiment_args(
        model_source="hf", model_args=f"pretrained={arguments.model.name}", system_instruction=None, chat_template=None,
        fewshot_as_multiturn=False)
    results = evaluate(lm=load_lm(arguments), task_dict=tasks, limit=arguments.limit, log_samples=True, bootstrap_iters=0)
    results["config"] = {"model": "hf", "model_args": f"pretrained={arguments.model.name}", "model_dtype": "torch.float32",
                         "batch_size": "8", "limit": arguments.limit, "bootstrap_iters": 0}
    results["date"] = 0.0
    samples = results.pop("samples")
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, mine in samples.items():
        tracker.save_results_samples(task_name=name, samples=mine)


if __name__ == "__main__":
    main()
