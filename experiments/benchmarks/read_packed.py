"""Reads a folder that `assay quantize` wrote, with numpy and safetensors alone.

    python read_packed.py quantized/ [reference.safetensors]

Prints every quantized weight with its form, or, given a checkpoint, the largest difference from it.
The format is told where Sources/Checkpoints/QuantizedCheckpoint.swift begins.
"""

import sys

import numpy as np
from safetensors import safe_open


def unpacked(stream, bits, count):
    """The first `count` codes of a dense little-endian bit stream."""
    flat = np.unpackbits(stream, bitorder="little")[: bits * count].reshape(count, bits)
    return flat.astype(np.int64) @ (1 << np.arange(bits))


def read(path):
    """Weight name to float32 matrix, for every quantized weight; and their layouts."""
    file = safe_open(path, framework="numpy")
    names, layouts = set(file.keys()), file.metadata()

    def dense(weight, entry):
        stem = weight[: -len("weight")]
        form, _, rest = entry.partition("/")
        if form == "slices":
            axis, count, order_weight = rest.split("/", 2)
            parts = [f"{stem}slice{index}.weight" for index in range(int(count))]
            matrix = np.concatenate(
                [dense(part, layouts[part]) for part in parts], axis=0 if axis == "rows" else 1)
            neurons = matrix.shape[0 if axis == "rows" else 1]
            bits = max(int(neurons - 1).bit_length(), 1)
            stream = file.get_tensor(order_weight[: -len("weight")] + "neuron_order")
            order, result = unpacked(stream, bits, neurons), np.empty_like(matrix)
            if axis == "rows":
                result[order] = matrix
            else:
                result[:, order] = matrix
            return result
        numbers = rest if form in ("codebooks", "input-channel") else entry
        bits, group_size, columns = map(int, numbers.split("/"))
        codes = np.stack([unpacked(row, bits, columns) for row in file.get_tensor(stem + "codes")])
        group = np.arange(columns) // group_size
        if stem + "group_index" in names:
            group = file.get_tensor(stem + "group_index")
        if form == "codebooks":
            books = file.get_tensor(stem + "codebooks").astype(np.float32)
            return books[np.arange(len(codes))[:, None], group[None], codes]
        scales = file.get_tensor(stem + "scales").astype(np.float32)
        if stem + "zeros" in names:
            zeros = unpacked(file.get_tensor(stem + "zeros"), bits, scales.size).reshape(scales.shape)
        else:
            zeros = np.full(scales.shape, 0.5 if bits == 1 else 2 ** (bits - 1))
        matrix = scales[:, group] * (codes - zeros[:, group]).astype(np.float32)
        return matrix.T if form == "input-channel" else matrix

    def whole(weight):
        stem, matrix = weight[: -len("weight")], dense(weight, layouts[weight])
        if stem + "sparse_rows" in names:
            starts = file.get_tensor(stem + "sparse_rows").astype(np.int64)
            rows = np.repeat(np.arange(len(matrix)), np.diff(starts))
            matrix[rows, file.get_tensor(stem + "sparse_columns")] += file.get_tensor(
                stem + "sparse_values").astype(np.float32)
        return matrix

    weights = [n for n in layouts if n.endswith(".weight") and ".slice" not in n]
    return {name: whole(name) for name in sorted(weights)}, layouts


if __name__ == "__main__":
    matrices, layouts = read(sys.argv[1] + "/quantized.safetensors")
    if len(sys.argv) > 2:
        reference = safe_open(sys.argv[2], framework="numpy")
        worst = max(np.abs(m - reference.get_tensor(n)).max() for n, m in matrices.items())
        print(f"{len(matrices)} weights, largest difference {worst}")
        sys.exit(int(worst != 0))
    for name, matrix in matrices.items():
        print(name, layouts[name], matrix.shape)
