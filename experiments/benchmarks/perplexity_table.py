#!/usr/bin/env python3
"""Makes the Markdown table of perplexity.sh from DIR/assay-N.json and DIR/reference-N.json."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from statistics import median


def read_runs(folder: Path, program: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{program}-*.json"))]


def tokens_per_second(run: dict) -> float:
    # From the counts, so that both programs are measured by one definition.
    return run["scoredTokens"] / run["seconds"]


def row(name: str, runs: list[dict]) -> str:
    seconds = [run["seconds"] for run in runs]
    return (
        f"| {name} | {runs[0]['perplexity']:.4f} | {runs[0]['bitsPerByte']:.5f} | {median(seconds):.2f} "
        f"| {min(seconds):.2f} – {max(seconds):.2f} | {median(map(tokens_per_second, runs)):.0f} |"
    )


def check_comparable(assay: list[dict], reference: list[dict]) -> None:
    """Times of different work are not compared."""
    for key in ("windows", "scoredTokens"):
        values = {run[key] for run in assay + reference}
        if len(values) != 1:
            raise SystemExit(f"the programs did not score the same tokens: {key} {sorted(values)}")


def main() -> None:
    folder = Path(sys.argv[1])
    assay, reference = read_runs(folder, "assay"), read_runs(folder, "reference")
    check_comparable(assay, reference)
    versions = reference[0]["versions"]
    label = f"transformers {versions['transformers']}, torch {versions['torch']}"
    ratio = median(map(tokens_per_second, assay)) / median(map(tokens_per_second, reference))
    print("| program | perplexity | bits per byte | seconds | range | tokens/s |")
    print("|---|---|---|---|---|---|")
    print(row("assay", assay))
    print(row(label, reference))
    print(f"\nassay scores {ratio:.2f} times as many tokens per second as the reference.")
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > 1.5 * processors:
        print(f"\nThe machine was busy (load {load:.1f} on {processors} processors): do not quote these times.")


if __name__ == "__main__":
    main()
