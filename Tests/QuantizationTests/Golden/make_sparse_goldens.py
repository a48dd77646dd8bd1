#!/usr/bin/env python3
"""Writes sparse.json beside this file: weighted k-means, outliers and grouping axes by other programs.

Clusters: the least loss over every assignment of points (brute force), and the loss of scikit-learn's KMeans called as
SqueezeLLM calls it. Outliers: quantiles and thresholds of numpy, top-k of torch. Axes: rounding and GPTQ with groups
along the outputs, written out in numpy. Inputs are fractions of powers of two from SplitMix64, so that a test can make
the same ones.
"""

from __future__ import annotations

import itertools
import json
import warnings
from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.cluster import KMeans

from make_goldens import SplitMix64


def loss_of(values: np.ndarray, weights: np.ndarray, labels: np.ndarray) -> float:
    loss = 0.0
    for label in set(labels.tolist()):
        x, w = values[labels == label], weights[labels == label]
        if w.sum() > 0:
            loss += float(np.sum(w * (x - np.sum(w * x) / w.sum()) ** 2))
    return loss


def brute_force(values: np.ndarray, weights: np.ndarray, clusters: int) -> float:
    return min(
        loss_of(values, weights, np.array(labels))
        for labels in itertools.product(range(clusters), repeat=len(values))
    )


