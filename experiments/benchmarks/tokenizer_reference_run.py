#!/usr/bin/env python3
"""The tokenizers package on one text, and the table that compares it with assay.

    tokenizer_reference_run.py time TOKENIZER.json TEXT     one line of JSON: seconds, bytes, tokens, digest of the ids
    tokenizer_reference_run.py table FOLDER                 Markdown; FOLDER/NAME/{assay,reference}-N.json
"""

from __future__ import annotations

import gzip
import hashlib
import json
import struct
import sys
import time
from pathlib import Path
from statistics import median


def run(tokenizer: str, path: str) -> None:
    from tokenizers import Tokenizer

    encoder = Tokenizer.from_file(tokenizer)
    data = Path(path).read_bytes()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8", errors="replace")
    start = time.perf_counter()
    ids = encoder.encode(text, add_special_tokens=False).ids
    seconds = time.perf_counter() - start
    digest = hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()
    print(json.dumps({"seconds": seconds, "bytes": len(text.encode()), "tokens": len(ids), "digest": digest}))


def table(folder: Path) -> None:
    print("| tokenizer | bytes | tokens | assay MB/s | tokenizers MB/s | ratio |\n|---|---:|---:|---:|---:|---:|")
    for name in sorted(path for path in folder.iterdir() if path.is_dir()):
        runs = {
            program: [json.loads(file.read_text()) for file in sorted(name.glob(f"{program}-*.json"))]
            for program in ("assay", "reference")
        }
        if len({run["digest"] for results in runs.values() for run in results}) != 1:
            raise SystemExit(f"{name.name}: the ids differ")
        first = runs["assay"][0]
        ours, theirs = (
            first["bytes"] / median(run["seconds"] for run in runs[program]) / 1e6 for program in ("assay", "reference")
        )
        print(
            f"| {name.name} | {first['bytes']:,} | {first['tokens']:,} | {ours:.2f} | {theirs:.2f} | {ours / theirs:.1f} |"
        )


if sys.argv[1] == "time":
    run(sys.argv[2], sys.argv[3])
else:
    table(Path(sys.argv[2]))
