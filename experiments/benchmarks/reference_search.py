#!/usr/bin/env python3
"""A vectorised evolutionary search over levels, in NumPy: what one would write in an afternoon.

    reference_search.py TABLE.json BITS_PER_WEIGHT [GENERATIONS] [SEED]

Population 128: tournaments of two, uniform crossover, one mutated level per child on average, and
repair: while a child is over the budget, one random unit goes a level down. The best plan survives.
All units need the same number of levels. Prints JSON: generations per second and the best loss.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

POPULATION = 128


def repair(plans, cost, capacity, generator):
    """Lowers random units of the plans that are over capacity until none is."""
    units = np.arange(plans.shape[1])
    spent = cost[units, plans].sum(axis=1)
    while (over := np.flatnonzero(spent > capacity)).size:
        # A random unit that is not at its lowest level: the greatest of random keys.
        keys = generator.random((over.size, units.size))
        keys[plans[over] == 0] = -1
        unit = keys.argmax(axis=1)
        level = plans[over, unit]
        spent[over] += cost[unit, level - 1] - cost[unit, level]
        plans[over, unit] = level - 1


def search(loss, cost, capacity, generations, generator):
    units, levels = loss.shape
    column = np.arange(units)

    def fitness(plans):
        return loss[column, plans].sum(axis=1)

    def tournament(scores):
        pairs = generator.integers(POPULATION, size=(POPULATION, 2))
        return np.where(
            scores[pairs[:, 0]] <= scores[pairs[:, 1]], pairs[:, 0], pairs[:, 1]
        )

    plans = generator.integers(levels, size=(POPULATION, units))
    repair(plans, cost, capacity, generator)
    scores = fitness(plans)
    for _ in range(generations):
        mothers, fathers = plans[tournament(scores)], plans[tournament(scores)]
        children = np.where(generator.random(plans.shape) < 0.5, mothers, fathers)
        mutated = generator.random(plans.shape) < 1 / units
        children[mutated] = generator.integers(levels, size=int(mutated.sum()))
        repair(children, cost, capacity, generator)
        children[0] = plans[scores.argmin()]
        plans, scores = children, fitness(children)
    return plans[scores.argmin()], float(scores.min())


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    path, bits = sys.argv[1], float(sys.argv[2])
    generations = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    with open(path) as file:
        table = json.load(file)["units"]
    loss = np.array([[level["loss"] for level in unit["levels"]] for unit in table])
    weights = np.array([unit["weights"] for unit in table], dtype=np.int64)
    half_bits = np.array([[round(2 * v["bits"]) for v in u["levels"]] for u in table])
    cost = half_bits * weights[:, None]
    capacity = int(2 * bits * int(weights.sum()))
    if cost[:, 0].sum() > capacity:
        sys.exit(f"A budget of {bits} bits admits no plan.")
    start = time.perf_counter()
    _, best = search(loss, cost, capacity, generations, np.random.default_rng(seed))
    seconds = time.perf_counter() - start
    print(
        json.dumps(
            {
                "program": f"NumPy {np.__version__}",
                "generations": generations,
                "generationsPerSecond": generations / seconds,
                "seconds": seconds,
                "loss": best,
            }
        )
    )


if __name__ == "__main__":
    main()
