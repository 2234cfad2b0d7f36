"""Convolution and pooling, forward and backward: gradients of the input, the weight and the bias.

Run with one thread, as ``OMP_NUM_THREADS=1 python benchmarks/conv.py``; all on one core.
The ratio is to PyTorch, without which there is nothing to race. ``--only`` picks rows by a part of
their name. As in a program that trains, a set of images is made and a batch is taken from it: what
was freed then is what the allocator hands out later, instead of asking the system for each array.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from interleave import race

import minigrad as mg

IMAGES = 1024


class Row(NamedTuple):
    """A function, the shapes of its arrays, the batch first, and its parameters."""

    function: str
    shapes: tuple[tuple[int, ...], ...]
    params: dict[str, Any]


X, W5, B = (32, 3, 32, 32), (16, 3, 5, 5), (16,)
ROWS = {
    "conv 3→16, 5x5": Row("conv2d", (X, W5, B), {}),
    "conv 3→16, 5x5, stride 2": Row("conv2d", (X, W5, B), {"stride": 2}),
    'conv 3→16, 5x5, padding "same"': Row("conv2d", (X, W5, B), {"padding": "same"}),
    "conv 16→32, 3x3": Row("conv2d", ((32, 16, 32, 32), (32, 16, 3, 3), (32,)), {}),
    "conv 64→64, 3x3 of 8x8": Row(
        "conv2d", ((32, 64, 8, 8), (64, 64, 3, 3), (64,)), {"padding": 1}
    ),
    "conv 64→64, 1x1": Row("conv2d", ((32, 64, 32, 32), (64, 64, 1, 1), (64,)), {}),
    "conv depthwise 32, 3x3": Row(
        "conv2d", ((32, 32, 32, 32), (32, 1, 3, 3), (32,)), {"padding": 1, "groups": 32}
    ),
    "conv_transpose 16→8, 4x4, stride 2": Row(
        "conv_transpose2d", ((32, 16, 16, 16), (16, 8, 4, 4), (8,)), {"stride": 2, "padding": 1}
    ),
    "max_pool 2x2": Row("max_pool2d", ((32, 16, 28, 28),), {"kernel_size": 2}),
    "avg_pool 2x2": Row("avg_pool2d", ((32, 16, 28, 28),), {"kernel_size": 2}),
    "max_pool 3x3, stride 2": Row(
        "max_pool2d", ((32, 16, 28, 28),), {"kernel_size": 3, "stride": 2, "padding": 1}
    ),
}


def draws(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if len(shape) == 4 and shape[0] == 32:
        return rng.normal(size=(IMAGES, *shape[1:])).astype(np.float32)[: shape[0]].copy()
    return rng.normal(size=shape).astype(np.float32)


def steps(row: Row) -> dict[str, Callable[[], object]]:
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    arrays = [draws(shape, rng) for shape in row.shapes]
    ours = [mg.Tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    f, g = getattr(mg, row.function), getattr(torch.nn.functional, row.function)
    cotangent = rng.normal(size=f(*ours, **row.params).shape).astype(np.float32)
    same = torch.from_numpy(cotangent)

    def with_minigrad() -> None:
        for t in ours:
            t.grad = None
        f(*ours, **row.params).backward(cotangent)

    def with_torch() -> None:
        for t in theirs:
            t.grad = None
        g(*theirs, **row.params).backward(same)

    with_minigrad()
    with_torch()
    for a, b in zip(ours, theirs, strict=True):
        wanted = b.grad.numpy()
        np.testing.assert_allclose(a.grad.numpy(), wanted, atol=1e-4 * np.abs(wanted).max())
    return {"PyTorch": with_torch, "minigrad": with_minigrad}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of rows")
    parser.add_argument("--rounds", type=int, default=21)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("| op | PyTorch, ms | minigrad, ms | ratio |")
    print("|---|---|---|---|")
    for name, row in ROWS.items():
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        times = race(steps(row), rounds=arguments.rounds)
        seconds, ratio = times["minigrad"]
        print(
            f"| {name} | {times['PyTorch'][0] * 1e3:.2f} | {seconds * 1e3:.2f} | {ratio:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
