#!/usr/bin/env python3
"""The PyTorch side of gptq.sh: makes the problem, times the reference on it, prints the table.

    gptq_reference_run.py make PROBLEM.safetensors SIZE
    gptq_reference_run.py time PROBLEM.safetensors BITS GROUP_SIZE THREADS
    gptq_reference_run.py table FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from statistics import median

GOLDEN = Path(__file__).resolve().parents[2] / "Tests/QuantizationTests/Golden"


def make(path: str, size: int) -> None:
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tokens = 2 * size
    weights = torch.randn(size, size) * 0.02
    mixing = torch.eye(size) + torch.randn(size, size) * 0.02
    inputs = (torch.randn(tokens, size) @ mixing) * torch.exp(0.5 * torch.randn(size))
    save_file({"weights": weights, "hessian": 2 / tokens * inputs.T @ inputs}, path)


def measure(path: str, bits: int, group_size: int, threads: int) -> None:
    import torch
    from safetensors.torch import load_file

    sys.path.insert(0, str(GOLDEN))
    sys.dont_write_bytecode = True
    from gptq_reference import Grid, Options, gptq

    torch.set_num_threads(threads)
    tensors = load_file(path)
    small = torch.eye(64)
    gptq(small, small, Grid(bits), Options())
    processor, start = time.process_time(), time.perf_counter()
    result = gptq(tensors["weights"], tensors["hessian"], Grid(bits, group_size), Options())
    print(json.dumps({
        "seconds": time.perf_counter() - start, "processorSeconds": time.process_time() - processor,
        "loss": result.loss, "version": f"torch {torch.__version__}",
    }))


def row(name: str, runs: list[dict]) -> str:
    seconds = [run["seconds"] for run in runs]
    processor = median(run["processorSeconds"] for run in runs)
    return (
        f"| {name} | {runs[0]['loss']:.6f} | {median(seconds):.3f} | {min(seconds):.3f} – {max(seconds):.3f} "
        f"| {processor:.3f} |"
    )


def table(folder: str) -> None:
    runs = {
        program: [json.loads(path.read_text()) for path in sorted(Path(folder).glob(f"{program}-*.json"))]
        for program in ("assay", "reference")
    }
    losses = [run["loss"] for program in runs.values() for run in program]
    if max(losses) > 1.001 * min(losses):
        raise SystemExit(f"losses differ by more than 0.1 %: {min(losses)} … {max(losses)}")
    print("| program | loss | seconds | range | CPU seconds |\n|---|---|---|---|---|")
    print(row("assay", runs["assay"]))
    print(row(runs["reference"][0]["version"], runs["reference"]))
    for key, name in (("seconds", "by the clock"), ("processorSeconds", "in CPU time")):
        ours, theirs = (median(run[key] for run in runs[program]) for program in ("assay", "reference"))
        print(f"\nassay is {theirs / ours:.2f} times as fast {name}.")
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > 1.5 * processors:
        print(f"\nThe machine was busy (load {load:.1f} on {processors} processors): do not quote these times.")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", path, size]:
            make(path, int(size))
        case ["time", path, bits, group_size, threads]:
            measure(path, int(bits), int(group_size), int(threads))
        case ["table", folder]:
            table(folder)
        case _:
            raise SystemExit(__doc__)
