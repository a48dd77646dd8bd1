#!/usr/bin/env python3
"""Where lm-eval splits requests into tokens of context and continuation, with tokenizers of real models.

    lm_eval_token_splits.py TOKENIZERS ROWS > golden.json

TOKENIZERS is a folder with `NAME.tokenizer.json.gz`, ROWS as for lm_eval_reference.py. Only lm-eval's tokenization is
run, no model. A checksum is the CRC-32 of one line a request, of the ids of context and continuation: "1,2|3,4".
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import zlib
from pathlib import Path

import lm_eval
from lm_eval.models.huggingface import HFLM
from lm_eval_reference import BENCHMARKS, make_task, read_rows, requests, texts
from reference_common import versions
from transformers import PreTrainedTokenizerFast

# The token that stands for an empty context.
PREFIXES = {"gpt2": "<|endoftext|>", "llama2": "<s>", "qwen2.5": "<|endoftext|>", "deepseek-v2": "<｜begin▁of▁sentence｜>"}
BENCHMARK_NAMES = ["hellaswag", "winogrande", "boolq", "lambada"]


def tokenizing_only(file: Path, prefix: str) -> HFLM:
    with tempfile.NamedTemporaryFile(suffix=".json") as plain:
        plain.write(gzip.decompress(file.read_bytes()))
        plain.flush()
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=plain.name, bos_token=prefix)
    lm = HFLM.__new__(HFLM)
    lm.tokenizer, lm.backend, lm.add_bos_token, lm.custom_prefix_token_id = tokenizer, "causal", None, None
    return lm


def checksum(lm: HFLM, pairs: list[tuple[str, str]]) -> int:
    crc = 0
    for context, continuation in pairs:
        sides = lm._encode_pair(context, continuation)
        crc = zlib.crc32(("|".join(",".join(map(str, side)) for side in sides) + "\n").encode(), crc)
    return crc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizers", type=Path, metavar="TOKENIZERS")
    parser.add_argument("rows", type=Path, metavar="ROWS")
    parser.add_argument("--limit", type=int, default=300, help="rows of a benchmark")
    arguments = parser.parse_args()
    found: dict[str, dict[str, int]] = {name: {} for name in PREFIXES}
    for benchmark in BENCHMARK_NAMES:
        file, definition, convert = BENCHMARKS[benchmark]
        rows = [convert(row) for row in read_rows(arguments.rows, file)[: arguments.limit]]
        pairs = [texts(request) for _, asked in requests(make_task(definition, rows, []), 0) for request in asked]
        # White space at the end of a context moves to the continuation.
        pairs += [(context + " \n", continuation.strip()) for context, continuation in pairs[:100]]
        # Of which a model's own beginning may be written out.
        for name, prefix in PREFIXES.items():
            lm = tokenizing_only(arguments.tokenizers / f"{name}.tokenizer.json.gz", prefix)
            written = [(prefix + context, continuation) for context, continuation in pairs[:10]]
            found[name][benchmark] = checksum(lm, pairs + written)
    version = {"lm_eval": lm_eval.__version__} | versions()
    print(json.dumps({"versions": version, "limit": arguments.limit, "prefixes": PREFIXES, "crc32": found}, indent=1,
                     ensure_ascii=False))


if __name__ == "__main__":
    main()
