#!/usr/bin/env python3
"""Writes gptq.json beside this file: codes and losses of gptq_reference.py on a small exact problem.

Weights and Hessian are fractions of powers of two that f32 holds exactly, from SplitMix64, so that a test can make the
same ones. One input is dead. Codes are rows of hexadecimal digits in the order of the columns.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import torch

from gptq_reference import Grid, Options, gptq, round_to_nearest

ROWS, COLUMNS, TOKENS, DEAD = 16, 64, 256, 13
GROUP, BLOCK, SEED = 16, 32, 2026


class SplitMix64:
    def __init__(self, seed: int) -> None:
        self.state = seed

    def signed(self, bits: int) -> int:
        """A whole number in -2^(bits-1) ..< 2^(bits-1)."""
        mask = 2**64 - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        z ^= z >> 31
        return (z >> (64 - bits)) - 2 ** (bits - 1)


def problem() -> tuple[torch.Tensor, torch.Tensor]:
    random = SplitMix64(SEED)
    weights = torch.tensor([[random.signed(20) / 2**20 for _ in range(COLUMNS)] for _ in range(ROWS)])
    inputs = torch.zeros(TOKENS, COLUMNS)
    for token in range(TOKENS):
        shared = random.signed(4)
        for column in range(COLUMNS):
            inputs[token, column] = random.signed(4) + shared * (1 + column % 3)
    inputs[:, DEAD] = 0
    return weights, 2 / TOKENS * inputs.T @ inputs


def cases() -> list[tuple[Grid, Options]]:
    flags = [False, True]
    result = [
        (Grid(3, None, symmetric, mse), Options(act_order, "fresh", block_size=BLOCK))
        for symmetric, mse, act_order in itertools.product(flags, flags, flags)
    ]
    result += [
        (Grid(3, GROUP, symmetric, mse), Options(act_order, scales, block_size=BLOCK))
        for symmetric, mse, act_order, scales in itertools.product(flags, flags, flags, ["fresh", "stale", "static"])
    ]
    result += [(Grid(bits, GROUP, False), Options(True, "fresh", block_size=BLOCK)) for bits in (2, 4)]
    result += [(Grid(3, GROUP, symmetric, half_scales=True), Options(True, block_size=BLOCK)) for symmetric in flags]
    return result


def text(codes: torch.Tensor) -> list[str]:
    return ["".join(f"{code:x}" for code in row) for row in codes.tolist()]


def main() -> None:
    torch.set_num_threads(1)
    weights, hessian = problem()
    damped = hessian.double()
    entries = []
    for grid, options in cases():
        result = gptq(weights, hessian, grid, options)
        error = (result.quantized - weights).double()
        entries.append({
            "bits": grid.bits, "groupSize": grid.group_size, "symmetric": grid.symmetric, "rangeSearch": grid.mse,
            "halfScales": grid.half_scales, "actOrder": options.act_order, "scales": options.scales,
            "loss": result.loss, "proxy": float(torch.einsum("ri,ij,rj->", error, damped, error)),
            "codes": text(result.codes), "nearest": text(round_to_nearest(weights, grid)),
        })
    golden = {
        "torch": torch.__version__, "seed": SEED, "rows": ROWS, "columns": COLUMNS, "tokens": TOKENS, "dead": DEAD,
        "blockSize": BLOCK, "hessianTrace": float(damped.trace()), "cases": entries,
    }
    Path(__file__).with_name("gptq.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
