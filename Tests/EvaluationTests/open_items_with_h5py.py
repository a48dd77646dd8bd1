#!/usr/bin/env python3
"""Reads what evaluation keeps, through h5py, and recomputes it from its parts.

    open_items_with_h5py.py ITEMS REFERENCE

ITEMS is an items.h5 with the scope perplexity/text, REFERENCE a reference.h5 with the text "text". Exits with 1 on
any difference.
"""

import sys

import h5py
import numpy as np


def fnv(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return value


def check(name: str, holds: bool) -> None:
    print(f"{name}: {'equal' if holds else 'DIFFERENT'}")
    if not holds:
        sys.exit(1)


items, reference = (h5py.File(path) for path in sys.argv[1:3])
scope = items["perplexity/text"]
ids = bytes(scope["item"][:]).decode().split("\n")
counts = scope["window_tokens"][:]
check("ids", ids == [f"0/{window}" for window in range(len(counts))])
windows = np.split(scope["token_nll"][:].astype(np.float64), np.cumsum(counts)[:-1])
means = np.array([window.mean() for window in windows])
# Tokens are rounded to f32, windows are not.
check("window means", np.allclose(means, scope["window_nll"][:], rtol=1e-6, atol=0))

text = reference["text"]
check("hashes", np.array_equal(text["hash"][:], scope["hash"][:]))
mass = np.exp(text["log_probability"][:].astype(np.float64)).sum(axis=1) + np.exp(text["log_tail"][:].astype(np.float64))
check("probabilities add up to 1", np.allclose(mass, 1, rtol=0, atol=1e-5))
check("falling", bool((np.diff(text["log_probability"][:], axis=1) <= 0).all()))
check("likeliest", np.array_equal(text["token"][:, 0], text["likeliest"][:]))
check("losses", np.allclose(-text["target_log_probability"][:], scope["token_nll"][:], rtol=0, atol=1e-5))
target = text["target"][:].reshape(len(counts), -1)
stored = [np.uint64(np.int64(value)) for value in text["hash"][:]]
first = np.array([int(token) for token in sys.argv[3].split(",")], dtype=np.int32)
ours = [fnv(np.concatenate([[start], row, row]).astype("<i4").tobytes()) for start, row in zip(first, target)]
check("hash of a window", ours == [int(value) for value in stored])
check("layers", sorted(text["routes"]) == ["00", "01"])
check("routes", bool((text["routes/00/experts"][:, 0] < text["routes/00/experts"][:, 1]).all()))
check("router", np.allclose(text["routes/00/probability"][:].sum(axis=1), 1, atol=1e-5))
