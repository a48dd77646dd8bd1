"""GPTQ in PyTorch, written after METHODS §2.1 and §2.2: the structure of the published code, one function a step.

Nothing here is fast on purpose or slow on purpose: it is what the golden files and the benchmark compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    bits: int
    group_size: int | None = None
    symmetric: bool = False
    mse: bool = False
    half_scales: bool = False

    @property
    def largest_code(self) -> int:
        return 2**self.bits - 1


@dataclass(frozen=True)
class Options:
    act_order: bool = False
    scales: str = "fresh"
    damping: float = 0.01
    block_size: int = 128


@dataclass
class Result:
    codes: Tensor
    loss: float
    quantized: Tensor


def quantize(w: Tensor, scale: Tensor, zero: Tensor, grid: Grid) -> Tensor:
    return torch.clamp(torch.round(w / scale) + zero, 0, grid.largest_code)


def parameters(low: Tensor, high: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    scale = (high - low) / grid.largest_code
    if grid.half_scales:
        scale = scale.half().to(low.dtype)
    if grid.symmetric:
        return scale, torch.full_like(scale, (grid.largest_code + 1) / 2)
    return scale, torch.round(-low / scale)


def find_parameters(w: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Scale and zero point of each row, shape [rows, 1]."""
    low = w.min(1).values.clamp(max=0)
    high = w.max(1).values.clamp(min=0)
    if grid.symmetric:
        high = torch.maximum(low.abs(), high)
        low = torch.where(low < 0, -high, low)
    empty = (low == 0) & (high == 0)
    low, high = torch.where(empty, -1, low), torch.where(empty, 1, high)
    scale, zero = parameters(low, high, grid)
    if grid.mse:
        best = torch.full_like(low, float("inf"))
        for i in range(80):
            p = 1 - i / 100
            scale1, zero1 = parameters(p * low, p * high, grid)
            q = quantize(w, scale1[:, None], zero1[:, None], grid)
            error = (scale1[:, None] * (q - zero1[:, None]) - w).abs().pow(2.4).sum(1)
            better = error < best
            best = torch.where(better, error, best)
            scale, zero = torch.where(better, scale1, scale), torch.where(better, zero1, zero)
    return scale[:, None], zero[:, None]


def upper_factor(hessian: Tensor, damping: float) -> Tensor:
    damped = hessian.clone()
    damped.diagonal().add_(damping * hessian.diagonal().mean())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True)


def gptq(weights: Tensor, hessian: Tensor, grid: Grid, options: Options) -> Result:
    w, hessian = weights.clone(), hessian.clone()
    columns = w.shape[1]
    group_size = grid.group_size or columns
    dead = hessian.diagonal() == 0
    hessian[dead, dead] = 1
    w[:, dead] = 0
    static = [find_parameters(w[:, i : i + group_size], grid) for i in range(0, columns, group_size)]
    order = torch.arange(columns)
    if options.act_order:
        order = torch.argsort(hessian.diagonal(), descending=True, stable=True)
        w, hessian = w[:, order], hessian[order][:, order]
    upper = upper_factor(hessian, options.damping)

    codes, quantized = torch.zeros_like(w), torch.zeros_like(w)
    loss = 0.0
    for start in range(0, columns, options.block_size):
        end = min(start + options.block_size, columns)
        block, errors = w[:, start:end].clone(), torch.zeros_like(w[:, start:end])
        u = upper[start:end, start:end]
        for i in range(end - start):
            position = start + i
            if options.scales == "static":
                scale, zero = static[int(order[position]) // group_size]
            elif position % group_size == 0:
                source = w if options.scales == "stale" else torch.cat([w[:, :start], block, w[:, end:]], 1)
                scale, zero = find_parameters(source[:, position : position + group_size], grid)
            column = block[:, i : i + 1]
            code = quantize(column, scale, zero, grid)
            value = scale * (code - zero)
            error = (column - value) / u[i, i]
            loss += float((error.double() ** 2).sum()) / 2
            block[:, i:] -= error @ u[i : i + 1, i:]
            errors[:, i : i + 1] = error
            codes[:, position : position + 1], quantized[:, position : position + 1] = code, value
        w[:, end:] -= errors @ upper[start:end, end:]
    inverse = torch.argsort(order)
    return Result(codes[:, inverse].to(torch.uint8), loss, quantized[:, inverse])


def round_to_nearest(weights: Tensor, grid: Grid) -> Tensor:
    """Codes of every group."""
    groups = weights.split(grid.group_size or weights.shape[1], 1)
    return torch.cat([quantize(w, *find_parameters(w, grid), grid) for w in groups], 1).to(torch.uint8)
