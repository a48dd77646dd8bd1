#!/usr/bin/env python3
"""Runs one benchmark of an allocator, and makes the table of all.

    allocator_table.py run RESULT.json PROGRAM ARGUMENTS…   the program's JSON with its peak memory
    allocator_table.py table FOLDER                         Markdown
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path


def run(path: str, command: list[str]) -> None:
    result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    # Kibibytes on Linux, of the largest child; there was one.
    result["peakBytes"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    Path(path).write_text(json.dumps(result))


def time(seconds: float) -> str:
    return f"{1e3 * seconds:.3f} ms" if seconds < 0.1 else f"{seconds:.2f} s"


def table(folder: Path) -> None:
    results = {path.stem: json.loads(path.read_text()) for path in folder.glob("*-*.json")}
    results["neurons"] = json.loads((folder / "neurons.json").read_text())
    exact, program, pulp = (results[name]["objective"] for name in ("exact-768", "ilp-768", "pulp-768"))
    for name, objective in (("hawq-ilp", program), ("PuLP", pulp)):
        if abs(objective - exact) > 1e-9 * abs(exact):
            raise SystemExit(f"{name} found {objective!r}, exact {exact!r}")
    neurons = results["neurons"]
    gap = (neurons["objective"] - neurons["lowerBound"]) / neurons["objective"]
    search, numpy = results["search-256"], results["numpy-256"]
    rows = [
        ("exact, 256 units × 5", time(results["exact-256"]["seconds"]), "10 ms", ""),
        (
            f"exact, {neurons['neurons']:,} neurons × 5",
            f"{time(neurons['seconds'])}, {neurons['peakBytes'] / 1e9:.2f} GB, gap {gap:.1e}",
            "5 s, 2 GB, gap 1e-6",
            "",
        ),
        (
            "hawq-ilp, 768 units × 5, equal to exact",
            time(results["ilp-768"]["seconds"]),
            "1 s",
            f"PuLP {time(results['pulp-768']['seconds'])}, "
            f"{results['pulp-768']['seconds'] / results['ilp-768']['seconds']:.0f} times as long",
        ),
        (
            "evolutionary, 256 units × 5, population 128",
            f"{search['generationsPerSecond']:,.0f} generations/s",
            "2,000/s",
            f"NumPy {numpy['generationsPerSecond']:,.0f}/s, loss {numpy['loss'] / search['objective']:.4f} of ours",
        ),
    ]
    print("| allocator | measured | target | reference |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > 1.5 * processors:
        print(f"\nThe machine was busy (load {load:.1f} on {processors} processors): do not quote these times.")


match sys.argv[1:]:
    case ["run", path, *command]:
        run(path, command)
    case ["table", folder]:
        table(Path(folder))
    case _:
        raise SystemExit(__doc__)
