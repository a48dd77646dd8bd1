#!/usr/bin/env python3
"""HAWQ's 0-1 program with PuLP and its bundled CBC, on a table that assay reads too.

    reference_pulp.py make TABLE.json [UNITS] [SEED]
    reference_pulp.py solve TABLE.json BITS_PER_WEIGHT

`make` writes a sensitivity table: units of different sizes with levels 2, 2.5, 3, 3.5 and 4, losses
lognormal times about 4^-bits. `solve` takes one variable for each unit and level, one equality for
each unit and one bound on the code bits, as HAWQ-V3's integer program does (Yao et al. 2021,
arXiv:2011.10680), and prints JSON: seconds of modelling and solving, of solving alone, objective.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time


def make(path: str, units: int, seed: int) -> None:
    generator = random.Random(seed)
    table = []
    for unit in range(units):
        weights = [4096 * 14336, 4096 * 4096, 1024 * 4096][unit % 3]
        scale = math.exp(generator.gauss(0, 1.5)) * weights / 2**22
        levels = [
            {"bits": bits, "loss": scale * 4**-bits * (1 + 0.15 * generator.gauss(0, 1))}
            for bits in (2, 2.5, 3, 3.5, 4)
        ]
        table.append(
            {"id": f"units.{unit}", "layer": unit // 24, "weights": weights, "levels": levels}
        )
    with open(path, "w") as file:
        json.dump({"format": "assay.sensitivity-table", "version": 1, "units": table}, file)


def solve(path: str, bits_per_weight: float) -> dict:
    import pulp

    with open(path) as file:
        units = json.load(file)["units"]
    start = time.perf_counter()
    # Whole numbers only: half bits, weights divided by their greatest common divisor.
    unit_size = math.gcd(*(unit["weights"] for unit in units))
    capacity = math.floor(2 * bits_per_weight * sum(u["weights"] for u in units) / unit_size)
    program = pulp.LpProblem("bits", pulp.LpMinimize)
    chosen = [
        [pulp.LpVariable(f"x_{i}_{j}", cat="Binary") for j in range(len(unit["levels"]))]
        for i, unit in enumerate(units)
    ]
    pairs = [
        (variable, unit, level)
        for unit, variables in zip(units, chosen)
        for variable, level in zip(variables, unit["levels"])
    ]
    largest = max(abs(level["loss"]) for _, _, level in pairs)
    program += pulp.lpSum(1e6 / largest * level["loss"] * x for x, _, level in pairs)
    for variables in chosen:
        program += pulp.lpSum(variables) == 1
    program += (
        pulp.lpSum(round(2 * v["bits"]) * (u["weights"] // unit_size) * x for x, u, v in pairs)
        <= capacity
    )
    solving = time.perf_counter()
    status = program.solve(pulp.PULP_CBC_CMD(msg=False, gapRel=0, gapAbs=0, threads=1))
    end = time.perf_counter()
    return {
        "program": f"PuLP {pulp.__version__}",
        "status": pulp.LpStatus[status],
        "seconds": end - start,
        "solveSeconds": end - solving,
        "objective": math.fsum(v["loss"] for x, _, v in pairs if x.value() > 0.5),
    }


def main() -> None:
    match sys.argv[1:]:
        case ["make", path, *rest]:
            units, seed = (int(value) for value in (rest + ["768", "1"][len(rest) :]))
            make(path, units, seed)
        case ["solve", path, bits]:
            print(json.dumps(solve(path, float(bits))))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
