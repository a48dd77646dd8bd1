#!/usr/bin/env python3
"""The parts of mixtral-layer.sh and calibration.sh that a shell does badly; standard library only.

    mixtral_layer.py make FOLDER TOKENIZER   one decoder layer of Mixtral-8x7B's size, random bf16 weights, and plan.json
    mixtral_layer.py run RESULT COMMAND…     runs a command, writes {"seconds", "processorSeconds", "peakBytes"}
    mixtral_layer.py table FOLDER            Markdown table of FOLDER/calibrate.json and FOLDER/quantize.json
    mixtral_layer.py ratios FOLDER           Markdown table of FOLDER/{plain,full}-{bf16,f32}-N.json
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

LAYERS = 32
HIDDEN, INTERMEDIATE, EXPERTS, VOCABULARY = 4096, 14336, 8, 4096
KEY_VALUE = 8 * 128

CONFIG = {
    "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN, "intermediate_size": INTERMEDIATE, "num_hidden_layers": 1,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "hidden_act": "silu",
    "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 1000000.0,
    "tie_word_embeddings": False, "num_experts_per_tok": 2, "num_local_experts": EXPERTS,
    "sliding_window": None, "torch_dtype": "bfloat16", "bos_token_id": 0, "eos_token_id": 0,
}


def shapes() -> dict[str, list[int]]:
    layer = "model.layers.0"
    result = {
        "model.embed_tokens.weight": [VOCABULARY, HIDDEN], "lm_head.weight": [VOCABULARY, HIDDEN],
        "model.norm.weight": [HIDDEN], f"{layer}.input_layernorm.weight": [HIDDEN],
        f"{layer}.post_attention_layernorm.weight": [HIDDEN],
        f"{layer}.block_sparse_moe.gate.weight": [EXPERTS, HIDDEN],
    }
    for name, rows in ("q", HIDDEN), ("k", KEY_VALUE), ("v", KEY_VALUE), ("o", HIDDEN):
        result[f"{layer}.self_attn.{name}_proj.weight"] = [rows, HIDDEN]
    for expert in range(EXPERTS):
        for name, shape in (
            ("w1", [INTERMEDIATE, HIDDEN]), ("w2", [HIDDEN, INTERMEDIATE]), ("w3", [INTERMEDIATE, HIDDEN])
        ):
            result[f"{layer}.block_sparse_moe.experts.{expert}.{name}.weight"] = shape
    return result


def high_byte(drawn: int) -> int:
    """Sign and the upper seven bits of the exponent, so that weights lie in ±2⁻⁵, most of them near its ends."""
    sign, rest = drawn & 0x80, drawn & 0x7F
    return sign | (60 if rest < 96 else 59 if rest < 120 else 58)


HIGH_BYTES = bytes(high_byte(drawn) for drawn in range(256))


def elements(generator: random.Random, shape: list[int]):
    """bfloat16, row after row: random mantissas and signs, few exponents; norms are ones."""
    if len(shape) == 1:
        yield b"\x80\x3f" * shape[0]
        return
    for _ in range(shape[0]):
        row = bytearray(generator.randbytes(2 * shape[1]))
        row[1::2] = row[1::2].translate(HIGH_BYTES)
        yield row


def make(folder: Path, tokenizer: Path) -> None:
    folder.mkdir(parents=True)
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes().items():
        size = 2
        for extent in shape:
            size *= extent
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = random.Random(0)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes().values():
            for row in elements(generator, shape):
                file.write(row)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    shutil.copyfile(tokenizer, folder / "tokenizer.json")
    plan = {f"layers.0.experts.{expert}": [2, 3, 4][expert % 3] for expert in range(EXPERTS)}
    (folder / "plan.json").write_text(json.dumps(plan, indent=2) + "\n")


def run(result: Path, command: list[str]) -> None:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    result.write_text(json.dumps({
        "seconds": seconds, "processorSeconds": usage.ru_utime + usage.ru_stime, "peakBytes": usage.ru_maxrss * unit,
    }))


def warn_if_busy() -> None:
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > 1.5 * processors:
        print(f"\nThe machine was busy (load {load:.1f} on {processors} processors): do not quote these times.")


def table(folder: Path) -> None:
    print(f"| stage | seconds | processor seconds | peak GB | hours for {LAYERS} layers |")
    print("|---|---|---|---|---|")
    for stage in "calibrate", "quantize":
        r = json.loads((folder / f"{stage}.json").read_text())
        print(
            f"| {stage} | {r['seconds']:.1f} | {r['processorSeconds']:.1f} | {r['peakBytes'] / 1e9:.2f} "
            f"| {r['seconds'] * LAYERS / 3600:.2f} |")
    warn_if_busy()


def ratios(folder: Path) -> None:
    print("| products | plain pass, s | with full Hessians, s | ratio of medians | ratio of processor seconds |")
    print("|---|---|---|---|---|")
    for compute in "bf16", "f32":
        plain, full = (
            [json.loads(path.read_text()) for path in sorted(folder.glob(f"{kind}-{compute}-*.json"))]
            for kind in ("plain", "full"))
        print(f"| {compute} | {spread(plain)} | {spread(full)} | {ratio('seconds', full, plain):.2f} "
              f"| {ratio('processorSeconds', full, plain):.2f} |")
    warn_if_busy()


def spread(runs: list[dict]) -> str:
    seconds = [run["seconds"] for run in runs]
    return f"{median(seconds):.2f} ({min(seconds):.2f} – {max(seconds):.2f})"


def ratio(key: str, runs: list[dict], base: list[dict]) -> float:
    return median(run[key] for run in runs) / median(run[key] for run in base)


def main() -> None:
    match sys.argv[1:]:
        case ["make", folder, tokenizer]:
            make(Path(folder), Path(tokenizer))
        case ["run", result, *command] if command:
            run(Path(result), command)
        case ["table", folder]:
            table(Path(folder))
        case ["ratios", folder]:
            ratios(Path(folder))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
