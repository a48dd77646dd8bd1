#!/usr/bin/env python3
"""Compares calibration files written by assay with a golden file, through h5py, an independent reader.

    open_with_h5py.py DIR GOLDEN

DIR holds layer-00.h5, layer-01.h5 …, each with its group layers/NN at the root. A dataset agrees if shape and type
are equal and no element differs by more than 1e-4 of the largest absolute value in the golden dataset; whole numbers
must be equal. Prints one line per group that holds datasets; exits with 1 on any difference.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import h5py
import numpy as np

TOLERANCE = 1e-4


def dataset_groups(group: h5py.Group) -> dict[str, h5py.Group]:
    """Every group that directly holds datasets, by its path."""
    found: dict[str, h5py.Group] = {}

    def visit(_name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            found[item.parent.name] = item.parent

    group.visititems(visit)
    return found


def attribute_problems(label: str, ours: h5py.HLObject, golden: h5py.HLObject) -> list[str]:
    problems = []
    for name, expected in golden.attrs.items():
        if name not in ours.attrs:
            problems.append(f"{label}@{name} missing")
        # A writer may store a scalar attribute as an array of one.
        elif not np.array_equal(np.ravel(ours.attrs[name]), np.ravel(expected)):
            problems.append(f"{label}@{name} is {ours.attrs[name]}, not {expected}")
    return problems


def relative_difference(ours: np.ndarray, golden: np.ndarray) -> float:
    if golden.size == 0:
        return 0.0
    # Unsigned and signed integers alike: the difference is taken in f64.
    difference = np.abs(ours.astype(np.float64) - golden.astype(np.float64)).max()
    scale = np.abs(golden.astype(np.float64)).max()
    if difference == 0:
        return 0.0
    return float(difference / scale) if scale > 0 else float("inf")


def compare_dataset(name: str, ours: h5py.Dataset, golden: h5py.Dataset) -> tuple[float, list[str]]:
    if ours.shape != golden.shape or ours.dtype != golden.dtype:
        return float("inf"), [f"{name} is {ours.dtype}{ours.shape}, not {golden.dtype}{golden.shape}"]
    difference = relative_difference(ours[()], golden[()])
    limit = 0.0 if np.issubdtype(golden.dtype, np.integer) else TOLERANCE
    problems = attribute_problems(name, ours, golden)
    if not difference <= limit:  # also catches NaN
        problems.append(f"{name} differs by {difference:.2e}")
    return difference, problems


def compare_group(ours: h5py.Group, golden: h5py.Group) -> tuple[float, list[str]]:
    worst, problems = 0.0, attribute_problems("", ours, golden)
    for name, dataset in golden.items():
        if not isinstance(dataset, h5py.Dataset):
            continue
        if name not in ours:
            problems.append(f"{name} missing")
            continue
        difference, found = compare_dataset(name, ours[name], dataset)
        # np.maximum, unlike max, lets a NaN through.
        worst, problems = float(np.maximum(worst, difference)), problems + found
    return worst, problems


def compare_layer(folder: Path, golden: h5py.Group) -> bool:
    path = folder / f"layer-{Path(golden.name).name}.h5"
    if not path.exists():
        print(f"{golden.name}: DIFFERENT: {path.name} missing")
        return False
    agrees = True
    with h5py.File(path, "r") as file:
        for name, expected in dataset_groups(golden).items():
            worst, problems = compare_group(file[name], expected) if name in file else (0.0, ["group missing"])
            print(f"{name}: " + ("DIFFERENT: " + "; ".join(problems) if problems else f"equal within {worst:.1e}"))
            agrees = agrees and not problems
    return agrees


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("golden", type=Path, metavar="GOLDEN")
    arguments = parser.parse_args()
    print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}, numpy {np.__version__}")
    with h5py.File(arguments.golden, "r") as golden:
        results = [compare_layer(arguments.folder, golden["layers"][name]) for name in sorted(golden["layers"])]
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
