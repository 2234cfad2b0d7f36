"""Layers, losses and steps of optimisers at a middling size, against PyTorch.

Run with one thread, as ``OMP_NUM_THREADS=1 python benchmarks/layers.py``; all on one core, in
float32, forward and backward. The ratio is to PyTorch, which has a kernel of its own for most of
these, where minigrad has compositions. ``--only`` picks rows by a part of their name.

At this size much depends on where memory comes from: glibc gives what is freed back to the system
and asks for it again at the next step. ``MALLOC_TRIM_THRESHOLD_=536870912
MALLOC_MMAP_THRESHOLD_=536870912`` in front of the command has it keep that.
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

RNG = np.random.default_rng(0)


class Row(NamedTuple):
    """A function of an array in both libraries, and the shape of the array."""

    ours: Callable[[], Callable[..., Any]]
    theirs: Callable[[Any], Callable[..., Any]]
    shape: tuple[int, ...]


def layer(name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """The layer that both call so."""
    return (
        lambda: getattr(mg.nn, name)(*args, **kwargs),
        lambda torch: getattr(torch.nn, name)(*args, **kwargs),
    )


def function(name: str, theirs: str | None = None, **kwargs: Any) -> tuple[Any, Any]:
    """The function of PyTorch's ``nn.functional`` or ``torch`` that does the same."""

    def find(torch: Any) -> Callable[..., Any]:
        called = theirs or name
        home = torch.nn.functional if hasattr(torch.nn.functional, called) else torch
        return lambda x: getattr(home, called)(x, **kwargs)

    return lambda: lambda x: getattr(mg, name)(x, **kwargs), find


def pair(name: str) -> tuple[Any, Any]:
    """A function of two halves of the array."""
    return (
        lambda: lambda x: getattr(mg, name)(x[0], x[1]),
        lambda torch: lambda x: getattr(torch, name)(x[0], x[1]),
    )


TOKENS = RNG.integers(128, size=512)
ROWS = {
    "LSTM 32→64, 20 steps": Row(*layer("LSTM", 32, 64, batch_first=True), (16, 20, 32)),
    "GRU 32→64, 20 steps": Row(*layer("GRU", 32, 64, batch_first=True), (16, 20, 32)),
    "TransformerEncoderLayer 64": Row(
        *layer("TransformerEncoderLayer", 64, 4, 128, dropout=0.0, batch_first=True), (8, 32, 64)
    ),
    "BatchNorm2d": Row(*layer("BatchNorm2d", 16), (16, 16, 28, 28)),
    "GroupNorm": Row(*layer("GroupNorm", 4, 16), (16, 16, 28, 28)),
    "LayerNorm": Row(*layer("LayerNorm", 128), (256, 128)),
    "Linear 256": Row(*layer("Linear", 256, 256), (128, 256)),
    "Dropout": Row(*layer("Dropout", 0.5), (256, 512)),
    "embedding of 512 tokens": Row(
        lambda: lambda x: mg.embedding(TOKENS, x),
        lambda torch: lambda x: torch.nn.functional.embedding(torch.from_numpy(TOKENS), x),
        (128, 512),
    ),
    "maximum": Row(*pair("maximum"), (2, 128, 512)),
    "clip": Row(*function("clip", "clamp", min=-0.5, max=0.5), (128, 512)),
    "leaky_relu": Row(*function("leaky_relu"), (128, 512)),
    "elu": Row(*function("elu"), (128, 512)),
    "gelu": Row(*function("gelu"), (128, 512)),
    "sigmoid": Row(*function("sigmoid"), (128, 512)),
    "tanh": Row(*function("tanh"), (128, 512)),
}


def steps(row: Row) -> dict[str, Callable[[], object]]:
    import torch

    torch.set_num_threads(1)
    x = RNG.normal(size=row.shape).astype(np.float32)
    ours, theirs = mg.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    f, g = row.ours(), row.theirs(torch)

    def first(out: Any) -> Any:
        return out[0] if isinstance(out, tuple) else out

    cotangent = RNG.normal(size=first(f(ours)).shape).astype(np.float32)
    same = torch.from_numpy(cotangent)

    def with_minigrad() -> None:
        ours.grad = None
        if isinstance(f, mg.nn.Module):
            f.zero_grad()
        first(f(ours)).backward(cotangent)

    def with_torch() -> None:
        theirs.grad = None
        if isinstance(g, torch.nn.Module):
            g.zero_grad()
        first(g(theirs)).backward(same)

    return {"PyTorch": with_torch, "minigrad": with_minigrad}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names of rows")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("| forward and backward | PyTorch, µs | minigrad, µs | ratio |\n|---|---|---|---|")
    for name, row in ROWS.items():
        if arguments.only and not any(part in name for part in arguments.only):
            continue
        times = race(steps(row), rounds=arguments.rounds)
        seconds, ratio = times["minigrad"]
        theirs = times["PyTorch"][0]
        print(f"| {name} | {theirs * 1e6:.0f} | {seconds * 1e6:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