def squeezellm(values: np.ndarray, weights: np.ndarray, clusters: int) -> float:
    """nuq.py: weights of zero values are masked, and are ones if nothing is left."""
    weights = weights * (values != 0)
    if weights.sum() == 0:
        weights = np.ones_like(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = KMeans(n_clusters=clusters, random_state=0, n_init="auto", max_iter=50).fit(
            values.reshape(-1, 1), sample_weight=weights)
    nearest = np.abs(values[:, None] - fit.cluster_centers_.reshape(1, -1)).min(axis=1)
    return float(np.sum(weights * nearest**2))


def clusters() -> list[dict]:
    entries = []
    for seed, (count, k) in enumerate([(1, 2), (4, 2), (6, 3), (7, 3), (8, 2), (8, 3), (7, 4)]):
        random = SplitMix64(seed)
        values = np.array([random.signed(8) / 128 for _ in range(count)])
        weights = np.array([(random.signed(6) + 32) / 64 for _ in range(count)])
        entries.append({
            "seed": seed, "count": count, "clusters": k,
            "optimal": brute_force(values, weights, k), "sklearn": None,
        })
    for seed, (count, k) in enumerate([(256, 4), (256, 8), (512, 8), (512, 16), (1024, 16), (300, 32)], start=100):
        random = SplitMix64(seed)
        values = np.array([random.signed(16) * abs(random.signed(16)) / 2**30 for _ in range(count)]).astype(np.float32)
        weights = np.array([(random.signed(12) + 2048) ** 2 / 2**24 for _ in range(count)])
        entries.append({
            "seed": seed, "count": count, "clusters": k, "optimal": None,
            "sklearn": squeezellm(values.astype(np.float64), weights, k),
        })
    return entries


def matrix(random: SplitMix64, rows: int, columns: int) -> np.ndarray:
    return np.array([[random.signed(20) / 2**20 for _ in range(columns)] for _ in range(rows)])


def outliers() -> dict:
    random = SplitMix64(7)
    weights = matrix(random, 24, 50)
    weights = (weights * weights * weights).astype(np.float32).astype(np.float64)
    fisher = np.array([[(random.signed(16) + 2**15) / 2**16 for _ in range(50)] for _ in range(24)])
    q1, q3 = np.quantile(weights, 0.25), np.quantile(weights, 0.75)
    entries = []
    for factor in [0.5, 1.0, 1.5]:
        low, high = q1 - factor * (q3 - q1), q3 + factor * (q3 - q1)
        threshold = max(abs(low), abs(high))
        entries.append({
            "range": factor, "threshold": threshold, "indices": np.flatnonzero(np.abs(weights) > threshold).tolist()})
    flat = torch.tensor(fisher, dtype=torch.float32).reshape(-1)
    sensitive = (flat > flat.topk(k=int(flat.numel() * 0.02)).values[-1]).nonzero().reshape(-1).tolist()
    return {"seed": 7, "rows": 24, "columns": 50, "q1": q1, "q3": q3, "ranges": entries, "sensitiveFraction": 0.02,
            "sensitive": sensitive}


def round_column(column: np.ndarray, bits: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """METHODS 2.1, asymmetric, for the groups of one input channel; scales in binary16."""
    codes, values = np.zeros(len(column), int), np.zeros(len(column))
    largest = 2**bits - 1
    for first in range(0, len(column), size):
        part = column[first : first + size]
        low, high = min(part.min(), 0), max(part.max(), 0)
        scale = float(np.float16((high - low) / largest))
        zero = np.clip(np.rint(-low / scale), 0, largest)
        code = np.clip(np.rint(part / scale) + zero, 0, largest)
        codes[first : first + size], values[first : first + size] = code, scale * (code - zero)
    return codes, values


def gptq_by_input(weights: np.ndarray, hessian: np.ndarray, bits: int, size: int, order: np.ndarray):
    """Each input channel has its own scales, chosen when it is reached; error feedback as in GPTQ."""
    damped = hessian + 0.01 * np.mean(np.diag(hessian)) * np.eye(len(hessian))
    upper = np.linalg.cholesky(np.linalg.inv(damped[np.ix_(order, order)])).T
    rest = weights[:, order].copy()
    codes, result = np.zeros(weights.shape, int), np.zeros(weights.shape)
    loss = 0.0
    for i in range(len(order)):
        code, value = round_column(rest[:, i], bits, size)
        error = (rest[:, i] - value) / upper[i, i]
        loss += float(np.sum(error**2)) / 2
        rest[:, i:] -= np.outer(error, upper[i, i:])
        codes[:, order[i]], result[:, order[i]] = code, value
    return codes, result, loss


def axes() -> dict:
    random = SplitMix64(11)
    rows, columns, size, bits, tokens = 20, 24, 8, 3, 96
    weights = matrix(random, rows, columns)
    inputs = np.zeros((tokens, columns))
    for token in range(tokens):
        shared = random.signed(4)
        for column in range(columns):
            inputs[token, column] = random.signed(4) + shared * (1 + column % 3)
    hessian = 2 / tokens * inputs.T @ inputs
    hessian = hessian.astype(np.float32).astype(np.float64)

    def proxy(quantized: np.ndarray) -> float:
        error = quantized - weights
        return float(np.trace(error @ hessian @ error.T))

    by_input = [round_column(weights[:, i], bits, size) for i in range(columns)]
    by_output = [round_column(weights[o], bits, size) for o in range(rows)]
    result = {
        "seed": 11, "rows": rows, "columns": columns, "groupSize": size, "bits": bits, "tokens": tokens,
        "inputCodes": text(np.array([codes for codes, _ in by_input])),
        "inputError": proxy(np.array([values for _, values in by_input]).T),
        "outputError": proxy(np.array([values for _, values in by_output])),
    }
    for name, order in [
        ("natural", np.arange(columns)), ("act-order", np.argsort(-np.diag(hessian), kind="stable"))
    ]:
        codes, values, loss = gptq_by_input(weights, hessian, bits, size, order)
        result[name] = {"codes": text(codes.T), "loss": loss, "proxy": proxy(values)}
    return result


def text(codes: np.ndarray) -> list[str]:
    return ["".join(f"{code:x}" for code in row) for row in codes.tolist()]


def main() -> None:
    golden = {
        "sklearn": sklearn.__version__, "numpy": np.__version__, "torch": torch.__version__, "clusters": clusters(),
        "outliers": outliers(), "axes": axes(),
    }
    Path(__file__).with_name("sparse.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
